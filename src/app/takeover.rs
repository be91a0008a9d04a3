//! One process takes the place of another without losing a connection, so that a new program is put in the place of an
//! old one under load. The process that runs has a Unix socket ([`offer`]); `wicketgate serve --take-over` connects there
//! ([`ask`]) and is passed every listening socket (`SCM_RIGHTS`, unix(7)).
//!
//! ```text
//!   successor                                    the process that runs
//!      │ Ask ────────────────────────────────────────► │ goes on as before
//!      │ ◄──────────────── Socket × n, Door, Secret, All│
//!      │ validates, builds, begins to accept            │ both accept, each connection is one's
//!      │ Ready ──────────────────────────────────────► │ tells the service manager of the successor, stops accepting
//!      │ ◄────────────────────────────────────── Yours  │ finishes what is open, for `timeouts.drain`, and ends
//! ```
//!
//! Until `Ready` the successor may fail in any way: its end of the connection closes, and nothing has happened. After it,
//! the successor serves whatever becomes of its predecessor.
//!
//! Each side looks at whom the kernel says it speaks to: who could connect could keep clients waiting by taking their
//! connections, and who could be asked could do the same with the sockets that it passes.

pub(super) mod ask;
pub(super) mod offer;
mod wire;

use rustix::process::geteuid;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What is spoken here: both sides must agree.
const VERSION: u32 = 1;

/// Whether a process of this user may have our sockets, or give us its own: one that could take them anyway.
fn is_ours(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// The socket that sockets were passed on over, which is passed on itself, so that there is always somebody behind it.
pub(super) struct PassedDoor {
    /// Where it stands.
    path: PathBuf,
    socket: OwnedFd,
}

/// A path that means the same to two processes.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
