//! A reload every second under load, each with another certificate, revocation list, route and upstream: no request
//! fails, connections and WebSockets go on, and nothing is left behind. Prints the figures of `docs/reload.md`.
#![cfg(test)]

mod common;

use common::admin::{say, with_admin};
use common::echo::echo;
use common::gate::Gate;
use common::load::Load;
use common::pki::{Credential, Leaf, far, write_private};
use common::setup::Setup;
use common::upstream::Upstream;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const ROUTES: &str = "[{ path: /, authenticate: [certificate], upstream: app }, \
    { path: /round, authenticate: [certificate], upstream: { respond: { status: 203, body: \"0\" } } }, \
    { path: /other, authenticate: [certificate], upstream: other }]";
/// Connections that nobody uses are let go soon, so that what is left behind shows soon.
const IDLE: &str = "{ idle: 2s }";
/// Memory that a reload may leave behind, in KiB, beside what allocators keep.
const LEFT_BEHIND: u64 = 64;

fn setup(app: &Upstream, others: &[Upstream; 2]) -> (Setup, SocketAddr) {
    let setup = Setup::before(app)
        .with_lists()
        .section("routes", ROUTES)
        .upstream("timeouts", IDLE)
        .other_upstream("other", &format!("{{ servers: [\"http://{}\"], timeouts: {IDLE} }}", others[0].address()));
    with_admin(setup)
}

/// Files that one process may open more than it had: connections to its database come and go with what is asked at once.
const MORE_FILES: usize = 4;

/// Files that are open in a process.
fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// Renames a new file to the place of the old one, as careful tools do.
fn exchange(file: &Path, text: &str) {
    let new = file.with_extension("new");
    write_private(&new, text);
    std::fs::rename(new, file).unwrap();
}

/// What changes in a round: everything that a reload takes up.
struct Round<'a> {
    gate: &'a Gate,
    admin: SocketAddr,
    others: &'a [Upstream; 2],
    number: usize,
    revoked: Vec<Credential>,
}

impl Round<'_> {
    async fn pass(&mut self) {
        let (gate, number) = (self.gate, self.number);
        let folder = gate.folder();
        let server = gate.pki.root.issue(Leaf::server(&["gate.example.org"]));
        exchange(&folder.join("server.key"), &server.key_pem);
        exchange(&folder.join("server.pem"), &server.chain_pem());
        self.revoked.push(gate.pki.people.issue(Leaf::person("alice@example.org")));
        let revoked: Vec<&Credential> = self.revoked.iter().collect();
        let list = gate.pki.people.numbered_list(number as u64 + 1, &revoked, far());
        exchange(&folder.join("people.crl"), &list);
        let file = folder.join("wicketgate.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let [before, after] = [number - 1, number].map(|number| self.others[number % 2].address().to_string());
        let text = text.replace(&format!("body: \"{}\"", number - 1), &format!("body: \"{number}\""));
        exchange(&file, &text.replace(&before, &after));

        let admin = self.admin;
        let head = format!("POST /reload HTTP/1.1\r\nHost: {admin}\r\nContent-Length: 0");
        let reloaded = tokio::task::spawn_blocking(move || say(admin, &head)).await.unwrap();
        assert_eq!(reloaded.status, 200, "round {number}: {}", reloaded.body);

        // Without sessions: a resumed one shows the certificate that it was made with.
        let visitor = gate.alice();
        let stream = visitor.tls(&["http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], server.chain[0], "round {number}");
        let round = visitor.get("/round").await;
        assert_eq!((round.status, round.text()), (203, number.to_string()), "round {number}");
        let seen = self.others[number % 2].requests().len();
        assert_eq!(visitor.get("/other").await.status, 200, "round {number}");
        assert_eq!(self.others[number % 2].requests().len(), seen + 1, "round {number}");
        let revoked = gate.client().with(self.revoked.last().unwrap());
        gate.until(&revoked, "revoked").await;
        self.number += 1;
    }
}

async fn reload_under_load(rounds: usize) {
    let app = Upstream::answering(|exchange| match exchange.request.header("sec-websocket-key") {
        Some(_) => echo(exchange),
        None => exchange.answer("ok"),
    });
    let others = [Upstream::start(), Upstream::start()];
    let (setup, admin) = setup(&app, &others);
    let gate = setup.start();
    let alice = gate.alice();
    let process = gate.process.id();
    let mut round = Round { gate: &gate, admin, others: &others, number: 1, revoked: Vec::new() };
    // What is made once and then kept is no part of what a reload leaves behind.
    round.pass().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let files = descriptors(process);

    let mut load = Load::start(&alice);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let opened = app.connections();
    let mut memory = Vec::new();
    for number in 0..rounds {
        let begun = Instant::now();
        round.pass().await;
        memory.push(gate.process.memory_kib("VmRSS"));
        if number + 1 < rounds {
            tokio::time::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed())).await;
        }
    }
    let opened = app.connections() - opened;
    let table = load.finish().await;
    let begun = Instant::now();
    while descriptors(process) > files + MORE_FILES && begun.elapsed() < common::PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = descriptors(process);
    // Allocators take their time to settle; what is left behind by each reload grows to the end.
    let (early, late) = (memory[rounds / 3], memory[rounds - 1]);
    println!("{rounds} reloads, one a second, of certificate, list, routes and upstreams\n{table}");
    println!("upstream connections opened meanwhile: {opened}; files open before {files}, after {after}");
    println!("memory after a third {early} KiB, at the end {late} KiB");
    load.assert_nothing_failed();
    for (kind, tally) in &load.kinds {
        assert_eq!((tally.repeated.load(Relaxed), tally.sent_away.load(Relaxed)), (0, 0), "{kind}");
    }
    for kept in [0, 1, 3] {
        let (kind, tally) = &load.kinds[kept];
        assert_eq!(tally.opened.load(Relaxed), 2, "{kind}: the connections that there were are those that there are");
    }
    assert!(opened < rounds.max(8), "{opened} connections to an upstream that no reload has touched");
    assert!(after <= files + MORE_FILES, "{after} files are open, and {files} were before");
    let more = (rounds - rounds / 3) as u64 * LEFT_BEHIND + 4096;
    assert!(late < early + more, "memory grew from {early} KiB to {late} KiB");
    assert_eq!(app.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_reloads_under_load_fail_no_request() {
    reload_under_load(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make prove: a reload every second for a minute"]
async fn sixty_reloads_under_load_fail_no_request_and_leave_nothing_behind() {
    reload_under_load(60).await;
}
