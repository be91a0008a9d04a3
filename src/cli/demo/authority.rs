//! The authority's process of the demo: this program once more, which ends with the demo however that ends, since it watches
//! the pipe that the demo holds.

use anyhow::{Context, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it is waited for. It opens one key and one database.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it is there.
const LOOK: Duration = Duration::from_millis(10);

/// The running process. Dropping it ends it.
pub(super) struct Authority(Child);

/// Starts it, and waits until it answers on its socket.
pub(super) fn start(configuration: &Path, socket: &Path) -> anyhow::Result<Authority> {
    let program = std::env::current_exe().context("this program cannot be found")?;
    // One that was left behind would be taken for ours.
    let _ = std::fs::remove_file(socket);
    let child = Command::new(program)
        .args(["authority", "serve", "--with-parent", "-c"])
        .arg(configuration)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("the process cannot be started")?;
    let mut authority = Authority(child);
    let start = Instant::now();
    while !socket.exists() {
        if let Some(ended) = authority.0.try_wait()? {
            bail!("it ended at once ({ended})");
        }
        if start.elapsed() > PATIENCE {
            bail!("it has not come up within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK);
    }
    Ok(authority)
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Its standard input ends, and with it the process.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
