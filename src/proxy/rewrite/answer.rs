//! Where answers lead: an application that is asked under another path or host than its clients use speaks of that one, in
//! `Location` and `Content-Location` (RFC 9110, sections 10.2.2 and 8.7), in `Refresh`, and in the paths and domains of cookies
//! (RFC 6265, section 5.2). What leads to where it was asked is led back to where its client was; all else is left as it is.

use crate::config::{ServerName, is_server};
use bytes::Bytes;
use http::header::{CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LOCATION, REFRESH, SET_COOKIE};
use std::fmt::Write;

/// The way back from what an application says.
#[derive(Debug)]
pub(super) struct Back {
    /// The clients' prefix and the application's, both without a slash at their end.
    prefixes: Option<(String, String)>,
    /// Under which names the application is asked, besides that of the request.
    servers: Vec<ServerName>,
}

impl Back {
    pub(super) fn new(prefixes: Option<(&str, &str)>, servers: Vec<ServerName>) -> Self {
        Self { prefixes: prefixes.map(|(own, new)| (own.to_owned(), new.to_owned())), servers }
    }

    /// Puts an answer's head right, for a request for this host and port.
    pub(super) fn apply(&self, headers: &mut HeaderMap, authority: Option<&str>) {
        for name in [LOCATION, CONTENT_LOCATION] {
            change(headers, &name, |value| self.url(value, authority));
        }
        change(headers, &REFRESH, |value| self.refresh(value, authority));
        change(headers, &SET_COOKIE, |value| self.cookie(value));
    }

    /// A URL as clients use it, if it is one that the application is asked under.
    fn url(&self, url: &str, authority: Option<&str>) -> Option<String> {
        let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
        let (port, rest) = match (lower.starts_with("https://"), lower.starts_with("http://")) {
            (true, _) => (443, url.get(8..)?),
            (_, true) => (80, url.get(7..)?),
            _ => match url.strip_prefix("//") {
                Some(rest) => (443, rest),
                None if url.starts_with('/') => return self.path(url),
                None => return None,
            },
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (named, path) = rest.split_at_checked(end)?;
        let public = authority?;
        let is_public = || {
            let bare = |authority: &str| authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
            let named = if port == 80 { named.strip_suffix(":80").unwrap_or(named) } else { named };
            bare(named) == bare(public)
        };
        if !self.servers.iter().any(|server| is_server(named, port, server)) && !is_public() {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path = match &self.prefixes {
            Some(_) => self.path(&path)?,
            None => path,
        };
        Some(format!("https://{public}{path}"))
    }

    /// A path, perhaps with a query, below the application's prefix, as clients use it.
    fn path(&self, path: &str) -> Option<String> {
        let (own, new) = self.prefixes.as_ref()?;
        let rest = path.strip_prefix(new.as_str())?;
        let path = match rest.chars().next() {
            None | Some('?' | '#') if own.is_empty() => format!("/{rest}"),
            None | Some('?' | '#' | '/') => format!("{own}{rest}"),
            _ => return None,
        };
        // What was a path must not become the name of another host.
        (!path.starts_with("//") && !path.starts_with("/\\")).then_some(path)
    }

    /// `5; url=/somewhere`, in which the URL may stand in quotation marks.
    fn refresh(&self, value: &str, authority: Option<&str>) -> Option<String> {
        let at = value.to_ascii_lowercase().find("url=")? + 4;
        let (before, url) = value.split_at_checked(at)?;
        let quote = url.chars().next().filter(|first| matches!(first, '"' | '\''));
        match quote {
            None => Some(format!("{before}{}", self.url(url.trim(), authority)?)),
            Some(quote) => {
                let (url, behind) = url.get(1..)?.split_once(quote)?;
                Some(format!("{before}{quote}{}{quote}{behind}", self.url(url, authority)?))
            }
        }
    }

    /// What sets a cookie, with the path and without the domain that the application thinks of.
    fn cookie(&self, value: &str) -> Option<String> {
        let mut attributes = value.split(';');
        let pair = attributes.next()?;
        // Such a cookie has the path `/`, or browsers do not take it.
        let of_host = pair.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("__Host-"));
        let (mut changed, mut kept) = (false, pair.to_owned());
        for attribute in attributes {
            let (name, said) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (name, said) = (name.trim(), said.trim());
            if name.eq_ignore_ascii_case("domain") {
                let domain = said.strip_prefix('.').unwrap_or(said);
                if self.servers.iter().any(|server| server.host.eq_ignore_ascii_case(domain)) {
                    changed = true;
                    continue;
                }
            }
            if name.eq_ignore_ascii_case("path")
                && !of_host
                && let Some(path) = self.cookie_path(said)
            {
                changed = true;
                let _ = write!(kept, "; {name}={path}");
                continue;
            }
            kept.push(';');
            kept.push_str(attribute);
        }
        changed.then_some(kept)
    }

    fn cookie_path(&self, said: &str) -> Option<String> {
        let path = self.path(said)?;
        // A cookie for `/app/` is not sent to `/app` itself.
        let shorter = path.strip_suffix('/').filter(|shorter| said == "/" && !shorter.is_empty());
        Some(shorter.map(str::to_owned).unwrap_or(path))
    }
}

/// Puts each value of a field right that has to be.
fn change(headers: &mut HeaderMap, name: &HeaderName, right: impl Fn(&str) -> Option<String>) {
    let mut new = None;
    let values = headers.get_all(name).iter();
    for (at, value) in values.enumerate() {
        let Some(text) = value.to_str().ok().and_then(&right) else { continue };
        let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) else { continue };
        let all = new.get_or_insert_with(|| headers.get_all(name).iter().cloned().collect::<Vec<_>>());
        if let Some(place) = all.get_mut(at) {
            *place = value;
        }
    }
    if let Some(values) = new {
        headers.remove(name);
        for value in values {
            headers.append(name.clone(), value);
        }
    }
}
