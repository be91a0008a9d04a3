//! The composition root: builds every part from the configuration, reloads it whole or not at all, and
//! drains the process at its end.

mod activation;
mod admin;
mod assertion;
pub mod authority;
mod build;
mod doubts;
pub mod explain;
mod feed;
mod inherit;
mod lists;
mod notify;
mod parts;
mod publications;
pub mod preflight;
mod sockets;
mod stapling;
mod succession;
mod takeover;
mod traces;
mod trust;
mod upstreams;
mod watch;
mod worker;

use crate::admin::{Admin, Demand, Guard, Readiness, Reloaded, Server, Sources};
use crate::base::clock::Timestamp;
use crate::config::{self, Config};
use crate::fetch::stapling::Stapler;
use crate::listen::limit::ConnectionLimit;
use crate::proxy::{Gate, Worker};
use crate::revocation::live::Cause;
use crate::telemetry::log::{self, LevelHandle};
use crate::telemetry::metrics::{RELOADS_REFUSED, RELOADS_TAKEN_UP};
use admin::Entrance;
use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use feed::Feed;
use inherit::Inherited;
use notify::Notifier;
use parts::Parts;
use publications::Publications;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockets::{Held, Open, spared};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use takeover::offer::{Door, Offer, Wish};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch as flag};
use tokio::task::AbortHandle;
use watch::{FileWatch, Seen};
use worker::Command;

pub use lists::crl_files;

/// How long after a file's change it is looked at: a certificate and its key are rarely renewed at once.
const SETTLE: Duration = Duration::from_millis(300);
/// How often it is looked whether all connections have ended, at shutdown.
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// How long the end waits for the last traces to be sent.
const LAST_TRACES: Duration = Duration::from_secs(3);

/// Runs the gate until it is told to end, on sockets that the service manager passes to it where it does, and, with
/// `take_over`, in the place of the process that runs with this configuration, if there is one. `ready` is called once,
/// with the address of each listener, when connections are accepted.
///
/// SIGTERM and SIGINT end it after open requests are answered, or after `timeouts.drain`; a second one ends
/// it at once. SIGHUP, and a change of any file that the configuration rests on, make it read everything
/// anew: a configuration with any fault is refused whole and the old one goes on. SIGHUP flushes the cache of accounts,
/// too. Revocation lists are taken up
/// whenever their files change, each by itself. SIGUSR1 has the audit log and the access log opened anew. SIGUSR2
/// starts the program anew, to take over from this process, which then ends as at SIGTERM.
///
/// # Errors
/// When the configuration, a file it names or an address cannot be had, or the process that runs does not pass its
/// sockets on.
pub fn run(configuration: &Path, take_over: bool, ready: impl FnOnce(&[(String, SocketAddr)])) -> anyhow::Result<()> {
    let mut inherited = activation::sockets()?;
    let seen = Seen::of([configuration.to_owned()]);
    let loaded = config::load(configuration)?;
    let seen = seen.and(watch::files(&loaded.config));
    let level = log::init(&loaded.config.log)?;
    if !loaded.warnings.is_empty() {
        tracing::warn!(warnings = %loaded.warnings, "the configuration is hardly meant that way");
    }
    raise_descriptor_limit(loaded.config.limits.connections);
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control runtime")?;
    control.block_on(async {
        // Before the first connection is accepted, since whoever sees one may send a signal.
        let signals = Signals::new().context("cannot handle signals")?;
        // Before the predecessor is told that this process serves: whatever may fail comes first.
        let (wake, woken) = mpsc::channel(1);
        let files = FileWatch::new(wake).context("cannot watch files")?;
        let predecessor = match take_over {
            true => succession::predecessor(&loaded.config, &mut inherited).await?,
            false => None,
        };
        let mut process = Process::start(configuration, loaded.config, seen, level, inherited).await?;
        if let Some(predecessor) = predecessor {
            let door = process.config.takeover.as_ref().map(|takeover| takeover.socket.as_path());
            predecessor.succeed(door).await;
        }
        ready(&process.addresses());
        process.supervise(signals, files, woken).await;
        Ok(())
    })
}

