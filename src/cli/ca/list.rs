//! `wicketgate ca list` and `wicketgate ca show`: what is on record.

use super::Common;
use super::desk::{Named, as_json, as_text, refused_by_register, standing, with_register};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::pem;
use crate::ca::register::{Listing, OnRecord, Register};
use crate::cli::{Exit, Failure, OrFail, print};
use crate::config::parse_duration;
use crate::config::profile::OCSP_SIGNERS;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::time::Duration;

/// The arguments of `ca list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only those of this profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only those that are valid and end within this time, the first to end first
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expiring: Option<Duration>,
    /// Only those that are revoked or on hold
    #[arg(long, conflicts_with = "expiring")]
    revoked: bool,
    #[command(flatten)]
    common: Common,
}

/// The arguments of `ca show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    named: Named,
    /// Print the certificate itself, in PEM
    #[arg(long)]
    pem: bool,
    #[command(flatten)]
    common: Common,
}

/// Lists what is on record.
///
/// # Errors
/// When the register does not answer.
pub(super) fn list(args: &List) -> Result<Exit, Failure> {
    with_register(&args.common, async |register| {
        let now = Timestamp::now();
        let mut listing = Listing { username: args.account.clone(), ..Listing::all() };
        if let Some(expiring) = args.expiring {
            listing.not_after = now..=now.plus(expiring);
        }
        let found = register.list_all(&listing).await;
        let mut found = found.map_err(|error| refused_by_register("listing certificates", "the register", &error))?;
        found.retain(|found| {
            let profile = &found.certificate.profile;
            // OCSP signers run out every few days, and are replaced without anybody's doing.
            let is_ones_own = args.expiring.is_none() || profile != OCSP_SIGNERS;
            args.profile.as_ref().map_or(is_ones_own, |asked| profile == asked)
                && (!args.revoked || found.revoked.is_some())
                && (args.expiring.is_none() || found.revoked.is_none())
        });
        found.sort_by_key(|found| found.certificate.not_after);
        print(&rendered(&found, args.common.json, now))?;
        Ok(Exit::Success)
    })
}

fn rendered(found: &[OnRecord], json: bool, now: Timestamp) -> String {
    if json {
        let all: Vec<Value> = found.iter().map(|found| as_json(found, now)).collect();
        return format!("{:#}\n", Value::from(all));
    }
    let line = |serial: &str, account: &str, profile: &str, ends: &str, standing: &str| {
        format!("{serial:<32} {account:<24} {profile:<14} {ends:<20} {standing}\n")
    };
    let mut text = String::new();
    if !found.is_empty() {
        text.push_str(&line("SERIAL", "ACCOUNT", "PROFILE", "NOT AFTER", "STANDING"));
    }
    for found in found {
        let certificate = &found.certificate;
        text.push_str(&line(
            &hex::encode(&certificate.key.serial),
            certificate.username.as_deref().unwrap_or("-"),
            &certificate.profile,
            &certificate.not_after.to_string(),
            standing(found, now),
        ));
    }
    text
}

/// Shows one certificate, or those of an account.
///
/// # Errors
/// When it is not on record, or the register does not answer.
pub(super) fn show(args: &Show) -> Result<Exit, Failure> {
    with_register(&args.common, async |register| {
        let (now, found) = (Timestamp::now(), args.named.find(&register).await?);
        let mut shown = Vec::new();
        for found in &found {
            shown.push(match (args.pem, args.common.json) {
                (true, _) => octets(&register, found).await?,
                (false, true) => format!("{:#}\n", as_json(found, now)),
                (false, false) => as_text(found, now),
            });
        }
        let between = if args.pem || args.common.json { "" } else { "\n" };
        print(&shown.join(between))?;
        Ok(Exit::Success)
    })
}

async fn octets(register: &Register, found: &OnRecord) -> Result<String, Failure> {
    const WHAT: &str = "reading a certificate";
    let serial = hex::encode(&found.certificate.key.serial);
    let der = register.contents(&found.certificate.key).await;
    let der = der.map_err(|error| refused_by_register(WHAT, &serial, &error))?.ok_or_else(|| {
        let why = "it is on record by its particulars alone";
        Failure::new(WHAT, &serial, why, "look where it was imported from")
    })?;
    pem::certificates(&[CertificateDer::from(der)]).or_fail(WHAT, &serial, "report this as a fault of Wicketgate")
}
