//! Part of the checked model: what a route asks of a request besides its host. Patterns are regular expressions of the
//! `regex` crate, whose time is linear in what they read; they are bounded in size, and always of the whole text.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Dot, Hir, HirKind};
use std::fmt;

/// The most characters of a pattern.
const MOST_PATTERN: usize = 1000;
/// The most memory, in octets, that a pattern may take when it is compiled.
const MOST_COMPILED: usize = 256 * 1024;

/// Which paths a route is for. All of them are compared decoded, and a slash at the end of a request's path makes no
/// difference to the first two.
#[derive(Debug, Clone, PartialEq)]
pub enum RoutePath {
    /// These whole segments and all that is below them, normalised, starting with `/`.
    Prefix(String),
    /// This path and no other, normalised, starting with `/`.
    Exact(String),
    /// The paths that match.
    Pattern(PathPattern),
}

impl RoutePath {
    /// The prefix, if it is one.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            Self::Exact(_) | Self::Pattern(_) => None,
        }
    }
}

/// `/app`, `=/app` for a whole path, `~/app/[0-9]+` for a pattern.
impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => f.write_str(prefix),
            Self::Exact(path) => write!(f, "={path}"),
            Self::Pattern(pattern) => write!(f, "~{}", pattern.as_str()),
        }
    }
}

/// A regular expression that a whole text must match, in which `.` is any character at all.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().count() > MOST_PATTERN {
            return Err(format!("a pattern has 1 to {MOST_PATTERN} characters"));
        }
        // By itself first: `a)(b` would be one in the group that is put around it.
        let wrong = |error: &dyn fmt::Display| format!("this is not a regular expression: {}", last_line(error));
        regex_syntax::parse(text).map_err(|error| wrong(&error))?;
        let regex = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .dot_matches_new_line(true)
            .size_limit(MOST_COMPILED)
            .dfa_size_limit(MOST_COMPILED)
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a whole text matches.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}

/// What a regular expression's error says at its end; before that it draws where.
fn last_line(error: &dyn fmt::Display) -> String {
    let error = error.to_string();
    let line = error.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// A pattern of paths, in their normal form and decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPattern {
    pattern: Pattern,
    /// The whole segments that every path which matches begins with, each followed by another.
    fixed: String,
    /// What every path which matches begins with.
    start: String,
    /// Whether every path matches that begins so.
    whatever_follows: bool,
}

impl PathPattern {
    /// Reads a pattern that some path in normal form may match.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = Pattern::parse(text)?;
        let hir = regex_syntax::ParserBuilder::new().dot_matches_new_line(true).build().parse(text);
        let hir = hir.map_err(|error| last_line(&error))?;
        let mut runs = vec![String::new()];
        required(&hir, &mut runs);
        for run in &runs {
            can_stand_in_a_path(run)?;
        }
        let (start, _) = literal_start(&hir);
        let start = String::from_utf8_lossy(&start).into_owned();
        if !start.is_empty() && !start.starts_with('/') {
            return Err("every path begins with `/`, so this never matches".to_owned());
        }
        let fixed = start.rsplit_once('/').map_or("", |(fixed, _)| fixed).to_owned();
        Ok(Self { pattern, fixed, start, whatever_follows: ends_in_anything(&hir) })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }

    /// The whole segments, decoded, that every path which matches begins with: empty, or `/` and so on without a slash at
    /// the end. Something always follows them.
    #[must_use]
    pub fn fixed(&self) -> &str {
        &self.fixed
    }

    /// The number of a group, by itself (0 is all that matches) or by its name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<usize> {
        let number = name.parse::<usize>().ok().filter(|_| name.bytes().all(|byte| byte.is_ascii_digit()));
        match number {
            Some(number) => Some(number).filter(|number| *number < self.pattern.regex.captures_len()),
            None => self.pattern.regex.capture_names().position(|known| known == Some(name)),
        }
    }

    /// Where in a decoded path that matches each group begins and ends, in octets.
    #[must_use]
    pub fn groups(&self, path: &[u8]) -> Vec<Option<(usize, usize)>> {
        let whole = self.pattern.regex.captures(path);
        let found = whole.or_else(|| self.pattern.regex.captures(without_slash(path)?));
        let places = |found: regex::bytes::Captures<'_>| {
            found.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
        };
        found.map(places).unwrap_or_default()
    }

    /// Whether every path that another pattern matches is one of this pattern's, as far as that can be seen.
    #[must_use]
    pub fn surely_covers(&self, other: &Self) -> bool {
        self == other || (self.whatever_follows && other.start.starts_with(&self.start))
    }

    /// Whether every path there is matches.
    #[must_use]
    pub fn covers_everything(&self) -> bool {
        self.whatever_follows && matches!(self.start.as_str(), "" | "/")
    }

    /// Whether a decoded path matches as a whole, with the slash at its end or without.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.pattern.matches(path) || without_slash(path).is_some_and(|path| self.pattern.matches(path))
    }
}

