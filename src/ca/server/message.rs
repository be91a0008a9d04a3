//! What the gate and the authority say to each other: JSON in the bodies of HTTP/1.1 requests over the authority's
//! socket. The gate says whom it has let in and how, and hands on what they sent; it never says what a certificate
//! is to hold. Unknown fields are faults on either side, so that a gate and an authority of two versions that
//! mean different things do not seem to agree.

use crate::base::secret::Secret;
use crate::config::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where an [`Enrolment`] is posted.
pub const ENROL: &str = "/v1/enrol";
/// Where the authority's own certificates are asked for: [`Authorities`].
pub const AUTHORITIES: &str = "/v1/authorities";
/// Where a [`Label`] is posted to learn what a request should hold: [`Attributes`].
pub const ATTRIBUTES: &str = "/v1/attributes";

/// The largest request, in octets.
pub const MOST_REQUEST: usize = 128 * 1024;
/// The largest answer, in octets.
pub const MOST_ANSWER: usize = 256 * 1024;

/// Octets, which JSON holds as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

/// Octets that must not be shown, which JSON holds as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretOctets(pub Secret);

impl Serialize for SecretOctets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for SecretOctets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The error of the decoder would quote a part of it.
        let octets = STANDARD.decode(text.as_bytes()).map_err(|_| de::Error::custom("a secret is not base64"))?;
        Ok(Self(Secret::new(octets)))
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A certificate for the key of the request (RFC 7030, section 4.2.1).
    Enrol,
    /// Another certificate in place of the one that was presented (section 4.2.2).
    Renew,
    /// A key, and a certificate for it (section 4.4).
    Generate,
}

/// The form of a key that the authority makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyForm {
    /// PKCS#8 without encryption: what carries it is encrypted.
    #[default]
    Pkcs8,
    /// A PKCS#12 file under a password that the authority makes.
    Pkcs12,
}

/// How the gate knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// A certificate.
    Certificate,
    /// HTTP Digest.
    Digest,
    /// HTTP Basic.
    Basic,
}

impl Shown {
    /// How somebody was let in, if it is a way by which certificates are given out: a session that another site
    /// has vouched for is none.
    #[must_use]
    pub fn of(method: Method) -> Option<Self> {
        match method {
            Method::Certificate => Some(Self::Certificate),
            Method::Digest => Some(Self::Digest),
            Method::Basic => Some(Self::Basic),
            Method::Session => None,
        }
    }

    /// The name in the configuration and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => Method::Certificate.as_str(),
            Self::Digest => Method::Digest.as_str(),
            Self::Basic => Method::Basic.as_str(),
        }
    }
}

/// Somebody wants a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// What is wanted.
    pub act: Act,
    /// The label of the path, by which a profile is chosen (RFC 7030, section 3.2.2).
    pub label: Option<String>,
    /// The user name of the account that the gate has let in.
    pub account: String,
    /// How it showed that it is that account.
    pub shown: Shown,
    /// The certificate that it presented, in DER; there whenever `shown` is `certificate`.
    pub certificate: Option<Octets>,
    /// The PKCS#10 request in DER. `generate` does without.
    pub request: Option<Octets>,
    /// The form of the key, for `generate`.
    pub form: KeyForm,
    /// The client's address, for the record.
    pub client: IpAddr,
    /// By which the gate's audit log knows the request.
    pub request_id: String,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// The certificate in DER.
    pub certificate: Octets,
    /// The key, where it was made here.
    pub key: Option<Key>,
}

/// A key that the authority has made for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Key {
    /// PKCS#8 in DER, without encryption.
    Pkcs8(SecretOctets),
    /// A PKCS#12 file with the certificates, and its password.
    Pkcs12 {
        /// The file.
        file: SecretOctets,
        /// The password: text.
        password: SecretOctets,
    },
}

/// The authority's own certificates, in DER: those that clients are to trust, and those between them and what is
/// issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorities {
    /// All of them, in any order.
    pub certificates: Vec<Octets>,
}

/// The label of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// What stands there, if anything does.
    pub label: Option<String>,
}

/// What a request should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// CsrAttrs in DER (RFC 7030, section 4.5.2).
    pub der: Octets,
}

