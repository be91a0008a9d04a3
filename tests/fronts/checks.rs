//! What must be true of every front that is set up as the examples say: it lets in whom the gate lets in, tells the
//! application who that is, and nothing that a client says makes anybody of them that they are not.

use super::common::client::{Answer, Client, empty, full, get};
use super::common::front::{base64, escaped, nginx_form};
use super::common::gate::Gate;
use super::common::pki::{Authority, Credential, Leaf};
use super::common::raw::Raw;
use super::common::upstream::{Recorded, Upstream};
use super::common::{PATIENCE, digest, store};
use http::Request;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// The host of the examples.
pub(crate) const HOST: &str = "app.example.org";
/// What the application is told of alice by her certificate, and of nobody.
const OF_ALICE: [&str; 3] = ["remote-email: alice@example.org", "remote-user: alice", "x-client-verify: success"];
const OF_NOBODY: [&str; 1] = ["x-client-verify: none"];

/// A running front, as far as fronts differ.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// Whether it speaks HTTP/2 with clients.
    pub(crate) http2: bool,
    /// Whether it passes WebSockets on.
    pub(crate) websockets: bool,
    /// Whether it brings paths into their normal form itself, before it asks and before it sends them on.
    pub(crate) brings_paths_into_form: bool,
    /// Whether trailers of requests stay with it.
    pub(crate) drops_trailers: bool,
    /// Whether it says of a client on a loopback address that it is there.
    pub(crate) says_loopback: bool,
}

impl Front {
    /// What most of them are.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            http2: true,
            websockets: true,
            brings_paths_into_form: false,
            drops_trailers: true,
            says_loopback: true,
        }
    }
}

/// A front, and what stands behind it.
struct Checks<'a> {
    front: &'a Front,
    gate: &'a Gate,
    upstream: &'a Upstream,
    alice: Credential,
    bob: Credential,
}

/// All of it. The gate is stopped at the end, since without one nobody may pass.
pub(crate) async fn lets_in_whom_the_gate_lets_in(front: &Front, mut gate: Gate, upstream: &Upstream) {
    let (alice, bob) = (gate.pki.person("alice"), gate.pki.person("bob"));
    let checks = Checks { front, gate: &gate, upstream, alice, bob };
    checks.the_front_is_ready().await;
    checks.alice_gets_in().await;
    checks.what_is_wrong_with_a_certificate_is_for_the_gate_to_say().await;
    checks.nobody_gets_in_by_saying_who_they_are().await;
    checks.nobody_gets_in_by_saying_what_the_front_says().await;
    checks.nobody_gets_in_by_another_spelling_of_a_path().await;
    checks.nothing_is_said_past_the_front_to_the_octet();
    checks.nobody_comes_from_where_they_say().await;
    checks.a_password_is_asked_for_and_taken();
    checks.who_is_revoked_is_out().await;
    let (alice, before) = (checks.alice, upstream.requests().len());

    gate.process.signal("TERM");
    assert!(gate.process.wait(PATIENCE).is_some(), "the gate did not end:\n{}", gate.log());
    for credential in [Some(&alice), None] {
        for target in ["/a", "/public/a"] {
            let client = client(&gate, front, credential);
            let answer = client.get(target).await;
            assert!(answer.status >= 500, "{target} without a gate: {} {}", answer.status, answer.text());
        }
    }
    assert_eq!(upstream.requests().len(), before, "without a gate somebody got in");
}

fn client(gate: &Gate, front: &Front, credential: Option<&Credential>) -> Client {
    let client = gate.client().at(front.address).named(HOST);
    credential.map_or(client.clone(), |credential| client.with(credential))
}

