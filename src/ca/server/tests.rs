use super::client::{Client, ClientError};
use super::message::{
    Act, Attributes, Authorities, Enrolled, Enrolment, KeyForm, MOST_REQUEST, Octets, Refusal, Shown,
};
use super::serve::{Desk, serve};
use super::socket::{Peers, Socket};
use crate::base::clock::Timestamp;
use futures_util::future::BoxFuture;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// Issues the name of the account, unless that is one of those that stand for something else.
#[derive(Default)]
struct Stub(AtomicUsize);

impl Desk for Stub {
    fn enrol(&self, enrolment: Enrolment, _: Timestamp) -> BoxFuture<'_, Result<Enrolled, Refusal>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match enrolment.account.as_str() {
                "locked" => Err(Refusal::denied("the account is locked")),
                "often" => Err(Refusal::TooOften { seconds: 7 }),
                "slow" => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Ok(Enrolled { certificate: Octets(b"slow".to_vec()), key: None })
                }
                name => Ok(Enrolled { certificate: Octets(name.as_bytes().to_vec()), key: None }),
            }
        })
    }

    fn authorities(&self) -> Authorities {
        Authorities { certificates: vec![Octets(vec![0x30, 0])] }
    }

    fn attributes(&self, label: Option<&str>) -> Result<Attributes, Refusal> {
        match label {
            None => Ok(Attributes { der: Octets(vec![0x30, 0]) }),
            Some(label) => Err(Refusal::Unknown { why: format!("there is no label {label:?}") }),
        }
    }
}

/// An authority that runs in this process.
struct Bench {
    path: PathBuf,
    desk: Arc<Stub>,
    end: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _folder: TempDir,
}

impl Bench {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.sock");
        let desk = Arc::new(Stub::default());
        let (end, ended) = oneshot::channel::<()>();
        let socket = Socket::bind(&path).unwrap();
        let serving = Arc::clone(&desk);
        let running = tokio::spawn(serve(socket, Peers::new([]), serving, async move {
            let _ = ended.await;
        }));
        Self { path, desk, end: Some(end), running, _folder: folder }
    }

    fn client(&self) -> Client {
        Client::new(&self.path, Handle::current())
    }

    /// What is answered to these octets on a connection of their own.
    async fn raw(&self, octets: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        // What is refused before its end may be closed to the rest.
        let _ = stream.write_all(octets).await;
        let mut answer = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn enrolment(account: &str) -> Enrolment {
    Enrolment {
        act: Act::Enrol,
        label: None,
        account: account.into(),
        shown: Shown::Digest,
        certificate: None,
        request: Some(Octets(vec![0x30, 0])),
        form: KeyForm::Pkcs8,
        client: Ipv4Addr::LOCALHOST.into(),
        request_id: "0123".into(),
    }
}

#[tokio::test]
async fn questions_are_answered_over_one_connection() {
    let bench = Bench::start();
    let client = bench.client();
    for name in ["alice", "bob"] {
        let enrolled = client.enrol(&enrolment(name)).await.unwrap();
        assert_eq!(enrolled.certificate.0, name.as_bytes());
    }
    assert_eq!(client.authorities().await.unwrap().certificates.len(), 1);
    assert_eq!(client.attributes(None).await.unwrap().der.0, [0x30, 0]);
    let refusals = [
        (client.enrol(&enrolment("locked")).await.unwrap_err(), "the account is locked"),
        (client.enrol(&enrolment("often")).await.unwrap_err(), "the next one may be in 7 s"),
        (client.attributes(Some("x")).await.unwrap_err(), "there is no label \"x\""),
    ];
    for (refused, expected) in refusals {
        assert!(matches!(&refused, ClientError::Refused(why) if why.to_string().contains(expected)), "{refused}");
    }
}

#[tokio::test]
async fn a_dead_authority_is_noticed_at_once_and_a_new_one_at_its_first_answer() {
    let bench = Bench::start();
    let client = bench.client();
    client.authorities().await.unwrap();
    let Bench { path, end, running, _folder, .. } = bench;
    drop(end);
    running.await.unwrap();
    let dead = timeout(SOON, client.enrol(&enrolment("alice"))).await.unwrap().unwrap_err();
    assert!(matches!(dead, ClientError::Unreachable { .. }), "{dead}");
    let socket = Socket::bind(&path).unwrap();
    tokio::spawn(serve(socket, Peers::new([]), Arc::new(Stub::default()), std::future::pending()));
    client.enrol(&enrolment("alice")).await.unwrap();
}

#[tokio::test]
async fn what_is_on_its_way_is_answered_before_the_end() {
    let mut bench = Bench::start();
    let client = bench.client();
    let asking = tokio::spawn(async move { client.enrol(&enrolment("slow")).await });
    while bench.desk.0.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    drop(bench.end.take());
    timeout(SOON, &mut bench.running).await.unwrap().unwrap();
    assert_eq!(asking.await.unwrap().unwrap().certificate.0, b"slow");
    assert!(!bench.path.exists());
}

#[tokio::test]
async fn what_was_sent_is_not_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let client = Client::new(&path, Handle::current());
    let asking = tokio::spawn(async move { client.enrol(&enrolment("alice")).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = [0; 64];
    assert!(stream.read(&mut read).await.unwrap() > 0);
    drop(stream);
    let broken = asking.await.unwrap().unwrap_err();
    assert!(matches!(broken, ClientError::Garbled(_)), "{broken}");
    assert!(timeout(Duration::from_millis(100), listener.accept()).await.is_err(), "it was sent again");
}

#[tokio::test]
async fn a_process_of_another_user_is_turned_away() {
    // Nobody's own number is this one: the kernel's mark for none.
    let stranger = Peers::new([u32::MAX]);
    assert!(!stranger.allow(rustix::process::geteuid().as_raw().wrapping_add(1)));
    let folder = tempfile::tempdir().unwrap();
    let missing = Client::new(&Path::new(folder.path()).join("none.sock"), Handle::current());
    let unreachable = missing.authorities().await.unwrap_err();
    assert!(unreachable.to_string().contains("none.sock"), "{unreachable}");
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_bounded() {
    let bench = Bench::start();
    let ask = |path: &str, head: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{head}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let long = "x".repeat(MOST_REQUEST + 1);
    let many = (0..40).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    for (request, status) in [
        (ask("/v1/enrol", "", "{}"), "400"),
        (ask("/v1/enrol", "", "not json"), "400"),
        (ask("/v1/enrol", "", &long), "400"),
        (ask("/v1/revoke", "", "{}"), "404"),
        (ask("/v1/authorities", "", ""), "405"),
        (ask("/v1/enrol", &many, "{}"), "431"),
        (ask("/v1/enrol", &format!("x: {long}\r\n"), "{}"), "431"),
        ("not http\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = bench.raw(request.as_bytes()).await;
        let shown: String = request.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
    }
    assert_eq!(bench.desk.0.load(Ordering::Relaxed), 0);
}
