use super::*;
use crate::account::Status;
use crate::config::{FieldEdits, PathPattern, PathTemplate, Template};
use crate::proxy::path::normalise;
use http::{Method, Uri, Version};
use proptest::prelude::*;

fn target(uri: &str) -> RequestTarget {
    let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("www.example.org"))]);
    RequestTarget::parse(&Method::GET, Version::HTTP_11, &uri.parse::<Uri>().unwrap(), &headers).unwrap()
}

fn rewriting(settings: config::Rewrite, path: &RoutePath) -> Rewrite {
    let servers = vec![ServerName { host: "10.0.0.5".to_owned(), port: 8080 }];
    Rewrite::new(&settings, path, servers, |name| name.starts_with("remote-")).unwrap()
}

/// One prefix for another.
fn prefix(own: &str, new: &str) -> Rewrite {
    let path = Some(PathRewrite::Prefix(new.to_owned()));
    rewriting(config::Rewrite { path, ..config::Rewrite::default() }, &RoutePath::Prefix(own.to_owned()))
}

/// What a pattern has matched, in a template.
fn made(pattern: &str, template: &str) -> Rewrite {
    let pattern = PathPattern::parse(pattern).unwrap();
    let path = Some(PathRewrite::Made(PathTemplate::parse(template, Some(&pattern)).unwrap()));
    rewriting(config::Rewrite { path, ..config::Rewrite::default() }, &RoutePath::Pattern(pattern))
}

fn asked(rewrite: &Rewrite, uri: &str) -> Result<String, Unwritable> {
    Ok(rewrite.target(&target(uri))?.unwrap().to_string())
}

#[test]
fn a_prefix_takes_the_place_of_a_prefix_in_whole_segments() {
    for (own, new, uri, expected) in [
        ("/wiki", "/", "/wiki", "/"),
        ("/wiki", "/", "/wiki/", "/"),
        ("/wiki", "/", "/wiki/a/b/", "/a/b/"),
        ("/wiki", "/", "/wiki?q=/wiki", "/?q=/wiki"),
        ("/wiki", "/app", "/wiki", "/app"),
        ("/wiki", "/app", "/wiki/", "/app/"),
        ("/wiki", "/app/v2", "/wiki/x;v=1/%C3%A9?a", "/app/v2/x;v=1/%C3%A9?a"),
        ("/", "/app", "/", "/app/"),
        ("/", "/app", "/x", "/app/x"),
        ("/a/b", "/", "/a/b/c", "/c"),
        // Prefixes are compared decoded, and may be spelled in more octets than the route's.
        ("/a,b", "/n", "/a%2Cb/x", "/n/x"),
        ("/a%2Cb", "/n", "/a,b/x", "/n/x"),
    ] {
        assert_eq!(asked(&prefix(own, new), uri).as_deref(), Ok(expected), "{own} {new} {uri}");
    }
    let any = prefix("/wiki", "/").target(
        &RequestTarget::parse(
            &Method::OPTIONS,
            Version::HTTP_11,
            &Uri::from_static("*"),
            &HeaderMap::from_iter([(HOST, HeaderValue::from_static("h"))]),
        )
        .unwrap(),
    );
    assert_eq!(any, Ok(None));
}

#[test]
fn a_path_is_made_of_what_the_pattern_has_matched() {
    for (pattern, template, uri, expected) in [
        ("/users/([^/]+)/(.*)", "/u/{1}/{2}", "/users/7/a/b?x", "/u/7/a/b?x"),
        ("/users/(?P<id>[^/]+)(/.*)?", "/u/{id}{2}", "/users/7", "/u/7"),
        ("/users/(?P<id>[^/]+)(/.*)?", "/u/{id}{2}", "/users/7/x", "/u/7/x"),
        ("/users/([^/]+)/(.*)", "/u/{1}/{2}", "/users/%C3%A9%2C,/%41%25", "/u/%C3%A9%2C,/A%25"),
        ("/caf\u{e9}/(.)(.)", "/{2}{1}", "/caf%C3%A9/%C3%A9x", "/x%C3%A9"),
        ("/old(/.*)", "{1}", "/old/x/", "/x/"),
        ("/old/(.*)", "/new/{0}", "/old/x", "/new//old/x"),
        ("/old/.*", "/new{path}", "/old/x", "/new/old/x"),
        ("/a/([0-9]+)", "/b/{1}", "/a/7/", "/b/7"),
    ] {
        let made = asked(&made(pattern, template), uri);
        if expected.contains("//") {
            assert_eq!(made, Err(Unwritable::NotNormal), "{pattern} {template} {uri}");
        } else {
            assert_eq!(made.as_deref(), Ok(expected), "{pattern} {template} {uri}");
        }
    }
}

