//! Keeps the revocation lists of one trust set fresh: those of configured URLs from the start, and, where the
//! configuration allows it, those that certificates with a valid path name. One task for each URL fetches,
//! waits and fetches again, so that no list is fetched twice at a time.
//!
//! What is fetched is handed to whoever holds the lists and judges them. A list that is refused changes nothing:
//! the one before it stays in force and in the cache folder, from which it is read at the next start before
//! anybody is asked. When a list has used up three quarters of its time and there is none newer, that is logged
//! as an error again and again.

mod store;

use super::guard::Guard;
use super::http::{self, Answer, Bounds, Question, Validators};
use super::schedule::{after_failures, after_success, random};
use crate::base::clock::Timestamp;
use crate::base::url::HttpUrl;
use crate::certificate::facts::sha256;
use crate::config::CrlFetch;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// How long one list may take.
const DEADLINE: Duration = Duration::from_secs(120);
/// How many URLs of certificates are fetched from.
const MAX_FOUND: usize = 64;
/// How often it is said that a list is about to run out.
const ALARM_EVERY: Duration = Duration::from_secs(5 * 60);

/// Between which times a list that was taken up holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its thisUpdate; of several, the earliest.
    pub this_update: Timestamp,
    /// Its nextUpdate; of several, the earliest.
    pub next_update: Timestamp,
}

impl Taken {
    /// Whether there should have been a newer list by now: there is a quarter of the time left or a day, whichever
    /// is less.
    #[must_use]
    pub fn is_overdue(&self, at: Timestamp) -> bool {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        at > self.next_update.minus(DAY.min(self.next_update.since(self.this_update) / 4))
    }
}

/// How one URL fares, for metrics and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The URL.
    pub url: HttpUrl,
    /// The list in force, if there is one.
    pub taken: Option<Taken>,
    /// When the server last gave or confirmed it.
    pub confirmed: Option<Timestamp>,
    /// How many lists were fetched and taken up.
    pub fetched: u64,
    /// How many times there was nothing newer.
    pub unchanged: u64,
    /// How many lists were refused.
    pub refused: u64,
    /// How many times there was no answer.
    pub failed: u64,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
}

impl State {
    /// Whether it is known what the URL leads to, or that it leads to nothing.
    #[must_use]
    pub fn was_tried(&self) -> bool {
        self.taken.is_some() || self.confirmed.is_some() || self.error.is_some()
    }

    fn new(url: HttpUrl) -> Self {
        Self { url, taken: None, confirmed: None, fetched: 0, unchanged: 0, refused: 0, failed: 0, error: None }
    }
}

/// Fetches the lists of one trust set for as long as it is kept.
pub struct CrlFetcher {
    shared: Arc<Shared>,
    handle: Handle,
    /// Aborted when the fetcher goes.
    tasks: Mutex<JoinSet<()>>,
}

/// Takes up what a URL led to.
type TakeUp = dyn Fn(&HttpUrl, &[u8]) -> Result<Taken, String> + Send + Sync;

struct Shared {
    /// The name of the trust set.
    title: String,
    settings: CrlFetch,
    guard: Guard,
    store: Option<Store>,
    take_up: Box<TakeUp>,
    states: Mutex<BTreeMap<HttpUrl, State>>,
}

/// What a task knows from its last attempts.
#[derive(Default)]
struct Memory {
    validators: Option<Validators>,
    digest: Option<[u8; 32]>,
    taken: Option<Taken>,
    failures: u32,
    alarmed: Option<Timestamp>,
}

/// What came of one attempt.
enum Attempt {
    Fetched(Option<Duration>),
    Unchanged(Option<Duration>),
    Refused(String),
    Failed(String),
}

impl CrlFetcher {
    /// Starts to fetch. `title` is the trust set's name in logs; the tasks run on `handle`. `take_up` is given the
    /// octets that a URL led to, one or more lists in PEM or DER, and puts them in the place of what the same URL
    /// led to before, or says why it does not. It is called from here with the lists in the cache folder before
    /// this returns, and later from a thread on which it may take its time.
    ///
    /// # Errors
    /// When the cache folder cannot be made.
    pub fn new(
        title: &str,
        settings: CrlFetch,
        handle: Handle,
        take_up: impl Fn(&HttpUrl, &[u8]) -> Result<Taken, String> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let store = settings.cache.as_deref().map(Store::open).transpose()?;
        let shared = Arc::new(Shared {
            title: title.to_owned(),
            guard: Guard::new(settings.private_addresses.clone()),
            store,
            take_up: Box::new(take_up),
            states: Mutex::default(),
            settings,
        });
        let fetcher = Self { handle, tasks: Mutex::default(), shared };
        for url in &fetcher.shared.settings.urls {
            if fetcher.shared.begin(url) {
                let memory = fetcher.shared.recall(url);
                fetcher.spawn(url.clone(), Some(memory));
            }
        }
        Ok(fetcher)
    }

