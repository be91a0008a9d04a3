//! Part of the checked model: how a process that runs is succeeded by another one.

use std::path::PathBuf;

/// Where a process that runs hands its listening sockets over to the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// The Unix socket that it is asked on; short enough for the kernel.
    pub socket: PathBuf,
}
