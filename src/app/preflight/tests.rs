//! What an examination finds in files that are missing, mixed up, open to others or out of date.

use super::*;
use crate::account;
use crate::certificate::testing::{Authority, LEAF_KEY, NOW, named, sequence};
use crate::config;
use base64::Engine;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CustomExtension, ExtendedKeyUsagePurpose, KeyIdMethod, KeyPair,
    SanType, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

/// A folder with everything that a good configuration names.
struct Folder {
    directory: TempDir,
    root: Authority,
    below: Authority,
}

fn pem(certificates: &[&CertificateDer<'_>]) -> String {
    let encode = |der: &&CertificateDer<'_>| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    certificates.iter().map(encode).collect()
}

fn server(change: impl FnOnce(&mut CertificateParams)) -> impl FnOnce(&mut CertificateParams) {
    |params| {
        params.subject_alt_names = vec![SanType::DnsName("gate.example.org".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(params);
    }
}

impl Folder {
    fn new() -> Self {
        let root = Authority::root("Root");
        let below = root.below("Below");
        let folder = Self { directory: tempfile::tempdir().unwrap(), root, below };
        folder.write("ca.pem", &pem(&[&folder.root.der]));
        folder.server_chain(|_| {});
        folder.write("server.key", &LEAF_KEY.serialize_pem());
        folder
    }

    fn server_chain(&self, change: impl FnOnce(&mut CertificateParams)) {
        let leaf = self.below.leaf_with("Gate", server(change));
        self.write("server.pem", &pem(&[&leaf, &self.below.der]));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        self.chmod(name, 0o600);
    }

    fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The configuration with these sections more, or in place of its own.
    fn config(&self, more: &str) -> Config {
        let text = format!(
            "listeners: [{{name: guarded, address: '127.0.0.1:0', trust: staff, \
             tls: {{certificates: [{{chain: server.pem, key: server.key}}]}}}}]\n\
             upstreams: {{app: {{servers: ['http://127.0.0.1:1']}}}}\n\
             {more}\n{}\n{}",
            if more.contains("routes:") { "" } else { "routes: [{host: gate.example.org, upstream: app}]" },
            if more.contains("trust:") { "" } else { "trust: {staff: {authorities: [ca.pem]}}" },
        );
        config::parse(&text, "gate.yaml", self.directory.path()).unwrap().config
    }

    fn examine(&self, more: &str) -> Vec<Finding> {
        examine(&self.config(more), NOW)
    }

    /// There is exactly one finding, of this severity, on this file or key, and it says this.
    #[track_caller]
    fn finds(&self, more: &str, severity: Severity, on: &str, text: &str) {
        let findings = self.examine(more);
        let [finding] = &findings[..] else { panic!("{findings:#?}") };
        assert_eq!(finding.severity, severity, "{finding}");
        assert!(finding.on.contains(on), "{on}\n{finding}");
        assert!(finding.to_string().contains(text), "{text}\n{finding}");
        assert!(!finding.what_to_do.is_empty(), "{finding}");
    }
}

const CHAIN: &str = "server.pem (listeners[0].tls.certificates[0].chain)";
const KEY: &str = "server.key (listeners[0].tls.certificates[0].key)";

#[test]
fn a_good_configuration_has_no_findings() {
    let folder = Folder::new();
    folder.write("nonce.secret", &"a".repeat(32));
    folder.write("audit.log", "");
    let more = "digest: {realm: a, nonce: {secret: {file: nonce.secret}}}\nlog: {audit: audit.log}\n\
                identity: [{from: san.email, issuers: [ca.pem]}]";
    assert_eq!(folder.examine(more), []);
}

#[test]
fn a_file_that_is_missing_or_is_something_else_is_named() {
    let folder = Folder::new();
    std::fs::remove_file(folder.path("server.key")).unwrap();
    folder.finds("", Severity::Error, KEY, "server.key does not exist");

    let folder = Folder::new();
    folder.write("server.key", "nothing\n");
    folder.finds("", Severity::Error, KEY, "holds no private key");

    let folder = Folder::new();
    folder.write("server.pem", &LEAF_KEY.serialize_pem());
    folder.finds("", Severity::Error, CHAIN, "holds no certificate");

    let folder = Folder::new();
    folder.write("ca.pem", "");
    folder.finds("", Severity::Error, "ca.pem (trust.staff.authorities[0])", "holds no certificate");

    let folder = Folder::new();
    folder.finds("log: {audit: logs/audit.log}", Severity::Error, "(log.audit)", "/logs does not exist");
    folder.finds(
        "accounts: {sqlite: {path: db/a.db}}",
        Severity::Error,
        "(accounts.sqlite.path)",
        "/db does not exist",
    );
    folder.finds(
        "identity: [{from: san.email, issuers: [none.pem]}]",
        Severity::Error,
        "none.pem (identity[0].issuers[0])",
        "does not exist",
    );
}

#[test]
fn a_key_of_another_certificate_is_found() {
    let folder = Folder::new();
    folder.write("server.key", &KeyPair::generate().unwrap().serialize_pem());
    folder.finds("", Severity::Error, KEY, "does not match");
}

#[test]
fn a_key_that_others_can_read_is_found() {
    let cases = [
        (0o644, Severity::Error, "everybody on this machine"),
        (0o602, Severity::Error, "everybody on this machine"),
        (0o620, Severity::Error, "group can replace"),
        (0o640, Severity::Warning, "group can read"),
    ];
    let folder = Folder::new();
    for (mode, severity, text) in cases {
        folder.chmod("server.key", mode);
        folder.finds("", severity, KEY, text);
    }
    folder.chmod("server.key", 0o400);
    assert_eq!(folder.examine(""), []);
    folder.write("nonce.secret", &"a".repeat(32));
    folder.chmod("nonce.secret", 0o644);
    let digest = "digest: {realm: a, nonce: {secret: {file: nonce.secret}}}";
    folder.finds(digest, Severity::Error, "nonce.secret (digest.nonce.secret)", "mode is 0644");
}

#[test]
fn a_secret_that_is_missing_empty_or_short_is_found() {
    let folder = Folder::new();
    let file = "digest: {realm: a, nonce: {secret: {file: nonce.secret}}}";
    folder.finds(file, Severity::Error, "digest.nonce.secret", "does not exist");
    folder.write("nonce.secret", "\n");
    folder.finds(file, Severity::Error, "digest.nonce.secret", "empty");
    folder.write("nonce.secret", "hunter2\n");
    folder.finds(file, Severity::Warning, "digest.nonce.secret", "it has 7 octets");
    assert!(!format!("{:?}", folder.examine(file)).contains("hunter2"));
    let variable = "digest: {realm: a, nonce: {secret: {env: WICKETGATE_TEST_NOT_SET}}}";
    folder.finds(variable, Severity::Error, "digest.nonce.secret", "set WICKETGATE_TEST_NOT_SET");
}

#[test]
fn a_certificate_out_of_date_is_found() {
    let cases = [
        ((2025, 1, 1), (2026, 5, 31), Severity::Error, "has expired"),
        ((2026, 6, 2), (2027, 1, 1), Severity::Error, "is not valid yet"),
        ((2026, 1, 1), (2026, 6, 20), Severity::Warning, "in 19 days"),
    ];
    for (from, to, severity, text) in cases {
        let folder = Folder::new();
        folder.server_chain(|params| {
            params.not_before = date_time_ymd(from.0, from.1, from.2);
            params.not_after = date_time_ymd(to.0, to.1, to.2);
        });
        folder.finds("", severity, CHAIN, text);
    }
    let folder = Folder::new();
    let old = Authority::root_with("Old", |params| params.not_after = date_time_ymd(2026, 2, 1));
    folder.write("ca.pem", &pem(&[&folder.root.der, &old.der]));
    folder.finds("", Severity::Error, "ca.pem", "the authority CN=Old has expired");
}

#[test]
fn a_chain_that_is_out_of_order_is_found() {
    let folder = Folder::new();
    let lowest = folder.below.below("Lowest");
    let leaf = lowest.leaf_with("Gate", server(|_| {}));
    let write = |chain: &[&CertificateDer<'_>]| folder.write("server.pem", &pem(chain));
    write(&[&leaf, &lowest.der, &folder.below.der, &folder.root.der]);
    assert_eq!(folder.examine(""), []);
    write(&[&leaf, &folder.below.der, &lowest.der]);
    folder.finds("", Severity::Error, CHAIN, "CN=Gate is signed by certificate 3 of the file");
    write(&[&leaf, &folder.below.der]);
    folder.finds("", Severity::Error, CHAIN, "CN=Gate is not signed by the one after it");
    // Only the name is the same.
    write(&[&leaf, &Authority::root("Lowest").der]);
    folder.finds("", Severity::Error, CHAIN, "not signed by the one after it");
}

#[test]
fn a_certificate_to_which_no_answer_can_be_stapled_is_found() {
    // authorityInfoAccess with one responder.
    let access = |url: &str| {
        let place = [&[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 0x86, u8::try_from(url.len()).unwrap()], url.as_bytes()];
        let value = sequence(&[&sequence(&[&place.concat()])]);
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], value)
    };
    let folder = Folder::new();
    for (url, with_issuer, expected) in [
        ("http://ocsp.example.org/", true, None),
        ("http://ocsp.example.org/", false, Some("its issuer's certificate does not follow it")),
        ("https://ocsp.example.org/", true, Some("https would need a certificate")),
    ] {
        let leaf = folder.root.leaf_with("Gate", server(|params| params.custom_extensions.push(access(url))));
        let chain = [&leaf, &folder.root.der];
        folder.write("server.pem", &pem(if with_issuer { &chain } else { &chain[..1] }));
        match expected {
            None => assert_eq!(folder.examine(""), []),
            Some(why) => folder.finds("", Severity::Warning, CHAIN, why),
        }
    }
}

#[test]
fn a_certificate_for_other_names_or_purposes_is_found() {
    let folder = Folder::new();
    let routes = "routes: [{host: mail.example.org, upstream: app}, {host: gate.example.org, upstream: app}]";
    folder.finds(routes, Severity::Warning, "guarded (listeners[0]", "no certificate is for mail.example.org");
    folder.finds("routes: [{host: '*.example.org', upstream: app}]", Severity::Warning, "guarded", "*.example.org");

    folder.server_chain(|params| {
        params.subject_alt_names.push(SanType::DnsName("*.Example.org".try_into().unwrap()));
    });
    assert_eq!(folder.examine(routes), []);
    assert_eq!(folder.examine("routes: [{host: '*.example.org', upstream: app}]"), []);

    folder.server_chain(|params| params.subject_alt_names.clear());
    folder.finds("", Severity::Warning, CHAIN, "for no name");

    folder.server_chain(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    folder.finds("", Severity::Error, CHAIN, "without serverAuth");

    folder.server_chain(|params| params.subject_alt_names = vec![SanType::IpAddress("::1".parse().unwrap())]);
    assert_eq!(folder.examine("routes: [{host: '[::1]', upstream: app}]"), []);
}

#[test]
fn what_is_no_authority_is_not_trusted_and_issues_nothing() {
    let folder = Folder::new();
    let leaf = folder.root.leaf_with("Alice", |params| params.distinguished_name = named("Alice"));
    folder.write("alice.pem", &pem(&[&leaf]));
    let trust = "identity: [{from: san.email, issuers: [alice.pem]}]";
    folder.finds(trust, Severity::Warning, "alice.pem (identity[0].issuers[0])", "CN=Alice is no authority");
    folder.write("ca.pem", &pem(&[&folder.root.der, &leaf]));
    folder.finds("", Severity::Error, "ca.pem", "certificate 2, CN=Alice, cannot be an authority");
}

/// A revocation list of an authority, current for these days of June 2026.
fn list(authority: &Authority, from: u8, to: u8) -> Vec<u8> {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 6, from),
        next_update: date_time_ymd(2026, 6, to),
        crl_number: SerialNumber::from(7_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&authority.issuer).unwrap().der().to_vec()
}

#[test]
fn revocation_lists_that_are_missing_false_or_out_of_date_are_found() {
    let folder = Folder::new();
    let trust = |unknown: &str| {
        let revocation = format!("{{crl: {{files: [crl/*.crl], unknown: {unknown}}}}}");
        format!("trust: {{staff: {{authorities: [ca.pem], revocation: {revocation}}}}}")
    };
    let at: Timestamp = "2026-06-15T00:00:00Z".parse().unwrap();
    let examine = |unknown: &str| examine(&folder.config(&trust(unknown)), at);
    let says = |unknown: &str, severity: Severity, parts: &[&str]| {
        let findings = examine(unknown);
        let [finding] = &findings[..] else { panic!("{findings:#?}") };
        assert_eq!(finding.severity, severity, "{finding}");
        for part in parts {
            assert!(finding.to_string().contains(part), "{part}\n{finding}");
        }
    };
    says("reject", Severity::Error, &["no file matches", "/crl does not exist"]);
    std::fs::create_dir(folder.path("crl")).unwrap();
    says("reject", Severity::Error, &["no file matches", "crl/*.crl (trust.staff.revocation.crl.files[0])"]);

    std::fs::write(folder.path("crl/root.crl"), list(&folder.root, 1, 30)).unwrap();
    assert_eq!(examine("reject"), []);

    std::fs::write(folder.path("crl/root.crl"), list(&folder.root, 1, 16)).unwrap();
    assert_eq!(examine("reject"), [], "there is a day left");
    std::fs::write(folder.path("crl/root.crl"), list(&folder.root, 14, 16)).unwrap();
    assert_eq!(examine("reject"), [], "half of its time is left");
    let late: Timestamp = "2026-06-15T12:00:01Z".parse().unwrap();
    let findings = super::examine(&folder.config(&trust("reject")), late);
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!(finding.severity, Severity::Warning, "{finding}");
    assert!(finding.to_string().contains("list of CN=Root runs out soon"), "{finding}");

    std::fs::write(folder.path("crl/root.crl"), list(&folder.root, 1, 10)).unwrap();
    says("reject", Severity::Error, &["list of CN=Root is out of date", "2026-06-10", "are refused"]);
    says("accept", Severity::Warning, &["list of CN=Root is out of date", "the other sources decide"]);
    std::fs::write(folder.path("crl/newer.crl"), list(&folder.root, 9, 30)).unwrap();
    assert_eq!(examine("reject"), [], "the newer one counts");
    std::fs::remove_file(folder.path("crl/newer.crl")).unwrap();

    std::fs::write(folder.path("crl/root.crl"), list(&folder.root, 20, 30)).unwrap();
    says("reject", Severity::Error, &["list of CN=Root is from the future", "clock"]);

    std::fs::write(folder.path("crl/root.crl"), list(&folder.below, 1, 30)).unwrap();
    says("reject", Severity::Warning, &["there is no revocation list of CN=Root"]);

    std::fs::write(folder.path("crl/root.crl"), list(&Authority::root("Root"), 1, 30)).unwrap();
    says("reject", Severity::Error, &["cannot be used", "root.crl (trust.staff.revocation.crl.files[0])"]);
    std::fs::write(folder.path("crl/root.crl"), "nothing").unwrap();
    says("reject", Severity::Error, &["holds no revocation list"]);
}

#[test]
fn conditions_of_trust_that_cannot_be_met_are_found() {
    let folder = Folder::new();
    let trust = |more: &str| format!("trust: {{staff: {{authorities: [ca.pem], {more}}}}}");
    folder.write("below.pem", &pem(&[&folder.below.der]));
    assert_eq!(folder.examine(&trust("intermediates: [below.pem]")), []);
    folder.write("below.pem", &pem(&[&folder.below.der, &Authority::root("Elsewhere").below("Nowhere").der]));
    let intermediates = trust("intermediates: [below.pem]");
    let on = "below.pem (trust.staff.intermediates[0])";
    folder.finds(&intermediates, Severity::Warning, on, "CN=Nowhere leads to no authority");
    folder.finds(&trust("issuers: [server.key]"), Severity::Error, "trust.staff.issuers[0]", "certificates");

    let cache = |cache: &str| {
        let crl = format!("crl: {{urls: ['http://crl.example/a.crl'], cache: {cache}}}");
        trust(&format!("revocation: {{{crl}}}"))
    };
    assert_eq!(folder.examine(&cache("new")), []);
    let on = "ca.pem (trust.staff.revocation.crl.cache)";
    folder.finds(&cache("ca.pem"), Severity::Error, on, "is a file and not a folder");
    folder.finds(&cache("no/such/folder"), Severity::Error, "trust.staff.revocation.crl.cache", "does not exist");
}

#[test]
fn more_authorities_than_a_browser_can_be_told_of_are_found() {
    let folder = Folder::new();
    let many = |count: usize, length: usize| {
        let name = |number: usize| format!("{number:0length$}");
        let one = |number| Authority::root_with("Many", |params| params.distinguished_name = named(name(number)));
        let all: Vec<Authority> = (0..count).map(one).collect();
        folder.write("ca.pem", &pem(&all.iter().map(|one| &one.der).collect::<Vec<_>>()));
    };
    many(201, 3);
    folder.finds("", Severity::Warning, "listeners[0].advertise", "there are 201");
    many(999, 60);
    folder.finds("", Severity::Error, "listeners[0].advertise", "TLS has room for fewer");
    let listener = "listeners: [{name: a, address: '127.0.0.1:0', trust: staff, advertise: none, \
                     tls: {certificates: [{chain: server.pem, key: server.key}]}}]";
    let text =
        format!("{listener}\ntrust: {{staff: {{authorities: [ca.pem]}}}}\nroutes: [{{upstream: {{respond: {{}}}}}}]");
    let config = config::parse(&text, "gate.yaml", folder.directory.path()).unwrap().config;
    assert_eq!(examine(&config, NOW), []);
}

#[test]
fn what_several_keys_name_is_told_once() {
    let folder = Folder::new();
    folder.server_chain(|params| params.not_after = date_time_ymd(2026, 6, 20));
    folder.write("server.key", &KeyPair::generate().unwrap().serialize_pem());
    let listener = |name: &str| {
        format!(
            "{{name: {name}, address: '127.0.0.1:0', client_certificate: off, \
             tls: {{certificates: [{{chain: server.pem, key: server.key}}]}}}}"
        )
    };
    let text = format!(
        "listeners: [{}, {}]\nroutes: [{{upstream: {{respond: {{}}}}, anonymous: allow}}]",
        listener("a"),
        listener("b")
    );
    let config = config::parse(&text, "gate.yaml", folder.directory.path()).unwrap().config;
    assert_eq!(examine(&config, NOW).len(), 2);
}

#[tokio::test]
async fn a_database_that_is_not_ours_or_not_there_is_found() {
    let folder = Folder::new();
    let sqlite = |name: &str| Store::Sqlite { path: folder.path(name) };
    assert_eq!(examine_store(&sqlite("new.db"), Handle::current()).await, []);
    assert!(!folder.path("new.db").exists(), "a check makes no database");
    account::open(&sqlite("ours.db"), Handle::current()).await.unwrap();
    assert_eq!(examine_store(&sqlite("ours.db"), Handle::current()).await, []);
    folder.write("other.db", &"this is no database\n".repeat(100));
    let finding = examine_store(&sqlite("other.db"), Handle::current()).await.remove(0);
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.on.contains("other.db"), "{finding}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "accounts: {{mysql: {{servers: ['{closed}'], database: d, user: u, password: {{file: db.password}}}}}}"
    );
    folder.write("db.password", "hunter2");
    let config = folder.config(&text);
    let finding = examine_store(&config.accounts.store, Handle::current()).await.remove(0);
    assert!(finding.on.contains(&closed.to_string()), "{finding}");
    assert!(!finding.to_string().contains("hunter2"), "{finding}");
}
