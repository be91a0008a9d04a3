//! The words that every other module uses: time, numbers, secrets, addresses, files within reach
//! and the reasons of a refusal.
//!
//! Nothing here knows of certificates, of HTTP or of a database.

pub mod address;
pub mod clock;
pub mod email;
pub mod hex;
pub mod number;
pub mod reach;
pub mod reason;
pub mod secret;
pub mod url;
