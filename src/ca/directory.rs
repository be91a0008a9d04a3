//! The authority's folder: its certificates, which everybody may read, and its keys, which only its owner may.
//!
//! ```text
//! root.pem                    the root
//! intermediates.pem           all intermediates, the one that issues now first: what a gate may build paths over
//! intermediates/2.pem         one intermediate's certificates, the newest first
//! above.pem                   certificates between the root and imported intermediates, if there are any
//! private/root.key            encrypted PKCS#8; taken away by `ca export --root-key`
//! private/intermediate-2.key  encrypted PKCS#8, or the label of a key in a token
//! private/clock               when anything was signed last
//! private/history.jsonl       what the authority did, see `history`
//! private/failures            how often the passphrase has been wrong
//! ```
//!
//! Intermediates are numbered from 1 on, and the one with the highest number issues. Those before it stay, so that
//! revocation lists and OCSP answers for what they issued can go on being signed. `hierarchy` makes and fills the
//! folder; this module reads it.

mod patience;

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::issue::{Authority, IssueError};
use crate::ca::key::clocked::{Clock, ClockedKey, Record};
use crate::ca::key::sealed::{self, SealError};
use crate::ca::key::token::{self, Token};
use crate::ca::key::{KeyError, SigningKey, SoftwareKey};
use crate::ca::passphrase::{Passphrase, PassphraseError};
use crate::certificate::facts::{self, FactsError};
use crate::certificate::pem;
use crate::config;
use rustls_pki_types::CertificateDer;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use patience::patiently;

/// The most intermediates that are looked at.
const MOST_INTERMEDIATES: u32 = 10_000;
/// The most certificates between an intermediate and the root.
const MOST_ABOVE: usize = 8;

pub(super) const ROOT: &str = "root.pem";
pub(super) const INTERMEDIATES: &str = "intermediates";
pub(super) const BUNDLE: &str = "intermediates.pem";
pub(super) const ABOVE: &str = "above.pem";
pub(super) const PRIVATE: &str = "private";
pub(super) const ROOT_KEY: &str = "root.key";
const CLOCK: &str = "clock";
const FAILURES: &str = "failures";

/// The folder of an authority. Of its keys it holds none: each is read when it is needed.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
    root: CertificateDer<'static>,
    intermediates: Vec<Intermediate>,
    above: Vec<CertificateDer<'static>>,
    token: Option<Token>,
}

/// An intermediate authority: one key, and the certificates that were issued for it. Where an imported root issues
/// to people itself, it stands in the place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intermediate {
    /// Its number, from 1 on.
    pub number: u32,
    /// Its certificates, the newest first; at least one. All have the same name and key.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Intermediate {
    /// Its newest certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        const NONE: &CertificateDer<'static> = &CertificateDer::from_slice(&[]);
        // `Directory::open` takes none without a certificate.
        self.certificates.first().unwrap_or(NONE)
    }
}

