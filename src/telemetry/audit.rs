//! The audit log: one flat JSON object on one line for each verdict, and for each handshake that came to
//! none. A line that was handed in is written: a thread of its own writes them, several at once but
//! refusals without delay, and who hands in more than the disk takes has to wait. Only when the disk fails
//! and the memory set aside for it is full are lines lost; both is reported and counted. Control
//! characters in values are escaped, so that no client can write lines of its own.

use crate::base::clock::Moment;
use crate::base::reason::Reason;
use serde::{Serialize, Serializer};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a line may wait for others.
const DELAY: Duration = Duration::from_millis(50);

/// How long a failed write is not tried again, and so how often it is reported.
const RETRY: Duration = Duration::from_secs(1);

/// How many octets may wait, besides those that are being written.
const BOUND: usize = 1 << 20;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A request on which there is a verdict.
    Request,
    /// A connection that ended before it had a request: a TLS handshake that failed, or a limit.
    Connection,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was let pass.
    Permit,
    /// The client was asked for credentials.
    Challenge,
    /// The client was sent elsewhere.
    Redirect,
    /// It was turned away.
    Refuse,
}

/// What all records of one connection say alike.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ConnectionFields<'a> {
    /// The number of the connection, counted by this process.
    pub connection: u64,
    /// The client's address and port; by the word of an HTTP proxy the port is 0 where it did not say one.
    #[serde(serialize_with = "as_text")]
    pub client: SocketAddr,
    /// The address and port of the balancer or proxy whose word the client's are.
    #[serde(serialize_with = "as_text_if_any", skip_serializing_if = "Option::is_none")]
    pub via: Option<SocketAddr>,
    /// The name of the listener.
    pub listener: &'a str,
    /// The host name in the TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<&'a str>,
    /// The version of TLS: `TLSv1.2`, `TLSv1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<&'a str>,
    /// Whether the TLS session was resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<bool>,
    /// The certificate's subject as RFC 4514 writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    /// The certificate's issuer as RFC 4514 writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<&'a str>,
    /// The certificate's serial number in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<&'a str>,
    /// SHA-256 of the certificate in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<&'a str>,
}

impl<'a> ConnectionFields<'a> {
    /// What is known when a connection is accepted; the rest is left out until it is set.
    #[must_use]
    pub fn new(connection: u64, client: SocketAddr, listener: &'a str) -> Self {
        Self {
            connection,
            client,
            via: None,
            listener,
            sni: None,
            tls_version: None,
            resumed: None,
            subject: None,
            issuer: None,
            serial: None,
            fingerprint: None,
        }
    }

    /// Makes JSON of it, once for all records of the connection.
    #[must_use]
    pub fn render(&self) -> Rendered {
        // Only maps with keys that are no strings and failing writers can fail; there are none.
        Rendered(serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned()).into_boxed_str())
    }
}

/// The JSON of [`ConnectionFields`]: half of every line, and made only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered(Box<str>);

/// What one record says itself. What does not apply is left out.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Record<'a> {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub time: Moment,
    /// What it is about.
    pub event: Event,
    /// What became of it.
    pub verdict: Outcome,
    /// Why, if it was not let pass.
    #[serde(serialize_with = "as_name", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What is more to say of that, such as the TLS alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// The request identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// The host that the request is for, in normal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<&'a str>,
    /// The request's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// The path in normal form, without the query, which may hold secrets; as it came if it is refused
    /// for what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    /// The route's host and path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// The status that the gate itself answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The account's user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
    /// By which method the client failed to show who it is, where it tried: `digest`, `basic`. It is what fail2ban counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<&'a str>,
    /// How the client showed who it is: `certificate`, `digest`, `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<&'a str>,
}

impl Record<'_> {
    /// A record with what every one has; the rest is left out until it is set.
    #[must_use]
    pub fn new(time: Moment, event: Event, verdict: Outcome) -> Self {
        Self {
            time,
            event,
            verdict,
            reason: None,
            detail: None,
            request_id: None,
            host: None,
            method: None,
            path: None,
            route: None,
            status: None,
            account: None,
            failed: None,
            authentication: None,
        }
    }
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_text_if_any<S: Serializer>(value: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.to_string()).serialize(serializer)
}

fn as_name<S: Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::as_str).serialize(serializer)
}

/// The audit log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file.
    #[error("cannot open the audit log {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that writes it.
    #[error("cannot start the thread that writes the audit log: {0}")]
    Thread(io::Error),
}

/// The audit log. Dropping it writes what waits.
#[derive(Debug)]
pub struct Audit {
    path: Option<PathBuf>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Audit {
    /// Appends to a file, which is made with mode 0600 if it is absent; without one, to standard error.
    /// There a record does not pass through the filter of the log, which could leave it out.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(path: Option<&Path>) -> Result<Self, AuditError> {
        let sink: Sink = match path {
            Some(path) => Box::new(append_to(path)?),
            None => Box::new(io::stderr()),
        };
        Self::start(path.map(Path::to_owned), sink, DELAY, RETRY)
    }

    fn start(path: Option<PathBuf>, sink: Sink, delay: Duration, retry: Duration) -> Result<Self, AuditError> {
        let shared = Arc::new(Shared::default());
        let writer = Writer { shared: Arc::clone(&shared), sink, batch: Vec::new(), written: 0, delay, retry };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(|| writer.run());
        Ok(Self { path, shared, thread: Some(thread.map_err(AuditError::Thread)?) })
    }

