//! The authority's register in a real database: one suite, run against SQLite, MariaDB and two nodes of a Galera
//! cluster. What one node writes the other asks for.
#![cfg(test)]

mod common;

use common::galera::Cluster;
use common::mariadb::{self, MariaDb};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use wicketgate::account::{self, Account, CertificateKey, IssuedCertificate, Registry, Status};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::ca::register::{
    Entry, Listing, Question, Reason, Recorded, Refused, Register, RegisterError, Replace, Revoked, Standing,
};
use wicketgate::config::{MySql, MySqlTls, ServerName, Store};
use wicketgate::store::{Database, Deadlines};

const AT: Timestamp = Timestamp::from_unix(1_800_000_000);
const ISSUER: [u8; 32] = [7; 32];

/// Two that write to one database, by different nodes where it has several.
struct World {
    one: Register,
    other: Register,
    accounts: Arc<dyn Registry>,
    _directory: Option<tempfile::TempDir>,
}

/// The runtime that stores work on.
fn control() -> Handle {
    static CONTROL: OnceLock<Runtime> = OnceLock::new();
    let runtime = CONTROL.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    runtime.handle().clone()
}

impl World {
    async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::Sqlite { path: directory.path().join("wicketgate.db") };
        Self { _directory: Some(directory), ..Self::over([store.clone(), store]).await }
    }

    async fn mariadb() -> Self {
        let server = MariaDb::shared();
        let store = settings(server.address(), &server.database());
        Self::over([store.clone(), store]).await
    }

    async fn galera() -> Self {
        let cluster = Cluster::shared();
        let (database, [one, other, ..]) = (cluster.database(), cluster.addresses());
        Self::over([settings(one, &database), settings(other, &database)]).await
    }

    async fn over([one, other]: [Store; 2]) -> Self {
        let connected = Database::connect(&one, control(), Deadlines::default()).await.unwrap();
        connected.migrate().await.unwrap();
        let open = |store: Store| async move {
            Register::new(Database::open(&store, control(), Deadlines::default()).await.unwrap())
        };
        let accounts = account::open(&one, control()).await.unwrap();
        for name in ["ann", "ben"] {
            accounts.add(&person(name)).await.unwrap();
        }
        Self { one: open(one).await, other: open(other).await, accounts, _directory: None }
    }
}

fn settings(address: SocketAddr, database: &mariadb::Database) -> Store {
    Store::MySql(MySql {
        servers: vec![ServerName { host: address.ip().to_string(), port: address.port() }],
        database: database.name.clone(),
        user: database.user.clone(),
        password: Some(SecretSource::Literal(Secret::from(database.password.as_str()))),
        tls: MySqlTls::default(),
        foreign: None,
        insecure: false,
    })
}

