use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn settings() -> config::Throttle {
    config::Throttle {
        failures: 5,
        window: Duration::from_secs(600),
        delay: Duration::from_secs(1),
        lock: Duration::from_secs(300),
        exempt: vec!["10.0.0.0/8".parse().unwrap()],
    }
}

fn throttle() -> Arc<Throttle> {
    Arc::new(Throttle::new(settings()))
}

fn v4(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0xc000_0200 + number))
}

const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));

/// What an attempt meets that ends at once.
fn attempt(throttle: &Throttle, name: &str, address: IpAddr, right: bool, now: Instant) -> Admission {
    let mut place = throttle.place(name, address).unwrap();
    let admission = throttle.ask(&mut place, now);
    if matches!(admission, Admission::Now | Admission::After(_)) {
        throttle.settle(place, if right { End::Right } else { End::Wrong }, now);
    }
    admission
}

fn seconds(admission: Admission) -> u64 {
    match admission {
        Admission::Now => 0,
        Admission::After(wait) => wait.as_secs(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_is_locked_where_it_failed_and_nowhere_else() {
    let (throttle, now) = (throttle(), Instant::now());
    for _ in 0..5 {
        assert_eq!(attempt(&throttle, "ann", OFFICE, false, now), Admission::Now);
    }
    let lock = Duration::from_secs(300);
    // The right password does not open it, or it would tell which one is right; nor does another spelling.
    for name in ["ann", "ANN", "Ann"] {
        assert_eq!(attempt(&throttle, name, OFFICE, true, now), Admission::Held(Held::Locked(lock)), "{name}");
    }
    let later = now + Duration::from_secs(299);
    assert_eq!(attempt(&throttle, "ann", OFFICE, true, later), Admission::Held(Held::Locked(Duration::from_secs(1))));
    // Others there, and the same name elsewhere, are not locked.
    assert_eq!(attempt(&throttle, "bob", OFFICE, true, now), Admission::Now);
    assert_eq!(attempt(&throttle, "ann", ELSEWHERE, true, now), Admission::After(Duration::from_secs(1)));
    assert!(matches!(attempt(&throttle, "ann", OFFICE, true, now + lock), Admission::Now | Admission::After(_)));
}

#[test]
fn failures_count_together_within_the_window_alone() {
    let (throttle, now) = (throttle(), Instant::now());
    for minute in 0..100 {
        // Four in ten minutes, again and again.
        let at = now + Duration::from_secs(minute * 151);
        let admission = attempt(&throttle, "ann", OFFICE, false, at);
        assert!(!matches!(admission, Admission::Held(_)), "{minute}: {admission:?}");
    }
}

#[test]
fn a_name_is_delayed_longer_and_longer_and_never_locked_by_others() {
    let (throttle, now) = (throttle(), Instant::now());
    let mut waits = Vec::new();
    // Everybody tries once.
    for number in 0..200 {
        waits.push(seconds(attempt(&throttle, "ann", v4(number), false, now)));
    }
    assert_eq!(waits.get(..10), Some(&[0, 0, 0, 0, 0, 1, 2, 4, 8, 8][..]));
    assert!(waits.iter().skip(10).all(|wait| *wait == 8));
    // Ann is delayed as well, and lets herself in; from then on she is known there.
    assert_eq!(attempt(&throttle, "ann", ELSEWHERE, true, now), Admission::After(Duration::from_secs(8)));
    assert_eq!(attempt(&throttle, "ann", ELSEWHERE, true, now), Admission::Now);
    let tomorrow = now + KNOWN;
    assert_eq!(attempt(&throttle, "ann", ELSEWHERE, true, tomorrow - Duration::from_secs(1)), Admission::Now);
}

#[test]
fn an_address_that_guesses_at_many_names_gets_one_turn_after_another() {
    let (throttle, now) = (throttle(), Instant::now());
    // Somebody honest at the same address, before it begins.
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now);
    for number in 0..20 {
        assert_eq!(attempt(&throttle, &format!("user {number}"), OFFICE, false, now), Admission::Now);
    }
    let mut waits = Vec::new();
    let last = loop {
        match attempt(&throttle, &format!("another {}", waits.len()), OFFICE, false, now) {
            Admission::Held(Held::Crowded(wait)) => break wait,
            admission => waits.push(seconds(admission)),
        }
    };
    assert_eq!(waits, [0, 1, 3, 7], "each pause is twice the one before");
    assert_eq!(last.as_secs(), 15);
    // Who is known there is not made to wait, nor is anybody elsewhere.
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now);
    assert_eq!(attempt(&throttle, "yan", ELSEWHERE, true, now), Admission::Now);
}

#[test]
fn a_success_takes_no_failure_back() {
    let (throttle, now) = (throttle(), Instant::now());
    for _ in 0..4 {
        attempt(&throttle, "ann", OFFICE, false, now);
        attempt(&throttle, "ann", OFFICE, true, now);
        attempt(&throttle, "mallory", OFFICE, true, now);
    }
    attempt(&throttle, "ann", OFFICE, false, now);
    assert!(matches!(attempt(&throttle, "ann", OFFICE, true, now), Admission::Held(Held::Locked(_))));
}

#[test]
fn a_prefix_of_ipv6_is_one_address_and_one_of_ipv4_within_it_is_ipv4s() {
    let throttle = throttle();
    let v6 = |low| IpAddr::V6(Ipv6Addr::from(0x2001_0db8_0000_0001_0000_0000_0000_0000_u128 + low));
    assert_eq!(throttle.who("ann", v6(1)), throttle.who("ann", v6(u128::from(u64::MAX))));
    assert_ne!(throttle.who("ann", v6(1)), throttle.who("ann", v6(1 << 64)));
    let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    assert_eq!(throttle.who("ann", mapped), throttle.who("ann", OFFICE));
    let exempted: IpAddr = "10.1.2.3".parse().unwrap();
    assert_eq!(throttle.who("ann", exempted), None);
}

#[test]
fn no_more_are_under_way_than_may_still_fail() {
    let (throttle, now) = (throttle(), Instant::now());
    attempt(&throttle, "ann", OFFICE, false, now);
    let mut under_way = Vec::new();
    let ask = |expected| {
        let mut place = throttle.place("ann", OFFICE).unwrap();
        assert_eq!(throttle.ask(&mut place, now), expected);
        place
    };
    for _ in 0..4 {
        under_way.push(ask(Admission::Now));
    }
    ask(Admission::InLine);
    throttle.settle(under_way.pop().unwrap(), End::Nothing, now);
    under_way.push(ask(Admission::Now));
    for place in under_way {
        throttle.settle(place, End::Wrong, now);
    }
    ask(Admission::Held(Held::Locked(Duration::from_secs(300))));
}

/// What a prefix is asked for with a name of its own each time.
fn strangers(throttle: &Throttle, number: u32, now: Instant) -> (Admission, Place) {
    let mut place = throttle.place(&format!("stranger {number}"), OFFICE).unwrap();
    (throttle.ask(&mut place, now), place)
}

#[test]
fn no_more_of_an_address_are_under_way_than_may_still_fail_however_many_names_there_are() {
    let (throttle, now) = (throttle(), Instant::now());
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now);
    attempt(&throttle, "ann", OFFICE, false, now);
    let mut under_way = Vec::new();
    for number in 0..1000 {
        match strangers(&throttle, number, now) {
            (Admission::Now, place) => under_way.push(place),
            (admission, _) => assert_eq!(admission, Admission::InLine, "{number}"),
        }
    }
    assert_eq!(under_way.len(), 19);
    // Those who are known there do not wait for them, nor does anybody elsewhere.
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now);
    assert_eq!(attempt(&throttle, "ann", ELSEWHERE, true, now), Admission::Now);
    // One that comes to nothing, or was right, makes room for one more.
    for end in [End::Nothing, End::Right] {
        throttle.settle(under_way.pop().unwrap(), end, now);
        let (admission, place) = strangers(&throttle, 2000 + end as u32, now);
        assert_eq!(admission, Admission::Now);
        under_way.push(place);
        assert_eq!(strangers(&throttle, 3000, now).0, Admission::InLine);
    }
    for place in under_way {
        throttle.settle(place, End::Wrong, now);
    }
    // From here on it is one turn after another, and what waits for its turn makes the next one later.
    let waits: Vec<_> = (4000..4004).map(|number| seconds(strangers(&throttle, number, now).0)).collect();
    assert_eq!(waits, [0, 1, 3, 7]);
    assert_eq!(strangers(&throttle, 5000, now).0, Admission::Held(Held::Crowded(Duration::from_secs(15))));
}

