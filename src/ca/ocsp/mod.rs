//! The responder's side of the Online Certificate Status Protocol (RFC 6960), in the profile for many clients
//! (RFC 5019): `request` reads questions, `answer` signs statements ahead of time and puts answers together without
//! a key, `delegate` makes the short-lived key that signs them. What answers say when one is read is
//! `revocation::ocsp`'s business; when they are due and where they are kept is that of `publish`.
//!
//! What was signed ahead of time cannot repeat a nonce that a client has just drawn, so a nonce is read and passed
//! over (RFC 5019, section 4): answers are fresh by their dates. A client that insists on its nonce must be told not
//! to.

pub mod answer;
pub mod delegate;
pub mod request;

pub use answer::{Issuer, Refusal, Statement};
pub use delegate::Delegate;
pub use request::{CertId, MAX_REQUEST, Request};

#[cfg(test)]
mod tests;
