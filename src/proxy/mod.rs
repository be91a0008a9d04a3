//! One request, from its head to its answer.

pub mod path;
pub mod router;
pub mod headers;
pub mod reply;
