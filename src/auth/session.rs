//! Sessions: what stands for a log-in at another site until something that it rested on is gone. A session is a text
//! that the client keeps and only the gates of one site can make or read (AES-256-GCM under a secret that they share);
//! nothing is stored. It says who logged in and by what: certificates by issuer and serial number, or the password by
//! its realm. With each use the account and that are looked up as they are for a log-in, so that a session never
//! outlives them. How a session begins is the hand-over's business, in which field it travels that of `proxy`.

use super::decision::{CredentialEvidence, Finding};
use super::trust::TrustSet;
use super::{Authenticator, CredentialFinding, Proof, Stored};
use crate::account::{CertificateKey, Ha1, Lookup, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::base::secret::Secret;
use crate::config::{DigestAlgorithm, LookupKind, Method};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The longest text that is read: a browser keeps no longer cookie.
const MOST_TEXT: usize = 4096;
/// The most certificates that a session may rest on: as many as a path usually may have.
pub const MOST_CERTIFICATES: usize = 10;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The account's user name.
    pub username: String,
    /// The site that the log-in was at, by its URL.
    pub site: String,
    /// How they logged in there (`amr`): `mtls`, `digest`.
    pub methods: Vec<String>,
    /// What the log-in rested on.
    pub origin: Origin,
    /// When it ends.
    pub expires: Timestamp,
}

/// What a log-in rested on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// These certificates, the client's own first.
    Certificates(Vec<CertificateKey>),
    /// A password, by the credentials that the store had of it.
    Password {
        /// The realm of the credentials.
        realm: String,
        /// The algorithm of the credentials.
        algorithm: DigestAlgorithm,
        /// The SHA-256 of HA1: enough to see that it is another one.
        print: [u8; 32],
    },
}

impl Origin {
    /// A password, by its HA1.
    #[must_use]
    pub fn password(realm: String, algorithm: DigestAlgorithm, ha1: &Ha1) -> Self {
        Self::Password { realm, algorithm, print: print(ha1) }
    }
}

fn print(ha1: &Ha1) -> [u8; 32] {
    digest(&SHA256, ha1.0.expose()).as_ref().try_into().unwrap_or_default()
}

/// Why a text is no session, or no longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It was made by others, or for others, or changed.
    #[error("the session is not one of ours")]
    NotOurs,
    /// Its time is over.
    #[error("the session is over")]
    Over,
    /// The cryptography failed; it says no more.
    #[error("a session could not be made")]
    Failed,
}

/// As a session is written. Short names: a cookie has little room.
#[derive(Serialize, Deserialize)]
struct Written {
    u: String,
    s: String,
    m: Vec<String>,
    x: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    c: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<WrittenPassword>,
}

#[derive(Serialize, Deserialize)]
struct WrittenPassword {
    r: String,
    a: String,
    h: String,
}

impl Written {
    fn of(session: &Session) -> Self {
        let (mut c, mut p) = (Vec::new(), None);
        match &session.origin {
            Origin::Certificates(keys) => c = keys.iter().map(CertificateKey::name).collect(),
            Origin::Password { realm, algorithm, print } => {
                let h = BASE64_URL_SAFE_NO_PAD.encode(print);
                p = Some(WrittenPassword { r: realm.clone(), a: algorithm.as_str().to_owned(), h });
            }
        }
        let Session { username, site, methods, expires, .. } = session;
        Self { u: username.clone(), s: site.clone(), m: methods.clone(), x: expires.as_unix(), c, p }
    }

    fn read(self) -> Option<Session> {
        let origin = match self.p {
            None => {
                let keys: Vec<_> = self.c.iter().map(|name| CertificateKey::of_name(name)).collect::<Option<_>>()?;
                // What rests on nothing would never end.
                if keys.is_empty() {
                    return None;
                }
                Origin::Certificates(keys)
            }
            Some(WrittenPassword { r, a, h }) => Origin::Password {
                realm: r,
                algorithm: algorithm(&a)?,
                print: BASE64_URL_SAFE_NO_PAD.decode(h).ok()?.try_into().ok()?,
            },
        };
        let expires = Timestamp::from_unix(self.x);
        Some(Session { username: self.u, site: self.s, methods: self.m, origin, expires })
    }
}

