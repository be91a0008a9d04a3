//! What of a question is read, and what refuses it.

use super::*;
use crate::config::CertificateForm;
use http::{HeaderValue, Method, Request};

fn authorizer(form: CertificateForm) -> Authorizer {
    Authorizer {
        form,
        header: field(form.usual_header()).unwrap(),
        chain_header: form.usual_chain_header().map(|name| field(name).unwrap()),
        request: OriginalRequest::Original,
        prefix: String::new(),
        statuses: AuthorizerStatuses::All,
        proof: Proof::nothing(),
        read: std::iter::once(form.usual_header())
            .chain(form.usual_chain_header())
            .map(|name| field(name).unwrap())
            .chain(original::names(OriginalRequest::Original))
            .collect(),
    }
}

fn asked(fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("/auth").header("host", "127.0.0.1:9440").header("x-original-method", "PUT");
    request = request.header("x-original-uri", "/a?b").header("x-original-host", "app.example.org");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_question_becomes_the_request_that_it_is_about() {
    let fields = [
        ("x-ssl-client-cert", "abc"),
        ("authorization", "Digest a"),
        ("cookie", "a=b"),
        ("content-length", "17"),
        ("connection", "close"),
        ("remote-user", "mallory"),
    ];
    let original = authorizer(CertificateForm::Nginx).read(&asked(&fields)).unwrap();
    assert_eq!((original.method, original.target.to_string()), (Method::PUT, "/a?b".to_owned()));
    let left: Vec<String> =
        original.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let mut left: Vec<&str> = left.iter().map(String::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["authorization: Digest a", "cookie: a=b", "host: app.example.org", "remote-user: mallory"]);
    assert_eq!(original.shown.unwrap().certificate, Some(HeaderValue::from_static("abc")));
}

#[test]
fn a_front_that_does_not_strip_shows_it() {
    type Fields<'f> = &'f [(&'f str, &'f str)];
    let name = HeaderName::from_static;
    let foreign = |header| Err(NotUnderstood::Foreign(name(header)));
    let twice = |header| Err(NotUnderstood::Twice(name(header)));
    let cases: &[(CertificateForm, Fields<'_>, Result<bool, NotUnderstood>)] = &[
        (CertificateForm::Nginx, &[], Ok(false)),
        (CertificateForm::Nginx, &[("x-ssl-client-cert", "")], Ok(false)),
        (CertificateForm::Nginx, &[("x-ssl-client-cert", "-")], Ok(false)),
        (CertificateForm::Nginx, &[("x-ssl-client-cert", "a")], Ok(true)),
        (CertificateForm::Nginx, &[("x-ssl-client-cert", "a"), ("x-ssl-client-cert", "b")], twice("x-ssl-client-cert")),
        (CertificateForm::Nginx, &[("x-ssl-client-cert", ""), ("x-ssl-client-cert", "b")], twice("x-ssl-client-cert")),
        (CertificateForm::Nginx, &[("x_ssl_client_cert", "a")], foreign("x_ssl_client_cert")),
        (CertificateForm::Nginx, &[("x-ssl_client.cert", "a")], foreign("x-ssl_client.cert")),
        (CertificateForm::Nginx, &[("x_original_uri", "/")], foreign("x_original_uri")),
        (CertificateForm::Nginx, &[("client-cert", "a")], foreign("client-cert")),
        (CertificateForm::Nginx, &[("client_cert", "a")], foreign("client_cert")),
        (CertificateForm::Nginx, &[("x-forwarded-client-cert", "")], foreign("x-forwarded-client-cert")),
        (CertificateForm::Rfc9440, &[("x-ssl-client-cert", "a")], foreign("x-ssl-client-cert")),
        (CertificateForm::Rfc9440, &[("client-cert", ":a:"), ("client-cert-chain", ":b:")], Ok(true)),
        (
            CertificateForm::Rfc9440,
            &[("client-cert-chain", ":a:"), ("client-cert-chain", ":b:")],
            twice("client-cert-chain"),
        ),
        // A verdict of the front's is not believed, and does no harm.
        (CertificateForm::Rfc9440, &[("x-client-verify", "SUCCESS"), ("x-ssl-client-verify", "0")], Ok(false)),
        (CertificateForm::Traefik, &[("x-forwarded-tls-client-cert-info", "Subject=\"CN=a\"")], Ok(false)),
    ];
    for (form, fields, expected) in cases {
        let read = authorizer(*form).read(&asked(fields)).map(|original| original.shown.is_some());
        assert_eq!(read, *expected, "{form:?} {fields:?}");
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_not_taken_for_none() {
    let authorizer = authorizer(CertificateForm::Haproxy);
    for value in ["x", "AAAA", "(null)"] {
        let shown = authorizer.read(&asked(&[("x-ssl-client-der", value)])).unwrap().shown.unwrap();
        let refused = authorizer.presented(&shown).unwrap_err();
        assert!(matches!(refused, NotUnderstood::Certificate { .. }), "{value}: {refused}");
    }
    let chain_alone = authorizer.read(&asked(&[("x-ssl-client-chain-der", "AAAA")])).unwrap().shown.unwrap();
    assert!(authorizer.presented(&chain_alone).is_err());
}
