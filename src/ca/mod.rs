//! The certificates that we make.
