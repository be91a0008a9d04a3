//! `wicketgate ca init`: makes the authority that the configuration names.

use super::Common;
use super::open::{intermediate, new_passphrase, section, token};
use super::shown::{Shown, refused};
use crate::base::clock::Timestamp;
use crate::ca::constraints::Permitted;
use crate::ca::hierarchy::{self, HierarchyError, Plan};
use crate::ca::key::KeyAlgorithm;
use crate::cli::{Exit, Failure, OrFail, configuration, print};
use crate::config::parse_duration;
use std::time::Duration;

/// The arguments of `ca init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// The authority's name: `Example` makes `Example Root` and `Example Authority 1`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The organization that stands in its certificates
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// The kind of both keys: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096 or ed25519
    #[arg(long, value_name = "KIND", default_value_t)]
    algorithm: KeyAlgorithm,
    /// A host whose addresses the intermediate may certify, `.example.org` for those below it, one address, or `none`;
    /// may be repeated. Without it, all
    #[arg(long, value_name = "HOST")]
    permit_email: Vec<String>,
    /// A domain whose hosts the intermediate may certify, with those below it, or `none`; may be repeated. IP addresses
    /// are excluded then. Without it, all
    #[arg(long, value_name = "DOMAIN")]
    permit_dns: Vec<String>,
    /// How long the root is valid
    #[arg(long, value_name = "DURATION", default_value = "3650d", value_parser = parse_duration)]
    root_validity: Duration,
    /// How long the intermediate is valid; by default what the profile `intermediate` says, which is 1825d unless the
    /// configuration says otherwise
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    validity: Option<Duration>,
}

/// Makes the authority, and prints what it is and what to do next.
///
/// # Errors
/// When there is one, a name is not acceptable, or the folder cannot be written.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.common.config)?;
    let section = section(&config)?;
    let on = section.directory.display();
    let permitted = Permitted::parse(&args.permit_email, &args.permit_dns).or_fail(
        "limiting the authority",
        on,
        "give a host name, or `none` alone",
    );
    let plan = Plan {
        name: args.name.clone(),
        organization: args.organization.clone(),
        algorithm: args.algorithm,
        permitted: permitted.map_err(Failure::bad)?,
        root_lifetime: args.root_validity,
        intermediate: intermediate(section, args.validity),
    };
    // Nobody shall be asked for a passphrase that is not needed.
    if section.directory.symlink_metadata().is_ok() {
        return Err(refused(&section.directory, &HierarchyError::Exists(section.directory.clone())));
    }
    let passphrase = new_passphrase(section)?;
    let made = hierarchy::init_with(&section.directory, &plan, &passphrase, token(section).as_ref(), Timestamp::now());
    let made = made.map_err(|error| refused(&section.directory, &error))?;
    let shown = Shown::of(&made)?;
    if args.common.json {
        print(&format!("{:#}\n", shown.as_json()))?;
        return Ok(Exit::Success);
    }
    let folder = section.directory.display();
    print(&format!(
        "made an authority in {folder}\n{shown}\n\
         what to do next:\n  \
         trust it            trust: {{ staff: {{ authorities: [{folder}/root.pem] }} }}\n  \
         keep a copy         of {folder} and of the passphrase, in two places that do not burn together\n  \
         take the root away  wicketgate ca export -c FILE --root-key, onto a medium that you lock up\n"
    ))?;
    Ok(Exit::Success)
}
