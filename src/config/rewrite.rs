//! Part of the checked model: what of a request and its answer is changed on the way.

use super::{PathPattern, ServerName, Template};

/// What a route changes of what passes through it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rewrite {
    /// The path that the upstream is asked for; `None` is the request's.
    pub path: Option<PathRewrite>,
    /// The host that the upstream finds in `Host`; `None` is the request's.
    pub host: Option<HostRewrite>,
    /// Fields of the request's head.
    pub request: FieldEdits<Template>,
    /// Fields of the answer's head.
    pub response: FieldEdits<String>,
}

/// Another path than the request's.
#[derive(Debug, Clone, PartialEq)]
pub enum PathRewrite {
    /// This prefix, in normal form, in the place of the route's own.
    Prefix(String),
    /// A path made of parts of the request's.
    Made(PathTemplate),
}

/// Another host than the request's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRewrite {
    /// That of the server which is asked.
    OfServer,
    /// This one.
    Name {
        /// A host name or address, in lower case.
        host: String,
        /// `None` is none.
        port: Option<u16>,
    },
}

/// Fields that are set, added or removed.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldEdits<V> {
    /// In the place of what is there under these names, in lower case.
    pub set: Vec<(String, V)>,
    /// Besides what is there.
    pub add: Vec<(String, V)>,
    /// No longer there.
    pub remove: Vec<String>,
}

impl<V> Default for FieldEdits<V> {
    fn default() -> Self {
        Self { set: Vec::new(), add: Vec::new(), remove: Vec::new() }
    }
}

impl<V> FieldEdits<V> {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// A path made of text and parts of a request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(Vec<PathPart>);

/// A piece of a [`PathTemplate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// This, as it is.
    Text(String),
    /// The whole path of the request.
    Path,
    /// What the group of this number of the route's pattern has matched; nothing, if it has matched nothing.
    Group(usize),
}

impl PathTemplate {
    /// Reads a template: text, `{path}`, and groups of the route's pattern by number or name, `{1}`, `{name}`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str, pattern: Option<&PathPattern>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or("a brace is opened and not closed")?;
            if !before.is_empty() {
                parts.push(PathPart::Text(before.to_owned()));
            }
            let group = || pattern.and_then(|pattern| pattern.group(name));
            parts.push(match name {
                "path" => PathPart::Path,
                _ => PathPart::Group(group().ok_or_else(|| {
                    let name: String = name.escape_debug().take(40).collect();
                    format!("`{{{name}}}` is neither `{{path}}` nor a group of the route's pattern, by number or name")
                })?),
            });
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(PathPart::Text(rest.to_owned()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
        let texts = || parts.iter().filter_map(|part| if let PathPart::Text(text) = part { Some(text) } else { None });
        if texts().any(|text| !text.bytes().all(allowed)) {
            return Err(
                "what is not a letter, a digit or one of `-._~!$&'()*+,;=:@/` stands encoded (`%20`)".to_owned()
            );
        }
        match parts.first() {
            Some(PathPart::Text(text)) if text.starts_with('/') => Ok(Self(parts)),
            Some(PathPart::Path | PathPart::Group(_)) => Ok(Self(parts)),
            _ => Err("a path begins with `/`".to_owned()),
        }
    }

    /// The pieces, in their order.
    #[must_use]
    pub fn parts(&self) -> &[PathPart] {
        &self.0
    }

    /// The text that every path made of it begins with.
    #[must_use]
    pub fn start(&self) -> &str {
        match self.0.first() {
            Some(PathPart::Text(text)) => text,
            _ => "",
        }
    }
}

/// Whether an authority (`host` or `host:port`) of a URL with this scheme's default port is this server.
#[must_use]
pub fn is_server(authority: &str, default_port: u16, server: &ServerName) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (host, port),
            Err(_) => return false,
        },
        _ => (authority, default_port),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case(&server.host) && port == server.port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_made_of_text_and_of_what_was_matched() {
        let pattern = PathPattern::parse("/users/(?P<user>[a-z]+)/(.*)").unwrap();
        let parse = |text: &str| PathTemplate::parse(text, Some(&pattern));
        let made = parse("/u/{user}/{2}").unwrap();
        let text = |text: &str| PathPart::Text(text.to_owned());
        assert_eq!(made.parts(), [text("/u/"), PathPart::Group(1), text("/"), PathPart::Group(2)]);
        assert_eq!((made.start(), parse("{path}").unwrap().start()), ("/u/", ""));
        for (wrong, why) in [
            ("", "begins with `/`"),
            ("u/{1}", "begins with `/`"),
            ("/{3}", "`{3}`"),
            ("/{username}", "`{username}`"),
            ("/{1", "not closed"),
            ("/a b", "encoded"),
            ("/a?b", "encoded"),
            ("/a}", "encoded"),
        ] {
            assert!(parse(wrong).unwrap_err().contains(why), "{wrong}");
        }
        assert!(PathTemplate::parse("/{1}", None).is_err());
        assert!(PathTemplate::parse("/{0}", Some(&pattern)).is_ok());
    }

    #[test]
    fn a_server_is_known_by_host_and_port() {
        let server = |host: &str, port| ServerName { host: host.to_owned(), port };
        for (authority, default, server, expected) in [
            ("app.internal", 80, server("app.internal", 80), true),
            ("APP.internal:80", 443, server("app.internal", 80), true),
            ("app.internal", 443, server("app.internal", 80), false),
            ("app.internal:8080", 80, server("app.internal", 8080), true),
            ("app.internal.evil", 80, server("app.internal", 80), false),
            ("[::1]:8080", 80, server("::1", 8080), true),
            ("[::1]", 80, server("::1", 80), true),
            ("app.internal:x", 80, server("app.internal", 80), false),
        ] {
            assert_eq!(is_server(authority, default, &server), expected, "{authority}");
        }
    }
}
