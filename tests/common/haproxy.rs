//! A HAProxy of the tests' own, from a configuration that the test writes, in the foreground, as the user who runs
//! the tests.

use super::eventually;
use super::process::Process;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A running HAProxy.
pub(crate) struct HaProxy {
    // Declared first so that it is stopped before its folder is removed.
    pub(crate) process: Process,
    _folder: TempDir,
}

/// What a configuration begins with: TCP mode, and a log of every connection on standard error.
const BEGINNING: &str = "global\n  log stderr format raw local0\ndefaults\n  mode tcp\n  log global\n  option tcplog\n  \
                         timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n";

impl HaProxy {
    /// Starts one with these sections, and waits until it accepts connections at these addresses.
    pub(crate) fn start(sections: &str, addresses: &[SocketAddr]) -> Self {
        Self::with(&format!("{BEGINNING}{sections}"), addresses)
    }

    /// The same where the text is the whole configuration.
    pub(crate) fn with(text: &str, addresses: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("setpriv");
        // Servers live in sbin, which is not on everybody's path.
        let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).args(["--pdeathsig", "KILL", "haproxy", "-db", "-f"]).arg(&file);
        let mut process = Process::start(&mut command);
        for address in addresses {
            eventually("HAProxy to accept connections", || {
                assert!(process.ended().is_none(), "HAProxy ended:\n{}", process.output());
                TcpStream::connect_timeout(address, Duration::from_millis(200)).ok()
            });
        }
        Self { process, _folder: folder }
    }
}
