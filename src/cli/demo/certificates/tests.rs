//! What is kept and what is made anew as time goes by.

use super::*;
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

/// A directory in which a demo was started at [`NOW`].
struct House {
    directory: Directory,
    _temporary: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::claim(temporary.path()).unwrap();
        furnish(&directory, NOW).unwrap();
        Self { directory, _temporary: temporary }
    }

    /// The certificates and PKCS#12 files that another start makes anew.
    fn renewed_at(&self, now: Timestamp) -> BTreeSet<String> {
        let names = ["authority/root.pem", "authority/intermediate.pem", "ca.pem", "server.pem"].map(str::to_owned);
        let files = PEOPLE.iter().flat_map(|person| ["pem", "p12"].map(|kind| format!("{}.{kind}", person.name)));
        let names: Vec<String> = names.into_iter().chain(files).collect();
        let read = |name: &String| std::fs::read(self.directory.file(name)).unwrap();
        let before: Vec<_> = names.iter().map(read).collect();
        furnish(&self.directory, now).unwrap();
        names.into_iter().zip(before).filter(|(name, before)| read(name) != *before).map(|(name, _)| name).collect()
    }

    /// Each person's certificate is what the guide says of it.
    #[track_caller]
    fn check(&self, now: Timestamp) {
        let intermediate = stored_authority(&self.directory, "authority/intermediate", now).unwrap();
        for person in PEOPLE {
            let stored = Stored::read(&self.directory, person.name).unwrap();
            assert!(stored.is_about(&person.subject()), "{person:?}");
            assert_eq!(stored.is_issued_by(&intermediate), person.case != Case::OtherAuthority, "{person:?}");
            assert_eq!(stored.lasts(now, RENEWAL), person.case != Case::CertificateExpired, "{person:?}");
        }
    }
}

#[test]
fn everybody_has_the_certificate_that_the_guide_says() {
    House::new().check(NOW);
}

#[test]
fn what_is_good_is_kept() {
    let house = House::new();
    let later = NOW.plus(DAY * 334);
    assert_eq!(house.renewed_at(later), BTreeSet::new());
    house.check(later);
}

#[test]
fn what_is_about_to_expire_is_made_anew_and_its_authority_kept() {
    let house = House::new();
    let later = NOW.plus(DAY * 336);
    let renewed = house.renewed_at(later);
    assert!(["server.pem", "alice.pem", "alice.p12", "mallory.p12"].iter().all(|name| renewed.contains(*name)));
    for kept in ["authority/root.pem", "authority/intermediate.pem", "ca.pem", "erin.pem", "erin.p12"] {
        assert!(!renewed.contains(kept), "{kept}");
    }
    house.check(later);
}

#[test]
fn an_authority_that_its_certificates_would_outlive_is_made_anew() {
    let house = House::new();
    let later = NOW.plus(DAY * 1431);
    let renewed = house.renewed_at(later);
    assert!(renewed.contains("authority/intermediate.pem") && renewed.contains("erin.pem"));
    assert!(!renewed.contains("ca.pem"));
    house.check(later);
    let latest = NOW.plus(DAY * 3256);
    assert_eq!(house.renewed_at(latest).len(), 4 + 2 * PEOPLE.len());
    house.check(latest);
}

#[test]
fn a_clock_that_was_set_back_gets_an_authority_that_is_valid_already() {
    let house = House::new();
    let earlier = NOW.minus(DAY * 365);
    assert_eq!(house.renewed_at(earlier).len(), 4 + 2 * PEOPLE.len());
    house.check(earlier);
}

#[test]
fn a_lost_or_damaged_file_is_made_anew_and_nothing_else() {
    let house = House::new();
    for (damaged, renewed) in [
        ("alice.p12", vec!["alice.p12"]),
        ("bob.pem", vec!["bob.p12", "bob.pem"]),
        ("carol.key", vec!["carol.p12", "carol.pem"]),
        ("server.key", vec!["server.pem"]),
        ("ca.pem", vec![]),
    ] {
        let before = std::fs::read(house.directory.file(damaged)).unwrap();
        std::fs::write(house.directory.file(damaged), "damaged").unwrap();
        let found: Vec<_> = house.renewed_at(NOW).into_iter().collect();
        // What was damaged when the comparison began is different in any case.
        assert!(found.iter().map(String::as_str).filter(|name| *name != "ca.pem").eq(renewed), "{damaged}: {found:?}");
        if damaged == "ca.pem" {
            assert_eq!(std::fs::read(house.directory.file(damaged)).unwrap(), before);
        }
    }
    std::fs::remove_file(house.directory.file("dave.pem")).unwrap();
    furnish(&house.directory, NOW).unwrap();
    house.check(NOW);
}

#[test]
fn the_lists_are_new_at_each_start_and_carol_stands_in_the_intermediates() {
    let house = House::new();
    let read =
        || ["crl/root.pem", "crl/intermediate.pem"].map(|name| std::fs::read(house.directory.file(name)).unwrap());
    let before = read();
    let revoked = furnish(&house.directory, NOW.plus(DAY)).unwrap();
    assert!(before.iter().zip(read()).all(|(before, after)| *before != after));
    let carol = Stored::read(&house.directory, "carol").unwrap();
    let [(key, at)] = revoked.as_slice() else { panic!("{revoked:?}") };
    assert_eq!((&key.serial, *at), (&carol.facts.serial, NOW));
}
