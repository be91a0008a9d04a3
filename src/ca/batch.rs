//! Certificates for many accounts at once, into a folder. A batch that was killed is begun again and goes on: nobody
//! gets nothing, nobody gets two, and what lies in the folder is what stands in the register. It goes part by part, and
//! of each part:
//!
//! 1. The certificates are signed and the files packed, in memory, on all cores.
//! 2. The part is staged: one file under `.batch` in the folder, with everything in it, is on the disk.
//! 3. The history is told, and the certificates are recorded in one transaction. What is recorded already is not
//!    recorded twice.
//! 4. The files are laid down, `report.csv` is extended, and when all of that is on the disk the staged part goes.
//!
//! Whoever is killed before 2 is over has issued nothing. Whoever is killed later has left a staged part, and the next
//! run does 3 and 4 of it first; each leaves alone what was done. Who has a line in the report is passed over. While
//! one part is recorded and published the next one is signed.

pub mod archive;
mod folder;
mod staged;

use crate::account::{Account, Directory, Lookup, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::files::WriteError;
use crate::ca::office::recorder::Deed;
use crate::ca::office::{Office, OfficeError, Prepared};
use crate::ca::password;
use crate::ca::pem;
use crate::ca::pkcs12::Form;
use crate::ca::profile::apply::Bearer;
use crate::ca::register::Recorded;
use crate::ca::request::{MAX_TEXT, Request};
use crate::config::{self, LookupKind};
use folder::Folder;
use futures_util::stream::{self, StreamExt};
use rustix::fs::OFlags;
use staged::Item;
use std::collections::{BTreeMap, HashSet};
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many certificates are recorded in one transaction. Each part is brought to the disk three times, which costs the
/// same for few and for many.
const PART: usize = 1024;
/// How many accounts are looked up at once.
const LOOKUPS: usize = 8;

/// What everybody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key that is made here and its certificate, in a PKCS#12 file with a generated password.
    Pkcs12,
    /// A certificate for the key of a request, with its chain, in PEM.
    Pem,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Pkcs12 => "p12",
            Self::Pem => "pem",
        }
    }
}

/// Who gets a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The account's user name.
    pub username: String,
    /// The account, if it has just been read; else it is looked up.
    pub account: Option<Box<Account>>,
    /// The file with its request, if its key is not made here.
    pub request: Option<PathBuf>,
}

/// What a batch is.
#[derive(Debug, Clone)]
pub struct Job {
    /// The folder that it fills; it is made if need be.
    pub folder: PathBuf,
    /// The name of the profile.
    pub profile: String,
    /// What everybody gets.
    pub kind: Kind,
    /// The form of the PKCS#12 files.
    pub form: Form,
    /// Who has it done, for the history.
    pub by: String,
}

/// What a batch came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many certificates were issued in this run, those of unfinished parts included.
    pub issued: usize,
    /// How many accounts had got theirs before.
    pub before: usize,
    /// Who got none, and why.
    pub refused: Vec<(String, String)>,
}

/// A batch broke off. What it has done stands; it may be begun again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The folder or a file in it cannot be used.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The folder, or a file in it, is somebody else's, or others may write there, or read what holds passwords.
    #[error("{0} is not yours alone: others could read what is written there, or put something in")]
    NotOurs(PathBuf),
    /// Another process fills the folder.
    #[error("another process is filling {0}")]
    Busy(PathBuf),
    /// The folder was begun with another profile, authority or kind of files.
    #[error("{0} was begun for a batch with another profile, authority or kind of files")]
    OtherJob(PathBuf),
    /// A staged part is not what this program wrote.
    #[error("the unfinished part {0} is damaged: what it holds may be on record and lie in no file")]
    Damaged(PathBuf),
    /// A part cannot be written down.
    #[error("a part of the batch cannot be written down: {0}")]
    Staging(String),
    /// A file is there that is not the one to be written.
    #[error("{0} is there already, with something else in it")]
    InTheWay(PathBuf),
    /// A certificate cannot be recorded, for a reason that is not the account's.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The accounts cannot be looked up.
    #[error(transparent)]
    Accounts(#[from] Unavailable),
    /// A thread that signs broke off.
    #[error("a thread that signs broke off")]
    Thread,
}

