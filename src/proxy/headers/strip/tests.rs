use super::*;
use proptest::prelude::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn no_spelling_of_what_only_the_gate_says_passes() {
    let stripper = Stripper::new(["X-WebAuth-User", "Company.Staff_Number", "S"]);
    let spellings = [
        "Remote-User",
        "remote_user",
        "REMOTE-USER",
        "remote.user",
        "Remote~User",
        "Remote-Email",
        "Remote_Name",
        "remote-groups",
        "X-Client-Verify",
        "X_CLIENT_VERIFY",
        "Client-Cert",
        "client_cert-chain",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Host",
        "X-Forwarded-Anything-That-Anybody-Thinks-Of-In-The-Years-To-Come",
        "X-Forwarded-",
        "Forwarded",
        "X-Real-IP",
        "X-Request-Id",
        "X-Original-URL",
        "Proxy",
        "x_webauth.user",
        "company-staff-number",
        "s",
    ];
    for spelling in spellings {
        let mut headers = map(&[(spelling, "admin"), (spelling, "again"), ("accept", "*/*")]);
        stripper.strip_request(&mut headers);
        assert_eq!(names(&headers), ["accept"], "{spelling}");
        let mut trailers = map(&[(spelling, "admin"), ("checksum", "1")]);
        stripper.strip_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["checksum"], "{spelling}");
    }
}

#[test]
fn other_fields_pass() {
    let fields = [
        ("accept", "*/*"),
        ("authorization", "Bearer t"),
        ("content-length", "3"),
        ("content-type", "text/plain"),
        ("cookie", "a=b"),
        ("host", "example.org"),
        ("if-none-match", "\"x\""),
        ("origin", "https://example.org"),
        ("range", "bytes=0-1"),
        ("remote-users", "1"),
        ("sec-fetch-mode", "navigate"),
        ("trailer", "checksum"),
        ("upgrade-insecure-requests", "1"),
        ("user-agent", "curl/8"),
        ("x-forwarded", "1"),
        ("x-remote", "1"),
        ("xremote-user", "1"),
    ];
    let mut headers = map(&fields);
    let hop = Stripper::new(["X-WebAuth-User"]).strip_request(&mut headers);
    assert_eq!(headers, map(&fields));
    assert_eq!(hop, HopByHop::default());
}

#[test]
fn what_ends_at_this_hop_is_removed_with_all_that_connection_names() {
    let fields = [
        ("connection", "close, X-Mine"),
        ("connection", "Keep-Alive,, remote-user , Content-Length, Host"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("proxy-authorization", "Basic YTpi"),
        ("proxy-authenticate", "Basic"),
        ("te", "deflate;q=0.5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
        ("x-mine", "1"),
        ("content-length", "3"),
        ("host", "example.org"),
        ("x-yours", "1"),
    ];
    let left = ["content-length", "host", "x-yours"];
    let mut headers = map(&fields);
    assert_eq!(Stripper::new([]).strip_request(&mut headers), HopByHop::default());
    assert_eq!(names(&headers), left);
    let mut headers = map(&fields);
    assert_eq!(strip_response(&mut headers), HopByHop::default());
    assert_eq!(names(&headers), left);
}

#[test]
fn a_response_keeps_fields_that_a_request_may_not_have() {
    let mut headers = map(&[("remote-user", "alice"), ("x-request-id", "1"), ("connection", "close")]);
    strip_response(&mut headers);
    assert_eq!(names(&headers), ["remote-user", "x-request-id"]);
}

#[test]
fn what_the_next_hop_has_to_hear_is_kept() {
    let cases = [
        (&[("connection", "Upgrade"), ("upgrade", "websocket")][..], Some("websocket"), false),
        (&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")], Some("WebSocket"), false),
        (&[("connection", "upgrade"), ("upgrade", "irc/6.9")], Some("irc/6.9"), false),
        (&[("upgrade", "websocket")], None, false),
        (&[("connection", "upgrade")], None, false),
        (&[("connection", "upgrade"), ("upgrade", "")], None, false),
        (&[("connection", "upgrade"), ("upgrade", "websocket, h2c")], None, false),
        (&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], None, false),
        (&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")], None, false),
        (&[("connection", "upgrade"), ("upgrade", "H2C")], None, false),
        (&[("connection", "upgrade"), ("upgrade", "HTTP/2.0")], None, false),
        (&[("connection", "upgrade"), ("upgrade", "TLS/1.3")], None, false),
        (&[("te", "trailers")], None, true),
        (&[("te", "gzip;q=1, Trailers ; q=0.5")], None, true),
        (&[("te", "gzip")], None, false),
        (&[("te", "trailers"), ("connection", "te, upgrade"), ("upgrade", "websocket")], Some("websocket"), true),
    ];
    for (fields, upgrade, trailers) in cases {
        let mut headers = map(fields);
        let hop = Stripper::new([]).strip_request(&mut headers);
        let expected = HopByHop { upgrade: upgrade.map(HeaderValue::from_static), trailers };
        assert_eq!(hop, expected, "{fields:?}");
        assert!(headers.is_empty(), "{fields:?}");
        hop.apply(&mut headers);
        assert_eq!(Stripper::new([]).strip_request(&mut headers.clone()), hop, "{fields:?} {headers:?}");
    }
}

#[test]
fn trailers_cannot_change_what_was_decided_by_the_head() {
    let fields = [
        ("authorization", "Bearer t"),
        ("content-length", "3"),
        ("cookie", "a=b"),
        ("host", "h"),
        ("set-cookie", "a=b"),
        ("transfer-encoding", "chunked"),
        ("grpc-status", "0"),
    ];
    let mut trailers = map(&fields);
    Stripper::new([]).strip_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["grpc-status"]);
    let mut trailers = map(&fields);
    strip_response_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["grpc-status"]);
}

proptest! {
    #[test]
    fn whatever_a_configured_name_is_every_spelling_of_it_is_removed(
        name in "[a-z][a-z0-9-]{0,70}",
        separators in prop::collection::vec(prop::sample::select(b"-_.~!#$%&'*+^`|".to_vec()), 71),
        upper in any::<bool>(),
    ) {
        let spelled: String = name
            .bytes()
            .zip(separators)
            .map(|(byte, separator)| char::from(if byte == b'-' { separator } else { byte }))
            .collect();
        let configured = if upper { name.to_ascii_uppercase() } else { name };
        let mut headers = map(&[(spelled.as_str(), "admin")]);
        Stripper::new([configured.as_str()]).strip_request(&mut headers);
        prop_assert!(headers.is_empty());
    }

    #[test]
    fn the_quick_look_at_a_name_never_errs(names in prop::collection::vec("[a-d0-9_-]{1,40}", 1..8), asked in "[a-d0-9_-]{1,40}") {
        let mut set = Names::default();
        names.iter().for_each(|name| set.add(name));
        let form = |name: &str| name.replace('_', "-");
        for name in names.iter().chain([&asked]) {
            prop_assert_eq!(set.contains(name), names.iter().any(|known| form(known) == form(name)));
        }
    }
}
