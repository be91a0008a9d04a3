//! What the application is told of the client comes from the gate alone: nothing that a client sends, in
//! whatever spelling and wherever in the message, is taken for it.
#![cfg(test)]

mod common;

use common::client::{empty, full, get, streamed};
use common::setup::Setup;
use common::upstream::{Recorded, Upstream};
use http::{HeaderMap, Request};
use hyper::body::Frame;

/// Every name under which this gate speaks of a client, the other upstream's own among them.
const NAMES: [&str; 9] = [
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-Client-Verify",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Forwarded-Client-Cert",
    "X-Legacy-User",
];

/// A gate whose second upstream has a name of its own for the user.
fn setup(upstream: &Upstream) -> Setup {
    let legacy = "{ servers: [\"http://127.0.0.1:9\"], headers: { user: X-Legacy-User } }";
    Setup::before(upstream).other_upstream("legacy", legacy)
}

/// The spellings that a server behind the gate may take for the name: CGI makes `_` of `-`, some make it of every
/// other character as well.
fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for other in ["_", ".", "~", "!", "'"] {
        spellings.push(name.replace('-', other));
    }
    spellings.push(name.replacen('-', "_", 1).to_uppercase());
    spellings
}

/// All fields of a request that an application could take for one of the names, by the name.
fn taken_for_identity(request: &Recorded) -> Vec<(String, String)> {
    let canonical = |name: &str| {
        let dashed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        name.chars().map(dashed).collect::<String>()
    };
    let fields = request.head.lines().skip(1).chain(request.trailers.lines()).filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (canonical(name), value.trim().to_owned()))
        .filter(|(name, _)| NAMES.iter().any(|known| canonical(known) == *name))
        .collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn no_spelling_of_an_identity_header_gets_past_the_gate() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).open_to_all().start();
    for (version, mut connection) in gate.client().both().await {
        for spelling in NAMES.iter().flat_map(|name| spellings(name)) {
            let request = Request::get("/").header(&spelling, "admin").body(empty()).unwrap();
            let answer = connection.send(request).await;
            assert_eq!(answer.status, 200, "{spelling} over {version}");
            let told = taken_for_identity(&upstream.last());
            assert_eq!(told, pairs(&[("x-client-verify", "NONE")]), "{spelling} over {version}");
        }
    }
}

#[tokio::test]
async fn a_client_cannot_add_a_second_name_to_its_own() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let mut request = Request::get("/");
        for name in ["Remote-User", "remote_user", "REMOTE.USER", "Client-Cert", "X-Client-Verify"] {
            request = request.header(name, "admin").header(name, ":AAAA:");
        }
        assert_eq!(connection.send(request.body(empty()).unwrap()).await.status, 200, "{version}");
        let seen = upstream.last();
        assert_eq!(seen.header("remote-user").as_deref(), Some("alice"), "{version}");
        assert_eq!(seen.header("remote-email").as_deref(), Some("alice@example.org"), "{version}");
        assert!(!seen.head.contains("admin") && !seen.head.contains(":AAAA:"), "{version}: {}", seen.head);
    }
}

#[tokio::test]
async fn naming_an_identity_header_in_connection_does_not_remove_it() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut connection = gate.alice().http1().await.unwrap();
    for value in ["Remote-User", "keep-alive, remote-user, X-Client-Verify", "Remote_User"] {
        let request = Request::get("/").header("Connection", value).header("Remote-User", "admin");
        assert_eq!(connection.send(request.body(empty()).unwrap()).await.status, 200, "{value}");
        let seen = upstream.last();
        assert_eq!(seen.header("remote-user").as_deref(), Some("alice"), "{value}");
        assert_eq!(seen.header("x-client-verify").as_deref(), Some("SUCCESS"), "{value}");
    }
}

