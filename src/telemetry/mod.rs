//! What others may see of us: `log` (structured lines), `audit` (one flat record for each verdict) and
//! `request_id` (what a page and a record are matched by).

pub mod audit;
pub mod log;
pub mod request_id;
