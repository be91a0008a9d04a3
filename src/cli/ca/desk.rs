//! What the commands that issue and revoke have in common: the office over the authority's folder and the database,
//! how a certificate is named on the command line, and how one on record is shown.

use super::Common;
use super::open::{directory, issuing, section};
use crate::account::{self, Directory, RegistryError, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::history::recorder::Recorder;
use crate::ca::ldap::Entries;
use crate::ca::office::revoke::Revoker;
use crate::ca::office::{Office, OfficeError, Parts, People};
use crate::ca::profile::AlternativeName;
use crate::ca::register::{Listing, OnRecord, Question, Refused, Register, RegisterError};
use crate::ca::weak::Compromised;
use crate::certificate::{facts, pem};
use crate::cli::{Exit, Failure, OrFail, configuration, runtime};
use crate::config::{self, Config};
use crate::store::{Database, Deadlines};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The largest file that is looked into for a certificate.
const MAX_FILE: u64 = 1 << 20;

/// How a certificate is named: by one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Named {
    /// The serial number or the SHA-256 of the certificate in hexadecimal, or a file with the certificate
    #[arg(value_name = "SERIAL|SHA256|FILE")]
    certificate: Option<String>,
    /// The account that it was issued to
    #[arg(long, value_name = "NAME")]
    pub(super) account: Option<String>,
}

/// Names that whoever issues a certificate grants, besides those that the profile makes.
#[derive(Debug, clap::Args)]
pub(super) struct Granted {
    /// A host that the certificate is for; may be repeated
    #[arg(long, value_name = "HOST")]
    dns: Vec<String>,
    /// An IP address that it is for; may be repeated
    #[arg(long, value_name = "IP")]
    address: Vec<IpAddr>,
    /// A URI that it is for; may be repeated
    #[arg(long, value_name = "URI")]
    uri: Vec<String>,
}

impl Granted {
    /// The names, in the form in which they stand in certificates.
    pub(super) fn names(&self) -> Vec<AlternativeName> {
        let hosts = self.dns.iter().map(|host| AlternativeName::Dns(host.to_ascii_lowercase()));
        let addresses = self.address.iter().map(|address| AlternativeName::Address(*address));
        let uris = self.uri.iter().map(|uri| AlternativeName::Uri(uri.clone()));
        hosts.chain(addresses).chain(uris).collect()
    }
}

/// What a command has at hand that issues.
pub(super) struct Desk {
    pub(super) office: Arc<Office>,
    pub(super) accounts: Arc<dyn Directory>,
    pub(super) store: config::Store,
}

/// Opens the authority's key and the database, and works with them.
pub(super) fn with_office(file: &Path, work: impl AsyncFnOnce(Desk) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let config = configuration(file)?;
    let section = section(&config)?;
    let directory = directory(section)?;
    let authority = Arc::new(issuing(section, &directory)?);
    let compromised = Compromised::read(&section.compromised_keys).or_fail(
        "reading the list of compromised keys",
        file.display(),
        "correct the list, or `authority.compromised_keys`",
    )?;
    runtime()?.block_on(async {
        let database = database(&config).await?;
        let people = section.ldap.clone().map(|ldap| Arc::new(Entries::new(ldap)) as Arc<dyn People>);
        let store = config.authority_store();
        let accounts = account::open_directory(&store, Handle::current()).await.map_err(unavailable)?;
        let parts = Parts {
            authority,
            register: register(&config, &database),
            accounts: Arc::clone(&accounts),
            people,
            recorder: Arc::new(Recorder::of(&section.directory, database)),
            compromised,
        };
        work(Desk { office: Arc::new(Office::new(parts, section)), accounts, store }).await
    })
}

/// Opens the database alone, and works with the register.
pub(super) fn with_register(
    common: &Common,
    work: impl AsyncFnOnce(Register) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let config = configuration(&common.config)?;
    runtime()?.block_on(async { work(register(&config, &database(&config).await?)).await })
}

