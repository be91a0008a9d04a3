//! Hand-over between two gates on two host names: a certificate at the first is a session at the second, in a browser
//! and step by step; and whatever is done to a token on its way is refused.
#![cfg(test)]

mod common;

use common::PATIENCE;
use common::browser::Browser;
use common::client::{Answer, Client, empty, full};
use common::gate::Gate;
use common::pki::write_private;
use common::setup::Setup;
use common::store;
use common::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use std::process::Command;
use std::time::{Duration, Instant};
use wicketgate::base::clock::Timestamp;
use wicketgate::certificate::pem;
use wicketgate::handover::token::{self, Claims};
use wicketgate::jose::jwe::DecryptionKey;
use wicketgate::jose::jwk::{self, Use};
use wicketgate::jose::jws::SigningKey;

const BASE: &str = "/.well-known/wicketgate/handover";
const STATE: &str = "__Host-wicketgate-handover";
const SESSION: &str = "__Host-wicketgate-session";

/// Two sites: at the first people log in by certificate, at the second nobody is asked for one. They keep their
/// accounts in one database, as the sites of one organisation do.
struct Sites {
    gate: Gate,
    library: Gate,
    catalogue: Upstream,
    _mail: Upstream,
}

/// The private key of a PEM file in a gate's folder, read as the gate reads it.
fn pkcs8(gate: &Gate, name: &str) -> Vec<u8> {
    pem::private_key(&gate.folder().join(name)).unwrap().secret_der().to_vec()
}

fn signing(gate: &Gate) -> SigningKey {
    SigningKey::from_pkcs8(&pkcs8(gate, "signing.pem")).unwrap()
}

fn decryption(gate: &Gate) -> DecryptionKey {
    DecryptionKey::from_pkcs8(&pkcs8(gate, "decryption.pem")).unwrap()
}

/// Makes a gate's keys, and gives the public ones as it will publish them.
fn make_keys(gate: &Gate) -> String {
    for name in ["signing.pem", "decryption.pem"] {
        let mut command = Command::new("openssl");
        command.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        let made = command.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        write_private(&gate.folder().join(name), &String::from_utf8(made.stdout).unwrap());
    }
    let (sign, open) = (signing(gate), decryption(gate));
    jwk::set([(sign.public(), Use::Signature), (open.public(), Use::Encryption)])
}

/// Adds a section to a gate's configuration, perhaps with other routes, and waits until it is taken up.
fn configure(gate: &Gate, handover: &str, routes: Option<&str>) {
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = text.lines().filter(|line| routes.is_none() || !line.starts_with("routes:"));
    let mut text: String = kept.map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("handover: {handover}\n"));
    if let Some(routes) = routes {
        text.push_str(&format!("routes: {routes}\n"));
    }
    std::fs::write(&file, text).unwrap();
    gate.log_line(&["configuration taken up"]);
}

