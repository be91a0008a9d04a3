//! Three servers under load, of which one is stopped, hangs, is slow or answers 500, and comes back: what that costs. Prints
//! its figures as the table of `docs/operations.md`.
#![cfg(test)]

mod common;

use comfy_table::Table;
use common::client::{Client, empty};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Clients, each with one request at a time.
const CLIENTS: usize = 32;
/// How long a state lasts.
const PHASE: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// Nobody listens, and what was open is closed.
    Stopped,
    /// It takes connections and requests, and says nothing.
    Hung,
    /// It answers after longer than is waited for.
    Slow,
    /// It answers 500.
    Failing,
}

/// A server on an address of its own, and what sets its state.
async fn server() -> (SocketAddr, watch::Sender<State>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut state) = watch::channel(State::Well);
    tokio::spawn(async move {
        let mut listener = Some(listener);
        loop {
            if *state.borrow_and_update() == State::Stopped {
                listener = None;
                if state.changed().await.is_err() {
                    return;
                }
                continue;
            }
            if listener.is_none() {
                listener = Some(TcpListener::bind(address).await.unwrap());
            }
            tokio::select! {
                accepted = listener.as_ref().unwrap().accept() => {
                    let (stream, state) = (accepted.unwrap().0, state.clone());
                    tokio::spawn(async move { _ = serve(stream, state).await });
                }
                changed = state.changed() => if changed.is_err() { return },
            }
        }
    });
    (address, sender)
}

async fn serve(mut stream: TcpStream, mut state: watch::Receiver<State>) -> std::io::Result<()> {
    let stopped = state.clone();
    let served = async {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            let now = *state.borrow_and_update();
            match now {
                State::Hung => std::future::pending().await,
                State::Slow => tokio::time::sleep(Duration::from_secs(3)).await,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
            let status = if now == State::Failing { "500 No" } else { "200 OK" };
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").as_bytes()).await?;
        }
    };
    let mut stopped = stopped;
    tokio::select! {
        served = served => served,
        _ = stopped.wait_for(|state| *state == State::Stopped) => Ok(()),
    }
}

/// What became of requests.
#[derive(Default)]
struct Tally {
    gets: AtomicUsize,
    failed_gets: AtomicUsize,
    posts: AtomicUsize,
    failed_posts: AtomicUsize,
    slowest: AtomicUsize,
}

async fn ask(client: Client, tally: Arc<Tally>, over: Arc<AtomicBool>) {
    let mut connection = client.http1().await.unwrap();
    let mut number = 0_usize;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let get = !number.is_multiple_of(4);
        let method = if get { "GET" } else { "POST" };
        let request = Request::builder().method(method).uri("/").body(empty()).unwrap();
        let begin = Instant::now();
        let good = connection.try_send(request).await.is_ok_and(|answer| answer.status == 200);
        let took = usize::try_from(begin.elapsed().as_millis()).unwrap();
        let (all, failed) = if get { (&tally.gets, &tally.failed_gets) } else { (&tally.posts, &tally.failed_posts) };
        all.fetch_add(1, Ordering::Relaxed);
        failed.fetch_add(usize::from(!good), Ordering::Relaxed);
        tally.slowest.fetch_max(took, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make prove: three servers under load, of which one fails in four ways"]
async fn one_server_of_three_that_fails_costs_no_request_that_may_be_repeated() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(server().await);
    }
    let urls: Vec<String> = servers.iter().map(|(address, _)| format!("\"http://{address}\"")).collect();
    let gate = Setup::before(&Upstream::start())
        .upstream("servers", &format!("[{}]", urls.join(", ")))
        .upstream("health", "{ path: /, every: 500ms, timeout: 500ms, rise: 1, fall: 1 }")
        .upstream("ejection", "{ failures: 3, status: [\"500-504\"] }")
        .upstream("retries", "{ status: [\"500-504\"] }")
        .upstream("timeouts", "{ response: 1s }")
        .start();
    let mut table = Table::new();
    table.set_header(["one of three is", "GETs", "failed", "POSTs", "failed", "slowest"]);
    let mut faults = Vec::new();
    for state in [State::Well, State::Stopped, State::Hung, State::Slow, State::Failing] {
        let (tally, over) = (Arc::<Tally>::default(), Arc::<AtomicBool>::default());
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| tokio::spawn(ask(gate.alice(), Arc::clone(&tally), Arc::clone(&over)))).collect();
        tokio::time::sleep(PHASE / 4).await;
        servers[1].1.send_replace(state);
        tokio::time::sleep(PHASE).await;
        servers[1].1.send_replace(State::Well);
        tokio::time::sleep(PHASE / 2).await;
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
        let [gets, failed_gets, posts, failed_posts, slowest] =
            [&tally.gets, &tally.failed_gets, &tally.posts, &tally.failed_posts, &tally.slowest]
                .map(|count| count.load(Ordering::Relaxed));
        let name = format!("{state:?}").to_lowercase();
        let row = [name, gets.to_string(), failed_gets.to_string(), posts.to_string(), failed_posts.to_string()];
        table.add_row(row.into_iter().chain([format!("{slowest} ms")]));
        if failed_gets > 0 || failed_posts > CLIENTS {
            faults.push(format!("{state:?}: {failed_gets} GETs and {failed_posts} POSTs failed"));
        }
        // Its ejection is over before the next state.
        tokio::time::sleep(Duration::from_secs(12)).await;
    }
    println!("{table}");
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), gate.log());
}
