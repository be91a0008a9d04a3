use super::*;

#[test]
fn who_has_it_already_is_not_sent_it_again() {
    let at: Timestamp = "2026-11-21T09:53:32Z".parse().unwrap();
    assert_eq!(http_date(at), "Sat, 21 Nov 2026 09:53:32 GMT");
    for (field, value, expected) in [
        (IF_NONE_MATCH, "\"7\"", true),
        (IF_NONE_MATCH, "W/\"7\", \"8\"", true),
        (IF_NONE_MATCH, "*", true),
        (IF_NONE_MATCH, "\"8\"", false),
        (IF_MODIFIED_SINCE, "Sat, 21 Nov 2026 09:53:32 GMT", true),
        (IF_MODIFIED_SINCE, "Sat, 21 Nov 2026 09:53:31 GMT", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(field, HeaderValue::from_static(value));
        assert_eq!(is_known(&headers, "\"7\"", at), expected, "{value}");
    }
    // The tag decides where both are sent.
    let mut headers = HeaderMap::new();
    headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"6\""));
    headers.insert(IF_MODIFIED_SINCE, HeaderValue::from_static("Sat, 21 Nov 2026 09:53:32 GMT"));
    assert!(!is_known(&headers, "\"7\"", at));
}

#[test]
fn a_document_may_be_kept_until_its_end_and_no_longer_than_an_hour() {
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    for (until, age, expires) in [
        (600, 600, "Sat, 21 Nov 2026 10:10:00 GMT"),
        (86_400, 3600, "Sat, 21 Nov 2026 11:00:00 GMT"),
        (0, 0, "Sat, 21 Nov 2026 10:00:00 GMT"),
    ] {
        let document = Document {
            content_type: "application/pkix-crl",
            body: Bytes::from_static(b"list"),
            tag: "7".to_owned(),
            from: now,
            until: now.plus(Duration::from_secs(until)),
        };
        let response = document.response(&HeaderMap::new(), now);
        let expected = format!("max-age={age}, public, no-transform, must-revalidate");
        assert_eq!(response.headers()[CACHE_CONTROL], expected.as_str());
        assert_eq!(response.headers()[EXPIRES], expires);
        assert_eq!(response.body(), "list");
    }
}
