//! What `check` refuses, warns of and makes of a file, as tables.

mod authorizer;
mod matching;
mod publishing;
mod traces;

use super::super::fault::{Fault, Faults, Severity};
use super::super::*;
use crate::base::secret::{Secret, SecretSource};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

/// The sections of a configuration that is good.
const GOOD: [(&str, &str); 4] = [
    (
        "listeners",
        "  - {name: guarded, address: '127.0.0.1:9443', trust: staff, \
         tls: {certificates: [{chain: c.pem, key: k.pem}]}}",
    ),
    ("trust", "  staff: {authorities: [ca.pem]}"),
    ("routes", "  - upstream: app"),
    ("upstreams", "  app: {servers: ['http://127.0.0.1:8080']}"),
];

/// The good configuration with some sections replaced or added.
fn text(sections: &str) -> String {
    let replaced = |name: &str| sections.lines().any(|line| line.starts_with(&format!("{name}:")));
    let kept = GOOD.iter().filter(|(name, _)| !replaced(name)).map(|(name, body)| format!("{name}:\n{body}\n"));
    kept.chain([format!("{sections}\n")]).collect()
}

fn faults_of(sections: &str) -> Faults {
    match parse(&text(sections), "gate.yaml", Path::new("/etc/gate")) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    }
}

fn config(sections: &str) -> Config {
    match parse(&text(sections), "gate.yaml", Path::new("/etc/gate")) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{faults}"),
    }
}

/// A listener with these keys besides name, address and tls.
fn listener(keys: &str) -> String {
    format!("listeners:\n  - {{name: a, address: '[::]:443', tls: {{certificates: [{{chain: c, key: k}}]}}, {keys}}}")
}

fn route(keys: &str) -> String {
    format!("routes:\n  - upstream: app\n  - {{path: /x, {keys}}}")
}

fn upstream(keys: &str) -> String {
    format!("upstreams:\n  app: {{{keys}}}")
}

/// Each text has exactly this one fault: its severity, its path and a part of its message.
fn assert_faults(severity: Severity, cases: &[(String, &str, &str)]) {
    for (sections, path, message) in cases {
        let faults = faults_of(sections);
        let found: Vec<&Fault> = faults.iter().collect();
        let [fault] = found[..] else { panic!("{sections}\nexpected one fault, found\n{faults}") };
        assert_eq!((fault.severity, fault.path.as_str()), (severity, *path), "{sections}\n{faults}");
        assert!(fault.message.contains(message), "{sections}\n{faults}");
        assert!(fault.line > 0, "{sections}");
    }
}

#[test]
fn the_balancers_before_a_listener_are_named_and_not_too_many() {
    let proxied = |keys: &str| listener(&format!("trust: staff, proxy_protocol: {keys}"));
    let path = |key: &str| format!("listeners[0].proxy_protocol{key}");
    let (from, first, required) = (path(".from"), path(".from[0]"), path(".required"));
    assert_faults(
        Severity::Error,
        &[
            (proxied("{}"), &from, "missing"),
            (proxied("{from: []}"), &from, "empty"),
            (proxied("{from: [balancer.example.org]}"), &first, "not a range"),
            (proxied("{from: [10.1.0.0/8]}"), &first, "bits"),
            (proxied("{from: [10.0.0.1], required: maybe}"), &required, "neither true nor false"),
            (proxied("true"), &path(""), "mapping"),
        ],
    );
    assert_faults(
        Severity::Warning,
        &[
            (proxied("{from: [0.0.0.0/0]}"), &first, "may pass for any address"),
            (proxied("{from: ['::/0']}"), &first, "may pass for any address"),
            (proxied("{from: [128.0.0.0/1]}"), &first, "may pass for any address"),
            (proxied("{from: ['2000::/3']}"), &first, "may pass for any address"),
            (proxied("{from: [10.0.0.0/8], required: false}"), &required, "made up"),
        ],
    );
    let forwarded = |keys: &str| listener(&format!("trust: staff, forwarded: {keys}"));
    assert_faults(
        Severity::Error,
        &[
            (forwarded("{}"), "listeners[0].forwarded.from", "missing"),
            (forwarded("{from: []}"), "listeners[0].forwarded.from", "empty"),
            (forwarded("{from: [a]}"), "listeners[0].forwarded.from[0]", "not a range"),
            (forwarded("{from: [10.0.0.1], header: X-Real-IP}"), "listeners[0].forwarded.header", "not one of"),
        ],
    );
    let everybody = (forwarded("{from: [0.0.0.0/0]}"), "listeners[0].forwarded.from[0]", "may pass for any address");
    assert_faults(Severity::Warning, &[everybody]);
    let believed = |keys: &str| config(&forwarded(keys)).listeners[0].forwarded.clone().unwrap().header;
    assert_eq!(believed("{from: [10.0.0.1]}"), ForwardedHeader::XForwardedFor);
    assert_eq!(believed("{from: [10.0.0.1], header: Forwarded}"), ForwardedHeader::Forwarded);
    let balancers = |keys: &str| config(&proxied(keys)).listeners[0].proxy_protocol.clone().unwrap();
    let ProxyProtocol { from, required } = balancers("{from: [10.0.0.0/8, '2001:db8::1']}");
    assert_eq!((from.len(), required), (2, true));
    assert!(!balancers("{from: [10.0.0.1], required: false}").required);
    assert_eq!(config("").listeners[0].proxy_protocol, None);
}

#[test]
fn a_faulty_listener_is_refused() {
    let two = |second: &str| {
        let tls = "tls: {certificates: [{chain: c, key: k}]}, trust: staff";
        format!("listeners:\n  - {{name: a, address: '0.0.0.0:1', {tls}}}\n  - {{{second}, {tls}}}")
    };
    let cases = [
        ("listeners: []".to_owned(), "listeners", "the list is empty"),
        ("listeners: {a: b}".to_owned(), "listeners", "a list is expected"),
        (two("name: a, address: '0.0.0.0:2'"), "listeners[1].name", "has the same name"),
        (two("name: b, address: '0.0.0.0:1'"), "listeners[1].address", "has the same address"),
        (two("name: b, address: '9443'"), "listeners[1].address", "`0.0.0.0:9443`"),
        (two("name: b, address: '0.0.0.0:99999'"), "listeners[1].address", "not an address"),
        (two("name: 'a b', address: '0.0.0.0:2'"), "listeners[1].name", "not a name"),
        (listener("client_certificate: wnat, trust: staff"), "listeners[0].client_certificate", "`wnat` is not one of"),
        (listener("client_certificate: need") + "\ntrust: {}", "listeners[0].trust", "`trust` is missing"),
        (listener("trust: staff, on_missing_certificate: page"), "listeners[0].on_missing_certificate", "only with"),
        (listener("trust: staff, advertise: some"), "listeners[0].advertise", "not one of"),
        (listener("trust: staff, advertise: []"), "listeners[0].advertise", "empty"),
        (listener("trust: staff, hosts: [{name: a_b}]"), "listeners[0].hosts[0].name", "not a host name"),
        (listener("trust: staff, hosts: [{name: a}, {name: A.}]"), "listeners[0].hosts[1].name", "has the same name"),
        (listener("trust: staff, hosts: [{}]"), "listeners[0].hosts[0].name", "missing"),
        (listener("trust: staff, hosts: [{name: a, trust: stafff}]"), "listeners[0].hosts[0].trust", "no trust set"),
        (
            listener("trust: staff, hosts: [{name: a, on_missing_certificate: page}]"),
            "listeners[0].hosts[0].on_missing_certificate",
            "only with",
        ),
        (
            listener("client_certificate: off, hosts: [{name: a, client_certificate: need}]") + "\ntrust: {}",
            "listeners[0].hosts[0].trust",
            "missing",
        ),
    ];
    assert_faults(Severity::Error, &cases);
    let faults = faults_of("listeners: [{}]");
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["listeners[0].name", "listeners[0].address", "listeners[0].tls", "listeners[0].trust"]);
}

#[test]
fn a_faulty_certificate_or_secret_is_refused() {
    let tls = |tls: &str| format!("listeners:\n  - {{name: a, address: '[::]:443', trust: staff, tls: {tls}}}");
    let secret = |secret: &str| tls(&format!("{{certificates: [{{chain: c, key: k}}], ticket_secret: {secret}}}"));
    let stapling = |stapling: &str| tls(&format!("{{certificates: [{{chain: c, key: k}}], stapling: {stapling}}}"));
    assert_faults(
        Severity::Error,
        &[
            (tls("{}"), "listeners[0].tls.certificates", "missing"),
            (tls("{certificates: []}"), "listeners[0].tls.certificates", "empty"),
            (tls("{certificates: [{chain: c}]}"), "listeners[0].tls.certificates[0].key", "missing"),
            (tls("{certificates: [{chain: '', key: k}]}"), "listeners[0].tls.certificates[0].chain", "path of a file"),
            (tls("{certificates: [{chain: c, key: k}], min_version: 1.1}"), "listeners[0].tls.min_version", "`1.1`"),
            (stapling("maybe"), "listeners[0].tls.stapling", "neither true nor false"),
            (stapling("{responder: 'https://a/'}"), "listeners[0].tls.stapling.responder", "https would need"),
            (stapling("{private_addresses: []}"), "listeners[0].tls.stapling.private_addresses", "empty"),
            (stapling("{private_addresses: [10]}"), "listeners[0].tls.stapling.private_addresses[0]", "not a range"),
            (stapling("{private_addresses: [10.1.0.0/8]}"), "listeners[0].tls.stapling.private_addresses[0]", "bits"),
            (secret("''"), "listeners[0].tls.ticket_secret", "empty"),
            (secret("{}"), "listeners[0].tls.ticket_secret", "exactly one"),
            (secret("{file: a, env: b}"), "listeners[0].tls.ticket_secret", "exactly one"),
            (secret("{env: 'A=B'}"), "listeners[0].tls.ticket_secret.env", "environment variable"),
            (secret("{fil: a}"), "listeners[0].tls.ticket_secret.fil", "not a key"),
        ],
    );
}

