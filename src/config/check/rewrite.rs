//! `routes[].rewrite`: what is changed of requests and their answers. What frames a message, and what only the gate says, no
//! route gets to change.

use super::Context;
use super::fields::{check_value, of_answers, of_routes};
use super::matching::is_guarded_alike;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId, short};
use crate::config::values::parse_host;
use crate::config::{FieldEdits, HostRewrite, PathRewrite, PathTemplate, Rewrite, Route, RoutePath, Target, Template};
use std::collections::{BTreeMap, BTreeSet};

/// Below this path nothing leads to an upstream, by whatever name it went before.
const RESERVED: &str = "/.well-known/wicketgate";

/// The most fields that a route changes in one way.
const MOST_EDITS: usize = 64;

/// What a set of values is read by.
type ReadValue<'c, V> = dyn Fn(&str, &str) -> Result<V, String> + 'c;

impl Context<'_> {
    /// What a route rewrites; the outer `None` is a fault.
    pub(super) fn rewrite(
        &mut self,
        rewrite: &Field<raw::Rewrite>,
        path: Option<&RoutePath>,
        target: Option<&Target>,
        told: &BTreeSet<String>,
    ) -> Option<Option<Rewrite>> {
        let At { place, value: raw } = match rewrite {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(rewrite) => rewrite,
        };
        if !matches!(target, None | Some(Target::Upstream(_) | Target::ByAccount(_))) {
            let message = "only what goes to an upstream is rewritten, and this route answers itself";
            return self.error(*place, message, "remove it, or name an upstream".to_owned());
        }
        let new_path = self.new_path(raw, *place, path);
        let host = match &raw.host {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(host) => self.parsed(host, new_host).map(Some),
        };
        let request = self.edits(
            &raw.request_headers,
            &|name, change| match name.to_ascii_lowercase().as_str() {
                "authorization" | "cookie" if change != Change::Remove => {
                    Err(format!("`{}` says who a client is: see `authorization` of upstreams", short(name)))
                }
                _ => of_routes(name, told),
            },
            &|key, text| {
                let template = Template::parse(text).map_err(|error| error.to_string())?;
                match template.as_constant() {
                    Some(text) => check_value(text)?,
                    None if key == "add" => {
                        return Err(
                            "beside what a client may have sent, this would be believed of anybody: write it under \
                                    `set`"
                                .to_owned(),
                        );
                    }
                    None => check_value(text)?,
                }
                Ok(template)
            },
        );
        let response =
            self.edits(&raw.response_headers, &of_answers, &|_, text| check_value(text).map(|()| text.to_owned()));
        let rewrite = Rewrite { path: new_path?, host: host?, request: request?, response: response? };
        if rewrite == Rewrite::default() {
            return self.error(
                *place,
                "this changes nothing",
                "write what is to be changed, or remove the key".to_owned(),
            );
        }
        Some(Some(rewrite))
    }

    /// The outer `None` is a fault.
    fn new_path(
        &mut self,
        raw: &raw::Rewrite,
        place: PlaceId,
        path: Option<&RoutePath>,
    ) -> Option<Option<PathRewrite>> {
        let made = match (&raw.prefix, &raw.path, path) {
            (Field::Faulty, ..) | (_, Field::Faulty, _) => return None,
            (Field::Absent, Field::Absent, _) => return Some(None),
            (Field::Given(_), Field::Given(_), _) => {
                let message = "a path is rewritten by `prefix` or by `path`, and not by both";
                return self.error(place, message, None);
            }
            // What is wrong with the route's own path is known already.
            (_, _, None) => return None,
            (Field::Given(prefix), _, Some(RoutePath::Prefix(_))) => {
                PathRewrite::Prefix(self.plain_path(prefix.place, &prefix.value)?)
            }
            (Field::Given(At { place, .. }), ..) => {
                let message = "the path of this route is no prefix that could be exchanged";
                return self.error(*place, message, "write `path`".to_owned());
            }
            (_, Field::Given(At { place, .. }), Some(RoutePath::Prefix(_))) => {
                let message = "the path of this route is a prefix, and every path below it would become one";
                return self.error(
                    *place,
                    message,
                    "write `prefix`, or make the path `{exact: …}` or `{pattern: …}`".to_owned(),
                );
            }
            (_, Field::Given(template), Some(RoutePath::Pattern(pattern))) => {
                PathRewrite::Made(self.parsed(template, |text| PathTemplate::parse(text, Some(pattern)))?)
            }
            (_, Field::Given(template), Some(RoutePath::Exact(_))) => {
                PathRewrite::Made(self.parsed(template, |text| PathTemplate::parse(text, None))?)
            }
        };
        let start = match &made {
            PathRewrite::Prefix(prefix) => prefix,
            PathRewrite::Made(template) => template.start(),
        };
        if start == RESERVED || start.starts_with(&format!("{RESERVED}/")) {
            return self.error(place, format!("below {RESERVED} only the gate itself answers"), None);
        }
        Some(Some(made))
    }

    fn edits<V: PartialEq>(
        &mut self,
        edits: &Field<raw::HeaderEdits>,
        name: &dyn Fn(&str, Change) -> Result<String, String>,
        value: &ReadValue<'_, V>,
    ) -> Option<FieldEdits<V>> {
        let raw = match edits {
            Field::Absent => return Some(FieldEdits::default()),
            Field::Faulty => return None,
            Field::Given(At { value, .. }) => value,
        };
        let mut seen = BTreeSet::new();
        let set = self.written(&raw.set, &|text| name(text, Change::Set), &|text| value("set", text), &mut seen);
        let add = self.written(&raw.add, &|text| name(text, Change::Add), &|text| value("add", text), &mut seen);
        let remove = match &raw.remove {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) => self.items(list, |context, item| {
                let name = context.parsed(item, |text| name(text, Change::Remove))?;
                if !seen.insert(name.clone()) {
                    return context.error(item.place, "this field is changed in another way, too", None);
                }
                Some(name)
            }),
        };
        Some(FieldEdits { set: set?, add: add?, remove: remove? })
    }

    pub(super) fn written<V>(
        &mut self,
        fields: &Field<BTreeMap<String, Field<String>>>,
        name: &dyn Fn(&str) -> Result<String, String>,
        value: &dyn Fn(&str) -> Result<V, String>,
        seen: &mut BTreeSet<String>,
    ) -> Option<Vec<(String, V)>> {
        let At { place, value: fields } = match fields {
            Field::Absent => return Some(Vec::new()),
            Field::Faulty => return None,
            Field::Given(fields) => fields,
        };
        if fields.is_empty() || fields.len() > MOST_EDITS {
            return self.error(*place, format!("1 to {MOST_EDITS} fields stand here"), None);
        }
        let written: Vec<Option<(String, V)>> = fields
            .iter()
            .map(|(text, field)| {
                let field = field.given()?;
                let name = match name(text) {
                    Ok(name) => name,
                    Err(message) => return self.error(field.place, message, None),
                };
                if !seen.insert(name.clone()) {
                    return self.error(field.place, "this field is changed in another way, too", None);
                }
                Some((name, self.parsed(field, value)?))
            })
            .collect();
        written.into_iter().collect()
    }

    /// Warns of rewritten paths by which clients reach what another route of the same upstream guards.
    pub(super) fn rewrites_around_guards(&mut self, file: &raw::File, routes: &[Route]) {
        let raw: Vec<&At<raw::Route>> = file.routes.value().into_iter().flatten().filter_map(Field::given).collect();
        for (route, At { value, .. }) in routes.iter().zip(&raw) {
            let (Some(new), Some(key)) = (new_start(route), value.rewrite.given()) else { continue };
            let around = routes.iter().zip(&raw).find(|(other, _)| {
                let path = new_start(other).unwrap_or_else(|| match &other.path {
                    RoutePath::Prefix(path) | RoutePath::Exact(path) => path,
                    RoutePath::Pattern(pattern) => pattern.fixed(),
                });
                (is_within(path, new) || is_within(new, path)) && share(route, other) && !is_guarded_alike(route, other)
            });
            if let Some((_, At { place, .. })) = around {
                let line = self.places.get(*place).span.line;
                let message = format!(
                    "by this path clients reach on the upstream what the route on line {line} leads to, and other people may pass there"
                );
                let help = "give both routes the same `authenticate`, `anonymous`, `trust`, `allow`, `deny` and `claim`, or choose \
                            a path that is not the other's";
                self.warn(key.place, message, help.to_owned());
            }
        }
    }
}

