//! The composition root: builds every part from the configuration, reloads and drains them.

pub mod preflight;
