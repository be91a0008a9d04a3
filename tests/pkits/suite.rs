//! The suite's files, and the judgement of one test: of its path, and of its lists.

use crate::case::{ANY, Case};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;
use wicketgate::base::clock::Timestamp;
use wicketgate::certificate::oid::Oid;
use wicketgate::certificate::path::policy::Inputs;
use wicketgate::certificate::path::{PathError, Requirements, TrustAnchors, ValidPath, validate};
use wicketgate::certificate::signature::ACCEPTED;
use wicketgate::config::Scope;
use wicketgate::revocation::crl::{self, CLOCK_TOLERANCE, CrlAnswer, CrlSet, Limits, Origin};

/// Where the suite lies unpacked.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pkits");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pkits/fetch.sh");
    let status = Command::new(&script).arg(&folder).status().unwrap();
    assert!(status.success(), "{} failed; what it says stands above", script.display());
    folder
});

/// When the paths are judged: 2011-04-15, the day after the document's date.
const AT: Timestamp = Timestamp::from_unix(1_302_825_600);

const TEST_POLICIES: &str = "2.16.840.1.101.3.2.1.48.";
const ANY_POLICY: &str = "2.5.29.32.0";
const ANCHOR: &str = "TrustAnchorRootCertificate";
const ANCHOR_LIST: &str = "TrustAnchorRootCRL";

/// The path of a test: from the end certificate over whichever of the others it takes to the suite's anchor.
pub(crate) fn path(case: &Case) -> Result<ValidPath, PathError> {
    let chain: Vec<_> = std::iter::once(&case.leaf).chain(case.intermediates).map(|name| certificate(name)).collect();
    validate(&chain, &anchors(), &requirements(case), AT)
}

/// What webpki says of the same certificates: nothing, or its error's name.
pub(crate) fn path_by_webpki(case: &Case) -> Result<(), String> {
    let leaf = certificate(case.leaf);
    let intermediates: Vec<_> = case.intermediates.iter().map(|name| certificate(name)).collect();
    let root = certificate(ANCHOR);
    let anchors = [webpki::anchor_from_trusted_cert(&root).unwrap()];
    let at = UnixTime::since_unix_epoch(Duration::from_secs(AT.as_unix().try_into().unwrap()));
    webpki::EndEntityCert::try_from(&leaf)
        .and_then(|leaf| {
            let usage = webpki::KeyUsage::client_auth();
            leaf.verify_for_usage(ACCEPTED, &anchors, &intermediates, at, usage, None, None).map(|_| ())
        })
        .map_err(|error| format!("{error:?}"))
}

/// What the lists of a test say of its path.
pub(crate) fn lists(case: &Case, path: &ValidPath) -> CrlAnswer {
    let lists = std::iter::once(&ANCHOR_LIST).chain(case.lists).map(|name| {
        let file = FOLDER.join("crls").join(format!("{name}.crl"));
        crl::read_file(&file, &Limits::default()).map(|lists| (Origin::File(file), lists))
    });
    // A signer of lists stands in the configuration, which is where one is looked for.
    let signers = case.intermediates.iter().map(|name| certificate(name)).collect();
    let anchors = anchors().with_intermediates(signers).unwrap();
    lists
        .collect::<Result<Vec<_>, _>>()
        .and_then(|lists| CrlSet::load(lists, &anchors, CLOCK_TOLERANCE, AT))
        .map_or_else(|error| CrlAnswer::Unknown { why: error.to_string() }, |set| set.check(path, Scope::Chain, AT))
}

fn anchors() -> TrustAnchors {
    TrustAnchors::new(vec![certificate(ANCHOR)]).unwrap()
}

fn requirements(case: &Case) -> Requirements {
    let initial = (case.user_policies != [ANY]).then(|| case.user_policies.iter().map(|policy| oid(policy)).collect());
    Requirements {
        policies: Inputs {
            initial,
            require_explicit: case.explicit_policy,
            inhibit_mapping: case.inhibit_mapping,
            inhibit_any: case.inhibit_any,
        },
        ..Requirements::for_anything(10)
    }
}

/// The policies that a path is valid for, as a table names them.
pub(crate) fn policies(path: &ValidPath) -> Vec<String> {
    let name = |policy: &Oid| match policy.to_string().strip_prefix(TEST_POLICIES) {
        Some(number) => number.to_owned(),
        None if policy.to_string() == ANY_POLICY => ANY.to_owned(),
        None => policy.to_string(),
    };
    path.policies.user.iter().map(name).collect()
}

fn oid(policy: &str) -> Oid {
    format!("{TEST_POLICIES}{policy}").parse().unwrap()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    let file = FOLDER.join("certs").join(format!("{name}.crt"));
    CertificateDer::from(std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}
