//! What a folder gives, and what it refuses.

use super::*;
use crate::ca::constraints::Permitted;
use crate::ca::hierarchy::{Plan, init};
use crate::ca::key::KeyAlgorithm;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const DAY: Duration = Duration::from_secs(86_400);

fn passphrase() -> Passphrase {
    Passphrase::Given(Secret::from("correct horse battery"))
}

fn clock() -> Clock {
    Arc::new(|| NOW)
}

/// A folder of its own with an authority in it.
fn authority() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        name: "Example".into(),
        organization: None,
        algorithm: KeyAlgorithm::EcdsaP256,
        permitted: Permitted::default(),
        root_lifetime: DAY * 3650,
        intermediate: crate::config::Profile::intermediate(),
    };
    let made = init(&folder.path().join("authority"), &plan, &passphrase().read("").unwrap(), NOW).unwrap();
    (folder, made)
}

#[test]
fn the_passphrase_opens_what_issues_and_what_is_above_it() {
    let (_folder, directory) = authority();
    let issuing = directory.issuing(&passphrase(), &clock()).unwrap();
    assert_eq!(issuing.certificate(), directory.current().unwrap().certificate());
    assert_eq!(issuing.chain(), [issuing.certificate().clone()]);
    let root = directory.root_authority(&passphrase(), &clock()).unwrap().unwrap();
    assert_eq!(root.certificate(), directory.root());
    assert!(is_issued_by(issuing.certificate(), root.certificate()));
    assert!(!is_issued_by(root.certificate(), issuing.certificate()));
    assert_eq!(directory.certificates(), [root.certificate().clone(), issuing.certificate().clone()]);
}

#[test]
fn after_a_wrong_passphrase_the_right_one_must_wait_too() {
    let (_folder, directory) = authority();
    let wrong = Passphrase::Given(Secret::from("correct horse battera"));
    let now = Arc::new(AtomicI64::new(NOW.as_unix()));
    let shown = Arc::clone(&now);
    let clock: Clock = Arc::new(move || Timestamp::from_unix(shown.load(Ordering::Relaxed)));
    let refused = directory.issuing(&wrong, &clock).unwrap_err();
    assert!(matches!(refused, DirectoryError::Seal { source: SealError::WrongPassphrase, .. }), "{refused}");
    let early = Directory::open(directory.path()).unwrap().issuing(&passphrase(), &clock).unwrap_err();
    assert!(matches!(early, DirectoryError::TooSoon { failures: 1, .. }), "{early}");
    let sleep = |wait: Duration| {
        now.fetch_add(i64::try_from(wait.as_secs()).unwrap(), Ordering::Relaxed);
    };
    assert!(patiently(|| directory.issuing(&passphrase(), &clock), sleep).is_ok());
}

#[test]
fn a_root_whose_key_was_taken_away_is_absent_and_the_rest_goes_on() {
    let (_folder, directory) = authority();
    std::fs::rename(directory.root_key(), directory.path().join("elsewhere")).unwrap();
    let directory = Directory::open(directory.path()).unwrap();
    assert!(!directory.has_root_key());
    assert!(directory.root_authority(&passphrase(), &clock()).unwrap().is_none());
    assert!(directory.issuing(&passphrase(), &clock()).is_ok());
    let elsewhere = directory.path().join("elsewhere");
    assert!(directory.root_authority_from(&elsewhere, &passphrase(), &clock()).is_ok());
}

#[test]
fn a_key_that_others_may_use_is_not_used() {
    let (_folder, directory) = authority();
    let key = directory.key_of(1);
    for (path, mode, used) in [
        (key.clone(), 0o640, false),
        (key.clone(), 0o604, false),
        (key.clone(), 0o400, true),
        (key.clone(), 0o600, true),
        (key.parent().unwrap().to_owned(), 0o770, false),
        (key.parent().unwrap().to_owned(), 0o750, true),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = directory.issuing(&passphrase(), &clock());
        assert_eq!(opened.is_ok(), used, "{} {mode:o}", path.display());
        assert!(used || matches!(opened, Err(DirectoryError::Exposed { .. })));
    }
}

#[test]
fn what_is_missing_is_named() {
    let (folder, directory) = authority();
    assert!(matches!(Directory::open(folder.path()), Err(DirectoryError::Missing(_))));
    std::fs::remove_file(directory.key_of(1)).unwrap();
    assert!(matches!(directory.issuing(&passphrase(), &clock()), Err(DirectoryError::NoKey(_))));
    assert!(matches!(directory.intermediate(2, &passphrase(), &clock()), Err(DirectoryError::NoSuchIntermediate(2))));
    std::fs::remove_file(directory.path().join("intermediates/1.pem")).unwrap();
    for strange in ["01.pem", "+1.pem", "0.pem", "1.pem.new", "99999.pem"] {
        std::fs::write(directory.path().join("intermediates").join(strange), "").unwrap();
    }
    assert!(matches!(Directory::open(directory.path()), Err(DirectoryError::NoIntermediate(_))));
}

#[test]
fn another_authoritys_certificate_does_not_pass_for_ones_own() {
    let ((_one, ours), (_two, theirs)) = (authority(), authority());
    let certificates = "intermediates/1.pem";
    std::fs::copy(theirs.path().join(certificates), ours.path().join(certificates)).unwrap();
    let ours = Directory::open(ours.path()).unwrap();
    assert!(matches!(ours.issuing(&passphrase(), &clock()), Err(DirectoryError::NoPath { number: 1, .. })));
    std::fs::copy(theirs.path().join("root.pem"), ours.path().join("root.pem")).unwrap();
    let ours = Directory::open(ours.path()).unwrap();
    assert!(matches!(ours.issuing(&passphrase(), &clock()), Err(DirectoryError::Issue(_))));
}

#[test]
fn nothing_is_issued_before_the_authority_begins_or_with_a_clock_that_went_back() {
    use crate::ca::profile::{AlternativeName, Profile, Subject, Validity};
    let (_folder, directory) = authority();
    let subject = Subject {
        common_name: "Alice".into(),
        organization: None,
        names: vec![AlternativeName::Email("alice@example.org".into())],
    };
    let issue = |at: Timestamp| {
        let clock: Clock = Arc::new(move || at);
        let authority = directory.issuing(&passphrase(), &clock).unwrap();
        authority.issue(&Profile::client(), &subject, Validity::starting(NOW, DAY))
    };
    let early = issue(NOW.minus(DAY)).unwrap_err();
    assert!(matches!(early, IssueError::Key(KeyError::NotYetValid { .. })), "{early}");
    issue(NOW.plus(DAY)).unwrap();
    let back = issue(NOW).unwrap_err();
    assert!(matches!(back, IssueError::Key(KeyError::ClockWentBack { .. })), "{back}");
}
