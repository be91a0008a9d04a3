//! Sends traces to the collector by OTLP over HTTP, in its JSON form (OpenTelemetry Protocol 1.0, "OTLP/HTTP"): a task on
//! the control runtime that takes what is recorded out of the queue, some requests at once. What the collector does not
//! take is lost and counted; the log says so once a minute. This is the one part of tracing that speaks to anybody.

use crate::certificate::pem;
use crate::config::Tracing;
use crate::telemetry::metrics::{TRACES, TraceFate};
use crate::telemetry::seldom::Seldom;
use crate::telemetry::trace::{Finished, Span, Value};
use crate::upstream::tls::{ClientTls, Material};
use crate::upstream::{Server, open_for_one};
use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};

/// Where a collector takes spans.
const PATH: &str = "/v1/traces";
/// How many requests are sent at once, and how long the first of them waits for others.
const BATCH: usize = 256;
const DELAY: Duration = Duration::from_secs(1);
/// How long a connection may take, and the answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
/// The largest answer that is read, in octets.
const MOST_ANSWER: usize = 64 * 1024;
/// How often it is said that the collector does not take anything.
const SAID: Duration = Duration::from_secs(60);

/// The task that sends.
pub(super) struct Sending {
    closing: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Collector {
    server: Server,
    headers: HeaderMap,
    resource: serde_json::Value,
    said: Seldom<()>,
}

impl Sending {
    /// Begins to send what comes out of this queue; ends when nobody can put anything in any more.
    ///
    /// # Errors
    /// When a file or a secret cannot be read.
    pub(super) fn start(
        settings: &Tracing,
        finished: mpsc::Receiver<Finished>,
        control: &Handle,
    ) -> anyhow::Result<Self> {
        let collector = Collector::new(settings)?;
        let closing = Arc::new(Notify::new());
        let task = control.spawn(send(collector, finished, Arc::clone(&closing)));
        Ok(Self { closing, task: Mutex::new(Some(task)) })
    }

    /// Sends what waits and ends, which takes no longer than this.
    pub(super) async fn finish(&self, limit: Duration) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.closing.notify_one();
        if let Some(task) = task
            && timeout(limit, task).await.is_err()
        {
            tracing::warn!("not all traces were sent before the end");
        }
    }
}

/// Sends batch after batch until the queue or the process ends.
async fn send(collector: Collector, mut finished: mpsc::Receiver<Finished>, closing: Arc<Notify>) {
    let mut going_on = true;
    while going_on {
        let mut batch = Vec::with_capacity(BATCH);
        tokio::select! {
            first = finished.recv() => match first {
                Some(first) => batch.push(first),
                None => return,
            },
            () = closing.notified() => going_on = false,
        }
        let deadline = Instant::now() + DELAY;
        while going_on && batch.len() < BATCH {
            tokio::select! {
                next = timeout_at(deadline.into(), finished.recv()) => match next {
                    Ok(Some(next)) => batch.push(next),
                    Ok(None) | Err(_) => break,
                },
                () = closing.notified() => going_on = false,
            }
        }
        collector.take(&batch).await;
    }
    let mut rest = Vec::new();
    while let Ok(next) = finished.try_recv() {
        rest.push(next);
    }
    for batch in rest.chunks(BATCH) {
        collector.take(batch).await;
    }
}

impl Collector {
    /// Sends a batch, and counts what becomes of it.
    async fn take(&self, batch: &[Finished]) {
        if batch.is_empty() {
            return;
        }
        let spans = batch.iter().map(|finished| finished.spans.len() as u64).sum::<u64>();
        match self.send(batch).await {
            Ok(refused) => {
                TRACES.add(TraceFate::Exported, spans.saturating_sub(refused));
                TRACES.add(TraceFate::Failed, refused.min(spans));
            }
            Err(error) => {
                TRACES.add(TraceFate::Failed, spans);
                if let Some(suppressed) = self.said.may_be_said((), Instant::now()) {
                    let (collector, error) = (self.server.name(), format!("{error:#}"));
                    tracing::warn!(%collector, error, suppressed, "traces are lost: the collector does not take them");
                }
            }
        }
    }

