//! Makes an authority, of a root and an intermediate, and puts new intermediates below its root. A folder is made
//! whole or not at all, and a key is on the disk before the certificate that names it. The intermediate that was
//! there before stays: what it issued counts until it ends, and so do its revocation lists.

use crate::account::{CertificateKey, IssuedCertificate};
use crate::base::clock::{Moment, Timestamp};
use crate::base::hex;
use crate::base::secret::Secret;
use crate::ca::constraints::Permitted;
use crate::ca::directory::{
    BUNDLE, Directory, DirectoryError, INTERMEDIATES, PRIVATE, ROOT, ROOT_KEY, certificates_name, key_name,
};
use crate::ca::files::{Access, WriteError, write};
use crate::ca::history::{self, Act, Entry, HistoryError};
use crate::ca::issue::{Authority, IssueError, encoding};
use crate::ca::key::sealed::{self, SealError};
use crate::ca::key::token::{self, Token};
use crate::ca::key::{KeyAlgorithm, KeyError, SigningKey, SoftwareKey};
use crate::ca::pem::{self, PemError};
use crate::ca::profile::apply::intermediate;
use crate::ca::profile::{BACKDATING, Subject, Unacceptable, Validity};
use crate::ca::register;
use crate::certificate::facts;
use crate::certificate::fields::Fields;
use crate::config;
use crate::config::profile::INTERMEDIATE;
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints};
use x509_cert::name::{Name, RdnSequence};

/// What a new authority is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name: `Example`, from which the root becomes `Example Root` and the intermediate `Example Authority 1`.
    pub name: String,
    /// The organization that stands in both names.
    pub organization: Option<String>,
    /// The kind of both keys.
    pub algorithm: KeyAlgorithm,
    /// The names that the intermediate may certify.
    pub permitted: Permitted,
    /// How long the root is valid; the intermediate's validity at least.
    pub root_lifetime: Duration,
    /// What the intermediate holds besides its name, and how long it is valid.
    pub intermediate: config::Profile,
}

/// How an intermediate is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// By another with a key and a name of its own, which takes over. Lists are told apart by their issuer's name,
    /// so that no two keys share one.
    RollOver {
        /// The kind of its key.
        algorithm: KeyAlgorithm,
        /// Its commonName; by default that of the one before it, with the next number.
        common_name: Option<String>,
        /// What its key is sealed with: the passphrase of the other keys, since all are opened by one.
        passphrase: Secret,
    },
    /// By another certificate for the same key and name, with later dates.
    SameKey,
}

/// An authority cannot be made or renewed.
#[derive(Debug, thiserror::Error)]
pub enum HierarchyError {
    /// Something is there already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// A folder cannot be made.
    #[error("cannot make {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written; nothing is left of what was begun.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The folder cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key cannot be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A certificate does not fit into PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A name cannot stand in a certificate.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// The history cannot be begun.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The renewed certificate would end no later than the one that it renews.
    #[error("the intermediate is valid until {until} already; a renewal must last longer")]
    NotLonger {
        /// The last second of the certificate that is there.
        until: Timestamp,
    },
    /// The root itself issues, so that there is nothing below it that could be renewed.
    #[error("the root itself issues certificates here; a roll-over puts an intermediate in its place")]
    RootIssues,
}

/// Makes an authority in a folder that is not there yet.
///
/// # Errors
/// When something is there already, a name cannot stand in a certificate, the passphrase is short, or a file cannot
/// be written; nothing is left then.
pub fn init(path: &Path, plan: &Plan, passphrase: &Secret, now: Timestamp) -> Result<Directory, HierarchyError> {
    init_with(path, plan, passphrase, None, now)
}