fn person(username: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: Some(format!("{username}@example.org")),
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

/// A certificate whose serial number and octets follow from one number, for a key that does, too.
fn entry(number: u8, username: Option<&str>) -> Entry {
    Entry {
        certificate: IssuedCertificate {
            key: key(number),
            issuer_name: "CN=Test".to_owned(),
            username: username.map(str::to_owned),
            subject: format!("CN={number}"),
            not_before: AT,
            not_after: AT.plus(Duration::from_secs(3600 * (u64::from(number) + 1))),
            fingerprint: [number; 32],
            profile: "client".to_owned(),
        },
        spki: Some([number; 32]),
        der: Some(vec![number; 3]),
    }
}

fn key(number: u8) -> CertificateKey {
    CertificateKey { issuer: ISSUER, serial: vec![number] }
}

async fn standing(register: &Register, number: u8) -> Option<(Timestamp, String)> {
    let [found] = register.find(&Question::Key(key(number))).await.unwrap().try_into().unwrap();
    found.revoked.map(|revocation| (revocation.at, revocation.reason))
}

mod suite {
    use super::*;

    pub(super) async fn what_is_recorded_is_found_by_all_of_its_names(world: &World) {
        let World { one, other, .. } = world;
        let outcome = one.record(&entry(1, Some("ann")), Replace::None, AT).await.unwrap();
        assert_eq!(outcome, Recorded::Now(Vec::new()));
        one.record(&entry(2, None), Replace::None, AT).await.unwrap();
        for question in
            [Question::Key(key(1)), Question::Serial(vec![1]), Question::Fingerprint([1; 32]), Question::Spki([1; 32])]
        {
            let found = other.find(&question).await.unwrap();
            assert_eq!(found.len(), 1, "{question:?}");
            assert_eq!((&found[0].certificate, &found[0].revoked), (&entry(1, Some("ann")).certificate, &None));
        }
        assert_eq!(other.find(&Question::Serial(vec![9])).await.unwrap(), []);
        assert_eq!(other.contents(&key(1)).await.unwrap(), Some(vec![1; 3]));
        assert_eq!(other.contents(&key(9)).await.unwrap(), None);
        assert_eq!(other.issuers().await.unwrap(), [ISSUER]);
        world.accounts.record_issued(&entry(3, Some("ben")).certificate).await.unwrap();
        assert_eq!(other.contents(&key(3)).await.unwrap(), None, "it is on record by its particulars alone");
        assert_eq!(other.find(&Question::Serial(vec![3])).await.unwrap().len(), 1);
    }

    pub(super) async fn what_is_recorded_twice_stands_there_once(world: &World) {
        let batch = || vec![entry(1, Some("ann")), entry(2, Some("ben"))];
        world.one.record_all(batch(), Replace::All, AT).await.unwrap();
        let again = [batch(), vec![entry(3, Some("ben"))]].concat();
        let outcomes = world.other.record_all(again, Replace::All, AT).await.unwrap();
        assert_eq!(outcomes, [Ok(Recorded::Before), Ok(Recorded::Before), Ok(Recorded::Now(vec![key(2)]))]);
        assert_eq!(world.one.list_all(&Listing::all()).await.unwrap().len(), 3);
        let mut same_serial = entry(1, None);
        same_serial.certificate.fingerprint = [99; 32];
        same_serial.spki = Some([99; 32]);
        let refused = world.one.record(&same_serial, Replace::None, AT).await;
        assert!(matches!(refused, Err(RegisterError::Unavailable(_))), "{refused:?}");
        let mut same_octets = entry(1, None);
        same_octets.certificate.key = key(50);
        let refused = world.one.record(&same_octets, Replace::None, AT).await;
        assert!(matches!(refused, Err(RegisterError::Refused(Refused::SerialTaken(_)))), "{refused:?}");
    }

    pub(super) async fn one_that_is_refused_does_not_hold_up_the_others(world: &World) {
        world.one.record(&entry(1, Some("ann")), Replace::None, AT).await.unwrap();
        let stolen = Entry { spki: Some([1; 32]), ..entry(2, Some("ben")) };
        let own = Entry { spki: Some([1; 32]), ..entry(3, Some("ann")) };
        let twice = Entry { spki: Some([4; 32]), ..entry(5, None) };
        let batch = vec![stolen, own, entry(4, Some("ben")), twice, entry(6, Some("nobody")), entry(7, Some("Ann"))];
        let outcomes = world.other.record_all(batch, Replace::None, AT).await.unwrap();
        let certified = |whom: &str, serial: &str| {
            Err(Refused::KeyCertified { whom: format!("the account {whom:?}"), serial: serial.to_owned() })
        };
        let unknown = |name: &str| Err(Refused::NoSuchAccount(name.to_owned()));
        let new = || Ok(Recorded::Now(Vec::new()));
        let expected =
            [certified("ann", "01"), new(), new(), certified("ben", "04"), unknown("nobody"), unknown("Ann")];
        assert_eq!(outcomes, expected);
        assert!(world.one.require_own_key(&[1; 32], Some("ann")).await.is_ok());
        assert!(world.one.require_own_key(&[1; 32], Some("ben")).await.is_err());
        assert!(world.one.require_own_key(&[77; 32], None).await.is_ok());
        assert_eq!(world.one.list_all(&Listing::all()).await.unwrap().len(), 3);
    }

    pub(super) async fn a_new_certificate_replaces_what_it_is_to_replace(world: &World) {
        let of = |number, profile: &str| {
            let mut entry = entry(number, Some("ann"));
            entry.certificate.profile = profile.to_owned();
            entry
        };
        world.one.record_all(vec![of(1, "client"), of(2, "smime")], Replace::None, AT).await.unwrap();
        world.one.record(&entry(3, Some("ben")), Replace::All, AT).await.unwrap();
        let replaced = world.other.record(&of(4, "client"), Replace::SameProfile, AT).await.unwrap();
        assert_eq!(replaced, Recorded::Now(vec![key(1)]));
        let superseded = Some((AT, "superseded".to_owned()));
        assert_eq!(standing(&world.one, 1).await, superseded);
        let Recorded::Now(mut replaced) = world.one.record(&of(5, "client"), Replace::All, AT).await.unwrap() else {
            panic!("it was not recorded")
        };
        replaced.sort_by(|one, other| one.serial.cmp(&other.serial));
        assert_eq!(replaced, [key(2), key(4)]);
        assert_eq!((standing(&world.one, 3).await, standing(&world.one, 5).await), (None, None));
        // What has expired by then stays as it is.
        let late = AT.plus(Duration::from_secs(3600 * 24));
        assert_eq!(world.one.record(&of(30, "client"), Replace::All, late).await.unwrap(), Recorded::Now(Vec::new()));
    }

    pub(super) async fn a_hold_is_taken_back_and_a_revocation_is_not(world: &World) {
        let World { one, other, accounts, .. } = world;
        one.record_all(vec![entry(1, Some("ann")), entry(2, Some("ann"))], Replace::None, AT).await.unwrap();
        let later = AT.plus(Duration::from_secs(60));
        let revoked = async |number| accounts.revoked(&[key(number)]).await.unwrap()[0];
        assert_eq!(one.revoke(&key(1), AT, Reason::CertificateHold).await.unwrap(), Revoked::Now);
        assert_eq!(revoked(1).await, Some(AT));
        let hold = other.release(&key(1), later).await.unwrap();
        assert_eq!((hold.at, hold.reason.as_str()), (AT, "certificateHold"));
        assert_eq!((revoked(1).await, standing(one, 1).await), (None, None));
        let again = other.release(&key(1), later).await;
        assert!(matches!(again, Err(RegisterError::NotRevoked(_))), "{again:?}");

        one.revoke(&key(1), AT, Reason::CertificateHold).await.unwrap();
        let outcome = other.revoke(&key(1), later, Reason::Superseded).await.unwrap();
        assert!(matches!(outcome, Revoked::ReasonChanged(_)), "{outcome:?}");
        assert_eq!(standing(one, 1).await, Some((AT, "superseded".to_owned())), "it keeps its time");
        let outcome = one.revoke(&key(1), later, Reason::CertificateHold).await.unwrap();
        assert!(matches!(outcome, Revoked::Before(_)), "{outcome:?}");
        let refused = one.release(&key(1), later).await;
        assert!(matches!(refused, Err(RegisterError::Final { .. })), "{refused:?}");
        one.revoke(&key(1), later, Reason::KeyCompromise).await.unwrap();
        one.revoke(&key(1), later, Reason::PrivilegeWithdrawn).await.unwrap();
        assert_eq!(standing(one, 1).await, Some((AT, "keyCompromise".to_owned())));

        // The certificate of an account that goes cannot come back.
        one.revoke(&key(2), AT, Reason::CertificateHold).await.unwrap();
        accounts.remove("ann", later).await.unwrap();
        let refused = one.release(&key(2), later).await;
        assert!(matches!(refused, Err(RegisterError::Final { .. })), "{refused:?}");
        let endless = CertificateKey { issuer: ISSUER, serial: vec![1; 65] };
        assert!(one.revoke(&endless, AT, Reason::Superseded).await.is_err());
    }

    pub(super) async fn a_list_has_all_revocations_and_a_delta_what_has_changed(world: &World) {
        let World { one, other, .. } = world;
        one.record_all(vec![entry(1, None), entry(2, None), entry(3, None)], Replace::None, AT).await.unwrap();
        let listed = |edition: &wicketgate::ca::register::Edition| -> Vec<(u8, Standing)> {
            edition.listed.iter().map(|listed| (listed.serial[0], listed.standing)).collect()
        };
        let empty = one.next_edition(&ISSUER).await.unwrap();
        assert_eq!((empty.number, listed(&empty)), (1, Vec::new()));
        one.revoke(&key(2), AT, Reason::CertificateHold).await.unwrap();
        one.revoke(&key(1), AT, Reason::KeyCompromise).await.unwrap();
        // It was never on record here.
        one.revoke(&key(9), AT, Reason::Superseded).await.unwrap();
        one.revoke(&CertificateKey { issuer: [8; 32], serial: vec![4] }, AT, Reason::Superseded).await.unwrap();
        let full = other.next_edition(&ISSUER).await.unwrap();
        let hold = Standing::Revoked(Reason::CertificateHold);
        let (compromised, superseded) =
            (Standing::Revoked(Reason::KeyCompromise), Standing::Revoked(Reason::Superseded));
        assert_eq!((full.number, listed(&full)), (2, vec![(1, compromised), (2, hold), (9, superseded)]));
        let ends: Vec<_> = full.listed.iter().map(|listed| listed.not_after).collect();
        let end = |number| Some(entry(number, None).certificate.not_after);
        assert_eq!(ends, [end(1), end(2), None]);
        assert!(full.covers > empty.covers);
        assert_eq!(listed(&one.next_delta(&ISSUER, full.covers).await.unwrap()), []);

        other.release(&key(2), AT).await.unwrap();
        one.revoke(&key(3), AT, Reason::CertificateHold).await.unwrap();
        one.revoke(&key(3), AT, Reason::Superseded).await.unwrap();
        // Nothing changes by this.
        one.revoke(&key(1), AT, Reason::Superseded).await.unwrap();
        let delta = other.next_delta(&ISSUER, full.covers).await.unwrap();
        assert_eq!((delta.number, listed(&delta)), (4, vec![(2, Standing::Released), (3, superseded)]));
        let full = one.next_edition(&ISSUER).await.unwrap();
        assert_eq!((full.number, listed(&full)), (5, vec![(1, compromised), (3, superseded), (9, superseded)]));

        one.raise_number(&ISSUER, 3).await.unwrap();
        assert_eq!(one.next_edition(&ISSUER).await.unwrap().number, 6, "it does not go back");
        one.raise_number(&ISSUER, 1000).await.unwrap();
        assert_eq!(other.next_edition(&ISSUER).await.unwrap().number, 1001);
        one.raise_number(&[8; 32], 50).await.unwrap();
        assert_eq!(other.next_edition(&[8; 32]).await.unwrap().number, 51);
    }

    pub(super) async fn a_list_of_certificates_comes_in_pages(world: &World) {
        let entries = (1..=20).map(|number| entry(number, Some(if number % 2 == 0 { "ann" } else { "ben" }))).collect();
        world.one.record_all(entries, Replace::None, AT).await.unwrap();
        let mut listing = Listing { limit: 7, ..Listing::all() };
        let mut pages = Vec::new();
        loop {
            let page = world.other.list(&listing).await.unwrap();
            let Some(last) = page.last() else { break };
            listing.after = Some(last.certificate.key.clone());
            pages.push(page.len());
        }
        assert_eq!(pages, [7, 7, 6]);
        let serials = async |listing: Listing| -> Vec<u8> {
            let found = world.other.list_all(&listing).await.unwrap();
            found.iter().map(|found| found.certificate.key.serial[0]).collect()
        };
        assert_eq!(serials(Listing::of("ann")).await, (1..=10).map(|half| half * 2).collect::<Vec<_>>());
        assert_eq!(serials(Listing::of("ANN")).await, [0; 0]);
        let not_after = AT..=entry(4, None).certificate.not_after;
        assert_eq!(serials(Listing { not_after, ..Listing::of("ann") }).await, [2, 4]);
    }

    /// Two nodes issue, revoke and number lists at once: nothing is lost, nothing stands there twice, numbers grow, and
    /// a list with a greater number holds all that one with a smaller number holds.
    pub(super) async fn two_that_write_at_once_lose_nothing(world: &World) {
        const EACH: u8 = 12;
        let writer = |register: Register, first: u8| async move {
            let mut editions = Vec::new();
            for number in first..first + EACH {
                register.record(&entry(number, Some("ann")), Replace::None, AT).await.unwrap();
                register.revoke(&key(number), AT, Reason::Superseded).await.unwrap();
                // Both want this one; it is revoked once.
                register.revoke(&key(200), AT, Reason::CertificateHold).await.unwrap();
                let edition = register.next_edition(&ISSUER).await.unwrap();
                let listed: BTreeSet<u8> = edition.listed.iter().map(|listed| listed.serial[0]).collect();
                assert!(listed.contains(&number), "what was revoked before is in the next list");
                editions.push((edition.number, edition.covers, listed));
            }
            assert!(editions.is_sorted_by(|one, next| one.0 < next.0), "a writer's own numbers grow");
            editions
        };
        let (one, other) = tokio::join!(
            tokio::spawn(writer(world.one.clone(), 1)),
            tokio::spawn(writer(world.other.clone(), 1 + EACH))
        );
        let made: Vec<_> = one.unwrap().into_iter().chain(other.unwrap()).collect();
        let by_number: BTreeMap<u64, _> =
            made.iter().map(|(number, covers, listed)| (*number, (covers, listed))).collect();
        let numbers: Vec<u64> = by_number.keys().copied().collect();
        assert_eq!(numbers, (1..=u64::from(EACH) * 2).collect::<Vec<_>>(), "no number twice, and none left out");
        let in_order: Vec<_> = by_number.values().collect();
        for pair in in_order.windows(2) {
            assert!(pair[0].0 <= pair[1].0 && pair[0].1.is_subset(pair[1].1), "a newer list forgot something");
        }
        let all = world.one.list_all(&Listing::of("ann")).await.unwrap();
        assert_eq!(all.len(), usize::from(EACH) * 2);
        assert!(all.iter().all(|found| found.revoked.is_some()));
    }
}

macro_rules! each {
    ($($test:ident)+) => {
        $(mod $test {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                with(World::sqlite()).await;
            }

            #[tokio::test]
            async fn on_mariadb() {
                with(World::mariadb()).await;
            }

            #[tokio::test]
            async fn on_two_nodes_of_a_cluster() {
                with(World::galera()).await;
            }

            async fn with(world: impl Future<Output = World>) {
                suite::$test(&world.await).await;
            }
        })+
    };
}

each! {
    what_is_recorded_is_found_by_all_of_its_names
    what_is_recorded_twice_stands_there_once
    one_that_is_refused_does_not_hold_up_the_others
    a_new_certificate_replaces_what_it_is_to_replace
    a_hold_is_taken_back_and_a_revocation_is_not
    a_list_has_all_revocations_and_a_delta_what_has_changed
    a_list_of_certificates_comes_in_pages
    two_that_write_at_once_lose_nothing
}
