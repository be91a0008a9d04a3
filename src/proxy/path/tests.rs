use super::*;
use http::Request;
use proptest::prelude::*;

#[test]
fn a_path_has_one_normal_form() {
    let cases = [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/a;v=1/b,c:d@e!f$g&h'i(j)k*l+m=n~o_p-q.r", "/a;v=1/b,c:d@e!f$g&h'i(j)k*l+m=n~o_p-q.r"),
        ("//", "/"),
        ("/a//b///c", "/a/b/c"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/a/b/../c", "/a/c"),
        ("/a//../b", "/b"),
        ("/../../a", "/a"),
        ("/..", "/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/%61%64min", "/admin"),
        ("/%7Euser/%2Dx%5f", "/~user/-x_"),
        ("/a%2cb%3f%23%25", "/a%2Cb%3F%23%25"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/%252e%252e/x", "/%252e%252e/x"),
        ("/.well-known/x", "/.well-known/x"),
        ("/...", "/..."),
        ("/..a/.b", "/..a/.b"),
        ("/a;..", "/a;.."),
        ("/a[1]|{x}^`\"<>", "/a%5B1%5D%7C%7Bx%7D%5E%60%22%3C%3E"),
        ("/a%0Ab", "/a%0Ab"),
    ];
    for (path, expected) in cases {
        assert_eq!(normalise(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn what_servers_read_in_two_ways_is_refused() {
    let cases = [
        ("", BadPath::NotAbsolute),
        ("a", BadPath::NotAbsolute),
        ("*", BadPath::NotAbsolute),
        ("/a%2fb", BadPath::EncodedSlash),
        ("/a%2Fb", BadPath::EncodedSlash),
        ("/a/..%2fb", BadPath::EncodedSlash),
        ("/a%5cb", BadPath::Backslash),
        ("/a\\b", BadPath::Backslash),
        ("/a%00", BadPath::EncodedNul),
        ("/a%", BadPath::PercentEncoding),
        ("/a%4", BadPath::PercentEncoding),
        ("/a%4/1", BadPath::PercentEncoding),
        ("/a%zz", BadPath::PercentEncoding),
        ("/a%u002f", BadPath::PercentEncoding),
        ("/%c0%ae%c0%ae/", BadPath::NotUtf8),
        ("/%c0%af", BadPath::NotUtf8),
        ("/caf%e9", BadPath::NotUtf8),
        ("/%ff/../x", BadPath::NotUtf8),
        ("/%ed%a0%80", BadPath::NotUtf8),
        ("/a/..;x/b", BadPath::DotSegmentParameter),
        ("/a/..;", BadPath::DotSegmentParameter),
        ("/a/.;x", BadPath::DotSegmentParameter),
        ("/a/%2e.;x", BadPath::DotSegmentParameter),
        ("/a/%2E%2e%3bx/b", BadPath::DotSegmentParameter),
        ("/a/..;x/../b", BadPath::DotSegmentParameter),
        ("/a b", BadPath::Character),
        ("/a\tb", BadPath::Character),
        ("/a\x7f", BadPath::Character),
        ("/a\0", BadPath::Character),
        ("/é", BadPath::Character),
        ("/a?b", BadPath::Character),
        ("/a#b", BadPath::Character),
    ];
    for (path, expected) in cases {
        assert_eq!(normalise(path), Err(expected), "{path}");
    }
}

#[test]
fn a_plain_path_is_not_copied() {
    for path in ["/", "/index.html", "/a/b/c/", "/a-b_c~d/e.f;g=h,i"] {
        assert!(matches!(normalise(path), Ok(Cow::Borrowed(_))), "{path}");
    }
}

/// One plain path, and a spelling of it that says the same in other octets.
fn spellings() -> impl Strategy<Value = (String, String)> {
    let segment = (prop::collection::vec((0_usize..8, any::<bool>()), 1..6), 0_usize..5);
    prop::collection::vec(segment, 1..5).prop_map(|segments| {
        const LETTERS: [char; 8] = ['a', 'B', '7', '-', '_', '~', '+', ';'];
        let (mut plain, mut spelled) = (String::new(), String::new());
        for (letters, detour) in segments {
            spelled.push_str(["/", "//", "/./", "/x/../", "/%2e/%78/%2E./"][detour]);
            plain.push('/');
            for (letter, encode) in letters {
                let letter = LETTERS[letter];
                plain.push(letter);
                // `+` and `;` mean something else encoded, so they stand as they are.
                if encode && letter != '+' && letter != ';' {
                    spelled.push_str(&format!("%{:02x}", u32::from(letter)));
                } else {
                    spelled.push(letter);
                }
            }
        }
        (plain, spelled)
    })
}

/// Octets that paths are made of, those that make trouble more often.
fn anything() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            Just("/".to_owned()),
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(";".to_owned()),
            Just("%2e".to_owned()),
            Just("%C3%A9".to_owned()),
            "%[0-9a-fA-F]{2}",
            "[ -~]",
        ],
        0..24,
    )
    .prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #[test]
    fn every_spelling_of_a_path_has_the_same_normal_form((plain, spelled) in spellings()) {
        prop_assert_eq!(normalise(&spelled), Ok(Cow::Borrowed(plain.as_str())));
        prop_assert_eq!(normalise(&plain), Ok(Cow::Borrowed(plain.as_str())));
    }

    #[test]
    fn a_normal_form_is_its_own(path in anything()) {
        if let Ok(normal) = normalise(&path) {
            prop_assert_eq!(normalise(&normal), Ok(Cow::Borrowed(&*normal)));
        }
    }

    #[test]
    fn a_normal_form_has_nothing_left_to_resolve(path in anything()) {
        if let Ok(normal) = normalise(&path) {
            prop_assert!(normal.starts_with('/'));
            prop_assert!(!normal.contains("//"));
            prop_assert!(normal.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'?'));
            let decoded = String::from_utf8(decode(&normal)).unwrap();
            let names = decoded.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
            prop_assert_eq!(names.filter(|name| matches!(*name, "." | "..")).count(), 0);
            prop_assert!(!decoded.contains(['\0', '\\']));
            // Decoding adds no slash: there are as many segments after it as before.
            prop_assert_eq!(decoded.matches('/').count(), normal.matches('/').count());
        }
    }
}

fn target(method: &str, version: Version, uri: &str, hosts: &[&str]) -> Result<RequestTarget, BadTarget> {
    let mut request = Request::builder().method(method).version(version).uri(uri);
    for host in hosts {
        request = request.header(HOST, *host);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    RequestTarget::parse(&head.method, head.version, &head.uri, &head.headers)
}

#[test]
fn the_target_is_read_from_every_form() {
    use Version as V;
    // method, version, uri, Host; then host, authority, path, query, raw
    let cases = [
        ("GET", V::HTTP_11, "/a", &["example.org"][..], Some("example.org"), "example.org", "/a", None, "/a"),
        (
            "GET",
            V::HTTP_11,
            "/%61/?q=%2f",
            &["Example.ORG.:8443"],
            Some("example.org"),
            "Example.ORG.:8443",
            "/a/",
            Some("q=%2f"),
            "/%61/?q=%2f",
        ),
        ("GET", V::HTTP_11, "/a?", &["h:"], Some("h"), "h:", "/a", Some(""), "/a?"),
        ("GET", V::HTTP_11, "http://h:80/a?b", &["H:80"], Some("h"), "H:80", "/a", Some("b"), "http://h:80/a?b"),
        ("GET", V::HTTP_11, "https://h", &["h"], Some("h"), "h", "/", None, "https://h/"),
        ("GET", V::HTTP_11, "https://h?b", &["h"], Some("h"), "h", "/", Some("b"), "https://h/?b"),
        ("OPTIONS", V::HTTP_11, "*", &["h"], Some("h"), "h", "*", None, "*"),
        ("GET", V::HTTP_11, "//evil/a", &["h"], Some("h"), "h", "/evil/a", None, "//evil/a"),
        (
            "GET",
            V::HTTP_11,
            "/",
            &["[2001:DB8:0::1]:443"],
            Some("[2001:db8::1]"),
            "[2001:DB8:0::1]:443",
            "/",
            None,
            "/",
        ),
        ("GET", V::HTTP_11, "/", &["[::1]"], Some("[::1]"), "[::1]", "/", None, "/"),
        ("GET", V::HTTP_11, "/", &["127.0.0.1:1"], Some("127.0.0.1"), "127.0.0.1:1", "/", None, "/"),
        ("GET", V::HTTP_10, "/", &[], None, "", "/", None, "/"),
        ("GET", V::HTTP_10, "/", &["h"], Some("h"), "h", "/", None, "/"),
        ("GET", V::HTTP_2, "https://H:9/a//b", &[], Some("h"), "H:9", "/a/b", None, "/a//b"),
        ("GET", V::HTTP_2, "https://h/", &["h"], Some("h"), "h", "/", None, "/"),
        ("GET", V::HTTP_2, "/", &["h"], Some("h"), "h", "/", None, "/"),
    ];
    for (method, version, uri, hosts, host, authority, path, query, raw) in cases {
        let target = target(method, version, uri, hosts).unwrap_or_else(|error| panic!("{uri}: {error}"));
        assert_eq!(target.host(), host, "{uri}");
        assert_eq!(target.authority().map_or("", |value| value.to_str().unwrap()), authority, "{uri}");
        assert_eq!((target.path(), target.query(), target.raw()), (path, query, raw), "{uri}");
        let whole = query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
        assert_eq!(target.path_and_query().as_str(), whole, "{uri}");
    }
}

#[test]
fn a_path_came_as_it_is_read_if_no_segment_of_it_has_changed() {
    let came = |path: &str| target("GET", Version::HTTP_11, path, &["h"]).unwrap().came_as_read();
    for path in [
        "/",
        "/a/b/",
        "/.well-known/x",
        "/a.b/...",
        "/a%20b",
        "/%c3%bc",
        "/%C3%bC?%2e%2e/../",
        "/a[1]|b^",
        "/a%5b1%5D",
        "/a:b;c=d/%3a%25",
        "/a%252e%252e",
        "/a?//b/../c",
    ] {
        assert!(came(path), "{path}");
    }
    for path in [
        "/secret/../public/x",
        "/secret/%2e%2e/public/x",
        "/secret/.%2E/public/x",
        "/public//../secret",
        "/public/.",
        "/public/./x",
        "/public/..",
        "/public/../public",
        "/..",
        "//public",
        "//",
        "/public//x",
        "/public//",
        // Who does not decode what it routes by finds another segment.
        "/%70ublic",
        "/a%2Db",
        "/%7Ealice",
        "/a%2e",
    ] {
        assert!(!came(path), "{path}");
    }
}

#[test]
fn an_ambiguous_target_is_refused() {
    use Version as V;
    let (long, label) = ("a.".repeat(130), "a".repeat(64));
    let cases = [
        ("CONNECT", V::HTTP_11, "h:443", &["h:443"][..], BadTarget::Connect),
        ("TRACE", V::HTTP_11, "/", &["h"], BadTarget::Trace),
        ("Trace", V::HTTP_2, "/", &["h"], BadTarget::Trace),
        ("GET", V::HTTP_11, "h:443", &["h:443"], BadTarget::Form),
        ("GET", V::HTTP_11, "*", &["h"], BadTarget::Form),
        ("GET", V::HTTP_11, "/", &[], BadTarget::HostMissing),
        ("GET", V::HTTP_11, "http://h/", &[], BadTarget::HostMissing),
        ("GET", V::HTTP_2, "/", &[], BadTarget::HostMissing),
        ("GET", V::HTTP_11, "/", &["h", "h"], BadTarget::HostRepeated),
        ("GET", V::HTTP_10, "/", &["h", "i"], BadTarget::HostRepeated),
        ("GET", V::HTTP_11, "http://a/", &["b"], BadTarget::HostDiffers),
        ("GET", V::HTTP_11, "http://a:1/", &["a:2"], BadTarget::HostDiffers),
        ("GET", V::HTTP_11, "http://a:80/", &["a"], BadTarget::HostDiffers),
        ("GET", V::HTTP_2, "https://a/", &["b"], BadTarget::HostDiffers),
        ("GET", V::HTTP_11, "ftp://a/", &["a"], BadTarget::Scheme),
        ("GET", V::HTTP_11, "http://u@a/", &["a"], BadTarget::UserInformation),
        ("GET", V::HTTP_11, "/", &["u@a"], BadTarget::UserInformation),
        ("GET", V::HTTP_11, "/", &[""], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &[":443"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["."], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a..b"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a.."], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a b"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a,b"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a/b"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["%61"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a:x"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a:+1"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a:65536"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["a:1:2"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["::1"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["[::1"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["[::1]x"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["[fe80::1%25eth0]"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &["[v1.x]"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &[&long], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &[&label], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/", &[".a"], BadTarget::HostSyntax),
        ("GET", V::HTTP_11, "/a%2fb", &["h"], BadTarget::Path(BadPath::EncodedSlash)),
    ];
    for (method, version, uri, hosts, expected) in cases {
        assert_eq!(target(method, version, uri, hosts).err(), Some(expected), "{method} {uri} {hosts:?}");
    }
}

proptest! {
    #[test]
    fn a_path_that_came_as_it_is_read_has_its_segments_in_their_places(
        path in "(/|\\.|;|[a-b\\[|~]|%2[eE5]|%[67]1|%7e|%C3%bc|%20){0,12}",
    ) {
        let path = format!("/{path}");
        if let Ok(target) = target("GET", Version::HTTP_11, &path, &["h"]) {
            let (raw, read): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), target.path().split('/').collect());
            let alike = raw.len() == read.len()
                && raw.iter().zip(&read).all(|(raw, read)| decode(raw) == decode(read))
                && raw.iter().all(|segment| !["%2e", "%61", "%71", "%7e"].iter().any(|plain| {
                    segment.to_ascii_lowercase().replace("%25", "").contains(plain)
                }));
            prop_assert_eq!(target.came_as_read(), alike, "{} is {}", path, target.path());
        }
    }

    #[test]
    fn a_host_that_is_read_has_one_spelling(text in "[a-zA-Z0-9.:\\[\\]_-]{1,20}") {
        if let Ok((host, _)) = read_authority(&text) {
            let again = read_authority(&host).map(|(host, port)| (host.into_owned(), port));
            prop_assert_eq!(again, Ok((host.to_ascii_lowercase(), None)));
        }
    }
}
