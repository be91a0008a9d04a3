//! A sample upstream: an HTTP/1.1 server that answers every request with what it was told, as JSON:
//! `{"method": …, "path": …, "headers": {lower-case name: value, …}}`. The path is the request's target as it
//! came, query included; fields of one name stand in one value, joined by `, ` (RFC 9110, section 5.3).
//! `wicketgate demo` runs this same source. By itself:
//!
//! ```sh
//! cargo run --example whoami -- 127.0.0.1:8080
//! ```

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take for the head of a request, or leave a connection unused.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Listens on the address given as the only argument, and answers until it is ended.
pub fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: whoami ADDRESS:PORT");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: starting the runtime failed: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        match TcpListener::bind(&address).await {
            Ok(listener) => {
                println!("answering on http://{address}/");
                serve(listener).await;
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: listening on {address} failed: {error}");
                ExitCode::FAILURE
            }
        }
    })
}

/// Answers everyone who connects, for as long as it is polled.
pub async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream))),
            // Mostly there are no descriptors left; some will be when other connections have ended.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn converse(stream: TcpStream) {
    // A client that breaks off ends its own connection and nothing else.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}

/// What the upstream was told.
#[derive(serde::Serialize)]
struct Told<'a> {
    method: &'a str,
    path: String,
    headers: BTreeMap<&'a str, String>,
}

async fn answer(request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, mut body) = request.into_parts();
    // A body is read to its end before the answer, however long it is, and never kept.
    while let Some(frame) = body.frame().await {
        frame.map_err(io::Error::other)?;
    }
    let told = Told { method: head.method.as_str(), path: head.uri.to_string(), headers: joined(&head.headers) };
    let mut text = serde_json::to_string(&told)?;
    text.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The fields by name, those of one name joined. What is not UTF-8 is replaced, since JSON is text.
fn joined(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let value = |name: &HeaderName| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.as_str(), value(name))).collect()
}
