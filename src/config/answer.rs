//! Part of the checked model: answers that a route gives itself.

use super::{PathPattern, PathTemplate};
use std::path::PathBuf;

/// A redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Where to.
    pub to: RedirectTo,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Where a redirect leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectTo {
    /// To this path or URL.
    Fixed(String),
    /// To one that is made of what was asked for.
    Made {
        /// Scheme, host and port; `None` is those of the request.
        origin: Option<RedirectOrigin>,
        /// The path, in normal form or refused.
        path: PathTemplate,
        /// What follows the path.
        query: RedirectQuery,
    },
}

/// The beginning of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectOrigin {
    /// `https`, and not `http`.
    pub https: bool,
    /// `None` is the request's host, without its port.
    pub host: Option<String>,
    /// `None` is the scheme's own.
    pub port: Option<u16>,
}

/// The query of a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectQuery {
    /// None.
    None,
    /// That of the request, if it has one.
    Same,
    /// This.
    Fixed(String),
}

impl RedirectTo {
    /// Reads a URL or path in which `{host}`, `{path}`, `{query}` and groups of a route's pattern may stand. `parse_host` reads a host name.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(
        text: &str,
        pattern: Option<&PathPattern>,
        parse_host: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let (https, after) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, Some(rest)),
            (_, Some(rest)) => (false, Some(rest)),
            _ => (true, None),
        };
        let (origin, rest) = match after {
            None => (None, text),
            Some(after) => {
                let (host, rest) = match after.strip_prefix("{host}") {
                    Some(rest) => (None, rest),
                    None => {
                        let end = after.find(['/', '?', '{']).unwrap_or(after.len());
                        let end = after.get(..end).and_then(|host| host.rfind(':')).unwrap_or(end);
                        let (host, rest) = after.split_at_checked(end).ok_or("this is no URL")?;
                        (Some(parse_host(host)?), rest)
                    }
                };
                let (port, rest) = match rest.strip_prefix(':') {
                    None => (None, rest),
                    Some(rest) => {
                        let end = rest.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(rest.len());
                        let (port, rest) = rest.split_at_checked(end).ok_or("this is no URL")?;
                        let port = port.parse().ok().filter(|port| *port != 0);
                        (Some(port.ok_or("a port is a number from 1 to 65535")?), rest)
                    }
                };
                (Some(RedirectOrigin { https, host, port }), rest)
            }
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = match query {
            "" => RedirectQuery::None,
            "{query}" => RedirectQuery::Same,
            text if text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'#')) => {
                RedirectQuery::Fixed(text.to_owned())
            }
            _ => return Err("behind the `?` stands `{query}`, or text without braces, spaces and `#`".to_owned()),
        };
        let path = PathTemplate::parse(if path.is_empty() { "/" } else { path }, pattern)?;
        Ok(Self::Made { origin, path, query })
    }

    /// Whether it leads to the host that the request names.
    #[must_use]
    pub fn is_to_the_same_host(&self) -> bool {
        matches!(self, Self::Made { origin: Some(RedirectOrigin { host: None, .. }), .. })
    }
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: AnswerBody,
    /// The type of the body.
    pub content_type: String,
    /// Other fields, their names in lower case.
    pub headers: Vec<(String, String)>,
}

/// The body of a fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerBody {
    /// This.
    Text(String),
    /// What stands in this file when the configuration is taken up.
    File(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RedirectTo, String> {
        RedirectTo::parse(text, None, |host| match host {
            "" => Err("not a host name".to_owned()),
            host => Ok(host.to_owned()),
        })
    }

    #[test]
    fn a_redirect_is_made_of_an_origin_a_path_and_a_query() {
        let origin = |https, host: Option<&str>, port| RedirectOrigin { https, host: host.map(str::to_owned), port };
        let path = |text: &str| PathTemplate::parse(text, None).unwrap();
        for (text, expected) in [
            ("{path}", (None, path("{path}"), RedirectQuery::None)),
            ("/new{path}?{query}", (None, path("/new{path}"), RedirectQuery::Same)),
            ("https://{host}{path}?{query}", (Some(origin(true, None, None)), path("{path}"), RedirectQuery::Same)),
            ("https://{host}:8443{path}", (Some(origin(true, None, Some(8443))), path("{path}"), RedirectQuery::None)),
            ("https://{host}", (Some(origin(true, None, None)), path("/"), RedirectQuery::None)),
            (
                "http://a.example:81/x{path}?a=b",
                (
                    Some(origin(false, Some("a.example"), Some(81))),
                    path("/x{path}"),
                    RedirectQuery::Fixed("a=b".to_owned()),
                ),
            ),
        ] {
            let (origin, path, query) = expected;
            assert_eq!(parse(text), Ok(RedirectTo::Made { origin, path, query }), "{text}");
        }
        for text in [
            "https://{path}",
            "https://a.example.{host}/",
            "https://{host}.evil.example/{path}",
            "https://a.example{1}",
            "https://a.example@b.example{host}",
            "https://{host}:0{path}",
            "x{path}",
            "{path}?a={query}",
            "{path}#x",
            "{path}?x y",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