impl Checks<'_> {
    fn client(&self, credential: Option<&Credential>) -> Client {
        client(self.gate, self.front, credential)
    }

    /// The versions of HTTP in which clients may ask.
    fn versions(&self) -> &'static [u8] {
        if self.front.http2 { &[1, 2] } else { &[1] }
    }

    /// A GET of a target with these fields, on a connection of its own.
    async fn ask(&self, version: u8, who: Option<&Credential>, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let client = self.client(who);
        let connection = if version == 2 { client.http2().await } else { client.http1().await };
        connection.unwrap().send(request.body(empty()).unwrap()).await
    }

    /// What the application was sent since there were so many requests: nothing, or one.
    #[track_caller]
    fn sent_since(&self, before: usize) -> Option<Recorded> {
        let mut requests = self.upstream.requests().split_off(before);
        assert!(requests.len() <= 1, "one request became several: {requests:#?}");
        requests.pop()
    }

    /// Some fronts take connections before they have read where requests go.
    async fn the_front_is_ready(&self) {
        let (since, client) = (Instant::now(), self.client(None));
        loop {
            if let Ok(mut connection) = client.http1().await
                && connection.try_send(get("/public")).await.is_ok_and(|answer| answer.status != 404)
            {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "the front is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn alice_gets_in(&self) {
        for version in self.versions() {
            let answer = self.ask(*version, Some(&self.alice), "/a?b=c", &[]).await;
            assert_eq!(answer.status, 200, "{}\n{}", answer.text(), self.gate.log());
            let request = self.upstream.last();
            assert_eq!((request.target(), told(&request)), ("/a?b=c", OF_ALICE.map(str::to_owned).to_vec()));
        }
        // On a session that is resumed the front knows her certificate from before.
        let client = self.client(Some(&self.alice));
        for _ in 0..3 {
            assert_eq!(client.get("/").await.status, 200);
            assert_eq!(told(&self.upstream.last()), OF_ALICE);
        }
        for (what, body) in [("known length", full("abc")), ("unknown length", chunked())] {
            let request = Request::post("/a").header("cookie", "a=b").body(body).unwrap();
            let answer = client.http1().await.unwrap().send(request).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            let request = self.upstream.last();
            assert_eq!((request.line(), request.body.as_slice()), ("POST /a HTTP/1.1", &b"abc"[..]), "{what}");
            assert_eq!((told(&request), request.header("cookie")), (strings(&OF_ALICE), Some("a=b".to_owned())));
        }
    }

    async fn what_is_wrong_with_a_certificate_is_for_the_gate_to_say(&self) {
        let before = self.upstream.requests().len();
        let people = &self.gate.pki.people;
        let wrong = [
            ("certificate_untrusted", Authority::root("Stranger").issue(Leaf::person("alice@example.org"))),
            ("certificate_expired", people.issue(Leaf::person("alice@example.org").expired())),
            ("certificate_not_yet_valid", people.issue(Leaf::person("alice@example.org").not_yet_valid())),
            ("account_unknown", people.issue(Leaf::person("mallory@example.org"))),
        ];
        for (reason, credential) in &wrong {
            match self.ask(1, Some(credential), "/", &[]).await.status {
                403 => drop(self.gate.log_line(&[reason])),
                // nginx looks at dates itself.
                status => assert!(status == 400 && (reason.contains("expired") || reason.contains("not_yet"))),
            }
        }
        let none = self.ask(1, None, "/", &[]).await;
        assert!(matches!(none.status, 401 | 403), "{}", none.text());
        assert_eq!(self.upstream.requests().len(), before, "somebody got in without a good certificate");
    }

    async fn nobody_gets_in_by_saying_who_they_are(&self) {
        for version in self.versions() {
            for field in TO_THE_APPLICATION {
                let before = self.upstream.requests().len();
                let answer = self.ask(*version, None, "/secret", &[field]).await;
                assert!(matches!(answer.status, 400 | 401 | 403), "{field:?}: {} {}", answer.status, answer.text());
                assert_eq!(self.upstream.requests().len(), before, "{field:?} let somebody in");
                // Who is somebody is nobody else by that, and nobody is somebody where everybody may pass.
                let alice = self.ask(*version, Some(&self.alice), "/", &[field]).await;
                assert_eq!(alice.status, 200, "{field:?}: {}", alice.text());
                assert_eq!(told(&self.upstream.last()), OF_ALICE, "{field:?}");
                assert_eq!(self.ask(*version, None, "/public/a", &[field]).await.status, 200, "{field:?}");
                assert_eq!(told(&self.upstream.last()), OF_NOBODY, "{field:?}");
            }
            // Certificates that nobody has proved, in whichever header an application may look for them.
            let certificates = OF_CERTIFICATES.map(|name| (name, "forged"));
            let alice = self.ask(*version, Some(&self.alice), "/", &certificates).await;
            assert_eq!((alice.status, told(&self.upstream.last())), (200, strings(&OF_ALICE)), "{}", alice.text());
        }
    }

    async fn nobody_gets_in_by_saying_what_the_front_says(&self) {
        let (pem, der) = (nginx_form(&self.alice), base64(&self.alice.chain[0]));
        let chain: Vec<String> = self.alice.chain.iter().map(|der| base64(der)).collect();
        let (sequence, chain) = (format!(":{der}:"), chain.join(","));
        let element = format!("Hash=00;Chain=\"{}\"", escaped(&self.alice.chain_pem()));
        let certificates = [
            ("X-SSL-Client-Cert", pem.as_str()),
            ("X_SSL_Client_Cert", pem.as_str()),
            ("X-SSL-Client-Der", der.as_str()),
            ("X-SSL_Client.Der", der.as_str()),
            ("Client-Cert", sequence.as_str()),
            ("X-Forwarded-Tls-Client-Cert", chain.as_str()),
            ("X_Forwarded_Tls_Client_Cert", chain.as_str()),
            ("X-Forwarded-Client-Cert", element.as_str()),
            ("X-Forwarded.Client_Cert", element.as_str()),
        ];
        let of_bob = ["remote-email: bob@example.org", "remote-groups: staff", "remote-user: bob"];
        let of_bob = [&of_bob[..], &["x-client-verify: success"]].concat();
        for version in self.versions() {
            for field in &certificates {
                for fields in [&[*field][..], &[*field, *field]] {
                    let before = self.upstream.requests().len();
                    let answer = self.ask(*version, None, "/secret", fields).await;
                    assert!(matches!(answer.status, 400 | 401 | 403), "{field:?}: {}", answer.status);
                    assert!(self.sent_since(before).is_none(), "{field:?} let somebody in");
                    let answer = self.ask(*version, Some(&self.bob), "/secret", fields).await;
                    if let Some(request) = self.sent_since(before) {
                        assert_eq!((answer.status, told(&request)), (200, strings(&of_bob)), "{field:?}");
                    }
                }
            }
            let others = [
                ("X-Original-URI", "/public"),
                ("X-Original-Method", "HEAD"),
                ("X-Original-Host", "other.example.org"),
                ("X-Forwarded-Uri", "/public"),
                ("X-Forwarded-Method", "HEAD"),
                ("X-Forwarded-Host", "other.example.org"),
                ("X-Wicketgate-Front", "guess"),
                ("X-Envoy-Original-Path", "/public"),
            ];
            for field in others {
                let before = self.upstream.requests().len();
                let answer = self.ask(*version, None, "/secret", &[field]).await;
                assert!(matches!(answer.status, 400 | 401 | 403), "{field:?}: {} {}", answer.status, answer.text());
                assert!(self.sent_since(before).is_none(), "{field:?} let somebody in");
            }
        }
        // In HTTP/2 a client may name a host twice.
        for (target, host) in [("https://other.example.org/secret", HOST), ("/secret", "other.example.org")] {
            if self.front.http2 {
                let before = self.upstream.requests().len();
                let request = Request::get(target).header("host", host).body(empty()).unwrap();
                let answer = self.client(None).http2().await.unwrap().try_send(request).await;
                assert!(
                    answer.is_ok_and(|answer| answer.status != 200) && self.sent_since(before).is_none(),
                    "{target}"
                );
            }
        }
    }

    async fn nobody_gets_in_by_another_spelling_of_a_path(&self) {
        let spellings = [
            "/secret/../public",
            "/secret/%2e%2e/public/x",
            "/public//../secret",
            "/public/../secret",
            "/public/%2e%2e/secret",
            "/public/.%2E/secret",
            "/public/..;/secret",
            "/public;/../secret",
            "/public%2f..%2fsecret",
            "/public/..%5csecret",
            "/public%3f/../../secret",
            "/public%23/../../secret",
            "//public/x",
            "/./public/x",
            "/%70ublic/x",
            "/PUBLIC/../secret",
        ];
        for version in self.versions() {
            for target in spellings {
                let before = self.upstream.requests().len();
                let answer = self.ask(*version, None, target, &[]).await;
                let Some(request) = self.sent_since(before) else {
                    assert!(matches!(answer.status, 400 | 401 | 403), "{target}: {}", answer.status);
                    let is_public = matches!(target, "/secret/../public" | "//public/x" | "/%70ublic/x");
                    assert!(!(is_public && self.front.brings_paths_into_form), "{target}: {}", answer.text());
                    continue;
                };
                // The application is to read nothing but what was asked about.
                let read = request.target();
                assert!(self.front.brings_paths_into_form, "{target} was sent on as {read}");
                let plain = read.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | ".."));
                let is_public = read == "/public" || read.starts_with("/public/");
                assert!(is_public && plain && !read.contains(['%', ';', '\\']), "{target} was sent on as {read}");
                assert_eq!(told(&request), OF_NOBODY, "{target}");
            }
        }
    }

    /// What no well-behaved client can be brought to say.
    fn nothing_is_said_past_the_front_to_the_octet(&self) {
        let say = |who: Option<&Credential>, line: &str, fields: &str| {
            let mut raw = Raw::connect(&self.client(who));
            raw.send(format!("{line} HTTP/1.1\r\n{fields}\r\n"));
            let mut answer = Vec::new();
            while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
                match raw.read_some() {
                    Ok(octets) if !octets.is_empty() => answer.extend(octets),
                    _ => break,
                }
            }
            String::from_utf8_lossy(&answer).into_owned()
        };
        let host = format!("Host: {HOST}\r\n");
        for fields in [
            "REMOTE-USER: bob\r\nremote-USER: bob\r\n",
            "Remote-User: bob\r\nRemote-User: carol\r\n",
            "Remote-User : bob\r\n",
            "X-Other: a\r\n Remote-User: bob\r\n",
            "Connection: Remote-User, X-Client-Verify\r\n",
            "Connection: close, Remote-Email, X-Forwarded-Client-Cert, X-Forwarded-Tls-Client-Cert\r\n",
            "Connection: X-SSL-Client-Cert, X-SSL-Client-Der, X-Wicketgate-Front, X-Original-URI\r\n",
        ] {
            let before = self.upstream.requests().len();
            say(None, "GET /secret", &format!("{host}{fields}"));
            assert!(self.sent_since(before).is_none(), "{fields:?} let somebody in");
            let answer = say(Some(&self.alice), "GET /secret", &format!("{host}{fields}"));
            match self.sent_since(before) {
                Some(request) => {
                    assert_eq!(told(&request), OF_ALICE, "{fields:?}");
                    // Nor is the application, if it is a front itself, to remove what the client has named.
                    let named = request.all("connection").join(", ").to_ascii_lowercase();
                    assert!(!named.contains("remote-"), "{fields:?}: {}", request.head);
                }
                None => assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{fields:?}: {answer}"),
            }
        }
        // A host that the gate is not asked about.
        let other = "Host: other.example.org\r\n";
        let both = format!("{host}{other}");
        for (line, fields) in [
            ("GET https://other.example.org/secret".to_owned(), host.as_str()),
            (format!("GET https://{HOST}/secret"), other),
            ("GET /secret".to_owned(), &both),
            ("GET /secret".to_owned(), ""),
        ] {
            let before = self.upstream.requests().len();
            say(None, &line, fields);
            assert!(self.sent_since(before).is_none(), "{line} with {fields:?} let somebody in");
        }
        // Another protocol behind the front, in which nobody would be asked.
        let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
        for protocol in ["h2c", "websocket, h2c", "websocket\r\nUpgrade: h2c", "h2c\r\nUpgrade: websocket", "TLS/1.2"] {
            let before = self.upstream.requests().len();
            say(Some(&self.alice), "GET /", &format!("{host}{upgrade}{key}Upgrade: {protocol}\r\n"));
            if let Some(request) = self.sent_since(before) {
                let offered = request.all("upgrade").join(", ").to_ascii_lowercase();
                assert!(offered.is_empty() || offered == "websocket", "{protocol}: {}", request.head);
                assert_eq!(told(&request), OF_ALICE, "{protocol}");
            }
        }
        let socket = format!("{host}{key}Upgrade: websocket\r\nConnection: keep-alive, Upgrade");
        let before = self.upstream.requests().len();
        let answer = say(None, "GET /secret", &format!("{socket}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 40") && self.sent_since(before).is_none(), "{answer}");
        for named in ["", ", Remote-User, X-Client-Verify"] {
            say(Some(&self.alice), "GET /socket", &format!("{socket}{named}\r\n"));
            let request = self.upstream.last();
            assert_eq!((request.target(), told(&request)), ("/socket", strings(&OF_ALICE)), "{named}");
            assert_eq!(request.header("upgrade").is_some(), self.front.websockets, "{}", request.head);
        }
        // What comes behind the body.
        let trailers =
            "Transfer-Encoding: chunked\r\nTrailer: Remote-User\r\n\r\n3\r\nabc\r\n0\r\nRemote-User: bob\r\n";
        say(Some(&self.alice), "POST /trailers", &format!("{host}{trailers}"));
        let request = self.upstream.last();
        assert_eq!((request.line(), told(&request)), ("POST /trailers HTTP/1.1", strings(&OF_ALICE)));
        assert_eq!(request.trailers.is_empty(), self.front.drops_trailers, "{}", request.trailers);
        assert_eq!(self.upstream.faults(), Vec::<String>::new());
    }

    /// In the log of the gate, and before the application.
    async fn nobody_comes_from_where_they_say(&self) {
        for fields in [
            &[("X-Forwarded-For", "192.0.2.7")][..],
            &[("X-Forwarded-For", "192.0.2.7"), ("Connection", "X-Forwarded-For")],
        ] {
            let mut request = Request::get("/address");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let client = self.client(Some(&self.alice)).from("127.0.0.9");
            let answer = client.http1().await.unwrap().send(request.body(empty()).unwrap()).await;
            if answer.status == 200 {
                let request = self.upstream.last();
                assert_eq!(request.target(), "/address");
                assert!(!request.head.contains("192.0.2.7"), "{}", request.head);
                assert!(request.header("x-forwarded-for").is_some(), "{}", request.head);
            } else {
                assert_eq!((answer.status, fields.len()), (400, 2), "{}", answer.text());
            }
        }
        assert!(!self.gate.log().contains("192.0.2.7"), "{}", self.gate.log());
        if self.front.says_loopback {
            self.gate.log_line(&["\"/address\"", "127.0.0.9"]);
        }
    }

    /// By a client that knows nothing of any of this.
    fn a_password_is_asked_for_and_taken(&self) {
        for (password, expected) in [(digest::PASSWORD, "200"), ("guess", "401")] {
            let port = self.front.address.port();
            let output = Command::new("curl")
                .args(["--silent", "--noproxy", "*", "--max-time", "30", "--output", "/dev/null"])
                .args(["--write-out", "%{http_code}", "--digest", "--user", &format!("alice:{password}"), "--cacert"])
                .arg(self.gate.folder().join("ca.pem"))
                .args(["--resolve", &format!("{HOST}:{port}:{}", self.front.address.ip())])
                .arg(format!("https://{HOST}:{port}/by?password=1"))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", self.gate.log());
        }
        let request = self.upstream.last();
        assert_eq!(request.target(), "/by?password=1");
        assert_eq!(told(&request), ["remote-email: alice@example.org", "remote-user: alice", "x-client-verify: none"]);
    }

    /// On the connection that is open.
    async fn who_is_revoked_is_out(&self) {
        let mut connection = self.client(Some(&self.bob)).http1().await.unwrap();
        assert_eq!(connection.get("/").await.status, 200);
        assert!(told(&self.upstream.last()).contains(&"remote-groups: staff".to_owned()));
        store::revoke(self.gate, &self.bob).await;
        let since = Instant::now();
        while connection.get("/").await.status != 403 {
            assert!(since.elapsed() < PATIENCE, "still let in");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = self.upstream.requests().len();
        assert_eq!(self.ask(1, Some(&self.bob), "/", &[]).await.status, 403);
        assert_eq!(self.upstream.requests().len(), before);
    }
}