/// The folder, or a key in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is no authority there.
    #[error("there is no authority in {0}")]
    Missing(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of certificates does not hold any.
    #[error(transparent)]
    Pem(#[from] pem::PemError),
    /// A certificate cannot be read.
    #[error("a certificate in {path} cannot be read: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FactsError,
    },
    /// No intermediate is there.
    #[error("the authority in {0} has no intermediate")]
    NoIntermediate(PathBuf),
    /// There is no intermediate with this number.
    #[error("the authority has no intermediate with the number {0}")]
    NoSuchIntermediate(u32),
    /// No certificates lead from an intermediate to the root.
    #[error("no certificates in {path} lead from the intermediate {number} to the root")]
    NoPath {
        /// The folder.
        path: PathBuf,
        /// The intermediate's number.
        number: u32,
    },
    /// The key of an intermediate is not there.
    #[error("{0} is missing")]
    NoKey(PathBuf),
    /// Others than its owner may read or write a key or the folder that it is in.
    #[error("others than its owner may use {path}: its mode is {mode:04o}")]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key does not open.
    #[error("cannot open {path}: {source}")]
    Seal {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
    /// The passphrase was wrong lately, and is not tried again before some time has passed.
    #[error("the passphrase was wrong {failures} times; it is not tried again for {} s", .wait.as_secs())]
    TooSoon {
        /// How often it was wrong since it was last right.
        failures: u32,
        /// How long to wait.
        wait: Duration,
    },
    /// The passphrase cannot be had.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key and the certificate are no authority.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl Directory {
    /// Reads the certificates of the authority in a folder.
    ///
    /// # Errors
    /// When there is none, or a file does not hold what it should.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let file = path.join(ROOT);
        if !file.try_exists().map_err(|source| DirectoryError::Unreadable { path: file.clone(), source })? {
            return Err(DirectoryError::Missing(path.to_owned()));
        }
        let root = certificates(&file)?.into_iter().next().ok_or_else(|| DirectoryError::Missing(path.to_owned()))?;
        let above = path.join(ABOVE);
        let above = if above.exists() { certificates(&above)? } else { Vec::new() };
        let directory = Self { path: path.to_owned(), root, intermediates: intermediates(path)?, above, token: None };
        if directory.intermediates.is_empty() {
            return Err(DirectoryError::NoIntermediate(path.to_owned()));
        }
        Ok(directory)
    }

    /// The folder that the configuration names, with the token that keeps its keys if there is one.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn of(section: &config::Authority) -> Result<Self, DirectoryError> {
        Ok(Self::open(&section.directory)?.with_token(section.token.clone().map(Token::new)))
    }

    /// The same folder, with the token that keeps the keys of its intermediates.
    #[must_use]
    pub fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// The token that keeps the keys of its intermediates.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root's certificate: what everybody trusts.
    #[must_use]
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// All intermediates, the one that issues now first.
    #[must_use]
    pub fn intermediates(&self) -> &[Intermediate] {
        &self.intermediates
    }

    /// The intermediate that issues now.
    ///
    /// # Errors
    /// When there is none, which no folder that was opened is without.
    pub fn current(&self) -> Result<&Intermediate, DirectoryError> {
        self.intermediates.first().ok_or_else(|| DirectoryError::NoIntermediate(self.path.clone()))
    }

    /// The root, all intermediates, former certificates included, and what stands between them; none twice.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let intermediates = self.intermediates.iter().flat_map(|intermediate| &intermediate.certificates);
        let mut all: Vec<CertificateDer<'static>> = Vec::new();
        for certificate in std::iter::once(&self.root).chain(intermediates).chain(&self.above) {
            if !all.contains(certificate) {
                all.push(certificate.clone());
            }
        }
        all
    }

    /// Opens the intermediate that issues now. What it signs, it signs while the clock goes forward.
    ///
    /// # Errors
    /// When its key is not there or does not open. After a wrong passphrase the next attempt, of whichever process, is
    /// [`DirectoryError::TooSoon`] for a while; [`patiently`] waits.
    pub fn issuing(&self, passphrase: &Passphrase, clock: &Clock) -> Result<Authority, DirectoryError> {
        self.intermediate(self.current()?.number, passphrase, clock)
    }

    /// Opens an intermediate, a former one to sign revocation lists or OCSP answers for what it issued.
    ///
    /// # Errors
    /// As [`Directory::issuing`].
    pub fn intermediate(
        &self,
        number: u32,
        passphrase: &Passphrase,
        clock: &Clock,
    ) -> Result<Authority, DirectoryError> {
        let found = self.intermediates.iter().find(|intermediate| intermediate.number == number);
        let found = found.ok_or(DirectoryError::NoSuchIntermediate(number))?;
        let key = self.key(&self.key_of(number), &format!("the key of intermediate {number}"), passphrase, clock)?;
        let key = key.ok_or_else(|| DirectoryError::NoKey(self.key_of(number)))?;
        let above = self.path_above(found)?;
        self.authority(key, found.certificate().clone(), above, clock)
    }

    /// Opens the root; `None` if its key has been taken away.
    ///
    /// # Errors
    /// When the key is there and does not open; as [`Directory::issuing`].
    pub fn root_authority(&self, passphrase: &Passphrase, clock: &Clock) -> Result<Option<Authority>, DirectoryError> {
        let Some(key) = self.key(&self.root_key(), "the root key", passphrase, clock)? else { return Ok(None) };
        self.authority(key, self.root.clone(), Vec::new(), clock).map(Some)
    }

    /// Makes the root from a key that is kept elsewhere: encrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// When the key does not open or is not the root's; as [`Directory::issuing`].
    pub fn root_authority_from(
        &self,
        file: &Path,
        passphrase: &Passphrase,
        clock: &Clock,
    ) -> Result<Authority, DirectoryError> {
        let key = self.key(file, "the root key", passphrase, clock)?;
        self.authority(key.ok_or_else(|| DirectoryError::NoKey(file.to_owned()))?, self.root.clone(), Vec::new(), clock)
    }

    /// Whether the keys are their owner's alone, as far as this process may look.
    ///
    /// # Errors
    /// [`DirectoryError::Exposed`], for the first that is not.
    pub fn examine_keys(&self) -> Result<(), DirectoryError> {
        let intermediates = self.intermediates.iter().map(|intermediate| self.key_of(intermediate.number));
        for key in intermediates.chain([self.root_key()]) {
            // One that cannot be looked at was taken away, or is none of this process' business.
            if let Err(error @ DirectoryError::Exposed { .. }) = guarded(&key) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the root's key is in the folder.
    #[must_use]
    pub fn has_root_key(&self) -> bool {
        self.root_key().exists()
    }

    /// The root's key as it lies in the folder, encrypted; `None` if it has been taken away.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sealed_root_key(&self) -> Result<Option<Vec<u8>>, DirectoryError> {
        if !self.has_root_key() {
            return Ok(None);
        }
        Ok(Some(pem::read(&self.root_key(), pem::MAX_KEY)?.to_vec()))
    }

    /// Removes the root's key from the folder.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget_root_key(&self) -> Result<(), DirectoryError> {
        let path = self.root_key();
        let removed = std::fs::remove_file(&path)
            .and_then(|()| std::fs::File::open(self.path.join(PRIVATE)).and_then(|folder| folder.sync_all()));
        removed.map_err(|source| DirectoryError::Unreadable { path, source })
    }

    /// Whether the root itself has issued to people, as an imported one may have.
    #[must_use]
    pub fn root_issues(&self) -> bool {
        self.intermediates.iter().any(|intermediate| intermediate.certificates.contains(&self.root))
    }

    pub(super) fn root_key(&self) -> PathBuf {
        self.private(ROOT_KEY)
    }

    pub(super) fn key_of(&self, number: u32) -> PathBuf {
        self.private(&key_name(number))
    }

    fn private(&self, name: &str) -> PathBuf {
        self.path.join(PRIVATE).join(name)
    }

    fn authority(
        &self,
        key: Box<dyn SigningKey>,
        certificate: CertificateDer<'static>,
        above: Vec<CertificateDer<'static>>,
        clock: &Clock,
    ) -> Result<Authority, DirectoryError> {
        let not_before = facts::parse(&certificate).map(|facts| facts.not_before);
        let not_before =
            not_before.map_err(|source| DirectoryError::Certificate { path: self.path.clone(), source })?;
        let record = Record::open(&self.private(CLOCK))?;
        let key = ClockedKey::new(key, not_before, record, std::sync::Arc::clone(clock));
        Ok(Authority::open(Box::new(key), certificate, above)?)
    }

    /// The key in a file; `None` if the file is missing.
    fn key(
        &self,
        file: &Path,
        what: &str,
        passphrase: &Passphrase,
        clock: &Clock,
    ) -> Result<Option<Box<dyn SigningKey>>, DirectoryError> {
        match guarded(file) {
            Err(DirectoryError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        }
        let sealed = pem::read(file, pem::MAX_KEY)?;
        if let Some(label) = token::referred(&sealed) {
            let none = || KeyError::Token("the configuration names no token (`authority.key`)".to_owned());
            return Ok(Some(self.token.as_ref().ok_or_else(none)?.open(label)?));
        }
        let opened = self.unseal(file, &sealed, &passphrase.read(&format!("Passphrase of {what}"))?, clock())?;
        Ok(Some(Box::new(SoftwareKey::from_pkcs8(&opened)?)))
    }

    fn unseal(
        &self,
        file: &Path,
        sealed: &[u8],
        passphrase: &Secret,
        now: Timestamp,
    ) -> Result<Secret, DirectoryError> {
        patience::attempt(&self.private(FAILURES), now, || {
            sealed::open(sealed, passphrase).map_err(|source| DirectoryError::Seal { path: file.to_owned(), source })
        })
    }

    /// The certificates between an intermediate and the root.
    fn path_above(&self, intermediate: &Intermediate) -> Result<Vec<CertificateDer<'static>>, DirectoryError> {
        let mut above: Vec<CertificateDer<'static>> = Vec::new();
        if *intermediate.certificate() == self.root {
            return Ok(above);
        }
        while above.len() <= MOST_ABOVE {
            let last = above.last().unwrap_or_else(|| intermediate.certificate());
            if is_issued_by(last, &self.root) {
                return Ok(above);
            }
            let Some(next) = self.above.iter().find(|issuer| is_issued_by(last, issuer) && !above.contains(issuer))
            else {
                break;
            };
            above.push(next.clone());
        }
        Err(DirectoryError::NoPath { path: self.path.clone(), number: intermediate.number })
    }
}

