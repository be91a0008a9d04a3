//! What a request by password costs beside one by certificate, each on a connection that stays open: the CPU time of
//! the gate's process. Prints its figures; run by `make prove`, in the build that is shipped.
#![cfg(test)]

mod common;

use common::client::{Connection, get};
use common::digest::{authorization, get_with, session, with_password};
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::Duration;
use wicketgate::auth::digest::client::Session;
use wicketgate::config::ChallengeAlgorithm;

/// Requests of each kind in each round.
const REQUESTS: u32 = 5_000;
const ROUNDS: usize = 5;
/// How much more a request by password may cost.
const MOST: f64 = 1.3;

/// The CPU time of all threads of the gate.
fn cpu(gate: &Gate) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{}/task", gate.process.id())).unwrap();
    let nanoseconds = threads.map(|thread| {
        let text = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The CPU time of one request of many, in microseconds.
async fn of_one(gate: &Gate, connection: &mut Connection, mut session: Option<&mut Session>) -> f64 {
    let before = cpu(gate);
    for _ in 0..REQUESTS {
        let request = match &mut session {
            Some(session) => get_with("/", &authorization(session, "/")),
            None => get("/"),
        };
        let answer = connection.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    (cpu(gate) - before).as_secs_f64() * 1e6 / f64::from(REQUESTS)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::test]
#[ignore = "says little of an unoptimised build: make prove"]
async fn a_request_by_password_costs_little_more_than_one_by_certificate() {
    let upstream = Upstream::start();
    let algorithms = "[SHA-512-256, SHA-256, SHA-256-sess, MD5]";
    let digest = format!("{{ realm: example.org, algorithms: {algorithms}, nonce: {{ lifetime: 1h }} }}");
    let gate = with_password(Setup::before(&upstream), &digest);
    let mut by_certificate = gate.alice().http1().await.unwrap();
    let mut by_password = gate.client().http1().await.unwrap();
    use ChallengeAlgorithm::{Md5, Sha256, Sha256Session, Sha512_256};
    let mut certificate = Vec::new();
    let mut passwords: Vec<(ChallengeAlgorithm, Session, Vec<f64>)> = Vec::new();
    for algorithm in [Sha512_256, Sha256, Sha256Session, Md5] {
        passwords.push((algorithm, session(&mut by_password, algorithm).await, Vec::new()));
    }
    for _ in 0..ROUNDS {
        certificate.push(of_one(&gate, &mut by_certificate, None).await);
        for (_, session, figures) in &mut passwords {
            figures.push(of_one(&gate, &mut by_password, Some(session)).await);
        }
    }
    let certificate = median(certificate);
    println!("{:>16}: {certificate:6.1} us", "certificate");
    for (algorithm, _, figures) in passwords {
        let (figure, name) = (median(figures), algorithm.as_str());
        println!("{name:>16}: {figure:6.1} us, {:.2} times a certificate", figure / certificate);
        assert!(figure <= MOST * certificate, "{name}: {figure:.1} us beside {certificate:.1} us");
    }
}
