use super::*;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

const NEVER: Duration = Duration::from_secs(3600);

fn record(verdict: Outcome) -> Record<'static> {
    Record::new(Moment::from_unix_millis(1_795_254_812_007), Event::Request, verdict)
}

fn connection(number: u64) -> ConnectionFields<'static> {
    ConnectionFields::new(number, "[2001:db8::1]:50000".parse().unwrap(), "guarded")
}

impl Audit {
    /// A record that is known by the number of its connection.
    fn write_numbered(&self, verdict: Outcome, number: u64) {
        self.write(&connection(number).render(), &record(verdict));
    }
}

fn connections(text: &str) -> Vec<u64> {
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["connection"].as_u64().unwrap();
    text.lines().map(number).collect()
}

/// The least that a record takes.
fn line_length() -> usize {
    serde_json::to_string(&record(Outcome::Permit)).unwrap().len() + connection(1).render().0.len()
}

/// A disk that does what it is told.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<Content>, Condvar)>);

#[derive(Default)]
struct Content {
    octets: Vec<u8>,
    /// Every write takes this many octets at most.
    most: Option<usize>,
    fails: bool,
    stuck: bool,
    attempts: usize,
}

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut content = self.0.0.lock().unwrap();
        content.attempts += 1;
        self.0.1.notify_all();
        content = self.0.1.wait_while(content, |content| content.stuck).unwrap();
        if content.fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = octets.len().min(content.most.unwrap_or(usize::MAX));
        content.octets.extend_from_slice(&octets[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk {
    fn set(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().octets.clone()).unwrap()
    }

    fn wait_for_attempts(&self, attempts: usize) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |content| content.attempts < attempts).unwrap());
    }

    fn audit(&self, delay: Duration, retry: Duration) -> Audit {
        Audit::start(None, Box::new(self.clone()), delay, retry).unwrap()
    }
}

#[test]
fn a_record_is_one_flat_object_on_one_line() {
    let disk = Disk::default();
    let audit = disk.audit(NEVER, NEVER);
    let connection = ConnectionFields {
        sni: Some("example.org"),
        tls_version: Some("TLSv1.3"),
        resumed: Some(false),
        subject: Some("CN=\"Alice\"\n"),
        serial: Some("0a"),
        ..connection(7)
    };
    audit.write(
        &connection.render(),
        &Record {
            reason: Some(Reason::CertificateRevoked),
            request_id: Some("00112233445566778899aabbccddeeff"),
            path: Some("/a\n{\"verdict\":\"permit\"}\u{1b}[2J"),
            ..record(Outcome::Refuse)
        },
    );
    drop(audit);
    let expected = "{\"time\":\"2026-11-21T09:53:32.007Z\",\"event\":\"request\",\"verdict\":\"refuse\",\
        \"reason\":\"certificate_revoked\",\"request_id\":\"00112233445566778899aabbccddeeff\",\
        \"path\":\"/a\\n{\\\"verdict\\\":\\\"permit\\\"}\\u001b[2J\",\"connection\":7,\
        \"client\":\"[2001:db8::1]:50000\",\"listener\":\"guarded\",\"sni\":\"example.org\",\
        \"tls_version\":\"TLSv1.3\",\"resumed\":false,\"subject\":\"CN=\\\"Alice\\\"\\n\",\"serial\":\"0a\"}\n";
    assert_eq!(disk.text(), expected);
}

#[test]
fn a_refusal_is_written_at_once_with_all_that_came_before_it() {
    let disk = Disk::default();
    let audit = disk.audit(NEVER, NEVER);
    audit.write_numbered(Outcome::Permit, 1);
    audit.write_numbered(Outcome::Challenge, 2);
    assert_eq!(disk.text(), "");
    audit.write_numbered(Outcome::Refuse, 3);
    disk.wait_for_attempts(1);
    audit.write_numbered(Outcome::Permit, 4);
    audit.flush();
    assert_eq!(connections(&disk.text()), [1, 2, 3, 4]);
}

#[test]
fn what_is_let_pass_is_written_after_a_short_while() {
    let disk = Disk::default();
    let audit = disk.audit(Duration::from_millis(1), NEVER);
    audit.write_numbered(Outcome::Permit, 1);
    disk.wait_for_attempts(1);
    drop(audit);
    assert_eq!(connections(&disk.text()), [1]);
}

