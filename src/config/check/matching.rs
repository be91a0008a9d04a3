//! What routes ask of requests, and which of them can never be asked because others always come first.

use super::Context;
use super::fields::{check_value, is_true, of_routes};
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::check_route_path;
use crate::config::{Anonymous, HeaderCondition, HeaderWants, PathPattern, Pattern, Route, RoutePath};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The most octets of a route's path.
const MOST_PATH: usize = 1000;
/// The most patterns of paths in a file: a request may be compared with each that its path begins like.
const MOST_PATTERNS: usize = 200;
/// The most methods of a route, and the most header fields that it asks about.
const MOST_METHODS: usize = 40;
const MOST_HEADERS: usize = 16;

impl Context<'_> {
    pub(super) fn route_path(&mut self, path: &Field<raw::RoutePath>) -> Option<RoutePath> {
        let At { place, value } = match path {
            Field::Absent => return Some(RoutePath::Prefix("/".to_owned())),
            Field::Faulty => return None,
            Field::Given(path) => path,
        };
        match value {
            raw::RoutePath::Prefix(text) => self.plain_path(*place, text).map(RoutePath::Prefix),
            raw::RoutePath::Other(other) => match (&other.exact, &other.pattern) {
                (Field::Faulty, _) | (_, Field::Faulty) => None,
                (Field::Given(At { place, value }), Field::Absent) => {
                    self.plain_path(*place, value).map(RoutePath::Exact)
                }
                (Field::Absent, Field::Given(pattern)) => {
                    self.parsed(pattern, PathPattern::parse).map(RoutePath::Pattern)
                }
                _ => {
                    let message = "a path that is no prefix has exactly one of `exact` and `pattern`";
                    self.not_exactly_one(*place, message, "write `/app`, `{exact: /app}` or `{pattern: '/app/[0-9]+'}`")
                }
            },
        }
    }

    pub(super) fn plain_path(&mut self, place: PlaceId, text: &str) -> Option<String> {
        if text.len() > MOST_PATH {
            return self.error(place, format!("the path of a route has {MOST_PATH} octets at most"), None);
        }
        match check_route_path(text) {
            Ok(()) => Some(text.to_owned()),
            Err(message) => self.error(place, message, None),
        }
    }

    /// The methods, with `HEAD` beside `GET`.
    pub(super) fn route_methods(&mut self, methods: &Field<Vec<Field<String>>>) -> Option<Vec<String>> {
        let list = match methods {
            Field::Absent => return Some(Vec::new()),
            Field::Faulty => return None,
            Field::Given(list) => list,
        };
        if list.value.len() > MOST_METHODS {
            return self.error(list.place, format!("a route has {MOST_METHODS} methods at most"), None);
        }
        let mut known: Vec<String> = Vec::new();
        self.items(list, |context, method| {
            let text = context.parsed(method, check_method)?;
            if known.contains(&text) {
                return context.error(method.place, "this stands in the list twice", None);
            }
            known.push(text);
            Some(())
        })?;
        if known.iter().any(|method| method == "GET") && !known.iter().any(|method| method == "HEAD") {
            known.push("HEAD".to_owned());
        }
        Some(known)
    }

    pub(super) fn match_headers(
        &mut self,
        headers: &Field<BTreeMap<String, Field<raw::HeaderMatch>>>,
        told: &BTreeSet<String>,
    ) -> Option<Vec<HeaderCondition>> {
        let At { place, value: headers } = match headers {
            Field::Absent => return Some(Vec::new()),
            Field::Faulty => return None,
            Field::Given(headers) => headers,
        };
        if headers.is_empty() || headers.len() > MOST_HEADERS {
            let message = format!("a route asks about 1 to {MOST_HEADERS} header fields");
            return self.error(*place, message, "leave the key out to ask about none".to_owned());
        }
        let mut seen = BTreeSet::new();
        let conditions: Vec<Option<HeaderCondition>> = headers
            .iter()
            .map(|(name, wants)| {
                let At { place, value } = wants.given()?;
                let name = match of_routes(name, told) {
                    Ok(name) if matches!(name.as_str(), "authorization" | "cookie") => {
                        let message = "a route is not chosen by what clients log in with";
                        return self.error(*place, message, "see `authenticate` and `allow`".to_owned());
                    }
                    Ok(name) => name,
                    Err(message) => return self.error(*place, message, None),
                };
                if !seen.insert(name.clone()) {
                    return self.error(*place, "case makes no difference, and this stands here twice", None);
                }
                let wants = self.header_wants(*place, value)?;
                Some(HeaderCondition { name, wants })
            })
            .collect();
        conditions.into_iter().collect()
    }

    fn header_wants(&mut self, place: PlaceId, wants: &raw::HeaderMatch) -> Option<HeaderWants> {
        let other = match wants {
            raw::HeaderMatch::Equals(value) => {
                return match check_value(value) {
                    Ok(()) => Some(HeaderWants::Equals(value.clone())),
                    Err(message) => self.error(place, message, None),
                };
            }
            raw::HeaderMatch::Other(other) => other,
        };
        match (&other.present, &other.pattern) {
            (Field::Faulty, _) | (_, Field::Faulty) => None,
            (Field::Given(_), Field::Absent) if is_true(&other.present) => Some(HeaderWants::Present),
            (Field::Given(At { place, .. }), Field::Absent) => {
                let help = "give the requests that have the field a route of their own".to_owned();
                self.error(*place, "a route cannot ask that a field is absent", help)
            }
            (Field::Absent, Field::Given(pattern)) => self.parsed(pattern, Pattern::parse).map(HeaderWants::Pattern),
            _ => {
                let message = "what is asked of a header field is its value, `{pattern: …}` or `{present: true}`";
                self.not_exactly_one(place, message, "write one of them")
            }
        }
    }

    /// Whether every route can be found by some request. `listeners` are the names of those that a route which names none
    /// is for.
    pub(super) fn routes_that_can_be_found(&mut self, routes: &[(PlaceId, Route)], listeners: &[&str]) -> Option<()> {
        let mut sound = Some(());
        let mut patterns = 0;
        let lines: Vec<usize> = routes.iter().map(|(place, _)| self.places.get(*place).span.line).collect();
        for (index, (place, route)) in routes.iter().enumerate() {
            patterns += usize::from(matches!(route.path, RoutePath::Pattern(_)));
            if patterns > MOST_PATTERNS {
                return self.error(*place, format!("a file has {MOST_PATTERNS} patterns of paths at most"), None);
            }
            let others = || routes.iter().zip(&lines).enumerate().filter(move |(other, _)| *other != index);
            let twin = others().find(|(other, ((_, twin), _))| *other < index && is_twin(twin, route));
            if let Some((_, (_, line))) = twin {
                let host = route.host.as_ref().map_or_else(|| "every host".to_owned(), ToString::to_string);
                let message = format!("the route on line {line} has the same host ({host}) and path ({})", route.path);
                let help =
                    "give each route a host and a path of its own, or other `listeners`, `methods` or `match_headers`";
                sound = self.error(*place, message, help.to_owned());
                continue;
            }
            let own: Vec<&str> = match route.listeners.as_slice() {
                [] => listeners.to_vec(),
                named => named.iter().map(String::as_str).collect(),
            };
            let methods: Vec<Option<&str>> = match route.methods.as_slice() {
                [] => vec![None],
                named => named.iter().map(|method| Some(method.as_str())).collect(),
            };
            let mut hidden_by = None;
            let hidden = own.iter().flat_map(|listener| methods.iter().map(move |method| (listener, method))).all(
                |(listener, method)| {
                    let found = others()
                        .find(|(other, ((_, first), _))| hides((*other, first), (index, route), listener, *method));
                    hidden_by = found.map(|(_, (_, line))| *line).or(hidden_by);
                    found.is_some()
                },
            );
            if let Some(line) = hidden_by.filter(|_| hidden) {
                let message = format!("no request finds this route: the one on line {line} always comes first");
                let help = "the more specific path comes first, then `methods`, then more `match_headers`, then the order in \
                            the file";
                sound = self.error(*place, message, help.to_owned());
            }
        }
        sound
    }

    /// Warns where a header field, which clients choose, decides what is asked of them.
    pub(super) fn guards_of_choice(&mut self, file: &raw::File, routes: &[Route]) {
        let places: Vec<PlaceId> =
            file.routes.value().into_iter().flatten().filter_map(Field::given).map(|route| route.place).collect();
        for (index, (route, place)) in routes.iter().zip(&places).enumerate() {
            let weaker = routes.iter().zip(&places).enumerate().find(|(other, (beside, _))| {
                let fewer = (beside.match_headers.len(), *other) < (route.match_headers.len(), index);
                let both =
                    |a: &[String], b: &[String]| a.is_empty() || b.is_empty() || a.iter().any(|one| b.contains(one));
                fewer
                    && beside.host == route.host
                    && beside.path == route.path
                    && both(&beside.listeners, &route.listeners)
                    && both(&beside.methods, &route.methods)
                    && !is_guarded_alike(beside, route)
            });
            if let Some((_, (_, other))) = weaker.filter(|_| !route.match_headers.is_empty()) {
                let line = self.places.get(*other).span.line;
                let message = format!(
                    "clients choose between this route and the one on line {line} by a header field, and the two let different \
                     people pass"
                );
                let help = "what the weaker of them asks is what counts: give both the same `authenticate`, `anonymous`, `trust`, \
                            `allow`, `deny` and `claim`, or different paths";
                self.warn(*place, message, help.to_owned());
            }
        }
    }
}

