//! What Debian does not have, or not in the version that people use: packages that pip gets, each of one version and by
//! its hash.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the packages that `tests/NAME/requirements.txt` names. It is filled on first use and kept between
/// runs; programs are in its `bin`.
pub(crate) fn packages(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let wanted = tests.join(name).join("requirements.txt");
    let output = Command::new(tests.join("fetch.sh")).arg(&folder).arg(wanted).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}
