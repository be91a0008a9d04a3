//! What wakes the task that uses a kept connection. The connection and the request on it live in one task, which polls both: when
//! one of them hands something to the other, that would wake the task that is just running, and it would be polled
//! once more for nothing. So the connection wakes the task only for what comes from outside, and nobody while it is kept.

use futures_util::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};

/// The waker that a connection is polled with for as long as it lives.
#[derive(Debug)]
pub(super) struct Quiet {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Shared {
    /// Who uses the connection at the moment.
    task: AtomicWaker,
    /// What happens now is the task's own doing.
    deaf: AtomicBool,
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.deaf.load(Relaxed) {
            self.task.wake();
        }
    }
}

impl Quiet {
    pub(super) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// Polls the connection for this task, which is woken when it is to be polled again.
    pub(super) fn poll_for<T>(&self, cx: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.shared.task.register(cx.waker());
        poll(&mut Context::from_waker(&self.waker))
    }

    /// Polls the connection for nobody.
    pub(super) fn poll_for_nobody<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.shared.task.take();
        poll(&mut Context::from_waker(&self.waker))
    }

    /// Polls the other end of what the connection hands over. Nothing of that comes but from polling the connection, which whoever
    /// calls this does next; so nobody needs to be woken for it.
    pub(super) fn poll_other_end<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        // One thread polls both, and what wakes from another thread wakes the task itself and not the connection.
        self.shared.deaf.store(true, Relaxed);
        let polled = poll(&mut Context::from_waker(Waker::noop()));
        self.shared.deaf.store(false, Relaxed);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_task_is_woken_by_what_comes_from_outside_and_by_nothing_else() {
        let count = Arc::<Count>::default();
        let task = Waker::from(Arc::clone(&count));
        let quiet = Quiet::new();
        let mut kept = None;
        quiet.poll_for(&Context::from_waker(&task), |cx| kept = Some(cx.waker().clone()));
        let kept = kept.unwrap();
        quiet.poll_other_end(|_| kept.wake_by_ref());
        assert_eq!(count.0.load(Relaxed), 0, "its own doing");
        kept.wake_by_ref();
        assert_eq!(count.0.load(Relaxed), 1);
        quiet.poll_for(&Context::from_waker(&task), |_| ());
        quiet.poll_for_nobody(|cx| assert!(cx.waker().will_wake(&kept)));
        kept.wake_by_ref();
        assert_eq!(count.0.load(Relaxed), 1, "nobody uses it");
    }
}
