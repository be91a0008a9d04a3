//! What the gate signs for upstreams: what it says, that nobody else can say it, how often it is signed, and that
//! programs which know nothing of Wicketgate verify it by the published keys.
#![cfg(test)]

mod common;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use common::client::{Connection, empty, get};
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HEADER: &str = "x-wicketgate-assertion";
const KEYS: &str = "/.well-known/wicketgate/jwks.json";

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream)
        .section("assertion", "{ issuer: 'https://gate.example.org' }")
        .upstream("assertion", "{ audience: webmail }")
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The assertion that came with the last request.
fn asserted(upstream: &Upstream) -> String {
    upstream.last().header(HEADER).unwrap_or_else(|| panic!("no assertion came:\n{}", upstream.last().head))
}

/// Gets the page and gives the assertion that came with the request.
async fn ask(connection: &mut Connection, upstream: &Upstream, target: &str) -> String {
    assert_eq!(connection.get(target).await.status, 200);
    asserted(upstream)
}

#[tokio::test]
async fn an_upstream_gets_what_the_gate_has_signed_of_who_is_there() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    gate.wicketgate(&["account", "set", "alice", "--add-group", "staff"]);
    gate.alice().get("/").await;
    let claims = claims(&asserted(&upstream));
    assert_eq!(claims["iss"], "https://gate.example.org");
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("alice"), &json!("webmail")));
    assert_eq!((&claims["email"], &claims["groups"]), (&json!("alice@example.org"), &json!(["staff"])));
    assert_eq!(claims["amr"], json!(["mtls"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(claims["cnf"]["x5t#S256"].as_str().unwrap().len(), 43);
    // The key lies where only the gate reads it.
    let folder = gate.folder().join("assertion-keys");
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    for key in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        assert_eq!(key.metadata().unwrap().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn one_signature_serves_a_connection_until_the_account_changes() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut one = gate.alice().http1().await.unwrap();
    let first = ask(&mut one, &upstream, "/").await;
    for round in 0..50 {
        assert_eq!(ask(&mut one, &upstream, &format!("/{round}")).await, first);
    }
    let mut other = gate.alice().http1().await.unwrap();
    assert_ne!(ask(&mut other, &upstream, "/").await, first, "another connection has its own");

    gate.wicketgate(&["account", "set", "alice", "--add-group", "admin"]);
    let start = std::time::Instant::now();
    let changed = loop {
        let token = ask(&mut one, &upstream, "/").await;
        if token != first {
            break token;
        }
        assert!(start.elapsed() < common::PATIENCE, "the old groups are still asserted");
    };
    assert_eq!(claims(&changed)["groups"], json!(["admin"]));
}

#[tokio::test]
async fn nobody_else_can_assert_anything() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).open_to_all().start();
    for name in [HEADER, "X_Wicketgate_Assertion", "x.wicketgate.assertion"] {
        for client in [gate.client(), gate.alice()] {
            let request = Request::get("/").header(name, "eyJhbGciOiJub25lIn0.e30.").body(empty()).unwrap();
            assert_eq!(client.http1().await.unwrap().send(request).await.status, 200);
            let head = upstream.last().head;
            assert!(!head.contains("eyJhbGciOiJub25lIn0"), "{head}");
        }
    }
    gate.client().get("/").await;
    assert_eq!(upstream.last().header(HEADER), None, "nothing is asserted of nobody");
}

#[tokio::test]
async fn the_keys_are_published_to_anybody_and_may_be_kept_for_a_while() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut stranger = gate.client().http1().await.unwrap();
    let answer = stranger.get(KEYS).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let key = &answer.json()["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("EC"), &json!("P-256"), &json!("ES256"), &json!("sig"))
    );
    assert!(key.get("d").is_none());
    let known = Request::get(KEYS).header("if-none-match", answer.header("etag")).body(empty()).unwrap();
    let again = stranger.send(known).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = stranger.send(Request::head(KEYS).body(empty()).unwrap()).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let post = stranger.send(Request::post(KEYS).body(empty()).unwrap()).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
    // Also where the certificate is refused.
    let mallory = gate.client().with(&common::pki::Pki::new().person("alice"));
    assert_eq!(mallory.get(KEYS).await.status, 200);
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_route_may_lead_to_the_keys_too() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, upstream: app }, { path: /keys, anonymous: allow, upstream: { service: jwks } }]";
    let gate = setup(&upstream).section("routes", routes).start();
    let mut stranger = gate.client().http1().await.unwrap();
    assert_eq!(stranger.get("/keys").await.body, stranger.get(KEYS).await.body);
}

