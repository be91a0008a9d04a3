//! Traces of requests, as a collector gets them (OTLP over HTTP, JSON): spans hang together across the gate, what clients
//! say of their traces is heard and not trusted, and a collector that is away costs nobody anything. Run by `make otel`,
//! which builds the program with that feature.
#![cfg(test)]
#![cfg(feature = "otel")]

mod common;

use common::admin::{sample, with_admin};
use common::client::{Connection, empty};
use common::eventually;
use common::gate::{Gate, unused_address};
use common::pki::{Authority, Leaf};
use common::setup::Setup;
use common::tls_front::TlsFront;
use common::upstream::Upstream;
use http::Request;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A gate before this upstream that sends its traces to this collector, with more keys of `tracing`.
fn gate(upstream: &Upstream, collector: SocketAddr, more: &str) -> Gate {
    setup(Setup::before(upstream), collector, more).start()
}

fn setup(setup: Setup, collector: SocketAddr, more: &str) -> Setup {
    setup
        .section("tracing", &format!("{{ endpoint: \"http://{collector}\", sample: 100%{more} }}"))
        .section("log", "{ access: { path: access.log } }")
}

/// All spans that a collector has.
fn spans(collector: &Upstream) -> Vec<Value> {
    let mut spans = Vec::new();
    for request in collector.requests().iter().filter(|request| request.whole) {
        assert_eq!(
            (request.line(), request.header("content-type")),
            ("POST /v1/traces HTTP/1.1", Some("application/json".to_owned()))
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for resource in body["resourceSpans"].as_array().unwrap() {
            let name = said(&resource["resource"], "service.name");
            assert_eq!(name, "wicketgate");
            for scope in resource["scopeSpans"].as_array().unwrap() {
                spans.extend(scope["spans"].as_array().unwrap().iter().cloned());
            }
        }
    }
    spans
}

/// Waits for so many requests' spans, and gives all.
#[track_caller]
fn spans_of(collector: &Upstream, requests: usize) -> Vec<Value> {
    eventually("the spans to arrive", || {
        let spans = spans(collector);
        (spans.iter().filter(|span| span["kind"] == 2).count() >= requests).then_some(spans)
    })
}

/// What an attribute says.
fn said(of: &Value, key: &str) -> Value {
    let attributes = of["attributes"].as_array().unwrap();
    let value = attributes.iter().find(|attribute| attribute["key"] == key).map(|attribute| &attribute["value"]);
    let value = value.and_then(|value| value.as_object()?.values().next().cloned());
    value.unwrap_or(Value::Null)
}

/// The one span of this name.
#[track_caller]
fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    let found: Vec<&Value> = spans.iter().filter(|span| span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

async fn ask(connection: &mut Connection, fields: &[(&str, &str)]) -> u16 {
    let mut request = Request::get("/x?token=secret").header("user-agent", "a test");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    connection.send(request.body(empty()).unwrap()).await.status
}

#[tokio::test]
async fn the_spans_of_a_request_hang_together_from_the_client_to_the_server_behind() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gate = gate(&upstream, collector.address(), "");
    for (number, (version, mut connection)) in gate.alice().both().await.into_iter().enumerate() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let fields = [("traceparent", parent.as_str()), ("tracestate", "rojo=1"), ("tracestate", "congo=2")];
        assert_eq!(ask(&mut connection, &fields).await, 200);
        let all = spans_of(&collector, number + 1);
        let own = all.iter().rfind(|span| span["kind"] == 2).unwrap().clone();
        let of_it: Vec<Value> = all.into_iter().filter(|span| span["parentSpanId"] == own["spanId"]).collect();
        assert_eq!((&own["traceId"], &own["parentSpanId"]), (&Value::from(TRACE), &Value::from(SPAN)), "{version}");
        assert_eq!((&own["name"], &own["traceState"]), (&Value::from("GET /"), &Value::from("rojo=1,congo=2")));
        for (key, value) in [
            ("http.request.method", "GET"),
            ("url.path", "/x"),
            ("url.scheme", "https"),
            ("http.route", "/"),
            ("http.response.status_code", "200"),
            ("network.protocol.version", if version == "HTTP/2" { "2" } else { "1.1" }),
            ("client.address", "127.0.0.1"),
            ("user_agent.original", "a test"),
            ("wicketgate.verdict", "permit"),
            ("wicketgate.authentication", "certificate"),
            ("wicketgate.upstream", "app"),
        ] {
            assert_eq!(said(&own, key), value, "{key} over {version}: {own:#?}");
        }
        assert!(!own.to_string().contains("secret") && !own.to_string().contains("alice"), "{own:#?}");
        let attempt = named(&of_it, "upstream");
        assert_eq!(
            (&attempt["kind"], said(attempt, "http.response.status_code")),
            (&Value::from(3), Value::from("200"))
        );
        assert_eq!(said(attempt, "server.address"), upstream.address().to_string());
        for stage in ["route", "gather", "decide"] {
            assert_eq!(named(&of_it, stage)["traceId"], TRACE, "{stage}");
        }
        let nanoseconds = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        for span in of_it.iter().chain([&own]) {
            assert!(nanoseconds(span, "startTimeUnixNano") <= nanoseconds(span, "endTimeUnixNano"));
            assert!(nanoseconds(span, "startTimeUnixNano") >= nanoseconds(&own, "startTimeUnixNano"));
        }
        // The server behind is told that its parent is the attempt.
        let told = upstream.last();
        let attempt = attempt["spanId"].as_str().unwrap();
        assert_eq!(told.header("traceparent").unwrap(), format!("00-{TRACE}-{attempt}-01"), "{version}");
        assert_eq!(told.header("tracestate").unwrap(), "rojo=1,congo=2", "{version}");
    }
    let log = eventually("the access log", || {
        std::fs::read_to_string(gate.folder().join("access.log")).ok().filter(|log| log.lines().count() == 2)
    });
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["trace_id"], TRACE);
}

