//! Threads that hash passwords, and the queue before them. Both are bounded, and so is the memory: as many hashes at
//! once as there are threads, as many passwords as may wait. Who finds the queue full is told so at once. A
//! client that has gone away is not hashed for.

use crate::account::password::{self, Password, SALT};
use crate::auth::throttle::Effort;
use crate::base::secret::Secret;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The threads. They end with it, after what they are doing.
pub(super) struct Hashing(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    work: Condvar,
    room: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    ended: bool,
}

enum Job {
    Verify { stored: Arc<Password>, given: Secret, effort: Effort, right: oneshot::Sender<bool> },
    Make { password: Secret, made: oneshot::Sender<Option<Secret>> },
}

impl Hashing {
    /// So many threads, and room for so many who wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(threads: usize, room: usize) -> std::io::Result<Self> {
        let hashing = Self(Arc::new(Queue { state: Mutex::default(), work: Condvar::new(), room }));
        for number in 0..threads {
            let queue = Arc::clone(&hashing.0);
            std::thread::Builder::new().name(format!("hashing-{number}")).spawn(move || queue.work())?;
        }
        Ok(hashing)
    }

    /// Whether a password is the stored one's. `effort` is told when a thread begins with it.
    pub(super) async fn verify(&self, stored: Arc<Password>, given: Secret, effort: Effort) -> Result<bool, NoRoom> {
        let (right, answer) = oneshot::channel();
        self.0.put(Job::Verify { stored, given, effort, right })?;
        answer.await.map_err(|_| NoRoom)
    }

    /// A new hash; `None` when there is no memory or no randomness.
    pub(super) async fn make(&self, password: Secret) -> Result<Option<Secret>, NoRoom> {
        let (made, answer) = oneshot::channel();
        self.0.put(Job::Make { password, made })?;
        answer.await.map_err(|_| NoRoom)
    }
}

impl Hashing {
    /// Ends the threads. Whoever waits is told that there is no room.
    pub(super) fn stop(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        state.jobs.clear();
        self.0.work.notify_all();
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Queue {
    fn put(&self, job: Job) -> Result<(), NoRoom> {
        let mut state = self.lock();
        if state.ended {
            return Err(NoRoom);
        }
        if state.jobs.len() >= self.room {
            // Those that nobody waits for any more make room.
            state.jobs.retain(|job| !job.is_forsaken());
        }
        if state.jobs.len() >= self.room {
            return Err(NoRoom);
        }
        state.jobs.push_back(job);
        self.work.notify_one();
        Ok(())
    }

    /// Does jobs until the end.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let job = loop {
                if state.ended {
                    return;
                }
                match state.jobs.pop_front() {
                    Some(job) => break job,
                    None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(state);
            if !job.is_forsaken() {
                job.run();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is ever half done under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn is_forsaken(&self) -> bool {
        match self {
            Self::Verify { right, .. } => right.is_closed(),
            Self::Make { made, .. } => made.is_closed(),
        }
    }

    fn run(self) {
        // Whoever waits may go away at any time.
        match self {
            Self::Verify { stored, given, effort, right } => {
                effort.begin();
                let _ = right.send(stored.verify(&given));
            }
            Self::Make { password, made } => {
                let mut salt = [0; SALT];
                let salted = aws_lc_rs::rand::fill(&mut salt).ok();
                drop(made.send(salted.and_then(|()| password::make(&password, &salt))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::password::PasswordHash;
    use std::time::Duration;

    fn stored(text: &str) -> Arc<Password> {
        Arc::new(Password { hash: PasswordHash::parse(text).unwrap(), pin: None, set: None })
    }

    /// `openssl passwd -1 -salt saltsalt 'correct horse bättery'`
    const QUICK: &str = "$1$saltsalt$G/1b1Zd4GvZmJgBlv08ss1";
    /// A hash of hundreds of milliseconds.
    const SLOW: &str = "$6$rounds=1000000$saltsalt$oDxhScmAF.kccOCkVstug7WoFoFjMX6mXSTs0lFRSUqML932SQ3Q/BgYSribNat/so81nzUOA4mI6/b5E5nYV/";

    #[tokio::test]
    async fn passwords_are_verified_and_made() {
        let hashing = Hashing::start(2, 10).unwrap();
        let right = Secret::from("correct horse bättery");
        assert_eq!(hashing.verify(stored(QUICK), right.clone(), Effort::default()).await, Ok(true));
        assert_eq!(hashing.verify(stored(QUICK), Secret::from("another"), Effort::default()).await, Ok(false));
        let made = hashing.make(right.clone()).await.unwrap().unwrap();
        assert_eq!(hashing.verify(stored(made.expose_str().unwrap()), right, Effort::default()).await, Ok(true));
    }

    #[tokio::test]
    async fn the_queue_has_an_end_and_those_who_have_left_make_room_in_it() {
        let hashing = Arc::new(Hashing::start(1, 2).unwrap());
        let verify = || {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move { hashing.verify(stored(SLOW), Secret::from("a guess"), Effort::default()).await })
        };
        let waiting = |count| {
            let hashing = Arc::clone(&hashing);
            async move {
                while hashing.0.lock().jobs.len() != count {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        // One is with the thread, two wait.
        let (right, running) = oneshot::channel();
        hashing
            .0
            .put(Job::Verify { stored: stored(SLOW), given: Secret::from("a guess"), effort: Effort::default(), right })
            .unwrap();
        waiting(0).await;
        let (second, third) = (verify(), verify());
        waiting(2).await;
        assert_eq!(hashing.verify(stored(QUICK), Secret::from("a guess"), Effort::default()).await, Err(NoRoom));
        second.abort();
        third.abort();
        assert!(second.await.is_err() && third.await.is_err());
        assert_eq!(hashing.verify(stored(QUICK), Secret::from("a guess"), Effort::default()).await, Ok(false));
        assert_eq!(running.await, Ok(false));
    }

    #[tokio::test]
    async fn whoever_waits_at_the_end_is_told() {
        let hashing = Hashing::start(1, 10).unwrap();
        let queue = Arc::clone(&hashing.0);
        let (right, answer) = oneshot::channel();
        queue
            .put(Job::Verify { stored: stored(SLOW), given: Secret::from("one"), effort: Effort::default(), right })
            .unwrap();
        let (last, never) = oneshot::channel();
        queue
            .put(Job::Verify {
                stored: stored(SLOW),
                given: Secret::from("two"),
                effort: Effort::default(),
                right: last,
            })
            .unwrap();
        while queue.lock().jobs.len() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(hashing);
        assert!(never.await.is_err(), "it was never begun");
        assert_eq!(answer.await, Ok(false), "what was begun is finished");
    }
}
