//! An application server under the test's control. It records every request to the octet, reads HTTP/1.1 as
//! strictly as RFC 9112 can be read, so that nothing ambiguous goes unnoticed, and answers what the
//! test's script tells it to, which may be half a body or nothing at all.

use super::eventually;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// How many octets of a body are kept; longer ones are only counted.
const KEPT: usize = 2 << 20;

/// One request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
    /// The head, its empty line included.
    pub(crate) head: String,
    /// The body without its framing, as far as it is kept.
    pub(crate) body: Vec<u8>,
    /// The length of the whole body.
    pub(crate) length: u64,
    /// The trailer section's lines.
    pub(crate) trailers: String,
    /// Whether the body arrived whole.
    pub(crate) whole: bool,
}

impl Recorded {
    /// `GET /path HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The request target.
    pub(crate) fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    /// All values of a header, by its name in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// A header's value; it must not occur twice.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        assert!(values.len() <= 1, "{name} came {} times:\n{}", values.len(), self.head);
        values.pop()
    }
}

/// What the script of an upstream works with: one request whose head has been read.
pub(crate) struct Exchange<'a> {
    pub(crate) request: Recorded,
    framing: Framing,
    reader: &'a mut BufReader<TcpStream>,
    wire: &'a TcpStream,
    record: &'a Record,
    index: usize,
    body_read: bool,
    open: bool,
}

impl Exchange<'_> {
    /// Reads the body to its end, and records it.
    pub(crate) fn read_body(&mut self) -> io::Result<()> {
        if !self.body_read {
            self.body_read = true;
            let outcome = read_body(self.reader, self.framing, &mut self.request);
            self.request.whole = outcome.is_ok();
            self.record.requests.lock().unwrap()[self.index] = self.request.clone();
            outcome?;
        }
        Ok(())
    }

    /// Sends octets as they are. An error means that the gate has closed, which the gate's client sees.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        if self.wire.write_all(octets.as_ref()).is_err() {
            self.open = false;
        }
    }

    /// Whether the gate still takes what is sent.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// A whole answer of status 200.
    pub(crate) fn answer(&mut self, body: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        let _ = self.wire.shutdown(Shutdown::Both);
        self.open = false;
    }

    /// The connection itself, for what comes after an upgrade. It is closed when the script ends.
    pub(crate) fn upgrade(&mut self) -> (&mut BufReader<TcpStream>, &TcpStream) {
        self.open = false;
        self.body_read = true;
        (self.reader, self.wire)
    }
}

