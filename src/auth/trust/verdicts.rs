//! What was found before about what clients presented, so that one who comes back costs no signature check:
//! valid paths for as long as their dates hold, and refusals for a few seconds, which is what a client gains that
//! keeps knocking with a bad chain. Revocation is no part of it: lists are asked about every path anew, so that
//! a new one needs nothing forgotten here.

use crate::base::clock::Timestamp;
use crate::certificate::path::{PathError, ValidPath};
use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

/// How many paths are remembered.
const MOST_PATHS: u64 = 10_000;
/// How many refusals are: apart from the paths, so that no stream of bad chains makes good ones forgotten.
const MOST_REFUSALS: u64 = 1_000;
/// How long a refusal is remembered.
const REFUSAL_LIFE: Duration = Duration::from_secs(5);

/// SHA-256 of what was presented.
pub(super) type Fingerprint = [u8; 32];

/// Verdicts about chains, each with the time for which it was found.
pub(super) struct Verdicts {
    paths: Cache<Fingerprint, (Timestamp, Arc<ValidPath>)>,
    refusals: Cache<Fingerprint, (Timestamp, PathError)>,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        Self { paths: Cache::new(MOST_PATHS), refusals: Cache::new(MOST_REFUSALS) }
    }

    /// The verdict about a chain that holds at this time, or else the one that `find` gives.
    pub(super) fn of(
        &self,
        chain: &[CertificateDer<'_>],
        at: Timestamp,
        find: impl FnOnce() -> Result<ValidPath, PathError>,
    ) -> Result<Arc<ValidPath>, PathError> {
        let key = fingerprint(chain);
        if let Some((since, path)) = self.paths.get(&key)
            && since <= at
            && at <= path.not_after
        {
            return Ok(path);
        }
        if let Some((since, error)) = self.refusals.get(&key)
            && since <= at
            && at <= since.plus(REFUSAL_LIFE)
        {
            return Err(error);
        }
        match find() {
            Ok(path) => {
                let path = Arc::new(path);
                self.paths.insert(key, (at, Arc::clone(&path)));
                Ok(path)
            }
            Err(error) => {
                self.refusals.insert(key, (at, error.clone()));
                Err(error)
            }
        }
    }
}

/// SHA-256 over the certificates, each after its length so that no two chains are the same octets.
fn fingerprint(chain: &[CertificateDer<'_>]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    for certificate in chain {
        context.update(&(certificate.len() as u64).to_be_bytes());
        context.update(certificate);
    }
    let mut fingerprint = [0; 32];
    fingerprint.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::path::{Requirements, TrustAnchors, validate};
    use crate::certificate::testing::{Authority, NOW};
    use std::cell::Cell;

    /// Asks for a verdict, and says whether it had to be found.
    fn ask(verdicts: &Verdicts, chain: &[CertificateDer<'_>], anchors: &TrustAnchors, at: Timestamp) -> (bool, bool) {
        let found = Cell::new(false);
        let verdict = verdicts.of(chain, at, || {
            found.set(true);
            validate(chain, anchors, &Requirements::for_clients(10), at)
        });
        (verdict.is_ok(), found.get())
    }

    #[test]
    fn a_valid_path_is_found_once_and_looked_at_by_its_dates() {
        let root = Authority::root("Root");
        let anchors = TrustAnchors::new(vec![root.der.clone()]).unwrap();
        let chain = [root.leaf("alice")];
        let verdicts = Verdicts::new();
        let end = validate(&chain, &anchors, &Requirements::for_clients(10), NOW).unwrap().not_after;
        let second = Duration::from_secs(1);
        assert_eq!(ask(&verdicts, &chain, &anchors, NOW), (true, true));
        assert_eq!(ask(&verdicts, &chain, &anchors, NOW.plus(second)), (true, false));
        assert_eq!(ask(&verdicts, &chain, &anchors, end), (true, false));
        assert_eq!(ask(&verdicts, &chain, &anchors, end.plus(second)), (false, true), "it has expired");
        assert_eq!(ask(&verdicts, &chain, &anchors, NOW.minus(second)), (true, true), "nobody asked for so early");
        assert_eq!(ask(&verdicts, &[root.leaf("bob")], &anchors, NOW), (true, true), "another chain");
    }

    #[test]
    fn a_refusal_is_remembered_for_a_few_seconds() {
        let (root, stranger) = (Authority::root("Root"), Authority::root("Stranger"));
        let anchors = TrustAnchors::new(vec![root.der.clone()]).unwrap();
        let chain = [stranger.leaf("alice")];
        let verdicts = Verdicts::new();
        assert_eq!(ask(&verdicts, &chain, &anchors, NOW), (false, true));
        assert_eq!(ask(&verdicts, &chain, &anchors, NOW.plus(REFUSAL_LIFE)), (false, false));
        let later = NOW.plus(REFUSAL_LIFE + Duration::from_secs(1));
        assert_eq!(ask(&verdicts, &chain, &anchors, later), (false, true));
    }
}
