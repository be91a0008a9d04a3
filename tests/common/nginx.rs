//! An nginx of the tests' own, in the foreground, as the user who runs the tests.

use super::eventually;
use super::process::Process;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A running nginx.
pub(crate) struct Nginx {
    // Declared first so that it is stopped before its folder is removed.
    pub(crate) process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one with this inside its `http` section, and waits until it accepts connections at this address.
    pub(crate) fn start(inside: &str, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("  {kind}_temp_path {at}/{kind};\n"))
            .collect();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr info;\nevents {{}}\n\
             http {{\n  access_log off;\n{temporary}{inside}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let mut process = run(folder.path());
        eventually("nginx to accept connections", || {
            assert!(process.ended().is_none(), "nginx ended:\n{}", process.output());
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        });
        Self { process, _folder: folder }
    }
}

fn run(folder: &Path) -> Process {
    let mut command = Command::new("setpriv");
    // Servers live in sbin, which is not on everybody's path.
    let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).args(["--pdeathsig", "KILL", "nginx", "-e", "stderr", "-p"]).arg(folder);
    Process::start(command.arg("-c").arg(folder.join("nginx.conf")))
}
