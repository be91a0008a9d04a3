//! Publishing what an authority says of its certificates: revocation lists, OCSP answers, and its own certificate. All of
//! it is signed ahead of time, so that the gate serves it without a key and a slow key slows nobody down.
//!
//! `publisher` runs in the authority's process: it signs what is due, and at once what a revocation has changed.
//! `tables` keeps it in the database, for all nodes. `shelf` is what a gate has in memory of it, `follower` keeps the
//! shelf up to date, and `service` are the local services that hand it out. Which certificates are revoked is
//! `register`'s business, and how a list or an answer is made that of `crl` and `ocsp`.

pub mod follower;
pub mod publisher;
pub mod service;
pub mod shelf;
pub mod tables;
mod told;

pub use publisher::{PublishError, Publisher};
pub use shelf::Shelf;

use crate::base::hex;
use crate::config;

/// The name of an authority in URLs: sixteen hexadecimal digits of what the database knows it by, so that two
/// authorities of one name (one before and one after its key was rolled) have different ones.
#[must_use]
pub fn slug(issuer: &[u8; 32]) -> String {
    hex::encode(issuer.get(..8).unwrap_or_default())
}

/// The URL of an authority's whole revocation list, below the one that everything is published at.
#[must_use]
pub fn list_url(base: &str, issuer: &[u8; 32]) -> String {
    format!("{}/crl/{}.crl", base.trim_end_matches('/'), slug(issuer))
}

/// The URL of its delta list.
#[must_use]
pub fn delta_url(base: &str, issuer: &[u8; 32]) -> String {
    format!("{}/crl/{}-delta.crl", base.trim_end_matches('/'), slug(issuer))
}

/// The URL of its certificate.
#[must_use]
pub fn certificate_url(base: &str, issuer: &[u8; 32]) -> String {
    format!("{}/certificates/{}.der", base.trim_end_matches('/'), slug(issuer))
}

/// Has the profiles that name no places of their own name those below this URL, where what the issuer says of its
/// certificates is published.
pub fn name_places<'p>(profiles: impl IntoIterator<Item = &'p mut config::Profile>, base: &str, issuer: &[u8; 32]) {
    for profile in profiles {
        profile.crl.get_or_insert_with(|| vec![list_url(base, issuer)]);
        profile.ocsp.get_or_insert_with(|| vec![responder_url(base)]);
        profile.issuer.get_or_insert_with(|| vec![certificate_url(base, issuer)]);
    }
}

/// The URL of the responder.
#[must_use]
pub fn responder_url(base: &str) -> String {
    format!("{}/ocsp", base.trim_end_matches('/'))
}