    /// Fetches from the distribution points of a certificate with a valid path as well, if the configuration
    /// allows it. Those that are known, and those that are no `http` URLs, cost nothing.
    pub fn found<'a>(&self, urls: impl IntoIterator<Item = &'a str>) {
        if !self.shared.settings.from_certificates {
            return;
        }
        for url in urls {
            let Ok(url) = url.parse::<HttpUrl>() else { continue };
            if self.shared.begin(&url) {
                tracing::info!(trust = %self.shared.title, %url, "fetching a revocation list that a certificate names");
                self.spawn(url, None);
            }
        }
    }

    /// Whether none of those of these URLs that are fetched from is still at its first attempt.
    #[must_use]
    pub fn have_been_tried(&self, urls: &[HttpUrl]) -> bool {
        let states = lock(&self.shared.states);
        urls.iter().filter_map(|url| states.get(url)).all(State::was_tried)
    }

    /// How each URL fares.
    #[must_use]
    pub fn states(&self) -> Vec<State> {
        lock(&self.shared.states).values().cloned().collect()
    }

    fn spawn(&self, url: HttpUrl, memory: Option<Memory>) {
        let shared = Arc::clone(&self.shared);
        lock(&self.tasks).spawn_on(keep_fresh(shared, url, memory), &self.handle);
    }
}

async fn keep_fresh(shared: Arc<Shared>, url: HttpUrl, memory: Option<Memory>) {
    let mut memory = match memory {
        Some(memory) => memory,
        None => blocking(&shared, &url, |shared, url| shared.recall(url)).await.unwrap_or_default(),
    };
    loop {
        let attempt = attempt(&shared, &url, &mut memory).await;
        let wait = shared.note(&url, &mut memory, attempt, Timestamp::now());
        tokio::time::sleep(wait).await;
    }
}

/// Runs what reads files or long lists where it holds up nobody.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    url: &HttpUrl,
    work: impl FnOnce(&Shared, &HttpUrl) -> T + Send + 'static,
) -> Option<T> {
    let (shared, url) = (Arc::clone(shared), url.clone());
    tokio::task::spawn_blocking(move || work(&shared, &url)).await.ok()
}

async fn attempt(shared: &Arc<Shared>, url: &HttpUrl, memory: &mut Memory) -> Attempt {
    let question =
        Question { url, accept: "application/pkix-crl, */*", validators: memory.validators.as_ref(), body: None };
    let bounds = Bounds { deadline: DEADLINE, size: shared.max_size() };
    let (octets, validators, fresh_for) = match http::ask(&question, &shared.guard, bounds).await {
        Err(error) => return Attempt::Failed(error.to_string()),
        Ok(Answer::Unchanged { fresh_for }) => return Attempt::Unchanged(fresh_for),
        Ok(Answer::Content { octets, validators, fresh_for }) => (octets, validators, fresh_for),
    };
    let digest = sha256(&octets);
    if memory.taken.is_some() && memory.digest == Some(digest) {
        return Attempt::Unchanged(fresh_for);
    }
    let recognised = validators.clone();
    let taken = blocking(shared, url, move |shared, url| {
        let taken = (shared.take_up)(url, &octets)?;
        if let Some(store) = &shared.store
            && let Err(error) = store.write(url, &validators, &octets)
        {
            tracing::warn!(trust = %shared.title, %url, %error, "cannot keep a revocation list for the next start");
        }
        Ok(taken)
    });
    match taken.await {
        Some(Ok(taken)) => {
            memory.validators = Some(recognised).filter(|validators| *validators != Validators::default());
            (memory.digest, memory.taken) = (Some(digest), Some(taken));
            Attempt::Fetched(fresh_for)
        }
        Some(Err(why)) => Attempt::Refused(why),
        None => Attempt::Refused("reading it was broken off".to_owned()),
    }
}

impl Shared {
    fn max_size(&self) -> usize {
        usize::try_from(self.settings.max_size).unwrap_or(usize::MAX)
    }

    /// Takes note of a URL; whether it is a new one that is to be fetched from.
    fn begin(&self, url: &HttpUrl) -> bool {
        let mut states = lock(&self.states);
        if states.contains_key(url) {
            return false;
        }
        if states.len() >= self.settings.urls.len().saturating_add(MAX_FOUND) {
            tracing::warn!(trust = %self.title, %url, "too many distribution points: no list is fetched from this one");
            return false;
        }
        states.insert(url.clone(), State::new(url.clone()));
        true
    }

