//! The authority's process: opens the intermediate's key, which no other process has, and then answers gates on its socket
//! and publishes lists and OCSP answers, until it is told to end. What it does for a gate is `ca::server`'s business, and
//! what it publishes `ca::publish`'s.

use super::{Signals, Told};
use crate::account::{self, Directory as Accounts};
use crate::base::clock::Timestamp;
use crate::ca::directory::Directory;
use crate::ca::hierarchy;
use crate::ca::history::recorder::Recorder;
use crate::ca::history::whoever_runs_this;
use crate::ca::issue::Authority;
use crate::ca::key::clocked::Clock;
use crate::ca::ldap;
use crate::ca::office::{Office, Parts, People};
use crate::ca::passphrase::Passphrase;
use crate::ca::publish::Publisher;
use crate::ca::register::{Register, Replace};
use crate::ca::server::admission::Admission;
use crate::ca::server::socket::{Peers, Socket, user_number};
use crate::ca::server::{desk, serve};
use crate::ca::weak::Compromised;
use crate::config::{self, AuthorityProcess, Config, Est};
use crate::store::{Database, Deadlines};
use crate::telemetry::log;
use anyhow::{Context, anyhow, bail, ensure};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::task::JoinSet;

/// Where the numbers of users are found by their names.
const PASSWD: &str = "/etc/passwd";

