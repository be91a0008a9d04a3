//! Whether our own store knows a certificate as revoked: the tables `revocations`, of any issuer, and
//! `certificates`, of our authority. The store is asked through the cache of `account`.

use crate::account::cache::{Accounts, Fresh};
use crate::account::{CertificateKey, Unavailable};
use crate::base::clock::Timestamp;
use crate::certificate::path::PathCertificate;

/// What the store says about all certificates of a path.
#[derive(Debug, Clone)]
pub enum DatabaseAnswer {
    /// None was revoked.
    Good {
        /// How long that may be believed without asking again.
        fresh: Fresh,
    },
    /// One was revoked.
    Revoked {
        /// Its place in the path; the client's own is 0.
        position: usize,
        /// Since when.
        at: Timestamp,
    },
    /// There was no answer.
    Unavailable(Unavailable),
}

/// The key by which the store knows a certificate.
#[must_use]
pub fn key(certificate: &PathCertificate) -> CertificateKey {
    CertificateKey::new(&certificate.issuer_name, &certificate.issuer_spki, &certificate.serial)
}

/// Asks the store about certificates of a validated path, the client's own first.
pub async fn ask(accounts: &Accounts, certificates: &[PathCertificate]) -> DatabaseAnswer {
    let keys: Vec<_> = certificates.iter().map(key).collect();
    match accounts.revoked(&keys).await {
        Ok(revocations) => {
            let first = revocations.at.iter().enumerate().find_map(|(position, at)| at.map(|at| (position, at)));
            match first {
                Some((position, at)) => DatabaseAnswer::Revoked { position, at },
                None => DatabaseAnswer::Good { fresh: revocations.fresh },
            }
        }
        Err(unavailable) => DatabaseAnswer::Unavailable(unavailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Directory, Ha1, Lookup};
    use crate::certificate::path::{Requirements, TrustAnchors, ValidPath, validate};
    use crate::certificate::testing::{Authority, NOW};
    use crate::config::{Cache, DigestAlgorithm};
    use crate::store::changes::{Position, Since};
    use futures_util::future::BoxFuture;
    use std::sync::Arc;
    use std::time::Duration;

    /// A store that knows of revocations and of nothing else; `None` is a store that does not answer.
    struct Store(Option<Vec<(CertificateKey, Timestamp)>>);

    impl Directory for Store {
        fn find<'a>(&'a self, _: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn ha1<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: DigestAlgorithm,
        ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>> {
            Box::pin(async { Ok(None) })
        }

        fn changes<'a>(&'a self, _: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
            Box::pin(async {
                Err(Unavailable { what: "reading", store: "test".to_owned(), why: "no feed".to_owned() })
            })
        }

        fn revoked<'a>(
            &'a self,
            certificates: &'a [CertificateKey],
        ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
            let find = |list: &Vec<(CertificateKey, Timestamp)>, key: &CertificateKey| {
                list.iter().find(|(known, _)| known == key).map(|(_, at)| *at)
            };
            let answer = self.0.as_ref().map(|list| certificates.iter().map(|key| find(list, key)).collect());
            let unavailable = || Unavailable {
                what: "looking up a revocation",
                store: "test".to_owned(),
                why: "it is down".to_owned(),
            };
            Box::pin(async move { answer.ok_or_else(unavailable) })
        }
    }

    async fn answer(known: Option<Vec<(CertificateKey, Timestamp)>>, path: &ValidPath) -> DatabaseAnswer {
        let hour = Duration::from_secs(3600);
        let accounts = Accounts::new(
            Arc::new(Store(known)),
            &Cache { ttl: hour, negative_ttl: hour, capacity: 10, serve_stale: Duration::ZERO },
        );
        ask(&accounts, &path.certificates).await
    }

    #[tokio::test]
    async fn every_certificate_of_the_path_is_asked_for() {
        let root = Authority::root("Root");
        let middle = root.below("Middle");
        let anchors = TrustAnchors::new(vec![root.der.clone()]).unwrap();
        let path = validate(&[middle.leaf("alice"), middle.der.clone()], &anchors, &Requirements::for_clients(10), NOW)
            .unwrap();
        for position in 0..2 {
            let known = vec![(key(&path.certificates[position]), NOW)];
            let answer = answer(Some(known), &path).await;
            assert!(matches!(answer, DatabaseAnswer::Revoked { position: found, at: NOW } if found == position));
        }
        let other = CertificateKey { serial: vec![1], ..key(&path.certificates[0]) };
        assert!(matches!(answer(Some(vec![(other, NOW)]), &path).await, DatabaseAnswer::Good { .. }));
        assert!(matches!(answer(None, &path).await, DatabaseAnswer::Unavailable(_)));
    }
}