    fn new(settings: &Tracing) -> anyhow::Result<Self> {
        let tls = match &settings.ca {
            Some(ca) => {
                let material = Material { authorities: pem::certificates(ca)?, credential: None };
                Some(Arc::new(ClientTls::new(material, None)?))
            }
            None => None,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let value = value.read().with_context(|| format!("headers.{name}"))?;
            let mut value = HeaderValue::from_bytes(value.expose())
                .map_err(|_| anyhow!("headers.{name}: this cannot stand in a header field"))?;
            value.set_sensitive(true);
            headers.append(HeaderName::try_from(name.as_str()).context("headers")?, value);
        }
        let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let mut attributes =
            vec![attribute("service.name", &settings.service), attribute("service.version", env!("CARGO_PKG_VERSION"))];
        if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
            attributes.push(attribute("host.name", name.trim()));
        }
        attributes.push(json!({"key": "process.pid", "value": {"intValue": std::process::id().to_string()}}));
        Ok(Self {
            server: Server::apart(settings.server.clone(), tls),
            headers,
            resource: json!({"attributes": attributes}),
            said: Seldom::new(SAID),
        })
    }

    /// Sends a batch over a connection of its own. Gives how many spans the collector says it does not take.
    async fn send(&self, batch: &[Finished]) -> anyhow::Result<u64> {
        let body = serde_json::to_vec(&request(&self.resource, batch))?;
        let stream = open_for_one(&self.server, CONNECT, None).await?;
        let exchange = async {
            let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(driver);
            let mut request = Request::new(Full::new(Bytes::from(body)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = http::Uri::from_static(PATH);
            *request.headers_mut() = self.headers.clone();
            request.headers_mut().insert(HOST, HeaderValue::try_from(self.server.authority())?);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let response = sender.send_request(request).await?;
            let status = response.status();
            let said = Limited::new(response.into_body(), MOST_ANSWER).collect().await;
            driver.abort();
            if !status.is_success() {
                bail!("it answers with status {status}");
            }
            // What it says besides is of use, but need not be there.
            Ok::<u64, anyhow::Error>(said.map_or(0, |said| refused(&said.to_bytes())))
        };
        timeout(ANSWER, exchange).await.map_err(|_| anyhow!("no answer within {ANSWER:?}"))?
    }
}

/// How many spans were not taken, as the answer to a batch says.
fn refused(answer: &[u8]) -> u64 {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(answer) else { return 0 };
    // 64-bit numbers are texts in the JSON of Protocol Buffers, and a reader takes both.
    let count = answer.pointer("/partialSuccess/rejectedSpans");
    count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0)
}

/// An `ExportTraceServiceRequest` in JSON: identifiers in hexadecimal, kinds as numbers, 64-bit numbers as texts.
fn request(resource: &serde_json::Value, batch: &[Finished]) -> serde_json::Value {
    let spans: Vec<_> =
        batch.iter().flat_map(|finished| finished.spans.iter().map(move |one| span(finished, one))).collect();
    let scope = json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})
}

fn span(of: &Finished, span: &Span) -> serde_json::Value {
    let attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Text(text) => json!({"stringValue": text}),
                Value::Number(number) => json!({"intValue": number.to_string()}),
                Value::Flag(flag) => json!({"boolValue": flag}),
            };
            json!({"key": key, "value": value})
        })
        .collect();
    let mut written = json!({
        "traceId": of.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.began.to_string(),
        "endTimeUnixNano": span.ended.to_string(),
        "attributes": attributes,
        "flags": 1,
    });
    if let Some(fields) = written.as_object_mut() {
        if let Some(parent) = span.parent {
            fields.insert("parentSpanId".to_owned(), parent.to_string().into());
        }
        if let Some(state) = &of.state {
            fields.insert("traceState".to_owned(), state.as_str().into());
        }
        if span.failed {
            fields.insert("status".to_owned(), json!({"code": 2}));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_does_not_take_is_read_in_both_ways_of_writing_it() {
        for (answer, expected) in [
            ("{}", 0),
            ("", 0),
            ("{\"partialSuccess\": {\"rejectedSpans\": \"3\", \"errorMessage\": \"no\"}}", 3),
            ("{\"partialSuccess\": {\"rejectedSpans\": 4}}", 4),
            ("{\"partialSuccess\": {\"rejectedSpans\": -4}}", 0),
            ("\x0a\x00", 0),
        ] {
            assert_eq!(refused(answer.as_bytes()), expected, "{answer}");
        }
    }
}