/// Runs the authority until SIGTERM or SIGINT and the end of what was begun; with `until_input_ends`, until standard input ends,
/// too. Its configuration is read once.
///
/// # Errors
/// When the configuration, the key, the database or the socket cannot be had.
pub fn run(configuration: &Path, until_input_ends: bool) -> anyhow::Result<()> {
    shut_off().context("cannot keep other processes from reading this one")?;
    let loaded = config::load(configuration)?;
    let _level = log::init(&loaded.config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("authority")
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(work(&loaded.config, until_input_ends))?;
    Ok(())
}

/// Keeps the key from a core dump, and from a debugger of the same user.
fn shut_off() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

async fn work(config: &Config, until_input_ends: bool) -> anyhow::Result<()> {
    // Before the socket is there, since whoever sees it may send a signal.
    let mut signals = Signals::new().context("cannot handle signals")?;
    let settings = config.authority.as_ref().context("the configuration has no section `authority`")?;
    let process = settings.process.as_ref().context("authority.socket is missing: gates reach the authority by it")?;
    let peers = peers(&process.users)?;
    let directory = Directory::of(settings)?;
    let authorities = tokio::task::block_in_place(|| opened(&directory, settings))?;
    let database = database(config).await?;
    let office = office(authorities.first(), &database, settings)?;
    office.register().record_all(hierarchy::entries(&directory)?, Replace::None, Timestamp::now()).await?;
    if let Some(est) = &process.est {
        profiles_for_people(&office, est)?;
    }
    let issuer = office.authority().name();
    let ldap = published_in_ldap(&database, &directory, settings)?;
    let (stop, stopped) = watch::channel(false);
    let mut publishers = JoinSet::new();
    for authority in authorities {
        publishers.spawn(publisher(&database, &directory, authority, settings)?.run(told(stopped.clone())));
    }
    let socket = Socket::bind(&process.socket)?;
    tracing::info!(socket = %process.socket.display(), issuer, "the authority is ready");
    let accounts: Arc<dyn Accounts> = Arc::new(account::sql::Store::new(database));
    let desk = desk::Authority::new(office, accounts, admission(config, process), &directory.certificates());
    let end = async {
        tokio::select! {
            () = ended(&mut signals) => {}
            () = input_ended(), if until_input_ends => {}
        }
    };
    serve::serve(socket, peers, Arc::new(desk), end).await;
    if let Some(ldap) = ldap {
        // What it was at is in its queue, for the next start.
        ldap.abort();
    }
    stop.send_replace(true);
    while publishers.join_next().await.is_some() {}
    tracing::info!("the authority has ended");
    Ok(())
}

/// The users whose processes may connect.
fn peers(users: &[String]) -> anyhow::Result<Peers> {
    let passwd = std::fs::read_to_string(PASSWD).unwrap_or_default();
    let number = |user: &String| {
        user_number(user, &passwd).ok_or_else(|| {
            anyhow!("authority.users: there is no user {user:?} in {PASSWD}; a user of a directory service is written as a number")
        })
    };
    Ok(Peers::new(users.iter().map(number).collect::<anyhow::Result<Vec<_>>>()?))
}

/// The intermediate that issues, and those before it that still have something to say of what they issued. Only the first
/// must open.
fn opened(directory: &Directory, settings: &config::Authority) -> anyhow::Result<Vec<Arc<Authority>>> {
    let passphrase = Passphrase::of(settings.passphrase.as_ref(), None);
    let clock: Clock = Arc::new(Timestamp::now);
    let mut opened = vec![Arc::new(directory.issuing(&passphrase, &clock)?)];
    for former in directory.intermediates().iter().skip(1) {
        match directory.intermediate(former.number, &passphrase, &clock) {
            Ok(authority) if authority.validity().not_after < Timestamp::now() => {}
            Ok(authority) => opened.push(Arc::new(authority)),
            Err(error) => {
                tracing::error!(number = former.number, %error, "nothing is published of a former intermediate");
            }
        }
    }
    Ok(opened)
}

async fn database(config: &Config) -> anyhow::Result<Database> {
    let store = config.authority_store();
    ensure!(
        store.foreign().is_none(),
        "accounts stand in tables of your own, and what is issued is recorded in Wicketgate's: the authority needs those"
    );
    super::build::not_exposed(&config::Accounts { store: store.clone(), ..config.accounts.clone() })?;
    Ok(Database::open(&store, Handle::current(), Deadlines::default()).await?)
}

fn office(
    authority: Option<&Arc<Authority>>,
    database: &Database,
    settings: &config::Authority,
) -> anyhow::Result<Office> {
    let authority = Arc::clone(authority.context("there is no intermediate")?);
    let register = Register::new(database.clone());
    let register = match &settings.ldap {
        Some(ldap) => register.publishing(&ldap.profiles),
        None => register,
    };
    let parts = Parts {
        authority,
        register,
        accounts: Arc::new(account::sql::Store::new(database.clone())),
        people: settings.ldap.clone().map(|ldap| Arc::new(ldap::Entries::new(ldap)) as Arc<dyn People>),
        recorder: Arc::new(Recorder::of(&settings.directory, database.clone())),
        compromised: Compromised::read(&settings.compromised_keys)?,
    };
    Ok(Office::new(parts, settings))
}

/// What is given out on the word of a gate is no authority's.
fn profiles_for_people(office: &Office, est: &Est) -> anyhow::Result<()> {
    for name in std::iter::once(&est.profile).chain(est.labels.values()) {
        if office.profile(name).context("authority.est")?.is_authority {
            bail!("authority.est: the profile {name:?} makes authorities, and nobody enrols as one");
        }
    }
    Ok(())
}

fn admission(config: &Config, process: &AuthorityProcess) -> Option<Admission> {
    process.est.clone().map(|est| Admission::new(est, config.peers.keys().cloned()))
}

/// Publishes people's certificates in the directory, if there is one.
fn published_in_ldap(
    database: &Database,
    directory: &Directory,
    settings: &config::Authority,
) -> anyhow::Result<Option<AbortHandle>> {
    let Some(ldap) = settings.ldap.clone() else { return Ok(None) };
    let chain = directory.certificates().into_iter().filter(|certificate| certificate != directory.root()).collect();
    let accounts = Arc::new(account::sql::Store::new(database.clone()));
    let publisher = ldap::Publisher::new(ldap, database.clone(), accounts, chain).context("authority.ldap")?;
    Ok(Some(tokio::spawn(async move { publisher.run(Timestamp::now).await }).abort_handle()))
}

/// What publishes what an authority says of its certificates.
fn publisher(
    database: &Database,
    directory: &Directory,
    authority: Arc<Authority>,
    settings: &config::Authority,
) -> anyhow::Result<Publisher> {
    let own = authority.certificate().clone();
    let above: Vec<CertificateDer<'static>> =
        authority.chain().into_iter().filter(|one| *one != own).chain([directory.root().clone()]).collect();
    let history = Recorder::of(&settings.directory, database.clone());
    let publisher = Publisher::new(database.clone(), authority, &above, settings.publish.clone())?;
    Ok(publisher.recording(history, &whoever_runs_this()))
}

/// Comes when a flag is raised, or nobody can raise it any more.
async fn told(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn ended(signals: &mut Signals) {
    while signals.next().await != Told::End {
        tracing::warn!("the authority takes up no new configuration while it runs: start it anew");
    }
}

/// Comes when standard input has ended.
async fn input_ended() {
    let (sender, ended) = oneshot::channel();
    // It is read by a thread of its own: nothing ends a read of standard input but its end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = sender.send(());
    });
    let _ = ended.await;
}
