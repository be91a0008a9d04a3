//! What is asked of a client about its certificate, for each listener and host name: `off`, `want` and
//! `need`, by alert or by page, and that a request is served only under the policy that its session was made for.
#![cfg(test)]

mod common;

use common::client::{Client, get};
use common::gate::Gate;
use common::pki::{Authority, Leaf};
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use rustls::version::{TLS12, TLS13};

/// Whether the client gets an answer, and which; `None` where the handshake or the connection fails. With TLS 1.3 the
/// client learns of the alert only when it reads.
async fn outcome(client: &Client) -> Option<u16> {
    let mut connection = client.http1().await.ok()?;
    connection.try_send(get("/")).await.ok().map(|answer| answer.status)
}

fn stranger() -> common::pki::Credential {
    Authority::root("Stranger").issue(Leaf::person("alice@example.org"))
}

#[tokio::test]
async fn each_mode_treats_each_client_as_it_promises() {
    let upstream = Upstream::start();
    // mode, on_missing, on_rejected, then: no certificate, a good one, a stranger's.
    let cases = [
        ("off", None, None, [Some(403), Some(403), Some(403)]),
        ("want", None, None, [Some(403), Some(200), Some(403)]),
        ("want", None, Some("alert"), [Some(403), Some(200), None]),
        ("need", None, None, [None, Some(200), Some(403)]),
        ("need", Some("page"), None, [Some(403), Some(200), Some(403)]),
        ("need", Some("page"), Some("alert"), [Some(403), Some(200), None]),
        ("optional", None, None, [Some(403), Some(200), Some(403)]),
        ("\"on\"", None, None, [None, Some(200), Some(403)]),
        ("NeedClientAuth", None, None, [None, Some(200), Some(403)]),
        ("WantClientAuth", None, None, [Some(403), Some(200), Some(403)]),
        ("Disabled", None, None, [Some(403), Some(403), Some(403)]),
    ];
    for (mode, on_missing, on_rejected, expected) in cases {
        let mut setup = Setup::before(&upstream).listener("client_certificate", mode);
        if let Some(value) = on_missing {
            setup = setup.listener("on_missing_certificate", value);
        }
        if let Some(value) = on_rejected {
            setup = setup.listener("on_rejected_certificate", value);
        }
        let gate = setup.start();
        let stranger = stranger();
        for version in [&TLS12, &TLS13] {
            let clients = [gate.client(), gate.alice(), gate.client().with(&stranger)];
            for (client, expected) in clients.into_iter().zip(expected) {
                let got = outcome(&client.speaking(version)).await;
                assert_eq!(got, expected, "{mode} {on_missing:?} {on_rejected:?} {:?}", version.version);
            }
        }
    }
    assert!(upstream.requests().iter().all(|seen| seen.header("remote-user").as_deref() == Some("alice")));
}

#[tokio::test]
async fn a_handshake_that_fails_for_want_of_a_certificate_is_logged_with_its_name_and_address() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).listener("client_certificate", "need").start();
    assert_eq!(outcome(&gate.client()).await, None);
    gate.log_line(&["127.0.0.1", "gate.example.org", "certificate"]);
}

#[tokio::test]
async fn one_name_of_a_listener_may_ask_for_less() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate], anonymous: allow, upstream: app }]";
    let gate = Setup::before(&upstream)
        .listener("client_certificate", "need")
        .listener("hosts", "[{ name: public.example.org, client_certificate: \"off\" }]")
        .section("routes", routes)
        .start();
    assert_eq!(outcome(&gate.client()).await, None);
    assert_eq!(outcome(&gate.client().named("public.example.org")).await, Some(200));
    assert_eq!(upstream.last().header("x-client-verify").as_deref(), Some("NONE"));
    assert_eq!(outcome(&gate.alice()).await, Some(200));
    assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"));
    // A client of the public name is not asked, so its certificate stays with it.
    assert_eq!(outcome(&gate.alice().named("public.example.org")).await, Some(200));
    assert_eq!(upstream.last().header("remote-user"), None);
}

