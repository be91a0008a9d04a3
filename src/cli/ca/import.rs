//! `wicketgate ca import`: takes over an authority that was made with OpenSSL, its `index.txt` and the number of its
//! revocation lists included. What is on record is not recorded twice, so that an import that was cut off is made
//! again.

use super::Common;
use super::audit;
use super::open::{new_passphrase, section};
use super::shown::{Shown, refused};
use crate::account::{self, Lookup};
use crate::base::clock::Timestamp;
use crate::base::email;
use crate::base::secret::Secret;
use crate::ca::hierarchy::HierarchyError;
use crate::ca::history::{Act, Entry, whoever_runs_this};
use crate::ca::import::{Import, ImportError, Issued, index};
use crate::ca::key::foreign;
use crate::ca::passphrase::{Passphrase, PassphraseError};
use crate::ca::register::{Recorded, Register, RegisterError, Replace};
use crate::certificate::{facts, pem};
use crate::cli::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::config::{Config, LookupKind, PassphraseSource};
use crate::store::{Database, Deadlines};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// The largest index that is read, in octets.
const MOST_INDEX: u64 = 1024 * 1024 * 1024;
/// How many certificates are recorded at once.
const BATCH: usize = 500;

/// The arguments of `ca import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// The authority's certificate, in PEM
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Certificates above it up to the root, in PEM; may be repeated
    #[arg(long, value_name = "FILE")]
    above: Vec<PathBuf>,
    /// Its private key, in PEM, encrypted or not
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file whose first line is the passphrase of that key; without it, it is asked for
    #[arg(long, value_name = "FILE", conflicts_with = "key_passphrase_env")]
    key_passphrase_file: Option<PathBuf>,
    /// The environment variable that holds the passphrase of that key
    #[arg(long, value_name = "VARIABLE")]
    key_passphrase_env: Option<String>,
    /// What it issued: `index.txt`
    #[arg(long, value_name = "FILE", requires = "certificates")]
    index: Option<PathBuf>,
    /// The folder of what it issued, by serial numbers: `newcerts`
    #[arg(long, value_name = "FOLDER")]
    certificates: Option<PathBuf>,
    /// Go on where certificates of the index are not in that folder: they can be revoked by their serial numbers, and
    /// are not on record
    #[arg(long, requires = "index")]
    skip_missing: bool,
    /// Record each certificate as that of the account that has its e-mail address; without this they belong to nobody
    #[arg(long, requires = "index")]
    link_accounts: bool,
    /// The number of its next revocation list: `crlnumber`
    #[arg(long, value_name = "FILE")]
    crl_number: Option<PathBuf>,
}

/// Takes the authority over, and prints what it is.
///
/// # Errors
/// When something does not fit together, the folder exists, or the database does not answer.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.common.config)?;
    let section = section(&config)?;
    if section.directory.symlink_metadata().is_ok() {
        return Err(refused(&section.directory, &HierarchyError::Exists(section.directory.clone())));
    }
    let import = args.authority()?;
    let mut issued = args.issued(&import)?;
    let number = args.number()?;
    if !issued.missing.is_empty() && !args.skip_missing {
        let some = issued.missing.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
        let why = format!("of {} certificates there is no file, such as {some}", issued.missing.len());
        let what_to_do = "name the folder that has them, or go on without them: --skip-missing";
        return Err(Failure::new("importing what was issued", import.name(), why, what_to_do));
    }
    let passphrase = new_passphrase(section)?;
    // The register first: it takes the same twice, and the folder says that all is done.
    if args.link_accounts {
        link(&config, &mut issued)?;
    }
    let recorded = record(&config, &import, &issued, number)?;
    let made = import.make(&section.directory, &passphrase, Timestamp::now()).map_err(|error| match error {
        ImportError::Hierarchy(error) => refused(&section.directory, &error),
        other => Failure::new("making the authority", section.directory.display(), other, "look at the reason"),
    })?;
    let shown = Shown::of(&made)?;
    let counts = (recorded, issued.revoked.len(), issued.missing.len());
    let what = format!("with {} certificates, {} of them revoked; {} are missing", counts.0, counts.1, counts.2);
    let told = Entry {
        subject: Some(import.name().to_string()),
        fingerprint: Some(facts::sha256(import.certificate()).to_vec()),
        issuer: Some(import.issuer().to_vec()),
        number,
        detail: Some(what),
        ..Entry::new(Act::Import, &whoever_runs_this())
    };
    audit::record(&config, &section.directory, told)?;
    if args.common.json {
        let mut value = shown.as_json();
        if let Some(value) = value.as_object_mut() {
            value.insert("recorded".to_owned(), json!(counts.0));
            value.insert("revoked".to_owned(), json!(counts.1));
            value.insert("missing".to_owned(), json!(counts.2));
        }
        print(&format!("{value:#}\n"))?;
        return Ok(Exit::Success);
    }
    print(&format!(
        "took over {} into {}\n{shown}\n\
         recorded {}, revoked {}, not on record for want of their certificates {}\n\n\
         what to do next:\n  \
         stop `openssl ca`   two that issue and revoke by one key contradict each other\n  \
         destroy the key     at {}, when {} is in a backup\n",
        import.name(),
        section.directory.display(),
        counts.0,
        counts.1,
        counts.2,
        args.key.display(),
        section.directory.display(),
    ))?;
    Ok(Exit::Success)
}

