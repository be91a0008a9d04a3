//! The gate sends an OCSP answer along with its own certificate (RFC 6066, section 8), as `openssl s_client` sees
//! it, and never a bad one.
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Credential, Leaf, Pki};
use common::responder::{Responder, State};
use common::setup::Setup;
use common::upstream::Upstream;
use common::{PATIENCE, eventually};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TLS: &str = "certificates: [{ chain: server.pem, key: server.key }]";

/// What a client is shown in a handshake of this version about the gate's certificate.
fn shown(gate: &Gate, version: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-status", version, "-servername", "gate.example.org", "-connect"])
        .arg(gate.address.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_stapled(shown: &str) -> bool {
    let stapled = shown.contains("OCSP Response Status: successful") && shown.contains("Cert Status: good");
    assert!(stapled || shown.contains("OCSP response: no response sent"), "{shown}");
    stapled
}

/// A gate whose certificate comes from an authority that follows it in the chain, and a responder for it.
fn setup(upstream: &Upstream) -> (Setup, Responder) {
    let mut setup = Setup::before(upstream);
    let people = &setup.pki.people;
    let mut responder = Responder::start(people, &people.signer(), &[]);
    setup.pki.server = server(&setup.pki, &responder.url());
    responder.learns(&setup.pki.server, &State::Good);
    (setup.listener("tls", &format!("{{ {TLS}, stapling: {{ private_addresses: true }} }}")), responder)
}

fn server(pki: &Pki, responder: &str) -> Credential {
    pki.people.issue(Leaf::server(&["gate.example.org"]).responders(&[responder]))
}

#[test]
fn the_answer_about_the_gates_certificate_is_stapled_and_outlives_its_responder() {
    let upstream = Upstream::start();
    let (setup, responder) = setup(&upstream);
    let gate = setup.start();
    eventually("an answer to be stapled", || is_stapled(&shown(&gate, "-tls1_3")).then_some(()));
    assert!(is_stapled(&shown(&gate, "-tls1_2")));
    assert_eq!(responder.questions(), 1, "handshakes cost no question");

    drop(responder);
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    gate.log_line(&["no OCSP answer about our certificate"]);
    assert!(is_stapled(&shown(&gate, "-tls1_3")), "the last good answer stays until it runs out");
}

#[test]
fn no_answer_is_stapled_that_says_that_the_certificate_is_revoked() {
    let upstream = Upstream::start();
    let (setup, mut responder) = setup(&upstream);
    responder.learns(&setup.pki.server, &State::Revoked);
    let gate = setup.start();
    gate.log_line(&["no OCSP answer about our certificate", "revoked at 2026-01-01T00:00:00Z"]);
    assert!(!is_stapled(&shown(&gate, "-tls1_3")));
}

#[test]
fn an_answer_is_taken_back_when_the_certificate_is_revoked() {
    let upstream = Upstream::start();
    let (setup, mut responder) = setup(&upstream);
    let gate = setup.start();
    eventually("an answer to be stapled", || is_stapled(&shown(&gate, "-tls1_3")).then_some(()));
    responder.learns(&gate.pki.server, &State::Revoked);
    gate.reload();
    eventually("the answer to be taken back", || (!is_stapled(&shown(&gate, "-tls1_3"))).then_some(()));
}

#[test]
fn nobody_is_asked_where_stapling_is_off_or_the_address_is_private() {
    let upstream = Upstream::start();
    for stapling in ["false", "{ private_addresses: [10.0.0.0/8] }", "true"] {
        let (setup, responder) = setup(&upstream);
        let gate = setup.listener("tls", &format!("{{ {TLS}, stapling: {stapling} }}")).start();
        if stapling != "false" {
            gate.log_line(&["no OCSP answer about our certificate", "may not be connected to"]);
        }
        assert!(!is_stapled(&shown(&gate, "-tls1_3")));
        assert_eq!(responder.questions(), 0, "{stapling}");
    }
}

#[test]
fn a_handshake_does_not_wait_for_a_slow_responder() {
    let upstream = Upstream::start();
    let (setup, responder) = setup(&upstream);
    responder.delay(PATIENCE);
    let gate = setup.start();
    eventually("the question", || (responder.questions() == 1).then_some(()));
    let start = Instant::now();
    assert!(!is_stapled(&shown(&gate, "-tls1_3")));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_certificate_without_its_issuer_is_served_without_an_answer_and_that_is_said() {
    let upstream = Upstream::start();
    let mut setup = Setup::before(&upstream);
    let named = setup.pki.root.issue(Leaf::server(&["gate.example.org"]).responders(&["http://127.0.0.1:9/"]));
    setup.pki.server = named;
    let gate = setup.start();
    gate.log_line(&["no OCSP answer can be stapled", "issuer's certificate does not follow it"]);
    assert!(!is_stapled(&shown(&gate, "-tls1_3")));
}
