//! Clients that go on asking, as browsers, programs and applications with a WebSocket do, and count what went wrong.

use super::client::{Client, Connection, get};
use super::echo;
use comfy_table::Table;
use futures_util::{SinkExt, StreamExt};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// What a client rests between two requests, so that the others get their turn.
const PAUSE: Duration = Duration::from_millis(5);

/// What was counted of one kind of client.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that were answered as they should be, or messages that came back.
    pub(crate) answered: AtomicUsize,
    /// Connections that were opened.
    pub(crate) opened: AtomicUsize,
    /// Requests that went over an open connection of HTTP/1.1 just when the gate closed it: a client sends these again (RFC 9110,
    /// section 9.2.2), and so do these.
    pub(crate) repeated: AtomicUsize,
    /// WebSockets that were closed with 1001, going away.
    pub(crate) sent_away: AtomicUsize,
    /// What went wrong, in words.
    pub(crate) failed: Mutex<Vec<String>>,
}

impl Tally {
    fn fail(&self, what: &str, error: impl Display) {
        self.failed.lock().unwrap().push(format!("{what}: {error}"));
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }
}

/// A running load.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    /// By the kind of client.
    pub(crate) kinds: [(&'static str, Arc<Tally>); 4],
}

impl Load {
    /// Two clients of each kind, of this one's address and certificate.
    pub(crate) fn start(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let kinds = ["kept HTTP/1.1", "HTTP/2", "new connections", "WebSocket"].map(|kind| (kind, Arc::default()));
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let part = |at: usize| (client.clone(), Arc::clone(&stop), Arc::clone(&kinds[at].1));
            tasks.spawn(keep(part(0), false));
            tasks.spawn(keep(part(1), true));
            tasks.spawn(connect_anew(part(2)));
            tasks.spawn(echo_all(part(3)));
        }
        Self { stop, tasks, kinds }
    }

    /// Ends it when each client has its last answer, and gives the table of what came of it.
    pub(crate) async fn finish(&mut self) -> Table {
        self.stop.store(true, Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let mut table = Table::new();
        table.set_header(["clients", "answered", "failed", "repeated", "connections", "sent away"]);
        for (kind, tally) in &self.kinds {
            let count = |count: &AtomicUsize| count.load(Relaxed).to_string();
            table.add_row([
                (*kind).to_owned(),
                count(&tally.answered),
                tally.failures().len().to_string(),
                count(&tally.repeated),
                count(&tally.opened),
                count(&tally.sent_away),
            ]);
        }
        table
    }

    /// Fails the test if anything went wrong, or nothing was asked.
    #[track_caller]
    pub(crate) fn assert_nothing_failed(&self) {
        for (kind, tally) in &self.kinds {
            let failures = tally.failures();
            assert!(failures.is_empty(), "{kind}: {} failed: {:?}", failures.len(), &failures[..failures.len().min(5)]);
            assert!(tally.answered.load(Relaxed) > 0, "{kind}: nothing was asked");
        }
    }
}

type Part = (Client, Arc<AtomicBool>, Arc<Tally>);

/// Whether a stream is beyond the last one that is served on its connection (RFC 9113, section 6.8).
fn is_told_in_time(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR))
}

/// One request after the other over one connection for as long as it lasts.
async fn keep((client, stop, tally): Part, two: bool) {
    let mut kept: Option<(Connection, usize)> = None;
    while !stop.load(Relaxed) {
        let (mut connection, before) = match kept.take() {
            Some(kept) => kept,
            None => {
                let opened = if two { client.http2().await } else { client.http1().await };
                match opened {
                    Ok(connection) => {
                        tally.opened.fetch_add(1, Relaxed);
                        (connection, 0)
                    }
                    Err(error) => {
                        tally.fail("no connection", error);
                        continue;
                    }
                }
            }
        };
        match connection.try_send(get("/")).await {
            Ok(answer) if answer.status == 200 => {
                tally.answered.fetch_add(1, Relaxed);
                if answer.header("connection") != "close" {
                    kept = Some((connection, before + 1));
                }
            }
            Ok(answer) => tally.fail("answered", format!("{} {}", answer.status, answer.says())),
            // It was never sent, since the connection had ended, or the gate has said that it will not be looked at.
            Err(error) if before > 0 && (error.is_closed() || error.is_canceled() || is_told_in_time(&error)) => {}
            Err(error) if two => tally.fail("no answer", format!("{error:?}")),
            Err(_) if before > 0 => _ = tally.repeated.fetch_add(1, Relaxed),
            Err(error) => tally.fail("no answer on a new connection", format!("{error:?}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection for each request, which nothing excuses.
async fn connect_anew((client, stop, tally): Part) {
    while !stop.load(Relaxed) {
        tally.opened.fetch_add(1, Relaxed);
        match client.http1().await {
            Ok(mut connection) => match connection.try_send(get("/")).await {
                Ok(answer) if answer.status == 200 => _ = tally.answered.fetch_add(1, Relaxed),
                Ok(answer) => tally.fail("answered", format!("{} {}", answer.status, answer.says())),
                Err(error) => tally.fail("no answer", format!("{error:?}")),
            },
            Err(error) => tally.fail("no connection", error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Messages that must come back over a WebSocket; one that is sent away comes again.
async fn echo_all((client, stop, tally): Part) {
    while !stop.load(Relaxed) {
        let mut socket = match echo::open(&client).await {
            Ok(socket) => socket,
            Err(error) => {
                tally.fail("no WebSocket", error);
                continue;
            }
        };
        tally.opened.fetch_add(1, Relaxed);
        for number in 0.. {
            if stop.load(Relaxed) {
                let _ = socket.close(None).await;
                break;
            }
            let message = Message::text(format!("message {number}"));
            let sent = socket.send(message.clone()).await;
            match socket.next().await {
                Some(Ok(answer)) if answer == message => _ = tally.answered.fetch_add(1, Relaxed),
                Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::Away => {
                    tally.sent_away.fetch_add(1, Relaxed);
                    // Its answer goes out, and the gate closes.
                    while let Some(Ok(_)) = socket.next().await {}
                    break;
                }
                other => {
                    tally.fail("a WebSocket broke off", format!("{other:?} after {sent:?}"));
                    break;
                }
            }
            tokio::time::sleep(PAUSE * 4).await;
        }
    }
}
