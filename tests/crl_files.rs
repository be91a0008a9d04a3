//! Revocation lists in files are taken up while the gate runs: renewed ones, new ones in a folder, and none that is
//! worse than the one before it. Nobody else notices.
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Authority, Credential, far};
use common::setup::Setup;
use common::upstream::Upstream;
use http_body_util::BodyExt;
use std::time::{Duration, Instant};
use wicketgate::base::clock::Timestamp;

/// A list counts within a second; the machine that tests may have other things to do.
const SOON: Duration = Duration::from_secs(3);

/// A gate for alice and bob with one file of lists for each authority, in a folder of their own.
fn setup(upstream: &Upstream, files: &str) -> Setup {
    let trust = format!("{{ staff: {{ authorities: [ca.pem], revocation: {{ crl: {{ files: [{files}] }} }} }} }}");
    Setup::before(upstream).account("bob", &["--email", "bob@example.org"]).section("trust", &trust)
}

fn start(setup: Setup, lists: &[(&str, String)]) -> Gate {
    lists.iter().fold(setup, |setup, (file, list)| setup.file(file, list)).start()
}

/// A gate whose lists of both authorities are current; that of people is number 5 and revokes these.
fn with_lists(upstream: &Upstream, revoked: &[&str]) -> (Gate, Credential, Credential) {
    let setup = setup(upstream, "root.crl, people.crl");
    let (alice, bob) = (setup.pki.person("alice"), setup.pki.person("bob"));
    let revoked: Vec<&Credential> = revoked.iter().map(|name| if *name == "alice" { &alice } else { &bob }).collect();
    let lists = [
        ("root.crl", setup.pki.root.revocation_list(&[], far())),
        ("people.crl", setup.pki.people.numbered_list(5, &revoked, far())),
    ];
    (start(setup, &lists), alice, bob)
}

/// Replaces a file in one step.
fn publish(gate: &Gate, file: &str, list: &str) {
    let half = gate.folder().join(".half-written");
    std::fs::write(&half, list).unwrap();
    std::fs::rename(half, gate.folder().join(file)).unwrap();
}

