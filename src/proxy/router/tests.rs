use super::*;
use crate::config::{HeaderCondition, HeaderWants, Pattern};
use http::{HeaderMap, Method};
use proptest::prelude::*;

fn host(pattern: &str) -> Option<HostPattern> {
    match (pattern, pattern.strip_prefix("*.")) {
        ("", _) => None,
        (_, Some(parent)) => Some(HostPattern::Wildcard(parent.to_owned())),
        (name, None) => Some(HostPattern::Exact(name.to_owned())),
    }
}

/// `/prefix`, `=/whole/path` or `~/pattern`.
fn path(text: &str) -> RoutePath {
    match (text.strip_prefix('='), text.strip_prefix('~')) {
        (Some(path), _) => RoutePath::Exact(path.to_owned()),
        (_, Some(pattern)) => RoutePath::Pattern(PathPattern::parse(pattern).unwrap()),
        _ => RoutePath::Prefix(text.to_owned()),
    }
}

fn entry<T>(pattern: &str, text: &str, listeners: &[usize], payload: T) -> Entry<T> {
    let conditions = Conditions::default();
    Entry { host: host(pattern), path: path(text), conditions, listeners: listeners.to_vec(), payload }
}

/// A route that asks for these methods, and for these fields: `name`, `name=value` or `name~pattern`.
fn asking<T>(text: &str, methods: &[&str], fields: &[&str], payload: T) -> Entry<T> {
    let methods = methods.iter().map(|method| Method::from_bytes(method.as_bytes()).unwrap());
    let fields = fields.iter().map(|field| {
        let (name, wants) = match (field.split_once('='), field.split_once('~')) {
            (Some((name, value)), _) => (name, HeaderWants::Equals(value.to_owned())),
            (_, Some((name, pattern))) => (name, HeaderWants::Pattern(Pattern::parse(pattern).unwrap())),
            _ => (*field, HeaderWants::Present),
        };
        HeaderCondition { name: name.to_owned(), wants }
    });
    let conditions = Conditions::new(methods.collect(), &fields.collect::<Vec<_>>()).unwrap();
    Entry { conditions, ..entry("", text, &[], payload) }
}

/// What is found for a GET request without any fields.
fn find<'r, T>(router: &'r Router<T>, listener: usize, host: Option<&str>, path: &str) -> Result<&'r T, Miss> {
    router.find(listener, host, path, &Asked { method: &Method::GET, headers: &HeaderMap::new() })
}

/// What is found for a request with this method and these fields.
fn ask(router: &Router<&'static str>, method: &str, fields: &[(&str, &str)]) -> Result<&'static str, Miss> {
    let fields = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap()));
    let (method, headers) = (Method::from_bytes(method.as_bytes()).unwrap(), fields.collect::<HeaderMap>());
    router.find(0, None, "/x", &Asked { method: &method, headers: &headers }).copied()
}

