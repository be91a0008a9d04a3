//! What is made, and that nothing is made by halves.

use super::*;
use crate::ca::key::clocked::Clock;
use crate::ca::passphrase::Passphrase;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const DAY: Duration = Duration::from_secs(86_400);

fn passphrase() -> Secret {
    Secret::from("correct horse battery")
}

fn plan() -> Plan {
    Plan {
        name: "Example".into(),
        organization: Some("Example, Inc.".into()),
        algorithm: KeyAlgorithm::EcdsaP256,
        permitted: Permitted::parse(&["example.org".into()], &[]).unwrap(),
        root_lifetime: DAY * 3650,
        intermediate: rules(DAY * 1825),
    }
}

fn rules(validity: Duration) -> config::Profile {
    config::Profile { validity, ..config::Profile::intermediate() }
}

fn clock() -> Clock {
    Arc::new(|| NOW)
}

fn root(directory: &Directory) -> Authority {
    directory.root_authority(&Passphrase::Given(passphrase()), &clock()).unwrap().unwrap()
}

fn roll_over() -> Renewal {
    Renewal::RollOver { algorithm: KeyAlgorithm::EcdsaP256, common_name: None, passphrase: passphrase() }
}

fn name(certificate: &CertificateDer<'_>) -> String {
    Certificate::from_der(certificate).unwrap().tbs_certificate().subject().to_string()
}

#[test]
fn keys_are_their_owners_and_certificates_everybodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority");
    init(&path, &plan(), &passphrase(), NOW).unwrap();
    let mode = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    for (name, expected) in [
        ("private", 0o700),
        ("private/root.key", 0o600),
        ("private/intermediate-1.key", 0o600),
        ("root.pem", 0o644),
        ("intermediates/1.pem", 0o644),
        ("intermediates.pem", 0o644),
    ] {
        assert_eq!(mode(name), expected, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_exists_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (name, make) in [
        ("file", (|path| std::fs::write(path, "theirs")) as fn(&Path) -> io::Result<()>),
        ("folder", |path| std::fs::create_dir(path)),
        ("link", |path| std::os::unix::fs::symlink("/nowhere/at/all", path)),
    ] {
        let path = folder.path().join(name);
        make(&path).unwrap();
        let refused = init(&path, &plan(), &passphrase(), NOW);
        assert!(matches!(refused, Err(HierarchyError::Exists(_))), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn what_cannot_be_made_whole_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority");
    let short = init(&path, &plan(), &Secret::from("short"), NOW);
    assert!(matches!(short, Err(HierarchyError::Seal(SealError::ShortPassphrase))));
    let bad = Plan { name: "x".repeat(64), ..plan() };
    assert!(matches!(init(&path, &bad, &passphrase(), NOW), Err(HierarchyError::Issue(_))));
    let pieces = [Piece::private(ROOT_KEY, "key".into()), Piece::private("missing/key", "key".into())];
    assert!(matches!(create(&path, &pieces), Err(HierarchyError::Write(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_roll_over_keeps_what_was_there_and_its_constraints() {
    let folder = tempfile::tempdir().unwrap();
    let before = init(&folder.path().join("authority"), &plan(), &passphrase(), NOW).unwrap();
    let after = renew(&before, &root(&before), &roll_over(), None, &rules(DAY * 900), NOW).unwrap();
    let names: Vec<_> = after.intermediates().iter().map(|one| (one.number, name(one.certificate()))).collect();
    let expected = |number| (number, format!("CN=Example Authority {number},O=Example\\, Inc."));
    assert_eq!(names, [expected(2), expected(1)]);
    let (new, old) = (
        Former::read(after.intermediates()[0].certificate()).unwrap(),
        Former::read(after.intermediates()[1].certificate()).unwrap(),
    );
    assert_ne!(new.public_key, old.public_key);
    assert_eq!((&new.constraints, new.path_length), (&old.constraints, Some(0)));
    assert!(new.constraints.is_some());
    for number in [1, 2] {
        let opened = after.intermediate(number, &Passphrase::Given(passphrase()), &clock()).unwrap();
        assert_eq!(opened.chain().len(), 1);
    }
    let bundle = crate::certificate::pem::certificates(&after.path().join(BUNDLE)).unwrap();
    assert_eq!(bundle.len(), 2);
    assert_eq!(bundle.first(), Some(after.current().unwrap().certificate()));
    let other = Permitted::parse(&[], &["example.net".into()]).unwrap();
    let wider = renew(&after, &root(&after), &roll_over(), Some(&other), &rules(DAY), NOW).unwrap();
    let constraints = Former::read(wider.current().unwrap().certificate()).unwrap().constraints;
    assert_eq!(constraints, other.extension().unwrap());
}

#[test]
fn a_renewal_with_the_same_key_has_the_same_name_and_lasts_longer() {
    let folder = tempfile::tempdir().unwrap();
    let before = init(&folder.path().join("authority"), &plan(), &passphrase(), NOW).unwrap();
    let shorter = renew(&before, &root(&before), &Renewal::SameKey, None, &rules(DAY), NOW);
    assert!(matches!(shorter, Err(HierarchyError::NotLonger { .. })));
    let renewed = renew(&before, &root(&before), &Renewal::SameKey, None, &rules(DAY * 9000), NOW).unwrap();
    let [one] = renewed.intermediates() else { panic!("{:?}", renewed.intermediates()) };
    let [new, old] = &one.certificates[..] else { panic!() };
    let (new, old) = (Former::read(new).unwrap(), Former::read(old).unwrap());
    assert_eq!((&new.name, &new.public_key, &new.constraints), (&old.name, &old.public_key, &old.constraints));
    // Not beyond the root.
    assert_eq!(new.not_after, NOW.plus(DAY * 3650));
    assert!(renewed.issuing(&Passphrase::Given(passphrase()), &clock()).is_ok());
}

#[test]
fn the_next_name_has_the_next_number() {
    let folder = tempfile::tempdir().unwrap();
    let made = init(&folder.path().join("authority"), &plan(), &passphrase(), NOW).unwrap();
    let former = Former::read(made.current().unwrap().certificate()).unwrap();
    for (name, next) in [
        ("Example Authority 1", "Example Authority 7"),
        ("Example CA", "Example CA 7"),
        ("2026", "2026 7"),
        ("Class 3 CA", "Class 3 CA 7"),
    ] {
        let named = Former {
            name: former.named(name).unwrap(),
            ..Former::read(made.current().unwrap().certificate()).unwrap()
        };
        assert_eq!(named.next_name(7), next);
    }
    assert!(former.named(&"x".repeat(65)).is_err());
}

#[test]
fn a_renewal_that_cannot_be_finished_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let before = init(&folder.path().join("authority"), &plan(), &passphrase(), NOW).unwrap();
    // A folder in the place of the file that is written last.
    std::fs::remove_file(before.path().join(BUNDLE)).unwrap();
    std::fs::create_dir(before.path().join(BUNDLE)).unwrap();
    for renewal in [roll_over(), Renewal::SameKey] {
        let refused = renew(&before, &root(&before), &renewal, None, &rules(DAY * 9000), NOW);
        assert!(matches!(refused, Err(HierarchyError::Write(_))), "{refused:?}");
        let after = Directory::open(before.path()).unwrap();
        assert_eq!(after.intermediates(), before.intermediates());
        assert!(!before.key_of(2).exists());
    }
}