#[tokio::test]
async fn an_identity_header_in_a_trailer_is_dropped_and_its_neighbours_pass() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).open_to_all().start();
    for (version, mut connection) in gate.client().both().await {
        let (sender, body) = streamed();
        tokio::spawn(async move {
            let mut trailers = HeaderMap::new();
            for name in NAMES.iter().flat_map(|name| spellings(name)) {
                trailers.insert(http::HeaderName::try_from(name).unwrap(), "admin".parse().unwrap());
            }
            trailers.insert("x-checksum", "42".parse().unwrap());
            sender.send(Frame::data("body".into())).await.unwrap();
            sender.send(Frame::trailers(trailers)).await.unwrap();
        });
        // hyper sends only those trailers over HTTP/1.1 that the Trailer field announces.
        let announced: Vec<String> = NAMES.iter().flat_map(|name| spellings(name)).collect();
        let request = Request::post("/").header("Trailer", format!("x-checksum, {}", announced.join(", ")));
        let request = request.header("TE", "trailers").body(body).unwrap();
        assert_eq!(connection.send(request).await.status, 200, "{version}");
        let seen = upstream.last();
        assert_eq!(taken_for_identity(&seen), pairs(&[("x-client-verify", "NONE")]), "{version}");
        assert_eq!(seen.trailers.to_lowercase().trim(), "x-checksum: 42", "{version}");
    }
}

#[tokio::test]
async fn the_application_is_told_how_the_certificate_fared() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).open_to_all().start();
    let people = &gate.pki.people;
    let stranger = common::pki::Authority::root("Stranger").issue(common::pki::Leaf::person("alice@example.org"));
    let expired = people.issue(common::pki::Leaf::person("alice@example.org").expired());
    let cases = [
        (gate.client(), "NONE", None),
        (gate.alice(), "SUCCESS", Some("alice")),
        (gate.client().with(&gate.pki.person("nobody")), "FAILED:account_unknown", None),
        (gate.client().with(&stranger), "FAILED:certificate_untrusted", None),
        (gate.client().with(&expired), "FAILED:certificate_expired", None),
    ];
    for (client, verify, user) in cases {
        assert_eq!(client.get("/").await.status, 200, "{verify}");
        let seen = upstream.last();
        assert_eq!(seen.header("x-client-verify").as_deref(), Some(verify));
        assert_eq!(seen.header("remote-user").as_deref(), user, "{verify}");
    }
}

#[tokio::test]
async fn an_upstream_gets_the_names_and_the_certificate_it_asked_for() {
    use base64::Engine;
    let upstream = Upstream::start();
    let headers = "{ user: X-User, email: X-Mail, client_cert: rfc9440 }";
    let gate = Setup::before(&upstream).upstream("headers", headers).start();
    let alice = gate.pki.person("alice");
    assert_eq!(gate.client().with(&alice).get("/").await.status, 200);
    let seen = upstream.only();
    let item = |der: &[u8]| format!(":{}:", base64::engine::general_purpose::STANDARD.encode(der));
    assert_eq!(seen.header("x-user").as_deref(), Some("alice"));
    assert_eq!(seen.header("x-mail").as_deref(), Some("alice@example.org"));
    assert_eq!(seen.header("client-cert"), Some(item(&alice.chain[0])));
    assert_eq!(seen.header("client-cert-chain"), Some(item(&alice.chain[1])));
    assert_eq!(seen.header("remote-user"), None);
}

#[tokio::test]
async fn a_digest_password_never_reaches_the_application() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate, digest], upstream: app }, \
                   { path: /open, authenticate: [certificate], anonymous: allow, upstream: app }]";
    let gate = setup(&upstream).section("routes", routes).section("digest", "{ realm: example.org }").start();
    let digest = "Digest username=\"alice\", realm=\"example.org\", nonce=\"n\", uri=\"/\", response=\"r\"";
    let mut alice = gate.alice().http1().await.unwrap();
    for scheme in [digest, &digest.replace("Digest", "dIGEST")] {
        let request = Request::get("/").header("Authorization", scheme).body(empty()).unwrap();
        assert_eq!(alice.send(request).await.status, 200);
        assert_eq!(upstream.last().header("authorization"), None);
    }
    let request = Request::get("/open").header("Authorization", "Bearer of-the-application").body(empty()).unwrap();
    assert_eq!(alice.send(request).await.status, 200);
    assert_eq!(upstream.last().header("authorization").as_deref(), Some("Bearer of-the-application"));
}

#[tokio::test]
async fn two_people_on_two_connections_are_never_taken_for_each_other() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).account("bob", &["--email", "bob@example.org"]).start();
    let mut alice = gate.alice().http2().await.unwrap();
    let mut bob = gate.client().with(&gate.pki.person("bob")).http1().await.unwrap();
    for _ in 0..20 {
        alice.get("/of-alice").await;
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"));
        let request = Request::post("/of-bob").body(full("a body")).unwrap();
        bob.send(request).await;
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("bob"));
        alice.send(get("/of-alice")).await;
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"));
    }
}