#[test]
fn the_most_specific_route_is_found() {
    let router = Router::new(
        2,
        [
            entry("", "/", &[], "any /"),
            entry("", "/app", &[], "any /app"),
            entry("", "/app/deep/down", &[], "any /app/deep/down"),
            entry("", "/caf%C3%A9", &[], "any /café"),
            entry("*.example.org", "/", &[], "wildcard /"),
            entry("*.example.org", "/files/", &[], "wildcard /files"),
            entry("www.example.org", "/app", &[], "www /app"),
            entry("", "/only", &[1], "any /only on 1"),
            entry("", "/both", &[], "any /both"),
            entry("", "/both", &[1], "any /both on 1"),
            entry("", "/both", &[1], "never"),
            entry("only.example.net", "/x", &[0], "net /x on 0"),
        ],
    )
    .unwrap();
    let cases = [
        (0, None, "/", "any /"),
        (0, Some("other.example"), "/apple", "any /"),
        (0, Some("other.example"), "/app", "any /app"),
        (0, Some("other.example"), "/app/", "any /app"),
        (0, Some("other.example"), "/app/x/y/z", "any /app"),
        (0, Some("other.example"), "/app/deep", "any /app"),
        (0, Some("other.example"), "/app/deep/down", "any /app/deep/down"),
        (0, Some("other.example"), "/app/deep/down/below", "any /app/deep/down"),
        (0, Some("other.example"), "/app/deep/downtown", "any /app"),
        (0, Some("other.example"), "/x/app", "any /"),
        (0, Some("other.example"), "*", "any /"),
        (0, Some("other.example"), "/caf%C3%A9/x", "any /café"),
        (0, Some("other.example"), "/x%3By", "any /"),
        (0, Some("a.example.org"), "/app", "wildcard /"),
        (0, Some("a.example.org"), "/files", "wildcard /files"),
        (0, Some("a.example.org"), "/files/x;v=1", "wildcard /files"),
        (0, Some("a.b.example.org"), "/files", "any /"),
        (0, Some("example.org"), "/files", "any /"),
        (0, Some(".example.org"), "/files", "any /"),
        (0, Some("www.example.org"), "/app/x", "www /app"),
        (0, Some("www.example.org"), "/x", "wildcard /"),
        (0, Some("www.example.org"), "/files/x", "wildcard /files"),
        (0, None, "/only", "any /"),
        (1, None, "/only", "any /only on 1"),
        (0, None, "/both", "any /both"),
        (1, None, "/both", "any /both on 1"),
        (0, Some("only.example.net"), "/x", "net /x on 0"),
        (1, Some("only.example.net"), "/x", "any /"),
    ];
    for (listener, host, path, expected) in cases {
        assert_eq!(find(&router, listener, host, path), Ok(&expected), "{listener} {host:?} {path}");
    }
    assert_eq!(find(&router, 2, None, "/"), Err(Miss::NoRoute));
}

#[test]
fn without_a_route_for_it_a_request_has_none() {
    let router = Router::new(1, [entry("a.example", "/", &[], 'a'), entry("b.example", "/app", &[], 'b')]).unwrap();
    let cases = [
        (Some("a.example"), "/x", Ok(&'a')),
        (Some("b.example"), "/x", Err(Miss::NoRoute)),
        (Some("c.example"), "/app", Err(Miss::NoRoute)),
        (None, "/app", Err(Miss::NoRoute)),
    ];
    for (host, path, expected) in cases {
        assert_eq!(find(&router, 0, host, path), expected, "{host:?} {path}");
    }
    assert_eq!(find(&Router::<()>::new(1, []).unwrap(), 0, None, "/"), Err(Miss::NoRoute));
}

#[test]
fn a_path_that_an_upstream_may_read_as_another_routes_is_ambiguous() {
    let router = Router::new(
        1,
        [
            entry("", "/", &[], "/"),
            entry("", "/admin", &[], "/admin"),
            entry("", "/app/public", &[], "/app/public"),
            entry("", "/a,b", &[], "/a,b"),
        ],
    )
    .unwrap();
    let cases = [
        ("/admin;x", Err(Miss::Ambiguous)),
        ("/admin;x/y", Err(Miss::Ambiguous)),
        ("/admin%3Bx/y", Err(Miss::Ambiguous)),
        ("/;x/admin", Err(Miss::Ambiguous)),
        ("/x;/app/public", Ok("/")),
        ("/app;x/public", Err(Miss::Ambiguous)),
        ("/app/public;jsessionid=1", Err(Miss::Ambiguous)),
        ("/admin/;x", Ok("/admin")),
        ("/admin/y;z", Ok("/admin")),
        ("/x;y", Ok("/")),
        ("/a%2Cb", Ok("/a,b")),
        ("/a%252Cb", Ok("/")),
    ];
    for (path, expected) in cases {
        assert_eq!(find(&router, 0, None, path).copied(), expected, "{path}");
    }
}

#[test]
fn a_route_whose_path_could_never_match_is_refused() {
    for path in ["", "app", "/a//b", "/a/../b", "/%61", "/a%2fb", "/a;b", "/a%3Bb", "/a b"] {
        assert_eq!(Router::new(1, [entry("", path, &[], ())]).err(), Some(BadRoutePath(path.to_owned())), "{path}");
    }
}

