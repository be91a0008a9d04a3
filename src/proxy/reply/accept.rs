//! Which form of an answer a client prefers (RFC 9110, section 12.5.1).

use http::header::{ACCEPT, HeaderMap};

/// The forms that an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Html,
    Problem,
    Json,
}

impl Format {
    /// In the order in which they are preferred by us: who says nothing, as curl does, reads text.
    const ALL: [Self; 4] = [Self::Text, Self::Html, Self::Problem, Self::Json];

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Problem => "application/problem+json",
            Self::Json => "application/json",
        }
    }

    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "plain"),
            Self::Html => ("text", "html"),
            Self::Problem => ("application", "problem+json"),
            Self::Json => ("application", "json"),
        }
    }
}

/// More media ranges than any program sends; what follows is not read.
const MOST_RANGES: usize = 64;

/// One member of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    weight: u16,
}

/// The form with the greatest weight; among equals the one named most precisely, then the one named
/// first, then ours. Text if the client accepts none: it is better told in a form that it did not ask for
/// than not at all.
pub(super) fn preferred(headers: &HeaderMap) -> Format {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> =
        values.flat_map(|value| value.split(',')).take(MOST_RANGES).filter_map(range).collect();
    let mut best = (Format::Text, (0, 0, std::cmp::Reverse(usize::MAX)));
    for format in Format::ALL {
        let rank = rank(format, &ranges);
        if rank.0 > 0 && rank > best.1 {
            best = (format, rank);
        }
    }
    best.0
}

/// Weight, precision and place of the range that speaks for a form: the most precise that covers it.
fn rank(format: Format, ranges: &[Range<'_>]) -> (u16, u8, std::cmp::Reverse<usize>) {
    let (kind, subtype) = format.media_type();
    let covering = ranges.iter().enumerate().filter_map(|(place, range)| {
        let precision = if range.kind.eq_ignore_ascii_case(kind) && range.subtype.eq_ignore_ascii_case(subtype) {
            2
        } else if range.kind.eq_ignore_ascii_case(kind) && range.subtype == "*" {
            1
        } else if range.kind == "*" && range.subtype == "*" {
            0
        } else {
            return None;
        };
        Some((precision, std::cmp::Reverse(place), range.weight))
    });
    match covering.max_by_key(|(precision, place, _)| (*precision, *place)) {
        Some((precision, place, weight)) => (weight, precision, place),
        None => (0, 0, std::cmp::Reverse(usize::MAX)),
    }
}

/// Reads one member; one that is malformed counts for nothing.
fn range(member: &str) -> Option<Range<'_>> {
    let mut parts = member.split(';').map(str::trim_ascii);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let mut weight = 1000;
    for parameter in parts {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim_ascii().eq_ignore_ascii_case("q")
        {
            weight = self::weight(value.trim_ascii())?;
        }
    }
    Some(Range { kind, subtype, weight })
}

/// A weight in thousandths (RFC 9110, section 12.4.2): `0` or `1` with at most three decimals.
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn everybody_gets_the_form_that_they_prefer() {
        let cases = [
            (&[][..], Format::Text),
            (&["*/*"], Format::Text),
            (&[""], Format::Text),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], Format::Html),
            (&["text/html, application/xhtml+xml, image/jxr, */*"], Format::Html),
            (&["application/json"], Format::Json),
            (&["application/json, text/plain, */*"], Format::Json),
            (&["text/plain, application/json"], Format::Text),
            (&["application/problem+json, application/json"], Format::Problem),
            (&["application/*"], Format::Problem),
            (&["text/*"], Format::Text),
            (&["text/*;q=0.5, text/html;q=0.4"], Format::Text),
            (&["text/*, text/plain;q=0"], Format::Html),
            (&["*/*;q=0.9, text/plain;q=0, text/html;q=0"], Format::Problem),
            (&["text/html;q=0.5, application/json;q=0.501"], Format::Json),
            (&["TEXT/HTML; Q=1.000, application/json;q=0.9"], Format::Html),
            (&["application/json;q=0.5", "text/html"], Format::Html),
            (&["text/html;level=1;q=0.3, application/json;q=0.2"], Format::Html),
            (&["text/html;q=2, application/json;q=0.1"], Format::Json),
            (&["text/html;q=0.1234, application/json;q=0.1"], Format::Json),
            (&["text/html;q=1.001, application/json;q=0.1"], Format::Json),
            (&["text/html;q=, application/json;q=0.1"], Format::Json),
            (&["image/png"], Format::Text),
            (&["*/*;q=0"], Format::Text),
            (&["text/html;q=0"], Format::Text),
            (&["html, ;, /, */html"], Format::Text),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(preferred(&headers), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn a_weight_is_read_in_thousandths(thousandths in 0_u16..=1000, zeros in any::<bool>()) {
            let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            let text = if zeros { text.as_str() } else { text.trim_end_matches('0').trim_end_matches('.') };
            prop_assert_eq!(weight(text), Some(thousandths));
        }

        #[test]
        fn any_text_is_an_accept_header(text in "[ -~]{0,64}") {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(&text).unwrap());
            preferred(&headers);
        }
    }
}
