//! What the gate asks of others over HTTP: revocation lists, OCSP answers about clients, and the OCSP answers
//! that it staples to its own handshakes.

use super::Unknown;
use crate::base::address::AddressRange;
use crate::base::url::HttpUrl;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// How revocation lists are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlFetch {
    /// Lists that are kept fresh from the start.
    pub urls: Vec<HttpUrl>,
    /// Whether lists are also fetched from the distribution points of certificates with a valid path.
    pub from_certificates: bool,
    /// How long a list is believed to be the newest one; a list that says less of itself is fetched earlier.
    pub refresh: Duration,
    /// The folder in which the last good lists survive a restart; `None` keeps them in memory alone.
    pub cache: Option<PathBuf>,
    /// The largest list that is taken, in octets.
    pub max_size: u64,
    /// Which addresses besides the open Internet's may be connected to.
    pub private_addresses: PrivateAddresses,
}

impl Default for CrlFetch {
    /// Nothing is fetched; what is configured besides `urls` keeps these values where it is silent.
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            from_certificates: false,
            refresh: Duration::from_secs(10 * 60),
            cache: None,
            max_size: 64 * 1024 * 1024,
            private_addresses: PrivateAddresses::Refuse,
        }
    }
}

impl CrlFetch {
    /// Whether anything is ever fetched.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.from_certificates || !self.urls.is_empty()
    }
}

/// How the status of certificates is asked for (RFC 6960).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ocsp {
    /// Whether it is.
    pub mode: OcspMode,
    /// The responder that is asked in place of the one that a certificate names.
    pub responder: Option<HttpUrl>,
    /// How long one question may take, from the name's resolution to the last octet.
    pub timeout: Duration,
    /// What no answer means.
    pub unknown: Unknown,
    /// Whether an answer must repeat a nonce, which responders with answers made beforehand do not.
    pub nonce: bool,
    /// Which addresses besides the open Internet's may be connected to.
    pub private_addresses: PrivateAddresses,
}

impl Default for Ocsp {
    fn default() -> Self {
        Self {
            mode: OcspMode::Off,
            responder: None,
            timeout: Duration::from_secs(2),
            unknown: Unknown::Reject,
            nonce: false,
            private_addresses: PrivateAddresses::Refuse,
        }
    }
}

/// `off`, `prefer` or `require`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OcspMode {
    /// Nobody is asked.
    #[default]
    #[serde(alias = "false")]
    Off,
    /// A responder is asked if the certificate names one or one is configured.
    Prefer,
    /// A certificate without any responder is one whose status is unknown.
    Require,
}

/// OCSP answers that are sent along with our own certificate (RFC 6066, section 8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stapling {
    /// The responder that is asked in place of the one that the certificate names.
    pub responder: Option<HttpUrl>,
    /// Which addresses besides the open Internet's may be connected to.
    pub private_addresses: PrivateAddresses,
}

/// Which addresses that are not the open Internet's may be connected to, by the address itself, whatever
/// name led to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PrivateAddresses {
    /// None.
    #[default]
    Refuse,
    /// All of them.
    Allow,
    /// Those in these ranges.
    Within(Vec<AddressRange>),
}