#[test]
fn an_attempt_that_was_left_while_it_was_hashed_counts_against_its_address() {
    let (throttle, now) = (throttle(), Instant::now());
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now);
    for _ in 0..19 {
        let place = throttle.place("zoe", OFFICE).map(|mut place| (throttle.ask(&mut place, now), place)).unwrap().1;
        throttle.settle(place, End::Abandoned, now);
    }
    // She was known there, and is held back like a stranger until she stays for an answer.
    assert_eq!(attempt(&throttle, "ann", OFFICE, false, now), Admission::Now);
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now, "the first turn is at once");
    assert_eq!(attempt(&throttle, "ann", OFFICE, true, now), Admission::After(Duration::from_secs(1)));
    assert_eq!(attempt(&throttle, "zoe", OFFICE, true, now), Admission::Now, "she is known again");
    assert_eq!(attempt(&throttle, "zoe", ELSEWHERE, true, now), Admission::Now, "her name was not guessed at");
}

#[tokio::test]
async fn an_attempt_that_is_dropped_says_whether_work_was_spent_on_it() {
    let throttle = throttle();
    let count = |name: &str| {
        let who = throttle.who(name, OFFICE).unwrap();
        throttle.prefixes.get(who.prefix, throttle.at(Instant::now())).map(|prefix| (prefix.count, prefix.pending))
    };
    drop(throttle.enter("ann", OFFICE).await.unwrap());
    assert_eq!(count("ann"), Some((0, 0)));
    let attempt = throttle.enter("ann", OFFICE).await.unwrap();
    attempt.effort().begin();
    assert_eq!(count("ann"), Some((0, 1)));
    drop(attempt);
    assert_eq!(count("ann"), Some((1, 0)));
    let attempt = throttle.enter("ann", OFFICE).await.unwrap();
    attempt.effort().begin();
    attempt.without_answer();
    assert_eq!(count("ann"), Some((1, 0)));
}

