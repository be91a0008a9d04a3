//! Where traces go: can this program send any, and are the files there that it needs for that.

use super::{Examiner, Named};
use crate::app::traces::CAN_BE_SENT;
use crate::config::Tracing;

impl Examiner {
    pub(super) fn tracing(&mut self, tracing: &Tracing) {
        if !CAN_BE_SENT {
            let why = "it was built without the cargo feature `otel`";
            let what_to_do = "build it with: cargo build --release --features otel, or remove `tracing`";
            self.error("this program sends no traces", "tracing", why, what_to_do);
        }
        if let Some(ca) = &tracing.ca {
            self.certificates(Named { path: ca, key: "tracing.ca" });
        }
        for (name, secret) in &tracing.headers {
            self.secret(&format!("tracing.headers.{name}"), secret);
        }
    }
}
