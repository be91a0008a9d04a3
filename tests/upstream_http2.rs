//! Servers that are spoken to over HTTP/2: with prior knowledge in clear text, by ALPN over TLS; streams both ways with
//! trailers, as gRPC has them, and events that must not wait for one another.
#![cfg(test)]

mod common;

use common::PATIENCE;
use common::client::{Body, full, get, streamed};
use common::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, INITIAL_WINDOW_SIZE, block};
use common::pki::{Authority, Credential, Leaf};
use common::setup::Setup;
use common::upstream::Upstream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server, what it was asked, and over how many connections.
struct Origin {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    connections: Arc<AtomicUsize>,
}

/// What it speaks.
#[derive(Clone)]
enum Speaks {
    /// HTTP/2 in clear text, from the first octet.
    Two,
    /// TLS with this certificate, and what of this is agreed upon by ALPN.
    Tls(Credential, &'static [&'static str]),
}

impl Origin {
    async fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, connections): (Arc<Mutex<Vec<_>>>, Arc<AtomicUsize>) = (Arc::default(), Arc::default());
        let (shared, count) = (Arc::clone(&heads), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (heads, speaks) = (Arc::clone(&shared), speaks.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let heads = Arc::clone(&heads);
                        async move { Ok::<_, Infallible>(answer(request, &heads).await) }
                    });
                    match speaks {
                        Speaks::Two => {
                            let builder = http2::Builder::new(TokioExecutor::new());
                            _ = builder.serve_connection(TokioIo::new(stream), service).await;
                        }
                        Speaks::Tls(credential, protocols) => {
                            let Ok(stream) = acceptor(&credential, protocols).accept(stream).await else { return };
                            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                                let builder = http2::Builder::new(TokioExecutor::new());
                                _ = builder.serve_connection(TokioIo::new(stream), service).await;
                            } else {
                                _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads, connections }
    }

    fn last(&self) -> http::request::Parts {
        self.heads.lock().unwrap().last().cloned().unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn acceptor(credential: &Credential, protocols: &[&str]) -> TlsAcceptor {
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(credential.chain.clone(), credential.key())
            .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// `/echo` gives back each piece as it comes and says in trailers how many octets there were, `/events` tells something and then
/// waits, `/large` is a mebibyte, `/early` answers before it has read; all else is told its version.
async fn answer(request: Request<Incoming>, heads: &Mutex<Vec<http::request::Parts>>) -> Response<Body> {
    let (head, mut incoming) = request.into_parts();
    let (path, version) = (head.uri.path().to_owned(), head.version);
    heads.lock().unwrap().push(head);
    let (sender, body) = streamed();
    match path.as_str() {
        "/echo" => {
            tokio::spawn(async move {
                let mut count = 0_usize;
                while let Some(Ok(frame)) = incoming.frame().await {
                    if let Ok(data) = frame.into_data() {
                        count += data.len();
                        _ = sender.send(Frame::data(data)).await;
                    }
                }
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                trailers.insert("x-octets", count.to_string().parse().unwrap());
                _ = sender.send(Frame::trailers(trailers)).await;
            });
            Response::builder().header("content-type", "application/grpc").body(body).unwrap()
        }
        "/events" => {
            tokio::spawn(async move {
                _ = sender.send(Frame::data("data: first\n\n".into())).await;
                // The connection goes, and with it this.
                std::future::pending::<()>().await;
            });
            Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
        }
        "/large" => Response::new(full(vec![b'x'; 1 << 20])),
        "/early" => Response::builder().status(413).body(full("too much")).unwrap(),
        _ => Response::new(full(format!("{version:?} {path}"))),
    }
}

/// A gate before this origin, which it speaks HTTP/2 to.
fn before(origin: &Origin, scheme: &str) -> Setup {
    Setup::before(&Upstream::start())
        .upstream("servers", &format!("[\"{scheme}://{}\"]", origin.address))
        .upstream("http", "2")
}

#[tokio::test]
async fn http_2_is_spoken_with_prior_knowledge_and_many_share_a_connection() {
    let origin = Origin::start(Speaks::Two).await;
    let gate = before(&origin, "http").start();
    for (version, mut connection) in gate.alice().both().await {
        for _ in 0..3 {
            let answer = connection.get("/a?b=c").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "HTTP/2.0 /a"), "{version}: {}", gate.log());
        }
        let head = origin.last();
        assert_eq!(head.uri.to_string(), "http://gate.example.org/a?b=c", "{version}");
        assert_eq!(head.headers["remote-user"], "alice", "{version}");
        for gone in ["host", "connection", "transfer-encoding"] {
            assert!(!head.headers.contains_key(gone), "{version}: {gone}");
        }
    }
    let connection = gate.alice().http2().await.unwrap();
    let answers = futures_util::future::join_all((0..50).map(|_| {
        let mut stream = connection.another();
        async move { stream.get("/").await.status }
    }));
    assert!(answers.await.into_iter().all(|status| status == 200));
    // One for each worker.
    let workers = std::thread::available_parallelism().unwrap().get();
    assert!(origin.connections() <= workers, "{} connections", origin.connections());
}