/// The algorithm of this name.
#[must_use]
pub fn algorithm(name: &str) -> Option<DigestAlgorithm> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

/// Makes and reads the sessions of one site.
pub struct Sessions {
    key: LessSafeKey,
    site: String,
    accepted: Vec<Accepted>,
    trust: Vec<Arc<TrustSet>>,
}

/// Whose people are taken, and where they may come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The URL of the site where they log in.
    pub site: String,
    /// Paths of ours as prefixes in whole segments; none takes nobody.
    pub paths: Vec<String>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Those that are made under this secret at the site of this URL, for people of these other sites.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn new(secret: &Secret, site: &str, accepted: Vec<Accepted>) -> Result<Self, SessionError> {
        let key = Salt::new(HKDF_SHA256, b"wicketgate session").extract(secret.expose());
        let info = [b"AES-256-GCM ".as_slice(), site.as_bytes()];
        let key = key.expand(&info, &AES_256_GCM).map_err(|_| SessionError::Failed)?;
        Ok(Self { key: LessSafeKey::new(UnboundKey::from(key)), site: site.to_owned(), accepted, trust: Vec::new() })
    }

    /// Looks also into the revocation lists of these sets for the certificates that sessions rest on.
    #[must_use]
    pub fn with_lists_of(mut self, trust: Vec<Arc<TrustSet>>) -> Self {
        self.trust = trust;
        self
    }

    /// Whether a revocation list that we have names one of these certificates.
    #[must_use]
    pub fn are_listed(&self, certificates: &[CertificateKey]) -> bool {
        self.trust.iter().any(|trust| {
            let lists = trust.lists();
            certificates.iter().any(|certificate| lists.name_as_revoked(certificate))
        })
    }

    /// Whether people of a site are taken at all.
    fn takes_from(&self, site: &str) -> bool {
        self.accepted.iter().any(|accepted| accepted.site == site && !accepted.paths.is_empty())
    }

    /// Whether people of a site may come to a path in its normal form.
    fn takes_to(&self, site: &str, path: &str) -> bool {
        let covers = |prefix: &String| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.accepted.iter().any(|accepted| accepted.site == site && accepted.paths.iter().any(covers))
    }

    /// The text of a session: base64url.
    ///
    /// # Errors
    /// When the system gives no randomness, or the session is too long to be kept.
    pub fn seal(&self, session: &Session) -> Result<String, SessionError> {
        let mut octets = serde_json::to_vec(&Written::of(session)).map_err(|_| SessionError::Failed)?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SessionError::Failed)?;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut octets)
            .map_err(|_| SessionError::Failed)?;
        let text = BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &octets].concat());
        if text.len() > MOST_TEXT { Err(SessionError::Failed) } else { Ok(text) }
    }

    /// The session of a text, at a time.
    ///
    /// # Errors
    /// When it is none of ours, or over.
    pub fn open(&self, text: &str, at: Timestamp) -> Result<Session, SessionError> {
        if text.len() > MOST_TEXT {
            return Err(SessionError::NotOurs);
        }
        let mut octets = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| SessionError::NotOurs)?;
        let (nonce, sealed) = octets.split_first_chunk_mut::<NONCE_LEN>().ok_or(SessionError::NotOurs)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::empty(), sealed).map_err(|_| SessionError::NotOurs)?;
        let written: Written = serde_json::from_slice(opened).map_err(|_| SessionError::NotOurs)?;
        let session = written.read().ok_or(SessionError::NotOurs)?;
        if at < session.expires { Ok(session) } else { Err(SessionError::Over) }
    }
}

/// What became of a session's foundations.
enum Held {
    Yes,
    Revoked,
    /// The password is another one: whoever knows the new one logs in again.
    Changed,
}

