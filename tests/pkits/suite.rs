//! The suite's files, and the judgement of one test: of its path, and of its lists.

use crate::case::Case;
use rustls_pki_types::CertificateDer;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use wicketgate::base::clock::Timestamp;
use wicketgate::certificate::path::{PathError, Requirements, TrustAnchors, ValidPath, validate};
use wicketgate::revocation::crl::{CrlAnswer, CrlSet};

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

const ANCHOR: &str = "TrustAnchorRootCertificate";
const ANCHOR_LIST: &str = "TrustAnchorRootCRL";

/// The path of a test: from the end certificate over whichever of the others it takes to the suite's anchor.
pub(crate) fn path(case: &Case) -> Result<ValidPath, PathError> {
    let chain: Vec<_> = std::iter::once(&case.leaf).chain(case.intermediates).map(|name| certificate(name)).collect();
    validate(&chain, &anchors(), &requirements(case), AT)
}

/// What the lists of a test say of its path: nothing against it, or why it is refused.
pub(crate) fn lists(case: &Case, path: &ValidPath) -> Result<(), String> {
    let lists = std::iter::once(&ANCHOR_LIST).chain(case.lists).map(|name| {
        let file = FOLDER.join("crls").join(format!("{name}.crl"));
        let octets = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, octets)
    });
    match CrlSet::load(lists, &anchors()).map(|lists| lists.check(path, AT)) {
        Ok(CrlAnswer::Good { .. }) => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn anchors() -> TrustAnchors {
    TrustAnchors::new(vec![certificate(ANCHOR)]).unwrap()
}

fn requirements(_case: &Case) -> Requirements {
    Requirements::for_anything(10)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    let file = FOLDER.join("certs").join(format!("{name}.crt"));
    CertificateDer::from(std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}
