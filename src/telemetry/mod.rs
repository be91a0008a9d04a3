//! What others may see of us: `log` (structured lines), `audit` (one flat record for each verdict), `access` (one line
//! for each request), `metrics` (numbers), `trace` (spans of single requests), `request_id` (what a page and a record are matched by) and `seldom` (what
//! would otherwise fill a log).

pub mod access;
pub mod audit;
pub mod log;
pub mod metrics;
pub mod request_id;
pub mod seldom;
mod shard;
pub mod trace;
