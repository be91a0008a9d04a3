//! DER that is read while it streams in, for lists that are too large to be held: one element at a time is in
//! memory, and what was signed is sealed on the way. What the elements say is `read`'s business.

use crate::certificate::der::{self, DerError, Element};
use crate::certificate::signature::{Sealing, SignatureError};
use std::io::{ErrorKind, Read};

/// How many octets are read at once.
const CHUNK: usize = 64 * 1024;
/// The largest element that is held whole, in octets: an entry, the issuer's name, the extensions, the signature.
const MOST_HELD: usize = 256 * 1024;
/// The most octets that the head of an element has.
const HEAD: usize = 6;

/// What ends the reading.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] std::io::Error),
    /// It is not the DER that was expected.
    #[error(transparent)]
    Der(#[from] DerError),
    /// It has more octets than are read.
    #[error("it has more than {0} octets")]
    TooLarge(u64),
}

/// A source of DER, and the octets of it that are in memory.
pub(super) struct Stream<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where in the buffer the octets begin that were not taken yet.
    start: usize,
    /// Where in the buffer they end.
    end: usize,
    /// How many octets were taken in all.
    taken: u64,
    /// How many may still be read: one more than allowed, to know that there are more.
    left: u64,
    most: u64,
    signed: Signed,
}

/// What happens to octets that are taken.
enum Signed {
    /// They are not signed.
    No,
    /// They are, and are held from this place of the buffer on until it is known how.
    Held(usize),
    /// They are sealed; up to this place of the buffer they have been.
    Sealed(Sealing, usize),
}