#[test]
fn faulty_trust_and_identity_are_refused() {
    let trust = |set: &str| format!("trust:\n  staff: {{{set}}}");
    let revocation = |keys: &str| trust(&format!("authorities: [a], revocation: {{{keys}}}"));
    let identity = |rule: &str| format!("identity:\n  - {{{rule}}}");
    assert_faults(
        Severity::Error,
        &[
            (trust("authorities: []"), "trust.staff.authorities", "empty"),
            (trust("max_depth: 3"), "trust.staff.authorities", "missing"),
            (trust("authorities: ca.pem"), "trust.staff.authorities", "a list is expected"),
            (trust("authorities: [a], max_depth: 0"), "trust.staff.max_depth", "limit of 0"),
            (trust("authorities: [a], max_depth: 1"), "trust.staff.max_depth", "two certificates"),
            (trust("authorities: [a], max_depth: many"), "trust.staff.max_depth", "whole number"),
            (trust("authorities: [a], issuers: []"), "trust.staff.issuers", "empty"),
            (trust("authorities: [a], intermediates: ['']"), "trust.staff.intermediates[0]", "path of a file"),
            (trust("authorities: [a], policies: {accept: [], require: true}"), "trust.staff.policies.accept", "empty"),
            (
                trust("authorities: [a], policies: {accept: [1.2.x], require: true}"),
                "trust.staff.policies.accept[0]",
                "not an object identifier",
            ),
            (revocation("scope: leafs"), "trust.staff.revocation.scope", "not one of"),
            (revocation("clock_tolerance: 2d"), "trust.staff.revocation.clock_tolerance", "a day is the most"),
            (revocation("crl: {}"), "trust.staff.revocation.crl", "no list comes from anywhere"),
            (revocation("crl: {from_certificates: false}"), "trust.staff.revocation.crl", "no list comes"),
            (revocation("crl: {files: [], urls: []}"), "trust.staff.revocation.crl", "no list comes from anywhere"),
            (revocation("crl: {url: []}"), "trust.staff.revocation.crl.url", "not a key"),
            (revocation("crl: {files: [a], refresh: 10ms}"), "trust.staff.revocation.crl.refresh", "once a second"),
            (revocation("crl: {files: [a], max_size: 0}"), "trust.staff.revocation.crl.max_size", "limit of 0"),
            (revocation("crl: {urls: ['https://a/b']}"), "trust.staff.revocation.crl.urls[0]", "https would need"),
            (
                revocation("crl: {urls: ['http://a/b'], cache: c, private_addresses: [a]}"),
                "trust.staff.revocation.crl.private_addresses[0]",
                "not a range",
            ),
            (revocation("ocsp: {mode: always}"), "trust.staff.revocation.ocsp.mode", "not one of"),
            (revocation("ocsp: {timeout: 0s}"), "trust.staff.revocation.ocsp.timeout", "no time at all"),
            (revocation("ocsp: {responder: 'https://a/'}"), "trust.staff.revocation.ocsp.responder", "https would"),
            (
                trust("authorities: [a], revocation: {crl: {files: [a*/b]}}"),
                "trust.staff.revocation.crl.files[0]",
                "slash",
            ),
            (
                "trust: {staff: {authorities: [a]}, 'b c': {authorities: [a]}}".to_owned(),
                "trust[\"b c\"]",
                "not a name",
            ),
            ("identity: []".to_owned(), "identity", "empty"),
            (identity("pattern: ^a$"), "identity[0].from", "missing"),
            (identity("from: san.mail"), "identity[0].from", "`san.mail` is not one of"),
            (identity("from: san.upn, pattern: '^(a$'"), "identity[0].pattern", "not a regular expression"),
            (identity("from: san.upn, pattern: '^a{9999999}$'"), "identity[0].pattern", "too large"),
            (identity("from: san.upn, as: name"), "identity[0].as", "not one of"),
            (identity("from: san.upn, issuers: []"), "identity[0].issuers", "empty"),
            (identity("from: san.upn, issuers: ['sha256:12']"), "identity[0].issuers[0]", "SHA-256"),
            (identity("from: san.upn, if_unknown: skip"), "identity[0].if_unknown", "not one of"),
        ],
    );
}

#[test]
fn faulty_accounts_and_digest_are_refused() {
    let mysql =
        |keys: &str| format!("accounts: {{mysql: {{servers: [db], database: d, password: {{env: P}}, {keys}}}}}");
    assert_faults(
        Severity::Error,
        &[
            ("accounts: {sqlite: {path: ''}}".to_owned(), "accounts.sqlite.path", "path of a file"),
            ("accounts: {cache: {ttl: soon}}".to_owned(), "accounts.cache.ttl", "not a duration"),
            ("accounts: {cache: {capacity: 0}}".to_owned(), "accounts.cache.capacity", "holds nothing"),
            ("accounts: {cache: {capacity: 1GB}}".to_owned(), "accounts.cache.capacity", "neither a number"),
            ("accounts: {serve_stale: 5}".to_owned(), "accounts.serve_stale", "not a duration"),
            ("accounts: {serve_stale: 25h}".to_owned(), "accounts.serve_stale", "let in for so long"),
            (
                "accounts: {sqlite: {}, mysql: {servers: [localhost], database: d, user: u, password: {env: P}}}"
                    .to_owned(),
                "accounts",
                "either in `sqlite` or in `mysql`",
            ),
            (mysql("tls: {ca: c}"), "accounts.mysql.user", "missing"),
            (mysql("user: ' u', tls: {ca: c}"), "accounts.mysql.user", "space"),
            (mysql("user: u, tls: {}"), "accounts.mysql.tls.ca", "missing"),
            (mysql("user: u, tls: {ca: c, certificate: c}"), "accounts.mysql.tls.key", "missing"),
            (mysql("user: u, tls: {ca: c, key: c}"), "accounts.mysql.tls.certificate", "missing"),
            (mysql("user: u, tls: {ca: c, mode: loose}"), "accounts.mysql.tls.mode", "not one of"),
            ("digest: {}".to_owned(), "digest.realm", "missing"),
            ("digest: {realm: 'a\"b'}".to_owned(), "digest.realm", "a realm is made of"),
            ("digest: {realm: a, algorithms: []}".to_owned(), "digest.algorithms", "empty"),
            ("digest: {realm: a, algorithms: [MD5, MD5]}".to_owned(), "digest.algorithms[1]", "twice"),
            ("digest: {realm: a, algorithms: [sha256]}".to_owned(), "digest.algorithms[0]", "not one of"),
            ("digest: {realm: {from_header: From}}".to_owned(), "digest.realm.allowed", "missing"),
            ("digest: {realm: {allowed: [a.example]}}".to_owned(), "digest.realm.from_header", "missing"),
            ("digest: {realm: {from_header: From, allowed: []}}".to_owned(), "digest.realm.allowed", "empty"),
            (
                "digest: {realm: {from_header: From, allowed: [a..example]}}".to_owned(),
                "digest.realm.allowed[0]",
                "not the name of a domain",
            ),
            (
                "digest: {realm: {from_header: 'From:', allowed: [a.example]}}".to_owned(),
                "digest.realm.from_header",
                "not the name of a header",
            ),
            ("digest: {realm: a, auth_int: {limit: 0B}}".to_owned(), "digest.auth_int.limit", "from 1B to 16MiB"),
            ("digest: {realm: a, auth_int: {limit: 17MiB}}".to_owned(), "digest.auth_int.limit", "from 1B to 16MiB"),
            ("digest: {realm: a, userhash: maybe}".to_owned(), "digest.userhash", "true"),
            ("digest: {realm: a, domain: [a]}".to_owned(), "digest.domain[0]", "neither a path"),
            ("digest: {realm: a, domain: ['/a b']}".to_owned(), "digest.domain[0]", "neither a path"),
            ("digest: {realm: a, nonce: {bind: name}}".to_owned(), "digest.nonce.bind", "not one of"),
            ("digest: {realm: a, nonce: {lifetime: 0s}}".to_owned(), "digest.nonce.lifetime", "no time at all"),
            ("digest: {realm: a, nonce: {lifetime: 5}}".to_owned(), "digest.nonce.lifetime", "not a duration"),
        ],
    );
}

#[test]
fn a_faulty_assertion_is_refused() {
    let upstream =
        |keys: &str| format!("assertion: {{}}\nupstreams:\n  app: {{servers: ['http://a'], assertion: {{{keys}}}}}");
    assert_faults(
        Severity::Error,
        &[
            ("assertion: {keys: {rotate: 1h}}".to_owned(), "assertion.keys.rotate", "two hours apart"),
            ("assertion: {keys: {files: []}}".to_owned(), "assertion.keys.files", "empty"),
            ("assertion: {keys: {files: [a], rotate: 3h}}".to_owned(), "assertion.keys", "come from `files`, or"),
            ("assertion: {keys: {algorithm: RS256}}".to_owned(), "assertion.keys.algorithm", "not one of"),
            ("assertion: {issuer: ' '}".to_owned(), "assertion.issuer", "empty"),
            (upstream(""), "upstreams.app.assertion.audience", "missing"),
            (upstream("audience: a, lifetime: 2h"), "upstreams.app.assertion.lifetime", "an hour"),
            (upstream("audience: a, lifetime: 1s"), "upstreams.app.assertion.lifetime", "an hour"),
            (upstream("audience: a, header: Host"), "upstreams.app.assertion.header", "another meaning"),
            (upstream("audience: a, header: remote_user"), "upstreams.app.assertion.header", "two things"),
            (
                "upstreams:\n  app: {servers: ['http://a'], assertion: {audience: a}}".to_owned(),
                "upstreams.app.assertion",
                "no `assertion` section",
            ),
        ],
    );
}