/// What is signed of a part, and who got nothing.
#[derive(Default)]
struct Signed {
    items: Vec<Item>,
    refused: Vec<(String, String)>,
}

/// Works a batch off. `watch` is told how many accounts are done, of those that were not done before.
///
/// # Errors
/// When it breaks off; who is refused is in the report and does not break it off.
pub async fn run(
    office: &Arc<Office>,
    accounts: &Arc<dyn Directory>,
    job: &Job,
    tasks: Vec<Task>,
    clock: fn() -> Timestamp,
    watch: &(dyn Fn(usize) + Sync),
) -> Result<Report, BatchError> {
    let rules = Arc::new(office.profile(&job.profile)?.clone());
    let issuer = hex::encode(&crate::certificate::facts::sha256(office.authority().public_key()));
    let what = format!("{}\n{issuer}\n{}\n", job.profile, job.kind.extension());
    let mut folder = Folder::open(&job.folder, &what, job.kind)?;
    let mut report = Report { before: folder.len(), ..Report::default() };
    for (number, items) in folder.unfinished()? {
        finish(office, &mut folder, job, number, items, clock(), &mut report).await?;
    }
    // Who is named twice gets one nevertheless.
    let mut seen = HashSet::new();
    let is_open = |task: &Task| !folder.has(&task.username) && seen.insert(task.username.clone());
    let open: Vec<Task> = tasks.into_iter().filter(is_open).collect();
    let mut parts = open.chunks(PART);
    let mut done = 0;
    let mut next = match parts.next() {
        Some(part) => sign(office, accounts, &rules, job, part, clock()).await?,
        None => Signed::default(),
    };
    loop {
        let Signed { items, refused } = std::mem::take(&mut next);
        if items.is_empty() && refused.is_empty() {
            break;
        }
        done += items.len() + refused.len();
        report.refused.extend(refused);
        let number = if items.is_empty() { None } else { Some(folder.stage(&items)?) };
        let finishing = async {
            match number {
                Some(number) => finish(office, &mut folder, job, number, items, clock(), &mut report).await,
                None => Ok(()),
            }
        };
        let signing = async {
            match parts.next() {
                Some(part) => sign(office, accounts, &rules, job, part, clock()).await,
                None => Ok(Signed::default()),
            }
        };
        let (finished, signed) = tokio::join!(finishing, signing);
        finished?;
        next = signed?;
        watch(done);
    }
    folder.refuse(&report.refused)?;
    Ok(report)
}

/// Records and publishes a staged part.
async fn finish(
    office: &Office,
    folder: &mut Folder,
    job: &Job,
    number: u64,
    items: Vec<Item>,
    now: Timestamp,
    report: &mut Report,
) -> Result<(), BatchError> {
    let entries: Vec<_> = items.iter().map(|item| item.entry.clone()).collect();
    let outcomes = office.enter_all(&entries, Deed::Issue, &job.by, now).await?;
    let mut published = Vec::new();
    for (item, outcome) in items.iter().zip(outcomes) {
        match outcome {
            Ok(Recorded::Now(_) | Recorded::Before) => published.push(item),
            Err(refused) => report.refused.push((item.username.clone(), refused.to_string())),
        }
    }
    folder.publish(number, &published)?;
    report.issued += published.len();
    Ok(())
}