/// Raises the number of descriptors that may be open from what shells and service managers set for programs
/// of another kind, usually 1024, to the most that is allowed: without them nobody is let in any more,
/// neither clients nor what the gate itself has to ask.
fn raise_descriptor_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, ?limit, "cannot raise the number of open files");
    }
    if let Some(most) = limit.maximum.filter(|most| *most <= connections as u64) {
        tracing::warn!(
            most,
            connections,
            "limits.connections needs more open files than the system allows (LimitNOFILE, ulimit -n)"
        );
    }
}

/// What the process is told from outside.
struct Signals {
    hangup: Signal,
    reopen: Signal,
    succeed: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            succeed: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.reopen.recv() => Told::Reopen,
            _ = self.succeed.recv() => Told::Succeed,
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Reload,
    Reopen,
    Succeed,
    End,
}

/// The running process, as its control runtime sees it.
struct Process {
    configuration: PathBuf,
    config: Config,
    parts: Parts,
    gate: Arc<ArcSwap<Gate>>,
    listeners: HashMap<SocketAddr, Open>,
    /// Sockets that the service manager has open and the configuration has no use for.
    spare: Inherited,
    /// What fetches OCSP answers about the listeners' certificates.
    staplers: Vec<Stapler>,
    limit: Arc<ConnectionLimit>,
    workers: Vec<worker::Handle>,
    draining: flag::Sender<bool>,
    /// What administrators see.
    admin: Arc<Admin>,
    /// What they demand.
    demands: mpsc::Receiver<Demand>,
    /// The address that they come to, if there is one, and its socket.
    administrators: Option<(Server, Held)>,
    /// Where a successor is passed the sockets, if anywhere, and what it wishes.
    offer: Option<Offer>,
    wishes: (mpsc::Sender<Wish>, mpsc::Receiver<Wish>),
    level: LevelHandle,
    /// Reads the feed of changes of the store in use.
    feed: AbortHandle,
    /// Takes up revocation lists.
    lists: AbortHandle,
    /// Exchanges the keys of assertions.
    keys: AbortHandle,
    /// Reads what the authority publishes.
    publications: Publications,
    /// The files as they stood before the configuration in force was read; taken by the watch.
    seen: Seen,
    epoch: u64,
}

impl Process {
    async fn start(
        configuration: &Path,
        config: Config,
        seen: Seen,
        level: LevelHandle,
        mut inherited: Inherited,
    ) -> anyhow::Result<Self> {
        let started = Timestamp::now();
        if let Some(mismatch) = inherited.mismatches(&config).into_iter().next() {
            bail!("{mismatch}: mend the socket unit or the configuration");
        }
        let (draining, drained) = flag::channel(false);
        let parts = Parts::new(&config, drained.clone(), inherited.ticket_secret.take()).await?;
        let built = build::build(&config, &parts, 1)?;
        upstreams::resolve(&parts.upstreams, parts.names.as_ref()).await;
        let gate = Arc::new(ArcSwap::from_pointee(built.gate));
        let limit = ConnectionLimit::new(config.limits.connections, config.limits.connections_per_address);
        let guard = admin::guard(&config, &parts.trust)?;
        let entrance = admin::socket(&config, None, &mut inherited).await?;
        let door = inherited.door.take();
        let door = config.takeover.as_ref().map(|takeover| Door::open(&takeover.socket, door)).transpose();
        let door = door.context("takeover")?;
        let feed = follow_feed(&parts, &config);
        let lists = keep_lists(&parts);
        let keys = assertion::keep(parts.assertions.clone());
        let publications = Publications::follow(&parts.shelf, &config);
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let readiness = admin::readiness(&parts);
        let (admin, demands) = Admin::new(sources(&config, &parts, &gate, &limit, readiness), started);
        let mut process = Self {
            configuration: configuration.to_owned(),
            config,
            parts,
            gate: Arc::clone(&gate),
            listeners: HashMap::new(),
            spare: Inherited::default(),
            staplers: Vec::new(),
            limit: Arc::clone(&limit),
            workers: Vec::with_capacity(count),
            draining,
            admin,
            demands,
            administrators: None,
            offer: None,
            wishes: mpsc::channel(1),
            level,
            feed,
            lists,
            keys,
            publications,
            seen,
            epoch: 1,
        };
        // Sockets before threads: an address that cannot be had ends the start with nothing to undo.
        let sockets = process.open(&process.config, &built.listeners, count, &mut inherited)?;
        inherited.close_others();
        process.spare = inherited;
        for number in 0..count {
            let worker = Worker::new(Arc::clone(&gate), Arc::clone(&process.parts.live), drained.clone());
            let handle = worker::start(number, worker, Arc::clone(&limit)).context("cannot start a worker")?;
            process.workers.push(handle);
        }
        upstreams::start(&process.parts.upstreams, &Handle::current(), process.parts.names.as_ref());
        tokio::spawn(doubts::of_dates(Arc::clone(&process.parts.live)));
        process.staplers = stapling::start(&process.config.listeners, &built.listeners, &[], &Handle::current());
        process.listen(built.listeners, sockets);
        process.show();
        if let Some(entrance) = entrance {
            process.administer(entrance, guard)?;
        }
        process.offer = door.map(|door| door.answer(process.wishes.0.clone()));
        Ok(process)
    }

