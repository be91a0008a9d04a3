use super::*;
use crate::base::clock::Moment;
use crate::config::AccessFormat;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::{LazyLock, mpsc};

fn settings(format: AccessFormat, path: &Path) -> config::AccessLog {
    config::AccessLog { path: path.to_owned(), format, query: false }
}

/// What a connection's lines say alike.
fn connection() -> &'static Rendered {
    static RENDERED: LazyLock<Rendered> = LazyLock::new(|| fields().render());
    &RENDERED
}

fn fields<'a>() -> ConnectionFields<'a> {
    ConnectionFields {
        remote_addr: "192.0.2.7".parse().unwrap(),
        remote_port: 4711,
        via: None,
        connection: 7,
        listener: "guarded",
        ssl_protocol: "TLSv1.3",
        ssl_cipher: "TLS13_AES_128_GCM_SHA256",
        ssl_server_name: Some("mail.example.org"),
        ssl_session_reused: ".",
        ssl_client_s_dn: Some("CN=Alice"),
        ssl_client_serial: Some("0a"),
    }
}

fn line<'a>() -> Line<'a> {
    Line {
        time: Moment::from_unix_millis(971_186_136_250),
        request_id: "0123456789abcdef0123456789abcdef",
        trace_id: None,
        connection: connection(),
        remote_user: Some("alice"),
        request_method: "GET",
        request_uri: "/mail",
        server_protocol: "HTTP/1.1",
        http_host: Some("mail.example.org"),
        http_referer: None,
        http_user_agent: Some("curl/7.88.1"),
        status: 200,
        body_bytes_sent: 2326,
        request_time: Duration::from_micros(12_345),
        route_name: Some("mail.example.org/"),
        upstream_cluster: Some("webmail"),
        upstream_addr: Some("10.0.0.5:8080"),
        upstream_status: Some(200),
        upstream_header_time: Some(Duration::from_millis(9)),
        verdict: Some("permit"),
        reason: None,
        authentication: Some("certificate"),
    }
}

