//! `wicketgate demo`: a working gate in one command. It writes an ordinary configuration into a directory of its own, makes the
//! accounts, the authority and the certificates that belong to it, starts a sample upstream and the authority's
//! process, and then does what `wicketgate serve` does on that configuration.

mod accounts;
mod authority;
mod certificates;
mod configuration;
mod directory;
mod guide;
mod people;
/// The sample upstream, which is also an example of its own.
#[path = "../../examples/whoami.rs"]
pub mod whoami;

use super::{Exit, Failure, OrFail, print, runtime};
use crate::account::sql;
use crate::app;
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::secret::SecretSource;
use crate::ca::files::{Access, write};
use crate::config::Config;
use crate::store::{Database, Deadlines};
use anyhow::Context;
use directory::{ClaimError, Directory};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

/// The arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where certificates, accounts and configuration are kept; made if it is absent
    #[arg(long, value_name = "DIRECTORY", default_value = "certs-dev/demo")]
    directory: PathBuf,

    /// The port of 127.0.0.1 that the gate listens on
    #[arg(long, value_name = "PORT", default_value = "8443")]
    port: NonZeroU16,

    /// The port of 127.0.0.1 that the sample upstream listens on [default: a free one]
    #[arg(long, value_name = "PORT")]
    upstream_port: Option<NonZeroU16>,
}

/// Runs the demo until it is interrupted.
///
/// # Errors
/// When a port is taken, the directory is not the demo's own, or anything in it cannot be made.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let port = args.port.get();
    // The gate's workers share their port, and would share it with another gate too; this socket does not.
    let gate = listen(port, "--port")?;
    let upstream = listen(args.upstream_port.map_or(0, NonZeroU16::get), "--upstream-port")?;
    drop(gate);
    let upstream_port = upstream.local_addr().or_fail("listening", "127.0.0.1", "try again")?.port();
    let directory = claim(&args.directory)?;
    let configuration = directory.file("wicketgate.yaml");
    let text = configuration::text(port, upstream_port);
    write(&configuration, text.as_bytes(), Access::Public).or_fail(
        "writing the configuration",
        configuration.display(),
        WRITABLE,
    )?;
    furnish(&directory, &configuration, Timestamp::now())?;
    answer(upstream).or_fail(
        "starting",
        "the sample upstream",
        "raise the limits on open files and threads (ulimit)",
    )?;
    let authority = authority::start(&configuration, &directory.file("authority.sock")).or_fail(
        "starting",
        "the authority",
        "see above; choose a shorter path with --directory if its socket's is too long",
    )?;
    let program = std::env::args().next().unwrap_or_else(|| "wicketgate".into());
    let guide = guide::text(&program, &args.directory, port, upstream_port);
    // With standard output gone there is nobody to guide, and the gate serves all the same.
    app::run(&configuration, false, |_| drop(print(&guide))).or_fail(
        "running the gate",
        configuration.display(),
        "see above; `wicketgate check` examines the configuration",
    )?;
    drop(authority);
    Ok(Exit::Success)
}

const WRITABLE: &str =
    "see to it that you may write there and that the disk is not full, or choose another place with --directory";

fn listen(port: u16, option: &str) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).map_err(|error| {
        let what_to_do = match error.kind() {
            io::ErrorKind::AddrInUse => format!("end the program that has this port, or choose another with {option}"),
            io::ErrorKind::PermissionDenied => format!("choose a port from 1024 on with {option}"),
            _ => format!("choose another port with {option}"),
        };
        Failure::new("listening", address, error, what_to_do)
    })
}

fn claim(path: &Path) -> Result<Directory, Failure> {
    Directory::claim(path).map_err(|error| {
        let what_to_do = match &error {
            ClaimError::NotOurs(_) => "choose an empty directory, or one that is not there yet, with --directory",
            ClaimError::InUse => "end that demo, or choose another directory with --directory and another --port",
            ClaimError::Io(_) | ClaimError::Write(_) => WRITABLE,
        };
        Failure::new("using", path.display(), error, what_to_do)
    })
}

/// Sees to it that secrets, accounts and certificates are there and good.
fn furnish(directory: &Directory, configuration: &Path, now: Timestamp) -> Result<(), Failure> {
    let what_to_do = format!("{WRITABLE}; if that is so, remove it to start afresh");
    let on = || directory.path().display();
    for name in ["nonce.secret", "authority.passphrase"] {
        secret(&directory.file(name)).or_fail("making a secret", on(), &what_to_do)?;
    }
    let config = super::configuration(configuration)?;
    let runtime = runtime()?;
    runtime.block_on(issue(directory, &config, now)).or_fail("making the accounts and certificates", on(), &what_to_do)
}

async fn issue(directory: &Directory, config: &Config, now: Timestamp) -> anyhow::Result<()> {
    let settings = config.authority.as_ref().context("the configuration has no authority")?;
    let store = &config.accounts.store;
    let database = Database::open(store, tokio::runtime::Handle::current(), Deadlines::default()).await?;
    accounts::furnish(&sql::Store::new(database.clone()), now).await?;
    Ok(certificates::House { directory, settings, database, now }.furnish().await?)
}

/// Makes a random secret of 256 bits in a file, unless there is one.
fn secret(path: &Path) -> anyhow::Result<()> {
    if SecretSource::File(path.to_owned()).read().is_err() {
        let mut octets = [0; 32];
        aws_lc_rs::rand::fill(&mut octets).context("no random octets")?;
        write(path, format!("{}\n", hex::encode(&octets)).as_bytes(), Access::Private)?;
    }
    Ok(())
}

/// Runs the sample upstream on a thread of its own, for as long as the process lasts.
fn answer(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    std::thread::Builder::new().name("upstream".into()).spawn(move || runtime.block_on(whoami::serve(listener)))?;
    Ok(())
}
