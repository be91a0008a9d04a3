//! What a route changes on the way: the prefix, path, host and header fields that the application sees, and in its answers
//! whatever leads back to it, so that a browser never learns of the other names.
#![cfg(test)]

mod common;

use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;

fn request(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gate.example.org\r\n{fields}Connection: close\r\n\r\n")
}

/// A header's value in an answer's head, by its name in lower case.
fn field(answer: &str, name: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut values =
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned());
    values.next()
}

#[test]
fn the_application_is_asked_for_the_path_that_the_route_writes() {
    let upstream = Upstream::start();
    let routes = "[{ path: /wiki, upstream: app, rewrite: { prefix: / } }, \
      { path: /docs, upstream: app, rewrite: { prefix: /v2/docs } }, \
      { path: { exact: /start }, upstream: app, rewrite: { path: /index.html } }, \
      { path: { pattern: '/users/(?P<id>[^/]+)/(.*)' }, upstream: app, rewrite: { path: '/u/{id}/{2}' } }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let alice = gate.alice();
    for (target, expected, prefix) in [
        ("/wiki", "/", Some("/wiki")),
        ("/wiki/", "/", Some("/wiki")),
        ("/wiki/a%2e/b?q=/wiki", "/a./b?q=/wiki", Some("/wiki")),
        ("/x/../wiki//a", "/a", Some("/wiki")),
        ("/docs/a", "/v2/docs/a", Some("/docs")),
        ("/start?x", "/index.html?x", None),
        ("/users/%C3%A9%2c/a/", "/u/%C3%A9%2C/a/", None),
        ("https://gate.example.org/wiki/a", "/a", Some("/wiki")),
    ] {
        let answer = Raw::exchange(&alice, request(target, "X-Forwarded-Prefix: /evil\r\n"));
        assert_eq!(status(&answer), 200, "{target}: {answer}");
        assert_eq!(upstream.last().target(), expected, "{target}");
        assert_eq!(upstream.last().header("x-forwarded-prefix").as_deref(), prefix, "{target}");
    }
    let before = upstream.requests().len();
    for (target, expected) in [
        ("/wiki/..;/admin", 400),
        ("/wiki/%2e%2e;/admin", 400),
        ("/wiki/../admin", 404),
        ("/wiki%2f..%2fadmin", 400),
        ("/wiki;/x", 400),
        ("/users/;/x", 400),
        ("/users/x/.well-known//..", 200),
        ("/wiki/.well-known/wicketgate/jwks.json", 404),
    ] {
        let answer = Raw::exchange(&alice, request(target, ""));
        assert_eq!(status(&answer), expected, "{target}: {answer}");
    }
    assert_eq!(upstream.requests().len(), before + 1);
    assert_eq!(upstream.last().target(), "/u/x/");
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn the_application_sees_the_host_and_the_fields_that_the_route_writes() {
    let upstream = Upstream::start();
    let rewrite = "{ host: app.internal, request_headers: { set: { X-Tenant: one, X-Login: '{username}', X-Home: '{home}' }, \
       add: { Accept-Language: de }, remove: [X-Debug, Cookie] } }";
    let routes = format!(
        "[{{ path: /, anonymous: allow, upstream: app, rewrite: {rewrite} }}, \
         {{ path: /server, upstream: app, rewrite: {{ host: upstream }} }}, {{ path: /plain, upstream: app }}]"
    );
    let gate = Setup::before(&upstream).section("routes", &routes).start();
    let forged = "X-Tenant: two\r\nX_Tenant: two\r\nX-Login: root\r\nx_login: root\r\nX-Home: root\r\nX-Debug: 1\r\nX_Debug: 1\r\n\
                  Cookie: a=b\r\nAccept-Language: fr\r\nRemote-User: root\r\n";
    assert_eq!(status(&Raw::exchange(&gate.alice(), request("/", forged))), 200);
    let seen = upstream.last();
    assert_eq!(seen.header("host").as_deref(), Some("app.internal"));
    assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("gate.example.org"));
    assert_eq!(seen.header("x-tenant").as_deref(), Some("one"));
    assert_eq!(seen.header("x-login").as_deref(), Some("alice"));
    assert_eq!(seen.header("remote-user").as_deref(), Some("alice"));
    assert_eq!(seen.all("accept-language"), ["fr", "de"]);
    for gone in ["x_tenant", "x_login", "x-home", "x-debug", "x_debug", "cookie"] {
        assert_eq!(seen.header(gone), None, "{}", seen.head);
    }
    assert_eq!(status(&Raw::exchange(&gate.client(), request("/", forged))), 200);
    let seen = upstream.last();
    for gone in ["x-login", "x_login", "x-home", "remote-user"] {
        assert_eq!(seen.header(gone), None, "{}", seen.head);
    }
    assert_eq!(status(&Raw::exchange(&gate.alice(), request("/server", ""))), 200);
    assert_eq!(upstream.last().header("host"), Some(upstream.address().to_string()));
    // What says something of accounts on one route is taken from what clients send on every other.
    assert_eq!(status(&Raw::exchange(&gate.alice(), request("/plain", forged))), 200);
    let seen = upstream.last();
    assert_eq!((seen.header("x-login"), seen.header("x_login")), (None, None), "{}", seen.head);
    assert_eq!(seen.header("x-tenant").as_deref(), Some("two"));
}

