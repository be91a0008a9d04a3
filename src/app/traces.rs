//! Traces of requests: what records them, and what sends them (`otlp`), which is there with the cargo feature `otel`
//! alone. A configuration that wants traces is refused by a program that was built without: nobody should wait for what
//! never comes.

#[cfg(feature = "otel")]
mod otlp;

use crate::config::Tracing;
use crate::telemetry::trace::{QUEUE, Tracer};
#[cfg(feature = "otel")]
use anyhow::Context;
use anyhow::bail;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Traces of a running gate.
pub(super) struct Traces {
    /// Records what requests do.
    pub(super) tracer: Arc<Tracer>,
    #[cfg(feature = "otel")]
    sending: otlp::Sending,
}

/// Whether this program can send any.
pub(super) const CAN_BE_SENT: bool = cfg!(feature = "otel");

impl Traces {
    /// Begins to record and send by these settings; what is recorded is sent even when another configuration is in force.
    ///
    /// # Errors
    /// When a file or a secret cannot be read, or when this program sends none.
    pub(super) fn start(settings: &Tracing, control: &Handle) -> anyhow::Result<Self> {
        if !CAN_BE_SENT {
            bail!("tracing: this program sends no traces; build it with the cargo feature `otel`, or remove `tracing`");
        }
        let (queue, finished) = mpsc::channel(QUEUE);
        #[cfg(feature = "otel")]
        let sending = otlp::Sending::start(settings, finished, control).context("tracing")?;
        #[cfg(not(feature = "otel"))]
        drop((finished, control));
        Ok(Self {
            tracer: Tracer::new(settings.clone(), queue),
            #[cfg(feature = "otel")]
            sending,
        })
    }

    /// Sends what waits, for no longer than this.
    pub(super) async fn finish(&self, limit: Duration) {
        #[cfg(feature = "otel")]
        self.sending.finish(limit).await;
        #[cfg(not(feature = "otel"))]
        let _ = limit;
    }
}