#[test]
fn what_would_be_read_as_another_path_is_not_asked_for() {
    for (pattern, template, uri, expected) in [
        ("/x/(.*)", "/y/{1}", "/x/", Ok("/y/")),
        ("/x(.*)", "{1}", "/x.../y", Err(Unwritable::NotNormal)),
        ("/x/(.*)", "/y{1}/z", "/x/", Ok("/y/z")),
        ("/x/([^/]*)-([^/]*)", "/y/{2}{1}/z", "/x/.-.", Err(Unwritable::NotNormal)),
        ("/x/([^/]*)-([^/]*)", "/y/{2}{1}/z", "/x/;a-..", Err(Unwritable::NotNormal)),
        ("/x/(.*)", "/{1}", "/x/.well-known/wicketgate/jwks.json", Err(Unwritable::Reserved)),
    ] {
        assert_eq!(asked(&made(pattern, template), uri).as_deref(), expected.as_deref(), "{pattern} {template} {uri}");
    }
    let reserved = asked(&prefix("/x", "/"), "/x/.well-known/wicketgate/jwks.json");
    assert_eq!(reserved, Err(Unwritable::Reserved));
}

proptest! {
    #[test]
    fn no_spelling_of_a_path_leaves_the_prefix_that_it_is_rewritten_to(
        parts in prop::collection::vec(
            prop_oneof![
                Just("/"), Just("/"), Just(".."), Just("."), Just("..;"), Just(";x"), Just("%2e%2E"), Just("%2f"), Just("%5c"),
                Just("wiki"), Just("%77iki"), Just("app"), Just("a"), Just("%25"), Just("%3b"), Just("%C3%A9"), Just("%0a"),
            ],
            0..12,
        ),
    ) {
        let Ok(path) = normalise(&format!("/wiki/{}", parts.concat())).map(std::borrow::Cow::into_owned) else { return Ok(()) };
        prop_assume!(path == "/wiki" || path.starts_with("/wiki/"));
        let rewritten = [
            (asked(&prefix("/wiki", "/app/v1"), &path), "/app/v1"),
            (asked(&made("/wiki/(.*)", "/app/v1/{1}"), &path), "/app/v1"),
            (asked(&made("/wiki(/[^/]*)?(.*)", "/app/v1{2}{1}"), &path), "/app/v1"),
        ];
        for (rewritten, prefix) in rewritten {
            let Ok(rewritten) = rewritten else { continue };
            prop_assert_eq!(normalise(&rewritten), Ok(std::borrow::Cow::Borrowed(rewritten.as_str())));
            let rest = rewritten.strip_prefix(prefix);
            // A template may put letters behind its own; what it begins with in whole segments it never leaves.
            prop_assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')), "{} {}", path, rewritten);
        }
    }

    #[test]
    fn nothing_that_an_application_answers_makes_another_host_of_a_path(
        said in "(/app|/|//|http://|https://|10\\.0\\.0\\.5:8080|www\\.example\\.org|evil\\.example|[/\\\\?#@:.a]){0,7}",
    ) {
        for (own, new) in [("/", "/app"), ("/wiki", "/"), ("/wiki", "/app")] {
            let mut settings = config::Rewrite { path: Some(PathRewrite::Prefix(new.to_owned())), ..config::Rewrite::default() };
            settings.host = Some(HostRewrite::OfServer);
            let rewrite = rewriting(settings, &RoutePath::Prefix(own.to_owned()));
            let mut headers = HeaderMap::new();
            headers.insert(http::header::LOCATION, HeaderValue::from_str(&said).unwrap());
            rewrite.answer(&mut headers, Some(&HeaderValue::from_static("www.example.org")));
            let location = headers.get(http::header::LOCATION).unwrap().to_str().unwrap();
            if location != said {
                let rest = location.strip_prefix("https://www.example.org").unwrap_or(location);
                prop_assert!(rest.starts_with('/'), "{} {}", said, location);
                prop_assert!(rest != location || !(rest.starts_with("//") || rest.starts_with("/\\")), "{} {}", said, location);
            }
        }
    }
}

