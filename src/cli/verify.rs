//! `wicketgate verify`: whether a path leads from a certificate to an authority, and what revocation lists say of
//! it, with the very code by which a listener decides and without a configuration. This file reads what is
//! named on the command line; what came of it is told by `report`.

mod report;

use super::{Exit, Failure, OrFail, print};
use crate::base::clock::Timestamp;
use crate::certificate::oid::Oid;
use crate::certificate::path::{Purpose, Requirements, TrustAnchors, policy, validate};
use crate::certificate::pem;
use crate::config::{Scope, Unknown};
use crate::revocation;
use crate::revocation::crl::{self, CLOCK_TOLERANCE, CrlSet, Limits, Origin};
use report::{Found, Report};
use rustls_pki_types::CertificateDer;
use std::path::{Path, PathBuf};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Files of certificates and of revocation lists are PEM or DER and may hold several. Exits \
                             with 0 if the certificate is accepted, with 1 if it is rejected, and with 2 if \
                             something that is named cannot be used."
)]
pub struct Args {
    /// The certificate, followed by intermediates as its owner presents them
    #[arg(value_name = "CERT.pem")]
    certificate: PathBuf,
    /// Authorities to trust, roots or intermediates (repeatable)
    #[arg(long, value_name = "FILE", required = true)]
    trust: Vec<PathBuf>,
    /// Certificates that the path may lead over, and of signers of revocation lists (repeatable)
    #[arg(long, value_name = "FILE")]
    intermediate: Vec<PathBuf>,
    /// Revocation lists (repeatable); if there are any, each certificate of the path must be covered by one
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// The time by which dates and revocation lists are judged: RFC 3339 or seconds since the epoch (now if absent)
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// What the certificate is to be used for
    #[arg(long, value_enum, default_value = "client")]
    purpose: For,
    /// A certificate policy that is accepted, such as 2.16.840.1.101.3.2.1.48.1 (repeatable; any if absent). Unless
    /// --require-policy is given, it counts only where a certificate of the path demands a policy
    #[arg(long, value_name = "OID")]
    policy: Vec<Oid>,
    /// Reject a path without a valid policy (initial-explicit-policy)
    #[arg(long)]
    require_policy: bool,
    /// Do not take policies that authorities map to each other for the same (initial-policy-mapping-inhibit)
    #[arg(long)]
    inhibit_mapping: bool,
    /// Do not let anyPolicy stand for every policy (initial-any-policy-inhibit)
    #[arg(long)]
    inhibit_any: bool,
    /// The longest path that is accepted, the certificate and the authority included
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    max_depth: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a certificate is to be used for, as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum For {
    /// To prove who a TLS client is
    Client,
    /// The same, where a certificate for smart-card logon will do
    SmartCard,
    /// Anything: no key usage and no purpose is demanded of it
    Any,
}

/// Prints the path that was found, or why there is none, and what the lists say; exits with 1 if the certificate is
/// rejected.
///
/// # Errors
/// When something that is named cannot be used.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let at = args.at.unwrap_or_else(Timestamp::now);
    let chain = certificates(&args.certificate)?;
    let anchors = TrustAnchors::new(all_certificates(&args.trust)?).or_fail(
        "trusting",
        listed(&args.trust),
        "name the certificates of authorities; certificates are counted over all files of --trust",
    );
    let anchors = anchors.map_err(Failure::bad)?.with_intermediates(all_certificates(&args.intermediate)?).or_fail(
        "taking as intermediates",
        listed(&args.intermediate),
        "name certificates; they are counted over all files of --intermediate",
    );
    let anchors = anchors.map_err(Failure::bad)?;
    let lists = lists(&args.crl, &anchors, at)?;

    let found = validate(&chain, &anchors, &args.requirements(), at).map(|path| {
        let answer = lists.as_ref().map(|lists| lists.check(&path, Scope::Chain, at));
        let answer = answer.map(|answer| revocation::combine(Some((answer, Unknown::Reject)), None, None));
        Found { path, revocation: answer }
    });
    let report = Report { at, chain: &chain, lists: lists.as_ref(), found };
    print(&if args.json { report.json() } else { report.text() })?;
    Ok(if report.refusal().is_none() { Exit::Success } else { Exit::No })
}

impl Args {
    fn requirements(&self) -> Requirements {
        let purpose = match self.purpose {
            For::Client => Purpose::Client { smart_card_logon: false },
            For::SmartCard => Purpose::Client { smart_card_logon: true },
            For::Any => Purpose::Any,
        };
        let policies = policy::Inputs {
            initial: (!self.policy.is_empty()).then(|| self.policy.iter().cloned().collect()),
            require_explicit: self.require_policy,
            inhibit_mapping: self.inhibit_mapping,
            inhibit_any: self.inhibit_any,
        };
        Requirements { purpose, policies, ..Requirements::for_clients(self.max_depth) }
    }
}

fn all_certificates(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let each = files.iter().map(|file| certificates(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates = pem::read(file, pem::MAX_CERTIFICATES)
        .and_then(|octets| pem::certificates_in_any_form(file, &octets))
        .or_fail("reading certificates", file.display(), "name a file of certificates in PEM or DER");
    certificates.map_err(Failure::bad)
}

/// The set of these lists; `None` without any.
fn lists(files: &[PathBuf], anchors: &TrustAnchors, at: Timestamp) -> Result<Option<CrlSet>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let what_to_do = "name a file of revocation lists in PEM or DER that their issuer signed";
    let mut lists = Vec::new();
    for file in files {
        let read = crl::read_file(file, &Limits::default());
        let read = read.or_fail("reading revocation lists", file.display(), what_to_do).map_err(Failure::bad)?;
        lists.push((Origin::File(file.clone()), read));
    }
    let set = CrlSet::load(lists, anchors, CLOCK_TOLERANCE, at);
    set.or_fail("taking revocation lists", listed(files), what_to_do).map_err(Failure::bad).map(Some)
}

fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}
