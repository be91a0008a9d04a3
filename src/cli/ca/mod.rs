//! `wicketgate ca …`: looks after the authority that issues certificates. Each command has its own file; `open` is
//! how all of them come to the authority that the configuration names.

mod desk;
mod hand_out;
mod audit;
mod crl;
mod export;
mod import;
mod init;
mod issue;
mod list;
mod many;
pub mod open;
mod publish_directory;
mod renew_intermediate;
mod revoke;
mod shown;

use super::{Exit, Failure};
use clap::Subcommand;
use std::path::PathBuf;

/// The arguments of `ca`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an authority: a root, and an intermediate below it that issues
    Init(init::Args),
    /// Issue certificates with keys that are made here: to an account, to many, or to a server
    Issue(issue::Issue),
    /// Issue certificates for the keys of requests
    Sign(issue::Sign),
    /// Issue a certificate in the place of one that ends
    Renew(issue::Renew),
    /// Revoke certificates, put them on hold, or remove them from hold
    Revoke(revoke::Args),
    /// List the certificates that were issued
    List(list::List),
    /// Show a certificate that was issued
    Show(list::Show),
    /// Write certificates of the authority, or take the root's key away
    Export(export::Args),
    /// Take over an authority that was made with OpenSSL
    Import(import::Args),
    /// Sign a revocation list and publish it, or fetch the one that is published
    Crl(crl::Args),
    /// Put a new intermediate in the place of the one that issues, below the same root; both are trusted
    RenewIntermediate(renew_intermediate::Args),
    /// Look after the history of what the authority did
    Audit(audit::Args),
    /// Bring the LDAP directory up to date with what was issued and revoked
    PublishDirectory(publish_directory::Args),
}

/// What all commands take.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs a command of `ca`.
///
/// # Errors
/// When it does not do its work.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.action {
        Action::Init(args) => init::run(args),
        Action::Issue(args) => issue::issue(args),
        Action::Sign(args) => issue::sign(args),
        Action::Renew(args) => issue::renew(args),
        Action::Revoke(args) => revoke::run(args),
        Action::List(args) => list::list(args),
        Action::Show(args) => list::show(args),
        Action::Export(args) => export::run(args),
        Action::Import(args) => import::run(args),
        Action::Crl(args) => crl::run(args),
        Action::RenewIntermediate(args) => renew_intermediate::run(args),
        Action::Audit(args) => audit::run(args),
        Action::PublishDirectory(args) => publish_directory::run(args),
    }
}