#[tokio::test]
async fn a_renewed_list_is_taken_up_at_once_and_without_a_reload() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
        // The other half comes when the list has long been renewed.
        if exchange.request.target() == "/slow" {
            std::thread::sleep(Duration::from_secs(2));
        }
        exchange.send("ok");
    });
    let (gate, alice, bob) = with_lists(&upstream, &[]);
    let (alice, bob) = (gate.client().with(&alice), gate.client().with(&bob));
    let mut his = bob.http2().await.unwrap();
    let slow = his.start(common::client::get("/slow")).await.unwrap();
    let mut hers = alice.both().await;
    for (version, connection) in &mut hers {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    let list = gate.pki.people.numbered_list(6, &[alice.credential()], far());
    publish(&gate, "people.crl", &list);
    let published = Instant::now();
    gate.until(&alice, "certificate_revoked").await;
    for (version, connection) in &mut hers {
        while connection.try_send(common::client::get("/")).await.is_ok_and(|answer| answer.status == 200) {
            assert!(published.elapsed() < SOON, "{version}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(published.elapsed() < SOON, "{:?}", published.elapsed());
    assert_eq!(his.get("/").await.status, 200);
    assert_eq!(slow.into_body().collect().await.unwrap().to_bytes(), "okok", "what was under way goes on");
    gate.log_line(&["revocation list taken up", "people.crl", "\"revoked\":1"]);
    assert!(!gate.log().contains("configuration taken up"), "{}", gate.log());
}

#[tokio::test]
async fn a_list_that_is_worse_than_the_one_before_is_refused() {
    let upstream = Upstream::start();
    let (gate, alice, bob) = with_lists(&upstream, &["alice"]);
    let (alice, bob) = (gate.client().with(&alice), gate.client().with(&bob));
    let (root, people) = (&gate.pki.root, &gate.pki.people);
    let whole = people.numbered_list(6, &[], far());
    for (what, file, list, why) in [
        ("half of a list", "people.crl", whole[..whole.len() / 2].to_owned(), "does not end"),
        ("a web page", "people.crl", "<!doctype html><p>Log in".to_owned(), "a page of HTML"),
        ("nothing", "people.crl", String::new(), "nothing"),
        ("a list that went back", "people.crl", people.numbered_list(4, &[], far()), "is below 5"),
        (
            "a list of an impostor",
            "root.crl",
            Authority::root("Example Root").revocation_list(&[], far()),
            "not signed",
        ),
    ] {
        publish(&gate, file, &list);
        let line = gate.log_line(&["revocation list refused", why]);
        for part in ["\"trust\":\"staff\"", file, "what_to_do", "ERROR"] {
            assert!(line.contains(part), "{what}: {part} is not in {line}");
        }
        assert!(alice.get("/").await.says().contains("certificate_revoked"), "{what}");
        assert_eq!(bob.get("/").await.says(), "ok", "{what}");
    }
    publish(&gate, "root.crl", &root.numbered_list(2, &[], far()));
    publish(&gate, "people.crl", &people.numbered_list(6, &[bob.credential()], far()));
    gate.until(&bob, "certificate_revoked").await;
    gate.until(&alice, "ok").await;
}

#[tokio::test]
async fn the_lists_of_a_folder_come_and_go() {
    let upstream = Upstream::start();
    let setup = setup(&upstream, "lists");
    let (root, people) = (setup.pki.root.revocation_list(&[], far()), setup.pki.people.numbered_list(5, &[], far()));
    let gate = setup.folder("lists").file("lists/root.crl", &root).file("lists/.hidden", "no list").start();
    let alice = gate.alice();
    assert!(alice.get("/").await.says().contains("revocation_unknown"), "there is no list of her issuer");
    publish(&gate, "lists/people.crl", &people);
    gate.until(&alice, "ok").await;
    let mut connection = alice.http1().await.unwrap();
    assert_eq!(connection.get("/").await.status, 200);

    std::fs::remove_file(gate.folder().join("lists/people.crl")).unwrap();
    gate.until(&alice, "revocation_unknown").await;
    gate.log_line(&["WARN", "the file was removed", "people.crl"]);
    let answer = connection.try_send(common::client::get("/")).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 403), "nothing is known of her any more");
    publish(&gate, "lists/other-name.crl", &people);
    gate.until(&alice, "ok").await;
}

#[tokio::test]
async fn a_file_that_is_written_anew_in_place_keeps_its_lists_meanwhile() {
    let upstream = Upstream::start();
    let (gate, alice, bob) = with_lists(&upstream, &["alice"]);
    let (alice, bob) = (gate.client().with(&alice), gate.client().with(&bob));
    let file = gate.folder().join("people.crl");
    let list = gate.pki.people.numbered_list(6, &[alice.credential(), bob.credential()], far());
    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(alice.get("/").await.says().contains("certificate_revoked"));
    assert_eq!(bob.get("/").await.says(), "ok");
    // A slow writer: the file never stands still for long before it is whole.
    for end in (0..=list.len()).step_by(list.len() / 8) {
        std::fs::write(&file, &list[..end]).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    std::fs::write(&file, &list).unwrap();
    gate.until(&bob, "certificate_revoked").await;
    assert!(!gate.log().contains("the file was removed"), "{}", gate.log());
}

#[tokio::test]
async fn a_list_that_runs_out_is_announced_and_then_says_nothing_more() {
    let upstream = Upstream::start();
    let setup = setup(&upstream, "root.crl, people.crl");
    let lists = |number| {
        let end = Timestamp::now().plus(Duration::from_secs(9)).as_unix();
        let until = time::OffsetDateTime::from_unix_timestamp(end).unwrap();
        (setup.pki.root.revocation_list(&[], far()), setup.pki.people.numbered_list(number, &[], until))
    };
    let (root, people) = lists(5);
    let gate = start(setup, &[("root.crl", root), ("people.crl", people)]);
    let alice = gate.alice();
    let mut connection = alice.http1().await.unwrap();
    assert_eq!(connection.get("/").await.status, 200);
    gate.log_line(&["ERROR", "the revocation list runs out soon", "Example People", "what_to_do"]);
    gate.until(&alice, "revocation_unknown").await;
    let answer = connection.try_send(common::client::get("/")).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 403), "open connections as well");
    publish(&gate, "people.crl", &gate.pki.people.numbered_list(6, &[], far()));
    gate.until(&alice, "ok").await;
}

#[tokio::test]
async fn a_long_list_replaces_another_while_requests_are_served() {
    const ENTRIES: u64 = 200_000;
    let upstream = Upstream::start();
    let setup = setup(&upstream, "root.crl, people.crl");
    let serials = |first: u64| (first..first + ENTRIES).map(|number| (number | 1 << 63).to_be_bytes().to_vec());
    let lists = [
        ("root.crl", setup.pki.root.revocation_list(&[], far())),
        ("people.crl", setup.pki.people.list_of_serials(1, serials(0), far())),
    ];
    let gate = start(setup, &lists);
    let renewed = gate.pki.people.list_of_serials(2, serials(1000), far());
    let mut connection = gate.alice().http1().await.unwrap();
    assert_eq!(connection.get("/").await.status, 200);
    publish(&gate, "people.crl", &renewed);
    let (start, mut served) = (Instant::now(), 0);
    while !gate.log().contains("revocation list taken up") {
        assert_eq!(connection.get("/").await.status, 200);
        served += 1;
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
    }
    assert!(served > 10, "{served}");
    gate.log_line(&["revocation list taken up", "\"entries\":200000", "\"revoked\":1000", "\"doubted\":0"]);
    assert_eq!(connection.get("/").await.status, 200);
}
