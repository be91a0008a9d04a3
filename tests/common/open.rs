//! What is open between a client and the gate: keep-alive connections, HTTP/2, WebSockets, what runs over them. Each
//! is a task that ends when its connection or stream does, and says when and how.

use super::client::{Client, empty};
use bytes::Bytes;
use http::Request;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

/// The key of a handshake that needs no randomness.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Something that is open.
pub(crate) struct Open {
    pub(crate) what: String,
    task: JoinHandle<Ended>,
    ask: Option<oneshot::Sender<()>>,
}

/// How something ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) at: Instant,
    /// The status of a response, the last words of a connection.
    pub(crate) how: String,
}

impl Ended {
    fn now(how: impl Into<String>) -> Self {
        Self { at: Instant::now(), how: how.into() }
    }
}

/// What a task that was asked whether it goes on says if it does.
const GOES_ON: &str = "goes on";

impl Open {
    /// Waits until it is there, and then for its end or for being asked.
    async fn begin<F, Fut>(what: &str, begin: F) -> Self
    where
        F: FnOnce(oneshot::Sender<()>, oneshot::Receiver<()>) -> Fut,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let ((begun, beginning), (ask, asked)) = (oneshot::channel(), oneshot::channel());
        let task = tokio::spawn(begin(begun, asked));
        tokio::time::timeout(super::PATIENCE, beginning).await.unwrap().unwrap_or_else(|_| panic!("{what} failed"));
        Self { what: what.to_owned(), task, ask: Some(ask) }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// How it ended, waited for.
    pub(crate) async fn ended(self) -> Ended {
        let ended = tokio::time::timeout(super::PATIENCE, self.task).await;
        ended.unwrap_or_else(|_| panic!("{} goes on", self.what)).unwrap()
    }

    /// Uses it once more, or fails the test because it has ended.
    pub(crate) async fn goes_on(mut self) {
        let _ = self.ask.take().unwrap().send(());
        let what = self.what.clone();
        let ended = self.ended().await;
        assert_eq!(ended.how, GOES_ON, "{what}");
    }

    /// One of everything.
    pub(crate) async fn everything(client: &Client) -> Vec<Self> {
        vec![
            Self::keep_alive(client).await,
            Self::http2(client).await,
            Self::websocket(client).await,
            Self::response(client, "http/1.1", "/download").await,
            Self::response(client, "h2", "/download").await,
            Self::response(client, "http/1.1", "/events").await,
            Self::response(client, "h2", "/events").await,
            Self::upload(client).await,
        ]
    }

    /// An HTTP/1.1 connection that has had one request and waits for another.
    pub(crate) async fn keep_alive(client: &Client) -> Self {
        let client = client.clone();
        Self::begin("an idle HTTP/1.1 connection", |begun, asked| async move {
            let mut stream = client.tls(&["http/1.1"]).await.unwrap();
            assert!(get(&mut stream).await.starts_with("HTTP/1.1 200 "));
            begun.send(()).unwrap();
            let mut octets = [0; 1024];
            tokio::select! {
                read = stream.read(&mut octets) => Ended::now(format!("{read:?}")),
                Ok(()) = asked => Ended::now(if get(&mut stream).await.starts_with("HTTP/1.1 200 ") { GOES_ON } else { "refused" }),
            }
        })
        .await
    }

    /// An HTTP/2 connection that has had one request and waits for another.
    pub(crate) async fn http2(client: &Client) -> Self {
        let client = client.clone();
        Self::begin("an idle HTTP/2 connection", |begun, asked| async move {
            let (mut sender, mut connection) = h2::client::handshake(client.tls(&["h2"]).await.unwrap()).await.unwrap();
            let request = || Request::get("https://gate.example.org/").body(()).unwrap();
            let (first, _) = sender.send_request(request(), true).unwrap();
            let response = tokio::select! {
                response = first => response.unwrap(),
                ended = &mut connection => panic!("{ended:?}"),
            };
            assert_eq!(response.status(), 200);
            drop(response);
            begun.send(()).unwrap();
            tokio::select! {
                ended = &mut connection => return Ended::now(end_of(ended)),
                Ok(()) = asked => {}
            }
            let (second, _) = sender.send_request(request(), true).unwrap();
            tokio::select! {
                response = second => Ended::now(if response.unwrap().status() == 200 { GOES_ON } else { "refused" }),
                ended = &mut connection => Ended::now(end_of(ended)),
            }
        })
        .await
    }

