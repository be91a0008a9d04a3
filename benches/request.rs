//! What each stage costs that every request goes through between the handshake and the upstream, without
//! any network: `cargo bench --bench request`. Together they are to stay near a microsecond.

#![allow(clippy::unwrap_used, reason = "a benchmark whose setup fails has nothing to measure")]

use divan::{Bencher, black_box};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, request};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wicketgate::account::{Account, Status};
use wicketgate::auth::authorization::{Authorization, Origin};
use wicketgate::auth::decision::{
    CertificateEvidence, ClaimEvidence, Evidence, Finding, Permit, Policy, Verdict, decide,
};
use wicketgate::base::address::AddressPrefix;
use wicketgate::base::clock::Moment;
use wicketgate::config::{
    self, Access, AccessFormat, Anonymous, CountedBy, HostPattern, IdentityHeaders, Method as Authentication, Rate,
    RequestLimits, RoutePath,
};
use wicketgate::proxy::allowance::{Allowance, Allowances, Whose};
use wicketgate::proxy::headers::forwarded;
use wicketgate::proxy::headers::identity::IdentityWriter;
use wicketgate::proxy::headers::strip::Stripper;
use wicketgate::proxy::path::{RequestTarget, normalise};
use wicketgate::proxy::router::{Asked, Conditions, Entry, Router};
use wicketgate::telemetry::access::{self, AccessLog, Line};
use wicketgate::telemetry::audit::{Audit, ConnectionFields, Event, Outcome, Record};
use wicketgate::telemetry::metrics::servers::ServerId;
use wicketgate::telemetry::metrics::{ROUTES, SERVERS, UPSTREAMS};
use wicketgate::telemetry::request_id::RequestId;
use wicketgate::telemetry::trace::Tracer;

fn main() {
    divan::main();
}

/// The head that a browser sends over HTTP/2, or curl over HTTP/1.1.
fn head(version: Version) -> request::Parts {
    let uri = if version == Version::HTTP_2 { "https://mail.example.org/inbox/42?page=2" } else { "/inbox/42?page=2" };
    let mut request = Request::builder().version(version).uri(uri);
    let fields: &[(&str, &str)] = if version == Version::HTTP_2 {
        &[
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("accept-language", "en-GB,en;q=0.9"),
            ("cache-control", "max-age=0"),
            ("cookie", "session=00112233445566778899aabbccddeeff"),
            ("priority", "u=0, i"),
            ("referer", "https://mail.example.org/inbox"),
            ("sec-ch-ua-platform", "\"Linux\""),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
            ("upgrade-insecure-requests", "1"),
        ]
    } else {
        &[("host", "mail.example.org"), ("user-agent", "curl/8.5.0"), ("accept", "*/*")]
    };
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

#[divan::bench(args = ["/inbox/42", "/a/%7Euser/../caf%c3%a9//x"])]
fn path(bencher: Bencher<'_, '_>, path: &str) {
    bencher.bench(|| normalise(black_box(path)).map(|path| path.len()));
}

#[divan::bench(args = VERSIONS)]
fn target(bencher: Bencher<'_, '_>, version: Version) {
    let head = head(version);
    bencher.bench(|| RequestTarget::parse(&head.method, head.version, &head.uri, &head.headers));
}

#[divan::bench(args = [3, 300])]
fn route(bencher: Bencher<'_, '_>, routes: usize) {
    let entry = |number: usize| Entry {
        host: (!number.is_multiple_of(3)).then(|| HostPattern::Exact("mail.example.org".to_owned())),
        path: RoutePath::Prefix(if number < 3 { "/".to_owned() } else { format!("/application/{number}") }),
        conditions: Conditions::default(),
        listeners: Vec::new(),
        payload: number,
    };
    let router = Router::new(1, (0..routes).map(entry)).unwrap();
    let head = head(Version::HTTP_11);
    let asked = Asked { method: &head.method, headers: &head.headers };
    let (host, path) = (Some("mail.example.org"), "/inbox/42");
    bencher.bench(|| router.find(black_box(0), black_box(host), black_box(path), &asked).copied());
}

#[divan::bench(args = VERSIONS)]
fn strip(bencher: Bencher<'_, '_>, version: Version) {
    let (stripper, head) = (Stripper::new([]), head(version));
    bencher.with_inputs(|| head.headers.clone()).bench_local_refs(|headers| stripper.strip_request(headers));
}

fn permit() -> Permit {
    let account = Account {
        username: "alice".to_owned(),
        email: Some("alice@example.org".to_owned()),
        display_name: Some("Alice Liddell".to_owned()),
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: vec!["readers".to_owned(), "staff".to_owned()],
    };
    let (policy, evidence) = (policy(), evidence(account));
    let Verdict::Permit(permit) = decide(&policy, &evidence) else { unreachable!("the account is active") };
    permit
}

fn policy() -> Policy {
    let staff = Access { groups: vec!["staff".to_owned()], ..Access::default() };
    Policy {
        authenticate: vec![Authentication::Certificate, Authentication::Digest],
        anonymous: Anonymous::Deny,
        claim: false,
        authorization: Authorization::new(Some(&staff), None, |_| Err(())).unwrap(),
        certificate_needed: false,
    }
}

fn evidence(account: Account) -> Evidence {
    Evidence {
        certificate: CertificateEvidence::Account(Arc::new(account)),
        credentials: Finding::NotAsked,
        authorization_sent: false,
        claim: ClaimEvidence::NotAsked,
        origin: Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), authorities: None },
    }
}

