//! The workers: a thread for each core, each with a runtime, sockets and upstream connections of its own, so
//! that a request needs no lock that is held across cores.

use crate::listen::limit::ConnectionLimit;
use crate::listen::{self, Listener};
use crate::proxy::Worker;
use crate::proxy::serve;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often connections that an upstream has closed, or that nobody used for long, are let go.
const SWEEP: Duration = Duration::from_secs(5);

/// What a worker is told.
pub(super) enum Command {
    /// Accept connections on this socket, too, which is bound to this address.
    Listen(Arc<Listener>, SocketAddr, std::net::TcpListener),
    /// Stop accepting on this address.
    Stop(SocketAddr),
    /// Say that you are there.
    Beat(mpsc::Sender<()>),
    /// Stop accepting at all, and say when the sockets are closed; connections go on until the process ends.
    Drain(mpsc::Sender<()>),
}

/// The other end of a worker.
#[derive(Clone)]
pub(super) struct Handle {
    commands: mpsc::UnboundedSender<Command>,
}

impl Handle {
    /// Tells the worker something. A worker that has ended needs no telling.
    pub(super) fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Starts a worker.
///
/// # Errors
/// When the system gives no thread or no runtime.
pub(super) fn start(number: usize, worker: Arc<Worker>, limit: Arc<ConnectionLimit>) -> std::io::Result<Handle> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || runtime.block_on(run(worker, limit, inbox)))?;
    Ok(Handle { commands })
}

async fn run(worker: Arc<Worker>, limit: Arc<ConnectionLimit>, mut inbox: mpsc::UnboundedReceiver<Command>) {
    // One address may have several sockets.
    let mut accepting: HashMap<SocketAddr, Vec<JoinHandle<()>>> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Listen(listener, address, socket)) => {
                    let socket = match TcpListener::from_std(socket) {
                        Ok(socket) => socket,
                        Err(error) => {
                            tracing::error!(%address, %error, "cannot listen");
                            continue;
                        }
                    };
                    let worker = Arc::clone(&worker);
                    let serve = move |connection, stream, place| serve::serve(connection, stream, place, Arc::clone(&worker));
                    let task = tokio::spawn(listen::accept(socket, listener, Arc::clone(&limit), serve));
                    accepting.entry(address).or_default().push(task);
                }
                Some(Command::Stop(address)) => {
                    accepting.remove(&address).into_iter().flatten().for_each(|task| task.abort());
                }
                // Whoever asked has room for one answer of each worker, or asks no more.
                Some(Command::Beat(answer)) => _ = answer.try_send(()),
                Some(Command::Drain(done)) => {
                    let tasks: Vec<_> = accepting.drain().flat_map(|(_, tasks)| tasks).collect();
                    tasks.iter().for_each(JoinHandle::abort);
                    for task in tasks {
                        // It has its socket until it has ended, and takes a last connection if one is there by then.
                        let _ = task.await;
                    }
                    // Whoever asked may wait no longer.
                    let _ = done.try_send(());
                }
                None => return,
            },
            _ = sweep.tick() => worker.sweep(),
        }
    }
}