impl Sites {
    fn start() -> Self {
        let greeting = || {
            Upstream::answering(|exchange| {
                if exchange.request.target() == "/books/stream" {
                    exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    while exchange.is_open() {
                        exchange.send("5\r\nmore\n\r\n");
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    return;
                }
                let user = exchange.request.header("remote-user").unwrap_or_default();
                let page = format!("<!doctype html><title>Site</title><p id=user>Welcome, {user}</p>");
                let fields = "Content-Type: text/html\r\nSet-Cookie: mine=1\r\nSet-Cookie: __Host-wicketgate-session=forged; Path=/; Secure";
                exchange.send(format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n{page}", page.len()));
            })
        };
        let (mail, catalogue) = (greeting(), greeting());
        let gate = Setup::before(&mail)
            .account("bob", &["--email", "bob@example.org"])
            .section("digest", "{ realm: example.org }")
            .section("routes", "[{ path: /, authenticate: [certificate, digest], upstream: app }]")
            .start();
        let accounts = format!("{{ sqlite: {{ path: '{}' }} }}", gate.folder().join("accounts.db").display());
        let library = Setup::before(&catalogue)
            .section("assertion", "{}")
            .upstream("assertion", "{ audience: catalogue }")
            .without_accounts()
            .listener("client_certificate", "off")
            .credential("server", &gate.pki.server)
            .section("accounts", &accounts)
            .start();
        let (ours, theirs) = (make_keys(&gate), make_keys(&library));
        std::fs::write(gate.folder().join("library-keys.json"), &theirs).unwrap();
        std::fs::write(library.folder().join("gate-keys.json"), &ours).unwrap();
        write_private(&library.folder().join("session.secret"), "a secret of the tests alone");
        let sites = Self { gate, library, catalogue, _mail: mail };
        let keys = "signing: [signing.pem], decryption: [decryption.pem]";
        let (from, to) = (sites.url(), sites.library_url());
        let source = format!(
            "{{ url: '{from}', {keys}, sites: {{ library: {{ url: '{to}', keys: library-keys.json, send: [/books] }} }} }}"
        );
        configure(&sites.gate, &source, None);
        let target = format!(
            "{{ url: '{to}', {keys}, session: {{ secret: {{ file: session.secret }} }}, \
             sites: {{ gate: {{ url: '{from}', keys: gate-keys.json, accept: [/books, /closed, /claimed] }} }} }}"
        );
        let begin = format!("{BASE}/begin?from=gate&return=/books/");
        let routes = format!(
            "[{{ path: /, authenticate: [certificate, session], anonymous: {{ redirect: '{begin}' }}, upstream: app }}, {{ path: /closed, authenticate: [session], upstream: app }}, \
             {{ path: /claimed, authenticate: [certificate, session], claim: {{ header: X-Who, match: '{{email}}' }}, upstream: app }}]"
        );
        configure(&sites.library, &target, Some(&routes));
        sites
    }

    fn url(&self) -> String {
        format!("https://gate.example.org:{}", self.gate.address.port())
    }

    fn library_url(&self) -> String {
        format!("https://library.example.org:{}", self.library.address.port())
    }

    /// A client of the second site, which trusts the same authority.
    fn reader(&self) -> Client {
        self.gate.client().named("library.example.org").at(self.library.address)
    }

    /// What a browser of the second site gets that sends these cookies.
    async fn visit(&self, target: &str, cookies: &str) -> Answer {
        let request = Request::get(target).header("cookie", cookies).body(empty()).unwrap();
        self.reader().http1().await.unwrap().send(request).await
    }

    /// Begins a hand-over: the browser's cookie, and where it is sent.
    async fn begin(&self) -> (String, String) {
        let answer = self.reader().get(&format!("{BASE}/begin?from=gate&return=/books/?q=1")).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = cookie(&answer, STATE);
        assert!(answer.header("set-cookie").ends_with("Path=/; Max-Age=300; Secure; HttpOnly; SameSite=None"));
        (cookie, answer.header("location").strip_prefix(&self.url()).unwrap().to_owned())
    }

    /// A token for whoever has begun with this location.
    async fn token(&self, person: &Client, location: &str) -> String {
        let page = person.get(location).await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains(&format!("action=\"{}{BASE}/accept\"", self.library_url())), "{}", page.text());
        token_of(&page.text())
    }

    /// Posts a token to the second site.
    async fn accept(&self, token: &str, cookies: &str) -> Answer {
        let request = Request::post(format!("{BASE}/accept"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookies)
            .body(full(format!("token={token}")))
            .unwrap();
        self.reader().http1().await.unwrap().send(request).await
    }

    /// Goes all the way and gives the session.
    async fn session_of(&self, person: &Client) -> String {
        let (cookie, location) = self.begin().await;
        let token = self.token(person, &location).await;
        let answer = self.accept(&token, &cookie).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/books/?q=1"), "{}", answer.text());
        self::cookie(&answer, SESSION)
    }

    /// Waits until a session is told so.
    async fn until(&self, session: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let says = self.visit("/closed", session).await.text();
            if says.contains(expected) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "still {says} and not {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What is wrong with a token, and how it comes to be.
type Change<'c> = (&'c str, &'c dyn Fn(&mut Claims));

/// The token that a page carries.
fn token_of(page: &str) -> String {
    page.split_once("name=\"token\" value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

/// `name=value` of a cookie that an answer sets.
fn cookie(answer: &Answer, name: &str) -> String {
    let set = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let pairs = set.map(|value| value.split(';').next().unwrap().to_owned());
    pairs.into_iter().find(|pair| pair.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_at_one_site_is_a_session_at_another() {
    let sites = Sites::start();
    let nobody = sites.visit("/books/", "").await;
    assert_eq!((nobody.status, nobody.header("location")), (302, &*format!("{BASE}/begin?from=gate&return=/books/")));
    // Without a state the source has the target begin.
    let link = sites.gate.alice().get(&format!("{BASE}?to=library")).await;
    assert_eq!(link.status, 303);
    assert!(link.header("location").starts_with(&format!("{}{BASE}/begin?from=https%3A//gate", sites.library_url())));

    let session = sites.session_of(&sites.gate.alice()).await;
    let answer = sites.visit("/books/", &format!("a=1; {session}; b=2")).await;
    assert!(answer.text().contains("Welcome, alice"), "{}", answer.text());
    // The cookies of the gate stop at the gate, both ways.
    assert_eq!(sites.catalogue.last().header("cookie").as_deref(), Some("a=1; b=2"));
    assert_eq!(answer.header("set-cookie"), "mine=1");
    let line = sites.library.log_line(&["\"authentication\":\"session\"", "alice"]);
    assert!(!line.contains(session.split_once('=').unwrap().1), "{line}");
    // What is asserted of them is how they logged in, not how they came.
    let asserted = sites.catalogue.last().header("x-wicketgate-assertion").unwrap();
    let claims = wicketgate::jose::decode(asserted.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["amr"]), (&"alice".into(), &serde_json::json!(["mtls"])));
    assert!(claims.get("cnf").is_none(), "the certificate is not this connection's");
    // A session is worth something where it is listed, and under its own name alone.
    assert_eq!(sites.visit("/closed", "").await.status, 403);
    assert_eq!(sites.visit("/closed", &session).await.status, 200);
    assert_eq!(sites.visit("/closed", &format!("{session}; {session}")).await.status, 403);
    assert_eq!(sites.visit("/closed", &session.replace("session=", "session=A")).await.status, 403);
    // What each publishes is what the other was given.
    let published = sites.gate.client().get(&format!("{BASE}-keys.json")).await;
    assert_eq!(published.text(), std::fs::read_to_string(sites.library.folder().join("gate-keys.json")).unwrap());
    let mut reader = sites.reader().http1().await.unwrap();
    let ended = reader.send(Request::post(format!("{BASE}/end")).body(empty()).unwrap()).await;
    assert!(ended.header("set-cookie").starts_with(&format!("{SESSION}=; Path=/; Max-Age=0;")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_use_one_site_one_browser_and_one_minute() {
    let sites = Sites::start();
    let refused = |answer: &Answer| {
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("handover_refused"), "{}", answer.text());
        assert!(answer.headers.get("set-cookie").is_none() && answer.headers.get("location").is_none(), "{answer:?}");
    };
    let (browser, location) = sites.begin().await;
    let token = sites.token(&sites.gate.alice(), &location).await;
    // Another browser, or one that has begun nothing, cannot use it: nobody is logged in as somebody else.
    let (other, _) = sites.begin().await;
    refused(&sites.accept(&token, &other).await);
    refused(&sites.accept(&token, "").await);
    // The wrong site: the source itself.
    let mut source = sites.gate.client().http1().await.unwrap();
    let form = Request::post(format!("{BASE}/accept")).header("content-type", "application/x-www-form-urlencoded");
    let form = form.header("cookie", &browser).body(full(format!("token={token}"))).unwrap();
    refused(&source.send(form).await);
    assert_eq!(sites.accept(&token, &browser).await.status, 303);
    // Twice, though everything else holds.
    refused(&sites.accept(&token, &browser).await);
    sites.library.log_line(&["used before"]);

    // Made by the source's own key, so that only what it says is wrong.
    let (by, to) = (signing(&sites.gate), decryption(&sites.library));
    let value = browser.split_once('=').unwrap().1;
    let now = Timestamp::now().as_unix();
    let good = Claims {
        iss: sites.url(),
        aud: sites.library_url(),
        iat: now,
        exp: now + 60,
        jti: "0123456789abcdefghijkl".to_owned(),
        state: token::state_of(value),
        return_to: "/books/".to_owned(),
        sub: "alice".to_owned(),
        email: None,
        amr: vec!["mtls".to_owned()],
        certificates: vec![format!("{}:01", "ab".repeat(32))],
        not_after: None,
        password: None,
    };
    let changes: [Change<'_>; 7] = [
        ("late", &|claims| (claims.iat, claims.exp) = (now - 131, now - 71)),
        ("early", &|claims| (claims.iat, claims.exp) = (now + 100, now + 160)),
        ("too long", &|claims| claims.exp = now + 3600),
        ("for another site", &|claims| claims.aud = "https://archive.example.org".to_owned()),
        ("in the name of another site", &|claims| claims.iss = "https://evil.example".to_owned()),
        ("to another host", &|claims| claims.return_to = "//evil.example/books".to_owned()),
        ("to another page", &|claims| claims.return_to = "/elsewhere".to_owned()),
    ];
    for (what, change) in changes {
        let mut claims = good.clone();
        change(&mut claims);
        let answer = sites.accept(&token::seal(&claims, &by, to.public()).unwrap(), &browser).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        refused(&answer);
    }
    // Nobody's key, and what is no token.
    let strangers = token::seal(&good, &signing(&sites.library), to.public()).unwrap();
    for token in [strangers.as_str(), "", "a.b.c", "a..b.c.d", &"A".repeat(9000)] {
        refused(&sites.accept(token, &browser).await);
    }
    assert_eq!(sites.accept(&"A".repeat(20_000), &browser).await.status, 413);
    // The same, unchanged, is taken.
    assert_eq!(sites.accept(&token::seal(&good, &by, to.public()).unwrap(), &browser).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_named_sites_and_paths_are_handed_over_to() {
    let sites = Sites::start();
    let state = token::state_of("browser");
    for query in [
        format!("to=nowhere&state={state}"),
        format!("to=https://evil.example&state={state}"),
        format!("to=library&return=//evil.example&state={state}"),
        format!("to=library&return=https://evil.example/books&state={state}"),
        format!("to=library&return=/books/../admin&state={state}"),
        format!("to=library&return=/other&state={state}"),
        "to=library&state=short".to_owned(),
        format!("state={state}"),
    ] {
        let answer = sites.gate.alice().get(&format!("{BASE}?{query}")).await;
        assert_eq!(answer.status, 403, "{query}: {}", answer.text());
        assert!(!answer.text().contains("evil.example"), "{query}: {}", answer.text());
    }
    let twice = sites.gate.alice().get(&format!("{BASE}?to=library&to=library&state={state}")).await;
    assert_eq!(twice.status, 400);
    // Who may not pass at the source is handed to nobody.
    let good = format!("{BASE}?to=library&state={state}");
    assert_eq!(sites.gate.client().get(&good).await.status, 401);
    let mallory = sites.gate.client().with(&common::pki::Pki::new().person("alice"));
    assert!(mallory.get(&good).await.says().contains("certificate_untrusted"));
    // The target hands nobody on, and is begun for no other page.
    assert_eq!(sites.reader().get(&format!("{BASE}/begin?from=gate&return=//evil.example")).await.status, 403);
    assert_eq!(sites.reader().get(&format!("{BASE}/begin?from=library")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_certificate_and_the_account_that_it_came_from() {
    let sites = Sites::start();
    let alice = sites.gate.pki.person("alice");
    let session = sites.session_of(&sites.gate.client().with(&alice)).await;
    sites.until(&session, "Welcome, alice").await;
    sites.gate.wicketgate(&["account", "lock", "alice"]);
    sites.until(&session, "account_inactive").await;
    sites.gate.wicketgate(&["account", "set", "alice", "--status", "active"]);
    sites.until(&session, "Welcome, alice").await;
    store::revoke(&sites.gate, &alice).await;
    sites.until(&session, "certificate_revoked").await;
    // Nor does the same token's certificate begin another one.
    let (browser, location) = sites.begin().await;
    assert!(sites.gate.client().with(&alice).get(&location).await.says().contains("certificate_revoked"));
    let now = Timestamp::now().as_unix();
    let claims = Claims {
        iss: sites.url(),
        aud: sites.library_url(),
        iat: now,
        exp: now + 60,
        jti: "0123456789abcdefghijkl".to_owned(),
        state: token::state_of(browser.split_once('=').unwrap().1),
        return_to: "/books".to_owned(),
        sub: "alice".to_owned(),
        email: None,
        amr: vec!["mtls".to_owned()],
        certificates: vec![store::key(&alice).name()],
        not_after: None,
        password: None,
    };
    let token = token::seal(&claims, &signing(&sites.gate), decryption(&sites.library).public()).unwrap();
    assert!(sites.accept(&token, &browser).await.text().contains("certificate_revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_by_a_session_ends_with_the_certificate_that_it_came_from() {
    let sites = Sites::start();
    let alice = sites.gate.pki.person("alice");
    let session = sites.session_of(&sites.gate.client().with(&alice)).await;
    let request = Request::get("/books/stream").header("cookie", &session).body(empty()).unwrap();
    let mut connection = sites.reader().http1().await.unwrap();
    let response = connection.start(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    store::revoke(&sites.gate, &alice).await;
    let cut = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::time::timeout(PATIENCE, cut).await.unwrap();
    let line = sites.library.log_line(&["\"event\":\"connection\"", "certificate_revoked"]);
    assert!(line.contains("alice") && line.contains("session"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_whom_the_request_says_it_is_or_is_refused() {
    let sites = Sites::start();
    let session = sites.session_of(&sites.gate.alice()).await;
    let password = sites.gate.folder().join("password");
    std::fs::write(&password, "open sesame\n").unwrap();
    sites.gate.wicketgate(&["account", "password", "bob", "--file", password.to_str().unwrap()]);
    let (browser, location) = sites.begin().await;
    let page = sites.gate.curl(&location, &["--digest", "--user", "bob:open sesame"]);
    let of_password = cookie(&sites.accept(&token_of(&page.body), &browser).await, SESSION);
    let cases: [(&str, &[&str], u16); 7] = [
        (&session, &["alice@example.org"], 200),
        (&session, &["alice@EXAMPLE.org"], 200),
        (&session, &["bob@example.org"], 403),
        (&session, &["alice@example.net"], 403),
        (&session, &[], 403),
        (&session, &["alice@example.org", "bob@example.org"], 403),
        // By its user and the realm of its password.
        (&of_password, &["bob@example.org"], 200),
    ];
    for (session, said, status) in cases {
        let request = Request::get("/claimed").header("cookie", session);
        let request = said.iter().fold(request, |request, said| request.header("x-who", *said));
        let answer = sites.reader().http1().await.unwrap().send(request.body(empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{said:?}: {}", answer.text());
        assert_eq!(answer.text().contains("claim_mismatch"), status == 403, "{said:?}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_password_that_it_came_from() {
    let sites = Sites::start();
    let password = |text: &str| {
        let file = sites.gate.folder().join("password");
        std::fs::write(&file, format!("{text}\n")).unwrap();
        sites.gate.wicketgate(&["account", "password", "bob", "--file", file.to_str().unwrap()]);
    };
    password("open sesame");
    let (browser, location) = sites.begin().await;
    let page = sites.gate.curl(&location, &["--digest", "--user", "bob:open sesame"]);
    assert_eq!(page.status, 200, "{page:?}");
    let session = cookie(&sites.accept(&token_of(&page.body), &browser).await, SESSION);
    sites.until(&session, "Welcome, bob").await;
    password("another one");
    sites.until(&session, "certificate_required").await;
}

#[test]
fn a_browser_goes_from_one_site_to_the_other_without_logging_in_again() {
    let sites = Sites::start();
    let browser = Browser::new(&sites.gate);
    browser.import(&sites.gate.pki.person("alice"));
    let hosts = [("gate.example.org", sites.gate.address.ip()), ("library.example.org", sites.library.address.ip())];
    let page = browser.visit(&hosts, &format!("{}/books/", sites.library_url()));
    assert!(page.contains("Welcome, alice"), "{page}\n{}\n{}", sites.gate.log(), sites.library.log());
    // It came with the session, not with a certificate, which nobody there asks for.
    let seen = sites.catalogue.requests().into_iter().find(|seen| seen.target() == "/books/").unwrap();
    assert_eq!(seen.header("x-client-verify").as_deref(), Some("NONE"));
    assert_eq!(seen.header("cookie"), None);
}
