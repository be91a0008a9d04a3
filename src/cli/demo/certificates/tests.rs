//! What is kept and what is made anew as time goes by.

use super::super::{accounts, configuration};
use super::*;
use crate::config::Config;
use crate::store::Deadlines;
use std::collections::BTreeSet;
use tokio::runtime::{Builder, Runtime};

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

/// A directory in which a demo was started at [`NOW`].
struct Started {
    directory: Directory,
    config: Config,
    runtime: Runtime,
    _temporary: tempfile::TempDir,
}

impl Started {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::claim(temporary.path()).unwrap();
        let file = directory.file("wicketgate.yaml");
        std::fs::write(&file, configuration::text(8443, 8080)).unwrap();
        std::fs::write(directory.file("authority.passphrase"), "correct horse battery\n").unwrap();
        let config = config::load(&file).unwrap().config;
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let started = Self { directory, config, runtime, _temporary: temporary };
        started.again_at(NOW);
        started
    }

    async fn database(&self) -> Database {
        let handle = tokio::runtime::Handle::current();
        Database::open(&self.config.accounts.store, handle, Deadlines::default()).await.unwrap()
    }

    fn again_at(&self, now: Timestamp) {
        self.runtime.block_on(async {
            let (directory, database) = (&self.directory, self.database().await);
            accounts::furnish(&Store::new(database.clone()), now).await.unwrap();
            let settings = self.config.authority.as_ref().unwrap();
            House { directory, settings, database, now }.furnish().await.unwrap();
        });
    }

    /// The certificates and PKCS#12 files that another start makes anew.
    fn renewed_at(&self, now: Timestamp) -> BTreeSet<String> {
        let names = ["authority/root.pem", "authority/intermediates.pem", "ca.pem", "server.pem"].map(str::to_owned);
        let files = PEOPLE.iter().flat_map(|person| ["pem", "p12"].map(|kind| format!("{}.{kind}", person.name)));
        let names: Vec<String> = names.into_iter().chain(files).collect();
        let read = |name: &String| std::fs::read(self.directory.file(name)).unwrap();
        let before: Vec<_> = names.iter().map(read).collect();
        self.again_at(now);
        names.into_iter().zip(before).filter(|(name, before)| read(name) != *before).map(|(name, _)| name).collect()
    }

    /// Each person's certificate is what the guide says of it, and what the authority has issued is on record.
    #[track_caller]
    fn check(&self, now: Timestamp) {
        let settings = self.config.authority.as_ref().unwrap();
        let found = directory::Directory::open(&settings.directory).unwrap();
        let clock: Clock = Arc::new(move || now);
        let authority = found.issuing(&Passphrase::of(settings.passphrase.as_ref(), None), &clock).unwrap();
        for person in PEOPLE {
            let stored = Stored::read(&self.directory, person.name).unwrap();
            assert!(stored.is_about(&person.shown_name(), &person.names()), "{person:?}");
            let ours = person.case != Case::OtherAuthority;
            assert_eq!(stored.is_issued_by(&authority), ours, "{person:?}");
            assert_eq!(stored.lasts(now, RENEWAL), person.case != Case::CertificateExpired, "{person:?}");
            let recorded = self.record_of(&stored);
            assert_eq!(recorded.is_some(), ours, "{person:?}");
            let Some((username, revoked)) = recorded else { continue };
            assert_eq!(username, person.account().map(|account| account.username), "{person:?}");
            assert_eq!(revoked, person.case == Case::CertificateRevoked, "{person:?}");
        }
        assert!(self.record_of(&Stored::read(&self.directory, "server").unwrap()).is_some());
    }

    /// Whose a certificate is by the records, and whether it is revoked.
    fn record_of(&self, stored: &Stored) -> Option<(Option<String>, bool)> {
        self.runtime.block_on(async {
            let register = Register::new(self.database().await);
            let found = register.find(&Question::Fingerprint(stored.facts.fingerprint)).await.unwrap();
            found.into_iter().next().map(|found| (found.certificate.username, found.revoked.is_some()))
        })
    }
}

#[test]
fn everybody_has_the_certificate_that_the_guide_says() {
    Started::new().check(NOW);
}

#[test]
fn what_is_good_is_kept() {
    let started = Started::new();
    let later = NOW.plus(DAY * 334);
    assert_eq!(started.renewed_at(later), BTreeSet::new());
    started.check(later);
}

#[test]
fn what_is_about_to_expire_is_made_anew_and_its_authority_kept() {
    let started = Started::new();
    let later = NOW.plus(DAY * 336);
    let renewed = started.renewed_at(later);
    assert!(["server.pem", "alice.pem", "alice.p12", "mallory.p12"].iter().all(|name| renewed.contains(*name)));
    for kept in ["authority/root.pem", "authority/intermediates.pem", "ca.pem", "erin.pem", "erin.p12"] {
        assert!(!renewed.contains(kept), "{kept}");
    }
    started.check(later);
}

#[test]
fn an_authority_that_its_certificates_would_outlive_is_made_anew() {
    let started = Started::new();
    let later = NOW.plus(DAY * 1431);
    assert_eq!(started.renewed_at(later).len(), 4 + 2 * PEOPLE.len());
    started.check(later);
}

#[test]
fn a_clock_that_was_set_back_gets_an_authority_that_is_valid_already() {
    let started = Started::new();
    let earlier = NOW.minus(DAY * 365);
    assert_eq!(started.renewed_at(earlier).len(), 4 + 2 * PEOPLE.len());
    started.check(earlier);
}

#[test]
fn a_lost_or_damaged_file_is_made_anew_and_nothing_else() {
    let started = Started::new();
    for (damaged, renewed) in [
        ("alice.p12", vec!["alice.p12"]),
        ("bob.pem", vec!["bob.p12", "bob.pem"]),
        ("carol.key", vec!["carol.p12", "carol.pem"]),
        ("server.key", vec!["server.pem"]),
        ("ca.pem", vec![]),
    ] {
        let before = std::fs::read(started.directory.file(damaged)).unwrap();
        std::fs::write(started.directory.file(damaged), "damaged").unwrap();
        let found: Vec<_> = started.renewed_at(NOW).into_iter().collect();
        // What was damaged when the comparison began is different in any case.
        assert!(found.iter().map(String::as_str).filter(|name| *name != "ca.pem").eq(renewed), "{damaged}: {found:?}");
        if damaged == "ca.pem" {
            assert_eq!(std::fs::read(started.directory.file(damaged)).unwrap(), before);
        }
    }
    std::fs::remove_file(started.directory.file("dave.pem")).unwrap();
    std::fs::remove_file(started.directory.file("accounts.db")).unwrap();
    started.again_at(NOW);
    started.check(NOW);
}