/// Signs a part on all cores.
async fn sign(
    office: &Arc<Office>,
    accounts: &Arc<dyn Directory>,
    rules: &Arc<config::Profile>,
    job: &Job,
    tasks: &[Task],
    now: Timestamp,
) -> Result<Signed, BatchError> {
    let mut signed = Signed::default();
    let mut found = Vec::with_capacity(tasks.len());
    let mut looking = stream::iter(tasks).map(|task| look_up(office, accounts, rules, task)).buffered(LOOKUPS);
    while let Some(bearer) = looking.next().await {
        match bearer? {
            Ok(bearer) => found.push(bearer),
            Err(refused) => signed.refused.push(refused),
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = found.len().div_ceil(cores).max(1);
    let mut threads = Vec::new();
    while !found.is_empty() {
        let rest = found.split_off(share.min(found.len()));
        let (office, rules, form) = (Arc::clone(office), Arc::clone(rules), job.form);
        threads.push(tokio::task::spawn_blocking(move || {
            found.into_iter().map(|bearer| sign_one(&office, &rules, &bearer, form, now)).collect::<Vec<_>>()
        }));
        found = rest;
    }
    for thread in threads {
        for outcome in thread.await.map_err(|_| BatchError::Thread)? {
            match outcome {
                Ok(item) => signed.items.push(item),
                Err(refused) => signed.refused.push(refused),
            }
        }
    }
    Ok(signed)
}

/// An account, what is known of the person besides, and the octets of its request.
struct Found {
    account: Account,
    entry: BTreeMap<String, String>,
    request: Option<Vec<u8>>,
}

type Refused = (String, String);

/// The octets of a request, up to one more than a request may have. Who puts requests into a folder may be anybody: a
/// device is not opened, a pipe is not waited for, and what has no end is not read until it comes.
fn read_request(path: &Path) -> io::Result<Vec<u8>> {
    let require_plain = |found: Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file")),
    };
    require_plain(std::fs::metadata(path)?)?;
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Another may lie there by now.
    require_plain(file.metadata()?)?;
    let mut octets = Vec::new();
    file.take(u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut octets)?;
    Ok(octets)
}

async fn look_up(
    office: &Office,
    accounts: &Arc<dyn Directory>,
    rules: &config::Profile,
    task: &Task,
) -> Result<Result<Found, Refused>, BatchError> {
    let refuse = |why: String| Ok(Err((task.username.clone(), why)));
    let account = match &task.account {
        Some(account) => Account::clone(account),
        None => {
            let lookup = Lookup { kind: LookupKind::Username, name: task.username.clone() };
            match accounts.find(&lookup).await?.into_iter().next() {
                Some(account) => account,
                None => return refuse(OfficeError::NoSuchAccount(task.username.clone()).to_string()),
            }
        }
    };
    let request = match &task.request {
        Some(path) => match read_request(path) {
            Ok(request) => Some(request),
            Err(error) => return refuse(format!("cannot read {}: {error}", path.display())),
        },
        None => None,
    };
    match office.entry(&account, rules).await {
        Ok(entry) => Ok(Ok(Found { account, entry, request })),
        Err(error) => refuse(error.to_string()),
    }
}

fn sign_one(
    office: &Office,
    rules: &config::Profile,
    found: &Found,
    form: Form,
    now: Timestamp,
) -> Result<Item, Refused> {
    let refuse = |why: String| (found.account.username.clone(), why);
    let made = match &found.request {
        Some(octets) => requested(office, rules, found, octets, now),
        None => packed(office, rules, found, form, now),
    };
    let (prepared, file, password) = made.map_err(refuse)?;
    Ok(Item { username: found.account.username.clone(), entry: prepared.entry().clone(), file, password })
}

type Made = (Prepared, Vec<u8>, Option<String>);

fn packed(office: &Office, rules: &config::Profile, found: &Found, form: Form, now: Timestamp) -> Result<Made, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let bearer = Bearer { account: Some(&found.account), entry: &found.entry, names: &[] };
    let prepared = office.prepare(rules, bearer, now).map_err(|error| words(&error))?;
    let password = password::generate().map_err(|error| words(&error))?;
    let file = prepared.pkcs12(office, form, &password).map_err(|error| words(&error))?.unwrap_or_default();
    let text = password.secret().expose_str().map(str::to_owned);
    Ok((prepared, file, text))
}

fn requested(
    office: &Office,
    rules: &config::Profile,
    found: &Found,
    octets: &[u8],
    now: Timestamp,
) -> Result<Made, String> {
    let request = Request::read_any(octets).map_err(|error| error.to_string())?;
    let prepared = office
        .prepare_signing(rules, &request, Some(&found.account), &found.entry, &[], now)
        .map_err(|error| error.to_string())?;
    let file = pem::certificates(&prepared.whole_chain(office)).map_err(|error| error.to_string())?;
    Ok((prepared, file.into_bytes(), None))
}

/// The requests in a folder: a file `USERNAME.csr` for each account.
///
/// # Errors
/// When the folder cannot be read.
pub fn requests_in(folder: &Path) -> io::Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let username = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".csr"));
        if let Some(username) = username.filter(|name| !name.is_empty()) {
            tasks.push(Task { username: username.to_owned(), account: None, request: Some(path.clone()) });
        }
    }
    tasks.sort_by(|one, other| one.username.cmp(&other.username));
    Ok(tasks)
}