/// The path without the slash at its end, if it has one that can go.
fn without_slash(path: &[u8]) -> Option<&[u8]> {
    path.strip_suffix(b"/").filter(|path| !path.is_empty())
}

/// The octets that whatever matches begins with, and whether they are all of it.
fn literal_start(hir: &Hir) -> (Vec<u8>, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (Vec::new(), true),
        HirKind::Literal(literal) => (literal.0.to_vec(), true),
        HirKind::Class(_) | HirKind::Repetition(_) => (Vec::new(), false),
        HirKind::Capture(capture) => literal_start(&capture.sub),
        HirKind::Concat(parts) => {
            let mut start = Vec::new();
            for part in parts {
                let (octets, whole) = literal_start(part);
                start.extend_from_slice(&octets);
                if !whole {
                    return (start, false);
                }
            }
            (start, true)
        }
        HirKind::Alternation(branches) => {
            let mut starts = branches.iter().map(|branch| literal_start(branch).0);
            let first = starts.next().unwrap_or_default();
            let common = starts.fold(first, |common, start| {
                let same = common.iter().zip(&start).take_while(|(one, other)| one == other).count();
                common.into_iter().take(same).collect()
            });
            (common, false)
        }
    }
}

/// Collects the runs of characters that stand in whatever matches; what lies between two runs varies.
fn required(hir: &Hir, runs: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            if let Some(run) = runs.last_mut() {
                run.push_str(&String::from_utf8_lossy(&literal.0));
            }
        }
        HirKind::Capture(capture) => required(&capture.sub, runs),
        HirKind::Concat(parts) => parts.iter().for_each(|part| required(part, runs)),
        HirKind::Class(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => runs.push(String::new()),
    }
}

/// Whether a run of characters occurs in decoded paths in normal form.
fn can_stand_in_a_path(run: &str) -> Result<(), String> {
    let never = |why: &str| Err(format!("this never matches: {why}"));
    if run.contains("//") {
        return never("paths are matched with their slashes merged");
    }
    if run.contains("/./") || run.contains("/../") {
        return never("paths are matched with `.` and `..` resolved");
    }
    if run.contains(['\\', '\0']) {
        return never("requests with a backslash or NUL in their path are refused");
    }
    if run.contains(['?', '#']) {
        return never("a route has no query and no fragment");
    }
    let encoded = run.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    });
    if encoded {
        return never("paths are matched decoded, so write the character itself");
    }
    Ok(())
}

/// Whether a fixed beginning, and then anything at all, is what matches.
fn ends_in_anything(hir: &Hir) -> bool {
    let anything = |hir: &Hir| match hir.kind() {
        HirKind::Repetition(repetition) => {
            repetition.min == 0 && repetition.max.is_none() && *repetition.sub == Hir::dot(Dot::AnyChar)
        }
        _ => false,
    };
    let inner = |hir: &Hir| match hir.kind() {
        HirKind::Capture(capture) => anything(&capture.sub),
        _ => anything(hir),
    };
    match hir.kind() {
        HirKind::Concat(parts) => match parts.as_slice() {
            [start, end] => literal_start(start).1 && inner(end),
            _ => false,
        },
        _ => inner(hir),
    }
}

/// Something that a route asks of a field of the head.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderCondition {
    /// The name of the field, in lower case.
    pub name: String,
    /// What must be true of it.
    pub wants: HeaderWants,
}

/// What must be true of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderWants {
    /// It is there.
    Present,
    /// It is there once, with this value to the octet.
    Equals(String),
    /// It is there once, and its whole value matches.
    Pattern(Pattern),
}

impl HeaderCondition {
    /// Whether every head that meets the other condition meets this one.
    #[must_use]
    pub fn follows_from(&self, other: &Self) -> bool {
        self.name == other.name
            && match (&self.wants, &other.wants) {
                (HeaderWants::Present, _) => true,
                (HeaderWants::Pattern(pattern), HeaderWants::Equals(value)) => pattern.matches(value.as_bytes()),
                (one, other) => one == other,
            }
    }
}

