//! What EST answers: certificates as a certs-only message, keys beside them in `multipart/mixed`, and refusals as
//! plain text that whoever enrols a machine can read in its log (RFC 7030, section 4).

use crate::base::hex;
use crate::ca::pkcs7;
use crate::ca::server::client::ClientError;
use crate::ca::server::message::{Authorities, Enrolled, Key, Octets, Refusal};
use crate::proxy::service::Answer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

/// The media type of a certs-only message.
const CERTIFICATES: &str = "application/pkcs7-mime; smime-type=certs-only";
/// The media type of what a request should hold.
const ATTRIBUTES: &str = "application/csrattrs";
/// The media type of a PKCS#12 file.
pub(super) const PKCS12: &str = "application/x-pkcs12";
/// The field that says how a body is encoded. RFC 8951, section 3, has everybody ignore it; clients that are older
/// than that read nothing without it.
const TRANSFER_ENCODING: HeaderName = HeaderName::from_static("content-transfer-encoding");
/// The field that the password of a PKCS#12 file travels in.
pub(super) const PASSWORD: HeaderName = HeaderName::from_static("pkcs12-password");

/// How many characters a line of base64 has in a part of a body (RFC 2045, section 6.8). A whole body has no line ends
/// (RFC 8951, section 3; RFC 4648, section 3.1): strongSwan reads none.
const LINE: usize = 76;

/// When a client may come again if the authority gives no answer, in seconds.
const AGAIN: u64 = 30;

/// What goes wrong on the way back.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    /// The authority gave us what is no certificate.
    #[error("the authority has answered with what is no certificate: {0}")]
    Certificates(#[from] pkcs7::Pkcs7Error),
    /// No random octets for a boundary.
    #[error("no random octets")]
    Randomness,
    /// A field's value cannot stand in a head.
    #[error("a value cannot stand in the head of an answer")]
    Field,
}

/// The authority's certificates: RFC 7030, section 4.1.3.
pub(super) fn authorities(authorities: &Authorities) -> Result<Bytes, AnswerError> {
    Ok(Bytes::from(STANDARD.encode(message(&authorities.certificates)?)))
}

/// An answer of certificates that [`authorities`] has made.
pub(super) fn certificates(body: Bytes) -> Response<Bytes> {
    encoded(body, CERTIFICATES)
}

