//! `takeover`: where sockets are handed over.

use super::Context;
use crate::config::Takeover;
use crate::config::raw;
use crate::config::read::{At, Field};

/// The longest path of a socket: what `unix(7)` takes, less the suffix that it has while it is made.
const LONGEST: usize = 107 - 9;

impl Context<'_> {
    /// The outer `None` is a fault.
    pub(super) fn takeover(&mut self, raw: &Field<raw::Takeover>) -> Option<Option<Takeover>> {
        let At { place, value: raw } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(takeover) => takeover,
        };
        let given = self.required(&raw.socket, *place, "socket")?;
        let socket = self.path(given)?;
        if socket.as_os_str().len() > LONGEST {
            let help = format!("choose a path of {LONGEST} octets at most, such as /run/wicketgate-gate/takeover.sock");
            return self.error(given.place, "the kernel takes no path of a socket that is so long", help);
        }
        Some(Some(Takeover { socket }))
    }
}