    /// Hands a record in. Returns at once unless more than a mebibyte waits for the disk.
    pub fn write(&self, connection: &Rendered, record: &Record<'_>) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            if let Err(error) = serde_json::to_writer(&mut *line, record) {
                // A record has only texts and numbers, and memory takes whatever is written to it.
                return tracing::error!(%error, "an audit record cannot be written as JSON");
            }
            // Two objects become one: neither is empty.
            line.pop();
            line.push(b',');
            line.extend_from_slice(connection.0.as_bytes().get(1..).unwrap_or(b"}"));
            line.push(b'\n');
            self.shared.hand_in(line, record.verdict == Outcome::Refuse);
        });
    }

    /// Waits until everything that was handed in before is written, or the disk has failed.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        let handed_in = state.handed_in;
        state.urgent = true;
        self.shared.work.notify_one();
        while state.settled < handed_in && !state.failing && !state.ended {
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Opens the file anew, so that what was moved away is let go of; nothing is lost in between.
    ///
    /// # Errors
    /// When the file cannot be opened; then the one in use stays in use.
    pub fn reopen(&self) -> Result<(), AuditError> {
        if let Some(path) = &self.path {
            let file = append_to(path)?;
            self.shared.lock().replacement = Some(Box::new(file));
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// How many lines were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the audit log broke off");
        }
    }
}

fn append_to(path: &Path) -> Result<File, AuditError> {
    let open = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    open.map_err(|source| AuditError::Open { path: path.to_owned(), source })
}

type Sink = Box<dyn Write + Send>;

/// What those who hand lines in and the thread that writes them share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do for the writer.
    work: Condvar,
    /// There is room in the buffer, or something was written.
    room: Condvar,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// Somebody does not want to wait for [`DELAY`].
    urgent: bool,
    closing: bool,
    ended: bool,
    /// The last write failed: nobody waits for room any more.
    failing: bool,
    replacement: Option<Sink>,
    /// Lines that were handed in and kept.
    handed_in: u64,
    /// Lines among them that were written or given up.
    settled: u64,
    lost: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.handed_in.saturating_sub(self.settled);
        f.debug_struct("State").field("waiting", &waiting).field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_in(&self, line: &[u8], urgent: bool) {
        let is_full = |state: &State| !state.buffer.is_empty() && state.buffer.len() + line.len() > BOUND;
        let mut state = self.lock();
        while is_full(&state) && !state.failing && !state.ended {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if is_full(&state) || state.ended {
            state.lost += 1;
            return;
        }
        let was_empty = state.buffer.is_empty();
        state.buffer.extend_from_slice(line);
        state.handed_in += 1;
        state.urgent |= urgent || state.buffer.len() > BOUND / 2;
        let wake = was_empty || state.urgent;
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }
}

/// The thread that writes.
struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    /// What is being written, and how much of it has been.
    batch: Vec<u8>,
    written: usize,
    delay: Duration,
    retry: Duration,
}

impl Writer {
    fn run(mut self) {
        while self.next_batch() {
            while let Err(error) = self.write_batch() {
                if !self.try_again_after(&error) {
                    break;
                }
            }
            self.settle();
        }
        self.shared.lock().ended = true;
        self.shared.room.notify_all();
    }

    /// Waits for lines and takes all there are; `false` when there will be none any more.
    fn next_batch(&mut self) -> bool {
        let idle = |state: &mut State| state.buffer.is_empty() && !state.closing && state.replacement.is_none();
        let state = self.shared.lock();
        let state = self.shared.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let collecting = |state: &mut State| !state.urgent && !state.closing && state.replacement.is_none();
        let waited = self.shared.work.wait_timeout_while(state, self.delay, collecting);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.urgent = false;
        std::mem::swap(&mut self.batch, &mut state.buffer);
        let done = state.closing && self.batch.is_empty();
        let replacement = state.replacement.take();
        drop(state);
        self.shared.room.notify_all();
        self.replace(replacement);
        !done
    }

    fn write_batch(&mut self) -> io::Result<()> {
        while let Some(rest @ [_, ..]) = self.batch.get(self.written..) {
            match self.sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reports a failure and waits; `false` when it is time to give up.
    fn try_again_after(&mut self, error: &io::Error) -> bool {
        let mut state = self.shared.lock();
        state.failing = true;
        let (waiting, lost) = (state.handed_in - state.settled, state.lost);
        let closing = state.closing;
        drop(state);
        self.shared.room.notify_all();
        tracing::error!(%error, lines_waiting = waiting, lines_lost = lost, "the audit log cannot be written");
        if closing {
            return false;
        }
        let unchanged = |state: &mut State| !state.closing && state.replacement.is_none();
        let waited = self.shared.work.wait_timeout_while(self.shared.lock(), self.retry, unchanged);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let replacement = state.replacement.take();
        drop(state);
        self.replace(replacement);
        true
    }

    /// Goes on with another file, from the start of the line that was being written.
    fn replace(&mut self, sink: Option<Sink>) {
        if let Some(sink) = sink {
            self.sink = sink;
            let before = self.batch.get(..self.written).unwrap_or_default();
            self.written = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        }
    }

    /// Notes what became of the batch.
    fn settle(&mut self) {
        let lines = |octets: &[u8]| octets.iter().filter(|byte| **byte == b'\n').count() as u64;
        let unwritten = lines(self.batch.get(self.written..).unwrap_or_default());
        let mut state = self.shared.lock();
        state.settled += lines(&self.batch);
        state.lost += unwritten;
        let recovered = state.failing && unwritten == 0;
        state.failing = unwritten > 0;
        let lost = state.lost;
        drop(state);
        self.shared.room.notify_all();
        if recovered {
            tracing::warn!(lines_lost = lost, "the audit log is written again");
        } else if unwritten > 0 {
            tracing::error!(lines_lost = lost, "the audit log ends with lines lost");
        }
        self.batch.clear();
        self.written = 0;
    }
}

#[cfg(test)]
mod tests;