#[divan::bench]
fn verdict(bencher: Bencher<'_, '_>) {
    let account = Account::clone(&permit().identity().unwrap().account);
    let (policy, evidence) = (policy(), evidence(account));
    bencher.bench(|| decide(black_box(&policy), black_box(&evidence)));
}

#[divan::bench(args = VERSIONS)]
fn strip_and_apply(bencher: Bencher<'_, '_>, version: Version) {
    let (stripper, head) = (Stripper::new([]), head(version));
    let names = IdentityHeaders {
        user: Some("Remote-User".to_owned()),
        email: Some("Remote-Email".to_owned()),
        name: Some("Remote-Name".to_owned()),
        groups: Some("Remote-Groups".to_owned()),
        client_cert: false,
        xfcc: false,
        set: Vec::new(),
    };
    let mut said = IdentityWriter::new(&names).unwrap().prepare(&permit(), None);
    let authority = HeaderValue::from_static("mail.example.org");
    said.extend(&forwarded::prepare("192.0.2.7".parse().unwrap(), 443, Some(&authority)));
    let pass = |headers: &mut HeaderMap| {
        let hop = stripper.strip_request(headers);
        said.apply(headers);
        hop
    };
    bencher.with_inputs(|| head.headers.clone()).bench_local_refs(pass);
}

/// One request more of somebody among so many whose requests are counted; under 200 ns.
#[divan::bench(args = [1, 1_000, 100_000])]
fn allowance(bencher: Bencher<'_, '_>, clients: u32) {
    let allowances = Allowances::new();
    let rate = Rate { requests: 1_000_000, per: Duration::from_secs(1), burst: 1_000_000 };
    let limits = RequestLimits { rate: Some(rate), concurrency: None, by: CountedBy::Address };
    let allowance = Allowance::new("/", &limits);
    let mut number = 0_u32;
    bencher.bench_local(|| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let address = IpAddr::V4(Ipv4Addr::from(number % clients));
        allowances.take(&allowance, Whose::Address(AddressPrefix::of(address)), Instant::now()).is_ok()
    });
}

#[divan::bench]
fn request_id() -> RequestId {
    RequestId::random()
}

#[divan::bench]
fn audit(bencher: Bencher<'_, '_>) {
    let audit = Audit::open(Some(std::path::Path::new("/dev/null"))).unwrap();
    let connection = ConnectionFields {
        sni: Some("mail.example.org"),
        tls_version: Some("TLSv1.3"),
        resumed: Some(false),
        subject: Some("CN=Alice Liddell,O=Example"),
        issuer: Some("CN=Example Staff CA,O=Example"),
        serial: Some("0b4f6c1a9d3e5f70"),
        fingerprint: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ..ConnectionFields::new(7, "192.0.2.7:50000".parse().unwrap(), "guarded")
    };
    let rendered = connection.render();
    let record = Record {
        request_id: Some("00112233445566778899aabbccddeeff"),
        host: Some("mail.example.org"),
        method: Some(Method::GET.as_str()),
        path: Some("/inbox/42"),
        route: Some("mail.example.org/"),
        account: Some("alice"),
        authentication: Some("certificate"),
        ..Record::new(Moment::from_unix_millis(1_795_254_812_007), Event::Request, Outcome::Permit)
    };
    bencher.bench(|| audit.write(black_box(&rendered), black_box(&record)));
}

