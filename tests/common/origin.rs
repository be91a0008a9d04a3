//! A web server that answers to the octet what a test tells it, however wrong that is, and keeps what it was
//! asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server on a loopback address of its own.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Behaviour = dyn Fn(&str, &mut TcpStream) + Send + Sync;

struct Shared {
    requests: Mutex<Vec<String>>,
    behaviour: Mutex<Arc<Behaviour>>,
}

impl Origin {
    /// A server that does this for each request; the connection is closed afterwards.
    pub(crate) fn start(behaviour: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { requests: Mutex::default(), behaviour: Mutex::new(Arc::new(behaviour)) });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// A server that answers everything alike.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| _ = stream.write_all(&answer))
    }

    /// Does something else from now on.
    pub(crate) fn behave(&self, behaviour: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of the requests so far, with their bodies as far as these are text.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let Some(request) = read_request(&mut stream) else { return };
        self.requests.lock().unwrap().push(request.clone());
        let behaviour = Arc::clone(&self.behaviour.lock().unwrap());
        behaviour(&request, &mut stream);
    }
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&octets).into_owned();
            let length = text
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if octets.len() >= end + 4 + length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => octets.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

/// An answer of status 200 with these header lines besides its length.
pub(crate) fn page(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
