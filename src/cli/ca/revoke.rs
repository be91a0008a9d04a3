//! `wicketgate ca revoke`: takes certificates back, puts them on hold, and removes them from hold. It is in force on
//! every node at once, by the feed of changes, and needs no key of the authority.

use super::Common;
use super::desk::{Named, refused_by_register, with_revoker};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::history::whoever_runs_this;
use crate::ca::office::revoke::{RevokeError, Revoker};
use crate::ca::register::{OnRecord, Reason, Revoked};
use crate::cli::{Exit, Failure, print};
use serde_json::{Value, json};

/// The arguments of `ca revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// Why: keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn or
    /// unspecified
    #[arg(long, default_value_t, conflicts_with_all = ["hold", "unhold"])]
    reason: Reason,
    /// Put it on hold: it does not count until it is removed from hold
    #[arg(long, conflicts_with = "unhold")]
    hold: bool,
    /// Remove it from hold: it counts again
    #[arg(long)]
    unhold: bool,
    #[command(flatten)]
    common: Common,
}

/// Revokes, and says of each certificate what came of it.
///
/// # Errors
/// When nothing is on record by that name, or the register does not take it.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let reason = if args.hold { Reason::CertificateHold } else { args.reason };
    with_revoker(&args.common, async |register, revoker| {
        let found = args.named.find(&register).await?;
        let mut said = Vec::new();
        for found in &found {
            // Of an account, what has become of each does not hold up the others.
            if args.named.account.is_some() && !concerns(found, args.unhold) {
                continue;
            }
            said.push(one(&revoker, found, args.unhold, reason).await?);
        }
        if said.is_empty() {
            let why =
                if args.unhold { "none of its certificates is on hold" } else { "all of its certificates are revoked" };
            return Err(Failure::new("revoking certificates", args.named.shown(), why, "nothing: it is so already"));
        }
        let all: Vec<Value> = said.iter().map(|(_, value)| value.clone()).collect();
        let text: String = said.iter().map(|(line, _)| line.as_str()).collect();
        print(&if args.common.json { format!("{:#}\n", Value::from(all)) } else { text })?;
        Ok(Exit::Success)
    })
}

fn concerns(found: &OnRecord, unhold: bool) -> bool {
    let on_hold =
        found.revoked.as_ref().is_some_and(|revocation| revocation.reason == Reason::CertificateHold.as_str());
    if unhold { on_hold } else { found.revoked.is_none() || on_hold }
}

async fn one(revoker: &Revoker, found: &OnRecord, unhold: bool, reason: Reason) -> Result<(String, Value), Failure> {
    let (key, now) = (&found.certificate.key, Timestamp::now());
    let serial = hex::encode(&key.serial);
    let failed = |error: RevokeError| match error {
        RevokeError::Register(error) => refused_by_register("revoking a certificate", &serial, &error),
        RevokeError::NotRecorded(error) => {
            Failure::new("revoking a certificate", &serial, error, "look at the history's file and its disk")
        }
    };
    let whose = found.certificate.username.as_deref().unwrap_or(&found.certificate.subject);
    let (line, outcome, reason) = if unhold {
        revoker.release(key, &whoever_runs_this(), now).await.map_err(failed)?;
        (format!("{serial} of {whose} is removed from hold\n"), "released", None)
    } else {
        match revoker.revoke(key, reason, &whoever_runs_this(), now).await.map_err(failed)? {
            Revoked::Now if reason == Reason::CertificateHold => {
                (format!("{serial} of {whose} is on hold\n"), "on hold", Some(reason.to_string()))
            }
            Revoked::Now => {
                (format!("{serial} of {whose} is revoked ({reason})\n"), "revoked", Some(reason.to_string()))
            }
            Revoked::ReasonChanged(before) => (
                format!("{serial} of {whose} is revoked since {} ({reason}, before: {})\n", before.at, before.reason),
                "reason changed",
                Some(reason.to_string()),
            ),
            Revoked::Before(before) => (
                format!("{serial} of {whose} was revoked before, at {} ({})\n", before.at, before.reason),
                "revoked before",
                Some(before.reason),
            ),
        }
    };
    let account = &found.certificate.username;
    Ok((line, json!({ "serial": serial, "account": account, "outcome": outcome, "reason": reason })))
}