    /// A response without an end.
    pub(crate) async fn response(client: &Client, protocol: &str, target: &str) -> Self {
        let (client, is_2, target) = (client.clone(), protocol == "h2", target.to_owned());
        Self::begin(&format!("{target} over {protocol}"), |begun, mut asked| async move {
            use http_body_util::BodyExt;
            let mut connection = if is_2 { client.http2().await.unwrap() } else { client.http1().await.unwrap() };
            let response = connection.start(Request::get(&target).body(empty()).unwrap()).await.unwrap();
            let (status, mut body) = (response.status(), response.into_body());
            assert_eq!(status, 200);
            body.frame().await.unwrap().unwrap();
            begun.send(()).unwrap();
            let mut was_asked = false;
            loop {
                tokio::select! {
                    _ = &mut asked, if !was_asked => was_asked = true,
                    frame = body.frame() => match frame {
                        Some(Ok(_)) if was_asked => return Ended::now(GOES_ON),
                        Some(Ok(_)) => {}
                        other => return Ended::now(format!("{other:?}")),
                    }
                }
            }
        })
        .await
    }

    /// An upload without an end, over HTTP/2.
    pub(crate) async fn upload(client: &Client) -> Self {
        let client = client.clone();
        Self::begin("an upload over HTTP/2", |begun, mut asked| async move {
            let mut connection = client.http2().await.unwrap();
            let (frames, body) = super::client::streamed();
            let mut response = Box::pin(connection.start(Request::post("/upload").body(body).unwrap()));
            let mut begun = Some(begun);
            let mut was_asked = false;
            loop {
                let pause = tokio::time::sleep(Duration::from_millis(20));
                tokio::select! {
                    response = &mut response => return Ended::now(format!("{response:?}")),
                    _ = &mut asked, if !was_asked => was_asked = true,
                    () = pause => {
                        let sent = frames.send(hyper::body::Frame::data(Bytes::from_static(&[7; 100]))).await;
                        match (sent, begun.take()) {
                            (Ok(()), Some(begun)) => begun.send(()).unwrap(),
                            (Ok(()), None) if was_asked => return Ended::now(GOES_ON),
                            (Ok(()), None) => {}
                            (Err(_), _) => return Ended::now("the body is not taken any more"),
                        }
                    }
                }
            }
        })
        .await
    }

    /// A WebSocket on which nothing is said until its server answers a ping.
    pub(crate) async fn websocket(client: &Client) -> Self {
        let client = client.clone();
        Self::begin("a WebSocket", |begun, asked| async move {
            let mut stream = websocket(&client).await;
            begun.send(()).unwrap();
            tokio::select! {
                end = close_frame(&mut stream) => Ended::now(end),
                Ok(()) = asked => {
                    // A text frame, masked with zeros.
                    stream.write_all(b"\x81\x82\0\0\0\0ok").await.unwrap();
                    let mut echo = [0; 4];
                    let read = stream.read_exact(&mut echo).await;
                    Ended::now(if read.is_ok() && &echo == b"\x81\x02ok" { GOES_ON.to_owned() } else { format!("{read:?} {echo:?}") })
                }
            }
        })
        .await
    }
}

/// How an HTTP/2 connection ended: whether it was told to go away.
fn end_of(ended: Result<(), h2::Error>) -> String {
    match ended {
        Ok(()) => "GOAWAY".to_owned(),
        Err(error) if error.is_go_away() => "GOAWAY".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// One request over an open connection, and the answer.
async fn get(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") {
        let mut octets = [0; 1024];
        match stream.read(&mut octets).await {
            Ok(read) if read > 0 => answer.extend_from_slice(&octets[..read]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A WebSocket as a stream of octets, after its handshake.
pub(crate) async fn websocket(client: &Client) -> TlsStream<TcpStream> {
    let mut stream = client.tls(&["http/1.1"]).await.unwrap();
    let request = format!(
        "GET /socket HTTP/1.1\r\nHost: gate.example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// What comes over a WebSocket to its end, where nothing is expected any more but a Close frame: `1008 reason`.
async fn close_frame(stream: &mut TlsStream<TcpStream>) -> String {
    let mut octets = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(read) = stream.read(&mut piece).await {
        octets.extend_from_slice(&piece[..read]);
        if read == 0 || octets.first() == Some(&0x88) && octets.len() == 2 + usize::from(octets[1]) {
            break;
        }
    }
    match octets.as_slice() {
        [0x88, _, high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        other => format!("{other:?}"),
    }
}
