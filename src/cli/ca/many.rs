//! `wicketgate ca issue --all`, `--group`, `--from`, and `ca sign --requests`: certificates for many accounts, into a
//! folder. What was cut off is begun again by the same command.

use super::Common;
use super::desk::{Desk, refused, unavailable, with_office};
use super::hand_out::Packing;
use crate::account::{self, Account, Status};
use crate::base::clock::Timestamp;
use crate::ca::batch::{self, BatchError, Job, Kind, Report, Task, archive};
use crate::ca::history::whoever_runs_this;
use crate::ca::password::{self, Password};
use crate::ca::pkcs12::Form;
use crate::ca::profile::AlternativeName;
use crate::cli::{Exit, Failure, OrFail, print};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

const WHAT: &str = "issuing certificates";

/// How many accounts are read at once.
const PAGE: u32 = 1000;

/// How many that got nothing are shown; the file has them all.
const SHOWN: usize = 20;

/// Who gets one, if many do.
#[derive(Debug, clap::Args)]
pub(super) struct Many {
    /// All active accounts; --out is a folder
    #[arg(long, conflicts_with_all = ["group", "from"], requires = "out")]
    all: bool,
    /// All active members of this group; --out is a folder
    #[arg(long, value_name = "GROUP", conflicts_with = "from", requires = "out")]
    group: Option<String>,
    /// The accounts whose user names stand in this file, one a line; --out is a folder
    #[arg(long, value_name = "FILE", requires = "out")]
    from: Option<PathBuf>,
    /// Pack the folder into this file afterwards, encrypted for a generated passphrase that is shown once: a tar that
    /// `age --decrypt` opens. It must not exist
    #[arg(long, value_name = "FILE", requires = "out")]
    archive: Option<PathBuf>,
}

impl Many {
    /// Whether this is about many.
    pub(super) fn is_asked(&self) -> bool {
        self.all || self.group.is_some() || self.from.is_some()
    }
}

/// Issues with keys that are made here.
pub(super) fn issue(
    many: &Many,
    profile: &str,
    packing: &Packing,
    names: &[AlternativeName],
    common: &Common,
) -> Result<Exit, Failure> {
    let usage = |why: &str, what_to_do: &str| Err(Failure::new(WHAT, "many accounts", why, what_to_do).bad());
    if packing.is_chosen() {
        return usage("one password for all files is none", "leave --password-file out: each file gets its own");
    }
    if packing.is_pem() || !names.is_empty() {
        return usage("only PKCS#12 files are made for many", "leave --pem, --dns, --address and --uri out");
    }
    let Some(out) = &packing.out else { return usage("there is no folder for the files", "say --out FOLDER") };
    let what = What { profile, kind: Kind::Pkcs12, form: packing.form(), archive: many.archive.as_deref() };
    work(out, what, common, async |desk| tasks(many, desk).await)
}

/// Issues for the keys of requests.
pub(super) fn sign(requests: &Path, out: &Path, profile: &str, common: &Common) -> Result<Exit, Failure> {
    let what_to_do = "name a folder with a file USERNAME.csr for each account";
    let tasks = batch::requests_in(requests).or_fail("reading requests", requests.display(), what_to_do)?;
    let what = What { profile, kind: Kind::Pem, form: Form::Modern, archive: None };
    work(out, what, common, async |desk| looked_up(tasks, desk).await)
}

/// What is made of the tasks.
struct What<'a> {
    profile: &'a str,
    kind: Kind,
    form: Form,
    archive: Option<&'a Path>,
}

fn work(
    out: &Path,
    what: What<'_>,
    common: &Common,
    tasks: impl AsyncFnOnce(&Desk) -> Result<Vec<Task>, Failure>,
) -> Result<Exit, Failure> {
    let What { profile, kind, form, archive } = what;
    if let Some(archive) = archive.filter(|archive| archive.symlink_metadata().is_ok()) {
        return Err(Failure::new(WHAT, archive.display(), "it exists", "move it away, or name another"));
    }
    with_office(&common.config, async |desk| {
        let tasks = tasks(&desk).await?;
        let job = Job { folder: out.to_owned(), profile: profile.to_owned(), kind, form, by: whoever_runs_this() };
        let bar = bar(tasks.len());
        let watch = |done: usize| bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        let done = batch::run(&desk.office, &desk.accounts, &job, tasks, Timestamp::now, &watch).await;
        bar.finish_and_clear();
        let report = done.map_err(|error| broken_off(out, &error))?;
        let passphrase = archive.map(|archive| packed(out, archive)).transpose()?;
        let shown = passphrase.as_ref().and_then(|passphrase| passphrase.secret().expose_str());
        print(&rendered(&report, out, archive.zip(shown), common.json))?;
        Ok(if report.refused.is_empty() { Exit::Success } else { Exit::No })
    })
}

