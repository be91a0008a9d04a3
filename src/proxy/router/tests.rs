use super::*;
use proptest::prelude::*;

fn host(pattern: &str) -> Option<HostPattern> {
    match (pattern, pattern.strip_prefix("*.")) {
        ("", _) => None,
        (_, Some(parent)) => Some(HostPattern::Wildcard(parent.to_owned())),
        (name, None) => Some(HostPattern::Exact(name.to_owned())),
    }
}

fn entry<T>(pattern: &str, path: &str, listeners: &[usize], payload: T) -> Entry<T> {
    Entry { host: host(pattern), path: path.to_owned(), listeners: listeners.to_vec(), payload }
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
        assert_eq!(router.find(listener, host, path), Ok(&expected), "{listener} {host:?} {path}");
    }
    assert_eq!(router.find(2, None, "/"), Err(Miss::NoRoute));
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
        assert_eq!(router.find(0, host, path), expected, "{host:?} {path}");
    }
    assert_eq!(Router::<()>::new(1, []).unwrap().find(0, None, "/"), Err(Miss::NoRoute));
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
        assert_eq!(router.find(0, None, path).copied(), expected, "{path}");
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
        .filter(|entry| segments(path).starts_with(&segments(&entry.path)))
        .max_by_key(|entry| {
            let host = match entry.host {
                Some(HostPattern::Exact(_)) => 2,
                Some(HostPattern::Wildcard(_)) => 1,
                None => 0,
            };
            (host, segments(&entry.path).len(), !entry.listeners.is_empty(), std::cmp::Reverse(entry.payload))
        })
        .map(|entry| entry.payload)
}

proptest! {
    #[test]
    fn the_router_finds_what_looking_at_each_route_finds(
        routes in prop::collection::vec(
            ("|a\\.x|b\\.x|\\*\\.x|a\\.b\\.x|\\*\\.b\\.x", "(/|(/[ab]{1,2}){1,3})", prop::collection::vec(0_usize..2, 0..2)),
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
            prop_assert_eq!(router.find(*listener, host, path).ok().copied(), expected, "{:?} {}", host, path);
        }
    }
}