/// What is done with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Set,
    Add,
    Remove,
}

/// What every rewritten path of a route begins with.
fn new_start(route: &Route) -> Option<&str> {
    match route.rewrite.as_ref()?.path.as_ref()? {
        PathRewrite::Prefix(prefix) => Some(prefix),
        PathRewrite::Made(template) => Some(template.start().rsplit_once('/').map_or("", |(start, _)| start)),
    }
}

/// Whether a path is below a prefix in whole segments, or it.
fn is_within(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || prefix.is_empty()
}

/// Whether two routes may lead to one upstream.
fn share(one: &Route, other: &Route) -> bool {
    fn upstreams(route: &Route) -> Vec<&str> {
        match &route.target {
            Target::Upstream(name) => vec![name],
            Target::ByAccount(homes) => {
                let like = homes.urls.as_ref().map(|urls| &urls.like);
                homes.among.iter().chain(&homes.otherwise).chain(like).map(String::as_str).collect()
            }
            _ => Vec::new(),
        }
    }
    upstreams(one).iter().any(|name| upstreams(other).contains(name))
}

/// `upstream`, or a host name or address and perhaps a port.
fn new_host(text: &str) -> Result<HostRewrite, String> {
    if text == "upstream" {
        return Ok(HostRewrite::OfServer);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let number = port.parse::<u16>().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()));
            let wrong = || format!("`{}` has no port that is a number from 1 to 65535", short(text));
            (host, Some(number.filter(|port| *port != 0).ok_or_else(wrong)?))
        }
        _ => (text, None),
    };
    Ok(HostRewrite::Name { host: parse_host(host)?, port })
}
