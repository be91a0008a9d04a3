use super::*;
use crate::base::address::AddressRange;
use crate::config::ServerName;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNRECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn tracer(sample: u32, sampled_by: &[&str]) -> (Arc<Tracer>, mpsc::Receiver<Finished>) {
    let (queue, finished) = mpsc::channel(2);
    let settings = Tracing {
        server: ServerName { host: "127.0.0.1".to_owned(), port: 4318 },
        ca: None,
        sample,
        sampled_by: sampled_by.iter().map(|range| range.parse::<AddressRange>().unwrap()).collect(),
        service: "wicketgate".to_owned(),
        account: false,
        headers: Vec::new(),
    };
    (Tracer::new(settings, queue), finished)
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn begin(tracer: &Arc<Tracer>, fields: &[(&'static str, &str)]) -> Trace {
    let from = "192.0.2.7".parse().unwrap();
    tracer.begin(&headers(fields), from, &RequestId::random(), Moment::from_unix_millis(1_000))
}

#[test]
fn a_clients_word_counts_against_recording_and_for_it_only_where_it_is_trusted() {
    for (sample, trusted, parent, recorded) in [
        (0, "10.0.0.0/8", Some(PARENT), false),
        (0, "192.0.2.0/24", Some(PARENT), true),
        (0, "192.0.2.0/24", Some(UNRECORDED), false),
        (0, "192.0.2.0/24", None, false),
        (1_000_000, "10.0.0.0/8", Some(PARENT), true),
        (1_000_000, "10.0.0.0/8", Some(UNRECORDED), false),
        (1_000_000, "10.0.0.0/8", None, true),
        (1_000_000, "10.0.0.0/8", Some("nonsense"), true),
    ] {
        let (tracer, _finished) = tracer(sample, &[trusted]);
        let fields: Vec<_> = parent.map(|parent| ("traceparent", parent)).into_iter().collect();
        let trace = begin(&tracer, &fields);
        assert_eq!(trace.is_recorded(), recorded, "{sample} {trusted} {parent:?}");
        // What the server behind is told is what we do, whatever the client said.
        let mut told = headers(&fields);
        drop(trace.attempt(&"app:80", &mut told));
        let told = Parent::parse(told[TRACEPARENT].as_bytes()).unwrap();
        assert_eq!((told.sampled, told.trace), (recorded, trace.id()), "{sample} {trusted} {parent:?}");
        let continues = parent.is_some_and(|parent| parent != "nonsense");
        assert_eq!(trace.id().to_string().starts_with("4bf9"), continues);
    }
}

#[test]
fn about_as_many_are_recorded_as_the_share_says() {
    let (tracer, _finished) = tracer(100_000, &[]);
    let recorded = (0..10_000).filter(|_| begin(&tracer, &[]).is_recorded()).count();
    assert!((700..1300).contains(&recorded), "{recorded} of 10000 where 1000 are meant");
}

#[test]
fn a_state_goes_with_its_parent_and_with_nothing_else() {
    let (tracer, _finished) = tracer(0, &[]);
    for (fields, expected) in [
        (vec![("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")], Some("a=1,b=2")),
        (vec![("tracestate", "a=1")], None),
        (vec![("traceparent", "nonsense"), ("tracestate", "a=1")], None),
        (vec![("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")], None),
        (vec![("traceparent", PARENT)], None),
    ] {
        let trace = begin(&tracer, &fields);
        let mut told = headers(&fields);
        drop(trace.attempt(&"app:80", &mut told));
        let state = told.get(TRACESTATE).map(|state| state.to_str().unwrap());
        assert_eq!(state, expected, "{fields:?}");
        assert_eq!(told.get_all(TRACEPARENT).iter().count(), 1, "{fields:?}");
    }
}

#[test]
fn the_spans_of_a_request_hang_together() {
    let (tracer, mut finished) = tracer(1_000_000, &[]);
    let trace = begin(&tracer, &[("traceparent", PARENT)]);
    trace.passed(Stage::Routed);
    trace.passed(Stage::Gathered);
    trace.passed(Stage::Decided);
    trace.passed(Stage::Decided);
    let mut told = HeaderMap::new();
    trace.attempt(&"one:80", &mut told).failed("connect");
    let first = Parent::parse(told[TRACEPARENT].as_bytes()).unwrap().span;
    trace.attempt(&"two:80", &mut told).answered(503);
    drop(trace.attempt(&"three:80", &mut told));
    trace.end(|| ("GET /".to_owned(), vec![("http.request.method", "GET".into())], true));
    let Finished { spans, trace: id, .. } = finished.try_recv().unwrap();
    assert_eq!(id, trace.id());
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /", "route", "gather", "decide", "upstream", "upstream", "upstream"]);
    let ids: std::collections::HashSet<SpanId> = spans.iter().map(|span| span.id).collect();
    assert_eq!(ids.len(), spans.len(), "no two have the same name");
    assert_eq!(spans[0].parent.unwrap().to_string(), "00f067aa0ba902b7");
    assert!(spans[1..].iter().all(|span| span.parent == Some(spans[0].id)));
    assert!(spans.iter().all(|span| span.began >= 1_000_000_000 && span.began <= span.ended));
    assert!(spans[1..].iter().all(|span| span.began >= spans[0].began && span.ended <= spans[0].ended));
    assert_eq!(spans[4].id, first, "the server behind is told the span of its own attempt");
    let said =
        |span: &Span, name: &str| span.attributes.iter().find(|(known, _)| *known == name).map(|(_, v)| v.clone());
    assert_eq!(said(&spans[4], "error.type"), Some("connect".into()));
    assert_eq!(said(&spans[5], "http.response.status_code"), Some(Value::Number(503)));
    assert_eq!(said(&spans[5], "http.request.resend_count"), Some(Value::Number(1)));
    assert_eq!(said(&spans[6], "error.type"), Some("cancelled".into()));
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let (tracer, mut finished) = tracer(1_000_000, &[]);
    let dropped = TRACES.get(TraceFate::Dropped);
    for _ in 0..5 {
        begin(&tracer, &[]).end(|| ("GET /".to_owned(), Vec::new(), false));
    }
    assert!(TRACES.get(TraceFate::Dropped) - dropped >= 3);
    assert!(finished.try_recv().is_ok() && finished.try_recv().is_ok() && finished.try_recv().is_err());
}
