//! Two gates of two domains that ask each other, on the examples that the manual explains.
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Authority, Credential, Leaf};
use common::setup::Setup;
use common::upstream::Upstream;
use std::process::Command;

/// HA1 of `b.example:a.example:PASSWORD` by SHA-256, as the manual says to make it.
fn hash(user: &str, realm: &str, password: &str) -> String {
    let command = format!("printf '%s' '{user}:{realm}:{password}' | sha256sum");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// The domain `ours`, before its directory. Its gate will find that of `theirs` at an address that is not known yet.
fn domain(ours: &str, theirs: &str, directory: &Upstream) -> Setup {
    let server = format!("http://{}", directory.address());
    let (our_host, their_host) = (format!("directory.{ours}.example"), format!("directory.{theirs}.example"));
    let tls = format!("tls: {{ ca: {theirs}-ca.pem");
    let exchange = [
        ("http://10.0.0.5:8080", server.as_str()),
        // The tests' server certificates are for names below example.org.
        (&our_host, &format!("{ours}.example.org")),
        (&their_host, &format!("{theirs}.example.org")),
        (&tls, &format!("tls: {{ name: gate.example.org, ca: {theirs}-ca.pem")),
    ];
    let setup = Setup::before(directory).example(&format!("peers/{ours}.example.yaml"), &exchange);
    let gate = setup.pki.root.issue(Leaf::client("gate").dns(&format!("gate.{ours}.example")));
    setup
        .credential("gate-client", &gate)
        .file("nonce.secret", &"0123456789abcdef".repeat(2))
        .file(&format!("{theirs}.md5"), &"0".repeat(32))
        .file(&format!("at-{theirs}.md5"), &"0".repeat(32))
        .file(
            &format!("at-{theirs}.ha1"),
            &hash(&format!("{ours}.example"), &format!("{theirs}.example"), "between us"),
        )
        .file(&format!("{theirs}.ha1"), &hash(&format!("{theirs}.example"), &format!("{ours}.example"), "between us"))
        .account("carol", &["--email", "carol@example.org", "--group", "staff"])
        .account("alice2", &["--email", "alice2@example.org"])
}

/// Tells a gate where the other one is.
async fn meet(gate: &Gate, theirs: &str, other: &Gate) {
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(&format!("https://gate.{theirs}.example"), &format!("https://{}", other.address));
    std::fs::write(&file, text).unwrap();
    gate.reload();
    let carol = gate.client().with(&gate.pki.person("carol")).named(&format!("{theirs}.example.org"));
    gate.until(&carol, "the directory").await;
}

/// Both domains, who know each other, with the directories behind them.
async fn both() -> [(Gate, Upstream); 2] {
    let directory = |of: &'static str| {
        Upstream::answering(move |exchange| {
            if exchange.read_body().is_ok() {
                exchange.answer(&format!("the directory of {of}"));
            }
        })
    };
    let directories = [directory("a"), directory("b")];
    let (a, b) = (domain("a", "b", &directories[0]), domain("b", "a", &directories[1]));
    let (of_a, of_b) = (a.pki.root.pem(), b.pki.root.pem());
    let (a, b) = (a.file("b-ca.pem", &of_b).start(), b.file("a-ca.pem", &of_a).start());
    meet(&a, "b", &b).await;
    meet(&b, "a", &a).await;
    let [first, second] = directories;
    [(a, first), (b, second)]
}

