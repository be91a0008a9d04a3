//! What the authority says, as others get it from a gate that has no key: revocation lists, OCSP answers and
//! authorities' certificates over plain HTTP, read by OpenSSL, GnuTLS, curl and another gate.
#![cfg(test)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::gate::{Gate, unused_address};
use common::office::Office;
use common::pki::Credential;
use common::setup::Setup;
use common::upstream::Upstream;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use wicketgate::base::clock::Timestamp;
use wicketgate::ca::publish::slug;
use wicketgate::ca::publish::tables::{self, Kind, StoredList};
use wicketgate::ca::register::Reason;
use wicketgate::config::{PublishedAnswers, PublishedLists, Publishing, Store};

const HOUR: Duration = Duration::from_secs(3600);
/// Routes for everybody on the listener without TLS, and one for people on the other.
const ROUTES: &str = "[{ path: /, upstream: app }, \
    { path: /crl, listeners: [plain, guarded], anonymous: allow, upstream: { service: crl } }, \
    { path: /ocsp, listeners: [plain, guarded], anonymous: allow, upstream: { service: ocsp } }, \
    { path: /certificates, listeners: [plain], anonymous: allow, upstream: { service: certificates } }]";

/// A gate that publishes, and the authority behind it.
struct Bench {
    office: Office,
    gate: Gate,
    plain: SocketAddr,
    _upstream: Upstream,
    _publishing: tokio::sync::oneshot::Sender<()>,
}

fn settings(url: SocketAddr) -> Publishing {
    Publishing {
        url: Some(format!("http://{url}")),
        crl: PublishedLists { validity: HOUR * 4, every: HOUR, delta: true },
        ocsp: PublishedAnswers { validity: HOUR * 4, every: HOUR },
    }
}