#[tokio::test]
async fn an_attempt_by_the_hash_of_a_name_is_one_at_the_name() {
    let throttle = throttle();
    let pending = |name: &str| {
        let (who, at) = (throttle.who(name, OFFICE).unwrap(), throttle.at(Instant::now()));
        let of = |counter: Option<table::Counter>| counter.map_or((0, 0), |counter| (counter.count, counter.pending));
        (of(throttle.pairs.get(who.pair, at)), of(throttle.prefixes.get(who.prefix, at)))
    };
    for failed in 0..4 {
        let attempt = throttle.enter("hash", OFFICE).await.unwrap();
        assert_eq!((pending("hash"), pending("ann").0), (((0, 1), (failed, 1)), (failed, 0)));
        let attempt = attempt.at_name("ann", OFFICE).await.unwrap();
        assert_eq!((pending("hash"), pending("ann").0), (((0, 1), (failed, 1)), (failed, 1)));
        attempt.settle(false);
        assert_eq!((pending("hash"), pending("ann").0), (((0, 0), (failed + 1, 0)), (failed + 1, 0)));
    }
    // What is right makes both known; the fifth failure locks the name, by whatever it is called.
    let attempt = throttle.enter("hash", OFFICE).await.unwrap().at_name("ann", OFFICE).await.unwrap();
    attempt.settle(true);
    let at = throttle.at(Instant::now());
    for name in ["hash", "ann"] {
        assert_eq!(throttle.known.get(throttle.who(name, OFFICE).unwrap().pair, at).unwrap().count, 1, "{name}");
    }
    throttle.enter("ann", OFFICE).await.unwrap().settle(false);
    let attempt = throttle.enter("hash", OFFICE).await.unwrap();
    assert!(matches!(attempt.at_name("ann", OFFICE).await, Err(Held::Locked(_))));
    assert_eq!(pending("hash"), ((0, 0), (5, 0)));
    // A hash that is nobody's stays what it is.
    let attempt = throttle.enter("nobody's", OFFICE).await.unwrap().at_name("NOBODY'S", OFFICE).await.unwrap();
    assert_eq!(pending("nobody's"), ((0, 1), (5, 1)));
    attempt.settle(false);
    assert_eq!(pending("nobody's"), ((1, 0), (6, 0)));
}

