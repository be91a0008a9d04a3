//! Which route a request takes, and which path the upstream gets: one normalisation before everything else,
//! so that no spelling of a path leads around a route (RFC 3986, section 6.2.2).
#![cfg(test)]

mod common;

use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n")
}

#[test]
fn the_upstream_gets_the_normalised_path() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    for (target, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/%61/%7Eb", "/a/~b"),
        ("/a/./b/../c", "/a/c"),
        ("/../../a", "/a"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E/b", "/a/b"),
        ("//a///b", "/a/b"),
        ("/a%20b", "/a%20b"),
        ("/%c3%a9", "/%C3%A9"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a?../b//%2f", "/a?../b//%2f"),
        ("https://gate.example.org/a/../b", "/b"),
    ] {
        let answer = Raw::exchange(&alice, request(target));
        assert_eq!(status(&answer), 200, "{target}: {answer}");
        assert_eq!(upstream.last().target(), expected, "{target}");
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn a_path_that_two_servers_could_read_differently_is_refused() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    for target in [
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%5Cb",
        "/a\\b",
        "/a%00b",
        "/a/..;/b",
        "/a/..;x=1/b",
        "/a/.;/b",
        "/a/%2e%2e;/b",
        "/%ff",
        "/%c3%28",
        "/%c0%af",
        "/a%",
        "/a%2",
        "/a%zz",
        "a",
        "../a",
    ] {
        let answer = Raw::exchange(&alice, request(target));
        assert_eq!(status(&answer), 400, "{target}: {answer}");
    }
    assert!(upstream.requests().is_empty(), "{:#?}", upstream.requests());
}

#[test]
fn no_spelling_of_a_path_leads_around_the_route_that_guards_it() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate], anonymous: allow, upstream: app }, \
                   { path: /admin, authenticate: [certificate], upstream: app }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let stranger = gate.client();
    for target in [
        "/admin",
        "/admin/",
        "/admin/x",
        "/admin?x",
        "/%61dmin",
        "/%61%64%6d%69%6e/x",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x/..//admin",
        "https://gate.example.org/admin",
    ] {
        let answer = Raw::exchange(&stranger, request(target));
        assert_eq!(status(&answer), 403, "{target}: {answer}");
    }
    for target in ["/administrator", "/admi", "/x/admin", "/"] {
        let answer = Raw::exchange(&stranger, request(target));
        assert_eq!(status(&answer), 200, "{target}: {answer}");
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn the_most_specific_host_and_path_win_whatever_their_order() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate], anonymous: allow, upstream: { respond: { status: 200, body: any } } }, \
      { path: /deep/er, authenticate: [certificate], anonymous: allow, upstream: { respond: { status: 200, body: any-deeper } } }, \
      { path: /deep, authenticate: [certificate], anonymous: allow, upstream: { respond: { status: 200, body: any-deep } } }, \
      { host: '*.example.org', path: /, authenticate: [certificate], anonymous: allow, upstream: { respond: { status: 200, body: wild } } }, \
      { host: mail.example.org, path: /deep, authenticate: [certificate], anonymous: allow, upstream: { respond: { status: 200, body: mail-deep } } }, \
      { host: mail.example.org, path: /, authenticate: [certificate], anonymous: allow, upstream: { redirect: 'https://elsewhere.example/' } }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let ask = |host: &str, target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Raw::exchange(&gate.client().named(host), request)
    };
    for (host, target, expected) in [
        ("mail.example.org", "/deep/er", "mail-deep"),
        ("mail.example.org", "/deepest", "elsewhere"),
        ("MAIL.example.org", "/deep", "mail-deep"),
        ("other.example.org", "/deep", "wild"),
        ("other.example.org", "/", "wild"),
    ] {
        let answer = ask(host, target);
        assert!(answer.contains(expected), "{host}{target}: {answer}");
    }
    assert!(upstream.requests().is_empty());
}