fn rendered(format: AccessFormat, line: &Line<'_>) -> String {
    let mut text = Vec::new();
    line.render(format, &mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_formats_of_apache_are_what_their_readers_expect() {
    let anonymous = Line { remote_user: None, http_user_agent: None, ..line() };
    let spaced = Line { remote_user: Some("alice smith"), ..line() };
    let common = "192.0.2.7 - alice [10/Oct/2000:13:55:36 +0000] \"GET /mail HTTP/1.1\" 200 2326";
    assert_eq!(rendered(AccessFormat::Common, &line()), format!("{common}\n"));
    assert_eq!(rendered(AccessFormat::Combined, &line()), format!("{common} \"-\" \"curl/7.88.1\"\n"));
    assert_eq!(rendered(AccessFormat::Combined, &anonymous), format!("{} \"-\" \"-\"\n", common.replace("alice", "-")));
    assert_eq!(rendered(AccessFormat::Common, &spaced), format!("{}\n", common.replace("alice", "alice\\x20smith")));
}

#[test]
fn json_has_the_names_of_nginx() {
    let value: serde_json::Value = serde_json::from_str(&rendered(AccessFormat::Json, &line())).unwrap();
    for (name, expected) in [
        ("time_iso8601", "2000-10-10T13:55:36.250Z"),
        ("remote_addr", "192.0.2.7"),
        ("remote_user", "alice"),
        ("request_method", "GET"),
        ("request_uri", "/mail"),
        ("server_protocol", "HTTP/1.1"),
        ("listener", "guarded"),
        ("ssl_session_reused", "."),
        ("ssl_client_s_dn", "CN=Alice"),
        ("ssl_client_serial", "0a"),
        ("upstream_cluster", "webmail"),
    ] {
        assert_eq!(value[name], expected, "{name}");
    }
    assert_eq!((value["status"].as_u64(), value["body_bytes_sent"].as_u64()), (Some(200), Some(2326)));
    assert_eq!((value["request_time"].as_f64(), value["upstream_header_time"].as_f64()), (Some(0.012), Some(0.009)));
    assert_eq!((value["remote_port"].as_u64(), value["connection"].as_u64()), (Some(4711), Some(7)));
    for absent in ["reason", "http_referer", "via", "trace_id"] {
        assert!(value.get(absent).is_none(), "{absent}");
    }
}

proptest! {
    #[test]
    fn no_client_writes_lines_or_fields_of_its_own(
        uri in any::<String>(), agent in any::<String>(), user in any::<String>(), method in any::<String>(),
        subject in any::<String>(), via in any::<SocketAddr>(),
    ) {
        let connection =
            ConnectionFields { ssl_client_s_dn: Some(&subject), ssl_server_name: Some(&uri), via: Some(via), ..fields() }.render();
        let line = Line {
            connection: &connection,
            request_uri: &uri,
            http_user_agent: Some(&agent),
            http_referer: Some(&uri),
            remote_user: Some(&user),
            request_method: &method,
            ..line()
        };
        let json = rendered(AccessFormat::Json, &line);
        prop_assert_eq!(json.bytes().filter(|byte| *byte == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(value["request_uri"].as_str(), Some(uri.as_str()));
        prop_assert_eq!(value["http_user_agent"].as_str(), Some(agent.as_str()));
        prop_assert_eq!(value["ssl_client_s_dn"].as_str(), Some(subject.as_str()));
        prop_assert_eq!(value["ssl_server_name"].as_str(), Some(uri.as_str()));
        prop_assert_eq!(&value["via"], &serde_json::json!(via.to_string()));
        let combined = rendered(AccessFormat::Combined, &line);
        let text = combined.strip_suffix('\n').unwrap();
        prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        // Quotes stand only where the format has them: around the request, the referrer and the agent.
        prop_assert_eq!(text.matches('"').count(), 6);
        prop_assert!(text.split(' ').nth(3).unwrap().starts_with("[10/Oct/2000"));
    }
}

/// A disk that takes nothing until it is told to.
struct Stuck {
    go: mpsc::Receiver<()>,
    written: mpsc::Sender<Vec<u8>>,
}

impl Write for Stuck {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // An error is that nobody holds it back any more.
        let _ = self.go.recv();
        self.written.send(octets.to_vec()).unwrap();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_disk_that_stands_still_and_what_has_no_room_is_counted() {
    let (go, stuck) = mpsc::channel();
    let (written, disk) = mpsc::channel();
    let one = rendered(AccessFormat::Common, &line()).len();
    let sink: Sink = Box::new(Stuck { go: stuck, written });
    let settings = settings(AccessFormat::Common, Path::new("unused"));
    let log = AccessLog::start(settings, sink, Duration::from_millis(1), 10 * one).unwrap();
    let dropped = ACCESS_DROPPED.get();
    log.write(&line());
    // The writer holds the first line, and ten more have room.
    while !lock(&log.shared.shards[shard()]).is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    (0..25).for_each(|_| log.write(&line()));
    assert!(ACCESS_DROPPED.get() - dropped >= 15);
    drop(go);
    log.finish();
    drop(log);
    let lines: Vec<u8> = disk.iter().flatten().collect();
    assert_eq!(lines.len(), 11 * one, "all that had room is written, whole");
}

#[test]
fn a_file_that_was_moved_away_is_let_go_of_and_no_line_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = AccessLog::open(&settings(AccessFormat::Json, &path)).unwrap();
    let uris: Vec<String> = (0..100).map(|number| format!("/{number}")).collect();
    for (number, uri) in uris.iter().enumerate() {
        log.write(&Line { request_uri: uri, ..line() });
        if number == 50 {
            std::fs::rename(&path, &old).unwrap();
            log.reopen().unwrap();
        }
    }
    log.finish();
    let both = std::fs::read_to_string(&old).unwrap() + &std::fs::read_to_string(&path).unwrap();
    assert_eq!(both.lines().count(), 100);
    let line = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["request_uri"].clone();
    assert!(both.lines().map(line).eq(uris.iter().map(|uri| serde_json::json!(uri))), "in their order");
}

/// A disk that is full after so many octets.
struct Full(usize, mpsc::Sender<Vec<u8>>);

impl Write for Full {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = self.0.min(octets.len());
        self.0 -= taken;
        self.1.send(octets[..taken].to_vec()).unwrap();
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_a_full_disk_has_cut_is_whole_in_the_file_that_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let one = rendered(AccessFormat::Common, &line()).len();
    let (written, disk) = mpsc::channel();
    let sink: Sink = Box::new(Full(one + one / 2, written));
    let settings = settings(AccessFormat::Common, &path);
    let log = AccessLog::start(settings, sink, Duration::from_millis(1), BOUND).unwrap();
    (0..3).for_each(|_| log.write(&line()));
    // The disk is full when it takes nothing any more.
    while !disk.recv().unwrap().is_empty() {}
    log.reopen().unwrap();
    while std::fs::read(&path).unwrap().len() < 2 * one {
        std::thread::sleep(Duration::from_millis(1));
    }
    log.finish();
    let line = rendered(AccessFormat::Common, &line());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line.repeat(2), "all but the first, and each of them whole");
}
