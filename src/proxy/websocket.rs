//! Where the frames of a WebSocket end (RFC 6455, section 5.2), as octets pass: enough to put in a Close frame
//! of our own between two frames of the server's. Payloads are counted, never looked at.

/// The opcode of a Close frame.
const CLOSE: u8 = 0x8;
/// The statuses (RFC 6455, section 7.4.1) of a client that is to come again, since this process ends (going away), and
/// of one that is turned away (policy violation).
const GOING_AWAY: u16 = 1001;
const POLICY_VIOLATION: u16 = 1008;
/// The most octets that a control frame's payload may have, less those of the status.
const MOST_REASON: usize = 123;

/// Follows the frames of one direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    /// The header that is being read, as far as it has come.
    header: Header,
    /// Octets of the payload that are still to come.
    payload: u64,
    closed: bool,
}

/// A header of 2 to 14 octets.
#[derive(Debug, Clone, Default)]
struct Header {
    octets: [u8; 14],
    length: usize,
}

impl Header {
    fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.length) {
            *place = octet;
        }
        self.length += 1;
    }

    /// The opcode and the payload's length, once all of it is there.
    fn read(&self) -> Option<(u8, u64)> {
        let [first, second, rest @ ..] = &self.octets;
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        // Servers do not mask what they send; where one does, its frames end in the same places.
        let masked = if second & 0x80 == 0 { 0 } else { 4 };
        if self.length < 2 + extended + masked {
            return None;
        }
        let payload = match extended {
            0 => u64::from(second & 0x7f),
            _ => rest.iter().take(extended).fold(0, |length, octet| length << 8 | u64::from(*octet)),
        };
        Some((first & 0x0f, payload))
    }
}

impl Frames {
    /// Whether a frame has ended, or none has begun.
    pub(super) fn is_between(&self) -> bool {
        self.header.length == 0 && self.payload == 0
    }

    /// Whether a Close frame has passed, after which there are no others.
    pub(super) fn is_closed(&self) -> bool {
        self.closed && self.is_between()
    }

    /// Follows these octets.
    pub(super) fn pass(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let passed = self.pass_frame(octets);
            octets = octets.get(passed..).unwrap_or_default();
        }
    }

    /// Follows these octets to the end of the frame that they belong to, and says how many that are: all of them
    /// if it does not end there.
    pub(super) fn pass_frame(&mut self, octets: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(rest) = octets.get(passed..).filter(|rest| !rest.is_empty()) {
            if self.payload > 0 {
                let some = usize::try_from(self.payload).unwrap_or(usize::MAX).min(rest.len());
                self.payload -= some as u64;
                passed += some;
            } else if let Some(octet) = rest.first() {
                self.header.push(*octet);
                passed += 1;
                if let Some((opcode, payload)) = self.header.read() {
                    self.closed |= opcode == CLOSE;
                    self.payload = payload;
                    self.header = Header::default();
                }
            }
            if self.is_between() {
                break;
            }
        }
        passed
    }
}

/// A Close frame that says that the client is turned away, and why in a few words.
pub(super) fn policy_violation(reason: &str) -> Vec<u8> {
    close(POLICY_VIOLATION, reason)
}

/// A Close frame that says that the process ends.
pub(super) fn going_away() -> Vec<u8> {
    close(GOING_AWAY, "")
}

fn close(status: u16, reason: &str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..MOST_REASON).unwrap_or(reason.as_bytes());
    let length = u8::try_from(reason.len() + 2).unwrap_or(2);
    [&[0x80 | CLOSE, length], status.to_be_bytes().as_slice(), reason].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame with a header of whichever form fits its length.
    fn frame(opcode: u8, masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(if masked { vec![0xff; 4] } else { Vec::new() });
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    proptest! {
        #[test]
        fn frames_end_where_they_end_however_they_come(
            frames in prop::collection::vec((0_u8..8, any::<bool>(), prop_oneof![0_usize..300, 65_000_usize..70_000]), 1..6),
            pieces in prop::collection::vec(1_usize..40_000, 1..20),
        ) {
            let frames: Vec<_> = frames.into_iter().map(|(opcode, masked, length)| frame(opcode, masked, length)).collect();
            let ends: Vec<usize> = frames.iter().scan(0, |end, frame| { *end += frame.len(); Some(*end) }).collect();
            let all = frames.concat();
            let (mut passing, mut at, mut found) = (Frames::default(), 0, Vec::new());
            let mut pieces = pieces.iter().cycle();
            while at < all.len() {
                let piece = &all[at..(at + pieces.next().unwrap()).min(all.len())];
                at += passing.pass_frame(piece);
                if passing.is_between() {
                    found.push(at);
                }
            }
            prop_assert_eq!(&found, &ends);
            let mut at_once = Frames::default();
            at_once.pass(&all);
            prop_assert!(at_once.is_between() && !at_once.is_closed());
        }
    }

    #[test]
    fn a_close_frame_that_passes_is_noticed_once_it_has_passed() {
        let mut frames = Frames::default();
        let close = frame(CLOSE, false, 2);
        frames.pass(&frame(2, false, 1000));
        assert!(!frames.is_closed(), "its payload looks like one");
        frames.pass(&close[..3]);
        assert!(!frames.is_closed());
        frames.pass(&close[3..]);
        assert!(frames.is_closed());
    }

    #[test]
    fn a_length_that_no_frame_can_have_is_waited_for() {
        let mut frames = Frames::default();
        frames.pass(&[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        frames.pass(&[0; 1000]);
        assert!(!frames.is_between());
    }

    #[test]
    fn our_own_close_frame_is_one() {
        let frame = policy_violation("certificate_revoked");
        assert_eq!(frame, [&[0x88, 21, 0x03, 0xf0], b"certificate_revoked".as_slice()].concat());
        let mut frames = Frames::default();
        frames.pass(&frame);
        assert!(frames.is_closed());
        assert_eq!(policy_violation(&"x".repeat(200)).len(), 2 + 125);
        assert_eq!(going_away(), [0x88, 2, 0x03, 0xe9]);
    }
}