#[tokio::test]
async fn a_trace_of_our_own_has_the_requests_identifier_for_its_name() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gate = gate(&upstream, collector.address(), ", account: true");
    let mut alice = gate.alice().http1().await.unwrap();
    for nonsense in ["", "nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let fields = if nonsense.is_empty() { vec![] } else { vec![("traceparent", nonsense), ("tracestate", "a=1")] };
        assert_eq!(ask(&mut alice, &fields).await, 200);
        let told = upstream.last();
        let id = told.header("x-request-id").unwrap();
        assert!(told.header("traceparent").unwrap().starts_with(&format!("00-{id}-")), "{nonsense}");
        assert!(told.header("traceparent").unwrap().ends_with("-01") && told.header("tracestate").is_none());
    }
    let spans = spans_of(&collector, 3);
    let own = spans.iter().find(|span| span["kind"] == 2).unwrap();
    assert!(own.get("parentSpanId").is_none() && said(own, "wicketgate.request_id") == own["traceId"], "{own:#?}");
    assert_eq!(said(own, "user.name"), "alice");
}

#[tokio::test]
async fn a_client_has_its_trace_recorded_only_where_its_word_counts_and_left_alone_everywhere() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let (recorded, unrecorded) = (format!("00-{TRACE}-{SPAN}-01"), format!("00-{TRACE}-{SPAN}-00"));
    for (sample, by, parent, flags) in [
        ("0%", "[10.0.0.0/8]", &recorded, "00"),
        ("0%", "[127.0.0.0/8]", &recorded, "01"),
        ("0%", "[127.0.0.0/8]", &unrecorded, "00"),
        ("100%", "[]", &unrecorded, "00"),
        ("100%", "[10.0.0.0/8]", &recorded, "01"),
    ] {
        let by = if by == "[]" { String::new() } else { format!(", sampled_by: {by}") };
        let tracing = format!("{{ endpoint: \"http://{}\", sample: {sample}{by} }}", collector.address());
        let gate = Setup::before(&upstream).section("tracing", &tracing).start();
        let before = spans(&collector).len();
        let mut alice = gate.alice().http1().await.unwrap();
        assert_eq!(ask(&mut alice, &[("traceparent", parent)]).await, 200);
        let told = upstream.last().header("traceparent").unwrap();
        assert!(
            told.starts_with(&format!("00-{TRACE}-")) && told.ends_with(&format!("-{flags}")),
            "{sample}{by}: {told}"
        );
        drop(alice);
        // What waits is sent at the end.
        assert!(gate.stop().success());
        assert_eq!(spans(&collector).len() > before, flags == "01", "{sample}{by} {parent}");
    }
}

