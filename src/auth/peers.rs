//! Servers of other domains: they are in the configuration instead of among the accounts, and come in by a certificate
//! with one of their names or by a password for HTTP Digest of which the configuration has the hash. To everything that
//! follows they are accounts with a user name and groups. No database is asked about them, and none can be them: who a
//! peer's name or certificate leads to is never looked up.
//!
//! A certificate is a peer's if one of its alternative names is (domain, URI or e-mail address; in ASCII without regard
//! to case), or, where it has none of these, its common name. An authority that the configuration names for that peer
//! must stand on its path: those who issue people's certificates cannot make a peer.

use crate::account::{Account, Ha1, Status, ha1};
use crate::base::reason::Reason;
use crate::base::secret::{SecretError, SecretSource};
use crate::certificate::facts::CertificateFacts;
use crate::certificate::name::COMMON_NAME;
use crate::certificate::path::ValidPath;
use crate::config::{self, DigestAlgorithm, IssuerPin};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// All peers of a configuration.
#[derive(Debug, Default)]
pub struct Peers(Vec<Peer>);

#[derive(Debug)]
struct Peer {
    account: Arc<Account>,
    names: Vec<String>,
    issuers: Vec<[u8; 32]>,
    realm: String,
    ha1: Vec<(DigestAlgorithm, Arc<Ha1>)>,
}

/// Peers cannot be made of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A file of issuers.
    #[error("peers.{peer}.issuers: {why}")]
    Issuers {
        /// The peer.
        peer: String,
        /// Why.
        why: String,
    },
    /// A hash is not to be had.
    #[error("peers.{peer}.digest: {source}")]
    Secret {
        /// The peer.
        peer: String,
        /// Why.
        source: SecretError,
    },
    /// A hash is none of its algorithm.
    #[error("peers.{peer}.digest: the hash is not {digits} hexadecimal digits")]
    Hash {
        /// The peer.
        peer: String,
        /// How many it should have.
        digits: usize,
    },
}

/// A certificate has the name of a peer and is not that peer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotThePeer {
    /// It has names of several.
    #[error("the certificate has the names of the peers {0} and {1}")]
    Several(String, String),
    /// Another authority has issued it.
    #[error("the certificate has a name of the peer {0}, and none of its issuers is in the path")]
    Issuer(String),
}

impl NotThePeer {
    /// What it means for the request.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Several(..) => Reason::IdentityAmbiguous,
            Self::Issuer(_) => Reason::IssuerNotAllowed,
        }
    }
}

impl Peers {
    /// Of the configuration. `resolve` gives the SHA-256 of the SubjectPublicKeyInfo of every certificate in a file of
    /// `issuers`.
    ///
    /// # Errors
    /// When a file or a secret cannot be used.
    pub fn new<E: std::fmt::Display>(
        peers: &BTreeMap<String, config::Peer>,
        mut resolve: impl FnMut(&Path) -> Result<Vec<[u8; 32]>, E>,
    ) -> Result<Self, PeerError> {
        let mut all = Vec::with_capacity(peers.len());
        for (name, peer) in peers {
            let mut issuers = Vec::new();
            for pin in &peer.issuers {
                match pin {
                    IssuerPin::SpkiSha256(hash) => issuers.push(*hash),
                    IssuerPin::File(path) => issuers.extend(resolve(path).map_err(|error| {
                        // With what is behind it: an error of several parts shows the first alone otherwise.
                        PeerError::Issuers { peer: name.clone(), why: format!("{error:#}") }
                    })?),
                }
            }
            let mut ha1 = Vec::new();
            for (algorithm, source) in peer.digest.iter().flat_map(|digest| &digest.ha1) {
                ha1.push((*algorithm, Arc::new(hash(name, *algorithm, source)?)));
            }
            let mut groups = peer.groups.clone();
            groups.sort();
            groups.dedup();
            let account = Account {
                username: name.clone(),
                email: None,
                display_name: None,
                status: Status::Active,
                home: None,
                aliases: Vec::new(),
                groups,
            };
            all.push(Peer {
                account: Arc::new(account),
                names: peer.names.clone(),
                issuers,
                realm: peer.digest.as_ref().map(|digest| digest.realm.clone()).unwrap_or_default(),
                ha1,
            });
        }
        Ok(Self(all))
    }

    /// The peer whose certificate this is; `None` if it has the name of none.
    ///
    /// # Errors
    /// When it has a peer's name and is not that peer's.
    pub fn of_certificate(
        &self,
        facts: &CertificateFacts,
        path: &ValidPath,
    ) -> Option<Result<Arc<Account>, NotThePeer>> {
        if self.0.is_empty() {
            return None;
        }
        let mut names: Vec<&str> = [&facts.names.dns, &facts.names.uris, &facts.names.emails]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if names.is_empty() {
            let common = facts.subject.attributes.iter().filter(|attribute| attribute.oid == COMMON_NAME);
            names.extend(common.map(|attribute| attribute.value.as_str()));
        }
        let is =
            |peer: &&Peer| peer.names.iter().any(|known| names.iter().any(|name| name.eq_ignore_ascii_case(known)));
        let mut found = self.0.iter().filter(is);
        let peer = found.next()?;
        let name = |peer: &Peer| peer.account.username.clone();
        if let Some(other) = found.next() {
            return Some(Err(NotThePeer::Several(name(peer), name(other))));
        }
        Some(match path.authorities.iter().any(|authority| peer.issuers.contains(authority)) {
            true => Ok(Arc::clone(&peer.account)),
            false => Err(NotThePeer::Issuer(name(peer))),
        })
    }

