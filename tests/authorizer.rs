//! Another front asks whether its requests may pass: in every form in which fronts write certificates, and as whoever would
//! like to be the front. Real fronts ask in `tests/fronts`.
#![cfg(test)]

mod common;

use common::front::{SECRET, base64, escaped, nginx_form, setup};
use common::gate::{Gate, unused_address};
use common::pki::{Authority, Credential, Leaf};
use common::setup::Setup;
use common::upstream::Upstream;
use common::{digest, eventually, store};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const PROVED: (&str, &str) = ("X-Wicketgate-Front", SECRET);
const FROM: &str = "from: { secret: { value: { file: front.secret } } }";
/// What the application behind the front is told.
const TOLD: [&str; 5] = ["remote-user", "remote-email", "remote-name", "remote-groups", "x-client-verify"];

/// What a question is answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// All values of a header.
    fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The value of a header that is there once.
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.head);
        all[0]
    }

    /// That it turns the question away for this reason, and names nobody.
    #[track_caller]
    fn refuses(&self, status: u16, reason: &str) {
        assert_eq!(self.status, status, "{}{}", self.head, self.body);
        assert!(self.body.contains(reason), "{reason}: {}", self.body);
        for name in TOLD {
            assert!(self.all(name).is_empty(), "{}", self.head);
        }
    }
}