/// A method as requests have it. They differ by case (RFC 9110, section 9.1), and nobody has one in small letters.
fn check_method(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 40 || !text.bytes().all(token) {
        return Err("a method is written in capitals: `GET`, `POST`, `PROPFIND`".to_owned());
    }
    if matches!(text, "CONNECT" | "TRACE") {
        return Err(format!("{text} is refused on every route, so this never matches"));
    }
    Ok(text.to_owned())
}

fn is_twin(one: &Route, other: &Route) -> bool {
    let all = one.listeners.is_empty() || other.listeners.is_empty();
    let same = |a: &[String], b: &[String]| a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>();
    one.host == other.host
        && one.path == other.path
        && same(&one.methods, &other.methods)
        && one.match_headers == other.match_headers
        && (all || one.listeners.iter().any(|name| other.listeners.contains(name)))
}

/// Whether whoever asks for the second route, at this listener and with this method (or any), always finds the first.
fn hides((at, first): (usize, &Route), (index, route): (usize, &Route), listener: &str, method: Option<&str>) -> bool {
    if first.host != route.host || !(first.listeners.is_empty() || first.listeners.iter().any(|name| name == listener))
    {
        return false;
    }
    match (&first.path, &route.path) {
        (one, other) if one == other => {
            let rank = |index: usize, route: &Route| {
                let headers = Reverse(route.match_headers.len());
                (route.methods.is_empty(), headers, route.listeners.is_empty(), index)
            };
            let any = first.methods.is_empty();
            let method = any || method.is_some_and(|method| first.methods.iter().any(|known| known == method));
            let implied = |asked: &HeaderCondition| route.match_headers.iter().any(|own| asked.follows_from(own));
            // Which of two twins is meant is another question.
            !is_twin(first, route)
                && method
                && first.match_headers.iter().all(implied)
                && rank(at, first) < rank(index, route)
        }
        // Among patterns with the same beginning the first that matches decides, whatever else it asks.
        (RoutePath::Pattern(one), RoutePath::Pattern(other)) => {
            one.fixed() == other.fixed() && at < index && one.surely_covers(other)
        }
        (RoutePath::Pattern(pattern), RoutePath::Prefix(prefix)) => pattern.covers_everything() && prefix == "/",
        _ => false,
    }
}

/// Whether two routes ask the same of clients.
pub(super) fn is_guarded_alike(one: &Route, other: &Route) -> bool {
    let open = |route: &Route| route.anonymous == Anonymous::Allow;
    open(one) == open(other)
        && one.authenticate == other.authenticate
        && one.trust == other.trust
        && one.allow == other.allow
        && one.deny == other.deny
        && one.claim == other.claim
}