/// A gate with one name that wants a certificate, one that asks for none, one that trusts others and one that is
/// treated like the first.
fn with_several_policies(upstream: &Upstream) -> Gate {
    let setup = Setup::before(upstream);
    let partners = Authority::root("Partners");
    setup
        .file("partners.pem", &partners.pem())
        .section("trust", "{ staff: { authorities: [ca.pem] }, partners: { authorities: [partners.pem] } }")
        .listener(
            "hosts",
            "[{ name: public.example.org, client_certificate: \"off\" }, \
              { name: partners.example.org, trust: partners }, \
              { name: strict.example.org, on_rejected_certificate: alert }]",
        )
        .open_to_all()
        .start()
}

#[tokio::test]
async fn a_request_for_a_host_of_another_policy_is_misdirected() {
    let upstream = Upstream::start();
    let gate = with_several_policies(&upstream);
    for (session, host, expected) in [
        ("gate.example.org", "gate.example.org", 200),
        ("gate.example.org", "other.example.org", 200),
        ("other.example.org", "GATE.example.org:443", 200),
        ("public.example.org", "gate.example.org", 421),
        ("gate.example.org", "public.example.org", 421),
        ("gate.example.org", "partners.example.org", 421),
        ("partners.example.org", "gate.example.org", 421),
        ("gate.example.org", "strict.example.org", 421),
        ("public.example.org", "public.example.org", 200),
    ] {
        let before = upstream.requests().len();
        let client = gate.alice().named(session);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = Raw::exchange(&client, request);
        assert_eq!(status(&answer), expected, "{session} asked for {host} over HTTP/1.1: {answer}");

        // What a browser does that finds both names in one certificate: it sends both over one connection.
        let mut connection = client.http2().await.unwrap();
        let uri = format!("https://{}/", host.to_lowercase());
        let answer = connection.send(Request::get(uri).body(common::client::empty()).unwrap()).await;
        assert_eq!(answer.status, expected, "{session} asked for {host} over HTTP/2: {}", answer.text());
        assert_eq!(connection.get("/").await.status, 200, "the connection is still good for {session}");
        let after = upstream.requests().len() - before;
        assert_eq!(after, if expected == 200 { 3 } else { 1 }, "{session} asked for {host}");
    }
}

#[tokio::test]
async fn a_client_that_sends_no_name_is_served_under_the_policy_of_the_listener() {
    let upstream = Upstream::start();
    let gate = with_several_policies(&upstream);
    let mut config = gate.alice().config(&["http/1.1"]);
    config.enable_sni = false;
    let stream = gate.alice().tls_with(config).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (host, expected) in [("gate.example.org", 200), ("public.example.org", 421), ("unknown.example.com", 200)] {
        let request = Request::get("/").header("Host", host).body(common::client::empty()).unwrap();
        sender.ready().await.unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), expected, "{host}");
    }
}

#[tokio::test]
async fn the_authorities_that_a_browser_is_told_of_are_those_of_its_host() {
    let upstream = Upstream::start();
    let gate = with_several_policies(&upstream);
    let advertised = |name: &str| {
        let output = std::process::Command::new("openssl")
            .args(["s_client", "-connect", &gate.address.to_string(), "-servername", name])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_once("Acceptable client certificate CA names")
            .map(|(_, rest)| rest.lines().skip(1).take_while(|line| line.contains('=')).take(1).collect::<String>())
    };
    let staff = advertised("gate.example.org").unwrap();
    assert!(staff.contains("Example Root") && !staff.contains("Partners"), "{staff}");
    let partners = advertised("partners.example.org").unwrap();
    assert!(partners.contains("Partners") && !partners.contains("Example Root"), "{partners}");
    assert_eq!(advertised("public.example.org"), None);
}