impl Bench {
    async fn start() -> Self {
        let upstream = Upstream::start();
        let plain = unused_address();
        let listener = format!("{{ name: plain, address: \"{plain}\", tls: off }}");
        let gate = Setup::before(&upstream).another_listener(&listener).section("routes", ROUTES).start();
        let store = Store::Sqlite { path: gate.folder().join("accounts.db") };
        let office = Office::over(&store).await;
        std::fs::write(gate.folder().join("office.pem"), office.ca_pem()).unwrap();
        let publishing = office.publish(settings(plain));
        Self { office, gate, plain, _upstream: upstream, _publishing: publishing }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.plain)
    }

    fn slug(&self) -> String {
        slug(&self.office.key(&[1]).issuer)
    }

    /// What a program says in the gate's folder; it must succeed.
    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let (success, said) = run(self.gate.folder(), program, arguments);
        assert!(success, "{program} {arguments:?}: {said}\n{}", self.gate.log());
        said
    }

    /// The body and the head of what is to be had at a path.
    fn get(&self, path: &str, options: &[&str]) -> (u16, Vec<u8>, String) {
        let folder = self.gate.folder();
        let url = self.url(path);
        let words =
            [&["-s", "--path-as-is", "-D", "head", "-o", "body", "-w", "%{http_code}"], options, &[&url]].concat();
        let _ = std::fs::remove_file(folder.join("body"));
        let status = self.run("curl", &words).trim().parse().unwrap();
        let head = std::fs::read_to_string(folder.join("head")).unwrap().to_ascii_lowercase();
        (status, std::fs::read(folder.join("body")).unwrap_or_default(), head)
    }

    /// Waits until what is to be had at a path is as it should be.
    async fn until(&self, path: &str, what: &str, good: impl Fn(u16, &[u8]) -> bool) -> Vec<u8> {
        let start = Instant::now();
        loop {
            let (status, body, head) = self.get(path, &[]);
            if good(status, &body) {
                return body;
            }
            assert!(start.elapsed() < common::PATIENCE, "waited in vain for {what}: {head}\n{}", self.gate.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What OpenSSL is told of a certificate in `NAME.pem`.
    fn status(&self, name: &str) -> String {
        let (url, file) = (self.url("/ocsp"), format!("{name}.pem"));
        let words =
            ["ocsp", "-issuer", "office.pem", "-cert", &file, "-url", &url, "-CAfile", "office.pem", "-no_nonce"];
        run(self.gate.folder(), "openssl", &words).1
    }

    async fn until_status(&self, name: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let said = self.status(name);
            if said.contains(expected) {
                return;
            }
            assert!(start.elapsed() < common::PATIENCE, "{said}\n{}", self.gate.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Somebody with a certificate, in `NAME.pem`.
    async fn person(&self, name: &str) -> Credential {
        let credential = self.office.person(name).await;
        std::fs::write(self.gate.folder().join(format!("{name}.pem")), &credential.leaf_pem).unwrap();
        credential
    }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(folder).env("HOME", folder).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

/// What a header says.
fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name} is missing in {head}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_by_openssl_and_kept_by_caches() {
    let bench = Bench::start().await;
    let (ann, ben) = (bench.person("ann").await, bench.person("ben").await);
    let path = format!("/crl/{}.crl", bench.slug());
    bench.until(&path, "the first list", |status, _| status == 200).await;
    bench.office.revoke(&ann.serial(), Reason::KeyCompromise).await;
    bench.office.revoke(&ben.serial(), Reason::CertificateHold).await;
    let list = bench.until(&path, "both in the list", |_, list| Office::entries(list).len() == 2).await;
    assert_eq!(Office::entries(&list), [(ann.serial(), 1), (ben.serial(), 6)].into());
    std::fs::write(bench.gate.folder().join("list.crl"), &list).unwrap();
    let said = bench.run("openssl", &["crl", "-inform", "der", "-in", "list.crl", "-CAfile", "office.pem", "-text"]);
    for expected in ["verify OK", "X509v3 Freshest CRL", "-delta.crl", "Key Compromise", "Certificate Hold"] {
        assert!(said.contains(expected), "{expected} is missing in {said}");
    }

    let (_, whole, head) = bench.get(&path, &[]);
    assert_eq!(field(&head, "content-type"), "application/pkix-crl");
    assert!(field(&head, "cache-control").starts_with("max-age=3600, public"), "{head}");
    let etag = format!("If-None-Match: {}", field(&head, "etag"));
    assert_eq!(bench.get(&path, &["-H", &etag]).0, 304);
    assert_eq!(bench.get(&path, &["-H", "If-None-Match: \"other\""]).1, whole);
    assert_eq!(bench.get(&path, &["-I"]).0, 200);
    assert_eq!(bench.get("/crl", &[]).1, whole, "without a name it is the newest authority's");
    assert_eq!(bench.get("/crl/ca.crl", &[]).1, whole);
    assert_eq!(bench.get("/crl/other.crl", &[]).0, 404);
    assert_eq!(bench.get(&path, &["-X", "POST"]).0, 405);

    // The delta list says what has changed since the list before, and takes ben off hold again.
    let delta = format!("/crl/{}-delta.crl", bench.slug());
    let said = bench.until(&delta, "both in the delta list", |_, list| Office::entries(list).len() == 2).await;
    assert_eq!(Office::entries(&said), [(ann.serial(), 1), (ben.serial(), 6)].into());
    bench.office.register.release(&bench.office.key(&ben.serial()), Timestamp::now()).await.unwrap();
    bench.until(&path, "ben to be gone", |_, list| Office::entries(list).len() == 1).await;
    let said = bench.until(&delta, "the same in the delta list", |_, list| Office::entries(list).len() == 1).await;
    std::fs::write(bench.gate.folder().join("delta.crl"), &said).unwrap();
    let said = bench.run("openssl", &["crl", "-inform", "der", "-in", "delta.crl", "-CAfile", "office.pem", "-text"]);
    assert!(said.contains("verify OK") && said.contains("X509v3 Delta CRL Indicator: critical"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_by_post_and_by_get_are_answered_to_openssl_gnutls_and_curl() {
    let bench = Bench::start().await;
    let ann = bench.person("ann").await;
    bench.person("ben").await;
    bench.until_status("ann", "ann.pem: good").await;
    bench.until_status("ben", "ben.pem: good").await;
    bench.office.revoke(&ann.serial(), Reason::KeyCompromise).await;
    bench.until_status("ann", "ann.pem: revoked").await;
    let said = bench.status("ann");
    assert!(said.contains("Response verify OK") && said.contains("Reason: keyCompromise"), "{said}");

    // GnuTLS' ocsptool asks by POST.
    std::fs::write(bench.gate.folder().join("authority.pem"), bench.office.ca_pem()).unwrap();
    for (name, expected) in [("ann", "revoked"), ("ben", "good")] {
        let (ask, file) = (format!("--ask={}", bench.url("/ocsp")), format!("{name}.pem"));
        let words = [&ask, "--load-issuer", "authority.pem", "--load-cert", &file, "--no-nonce"];
        let (_, said) = run(bench.gate.folder(), "ocsptool", &words);
        assert!(said.contains(&format!("Certificate Status: {expected}")), "{said}");
        assert!(said.contains("Success") || said.contains("success"), "{said}");
    }

    // By GET, with the base64 as it is, with its slashes encoded, and in the alphabet for URLs.
    for option in ["-sha1", "-sha256"] {
        let words =
            ["ocsp", "-issuer", "office.pem", option, "-cert", "ben.pem", "-no_nonce", "-reqout", "question.der"];
        bench.run("openssl", &words);
        let question = std::fs::read(bench.gate.folder().join("question.der")).unwrap();
        let plain = STANDARD.encode(&question);
        let encoded = plain.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let for_urls = plain.replace('+', "-").replace('/', "_");
        let mut seen = Vec::new();
        for spelling in [&plain, &encoded, &for_urls] {
            let (status, answer, head) = bench.get(&format!("/ocsp/{spelling}"), &[]);
            assert_eq!(
                (status, field(&head, "content-type")),
                (200, "application/ocsp-response"),
                "{spelling}: {head}"
            );
            assert!(field(&head, "cache-control").starts_with("max-age=3600, public, no-transform, must-revalidate"));
            assert!(!field(&head, "expires").is_empty() && !field(&head, "last-modified").is_empty());
            seen.push((answer, field(&head, "etag").to_owned()));
        }
        seen.dedup();
        let [(answer, etag)] = seen.as_slice() else { panic!("{seen:?}") };
        std::fs::write(bench.gate.folder().join("answer.der"), answer).unwrap();
        let words = [
            "ocsp",
            "-issuer",
            "office.pem",
            option,
            "-cert",
            "ben.pem",
            "-respin",
            "answer.der",
            "-CAfile",
            "office.pem",
        ];
        assert!(bench.run("openssl", &words).contains("ben.pem: good"));
        assert_eq!(bench.get(&format!("/ocsp/{encoded}"), &["-H", &format!("If-None-Match: {etag}")]).0, 304);
    }

    // Two at once, somebody unknown, and nonsense: each is told so in the protocol's own words.
    let url = bench.url("/ocsp");
    let both = ["ocsp", "-issuer", "office.pem", "-cert", "ann.pem", "-cert", "ben.pem", "-url", &url];
    let unknown = ["ocsp", "-issuer", "office.pem", "-serial", "4711", "-url", &url];
    for words in [&both[..], &unknown] {
        let (_, said) = run(bench.gate.folder(), "openssl", words);
        assert!(said.contains("unauthorized (6)"), "{said}");
    }
    for (path, options) in [("/ocsp/AAAA", &[][..]), ("/ocsp", &["--data-binary", "nonsense"])] {
        assert_eq!(bench.get(path, options).1, [0x30, 3, 0x0a, 1, 1], "{path}");
    }
    let large = "x".repeat(20_000);
    assert_eq!(bench.get("/ocsp", &["--data-binary", &large]).0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authoritys_certificates_are_to_be_had_in_each_form() {
    let bench = Bench::start().await;
    let slug = bench.slug();
    let der = bench.until(&format!("/certificates/{slug}.der"), "the certificate", |status, _| status == 200).await;
    assert_eq!(der, bench.office.authority.certificate().to_vec());
    let (_, pem, head) = bench.get("/certificates/ca.pem", &[]);
    assert_eq!(field(&head, "content-type"), "application/pem-certificate-chain");
    assert_eq!(String::from_utf8(pem).unwrap(), bench.office.ca_pem());
    let (_, bundle, head) = bench.get("/certificates/all.p7c", &[]);
    assert_eq!(field(&head, "content-type"), "application/pkcs7-mime");
    std::fs::write(bench.gate.folder().join("all.p7c"), bundle).unwrap();
    let said = bench.run("openssl", &["pkcs7", "-inform", "der", "-in", "all.p7c", "-print_certs", "-noout"]);
    assert!(said.contains("CN = Office\n") && said.contains("CN = Office Root"), "{said}");
    assert_eq!(bench.get("/certificates/ca.key", &[]).0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_nothing_else_is_served() {
    let bench = Bench::start().await;
    bench.until("/crl/ca.crl", "the first list", |status, _| status == 200).await;
    for path in
        ["/", "/inbox", "/.well-known/wicketgate/jwks.json", "/.well-known/wicketgate/handover/begin", "/crl/../"]
    {
        assert_eq!(bench.get(path, &[]).0, 404, "{path}");
    }
    // Over TLS the same lists are to be had, and the rest needs a certificate.
    assert_eq!(bench.gate.curl("/crl/ca.crl", &["-o", "/dev/null"]).status, 200);
    assert_eq!(bench.gate.curl("/", &[]).status, 403);
    assert_eq!(bench.gate.curl("/certificates/ca.pem", &[]).status, 403, "this route is of the other listener alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_gate_refuses_whom_the_lists_or_the_answers_of_this_one_name() {
    let bench = Bench::start().await;
    bench.until("/crl/ca.crl", "the first list", |status, _| status == 200).await;
    let list = format!("crl: {{ urls: [\"{}\"], refresh: 10s, private_addresses: true }}", bench.url("/crl/ca.crl"));
    let answers = format!("ocsp: {{ mode: require, responder: \"{}\", private_addresses: true }}", bench.url("/ocsp"));
    let upstream = Upstream::start();
    let consumer = |revocation: &str| {
        let trust =
            format!("{{ staff: {{ authorities: [office.pem], revocation: {{ scope: leaf, {revocation} }} }} }}");
        Setup::before(&upstream).file("office.pem", &bench.office.ca_pem()).section("trust", &trust).start()
    };
    for revocation in [list, answers] {
        let ours = bench.person("alice").await;
        bench.until_status("alice", "alice.pem: good").await;
        let gate = consumer(&revocation);
        gate.until(&gate.client().with(&ours), "ok").await;
        bench.office.revoke(&ours.serial(), Reason::KeyCompromise).await;
        bench.until_status("alice", "alice.pem: revoked").await;
        bench
            .until("/crl/ca.crl", "it in the list", |_, list| Office::entries(list).contains_key(&ours.serial()))
            .await;
        // What was fetched before may be believed for its time; a gate that begins now asks now.
        let gate = gate.restart();
        gate.until(&gate.client().with(&ours), "certificate_revoked").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_before_a_revocation_does_not_return() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::Sqlite { path: folder.path().join("office.db") };
    let office = Office::over(&store).await;
    let (alice, nobody) = (office.person("alice").await, vec![7; 16]);
    let settings = settings(([127, 0, 0, 1], 80).into());
    let (mut one, mut other) = (office.publisher(settings.clone()), office.publisher(settings));
    let now = Timestamp::now();
    // Each has made a signer of its own, which is on record as alice is.
    assert_eq!(one.publish_answers(now).await.unwrap(), 2);
    assert_eq!(other.publish_answers(now).await.unwrap(), 1, "of alice there is one already");
    let said = || async {
        let answers = tables::answers_since(&office.database, 0, now).await.unwrap();
        answers.into_iter().map(|answer| (answer.serial, answer.by_sha1)).collect::<Vec<_>>()
    };
    let good = said().await;
    assert_eq!(good.len(), 3);
    // Whoever is revoked without being on record has an answer, too.
    office.revoke(&alice.serial(), Reason::KeyCompromise).await;
    office.revoke(&nobody, Reason::Superseded).await;
    assert_eq!(other.publish_answers(now).await.unwrap(), 2);
    let revoked = said().await;
    assert_eq!(revoked.len(), 4);
    assert_eq!(good.iter().filter(|answer| !revoked.contains(answer)).count(), 1, "alice's is another");
    assert_eq!(one.publish_answers(now.minus(HOUR)).await.unwrap(), 0, "nothing is due for one who comes late");
    assert_eq!(said().await, revoked);
    // What is old is signed anew, and what was taken off hold is good again.
    assert_eq!(one.publish_answers(now.plus(HOUR)).await.unwrap(), 4);
    let ben = office.person("ben").await;
    office.revoke(&ben.serial(), Reason::CertificateHold).await;
    assert_eq!(one.publish_answers(now.plus(HOUR)).await.unwrap(), 1);
    office.register.release(&office.key(&ben.serial()), now).await.unwrap();
    assert_eq!(other.publish_answers(now.plus(HOUR)).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_a_smaller_number_takes_nobodys_place() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::over(&Store::Sqlite { path: folder.path().join("office.db") }).await;
    let mut publisher = office.publisher(settings(([127, 0, 0, 1], 80).into()));
    let now = Timestamp::now();
    let issuer = *publisher.issuer();
    let first = publisher.publish_lists(now).await.unwrap();
    let second = publisher.publish_lists(now).await.unwrap();
    assert!(first.is_published && second.is_published && first.full.number < second.full.number);
    assert!(!tables::put_lists(&office.database, issuer, vec![(Kind::Full, first.full)]).await.unwrap());
    assert!(!tables::put_lists(&office.database, issuer, vec![(Kind::Full, second.full.clone())]).await.unwrap());
    assert_eq!(tables::list(&office.database, issuer, Kind::Full).await.unwrap(), Some(second.full));
    // A list of many parts comes back as it was.
    let der: Vec<u8> = (0..3_000_000_u32).map(|octet| octet.to_le_bytes()[0]).collect();
    let large = StoredList { number: 1000, this_update: now, next_update: now, der: der.into() };
    assert!(tables::put_lists(&office.database, issuer, vec![(Kind::Full, large.clone())]).await.unwrap());
    assert_eq!(tables::list(&office.database, issuer, Kind::Full).await.unwrap(), Some(large));
}