/// What the router is to find, one route after the other.
fn by_looking_at_each(entries: &[Entry<usize>], listener: usize, host: Option<&str>, path: &str) -> Option<usize> {
    let segments = |path: &str| path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    entries
        .iter()
        .filter(|entry| entry.listeners.is_empty() || entry.listeners.contains(&listener))
        .filter(|entry| match (&entry.host, host) {
            (None, _) => true,
            (Some(pattern), Some(host)) => pattern.matches(host),
            (Some(_), None) => false,
        })
        .filter(|entry| match &entry.path {
            RoutePath::Prefix(prefix) => segments(path).starts_with(&segments(prefix)),
            RoutePath::Exact(whole) => segments(path) == segments(whole),
            RoutePath::Pattern(pattern) => pattern.matches(path.as_bytes()),
        })
        .max_by_key(|entry| {
            let host = match entry.host {
                Some(HostPattern::Exact(_)) => 2,
                Some(HostPattern::Wildcard(_)) => 1,
                None => 0,
            };
            let path = match &entry.path {
                RoutePath::Exact(_) => (usize::MAX, 0, 0),
                RoutePath::Prefix(prefix) => (segments(prefix).len(), 0, 0),
                RoutePath::Pattern(pattern) => {
                    // The first of them, and then all routes of this one.
                    let first = |other: &&Entry<usize>| {
                        let here = other.listeners.is_empty() || other.listeners.contains(&listener);
                        here && other.host == entry.host && other.path == entry.path
                    };
                    let first = entries.iter().find(first).map_or(0, |first| first.payload);
                    (segments(pattern.fixed()).len(), 1, usize::MAX - first)
                }
            };
            (host, path, !entry.listeners.is_empty(), std::cmp::Reverse(entry.payload))
        })
        .map(|entry| entry.payload)
}

proptest! {
    #[test]
    fn the_router_finds_what_looking_at_each_route_finds(
        routes in prop::collection::vec(
            (
                "|a\\.x|b\\.x|\\*\\.x|a\\.b\\.x|\\*\\.b\\.x",
                "(/|=?(/[ab]{1,2}){1,3}|~(/[ab]){0,2}/(a|b)\\+|~(/[ab]){0,2}/\\.\\*|~/a(/b\\.\\*)?)",
                prop::collection::vec(0_usize..2, 0..2),
            ),
            0..12,
        ),
        requests in prop::collection::vec(("(a\\.|b\\.)?(b\\.)?x", any::<bool>(), "(/|(/[ab]{1,2}){1,4}/?)", 0_usize..2), 1..12),
    ) {
        let entries: Vec<_> =
            routes.iter().enumerate().map(|(at, (host, path, on))| entry(host, path, on, at)).collect();
        let router = Router::new(2, entries.clone()).unwrap();
        for (host, named, path, listener) in &requests {
            let host = named.then_some(host.as_str());
            let expected = by_looking_at_each(&entries, *listener, host, path);
            prop_assert_eq!(find(&router, *listener, host, path).ok().copied(), expected, "{:?} {}", host, path);
        }
    }

    /// Whatever a client spells, and however the upstream reads it: what gets through one route is not another's.
    #[test]
    fn no_reading_of_a_path_that_passes_belongs_to_another_route(
        spelled in prop::collection::vec(
            prop_oneof![
                Just("/"), Just("/"), Just("."), Just(".."), Just("..;"), Just("..;a=b"), Just(";"), Just("%3b"), Just("%2e"),
                Just("%2E%2e"), Just("%2f"), Just("%5c"), Just("admin"), Just("%61dmin"), Just("users"), Just("7"), Just("me"),
                Just("%37"), Just("avatar"), Just("x"), Just("%0a"), Just("%252e"), Just("%C3%A9"), Just("%c0%ae"), Just("%00"),
            ],
            0..14,
        ),
    ) {
        let router = Router::new(
            1,
            [
                entry("", "/", &[], 0),
                entry("", "/admin", &[], 1),
                entry("", "=/users/me", &[], 2),
                entry("", "~/users/[0-9]+", &[], 3),
                entry("", "~/users/[0-9]+/avatar", &[], 4),
                entry("", "~.*/x", &[], 5),
                entry("", "/\u{25}C3%A9", &[], 6),
            ],
        )
        .unwrap();
        let spelled = format!("/{}", spelled.concat());
        let Ok(normal) = normalise(&spelled) else { return Ok(()) };
        let Ok(found) = find(&router, 0, None, &normal) else { return Ok(()) };
        for reading in readings(&normal) {
            let Ok(read) = normalise(&reading) else { continue };
            // What drops no parameters sees those of the path; it may not be another route's without them either.
            let other = find(&router, 0, None, &read);
            prop_assert!(other == Ok(found) || other == Err(Miss::Ambiguous), "{} {} {:?}", spelled, reading, other);
        }
    }
}

