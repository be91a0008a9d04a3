//! `tracing`: a collector that cannot be, and tokens that others could read.

use super::*;

fn tracing(keys: &str) -> String {
    format!("tracing: {{{keys}}}")
}

#[test]
fn a_faulty_collector_of_traces_is_refused() {
    let of = |keys: &str| tracing(&format!("endpoint: 'http://127.0.0.1:4318', {keys}"));
    assert_faults(
        Severity::Error,
        &[
            (tracing("sample: 1%"), "tracing.endpoint", "missing"),
            (tracing("endpoint: '127.0.0.1:4318'"), "tracing.endpoint", "not the URL of a server"),
            (tracing("endpoint: 'unix:/run/otel.sock'"), "tracing.endpoint", "is a socket"),
            (tracing("endpoint: 'http://127.0.0.1:4318/v1/traces'"), "tracing.endpoint", "more than a server"),
            (tracing("endpoint: 'https://collector.example.org'"), "tracing.ca", "missing"),
            (of("ca: ca.pem"), "tracing.ca", "not spoken to over TLS"),
            (of("sample: 101%"), "tracing.sample", "not a share"),
            (of("sampled_by: [everybody]"), "tracing.sampled_by[0]", "not a range"),
            (of("headers: {content-type: {env: A}}"), "tracing.headers.content-type", "itself"),
            (of("headers: {a_b: {env: A}}"), "tracing.headers.a_b", "not the name"),
        ],
    );
    let with_token = "endpoint: 'http://collector.example.org', headers: {authorization: {env: TOKEN}}";
    assert_faults(Severity::Warning, &[(tracing(with_token), "tracing.headers", "whoever listens")]);
}

#[test]
fn a_collector_of_traces_has_its_defaults() {
    let found = config(&tracing("endpoint: 'http://localhost:4318/', headers: {Authorization: {file: token}}"));
    let found = found.tracing.unwrap();
    assert_eq!((found.server.to_string().as_str(), found.sample), ("localhost:4318", 10_000));
    assert!(!found.account && found.sampled_by.is_empty() && found.ca.is_none() && found.service == "wicketgate");
    assert_eq!(found.headers, [("authorization".to_owned(), SecretSource::File("/etc/gate/token".into()))]);
}