#[tokio::test]
async fn a_hundred_at_once_with_the_right_password_all_pass() {
    let throttle = throttle();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let throttle = Arc::clone(&throttle);
            tokio::spawn(async move {
                let attempt = throttle.enter("ann", OFFICE).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                attempt.settle(true);
            })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap();
    }
    assert_eq!(throttle.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_no_more_than_may_fail() {
    let throttle = throttle();
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let throttle = Arc::clone(&throttle);
            tokio::spawn(async move {
                match throttle.enter("ann", OFFICE).await {
                    Ok(attempt) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        attempt.settle(false);
                        true
                    }
                    Err(_) => false,
                }
            })
        })
        .collect();
    let mut guessed = 0;
    for asked in asking {
        guessed += u32::from(asked.await.unwrap());
    }
    assert_eq!(guessed, 5);
    assert_eq!(throttle.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn those_who_wait_are_limited_and_leave_no_trace_when_they_go() {
    let throttle = throttle();
    let who = throttle.who("ann", OFFICE).unwrap();
    let under_way: Vec<Attempt> = {
        let mut attempts = Vec::new();
        for _ in 0..5 {
            attempts.push(throttle.enter("ann", OFFICE).await.unwrap());
        }
        attempts
    };
    let waiting: Vec<_> = (0..MOST_WAITING_OF_PREFIX)
        .map(|_| {
            let throttle = Arc::clone(&throttle);
            tokio::spawn(async move { throttle.enter("ann", OFFICE).await.is_ok() })
        })
        .collect();
    while throttle.waiting.load(Ordering::Relaxed) < MOST_WAITING_OF_PREFIX as usize {
        tokio::task::yield_now().await;
    }
    assert_eq!(throttle.enter("ann", OFFICE).await.unwrap_err(), Held::Crowded(COME_AGAIN));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    for task in waiting {
        assert!(task.await.is_err());
    }
    drop(under_way);
    assert_eq!(throttle.waiting.load(Ordering::Relaxed), 0);
    let now = throttle.at(Instant::now());
    assert_eq!(throttle.seats.get(who.prefix, now).map(|seats| seats.pending), Some(0));
    assert_eq!(throttle.prefixes.get(who.prefix, now).map(|prefix| prefix.pending), Some(0));
    assert_eq!(throttle.pairs.get(who.pair, now).map(|pair| pair.pending), Some(0));
}

/// The sizes that `docs/performance.md` names.
#[test]
#[ignore = "it takes a minute unoptimised; run by `make prove`"]
fn a_million_guesses_fill_no_memory() {
    let resident = || -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let (throttle, now) = (throttle(), Instant::now());
    // Every page of the tables is touched before it is measured.
    for number in 0..200_000_u32 {
        attempt(&throttle, &format!("warm {number}"), v4(number), false, now);
    }
    let before = resident();
    println!("| guesses | let through | time for each | memory before | memory after |\n|---|---|---|---|---|");
    type Guesser = fn(u32) -> (String, IpAddr);
    let cases: [(&str, Guesser); 4] = [
        ("one account, one address", |_| ("ann".to_owned(), OFFICE)),
        ("one account, a million addresses", |number| ("ann".to_owned(), v4(number))),
        ("a million accounts, one address", |number| (format!("user {number}"), OFFICE)),
        ("a million accounts, a million addresses", |number| (format!("user {number}"), v4(number))),
    ];
    for (what, who) in cases {
        let throttle = Throttle::new(settings());
        let begun = Instant::now();
        let mut through = 0;
        for number in 0..1_000_000 {
            let (name, address) = who(number);
            through += u32::from(attempt(&throttle, &name, address, false, now) == Admission::Now);
        }
        let each = begun.elapsed() / 1_000_000;
        println!("| {what} | {through} | {each:?} | {} KiB | {} KiB |", before / 1024, resident() / 1024);
        // A second set of tables stands beside the first; the allocator keeps some of what the one before had.
        assert!(resident() < before + 2 * throttle.size(), "{what}");
    }
}
