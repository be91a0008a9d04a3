//! The sockets of listeners: opened here or passed to this process, dealt out to the workers, and kept by another
//! descriptor for whoever takes over.

use super::Process;
use super::build::BuiltListener;
use super::inherit::{self, Giver, Inherited, Label, Passed, Wanted, wanted};
use super::worker::Command;
use crate::config::Config;
use crate::listen::{self, Listener};
use anyhow::Context;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A listener and the address that it is bound to, which differs from the configured one for port 0.
pub(super) struct Open {
    pub(super) listener: Arc<Listener>,
    pub(super) bound: SocketAddr,
    /// The workers have others of their own, of the same sockets.
    pub(super) sockets: Vec<Held>,
}

/// A descriptor by which a socket is passed on to a successor.
pub(super) struct Held {
    pub(super) socket: TcpListener,
    /// The service manager has it open, too.
    pub(super) managers: bool,
}

/// A socket of the service manager's that the configuration has no use for any more.
pub(super) fn spared(name: String, bound: SocketAddr, Held { socket, .. }: Held) -> Passed {
    Passed { label: Label { name: Some(name), bound, giver: Giver::Manager }, socket }
}

/// Sockets that nobody accepts on yet, by configured address.
pub(super) type Sockets = HashMap<SocketAddr, Opened>;

/// The sockets of one address.
pub(super) struct Opened {
    sockets: Vec<Held>,
    /// Other descriptors of them, each with the number of the worker that it is for.
    dealt: Vec<(usize, TcpListener)>,
}

impl Process {
    /// Opens the addresses that are not open yet, a socket for each worker, unless there are sockets that were passed to
    /// this process.
    pub(super) fn open(
        &self,
        config: &Config,
        built: &[BuiltListener],
        workers: usize,
        inherited: &mut Inherited,
    ) -> anyhow::Result<Sockets> {
        let all = wanted(config);
        let new = built.iter().filter(|built| !self.listeners.contains_key(&built.address));
        new.map(|BuiltListener { address, settings }| {
            let context = || format!("cannot listen on {address} (listener {})", settings.name);
            let passed = inherited.take(Wanted { name: &settings.name, address: *address }, &all);
            let sockets = if passed.is_empty() {
                let bound = listen::bind(*address, workers).with_context(context)?;
                bound.into_iter().map(|socket| Held { socket, managers: false }).collect()
            } else {
                let held = |Passed { label, socket }| {
                    listen::adopt(&socket).map(|()| Held { socket, managers: label.giver.is_managers() })
                };
                passed.into_iter().map(held).collect::<std::io::Result<Vec<_>>>().with_context(context)?
            };
            // Here too, since nothing is opened any more once something is changed.
            let dealt = inherit::deal(sockets.len(), workers).into_iter();
            let dealt = dealt.filter_map(|(socket, worker)| {
                sockets.get(socket).map(|held| held.socket.try_clone().map(|socket| (worker, socket)))
            });
            let dealt = dealt.collect::<std::io::Result<Vec<_>>>().with_context(context)?;
            Ok((*address, Opened { sockets, dealt }))
        })
        .collect()
    }

    /// Makes the listeners do what was built for them; those that are new get their sockets.
    pub(super) fn listen(&mut self, built: Vec<BuiltListener>, mut sockets: Sockets) {
        for BuiltListener { address, settings } in built {
            let Some(Opened { sockets, dealt }) = sockets.remove(&address) else {
                if let Some(open) = self.listeners.get(&address) {
                    open.listener.set(settings);
                }
                continue;
            };
            let bound = sockets.first().and_then(|held| held.socket.local_addr().ok()).unwrap_or(address);
            let managers = sockets.iter().any(|held| held.managers);
            tracing::info!(listener = %settings.name, address = %bound, managers, "listening");
            let listener = Arc::new(Listener::new(settings));
            for (worker, socket) in dealt {
                if let Some(worker) = self.workers.get(worker) {
                    worker.tell(Command::Listen(Arc::clone(&listener), bound, socket));
                }
            }
            self.listeners.insert(address, Open { listener, bound, sockets });
        }
    }
}