fn answered(rewrite: &Rewrite, name: &'static str, value: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    rewrite.answer(&mut headers, Some(&HeaderValue::from_static("www.example.org:8443")));
    headers.get(name).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn answers_lead_back_to_where_the_client_was() {
    let settings = config::Rewrite {
        path: Some(PathRewrite::Prefix("/app".to_owned())),
        host: Some(HostRewrite::OfServer),
        ..config::Rewrite::default()
    };
    let rewrite = rewriting(settings, &RoutePath::Prefix("/wiki".to_owned()));
    for (value, expected) in [
        ("/app", "/wiki"),
        ("/app/", "/wiki/"),
        ("/app/x?y=/app#z", "/wiki/x?y=/app#z"),
        ("/app?x", "/wiki?x"),
        ("/apple", "/apple"),
        ("/other", "/other"),
        ("x/y", "x/y"),
        ("?q", "?q"),
        ("http://10.0.0.5:8080/app/x", "https://www.example.org:8443/wiki/x"),
        ("HTTP://10.0.0.5:8080/app", "https://www.example.org:8443/wiki"),
        ("//10.0.0.5:8080/app/x", "https://www.example.org:8443/wiki/x"),
        ("https://www.example.org:8443/app/x", "https://www.example.org:8443/wiki/x"),
        ("http://10.0.0.5:8080/other", "http://10.0.0.5:8080/other"),
        ("http://10.0.0.5/app", "http://10.0.0.5/app"),
        ("http://10.0.0.5:8080@evil.example/app", "http://10.0.0.5:8080@evil.example/app"),
        ("https://elsewhere.example/app", "https://elsewhere.example/app"),
        ("mailto:app@example.org", "mailto:app@example.org"),
    ] {
        assert_eq!(answered(&rewrite, "location", value), expected, "{value}");
        assert_eq!(answered(&rewrite, "content-location", value), expected, "{value}");
    }
    for (value, expected) in [
        ("5; url=/app/x", "5; url=/wiki/x"),
        ("5;URL='/app/x'", "5;URL='/wiki/x'"),
        ("0; url=\"http://10.0.0.5:8080/app\"", "0; url=\"https://www.example.org:8443/wiki\""),
        ("5", "5"),
    ] {
        assert_eq!(answered(&rewrite, "refresh", value), expected, "{value}");
    }
    for (value, expected) in [
        ("a=b; Path=/app; Secure", "a=b; Path=/wiki; Secure"),
        ("a=b; path=/app/x;HttpOnly", "a=b; path=/wiki/x;HttpOnly"),
        ("a=/app; Path=/", "a=/app; Path=/"),
        ("a=b; Domain=10.0.0.5; Path=/app", "a=b; Path=/wiki"),
        ("a=b; Domain=.example.org", "a=b; Domain=.example.org"),
        ("__Host-a=b; Secure; Path=/", "__Host-a=b; Secure; Path=/"),
        ("a=b", "a=b"),
    ] {
        assert_eq!(answered(&rewrite, "set-cookie", value), expected, "{value}");
    }
    let stripped = prefix("/wiki", "/");
    for (value, expected) in [
        ("/", "/wiki/"),
        ("/x", "/wiki/x"),
        ("//elsewhere.example/x", "//elsewhere.example/x"),
        ("http://www.example.org:8443/x", "https://www.example.org:8443/wiki/x"),
    ] {
        assert_eq!(answered(&stripped, "location", value), expected, "{value}");
    }
    assert_eq!(answered(&stripped, "set-cookie", "a=b; Path=/"), "a=b; Path=/wiki");
    assert_eq!(answered(&stripped, "set-cookie", "__Host-a=b; Path=/"), "__Host-a=b; Path=/");
    let deepened = prefix("/", "/app");
    for (value, expected) in
        [("/app", "/"), ("/app?x", "/?x"), ("/app/x", "/x"), ("/app//elsewhere.example", "/app//elsewhere.example")]
    {
        assert_eq!(answered(&deepened, "location", value), expected, "{value}");
    }
}

#[test]
fn fields_are_set_added_and_removed_in_every_spelling_of_their_names() {
    let text = |text: &str| Template::parse(text).unwrap();
    let name = |name: &str| name.to_owned();
    let request = FieldEdits {
        set: vec![
            (name("x-tenant"), text("one")),
            (name("x-user"), text("{username}@{home}")),
            (name("x-mail"), text("{email}")),
        ],
        add: vec![(name("accept-language"), text("de"))],
        remove: vec![name("x-debug")],
    };
    let response = FieldEdits {
        set: vec![(name("x-frame-options"), name("DENY"))],
        add: vec![(name("link"), name("</b>"))],
        remove: vec![name("server")],
    };
    let settings = config::Rewrite { request, response, ..config::Rewrite::default() };
    let rewrite = rewriting(settings, &RoutePath::Prefix("/".to_owned()));
    let fields = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
        let fields =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        fields.collect()
    };
    let mut headers = fields(&[
        ("x-tenant", "two"),
        ("x_tenant", "two"),
        ("x_debug", "1"),
        ("x-mail", "somebody@else.example"),
        ("accept-language", "fr"),
    ]);
    let account = Account {
        username: "alice, bob".to_owned(),
        email: None,
        display_name: None,
        status: Status::Active,
        home: Some("mbox".to_owned()),
        aliases: Vec::new(),
        groups: Vec::new(),
    };
    rewrite.request(&mut headers, Some(&account));
    assert_eq!(
        headers,
        fields(&[
            ("x-tenant", "one"),
            ("accept-language", "fr"),
            ("accept-language", "de"),
            ("x-user", "alice%2C bob@mbox")
        ])
    );
    let mut headers = fields(&[("x-user", "somebody"), ("host", "www.example.org")]);
    rewrite.request(&mut headers, None);
    assert_eq!(headers, fields(&[("x-tenant", "one"), ("accept-language", "de"), ("host", "www.example.org")]));
    let mut headers = fields(&[("server", "app/1.0"), ("link", "</a>"), ("location", "/x")]);
    rewrite.answer(&mut headers, None);
    assert_eq!(headers, fields(&[("link", "</a>"), ("link", "</b>"), ("location", "/x"), ("x-frame-options", "DENY")]));
}

