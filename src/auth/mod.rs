//! May this one pass? `decision` holds the pure verdict, `digest` the credentials of those without a
//! certificate (RFC 7616); this module gathers the evidence for both.

pub mod decision;
pub mod digest;
