use super::*;
use crate::account::password::PasswordHash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Instant;

/// `openssl passwd -1 -salt saltsalt 'correct horse bättery'`
const QUICK: &str = "$1$saltsalt$G/1b1Zd4GvZmJgBlv08ss1";
/// A hash of hundreds of milliseconds, and of no password that anybody knows.
const SLOW: &str =
    "$6$rounds=300000$saltsalt$oDxhScmAF.kccOCkVstug7WoFoFjMX6mXSTs0lFRSUqML932SQ3Q/BgYSribNat/so81nzUOA4mI6/b5E5nYV/";
const RIGHT: &str = "correct horse bättery";

fn config() -> config::Basic {
    config::Basic {
        realm: "example.org".to_owned(),
        remember: Duration::from_secs(60),
        hashes_at_once: 1,
        hashes_waiting: 4,
    }
}

fn stored(text: &str) -> Arc<Password> {
    Arc::new(Password { hash: PasswordHash::parse(text).unwrap(), pin: None, set: None })
}

fn credentials(username: &str, password: &str) -> Credentials {
    let header = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    Credentials::parse(header.as_bytes()).unwrap().unwrap()
}

#[test]
fn the_challenge_asks_for_utf_8() {
    let verifier = Verifier::new(&config()).unwrap();
    assert_eq!(verifier.challenge(), r#"Basic realm="example.org", charset="UTF-8""#);
}

#[tokio::test]
async fn a_right_password_passes_and_a_wrong_one_does_not() {
    for remember in [Duration::ZERO, Duration::from_secs(60)] {
        let verifier = Verifier::new(&config::Basic { remember, ..config() }).unwrap();
        let stored = stored(QUICK);
        for _ in 0..2 {
            for (password, expected) in [(RIGHT, Outcome::Right), ("wrong", Outcome::Wrong), ("", Outcome::Wrong)] {
                let outcome = verifier.verify(&credentials("ann", password), Some(&stored), &Effort::default()).await;
                assert_eq!(outcome, expected, "{password}");
                assert_eq!(
                    verifier.verify(&credentials("nobody", password), None, &Effort::default()).await,
                    Outcome::Wrong
                );
            }
        }
    }
}

/// What was hashed last serves those who have no password, and must not be a way of guessing at it.
#[tokio::test]
async fn the_password_of_another_lets_nobody_in_who_has_none() {
    let verifier = Verifier::new(&config()).unwrap();
    assert_eq!(
        verifier.verify(&credentials("ann", RIGHT), Some(&stored(QUICK)), &Effort::default()).await,
        Outcome::Right
    );
    assert!(verifier.nobodys.load().costs_like(&stored(QUICK)));
    assert!(!verifier.nobodys.load().verify(&Secret::from(RIGHT)));
    assert_eq!(verifier.verify(&credentials("nobody", RIGHT), None, &Effort::default()).await, Outcome::Wrong);
    assert_eq!(verifier.remembered.as_ref().unwrap().iter().count(), 1);
}

#[tokio::test]
async fn a_remembered_password_is_not_hashed_again_until_it_is_another() {
    let verifier = Verifier::new(&config()).unwrap();
    let text = QUICK;
    assert_eq!(
        verifier.verify(&credentials("ann", RIGHT), Some(&stored(text)), &Effort::default()).await,
        Outcome::Right
    );
    // Nothing is hashed any more: what is remembered is all that is known.
    verifier.hashing.stop();
    assert_eq!(
        verifier.verify(&credentials("ann", RIGHT), Some(&stored(text)), &Effort::default()).await,
        Outcome::Right
    );
    let others = [
        (credentials("bob", RIGHT), stored(text)),
        (credentials("ann", "wrong"), stored(text)),
        (credentials("ann", RIGHT), stored("$1$saltsalt$G/1b1Zd4GvZmJgBlv08ss2")),
        (credentials("ann", RIGHT), Arc::new(Password { set: Some(2), ..(*stored(text)).clone() })),
        (
            credentials("ann", RIGHT),
            Arc::new(Password { pin: Some(stored(text).hash.clone()), ..(*stored(text)).clone() }),
        ),
    ];
    for (credentials, stored) in others {
        assert_eq!(
            verifier.verify(&credentials, Some(&stored), &Effort::default()).await,
            Outcome::Crowded,
            "{credentials:?}"
        );
    }
}

#[tokio::test]
async fn what_comes_at_once_with_one_password_is_hashed_once() {
    let verifier = Arc::new(Verifier::new(&config()).unwrap());
    // More than may wait.
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let verifier = Arc::clone(&verifier);
            tokio::spawn(async move {
                verifier.verify(&credentials("ann", RIGHT), Some(&stored(QUICK)), &Effort::default()).await
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), Outcome::Right);
    }
}

#[tokio::test]
async fn where_too_many_wait_the_next_one_is_told() {
    let verifier = Arc::new(Verifier::new(&config()).unwrap());
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let verifier = Arc::clone(&verifier);
            let credentials = credentials("ann", &format!("guess {number}"));
            tokio::spawn(async move { verifier.verify(&credentials, Some(&stored(SLOW)), &Effort::default()).await })
        })
        .collect();
    let mut crowded = 0;
    for asked in asking {
        match asked.await.unwrap() {
            Outcome::Crowded => crowded += 1,
            outcome => assert_eq!(outcome, Outcome::Wrong),
        }
    }
    assert!(crowded >= 15, "one is hashed and four wait, of the others {crowded} were told to come again");
}

/// By the median of several, and within a factor that a busy machine allows; the work is the same in fact.
#[tokio::test]
async fn who_does_not_exist_takes_as_long() {
    let verifier = Verifier::new(&config()).unwrap();
    let stored = stored(SLOW);
    verifier.verify(&credentials("ann", "guess"), Some(&stored), &Effort::default()).await;
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..5 {
        for (times, stored) in times.iter_mut().zip([Some(&stored), None]) {
            let begun = Instant::now();
            verifier.verify(&credentials("ann", &format!("guess {number}")), stored, &Effort::default()).await;
            times.push(begun.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[2]
    });
    assert!(unknown * 4 > known && known * 4 > unknown, "{known:?} {unknown:?}");
}