#[test]
fn what_only_the_gate_says_is_not_rewritten() {
    let text = |text: &str| Template::parse(text).unwrap();
    let refused = |request: FieldEdits<Template>| {
        let settings = config::Rewrite { request, ..config::Rewrite::default() };
        Rewrite::new(&settings, &RoutePath::Prefix("/".to_owned()), Vec::new(), |name| name.starts_with("remote-"))
            .err()
    };
    let name = || "remote-user".to_owned();
    let none = FieldEdits::default;
    for edits in [
        FieldEdits { set: vec![(name(), text("root"))], ..none() },
        FieldEdits { add: vec![(name(), text("root"))], ..none() },
        FieldEdits { remove: vec![name()], ..none() },
        FieldEdits { add: vec![("x-user".to_owned(), text("{username}"))], ..none() },
    ] {
        assert!(matches!(refused(edits), Some(BadRewrite::Field(_))));
    }
}

#[test]
fn the_application_is_asked_under_the_host_that_it_knows() {
    let host = |host: &str, port| HostRewrite::Name { host: host.to_owned(), port };
    for (host, expected) in [
        (host("app.internal", None), Some("app.internal")),
        (host("app.internal", Some(8080)), Some("app.internal:8080")),
        (HostRewrite::OfServer, None),
    ] {
        let settings = config::Rewrite { host: Some(host), ..config::Rewrite::default() };
        let rewrite = rewriting(settings, &RoutePath::Prefix("/".to_owned()));
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("www.example.org"))]);
        rewrite.request(&mut headers, None);
        assert_eq!(headers.get(HOST).map(|value| value.to_str().unwrap()), expected);
    }
    let settings = config::Rewrite { host: Some(host("app.internal", None)), ..config::Rewrite::default() };
    let rewrite = rewriting(settings, &RoutePath::Prefix("/".to_owned()));
    for (value, expected) in [
        ("http://app.internal/x", "https://www.example.org:8443/x"),
        ("https://app.internal", "https://www.example.org:8443/"),
        ("https://app.internal.evil.example/x", "https://app.internal.evil.example/x"),
        ("/x", "/x"),
    ] {
        assert_eq!(answered(&rewrite, "location", value), expected, "{value}");
    }
    assert_eq!(answered(&rewrite, "set-cookie", "a=b; Domain=app.internal"), "a=b");
}