/// Why the authority does not do what it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "refusal", deny_unknown_fields)]
pub enum Refusal {
    /// What was sent is not what it should be; whoever sent it may be told why.
    #[error("{why}")]
    Unacceptable {
        /// Why.
        why: String,
    },
    /// There is no such thing.
    #[error("{why}")]
    Unknown {
        /// What.
        why: String,
    },
    /// Whoever asks may not have it.
    #[error("{why}")]
    Denied {
        /// Why.
        why: String,
    },
    /// They have had too much of late.
    #[error("too many certificates were asked for; the next one may be in {seconds} s")]
    TooOften {
        /// When they may come again: seconds from now.
        seconds: u64,
    },
    /// It cannot be done now. The reason stands in the authority's log and is nobody else's business.
    #[error("the authority cannot work at the moment")]
    Unavailable,
}

impl Refusal {
    /// What was sent is not what it should be.
    pub fn unacceptable(why: impl ToString) -> Self {
        Self::Unacceptable { why: why.to_string() }
    }

    /// Whoever asks may not have it.
    pub fn denied(why: impl ToString) -> Self {
        Self::Denied { why: why.to_string() }
    }

    /// They may come again after this time, which is said in whole seconds and no less than one.
    #[must_use]
    pub fn too_often(after: Duration) -> Self {
        Self::TooOften { seconds: after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1) }
    }

    /// The status code that it travels under.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        match self {
            Self::Unacceptable { .. } => http::StatusCode::BAD_REQUEST,
            Self::Unknown { .. } => http::StatusCode::NOT_FOUND,
            Self::Denied { .. } => http::StatusCode::FORBIDDEN,
            Self::TooOften { .. } => http::StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn enrolment() -> Enrolment {
        Enrolment {
            act: Act::Renew,
            label: Some("laptops".into()),
            account: "alice".into(),
            shown: Shown::Certificate,
            certificate: Some(Octets(vec![0x30, 0xff])),
            request: Some(Octets(Vec::new())),
            form: KeyForm::Pkcs8,
            client: Ipv4Addr::LOCALHOST.into(),
            request_id: "0123".into(),
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        let text = serde_json::to_string(&enrolment()).unwrap();
        assert_eq!(serde_json::from_str::<Enrolment>(&text).unwrap(), enrolment());
        let secret = |octets: &[u8]| SecretOctets(Secret::new(octets.to_vec()));
        for key in [
            None,
            Some(Key::Pkcs8(secret(b"\x30\x00"))),
            Some(Key::Pkcs12 { file: secret(b"\xff\x00"), password: secret(b"correct horse") }),
        ] {
            let enrolled = Enrolled { certificate: Octets(vec![1, 2, 3]), key };
            let text = serde_json::to_string(&enrolled).unwrap();
            assert_eq!(serde_json::from_str::<Enrolled>(&text).unwrap(), enrolled, "{text}");
        }
        for refusal in [
            Refusal::unacceptable("the signature is wrong"),
            Refusal::Unknown { why: "there is no label \"x\"".into() },
            Refusal::denied("the account is locked"),
            Refusal::too_often(Duration::from_millis(1_500)),
            Refusal::Unavailable,
        ] {
            let text = serde_json::to_string(&refusal).unwrap();
            assert_eq!(serde_json::from_str::<Refusal>(&text).unwrap(), refusal, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_passed_over() {
        let text = serde_json::to_string(&enrolment()).unwrap();
        for other in [
            text.replacen('{', "{\"profile\":\"server\",", 1),
            text.replace("\"renew\"", "\"revoke\""),
            text.replace("\"certificate\",\"certificate\"", "\"session\",\"certificate\""),
            text.replace("MP8=", "MP8"),
            text.replace("\"account\":\"alice\",", ""),
            text.replace("127.0.0.1", "localhost"),
        ] {
            assert_ne!(other, text);
            assert!(serde_json::from_str::<Enrolment>(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::Pkcs8(SecretOctets(Secret::from("hunter2")));
        assert!(!format!("{key:?}").contains("hunter2"), "{key:?}");
        let garbled = serde_json::from_str::<Key>("{\"pkcs8\":\"hunter2!\"}").unwrap_err();
        assert!(!garbled.to_string().contains("hunter2"), "{garbled}");
    }

    #[test]
    fn a_time_to_wait_is_said_in_whole_seconds() {
        for (after, expected) in [(0, 1), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            assert_eq!(
                Refusal::too_often(Duration::from_millis(after)),
                Refusal::TooOften { seconds: expected },
                "{after} ms"
            );
        }
    }
}
