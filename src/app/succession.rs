//! How a process comes to the place of another one, and gives its own up: by `takeover`, whose wishes are granted here.

use super::inherit::{ADMIN, Inherited};
use super::takeover::ask::{self, Predecessor};
use super::takeover::offer::{Bequest, Door, Estate};
use super::worker::Command;
use super::{Held, Process};
use crate::config::Config;
use anyhow::{Context, bail};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What makes a process take over.
const TAKE_OVER: &str = "--take-over";
/// How long workers may take to close their sockets.
const CEASE: Duration = Duration::from_secs(1);
/// The watchdog's variable that names the process which it is for; a successor is another one.
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// Asks the process that runs for its sockets, which are put to those that were inherited otherwise.
///
/// # Errors
/// When nothing says where it would be asked, or it does not pass them on.
pub(super) async fn predecessor(config: &Config, inherited: &mut Inherited) -> anyhow::Result<Option<Predecessor>> {
    let Some(takeover) = &config.takeover else {
        bail!("{TAKE_OVER} needs `takeover: {{ socket: … }}`, where the process that runs is asked for its sockets");
    };
    let Some((predecessor, passed)) = ask::ask(&takeover.socket).await? else {
        tracing::info!(socket = %takeover.socket.display(), "nobody is there to take over from");
        return Ok(None);
    };
    let Inherited { sockets, door, ticket_secret } = passed;
    inherited.sockets.extend(sockets);
    inherited.door = door;
    inherited.ticket_secret = ticket_secret;
    Ok(Some(predecessor))
}

impl Process {
    /// Says what is passed on, unless the system has no descriptors for that: then nobody is told anything, and gives up.
    pub(super) fn tell_estate(&self, tell: oneshot::Sender<Estate>) {
        match self.estate() {
            // Whoever asked may have gone away.
            Ok(estate) => _ = tell.send(estate),
            Err(error) => tracing::error!(%error, "the sockets cannot be passed on"),
        }
    }

    fn estate(&self) -> io::Result<Estate> {
        let bequest = |name: &str, bound: SocketAddr, Held { socket, managers }: &Held| {
            let socket = socket.try_clone()?;
            Ok::<_, io::Error>(Bequest { name: name.to_owned(), bound, managers: *managers, socket })
        };
        let mut sockets = Vec::new();
        for open in self.listeners.values() {
            let name = &open.listener.settings().name;
            for held in &open.sockets {
                sockets.push(bequest(name, open.bound, held)?);
            }
        }
        if let Some((server, held)) = &self.administrators {
            sockets.push(bequest(ADMIN, server.bound(), held)?);
        }
        for passed in &self.spare.sockets {
            let name = passed.label.name.clone().unwrap_or_default();
            let socket = passed.socket.try_clone()?;
            sockets.push(Bequest { name, bound: passed.label.bound, managers: true, socket });
        }
        Ok(Estate { sockets, ticket_secret: self.parts.ticket_secret.clone() })
    }

    /// Accepts no further connection. The sockets are closed, so that whoever connects is refused at once, or served by
    /// whoever has them open, too. What was accepted is counted when this ends: a process that found nothing open could
    /// else be gone with a connection that a worker was just taking.
    pub(super) async fn cease(&mut self, leave_door: bool) {
        let (done, mut ceased) = mpsc::channel(self.workers.len().max(1));
        self.workers.iter().for_each(|worker| worker.tell(Command::Drain(done.clone())));
        drop(done);
        self.listeners.clear();
        self.spare = Inherited::default();
        // The channel ends when each worker has answered, or is no more.
        let all = async { while ceased.recv().await.is_some() {} };
        if timeout(CEASE, all).await.is_err() {
            tracing::error!(limit = ?CEASE, "a worker does not answer, and may go on accepting");
        }
        if let Some(offer) = self.offer.take()
            && leave_door
        {
            offer.leave();
        }
    }

    /// The door as a new configuration wants it: `None` if nothing changes.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn other_door(&self, config: &Config) -> anyhow::Result<Option<Option<Door>>> {
        if config.takeover == self.config.takeover {
            return Ok(None);
        }
        let door = config.takeover.as_ref().map(|takeover| Door::open(&takeover.socket, None)).transpose();
        door.map(Some).context("takeover")
    }

    /// Starts the program anew, as it is on the disk by now, to take over. This process goes on until that serves.
    pub(super) fn start_successor(&self) {
        if self.offer.is_none() {
            return tracing::error!(
                "no successor is started: without `takeover: {{ socket: … }}` it could take nothing over"
            );
        }
        let mut successor = std::process::Command::new(program());
        successor.args(arguments(env::args_os().skip(1))).env_remove(WATCHDOG_PID);
        let mut child = match successor.spawn() {
            Ok(child) => child,
            Err(error) => return tracing::error!(%error, program = %program().display(), "no successor was started"),
        };
        tracing::info!(successor = child.id(), "a successor was started");
        // On a thread that nobody waits for: mostly this process ends before its successor does.
        std::thread::spawn(move || match child.wait() {
            Ok(status) => tracing::error!(%status, "the successor ended; if it has not served, this process goes on"),
            Err(error) => tracing::error!(%error, "nothing is known of the successor"),
        });
    }
}

/// The program as it was called, so that a link which leads to another version by now is followed anew; where it was
/// found by its name alone, what was found.
fn program() -> PathBuf {
    let called = env::args_os().next().map(PathBuf::from).filter(|called| called.components().count() > 1);
    called.or_else(|| env::current_exe().ok()).unwrap_or_else(|| PathBuf::from(env!("CARGO_PKG_NAME")))
}

/// What this process was called with, and to take over.
fn arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = own.collect();
    if !arguments.iter().any(|argument| argument == OsStr::new(TAKE_OVER)) {
        arguments.push(TAKE_OVER.into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_called_as_this_process_was_and_takes_over() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let expected = words(&["serve", "-c", "a.yaml", "--take-over"]);
        assert_eq!(arguments(words(&["serve", "-c", "a.yaml"]).into_iter()), expected);
        assert_eq!(arguments(expected.clone().into_iter()), expected);
    }
}
