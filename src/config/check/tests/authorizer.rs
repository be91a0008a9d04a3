//! Listeners that another front asks: what is refused, warned of and filled in.

use super::*;
use crate::config::{AuthorizerStatuses, CertificateForm, FrontCertificate, OriginalRequest};

const SECRET: &str = "from: {secret: {value: {file: front.secret}}}";
const NEAR: &str = "address: '127.0.0.1:9440', tls: off, trust: staff, forwarded: {from: [127.0.0.1]}";
const FAR: &str = "address: '10.0.0.1:9440', trust: staff, forwarded: {from: [10.0.0.2]}, \
                   tls: {certificates: [{chain: c, key: k}]}";

/// A listener that a front asks, with these keys and these of its authorizer, and a trust set for fronts.
fn asked(keys: &str, authorizer: &str) -> String {
    format!(
        "listeners:\n  - {{name: a, {keys}, authorizer: {{{authorizer}}}}}\n\
         trust:\n  staff: {{authorities: [ca.pem]}}\n  fronts: {{authorities: [fronts.pem]}}\n\
         routes:\n  - upstream: app\n  - {{path: /b, trust: fronts, upstream: app}}"
    )
}

#[test]
fn a_front_proves_itself_out_of_reach_of_others() {
    let path = |key: &str| format!("listeners[0].authorizer{key}");
    let (form, from, secret, names) =
        (path(".form"), path(".from"), path(".from.secret.value"), path(".from.certificate.names"));
    let certificate = "from: {certificate: {trust: fronts, names: [nginx.example.org]}}";
    let with = |authorizer: &str| asked(NEAR, authorizer);
    let nginx = format!("form: nginx, {SECRET}");
    let (first_name, header, chain, prefix) =
        (path(".from.certificate.names[0]"), path(".header"), path(".chain_header"), path(".prefix"));
    let insecure = path(".insecure");
    let whole = path("");
    assert_faults(
        Severity::Error,
        &[
            (with(SECRET), &form, "missing"),
            (with("form: nginx"), &from, "missing"),
            (with("form: nginx, from: {}"), &from, "proves"),
            (with("form: nginx, from: {secret: {}}"), &secret, "missing"),
            (with("form: nginx, from: {certificate: {trust: fronts}}"), &names, "missing"),
            (with(&format!("form: nginx, {certificate}")), &from, "without TLS"),
            (
                asked(FAR, "form: nginx, from: {certificate: {trust: fronts, names: ['*.example.org']}}"),
                &first_name,
                "name each front",
            ),
            (with(&format!("{nginx}, header: Cookie")), &header, "another meaning"),
            (with(&format!("{nginx}, header: X-Original-URI")), &header, "original request"),
            (with(&format!("{nginx}, header: X-Wicketgate-Front")), &whole, "two things"),
            (with(&format!("{nginx}, chain_header: X-Chain")), &chain, "no header for the rest"),
            (with(&format!("{nginx}, prefix: /check")), &prefix, "elsewhere"),
            (asked(FAR, &format!("form: nginx, {certificate}, insecure: true")), &insecure, "only with"),
            (asked(&NEAR.replace("127.0.0.1:9440", "10.0.0.1:9440"), &nginx), "listeners[0].address", "on the way"),
            (asked(&NEAR.replace("127.0.0.1:9440", "0.0.0.0:9440"), &nginx), "listeners[0].address", "on the way"),
            (asked(&NEAR.replace(", trust: staff", ""), &nginx), "listeners[0].trust", "missing"),
            (
                asked(&format!("{NEAR}, client_certificate: off"), &nginx),
                "listeners[0].client_certificate",
                "no certificates",
            ),
            (asked(&format!("{NEAR}, hosts: []"), &nginx), "listeners[0].hosts", "front's"),
            (asked(&format!("{NEAR}, advertise: none"), &nginx), "listeners[0].advertise", "front's"),
            (
                asked(&format!("{NEAR}, on_rejected_certificate: alert"), &nginx),
                "listeners[0].on_rejected_certificate",
                "front's",
            ),
        ],
    );
    assert_faults(
        Severity::Warning,
        &[
            (asked(FAR, &nginx), &from, "secret alone"),
            (
                asked(&NEAR.replace("127.0.0.1:9440", "10.0.0.1:9440"), &format!("{nginx}, insecure: true")),
                "listeners[0].address",
                "clear text",
            ),
            (
                asked(&NEAR.replace(", forwarded: {from: [127.0.0.1]}", ""), &nginx),
                "listeners[0]",
                "address of the front",
            ),
        ],
    );
    for good in [asked(NEAR, &nginx), asked(FAR, &format!("form: nginx, {certificate}"))] {
        assert_eq!(faults_of(&good).iter().count(), 0, "{good}\n{}", faults_of(&good));
    }
}

