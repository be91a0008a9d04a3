//! What a revocation list of a million entries costs the running gate: memory, and time to start. Run by
//! `make prove`, in the build that is shipped.
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
