//! Points in time, in UTC, mostly with the grain of a second, as certificates have them (RFC 5280, section
//! 4.1.2.5), and the one place that reads the wall clock. Everything else is given the time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the machine's clock says. One before 1970 makes every certificate not yet valid, which is the safe side.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn since_the_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than any date a certificate can carry.
    pub const FAR_FUTURE: Timestamp = Timestamp(253_402_300_799);

    /// The time now, by the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(i64::try_from(since_the_epoch().as_secs()).unwrap_or(i64::MAX))
    }

    /// From seconds since the epoch.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// As seconds since the epoch.
    #[must_use]
    pub const fn as_unix(self) -> i64 {
        self.0
    }

    /// This time and a duration more; stays at the end of the range instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// This time and a duration less; stays at the start of the range instead of wrapping.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to this time; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC: `2026-11-21T09:53:32Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp(self.0).ok().and_then(|at| at.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "@{}", self.0),
        }
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z: for records of what happened when. What is decided by time is
/// decided by whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// The time now, by the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(i64::try_from(since_the_epoch().as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_unix_millis(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_unix_millis(self) -> i64 {
        self.0
    }

    /// The second in which it lies: one reading of the clock serves both.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp(self.0.div_euclid(1000))
    }
}

impl From<Timestamp> for Moment {
    /// The beginning of the second.
    fn from(at: Timestamp) -> Self {
        Self(at.0.saturating_mul(1000))
    }
}

impl fmt::Display for Moment {
    /// RFC 3339 in UTC with milliseconds: `2026-11-21T09:53:32.007Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at =
            OffsetDateTime::from_unix_timestamp(self.timestamp().0).ok().filter(|at| (0..=9999).contains(&at.year()));
        let Some(at) = at else { return write!(f, "@{}ms", self.0) };
        let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
        let numbers = [
            (0..4, i64::from(year)),
            (5..7, i64::from(u8::from(month))),
            (8..10, i64::from(day)),
            (11..13, i64::from(hour)),
            (14..16, i64::from(minute)),
            (17..19, i64::from(second)),
            (20..23, self.0.rem_euclid(1000)),
        ];
        // Every audit record has one, so that it pays to write the digits without `write!` and its padding.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (place, mut number) in numbers {
            for digit in text.get_mut(place).into_iter().flatten().rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The text is neither RFC 3339 nor whole seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: write RFC 3339 (2026-11-21T09:53:32Z) or seconds since the epoch")]
pub struct NotATime(String);

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if let Ok(seconds) = text.parse::<i64>() {
            return Ok(Self(seconds));
        }
        OffsetDateTime::parse(text, &Rfc3339).map(|at| Self(at.unix_timestamp())).map_err(|_| NotATime(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_rfc_3339_or_as_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-21T10:53:32+01:00", Some(1_795_254_812)),
            ("1795254812", Some(1_795_254_812)),
            ("-5", Some(-5)),
            ("yesterday", None),
            ("2026-11-21", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Timestamp>().ok().map(Timestamp::as_unix), expected, "{text}");
        }
    }

    #[test]
    fn a_time_is_shown_as_rfc_3339() {
        assert_eq!(Timestamp::from_unix(1_795_254_812).to_string(), "2026-11-21T09:53:32Z");
        assert_eq!(Timestamp::FAR_FUTURE.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_moment_is_shown_with_its_milliseconds() {
        let cases = [
            (1_795_254_812_007, "2026-11-21T09:53:32.007Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-62_167_219_200_001, "@-62167219200001ms"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (i64::MAX, "@9223372036854775807ms"),
        ];
        for (milliseconds, expected) in cases {
            assert_eq!(Moment::from_unix_millis(milliseconds).to_string(), expected);
        }
        assert_eq!(Moment::from_unix_millis(-1).timestamp(), Timestamp::from_unix(-1));
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(Timestamp::from_unix(i64::MAX).plus(Duration::from_secs(9)).as_unix(), i64::MAX);
        assert_eq!(Timestamp::from_unix(10).since(Timestamp::from_unix(20)), Duration::ZERO);
    }
}