#[test]
fn a_faulty_authority_is_refused() {
    let authority = |passphrase: &str| format!("authority: {{directory: a, passphrase: {passphrase}}}");
    let token = |token: &str| format!("authority: {{directory: a, key: {{pkcs11: {token}}}}}");
    let path = "authority.passphrase";
    assert_faults(
        Severity::Error,
        &[
            ("authority: {}".to_owned(), "authority.directory", "missing"),
            ("authority: {directory: ''}".to_owned(), "authority.directory", "not the path"),
            (authority("hunter2hunter2"), path, "mapping"),
            (authority("{}"), path, "exactly one"),
            (authority("{file: a, env: B}"), path, "exactly one"),
            (authority("{env: 'A=B'}"), "authority.passphrase.env", "environment variable"),
            (authority("{credential: ../key}"), "authority.passphrase.credential", "credential"),
            (authority("{credential: a/b}"), "authority.passphrase.credential", "not a name"),
            ("authority: {directory: a, key: {}}".to_owned(), "authority.key.pkcs11", "missing"),
            (token("{token: t, key: k, pin: {env: P}}"), "authority.key.pkcs11.module", "missing"),
            (token("{module: m, key: k, pin: {env: P}}"), "authority.key.pkcs11.token", "missing"),
            (token("{module: m, token: t, pin: {env: P}}"), "authority.key.pkcs11.key", "missing"),
            (token("{module: m, token: t, key: a/b, pin: {env: P}}"), "authority.key.pkcs11.key", "not a name"),
            (token("{module: m, token: t, key: k}"), "authority.key.pkcs11.pin", "missing"),
            (token("{module: m, token: t, key: k, pin: '1234'}"), "authority.key.pkcs11.pin", "mapping"),
        ],
    );
    let kept = |passphrase: &str| config(&authority(passphrase)).authority.unwrap().passphrase.unwrap();
    assert_eq!(kept("{file: p}"), PassphraseSource::File("/etc/gate/p".into()));
    assert_eq!(kept("{env: P}"), PassphraseSource::Environment("P".into()));
    assert_eq!(kept("{credential: ca.passphrase}"), PassphraseSource::Credential("ca.passphrase".into()));
    let kept = config(&token("{module: m.so, token: My Token, key: gate, pin: {env: P}}")).authority.unwrap().token;
    let pin = PassphraseSource::Environment("P".into());
    let expected = Pkcs11 { module: "/etc/gate/m.so".into(), token: "My Token".into(), key: "gate".into(), pin };
    assert_eq!(kept, Some(expected));
    let plain = config("authority: {directory: a}").authority;
    let plain = plain.unwrap();
    assert_eq!((plain.directory, plain.passphrase, plain.token), ("/etc/gate/a".into(), None, None));
    assert_eq!(plain.profiles.len(), 5, "the built-in ones are there");
    assert_eq!((plain.process, plain.mysql), (None, None));
}

#[test]
fn a_faulty_process_of_the_authority_is_refused() {
    let authority = |keys: &str| format!("authority: {{directory: a, {keys}}}");
    let est = |keys: &str| authority(&format!("socket: a.sock, est: {{{keys}}}"));
    let long = authority(&format!("socket: /{}", "x".repeat(100)));
    assert_faults(
        Severity::Error,
        &[
            (authority("users: [gate]"), "authority.users", "there is none"),
            (authority("est: {}"), "authority.est", "there is none"),
            (long, "authority.socket", "so long"),
            (authority("socket: a.sock, mysql: {user: a, password: {file: p}}"), "authority.mysql", "no users"),
            (est("profile: 'a b'"), "authority.est.profile", "not a name"),
            (est("labels: {cacerts: client}"), "authority.est", "an operation of EST"),
            (est("labels: {'a/b': client}"), "authority.est.labels[\"a/b\"]", "not a name"),
            (est("hourly: 0"), "authority.est.hourly", "nothing would pass"),
            (est("hourly: 99999999999"), "authority.est.hourly", "too large"),
            (route("upstream: {service: est}"), "routes[1].upstream.service", "there is no service"),
        ],
    );
    assert_faults(
        Severity::Warning,
        &[(est("hourly: 5, hourly_by_account: 6"), "authority.est", "more than everybody together")],
    );
    let process = config(&est("")).authority.unwrap().process.unwrap();
    assert_eq!((process.socket, process.users), ("/etc/gate/a.sock".into(), Vec::<String>::new()));
    let Est { profile, server_keys, hourly, hourly_by_account, .. } = process.est.unwrap();
    assert_eq!((profile.as_str(), server_keys, hourly, hourly_by_account), ("client", false, 600, 10));
}

#[test]
fn the_authority_is_never_the_gates_user_without_anybodys_saying_so() {
    const MYSQL: &str = "accounts: {mysql: {servers: [127.0.0.1], database: w, user: gate, password: {file: p}}}";
    let authority = |keys: &str| format!("{MYSQL}\nauthority: {{directory: a, socket: a.sock{keys}}}");
    assert_faults(
        Severity::Error,
        &[
            (authority(""), "authority.socket", "a user of its own"),
            (authority(", mysql: {password: {file: q}}"), "authority.mysql.user", "missing"),
            (authority(", mysql: {user: b, certificate: c}"), "authority.mysql.key", "missing"),
            (authority(", mysql: {user: b, key: k}"), "authority.mysql.certificate", "missing"),
        ],
    );
    assert_faults(
        Severity::Warning,
        &[
            (authority(", mysql: {user: gate, password: {file: p}}"), "authority.mysql", "the gate's user"),
            (authority(", mysql: {user: b}"), "authority.mysql", "neither a password nor a client certificate"),
        ],
    );
    let settings = config(&authority(", mysql: {user: b, certificate: c, key: k}"));
    let Store::MySql(store) = settings.authority_store() else { panic!() };
    // The gate's password does not go along.
    assert_eq!((store.user.as_str(), store.password, store.database.as_str()), ("b", None, "w"));
    assert_eq!(store.tls.client.unwrap().key, Path::new("/etc/gate/k"));
}

#[test]
fn a_faulty_profile_is_refused() {
    let profile = |keys: &str| format!("authority: {{directory: a, profiles: {{p: {{{keys}}}}}}}");
    let path = |key: &str| format!("authority.profiles.p{key}");
    assert_faults(
        Severity::Error,
        &[
            (profile("extends: root"), &path(".extends"), "no built-in profile"),
            (profile("validity: 4000d"), &path(".validity"), "ten years"),
            (profile("validity: 0s"), &path(".validity"), "nothing would be valid"),
            (profile("backdate: 8d"), &path(".backdate"), "seven days"),
            (profile("key: rsa-1024"), &path(".key"), "not one of the words"),
            (profile("key: rsa-2048, keys: [ecdsa-p256]"), &path(".key"), "does not have this kind"),
            (profile("subject: {common_name: '{name}'}"), &path(".subject.common_name"), "is not known"),
            (profile("subject: {common_name: '{username'}"), &path(".subject.common_name"), "does not close"),
            (profile("subject: {cn: x}"), &path(".subject.cn"), "not a key"),
            (profile("subject: {}, names: {}"), &path(""), "about nobody"),
            (profile("names: {email: maybe}"), &path(".names.email"), "not one of the words"),
            (profile("key_usage: [key_cert_sign]"), &path(".key_usage"), "only an authority's key"),
            (profile("extended_key_usage: [clientAuth]"), &path(".extended_key_usage[0]"), "object identifier"),
            (profile("policies: [any]"), &path(".policies[0]"), "object identifier"),
            (profile("hosts: ['*.*.org']"), &path(".hosts[0]"), "host name"),
            (profile("crl: ['https://ca.example.org/crl']"), &path(".crl[0]"), "plain http"),
            (
                "authority: {directory: a, profiles: {ocsp: {validity: 1d}}}".to_owned(),
                "authority.profiles.ocsp",
                "own OCSP signers",
            ),
            (
                "authority: {directory: a, profiles: {root: {validity: 1d}}}".to_owned(),
                "authority.profiles.root",
                "own root",
            ),
            (
                profile("extends: intermediate, key_usage: [key_cert_sign]"),
                &path(".key_usage"),
                "certificates and revocation lists",
            ),
            (
                "authority: {directory: a, profiles: {intermediate: {extends: client}}}".to_owned(),
                "authority.profiles.intermediate.extends",
                "own intermediates",
            ),
            (
                "authority: {directory: a, one_valid_per: person}".to_owned(),
                "authority.one_valid_per",
                "not one of the words",
            ),
        ],
    );
    let authority =
        config("authority: {directory: a, one_valid_per: account, profiles: {client: {validity: 1d}}}").authority;
    let authority = authority.unwrap();
    assert_eq!(authority.one_valid_per, crate::config::OneValidPer::Account);
    let client = &authority.profiles["client"];
    assert_eq!(
        (client.validity.as_secs(), client.backdate.as_secs(), client.extended_key_usage.len()),
        (86_400, 300, 1)
    );
    // To say nothing of a place is another thing than to say that there is none.
    let places = config(&profile("crl: [], ocsp: ['http://o.example.org/']")).authority.unwrap();
    let places = &places.profiles["p"];
    assert_eq!((places.crl.as_deref(), places.issuer.as_deref()), (Some(&[][..]), None));
    assert_eq!(places.ocsp.as_deref(), Some(&["http://o.example.org/".to_owned()][..]));
    let rsa = config(&profile("keys: [rsa-3072]")).authority.unwrap();
    assert_eq!(rsa.profiles["p"].key.to_string(), "rsa-3072", "a key is made that is certified");
}

