//! How fast what the authority says is handed out, how long a revocation takes to show, and what two nodes that
//! publish at once do to each other. Run by `make prove`, in the build that is shipped.
#![cfg(test)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::client::get;
use common::galera::Cluster;
use common::gate::unused_address;
use common::mariadb;
use common::office::{Office, control};
use common::setup::Setup;
use common::upstream::Upstream;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::ca::crl::{self, CrlReason, Edition, Revoked};
use wicketgate::ca::ocsp::answer::sign;
use wicketgate::ca::ocsp::{Delegate, Issuer, Request, Statement};
use wicketgate::ca::publish::Shelf;
use wicketgate::ca::publish::tables::{self, Kind, StoredAnswer, StoredIssuer};
use wicketgate::ca::register::Reason;
use wicketgate::certificate::facts::sha256;
use wicketgate::config::{MySql, MySqlTls, PublishedAnswers, PublishedLists, Publishing, ServerName, Store};
use wicketgate::revocation::ocsp::request::encode;
use wicketgate::revocation::ocsp::{CertId, HashAlgorithm, Status};

const HOUR: Duration = Duration::from_secs(3600);
const CERTIFICATES: u32 = 100_000;

fn settings() -> Publishing {
    Publishing {
        url: None,
        crl: PublishedLists { validity: HOUR * 4, every: HOUR, delta: true },
        ocsp: PublishedAnswers { validity: HOUR * 4, every: HOUR },
    }
}

fn store(address: SocketAddr, database: &mariadb::Database) -> Store {
    Store::MySql(MySql {
        servers: vec![ServerName { host: address.ip().to_string(), port: address.port() }],
        database: database.name.clone(),
        user: database.user.clone(),
        password: Some(SecretSource::Literal(Secret::from(database.password.as_str()))),
        tls: MySqlTls::default(),
        insecure: false,
        foreign: None,
    })
}

fn serial(number: u32) -> Vec<u8> {
    let number = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (number >> 1 | 1 << 126).to_be_bytes().to_vec()
}

fn question(office: &Office, number: u32) -> Vec<u8> {
    let name = office.authority.name_der().unwrap();
    encode(&CertId::new(HashAlgorithm::Sha1, &name, office.authority.public_key(), &serial(number)).unwrap(), None)
}

/// The processor time of a process so far, all of its threads.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime; a tick is a hundredth of a second.
    let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make prove: it signs 200,000 answers"]
