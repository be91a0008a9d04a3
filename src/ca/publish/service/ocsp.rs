//! The responder: questions by POST, and by GET in the last segment of the path (RFC 6960, appendix A), answered from
//! the shelf. What cannot be answered is said in the protocol's own words, with status 200.

use super::{Document, insert, last_segment};
use crate::base::clock::Timestamp;
use crate::ca::ocsp::request::{from_path, one_segment};
use crate::ca::ocsp::{MAX_REQUEST, Refusal, Request};
use crate::ca::publish::Shelf;
use crate::ca::publish::shelf::Answered;
use crate::proxy::service::{Answer, LocalService, ServiceRequest, method_not_allowed};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response};
use std::sync::Arc;

/// What answers are called.
const OCSP_RESPONSE: &str = "application/ocsp-response";

/// Answers OCSP questions.
pub struct Responder(Arc<Shelf>);

impl Responder {
    /// From this shelf.
    #[must_use]
    pub fn new(shelf: Arc<Shelf>) -> Self {
        Self(shelf)
    }

    /// The response to a question that came in this way.
    #[must_use]
    pub fn respond(&self, question: Question<'_>, headers: &HeaderMap, now: Timestamp) -> Response<Bytes> {
        let answered = match question {
            Question::InPath(path) => {
                from_path(last_segment(path)).map_or(Err(Refusal::Malformed), |octets| self.ask(&octets, now))
            }
            Question::InBody(body) => self.ask(body, now),
        };
        match (answered, question) {
            (Ok(Answered { der, tag, this_update, next_update }), Question::InPath(_)) => {
                let document = Document {
                    content_type: OCSP_RESPONSE,
                    body: Bytes::from(der),
                    tag,
                    from: this_update,
                    until: next_update,
                };
                document.response(headers, now)
            }
            // What answers a POST is kept by nobody (RFC 9110, section 9.3.3).
            (Ok(answered), Question::InBody(_)) => response(Bytes::from(answered.der)),
            (Err(refusal), _) => {
                let mut response = response(Bytes::from_static(refusal.encode()));
                insert(response.headers_mut(), CACHE_CONTROL, "no-store".to_owned());
                response
            }
        }
    }

    fn ask(&self, octets: &[u8], now: Timestamp) -> Result<Answered, Refusal> {
        let request = Request::read(octets).map_err(|error| {
            tracing::debug!(%error, "an OCSP question that cannot be read");
            Refusal::Malformed
        })?;
        self.0.answer(&request, now)
    }
}

/// How a question came.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// In the last segment of this path.
    InPath(&'a str),
    /// In the body.
    InBody(&'a [u8]),
}

fn response(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OCSP_RESPONSE));
    response
}

impl LocalService for Responder {
    fn name(&self) -> &'static str {
        "ocsp"
    }

    fn body_limit(&self) -> u64 {
        MAX_REQUEST as u64
    }

    fn respell(&self, below: &str) -> Option<String> {
        one_segment(below)
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let question = match *request.method {
                Method::GET | Method::HEAD => Question::InPath(request.target.path()),
                Method::POST => Question::InBody(&request.body),
                _ => return method_not_allowed("GET, HEAD, POST"),
            };
            Answer::Response(self.respond(question, request.headers, request.at))
        })
    }
}