type Script = dyn Fn(&mut Exchange<'_>) + Send + Sync;

#[derive(Default)]
struct Record {
    requests: Mutex<Vec<Recorded>>,
    faults: Mutex<Vec<String>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// A running upstream.
pub(crate) struct Upstream {
    address: SocketAddr,
    record: Arc<Record>,
}

impl Upstream {
    /// One that reads each request and answers 200 with the body `ok`.
    pub(crate) fn start() -> Self {
        Self::answering(|exchange| {
            if exchange.read_body().is_ok() {
                exchange.answer("ok");
            }
        })
    }

    /// One that sends these octets for every request it has read.
    pub(crate) fn sending(answer: &'static str) -> Self {
        Self::answering(move |exchange| {
            if exchange.read_body().is_ok() {
                exchange.send(answer);
            }
        })
    }

    /// One that runs this script for every request whose head it has read. A body that the script leaves is read
    /// after it, and then the next request.
    pub(crate) fn answering(script: impl Fn(&mut Exchange<'_>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&record));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let connection = shared.connections.fetch_add(1, Ordering::SeqCst);
                let (record, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || serve(&stream, connection, &record, &*script));
            }
        });
        Self { address, record }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.record.requests.lock().unwrap().clone()
    }

    /// The one request that there was.
    #[track_caller]
    pub(crate) fn only(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// The latest request.
    #[track_caller]
    pub(crate) fn last(&self) -> Recorded {
        self.requests().pop().unwrap_or_else(|| panic!("the upstream was sent no request"))
    }

    /// Waits until so many requests have arrived, their bodies perhaps not yet.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        eventually(&format!("{count} requests at the upstream"), || (self.requests().len() >= count).then_some(()));
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    /// What arrived that two readers could have read in two ways, or that is no HTTP/1.1 at all.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.record.faults.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.record.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, connection: usize, record: &Record, script: &Script) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone().unwrap());
    let fault = |what: String| record.faults.lock().unwrap().push(what);
    loop {
        let head = match read_head(&mut reader) {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(error) => return fault(format!("no head: {error}")),
        };
        let framing = match judge(&head) {
            Ok(framing) => framing,
            Err(what) => {
                let _ = stream.shutdown(Shutdown::Both);
                return fault(format!("{what} in {head:?}"));
            }
        };
        let request = Recorded { connection, head, ..Recorded::default() };
        let index = {
            let mut requests = record.requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        let mut exchange = Exchange {
            request,
            framing,
            reader: &mut reader,
            wire: stream,
            record,
            index,
            body_read: false,
            open: true,
        };
        script(&mut exchange);
        if !exchange.open {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        if let Err(error) = exchange.read_body() {
            if error.kind() == io::ErrorKind::InvalidData {
                fault(format!("{error} in the body of {:?}", exchange.request.head));
            }
            return;
        }
    }
}

/// How the body of a request is framed (RFC 9112, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

/// A head up to its empty line, or nothing where the connection ended before one began.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = match reader.read_until(b'\n', &mut head) {
            // A connection that is reset while it is idle ends like one that is closed.
            Err(_) if head.is_empty() => return Ok(None),
            outcome => outcome?,
        };
        if read == 0 && head.is_empty() {
            return Ok(None);
        }
        if read == 0 {
            return Err(io::Error::other(format!("the connection ended within {:?}", String::from_utf8_lossy(&head))));
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// The framing that a head announces, if nobody can read it in another way.
fn judge(head: &str) -> Result<Framing, String> {
    let lines: Vec<&str> = head.strip_suffix("\r\n\r\n").ok_or("no empty line")?.split("\r\n").collect();
    if let Some(line) = lines.iter().find(|line| line.contains(['\r', '\n', '\0'])) {
        return Err(format!("a bare CR, LF or NUL in {line:?}"));
    }
    let (request, fields) = lines.split_first().ok_or("no request line")?;
    let words: Vec<&str> = request.split(' ').collect();
    if words.len() != 3 || words[0].is_empty() || !words[1].starts_with(['/', '*']) || words[2] != "HTTP/1.1" {
        return Err(format!("the request line {request:?}"));
    }
    let (mut lengths, mut codings, mut hosts) = (Vec::new(), Vec::new(), 0);
    for field in fields {
        let (name, value) = field.split_once(':').ok_or_else(|| format!("the field {field:?}"))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("the field name {name:?}"));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value.trim().to_owned()),
            "transfer-encoding" => codings.push(value.trim().to_owned()),
            "host" => hosts += 1,
            _ => {}
        }
    }
    if hosts != 1 {
        return Err(format!("{hosts} Host fields"));
    }
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) if length.bytes().all(|octet| octet.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|error| error.to_string())
        }
        ([], [coding]) if coding == "chunked" => Ok(Framing::Chunked),
        _ => Err(format!("Content-Length {lengths:?} beside Transfer-Encoding {codings:?}")),
    }
}

fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn read_body(reader: &mut impl BufRead, framing: Framing, request: &mut Recorded) -> io::Result<()> {
    match framing {
        Framing::Length(length) => read_octets(reader, length, request),
        Framing::Chunked => loop {
            let size = read_line(reader)?;
            if size.is_empty() || size.len() > 16 || !size.bytes().all(|octet| octet.is_ascii_hexdigit()) {
                return Err(invalid(format!("the chunk size {size:?}")));
            }
            let size = u64::from_str_radix(&size, 16).map_err(|error| invalid(error.to_string()))?;
            if size == 0 {
                break read_trailers(reader, request);
            }
            read_octets(reader, size, request)?;
            let end = read_line(reader)?;
            if !end.is_empty() {
                return Err(invalid(format!("{end:?} behind a chunk")));
            }
        },
    }
}

fn read_octets(reader: &mut impl BufRead, mut count: u64, request: &mut Recorded) -> io::Result<()> {
    while count > 0 {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = buffer.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        if request.body.len() < KEPT {
            request.body.extend_from_slice(&buffer[..taken]);
        }
        reader.consume(taken);
        request.length += taken as u64;
        count -= taken as u64;
    }
    Ok(())
}

fn read_trailers(reader: &mut impl BufRead, request: &mut Recorded) -> io::Result<()> {
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(());
        }
        request.trailers.push_str(&line);
        request.trailers.push('\n');
    }
}

/// A line without its CRLF; nothing else ends one.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.by_ref().take(8192).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) if !line.contains(&b'\r') => Ok(String::from_utf8_lossy(line).into_owned()),
        _ => Err(invalid(format!("the line {:?}", String::from_utf8_lossy(&line)))),
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