async fn a_shelf_of_a_hundred_thousand_answers_gives_many_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::over(&Store::Sqlite { path: folder.path().join("office.db") }).await;
    let now = Timestamp::now();
    let delegate = Arc::new(Delegate::new(&office.authority, now, HOUR * 24).unwrap());
    let names = Issuer::new(&office.authority.name_der().unwrap(), office.authority.public_key()).unwrap();
    let issuer = office.key(&[1]).issuer;
    let began = Instant::now();
    let signer = sha256(delegate.certificate());
    let answers: Vec<StoredAnswer> = (1..=CERTIFICATES)
        .map(|number| {
            let next_update = now.plus(HOUR);
            let statement = [Statement { serial: serial(number), status: Status::Good, this_update: now, next_update }];
            let signed = |algorithm| sign(&delegate, &names, algorithm, &statement, now).unwrap();
            let (by_sha1, by_sha256) = (signed(HashAlgorithm::Sha1), signed(HashAlgorithm::Sha256));
            let serial = serial(number);
            StoredAnswer { issuer, serial, this_update: now, next_update, signer, by_sha1, by_sha256, edition: 1 }
        })
        .collect();
    println!("{} signatures: {:.1?}", 2 * CERTIFICATES, began.elapsed());
    let shelf = Shelf::default();
    let certificate = office.authority.certificate().to_vec();
    shelf.put_issuer(&StoredIssuer { issuer, certificate, above: Vec::new() }).unwrap();
    shelf.put_signers([(signer, delegate.certificate().to_vec())].into());
    shelf.put_answers(answers);
    let questions: Vec<Vec<u8>> = (1..=CERTIFICATES).step_by(10).map(|number| question(&office, number)).collect();
    let began = Instant::now();
    let mut given = 0_u32;
    while began.elapsed() < Duration::from_secs(2) {
        for question in &questions {
            let request = Request::read(question).unwrap();
            assert!(shelf.answer(&request, now).unwrap().der.len() > 500);
            given += 1;
        }
    }
    let rate = f64::from(given) / began.elapsed().as_secs_f64();
    println!("answers from memory, one thread: {rate:.0} a second");
    assert!(rate > 20_000.0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make prove: it measures a running gate"]
async fn a_gate_gives_twenty_thousand_answers_a_second_on_one_core() {
    const CONNECTIONS: usize = 8;
    const EACH: usize = 20_000;
    let upstream = Upstream::start();
    let plain = unused_address();
    let listener = format!("{{ name: plain, address: \"{plain}\", tls: off }}");
    let routes = "[{ path: /, upstream: app }, \
        { path: /ocsp, listeners: [plain], anonymous: allow, upstream: { service: ocsp } }]";
    let gate = Setup::before(&upstream).another_listener(&listener).section("routes", routes).start();
    let office = Office::over(&Store::Sqlite { path: gate.folder().join("accounts.db") }).await;
    let alice = office.person("alice").await;
    let mut publisher = office.publisher(settings());
    publisher.put_issuer().await.unwrap();
    publisher.publish_answers(Timestamp::now()).await.unwrap();
    let name = office.authority.name_der().unwrap();
    let id = CertId::new(HashAlgorithm::Sha1, &name, office.authority.public_key(), &alice.serial()).unwrap();
    let question = URL_SAFE_NO_PAD.encode(encode(&id, None));
    let request = format!("GET /ocsp/{question} HTTP/1.1\r\nHost: ocsp\r\n\r\n");
    // The length of one answer, once it is there.
    let length = common::eventually("an answer", || {
        let mut stream = TcpStream::connect(plain).unwrap();
        stream.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        (answer.len() > 800).then_some(())?;
        let mut stream = TcpStream::connect(plain).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 8192];
        std::thread::sleep(Duration::from_millis(200));
        Some(stream.read(&mut answer).unwrap())
    });
    let before = cpu(gate.process.id());
    let began = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let request = request.clone();
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(plain).unwrap();
                let mut answer = vec![0; length];
                for _ in 0..EACH {
                    stream.write_all(request.as_bytes()).unwrap();
                    stream.read_exact(&mut answer).unwrap();
                    assert!(answer.starts_with(b"HTTP/1.1 200"));
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let (took, used) = (began.elapsed(), cpu(gate.process.id()) - before);
    let given = f64::from(u32::try_from(CONNECTIONS * EACH).unwrap());
    let (rate, each) = (given / used.as_secs_f64(), used.as_secs_f64() * 1e6 / given);
    println!(
        "answers through the socket: {rate:.0} a second of one core, {each:.1} us each; {:.0} a second in all",
        given / took.as_secs_f64()
    );
    assert!(rate > 20_000.0);
}

#[tokio::test]
#[ignore = "make prove: a hundred thousand entries"]
async fn a_list_of_a_hundred_thousand_entries_is_made_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::over(&Store::Sqlite { path: folder.path().join("office.db") }).await;
    let now = Timestamp::now();
    let entries: Vec<Revoked> = (1..=CERTIFICATES)
        .map(|number| Revoked { serial: serial(number), at: now, reason: CrlReason::Superseded })
        .collect();
    let edition = Edition { number: 1, this_update: now, next_update: now.plus(HOUR) };
    let began = Instant::now();
    let list = crl::make(&office.authority, edition, &entries).unwrap();
    let made = began.elapsed();
    let began = Instant::now();
    let changes = crl::changes(&entries[1..], &entries[..entries.len() - 1], now);
    let compared = began.elapsed();
    println!(
        "a list of {CERTIFICATES} entries ({:.1} MiB): made in {made:.1?}, compared in {compared:.1?}",
        list.len() as f64 / f64::from(1 << 20)
    );
    assert_eq!(changes.len(), 2);
    assert!(made < Duration::from_secs(1) && compared < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make prove: it measures"]
async fn a_revocation_shows_on_another_node_within_two_seconds() {
    let upstream = Upstream::start();
    let shared = tempfile::tempdir().unwrap();
    let path = shared.path().join("shared.db");
    let store = Store::Sqlite { path: path.clone() };
    let office = Office::over(&store).await;
    let plain = unused_address();
    let listener = format!("{{ name: plain, address: \"{plain}\", tls: off }}");
    let accounts = format!("{{ sqlite: {{ path: {} }} }}", path.display());
    let routes = "[{ path: /, authenticate: [certificate], upstream: app }, \
        { path: /ocsp, listeners: [plain], anonymous: allow, upstream: { service: ocsp } }, \
        { path: /crl, listeners: [plain], anonymous: allow, upstream: { service: crl } }]";
    let trust = "{ staff: { authorities: [office.pem], revocation: { scope: leaf, database: true } } }";
    let gate = Setup::before(&upstream)
        .another_listener(&listener)
        .section("accounts", &accounts)
        .section("routes", routes)
        .section("trust", trust)
        .file("office.pem", &office.ca_pem())
        .start();
    let _publishing = office.publish(settings());
    let (mut refused, mut listed) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let alice = office.person("alice").await;
        let client = gate.client().with(&alice);
        gate.until(&client, "ok").await;
        let mut connection = client.http1().await.unwrap();
        let began = Instant::now();
        office.revoke(&alice.serial(), Reason::KeyCompromise).await;
        // The gate closes the connection, or says on it that the certificate is revoked.
        while connection.try_send(get("/")).await.is_ok_and(|answer| answer.status == 200) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        refused.push(began.elapsed());
        loop {
            let found = tables::list(&office.database, office.key(&[1]).issuer, Kind::Full).await.unwrap();
            if found.is_some_and(|list| Office::entries(&list.der).contains_key(&alice.serial())) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        listed.push(began.elapsed());
    }
    let worst = |times: &[Duration]| times.iter().max().copied().unwrap();
    println!("from revoke to refused on an open connection: {:.0?} at worst", worst(&refused));
    println!("from revoke to the list that holds it: {:.0?} at worst", worst(&listed));
    assert!(worst(&refused) <= Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make prove: a cluster of three servers"]
async fn two_nodes_that_revoke_and_publish_at_once_never_go_back() {
    const ROUNDS: u32 = 40;
    let cluster = Cluster::shared();
    let (database, [one, other, ..]) = (cluster.database(), cluster.addresses());
    let first = Office::over(&store(one, &database)).await;
    let second = first.twin(&store(other, &database)).await;
    let issuer = first.key(&[1]).issuer;
    // Each node revokes, and makes a list at once that must hold it, while the other does the same.
    let node = |office: Office, from: u32| {
        control().spawn(async move {
            let mut publisher = office.publisher(settings());
            let mut made = Vec::new();
            for number in from..from + ROUNDS {
                office.revoke(&serial(number), Reason::Superseded).await;
                let lists = publisher.publish_lists(Timestamp::now()).await.unwrap();
                let entries: BTreeSet<Vec<u8>> = Office::entries(&lists.full.der).into_keys().collect();
                assert!(entries.contains(&serial(number)), "a revocation is in the next list");
                made.push((lists.full.number, entries, lists.is_published));
            }
            made
        })
    };
    let watched = {
        let office = first.twin(&store(one, &database)).await;
        control().spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..400 {
                if let Some(list) = tables::list(&office.database, issuer, Kind::Full).await.unwrap() {
                    seen.push(list.number);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            seen
        })
    };
    let (here, there) = (node(first, 1), node(second, 1 + ROUNDS));
    let mut made = here.await.unwrap();
    made.extend(there.await.unwrap());
    made.sort_by_key(|(number, ..)| *number);
    for pair in made.windows(2) {
        assert!(pair[0].0 < pair[1].0, "two lists have the number {}", pair[0].0);
        assert!(pair[0].1.is_subset(&pair[1].1), "list {} has lost what {} had", pair[1].0, pair[0].0);
    }
    let last = made.last().unwrap();
    assert_eq!(last.1.len(), usize::try_from(2 * ROUNDS).unwrap());
    assert!(last.2, "the list with the greatest number is the published one");
    let seen = watched.await.unwrap();
    assert!(seen.is_sorted(), "what is published never goes back: {seen:?}");
    println!(
        "{} lists by two nodes, {} of them published, numbers 1 to {}",
        made.len(),
        made.iter().filter(|made| made.2).count(),
        last.0
    );
}
