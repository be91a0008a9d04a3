//! `wicketgate ca renew-intermediate`: another intermediate below the same root, or another certificate for the same
//! key.

use super::Common;
use super::audit::record;
use super::open::{clock, directory, intermediate, opened, passphrase, read, section};
use super::shown::{Shown, refused};
use crate::base::clock::Timestamp;
use crate::ca::constraints::Permitted;
use crate::ca::hierarchy::{self, Renewal};
use crate::ca::history::{Act, Entry};
use crate::ca::key::KeyAlgorithm;
use crate::ca::passphrase::Passphrase;
use crate::cli::{Exit, Failure, OrFail, configuration, print};
use crate::config::parse_duration;
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `ca renew-intermediate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Keep the key and the name, and only make a certificate with later dates
    #[arg(long, conflicts_with_all = ["algorithm", "name"])]
    same_key: bool,
    /// The root's key, where it has been taken away: the file that `ca export --root-key` wrote
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// The kind of the new key: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096 or ed25519
    #[arg(long, value_name = "KIND", default_value_t)]
    algorithm: KeyAlgorithm,
    /// The commonName of the new intermediate; by default that of the one before it with the next number
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// As of `ca init`; by default what the one before it may certify
    #[arg(long, value_name = "HOST")]
    permit_email: Vec<String>,
    /// As of `ca init`
    #[arg(long, value_name = "DOMAIN")]
    permit_dns: Vec<String>,
    /// Let the new intermediate certify all names
    #[arg(long, conflicts_with_all = ["permit_email", "permit_dns"])]
    permit_all: bool,
    /// How long it is valid, and the root at most; by default what the profile `intermediate` says
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    validity: Option<Duration>,
}

/// Renews, and prints what there is then.
///
/// # Errors
/// When the root's key is not to be had, or the folder cannot be written.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.common.config)?;
    let section = section(&config)?;
    let before = directory(section)?;
    let permitted = Permitted::parse(&args.permit_email, &args.permit_dns)
        .or_fail("limiting the authority", section.directory.display(), "give a host name, or `none` alone")
        .map_err(Failure::bad)?;
    let permitted = (args.permit_all || !permitted.is_everything()).then_some(permitted);
    // One passphrase opens all keys, so that it is asked for once; the new key is sealed with it only if it opens the
    // one that is there.
    let secret = read(section, &passphrase(section))?;
    let (given, clock) = (Passphrase::Given(secret.clone()), clock());
    opened(&before, || before.issuing(&given, &clock))?;
    let root = match &args.root_key {
        Some(file) => opened(&before, || before.root_authority_from(file, &given, &clock))?,
        None => opened(&before, || before.root_authority(&given, &clock))?.ok_or_else(|| {
            let why = "the root's key has been taken away";
            let what_to_do = "fetch it, and name its file: --root-key FILE";
            Failure::new("signing an intermediate", section.directory.display(), why, what_to_do)
        })?,
    };
    let renewal = if args.same_key {
        Renewal::SameKey
    } else {
        Renewal::RollOver { algorithm: args.algorithm, common_name: args.name.clone(), passphrase: secret }
    };
    let rules = intermediate(section, args.validity);
    let now = Timestamp::now();
    let signed = hierarchy::sign(&before, &root, &renewal, permitted.as_ref(), &rules, now);
    let signed = signed.map_err(|error| refused(&section.directory, &error))?;
    let told = signed.record().clone();
    record(&config, &section.directory, told.clone())?;
    let after = signed.put(&before).map_err(|error| {
        let failed = Entry { act: Act::Fail, reason: Some(error.to_string()), ..told };
        // Where that cannot be written either, the folder shows that nothing was done.
        let _ = record(&config, &section.directory, failed);
        refused(&section.directory, &error)
    })?;
    let shown = Shown::of(&after)?;
    if args.common.json {
        print(&format!("{:#}\n", shown.as_json()))?;
        return Ok(Exit::Success);
    }
    print(&format!(
        "renewed the authority in {}\n{shown}\n\
         what to do next:\n  \
         restart `wicketgate authority serve`, which issues by the new one from then on\n  \
         nobody needs to be told: certificates carry the intermediate with them, and the root is the same\n",
        section.directory.display()
    ))?;
    Ok(Exit::Success)
}