/// Routes whose answers say which they are.
fn answering(routes: &[(&str, &str)]) -> String {
    let routes = routes.iter().map(|(name, keys)| {
        format!("{{ {keys}, anonymous: allow, upstream: {{ respond: {{ body: \"route={name}\" }} }} }}")
    });
    format!("[{}]", routes.collect::<Vec<_>>().join(", "))
}

#[test]
fn a_whole_path_goes_before_a_pattern_and_no_pattern_opens_what_a_longer_prefix_guards() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, anonymous: allow, upstream: app }, \
      { path: { exact: /users/me }, upstream: app }, \
      { path: { pattern: '/users/[0-9]+' }, upstream: app }, \
      { path: { pattern: '.*\\.png' }, anonymous: allow, upstream: app }, \
      { path: /admin, upstream: app }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let stranger = gate.client();
    for (target, expected) in [
        ("/users/me", 403),
        ("/users/me/", 403),
        ("/users/%6de", 403),
        ("/users//me", 403),
        ("/x/../users/me", 403),
        ("/users/me;x=1", 400),
        ("/users;x/me", 400),
        ("/users/me/..;/x", 400),
        ("/users/me/more", 200),
        ("/users/7", 403),
        ("/users/%37", 403),
        ("/users/7/", 403),
        ("/users/7;x", 400),
        ("/users/7%3Bx", 400),
        ("/users/7%0A", 200),
        ("/users/seven", 200),
        ("/admin/logo.png", 403),
        ("/admin/%0A.png", 403),
        ("/x;/logo.png", 200),
        ("/logo.png", 200),
    ] {
        let answer = Raw::exchange(&stranger, request(target));
        assert_eq!(status(&answer), expected, "{target}: {answer}");
    }
    assert_eq!(status(&Raw::exchange(&gate.alice(), request("/users/7"))), 200);
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn among_routes_of_one_path_method_and_fields_choose() {
    let upstream = Upstream::start();
    let routes = answering(&[
        ("all", "path: /api"),
        ("write", "path: /api, methods: [POST, PUT]"),
        ("canary", "path: /api, match_headers: { X-Canary: { present: true } }"),
        ("two", "path: /api, match_headers: { X-Version: { pattern: '2(\\.[0-9]+)?' } }"),
        ("both", "path: /api, match_headers: { X-Version: '2', X-Canary: 'on' }"),
    ]);
    let gate = Setup::before(&upstream).section("routes", &routes).start();
    let ask = |method: &str, fields: &str| {
        let request = format!("{method} /api HTTP/1.1\r\nHost: gate.example.org\r\n{fields}Connection: close\r\n\r\n");
        Raw::exchange(&gate.client(), request)
    };
    for (method, fields, expected) in [
        ("GET", "", "route=all"),
        ("POST", "", "route=write"),
        ("DELETE", "", "route=all"),
        ("POST", "X-Canary: on\r\n", "route=write"),
        ("GET", "x-canary:\r\n", "route=canary"),
        ("GET", "X-Version: 2.1\r\n", "route=two"),
        ("GET", "X-Version: 2.1x\r\n", "route=all"),
        ("GET", "X-Version: 2\r\nX-Canary: on\r\n", "route=both"),
        ("GET", "X-Version: 2\r\nX-Canary: ON\r\n", "route=canary"),
    ] {
        let answer = ask(method, fields);
        assert!(answer.contains(expected), "{method} {fields:?}: {answer}");
    }
    for (method, fields) in [
        ("post", ""),
        ("GET", "X-Version: 1\r\nX-Version: 2\r\n"),
        ("GET", "X_Version: 2\r\n"),
        ("GET", "X-Canary: on\r\nConnection: X-Canary\r\n"),
    ] {
        let answer = ask(method, fields);
        assert_eq!(status(&answer), 400, "{method} {fields:?}: {answer}");
    }
    gate.log_line(&["bad_request", "routes are chosen by `x-version`"]);
    let certificate = gate.alice().credential().chain_pem();
    let file = gate.folder().join("alice.pem");
    std::fs::write(&file, certificate).unwrap();
    let explain = ["explain", file.to_str().unwrap(), "--path", "/api"];
    let said = |words: &[&str]| gate.wicketgate(&[&explain, words].concat());
    assert!(said(&["--method", "PUT"]).contains("/api POST,PUT"));
    assert!(said(&["--header", "X-Version: 2.0"]).contains("/api x-version~2"));
}