/// The same with what revokes, and keeps the history of it.
pub(super) fn with_revoker(
    common: &Common,
    work: impl AsyncFnOnce(Register, Revoker) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let config = configuration(&common.config)?;
    let directory = &section(&config)?.directory;
    runtime()?.block_on(async {
        let database = database(&config).await?;
        let register = register(&config, &database);
        let recorder = Arc::new(Recorder::of(directory, database));
        work(register.clone(), Revoker::new(register, recorder)).await
    })
}

fn register(config: &Config, database: &Database) -> Register {
    let register = Register::new(database.clone());
    match config.authority.as_ref().and_then(|section| section.ldap.as_ref()) {
        Some(ldap) => register.publishing(&ldap.profiles),
        None => register,
    }
}

async fn database(config: &Config) -> Result<Database, Failure> {
    let store = &config.authority_store();
    if store.foreign().is_some() {
        let why = "the accounts stand in tables of your own, and there is no register of certificates beside them";
        let what_to_do = "import the accounts into Wicketgate's own tables";
        return Err(Failure::new("opening the register", store, why, what_to_do).bad());
    }
    let database = Database::open(store, Handle::current(), Deadlines::default()).await;
    database.or_fail("opening the register", store, "look at the reason; `wicketgate db check`")
}

impl Named {
    /// What is named, for messages.
    pub(super) fn shown(&self) -> String {
        match (&self.certificate, &self.account) {
            (Some(certificate), _) => certificate.clone(),
            (None, Some(account)) => format!("the account {account:?}"),
            (None, None) => String::new(),
        }
    }

    /// The certificates on record that are named; at least one.
    pub(super) async fn find(&self, register: &Register) -> Result<Vec<OnRecord>, Failure> {
        const WHAT: &str = "looking up a certificate";
        let found = match (&self.certificate, &self.account) {
            (_, Some(account)) => register.list_all(&Listing::of(account)).await,
            (Some(text), None) => register.find(&question(text)?).await,
            (None, None) => Ok(Vec::new()),
        };
        let found = found.map_err(|error| refused_by_register(WHAT, &self.shown(), &error))?;
        if found.is_empty() {
            let why = "no such certificate is on record";
            return Err(Failure::new(WHAT, self.shown(), why, "see `wicketgate ca list` for those that are"));
        }
        Ok(found)
    }
}

/// A file that exists, 64 hexadecimal digits, or other hexadecimal digits.
fn question(text: &str) -> Result<Question, Failure> {
    const WHAT: &str = "looking up a certificate";
    let path = PathBuf::from(text);
    if path.is_file() {
        let what_to_do = "give a file with a certificate in PEM or DER";
        let octets = pem::read(&path, MAX_FILE).or_fail(WHAT, text, what_to_do)?;
        let certificates = pem::certificates_in_any_form(&path, &octets).or_fail(WHAT, text, what_to_do)?;
        // Of a chain, the first is its owner's.
        let first = certificates.first().map(|first| facts::sha256(first));
        return Ok(Question::Fingerprint(first.unwrap_or_default()));
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let octets = hex::decode(digits).filter(|octets| !octets.is_empty()).ok_or_else(|| {
        let why = "it is neither a file nor hexadecimal";
        Failure::new(WHAT, text, why, "give a serial number, the SHA-256 of a certificate, or a file").bad()
    })?;
    Ok(match <[u8; 32]>::try_from(octets.as_slice()) {
        Ok(hash) => Question::Fingerprint(hash),
        Err(_) => {
            let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(octets.len() - 1);
            Question::Serial(octets.iter().skip(zeros).copied().collect())
        }
    })
}

/// How a certificate stands at a time, in a word.
pub(super) fn standing(found: &OnRecord, now: Timestamp) -> &'static str {
    match &found.revoked {
        Some(revocation) if revocation.reason == "certificateHold" => "on hold",
        Some(_) => "revoked",
        None if found.certificate.not_after < now => "expired",
        None => "valid",
    }
}

