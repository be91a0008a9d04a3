use super::*;
use crate::base::secret::Secret;
use crate::config::LookupKind;
use futures_util::future::BoxFuture;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(30);

/// Answers from memory when it is let, and counts what it was asked.
struct Fake {
    asked: AtomicU64,
    /// One permit is one answer.
    gate: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: Vec<Account>,
    revoked: Option<Timestamp>,
    down: bool,
}

impl Fake {
    /// One that answers at once.
    fn open() -> Arc<Self> {
        Self::with_permits(1 << 20)
    }

    fn with_permits(permits: usize) -> Arc<Self> {
        Arc::new(Self { asked: AtomicU64::new(0), gate: Semaphore::new(permits), state: Mutex::default() })
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// The answer is what is true when the question arrives.
    async fn answer<T>(&self, answer: impl FnOnce(&State) -> T) -> Result<T, Unavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = {
            let state = self.state.lock().unwrap();
            if state.down { Err(unanswered("it is down")) } else { Ok(answer(&state)) }
        };
        self.gate.acquire().await.unwrap().forget();
        answer
    }
}

impl Directory for Fake {
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
        Box::pin(
            self.answer(|state| state.accounts.iter().filter(|account| lookup.matches(account)).cloned().collect()),
        )
    }

    fn ha1<'a>(
        &'a self,
        username: &'a str,
        _: &'a str,
        _: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>> {
        Box::pin(self.answer(move |state| {
            let known = state.accounts.iter().any(|account| account.username == username);
            known.then(|| Ha1(Secret::from("0123456789abcdef")))
        }))
    }

    fn changes<'a>(&'a self, _: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
        Box::pin(async { Err(unanswered("it has no feed")) })
    }

    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
        Box::pin(self.answer(move |state| certificates.iter().map(|_| state.revoked).collect()))
    }
}

fn cached(fake: &Arc<Fake>, ttl: Duration, negative_ttl: Duration) -> Arc<Accounts> {
    let directory: Arc<dyn Directory> = Arc::<Fake>::clone(fake);
    Arc::new(Accounts::new(directory, &config::Cache { ttl, negative_ttl, capacity: 100, serve_stale: Duration::ZERO }))
}

/// Over a store with a feed of changes, which was read just now.
fn followed(fake: &Arc<Fake>, ttl: Duration, serve_stale: Duration) -> Arc<Accounts> {
    let directory: Arc<dyn Directory> = Arc::<Fake>::clone(fake);
    let settings = config::Cache { ttl, negative_ttl: SHORT, capacity: 100, serve_stale };
    let accounts = Accounts::with_feed(directory, &settings);
    accounts.confirm(Instant::now());
    Arc::new(accounts)
}

fn account(username: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: None,
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

fn by_name(name: &str) -> Lookup {
    Lookup { kind: LookupKind::Username, name: name.to_owned() }
}

fn certificate(serial: u8) -> CertificateKey {
    CertificateKey { issuer: [0; 32], serial: vec![serial] }
}

/// Lets every task that can run do so, and waits until the condition holds.
async fn until(condition: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < patience, "the condition never held");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_answer_is_given_again_without_asking() {
    let fake = Fake::open();
    fake.set(|state| state.accounts.push(account("ann")));
    let accounts = cached(&fake, LONG, LONG);
    for _ in 0..5 {
        let found = accounts.find(&by_name("ann")).await.unwrap();
        assert_eq!(found.accounts.iter().map(|account| account.username.as_str()).collect::<Vec<_>>(), ["ann"]);
        let now = Instant::now();
        assert!(found.fresh.holds(now) && !found.fresh.holds(now + LONG));
        assert!(accounts.find(&by_name("bob")).await.unwrap().accounts.is_empty());
    }
    assert_eq!(fake.asked(), 2);
    for _ in 0..5 {
        let ha1 = accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap();
        assert_eq!(ha1.unwrap().0.expose(), b"0123456789abcdef");
        assert!(accounts.ha1("bob", "realm", DigestAlgorithm::Md5).await.unwrap().is_none());
        assert!(accounts.ha1("ann", "realm", DigestAlgorithm::Sha256).await.unwrap().is_some());
    }
    assert_eq!(fake.asked(), 5);
}

#[tokio::test]
async fn an_answer_is_asked_for_anew_when_its_time_is_over() {
    let fake = Fake::open();
    let accounts = cached(&fake, SHORT, LONG);
    fake.set(|state| state.accounts.push(account("ann")));
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts.len(), 1);
    fake.set(|state| state.accounts[0].status = Status::Locked);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts[0].status, Status::Locked);
}

