//! Hand-over: the other sites that people may be handed to or come from, and the sessions of those who come.

use super::LookupKind;
use crate::base::secret::SecretSource;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Hand-over to and from other sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Our own origin.
    pub url: SiteUrl,
    /// PEM files of the private keys that sign tokens; the first signs, all are published.
    pub signing: Vec<PathBuf>,
    /// PEM files of the private keys that tokens are encrypted to.
    pub decryption: Vec<PathBuf>,
    /// The sessions of who was handed over to us.
    pub session: HandoverSession,
    /// The other sites, by our names for them; at least one.
    pub sites: BTreeMap<String, HandoverSite>,
}

impl Handover {
    /// Whether anybody may be handed over to us.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.sites.values().any(|site| !site.accept.is_empty())
    }
}

/// The sessions of who was handed over to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoverSession {
    /// What they are sealed with; random, and of this process alone, if absent.
    pub secret: Option<SecretSource>,
    /// How long one counts at most.
    pub lifetime: Duration,
}

/// Another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoverSite {
    /// Its origin.
    pub url: SiteUrl,
    /// The file with its published keys.
    pub keys: PathBuf,
    /// Paths of its that our people may be handed to; none hands nobody over.
    pub send: Vec<String>,
    /// Paths of ours that its people may come to; none takes nobody.
    pub accept: Vec<String>,
    /// What its people are looked up by here: `username` or `email`.
    pub lookup: LookupKind,
}

/// The origin of a site: `https://`, a host in lower case, and the port unless it is 443.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteUrl {
    pub(super) text: String,
    pub(super) host: String,
}

impl SiteUrl {
    /// The whole origin: `https://gate.example.org`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host alone.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}