/// As [`init`], with the intermediate's key in a token, if there is one.
///
/// # Errors
/// As [`init`]; and when the token makes no key.
pub fn init_with(
    path: &Path,
    plan: &Plan,
    passphrase: &Secret,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<Directory, HierarchyError> {
    let root_key = SoftwareKey::generate_of(plan.algorithm)?;
    let root_sealed = sealed::seal(&root_key.to_pkcs8()?, passphrase)?;
    let (key, sealed) = new_key(token, 1, plan.algorithm, passphrase)?;
    let rules = &plan.intermediate;
    let root_validity = Validity {
        not_before: now.minus(rules.backdate.max(BACKDATING)),
        not_after: now.plus(plan.root_lifetime.max(rules.validity)),
    };
    let root = Authority::root(Box::new(root_key), &plan.subject("Root"), root_validity)?;
    let certificate = root.subordinate(
        &intermediate(rules, Some(0)),
        key.public_key(),
        plan.subject("Authority 1").name()?,
        plan.permitted.extension()?,
        Validity { not_before: now.minus(rules.backdate), not_after: now.plus(rules.validity) },
    )?;
    let made = [
        Piece::private(ROOT_KEY, root_sealed),
        Piece::private(&key_name(1), sealed),
        Piece::history(
            now,
            &[issued(&root, root.certificate(), config::profile::ROOT)?, issued(&root, &certificate, &rules.name)?],
        )?,
        Piece::certificates(ROOT, [root.certificate()])?,
        Piece::certificates(&certificates_name(1), [&certificate])?,
        Piece::certificates(BUNDLE, [&certificate])?,
    ];
    Ok(create(path, &made)?.with_token(token.cloned()))
}

/// The record of a certificate that the root has issued.
fn issued(root: &Authority, certificate: &CertificateDer<'_>, profile: &str) -> Result<Entry, IssueError> {
    let facts = facts::parse(certificate).map_err(encoding("the certificate"))?;
    let issuer = CertificateKey::new(&root.name_der()?, root.public_key(), &facts.serial).issuer;
    let entry = Entry::about(Act::Issue, &history::whoever_runs_this(), &issuer, &facts);
    Ok(Entry { profile: Some(profile.to_owned()), ..entry })
}

/// What is to be on record of the intermediates that the root of a folder has issued, all of their certificates: so that
/// one can be looked up and revoked as any other. Of imported ones, others may be the issuers of those.
///
/// # Errors
/// When a certificate cannot be read.
pub fn entries(directory: &Directory) -> Result<Vec<register::Entry>, IssueError> {
    const WHAT: &str = "the certificate of an intermediate";
    let root = Fields::read(directory.root()).map_err(encoding(WHAT))?;
    let issuer_name = facts::parse(directory.root()).map_err(encoding(WHAT))?.subject.text;
    let mut entries = Vec::new();
    for certificate in directory.intermediates().iter().flat_map(|intermediate| &intermediate.certificates) {
        let (fields, facts) =
            (Fields::read(certificate).map_err(encoding(WHAT))?, facts::parse(certificate).map_err(encoding(WHAT))?);
        if fields.issuer != root.subject || certificate == directory.root() {
            continue;
        }
        entries.push(register::Entry {
            certificate: IssuedCertificate {
                key: CertificateKey::new(root.subject, root.public_key, &facts.serial),
                issuer_name: issuer_name.clone(),
                username: None,
                subject: facts.subject.text,
                not_before: facts.not_before,
                not_after: facts.not_after,
                fingerprint: facts.fingerprint,
                profile: INTERMEDIATE.to_owned(),
            },
            spki: Some(facts.spki_sha256),
            der: Some(certificate.to_vec()),
        });
    }
    Ok(entries)
}

/// A new key for an intermediate, and what lies in the folder of it.
fn new_key(
    token: Option<&Token>,
    number: u32,
    algorithm: KeyAlgorithm,
    passphrase: &Secret,
) -> Result<(Box<dyn SigningKey>, String), HierarchyError> {
    let Some(token) = token else {
        let key = SoftwareKey::generate_of(algorithm)?;
        let sealed = sealed::seal(&key.to_pkcs8()?, passphrase)?;
        return Ok((Box::new(key), sealed));
    };
    let label = token.label(number);
    Ok((token.make(&label, algorithm)?, token::reference(&label)))
}

/// A certificate for an intermediate that the root has signed, and that does not count yet.
pub struct Signed {
    certificate: CertificateDer<'static>,
    /// The number of the intermediate that it is for.
    number: u32,
    /// What lies in the folder of a new key; `None` if the key is there already.
    sealed: Option<String>,
    /// The former certificates of the same key, the newest first.
    former: Vec<CertificateDer<'static>>,
    record: Entry,
}

/// Puts a new intermediate, or a new certificate of the one that issues now, below the root; as [`sign`] and
/// [`Signed::put`].
///
/// # Errors
/// As of these.
pub fn renew(
    directory: &Directory,
    root: &Authority,
    renewal: &Renewal,
    permitted: Option<&Permitted>,
    rules: &config::Profile,
    now: Timestamp,
) -> Result<Directory, HierarchyError> {
    sign(directory, root, renewal, permitted, rules, now)?.put(directory)
}

/// Signs a certificate for a new intermediate, or another one for the intermediate that issues now. It holds what
/// `rules` say, and is valid for as long, but no longer than the root. `permitted` are the names that it may certify;
/// without it they stay what they are.
///
/// # Errors
/// When the passphrase is short, the root's clock has gone back, or the renewal would be none.
pub fn sign(
    directory: &Directory,
    root: &Authority,
    renewal: &Renewal,
    permitted: Option<&Permitted>,
    rules: &config::Profile,
    now: Timestamp,
) -> Result<Signed, HierarchyError> {
    let current = directory.current()?;
    let before = Former::read(current.certificate())?;
    let constraints = match permitted {
        Some(permitted) => permitted.extension()?,
        None => before.constraints.clone(),
    };
    let validity = Validity {
        not_before: now.minus(rules.backdate).max(root.validity().not_before),
        not_after: now.plus(rules.validity).min(root.validity().not_after),
    };
    let (certificate, number, sealed, former) = match renewal {
        Renewal::RollOver { algorithm, common_name, passphrase } => {
            let number = current.number.saturating_add(1);
            let (key, sealed) = new_key(directory.token(), number, *algorithm, passphrase)?;
            let name = match common_name {
                Some(name) => before.named(name)?,
                None => before.named(&before.next_name(number))?,
            };
            // A root that issues itself may have any path length; what stands below it issues to people.
            let path_length = if before.is_root { Some(0) } else { before.path_length };
            let profile = intermediate(rules, path_length);
            let certificate = root.subordinate(&profile, key.public_key(), name, constraints, validity)?;
            (certificate, number, Some(sealed), Vec::new())
        }
        Renewal::SameKey if before.is_root => return Err(HierarchyError::RootIssues),
        Renewal::SameKey => {
            if validity.not_after <= before.not_after {
                return Err(HierarchyError::NotLonger { until: before.not_after });
            }
            let (key, name) = (&before.public_key, before.name.clone());
            let profile = intermediate(rules, before.path_length);
            let certificate = root.subordinate(&profile, key, name, constraints, validity)?;
            (certificate, current.number, None, current.certificates.clone())
        }
    };
    let what = if sealed.is_some() { "another key" } else { "another certificate for the same key" };
    let record = Entry {
        act: Act::RenewIntermediate,
        detail: Some(what.to_owned()),
        ..issued(root, &certificate, &rules.name)?
    };
    Ok(Signed { certificate, number, sealed, former, record })
}

impl Signed {
    /// The record of it, which is to be in the history before it counts.
    #[must_use]
    pub fn record(&self) -> &Entry {
        &self.record
    }

    /// Puts it into the folder: from now on it counts.
    ///
    /// # Errors
    /// When a file cannot be written; the folder is as it was then.
    pub fn put(self, directory: &Directory) -> Result<Directory, HierarchyError> {
        let Self { certificate, number, sealed, former, .. } = self;
        match sealed {
            Some(sealed) => add(directory, number, &sealed, certificate)?,
            None => {
                let path = directory.path().join(certificates_name(number));
                certificates(&path, std::iter::once(&certificate).chain(&former))?;
                if let Err(error) = bundle(directory.path()) {
                    // The error that counts is the one that is returned.
                    let _ = certificates(&path, &former);
                    return Err(error);
                }
            }
        }
        Ok(Directory::open(directory.path())?.with_token(directory.token().cloned()))
    }
}

/// Adds an intermediate: its key first, so that no certificate is ever without one.
fn add(
    directory: &Directory,
    number: u32,
    sealed: &str,
    certificate: CertificateDer<'static>,
) -> Result<(), HierarchyError> {
    let key = directory.key_of(number);
    write(&key, sealed.as_bytes(), Access::Private)?;
    let path = directory.path().join(certificates_name(number));
    let written = certificates(&path, [&certificate]).and_then(|()| bundle(directory.path()));
    if written.is_err() {
        // The error that counts is the one that is returned. The bundle is the last and was not exchanged.
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_file(&key);
    }
    written
}

fn certificates<'a>(
    path: &Path,
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<(), HierarchyError> {
    Ok(write(path, pem::certificates(certificates)?.as_bytes(), Access::Public)?)
}

/// Writes the file of all intermediates anew.
fn bundle(path: &Path) -> Result<(), HierarchyError> {
    let directory = Directory::open(path)?;
    let root = directory.root();
    let all = directory.certificates();
    let text = pem::certificates(all.iter().filter(|certificate| *certificate != root))?;
    Ok(write(&path.join(BUNDLE), text.as_bytes(), Access::Public)?)
}

impl Plan {
    fn subject(&self, what: &str) -> Subject {
        Subject {
            common_name: format!("{} {what}", self.name),
            organization: self.organization.clone(),
            names: Vec::new(),
        }
    }
}

/// What an intermediate's certificate says that its renewal says again.
struct Former {
    name: Name,
    public_key: Vec<u8>,
    path_length: Option<u8>,
    constraints: Option<NameConstraints>,
    not_after: Timestamp,
    is_root: bool,
}

impl Former {
    fn read(certificate: &CertificateDer<'_>) -> Result<Self, IssueError> {
        use crate::ca::issue::{encoding, timestamp};
        let parsed = Certificate::from_der(certificate).map_err(encoding("the intermediate's certificate"))?;
        let tbs = parsed.tbs_certificate();
        let path_length = tbs.get_extension::<BasicConstraints>().map_err(encoding("basicConstraints"))?;
        let constraints = tbs.get_extension::<NameConstraints>().map_err(encoding("nameConstraints"))?;
        let public_key = tbs.subject_public_key_info().to_der().map_err(encoding("the intermediate's key"))?;
        Ok(Self {
            name: tbs.subject().clone(),
            public_key,
            path_length: path_length.and_then(|(_, constraints)| constraints.path_len_constraint),
            constraints: constraints.map(|(_, constraints)| constraints),
            not_after: timestamp(tbs.validity().not_after),
            is_root: tbs.subject() == tbs.issuer(),
        })
    }

    /// The commonName of the next: `Example Authority 1` is followed by `Example Authority 2`.
    fn next_name(&self, number: u32) -> String {
        let name = self.name.common_name().ok().flatten().map(|name| name.value().into_owned()).unwrap_or_default();
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match name.rsplit_once(' ') {
            Some((stem, digits)) if is_digits(digits) => format!("{stem} {number}"),
            _ if name.is_empty() => format!("Authority {number}"),
            _ => format!("{name} {number}"),
        }
    }

    /// The name with another commonName; its other attributes stay.
    fn named(&self, common_name: &str) -> Result<Name, HierarchyError> {
        let subject = Subject { common_name: common_name.to_owned(), organization: None, names: Vec::new() };
        let refuse = |_: der::Error| Unacceptable {
            what: "the common name",
            value: common_name.to_owned(),
            why: "it does not encode",
        };
        let new: RdnSequence = subject.name()?.into();
        let old: RdnSequence = self.name.clone().into();
        let mut sequence = RdnSequence::default();
        for part in old.iter().filter(|part| part.iter().all(|attribute| attribute.oid != COMMON_NAME)) {
            sequence.push(part.clone());
        }
        for part in new.iter() {
            sequence.push(part.clone());
        }
        // `Name` opens only by way of its encoding.
        let encoded = sequence.to_der().map_err(refuse)?;
        Ok(Name::from_der(&encoded).map_err(refuse)?)
    }
}

/// A file of a new folder.
pub(super) struct Piece {
    name: PathBuf,
    content: String,
    access: Access,
}

impl Piece {
    /// A file in the private folder.
    pub(super) fn private(name: &str, content: String) -> Self {
        Self { name: Path::new(PRIVATE).join(name), content, access: Access::Private }
    }

    /// The beginning of the history of what the authority does, with what was done in making it.
    pub(super) fn history(now: Timestamp, done: &[Entry]) -> Result<Self, HistoryError> {
        let lines = history::first_lines(Moment::from(now), &history::whoever_runs_this(), done)?;
        // It is JSON.
        Ok(Self::private(history::FILE, String::from_utf8(lines).unwrap_or_default()))
    }

    /// A file of certificates.
    pub(super) fn certificates<'a>(
        name: &str,
        certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
    ) -> Result<Self, PemError> {
        Ok(Self { name: name.into(), content: pem::certificates(certificates)?, access: Access::Public })
    }
}

