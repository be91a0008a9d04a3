//! When keys are made, sign and go; and what stands in the folder.

use super::*;
use crate::jose::jwk::KeySet;
use std::os::unix::fs::PermissionsExt;

const HOUR: u64 = 3600;
const SCHEDULE: Schedule =
    Schedule { rotate: Duration::from_secs(24 * HOUR), ahead: AHEAD, overlap: Duration::from_secs(360) };

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000).plus(Duration::from_secs(seconds))
}

#[test]
fn a_key_is_published_before_it_signs_and_after() {
    let ahead = AHEAD.as_secs();
    for (made, now, expected) in [
        (vec![], 0, Plan { make: true, signing: 0, gone: 0 }),
        // The first one signs at once.
        (vec![0], 0, Plan { make: false, signing: 0, gone: 0 }),
        (vec![0], 24 * HOUR - 1, Plan { make: false, signing: 0, gone: 0 }),
        (vec![0], 24 * HOUR, Plan { make: true, signing: 0, gone: 0 }),
        (vec![0, 24 * HOUR], 24 * HOUR + ahead - 1, Plan { make: false, signing: 0, gone: 0 }),
        (vec![0, 24 * HOUR], 24 * HOUR + ahead, Plan { make: false, signing: 1, gone: 0 }),
        (vec![0, 24 * HOUR], 24 * HOUR + ahead + 359, Plan { make: false, signing: 1, gone: 0 }),
        (vec![0, 24 * HOUR], 24 * HOUR + ahead + 360, Plan { make: false, signing: 1, gone: 1 }),
        // After a long stop the old key is still what everybody knows.
        (vec![0], 1000 * HOUR, Plan { make: true, signing: 0, gone: 0 }),
        (vec![0, 1000 * HOUR], 1000 * HOUR, Plan { make: false, signing: 0, gone: 0 }),
        (vec![0, 1, 2], 1000 * HOUR, Plan { make: true, signing: 2, gone: 2 }),
    ] {
        let times: Vec<_> = made.iter().map(|seconds| at(*seconds)).collect();
        assert_eq!(SCHEDULE.plan(&times, at(now)), expected, "{made:?} at {now}");
    }
    // A clock that was set back lets the oldest sign, which everybody knows.
    assert_eq!(SCHEDULE.plan(&[at(50), at(60)], at(0)), Plan { make: false, signing: 0, gone: 0 });
}

#[test]
fn whatever_signs_is_published_and_was_so_long_enough() {
    // A year, looked at every few minutes: nobody ever meets a signature by a key that they could not know.
    let folder = tempfile::tempdir().unwrap();
    let settings = AssertionKeys::Directory {
        path: folder.path().join("keys"),
        algorithm: SignatureAlgorithm::EdDsa,
        rotate: Duration::from_secs(24 * HOUR),
    };
    let ring = Ring::new(&settings, Duration::from_secs(300));
    let mut published: Vec<(Timestamp, KeySet)> = Vec::new();
    let mut signers = Vec::new();
    for step in 0..(10 * 24 * 12) {
        let now = at(step * 300);
        let keys = ring.turn(now).unwrap();
        let set = KeySet::parse(keys.jwks().as_bytes()).unwrap();
        assert!(set.signature.contains(keys.signing().public()));
        assert!(keys.published() <= 2);
        // Who fetched the keys ten minutes ago knows this one, and who was given a token five minutes ago can still
        // verify it.
        for (_, earlier) in published.iter().rev().take(1) {
            assert!(earlier.signature.contains(keys.signing().public()), "at {now}");
        }
        if let Some((_, last)) = signers
            .last()
            .filter(|(since, _): &&(Timestamp, jwk::PublicKey)| now.since(*since) <= Duration::from_secs(300))
        {
            assert!(set.signature.contains(last), "at {now}");
        }
        published.push((now, set));
        signers.push((now, keys.signing().public().clone()));
    }
    signers.dedup_by(|a, b| a.1 == b.1);
    assert_eq!(signers.len(), 10);
}

#[test]
fn keys_of_a_folder_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    for algorithm in [SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let path = path.join(format!("{algorithm:?}"));
        let rotate = Duration::from_secs(24 * HOUR);
        let settings = AssertionKeys::Directory { path: path.clone(), algorithm, rotate };
        let ring = Ring::new(&settings, Duration::from_secs(300));
        let first = ring.turn(at(0)).unwrap();
        assert_eq!(first.signing().algorithm(), algorithm);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = &files[..] else { panic!("{files:?}") };
        assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
        // Another node that shares the folder signs by the same key.
        assert_eq!(ring.turn(at(60)).unwrap().jwks(), first.jwks());
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(ring.turn(at(120)), Err(KeyError::Exposed(_))));
    }
}

#[test]
fn of_files_the_first_signs_and_all_are_published() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, algorithm| {
        let path = folder.path().join(name);
        std::fs::write(&path, armoured(&SigningKey::generate(algorithm).unwrap()).as_bytes()).unwrap();
        path
    };
    let files = vec![file("new", SignatureAlgorithm::EdDsa), file("old", SignatureAlgorithm::Es256)];
    let keys = Ring::new(&AssertionKeys::Files(files.clone()), Duration::ZERO).turn(at(0)).unwrap();
    assert_eq!(keys.signing().kid(), read(&files[0]).unwrap().kid());
    assert_eq!(KeySet::parse(keys.jwks().as_bytes()).unwrap().signature.len(), 2);
    assert!(!keys.jwks().contains("\"d\""));

    let none = folder.path().join("none");
    let missing = Ring::new(&AssertionKeys::Files(vec![none.clone()]), Duration::ZERO).turn(at(0));
    assert!(missing.unwrap_err().to_string().contains("none"));
    std::fs::write(&none, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    assert!(Ring::new(&AssertionKeys::Files(vec![none]), Duration::ZERO).turn(at(0)).is_err());
}