#[test]
fn no_line_of_many_threads_is_lost_or_broken() {
    let disk = Disk::default();
    disk.set(|content| content.most = Some(1000));
    let audit = disk.audit(Duration::from_millis(1), NEVER);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let audit = &audit;
            scope.spawn(move || {
                (0..5000).for_each(|line| audit.write_numbered(Outcome::Permit, thread * 10_000 + line))
            });
        }
    });
    drop(audit);
    let mut written = connections(&disk.text());
    for thread in 0..4 {
        let own: Vec<_> = written.iter().filter(|line| **line / 10_000 == thread).collect();
        assert!(own.is_sorted(), "the lines of one thread keep their order");
    }
    written.sort_unstable();
    let expected: Vec<_> = (0..4).flat_map(|thread| (0..5000).map(move |line| thread * 10_000 + line)).collect();
    assert_eq!(written, expected);
}

#[test]
fn who_hands_in_more_than_a_slow_disk_takes_waits_for_it() {
    let disk = Disk::default();
    disk.set(|content| content.stuck = true);
    let audit = Arc::new(disk.audit(Duration::ZERO, NEVER));
    let line = line_length();
    // More than the buffer that waits and the batch that is being written hold together.
    let lines = (2 * BOUND / line + 10) as u64;
    let (done, is_done) = mpsc::channel();
    let writing = {
        let audit = Arc::clone(&audit);
        std::thread::spawn(move || {
            (0..lines).for_each(|number| audit.write_numbered(Outcome::Permit, 1_000_000 + number));
            done.send(()).unwrap();
        })
    };
    assert_eq!(is_done.recv_timeout(Duration::from_millis(300)), Err(mpsc::RecvTimeoutError::Timeout));
    disk.set(|content| content.stuck = false);
    writing.join().unwrap();
    audit.flush();
    assert_eq!(audit.lost(), 0);
    assert_eq!(connections(&disk.text()), (1_000_000..1_000_000 + lines).collect::<Vec<_>>());
}

#[test]
fn a_failing_disk_costs_no_line_until_memory_is_full_and_stops_nobody() {
    let disk = Disk::default();
    disk.set(|content| content.fails = true);
    let audit = disk.audit(Duration::ZERO, Duration::from_millis(1));
    audit.write_numbered(Outcome::Refuse, 1);
    disk.wait_for_attempts(3);
    audit.write_numbered(Outcome::Refuse, 2);
    disk.set(|content| content.fails = false);
    audit.write_numbered(Outcome::Refuse, 3);
    while audit.shared.lock().failing {
        std::thread::yield_now();
    }
    audit.flush();
    assert_eq!((connections(&disk.text()), audit.lost()), (vec![1, 2, 3], 0));

    disk.set(|content| content.fails = true);
    let line = line_length();
    (0..2 * BOUND / line + 10).for_each(|_| audit.write_numbered(Outcome::Refuse, 4));
    let lost = audit.lost();
    assert!(lost > 0);
    drop(audit);
    assert_eq!(connections(&disk.text()), [1, 2, 3]);
}

#[test]
fn a_file_that_was_moved_away_is_let_go_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let moved = directory.path().join("audit.log.1");
    std::fs::write(&path, "before\n").unwrap();
    let audit = Audit::open(Some(&path)).unwrap();
    audit.write_numbered(Outcome::Permit, 1);
    audit.flush();
    std::fs::rename(&path, &moved).unwrap();
    audit.write_numbered(Outcome::Permit, 2);
    audit.flush();
    audit.reopen().unwrap();
    audit.flush();
    audit.write_numbered(Outcome::Permit, 3);
    drop(audit);
    let old = std::fs::read_to_string(&moved).unwrap();
    assert_eq!(connections(old.strip_prefix("before\n").unwrap()), [1, 2]);
    assert_eq!(connections(&std::fs::read_to_string(&path).unwrap()), [3]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn another_file_starts_with_the_line_that_was_being_written() {
    let (first, second) = (Disk::default(), Disk::default());
    first.set(|content| content.most = Some(10));
    let writer = |sink: Sink| Writer {
        shared: Arc::default(),
        sink,
        batch: b"one\ntwo\nthree\n".to_vec(),
        written: 0,
        delay: NEVER,
        retry: NEVER,
    };
    let mut writer = writer(Box::new(first.clone()));
    writer.written = writer.sink.write(&writer.batch).unwrap();
    writer.replace(Some(Box::new(second.clone())));
    writer.write_batch().unwrap();
    assert_eq!((first.text().as_str(), second.text().as_str()), ("one\ntwo\nth", "three\n"));
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none/audit.log");
    let error = Audit::open(Some(&path)).unwrap_err();
    assert!(error.to_string().contains("none/audit.log"), "{error}");
}
