//! What may be served without TLS, and when what the authority says is signed.

use super::*;

const PLAIN: &str = "listeners:\n  - {name: guarded, address: '127.0.0.1:9443', trust: staff, \
    tls: {certificates: [{chain: c.pem, key: k.pem}]}}\n  - {name: plain, address: '127.0.0.1:80', tls: off";

fn plain(keys: &str, routes: &str) -> String {
    format!("{PLAIN}{keys}}}\nroutes:\n  - upstream: app\n{routes}")
}

fn route(keys: &str) -> String {
    plain("", &format!("  - {{path: /crl, listeners: [plain], {keys}}}\n"))
}

#[test]
fn without_tls_nobody_is_asked_for_anything() {
    let keys = |keys: &str| plain(&format!(", {keys}"), "");
    assert_faults(
        Severity::Error,
        &[
            (keys("client_certificate: want"), "listeners[1].client_certificate", "no meaning with `tls: off`"),
            (keys("trust: staff"), "listeners[1].trust", "no meaning"),
            (keys("hosts: [{name: a.example}]"), "listeners[1].hosts", "no meaning"),
            (keys("on_rejected_certificate: alert"), "listeners[1].on_rejected_certificate", "no meaning"),
            (
                plain(", client_certificate: off", "").replace("tls: off", "tls: on"),
                "listeners[1].tls",
                "not one of the words",
            ),
        ],
    );
    // `required: false` is worth a warning on any listener; here it is a fault.
    let faults = faults_of(&keys("proxy_protocol: {from: [10.0.0.1], required: false}"));
    let errors: Vec<_> = faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
    assert!(matches!(errors[..], [fault] if fault.path == "listeners[1].proxy_protocol"), "{faults}");
    let config = config(&plain(", client_certificate: off, proxy_protocol: {from: [10.0.0.1]}", ""));
    assert_eq!(config.listeners[1].tls, None);
    assert_eq!(config.listeners[1].policy.client_certificate, ClientCertificate::Off);
}

#[test]
fn without_tls_nothing_is_served_but_what_everybody_may_read() {
    let public = "anonymous: allow, upstream: {service: crl}";
    assert_faults(
        Severity::Error,
        &[
            (route("anonymous: allow, upstream: app"), "routes[1].upstream", "more than may be served without TLS"),
            (route("anonymous: allow, upstream: {respond: {body: x}}"), "routes[1].upstream", "more than may be"),
            (route("anonymous: allow, upstream: {redirect: /x}"), "routes[1].upstream", "more than may be"),
            (route("upstream: {service: crl}"), "routes[1]", "nobody can be made out"),
            (route("anonymous: {redirect: /x}, upstream: {service: crl}"), "routes[1]", "nobody can be made out"),
            (
                route(&format!("{public}, authenticate: [certificate, digest]")) + "digest: {realm: a}",
                "routes[1]",
                "nobody can be",
            ),
            (route(&format!("{public}, trust: staff")), "routes[1]", "nobody can be made out"),
            (
                route(&format!("{public}, claim: {{header: From, match: '{{username}}'}}")),
                "routes[1].claim",
                "nobody has shown",
            ),
            (route(&format!("{public}, deny: {{addresses: [10.0.0.0/8]}}")), "routes[1]", "nobody can be made out"),
        ],
    );
    let config = config(&route(public));
    assert_eq!(config.routes[0].listeners, ["guarded"], "a route that names no listener is for those with TLS");
    assert_eq!(config.routes[1].listeners, ["plain"]);
    // The same path on the other listener is another route.
    let both = format!("{}  - {{path: /crl, upstream: app}}\n", route(public));
    assert_eq!(super::config(&both).routes.len(), 3);
}

#[test]
fn what_is_published_is_followed_by_the_next_in_good_time() {
    let publish = |publish: &str| format!("authority: {{directory: a, publish: {publish}}}");
    assert_faults(
        Severity::Error,
        &[
            (publish("{url: 'https://a.example'}"), "authority.publish.url", "https would need"),
            (publish("{crl: {validity: 1d, every: 13h}}"), "authority.publish.crl.every", "half of the time"),
            (publish("{crl: {every: 30s}}"), "authority.publish.crl.every", "once a minute"),
            (publish("{ocsp: {validity: 1m}}"), "authority.publish.ocsp.validity", "once a minute"),
            (publish("{ocsp: {every: 1d}}"), "authority.publish.ocsp.every", "half of the time"),
        ],
    );
    let published = |keys: &str| config(&publish(keys)).authority.unwrap().publish;
    assert_eq!(published("{}"), Publishing::default());
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let lists = published("{url: 'http://PKI.example', crl: {validity: 10h, delta: true}}");
    assert_eq!(lists.url.as_deref(), Some("http://pki.example/"));
    assert_eq!(lists.crl, PublishedLists { validity: hours(10), every: hours(5), delta: true });
    assert_eq!(lists.ocsp, PublishedAnswers { validity: hours(24), every: hours(8) });
}
