//! Wicketgate: a reverse proxy that lets people in by their client certificate.
//!
//! A request goes one way: accept, handshake, route, gather, decide, forward or reply. A module imports
//! only modules that stand above it in the list below; `tests/layering.rs` enforces that. The life of a
//! request is told in `docs/architecture.md`.

pub mod base;
pub mod config;
pub mod telemetry;
pub mod certificate;
pub mod jose;
pub mod identity;
pub mod store;
pub mod account;
pub mod revocation;
pub mod fetch;
pub mod auth;
pub mod assertion;
pub mod listen;
pub mod upstream;
pub mod proxy;
pub mod ca;
pub mod handover;
pub mod forward_auth;
pub mod admin;
pub mod app;
pub mod cli;