#[test]
fn what_an_application_answers_leads_back_through_its_route() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.read_body().is_err() {
            return;
        }
        let host = exchange.request.header("host").unwrap();
        exchange.send(format!(
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nServer: app/1.0\r\nLocation: http://{host}/app/login?to=/app\r\n\
             Content-Location: /app/x\r\nRefresh: 3; url=/app/y\r\nSet-Cookie: a=b; Path=/app/z; HttpOnly\r\n\
             Set-Cookie: c=d; Domain=127.0.0.1; Path=/\r\nLink: </a>\r\n\r\n"
        ));
    });
    let rewrite = "{ prefix: /app, host: upstream, response_headers: { set: { X-Frame-Options: DENY }, add: { Link: '</b>' }, \
                   remove: [Server] } }";
    let routes = format!("[{{ path: /wiki, upstream: app, rewrite: {rewrite} }}]");
    let gate = Setup::before(&upstream).section("routes", &routes).start();
    let answer = Raw::exchange(&gate.alice(), request("/wiki/", ""));
    assert_eq!(status(&answer), 302, "{answer}");
    assert_eq!(field(&answer, "location").as_deref(), Some("https://gate.example.org/wiki/login?to=/app"));
    assert_eq!(field(&answer, "content-location").as_deref(), Some("/wiki/x"));
    assert_eq!(field(&answer, "refresh").as_deref(), Some("3; url=/wiki/y"));
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("set-cookie: a=b; path=/wiki/z; httponly\r\n"), "{answer}");
    assert!(lower.contains("set-cookie: c=d; path=/\r\n"), "{answer}");
    assert!(lower.contains("link: </a>\r\nlink: </b>\r\n"), "{answer}");
    assert_eq!(field(&answer, "x-frame-options").as_deref(), Some("DENY"));
    assert_eq!(field(&answer, "server"), None);
    // Our own pages are ours.
    let refusal = Raw::exchange(&gate.client(), request("/wiki/", ""));
    assert_eq!((status(&refusal), field(&refusal, "x-frame-options")), (403, None), "{refusal}");
}

#[test]
fn what_frames_a_message_or_says_who_the_client_is_cannot_be_rewritten() {
    let upstream = Upstream::start();
    let route = |rewrite: &str| format!("[{{ path: /a, upstream: app, rewrite: {rewrite} }}]");
    let folder = tempfile::tempdir().unwrap();
    let check = |rewrite: &str| {
        let setup = Setup::before(&upstream).section("routes", &route(rewrite));
        let file = folder.path().join("wicketgate.yaml");
        std::fs::write(&file, setup.text("127.0.0.1:1".parse().unwrap())).unwrap();
        let faults = wicketgate::config::load(&file).map(|loaded| loaded.warnings);
        faults.map_or_else(|faults| faults.to_string(), |warnings| warnings.to_string())
    };
    for (rewrite, expected) in [
        ("{}", "this changes nothing"),
        ("{ request_headers: { set: { Remote-User: root } } }", "the gate's own"),
        ("{ request_headers: { set: { remote_user: root } } }", "the gate's own"),
        ("{ request_headers: { add: { X-Forwarded-For: '10.0.0.1' } } }", "the gate's own"),
        ("{ request_headers: { remove: [X-Client-Verify] } }", "the gate's own"),
        ("{ request_headers: { set: { Host: a } } }", "between two hops"),
        ("{ request_headers: { set: { Transfer-Encoding: chunked } } }", "between two hops"),
        ("{ request_headers: { set: { Content-Length: '0' } } }", "between two hops"),
        ("{ request_headers: { remove: [Content-Length] } }", "between two hops"),
        ("{ request_headers: { set: { Authorization: a } } }", "says who a client is"),
        ("{ request_headers: { add: { X-A: '{username}' } } }", "write it under `set`"),
        ("{ request_headers: { set: { X-A: '{user}' } } }", "is none of"),
        ("{ request_headers: { set: { X-A: \"a\\r\\nRemote-User: root\" } } }", "control character"),
        ("{ request_headers: { set: { X-A: ' a' } } }", "no space at its ends"),
        ("{ request_headers: { set: { X-A: a }, remove: [x-a] } }", "changed in another way"),
        ("{ response_headers: { set: { Content-Length: '0' } } }", "between two hops"),
        ("{ response_headers: { add: { Set-Cookie: a=b } } }", "the application's to say"),
        ("{ response_headers: { remove: [Content-Encoding] } }", "nobody could read"),
        ("{ response_headers: { set: { X-A: \"a\\nb\" } } }", "visible ASCII"),
        ("{ prefix: /a/../b }", "resolved"),
        ("{ prefix: /.well-known/wicketgate }", "only the gate itself answers"),
        ("{ path: /b }", "write `prefix`"),
        ("{ prefix: /b, path: /c }", "not by both"),
        ("{ host: 'http://a' }", "port"),
        ("{ host: 'a:0' }", "port"),
        ("{ host: 'a b' }", "not a host name"),
    ] {
        let said = check(rewrite);
        assert!(said.contains(expected), "{rewrite}: {said}");
    }
    for good in [
        "{ prefix: / }",
        "{ host: 'app.internal:8080' }",
        "{ request_headers: { remove: [Authorization, Accept-Encoding] } }",
    ] {
        assert_eq!(check(good), "", "{good}");
    }
    for around in [
        "[{ path: /a, anonymous: allow, upstream: app, rewrite: { prefix: / } }, { path: /, upstream: app }]",
        // Neither asks the upstream for its own path.
        "[{ path: /public, anonymous: allow, upstream: app, rewrite: { prefix: / } }, \
          { path: /secure, upstream: app, rewrite: { prefix: /admin } }]",
    ] {
        let setup = Setup::before(&upstream).section("routes", around);
        let file = folder.path().join("wicketgate.yaml");
        std::fs::write(&file, setup.text("127.0.0.1:1".parse().unwrap())).unwrap();
        let warnings = wicketgate::config::load(&file).unwrap().warnings.to_string();
        assert!(warnings.contains("by this path clients reach on the upstream what the route on line"), "{warnings}");
    }
}