/// What a client may say to the application past the gate.
const TO_THE_APPLICATION: [(&str, &str); 21] = [
    ("Remote-User", "bob"),
    ("Remote_User", "bob"),
    ("Remote-Groups", "admin"),
    ("Remote.Groups", "admin"),
    ("X-Client-Verify", "SUCCESS"),
    ("X_Client_Verify", "SUCCESS"),
    ("X-Client_Verify", "SUCCESS"),
    ("X~Client.Verify", "SUCCESS"),
    ("X*Client'Verify", "SUCCESS"),
    ("X-Wicketgate-Assertion", "e30.e30.e30"),
    // What leads some applications to another path, host or method than the gate has judged.
    ("X-Original-URL", "/secret"),
    ("X.Original_URL", "/secret"),
    ("X-Rewrite-URL", "/secret"),
    ("X-HTTP-Method", "DELETE"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X_HTTP_Method_Override", "DELETE"),
    ("X-Method-Override", "DELETE"),
    ("X-Forwarded-Prefix", "/secret"),
    ("Forwarded", "host=other.example.org"),
    ("X-Real-IP", "192.0.2.8"),
    ("Proxy", "http://192.0.2.8/"),
];

/// Headers in which fronts show certificates.
const OF_CERTIFICATES: [&str; 18] = [
    "Client-Cert",
    "Client-Cert-Chain",
    "SSL-Client-Cert",
    "SSL-Client-Certificate",
    "X-Client-Cert",
    "X-SSL-Cert",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Certificate",
    "X-SSL-Client-Der",
    "X-SSL-Client-Chain-Der",
    "X-SSL-Client-Verify",
    "X-SSL-Client-S-DN",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Leaf",
];

/// What an application behind a front has been told of who asks, and what it should not have been told at all.
fn told(request: &Recorded) -> Vec<String> {
    let known = [
        "remote-",
        "x-client-verify",
        "client",
        "x-ssl",
        "x-client-cert",
        "ssl-",
        "x-arr-",
        "x-amzn-",
        "x-forwarded-client",
        "x-forwarded-tls",
        "x-forwarded-prefix",
        "x-forwarded-uri",
        "x-forwarded-method",
        "x-wicketgate",
        "authorization",
        "x-original-",
        "x-envoy-original-",
        "x-rewrite-",
        "x-http-method",
        "x-method-override",
        "x-real-ip",
        "forwarded",
        "proxy",
    ];
    // As many applications read names.
    let read = |line: &str| line.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-");
    let lines = request.head.lines().skip(1).map(|line| line.trim_end().to_ascii_lowercase());
    let mut told: Vec<String> = lines
        .filter(|line| known.iter().any(|known| read(line).starts_with(known)) && !line.ends_with(':'))
        // Where somebody comes from indeed.
        .filter(|line| !line.starts_with("x-real-ip: 127.0.0."))
        .collect();
    told.sort();
    told
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A body of unknown length.
fn chunked() -> super::common::client::Body {
    use http_body_util::{BodyExt, StreamBody};
    let frame = hyper::body::Frame::data(bytes::Bytes::from_static(b"abc"));
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter([Ok(frame)])))
}
