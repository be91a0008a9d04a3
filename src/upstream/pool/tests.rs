use super::*;
use crate::config::{HttpVersion, ServerName, UpstreamServer};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use tokio::net::TcpListener;

type Nothing = Empty<Bytes>;

const LONG: Duration = Duration::from_secs(60);
const TIMEOUTS: UpstreamTimeouts = UpstreamTimeouts { connect: LONG, response: LONG, idle: LONG };

/// A server that speaks HTTP/2 after what it is told of its client, which is one octet.
async fn server(http: HttpVersion) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if http == HttpVersion::One {
                held.push(stream);
                continue;
            }
            tokio::spawn(async move {
                tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap();
                let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Nothing::new())) });
                _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let name = ServerName { host: "127.0.0.1".to_owned(), port };
    Server::new(&UpstreamServer { name, weight: 1, backup: false }, None, None, http, Arc::default())
}

/// What is said of each of these clients.
fn clients(count: u8) -> impl Iterator<Item = Arc<[u8]>> {
    (0..count).map(|number| Arc::from([number]))
}

async fn connect(pools: &Arc<Pools<Nothing>>, server: &Server, said: &Arc<[u8]>) -> Pooled<Nothing> {
    pools.connection(server, &TIMEOUTS, Some(said), true).await.unwrap()
}

#[tokio::test]
async fn connections_of_clients_that_have_gone_are_bounded() {
    let (server, pools) = (server(HttpVersion::One).await, Pools::with_private(3));
    for said in clients(8) {
        let connection = connect(&pools, &server, &said).await;
        assert!(connection.keep < LONG, "nobody may ever come back for it");
        pools.give_back(connection);
    }
    assert_eq!(server.numbers().idle.get(), 3);
    let reused = |connection: &Pooled<Nothing>| connection.reused();
    let mut held = Vec::new();
    for said in clients(8) {
        held.push(connect(&pools, &server, &said).await);
    }
    assert_eq!(held.iter().map(reused).collect::<Vec<_>>(), [true, true, true, false, false, false, false, false]);
    assert_eq!(server.numbers().idle.get(), 0);
    // There is room again for as many, whoever they are.
    held.into_iter().rev().for_each(|connection| pools.give_back(connection));
    pools.sweep();
    assert_eq!(server.numbers().idle.get(), 3);
    for (number, said) in clients(8).enumerate() {
        assert_eq!(connect(&pools, &server, &said).await.reused(), number >= 5, "{number}");
    }
    // Those that are nobody's are not counted with them.
    for _ in 0..5 {
        pools.give_back(Pooled::connect(&server, &server.key, &TIMEOUTS).await.unwrap());
    }
    assert_eq!(server.numbers().idle.get(), 5);
    assert_eq!(pools.connection(&server, &TIMEOUTS, None, true).await.unwrap().keep, LONG);
}

#[tokio::test]
async fn shared_connections_of_clients_that_have_gone_are_bounded() {
    let (server, pools) = (server(HttpVersion::Two).await, Pools::with_private(3));
    let mut kept = Vec::new();
    for said in clients(8) {
        drop(connect(&pools, &server, &said).await);
        kept.push(connect(&pools, &server, &said).await.reused());
    }
    assert_eq!(kept, [true, true, true, false, false, false, false, false]);
}