impl Authenticator {
    /// With sessions that may be shown instead of other credentials.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Option<Arc<Sessions>>) -> Self {
        self.sessions = sessions;
        self
    }

    /// What the text of a session is worth at a time, for a path in its normal form. One that is over or none of ours is no credential at all: whoever
    /// shows it may log in. One whose certificate is revoked is refused.
    pub async fn session(&self, text: Option<&str>, path: &str, at: Timestamp) -> CredentialFinding {
        let finding = |evidence, why: Option<String>, username: Option<String>| CredentialFinding {
            why,
            username,
            ..CredentialFinding::of(evidence)
        };
        let absent = Finding::Known(CredentialEvidence::Absent);
        let (Some(sessions), Some(text)) = (&self.sessions, text) else { return finding(absent, None, None) };
        let session = match sessions.open(text, at) {
            Ok(session) => session,
            Err(error) => return finding(absent, Some(error.to_string()), None),
        };
        let username = session.username.clone();
        if !sessions.takes_to(&session.site, path) {
            let why = format!("people of {} may not come to this path", session.site);
            return finding(absent, Some(why), Some(username));
        }
        let proof = Arc::new(Proof { username: username.clone(), stored: Stored::Session(Arc::new(session)) });
        let evidence = self.credentials_again(&proof, at).await;
        let why = match &evidence {
            Finding::Known(CredentialEvidence::Right(..)) => None,
            Finding::Known(CredentialEvidence::Wrong(_)) => Some("what the session came from is gone".to_owned()),
            Finding::Known(CredentialEvidence::Refused(reason)) => Some(format!("the session: {reason}")),
            _ => Some("nobody could say whether the session still counts".to_owned()),
        };
        match evidence {
            Finding::Known(CredentialEvidence::Wrong(_)) => finding(absent, why, Some(username)),
            right @ Finding::Known(CredentialEvidence::Right(..)) => {
                CredentialFinding { proof: Some(proof), ..finding(right, why, Some(username)) }
            }
            other => finding(other, why, Some(username)),
        }
    }

    /// What an opened session is worth now.
    pub(super) async fn session_again(&self, session: &Session, at: Timestamp) -> Finding<CredentialEvidence> {
        if session.expires <= at || !self.sessions.as_ref().is_some_and(|sessions| sessions.takes_from(&session.site)) {
            return Finding::Known(CredentialEvidence::Wrong(Method::Session));
        }
        let lookup = Lookup { kind: LookupKind::Username, name: session.username.clone() };
        let found = self.accounts.find(&lookup).await;
        let (Ok(found), Ok(held)) = (found, self.holds(session).await) else { return Finding::Unavailable };
        Finding::Known(match (held, self.person(&found.accounts)) {
            (Held::Revoked, _) => CredentialEvidence::Refused(Reason::CertificateRevoked),
            (Held::Changed, _) => CredentialEvidence::Wrong(Method::Session),
            (Held::Yes, None) => CredentialEvidence::Refused(Reason::AccountUnknown),
            (Held::Yes, Some(account)) => CredentialEvidence::Right(Method::Session, account),
        })
    }

    async fn holds(&self, session: &Session) -> Result<Held, Unavailable> {
        match &session.origin {
            Origin::Certificates(keys) => {
                if self.sessions.as_ref().is_some_and(|sessions| sessions.are_listed(keys)) {
                    return Ok(Held::Revoked);
                }
                let revoked = self.accounts.revoked(keys).await?.at.iter().any(Option::is_some);
                Ok(if revoked { Held::Revoked } else { Held::Yes })
            }
            Origin::Password { realm, algorithm, print: known } => {
                let ha1 = self.accounts.ha1(&session.username, realm, *algorithm).await?;
                Ok(if ha1.is_some_and(|ha1| print(&ha1) == *known) { Held::Yes } else { Held::Changed })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn sessions(secret: &str, site: &str) -> Sessions {
        Sessions::new(&Secret::from(secret), site, Vec::new()).unwrap()
    }

    fn session(origin: Origin) -> Session {
        Session {
            username: "älice".to_owned(),
            site: "https://gate.example.org".to_owned(),
            methods: vec!["mtls".to_owned()],
            origin,
            expires: Timestamp::from_unix(1_800_000_100),
        }
    }

    fn by_certificate() -> Session {
        session(Origin::Certificates(vec![CertificateKey { issuer: [7; 32], serial: vec![1, 2] }]))
    }

    #[test]
    fn a_session_is_read_by_who_made_it_until_its_time_is_over() {
        let ours = sessions("secret", "https://b.example");
        let password =
            Origin::Password { realm: "r \"".to_owned(), algorithm: DigestAlgorithm::Sha256, print: [9; 32] };
        for session in [by_certificate(), session(password)] {
            let text = ours.seal(&session).unwrap();
            assert_eq!(ours.open(&text, NOW), Ok(session.clone()));
            assert_eq!(sessions("secret", "https://b.example").open(&text, NOW), Ok(session.clone()), "another node");
            assert_eq!(ours.open(&text, Timestamp::from_unix(1_800_000_099)), Ok(session));
            assert_eq!(ours.open(&text, Timestamp::from_unix(1_800_000_100)), Err(SessionError::Over));
            assert_eq!(sessions("other", "https://b.example").open(&text, NOW), Err(SessionError::NotOurs));
            assert_eq!(sessions("secret", "https://c.example").open(&text, NOW), Err(SessionError::NotOurs));
        }
    }

    #[test]
    fn no_octet_of_a_session_can_be_changed() {
        let ours = sessions("secret", "https://b.example");
        let text = ours.seal(&by_certificate()).unwrap();
        for at in 0..text.len() {
            for other in ["A", "_", "."] {
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(changed == text || ours.open(&changed, NOW) == Err(SessionError::NotOurs), "{changed}");
            }
            assert_eq!(ours.open(&text[..at], NOW), Err(SessionError::NotOurs));
        }
        assert_eq!(ours.open(&"A".repeat(MOST_TEXT + 1), NOW), Err(SessionError::NotOurs));
    }

    #[test]
    fn a_session_that_rests_on_nothing_is_none() {
        let ours = sessions("secret", "https://b.example");
        let text = ours.seal(&session(Origin::Certificates(Vec::new()))).unwrap();
        assert_eq!(ours.open(&text, NOW), Err(SessionError::NotOurs));
    }

    #[test]
    fn the_largest_session_fits_into_a_cookie() {
        let key = CertificateKey { issuer: [255; 32], serial: vec![255; 20] };
        let mut largest = session(Origin::Certificates(vec![key; MOST_CERTIFICATES]));
        largest.username = "x".repeat(254);
        largest.site = format!("https://{}", "y".repeat(253));
        let text = sessions("secret", "https://b.example").seal(&largest).unwrap();
        assert!(text.len() < 3000, "{}", text.len());
    }

    #[test]
    fn people_of_a_site_come_to_its_paths_and_to_no_others() {
        let accepted = vec![
            Accepted { site: "https://a.example".to_owned(), paths: vec!["/wiki".to_owned(), "/docs/".to_owned()] },
            Accepted { site: "https://all.example".to_owned(), paths: vec!["/".to_owned()] },
            Accepted { site: "https://none.example".to_owned(), paths: Vec::new() },
        ];
        let sessions = Sessions::new(&Secret::from("secret"), "https://us.example", accepted).unwrap();
        for (site, path, taken) in [
            ("https://a.example", "/wiki", true),
            ("https://a.example", "/wiki/page", true),
            ("https://a.example", "/docs/page", true),
            ("https://a.example", "/wikis", false),
            ("https://a.example", "/mail", false),
            ("https://a.example", "/", false),
            ("https://all.example", "/", true),
            ("https://all.example", "/mail", true),
            ("https://none.example", "/", false),
            ("https://gone.example", "/wiki", false),
        ] {
            assert_eq!(sessions.takes_to(site, path), taken, "{site} {path}");
        }
        assert!(sessions.takes_from("https://a.example") && sessions.takes_from("https://all.example"));
        assert!(!sessions.takes_from("https://none.example") && !sessions.takes_from("https://gone.example"));
    }
}
