//! A client that writes the frames of HTTP/2 by hand, however wrong, and reads what comes back frame by frame
//! (RFC 9113), with as much of HPACK as it takes to write a head in every form (RFC 7541).

use super::client::Client;
use super::raw::{Raw, is_timeout};
use std::io;
use std::time::{Duration, Instant};

/// The types of frames (RFC 9113, section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Their flags.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

/// Settings (section 6.5.2).
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;

/// Error codes (section 7).
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;

/// The connection preface (section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame on a stream (section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The payload of a SETTINGS frame.
pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    values.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

/// An integer with a prefix of so many bits, below these others (RFC 7541, section 5.1).
fn integer(others: u8, bits: u32, mut value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![others | u8::try_from(value).unwrap()];
    }
    let mut octets = vec![others | u8::try_from(most).unwrap()];
    value -= most;
    while value >= 128 {
        octets.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    octets.push(u8::try_from(value).unwrap());
    octets
}

/// A string as it is (section 5.2).
pub(crate) fn plain(text: impl AsRef<[u8]>) -> Vec<u8> {
    [&*integer(0, 7, text.as_ref().len()), text.as_ref()].concat()
}

/// A string in Huffman's code, which somebody has encoded before.
pub(crate) fn huffman(code: &[u8]) -> Vec<u8> {
    [&*integer(0x80, 7, code.len()), code].concat()
}

/// How a literal field is to be remembered (section 6.2): the bits before its index, and how many bits that has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Literal {
    Indexed,
    NotIndexed,
    NeverIndexed,
}

/// A field whose name is of this index, or (0) stands before the value.
pub(crate) fn literal(how: Literal, name: usize, strings: &[u8]) -> Vec<u8> {
    let (others, bits) = match how {
        Literal::Indexed => (0x40, 6),
        Literal::NotIndexed => (0, 4),
        Literal::NeverIndexed => (0x10, 4),
    };
    [&*integer(others, bits, name), strings].concat()
}

/// A field of this index (section 6.1).
pub(crate) fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// A new size of the dynamic table (section 6.3).
pub(crate) fn table_size(size: usize) -> Vec<u8> {
    integer(0x20, 5, size)
}

/// A field written out, neither indexed nor compressed.
pub(crate) fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    literal(Literal::NotIndexed, 0, &[plain(name), plain(value)].concat())
}

/// All of them.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A response head, whatever it says.
    Response,
    /// The stream was reset or the connection ended.
    Refused,
}

/// A frame that came.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The error code of a RST_STREAM or GOAWAY.
    pub(crate) fn error(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// A connection on which frames are written by hand.
pub(crate) struct Frames {
    pub(crate) raw: Raw,
    unread: Vec<u8>,
}

impl Frames {
    /// A TLS connection for HTTP/2 on which nothing was said.
    pub(crate) fn silent(client: &Client) -> Self {
        let mut raw = Raw::offering(client, &["h2"]);
        raw.patience(Duration::from_secs(20));
        Self { raw, unread: Vec::new() }
    }

    /// One on which the preface and these settings were sent.
    pub(crate) fn with_settings(client: &Client, values: &[(u16, u32)]) -> Self {
        let mut frames = Self::silent(client);
        frames.send(PREFACE);
        frames.frame(SETTINGS, 0, 0, &settings(values));
        frames
    }

    pub(crate) fn connect(client: &Client) -> Self {
        Self::with_settings(client, &[])
    }

    /// Says something; the gate may have closed already.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        let _ = self.raw.try_send(octets);
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(frame(kind, flags, stream, payload));
    }

    /// The next frame, or nothing at the end. Fails the test if neither comes.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            match self.raw.read_some() {
                Ok(more) if more.is_empty() => return None,
                Ok(more) => self.unread.extend(more),
                Err(error) if is_timeout(&error) => panic!("neither a frame nor the end after {:?}", self.unread),
                Err(_) => return None,
            }
        }
    }

    /// The next frame, if one comes within this time.
    pub(crate) fn next_within(&mut self, time: Duration) -> io::Result<Option<Frame>> {
        let until = Instant::now() + time;
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.raw.patience(left);
            let read = self.raw.read_some();
            self.raw.patience(Duration::from_secs(20));
            match read {
                Ok(more) if more.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(more) => self.unread.extend(more),
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.unread.get(..9)?.try_into().unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = self.unread.get(9..9 + length)?.to_vec();
        self.unread.drain(..9 + length);
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & (u32::MAX >> 1);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this type, on whatever stream; nothing if the connection ends before.
    pub(crate) fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Sends a request on stream 1 and says what came of it.
    pub(crate) fn request(mut self, fields: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
        let end = if body.is_none() { END_STREAM } else { 0 };
        let mut octets = frame(HEADERS, END_HEADERS | end, 1, &block(fields));
        if let Some(body) = body {
            octets.extend(frame(DATA, END_STREAM, 1, body));
        }
        self.send(octets);
        self.outcome()
    }

    /// What came of the request that was sent.
    pub(crate) fn outcome(&mut self) -> Outcome {
        while let Some(frame) = self.next() {
            match frame.kind {
                HEADERS => return Outcome::Response,
                RST_STREAM | GOAWAY => return Outcome::Refused,
                _ => {}
            }
        }
        Outcome::Refused
    }
}