    /// Takes up what the cache folder has for a URL.
    fn recall(&self, url: &HttpUrl) -> Memory {
        let Some(store) = &self.store else { return Memory::default() };
        let kept = match store.read(url, self.max_size()) {
            Ok(None) => return Memory::default(),
            Ok(Some(kept)) => kept,
            Err(error) => {
                tracing::warn!(trust = %self.title, %url, %error, "cannot read the revocation list of the last run");
                return Memory::default();
            }
        };
        match (self.take_up)(url, &kept.octets) {
            Ok(taken) => {
                if let Some(state) = lock(&self.states).get_mut(url) {
                    state.taken = Some(taken);
                }
                let validators = Some(kept.validators).filter(|validators| *validators != Validators::default());
                Memory { validators, digest: Some(sha256(&kept.octets)), taken: Some(taken), ..Memory::default() }
            }
            Err(why) => {
                tracing::warn!(trust = %self.title, %url, why, "the revocation list of the last run is refused");
                Memory::default()
            }
        }
    }

    /// Notes and logs what came of an attempt; how long to wait for the next one.
    fn note(&self, url: &HttpUrl, memory: &mut Memory, attempt: Attempt, at: Timestamp) -> Duration {
        let trust = &self.title;
        let left = memory.taken.map(|taken| taken.next_update.since(at));
        let success = |fresh_for| after_success(self.settings.refresh, fresh_for, left, random());
        let mut states = lock(&self.states);
        let state = states.entry(url.clone()).or_insert_with(|| State::new(url.clone()));
        state.taken = memory.taken;
        let wait = match attempt {
            Attempt::Fetched(fresh_for) => {
                (memory.failures, state.error, state.confirmed) = (0, None, Some(at));
                state.fetched += 1;
                let next_update = memory.taken.map(|taken| taken.next_update.to_string());
                tracing::info!(trust, %url, next_update, "revocation list taken up");
                success(fresh_for)
            }
            Attempt::Unchanged(fresh_for) => {
                (memory.failures, state.error, state.confirmed) = (0, None, Some(at));
                state.unchanged += 1;
                success(fresh_for)
            }
            Attempt::Refused(why) => {
                memory.failures = memory.failures.saturating_add(1);
                state.refused += 1;
                tracing::warn!(trust, %url, why, "the revocation list that was fetched is refused; the old one stays");
                state.error = Some(why);
                after_failures(memory.failures, random())
            }
            Attempt::Failed(why) => {
                memory.failures = memory.failures.saturating_add(1);
                state.failed += 1;
                tracing::warn!(trust, %url, why, "no revocation list could be fetched");
                state.error = Some(why);
                after_failures(memory.failures, random())
            }
        };
        drop(states);
        self.alarm(url, memory, at);
        wait
    }

    /// Says loudly that there is no list, or that there soon will be none.
    fn alarm(&self, url: &HttpUrl, memory: &mut Memory, at: Timestamp) {
        let due = match memory.taken {
            None => memory.failures > 0,
            Some(taken) => taken.is_overdue(at),
        };
        let said = memory.alarmed.is_some_and(|alarmed| at.since(alarmed) < ALARM_EVERY);
        if !due || said {
            return;
        }
        memory.alarmed = Some(at);
        let trust = &self.title;
        match memory.taken {
            None => tracing::error!(trust, %url, "there is no revocation list from this URL"),
            Some(Taken { next_update, .. }) if at > next_update => {
                tracing::error!(trust, %url, %next_update, "the revocation list has run out and there is none newer");
            }
            Some(Taken { next_update, .. }) => {
                tracing::error!(trust, %url, %next_update, "the revocation list runs out soon and there is none newer");
            }
        }
    }
}

/// The states are whole after every change, so that a panic elsewhere leaves them good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_overdue_when_three_quarters_of_its_time_have_passed() {
        let taken = Taken { this_update: Timestamp::from_unix(1000), next_update: Timestamp::from_unix(1400) };
        for (at, expected) in [(0, false), (1000, false), (1300, false), (1301, true), (1400, true), (2000, true)] {
            assert_eq!(taken.is_overdue(Timestamp::from_unix(at)), expected, "{at}");
        }
    }

    #[tokio::test]
    async fn what_certificates_name_is_bounded_and_needs_permission() {
        let settings = CrlFetch { from_certificates: true, ..CrlFetch::default() };
        let fetcher = |settings| {
            CrlFetcher::new("staff", settings, Handle::current(), |_, _| Err("nothing is fetched".to_owned())).unwrap()
        };
        let urls: Vec<String> = (0..100).map(|number| format!("http://127.0.0.1:9/{number}")).collect();
        let forbidden = fetcher(CrlFetch::default());
        forbidden.found(urls.iter().map(String::as_str));
        assert!(forbidden.states().is_empty());
        let allowed = fetcher(settings);
        allowed.found(["ldap://a.example/", "https://a.example/", "nonsense", "http://127.0.0.1:9/0"]);
        assert_eq!(allowed.states().len(), 1);
        allowed.found(urls.iter().map(String::as_str));
        assert_eq!(allowed.states().len(), MAX_FOUND);
    }
}
