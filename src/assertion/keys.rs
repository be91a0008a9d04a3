//! The keys that sign assertions: files that the administrator keeps, or a folder in which they are made, published
//! before they sign, and kept published until what they have signed no longer counts.
//!
//! A key in the folder is a PKCS#8 file of mode 0600, named by the second in which it was made. Nodes that share the
//! folder share the keys: each looks into it every minute, and a key is published for ten minutes before it signs.

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::certificate::pem::{self, PemError};
use crate::config::{AssertionKeys, SignatureAlgorithm};
use crate::jose::jwk::{self, Use};
use crate::jose::jws::SigningKey;
use crate::jose::{JoseError, encode};
use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_STANDARD, Engine};
use rustls_pki_types::PrivateKeyDer;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long whoever reads the published keys may keep them.
pub const PUBLISHED_FOR: Duration = Duration::from_secs(5 * 60);

/// How long a key is published before it signs: longer than anybody keeps what was published before.
const AHEAD: Duration = Duration::from_secs(2 * 5 * 60);

/// How far the clock of whoever verifies may be behind ours.
const TOLERANCE: Duration = Duration::from_secs(60);

/// The name of a key in its folder after the second in which it was made.
const SUFFIX: &str = ".pem";

/// Keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file is no PEM file with one private key.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A file holds a private key of another kind or form.
    #[error("{path}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: JoseError,
    },
    /// A file of the folder can be read by others.
    #[error("{0} can be read by others than its owner; keys of assertions have the mode 0600")]
    Exposed(PathBuf),
    /// The folder, or a file in it.
    #[error("cannot {what} {path}: {source}")]
    Folder {
        /// What was to be done.
        what: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A key cannot be made.
    #[error("cannot make a key: {0}")]
    Making(JoseError),
    /// There is none that signs.
    #[error("there is no key that signs")]
    None,
}

/// The keys in force: one that signs, and all that are published.
#[derive(Debug, Clone)]
pub struct Keys {
    signing: Arc<SigningKey>,
    published: usize,
    jwks: Arc<str>,
    etag: String,
}

impl Keys {
    /// Of these keys, the one at `signing` signs.
    fn of(keys: &[Arc<SigningKey>], signing: usize) -> Result<Self, KeyError> {
        let chosen = keys.get(signing).ok_or(KeyError::None)?;
        let jwks = jwk::set(keys.iter().map(|key| (key.public(), Use::Signature)));
        let etag = encode(digest(&SHA256, jwks.as_bytes()));
        Ok(Self { signing: Arc::clone(chosen), published: keys.len(), jwks: jwks.into(), etag })
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// How many are published.
    #[must_use]
    pub fn published(&self) -> usize {
        self.published
    }

    /// The set of keys by which signatures are verified (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self) -> &Arc<str> {
        &self.jwks
    }

    /// By which it is known whether the set has changed: base64url.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }
}

/// When keys of a folder are made, sign and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// How long after a key the next one is made.
    rotate: Duration,
    /// How long a key is published before it signs.
    ahead: Duration,
    /// How long it is published after it has signed.
    overlap: Duration,
}

/// What is to be done with keys at one time.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Whether another one is to be made.
    make: bool,
    /// Which one signs.
    signing: usize,
    /// How many of the oldest go.
    gone: usize,
}

impl Schedule {
    /// For keys that were made at these times, in their order.
    fn plan(&self, made: &[Timestamp], at: Timestamp) -> Plan {
        // The first key of all has nobody to take over from.
        let signs_from = |made: &Timestamp| made.plus(self.ahead);
        let signing = made.iter().rposition(|made| signs_from(made) <= at).unwrap_or(0);
        let gone = made.iter().skip(1).take_while(|next| signs_from(next).plus(self.overlap) <= at).count();
        let make = made.last().is_none_or(|last| last.plus(self.rotate) <= at);
        Plan { make, signing, gone }
    }
}

/// Where the keys come from.
#[derive(Debug)]
pub(super) enum Ring {
    Files(Vec<PathBuf>),
    Folder { path: PathBuf, algorithm: SignatureAlgorithm, schedule: Schedule },
}

impl Ring {
    /// `overlap` is how long the longest-lived assertion counts.
    pub(super) fn new(settings: &AssertionKeys, overlap: Duration) -> Self {
        match settings {
            AssertionKeys::Files(files) => Self::Files(files.clone()),
            AssertionKeys::Directory { path, algorithm, rotate } => {
                let schedule = Schedule { rotate: *rotate, ahead: AHEAD, overlap: overlap + TOLERANCE };
                Self::Folder { path: path.clone(), algorithm: *algorithm, schedule }
            }
        }
    }