/// How upstreams may read a path in normal form: as it is, without the parameters of segments (and then with dots and doubled
/// slashes resolved), without the slash at its end, and with what is encoded decoded before they look.
fn readings(normal: &str) -> Vec<String> {
    let without = |path: &str| {
        let names: Vec<&str> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
        names.join("/")
    };
    let decoded = String::from_utf8(decode(normal)).unwrap();
    // What a normal form cannot say otherwise is encoded again.
    let encoded = |path: &str| {
        let encode = |octet: u8| match octet {
            b'%' | b'?' | b'#' | b' ' | 0x7f.. | ..0x20 => format!("%{octet:02X}"),
            _ => char::from(octet).to_string(),
        };
        path.bytes().map(encode).collect::<String>()
    };
    let trimmed = normal.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(normal);
    vec![normal.to_owned(), trimmed.to_owned(), without(normal), encoded(&decoded), encoded(&without(&decoded))]
}

#[test]
fn a_whole_path_goes_before_a_pattern_and_a_pattern_before_the_prefix_that_it_begins_with() {
    let router = Router::new(
        1,
        [
            entry("", "/", &[], "/"),
            entry("", "/users", &[], "/users"),
            entry("", "/users/admin", &[], "/users/admin"),
            entry("", "=/users/me", &[], "=/users/me"),
            entry("", "~/users/[^/]+", &[], "~/users/[^/]+"),
            entry("", "~/users/[0-9]+/.*", &[], "~/users/[0-9]+/.*"),
            entry("", r"~.*\.png", &[], "~png"),
            entry("", "~/caf\u{e9}/[0-9]", &[], "~caf\u{e9}"),
            entry("", "=/", &[], "=/"),
        ],
    )
    .unwrap();
    for (path, expected) in [
        ("/", Ok("=/")),
        ("/users", Ok("/users")),
        ("/users/", Ok("/users")),
        ("/users/me", Ok("=/users/me")),
        ("/users/me/", Ok("=/users/me")),
        ("/users/me/more", Ok("/users")),
        ("/users/you", Ok("~/users/[^/]+")),
        ("/users/you/", Ok("~/users/[^/]+")),
        // A pattern opens nothing that a longer prefix has.
        ("/users/admin", Ok("/users/admin")),
        ("/users/admin/x.png", Ok("/users/admin")),
        ("/users/7/x.png", Ok("~/users/[0-9]+/.*")),
        ("/users/x/y.png", Ok("/users")),
        ("/x/y.png", Ok("~png")),
        ("/x/y%2Epng", Ok("~png")),
        ("/x/%0Ay.png", Ok("~png")),
        ("/x/y.pn", Ok("/")),
        ("/caf%C3%A9/7", Ok("~caf\u{e9}")),
        ("/caf%C3%A9/x", Ok("/")),
        ("/users/me;x", Err(Miss::Ambiguous)),
        ("/users/me/;x", Err(Miss::Ambiguous)),
        ("/users/;x/7/", Err(Miss::Ambiguous)),
        ("/x.png;y", Err(Miss::Ambiguous)),
        ("/x;y.png", Err(Miss::Ambiguous)),
        ("/x;y/z.png", Ok("~png")),
    ] {
        assert_eq!(find(&router, 0, None, path).copied(), expected, "{path}");
    }
}