#[divan::bench(args = [AccessFormat::Json, AccessFormat::Combined])]
fn access(bencher: Bencher<'_, '_>, format: AccessFormat) {
    let log = AccessLog::open(&config::AccessLog { path: "/dev/null".into(), format, query: false }).unwrap();
    let connection = access::ConnectionFields {
        remote_addr: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        remote_port: 50000,
        via: None,
        connection: 7,
        listener: "guarded",
        ssl_protocol: "TLSv1.3",
        ssl_cipher: "TLS13_AES_128_GCM_SHA256",
        ssl_server_name: Some("mail.example.org"),
        ssl_session_reused: ".",
        ssl_client_s_dn: Some("CN=Alice Liddell,O=Example"),
        ssl_client_serial: Some("0b4f6c1a9d3e5f70"),
    };
    let connection = connection.render();
    let line = Line {
        time: Moment::from_unix_millis(1_795_254_812_007),
        request_id: "00112233445566778899aabbccddeeff",
        trace_id: None,
        connection: &connection,
        remote_user: Some("alice"),
        request_method: "GET",
        request_uri: "/inbox/42",
        server_protocol: "HTTP/2.0",
        http_host: Some("mail.example.org"),
        http_referer: Some("https://mail.example.org/inbox"),
        http_user_agent: Some(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
        ),
        status: 200,
        body_bytes_sent: 2326,
        request_time: Duration::from_micros(12_345),
        route_name: Some("mail.example.org/"),
        upstream_cluster: Some("webmail"),
        upstream_addr: Some("10.0.0.5:8080"),
        upstream_status: Some(200),
        upstream_header_time: Some(Duration::from_millis(9)),
        verdict: Some("permit"),
        reason: None,
        authentication: Some("certificate"),
    };
    bencher.bench(|| log.write(black_box(&line)));
}

/// What is counted of a request that an upstream has answered: by route, upstream and server.
#[divan::bench]
fn counting(bencher: Bencher<'_, '_>) {
    let (route, upstream) = (ROUTES.of(&["mail.example.org/"]), UPSTREAMS.of(&["webmail"]));
    let id = ServerId { upstream: "webmail".to_owned(), server: "10.0.0.5:8080".to_owned(), address: None };
    let (server, took) = (SERVERS.of(id), Duration::from_micros(700));
    bencher.bench(|| {
        route.verdict(black_box(1));
        route.answered(black_box(0), Some(StatusCode::OK), took, 2326);
        upstream.answers.answered(StatusCode::OK, took);
        server.answers.answered(StatusCode::OK, took);
        server.idle.end();
        server.idle.begin();
    });
}

/// The trace of a request that is not recorded, which it is all the same told to the server behind.
#[divan::bench]
fn trace(bencher: Bencher<'_, '_>) {
    let (queue, _finished) = tokio::sync::mpsc::channel(1);
    let settings = config::Tracing {
        server: config::ServerName { host: "127.0.0.1".to_owned(), port: 4318 },
        ca: None,
        sample: 0,
        sampled_by: Vec::new(),
        service: "wicketgate".to_owned(),
        account: false,
        headers: Vec::new(),
    };
    let tracer = Tracer::new(settings, queue);
    let (id, at) = (RequestId::random(), Moment::from_unix_millis(1_795_254_812_007));
    let mut headers = HeaderMap::new();
    bencher.bench_local(|| {
        let trace = tracer.begin(&headers, IpAddr::V4(Ipv4Addr::LOCALHOST), &id, at);
        drop(trace.attempt(&"10.0.0.5:8080", &mut headers));
        headers.clear();
    });
}