fn packed(out: &Path, archive: &Path) -> Result<Password, Failure> {
    let passphrase = password::generate().or_fail("generating a passphrase", "the system", "try again")?;
    archive::pack(out, archive, &passphrase, Timestamp::now().as_unix()).or_fail(
        "packing the certificates",
        archive.display(),
        "put that right and run the same command again: it goes on where it was",
    )?;
    Ok(passphrase)
}

async fn tasks(many: &Many, desk: &Desk) -> Result<Vec<Task>, Failure> {
    let task = |username: &str| Task { username: username.to_owned(), account: None, request: None };
    if let Some(file) = &many.from {
        let what_to_do = "give a file with a user name a line";
        let text = std::fs::read_to_string(file).or_fail("reading user names", file.display(), what_to_do)?;
        let names = text.lines().map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
        return looked_up(names.map(task).collect(), desk).await;
    }
    let wanted = |account: &Account| {
        account.status == Status::Active && many.group.as_ref().is_none_or(|group| account.groups.contains(group))
    };
    let found = accounts(desk, wanted).await?;
    let task =
        |account: Account| Task { username: account.username.clone(), account: Some(Box::new(account)), request: None };
    Ok(found.into_iter().map(task).collect())
}

/// Many accounts are read page by page, which costs a fraction of a question for each.
async fn looked_up(mut tasks: Vec<Task>, desk: &Desk) -> Result<Vec<Task>, Failure> {
    if tasks.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
        return Ok(tasks);
    }
    let names: HashSet<&str> = tasks.iter().map(|task| task.username.as_str()).collect();
    let found = accounts(desk, |account| names.contains(account.username.as_str())).await?;
    let mut found: HashMap<String, Account> =
        found.into_iter().map(|account| (account.username.clone(), account)).collect();
    for task in &mut tasks {
        // Whoever is not found here is looked up, and named if there is no such account.
        task.account = found.remove(&task.username).map(Box::new);
    }
    Ok(tasks)
}

async fn accounts(desk: &Desk, wanted: impl Fn(&Account) -> bool) -> Result<Vec<Account>, Failure> {
    let registry = account::open(&desk.store, Handle::current()).await.map_err(unavailable)?;
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = registry.list(after.as_deref(), PAGE).await.or_fail(
            "listing accounts",
            &desk.store,
            "look at the reason; `wicketgate db check` looks at the database alone",
        )?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.username.clone());
        found.extend(page.into_iter().filter(|account| wanted(account)));
    }
}

fn bar(all: usize) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(u64::try_from(all).unwrap_or(u64::MAX)), target);
    // The template is a constant; one that were wrong would leave the usual bar.
    if let Ok(style) = ProgressStyle::with_template("issuing {wide_bar} {human_pos}/{human_len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn rendered(report: &Report, out: &Path, archive: Option<(&Path, &str)>, json: bool) -> String {
    let Report { issued, before, refused } = report;
    if json {
        let refused: Vec<_> = refused.iter().map(|(account, why)| json!({ "account": account, "why": why })).collect();
        let folder = out.display().to_string();
        let (file, passphrase) = archive.map(|(file, passphrase)| (file.display().to_string(), passphrase)).unzip();
        let value = json!({
            "issued": issued,
            "before": before,
            "refused": refused,
            "folder": folder,
            "archive": file,
            "passphrase": passphrase,
        });
        return format!("{value:#}\n");
    }
    let mut text = format!("issued {issued}, {before} had theirs before, {} got none\n", refused.len());
    for (username, why) in refused.iter().take(SHOWN) {
        text.push_str(&format!("  {username}: {why}\n"));
    }
    if refused.len() > SHOWN {
        text.push_str(&format!("  and {} more in {}\n", refused.len() - SHOWN, out.join("refused.csv").display()));
    }
    text.push_str(&format!("report    {}\n", out.join("report.csv").display()));
    if let Some((file, passphrase)) = archive {
        text.push_str(&format!("archive   {}\npassphrase {passphrase}\n", file.display()));
    }
    text
}

fn broken_off(out: &Path, error: &BatchError) -> Failure {
    let again = "put that right and run the same command again: it goes on where it was";
    let what_to_do = match error {
        BatchError::Office(error) => return refused(WHAT, &out.display().to_string(), error),
        BatchError::Accounts(error) => return unavailable(error.clone()),
        BatchError::Busy(_) => "wait until that is done",
        BatchError::OtherJob(_) => "choose another folder",
        BatchError::NotOurs(_) => {
            "name a folder that is not there yet, or make it yours alone: no link, mode 0700, its files 0600"
        }
        BatchError::Damaged(_) => "look with `ca list --account` who has a certificate and no file, and revoke those",
        BatchError::InTheWay(_) => "move it away, and run the same command again",
        _ => again,
    };
    Failure::new(WHAT, out.display(), error, what_to_do)
}
