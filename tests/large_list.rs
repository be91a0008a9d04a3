//! What a revocation list of a million entries costs the running gate: memory, time to start, and what those notice
//! who are served while it is replaced. Run by `make prove`, in the build that is shipped.
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Authority, Credential};
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::{Duration, Instant};

const ENTRIES: u64 = 1_000_000;

/// A field of `/proc/PID/status`, in MiB.
fn mebibytes(gate: &Gate, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|character: char| !character.is_ascii_digit()).parse::<f64>().unwrap() / 1024.0
}

/// A gate with these lists, how long it took to start, its memory now and the most that it ever had.
fn start(upstream: &Upstream, lists: impl FnOnce(&Setup) -> (Vec<u8>, Vec<u8>), form: &str) -> (Gate, Figures) {
    let setup = Setup::before(upstream).section(
        "trust",
        "{ staff: { authorities: [ca.pem], revocation: { crl: { files: [root.crl, people.crl] } } } }",
    );
    let (root, people) = lists(&setup);
    let setup = setup.octets("root.crl", root).octets("people.crl", people);
    // The start itself, without the accounts that are made before it.
    let mut begin = Instant::now();
    let gate = Gate::start(setup, || begin = Instant::now());
    let took = begin.elapsed();
    // What was given back to the system counts; it takes the allocator a moment.
    std::thread::sleep(Duration::from_secs(1));
    let figures = Figures { took, resident: mebibytes(&gate, "VmRSS:"), peak: mebibytes(&gate, "VmHWM:") };
    println!("{form:>8}: started in {took:.0?}, {:.1} MiB now, {:.1} MiB at most", figures.resident, figures.peak);
    (gate, figures)
}

struct Figures {
    took: Duration,
    resident: f64,
    peak: f64,
}

/// Serial numbers of 16 octets that are spread as if drawn at random.
fn serials() -> impl Iterator<Item = Vec<u8>> {
    (1..=ENTRIES).map(|number| {
        let number = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        (number >> 1 | 1 << 126).to_be_bytes().to_vec()
    })
}

fn pem(der: &[u8]) -> Vec<u8> {
    wicketgate::ca::pem::revocation_list(der).unwrap().into_bytes()
}

#[tokio::test]
#[ignore = "takes long in an unoptimised build: make prove"]
async fn a_list_of_a_million_entries_costs_under_60_mib_and_half_a_second() {
    let upstream = Upstream::start();
    let none = |authority: &Authority| authority.large_list(std::iter::empty());
    let (small, without) = start(&upstream, |setup| (none(&setup.pki.root), none(&setup.pki.people)), "no entry");
    drop(small);
    let mut last = None;
    for form in ["DER", "PEM"] {
        let mut revoked: Option<Credential> = None;
        let (gate, with) = start(
            &upstream,
            |setup| {
                let alice = setup.pki.person("alice");
                let own = alice.serial();
                revoked = Some(alice);
                let list = setup.pki.people.large_list(serials().chain(std::iter::once(own)));
                println!("the list has {} MiB in DER", list.len() >> 20);
                let list = if form == "PEM" { pem(&list) } else { list };
                (none(&setup.pki.root), list)
            },
            form,
        );
        let (slower, more) = (with.took.saturating_sub(without.took), with.resident - without.resident);
        let peak = with.peak - without.peak;
        println!("{form:>8}: {slower:.0?} more to start, {more:.1} MiB more now, {peak:.1} MiB more at most");
        let answer = gate.client().with(&revoked.unwrap()).get("/").await;
        assert!(answer.text().contains("certificate_revoked"), "{}", answer.text());
        let answer = gate.client().with(&gate.pki.person("bob")).get("/").await;
        assert!(answer.text().contains("account_unknown"), "{}", answer.text());
        assert!(slower < Duration::from_millis(500) && more < 60.0 && peak < 60.0);
        last = Some(gate);
    }
    drop(last);
}

/// How long requests took, one after the other on each of some open connections, until `done` says so.
async fn load(gate: &Gate, done: impl Fn() -> bool) -> Vec<Duration> {
    const CONNECTIONS: usize = 8;
    let done = &done;
    let visits = (0..CONNECTIONS).map(|_| async move {
        let mut connection = gate.alice().http1().await.unwrap();
        let mut times = Vec::new();
        while !done() {
            let begin = Instant::now();
            let answer = connection.get("/").await;
            times.push(begin.elapsed());
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        times
    });
    let mut times: Vec<Duration> = futures_util::future::join_all(visits).await.into_iter().flatten().collect();
    times.sort();
    times
}

#[tokio::test]
#[ignore = "takes long in an unoptimised build: make prove"]
async fn a_list_of_a_million_entries_is_replaced_under_load_and_nobody_waits_for_it() {
    let upstream = Upstream::start();
    let none = |authority: &Authority| authority.large_list(std::iter::empty());
    let (gate, _) = start(&upstream, |setup| (none(&setup.pki.root), setup.pki.people.large_list(serials())), "DER");
    let brief = Instant::now();
    let before = load(&gate, || brief.elapsed() > Duration::from_secs(5)).await;
    let bob = gate.pki.person("bob");
    let half = gate.folder().join(".half-written");
    std::fs::write(&half, gate.pki.people.large_list(serials().skip(1000).chain([bob.serial()]))).unwrap();
    std::fs::rename(half, gate.folder().join("people.crl")).unwrap();
    let published = Instant::now();
    let log = std::sync::Mutex::new((Instant::now(), false));
    let taken_up = || {
        let mut log = log.lock().unwrap();
        // The log is long, and whoever reads it makes no requests.
        if !log.1 && log.0.elapsed() > Duration::from_millis(50) {
            *log = (Instant::now(), gate.log().contains("revocation list taken up"));
        }
        log.1
    };
    let meanwhile = load(&gate, taken_up).await;
    let took = published.elapsed();
    for (what, times) in [("before", &before), ("meanwhile", &meanwhile)] {
        let (count, longest) = (times.len(), times[times.len() - 1]);
        let (median, p99) = (times[count / 2], times[count * 99 / 100]);
        println!("{what:>10}: {count} requests, median {median:.1?}, p99 {p99:.1?}, longest {longest:.1?}");
    }
    println!("the list counted after {took:.0?}");
    assert!(gate.client().with(&bob).get("/").await.text().contains("certificate_revoked"));
    assert!(meanwhile[meanwhile.len() * 99 / 100] < Duration::from_millis(50));
    assert!(took < Duration::from_secs(5));
}
