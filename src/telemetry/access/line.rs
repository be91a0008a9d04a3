//! One line of the access log. Fields are named as nginx names the same thing, or else as Envoy does, or else by a name
//! of our own (`docs/metrics.md` has the table). What clients say is escaped, so that no client can write lines or
//! fields of its own: JSON escapes it, and the other formats as nginx does, with `\xHH`.

use crate::base::clock::Moment;
use crate::config::AccessFormat;
use serde::Serialize;
use std::fmt::{Display, Write};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use time::OffsetDateTime;

/// What the lines of all requests of one connection say alike. What does not apply is left out of JSON; the other formats have the address alone.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFields<'a> {
    /// The client's address.
    pub remote_addr: IpAddr,
    /// The client's port; 0 where only a proxy knows it.
    pub remote_port: u16,
    /// The balancer or proxy whose word the client's address is.
    pub via: Option<SocketAddr>,
    /// The number of the connection.
    pub connection: u64,
    /// The name of the listener.
    pub listener: &'a str,
    /// `TLSv1.2`, `TLSv1.3`.
    pub ssl_protocol: &'static str,
    /// The cipher suite.
    pub ssl_cipher: &'a str,
    /// The host name in the TLS handshake.
    pub ssl_server_name: Option<&'a str>,
    /// `r` if the session was resumed, `.` if not.
    pub ssl_session_reused: &'static str,
    /// The certificate's subject, as RFC 4514 writes it.
    pub ssl_client_s_dn: Option<&'a str>,
    /// The certificate's serial number in hexadecimal.
    pub ssl_client_serial: Option<&'a str>,
}

impl ConnectionFields<'_> {
    /// Makes JSON of it, once for all lines of the connection.
    #[must_use]
    pub fn render(&self) -> Rendered {
        let mut text = Vec::new();
        let mut json = Object { text: &mut text, separator: b',' };
        json.shown("remote_addr", self.remote_addr);
        json.number("remote_port", self.remote_port);
        if let Some(via) = self.via {
            json.shown("via", via);
        }
        json.number("connection", self.connection);
        json.text("listener", self.listener);
        json.plain("ssl_protocol", self.ssl_protocol);
        json.text("ssl_cipher", self.ssl_cipher);
        json.text_if_any("ssl_server_name", self.ssl_server_name);
        json.plain("ssl_session_reused", self.ssl_session_reused);
        json.text_if_any("ssl_client_s_dn", self.ssl_client_s_dn);
        json.plain_if_any("ssl_client_serial", self.ssl_client_serial);
        Rendered { remote_addr: self.remote_addr, json: text.into_boxed_slice() }
    }
}

/// [`ConnectionFields`] as lines have them: a third of each line, and made only once.
#[derive(Debug, Clone)]
pub struct Rendered {
    remote_addr: IpAddr,
    /// Each field with the comma before it.
    json: Box<[u8]>,
}

/// What is known of a request. What does not apply is left out of JSON, and a `-` elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// When the request came.
    pub time: Moment,
    /// By which page, upstream and audit log know the request.
    pub request_id: &'a str,
    /// The trace that it belongs to, where requests are traced.
    pub trace_id: Option<&'a str>,
    /// What all lines of its connection say.
    pub connection: &'a Rendered,
    /// The user name of the account, where one was let pass.
    pub remote_user: Option<&'a str>,
    /// The method.
    pub request_method: &'a str,
    /// The path as it came; with the query only if that is wanted.
    pub request_uri: &'a str,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub server_protocol: &'static str,
    /// The host that the request is for, as it came.
    pub http_host: Option<&'a str>,
    /// `Referer`; with its query only if that is wanted.
    pub http_referer: Option<&'a str>,
    /// `User-Agent`.
    pub http_user_agent: Option<&'a str>,
    /// The status that was sent; 499, as nginx has it, where the client went away before, and 444 where the connection
    /// was closed instead.
    pub status: u16,
    /// Octets of the answer's body.
    pub body_bytes_sent: u64,
    /// Seconds from the head of the request to the last octet of the answer.
    pub request_time: Duration,
    /// Host and path of the route.
    pub route_name: Option<&'a str>,
    /// The upstream's name.
    pub upstream_cluster: Option<&'a str>,
    /// The servers that it was sent to, one after the other: `10.0.0.5:8080, 10.0.0.6:8080`.
    pub upstream_addr: Option<&'a str>,
    /// The status that the upstream gave.
    pub upstream_status: Option<u16>,
    /// Seconds from sending the request to the upstream to the head of its answer.
    pub upstream_header_time: Option<Duration>,
    /// `permit`, `challenge`, `redirect`, `refuse`.
    pub verdict: Option<&'static str>,
    /// Why, if it was not let pass.
    pub reason: Option<&'static str>,
    /// How the client showed who it is: `certificate`, `digest`, `session`, `basic`.
    pub authentication: Option<&'static str>,
}

