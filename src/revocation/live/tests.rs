use super::*;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const ALICE: Key<'static> = Key::Account("alice");
const BOB: Key<'static> = Key::Account("bob");
const STAFF: Key<'static> = Key::Trust("staff");

fn resting_on(live: &Arc<Live>, keys: &[Key<'_>]) -> Registration {
    let registration = live.register();
    let look = registration.look();
    keys.iter().for_each(|key| look.add(key));
    registration
}

#[test]
fn a_doubt_concerns_those_who_rest_on_its_key_and_nobody_else() {
    let live = Live::new();
    let (issuer, other) = ([1; 32], [2; 32]);
    let stored = |issuer| CertificateKey { issuer, serial: vec![7] };
    let listed = Key::Listed { issuer: &[1; 32], serial: &[7] };
    let people: Vec<Registration> = (0..100)
        .map(|number| resting_on(&live, &[Key::Account(&number.to_string()), STAFF, Key::Stored(&stored(issuer))]))
        .collect();
    let doubted = || people.iter().map(Registration::doubts).collect::<Vec<_>>();
    assert_eq!(live.len(), 100);
    assert_eq!(live.doubt(&Key::Account("17"), Cause::Account), 1);
    assert_eq!(doubted().iter().sum::<u64>(), 1);
    assert_eq!(people[17].doubts(), 1);
    for nothing in [Key::Account("100"), Key::Trust("17"), Key::Stored(&stored(other)), listed, Key::Routes] {
        assert_eq!(live.doubt(&nothing, Cause::Account), 0, "{nothing:?}");
    }
    assert_eq!(live.doubt(&STAFF, Cause::Trust), 100);
    assert_eq!(live.doubt(&Key::Stored(&stored(issuer)), Cause::Store), 100);
    assert_eq!(doubted().iter().sum::<u64>(), 201);
}

#[test]
fn a_connection_that_has_ended_leaves_nothing_behind() {
    let live = Live::new();
    let registration = resting_on(&live, &[ALICE, BOB, STAFF, Key::Routes]);
    registration.expires(Timestamp::from_unix(1000));
    registration.look().hold(&ALICE);
    drop(registration);
    assert!(live.is_empty());
    assert!(live.by_key.iter().all(|shard| shard.lock().unwrap().is_empty()));
    assert!(live.by_date.iter().all(|shard| shard.lock().unwrap().is_empty()));
}

#[test]
fn a_key_that_is_held_is_rested_on_until_it_was_given_back_as_often() {
    let live = Live::new();
    let registration = live.register();
    let look = registration.look();
    look.hold(&ALICE);
    look.hold(&ALICE);
    registration.give_back(&ALICE);
    assert_eq!(live.doubt(&ALICE, Cause::Account), 1);
    registration.give_back(&ALICE);
    registration.give_back(&ALICE);
    assert_eq!(live.doubt(&ALICE, Cause::Account), 0);
    let look = registration.look();
    look.hold(&BOB);
    look.add(&BOB);
    registration.give_back(&BOB);
    assert_eq!(live.doubt(&BOB, Cause::Account), 1, "it was added as well, for as long as the connection lives");
}

#[test]
fn a_connection_is_doubted_once_when_its_date_has_passed() {
    let live = Live::new();
    let at = Timestamp::from_unix;
    let (brief, renewed, longer) =
        (resting_on(&live, &[ALICE]), resting_on(&live, &[ALICE]), resting_on(&live, &[BOB]));
    brief.expires(at(1000));
    renewed.expires(at(1000));
    longer.expires(at(2000));
    assert_eq!(live.doubt_due(at(1000)), 0, "that second is its last");
    renewed.expires(at(3000));
    assert_eq!((live.doubt_due(at(1001)), brief.doubts()), (1, 1));
    assert_eq!(live.doubt_due(at(1001)), 0);
    brief.expires(at(1500));
    assert_eq!((live.doubt_due(at(2001)), brief.doubts(), longer.doubts()), (2, 2, 1));
    drop(renewed);
    assert_eq!(live.doubt_due(Timestamp::from_unix(i64::MAX)), 0);
    assert_eq!(live.len(), 2);
}

#[test]
fn a_date_that_was_known_before_the_first_key_counts_from_then_on() {
    let live = Live::new();
    let registration = live.register();
    registration.expires(Timestamp::from_unix(1000));
    registration.look().hold(&ALICE);
    assert_eq!((live.doubt_due(Timestamp::from_unix(1001)), registration.doubts()), (1, 1));
}

#[test]
fn all_are_doubted_part_by_part() {
    let live = Live::new();
    let all: Vec<Registration> = (0..1000).map(|_| resting_on(&live, &[STAFF])).collect();
    let idle = live.register();
    let late = live.register();
    let look = late.look();
    let steps = live.doubt_all(Cause::Feed);
    assert!(steps.len() > 10);
    assert_eq!(steps.max(), Some(1000_usize.div_ceil(SHARDS)));
    assert!(all.iter().all(|registration| registration.doubts() == 1));
    assert_eq!(idle.doubts(), 0, "it rests on nothing");
    look.add(&ALICE);
    assert_eq!(late.doubts(), 1, "it had asked before");
}

#[tokio::test]
async fn whoever_waits_is_woken_and_told_why() {
    let live = Live::new();
    let registration = Arc::new(resting_on(&live, &[ALICE]));
    let waiting = tokio::spawn({
        let registration = Arc::clone(&registration);
        async move { registration.doubted(0).await }
    });
    tokio::task::yield_now().await;
    live.doubt(&BOB, Cause::Account);
    live.doubt(&ALICE, Cause::Store);
    assert_eq!(waiting.await.unwrap(), Cause::Store);
    assert_eq!(registration.doubted(0).await, Cause::Store, "it was doubted before it was waited for");
    let quiet = tokio::time::timeout(Duration::from_millis(20), registration.doubted(1)).await;
    assert!(quiet.is_err());
}

#[test]
fn a_look_that_was_outrun_by_too_many_doubts_is_taken_to_be_concerned() {
    for (doubts, expected) in [(RECENT, 0), (RECENT + 1, 1)] {
        let live = Live::new();
        let registration = live.register();
        let look = registration.look();
        (0..doubts).for_each(|_| _ = live.doubt(&BOB, Cause::Account));
        look.add(&ALICE);
        assert_eq!(registration.doubts(), expected, "{doubts}");
    }
}

/// What the writer of a change and a connection do, in the order in which each does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Change,
    Note,
    Wake,
    Look,
    Ask,
    Insert,
    Check,
}