/// Makes a folder with these files: under another name first, which it loses when it is whole.
pub(super) fn create(path: &Path, pieces: &[Piece]) -> Result<Directory, HierarchyError> {
    if path.symlink_metadata().is_ok() {
        return Err(HierarchyError::Exists(path.to_owned()));
    }
    let folder = |source| HierarchyError::Folder { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| folder(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let mut suffix = [0; 8];
    aws_lc_rs::rand::fill(&mut suffix).map_err(|_| KeyError::Failed("drawing random octets"))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.new", hex::encode(&suffix)));
    let temporary = path.with_file_name(temporary);
    let made = fill(&temporary, pieces).and_then(|()| {
        // A folder that somebody made meanwhile is replaced only if it is empty.
        std::fs::rename(&temporary, path).map_err(folder)
    });
    if let Err(error) = made {
        // The error that counts is the one that is returned.
        let _ = std::fs::remove_dir_all(&temporary);
        return Err(error);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(folder)?;
    Ok(Directory::open(path)?)
}

fn fill(folder: &Path, pieces: &[Piece]) -> Result<(), HierarchyError> {
    for (path, mode) in [(folder.to_owned(), 0o755), (folder.join(INTERMEDIATES), 0o755), (folder.join(PRIVATE), 0o700)]
    {
        let made = std::fs::DirBuilder::new().mode(mode).create(&path);
        made.map_err(|source| HierarchyError::Folder { path, source })?;
    }
    for piece in pieces {
        write(&folder.join(&piece.name), piece.content.as_bytes(), piece.access)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