impl Line<'_> {
    /// Writes the line with its end.
    pub(super) fn render(&self, format: AccessFormat, text: &mut Vec<u8>) {
        match format {
            AccessFormat::Json => self.json(text),
            AccessFormat::Common => self.common(text),
            AccessFormat::Combined => {
                self.common(text);
                for field in [self.http_referer, self.http_user_agent] {
                    text.extend_from_slice(b" \"");
                    escape(field.unwrap_or("-"), text);
                    text.push(b'"');
                }
            }
        }
        text.push(b'\n');
    }

    fn json(&self, text: &mut Vec<u8>) {
        let mut json = Object { text, separator: b'{' };
        json.shown("time_iso8601", self.time);
        json.plain("request_id", self.request_id);
        json.plain_if_any("trace_id", self.trace_id);
        json.fields(&self.connection.json);
        json.text_if_any("remote_user", self.remote_user);
        json.text("request_method", self.request_method);
        json.text("request_uri", self.request_uri);
        json.plain("server_protocol", self.server_protocol);
        json.text_if_any("http_host", self.http_host);
        json.text_if_any("http_referer", self.http_referer);
        json.text_if_any("http_user_agent", self.http_user_agent);
        json.number("status", self.status);
        json.number("body_bytes_sent", self.body_bytes_sent);
        json.seconds("request_time", self.request_time);
        json.text_if_any("route_name", self.route_name);
        json.text_if_any("upstream_cluster", self.upstream_cluster);
        json.text_if_any("upstream_addr", self.upstream_addr);
        if let Some(status) = self.upstream_status {
            json.number("upstream_status", status);
        }
        if let Some(took) = self.upstream_header_time {
            json.seconds("upstream_header_time", took);
        }
        json.plain_if_any("verdict", self.verdict);
        json.plain_if_any("reason", self.reason);
        json.plain_if_any("authentication", self.authentication);
        json.end();
    }

    fn common(&self, text: &mut Vec<u8>) {
        // Writing to memory never fails.
        let _ = write!(text, "{} - ", self.connection.remote_addr);
        match self.remote_user {
            // A name with a space in it would look like two fields.
            Some(user) => escape_word(user, text),
            None => text.push(b'-'),
        }
        let _ = write!(text, " [{}] \"", local_time(self.time));
        escape(self.request_method, text);
        text.push(b' ');
        escape(self.request_uri, text);
        let _ = write!(text, " {}\" {} {}", self.server_protocol, self.status, self.body_bytes_sent);
    }
}

/// An object of JSON whose names are ours and need no escaping, as do some of its values: most of a line is names. What
/// anybody else has said is written by the library.
struct Object<'t> {
    text: &'t mut Vec<u8>,
    separator: u8,
}

impl Object<'_> {
    fn name(&mut self, name: &'static str) {
        self.text.extend_from_slice(&[self.separator, b'"']);
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        self.separator = b',';
    }

    /// A text of whatever characters.
    fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        self.value(&value);
    }

    fn text_if_any(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A text of ours, which has nothing to escape: digits, words of this program.
    fn plain(&mut self, name: &'static str, value: &str) {
        debug_assert!(value.bytes().all(is_plain), "{name}: {value:?} has something to escape");
        self.name(name);
        self.text.push(b'"');
        self.text.extend_from_slice(value.as_bytes());
        self.text.push(b'"');
    }

    fn plain_if_any(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.plain(name, value);
        }
    }

    /// What is shown without anything to escape: times, addresses.
    fn shown(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        // Writing to memory never fails.
        let _ = write!(self.text, "\"{value}\"");
    }

    fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.name(name);
        self.value(&value.into());
    }

    /// Seconds with milliseconds, as nginx has them.
    fn seconds(&mut self, name: &'static str, value: Duration) {
        self.name(name);
        self.value(&((value.as_secs_f64() * 1000.0).round() / 1000.0));
    }

    /// Fields that are written already, of which the object has some before them.
    fn fields(&mut self, written: &[u8]) {
        self.text.extend_from_slice(written);
    }

    fn value(&mut self, value: &impl Serialize) {
        let before = self.text.len();
        if let Err(error) = serde_json::to_writer(&mut *self.text, value) {
            // A line has only texts and numbers, and memory takes whatever is written to it.
            self.text.truncate(before);
            self.text.extend_from_slice(b"null");
            tracing::error!(%error, "a field of the access log cannot be written as JSON");
        }
    }

    fn end(self) {
        self.text.push(b'}');
    }
}

/// `10/Oct/2000:13:55:36 +0000`, in UTC, whatever the machine's own zone.
fn local_time(at: Moment) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at.timestamp().as_unix()) else { return "-".to_owned() };
    let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
    let month = MONTHS.get(usize::from(u8::from(month)).saturating_sub(1)).copied().unwrap_or("-");
    let mut text = String::with_capacity(26);
    let _ = write!(text, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000");
    text
}

/// Everything but plain ASCII, quotes and backslashes, as nginx writes it.
fn escape(value: &str, text: &mut Vec<u8>) {
    escape_but(value, text, is_plain);
}

/// Whether all formats write it as it is.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}

fn escape_word(value: &str, text: &mut Vec<u8>) {
    escape_but(value, text, |byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
}

fn escape_but(value: &str, text: &mut Vec<u8>, plain: impl Fn(u8) -> bool) {
    for byte in value.bytes() {
        if plain(byte) {
            text.push(byte);
        } else {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
}
