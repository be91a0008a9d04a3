//! A WebSocket server that sends every message back (RFC 6455), as a script of an upstream, and its client.

use super::client::Client;
use super::upstream::Exchange;
use http::Request;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream as Wire;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, WebSocket};

struct Both<R>(R, Wire);

impl<R: Read> Read for Both<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Write for Both<R> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.1.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.1.flush()
    }
}

/// Sends every message back until it is told to close; what is no WebSocket is answered `no upgrade`.
pub(crate) fn echo(exchange: &mut Exchange<'_>) {
    let Some(key) = exchange.request.header("sec-websocket-key") else { return exchange.answer("no upgrade") };
    exchange.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    ));
    let (reader, mut wire) = exchange.upgrade();
    let _ = wire.flush();
    let both = Both(BufReader::new(reader), wire.try_clone().unwrap());
    let mut socket = WebSocket::from_raw_socket(both, Role::Server, None);
    while let Ok(message) = socket.read() {
        if message.is_close() {
            let _ = socket.flush();
            return;
        }
        if message.is_text() || message.is_binary() {
            socket.send(message).unwrap();
        }
    }
}

/// What asks for a WebSocket at `/socket`.
pub(crate) fn handshake() -> Request<()> {
    Request::get("wss://gate.example.org/socket")
        .header("Host", "gate.example.org")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key())
        .header("Remote-User", "admin")
        .body(())
        .unwrap()
}

/// A WebSocket of this client's.
pub(crate) async fn open(client: &Client) -> Result<WebSocketStream<TlsStream<TcpStream>>, tungstenite::Error> {
    let stream = client.tls(&["http/1.1"]).await?;
    Ok(tokio_tungstenite::client_async(handshake(), stream).await?.0)
}
