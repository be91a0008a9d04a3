//! What is taken over, and what is not.

use super::*;
use crate::ca::key::clocked::Clock;
use crate::ca::passphrase::Passphrase;
use crate::ca::profile::{AlternativeName, Profile, Subject, Validity};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const DAY: Duration = Duration::from_secs(86_400);

fn key() -> SoftwareKey {
    SoftwareKey::generate().unwrap()
}

fn again(key: &SoftwareKey) -> SoftwareKey {
    SoftwareKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
}

fn subject(name: &str, names: Vec<AlternativeName>) -> Subject {
    Subject { common_name: name.into(), organization: None, names }
}

fn root(key: &SoftwareKey) -> Authority {
    Authority::root(Box::new(again(key)), &subject("Old", vec![]), Validity::starting(NOW, DAY * 900)).unwrap()
}

fn passphrase() -> Secret {
    Secret::from("correct horse battery")
}

#[test]
fn a_root_that_issues_itself_is_taken_over_and_makes_room_for_an_intermediate() {
    use crate::ca::hierarchy::{Renewal, renew};
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let old = root(&key);
    let import = Import::new(vec![old.certificate().clone()], again(&key)).unwrap();
    let made = import.make(&folder.path().join("authority"), &passphrase(), NOW).unwrap();
    assert_eq!(made.current().unwrap().certificate(), made.root());
    let clock: Clock = Arc::new(|| NOW);
    let given = Passphrase::Given(passphrase());
    let issuing = made.issuing(&given, &clock).unwrap();
    assert_eq!((issuing.certificate(), issuing.chain()), (made.root(), Vec::new()));
    let above = made.root_authority(&given, &clock).unwrap().unwrap();
    let renewal = Renewal::RollOver { algorithm: Default::default(), common_name: None, passphrase: passphrase() };
    let renewed = renew(&made, &above, &renewal, None, &crate::config::Profile::intermediate(), NOW).unwrap();
    let issuing = renewed.issuing(&given, &clock).unwrap();
    assert_eq!(issuing.name(), "CN=Old 2");
    assert_eq!(issuing.chain().len(), 1);
    assert!(renewed.intermediate(1, &given, &clock).is_ok());
}

#[test]
fn an_intermediate_comes_with_all_that_is_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let (top, middle, bottom) = (key(), key(), key());
    let root = root(&top);
    let validity = Validity::starting(NOW, DAY * 300);
    let middle = root.intermediate(Box::new(middle), &subject("Middle", vec![]), 1, validity).unwrap();
    let own = middle.intermediate(Box::new(again(&bottom)), &subject("Own", vec![]), 0, validity).unwrap();
    let certificates = |all: &[&Authority]| all.iter().map(|one| one.certificate().clone()).collect::<Vec<_>>();
    for short in [vec![&own], vec![&own, &middle], vec![&own, &root]] {
        let refused = Import::new(certificates(&short), again(&bottom));
        assert!(matches!(refused, Err(ImportError::NoRoot(_))));
    }
    let import = Import::new(certificates(&[&own, &root, &middle]), again(&bottom)).unwrap();
    let made = import.make(&folder.path().join("authority"), &passphrase(), NOW).unwrap();
    assert_eq!(made.root(), root.certificate());
    assert!(!made.has_root_key());
    let clock: Clock = Arc::new(|| NOW);
    let issuing = made.issuing(&Passphrase::Given(passphrase()), &clock).unwrap();
    assert_eq!(issuing.chain(), certificates(&[&own, &middle]));
}

#[test]
fn another_authoritys_key_and_a_persons_certificate_are_no_authority() {
    let key = key();
    let old = root(&key);
    let other = Import::new(vec![old.certificate().clone()], self::key());
    assert!(matches!(other, Err(ImportError::Issue(IssueError::NotAnAuthority(_)))));
    let names = vec![AlternativeName::Email("alice@example.org".into())];
    let alice = old.issue(&Profile::client(), &subject("Alice", names), Validity::starting(NOW, DAY)).unwrap();
    let certificates = vec![alice.certificate, old.certificate().clone()];
    assert!(Import::new(certificates, SoftwareKey::from_pkcs8(&alice.key).unwrap()).is_err());
    assert!(matches!(Import::new(Vec::new(), self::key()), Err(ImportError::NoCertificate)));
}

#[test]
fn a_row_becomes_a_record_only_with_the_certificate_that_it_is_about() {
    let key = key();
    let old = root(&key);
    let import = Import::new(vec![old.certificate().clone()], again(&key)).unwrap();
    let names = || vec![AlternativeName::Email("alice@example.org".into())];
    let issue = |by: &Authority| {
        by.issue(&Profile::client(), &subject("Alice", names()), Validity::starting(NOW, DAY)).unwrap().certificate
    };
    let (alice, stranger) = (issue(&old), issue(&root(&self::key())));
    let row = |certificate: &CertificateDer<'_>, revoked| {
        let facts = facts::parse(certificate).unwrap();
        let written = crate::base::hex::encode(&facts.serial);
        Row { not_after: facts.not_after, revoked, serial: facts.serial, written, subject: "/CN=Alice".into() }
    };
    let revoked = Some((NOW, Reason::KeyCompromise));
    let found = |certificate: Option<CertificateDer<'static>>| move |_: &Row| Ok::<_, ImportError>(certificate.clone());
    let issued = import.issued(&[row(&alice, revoked)], found(Some(alice.clone()))).unwrap();
    assert_eq!((issued.entries.len(), issued.revoked.len(), issued.missing.len()), (1, 1, 0));
    assert_eq!(issued.entries[0].certificate.key, issued.revoked[0].0);
    assert_eq!(issued.entries[0].certificate.key.issuer, import.issuer());
    let gone = import.issued(&[row(&alice, revoked)], found(None)).unwrap();
    assert_eq!((gone.entries.len(), gone.revoked.len(), gone.missing.len()), (0, 1, 0));
    let gone = import.issued(&[row(&alice, None)], found(None)).unwrap();
    assert_eq!((gone.entries.len(), gone.revoked.len(), gone.missing.len()), (0, 0, 1));
    let later = Row { not_after: NOW, ..row(&alice, None) };
    for (row, certificate) in [(row(&alice, None), &stranger), (row(&stranger, None), &stranger), (later, &alice)] {
        let refused = import.issued(&[row], found(Some(certificate.clone())));
        assert!(matches!(refused, Err(ImportError::Other { .. })), "{refused:?}");
    }
    let twice = import.issued(&[row(&alice, None), row(&alice, None)], found(None));
    assert!(matches!(twice, Err(ImportError::Twice(_))));
}
