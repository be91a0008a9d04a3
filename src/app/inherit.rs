//! Listening sockets that this process did not open itself: the service manager or the process before it has passed
//! them on. Here is decided what each is for and which worker accepts on it; how they come is the business of
//! `activation` and `takeover`.
//!
//! The very socket is what must be passed on, and not its address: connections that are established and not accepted
//! yet wait in a queue of the socket's own, and a socket that is closed resets them, however many others
//! (`SO_REUSEPORT`) share its address.

use super::takeover::PassedDoor;
use crate::base::secret::Secret;
use crate::config::Config;
use std::fmt;
use std::net::{SocketAddr, TcpListener};

/// The name by which the service manager passes the socket of the address for administrators.
pub(super) const ADMIN: &str = "admin";

/// Who has passed a socket on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giver {
    /// The service manager, which has it open as long as its unit lives.
    Manager,
    /// The process before this one.
    Predecessor {
        /// It came from the service manager in the first place.
        managers: bool,
    },
}

impl Giver {
    /// Whether the service manager has the socket open, too: then the address stays taken when the gate closes it.
    pub(super) fn is_managers(self) -> bool {
        matches!(self, Self::Manager | Self::Predecessor { managers: true })
    }
}

/// What is known of a passed socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// What whoever passed it on calls it.
    pub(super) name: Option<String>,
    /// The address that it is bound to.
    pub(super) bound: SocketAddr,
    pub(super) giver: Giver,
}

/// A passed socket.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) label: Label,
    pub(super) socket: TcpListener,
}

/// An address that the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    /// The listener's name, or [`ADMIN`].
    pub(super) name: &'a str,
    /// As it is configured: port 0 is any.
    pub(super) address: SocketAddr,
}

impl Wanted<'_> {
    fn is_at(&self, bound: SocketAddr) -> bool {
        self.address == bound || self.is_anywhere_at(bound)
    }

    fn is_anywhere_at(&self, bound: SocketAddr) -> bool {
        self.address.port() == 0 && self.address.ip() == bound.ip()
    }
}

/// All addresses that a configuration asks for.
pub(super) fn wanted(config: &Config) -> Vec<Wanted<'_>> {
    let listeners = config.listeners.iter().map(|listener| Wanted { name: &listener.name, address: listener.address });
    let admin = config.admin.iter().map(|admin| Wanted { name: ADMIN, address: admin.address });
    listeners.chain(admin).collect()
}

/// A socket of the service manager's that the configuration has no use for. It is a fault of one of the two: whoever
/// connects there would wait for an answer for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    /// What has its name is to listen elsewhere.
    #[error(
        "the service manager passes a socket named {name}, bound to {bound}, and {name} is to listen on {configured}"
    )]
    Elsewhere {
        /// What it is called.
        name: String,
        /// Where it listens.
        bound: SocketAddr,
        /// Where it should.
        configured: SocketAddr,
    },
    /// Its address is that of another listener than its name says.
    #[error("the service manager passes a socket named {name} that is bound to {bound}, the address of {other}")]
    Another {
        /// What it is called.
        name: String,
        /// Where it listens.
        bound: SocketAddr,
        /// Whose address that is.
        other: String,
    },
    /// Nothing has its address.
    #[error("the service manager passes a socket that is bound to {bound}, and nothing is to listen there")]
    Nobody {
        /// Where it listens.
        bound: SocketAddr,
    },
}

/// Which of the wanted addresses a socket is for, if any. A name counts only where the service manager gives one, and
/// then must not contradict the address; what systemd calls a socket that nobody has named, its unit's name, says nothing.
fn place(label: &Label, wanted: &[Wanted<'_>]) -> Result<Option<usize>, Mismatch> {
    let bound = label.bound;
    let name = label.name.as_deref();
    let named = name.and_then(|name| wanted.iter().position(|wanted| wanted.name == name));
    let exact = wanted.iter().position(|wanted| wanted.address == bound);
    let at = match named.filter(|at| wanted.get(*at).is_some_and(|wanted| wanted.is_at(bound))) {
        // Of two listeners of which one takes any port, the one that was meant.
        Some(named) if exact.is_none_or(|exact| exact == named) => return Ok(Some(named)),
        _ => exact.or_else(|| wanted.iter().position(|wanted| wanted.is_anywhere_at(bound))),
    };
    if label.giver != Giver::Manager {
        return Ok(at);
    }
    let of = |at: usize| wanted.get(at).copied();
    match (name, named.and_then(of), at.and_then(of)) {
        (Some(name), Some(_), Some(other)) => {
            Err(Mismatch::Another { name: name.to_owned(), bound, other: other.name.to_owned() })
        }
        (Some(name), Some(Wanted { address: configured, .. }), None) => {
            Err(Mismatch::Elsewhere { name: name.to_owned(), bound, configured })
        }
        (_, None, Some(_)) => Ok(at),
        _ => Err(Mismatch::Nobody { bound }),
    }
}

/// What this process was given.
#[derive(Default)]
pub(super) struct Inherited {
    pub(super) sockets: Vec<Passed>,
    /// The socket that sockets are handed over on.
    pub(super) door: Option<PassedDoor>,
    /// What the process before has sealed tickets and sessions with, where no secret is configured.
    pub(super) ticket_secret: Option<Secret>,
}

impl Inherited {
    /// What is wrong with the sockets of the service manager, for this configuration.
    pub(super) fn mismatches(&self, config: &Config) -> Vec<Mismatch> {
        let wanted = wanted(config);
        self.sockets.iter().filter_map(|passed| place(&passed.label, &wanted).err()).collect()
    }

    /// Takes out the sockets for one of the addresses of a configuration.
    pub(super) fn take(&mut self, of: Wanted<'_>, all: &[Wanted<'_>]) -> Vec<Passed> {
        let mut taken = Vec::new();
        let mut kept = Vec::new();
        for passed in self.sockets.drain(..) {
            let at = place(&passed.label, all).ok().flatten().and_then(|at| all.get(at));
            if at == Some(&of) { taken.push(passed) } else { kept.push(passed) }
        }
        self.sockets = kept;
        taken
    }

    /// The same sockets by other descriptors, to be taken from while it is not certain yet that they will be used.
    ///
    /// # Errors
    /// When the system has no descriptors.
    pub(super) fn try_clone(&self) -> std::io::Result<Self> {
        let clone = |passed: &Passed| Ok(Passed { label: passed.label.clone(), socket: passed.socket.try_clone()? });
        let sockets = self.sockets.iter().map(clone).collect::<std::io::Result<_>>()?;
        Ok(Self { sockets, door: None, ticket_secret: None })
    }

    /// Lets go of what nobody wants. Sockets that the service manager has open as well are kept: their address stays
    /// taken, and a reload may ask for it again.
    pub(super) fn close_others(&mut self) {
        self.sockets.retain(|passed| {
            let kept = passed.label.giver.is_managers();
            if kept {
                let address = passed.label.bound;
                tracing::warn!(%address, "the service manager listens here and nobody accepts: mend its socket unit");
            }
            kept
        });
    }
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sockets.iter().map(|passed| &passed.label)).finish()
    }
}