/// Asks something, exactly so.
fn ask_for(address: SocketAddr, line: &str, fields: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in fields {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    let text = String::from_utf8(octets).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = common::raw::status(&text);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Asks about a GET of a target, as the front does, with these fields besides.
fn ask(address: SocketAddr, target: &str, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![
        ("Host", "127.0.0.1"),
        PROVED,
        ("X-Original-Method", "GET"),
        ("X-Original-Host", "app.example.org"),
        ("X-Original-URI", target),
    ];
    all.extend_from_slice(fields);
    ask_for(address, "GET /", &all)
}

/// A listener that a front asks.
fn asked(name: &str, authorizer: &str) -> (SocketAddr, String) {
    let address = unused_address();
    let listener = format!(
        "{{ name: {name}, address: \"{address}\", tls: off, trust: staff, forwarded: {{ from: [127.0.0.1] }}, \
         authorizer: {{ {authorizer} }} }}"
    );
    (address, listener)
}

/// A gate that a front asks, in the form of nginx with all statuses.
fn gate(upstream: &Upstream, change: impl FnOnce(Setup) -> Setup) -> (Gate, SocketAddr) {
    let (address, listener) = asked("front", &format!("form: nginx, statuses: all, {FROM}"));
    (change(setup(upstream).another_listener(&listener)).start(), address)
}

#[test]
fn every_form_of_a_certificate_leads_to_its_account() {
    let upstream = Upstream::start();
    let forms = ["rfc9440", "nginx", "haproxy", "traefik", "envoy"];
    let mut setup = setup(&upstream)
        // Where the front passes the chain on, nothing is needed in between.
        .section("trust", "{ staff: { authorities: [ca.pem] } }");
    let mut addresses = Vec::new();
    for form in forms {
        let (address, listener) = asked(form, &format!("form: {form}, request: original, statuses: all, {FROM}"));
        addresses.push(address);
        setup = setup.another_listener(&listener);
    }
    let setup = setup.section("trust", "{ staff: { authorities: [ca.pem, people.pem] } }");
    let gate = setup.start();
    let alice = gate.pki.person("alice");
    let stranger = Authority::root("Stranger").issue(Leaf::person("alice@example.org"));
    for credential in [&alice, &stranger] {
        let (own, issuer) = (&credential.chain[0], credential.chain.get(1));
        let sequence = |der: &[u8]| format!(":{}:", base64(der));
        let chain: Vec<String> = credential.chain.iter().map(|der| base64(der)).collect();
        let whole = escaped(&credential.chain_pem());
        let written: [Vec<(&str, String)>; 5] = [
            std::iter::once(("Client-Cert", sequence(own)))
                .chain(issuer.map(|der| ("Client-Cert-Chain", sequence(der))))
                .collect(),
            vec![("X-SSL-Client-Cert", nginx_form(credential))],
            std::iter::once(("X-SSL-Client-Der", base64(own)))
                .chain(issuer.map(|der| ("X-SSL-Client-Chain-Der", base64(der))))
                .collect(),
            vec![("X-Forwarded-Tls-Client-Cert", chain.join(","))],
            vec![("X-Forwarded-Client-Cert", format!("Hash=00;Chain=\"{whole}\";Subject=\"CN=a\""))],
        ];
        for ((address, written), form) in addresses.iter().zip(&written).zip(forms) {
            let fields: Vec<(&str, &str)> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = ask(*address, "/a", &fields);
            if std::ptr::eq(credential, &alice) {
                assert_eq!(answer.status, 200, "{form}: {}{}", answer.head, answer.body);
                assert_eq!(answer.header("remote-user"), "alice", "{form}");
                assert_eq!(answer.header("remote-email"), "alice@example.org", "{form}");
                assert_eq!(answer.header("x-client-verify"), "SUCCESS", "{form}");
                assert_eq!((answer.header("content-length"), answer.body.as_str()), ("0", ""), "{form}");
            } else {
                answer.refuses(403, "certificate_untrusted");
            }
        }
    }
    for (address, form) in addresses.iter().zip(forms) {
        ask(*address, "/a", &[]).refuses(403, "certificate_required");
        let name = [
            "Client-Cert",
            "X-SSL-Client-Cert",
            "X-SSL-Client-Der",
            "X-Forwarded-Tls-Client-Cert",
            "X-Forwarded-Client-Cert",
        ][forms.iter().position(|other| *other == form).unwrap()];
        ask(*address, "/a", &[(name, "")]).refuses(403, "certificate_required");
        ask(*address, "/a", &[(name, "nonsense")]).refuses(400, "bad_request");
    }
    assert!(upstream.requests().is_empty(), "nothing is sent on");
}

#[test]
fn nobody_is_answered_who_does_not_prove_to_be_the_front() {
    let upstream = Upstream::start();
    let (gate, address) = gate(&upstream, |setup| setup.open_to_all());
    let alice = nginx_form(&gate.pki.person("alice"));
    let about = [
        ("Host", "127.0.0.1"),
        ("X-Original-Method", "GET"),
        ("X-Original-Host", "app.example.org"),
        ("X-Original-URI", "/"),
        ("X-SSL-Client-Cert", alice.as_str()),
    ];
    let with = |secrets: &[&str]| {
        let secrets: Vec<(&str, &str)> = secrets.iter().map(|secret| ("X-Wicketgate-Front", *secret)).collect();
        ask_for(address, "GET /", &[&about[..], &secrets].concat())
    };
    assert_eq!(with(&[SECRET]).header("remote-user"), "alice");
    for secrets in
        [&[][..], &[""], &["guess"], &[&SECRET[1..]], &[SECRET, SECRET], &["guess", SECRET], &[&SECRET.to_uppercase()]]
    {
        with(secrets).refuses(403, "not_authorized");
    }
    // Nor is anybody on record as who they say that they are.
    ask_for(address, "GET /", &[&about[..], &[("X-Forwarded-For", "192.0.2.7")]].concat())
        .refuses(403, "not_authorized");
    gate.log_line(&["not_authorized", "sends no secret"]);
    gate.log_line(&["not_authorized", "its secret is another one"]);
    gate.log_line(&["not_authorized", "sends its secret twice"]);
    assert!(!gate.log().contains(SECRET), "a secret stands in the log");
    assert!(!gate.log().contains("192.0.2.7"), "a stranger says where it comes from: {}", gate.log());
    assert!(!gate.log().contains("alice@"), "nothing was looked into that somebody else says: {}", gate.log());
}

#[test]
fn whoever_has_not_proved_to_be_the_front_says_nobodys_address_in_the_access_log() {
    let upstream = Upstream::start();
    let (gate, address) = gate(&upstream, |setup| setup.section("log", "{ access: { path: access.log } }"));
    // Each question has a target of its own, by which its line is found.
    let asked = |target: &str, fields: &[(&str, &str)]| {
        let about = [
            ("Host", "127.0.0.1"),
            ("X-Original-Method", "GET"),
            ("X-Original-Host", "app.example.org"),
            ("X-Original-URI", target),
            ("X-Forwarded-For", "192.0.2.7"),
        ];
        ask_for(address, &format!("GET {target}"), &[&about[..], fields].concat()).status
    };
    type Fields<'f> = &'f [(&'f str, &'f str)];
    let questions: [(&str, Fields<'_>, u16, &str); 6] = [
        ("/proved", &[PROVED], 403, "192.0.2.7"),
        // It is the front that asks what cannot be read: where it comes from is still the front's word.
        ("/proved-and-unreadable", &[PROVED, ("Client-Cert", ":AAAA:")], 400, "192.0.2.7"),
        ("/without-a-secret", &[], 403, "127.0.0.1"),
        ("/with-another-secret", &[("X-Wicketgate-Front", "guess")], 403, "127.0.0.1"),
        ("/with-two-secrets", &[PROVED, PROVED], 403, "127.0.0.1"),
        ("/with-a-body-of-unknown-form", &[PROVED, ("Transfer-Encoding", "gzip, chunked")], 400, "127.0.0.1"),
    ];
    for (target, fields, status, _) in questions {
        assert_eq!(asked(target, fields), status, "{target}");
    }
    let lines = eventually("a line in the access log for each question", || {
        let text = std::fs::read_to_string(gate.folder().join("access.log")).ok()?;
        let lines: Result<Vec<serde_json::Value>, _> = text.lines().map(serde_json::from_str).collect();
        lines.ok().filter(|lines| lines.len() == questions.len())
    });
    for (target, _, _, from) in questions {
        let line = lines.iter().find(|line| line["request_uri"] == target).unwrap();
        assert_eq!(line["remote_addr"], from, "{line}");
        let via = line["via"].as_str().is_some_and(|via| via.starts_with("127.0.0.1:"));
        assert_eq!(via, from != "127.0.0.1", "only who came through somebody has come through somebody: {line}");
    }
}

#[test]
fn a_header_that_a_client_gets_past_its_front_is_no_way_in() {
    let upstream = Upstream::start();
    let (gate, address) = gate(&upstream, |setup| setup.account("bob", &["--email", "bob@example.org"]));
    let (alice, bob) = (nginx_form(&gate.pki.person("alice")), nginx_form(&gate.pki.person("bob")));
    let cert = |value| ("X-SSL-Client-Cert", value);
    assert_eq!(ask(address, "/", &[cert(alice.as_str())]).header("remote-user"), "alice");
    let sequence = format!(":{}:", base64(&gate.pki.person("bob").chain[0]));
    // What the front says, and what its client has added to it.
    let smuggled: &[&[(&str, &str)]] = &[
        &[cert(&alice), cert(&bob)],
        &[cert(&bob), cert(&alice)],
        &[cert(""), cert(&bob)],
        &[cert(&alice), ("X_SSL_Client_Cert", &bob)],
        &[cert(""), ("X_SSL_Client_Cert", &bob)],
        &[("Client-Cert", &sequence)],
        &[cert(&alice), ("Client-Cert", &sequence)],
        &[("X-Forwarded-Client-Cert", &bob)],
        &[cert(&alice), ("X-Original-URI", "/elsewhere")],
        &[cert(&alice), ("X-Original-Host", "elsewhere.example.org")],
        &[cert(&alice), ("X-Original-Method", "DELETE")],
        &[cert(&alice), ("X_Original_URI", "/elsewhere")],
    ];
    for fields in smuggled {
        ask(address, "/", fields).refuses(400, "bad_request");
    }
    gate.log_line(&["bad_request", "x-ssl-client-cert stands there twice"]);
    gate.log_line(&["bad_request", "client-cert came with the question"]);
    // What says who somebody is, or that a certificate is good, is not read at all.
    let said = [
        ("Remote-User", "bob"),
        ("X-Client-Verify", "SUCCESS"),
        ("X-SSL-Client-Verify", "SUCCESS"),
        ("X-Remote-User", "bob"),
    ];
    ask(address, "/", &said).refuses(403, "certificate_required");
    let answer = ask(address, "/", &[&said[..], &[cert(&alice)]].concat());
    assert_eq!((answer.header("remote-user"), answer.header("x-client-verify")), ("alice", "SUCCESS"));
}

#[test]
fn a_certificate_counts_no_longer_through_a_front_once_it_is_revoked() {
    let upstream = Upstream::start();
    let (gate, address) = gate(&upstream, |setup| setup.account("bob", &["--email", "bob@example.org"]));
    let (alice, bob) = (gate.pki.person("alice"), gate.pki.person("bob"));
    let (asks_alice, asks_bob) = (nginx_form(&alice), nginx_form(&bob));
    let status = |certificate: &str| ask(address, "/", &[("X-SSL-Client-Cert", certificate)]).status;
    for _ in 0..3 {
        assert_eq!((status(&asks_alice), status(&asks_bob)), (200, 200));
    }
    tokio::runtime::Runtime::new().unwrap().block_on(store::revoke(&gate, &alice));
    let since = Instant::now();
    while status(&asks_alice) != 403 {
        assert!(since.elapsed() < common::PATIENCE, "still let in");
    }
    ask(address, "/", &[("X-SSL-Client-Cert", &asks_alice)]).refuses(403, "certificate_revoked");
    assert_eq!(status(&asks_bob), 200);
    gate.wicketgate(&["account", "lock", "bob"]);
    eventually("bob to be locked out", || (status(&asks_bob) == 403).then_some(()));
    ask(address, "/", &[("X-SSL-Client-Cert", &asks_bob)]).refuses(403, "account_inactive");
    gate.wicketgate(&["account", "unlock", "bob"]);
    eventually("bob to be let in", || (status(&asks_bob) == 200).then_some(()));
}

#[test]
fn the_routes_decide_as_they_would_for_the_request_itself() {
    let upstream = Upstream::start();
    let routes = "[{ host: app.example.org, path: /, upstream: app }, \
                   { host: app.example.org, path: /staff, allow: { groups: [staff] }, upstream: app }, \
                   { host: app.example.org, path: /public, anonymous: allow, upstream: app }, \
                   { host: app.example.org, path: /login, anonymous: { redirect: /welcome }, upstream: app }, \
                   { host: app.example.org, path: /moved, anonymous: allow, upstream: { redirect: 'https://new.example.org/' } }, \
                   { host: app.example.org, path: /gone, anonymous: allow, upstream: { respond: { status: 410, body: gone } } }, \
                   { host: app.example.org, path: /own, anonymous: allow, upstream: { respond: { body: mine } } }, \
                   { host: app.example.org, path: /near, anonymous: allow, allow: { addresses: [192.0.2.7] }, upstream: app }, \
                   { host: other.example.org, anonymous: allow, upstream: app }]";
    let (gate, address) = gate(&upstream, |setup| {
        let plain = setup.upstream("headers", "{ user: X-User, client_cert: rfc9440 }").section("routes", routes);
        plain.another_listener(&asked("nginx", &format!("form: nginx, {FROM}")).1)
    });
    let alice = nginx_form(&gate.pki.person("alice"));
    let cert = ("X-SSL-Client-Cert", alice.as_str());
    for (target, with_certificate, status, says) in [
        ("/", true, 200, ""),
        ("/", false, 403, "certificate_required"),
        ("/staff", true, 403, "not_authorized"),
        // The front sends the path on as it came, and its application may find another route by it.
        ("/public/../staff", true, 400, "bad_request"),
        ("/secret/../public/x", false, 400, "bad_request"),
        ("/public//../secret", true, 400, "bad_request"),
        ("/public/%2e%2e/", false, 400, "bad_request"),
        ("/public/.", false, 400, "bad_request"),
        ("//public", false, 400, "bad_request"),
        ("/public//x", false, 400, "bad_request"),
        ("/%70ublic", false, 400, "bad_request"),
        ("/public/%7Ea", false, 400, "bad_request"),
        ("/public/%c3%bc%20[a]%2520.b", false, 200, ""),
        ("/public/..;/", false, 400, "bad_request"),
        ("/public%2f..%2f", false, 400, "bad_request"),
        ("/public/..%5c", false, 400, "bad_request"),
        ("/public?a=/../", false, 200, ""),
        ("/login", false, 302, ""),
        ("/login", true, 200, ""),
        ("/moved", true, 302, ""),
        ("/gone", false, 410, "gone"),
        // The front would take it for leave to pass.
        ("/own", false, 404, "no_route"),
        ("/near", true, 403, "not_authorized"),
        ("/.well-known/wicketgate/jwks.json", true, 404, "no_route"),
        ("https://app.example.org/public", false, 400, "bad_request"),
        ("*", false, 400, "bad_request"),
    ] {
        let fields = if with_certificate { &[cert][..] } else { &[] };
        let answer = ask(address, target, fields);
        assert_eq!(answer.status, status, "{target}: {}{}", answer.head, answer.body);
        assert!(answer.body.contains(says), "{target}: {}", answer.body);
    }
    assert_eq!(ask(address, "/login", &[]).header("location"), "/welcome");
    let forwarded = ask(address, "/near", &[("X-Forwarded-For", "192.0.2.7")]);
    assert_eq!(
        (forwarded.status, forwarded.header("x-user")),
        (200, ""),
        "a field that is to be nobody's is said to be so"
    );
    let told = ask(address, "/", &[cert]);
    assert_eq!((told.header("x-user"), told.header("client-cert-chain").is_empty()), ("alice", false));
    assert!(told.header("client-cert").starts_with(":MII"), "{}", told.head);
    // A host is one that the front says, and none that its client says besides.
    let at = |host: &str| {
        let fields = [
            ("Host", "app.example.org"),
            PROVED,
            ("X-Original-Method", "GET"),
            ("X-Original-URI", "/"),
            ("X-Original-Host", host),
        ];
        ask_for(address, "GET /", &fields)
    };
    assert_eq!(at("other.example.org").status, 200);
    assert_eq!(at("OTHER.example.org:8443").status, 200);
    at("unknown.example.org").refuses(404, "no_route");
    at("app.example.org, other.example.org").refuses(400, "bad_request");
    at("other.example.org/").refuses(400, "bad_request");
    at("").refuses(400, "bad_request");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_front_of_few_words_is_told_in_the_statuses_that_it_has() {
    let upstream = Upstream::start();
    let (address, listener) = asked("front", &format!("form: nginx, {FROM}"));
    let routes = "[{ path: /, anonymous: { redirect: /welcome }, upstream: app }, \
                   { host: app.example.org, path: /closed, upstream: app }]";
    let gate = setup(&upstream).another_listener(&listener).section("routes", routes).start();
    let told = |target: &str, certificate: &str| {
        let answer = ask(address, target, &[("X-SSL-Client-Cert", certificate)]);
        (answer.status, answer.all("x-wicketgate-status").join(","), answer.all("location").join(","))
    };
    let alice = nginx_form(&gate.pki.person("alice"));
    let expected = |status, exact: &str, location: &str| (status, exact.to_owned(), location.to_owned());
    assert_eq!(told("/", &alice), expected(200, "", ""));
    assert_eq!(told("/", ""), expected(403, "302", "/welcome"));
    assert_eq!(told("/closed", "-"), expected(403, "", ""));
    assert_eq!(told("/%2f", &alice), expected(403, "400", ""));
    assert_eq!(told("/", "x"), expected(403, "400", ""));
}

#[test]
fn a_password_is_asked_for_and_verified_through_a_front_but_never_with_a_body() {
    let upstream = Upstream::start();
    let (gate, address) = gate(&upstream, |setup| {
        setup
            .section("routes", "[{ path: /, authenticate: [certificate, digest], upstream: app }]")
            .section("digest", "{ realm: example.org, algorithms: [SHA-256], auth_int: { limit: 64KiB } }")
    });
    digest::set_password(&gate, &[]);
    let answer = ask(address, "/a?b=c", &[]);
    answer.refuses(401, "certificate_required");
    let challenge = answer.header("www-authenticate").to_owned();
    assert!(challenge.contains("qop=\"auth\"") && !challenge.contains("auth-int"), "{challenge}");
    let sent = |challenge: &str, target: &str, body: bool| {
        use wicketgate::auth::digest::client::{Offer, Outgoing, Session};
        let challenge = if body { challenge.replace("qop=\"auth\"", "qop=\"auth-int\"") } else { challenge.to_owned() };
        let offer = Offer::all([challenge.as_bytes()]).pop().unwrap();
        let ha1 = digest::ha1_of("alice", digest::PASSWORD, &offer);
        let mut session = Session::new(offer);
        let outgoing = Outgoing { method: "GET", uri: target, cnonce: "0a4f113b", body: body.then_some(b"") };
        session.authorization("alice", &ha1, &outgoing).unwrap()
    };
    let authorization = sent(&challenge, "/a?b=c", false);
    let answer = ask(address, "/a?b=c", &[("Authorization", &authorization)]);
    assert_eq!((answer.status, answer.all("remote-user")), (200, vec!["alice"]), "{}{}", answer.head, answer.body);
    assert!(answer.header("authentication-info").contains("rspauth"), "{}", answer.head);
    assert_eq!(answer.header("x-client-verify"), "NONE");
    ask(address, "/a?b=c", &[("Authorization", &authorization)]).refuses(401, "digest_failed");
    let elsewhere = sent(ask(address, "/", &[]).header("www-authenticate"), "/a", false);
    let answer = ask(address, "/b", &[("Authorization", &elsewhere)]);
    assert_ne!(answer.status, 200, "credentials for /a let into /b");
    let with_body = sent(&challenge, "/a?b=c", true);
    ask(address, "/a?b=c", &[("Authorization", &with_body)]).refuses(401, "digest_failed");
    gate.log_line(&["auth_int_not_offered"]);
    // A certificate that is refused is not rescued by a password.
    let stranger = nginx_form(&Authority::root("Stranger").issue(Leaf::person("alice@example.org")));
    let fresh = sent(ask(address, "/", &[]).header("www-authenticate"), "/", false);
    let fields = [("Authorization", fresh.as_str()), ("X-SSL-Client-Cert", stranger.as_str())];
    ask(address, "/", &fields).refuses(403, "certificate_untrusted");
}

#[test]
fn head_and_every_other_method_are_asked_about_by_get() {
    let upstream = Upstream::start();
    let (_gate, address) = gate(&upstream, |setup| setup);
    let about = |line: &str, method: &str| {
        let fields =
            [("Host", "a"), PROVED, ("X-Original-Host", "a"), ("X-Original-URI", "/"), ("X-Original-Method", method)];
        ask_for(address, line, &fields)
    };
    for method in ["GET", "POST", "HEAD", "PROPFIND"] {
        let answer = about("GET /", method);
        assert_eq!((answer.status, answer.body.is_empty()), (403, method == "HEAD"), "{method}: {}", answer.head);
        assert!(answer.header("content-length") == answer.body.len().to_string(), "{method}: {}", answer.head);
    }
    assert_eq!(about("HEAD /", "GET").body, "");
    assert_eq!((about("GET /", "CONNECT").status, about("GET /", "TRACE").status), (400, 400));
}

#[tokio::test]
async fn a_front_may_show_a_certificate_of_its_own() {
    let upstream = Upstream::start();
    let fronts = Authority::root("Fronts");
    let (address, name) = (unused_address(), "front.internal.example");
    let listener = format!(
        "{{ name: front, address: \"{address}\", trust: staff, forwarded: {{ from: [127.0.0.1] }}, \
         tls: {{ certificates: [{{ chain: server.pem, key: server.key }}] }}, \
         authorizer: {{ form: nginx, request: itself, prefix: /check, statuses: all, \
                        from: {{ certificate: {{ trust: fronts, names: [{name}] }} }} }} }}"
    );
    let gate = setup(&upstream)
        .another_listener(&listener)
        .file("fronts.pem", &fronts.pem())
        .section(
            "trust",
            "{ staff: { authorities: [ca.pem], intermediates: [people.pem] }, fronts: { authorities: [fronts.pem] } }",
        )
        .start();
    let alice = nginx_form(&gate.pki.person("alice"));
    let front = fronts.issue(Leaf::client("front").dns("other.example").dns(name));
    let question = |target: &str| {
        http::Request::get(target).header("x-ssl-client-cert", &alice).body(common::client::empty()).unwrap()
    };
    let client = gate.client().at(address);
    for (version, mut connection) in client.clone().with(&front).both().await {
        let answer = connection.send(question("/check/a")).await;
        assert_eq!((answer.status, answer.header("remote-user")), (200, "alice"), "{version}: {}", answer.text());
        assert_eq!(connection.send(question("/a")).await.status, 400, "{version}");
        assert_eq!(connection.send(question("/checked")).await.status, 400, "{version}");
    }
    // Alice herself has a good certificate, which is none of a front's.
    let strangers = [
        ("issued by others", gate.pki.person("alice")),
        ("for another name", fronts.issue(Leaf::client("front").dns("other.example"))),
        ("for a name that is like it", fronts.issue(Leaf::client(name).dns(&format!("x.{name}")))),
        ("over", fronts.issue(Leaf::client("front").dns(name).expired())),
    ];
    for (what, credential) in strangers {
        let mut connection = client.clone().with(&credential).http1().await.unwrap();
        let answer = connection.send(question("/check/a")).await;
        assert_eq!((answer.status, answer.header("remote-user")), (403, ""), "{what}: {}", answer.text());
    }
    let none = client.http1().await;
    let refused = match none {
        Ok(mut connection) => connection.try_send(question("/check/a")).await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "a front without a certificate was answered");
    // The certificate of a front is revoked like any other, also for the connection that it has.
    let mut open = client.clone().with(&front).http1().await.unwrap();
    assert_eq!(open.send(question("/check/a")).await.status, 200);
    let with_issuer = Credential {
        chain: vec![front.chain[0].clone(), fronts.der()],
        leaf_pem: String::new(),
        key_pem: String::new(),
    };
    store::revoke(&gate, &with_issuer).await;
    let since = Instant::now();
    while open.send(question("/check/a")).await.status != 403 {
        assert!(since.elapsed() < common::PATIENCE, "a revoked front is still answered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The processor time that a process has used, in milliseconds.
fn processor_time(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // User and system time, in hundredths of a second.
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

#[test]
#[ignore = "make prove: it measures"]
fn a_question_about_a_known_certificate_costs_little() {
    const QUESTIONS: u32 = 20_000;
    let upstream = Upstream::start();
    let (gate, address) = gate(&upstream, |setup| setup.section("routes", "[{ path: /, upstream: app }]"));
    let people: Vec<String> = (0..200).map(|_| nginx_form(&gate.pki.person("alice"))).collect();
    println!(
        "| questions of a front, on one connection | wall time each | processor time of the gate each |\n|---|---|---|"
    );
    for (what, known) in [("about one certificate", 1), ("about 200 certificates in turn", people.len())] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = vec![0; 4096];
        let (since, before) = (Instant::now(), processor_time(gate.process.id()));
        for certificate in people.iter().take(known).cycle().take(QUESTIONS as usize) {
            let question = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nX-Wicketgate-Front: {SECRET}\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n\
                 X-Original-Host: a\r\nX-SSL-Client-Cert: {certificate}\r\n\r\n"
            );
            stream.write_all(question.as_bytes()).unwrap();
            let read = stream.read(&mut buffer).unwrap();
            assert!(buffer[..read].starts_with(b"HTTP/1.1 200 ") && buffer[..read].ends_with(b"\r\n\r\n"));
        }
        let (wall, processor) = (since.elapsed(), processor_time(gate.process.id()) - before);
        let each = |milliseconds: f64| milliseconds * 1000.0 / f64::from(QUESTIONS);
        let processor = each(f64::from(u32::try_from(processor).unwrap()));
        println!("| {what} | {:.1} us | {processor:.1} us |", each(wall.as_secs_f64() * 1000.0));
    }
}
