//! What the gate fetches from others by itself: revocation lists ([`crl`]), OCSP answers about clients
//! ([`ocsp`]) and about its own certificates ([`stapling`]).
//!
//! The URLs come from the configuration or from certificates with a valid path to an authority that we trust;
//! what is fetched is signed and is judged by `revocation`. All go through [`http`], which guards where a
//! connection leads, how much is read and how long it may take.

pub mod crl;
pub mod guard;
pub mod http;
pub mod ocsp;
mod schedule;
pub mod stapling;
