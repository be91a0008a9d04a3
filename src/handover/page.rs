//! The page that carries a token from the source to the target: one form, sent by a button, or by a script where scripts
//! run. It may do nothing else: its Content-Security-Policy allows that script by its hash and a form to that site.

use crate::proxy::reply::escape;
use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, Response};

const SCRIPT: &str = "document.forms[0].submit()";

/// The page that posts a token to this URL of the site of this origin.
#[must_use]
pub(super) fn carrying(token: &str, origin: &str, url: &str) -> Response<Bytes> {
    let (shown, url, token) = (escape(origin), escape(url), escape(token));
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>One moment</title>\n\
         <form method=\"post\" action=\"{url}\">\n<input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <p>You are being taken to {shown}.</p>\n<button>Go on</button>\n</form>\n<script>{SCRIPT}</script>\n</html>\n"
    );
    let mut response = Response::new(Bytes::from(body));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::try_from(policy(origin)) {
        fields.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(origin: &str) -> String {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{hash}'; form-action {origin}; base-uri 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_the_page_shows_ends_its_attribute() {
        let response = carrying("\"><script>", "https://b.example", "https://b.example/x?a='b'&c");
        let page = String::from_utf8(response.body().to_vec()).unwrap();
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
        assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\""), "{page}");
        assert!(page.contains("action=\"https://b.example/x?a=&#39;b&#39;&amp;c\""), "{page}");
    }

    #[test]
    fn the_page_may_send_its_form_to_that_site_and_nothing_else() {
        let response = carrying("t", "https://b.example", "https://b.example/x");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("form-action https://b.example;"), "{policy}");
    }
}