#[tokio::test]
async fn the_gates_of_two_domains_ask_each_other_one_by_certificate_and_one_by_digest() {
    let [(a, directory_of_a), (b, directory_of_b)] = both().await;
    for (gate, theirs, directory) in [(&a, "b", &directory_of_b), (&b, "a", &directory_of_a)] {
        let ours = if theirs == "b" { "a" } else { "b" };
        let host = format!("{theirs}.example.org");
        let carol = gate.client().with(&gate.pki.person("carol")).named(&host);
        let answer = carol.get("/people?name=x").await;
        assert_eq!((answer.status, answer.text()), (200, format!("the directory of {theirs}")), "{}", gate.log());
        let seen = directory.last();
        assert_eq!(seen.target(), "/people?name=x");
        assert_eq!(seen.header("remote-user"), Some(format!("{ours}.example")), "the peer, and not who asked it");
        assert_eq!(seen.header("remote-groups").as_deref(), Some("peers"));
        // By what it was let in, each says in its own record; by Digest, nobody is asked twice.
        let (other, method) = if ours == "a" { (&b, "certificate") } else { (&a, "digest") };
        other.log_line(&[&format!("\"account\":\"{ours}.example\""), &format!("\"authentication\":\"{method}\"")]);
        // Whoever is not of the staff does not get that far.
        let before = directory.requests().len();
        let outsider = gate.client().with(&gate.pki.person("alice2")).named(&host);
        assert!(outsider.get("/people").await.says().contains("not_authorized"));
        assert_eq!(directory.requests().len(), before);
    }
}

#[tokio::test]
async fn a_peer_passes_where_it_is_named_and_nowhere_else() {
    let [(a, directory_of_a), (b, _)] = both().await;
    let visit = |credential: Credential, host: &'static str| {
        let client = a.client().with(&credential).named(host);
        async move { client.get("/").await.says() }
    };
    let of_b = |leaf: Leaf| b.pki.root.issue(leaf);
    let gate = || Leaf::client("gate").dns("gate.b.example");
    assert_eq!(visit(of_b(gate()), "a.example.org").await, "the directory of a");
    assert_eq!(visit(of_b(Leaf::client("gate.b.example")), "a.example.org").await, "the directory of a");
    let before = directory_of_a.requests().len();
    // Where it is not named, and where its authority is not trusted.
    assert!(visit(of_b(gate()), "b.example.org").await.contains("certificate_untrusted"));
    // The other domain's people are not its gate, whatever their common name.
    let person = Leaf::client("gate.b.example").email("carol@example.org");
    assert!(visit(of_b(person), "a.example.org").await.contains("issuer_not_allowed"));
    // Nor is whom our own authority calls so.
    let ours = a.pki.root.issue(gate());
    assert!(visit(ours.clone(), "a.example.org").await.contains("certificate_untrusted"));
    assert!(visit(ours, "b.example.org").await.contains("issuer_not_allowed"));
    let stranger = Authority::root("Stranger").issue(gate());
    assert!(visit(stranger, "a.example.org").await.contains("certificate_untrusted"));
    assert_eq!(directory_of_a.requests().len(), before);
}

#[tokio::test]
async fn a_peer_without_a_certificate_comes_in_by_the_hash_of_its_password() {
    let [(a, directory_of_a), _] = both().await;
    let port = a.address.port();
    let curl = |user: &str, host: &str| {
        let output = Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--digest", "-u", user, "--cacert"])
            .arg(a.folder().join("ca.pem"))
            .args(["--resolve", &format!("{host}:{port}:{}", a.address.ip())])
            .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
            .arg(format!("https://{host}:{port}/"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(curl("b.example:between us", "a.example.org"), "200", "{}", a.log());
    assert_eq!(directory_of_a.last().header("remote-user").as_deref(), Some("b.example"));
    let before = directory_of_a.requests().len();
    for (user, host, expected) in [
        ("b.example:another", "a.example.org", "401"),
        ("c.example:between us", "a.example.org", "401"),
        ("b.example:between us", "b.example.org", "403"),
    ] {
        assert_eq!(curl(user, host), expected, "{user} {host}");
    }
    assert_eq!(directory_of_a.requests().len(), before);
}

#[tokio::test]
async fn a_peer_that_is_taken_out_of_the_configuration_does_not_pass_any_more() {
    let [(a, _directory), (b, _)] = both().await;
    let peer = a.client().with(&b.pki.root.issue(Leaf::client("gate").dns("gate.b.example"))).named("a.example.org");
    let mut connection = peer.http1().await.unwrap();
    assert_eq!(connection.get("/").await.status, 200);
    let file = a.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("names: [gate.b.example]", "names: [gate.c.example]")).unwrap();
    a.reload();
    a.until(&peer, "identity_missing").await;
    assert!(connection.is_refused("identity_missing").await);
}
