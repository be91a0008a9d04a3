//! Many open connections at once, and a few certificates of theirs revoked: how soon those end, on this node and on
//! a second one with the same database, and that all others go on. Prints its figures as a table.
#![cfg(test)]

mod common;

use comfy_table::Table;
use common::client::Client;
use common::mariadb::{MariaDb, PASSWORD};
use common::open::Open;
use common::pki::{Credential, Leaf, far};
use common::setup::Setup;
use common::store;
use common::upstream::Upstream;
use futures_util::StreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wicketgate::base::clock::Timestamp;

/// How many connections are being opened at once.
const AT_ONCE: usize = 64;

/// How much of everything, and how soon what must end is to have ended.
struct Scale {
    /// Connections to the first node, in thirds of each kind.
    here: usize,
    /// Connections to the second node, of the same certificates.
    there: usize,
    /// Connections of each certificate to the first node.
    each: usize,
    /// Certificates that are lost in each round.
    lost: usize,
    /// Seconds in which those that will expire can be connected.
    brief: u64,
    soon_here: Duration,
    soon_there: Duration,
}

/// A connection and the number of its certificate.
struct Held {
    certificate: usize,
    here: bool,
    open: Open,
}

/// An application that answers, and echoes what comes over a WebSocket, with a task for each connection.
async fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        if head.starts_with(b"GET /socket ") {
            let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(switch).await?;
            loop {
                let mut frame = [0; 8];
                stream.read_exact(&mut frame).await?;
                stream.write_all(&[0x81, 2, frame[6], frame[7]]).await?;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
    }
}

/// Opens this many connections for each certificate, one kind after the other.
async fn connect(certificates: &[(usize, Client)], each: usize, here: bool) -> Vec<Held> {
    let wanted = certificates.iter().flat_map(|(number, client)| (0..each).map(move |_| (*number, client)));
    let opening = wanted.enumerate().map(|(kind, (certificate, client))| async move {
        let open = match kind % 3 {
            0 => Open::keep_alive(client).await,
            1 => Open::http2(client).await,
            _ => Open::websocket(client).await,
        };
        Held { certificate, here, open }
    });
    futures_util::stream::iter(opening).buffer_unordered(AT_ONCE).collect().await
}

/// Takes those of these certificates out, waits until all of them have ended, and says how long each took.
async fn ends(
    held: &mut Vec<Held>,
    since: &HashMap<usize, Instant>,
    cause: &'static str,
    scale: &Scale,
    table: &mut Table,
) {
    let (lost, others): (Vec<_>, Vec<_>) = held.drain(..).partition(|held| since.contains_key(&held.certificate));
    *held = others;
    let mut took: HashMap<(bool, String), Vec<Duration>> = HashMap::new();
    for Held { certificate, here, open } in lost {
        let what = open.what.clone();
        let ended = open.ended().await;
        took.entry((here, what)).or_default().push(ended.at.saturating_duration_since(since[&certificate]));
    }
    let disturbed = held.iter().filter(|held| held.open.has_ended()).count();
    let mut rows: Vec<_> = took.into_iter().collect();
    rows.sort();
    let mut late = Vec::new();
    for ((here, what), mut took) in rows {
        took.sort();
        let (median, last) = (took[took.len() / 2], took[took.len() - 1]);
        let node = if here { "this" } else { "second" };
        table.add_row([cause, node, &what, &took.len().to_string(), &format!("{median:.0?}"), &format!("{last:.0?}")]);
        if last > if here { scale.soon_here } else { scale.soon_there } {
            late.push(format!("{cause}: {what} on {node} node after {last:?}"));
        }
    }
    println!("{cause}: {disturbed} of {} others disturbed", held.len());
    assert_eq!(disturbed, 0, "{cause}");
    assert!(late.is_empty(), "{late:#?}\n{table}");
}