#[tokio::test]
async fn that_there_is_no_account_has_a_time_of_its_own() {
    let fake = Fake::open();
    let accounts = cached(&fake, LONG, SHORT);
    assert!(accounts.find(&by_name("ann")).await.unwrap().accounts.is_empty());
    assert!(accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap().is_none());
    fake.set(|state| state.accounts.push(account("ann")));
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts.len(), 1);
    assert!(accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap().is_some());
}

#[tokio::test]
async fn that_there_was_no_answer_is_not_kept() {
    let fake = Fake::open();
    let accounts = cached(&fake, LONG, LONG);
    fake.set(|state| state.down = true);
    for _ in 0..2 {
        assert!(accounts.find(&by_name("ann")).await.is_err());
        assert!(accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.is_err());
        assert!(accounts.revoked(&[certificate(1)]).await.is_err());
    }
    assert_eq!(fake.asked(), 6);
    fake.set(|state| {
        state.down = false;
        state.accounts.push(account("ann"));
    });
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts.len(), 1);
}

#[tokio::test]
async fn one_query_is_on_its_way_however_many_ask() {
    let fake = Fake::with_permits(0);
    let accounts = cached(&fake, LONG, LONG);
    let lookup = by_name("ann");
    let (started, mut waiting) = (Arc::new(AtomicU64::new(0)), Vec::new());
    for _ in 0..50 {
        let (accounts, lookup, started) = (Arc::clone(&accounts), lookup.clone(), Arc::clone(&started));
        waiting.push(tokio::spawn(async move {
            started.fetch_add(1, Ordering::SeqCst);
            accounts.find(&lookup).await
        }));
    }
    until(|| started.load(Ordering::SeqCst) == 50 && fake.asked() == 1).await;
    fake.gate.add_permits(1);
    for waiter in waiting {
        assert!(waiter.await.unwrap().unwrap().accounts.is_empty());
    }
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn the_one_who_asked_first_may_go_away() {
    let fake = Fake::with_permits(0);
    let accounts = cached(&fake, LONG, LONG);
    let ask = || {
        let accounts = Arc::clone(&accounts);
        tokio::spawn(async move { accounts.find(&by_name("ann")).await })
    };
    let first = ask();
    until(|| fake.asked() == 1).await;
    let second = ask();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    fake.gate.add_permits(1);
    assert!(second.await.unwrap().is_ok());
    assert_eq!(fake.asked(), 1, "the query was begun again");
}

#[tokio::test]
async fn nothing_that_was_asked_before_is_believed_after_everything_was_forgotten() {
    let fake = Fake::with_permits(0);
    fake.set(|state| state.accounts.push(account("ann")));
    let accounts = cached(&fake, LONG, LONG);
    let ask = || {
        let accounts = Arc::clone(&accounts);
        tokio::spawn(async move { accounts.find(&by_name("ann")).await })
    };
    let before = ask();
    until(|| fake.asked() == 1).await;
    fake.set(|state| state.accounts[0].status = Status::Locked);
    accounts.invalidate_all();
    let after = ask();
    until(|| fake.asked() == 2).await;
    fake.gate.add_permits(2);
    assert_eq!(before.await.unwrap().unwrap().accounts[0].status, Status::Locked);
    assert_eq!(after.await.unwrap().unwrap().accounts[0].status, Status::Locked);
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts[0].status, Status::Locked);
    assert_eq!(fake.asked(), 2);
}

#[tokio::test]
async fn the_revocations_of_a_path_are_kept_one_by_one() {
    let fake = Fake::open();
    let accounts = cached(&fake, LONG, LONG);
    assert_eq!(accounts.revoked(&[]).await.unwrap().at, []);
    assert_eq!(accounts.revoked(&[certificate(1), certificate(2)]).await.unwrap().at, [None, None]);
    fake.set(|state| state.revoked = Some(Timestamp::from_unix(7)));
    let path = [certificate(2), certificate(3)];
    let revocations = accounts.revoked(&path).await.unwrap();
    assert_eq!(revocations.at, [None, Some(Timestamp::from_unix(7))]);
    assert!(revocations.fresh.holds(Instant::now()));
    assert_eq!(fake.asked(), 3);
    accounts.invalidate_all();
    assert_eq!(accounts.revoked(&path).await.unwrap().at, [Some(Timestamp::from_unix(7)); 2]);
}

