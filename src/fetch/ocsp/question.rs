//! One question to one responder over HTTP (RFC 6960, appendix A): with GET where it is short enough for caches
//! on the way to help (RFC 5019, section 5), else with POST. It is the same for clients' certificates and for
//! our own.

use crate::base::clock::Timestamp;
use crate::base::url::HttpUrl;
use crate::fetch::guard::Guard;
use crate::fetch::http::{self, Answer, Bounds, FetchError, Question};
use crate::revocation::ocsp::request::{self, NONCE_OCTETS};
use crate::revocation::ocsp::{Asked, CertId, MAX_RESPONSE, Statement, verify};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::time::Duration;

/// The longest URL for which GET is used.
const LONGEST_GET: usize = 255;

/// What is to be asked of whom.
pub(in crate::fetch) struct Case {
    /// The certificate.
    pub(in crate::fetch) id: CertId,
    /// Its issuer's whole Name.
    pub(in crate::fetch) issuer_name: Vec<u8>,
    /// Its issuer's whole SubjectPublicKeyInfo.
    pub(in crate::fetch) issuer_spki: Vec<u8>,
    /// The responders, at least one, in the order in which they are tried.
    pub(in crate::fetch) responders: Vec<HttpUrl>,
    /// How far their clocks and ours may be apart.
    pub(in crate::fetch) tolerance: Duration,
}

/// On what terms it is asked.
pub(in crate::fetch) struct Terms<'a> {
    pub(in crate::fetch) guard: &'a Guard,
    /// How long one exchange may take.
    pub(in crate::fetch) deadline: Duration,
    /// Whether the answer must repeat a nonce.
    pub(in crate::fetch) with_nonce: bool,
}

/// An answer that is believed.
pub(in crate::fetch) struct Told {
    pub(in crate::fetch) statement: Statement,
    /// The answer as it came.
    pub(in crate::fetch) octets: Vec<u8>,
    /// For how long it need not be asked for again, if the server says.
    pub(in crate::fetch) fresh_for: Option<Duration>,
}

/// Asks one responder, and believes its answer or says why not.
pub(in crate::fetch) async fn ask(
    case: &Case,
    responder: &HttpUrl,
    terms: &Terms<'_>,
    at: Timestamp,
) -> Result<Told, String> {
    let mut nonce = [0; NONCE_OCTETS];
    if terms.with_nonce && aws_lc_rs::rand::fill(&mut nonce).is_err() {
        return Err("the system gives no randomness".to_owned());
    }
    let nonce = terms.with_nonce.then_some(nonce.as_slice());
    let question = Bytes::from(request::encode(&case.id, nonce));
    let bounds = Bounds { deadline: terms.deadline, size: MAX_RESPONSE };
    let ask = async |url: &HttpUrl, body: Option<(&'static str, Bytes)>| {
        let question = Question { url, accept: "application/ocsp-response", validators: None, body };
        http::ask(&question, terms.guard, bounds).await
    };
    let post = || Some(("application/ocsp-request", question.clone()));
    // A question with a nonce is asked once, so that no cache is of use.
    let answer = match get_url(responder, &question).filter(|_| nonce.is_none()) {
        None => ask(responder, post()).await,
        Some(url) => match ask(&url, None).await {
            // Not every responder knows GET.
            Err(FetchError::Status(400 | 404 | 405 | 414 | 501)) => ask(responder, post()).await,
            answer => answer,
        },
    };
    let (octets, fresh_for) = match answer.map_err(|error| error.to_string())? {
        Answer::Content { octets, fresh_for, .. } => (octets, fresh_for),
        Answer::Unchanged { .. } => return Err(FetchError::Status(304).to_string()),
    };
    let (nonce_needed, tolerance) = (terms.with_nonce, case.tolerance);
    let asked = Asked { nonce, nonce_needed, tolerance, ..Asked::new(&case.id, &case.issuer_name, &case.issuer_spki) };
    let statement = verify(&octets, &asked, at).map_err(|fault| fault.to_string())?;
    Ok(Told { statement, octets, fresh_for })
}

/// The URL that asks with GET; `None` if it would be too long for that, or the responder's has a query.
fn get_url(responder: &HttpUrl, question: &[u8]) -> Option<HttpUrl> {
    if responder.has_query() {
        return None;
    }
    let encoded = STANDARD.encode(question).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    responder.with_segment(&encoded).ok().filter(|url| url.to_string().len() <= LONGEST_GET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_question_stands_in_the_url() {
        let url = |text: &str| text.parse::<HttpUrl>().unwrap();
        let asked = |responder: &str, question: &[u8]| get_url(&url(responder), question).map(|url| url.to_string());
        assert_eq!(
            asked("http://a.example", b"\xff\xef\xfe?").as_deref(),
            Some("http://a.example/%2F%2B%2F%2BPw%3D%3D")
        );
        assert_eq!(asked("http://a.example/ocsp", b"abc").as_deref(), Some("http://a.example/ocsp/YWJj"));
        assert_eq!(asked("http://a.example/ocsp/", b"abc").as_deref(), Some("http://a.example/ocsp/YWJj"));
        assert_eq!(asked("http://a.example/?a=b", b"abc"), None);
        assert_eq!(asked("http://a.example/", &[0; 200]), None);
    }
}
