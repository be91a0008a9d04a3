//! The pieces of bodies, which count for their connection from when they are handed over to be written until they are
//! written: hyper and h2 queue what its reader does not take, and let go of it when that is sent or its stream is reset. A
//! piece is the octets that were read, and never a copy, but for small ones in a queue.

use crate::listen::activity::Activity;
use bytes::{Buf, Bytes};
use std::io::IoSlice;
use std::sync::Arc;

/// What keeping a piece costs besides its octets.
const BESIDES: u64 = 128;
/// What the first piece of a body may keep from being freed besides itself: the buffer that the head came in.
const FIRST: u64 = 8 * 1024;
/// Pieces below this size are copied where they wait behind others. One of a few octets may keep the buffer that it was read
/// into from being freed, and an application that says little at a time would have the gate hold thousands of those.
const SMALL: usize = 4096;

/// Octets of a body on their way.
#[derive(Debug)]
pub struct Piece {
    octets: Bytes,
    /// As what it counts.
    _counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    activity: Arc<Activity>,
    octets: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.activity.pass(self.octets);
    }
}

impl From<Bytes> for Piece {
    /// Octets that are held by somebody else anyway, and count for nobody.
    fn from(octets: Bytes) -> Self {
        Self { octets, _counted: None }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.octets.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.octets
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.octets.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.octets.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.octets.copy_to_bytes(count)
    }
}

/// A body as it goes through memory for a connection: pieces of it wait to be written, and while they do, more of it may be read ahead.
#[derive(Debug)]
pub(super) struct Load {
    activity: Arc<Activity>,
    /// What may be read ahead of a reader that has not asked for it.
    ahead: u64,
    begun: bool,
}

impl Load {
    /// A body of which nothing was read yet.
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        Self { activity, ahead: 0, begun: false }
    }

    /// What is done on the connection.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Nobody has asked for the next piece yet, and so many octets may come meanwhile.
    pub(super) fn waits(&mut self, ahead: u64) {
        self.asked();
        if ahead > 0 {
            self.ahead = ahead;
            self.activity.hold(ahead);
        }
    }

    /// The next piece is asked for.
    pub(super) fn asked(&mut self) {
        if self.ahead > 0 {
            self.activity.let_go(std::mem::take(&mut self.ahead));
        }
    }

    /// A piece is handed over, behind which so many octets may come before the next one is asked for.
    pub(super) fn piece(&mut self, octets: Bytes, ahead: u64) -> Piece {
        let waits = octets.len() < SMALL && self.begun && self.activity.held().0 > 0;
        let octets = if waits { Bytes::copy_from_slice(&octets) } else { octets };
        let besides = if self.begun { BESIDES } else { FIRST };
        self.begun = true;
        let weight = besides + octets.len() as u64;
        self.activity.hold(weight);
        self.waits(ahead);
        Piece { octets, _counted: Some(Counted { activity: Arc::clone(&self.activity), octets: weight }) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.asked();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn activity() -> Arc<Activity> {
        Arc::new(Activity::new(false, Instant::now()))
    }

    #[test]
    fn a_piece_counts_until_it_is_written_or_given_up() {
        let activity = activity();
        let held = || activity.held().0;
        let mut load = Load::new(Arc::clone(&activity));
        load.waits(500);
        assert_eq!(held(), 500);
        load.asked();
        assert_eq!(held(), 0);
        let mut first = load.piece(Bytes::from(vec![7; 10_000]), 300);
        assert_eq!(held(), 10_000 + FIRST + 300);
        first.advance(9_999);
        assert_eq!((first.remaining(), held()), (1, 10_000 + FIRST + 300), "all of it is in memory until it is gone");
        load.asked();
        let second = load.piece(Bytes::from(vec![8; 5000]), 0);
        assert_eq!(held(), 10_000 + FIRST + 5000 + BESIDES);
        drop(first);
        assert_eq!(activity.held(), (5000 + BESIDES, 10_000 + FIRST));
        drop(load);
        drop(second);
        assert_eq!(held(), 0);
    }

    #[test]
    fn a_body_that_is_given_up_lets_go_of_what_it_has_read_ahead() {
        let activity = activity();
        let mut load = Load::new(Arc::clone(&activity));
        let piece = load.piece(Bytes::from_static(b"much"), 64 * 1024);
        drop(load);
        assert_eq!(activity.held().0, 4 + FIRST);
        drop(piece);
        assert_eq!(activity.held().0, 0);
    }

    #[test]
    fn small_pieces_are_copied_only_where_they_wait() {
        let activity = activity();
        let mut load = Load::new(Arc::clone(&activity));
        let read = Bytes::from(vec![7; 8192]);
        let same = |piece: &Piece, octets: &Bytes| std::ptr::eq(piece.chunk().as_ptr(), octets.as_ptr());
        let first = load.piece(read.slice(..10), 0);
        assert!(same(&first, &read));
        assert!(!same(&load.piece(read.slice(..10), 0), &read), "the first one is not written");
        assert!(same(&load.piece(read.slice(..5000), 0), &read), "it is large");
        drop(first);
        assert!(same(&load.piece(read.slice(..10), 0), &read), "nothing waits");
        let mut copied = Piece::from(read.slice(..10));
        assert_eq!(copied.copy_to_bytes(4).len() + copied.remaining(), 10);
        assert_eq!(activity.held().0, 0);
    }
}