#[tokio::test]
async fn the_cache_does_not_grow_beyond_its_capacity() {
    let fake = Fake::open();
    let accounts = cached(&fake, LONG, LONG);
    for number in 0..1000 {
        accounts.find(&by_name(&number.to_string())).await.unwrap();
    }
    assert!(accounts.accounts.octets() <= 100 * ROOM[0]);
    assert!((100..400).contains(&accounts.accounts.len()), "{}", accounts.accounts.len());
}

#[tokio::test]
async fn accounts_with_a_thousand_groups_take_the_room_of_many() {
    let fake = Fake::open();
    let groups: Vec<String> = (0..1000).map(|number| format!("group number {number}")).collect();
    fake.set(|state| {
        let people = (0..50).map(|number| Account { groups: groups.clone(), ..account(&format!("person{number}")) });
        state.accounts.extend(people);
    });
    let accounts = cached(&fake, LONG, LONG);
    for number in 0..50 {
        assert_eq!(accounts.find(&by_name(&format!("person{number}"))).await.unwrap().accounts.len(), 1);
    }
    assert!(accounts.accounts.octets() <= 100 * ROOM[0]);
    assert!((1..=3).contains(&accounts.accounts.len()), "{} of 40 KiB in 100 KiB", accounts.accounts.len());
}

#[tokio::test]
async fn a_time_of_zero_keeps_nothing() {
    let fake = Fake::open();
    let accounts = cached(&fake, Duration::ZERO, Duration::ZERO);
    fake.set(|state| state.accounts.push(account("ann")));
    for _ in 0..3 {
        assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts.len(), 1);
    }
    assert_eq!(fake.asked(), 3);
}

fn change(kind: Kind, name: &str) -> Change {
    Change { kind, name: name.to_owned() }
}

#[tokio::test]
async fn a_change_ends_the_answers_that_it_concerns_and_no_others() {
    let fake = Fake::open();
    fake.set(|state| state.accounts.extend(["ann", "bob"].map(account)));
    let accounts = cached(&fake, LONG, LONG);
    let (ann, bob, nobody) = (by_name("ann"), by_name("bob"), by_name("nobody"));
    let ask = async || {
        for lookup in [&ann, &bob, &nobody] {
            accounts.find(lookup).await.unwrap();
        }
        for username in ["ann", "bob"] {
            accounts.ha1(username, "example.org", DigestAlgorithm::Md5).await.unwrap();
        }
        accounts.revoked(&[certificate(1), certificate(2)]).await.unwrap();
        fake.asked()
    };
    assert_eq!(ask().await, 7);
    assert_eq!(ask().await, 7, "all is known");
    for (change, questions) in [
        // Her account, her credentials, and that there is nobody of another name.
        (change(Kind::Account, "ann"), 3),
        (change(Kind::Credential, "bob"), 3),
        (change(Kind::Account, "carol"), 1),
        (change(Kind::Revocation, &certificate(1).name()), 1),
        (change(Kind::Certificate, &certificate(2).name()), 1),
        (change(Kind::Revocation, &certificate(3).name()), 0),
        (change(Kind::Revocation, "what is this"), 7),
    ] {
        let before = fake.asked();
        accounts.forget(&change);
        assert_eq!(ask().await - before, questions, "{change:?}");
        assert_eq!(ask().await - before, questions, "{change:?}, asked again");
    }
}

#[tokio::test]
async fn an_answer_that_a_change_overtakes_is_given_to_nobody() {
    let fake = Fake::with_permits(0);
    fake.set(|state| state.accounts.push(account("ann")));
    let accounts = cached(&fake, LONG, LONG);
    let asking = tokio::spawn({
        let accounts = Arc::clone(&accounts);
        async move { accounts.find(&by_name("ann")).await }
    });
    until(|| fake.asked() == 1).await;
    fake.set(|state| state.accounts[0].status = Status::Locked);
    accounts.forget(&change(Kind::Account, "ann"));
    fake.gate.add_permits(2);
    assert_eq!(asking.await.unwrap().unwrap().accounts[0].status, Status::Locked);
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts[0].status, Status::Locked);
    assert_eq!(fake.asked(), 2);
}