impl<R: Read> Stream<R> {
    /// Reads from `source` at most this many octets.
    pub(super) fn new(source: R, most: u64) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            taken: 0,
            left: most.saturating_add(1),
            most,
            signed: Signed::No,
        }
    }

    /// The tag of the next element; `None` at the end of the source.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, StreamError> {
        self.fill(1)?;
        Ok(self.ready().first().copied())
    }

    /// Where the next octet stands in the source.
    pub(super) fn place(&self) -> u64 {
        self.taken
    }

    /// Enters an element of this tag, which must end by `end`; returns where it does.
    pub(super) fn enter(&mut self, tag: u8, end: u64) -> Result<u64, StreamError> {
        let head = self.head()?;
        if head.tag != tag {
            return Err(DerError::Tag { expected: tag, found: head.tag }.into());
        }
        self.take(head.octets);
        let own_end = self.taken.saturating_add(head.content as u64);
        if own_end > end { Err(DerError::Truncated.into()) } else { Ok(own_end) }
    }

    /// Leaves an element: nothing of it may be left.
    pub(super) fn leave(&self, end: u64) -> Result<(), StreamError> {
        if self.taken == end { Ok(()) } else { Err(DerError::Leftover.into()) }
    }

    /// The next element, which must end by `end`.
    pub(super) fn element(&mut self, end: u64) -> Result<Element<'_>, StreamError> {
        let head = self.head()?;
        let whole = head.octets.checked_add(head.content).filter(|whole| *whole <= MOST_HELD);
        let whole = whole.ok_or(DerError::Value("an element of more than 256 KiB"))?;
        if self.taken.saturating_add(whole as u64) > end || !self.fill(whole)? {
            return Err(DerError::Truncated.into());
        }
        let begin = self.start;
        self.take(whole);
        let whole = self.buffer.get(begin..self.start).unwrap_or_default();
        Ok(Element { tag: head.tag, content: whole.get(head.octets..).unwrap_or_default(), whole })
    }

    /// The next element, which must have this tag and end by `end`.
    pub(super) fn expect(&mut self, tag: u8, end: u64) -> Result<Element<'_>, StreamError> {
        match self.peek()? {
            Some(found) if found != tag => Err(DerError::Tag { expected: tag, found }.into()),
            _ => self.element(end),
        }
    }

    /// Holds what is signed, from the next octet on, until [`Stream::seal`] says how.
    pub(super) fn hold(&mut self) {
        self.signed = Signed::Held(self.start);
    }

    /// Seals what was held, and what will be taken. `algorithm` is the content of the AlgorithmIdentifier.
    pub(super) fn seal(&mut self, algorithm: &[u8]) -> Result<(), SignatureError> {
        if let Signed::Held(from) = self.signed {
            self.signed = Signed::Sealed(Sealing::begin(algorithm)?, from);
        }
        Ok(())
    }

    /// Ends what is signed before the next octet.
    pub(super) fn sealed(&mut self) -> Option<Sealing> {
        self.seal_taken();
        match std::mem::replace(&mut self.signed, Signed::No) {
            Signed::Sealed(sealing, _) => Some(sealing),
            Signed::No | Signed::Held(_) => None,
        }
    }

    fn seal_taken(&mut self) {
        if let Signed::Sealed(sealing, from) = &mut self.signed {
            sealing.update(self.buffer.get(*from..self.start).unwrap_or_default());
            *from = self.start;
        }
    }

    fn ready(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn take(&mut self, octets: usize) {
        self.start += octets;
        self.taken += octets as u64;
    }

    fn head(&mut self) -> Result<der::Head, StreamError> {
        self.fill(HEAD)?;
        Ok(der::head(self.ready())?)
    }

    /// Sees to it that this many octets are ready; `false` if the source ends before.
    fn fill(&mut self, needed: usize) -> Result<bool, StreamError> {
        if self.end - self.start >= needed {
            return Ok(true);
        }
        self.seal_taken();
        let keep = match &mut self.signed {
            Signed::No => self.start,
            Signed::Held(from) => std::mem::take(from),
            Signed::Sealed(_, from) => {
                *from = 0;
                self.start
            }
        };
        self.buffer.copy_within(keep..self.end, 0);
        self.start -= keep;
        self.end -= keep;
        if self.buffer.len() < self.start + needed {
            self.buffer.resize(self.start + needed, 0);
        }
        while self.end - self.start < needed {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            let room_length = room.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            match self.source.read(room.get_mut(..room_length).unwrap_or_default()) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.end += count;
                    self.left -= count as u64;
                    if self.left == 0 {
                        return Err(StreamError::TooLarge(self.most));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{ecdsa_with_sha256, sequence, tlv};

    /// Gives out one octet at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(to.len()).min(1);
            to[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn elements_come_out_whole_however_their_octets_come_in() {
        let long = tlv(der::OCTET_STRING, &[&[7; 100_000]]);
        let octets = sequence(&[&tlv(der::INTEGER, &[&[1]]), &long, &tlv(der::INTEGER, &[&[2]])]);
        let mut stream = Stream::new(Drops(&octets), 1 << 20);
        let end = stream.enter(der::SEQUENCE, u64::MAX).unwrap();
        assert_eq!(stream.expect(der::INTEGER, end).unwrap().content, [1]);
        assert_eq!(stream.element(end).unwrap().whole, long);
        assert!(matches!(stream.leave(end), Err(StreamError::Der(DerError::Leftover))));
        assert_eq!(stream.element(end).unwrap().content, [2]);
        stream.leave(end).unwrap();
        assert_eq!((stream.place(), stream.peek().unwrap()), (octets.len() as u64, None));
    }

    #[test]
    fn what_reaches_over_its_end_or_the_bound_is_refused() {
        let inner = tlv(der::INTEGER, &[&[1, 2, 3]]);
        let mut stream = Stream::new(inner.as_slice(), 100);
        assert!(matches!(stream.element(4), Err(StreamError::Der(DerError::Truncated))));
        let mut stream = Stream::new(inner.as_slice(), 4);
        assert!(matches!(stream.element(5), Err(StreamError::TooLarge(4))));
        assert!(Stream::new(inner.as_slice(), 5).element(5).is_ok());
        assert!(matches!(Stream::new(&inner[..4], 100).element(5), Err(StreamError::Der(DerError::Truncated))));
        let large = tlv(der::OCTET_STRING, &[&vec![0; MOST_HELD]]);
        assert!(matches!(Stream::new(large.as_slice(), 1 << 20).element(u64::MAX), Err(StreamError::Der(_))));
    }

    #[test]
    fn what_was_signed_is_sealed_across_any_number_of_chunks() {
        let authority = crate::certificate::testing::Authority::root("Root");
        let key = crate::certificate::fields::Fields::read(&authority.der).unwrap().public_key;
        let long = tlv(der::OCTET_STRING, &[&[7; 3 * CHUNK]]);
        let signed = sequence(&[&tlv(der::INTEGER, &[&[1]]), &long, &long]);
        let octets = authority.sign(&signed);
        for short in [false, true] {
            let mut stream = Stream::new(
                if short { Box::new(Drops(&octets)) as Box<dyn Read> } else { Box::new(octets.as_slice()) },
                1 << 24,
            );
            let end = stream.enter(der::SEQUENCE, u64::MAX).unwrap();
            stream.hold();
            let signed_end = stream.enter(der::SEQUENCE, end).unwrap();
            stream.element(signed_end).unwrap();
            stream.seal(der::single(&ecdsa_with_sha256(), der::SEQUENCE).unwrap()).unwrap();
            stream.element(signed_end).unwrap();
            stream.element(signed_end).unwrap();
            stream.leave(signed_end).unwrap();
            let sealing = stream.sealed().unwrap();
            stream.element(end).unwrap();
            let signature = stream.expect(der::BIT_STRING, end).unwrap().content[1..].to_vec();
            assert!(sealing.finish(&signature).verify(key).is_ok());
        }
    }
}
