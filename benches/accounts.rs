//! What a look-up costs among a million accounts in a real MariaDB, in the cache and past it: `cargo bench --bench
//! accounts`. The accounts are imported first, which takes a minute or two; `ACCOUNTS=10000` makes do with fewer. Wall
//! time; what the gate's own processor time is, `tests/bulk.rs` measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark whose setup fails has nothing to measure, and what it shares with the tests is written as they are"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::mariadb::{DATABASE, MariaDb, PASSWORD, USER};
use divan::Bencher;
use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use wicketgate::account::bulk::{Bulk, Format, OnExisting, Options, Phase, Watch};
use wicketgate::account::cache::Accounts;
use wicketgate::account::{self, Directory, Lookup};
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{Cache, LookupKind, MySql, MySqlTls, MySqlTlsMode, ServerName, Store};

fn main() {
    divan::main();
}

struct World {
    runtime: Runtime,
    directory: Arc<dyn Directory>,
    accounts: usize,
    _server: MariaDb,
}

struct Unwatched;

impl Watch for Unwatched {
    fn progress(&self, _: Phase, _: u64, _: u64) {}

    fn given_up(&self, _: &wicketgate::account::bulk::Rejection) {}

    fn is_stopped(&self) -> bool {
        false
    }
}

/// The number, spread as if drawn at random.
fn address(number: usize) -> String {
    format!("{:016x}@example.org", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let accounts = std::env::var("ACCOUNTS").map_or(1_000_000, |count| count.parse().unwrap());
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut server = MariaDb::start();
        server.restart_with(&["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M"]);
        let at = server.address();
        let store = Store::MySql(MySql {
            servers: vec![ServerName { host: at.ip().to_string(), port: at.port() }],
            database: DATABASE.to_owned(),
            user: USER.to_owned(),
            password: Some(SecretSource::Literal(Secret::from(PASSWORD))),
            tls: MySqlTls { mode: MySqlTlsMode::Off, ca: None, client: None },
            foreign: None,
            insecure: false,
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut file = BufWriter::new(tempfile::tempfile().unwrap());
        writeln!(file, "username,email,aliases,groups").unwrap();
        for number in 0..accounts {
            let address = address(number);
            writeln!(file, "p{number},{address},also.{address},staff").unwrap();
        }
        let file = file.into_inner().unwrap();
        let directory: Arc<dyn Directory> = runtime.block_on(async {
            let handle = runtime.handle().clone();
            let database =
                wicketgate::store::Database::connect(&store, handle.clone(), Default::default()).await.unwrap();
            database.migrate().await.unwrap();
            let options =
                Options { format: Format::Csv, on_existing: OnExisting::Fail, keep_going: false, dry_run: false };
            let bulk = Bulk::open(&store, handle.clone()).await.unwrap();
            let report = bulk.import(&file, &options, &Unwatched).await.unwrap();
            assert_eq!(report.added, accounts as u64);
            let directory: Arc<dyn Directory> = account::open(&store, handle).await.unwrap();
            directory
        });
        World { runtime, directory, accounts, _server: server }
    })
}

fn lookup(number: usize) -> Lookup {
    Lookup { kind: LookupKind::Email, name: address(number) }
}

/// Each time another account, in no order.
#[divan::bench(sample_count = 100, sample_size = 100)]
fn not_in_the_cache(bencher: Bencher<'_, '_>) {
    let world = world();
    let next = AtomicUsize::new(0);
    bencher.bench(|| {
        let number = next.fetch_add(7919, Ordering::Relaxed) % world.accounts;
        let found = world.runtime.block_on(world.directory.find(&lookup(number))).unwrap();
        assert_eq!(found.len(), 1);
    });
}

/// One of ten thousand accounts that the cache has.
#[divan::bench(sample_count = 100, sample_size = 1000)]
fn in_the_cache(bencher: Bencher<'_, '_>) {
    let world = world();
    let cache = Cache {
        ttl: Duration::from_secs(3600),
        negative_ttl: Duration::from_secs(5),
        capacity: 100_000,
        serve_stale: Duration::ZERO,
    };
    let accounts = Accounts::new(Arc::clone(&world.directory), &cache);
    let lookups: Vec<Lookup> = (0..world.accounts.min(10_000)).map(lookup).collect();
    for lookup in &lookups {
        world.runtime.block_on(accounts.find(lookup)).unwrap();
    }
    // On a runtime of one thread, as a worker asks.
    let worker = Builder::new_current_thread().build().unwrap();
    let mut next = lookups.iter().cycle();
    bencher.bench_local(|| worker.block_on(accounts.find(next.next().unwrap())).unwrap());
}