#[test]
fn the_name_of_a_certificate_in_the_feed_is_its_key() {
    for key in [certificate(0), CertificateKey { issuer: [0xab; 32], serial: vec![0xff; 64] }] {
        assert_eq!(CertificateKey::of_name(&key.name()), Some(key));
    }
    for name in ["", ":", "00:01", "nothing", &format!("{}:0", "00".repeat(32))] {
        assert_eq!(CertificateKey::of_name(name), None, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_asked_for_anew_before_its_time_is_over_and_once() {
    let fake = Fake::with_permits(1);
    fake.set(|state| state.accounts.push(account("ann")));
    let ttl = Duration::from_secs(5);
    let accounts = cached(&fake, ttl, SHORT);
    let ann = by_name("ann");
    let first = accounts.find(&ann).await.unwrap();
    fake.set(|state| state.accounts[0].status = Status::Locked);
    assert!(!first.fresh.holds(Instant::now() + ttl * 4 / 5), "whoever keeps the answer comes again in time");
    for _ in 0..5 {
        assert_eq!(accounts.find(&ann).await.unwrap().accounts[0].status, Status::Active);
    }
    assert_eq!(fake.asked(), 1);
    tokio::time::sleep(ttl * 85 / 100).await;
    for _ in 0..20 {
        // Nobody waits for the answer, which is not there yet.
        assert_eq!(accounts.find(&ann).await.unwrap().accounts[0].status, Status::Active);
    }
    until(|| fake.asked() == 2).await;
    // When the time of the first is over, those who come wait for the one that is on its way.
    tokio::time::sleep(ttl * 20 / 100).await;
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (accounts, ann) = (Arc::clone(&accounts), ann.clone());
            tokio::spawn(async move { accounts.find(&ann).await })
        })
        .collect();
    tokio::time::sleep(SHORT).await;
    fake.gate.add_permits(1);
    for waiter in waiting {
        assert_eq!(waiter.await.unwrap().unwrap().accounts[0].status, Status::Locked);
    }
    assert_eq!((fake.asked(), accounts.accounts.on_their_way()), (2, 0));
}

#[tokio::test]
async fn what_is_asked_for_anew_in_vain_is_good_for_its_time_and_not_asked_again_and_again() {
    let fake = Fake::open();
    fake.set(|state| state.accounts.push(account("ann")));
    let ttl = Duration::from_secs(4);
    let accounts = cached(&fake, ttl, SHORT);
    accounts.find(&by_name("ann")).await.unwrap();
    fake.set(|state| state.down = true);
    tokio::time::sleep(ttl * 85 / 100).await;
    for _ in 0..10 {
        assert!(accounts.find(&by_name("ann")).await.is_ok());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fake.asked(), 2);
    tokio::time::sleep(ttl * 20 / 100).await;
    assert!(accounts.find(&by_name("ann")).await.is_err(), "its time is over");
}

#[tokio::test]
async fn by_default_nothing_counts_that_no_feed_confirms() {
    let fake = Fake::open();
    fake.set(|state| state.accounts.push(account("ann")));
    let accounts = followed(&fake, LONG, Duration::ZERO);
    let found = accounts.find(&by_name("ann")).await.unwrap();
    accounts.revoked(&[certificate(1)]).await.unwrap();
    assert!(found.fresh.holds(Instant::now()));
    fake.set(|state| state.down = true);
    assert!(accounts.find(&by_name("ann")).await.is_ok(), "the feed was read a moment ago");
    tokio::time::sleep(PROMISE).await;
    assert!(!found.fresh.holds(Instant::now()), "nor for whoever keeps it");
    assert!(accounts.find(&by_name("ann")).await.is_err());
    assert!(accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.is_err());
    assert!(accounts.revoked(&[certificate(1)]).await.is_err());
    assert!(!accounts.is_confirmed(Instant::now()));
    accounts.confirm(Instant::now());
    assert!(accounts.find(&by_name("ann")).await.is_ok(), "it is confirmed again, and nothing was asked");
    // A store that answers while its feed cannot be read is asked each time anew.
    fake.set(|state| state.down = false);
    tokio::time::sleep(PROMISE).await;
    let before = fake.asked();
    assert!(accounts.find(&by_name("ann")).await.is_ok());
    assert_eq!(fake.asked(), before + 1);
}

#[tokio::test]
async fn those_who_were_seen_before_go_on_for_as_long_as_serve_stale_says_and_nobody_else() {
    let fake = Fake::open();
    let serve_stale = Duration::from_secs(5);
    fake.set(|state| state.accounts.extend(["ann", "bob", "carol"].map(account)));
    fake.set(|state| state.accounts[1].status = Status::Locked);
    // The time of every answer is over at once.
    let accounts = followed(&fake, SHORT, serve_stale);
    let begin = Instant::now();
    for name in ["ann", "bob", "nobody"] {
        accounts.find(&by_name(name)).await.unwrap();
    }
    accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap();
    accounts.revoked(&[certificate(1)]).await.unwrap();
    fake.set(|state| state.down = true);
    tokio::time::sleep(SHORT * 2).await;
    let mut rounds = 0;
    while begin.elapsed() < serve_stale / 2 {
        let ann = accounts.find(&by_name("ann")).await.unwrap();
        assert_eq!(ann.accounts[0].status, Status::Active);
        assert!(ann.fresh.holds(Instant::now()), "not each request asks");
        assert_eq!(accounts.find(&by_name("bob")).await.unwrap().accounts[0].status, Status::Locked);
        assert!(accounts.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap().is_some());
        assert_eq!(accounts.revoked(&[certificate(1)]).await.unwrap().at, [None]);
        assert!(accounts.find(&by_name("carol")).await.is_err(), "she was never seen");
        assert!(accounts.find(&by_name("nobody")).await.is_err(), "that nobody has a name is not kept");
        assert!(accounts.revoked(&[certificate(2)]).await.is_err());
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(rounds > 5);
    tokio::time::sleep(serve_stale.saturating_sub(begin.elapsed())).await;
    assert!(accounts.find(&by_name("ann")).await.is_err());
    assert!(accounts.revoked(&[certificate(1)]).await.is_err());
    accounts.confirm(Instant::now());
    fake.set(|state| state.down = false);
    assert!(accounts.find(&by_name("ann")).await.is_ok());
}

#[tokio::test]
async fn what_was_locked_or_forgotten_is_not_served_stale() {
    let fake = Fake::open();
    fake.set(|state| state.accounts.extend(["ann", "bob"].map(account)));
    fake.set(|state| state.accounts[0].aliases.push("annie".to_owned()));
    let accounts = followed(&fake, SHORT, LONG);
    let annie = Lookup { kind: LookupKind::Alias, name: "annie".to_owned() };
    assert_eq!(accounts.find(&annie).await.unwrap().accounts[0].status, Status::Active);
    accounts.find(&by_name("bob")).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    // By another name she is found locked; of the other answer nobody has told the cache.
    fake.set(|state| state.accounts[0].status = Status::Locked);
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts[0].status, Status::Locked);
    fake.set(|state| state.down = true);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(accounts.find(&by_name("ann")).await.unwrap().accounts[0].status, Status::Locked);
    assert!(accounts.find(&annie).await.is_err(), "she is not let in by what was known before");
    assert!(accounts.find(&by_name("bob")).await.is_ok());
    accounts.forget(&change(Kind::Account, "bob"));
    assert!(accounts.find(&by_name("bob")).await.is_err(), "it is not known what has changed");
    accounts.forget(&change(Kind::Flush, ""));
    assert!(accounts.find(&by_name("ann")).await.is_err());
}

#[tokio::test]
async fn a_store_that_never_answers_holds_nobody_up_who_was_seen_before() {
    let fake = Fake::with_permits(1);
    fake.set(|state| state.accounts.push(account("ann")));
    let accounts = followed(&fake, SHORT, LONG);
    accounts.find(&by_name("ann")).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    let begin = Instant::now();
    assert!(accounts.find(&by_name("ann")).await.is_ok());
    assert!(begin.elapsed() < Duration::from_secs(30), "nobody answers");
    assert_eq!((fake.asked(), accounts.accounts.on_their_way()), (2, 1));
    // By now it is known to be silent.
    tokio::time::sleep(PROMISE).await;
    let begin = Instant::now();
    for _ in 0..100 {
        assert!(accounts.find(&by_name("ann")).await.is_ok());
    }
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    assert_eq!(fake.asked(), 2);
}

#[tokio::test]
async fn without_a_feed_stale_answers_are_counted_from_the_last_answer_of_the_store() {
    let fake = Fake::open();
    fake.set(|state| state.accounts.extend(["ann", "bob"].map(account)));
    let directory: Arc<dyn Directory> = Arc::<Fake>::clone(&fake);
    let serve_stale = Duration::from_secs(2);
    let settings = config::Cache { ttl: SHORT, negative_ttl: SHORT, capacity: 100, serve_stale };
    let accounts = Accounts::new(directory, &settings);
    accounts.find(&by_name("ann")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    accounts.find(&by_name("bob")).await.unwrap();
    let last = Instant::now();
    fake.set(|state| state.down = true);
    tokio::time::sleep(SHORT * 2).await;
    assert!(accounts.find(&by_name("ann")).await.is_ok() && accounts.find(&by_name("bob")).await.is_ok());
    tokio::time::sleep(serve_stale.saturating_sub(last.elapsed())).await;
    assert!(accounts.find(&by_name("ann")).await.is_err() && accounts.find(&by_name("bob")).await.is_err());
}
