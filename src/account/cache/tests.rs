use super::*;
use crate::account::Status;
use crate::base::secret::Secret;
use crate::config::LookupKind;
use std::sync::Mutex;
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
    Arc::new(Accounts::new(directory, &config::Cache { ttl, negative_ttl, capacity: 100 }))
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
        let before = Instant::now();
        let found = accounts.find(&by_name("ann")).await.unwrap();
        assert_eq!(found.accounts.iter().map(|account| account.username.as_str()).collect::<Vec<_>>(), ["ann"]);
        assert!(found.until > before && found.until <= Instant::now() + LONG);
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
    assert_eq!(before.await.unwrap().unwrap().accounts[0].status, Status::Active);
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
    assert!(revocations.until > Instant::now());
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
    accounts.accounts.cache.run_pending_tasks().await;
    assert!(accounts.accounts.cache.entry_count() <= 100);
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
