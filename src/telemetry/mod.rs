//! What others may see of us: `log` (structured lines) and `audit` (one flat record for each verdict).