/// Which worker accepts on which socket: each worker on one at least, and on each socket one worker at least. Where
/// there are as many of both, as where the gate has opened them, each has its own.
pub(super) fn deal(sockets: usize, workers: usize) -> Vec<(usize, usize)> {
    if sockets == 0 || workers == 0 {
        return Vec::new();
    }
    (0..sockets.max(workers)).map(|turn| (turn % sockets, turn % workers)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_socket_is_known_by_its_address_and_its_name_must_not_contradict_it() {
        let wanted = [
            Wanted { name: "guarded", address: address("0.0.0.0:443") },
            Wanted { name: "plain", address: address("0.0.0.0:80") },
            Wanted { name: "any", address: address("127.0.0.1:0") },
        ];
        let [any, predecessor] = [Giver::Manager, Giver::Predecessor { managers: false }];
        let elsewhere = |name: &str, bound, configured| Mismatch::Elsewhere {
            name: name.to_owned(),
            bound: address(bound),
            configured: address(configured),
        };
        let another = |name: &str, bound, other: &str| Mismatch::Another {
            name: name.to_owned(),
            bound: address(bound),
            other: other.to_owned(),
        };
        for (giver, name, bound, expected) in [
            (any, Some("guarded"), "0.0.0.0:443", Ok(Some(0))),
            (any, Some("wicketgate.socket"), "0.0.0.0:80", Ok(Some(1))),
            (any, None, "0.0.0.0:80", Ok(Some(1))),
            (any, Some("any"), "127.0.0.1:7000", Ok(Some(2))),
            (any, None, "127.0.0.1:7000", Ok(Some(2))),
            (any, Some("guarded"), "0.0.0.0:80", Err(another("guarded", "0.0.0.0:80", "plain"))),
            (any, Some("guarded"), "[::]:443", Err(elsewhere("guarded", "[::]:443", "0.0.0.0:443"))),
            (any, Some("guarded"), "127.0.0.1:7000", Err(another("guarded", "127.0.0.1:7000", "any"))),
            (any, Some("any"), "127.0.0.2:7000", Err(elsewhere("any", "127.0.0.2:7000", "127.0.0.1:0"))),
            (any, None, "0.0.0.0:81", Err(Mismatch::Nobody { bound: address("0.0.0.0:81") })),
            // A configuration may give a listener another name, or leave one out.
            (predecessor, Some("guarded"), "0.0.0.0:80", Ok(Some(1))),
            (predecessor, Some("guarded"), "0.0.0.0:81", Ok(None)),
        ] {
            let label = Label { name: name.map(str::to_owned), bound: address(bound), giver };
            assert_eq!(place(&label, &wanted), expected, "{label:?}");
        }
    }

    #[test]
    fn what_nobody_wants_is_closed_unless_the_service_manager_has_it_open() {
        let giver = |managers| Giver::Predecessor { managers };
        let mut inherited = Inherited::default();
        for giver in [Giver::Manager, giver(true), giver(false), giver(false)] {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            let label = Label { name: None, bound: socket.local_addr().unwrap(), giver };
            inherited.sockets.push(Passed { label, socket });
        }
        let bound = inherited.sockets[2].label.bound;
        let wanted = Wanted { name: "guarded", address: bound };
        let taken = inherited.take(wanted, &[wanted]);
        assert_eq!(taken.iter().map(|passed| passed.label.bound).collect::<Vec<_>>(), [bound]);
        inherited.close_others();
        assert_eq!(inherited.sockets.len(), 2);
    }

    proptest! {
        #[test]
        fn no_socket_and_no_worker_is_left_out(sockets in 1_usize..40, workers in 1_usize..40) {
            let dealt = deal(sockets, workers);
            let of = |pick: fn(&(usize, usize)) -> usize| dealt.iter().map(pick).collect::<BTreeSet<_>>();
            prop_assert_eq!(of(|(socket, _)| *socket), (0..sockets).collect());
            prop_assert_eq!(of(|(_, worker)| *worker), (0..workers).collect());
            if sockets == workers {
                prop_assert!(dealt.iter().all(|(socket, worker)| socket == worker));
            }
        }
    }

    #[test]
    fn with_no_worker_or_no_socket_nothing_is_dealt() {
        assert!(deal(0, 2).is_empty() && deal(2, 0).is_empty());
    }
}