    /// The peer of this user name.
    #[must_use]
    pub fn named(&self, username: &str) -> Option<&Arc<Account>> {
        self.0.iter().map(|peer| &peer.account).find(|account| account.username == username)
    }

    /// The HA1 of the peer of this user name, if it has one for this realm and algorithm; the outer `None` says that
    /// there is no such peer.
    #[must_use]
    pub fn ha1(&self, username: &str, realm: &str, algorithm: DigestAlgorithm) -> Option<Option<Arc<Ha1>>> {
        let peer = self.0.iter().find(|peer| peer.account.username == username)?;
        let mut of_realm = peer.ha1.iter().filter(|_| peer.realm == realm);
        Some(of_realm.find(|(known, _)| *known == algorithm).map(|(_, ha1)| Arc::clone(ha1)))
    }
}

/// A hash as it stands in its secret.
fn hash(peer: &str, algorithm: DigestAlgorithm, source: &SecretSource) -> Result<Ha1, PeerError> {
    let secret = source.read().map_err(|source| PeerError::Secret { peer: peer.to_owned(), source })?;
    let digits = 2 * algorithm.length();
    ha1::of_digits(&secret, algorithm).ok_or_else(|| PeerError::Hash { peer: peer.to_owned(), digits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::secret::Secret;
    use crate::certificate::facts::AlternativeNames;
    use crate::certificate::path::policy::Outcome;
    use crate::certificate::testing::facts_of as certificate;

    const PARTNERS: [u8; 32] = [2; 32];

    fn peer(names: &[&str]) -> config::Peer {
        config::Peer {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            issuers: vec![IssuerPin::SpkiSha256(PARTNERS)],
            groups: vec!["peers".to_owned(), "a".to_owned(), "peers".to_owned()],
            digest: None,
        }
    }

    fn with_password(realm: &str, algorithm: DigestAlgorithm, hash: &str) -> config::Peer {
        let ha1 = vec![(algorithm, SecretSource::Literal(Secret::from(hash)))];
        config::Peer { digest: Some(config::PeerDigest { realm: realm.to_owned(), ha1 }), ..config::Peer::default() }
    }

    fn peers(list: &[(&str, config::Peer)]) -> Result<Peers, PeerError> {
        let map = list.iter().map(|(name, peer)| ((*name).to_owned(), peer.clone())).collect();
        Peers::new::<std::convert::Infallible>(&map, |_| Ok(Vec::new()))
    }

    fn dns(names: &[&str]) -> AlternativeNames {
        let dns = names.iter().map(|name| (*name).to_owned()).collect();
        AlternativeNames { dns, ..AlternativeNames::default() }
    }

    fn path(authority: [u8; 32]) -> ValidPath {
        ValidPath {
            certificates: Vec::new(),
            authorities: [[9; 32], authority].into(),
            not_after: Timestamp::FAR_FUTURE,
            anchor: Vec::new().into(),
            policies: Outcome::default(),
        }
    }

    #[test]
    fn a_peer_is_known_by_a_name_of_its_certificate_from_its_own_issuer() {
        let all =
            peers(&[("b", peer(&["gate.b.example", "sip:b.example"])), ("c", peer(&["gate.c.example"]))]).unwrap();
        let uris = AlternativeNames { uris: vec!["sip:b.example".to_owned()], ..dns(&["x.example"]) };
        let cases = [
            (certificate("x", dns(&["gate.b.example"])), Some(Ok("b"))),
            (certificate("x", dns(&["x.example", "GATE.B.example"])), Some(Ok("b"))),
            (certificate("x", uris), Some(Ok("b"))),
            (certificate("gate.b.example", dns(&[])), Some(Ok("b"))),
            // Whoever chooses a common name beside alternative names is believed the latter alone.
            (certificate("gate.b.example", dns(&["x.example"])), None),
            (certificate("x", dns(&["gate.b.example.evil.example", "b.example"])), None),
            (certificate("x", dns(&["gate.b.example", "gate.c.example"])), Some(Err(Reason::IdentityAmbiguous))),
        ];
        for (facts, expected) in cases {
            let found = all.of_certificate(&facts, &path(PARTNERS));
            let found = found.map(|found| found.map(|account| account.username.clone()).map_err(|why| why.reason()));
            assert_eq!(found, expected.map(|expected| expected.map(str::to_owned)), "{:?}", facts.names);
            let other = all.of_certificate(&facts, &path([3; 32]));
            assert!(other.is_none_or(|found| found.is_err()), "another authority makes no peer");
        }
        assert_eq!(all.named("b").unwrap().groups, ["a", "peers"]);
    }

    #[test]
    fn a_password_counts_for_its_peer_realm_and_algorithm() {
        use DigestAlgorithm::{Md5, Sha256};
        let hash = "AB".repeat(32);
        let all = peers(&[("b", with_password("a.example", Sha256, &hash)), ("c", peer(&["c"]))]).unwrap();
        let found = all.ha1("b", "a.example", Sha256).unwrap().unwrap();
        assert_eq!(found.0.expose(), "ab".repeat(32).as_bytes());
        for (name, realm, algorithm) in
            [("b", "b.example", Sha256), ("b", "a.example", Md5), ("c", "a.example", Sha256)]
        {
            assert_eq!(all.ha1(name, realm, algorithm), Some(None), "{name} {realm}");
        }
        assert_eq!(all.ha1("d", "a.example", Sha256), None);
        assert!(!format!("{all:?}").to_lowercase().contains(&"ab".repeat(8)));
        for (algorithm, bad) in [(Sha256, "ab"), (Md5, hash.as_str()), (Sha256, "no hexadecimal digits"), (Md5, "")] {
            assert!(peers(&[("b", with_password("a", algorithm, bad))]).is_err(), "{bad}");
        }
    }
}