pub(super) fn as_json(found: &OnRecord, now: Timestamp) -> Value {
    let certificate = &found.certificate;
    json!({
        "serial": hex::encode(&certificate.key.serial),
        "account": certificate.username,
        "profile": certificate.profile,
        "subject": certificate.subject,
        "issuer": certificate.issuer_name,
        "not_before": certificate.not_before.to_string(),
        "not_after": certificate.not_after.to_string(),
        "sha256": hex::encode(&certificate.fingerprint),
        "standing": standing(found, now),
        "revoked_at": found.revoked.as_ref().map(|revocation| revocation.at.to_string()),
        "reason": found.revoked.as_ref().map(|revocation| revocation.reason.clone()),
    })
}

pub(super) fn as_text(found: &OnRecord, now: Timestamp) -> String {
    let certificate = &found.certificate;
    let mut rows = vec![
        ("serial", hex::encode(&certificate.key.serial)),
        ("account", certificate.username.clone().unwrap_or_else(|| "-".to_owned())),
        ("profile", certificate.profile.clone()),
        ("subject", certificate.subject.clone()),
        ("issuer", certificate.issuer_name.clone()),
        ("valid", format!("{} to {}", certificate.not_before, certificate.not_after)),
        ("sha256", hex::encode(&certificate.fingerprint)),
        ("standing", standing(found, now).to_owned()),
    ];
    if let Some(revocation) = &found.revoked {
        rows.push(("revoked", format!("{} ({})", revocation.at, revocation.reason)));
    }
    rows.iter().map(|(key, value)| format!("{key:<9} {value}\n")).collect()
}

pub(super) fn unavailable(Unavailable { what, store, why }: Unavailable) -> Failure {
    Failure::new(what, store, why, "look at the reason; `wicketgate db check` looks at the database alone")
}

/// What the register's error means to whoever typed the command.
pub(super) fn refused_by_register(what: &str, on: &str, error: &RegisterError) -> Failure {
    let what_to_do = match error {
        RegisterError::Unavailable(error) => return unavailable(error.clone()),
        RegisterError::Unacceptable(RegistryError::Unavailable(error)) => return unavailable(error.clone()),
        RegisterError::Unacceptable(_) => return Failure::new(what, on, error, "give another value").bad(),
        RegisterError::Refused(Refused::NoSuchAccount(_)) => "see `wicketgate account list` for those that there are",
        RegisterError::Refused(Refused::KeyCertified { .. }) => "have a new key made, and a request for it",
        RegisterError::Refused(Refused::SerialTaken(_)) => "try again",
        RegisterError::NotRevoked(_) => "nothing: it counts",
        RegisterError::Final { .. } => "issue a new certificate; what is revoked for good stays so",
    };
    Failure::new(what, on, error, what_to_do)
}

/// What the office's error means to whoever typed the command.
pub(super) fn refused(what: &str, on: &str, error: &OfficeError) -> Failure {
    let what_to_do = match error {
        OfficeError::Register(error) => return refused_by_register(what, on, error),
        OfficeError::Accounts(error) => return unavailable(error.clone()),
        OfficeError::NoSuchProfile { .. } => {
            return Failure::new(what, on, error, "name one of these, or add it to `authority.profiles`").bad();
        }
        OfficeError::NoSuchAccount(_) => "see `wicketgate account list` for those that there are",
        OfficeError::Profile(_) => "correct the account, or the profile in `authority.profiles`",
        OfficeError::Request(_) => "have another request made; what stands in certificates is for the profile to say",
        OfficeError::Constrained(_) => {
            "give the account another name or address, or make an intermediate with other limits (`ca renew-intermediate`)"
        }
        OfficeError::Weak(_) | OfficeError::OwnKey => "have a new key made, and a request for it",
        OfficeError::Revoked { .. } => "issue a new one, if whoever has the account is to have one",
        OfficeError::NotOnRecord(_) => "see `wicketgate ca list` for those that are",
        OfficeError::NotRecorded(_) => "look at the history's file and the disk that it is on",
        OfficeError::Key(_) | OfficeError::Issue(_) => "look at the authority: `wicketgate check`, and its clock",
        OfficeError::People(_) => "look at the directory of people",
        OfficeError::Facts(_) | OfficeError::Pkcs12(_) => "report this as a fault of Wicketgate",
    };
    Failure::new(what, on, error, what_to_do)
}