    /// The keys at this time. In a folder, keys are made and removed as it is time for.
    pub(super) fn turn(&self, at: Timestamp) -> Result<Keys, KeyError> {
        match self {
            Self::Files(files) => {
                let keys: Vec<_> = files.iter().map(|file| read(file).map(Arc::new)).collect::<Result<_, _>>()?;
                Keys::of(&keys, 0)
            }
            Self::Folder { path, algorithm, schedule } => {
                let folder = |what| move |source| KeyError::Folder { what, path: path.clone(), source };
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(folder("make"))?;
                let mut made = kept(path).map_err(folder("read"))?;
                if schedule.plan(&times(&made), at).make {
                    make(path, *algorithm, at)?;
                    // Read again, since another node may have made one at the same time.
                    made = kept(path).map_err(folder("read"))?;
                }
                let plan = schedule.plan(&times(&made), at);
                for (_, file) in made.iter().take(plan.gone) {
                    // Another node may have been faster; what stays is removed the next time.
                    if let Err(error) = std::fs::remove_file(file) {
                        tracing::debug!(file = %file.display(), %error, "cannot remove an old key");
                    }
                }
                let keys: Vec<_> = made
                    .iter()
                    .skip(plan.gone)
                    .map(|(_, file)| private(file).and_then(|()| read(file)).map(Arc::new))
                    .collect::<Result<_, _>>()?;
                Keys::of(&keys, plan.signing - plan.gone.min(plan.signing))
            }
        }
    }
}

fn times(made: &[(Timestamp, PathBuf)]) -> Vec<Timestamp> {
    made.iter().map(|(at, _)| *at).collect()
}

/// The keys of a folder by the time at which they were made. Other files are none of ours.
fn kept(folder: &Path) -> io::Result<Vec<(Timestamp, PathBuf)>> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let seconds = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<i64>().ok());
        kept.extend(seconds.map(|seconds| (Timestamp::from_unix(seconds), entry.path())));
    }
    kept.sort();
    Ok(kept)
}

/// Makes a key, whole or not at all. One that another node has made in the same second will do.
fn make(folder: &Path, algorithm: SignatureAlgorithm, at: Timestamp) -> Result<(), KeyError> {
    let pkcs8 = SigningKey::generate(algorithm).map_err(KeyError::Making)?;
    let mut suffix = [0; 8];
    aws_lc_rs::rand::fill(&mut suffix).map_err(|_| KeyError::Making(JoseError::Failed("naming a file")))?;
    let path = folder.join(format!("{}{SUFFIX}", at.as_unix()));
    let temporary = folder.join(format!(".{}.new", crate::base::hex::encode(&suffix)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(armoured(&pkcs8).as_bytes())?;
        file.sync_all()?;
        std::fs::hard_link(&temporary, &path)
    })();
    // Only the second name is to stay.
    let _ = std::fs::remove_file(&temporary);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|source| KeyError::Folder { what: "write", path, source }),
    }
}

/// A private key in PEM (RFC 7468, section 10).
fn armoured(pkcs8: &Secret) -> Zeroizing<String> {
    let base64 = Zeroizing::new(BASE64_STANDARD.encode(pkcs8.expose()));
    let mut text = Zeroizing::new("-----BEGIN PRIVATE KEY-----\n".to_owned());
    for (at, letter) in base64.chars().enumerate() {
        if at != 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

/// Refuses a key of ours that others can read: who reads it can be anybody.
fn private(file: &Path) -> Result<(), KeyError> {
    let metadata = std::fs::metadata(file);
    let metadata = metadata.map_err(|source| KeyError::Folder { what: "read", path: file.to_owned(), source })?;
    if metadata.mode() & 0o077 != 0 { Err(KeyError::Exposed(file.to_owned())) } else { Ok(()) }
}

/// The signing key of a PEM file.
///
/// # Errors
/// When it holds no such key.
pub fn read(file: &Path) -> Result<SigningKey, KeyError> {
    read_pkcs8(file, SigningKey::from_pkcs8)
}

/// A private key of a PEM file in PKCS#8.
///
/// # Errors
/// When there is none, or `parse` does not take it.
pub fn read_pkcs8<T>(file: &Path, parse: impl Fn(&[u8]) -> Result<T, JoseError>) -> Result<T, KeyError> {
    let key = |source| KeyError::Key { path: file.to_owned(), source };
    match pem::private_key(file)? {
        PrivateKeyDer::Pkcs8(pkcs8) => parse(pkcs8.secret_pkcs8_der()).map_err(key),
        _ => Err(key(JoseError::Malformed("the private key is not in PKCS#8 (`openssl pkcs8 -topk8 -nocrypt`)"))),
    }
}

#[cfg(test)]
mod tests;