#[tokio::test]
async fn over_tls_the_server_chooses_the_version() {
    let authority = Authority::root("Inside");
    let certificate = authority.issue(Leaf::server(&["app.internal.example"]));
    for (protocols, version) in [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let origin = Origin::start(Speaks::Tls(certificate.clone(), protocols)).await;
        let gate = before(&origin, "https")
            .upstream("tls", "{ ca: inside.pem, name: app.internal.example }")
            .file("inside.pem", &authority.pem())
            .start();
        let mut alice = gate.alice().http1().await.unwrap();
        for _ in 0..3 {
            assert_eq!(alice.get("/x").await.text(), format!("{version} /x"), "{protocols:?}: {}", gate.log());
            let body = Request::post("/echo").body(full("a piece")).unwrap();
            assert_eq!(alice.send(body).await.text(), "a piece", "{protocols:?}");
        }
        assert_eq!(origin.connections(), 1, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_call_of_grpc_streams_both_ways_and_ends_with_trailers() {
    let origin = Origin::start(Speaks::Two).await;
    let gate = before(&origin, "http").start();
    let mut alice = gate.alice().http2().await.unwrap();
    let (sender, body) = streamed();
    let call = Request::post("/echo").header("te", "trailers").header("content-type", "application/grpc");
    // The head of the answer comes before the body has ended.
    let answer = alice.start(call.body(body).unwrap()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/grpc".parse().unwrap())
    );
    assert_eq!(origin.last().headers["te"], "trailers");
    let mut echoed = answer.into_body();
    for piece in ["one", "two", "three"] {
        sender.send(Frame::data(piece.into())).await.unwrap();
        let frame = tokio::time::timeout(PATIENCE, echoed.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(sender);
    let trailers = echoed.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!((&trailers["grpc-status"], &trailers["x-octets"]), (&"0".parse().unwrap(), &"11".parse().unwrap()));
}

#[tokio::test]
async fn events_are_passed_on_as_they_come() {
    let origin = Origin::start(Speaks::Two).await;
    let gate = before(&origin, "http").start();
    for (version, mut connection) in gate.alice().both().await {
        let answer = connection.start(get("/events")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream", "{version}");
        let frame = tokio::time::timeout(PATIENCE, answer.into_body().frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "data: first\n\n", "{version}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_upload_has_ended_reaches_the_client() {
    let origin = Origin::start(Speaks::Two).await;
    let gate = before(&origin, "http").start();
    let mut alice = gate.alice().http2().await.unwrap();
    let (sender, body) = streamed();
    sender.send(Frame::data("the first of much".into())).await.unwrap();
    let answer = alice.start(Request::post("/early").body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(alice.get("/next").await.text(), "HTTP/2.0 /next");
}

#[tokio::test]
async fn a_server_that_speaks_another_version_than_it_is_told_to_is_a_bad_gateway() {
    let one = Upstream::start();
    let gate = Setup::before(&one).upstream("http", "2").start();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..2 {
        assert_eq!(alice.get("/").await.status, 502);
    }
    assert!(one.requests().is_empty() || one.requests().iter().all(|request| !request.head.contains("alice")));
    let two = Origin::start(Speaks::Two).await;
    let servers = format!("[\"http://{}\"]", two.address);
    let gate = Setup::before(&one).upstream("servers", &servers).start();
    assert_eq!(gate.alice().get("/").await.status, 502);
}

#[tokio::test]
async fn a_connection_that_ends_between_requests_costs_nobody_anything() {
    let origin = Origin::start(Speaks::Two).await;
    let gate = before(&origin, "http").upstream("timeouts", "{ idle: 1ms }").start();
    let mut alice = gate.alice().http1().await.unwrap();
    assert_eq!(alice.get("/").await.status, 200);
    // Workers let go of what was not used every few seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(alice.get("/").await.status, 200);
    assert_eq!(origin.connections(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_leave_others_on_the_same_connection_theirs() {
    let origin = Origin::start(Speaks::Two).await;
    let gate = before(&origin, "http").start();
    let host = gate.alice().name().to_owned();
    let large = [(":method", "GET"), (":scheme", "https"), (":authority", &*host), (":path", "/large")];
    // Several connections, so that there are some of them with each worker.
    let unread: Vec<Frames> = (0..6)
        .map(|_| {
            let mut frames = Frames::with_settings(&gate.alice(), &[(INITIAL_WINDOW_SIZE, 0)]);
            for stream in [1, 3, 5, 7, 9, 11] {
                frames.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&large));
                assert!(frames.until(HEADERS).is_some(), "{}", gate.log());
            }
            frames
        })
        .collect();
    // The server sends as much as it may.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for (version, mut connection) in gate.alice().both().await {
        for _ in 0..3 {
            let answer = tokio::time::timeout(PATIENCE, connection.get("/large")).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 1 << 20), "{version}: {}", gate.log());
        }
    }
    for _ in 0..6 {
        assert_eq!(gate.alice().get("/").await.text(), "HTTP/2.0 /");
    }
    let workers = std::thread::available_parallelism().unwrap().get();
    assert!(origin.connections() <= workers, "all of this over {} connections", origin.connections());
    drop(unread);
}