async fn revocations_reach(scale: Scale) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let (mariadb, nobody, address) = (MariaDb::start(), Upstream::start(), application().await);
    let accounts = format!("{{ mysql: {} }}", mariadb.configuration());
    let setup = Setup::before(&nobody);
    let lists = [setup.pki.root.revocation_list(&[], far()), setup.pki.people.revocation_list(&[], far())];
    let gate = setup
        .upstream("servers", &format!("[\"http://{address}\"]"))
        .file("db.password", PASSWORD)
        .section("accounts", &accounts)
        .section("limits", "{ connections: 19000, connections_per_address: 19000 }")
        .section("timeouts", "{ idle: 30m }")
        .section("log", "{ level: info, audit: audit.log }")
        .section(
            "trust",
            "{ staff: { authorities: [ca.pem], revocation: { crl: { files: [root.crl, people.crl] } } } }",
        )
        .file("root.crl", &lists[0])
        .file("people.crl", &lists[1])
        .start();
    let twin = gate.twin();
    let people = |count: usize, leaf: &dyn Fn() -> Leaf| -> Vec<Credential> {
        (0..count).map(|_| gate.pki.people.issue(leaf())).collect()
    };
    let clients = |credentials: &[Credential], first: usize| -> Vec<(usize, Client)> {
        credentials.iter().enumerate().map(|(number, it)| (first + number, gate.client().with(it))).collect()
    };
    let on_twin = |clients: &[(usize, Client)]| -> Vec<(usize, Client)> {
        clients.iter().map(|(number, client)| (*number, client.clone().at(twin.address))).collect()
    };
    let email = "alice@example.org";
    let lasting = people(scale.here / scale.each - scale.lost, &|| Leaf::person(email));
    let start = Instant::now();
    let known = clients(&lasting, 0);
    let mut held = connect(&known, scale.each, true).await;
    held.extend(connect(&on_twin(&known), scale.there / (scale.here / scale.each), false).await);
    let brief = people(scale.lost, &|| Leaf::person(email).expiring_in(scale.brief));
    let last_second = Timestamp::now().as_unix() + i64::try_from(scale.brief).unwrap();
    let mortal = clients(&brief, lasting.len());
    held.extend(connect(&mortal, scale.each, true).await);
    held.extend(connect(&on_twin(&mortal), 1, false).await);
    println!("{} connections opened within {:.0?}", held.len(), start.elapsed());
    let resident = gate.process.memory_kib("VmRSS");
    println!("{resident} KiB resident in the first gate");
    assert!(Timestamp::now().as_unix() < last_second, "opening took too long");
    let mut table = Table::new();
    table.set_header(["cause", "node", "kind", "connections", "median", "last"]);

    let store = store::open(gate.folder()).await;
    let mut since = HashMap::new();
    for (number, credential) in lasting.iter().take(scale.lost).enumerate() {
        store.revoke(&store::key(credential), Timestamp::now(), "keyCompromise").await.unwrap();
        since.insert(number, Instant::now());
    }
    ends(&mut held, &since, "database", &scale, &mut table).await;

    let listed: Vec<&Credential> = lasting.iter().skip(scale.lost).take(scale.lost).collect();
    let list = gate.pki.people.revocation_list(&listed, far());
    for folder in [gate.folder(), twin.folder()] {
        std::fs::write(folder.join("half"), &list).unwrap();
        std::fs::rename(folder.join("half"), folder.join("people.crl")).unwrap();
    }
    let renewed = Instant::now();
    let since = (scale.lost..2 * scale.lost).map(|number| (number, renewed)).collect();
    ends(&mut held, &since, "list", &scale, &mut table).await;

    while Timestamp::now().as_unix() <= last_second {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let expired = Instant::now();
    let since = (lasting.len()..lasting.len() + scale.lost).map(|number| (number, expired)).collect();
    ends(&mut held, &since, "notAfter", &scale, &mut table).await;

    println!("{table}");
    for Held { open, .. } in held {
        open.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_reach_hundreds_of_open_connections_and_no_others() {
    revocations_reach(Scale {
        here: 300,
        there: 100,
        each: 6,
        lost: 5,
        brief: 20,
        soon_here: Duration::from_secs(3),
        soon_there: Duration::from_secs(4),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: see `make prove`"]
async fn revocations_reach_eight_thousand_open_connections_within_a_second() {
    revocations_reach(Scale {
        here: 8000,
        there: 1000,
        each: 8,
        lost: 100,
        brief: 60,
        soon_here: Duration::from_secs(1),
        soon_there: Duration::from_secs(2),
    })
    .await;
}