impl Args {
    fn authority(&self) -> Result<Import, Failure> {
        let mut certificates = pem_certificates(&self.certificate)?;
        for file in &self.above {
            certificates.extend(pem_certificates(file)?);
        }
        let key = foreign::read(&self.key, || self.key_passphrase());
        let what_to_do = "give the private key of the certificate, and its passphrase";
        let key = key.or_fail("reading the authority's key", self.key.display(), what_to_do)?;
        Import::new(certificates, key).or_fail(
            "importing the authority",
            self.certificate.display(),
            "give the certificate and the key of one authority, and by --above those up to the root",
        )
    }

    fn key_passphrase(&self) -> Result<Secret, PassphraseError> {
        let kept = match (&self.key_passphrase_file, &self.key_passphrase_env) {
            (Some(file), _) => Some(PassphraseSource::File(file.clone())),
            (None, Some(name)) => Some(PassphraseSource::Environment(name.clone())),
            (None, None) => None,
        };
        let ask = std::io::stdin().is_terminal().then_some(super::open::ask as crate::ca::passphrase::Ask);
        Passphrase::of(kept.as_ref(), ask).read(&format!("Passphrase of {}", self.key.display()))
    }

    fn issued(&self, import: &Import) -> Result<Issued, Failure> {
        let (Some(file), Some(folder)) = (&self.index, &self.certificates) else { return Ok(Issued::default()) };
        let what_to_do = "correct the line, and look how it came about: nothing has been imported";
        let text = pem::read(file, MOST_INDEX).or_fail("reading the index", file.display(), "name `index.txt`")?;
        let rows = index::read(&text).or_fail("reading the index", file.display(), what_to_do)?;
        let issued: Result<Issued, Mismatch> = import.issued(&rows, |row| {
            // A serial number is hexadecimal, so that it leads out of no folder.
            let path = folder.join(format!("{}.pem", row.written));
            if !path.exists() {
                return Ok(None);
            }
            let found = pem::certificates(&path).map_err(|error| Mismatch(error.to_string()))?;
            Ok(found.into_iter().next())
        });
        issued.or_fail("importing what was issued", file.display(), "give the folder that belongs to the index")
    }

    fn number(&self) -> Result<Option<u64>, Failure> {
        let Some(file) = &self.crl_number else { return Ok(None) };
        const WHAT: &str = "reading the number of the next revocation list";
        let text = pem::read(file, 1024).or_fail(WHAT, file.display(), "name `crlnumber`")?;
        let number = index::number(&text);
        number.map(Some).map_err(|why| Failure::new(WHAT, file.display(), why, "name `crlnumber`"))
    }
}

/// Why what was issued cannot be imported.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mismatch(String);

impl From<ImportError> for Mismatch {
    fn from(error: ImportError) -> Self {
        Self(error.to_string())
    }
}

fn pem_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    pem::certificates(file).or_fail("reading certificates", file.display(), "name a file of certificates in PEM")
}

/// Finds whose the certificates are: the account's that has the one e-mail address of a certificate.
fn link(config: &Config, issued: &mut Issued) -> Result<(), Failure> {
    const WHAT: &str = "looking for accounts";
    let store = &config.accounts.store;
    runtime()?.block_on(async {
        let accounts = account::open(store, Handle::current()).await;
        let accounts = accounts.or_fail(WHAT, store, "see `wicketgate db check`")?;
        for entry in &mut issued.entries {
            let facts = entry.der.as_deref().and_then(|der| facts::parse(der).ok());
            let emails = facts.map(|facts| facts.names.emails).unwrap_or_default();
            let [email] = emails.as_slice() else { continue };
            let Some(name) = email::normalise(email) else { continue };
            let found = accounts.find(&Lookup { kind: LookupKind::Email, name }).await;
            if let [one] = found.or_fail(WHAT, store, "see `wicketgate db check`")?.as_slice() {
                entry.certificate.username = Some(one.username.clone());
            }
        }
        Ok(())
    })
}

/// Writes what was issued into the register; yields how many certificates are on record now.
fn record(config: &Config, import: &Import, issued: &Issued, number: Option<u64>) -> Result<usize, Failure> {
    const WHAT: &str = "recording what was issued";
    let store = &config.accounts.store;
    if store.foreign().is_some() {
        let why = "accounts stand in tables of your own, and beside those there is no register";
        return Err(Failure::new(WHAT, store, why, "keep accounts in tables that `wicketgate db init` makes").bad());
    }
    let what_to_do = "look at the reason, and import again: what is on record is not recorded twice";
    runtime()?.block_on(async {
        let database = Database::open(store, Handle::current(), Deadlines::default()).await;
        let register = Register::new(database.or_fail(WHAT, store, "see `wicketgate db check`")?);
        let write = async {
            let mut recorded = 0;
            for batch in issued.entries.chunks(BATCH) {
                let outcomes = register.record_all(batch.to_vec(), Replace::None, Timestamp::now()).await?;
                for outcome in outcomes {
                    let (Recorded::Now(_) | Recorded::Before) = outcome?;
                    recorded += 1;
                }
            }
            for (key, at, reason) in &issued.revoked {
                register.revoke(key, *at, *reason).await?;
            }
            if let Some(number) = number {
                register.raise_number(&import.issuer(), number).await?;
            }
            Ok::<usize, RegisterError>(recorded)
        };
        write.await.or_fail(WHAT, store, what_to_do)
    })
}