/// `X-Version`, `X-Version=2`, `X-Version~2.*`.
impl fmt::Display for HeaderCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.wants {
            HeaderWants::Present => Ok(()),
            HeaderWants::Equals(value) => write!(f, "={value}"),
            HeaderWants::Pattern(pattern) => write!(f, "~{}", pattern.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> String {
        PathPattern::parse(text).unwrap().fixed().to_owned()
    }

    #[test]
    fn a_pattern_begins_with_as_many_segments_as_all_that_matches_does() {
        for (text, expected) in [
            ("/users/[0-9]+/avatar", "/users"),
            ("/users/7", "/users"),
            ("/users(/.*)?", ""),
            ("/(a|b)/c", ""),
            ("/api/(?:v1|v2)/x", "/api"),
            ("/a/b|/a/c", "/a"),
            ("/a/b|/c/d", ""),
            ("^/a/b/.*$", "/a/b"),
            (r".*\.png", ""),
            ("/(?i:admin)/x", ""),
            ("(?i)/admin", ""),
            ("/caf\u{e9}/.", "/caf\u{e9}"),
            ("/a/?b", ""),
            ("/a/b{0,2}", "/a"),
        ] {
            assert_eq!(fixed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_is_of_the_whole_path_and_of_every_character() {
        let matches = |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches(path.as_bytes());
        for (pattern, path, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/", true),
            ("/a", "/ab", false),
            ("/a", "/x/a", false),
            ("/a|/b", "/b", true),
            ("/a|/b", "/bc", false),
            ("/a/.*", "/a/", true),
            ("/a/.*", "/a", false),
            ("/a/.*", "/a/\n/x", true),
            ("(?m)^/a$", "/a\n/b", false),
            ("/a/[^/]+", "/a/\u{e9}", true),
            ("/a/.", "/a/\u{e9}", true),
            (".*", "/", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path:?}");
        }
    }

    #[test]
    fn a_pattern_that_no_path_in_normal_form_matches_is_refused() {
        for (text, why) in [
            ("", "1 to 1000"),
            ("/(", "not a regular expression"),
            ("/a)(b", "not a regular expression"),
            ("app", "begins with `/`"),
            ("/a//b", "merged"),
            ("/x/(/.*)", "merged"),
            (r"/a/\.\./b", "resolved"),
            (r"/a\\b", "backslash"),
            (r"/a\?b=.*", "no query"),
            ("/a%2Cb", "decoded"),
            ("/(?:[a-z]{1,1000}){1,1000}", "not a regular expression"),
        ] {
            let said = PathPattern::parse(text).err().unwrap_or_default();
            assert!(said.contains(why), "{text}: {said}");
        }
        assert!(PathPattern::parse(&format!("/{}", "a".repeat(1000))).is_err());
    }

    #[test]
    fn what_hides_another_pattern_is_seen_where_anything_may_follow() {
        let covers = |one: &str, other: &str| {
            PathPattern::parse(one).unwrap().surely_covers(&PathPattern::parse(other).unwrap())
        };
        for (one, other, expected) in [
            ("/a/.*", "/a/[0-9]+", true),
            ("/a/.*", "/a/b/[0-9]+", true),
            ("/a/.*", "/a/.*", true),
            ("/a/.*", "/ab/[0-9]+", false),
            ("/a/.*", "/a.*", false),
            ("/.*", "/a/[0-9]+", true),
            (".*", "/[0-9]+", true),
            ("/a/[0-9]+", "/a/[0-9]", false),
            ("/a/[^/]*", "/a/[0-9]", false),
        ] {
            assert_eq!(covers(one, other), expected, "{one} {other}");
        }
        assert!(PathPattern::parse("/.*").unwrap().covers_everything());
        assert!(!PathPattern::parse("/a/.*").unwrap().covers_everything());
    }

    #[test]
    fn one_condition_may_follow_from_another() {
        let condition = |wants| HeaderCondition { name: "x".to_owned(), wants };
        let equals = |value: &str| condition(HeaderWants::Equals(value.to_owned()));
        let pattern = |text: &str| condition(HeaderWants::Pattern(Pattern::parse(text).unwrap()));
        let present = condition(HeaderWants::Present);
        for (one, other, expected) in [
            (&present, &equals("1"), true),
            (&equals("1"), &present, false),
            (&equals("1"), &equals("1"), true),
            (&equals("1"), &equals("2"), false),
            (&pattern("[0-9]"), &equals("1"), true),
            (&pattern("[0-9]"), &equals("x"), false),
            (&pattern("[0-9]"), &pattern("[0-9]"), true),
            (&pattern("[0-9]"), &present, false),
        ] {
            assert_eq!(one.follows_from(other), expected, "{one} {other}");
        }
    }
}
