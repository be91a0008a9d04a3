//! A client that says over TLS exactly what it is given, however wrong, and shows exactly what came back.

use super::client::Client;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// An open TLS connection for HTTP/1.1.
pub(crate) struct Raw {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Raw {
    /// Connects as this client.
    pub(crate) fn connect(client: &Client) -> Self {
        Self::offering(client, &["http/1.1"])
    }

    /// Connects as this client, offering these application protocols.
    pub(crate) fn offering(client: &Client, protocols: &[&str]) -> Self {
        Self::try_connect(client, protocols).unwrap()
    }

    /// The same where the handshake may fail.
    pub(crate) fn try_connect(client: &Client, protocols: &[&str]) -> io::Result<Self> {
        let socket = TcpStream::connect(client.address())?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(super::PATIENCE))?;
        socket.set_write_timeout(Some(super::PATIENCE))?;
        let name = ServerName::try_from(client.name().to_owned()).unwrap();
        let tls = ClientConnection::new(Arc::new(client.config(protocols)), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// Connects as this client, says something, and gives everything that comes until the gate closes.
    pub(crate) fn exchange(client: &Client, octets: impl AsRef<[u8]>) -> String {
        let mut raw = Self::connect(client);
        // The gate may answer and close before it has read everything; its answer is what counts.
        let _ = raw.try_send(octets);
        raw.read_to_end()
    }

    /// Says something.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.try_send(octets).unwrap();
    }

    /// The same where the gate may have closed already.
    pub(crate) fn try_send(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(octets.as_ref())?;
        self.stream.flush()
    }

    /// Waits at most this long for each read from now on.
    pub(crate) fn patience(&mut self, patience: Duration) {
        self.stream.sock.set_read_timeout(Some(patience)).unwrap();
    }

    /// Waits at most this long for the gate to take what is written from now on.
    pub(crate) fn write_patience(&mut self, patience: Duration) {
        self.stream.sock.set_write_timeout(Some(patience)).unwrap();
    }

    /// Everything until the gate closes; fails the test if it never does.
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut octets = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => octets.extend_from_slice(&buffer[..count]),
                Err(error) if is_timeout(&error) => {
                    panic!("the gate kept the connection open after: {:?}", String::from_utf8_lossy(&octets))
                }
                // Closed without a close_notify or with a reset: what came before it counts.
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// What comes next; nothing at the end.
    pub(crate) fn read_some(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65536];
        let count = self.stream.read(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// One response with a Content-Length (or without a body): its head, and its body.
    pub(crate) fn read_response(&mut self) -> (String, String) {
        let head = self.read_head();
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(str::trim).map(str::to_owned)
            })
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// One response head, its empty line included.
    pub(crate) fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        let mut octet = [0];
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.stream.read(&mut octet);
            assert!(matches!(read, Ok(1)), "{read:?} after {:?}", String::from_utf8_lossy(&head));
            head.push(octet[0]);
        }
        String::from_utf8(head).unwrap()
    }
}

/// Whether a read gave up because nothing came, rather than because the connection ended.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The status of the response that this text starts with.
#[track_caller]
pub(crate) fn status(response: &str) -> u16 {
    let status = response.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    status.unwrap_or_else(|| panic!("no HTTP/1.1 response: {response:?}"))
}
