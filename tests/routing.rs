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
