//! Quantities: durations, sizes, rates, and what a cache holds. A number has its unit right behind it.

use crate::config::read::short;
use std::num::NonZeroU64;
use std::time::Duration;

/// Longer durations are refused, so that adding one to a point in time cannot overflow.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 3600);

/// More requests than this in a second, a minute or an hour are not told apart from any number.
const MOST_RATE: u32 = 1_000_000;

/// The memory in octets that the cache of accounts has for one answer of ordinary size, of each kind of answers.
const ORDINARY_ANSWER: u64 = 2 << 10;

/// Reads a duration as the configuration has them: `500ms`, `30s`, `5m`, `1h`, `365d`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{}` is not a duration: write `500ms`, `30s`, `5m`, `1h` or `365d`", short(text));
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return Err(wrong()),
    };
    let duration = number.checked_mul(milliseconds).map(Duration::from_millis);
    duration
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| format!("`{}` is longer than ten years (3650d)", short(text)))
}

/// `4096`, `16KiB`, `100MiB`, `1GiB`, in octets.
pub(in crate::config) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is not a size: write `4096`, `16KiB`, `100MiB` or `1GiB`", short(text));
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let octets = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(octets).ok_or_else(|| format!("`{}` is too large", short(text)))
}

/// What the cache of accounts holds at most: `100000` answers of ordinary size, or `64MiB` of them. Yields answers.
pub(in crate::config) fn parse_capacity(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is neither a number of answers nor a size: write `100000` or `64MiB`", short(text));
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let answers = match unit {
        "" => number,
        _ => parse_size(text).map_err(|_| wrong())?.div_ceil(ORDINARY_ANSWER),
    };
    if answers == 0 {
        return Err(
            "a cache that holds nothing would ask the database on every request: write a number from 1".to_owned()
        );
    }
    Ok(answers)
}

/// `50/s`, `600/m`, `1000/h`: how many, from 1 to a million, in which time.
pub(in crate::config) fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || format!("`{}` is not a rate: write `50/s`, `600/m` or `1000/h`", short(text));
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let per = match unit {
        "/s" => 1,
        "/m" => 60,
        "/h" => 3600,
        _ => return Err(wrong()),
    };
    match u32::try_from(number) {
        Ok(0) => Err("at a rate of 0 nothing would pass: write a number from 1, or leave the key out".to_owned()),
        Ok(requests @ ..=MOST_RATE) => Ok((requests, Duration::from_secs(per))),
        _ => Err(format!("a rate is at most {MOST_RATE}: leave the key out for no limit")),
    }
}

/// `240B/s`, `16KiB/s`: octets in a second; `off` is any rate.
pub(in crate::config) fn parse_byte_rate(text: &str) -> Result<Option<NonZeroU64>, String> {
    if matches!(text, "off" | "false") {
        return Ok(None);
    }
    let wrong = || format!("`{}` is not a rate of octets: write `240B/s`, `16KiB/s` or `off`", short(text));
    let size = text.strip_suffix("/s").filter(|size| size.ends_with('B')).ok_or_else(wrong)?;
    let octets = parse_size(size).map_err(|_| wrong())?;
    NonZeroU64::new(octets).map(Some).ok_or_else(|| "write `off` for any rate".to_owned())
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_has_a_unit() {
        let cases = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("365d", Some(31_536_000_000)),
            ("0s", Some(0)),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1S", None),
            ("4000d", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(parse_duration(text).ok(), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_size_counts_in_powers_of_two() {
        let cases = [
            ("4096", Some(4096)),
            ("16KiB", Some(16_384)),
            ("100MiB", Some(104_857_600)),
            ("1GiB", Some(1 << 30)),
            ("7B", Some(7)),
            ("16KB", None),
            ("16 KiB", None),
            ("KiB", None),
            ("99999999999TiB", None),
        ];
        for (text, octets) in cases {
            assert_eq!(parse_size(text).ok(), octets, "{text}");
        }
    }

    #[test]
    fn a_capacity_is_a_number_of_answers_or_a_size() {
        let cases = [
            ("100000", Some(100_000)),
            ("1", Some(1)),
            ("64MiB", Some(32_768)),
            ("1B", Some(1)),
            ("0", None),
            ("0MiB", None),
            ("64MB", None),
            ("many", None),
            ("-1", None),
            ("99999999TiB", None),
        ];
        for (text, answers) in cases {
            assert_eq!(parse_capacity(text).ok(), answers, "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        let cases = [
            ("50/s", Some((50, 1))),
            ("600/m", Some((600, 60))),
            ("1000000/h", Some((1_000_000, 3600))),
            ("1000001/h", None),
            ("0/s", None),
            ("50", None),
            ("50/d", None),
            ("50 /s", None),
            ("-1/s", None),
            ("99999999999/s", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(number, seconds)| (number, Duration::from_secs(seconds)));
            assert_eq!(parse_rate(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_rate_of_octets_may_be_none() {
        let cases = [
            ("240B/s", Some(NonZeroU64::new(240))),
            ("16KiB/s", Some(NonZeroU64::new(16 << 10))),
            ("off", Some(None)),
            ("false", Some(None)),
            ("0B/s", None),
            ("240/s", None),
            ("240B", None),
            ("240B/m", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_byte_rate(text).ok(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_as_a_duration_is_read_as_it(seconds in 0_u64..3650 * 24 * 3600) {
            prop_assert_eq!(parse_duration(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }

        #[test]
        fn no_text_ends_the_process(text in "\\PC{0,40}") {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
            let _ = parse_capacity(&text);
            let _ = parse_rate(&text);
            let _ = parse_byte_rate(&text);
        }
    }
}
