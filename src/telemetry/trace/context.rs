//! The trace that a request belongs to, as `traceparent` says it (W3C Trace Context, level 1). Whatever a client says is
//! a number to be found by and no more: nothing is decided by it but how much of the request is written down.

use crate::base::hex;
use std::fmt;

/// The longest `tracestate` that is handed on, in octets, and the most entries (section 3.3.1.5).
const MOST_STATE: usize = 512;
const MOST_ENTRIES: usize = 32;

/// What a trace is known by; never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// What a span is known by within its trace; never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// What whoever sends a request says of the trace that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request was sent in.
    pub span: SpanId,
    /// Whether that is recorded.
    pub sampled: bool,
}

impl TraceId {
    /// One made of random octets.
    #[must_use]
    pub fn new(mut octets: [u8; 16]) -> Self {
        if octets == [0; 16] {
            octets = 1_u128.to_be_bytes();
        }
        Self(octets)
    }
}

impl SpanId {
    /// One made of random octets.
    #[must_use]
    pub fn new(octets: [u8; 8]) -> Self {
        if octets == [0; 8] { Self(1_u64.to_be_bytes()) } else { Self(octets) }
    }

    /// The next one of the same request: as random as the one before.
    #[must_use]
    pub fn next(self) -> Self {
        Self::new(u64::from_be_bytes(self.0).wrapping_add(0x9e37_79b9_7f4a_7c15).to_be_bytes())
    }

    /// A number that is spread evenly over all there are.
    #[must_use]
    pub fn number(self) -> u64 {
        u64::from_be_bytes(self.0)
    }
}

impl Parent {
    /// Reads the value of `traceparent` (section 3.2): version, trace, span and flags in hexadecimal, in lower case. Of
    /// versions yet to come, what version 00 has.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (head, rest) = text.split_at_checked(55)?;
        let mut parts = head.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let lower = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if parts.next().is_some()
            || ![version, trace, span, flags].into_iter().all(lower)
            || version.len() != 2
            || version == "ff"
        {
            return None;
        }
        // What follows belongs to a later version, behind another dash.
        if !rest.is_empty() && (version == "00" || !rest.starts_with('-')) {
            return None;
        }
        let trace: [u8; 16] = hex::decode(trace)?.try_into().ok()?;
        let span: [u8; 8] = hex::decode(span)?.try_into().ok()?;
        let [flags]: [u8; 1] = hex::decode(flags)?.try_into().ok()?;
        let sound = trace != [0; 16] && span != [0; 8];
        sound.then_some(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & 1 == 1 })
    }
}

/// Writes a `traceparent`.
#[must_use]
pub fn traceparent(trace: TraceId, span: SpanId, sampled: bool) -> String {
    format!("00-{trace}-{span}-{:02x}", u8::from(sampled))
}

/// Whether a `tracestate` may be handed on: of a bounded length, and of printable characters alone. What is in it is
/// between those who wrote it.
#[must_use]
pub fn is_state(value: &[u8]) -> bool {
    let entries = value.split(|octet| *octet == b',').filter(|entry| !entry.trim_ascii().is_empty()).count();
    let printable = value.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\t'));
    printable && value.len() <= MOST_STATE && (1..=MOST_ENTRIES).contains(&entries)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_parent_is_read_as_the_recommendation_has_it() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
            (format!("00-{TRACE}-{SPAN}-03"), Some(true)),
            (format!("cc-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("cc-{TRACE}-{SPAN}-01-what the future holds"), Some(true)),
            (format!("cc-{TRACE}-{SPAN}-01.what"), None),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("00-{SPAN}-{TRACE}-01"), None),
            (format!(" 00-{TRACE}-{SPAN}-01"), None),
            (format!("00_{TRACE}_{SPAN}_01"), None),
            (String::new(), None),
        ] {
            let parent = Parent::parse(text.as_bytes());
            assert_eq!(parent.map(|parent| parent.sampled), sampled, "{text}");
            if let Some(parent) = parent {
                assert_eq!((parent.trace.to_string(), parent.span.to_string()), (TRACE.to_owned(), SPAN.to_owned()));
            }
        }
    }

    #[test]
    fn a_state_is_handed_on_if_it_is_bounded_and_printable() {
        for (state, expected) in [
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".to_owned(), true),
            ("a=1".to_owned(), true),
            (String::new(), false),
            (" , ".to_owned(), false),
            ("a=1\r\nb: c".to_owned(), false),
            ("a=ü".to_owned(), false),
            ("a=1,".repeat(32), true),
            ("a=1,".repeat(33), false),
            (format!("a={}", "b".repeat(511)), false),
        ] {
            assert_eq!(is_state(state.as_bytes()), expected, "{state}");
        }
    }

    #[test]
    fn what_follows_a_span_is_another_one() {
        let first = SpanId::new([0; 8]);
        let mut seen = std::collections::HashSet::from([first]);
        let mut span = first;
        for _ in 0..1000 {
            span = span.next();
            assert!(seen.insert(span) && span.number() != 0);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), sampled in any::<bool>()) {
            let (trace, span) = (TraceId::new(trace), SpanId::new(span));
            let text = traceparent(trace, span, sampled);
            prop_assert_eq!(Parent::parse(text.as_bytes()), Some(Parent { trace, span, sampled }));
        }

        #[test]
        fn anything_at_all_is_read_or_not(octets in any::<Vec<u8>>()) {
            let _ = (Parent::parse(&octets), is_state(&octets));
        }
    }
}
