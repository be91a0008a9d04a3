//! How a refusal looks in a browser: one page without scripts, pictures or anything else to fetch, that
//! reads as well aloud, on a phone and in the dark.

use super::words::{CHOOSE_AGAIN, Words};
use crate::base::reason::Reason;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderValue, StatusCode};
use std::sync::LazyLock;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2733;--soft:#51606f;--paper:#fff;--ground:#eef1f4;--line:#d5dce3;--mark:#8a4b08}\
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#a3b0bd;--paper:#18202a;--ground:#0f151c;--line:#303c49;--mark:#f0b368}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;padding:6vh 1rem;background:var(--ground);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}\
main{max-width:40rem;margin:0 auto;padding:2rem 2.25rem;background:var(--paper);border:1px solid var(--line);border-top:.3rem solid var(--mark);border-radius:.5rem}\
h1{margin:0 0 .75rem;font-size:1.6rem;line-height:1.25}\
h2{margin:1.75rem 0 .25rem;font-size:1.05rem}\
p,ul{margin:.25rem 0}\
ul{padding-left:1.25rem}\
footer{margin-top:2rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0}\
dd{margin:0;overflow-wrap:anywhere}\
code{font:.95em ui-monospace,monospace}\
@media(max-width:30rem){main{padding:1.5rem 1.25rem}dl{display:block}dd{margin-bottom:.5rem}}";

/// Allows the page its own style and nothing else.
pub(super) static CONTENT_SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        BASE64_STANDARD.encode(digest)
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The page of one refusal.
pub(super) fn refusal(words: &Words, reason: Reason, status: StatusCode, request_id: &str) -> String {
    let choose_again = if words.choose_again {
        let hints: String = CHOOSE_AGAIN.iter().map(|hint| format!("<li>{}</li>\n", escape(hint))).collect();
        format!("<h2>How to choose the certificate again</h2>\n<ul>\n{hints}</ul>\n")
    } else {
        String::new()
    };
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n\
         <style>{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <main>\n\
         <h1>{title}</h1>\n\
         <p>{happened}</p>\n\
         <h2>What you can do</h2>\n\
         <p>{advice}</p>\n\
         {choose_again}\
         <footer>\n\
         <dl>\n\
         <dt>Reason</dt><dd><code>{reason}</code> (status {code})</dd>\n\
         <dt>Request</dt><dd><code>{request_id}</code></dd>\n\
         <dt>For the administrator</dt><dd>{administrator} The log has this request under its identifier.</dd>\n\
         </dl>\n\
         </footer>\n\
         </main>\n\
         </body>\n\
         </html>\n",
        title = escape(words.title),
        happened = escape(words.happened),
        advice = escape(words.advice),
        reason = escape(reason.as_str()),
        code = status.as_u16(),
        request_id = escape(request_id),
        administrator = escape(words.administrator),
    )
}

/// A text for use between tags and in attribute values of HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_markup() {
        assert_eq!(
            escape("<a href='x' title=\"y\">&amp;</a>"),
            "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;&lt;/a&gt;"
        );
    }

    #[test]
    fn the_style_is_the_one_that_the_policy_allows() {
        // `openssl dgst -sha256 -binary | base64` of what stands between the tags, as a browser computes it.
        let reason = Reason::NoRoute;
        let page = refusal(&super::super::words::of(reason, StatusCode::NOT_FOUND), reason, StatusCode::NOT_FOUND, "1");
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(style.as_bytes());
        let expected = format!("'sha256-{}'", BASE64_STANDARD.encode(digest));
        assert!(CONTENT_SECURITY_POLICY.to_str().unwrap().contains(&expected));
    }
}