#[test]
fn what_is_usual_for_a_form_need_not_be_written() {
    let read = |authorizer: &str| {
        let config = config(&asked(NEAR, &format!("{authorizer}, {SECRET}")));
        config.listeners[0].authorizer.clone().unwrap()
    };
    use AuthorizerStatuses::{All, AuthRequest};
    use OriginalRequest::{Forwarded, Itself, Original};
    for (form, header, chain, request, statuses) in [
        ("rfc9440", "Client-Cert", Some("Client-Cert-Chain"), Original, All),
        ("nginx", "X-SSL-Client-Cert", None, Original, AuthRequest),
        ("haproxy", "X-SSL-Client-Der", Some("X-SSL-Client-Chain-Der"), Original, All),
        ("traefik", "X-Forwarded-Tls-Client-Cert", None, Forwarded, All),
        ("envoy", "X-Forwarded-Client-Cert", None, Itself, All),
    ] {
        let found = read(&format!("form: {form}"));
        let chain = chain.map(str::to_owned);
        assert_eq!((found.header.as_str(), &found.chain_header), (header, &chain), "{form}");
        assert_eq!((found.request, found.statuses), (request, statuses), "{form}");
    }
    let other = read("form: haproxy, header: X-Cert, chain_header: X-Rest, request: forwarded, statuses: auth_request");
    assert_eq!((other.form, other.header.as_str()), (CertificateForm::Haproxy, "X-Cert"));
    assert_eq!(
        (other.chain_header.as_deref(), other.request, other.statuses),
        (Some("X-Rest"), Forwarded, AuthRequest)
    );
    assert_eq!(read("form: envoy, prefix: /check").prefix, "/check");
}

#[test]
fn a_front_shows_its_certificate_in_its_own_handshake() {
    let from = "from: {certificate: {trust: fronts, names: [NGINX.example.org]}}";
    let config = config(&asked(FAR, &format!("form: nginx, {from}")));
    let listener = &config.listeners[0];
    let (front, people) = (listener.handshake(), &listener.policy);
    assert_eq!((front.client_certificate, front.trust.as_deref()), (ClientCertificate::Need, Some("fronts")));
    assert_eq!((people.client_certificate, people.trust.as_deref()), (ClientCertificate::Want, Some("staff")));
    let certificate = FrontCertificate { trust: "fronts".to_owned(), names: vec!["nginx.example.org".to_owned()] };
    assert_eq!(listener.authorizer.as_ref().unwrap().certificate, Some(certificate));
}

#[test]
fn an_answer_of_our_own_is_no_leave_to_pass() {
    let with = |route: &str| {
        asked(NEAR, &format!("form: nginx, {SECRET}"))
            .replace("/b, trust: fronts", &format!("/b, {route}"))
            .replace("upstream: app}", "UPSTREAM}")
            .replace("UPSTREAM", "upstream: {respond: {}}")
            .replace("  fronts: {authorities: [fronts.pem]}\n", "")
    };
    let place = "routes[1].upstream";
    assert_faults(Severity::Error, &[(with("listeners: [a]"), place, "leave to pass")]);
    assert_eq!(faults_of(&with("listeners: [a]").replace("{}}}", "{status: 410}}}")).iter().count(), 0);
    assert_eq!(faults_of(&with("anonymous: allow")).iter().count(), 0, "another listener may serve it");
}

#[test]
fn a_route_by_header_fields_needs_a_front_that_passes_them_on() {
    let with = |authorizer: &str, route: &str| {
        let other = "  - {name: b, address: '127.0.0.1:9443', trust: staff, tls: {certificates: [{chain: c, key: k}]}}\ntrust:\n";
        asked(NEAR, &format!("{authorizer}, {SECRET}"))
            .replacen("trust:\n", other, 1)
            .replace("/b, trust: fronts", &format!("/b, match_headers: {{X-Bulk: '1'}}{route}"))
            .replace("  fronts: {authorities: [fronts.pem]}\n", "")
    };
    let place = "routes[1].match_headers";
    assert_faults(
        Severity::Warning,
        &[
            (with("form: nginx", ""), place, "the front of a asks about"),
            (with("form: envoy", ", listeners: [b, a]"), place, "says x-bulk"),
            (with("form: traefik, request: original", ""), place, "in its question"),
        ],
    );
    for (authorizer, route) in
        [("form: nginx", ", listeners: [b]"), ("form: traefik", ""), ("form: haproxy, request: forwarded", "")]
    {
        let good = with(authorizer, route);
        assert_eq!(faults_of(&good).iter().count(), 0, "{good}\n{}", faults_of(&good));
    }
}