    fn addresses(&self) -> Vec<(String, SocketAddr)> {
        admin::addresses(&self.listeners)
    }

    /// Has administrators see what is in force now.
    fn show(&self) {
        let (config, parts) = (&self.config, &self.parts);
        let sources = sources(config, parts, &self.gate, &self.limit, admin::readiness(parts));
        self.admin.set(Sources {
            epoch: self.epoch,
            loaded: Timestamp::now(),
            listeners: self.addresses(),
            certificates: admin::dated(config, &self.listeners, &parts.trust),
            staples: self.staplers.iter().map(Stapler::staple).collect(),
            ..sources
        });
    }

    /// Lets administrators come to an address.
    fn administer(&mut self, Entrance { socket, held }: Entrance, guard: Option<Arc<Guard>>) -> anyhow::Result<()> {
        let server = Server::start(socket, Arc::clone(&self.admin), guard).context("admin")?;
        tracing::info!(address = %server.bound(), "listening for administrators");
        self.administrators = Some((server, held));
        Ok(())
    }

    /// Does what the process is told, until it is told to end. Nothing here may fail: a predecessor has given up its place.
    async fn supervise(&mut self, mut signals: Signals, mut files: FileWatch, mut woken: mpsc::Receiver<()>) {
        files.set(std::mem::take(&mut self.seen));
        let notifier = Arc::new(Notifier::from_environment());
        notifier.ready(&self.summary());
        // Beside this loop, which is busy while it reads a configuration.
        tokio::spawn(Arc::clone(&notifier).keep_alive(self.workers.clone()));
        let succeeded = loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::End => break None,
                    Told::Reopen => self.reopen(),
                    Told::Succeed => self.start_successor(),
                    Told::Reload => {
                        files.changed();
                        if self.reload("SIGHUP", &mut files, &notifier).await.is_ok() {
                            self.flush();
                        }
                    }
                },
                Some(Demand::Reload(tell)) = self.demands.recv() => {
                    files.changed();
                    let outcome = self.reload("an administrator", &mut files, &notifier).await;
                    if outcome.is_ok() {
                        self.flush();
                    }
                    // Whoever asked may have gone away.
                    let _ = tell.send(outcome);
                }
                Some(wish) = self.wishes.1.recv() => match wish {
                    Wish::Estate(tell) => self.tell_estate(tell),
                    Wish::Succeeded { process, keeps_door, done } => break Some((process, keeps_door, done)),
                },
                _ = woken.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    let changed = files.changed();
                    if let Some(first) = changed.first() {
                        // The log says what came of it.
                        let _ = self.reload(&format!("{} changed", first.display()), &mut files, &notifier).await;
                    }
                }
            }
        };
        match succeeded {
            Some((process, keeps_door, done)) => {
                if let Some(process) = process {
                    notifier.hand_over(process);
                }
                self.cease(keeps_door).await;
                self.administrators = None;
                tracing::info!(successor = process, "another process accepts connections in the place of this one");
                // It serves, whether it hears this or not.
                let _ = done.send(());
            }
            None => {
                notifier.stopping();
                self.cease(false).await;
            }
        }
        self.drain(&mut signals).await;
    }

    /// Takes the configuration up, and says what that has changed, or all that is wrong with it.
    async fn reload(&mut self, cause: &str, files: &mut FileWatch, notifier: &Notifier) -> Result<Reloaded, String> {
        notifier.reloading();
        let outcome = match self.take_up().await {
            Ok((seen, changes)) => {
                files.set(seen);
                RELOADS_TAKEN_UP.increment();
                tracing::info!(cause, epoch = self.epoch, ?changes, "configuration taken up");
                Ok(Reloaded { epoch: self.epoch, changes })
            }
            Err(error) => {
                let error = format!("{error:#}");
                RELOADS_REFUSED.increment();
                tracing::error!(cause, error, "configuration refused; the old one goes on");
                Err(error)
            }
        };
        notifier.ready(&self.summary());
        outcome
    }

    /// One line for the service manager.
    fn summary(&self) -> String {
        format!("configuration {}, listening on {} addresses", self.epoch, self.listeners.len())
    }

    /// Lets go of log files that were moved away.
    fn reopen(&self) {
        let audit = self.parts.audit.reopen().map_err(|error| error.to_string());
        let access = self.parts.access.as_ref().map_or(Ok(()), |access| access.reopen());
        for outcome in [audit, access.map_err(|error| error.to_string())] {
            match outcome {
                Ok(()) => {}
                Err(error) => tracing::error!(error, "a log cannot be opened anew; the file in use stays in use"),
            }
        }
        tracing::info!("audit log and access log were opened anew");
    }

    /// Forgets what the store has said, and lets every connection find it out anew: what somebody has written into
    /// tables that have no feed of changes counts from now on.
    fn flush(&self) {
        self.parts.accounts.invalidate_all();
        feed::doubt_all(&self.parts.live, Cause::Flush);
        tracing::info!("the cache of accounts was flushed");
    }

    /// Reads and builds everything anew; nothing is changed before all of it stands. Gives the files as they stood
    /// before they were read, and what has changed.
    async fn take_up(&mut self) -> anyhow::Result<(Seen, Vec<String>)> {
        let seen = Seen::of([self.configuration.clone()]);
        let config = config::load(&self.configuration)?.config;
        let seen = seen.and(watch::files(&config));
        let config::Log { format, level, audit, access: _ } = &config.log;
        if *format != self.config.log.format || *audit != self.config.log.audit {
            bail!("log.format and log.audit take effect at a restart only: restart, or take their change back");
        }
        let parts = self.parts.renewed(&self.config, &config).await?;
        let built = build::build(&config, &parts, self.epoch + 1)?;
        upstreams::resolve(&parts.upstreams, parts.names.as_ref()).await;
        let mut spare = self.spare.try_clone()?;
        let sockets = self.open(&config, &built.listeners, self.workers.len(), &mut spare)?;
        let guard = admin::guard(&config, &parts.trust)?;
        let administrators = self.administrators.as_ref().map(|(server, _)| server);
        let entrance = admin::socket(&config, administrators, &mut spare).await?;
        let door = self.other_door(&config)?;
        let changes = admin::changes((&self.config, &config), (&self.parts, &parts), &self.listeners, &built.listeners);

        self.level.set(level)?;
        self.epoch += 1;
        self.gate.store(Arc::new(built.gate));
        doubts::after_reload(&parts.live, (&self.config, &self.parts.trust), (&config, &parts.trust));
        if !Arc::ptr_eq(&parts.accounts, &self.parts.accounts) {
            // It begins by doubting everybody, who were all found in another store.
            let old = std::mem::replace(&mut self.feed, follow_feed(&parts, &config));
            old.abort();
        }
        std::mem::replace(&mut self.lists, keep_lists(&parts)).abort();
        std::mem::replace(&mut self.keys, assertion::keep(parts.assertions.clone())).abort();
        self.publications.go_on(&parts.shelf, &config);
        self.limit.set(config.limits.connections, config.limits.connections_per_address);
        parts.held.buffers().set(config.limits.buffers);
        let wanted: HashSet<SocketAddr> = built.listeners.iter().map(|listener| listener.address).collect();
        for (address, open) in self.listeners.extract_if(|address, _| !wanted.contains(address)) {
            let name = open.listener.settings().name.to_string();
            tracing::info!(listener = %name, %address, "no longer listening");
            self.workers.iter().for_each(|worker| worker.tell(Command::Stop(open.bound)));
            let managers = open.sockets.into_iter().filter(|held| held.managers);
            spare.sockets.extend(managers.map(|held| spared(name.clone(), open.bound, held)));
        }
        self.staplers = stapling::start(&config.listeners, &built.listeners, &self.staplers, &Handle::current());
        self.listen(built.listeners, sockets);
        upstreams::start(&parts.upstreams, &Handle::current(), parts.names.as_ref());
        self.parts = parts;
        self.config = config;
        self.show();
        if let Some(door) = door {
            self.offer = door.map(|door| door.answer(self.wishes.0.clone()));
        }
        let before = match (entrance, &self.administrators) {
            (Some(entrance), _) => {
                let before = self.administrators.take();
                self.administer(entrance, guard)?;
                before
            }
            (None, Some((server, _))) if self.config.admin.is_some() => {
                server.set(guard);
                None
            }
            _ => self.administrators.take(),
        };
        if let Some((server, held)) = before.filter(|(_, held)| held.managers) {
            spare.sockets.push(spared(inherit::ADMIN.to_owned(), server.bound(), held));
        }
        spare.close_others();
        self.spare = spare;
        Ok((seen, changes))
    }

    async fn drain(&self, signals: &mut Signals) {
        let limit = self.config.timeouts.drain;
        tracing::info!(connections = self.limit.open(), ?limit, "draining");
        self.draining.send_replace(true);
        let deadline = Instant::now() + limit;
        let ended = async {
            while self.limit.open() > 0 && Instant::now() < deadline {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        tokio::select! {
            () = ended => {}
            () = async { while signals.next().await != Told::End {} } => {}
        }
        self.parts.audit.flush();
        if let Some(access) = &self.parts.access {
            access.finish();
        }
        if let Some(traces) = &self.parts.traces {
            traces.finish(LAST_TRACES).await;
        }
        tracing::info!(cut = self.limit.open(), "ended");
    }
}

/// What is asked for numbers; what depends on sockets is put in by [`Process::show`].
fn sources(
    config: &Config,
    parts: &Parts,
    gate: &Arc<ArcSwap<Gate>>,
    limit: &Arc<ConnectionLimit>,
    readiness: Readiness,
) -> Sources {
    Sources {
        epoch: 0,
        loaded: Timestamp::from_unix(0),
        listeners: Vec::new(),
        accounts: Arc::clone(&parts.accounts),
        store: config.accounts.store.to_string(),
        live: Arc::clone(&parts.live),
        trust: readiness.trust.clone(),
        digest: parts.digest.clone(),
        throttle: parts.throttle.clone(),
        audit: Arc::clone(&parts.audit),
        limit: Arc::clone(limit),
        connections: config.limits.connections,
        certificates: Vec::new(),
        staples: Vec::new(),
        readiness,
        gate: Arc::clone(gate),
    }
}

/// Follows the feed of changes of the store behind these parts' accounts.
fn follow_feed(parts: &Parts, config: &Config) -> AbortHandle {
    let feed = Feed::new(Arc::clone(&parts.accounts), Arc::clone(&parts.live));
    match config.accounts.store.foreign() {
        Some(_) => tokio::spawn(feed.do_without(config.accounts.cache.ttl)).abort_handle(),
        None => tokio::spawn(feed.follow()).abort_handle(),
    }
}

/// Takes up what changes in the lists of the trust sets in force, until that is ended. It goes on while the process
/// drains: a certificate may be revoked then too.
fn keep_lists(parts: &Parts) -> AbortHandle {
    tokio::spawn(lists::keep(parts.trust.values().map(Arc::clone).collect(), Arc::clone(&parts.live))).abort_handle()
}