#[test]
fn a_faulty_directory_of_people_is_refused() {
    let ldap = |changed: &str, value: &str| {
        let keys = [
            ("servers", "['ldaps://ldap.example.org']"),
            ("ca", "ca.pem"),
            ("bind_dn", "'cn=gate,o=x'"),
            ("password", "{file: p}"),
            ("base", "o=x"),
            ("filter", "'(mail={email})'"),
        ];
        let given = keys.iter().filter(|(key, _)| *key != changed).copied();
        let changed = Some((changed, value)).filter(|(_, value)| !value.is_empty());
        let keys: Vec<String> = given.chain(changed).map(|(key, value)| format!("{key}: {value}")).collect();
        format!("authority: {{directory: a, ldap: {{{}}}}}", keys.join(", "))
    };
    let path = |key: &str| format!("authority.ldap{key}");
    assert_faults(
        Severity::Error,
        &[
            (ldap("servers", ""), &path(".servers"), "missing"),
            (ldap("servers", "[]"), &path(".servers"), "empty"),
            (ldap("servers", "['ldap.example.org']"), &path(".servers[0]"), "ldaps://HOST"),
            (ldap("ca", ""), &path(".ca"), "missing"),
            (ldap("bind_dn", "''"), &path(".bind_dn"), "empty"),
            (ldap("password", ""), &path(".password"), "nobody"),
            (ldap("base", ""), &path(".base"), "missing"),
            (ldap("filter", "'(uid=alice)'"), &path(".filter"), "everybody"),
            (ldap("filter", "'({username}=x)'"), &path(".filter"), "not a search filter"),
            (ldap("filter", "'(uid={user})'"), &path(".filter"), "{username}"),
            (ldap("attributes", "['user certificate']"), &path(".attributes[0]"), "not the name of an attribute"),
            (ldap("profiles", "[]"), &path(".profiles"), "empty"),
            (ldap("timeout", "0s"), &path(".timeout"), "no time at all"),
        ],
    );
    let plain = config(&ldap("timeout", "7s")).authority.unwrap().ldap.unwrap();
    assert_eq!(plain.servers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ldaps://ldap.example.org:636"]);
    assert_eq!(plain.attributes, [LdapAttribute::parse("userCertificate;binary").unwrap()]);
    assert_eq!((plain.profiles, plain.timeout), (vec!["smime".to_owned()], Duration::from_secs(7)));
}

#[test]
fn faulty_balancing_is_refused() {
    let with = |keys: &str| upstream(&format!("servers: ['http://a', 'http://b'], {keys}"));
    let servers = |servers: &str| upstream(&format!("servers: [{servers}]"));
    let at = |key: &str| format!("upstreams.app{key}");
    let (health, ejection, retries) = (
        |keys: &str| with(&format!("health: {{{keys}}}")),
        |keys: &str| with(&format!("ejection: {{{keys}}}")),
        |keys: &str| with(&format!("retries: {{{keys}}}")),
    );
    assert_faults(
        Severity::Error,
        &[
            (servers("'http://a', 'http://a'"), &at(".servers"), "twice"),
            (servers("{url: 'http://a', backup: true}"), &at(".servers"), "backups of nothing"),
            (servers("{weight: 2}"), &at(".servers[0].url"), "missing"),
            (servers("{url: 'http://a', weight: 0}"), &at(".servers[0].weight"), "0"),
            (servers("{url: 'http://a', weight: 257}"), &at(".servers[0].weight"), "from 1 to 256"),
            (servers("'unix:app.sock'"), &at(".servers[0]"), "unix:/path"),
            (servers(&format!("'unix:/{}'", "a".repeat(107))), &at(".servers[0]"), "107 octets"),
            (servers("'unix:/run/a', 'https://a'"), &at(".servers"), "others are not"),
            (with("http: 3"), &at(".http"), "not one of"),
            (with("balance: random"), &at(".balance"), "not one of"),
            (with("balance: {}"), &at(".balance.hash"), "missing"),
            (with("balance: {hash: name}"), &at(".balance.hash"), "not one of `account`"),
            (with("balance: {hash: 'cookie:a b'}"), &at(".balance.hash"), "not one of `account`"),
            (with("balance: {hash: 'header:a b'}"), &at(".balance.hash"), "cannot be the name"),
            (health(""), &at(".health.path"), "missing"),
            (health("path: healthz"), &at(".health.path"), "begins with `/`"),
            (health("path: '/a b'"), &at(".health.path"), "encoded"),
            (health("path: /, status: ['299-200']"), &at(".health.status[0]"), "neither a status"),
            (health("path: /, status: [600]"), &at(".health.status[0]"), "neither a status"),
            (health("path: /, rise: 0"), &at(".health.rise"), "0"),
            (health("path: /, every: 0s"), &at(".health.every"), "no time"),
            (health("path: /, host: 'a/b'"), &at(".health.host"), "not a host"),
            (with("ejection: on"), &at(".ejection"), "not one of"),
            (ejection("failures: 0"), &at(".ejection.failures"), "0"),
            (ejection("share: 101%"), &at(".ejection.share"), "0% to 100%"),
            (ejection("share: half"), &at(".ejection.share"), "0% to 100%"),
            (ejection("first: 1m, longest: 30s"), &at(".ejection.longest"), "shorter"),
            (with("limits: {requests: 0}"), &at(".limits.requests"), "0"),
            (with("limits: {wait: 0s}"), &at(".limits.wait"), "no time"),
            (retries("budget: 20"), &at(".retries.budget"), "0% to 100%"),
            (retries("body: 2MiB"), &at(".retries.body"), "1MiB"),
            (retries("status: [5xx]"), &at(".retries.status[0]"), "neither a status"),
        ],
    );
    assert_faults(
        Severity::Warning,
        &[
            (upstream("servers: ['http://127.0.0.1'], slow_start: 5s"), "upstreams.app.slow_start", "of no use"),
            (upstream("servers: ['http://127.0.0.1'], ejection: off"), "upstreams.app.ejection", "of no use"),
        ],
    );
}

#[test]
fn faulty_log_ins_templates_and_name_servers_are_refused() {
    let with = |keys: &str| upstream(&format!("servers: ['http://a'], {keys}"));
    let basic = |keys: &str| with(&format!("authorization: {{basic: {{{keys}}}}}"));
    let at = |key: &str| format!("upstreams.app{key}");
    assert_faults(
        Severity::Error,
        &[
            (basic("password: {env: P}"), &at(".authorization.basic.user"), "missing"),
            (basic("user: a"), &at(".authorization.basic.password"), "missing"),
            (basic("user: 'a:b', password: {env: P}"), &at(".authorization.basic.user"), "no colon"),
            (basic("user: '{login}', password: {env: P}"), &at(".authorization.basic.user"), "none of `{username}`"),
            (with("headers: {set: {X-A: '{user'}}"), &at(".headers.set.X-A"), "not closed"),
            (with("headers: {set: {Host: a}}"), &at(".headers.set.Host"), "another meaning"),
            (with("headers: {set: {remote_user: a}}"), &at(".headers.set.remote_user"), "two things"),
            ("resolver: {}".to_owned(), "resolver.servers", "missing"),
            ("resolver: {servers: [dns.example]}".to_owned(), "resolver.servers[0]", "not the address"),
            ("resolver: {servers: ['127.0.0.1:0']}".to_owned(), "resolver.servers[0]", "not the address"),
        ],
    );
    let resolver = config("resolver: {servers: [192.0.2.53, '[::1]:5353'], timeout: 1s}").resolver.unwrap();
    let servers: Vec<String> = resolver.servers.iter().map(ToString::to_string).collect();
    assert_eq!((servers.join(" ").as_str(), resolver.timeout), ("192.0.2.53:53 [::1]:5353", Duration::from_secs(1)));
}

#[test]
fn a_faulty_route_by_account_is_refused() {
    let with = |keys: &str| route(&format!("upstream: {{by_account: home, {keys}}}"));
    let at = |key: &str| format!("routes[1].upstream{key}");
    assert_faults(
        Severity::Error,
        &[
            (with(""), &at(""), "nothing says which upstreams"),
            (with("among: []"), &at(".among"), "empty"),
            (with("among: [ap]"), &at(".among[0]"), "there is no upstream `ap`"),
            (with("among: [app], otherwise: ap"), &at(".otherwise"), "there is no upstream `ap`"),
            (with("among: [app], redirect: /x"), &at(""), "no answer of our own"),
            (with("urls: {pattern: 'https://a'}"), &at(".urls.like"), "missing"),
            (with("urls: {like: app}"), &at(".urls.pattern"), "missing"),
            (with("urls: {like: app, pattern: 'https://('}"), &at(".urls.pattern"), "not a regular expression"),
            (with("urls: {like: app, pattern: '.*'}"), &at(".urls.pattern"), "matches no URL"),
            (route("upstream: {by_account: name, among: [app]}"), &at(".by_account"), "not one of"),
            (route("upstream: {among: [app]}"), &at(""), "beside `by_account`"),
        ],
    );
    let text = "upstreams:\n  app: {servers: ['http://a']}\n  b: {servers: ['http://b'], authorization: {digest: {user: u, \
                ha1_md5: {env: H}}}}\nroutes:\n  - upstream: app\n  - {path: /x, upstream: {by_account: home, urls: \
                {pattern: 'http://c', like: b}}}";
    assert_faults(
        Severity::Error,
        &[(text.to_owned(), "routes[1].upstream.urls.like", "every server that an account")],
    );
}

#[test]
fn every_key_of_balancing_is_taken() {
    let config = config(
        "upstreams:
  app:
    servers: ['http://10.0.0.5:8080', {url: 'http://10.0.0.6', weight: 3}, {url: 'unix:/run/app.sock', backup: true}]
    http: 2
    balance: {hash: 'cookie:SESSION'}
    slow_start: 30s
    health: {path: '/healthz?deep', status: [204, 200-202], every: 1s, timeout: 500ms, rise: 1, fall: 2, host: app.example}
    ejection: {failures: 3, status: [500-599], first: 5s, longest: 1m, share: 34%}
    limits: {requests: 100, queue: 0, wait: 2s}
    retries: {times: 1, budget: 10%, status: [503], body: 64KiB}",
    );
    let app = &config.upstreams["app"];
    let second = Duration::from_secs(1);
    let servers: Vec<_> =
        app.servers.iter().map(|server| (server.name.to_string(), server.weight, server.backup)).collect();
    let named = |name: &str, weight, backup| (name.to_owned(), weight, backup);
    assert_eq!(
        servers,
        [named("10.0.0.5:8080", 1, false), named("10.0.0.6:80", 3, false), named("/run/app.sock", 1, true)]
    );
    assert_eq!(app.http, HttpVersion::Two);
    assert_eq!(
        app.balancing,
        Balancing {
            balance: Balance::Hash(HashKey::Cookie("SESSION".to_owned())),
            slow_start: 30 * second,
            health: Some(HealthCheck {
                path: "/healthz?deep".to_owned(),
                statuses: vec![204..=204, 200..=202],
                every: second,
                timeout: second / 2,
                rise: 1,
                fall: 2,
                host: Some("app.example".to_owned()),
            }),
            ejection: Some(Ejection {
                failures: 3,
                statuses: vec![500..=599],
                first: 5 * second,
                longest: 60 * second,
                share: 34,
            }),
            limits: UpstreamLimits { requests: Some(100), queue: 0, wait: 2 * second },
            retries: Retries { times: 1, budget: 10, statuses: vec![503..=503], body: 64 * 1024 },
        }
    );
}

#[test]
fn a_faulty_handover_is_refused() {
    let handover = |sites: &str| {
        format!("handover: {{url: 'https://a.example', signing: [s], decryption: [d], sites: {{{sites}}}}}")
    };
    let site = |keys: &str| handover(&format!("b: {{url: 'https://b.example', keys: b.json, {keys}}}"));
    let path = |key: &str| format!("handover.sites.b{key}");
    assert_faults(
        Severity::Error,
        &[
            (site(""), &path(""), "nobody is handed over"),
            (site("send: [//evil.example]"), &path(".send[0]"), "never matches"),
            (site("accept: [mail]"), &path(".accept[0]"), "begins with"),
            (site("accept: [/], lookup: alias"), &path(".lookup"), "not one of"),
            (handover("b: {url: 'http://b.example', keys: k, send: [/]}"), &path(".url"), "https://"),
            (handover("b: {url: 'https://b.example/x', keys: k, send: [/]}"), &path(".url"), "all that follows"),
            (handover("b: {url: 'https://u@b.example', keys: k, send: [/]}"), &path(".url"), "all that follows"),
            (handover("b: {url: 'https://b.example:0', keys: k, send: [/]}"), &path(".url"), "65535"),
            (handover("b: {url: 'https://A.example:443/', keys: k, send: [/]}"), &path(""), "is this site"),
            (
                "handover: {url: 'https://a.example', signing: [k.pem], decryption: [d], \
                 sites: {b: {url: 'https://b.example', keys: b.json, send: [/]}}}"
                    .to_owned(),
                "handover.signing[0]",
                "the key of a listener",
            ),
            (
                format!("{}\n{}", site("send: [/]"), route("upstream: app, authenticate: [session]")),
                "routes[1]",
                "no site may hand anybody over",
            ),
            (route("upstream: app, authenticate: [session]"), "routes[1]", "no site may hand anybody over"),
        ],
    );
}

#[test]
fn an_address_for_administrators_is_on_loopback_or_guarded_by_certificates() {
    let admin = |keys: &str| format!("admin: {{{keys}}}");
    let tls = "tls: {chain: a.pem, key: a.key}";
    assert_faults(
        Severity::Error,
        &[
            (admin("tls: {chain: a.pem, key: a.key}, trust: staff, allow: {groups: [a]}"), "admin.address", "missing"),
            (admin("address: '0.0.0.0:9901'"), "admin.address", "anybody who reaches this address"),
            (admin("address: '192.0.2.1:9901'"), "admin.address", "anybody who reaches this address"),
            (admin("address: '[::]:9901'"), "admin.address", "anybody who reaches this address"),
            (admin("address: '127.0.0.1:9901', trust: staff"), "admin.tls", "`trust` means nothing"),
            (admin(&format!("address: '[::]:1', {tls}, trust: staff")), "admin.allow", "would be an administrator"),
            (admin(&format!("address: '[::]:1', {tls}, allow: {{groups: [a]}}")), "admin.trust", "missing"),
            (admin(&format!("address: '[::]:1', {tls}, trust: stuff, allow: {{groups: [a]}}")), "admin.trust", "stuff"),
            (
                admin(&format!("address: '[::]:1', {tls}, trust: staff, allow: {{addresses: [10.0.0.0/8]}}")),
                "admin.allow",
                "names no administrator",
            ),
            ("log: {access: {format: common}}".to_owned(), "log.access.path", "missing"),
            ("log: {access: {path: a.log, format: xml}}".to_owned(), "log.access.format", "xml"),
        ],
    );
    let open = config("admin: {address: '[::1]:9901'}").admin.unwrap();
    assert_eq!((open.address.port(), open.guard), (9901, None));
    let guarded = config(&admin(&format!("address: '[::]:9901', {tls}, trust: staff, allow: {{accounts: [alice]}}")));
    let guard = guarded.admin.unwrap().guard.unwrap();
    assert_eq!((guard.trust.as_str(), guard.allow.accounts), ("staff", vec!["alice".to_owned()]));
    let log = config("log: {access: {path: a.log}}").log.access.unwrap();
    assert_eq!((log.path.as_path(), log.format, log.query), (Path::new("/etc/gate/a.log"), AccessFormat::Json, false));
}

#[test]
fn digest_is_read_whole() {
    let config = config(
        "digest: {realm: {from_header: From, allowed: [A.example, b.example]}, algorithms: [MD5-sess, SHA-512-256, \
         SHA-256-sess, MD5], nonce: {bind: address}, auth_int: {}, userhash: true, domain: [/app, 'https://b.example/']}",
    );
    let digest = config.digest.unwrap();
    assert_eq!(digest.realm.names(), ["a.example", "b.example"]);
    use ChallengeAlgorithm::{Md5, Md5Session, Sha256Session, Sha512_256};
    assert_eq!(digest.algorithms, [Sha512_256, Sha256Session, Md5, Md5Session], "the strongest first");
    assert_eq!(digest.hashes(), DigestAlgorithm::ALL);
    assert_eq!(digest.auth_int_limit, Some(64 * 1024));
    assert!(digest.nonce_for_one_address && digest.userhash);
    assert_eq!(digest.domain, ["/app", "https://b.example/"]);
    let plain = self::config("digest: {realm: example.org}").digest.unwrap();
    assert_eq!(plain, Digest::of_realm("example.org"));
}

#[test]
fn a_faulty_route_is_refused() {
    assert_faults(
        Severity::Error,
        &[
            ("routes: []\nupstreams: {}".to_owned(), "routes", "empty"),
            ("routes: [{path: /}]\nupstreams: {}".to_owned(), "routes[0].upstream", "missing"),
            (route("upstream: ap"), "routes[1].upstream", "there is no upstream `ap`"),
            (route("upstream: {service: jwks, redirect: /x}"), "routes[1].upstream", "exactly one of"),
            (route("upstream: {}"), "routes[1].upstream", "exactly one"),
            (route("upstream: {redirect: /a, respond: {}}"), "routes[1].upstream", "exactly one"),
            (route("upstream: {redirect: elsewhere}"), "routes[1].upstream.redirect", "neither a path"),
            (route("upstream: {respond: {status: 99}}"), "routes[1].upstream.respond.status", "from 200 to 599"),
            (route("upstream: {respond: {status: 99999}}"), "routes[1].upstream.respond.status", "whole number"),
            (route("upstream: {service: oscp}"), "routes[1].upstream.service", "there is no service `oscp`"),
            (route("upstream: app, limits: {rate: 0/s}"), "routes[1].limits.rate", "rate of 0"),
            (route("upstream: app, limits: {rate: 5/d}"), "routes[1].limits.rate", "write `50/s`"),
            (route("upstream: app, limits: {rate: 5000000/s}"), "routes[1].limits.rate", "at most 1000000"),
            (route("upstream: app, limits: {rate: 5/s, burst: 0}"), "routes[1].limits.burst", "limit of 0"),
            (route("upstream: app, limits: {burst: 5}"), "routes[1].limits.burst", "without `rate`"),
            (route("upstream: app, limits: {concurrency: 0}"), "routes[1].limits.concurrency", "limit of 0"),
            (route("upstream: app, limits: {body: 1KiB, by: address}"), "routes[1].limits.by", "without `rate`"),
            (route("upstream: app, limits: {rate: 5/s, by: name}"), "routes[1].limits.by", "not one of"),
            (route("upstream: app, limits: {least_upload: 5/s}"), "routes[1].limits.least_upload", "write `240B/s`"),
            (route("upstream: app, host: a/b"), "routes[1].host", "not a host name"),
            (route("upstream: app, host: '*'"), "routes[1].host", "every host"),
            (route("upstream: app, listeners: [gaurded]"), "routes[1].listeners[0]", "no listener `gaurded`"),
            (route("upstream: app, listeners: []"), "routes[1].listeners", "empty"),
            (route("upstream: app, authenticate: []"), "routes[1].authenticate", "empty"),
            (route("upstream: app, authenticate: [digest]"), "routes[1].authenticate[0]", "no `digest` section"),
            (route("upstream: app, authenticate: [basic]"), "routes[1].authenticate[0]", "no `basic` section"),
            (route("upstream: app, authenticate: [kerberos]"), "routes[1].authenticate[0]", "not one of"),
            (route("upstream: app, authenticate: certificate"), "routes[1].authenticate", "a list is expected"),
            (route("upstream: app, anonymous: maybe"), "routes[1].anonymous", "not one of"),
            (route("upstream: app, anonymous: {redirect: 'a b'}"), "routes[1].anonymous.redirect", "neither"),
            (route("upstream: app, anonymous: {redirect: '/a b'}"), "routes[1].anonymous.redirect", "encoded"),
            (route("upstream: app, anonymous: []"), "routes[1].anonymous", "text or a mapping is expected"),
            (route("upstream: app, allow: {}"), "routes[1].allow", "names nobody"),
            (route("upstream: app, deny: {}"), "routes[1].deny", "names nobody"),
            (route("upstream: app, deny: {methods: []}"), "routes[1].deny.methods", "empty"),
            (route("upstream: app, allow: {group: [a]}"), "routes[1].allow.group", "not a key"),
            (route("upstream: app, allow: {methods: [badge]}"), "routes[1].allow.methods[0]", "not one of"),
            (route("upstream: app, allow: {addresses: [10.0.0.1/8]}"), "routes[1].allow.addresses[0]", "bits are set"),
            (route("upstream: app, deny: {addresses: [home]}"), "routes[1].deny.addresses[0]", "not a range"),
            (route("upstream: app, deny: {issuers: ['sha256:ab']}"), "routes[1].deny.issuers[0]", "SHA-256"),
            (route("upstream: app, anonymous: allow, deny: {accounts: [a]}"), "routes[1].deny", "anybody passes"),
            (route("upstream: app, allow: {groups: []}"), "routes[1].allow.groups", "empty"),
            (route("upstream: app, anonymous: allow, allow: {groups: [a]}"), "routes[1].allow", "anybody passes"),
            (route("upstream: app, claim: {match: '{email}'}"), "routes[1].claim.header", "missing"),
            (route("upstream: app, claim: {header: From}"), "routes[1].claim.match", "missing"),
            (
                route("upstream: app, claim: {header: Host, match: '{email}'}"),
                "routes[1].claim.header",
                "another meaning",
            ),
            (route("upstream: app, claim: {header: From, match: alice}"), "routes[1].claim.match", "names nobody"),
            (
                route("upstream: app, claim: {header: From, match: ['{email}', '{user}']}"),
                "routes[1].claim.match[1]",
                "no placeholder",
            ),
            (route("upstream: app, claim: {header: From, match: []}"), "routes[1].claim.match", "empty"),
            (
                route("upstream: app, claim: {header: From, match: ['{email}', '{realm}']}"),
                "routes[1].claim.match",
                "another one does not",
            ),
            (
                route("upstream: app, claim: {header: From, match: '{email}', from: [san.uri, serial]}"),
                "routes[1].claim.from[1]",
                "nobody can claim this",
            ),
            (
                route("upstream: app, claim: {header: From, match: '{email}', as: username}"),
                "routes[1].claim.as",
                "the realm would say nothing",
            ),
            (
                route("upstream: app, claim: {header: From, match: '{realm}', as: email}"),
                "routes[1].claim.as",
                "only one of them",
            ),
            (
                route("upstream: app, anonymous: allow, claim: {header: From, match: '{email}'}"),
                "routes[1].claim",
                "nobody has shown to be theirs",
            ),
            (
                route("upstream: app, claim: {header: remote_user, match: '{email}'}"),
                "routes[1].claim.header",
                "is told there who the client is",
            ),
            ("peers: {b: {}}".to_owned(), "peers.b", "nothing shows"),
            ("peers: {b: {names: [b.example]}}".to_owned(), "peers.b.issuers", "missing"),
            ("peers: {b: {digest: {realm: a}}}".to_owned(), "peers.b.digest", "no hash"),
            ("peers: {b: {digest: {ha1_md5: {file: h}}}}".to_owned(), "peers.b.digest.realm", "missing"),
            ("peers: {b: {digest: {realm: a, ha1_md5: {file: h}}}}".to_owned(), "routes[0]", "peers would pass"),
            (route("upstream: {preauth: {key: {file: k}}}"), "routes[1].upstream.preauth.url", "missing"),
            (route("upstream: {preauth: {url: /p}}"), "routes[1].upstream.preauth.key", "missing"),
            (
                route("upstream: {preauth: {url: '/p?a=b', key: {file: k}}}"),
                "routes[1].upstream.preauth.url",
                "become the query",
            ),
            (
                route("upstream: {preauth: {url: 'ftp://a', key: {file: k}}}"),
                "routes[1].upstream.preauth.url",
                "neither a path",
            ),
            (
                route("upstream: {preauth: {url: /p, key: {file: k}, by: nickname}}"),
                "routes[1].upstream.preauth.by",
                "not one of",
            ),
            (
                route("anonymous: allow, upstream: {preauth: {url: /p, key: {file: k}}}"),
                "routes[1].anonymous",
                "nobody in particular",
            ),
            (
                route("upstream: {redirect: /a, preauth: {url: /p, key: {file: k}}}"),
                "routes[1].upstream",
                "exactly one of",
            ),
            (route("upstream: app, trust: stafff"), "routes[1].trust", "no trust set `stafff`"),
            (
                listener("client_certificate: off") + "\nroutes: [{upstream: app, anonymous: allow, trust: staff}]",
                "routes[0].trust",
                "`client_certificate` is `off`",
            ),
            (
                listener("trust: staff, hosts: [{name: b, client_certificate: off}]")
                    + "\nroutes: [{host: b, upstream: app, anonymous: allow, trust: staff}]",
                "routes[0].trust",
                "`client_certificate` is `off`",
            ),
            (route("upstream: app, limits: {body: 0}"), "routes[1].limits.body", "limit of 0"),
            (route("upstream: app, limits: {body: 1KB}"), "routes[1].limits.body", "not a size"),
            ("routes: [{path: /a/, upstream: app}]".to_owned(), "routes[0].path", "write `/a`"),
            ("routes: [{path: /a/../b, upstream: app}]".to_owned(), "routes[0].path", "resolved"),
            ("routes: [{upstream: app}, {path: /, upstream: app}]".to_owned(), "routes[1]", "same host (every host)"),
            (
                "routes: [{host: a, upstream: app}, {host: A., upstream: app, listeners: [guarded]}]".to_owned(),
                "routes[1]",
                "same host (a) and path (/)",
            ),
        ],
    );
}

#[test]
fn a_faulty_upstream_or_limit_is_refused() {
    let headers = |headers: &str| upstream(&format!("servers: ['http://a'], headers: {{{headers}}}"));
    let digest = |keys: &str| upstream(&format!("servers: ['http://a'], authorization: {{digest: {{{keys}}}}}"));
    assert_faults(
        Severity::Error,
        &[
            (upstream(""), "upstreams.app.servers", "missing"),
            (upstream("servers: []"), "upstreams.app.servers", "empty"),
            (upstream("servers: ['https://a']"), "upstreams.app.tls", "missing"),
            (upstream("servers: ['https://a'], tls: {}"), "upstreams.app.tls.ca", "missing"),
            (upstream("servers: ['https://a'], tls: {ca: c, key: k}"), "upstreams.app.tls.certificate", "missing"),
            (upstream("servers: ['https://a'], tls: {ca: c, certificate: k}"), "upstreams.app.tls.key", "missing"),
            (
                upstream("servers: ['https://a'], tls: {ca: c, name: 'a/b'}"),
                "upstreams.app.tls.name",
                "not a host name",
            ),
            (upstream("servers: ['http://a'], tls: {ca: c}"), "upstreams.app.tls", "not spoken to over TLS"),
            (upstream("servers: ['http://a'], authorization: {}"), "upstreams.app.authorization", "exactly one of"),
            (digest("ha1_md5: {file: h}"), "upstreams.app.authorization.digest.user", "missing"),
            (digest("user: a"), "upstreams.app.authorization.digest", "no hash"),
            (digest("user: 'a:b', ha1_md5: {file: h}"), "upstreams.app.authorization.digest.user", "no colon"),
            (
                digest("user: a, realm: ' b', ha1_md5: {file: h}"),
                "upstreams.app.authorization.digest.realm",
                "a realm is",
            ),
            (
                digest("user: a, password: b, ha1_md5: {file: h}"),
                "upstreams.app.authorization.digest.password",
                "not a key",
            ),
            (upstream("servers: ['http://a', 'https://b'], tls: {ca: c}"), "upstreams.app.servers", "others are not"),
            (upstream("servers: ['a:80']"), "upstreams.app.servers[0]", "write `http://host:port`"),
            (upstream("servers: ['http://a/b']"), "upstreams.app.servers[0]", "more than a server"),
            (upstream("servers: ['http://a'], timeouts: {connect: 0s}"), "upstreams.app.timeouts.connect", "no time"),
            (upstream("servers: ['http://a'], balanced: hash"), "upstreams.app.balanced", "not a key"),
            (headers("user: 'Remote User'"), "upstreams.app.headers.user", "not the name of a header"),
            (headers("user: [a]"), "upstreams.app.headers.user", "text is expected"),
            (headers("user: Host"), "upstreams.app.headers.user", "another meaning"),
            (headers("user: X-A, email: x_a"), "upstreams.app.headers.email", "two things"),
            (headers("user: Remote-Email"), "upstreams.app.headers.user", "two things"),
            (headers("client_cert: pem"), "upstreams.app.headers.client_cert", "not one of"),
            (headers("xfcc: rfc9440"), "upstreams.app.headers.xfcc", "neither true nor false"),
            ("timeouts: {handshake: 0ms}".to_owned(), "timeouts.handshake", "no time at all"),
            ("timeouts: {drain: 4000d}".to_owned(), "timeouts.drain", "ten years"),
            ("timeouts: {least_rate: {upload: 240}}".to_owned(), "timeouts.least_rate.upload", "write `240B/s`"),
            ("timeouts: {least_rate: {download: 0B/s}}".to_owned(), "timeouts.least_rate.download", "write `off`"),
            ("timeouts: {least_rate: {grace: 0s}}".to_owned(), "timeouts.least_rate.grace", "no time at all"),
            ("timeouts: {least_rate: 240B/s}".to_owned(), "timeouts.least_rate", "mapping"),
            ("limits: {connections: 0}".to_owned(), "limits.connections", "limit of 0"),
            ("limits: {held_bodies: 1MiB}".to_owned(), "limits.held_bodies", "16MiB at least"),
            ("limits: {buffers: 1MiB}".to_owned(), "limits.buffers", "16MiB at least"),
            ("limits: {buffers: 32MiB, held_bodies: 64MiB}".to_owned(), "limits.held_bodies", "larger than it"),
            ("limits: {connections: -1}".to_owned(), "limits.connections", "whole number"),
            ("limits: {head: 4KiB}".to_owned(), "limits.head", "from 8KiB to 1MiB"),
            ("limits: {head: 2MiB}".to_owned(), "limits.head", "from 8KiB to 1MiB"),
            ("limits: {headers: 0}".to_owned(), "limits.headers", "limit of 0"),
            ("limits: {requests_per_address: {}}".to_owned(), "limits.requests_per_address", "limits nothing"),
            (
                "limits: {requests_per_address: {burst: 5}}".to_owned(),
                "limits.requests_per_address.burst",
                "without `rate`",
            ),
            (
                "limits: {requests_per_address: {rate: 5}}".to_owned(),
                "limits.requests_per_address.rate",
                "write `50/s`",
            ),
            ("limits: {requests_per_address: {by: address}}".to_owned(), "limits.requests_per_address.by", "not a key"),
            ("limits: {exempt: [10.0.0.1/8]}".to_owned(), "limits.exempt[0]", "bits are set"),
            ("log: {level: infoo}".to_owned(), "log.level", "did you mean `info`?"),
            ("log: {format: xml}".to_owned(), "log.format", "not one of"),
            ("log: {audit: ''}".to_owned(), "log.audit", "path of a file"),
            ("portal: {address: a}".to_owned(), "portal", "not a key"),
        ],
    );
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let secret = "listeners:\n  - {name: a, address: '[::]:443', trust: staff, \
                  tls: {certificates: [{chain: c, key: k}], ticket_secret: hunter2}}";
    let mysql = |keys: &str| format!("accounts: {{mysql: {{database: d, user: u, {keys}}}}}");
    let trust = |keys: &str| format!("trust: {{staff: {{authorities: [a], {keys}}}}}");
    assert_faults(
        Severity::Warning,
        &[
            (secret.to_owned(), "listeners[0].tls.ticket_secret", "can read this secret"),
            ("identity: [{from: san.upn, pattern: corp}]".to_owned(), "identity[0].pattern", "anywhere"),
            (
                "trust: {staff: {authorities: [a]}, other: {authorities: [a]}}".to_owned(),
                "trust.other",
                "uses the trust set `other`",
            ),
            (
                "upstreams: {app: {servers: ['http://a']}, b: {servers: ['http://a']}}".to_owned(),
                "upstreams.b",
                "no route",
            ),
            (trust("policies: {accept: [1.2.3]}"), "trust.staff.policies", "without any policy pass"),
            (trust("revocation: {crl: {urls: ['http://a/b']}}"), "trust.staff.revocation.crl", "lost at a restart"),
            (
                trust("revocation: {ocsp: {mode: require, unknown: accept}}"),
                "trust.staff.revocation.ocsp.unknown",
                "none is as good as one",
            ),
            (listener("client_certificate: off") + "\ntrust: {}", "routes[0]", "nobody can pass"),
            (mysql("servers: [db.example.org], password: {env: P}"), "accounts.mysql", "unencrypted"),
            (mysql("servers: ['127.0.0.1:3306']"), "accounts.mysql", "neither a password nor"),
            (
                mysql("servers: [localhost], password: {env: P}, tls: {mode: off, ca: c}"),
                "accounts.mysql.tls",
                "no effect",
            ),
        ],
    );
    assert!(!faults_of(secret).render(false).contains("hunter2"));
    assert!(!format!("{:?}", faults_of(secret)).contains("hunter2"));
}

#[test]
fn faults_of_every_kind_are_told_together_in_the_order_of_the_file() {
    let text = "\
listeners:
  - name: guarded
    adress: 0.0.0.0:9443
    client_certificate: need
    trust: stafff
    tls: {certificates: [{chain: c, key: k}], min_version: 1.0}
    name: again
trust:
  staff: {authorities: ca.pem}
routes:
  - upstream: web
    path: mail
    allow: [staff]
upstreams:
  webmail: {servers: [ftp://a]}
";
    let faults = parse(text, "gate.yaml", Path::new("")).unwrap_err();
    let places: Vec<(usize, &str)> = faults.iter().map(|fault| (fault.line, fault.path.as_str())).collect();
    assert_eq!(
        places,
        [
            (3, "listeners[0].adress"),
            (5, "listeners[0].trust"),
            (6, "listeners[0].tls.min_version"),
            (7, "listeners[0].name"),
            (9, "trust.staff.authorities"),
            (11, "routes[0].upstream"),
            (12, "routes[0].path"),
            (13, "routes[0].allow"),
            (15, "upstreams.webmail.servers[0]"),
        ]
    );
    let help = |path: &str| faults.iter().find(|fault| fault.path == path).unwrap().help.clone().unwrap_or_default();
    assert_eq!(help("listeners[0].adress"), "did you mean `address`?");
    assert_eq!(help("listeners[0].trust"), "did you mean `staff`?");
    assert_eq!(help("routes[0].upstream"), "known here: `webmail`");
    let json = serde_json::to_value(&faults).unwrap();
    assert_eq!(json["faults"][1]["path"], "listeners[0].trust");
    assert_eq!(json["faults"][1]["line"], 5);
    assert_eq!(json["file"], "gate.yaml");
}

#[test]
fn what_is_left_out_gets_its_default() {
    let config = config("");
    let listener = &config.listeners[0];
    assert_eq!(listener.address, "127.0.0.1:9443".parse::<SocketAddr>().unwrap());
    assert_eq!(
        listener.policy,
        ClientPolicy {
            client_certificate: ClientCertificate::Want,
            on_missing: OnMissing::Page,
            on_rejected: OnRejected::Page,
            trust: Some("staff".to_owned()),
            advertise: Advertise::All,
        }
    );
    let tls = listener.tls.as_ref().unwrap();
    assert_eq!(tls.min_version, TlsVersion::V1_2);
    assert_eq!(tls.certificates[0].chain, Path::new("/etc/gate/c.pem"));
    let trust = Trust {
        authorities: vec!["/etc/gate/ca.pem".into()],
        intermediates: Vec::new(),
        max_depth: 10,
        policies: Policies::default(),
        issuers: Vec::new(),
        smart_card_logon: false,
        revocation: Revocation {
            scope: Scope::Chain,
            clock_tolerance: Duration::from_secs(300),
            crl: None,
            ocsp: Ocsp::default(),
            database: true,
        },
    };
    assert_eq!(config.trust["staff"], trust);
    assert_eq!(config.identity.len(), 1);
    assert_eq!((config.identity[0].source, config.identity[0].lookup), (IdentitySource::SanEmail, LookupKind::Email));
    assert_eq!(config.accounts.store, Store::Sqlite { path: "/etc/gate/wicketgate.db".into() });
    assert_eq!(config.accounts.cache.ttl, Duration::from_secs(60));
    assert_eq!(config.digest, None);
    let route = &config.routes[0];
    assert_eq!((&route.path, &route.host), (&RoutePath::Prefix("/".to_owned()), &None));
    assert_eq!((&route.authenticate, &route.anonymous), (&vec![Method::Certificate], &Anonymous::Deny));
    assert_eq!((route.body_limit, route.request_limits), (None, None));
    let headers = &config.upstreams["app"].headers;
    assert_eq!(headers.user.as_deref(), Some("Remote-User"));
    assert_eq!(headers.groups.as_deref(), Some("Remote-Groups"));
    assert!(!headers.client_cert && !headers.xfcc);
    assert_eq!(config.timeouts.idle, Duration::from_secs(75));
    let least = NonZeroU64::new(240);
    let grace = Duration::from_secs(75);
    assert_eq!(config.timeouts.least_rate, LeastRate { upload: least, download: least, grace });
    assert_eq!(config.routes[0].least_upload, None);
    assert_eq!((config.limits.connections, config.limits.head), (20_000, 32 * 1024));
    assert_eq!(config.limits.requests_per_address, None);
    assert!(config.limits.exempts("127.1.2.3".parse().unwrap()) && !config.limits.exempts("10.0.0.1".parse().unwrap()));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "info"));
}

#[test]
fn a_mode_has_the_spellings_of_nginx_and_zimbra() {
    let cases = [
        ("off", ClientCertificate::Off),
        ("Disabled", ClientCertificate::Off),
        ("NoClientAuth", ClientCertificate::Off),
        ("false", ClientCertificate::Off),
        ("want", ClientCertificate::Want),
        ("optional", ClientCertificate::Want),
        ("WantClientAuth", ClientCertificate::Want),
        ("need", ClientCertificate::Need),
        ("on", ClientCertificate::Need),
        ("'on'", ClientCertificate::Need),
        ("true", ClientCertificate::Need),
        ("NeedClientAuth", ClientCertificate::Need),
    ];
    for (spelling, mode) in cases {
        let config = config(&listener(&format!("trust: staff, client_certificate: {spelling}")));
        assert_eq!(config.listeners[0].policy.client_certificate, mode, "{spelling}");
    }
}

#[test]
fn a_route_is_reached_under_the_policies_of_the_hosts_that_it_covers() {
    let config = config(
        "listeners:
  - name: a
    address: '[::]:443'
    trust: staff
    tls: {certificates: [{chain: c, key: k}]}
    hosts:
      - {name: one.example.org}
      - {name: '*.example.net'}
routes:
  - {upstream: app}
  - {host: one.example.org, upstream: app}
  - {host: two.example.org, upstream: app}
  - {host: '*.example.org', upstream: app}
  - {host: one.example.net, upstream: app}
  - {host: '*.example.net', upstream: app, path: /x}",
    );
    let [listener] = &config.listeners[..] else { panic!() };
    let hosts = [None, Some(&listener.hosts[0].name), Some(&listener.hosts[1].name)];
    let reached: Vec<_> =
        config.routes.iter().map(|route| hosts.map(|host| route.is_reached(listener, host))).collect();
    let expected = [
        [true, true, true],
        [false, true, false],
        [true, false, false],
        [true, true, false],
        [false, false, true],
        [false, false, true],
    ];
    assert_eq!(reached, expected);
    let elsewhere = Route { listeners: vec!["b".to_owned()], ..config.routes[0].clone() };
    assert_eq!(hosts.map(|host| elsewhere.is_reached(listener, host)), [false; 3]);
}

#[test]
fn a_host_inherits_what_it_does_not_state() {
    let config = config(
        "listeners:
  - name: a
    address: 127.0.0.1:0
    client_certificate: need
    on_missing_certificate: page
    on_rejected_certificate: alert
    trust: staff
    advertise: [one.pem]
    tls: {certificates: [{chain: c, key: k}]}
    hosts:
      - {name: inherits.example}
      - {name: '*.Public.example', client_certificate: off}
      - {name: other.example, trust: partners, on_missing_certificate: alert, advertise: none}
trust: {staff: {authorities: [a]}, partners: {authorities: [/b]}}",
    );
    let listener = &config.listeners[0];
    let [inherits, public, other] = &listener.hosts[..] else { panic!("three hosts") };
    assert_eq!(inherits.policy, listener.policy);
    assert_eq!(listener.policy.on_missing, OnMissing::Page);
    assert_eq!(listener.policy.advertise, Advertise::Files(vec!["/etc/gate/one.pem".into()]));
    assert_eq!(public.name, HostPattern::Wildcard("public.example".to_owned()));
    assert_eq!(public.policy.trust, None);
    assert_eq!(other.policy.trust.as_deref(), Some("partners"));
    assert_eq!((other.policy.on_missing, other.policy.on_rejected), (OnMissing::Alert, OnRejected::Alert));
    assert_eq!(config.trust["partners"].authorities, [Path::new("/b")]);
}

#[test]
fn what_is_written_is_what_is_meant() {
    let config = config(
        "identity:
  - {from: san.upn, pattern: '^([^@]+)@corp\\.example$', as: alias, issuers: [staff.pem], if_unknown: next}
  - {from: serial}
accounts:
  mysql:
    servers: [db1.example.org, '[::1]:3307']
    database: gate
    user: gate
    password: {file: db.password}
    tls: {ca: db-ca.pem, certificate: db.pem, key: db.key}
  cache: {ttl: 0s, negative_ttl: 1s, capacity: 7}
digest: {realm: example.org, algorithms: [MD5], nonce: {secret: {env: NONCE}, lifetime: 1m}}
routes:
  - {host: Mail.example.org, path: /mail, authenticate: [digest, certificate], upstream: app, limits: {body: 1MiB, rate: 600/m, concurrency: 8, least_upload: off}}
  - {host: '*.example.org', anonymous: {redirect: /login}, upstream: {redirect: 'https://example.org/'}}
  - {path: /status, anonymous: allow, upstream: {respond: {status: 204}}, limits: {rate: 2/h, burst: 20, by: address}}
  - {path: /staff, allow: {groups: [staff, admins], issuers: [staff.pem]}, deny: {methods: [certificate], addresses: [192.0.2.7]}, claim: {header: From, match: 'sip:{email}'}, upstream: app}
upstreams:
  app:
    servers: [http://10.0.0.5:8080, http://10.0.0.6]
    timeouts: {connect: 500ms}
    headers: {user: X-User, email: null, name: off, client_cert: rfc9440, xfcc: on}
limits: {requests_per_address: {concurrency: 30}, exempt: []}
timeouts: {least_rate: {upload: off, download: 16KiB/s, grace: 5s}}
log: {format: text, level: 'info,wicketgate::auth=debug', audit: audit.log}",
    );
    let limits = |rate, concurrency, by| RequestLimits { rate, concurrency: NonZeroU32::new(concurrency), by };
    let rate = |requests, seconds, burst| Some(Rate { requests, per: Duration::from_secs(seconds), burst });
    assert_eq!(config.routes[0].request_limits, Some(limits(rate(600, 60, 600), 8, CountedBy::Account)));
    assert_eq!(config.routes[2].request_limits, Some(limits(rate(2, 3600, 20), 0, CountedBy::Address)));
    assert_eq!(config.limits.requests_per_address, Some(limits(None, 30, CountedBy::Address)));
    assert_eq!(config.limits.exempt, []);
    let (download, grace) = (NonZeroU64::new(16 << 10), Duration::from_secs(5));
    assert_eq!(config.timeouts.least_rate, LeastRate { upload: None, download, grace });
    assert_eq!(config.routes[0].least_upload, Some(None));
    assert_eq!(config.identity[0].lookup, LookupKind::Alias);
    assert_eq!(config.identity[0].issuers, [IssuerPin::File("/etc/gate/staff.pem".into())]);
    assert_eq!(config.identity[0].if_unknown, IfUnknown::Next);
    assert_eq!(config.identity[1].lookup, LookupKind::Username);
    let Store::MySql(mysql) = &config.accounts.store else { panic!("mysql") };
    assert_eq!(mysql.servers[0].to_string(), "db1.example.org:3306");
    assert_eq!(mysql.servers[1].to_string(), "[::1]:3307");
    assert_eq!(mysql.tls.mode, MySqlTlsMode::Verify);
    assert_eq!(mysql.password, Some(SecretSource::File("/etc/gate/db.password".into())));
    let digest = config.digest.as_ref().unwrap();
    assert_eq!(digest.algorithms, [ChallengeAlgorithm::Md5]);
    assert_eq!(digest.realm, DigestRealm::Fixed("example.org".to_owned()));
    assert_eq!(digest.nonce_secret, Some(SecretSource::Environment("NONCE".to_owned())));
    assert_eq!(config.routes[0].authenticate, [Method::Digest, Method::Certificate]);
    assert_eq!(config.routes[0].host, Some(HostPattern::Exact("mail.example.org".to_owned())));
    assert_eq!(config.routes[0].body_limit, Some(1 << 20));
    assert_eq!(config.routes[1].anonymous, Anonymous::Redirect("/login".to_owned()));
    let to = RedirectTo::Fixed("https://example.org/".to_owned());
    assert_eq!(config.routes[1].target, Target::Redirect(Redirect { to, status: 302 }));
    let answer = FixedAnswer {
        status: 204,
        body: AnswerBody::Text(String::new()),
        content_type: "text/plain; charset=utf-8".to_owned(),
        headers: Vec::new(),
    };
    assert_eq!(config.routes[2].target, Target::Respond(answer));
    let allow = config.routes[3].allow.as_ref().unwrap();
    assert_eq!(allow.groups, ["staff", "admins"]);
    assert_eq!(allow.issuers, [IssuerPin::File("/etc/gate/staff.pem".into())]);
    let deny = config.routes[3].deny.as_ref().unwrap();
    assert_eq!(deny.methods, [Method::Certificate]);
    let claim = config.routes[3].claim.as_ref().unwrap();
    assert_eq!((claim.header.as_str(), claim.forms.len(), claim.lookup), ("From", 1, LookupKind::Email));
    assert_eq!(claim.from, [IdentitySource::SanEmail, IdentitySource::SanUri, IdentitySource::SubjectCn]);
    assert_eq!(deny.addresses, ["192.0.2.7/32".parse().unwrap()]);
    let app = &config.upstreams["app"];
    assert_eq!(app.servers[1].name.to_string(), "10.0.0.6:80");
    assert_eq!(app.timeouts.connect, Duration::from_millis(500));
    assert_eq!((app.headers.user.as_deref(), &app.headers.email, &app.headers.name), (Some("X-User"), &None, &None));
    assert!(app.headers.client_cert && app.headers.xfcc);
    assert_eq!(config.log.audit.as_deref(), Some(Path::new("/etc/gate/audit.log")));
}

#[test]
fn every_condition_of_trust_is_taken() {
    let config = config(
        "trust:
  staff:
    authorities: [ca.pem]
    intermediates: [cross.pem]
    max_depth: 4
    policies: {accept: [1.2.3.4, 2.5.29.32.0], require: true, inhibit_mapping: true, inhibit_any: true}
    issuers: [staff-ca.pem]
    smart_card_logon: true
    revocation:
      scope: leaf
      clock_tolerance: 30s
      crl: {files: [crl], urls: ['http://crl.example/a.crl'], from_certificates: true, refresh: 1m, cache: kept,
            max_size: 1GiB, private_addresses: true, unknown: accept}
      ocsp: {mode: require, responder: 'http://ocsp.example', timeout: 1s, nonce: true, private_addresses: [10.0.0.0/8]}
      database: false",
    );
    let expected = Trust {
        authorities: vec!["/etc/gate/ca.pem".into()],
        intermediates: vec!["/etc/gate/cross.pem".into()],
        max_depth: 4,
        policies: Policies {
            accept: vec!["1.2.3.4".to_owned(), "2.5.29.32.0".to_owned()],
            require: true,
            inhibit_mapping: true,
            inhibit_any: true,
        },
        issuers: vec![IssuerPin::File("/etc/gate/staff-ca.pem".into())],
        smart_card_logon: true,
        revocation: Revocation {
            scope: Scope::Leaf,
            clock_tolerance: Duration::from_secs(30),
            crl: Some(CrlSource {
                files: vec!["/etc/gate/crl".into()],
                fetch: CrlFetch {
                    urls: vec!["http://crl.example/a.crl".parse().unwrap()],
                    from_certificates: true,
                    refresh: Duration::from_secs(60),
                    cache: Some("/etc/gate/kept".into()),
                    max_size: 1 << 30,
                    private_addresses: PrivateAddresses::Allow,
                },
                unknown: Unknown::Accept,
            }),
            ocsp: Ocsp {
                mode: OcspMode::Require,
                responder: Some("http://ocsp.example".parse().unwrap()),
                timeout: Duration::from_secs(1),
                unknown: Unknown::Reject,
                nonce: true,
                private_addresses: PrivateAddresses::Within(vec!["10.0.0.0/8".parse().unwrap()]),
            },
            database: false,
        },
    };
    assert_eq!(config.trust["staff"], expected);
}

#[test]
fn ocsp_is_off_however_it_is_said() {
    for ocsp in ["{}", "{mode: off}", "{mode: false}", "{mode: 'off', responder: null}", "{responder: ~}"] {
        let config = config(&format!("trust: {{staff: {{authorities: [a], revocation: {{ocsp: {ocsp}}}}}}}"));
        assert_eq!(config.trust["staff"].revocation.ocsp, Ocsp::default(), "{ocsp}");
    }
}

#[test]
fn a_literal_secret_is_taken_and_warned_of() {
    let sections = "digest: {realm: a, nonce: {secret: hunter2}}";
    assert_eq!(config(sections).digest.unwrap().nonce_secret, Some(SecretSource::Literal(Secret::from("hunter2"))));
    let rendered = faults_of(sections).render(false);
    assert!(
        rendered.contains("warning:") && rendered.contains("*******") && !rendered.contains("hunter2"),
        "{rendered}"
    );
}

#[test]
fn an_alias_stands_for_what_it_is_an_alias_of() {
    let sections =
        "upstreams: {app: &app {servers: [http://a]}, b: *app}\nroutes: [{upstream: app}, {path: /b, upstream: b}]";
    let config = config(sections);
    assert_eq!(config.upstreams["app"], config.upstreams["b"]);
}

#[test]
fn stapling_is_on_unless_it_is_turned_off() {
    let stapling = |tls: &str| {
        let keys = "name: a, address: '[::]:443', trust: staff";
        let text = format!("listeners:\n  - {{{keys}, tls: {{certificates: [{{chain: c, key: k}}]{tls}}}}}");
        config(&text).listeners.remove(0).tls.unwrap().stapling
    };
    let own = Stapling {
        responder: Some("http://ocsp.example/".parse().unwrap()),
        private_addresses: PrivateAddresses::Within(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]),
    };
    let cases = [
        ("", Some(Stapling::default())),
        (", stapling: on", Some(Stapling::default())),
        (", stapling: false", None),
        (", stapling: {}", Some(Stapling::default())),
        (
            ", stapling: {private_addresses: true}",
            Some(Stapling { private_addresses: PrivateAddresses::Allow, ..Stapling::default() }),
        ),
        (", stapling: {responder: 'http://ocsp.example', private_addresses: [10.0.0.0/8, '::1']}", Some(own)),
    ];
    for (tls, expected) in cases {
        assert_eq!(stapling(tls), expected, "{tls}");
    }
}

/// Whether the second and the third route are beside each other.
fn are_beside(one: &str, other: &str) -> bool {
    let listeners = ["a", "b"].map(|name| {
        format!("  - {{name: {name}, address: '127.0.0.1:{}', trust: staff, tls: {{certificates: [{{chain: c, key: k}}]}}}}\n", name.len())
    });
    let listeners = listeners.concat().replacen(":1'", ":2'", 1);
    let routes =
        format!("  - upstream: app\n  - {{path: /1, upstream: app, {one}}}\n  - {{path: /2, upstream: app, {other}}}");
    let config = config(&format!("listeners:\n{listeners}routes:\n{routes}"));
    let (one, other) = (&config.routes[1], &config.routes[2]);
    assert_eq!(one.is_beside(other), other.is_beside(one));
    one.is_beside(other)
}

#[test]
fn routes_are_beside_each_other_that_a_client_reaches_under_one_host_and_port() {
    let cases = [
        ("", "", true),
        ("", "host: a.example", true),
        ("host: a.example", "host: a.example", true),
        ("host: a.example", "host: b.example", false),
        ("host: '*.example'", "host: b.example", true),
        ("host: '*.example'", "host: c.b.example", false),
        ("host: '*.example'", "host: '*.example'", true),
        ("host: '*.example'", "host: '*.b.example'", false),
        ("listeners: [a]", "", true),
        ("listeners: [a]", "listeners: [a, b]", true),
        ("listeners: [a]", "listeners: [b]", false),
        ("listeners: [a], host: a.example", "listeners: [a], host: b.example", false),
    ];
    for (one, other, expected) in cases {
        assert_eq!(are_beside(one, other), expected, "{one} / {other}");
    }
}
