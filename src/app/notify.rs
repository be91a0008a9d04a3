//! What the service manager is told (sd_notify(3)): that the gate is ready, that it is reading its configuration anew
//! (`Type=notify-reload`), that it ends; and, where it asks for that (`WatchdogSec`), that every worker still answers.
//! Without a service manager that listens, nothing is said.

use super::worker::{Command, Handle};
use rustix::time::{ClockId, clock_gettime};
use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Tells the service manager.
pub(super) struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    /// Another process is the service by now, and says how it is.
    silent: AtomicBool,
}

impl Notifier {
    /// As the environment says.
    pub(super) fn from_environment() -> Self {
        let read = |name: &str| env::var(name).ok();
        let socket = read("NOTIFY_SOCKET").and_then(|path| {
            connect(&path)
                .inspect_err(|error| tracing::warn!(path, %error, "the service manager cannot be told anything"))
                .ok()
        });
        let ours = read("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = read("WATCHDOG_USEC").filter(|_| ours).and_then(|interval| interval.parse().ok());
        let watchdog = watchdog.filter(|interval| *interval > 0).map(Duration::from_micros);
        Self { socket, watchdog, silent: AtomicBool::new(false) }
    }

    /// Connections are accepted, under a configuration that was taken up; after a reload, too.
    pub(super) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is about to be read anew. The manager takes this for the answer to its signal only with the
    /// time by the clock that it looked at.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// The process is about to end, and finishes what is open.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=finishing open requests");
    }

    /// Another process is the service from now on, and this one says nothing more: a manager that is told so by the one
    /// that was the service until now (`NotifyAccess=main`) believes it, if the other one is of the same service.
    pub(super) fn hand_over(&self, process: i32) {
        self.say(&format!("MAINPID={process}"));
        self.silent.store(true, Ordering::Relaxed);
    }

    fn say(&self, state: &str) {
        if let Some(socket) = self.socket.as_ref().filter(|_| !self.silent.load(Ordering::Relaxed))
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }

    /// Says again and again that the gate is alive, for as long as every worker answers, if somebody wants to hear it.
    /// A worker that hangs is not covered up for by those that do not.
    pub(super) async fn keep_alive(self: Arc<Self>, workers: Vec<Handle>) {
        let Some(interval) = self.watchdog else { return };
        // Half the time that the manager waits, so that one beat may come late.
        let mut beat = tokio::time::interval(interval / 2);
        loop {
            beat.tick().await;
            let (answer, mut answers) = mpsc::channel(workers.len().max(1));
            workers.iter().for_each(|worker| worker.tell(Command::Beat(answer.clone())));
            drop(answer);
            let all = async {
                let mut count = 0;
                while answers.recv().await.is_some() {
                    count += 1;
                }
                count
            };
            match tokio::time::timeout(interval / 2, all).await {
                Ok(count) if count == workers.len() => self.say("WATCHDOG=1"),
                Ok(count) => tracing::error!(count, of = workers.len(), "a worker has ended"),
                Err(_) => tracing::error!("a worker does not answer: the service manager will restart the gate"),
            }
        }
    }
}

/// A path, or with `@` before it a name of Linux's own.
fn connect(path: &str) -> std::io::Result<UnixDatagram> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that does not read must not stop the gate.
    socket.set_nonblocking(true)?;
    Ok(socket)
}