/// All orders of two sequences of steps.
fn orders(one: &[Step], other: &[Step]) -> Vec<Vec<Step>> {
    let (Some((first, ones)), Some((second, others))) = (one.split_first(), other.split_first()) else {
        return vec![[one, other].concat()];
    };
    let begun_with = |step: Step, rest: Vec<Vec<Step>>| rest.into_iter().map(move |rest| [vec![step], rest].concat());
    begun_with(*first, orders(ones, other)).chain(begun_with(*second, orders(one, others))).collect()
}

#[test]
fn no_order_of_steps_lets_an_outdated_answer_hold() {
    use Step::*;
    let writer = [Change, Note, Wake];
    let connections = [[Look, Insert, Check, Ask], [Look, Ask, Insert, Check], [Look, Insert, Ask, Check]];
    let mut seen = 0;
    for order in connections.iter().flat_map(|connection| orders(&writer, connection)) {
        let live = Live::new();
        let hash = live.hasher.hash_one(ALICE);
        let registration = live.register();
        let (mut revoked, mut answer, mut since, mut number) = (false, None, 0, 0);
        for step in &order {
            match step {
                Change => revoked = true,
                Note => live.recent.note(Some(hash)),
                Wake => _ = live.wake(hash, Cause::Account),
                Look => {
                    let look = registration.look();
                    (since, number) = (look.since, look.number);
                }
                Ask => answer = Some(revoked),
                Insert => registration.insert(hash, false),
                Check if live.recent.concerns(since, hash) => registration.doubt(Cause::Account),
                Check => {}
            }
        }
        let holds = registration.doubts() == number;
        assert!(answer == Some(true) || !holds, "{order:?}");
        seen += 1;
    }
    assert_eq!(seen, 3 * 35);
}

#[test]
fn no_race_lets_an_outdated_answer_hold() {
    let live = Live::new();
    let (rounds, mut outrun) = (20_000, 0);
    for round in 0..rounds {
        let (name, revoked, start) = (round.to_string(), AtomicBool::new(false), Barrier::new(2));
        let registration = live.register();
        let (answer, number) = std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                revoked.store(true, Ordering::Relaxed);
                live.doubt(&Key::Account(&name), Cause::Account);
            });
            start.wait();
            let look = registration.look();
            if round % 2 == 0 {
                look.add(&Key::Account(&name));
            }
            let answer = revoked.load(Ordering::Relaxed);
            look.add(&Key::Account(&name));
            (answer, look.number())
        });
        let holds = registration.doubts() == number;
        assert!(answer || !holds, "round {round}");
        outrun += u32::from(!answer);
    }
    assert!(outrun > 0, "the connection never came first: the test shows nothing");
}

/// What this process holds, in octets.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
#[ignore = "measures the memory of the whole process: see `make prove`"]
fn a_connection_takes_little_room() {
    const CONNECTIONS: usize = 200_000;
    let live = Live::new();
    let mut all = Vec::with_capacity(CONNECTIONS);
    let before = resident();
    for number in 0..CONNECTIONS {
        let certificate = CertificateKey { issuer: [1; 32], serial: number.to_be_bytes().to_vec() };
        let authority = CertificateKey { issuer: [2; 32], serial: vec![1] };
        let (user, listed) = (number.to_string(), Key::Listed { issuer: &[1; 32], serial: &certificate.serial });
        let keys = [
            STAFF,
            listed,
            Key::Stored(&certificate),
            Key::Listed { issuer: &[2; 32], serial: &[1] },
            Key::Stored(&authority),
            Key::Account(&user),
        ];
        let registration = resting_on(&live, &keys);
        registration.expires(Timestamp::from_unix(2_000_000_000 + i64::try_from(number % 1000).unwrap()));
        all.push(registration);
    }
    let each = (resident() - before) / CONNECTIONS;
    println!("{each} octets for each of {CONNECTIONS} connections of six keys");
    assert!(each < 700, "{each}");
}
