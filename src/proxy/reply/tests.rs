use super::*;
use crate::base::reason::Reason;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use std::collections::HashSet;

const ID: &str = "00112233445566778899aabbccddeeff";

fn accepting(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
}

fn body(response: Response<Full<Bytes>>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let collected = runtime.block_on(response.into_body().collect()).unwrap();
    String::from_utf8(collected.to_bytes().to_vec()).unwrap()
}

fn field<'a>(response: &'a Response<Full<Bytes>>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_reason_has_the_status_of_the_design() {
    for reason in Reason::ALL {
        let expected = match reason.as_str() {
            "locked_out" | "rate_limited" => 429,
            "bad_request" => 400,
            "no_route" => 404,
            "method_not_allowed" => 405,
            "too_large" => 413,
            "misdirected" => 421,
            "accounts_unavailable" | "upstream_busy" | "overloaded" => 503,
            "upstream_unavailable" => 502,
            "loop_detected" => 508,
            "upstream_timeout" => 504,
            _ => 403,
        };
        assert_eq!(status(*reason).as_u16(), expected, "{reason}");
        assert_eq!(Refusal::new(*reason, ID).of_head().status().as_u16(), if expected == 413 { 431 } else { expected });
    }
}

#[test]
fn every_reason_is_explained_in_every_form() {
    let mut titles = HashSet::new();
    for reason in Reason::ALL {
        let refusal = Refusal::new(*reason, ID);
        let words = words::of(*reason, refusal.status());
        assert!(titles.insert(words.title), "{reason} has the title of another one");
        for text in [words.happened, words.advice, words.administrator] {
            assert!(text.ends_with(['.', '?']) && !text.contains("  "), "{reason}: {text}");
        }
        for (accept, content_type) in [
            ("text/html", "text/html; charset=utf-8"),
            ("application/json", "application/json"),
            ("application/problem+json", "application/problem+json"),
            ("*/*", "text/plain; charset=utf-8"),
        ] {
            let response = refusal.response(&Method::GET, &accepting(accept));
            assert_eq!(response.status(), status(*reason));
            assert_eq!(field(&response, "content-type"), Some(content_type));
            assert_eq!(field(&response, "cache-control"), Some("no-store"));
            assert_eq!(field(&response, "x-content-type-options"), Some("nosniff"));
            assert_eq!(field(&response, "x-request-id"), Some(ID));
            assert_eq!(field(&response, "vary"), Some("Accept"));
            assert_eq!(field(&response, "content-security-policy").is_some(), accept == "text/html");
            let length = field(&response, "content-length").unwrap().to_owned();
            let body = body(response);
            assert_eq!(length, body.len().to_string());
            assert!(body.contains(reason.as_str()) && body.contains(ID), "{body}");
            assert_eq!(body.contains("Active Logins"), words.choose_again && !content_type.contains("json"));
        }
    }
}

#[test]
fn problem_details_say_all_that_a_program_needs() {
    let response = Refusal::new(Reason::CertificateExpired, ID).response(&Method::GET, &accepting("application/json"));
    let problem: serde_json::Value = serde_json::from_str(&body(response)).unwrap();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["reason"], "certificate_expired");
    assert_eq!(problem["request_id"], ID);
    for member in ["title", "detail", "advice", "administrator"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{member}");
    }
}

#[test]
fn a_page_is_whole_and_closes_what_it_opens() {
    for reason in Reason::ALL {
        let page = body(Refusal::new(*reason, ID).response(&Method::GET, &accepting("text/html")));
        for tag in
            ["html", "head", "title", "style", "body", "main", "h1", "h2", "p", "ul", "li", "footer", "dl", "code"]
        {
            let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag} of {reason}");
        }
        assert_eq!(page.matches("<h1>").count(), 1);
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
    }
}

#[test]
fn a_challenge_makes_it_401_and_keeps_the_order() {
    let challenges = ["Digest realm=\"r\", algorithm=SHA-256", "Digest realm=\"r\", algorithm=MD5"];
    let refusal = |reason| Refusal::new(reason, ID).with_challenges(challenges.map(HeaderValue::from_static).to_vec());
    let response = refusal(Reason::CertificateRequired).response(&Method::GET, &HeaderMap::new());
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers().get_all(WWW_AUTHENTICATE).iter().collect::<Vec<_>>(), challenges);
    assert!(body(response).contains("password"));
    assert_eq!(refusal(Reason::DigestFailed).status(), StatusCode::UNAUTHORIZED);
    assert_eq!(Refusal::new(Reason::DigestFailed, ID).with_challenges(Vec::new()).status(), StatusCode::FORBIDDEN);
}

#[test]
fn when_to_try_again_is_said_in_whole_seconds() {
    for (milliseconds, expected) in [(0, "0"), (1, "1"), (1000, "1"), (1500, "2")] {
        let refusal = Refusal::new(Reason::LockedOut, ID).with_retry_after(Duration::from_millis(milliseconds));
        assert_eq!(field(&refusal.response(&Method::GET, &HeaderMap::new()), "retry-after"), Some(expected));
    }
}

#[test]
fn an_answer_to_head_has_the_length_but_no_body() {
    let get = Refusal::new(Reason::NoRoute, ID).response(&Method::GET, &HeaderMap::new());
    let head = Refusal::new(Reason::NoRoute, ID).response(&Method::HEAD, &HeaderMap::new());
    assert_eq!(field(&get, "content-length"), field(&head, "content-length"));
    assert!(!body(get).is_empty());
    assert!(body(head).is_empty());
}

#[test]
fn a_redirect_cannot_split_the_head() {
    let cases = [
        ("/login", "/login"),
        ("https://example.org/?a=b&c#d", "https://example.org/?a=b&c#d"),
        ("/caf\u{e9} x", "/caf%C3%A9%20x"),
        ("/a\r\nSet-Cookie: b", "/a%0D%0ASet-Cookie:%20b"),
    ];
    for (to, expected) in cases {
        let response = redirect(to, &Method::GET, ID);
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(field(&response, "location"), Some(expected));
        assert_eq!(field(&response, "cache-control"), Some("no-store"));
        assert_eq!(field(&response, "x-request-id"), Some(ID));
    }
}

#[test]
fn a_fixed_text_is_sent_as_it_is() {
    let response = text(StatusCode::IM_A_TEAPOT, Bytes::from_static(b"<b>"), &Method::GET, ID);
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(field(&response, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(body(response), "<b>");
}

#[test]
fn an_identifier_that_cannot_stand_in_a_head_is_escaped_in_the_page() {
    let response = Refusal::new(Reason::NoRoute, "<b>\n").response(&Method::GET, &accepting("text/html"));
    assert_eq!(field(&response, "x-request-id"), None);
    let page = body(response);
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"));
}