#[test]
fn a_method_that_no_route_of_the_path_has_opens_no_other_route() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, anonymous: allow, upstream: app }, \
      { path: /files, methods: [GET], anonymous: allow, upstream: app }, \
      { path: /files, methods: [PUT, DELETE], upstream: app }, \
      { path: /keyed, match_headers: { X-Key: { present: true } }, upstream: app }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let stranger = gate.client();
    let ask = |method: &str, target: &str, fields: &str| {
        let head = "HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\nContent-Length: 0";
        Raw::exchange(&stranger, format!("{method} {target} {head}\r\n{fields}\r\n"))
    };
    for (method, target, expected) in [
        ("GET", "/files/x", 200),
        ("HEAD", "/files/x", 200),
        ("PUT", "/files/x", 403),
        ("POST", "/files/x", 405),
        ("PATCH", "/files/x", 405),
        ("put", "/files/x", 400),
        ("FOO", "/files/x", 405),
        ("POST", "/x", 200),
        ("GET", "/keyed", 404),
    ] {
        let answer = ask(method, target, "");
        assert_eq!(status(&answer), expected, "{method} {target}: {answer}");
        let allow = answer.lines().any(|line| line.eq_ignore_ascii_case("allow: PUT, DELETE, GET, HEAD"))
            || answer.lines().any(|line| line.eq_ignore_ascii_case("allow: GET, HEAD, PUT, DELETE"));
        assert_eq!(allow, expected == 405, "{answer}");
    }
    // What would have the application take it for another method does not reach it.
    for field in ["X-HTTP-Method-Override: DELETE", "x_http_method: PUT", "X-Method-Override: DELETE"] {
        assert_eq!(status(&ask("GET", "/files/x", &format!("{field}\r\n"))), 200);
        assert!(!upstream.last().head.to_ascii_lowercase().contains("delete"), "{}", upstream.last().head);
        assert!(!upstream.last().head.contains("PUT"), "{}", upstream.last().head);
    }
}

#[test]
fn a_request_for_no_route_is_not_found() {
    let upstream = Upstream::start();
    let routes = "[{ host: mail.example.org, path: /mail, authenticate: [certificate], upstream: app }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    for (host, target) in [("gate.example.org", "/mail"), ("mail.example.org", "/"), ("mail.example.org", "/mailbox")] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = Raw::exchange(&gate.alice().named(host), request);
        assert_eq!(status(&answer), 404, "{host}{target}: {answer}");
        assert!(answer.contains("no_route"), "{answer}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn what_is_reserved_for_the_gate_never_reaches_an_upstream() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    for target in [
        "/.well-known/wicketgate/",
        "/.well-known/wicketgate/nothing",
        "/%2ewell-known/wicketgate/nothing",
        "/.well-known//wicketgate/./nothing?x",
        "/x/../.well-known/wicketgate/nothing",
    ] {
        let answer = Raw::exchange(&alice, request(target));
        assert_eq!(status(&answer), 404, "{target}: {answer}");
        assert!(answer.contains("no_route"), "{answer}");
    }
    assert!(upstream.requests().is_empty());
    for target in ["/.well-known/wicketgate", "/.well-known/wicketgates/x", "/.well-known/acme-challenge/x"] {
        assert_eq!(status(&Raw::exchange(&alice, request(target))), 200, "{target}");
    }
}