/// What a request should hold: RFC 7030, section 4.5.2. Nothing is said by 204.
pub(super) fn attributes(der: &[u8]) -> Response<Bytes> {
    if der == [0x30, 0] {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    encoded(Bytes::from(STANDARD.encode(der)), ATTRIBUTES)
}

/// A certificate (RFC 7030, section 4.2.3), with its key (section 4.4.2) or in a PKCS#12 file with it. The file is no part of
/// EST and comes as it is, so that what a person saves is what they import.
pub(super) fn enrolled(enrolled: &Enrolled) -> Result<Response<Bytes>, AnswerError> {
    let certificate = message(std::slice::from_ref(&enrolled.certificate))?;
    let mut response = match &enrolled.key {
        None => encoded(Bytes::from(STANDARD.encode(certificate)), CERTIFICATES),
        Some(Key::Pkcs8(key)) => {
            let key = Zeroizing::new(in_lines(key.0.expose()));
            mixed([("application/pkcs8", &key), (CERTIFICATES, &in_lines(&certificate))])?
        }
        Some(Key::Pkcs12 { file, password }) => {
            let mut response = Response::new(Bytes::copy_from_slice(file.0.expose()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PKCS12));
            let mut password = HeaderValue::from_bytes(password.0.expose()).map_err(|_| AnswerError::Field)?;
            password.set_sensitive(true);
            response.headers_mut().insert(PASSWORD, password);
            response
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Why there is no certificate. What the authority said to us alone is kept back.
pub(super) fn refusal(error: &ClientError) -> Response<Bytes> {
    match error {
        ClientError::Refused(refusal @ Refusal::TooOften { seconds }) => {
            again(plain(StatusCode::TOO_MANY_REQUESTS, &refusal.to_string()), *seconds)
        }
        ClientError::Refused(refusal) if *refusal != Refusal::Unavailable => {
            plain(refusal.status(), &refusal.to_string())
        }
        _ => unavailable(),
    }
}

/// There is no answer at the moment.
pub(super) fn unavailable() -> Response<Bytes> {
    again(plain(StatusCode::SERVICE_UNAVAILABLE, "no certificates are issued at the moment"), AGAIN)
}

/// A refusal in words.
pub(super) fn plain(status: StatusCode, why: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{why}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The same as an answer of a service.
pub(super) fn refused(status: StatusCode, why: &str) -> Answer {
    Answer::Response(plain(status, why))
}

fn again(mut response: Response<Bytes>, seconds: u64) -> Response<Bytes> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn message(certificates: &[Octets]) -> Result<Vec<u8>, AnswerError> {
    let certificates: Vec<_> = certificates.iter().map(|octets| CertificateDer::from(octets.0.clone())).collect();
    Ok(pkcs7::certs_only(&certificates)?)
}

fn encoded(body: Bytes, media_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("base64"));
    response
}

/// Parts that are base64 already, in one body (RFC 2046, section 5.1.3).
fn mixed(parts: [(&str, &str); 2]) -> Result<Response<Bytes>, AnswerError> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| AnswerError::Randomness)?;
    // Base64 has no hyphens, so no part holds it.
    let boundary = format!("-est-{}", hex::encode(&random));
    let octets = parts.iter().map(|(_, content)| content.len() + 200).sum();
    let mut body = String::with_capacity(octets);
    for (media_type, content) in parts {
        for piece in [
            "--",
            &boundary,
            "\r\nContent-Type: ",
            media_type,
            "\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            content,
            "\r\n",
        ] {
            body.push_str(piece);
        }
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    let media_type = format!("multipart/mixed; boundary={boundary}");
    let mut response = Response::new(Bytes::from(body));
    let media_type = HeaderValue::try_from(media_type).map_err(|_| AnswerError::Field)?;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(response)
}

/// Base64 in lines of 76 characters.
fn in_lines(octets: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(octets));
    let mut lines = String::with_capacity(text.len() + text.len() / LINE * 2 + 2);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        lines.push_str(line);
        lines.push_str("\r\n");
        rest = behind;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::ca::server::message::SecretOctets;
    use std::time::Duration;

    #[test]
    fn base64_has_lines_that_end_as_mime_has_it() {
        for (octets, lines) in [(0, 0), (1, 1), (57, 1), (58, 2), (1000, 18)] {
            let text = in_lines(&vec![7; octets]);
            assert_eq!(text.matches("\r\n").count(), lines, "{octets}");
            assert!(text.lines().all(|line| (1..=76).contains(&line.len())), "{text}");
            assert_eq!(STANDARD.decode(text.replace("\r\n", "")).unwrap(), vec![7; octets]);
        }
    }

    #[test]
    fn a_key_goes_out_beside_its_certificate_and_is_kept_by_nobody_on_the_way() {
        let key = Some(Key::Pkcs8(SecretOctets(Secret::from("key"))));
        let response = enrolled(&Enrolled { certificate: Octets(vec![0x30, 0]), key }).unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let media_type = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let boundary = media_type.strip_prefix("multipart/mixed; boundary=").unwrap();
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 4, "{body}");
        assert_eq!(parts[0], "");
        assert!(parts[1].starts_with("\r\nContent-Type: application/pkcs8\r\n"), "{body}");
        assert!(parts[1].ends_with("\r\n\r\na2V5\r\n\r\n"), "{body}");
        assert!(parts[2].contains("application/pkcs7-mime; smime-type=certs-only\r\n"), "{body}");
        assert_eq!(parts[3], "--\r\n");
    }

    #[test]
    fn a_file_has_its_password_in_the_head() {
        let secret = |text: &str| SecretOctets(Secret::from(text));
        let key = Some(Key::Pkcs12 { file: secret("file"), password: secret("correct-horse") });
        let response = enrolled(&Enrolled { certificate: Octets(vec![0x30, 0]), key }).unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], PKCS12);
        assert_eq!(response.headers()[PASSWORD], "correct-horse");
        assert!(response.headers()[PASSWORD].is_sensitive());
        assert_eq!(response.body().as_ref(), b"file");
    }

    #[test]
    fn what_was_said_to_the_gate_alone_is_kept_back() {
        let answer = |error: ClientError| {
            let response = refusal(&error);
            let after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), after, String::from_utf8(response.body().to_vec()).unwrap())
        };
        let again = "no certificates are issued at the moment\n".to_owned();
        for (error, expected) in [
            (ClientError::Refused(Refusal::denied("no")), (403, None, "no\n".to_owned())),
            (ClientError::Refused(Refusal::unacceptable("weak")), (400, None, "weak\n".to_owned())),
            (ClientError::Refused(Refusal::Unavailable), (503, Some("30".into()), again.clone())),
            (ClientError::Silent, (503, Some("30".into()), again.clone())),
            (ClientError::Garbled("/run/secret".into()), (503, Some("30".into()), again)),
        ] {
            assert_eq!(answer(error), expected);
        }
        let often = answer(ClientError::Refused(Refusal::too_often(Duration::from_secs(7))));
        assert_eq!((often.0, often.1.as_deref()), (429, Some("7")));
    }

    #[test]
    fn nothing_to_say_about_requests_is_said_by_a_status() {
        assert_eq!(attributes(&[0x30, 0]).status(), StatusCode::NO_CONTENT);
        let some = attributes(&[0x30, 2, 5, 0]);
        assert_eq!(some.headers()[CONTENT_TYPE], "application/csrattrs");
        assert_eq!(some.body().as_ref(), b"MAIFAA==");
    }
}