#[tokio::test]
async fn each_server_that_is_tried_has_a_span_and_refusals_say_why() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let nobody = unused_address();
    let servers = format!("[\"http://{nobody}\", \"http://{}\"]", upstream.address());
    let gate = setup(Setup::before(&upstream).upstream("servers", &servers), collector.address(), "").start();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&mut alice, &[]).await, 200);
    }
    assert_eq!(gate.client().get("/").await.status, 403);
    let spans = spans_of(&collector, 3);
    let failed = spans.iter().find(|span| said(span, "error.type") == "connect").unwrap();
    assert_eq!(
        (said(failed, "server.address"), &failed["status"]["code"]),
        (nobody.to_string().into(), &Value::from(2))
    );
    let again = spans.iter().find(|span| said(span, "http.request.resend_count") == "1").unwrap();
    assert_eq!((&again["traceId"], &again["parentSpanId"]), (&failed["traceId"], &failed["parentSpanId"]));
    assert_ne!(again["spanId"], failed["spanId"]);
    let refused = spans.iter().find(|span| said(span, "wicketgate.verdict") == "refuse").unwrap();
    assert_eq!(said(refused, "wicketgate.reason"), "certificate_required");
    assert_eq!(said(refused, "http.response.status_code"), "403");
}

#[tokio::test]
async fn a_collector_that_is_away_or_hangs_slows_nobody_down_and_what_is_lost_is_counted() {
    let hanging = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        std::thread::sleep(Duration::from_secs(60));
        exchange.close();
    });
    let upstream = Upstream::start();
    // The queue holds a thousand requests, and a batch is under way.
    for (collector, lost, requests) in [(unused_address(), "failed", 20), (hanging.address(), "dropped", 1600)] {
        let (setup, admin) = with_admin(setup(Setup::before(&upstream), collector, ""));
        let gate = setup.start();
        let mut alice = gate.alice().http1().await.unwrap();
        for _ in 0..requests {
            let start = Instant::now();
            assert_eq!(alice.get("/").await.status, 200);
            // As long as the collector takes at least, and far longer than a request does.
            assert!(start.elapsed() < Duration::from_secs(5), "{lost}: {:?}", start.elapsed());
        }
        let name = format!("wicketgate_trace_spans_total{{result=\"{lost}\"}}");
        eventually(&name, || (sample(admin, &name)? > 0.0).then_some(()));
        if lost == "failed" {
            gate.log_line(&["traces are lost", &collector.to_string()]);
        }
        let memory = gate.process.memory_kib("VmRSS");
        assert!(memory < 300 * 1024, "{lost}: {memory} KiB");
    }
}

#[tokio::test]
async fn a_collector_is_spoken_to_over_tls_and_shown_its_token() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let authority = Authority::root("Inside");
    let front = TlsFront::start(&collector, &authority.issue(Leaf::server(&["localhost"])), None);
    let endpoint = format!("https://localhost:{}", front.address().port());
    let tracing = format!(
        "{{ endpoint: \"{endpoint}\", ca: inside.pem, sample: 100%, headers: {{ authorization: {{ file: token }} }} }}"
    );
    let gate = Setup::before(&upstream)
        .section("tracing", &tracing)
        .file("inside.pem", &authority.pem())
        .file("token", "Bearer abc\n")
        .start();
    assert_eq!(gate.alice().get("/").await.status, 200);
    assert!(!spans_of(&collector, 1).is_empty());
    assert_eq!(collector.requests()[0].header("authorization").unwrap(), "Bearer abc");
    assert!(!gate.log().contains("Bearer abc"));
}

#[tokio::test]
async fn traces_begin_and_end_with_a_reload() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gate = Setup::before(&upstream).start();
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let mut alice = gate.alice().http1().await.unwrap();
    assert_eq!(ask(&mut alice, &[("traceparent", &parent)]).await, 200);
    assert_eq!(upstream.last().header("traceparent").unwrap(), parent, "without traces, it is the client's");
    let file = gate.folder().join("wicketgate.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    let tracing = format!("tracing: {{ endpoint: \"http://{}\", sample: 100% }}\n", collector.address());
    std::fs::write(&file, before.clone() + &tracing).unwrap();
    eventually("traces to begin", || {
        gate.log()
            .contains("\"epoch\":2")
            .then_some(())
            .or_else(|| gate.log().contains("configuration taken up").then_some(()))
    });
    let mut alice = gate.alice().http1().await.unwrap();
    let start = Instant::now();
    while spans(&collector).is_empty() {
        assert_eq!(ask(&mut alice, &[]).await, 200);
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
