//! What routes ask of requests, and which of them no request finds.

use super::*;

/// A route before one for everything.
fn beside(keys: &str) -> String {
    format!("routes:\n  - upstream: app\n  - {{upstream: app, {keys}}}")
}

/// Two routes of one path, the second on line 7.
fn two(first: &str, second: &str) -> String {
    format!("routes:\n  - {{upstream: app, {first}}}\n  - {{upstream: app, {second}}}")
}

#[test]
fn what_a_route_asks_of_requests_is_written_in_one_way() {
    let (path, pattern) = ("routes[1].path", "routes[1].path.pattern");
    let (methods, fields) = ("routes[1].methods", "routes[1].match_headers");
    let key = |name: &str| format!("routes[1].match_headers.{name}");
    assert_faults(
        Severity::Error,
        &[
            (beside("path: {}"), path, "exactly one"),
            (beside("path: {exact: /a, pattern: /b}"), path, "exactly one"),
            (beside("path: {exact: /a/}"), "routes[1].path.exact", "write `/a`"),
            (beside("path: {exact: /a/../b}"), "routes[1].path.exact", "resolved"),
            (beside("path: {pattern: a}"), pattern, "begins with `/`"),
            (beside("path: {pattern: '/('}"), pattern, "not a regular expression"),
            (beside("path: {pattern: '/a//[0-9]'}"), pattern, "merged"),
            (beside("path: {pattern: '/a%20[0-9]'}"), pattern, "decoded"),
            (beside(&format!("path: /{}", "a".repeat(1000))), path, "at most"),
            (beside("path: /a, methods: []"), methods, "empty"),
            (beside("path: /a, methods: [get]"), "routes[1].methods[0]", "capitals"),
            (beside("path: /a, methods: [TRACE]"), "routes[1].methods[0]", "refused on every route"),
            (beside("path: /a, methods: [GET, GET]"), "routes[1].methods[1]", "twice"),
            (beside("path: /a, match_headers: {}"), fields, "1 to 16"),
            (beside("path: /a, match_headers: {X: {}}"), &key("X"), "`{present: true}`"),
            (beside("path: /a, match_headers: {X: {present: false}}"), &key("X.present"), "absent"),
            (beside("path: /a, match_headers: {X: {pattern: '('}}"), &key("X.pattern"), "not a regular expression"),
            (beside("path: /a, match_headers: {X: ' a'}"), &key("X"), "no space"),
            (beside("path: /a, match_headers: {X: a, x: b}"), &key("x"), "twice"),
            (beside("path: /a, match_headers: {Host: a}"), &key("Host"), "between two hops"),
            (beside("path: /a, match_headers: {Remote_User: a}"), &key("Remote_User"), "the gate's own"),
            (beside("path: /a, match_headers: {X-Forwarded-For: a}"), &key("X-Forwarded-For"), "the gate's own"),
            (beside("path: /a, match_headers: {Authorization: a}"), &key("Authorization"), "log in with"),
            (beside("path: /a, match_headers: {Cookie: a}"), &key("Cookie"), "log in with"),
        ],
    );
    let config = config(&beside(
        "path: {pattern: '/a/[0-9]+'}, methods: [GET, PUT], match_headers: {X-A: '1', X-B: {present: true}}",
    ));
    let route = &config.routes[1];
    assert_eq!(route.path.to_string(), "~/a/[0-9]+");
    assert_eq!(route.methods, ["GET", "PUT", "HEAD"]);
    let asked: Vec<String> = route.match_headers.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["x-a=1", "x-b"]);
}

#[test]
fn a_route_that_no_request_finds_is_named_with_the_one_that_hides_it() {
    let hidden = "the one on line 8";
    assert_faults(
        Severity::Error,
        &[
            (two("methods: [GET]", "methods: [HEAD, GET]"), "routes[1]", "the route on line 8 has the same host"),
            (two("path: {exact: /a}", "path: {exact: /a}"), "routes[1]", "path (=/a)"),
            (
                two("match_headers: {X: a}", "match_headers: {x: a}"),
                "routes[1]",
                "the route on line 8 has the same host",
            ),
            (two("methods: [GET, POST]", "methods: [POST]"), "routes[1]", hidden),
            (two("match_headers: {X: {pattern: '[ab]'}}", "match_headers: {X: a}"), "routes[1]", hidden),
            (two("match_headers: {X: {present: true}}", "match_headers: {X: a}"), "routes[1]", hidden),
            (two("path: {pattern: '/a/.*'}", "path: {pattern: '/a/[0-9]+'}"), "routes[1]", hidden),
            (two("path: {pattern: '/a/.*'}, methods: [GET]", "path: {pattern: '/a/[0-9]+'}"), "routes[1]", hidden),
            (two("path: {pattern: '/.*'}", "path: /"), "routes[1]", hidden),
            (
                "routes:\n  - {upstream: app, methods: [GET]}\n  - {upstream: app, methods: [POST]}\n  \
                 - {upstream: app, methods: [POST, GET]}"
                    .to_owned(),
                "routes[2]",
                "no request finds this route",
            ),
        ],
    );
    for (first, second) in [
        ("methods: [POST]", "methods: [POST, GET]"),
        ("path: /a", "methods: [POST]"),
        ("methods: [GET]", "methods: [POST]"),
        ("match_headers: {X: a}", "match_headers: {X: {present: true}}"),
        ("match_headers: {X: a}", "match_headers: {Y: a}"),
        ("match_headers: {X: a}", "match_headers: {X: a, Y: a}"),
        ("methods: [GET]", "methods: [GET], match_headers: {X: a}"),
        ("path: {pattern: '/a/[0-9]+'}", "path: {pattern: '/a/.*'}"),
        ("path: {pattern: '/a/.*'}", "path: /a"),
        ("path: {exact: /a}", "path: /a"),
        ("host: a", "host: b"),
    ] {
        let faults = faults_of(&two(first, second));
        assert!(faults.is_empty(), "{first} | {second}: {faults}");
    }
}

#[test]
fn a_field_that_decides_over_who_may_pass_is_warned_of() {
    let choice = "clients choose between this route and the one on line 8";
    assert_faults(
        Severity::Warning,
        &[
            (two("path: /", "match_headers: {X: a}, anonymous: allow"), "routes[1]", choice),
            (two("anonymous: allow", "match_headers: {X: a}"), "routes[1]", choice),
            (two("methods: [GET]", "match_headers: {X: a}, methods: [GET], allow: {groups: [a]}"), "routes[1]", choice),
        ],
    );
    for (first, second) in [
        ("path: /", "match_headers: {X: a}, anonymous: {redirect: /login}"),
        ("path: /, anonymous: allow", "methods: [POST]"),
        ("methods: [GET], anonymous: allow", "methods: [POST], match_headers: {X: a}"),
    ] {
        let faults = faults_of(&two(first, second));
        assert!(faults.is_empty(), "{first} | {second}: {faults}");
    }
}