#[tokio::test]
async fn nodes_share_keys_by_sharing_files_and_new_files_are_taken_up() {
    let upstream = Upstream::start();
    let key = |algorithm: &str| {
        let output =
            Command::new("openssl").args(["genpkey", "-algorithm"]).args(algorithm.split(' ')).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (old, new) = (key("EC -pkeyopt ec_paramgen_curve:P-256"), key("ED25519"));
    let gate = setup(&upstream)
        .section("assertion", "{ keys: { files: [one.pem, two.pem] } }")
        .file("one.pem", &old)
        .file("two.pem", &new)
        .start();
    let twin = gate.twin();
    let mut stranger = gate.client().http1().await.unwrap();
    let before = stranger.get(KEYS).await;
    assert_eq!(gate.client().at(twin.address).get(KEYS).await.body, before.body);
    assert_eq!(before.json()["keys"][1]["alg"], "EdDSA");
    gate.alice().get("/").await;
    assert_eq!(kid(&asserted(&upstream)), before.json()["keys"][0]["kid"]);

    // The next one signs, and the old one is still published.
    common::pki::write_private(&gate.folder().join("one.pem"), &new);
    common::pki::write_private(&gate.folder().join("two.pem"), &old);
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    gate.alice().get("/").await;
    let token = asserted(&upstream);
    assert_eq!(kid(&token), before.json()["keys"][1]["kid"]);
    assert_eq!(stranger.get(KEYS).await.json()["keys"].as_array().unwrap().len(), 2);
}

/// Which key a token says that it is signed by.
fn kid(token: &str) -> Value {
    let head = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&head).unwrap()["kid"].clone()
}

/// Runs one of the examples on a token; the claims, or what is wrong.
fn verified(program: &mut Command, keys: &Path, token: &str, audience: &str) -> Result<Value, String> {
    let arguments = [keys.to_str().unwrap(), audience, "https://gate.example.org"];
    let mut child =
        program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A token of a gate, and a file with its keys.
async fn token_and_keys(algorithm: &str) -> (Gate, String, PathBuf) {
    let upstream = Upstream::start();
    let section = format!("{{ issuer: 'https://gate.example.org', keys: {{ algorithm: {algorithm} }} }}");
    let gate = setup(&upstream).section("assertion", &section).start();
    gate.alice().get("/").await;
    let token = asserted(&upstream);
    let keys = gate.folder().join("keys.json");
    std::fs::write(&keys, gate.client().http1().await.unwrap().send(get(KEYS)).await.body).unwrap();
    (gate, token, keys)
}

/// Whether an example takes what holds, and nothing else.
async fn judge(program: impl Fn() -> Command) {
    for algorithm in ["ES256", "EdDSA"] {
        let (_gate, token, keys) = token_and_keys(algorithm).await;
        let found = verified(&mut program(), &keys, &token, "webmail").unwrap();
        assert_eq!((&found["sub"], &found["amr"]), (&json!("alice"), &json!(["mtls"])), "{algorithm}");
        assert!(verified(&mut program(), &keys, &token, "files").is_err(), "another audience");
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let mut claims = claims(&token);
        claims["sub"] = json!("admin");
        parts[1] = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        assert!(verified(&mut program(), &keys, &parts.join("."), "webmail").is_err(), "other claims");
        parts[0] = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": kid(&token) }).to_string());
        parts[2] = String::new();
        assert!(verified(&mut program(), &keys, &parts.join("."), "webmail").is_err(), "no signature");
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/assertion").join(name)
}

#[tokio::test]
async fn node_verifies_an_assertion_without_any_package() {
    judge(|| {
        let mut command = Command::new("node");
        command.arg(example("verify.mjs"));
        command
    })
    .await;
}

#[tokio::test]
async fn python_verifies_an_assertion_with_pyjwt() {
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pyjwt");
    let fetch = Command::new("bash").arg(example("fetch.sh")).arg(&packages).output().unwrap();
    assert!(fetch.status.success(), "{}", String::from_utf8_lossy(&fetch.stderr));
    judge(|| {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &packages).arg(example("verify.py"));
        command
    })
    .await;
}