#[test]
fn among_routes_of_one_path_the_one_that_asks_most_goes_first() {
    let router = Router::new(
        1,
        [
            asking("/x", &[], &[], "all"),
            asking("/x", &[], &["a=1"], "a=1"),
            asking("/x", &[], &["a=1", "b"], "a=1 b"),
            asking("/x", &["POST"], &[], "POST"),
            asking("/x", &["POST", "PUT"], &["a~[0-9]"], "POST a~[0-9]"),
            asking("/", &[], &[], "never"),
        ],
    )
    .unwrap();
    for (method, fields, expected) in [
        ("GET", &[][..], "all"),
        ("GET", &[("a", "1")], "a=1"),
        ("GET", &[("a", " 1 ")], "a=1"),
        ("GET", &[("a", "2")], "all"),
        ("GET", &[("a", "1"), ("b", "")], "a=1 b"),
        ("GET", &[("b", "x"), ("b", "y")], "all"),
        ("POST", &[], "POST"),
        ("POST", &[("a", "1"), ("b", "")], "POST a~[0-9]"),
        ("POST", &[("a", "x")], "POST"),
        ("PUT", &[("a", "12")], "all"),
        ("PUT", &[("a", "3")], "POST a~[0-9]"),
    ] {
        assert_eq!(ask(&router, method, fields), Ok(expected), "{method} {fields:?}");
    }
}

#[test]
fn no_method_and_no_field_leads_to_a_route_of_a_less_specific_path() {
    let router = Router::new(
        1,
        [
            asking("/", &[], &[], "open"),
            asking("/x", &["GET", "HEAD"], &["key=1"], "guarded"),
            asking("/x", &["POST"], &["key=1"], "guarded too"),
        ],
    )
    .unwrap();
    let allow = || Miss::Method { allow: HeaderValue::from_static("GET, HEAD, POST") };
    for (method, fields, expected) in [
        ("GET", &[("key", "1")][..], Ok("guarded")),
        ("DELETE", &[("key", "1")], Err(allow())),
        ("FOO", &[("key", "1")], Err(allow())),
        ("GET", &[], Err(Miss::NoRoute)),
        ("DELETE", &[("key", "2")], Err(Miss::NoRoute)),
    ] {
        assert_eq!(ask(&router, method, fields), expected, "{method} {fields:?}");
    }
}

#[test]
fn a_method_or_field_that_can_be_read_in_two_ways_chooses_no_route() {
    let router = Router::new(
        1,
        [
            asking("/x", &[], &[], "all"),
            asking("/x", &["POST"], &[], "POST"),
            asking("/x", &[], &["x-key=1"], "key"),
            asking("/x", &[], &["x-mark"], "mark"),
        ],
    )
    .unwrap();
    let field = |name| Err(Miss::UncertainField(HeaderName::from_static(name)));
    for (method, fields, expected) in [
        ("GET", &[("connection", "keep-alive")][..], Ok("all")),
        ("post", &[], Err(Miss::UncertainMethod)),
        ("Post", &[], Err(Miss::UncertainMethod)),
        ("get", &[], Ok("all")),
        ("GET", &[("x-key", "1"), ("x-key", "1")], field("x-key")),
        ("GET", &[("x-key", "2"), ("x-key", "1")], field("x-key")),
        ("GET", &[("x_key", "1")], field("x-key")),
        ("GET", &[("x-key", "2"), ("x.key", "1")], field("x-key")),
        ("GET", &[("x-key", "1"), ("connection", "close, X-Key")], field("x-key")),
        ("GET", &[("connection", "x-key")], field("x-key")),
        ("GET", &[("x-mark", "1"), ("x-mark", "2")], Ok("mark")),
        ("GET", &[("x_mark", "1")], field("x-mark")),
        ("GET", &[("x-keys", "1")], Ok("all")),
    ] {
        assert_eq!(ask(&router, method, fields), expected, "{method} {fields:?}");
    }
}
