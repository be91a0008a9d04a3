//! What the black-box tests share: a gate that runs as its own process, certificates made on the spot, an
//! upstream that records what it was sent to the octet, and clients that can also say what no
//! well-behaved client says. Everything stays on loopback addresses and in temporary folders.
#![allow(dead_code, reason = "every test file is a crate of its own and calls a part of this")]

pub(crate) mod admin;
pub(crate) mod authority;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod curl;
pub(crate) mod digest;
pub(crate) mod echo;
pub(crate) mod firefox;
pub(crate) mod foreign;
pub(crate) mod frames;
pub(crate) mod front;
pub(crate) mod galera;
pub(crate) mod gate;
pub(crate) mod haproxy;
pub(crate) mod load;
pub(crate) mod mariadb;
pub(crate) mod nginx;
pub(crate) mod office;
pub(crate) mod open;
pub(crate) mod origin;
pub(crate) mod packages;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod responder;
pub(crate) mod setup;
pub(crate) mod slapd;
pub(crate) mod store;
pub(crate) mod tls_front;
pub(crate) mod upstream;

use std::time::{Duration, Instant};

/// How long a test waits for what must come; generous, since two slow cores may be shared by many tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the question is answered, and fails the test, saying what was waited for, if it never is.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
