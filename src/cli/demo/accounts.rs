//! The accounts of the demo. Each start brings them back to what the guide promises, whatever was
//! tried on them in between.

use super::people::{ALICE_PASSWORD, Case, PEOPLE, REALM};
use crate::account::{Lookup, Registry, RegistryError, ha1};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{DigestAlgorithm, LookupKind};

/// Sees to it that everybody who should has an account in the right state, and that nobody else of the
/// demo's people has one.
pub(super) async fn furnish(registry: &dyn Registry, now: Timestamp) -> Result<(), RegistryError> {
    for person in PEOPLE {
        let lookup = Lookup { kind: LookupKind::Username, name: person.name.into() };
        let stored = registry.find(&lookup).await?.into_iter().next();
        match (person.account(), stored) {
            (Some(wanted), None) => registry.add(&wanted).await?,
            (Some(wanted), Some(stored)) if stored != wanted => registry.update(&wanted).await?,
            (None, Some(stored)) => registry.remove(&stored.username, now).await?,
            _ => {}
        }
        if person.case == Case::Good {
            for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Md5] {
                let ha1 = ha1::compute(person.name, REALM, &Secret::from(ALICE_PASSWORD), algorithm);
                registry.set_ha1(person.name, REALM, algorithm, Some(&ha1)).await?;
            }
        }
    }
    Ok(())
}