/// The name of an intermediate's key in the private folder.
pub(super) fn key_name(number: u32) -> String {
    format!("intermediate-{number}.key")
}

/// The path of an intermediate's certificates in the folder.
pub(super) fn certificates_name(number: u32) -> String {
    format!("{INTERMEDIATES}/{number}.pem")
}

/// Whether a certificate names another as its issuer and bears its signature.
pub(super) fn is_issued_by(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (Ok((_, certificate)), Ok((_, issuer))) =
        (X509Certificate::from_der(certificate), X509Certificate::from_der(issuer))
    else {
        return false;
    };
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DirectoryError> {
    let certificates = pem::certificates(path)?;
    for certificate in &certificates {
        facts::parse(certificate).map_err(|source| DirectoryError::Certificate { path: path.to_owned(), source })?;
    }
    Ok(certificates)
}

fn intermediates(path: &Path) -> Result<Vec<Intermediate>, DirectoryError> {
    let folder = path.join(INTERMEDIATES);
    let unreadable = |source| DirectoryError::Unreadable { path: folder.clone(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".pem")).and_then(|stem| {
            // `07.pem` and `+7.pem` are other files than `7.pem`.
            stem.parse::<u32>().ok().filter(|number| number.to_string() == stem)
        });
        // What is half written has another name.
        let Some(number) = number.filter(|number| (1..=MOST_INTERMEDIATES).contains(number)) else { continue };
        found.push(Intermediate { number, certificates: certificates(&folder.join(&name))? });
    }
    found.sort_by_key(|intermediate| std::cmp::Reverse(intermediate.number));
    Ok(found)
}

/// Whether only its owner may use a key, and the folder that it is in.
fn guarded(file: &Path) -> Result<(), DirectoryError> {
    for path in [Some(file), file.parent().filter(|folder| !folder.as_os_str().is_empty())].into_iter().flatten() {
        let metadata = std::fs::metadata(path);
        let metadata = metadata.map_err(|source| DirectoryError::Unreadable { path: path.to_owned(), source })?;
        let mode = metadata.mode() & 0o7777;
        // A folder that others may look into shows them nothing that its files do not.
        let forbidden = if metadata.is_dir() { 0o022 } else { 0o077 };
        // In a folder with the sticky bit, others exchange nobody else's files.
        if mode & forbidden != 0 && !(metadata.is_dir() && mode & 0o1000 != 0) {
            return Err(DirectoryError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
