//! From the raw shape to the checked model: what is absent gets its default, what is named must exist,
//! what contradicts itself is refused. Every fault is noted and the rest is checked on; a part that has
//! one comes out as `None`, and so does the whole.

mod access;
mod accounts;
mod admin;
mod answers;
mod assertion;
mod authority;
mod authorizer;
mod claim;
mod digest;
mod balancing;
mod enrolment;
mod basic;
mod by_account;
mod fetching;
mod fields;
mod foreign;
mod forwarded;
mod handover;
mod identity;
mod ldap;
mod limits;
mod listeners;
mod matching;
mod plain;
mod publishing;
mod peers;
mod proxy_protocol;
mod preauth;
mod profile;
mod resolver;
mod rewrite;
mod routes;
mod services;
mod tables;
mod takeover;
mod throttle;
mod traces;
mod trust;
mod upstream_authorization;
mod upstream_tls;
mod upstreams;

use super::fault::{Fault, Severity, suggest};
use super::raw;
use super::read::{At, Field, PlaceId, Places, short};
use super::tree::key_path;
use super::values::check_log_level;
use super::{Config, Log};
use crate::base::secret::{Secret, SecretSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checks a file and adds to the faults that it has already. `None` only if there is an error among them.
pub(super) fn check(
    file: &Field<raw::File>,
    places: &Places,
    base: &Path,
    faults: Vec<Fault>,
) -> (Option<Config>, Vec<Fault>) {
    let mut context = Context { places, base, faults };
    let config = file.given().and_then(|file| context.config(file));
    (config, context.faults)
}

/// What checking a part needs and leaves behind.
struct Context<'a> {
    places: &'a Places,
    /// The directory that paths are relative to.
    base: &'a Path,
    /// What is wrong, with what was found before.
    faults: Vec<Fault>,
}

impl Context<'_> {
    fn config(&mut self, file: &At<raw::File>) -> Option<Config> {
        let At { place, value: raw } = file;
        let mut trust = self.trust(&raw.trust);
        let identity = self.identity(&raw.identity);
        let accounts = self.accounts(&raw.accounts);
        let peers = self.peers(&raw.peers);
        let digest = self.digest(&raw.digest);
        let basic = self.basic(&raw.basic);
        let throttle = self.throttle(raw.throttle.value());
        if let (Some(accounts), Some(identity), Some(digest), Some(trust)) = (&accounts, &identity, &digest, &mut trust)
        {
            self.what_foreign_tables_cannot_answer(raw, accounts, identity, digest.as_ref(), trust);
        }
        let assertion = self.assertion(&raw.assertion);
        let upstreams = self.upstreams(&raw.upstreams, raw.assertion.is_there());
        let resolver = self.resolver(&raw.resolver);
        let listeners = self.listeners(raw, *place);
        let routes = self.routes(raw, *place);
        let routes = match (&listeners, routes) {
            (Some(listeners), Some(routes)) => self.routes_with_trust_of_use(raw, listeners, routes),
            _ => None,
        };
        let routes = match (&upstreams, routes) {
            (Some(upstreams), Some(routes)) => self.routes_with_claims_of_use(raw, upstreams, routes),
            _ => None,
        };
        let reached = upstreams.as_ref().and_then(|upstreams| self.homes_that_can_be_reached(raw, upstreams));
        let routes = routes.filter(|_| reached.is_some());
        let routes = routes.and_then(|routes| self.routes_that_log_in_somebody(raw, routes));
        let handover = self.handover(&raw.handover, accounts.as_ref(), listeners.as_ref());
        if let (Some(routes), Some(handover)) = (&routes, &handover) {
            self.sessions_of_nobody(raw, routes, handover.as_ref());
        }
        let routes = match (&peers, routes) {
            (Some(peers), Some(routes)) => self.routes_that_say_who(raw, peers, routes),
            _ => None,
        };
        let authority = self.authority(&raw.authority, accounts.as_ref());
        let timeouts = self.timeouts(raw.timeouts.value());
        let limits = self.limits(raw.limits.value());
        let admin = self.admin(raw);
        let takeover = self.takeover(&raw.takeover);
        let log = self.log(raw.log.value());
        let tracing = self.tracing(&raw.tracing);
        // While something is wrong, what seems to be of no use may only be misspelt elsewhere.
        if !self.faults.iter().any(|fault| fault.severity == Severity::Error) {
            self.unused_trust(raw);
            self.unused_upstreams(raw);
            self.routes_that_nobody_passes(raw);
            self.guards_of_choice(raw, routes.as_deref().unwrap_or_default());
            self.rewrites_around_guards(raw, routes.as_deref().unwrap_or_default());
        }
        Some(Config {
            listeners: listeners?,
            trust: trust?,
            identity: identity?,
            accounts: accounts?,
            peers: peers?,
            digest: digest?,
            assertion: assertion?,
            handover: handover?,
            basic: basic?,
            throttle: throttle?,
            routes: routes?,
            resolver: resolver?,
            upstreams: upstreams?,
            authority: authority?,
            timeouts: timeouts?,
            limits: limits?,
            admin: admin?,
            takeover: takeover?,
            log: log?,
            tracing: tracing?,
        })
    }

    fn log(&mut self, raw: Option<&raw::Log>) -> Option<Log> {
        let absent = raw::Log::default();
        let raw = raw.unwrap_or(&absent);
        let level = match raw.level.given() {
            None => Some("info".to_owned()),
            Some(level) => self.parsed(level, |text| check_log_level(text).map(|()| text.to_owned())),
        };
        let audit = self.optional_path(&raw.audit);
        let access = self.access_log(&raw.access);
        let format = raw.format.value().copied().unwrap_or_default();
        Some(Log { format, level: level?, audit: audit?, access: access? })
    }

    /// Notes an error; `None`, so that it can be what a failed check returns.
    fn error<T>(&mut self, place: PlaceId, message: impl Into<String>, help: impl Into<Option<String>>) -> Option<T> {
        let place = self.places.get(place);
        self.faults.push(Fault::error(place.span, place.path, message).help(help));
        None
    }

    fn warn(&mut self, place: PlaceId, message: impl Into<String>, help: impl Into<Option<String>>) {
        let _: Option<()> = self.error(place, message, help);
        if let Some(fault) = self.faults.last_mut() {
            fault.severity = Severity::Warning;
        }
    }

    /// Notes an error about a key that is not there; it is shown at what it should stand in.
    fn missing<T>(&mut self, parent: PlaceId, key: &str, why: &str) -> Option<T> {
        let place = self.places.get(parent);
        let misspelt = format!("did you mean `{key}`?");
        if self.below(&place.path).any(|fault| fault.help.as_deref() == Some(&misspelt)) {
            return None;
        }
        let message = format!("`{key}` is missing{why}");
        self.faults.push(Fault::error(place.span, key_path(&place.path, key), message));
        None
    }

    /// What is known to be wrong with the keys of a mapping.
    fn below(&self, path: &str) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(move |fault| {
            let parent = fault.path.rsplit_once('.').map_or("", |(parent, _)| parent);
            parent == path && !fault.path.is_empty()
        })
    }

    /// Notes that a mapping has not exactly one of some keys, unless one of its keys is misspelt.
    fn not_exactly_one<T>(&mut self, place: PlaceId, message: &str, help: &str) -> Option<T> {
        if self.below(&self.places.get(place).path).next().is_some() {
            return None;
        }
        self.error(place, message, help.to_owned())
    }

    /// The value of a key that must be there.
    fn required<'f, T>(&mut self, field: &'f Field<T>, parent: PlaceId, key: &str) -> Option<&'f At<T>> {
        match field {
            Field::Absent => self.missing(parent, key, ""),
            Field::Faulty => None,
            Field::Given(at) => Some(at),
        }
    }

    fn parsed<T>(&mut self, text: &At<String>, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(message) => self.error(text.place, message, None),
        }
    }

    /// All items of a list, which must have one.
    fn items<'f, T, U>(
        &mut self,
        list: &'f At<Vec<Field<T>>>,
        mut check: impl FnMut(&mut Self, &'f At<T>) -> Option<U>,
    ) -> Option<Vec<U>> {
        if list.value.is_empty() {
            return self.error(list.place, "the list is empty", "name at least one, or leave the key out".to_owned());
        }
        // Every item is checked before any that failed makes the whole fail.
        let items: Vec<Option<U>> =
            list.value.iter().map(|item| item.given().and_then(|item| check(self, item))).collect();
        items.into_iter().collect()
    }

    /// All entries of a mapping from names, which may be absent.
    fn named<T, U>(
        &mut self,
        map: &Field<BTreeMap<String, Field<T>>>,
        check: impl Fn(&mut Self, &At<T>) -> Option<U>,
    ) -> Option<BTreeMap<String, U>> {
        if matches!(map, Field::Faulty) {
            return None;
        }
        let entries = map.value().into_iter().flatten();
        let checked: Vec<Option<(String, U)>> = entries
            .map(|(name, entry)| {
                let entry = entry.given()?;
                let name = self.name(name, entry.place);
                let value = check(self, entry);
                Some((name?, value?))
            })
            .collect();
        checked.into_iter().collect()
    }

    /// All items of a list that may be absent, none of them twice.
    fn distinct<T: Copy + PartialEq>(&mut self, list: &Field<Vec<Field<T>>>, default: &[T]) -> Option<Vec<T>> {
        let Some(list) = list.given() else { return Some(default.to_vec()) };
        let mut seen = Vec::new();
        self.items(list, |context, item| {
            if seen.contains(&item.value) {
                return context.error(item.place, "this stands in the list twice", None);
            }
            seen.push(item.value);
            Some(item.value)
        })
    }

    /// Words that name nothing themselves: groups, users, databases.
    fn text(&mut self, text: &At<String>) -> Option<String> {
        let control = text.value.chars().any(char::is_control);
        if text.value.trim().is_empty() || text.value.trim() != text.value || control {
            let message = "this is empty, begins or ends with a space, or holds a control character";
            return self.error(text.place, message, None);
        }
        Some(text.value.clone())
    }

    /// A name that other parts of the file use.
    fn name(&mut self, name: &str, place: PlaceId) -> Option<String> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
            let message = format!("`{}` is not a name: letters, digits and `-_.` make one", short(name));
            return self.error(place, message, None);
        }
        Some(name.to_owned())
    }

    /// The name of something that must exist.
    fn reference(&mut self, name: &At<String>, what: &str, known: &BTreeSet<&str>) -> Option<String> {
        if known.contains(name.value.as_str()) {
            return Some(name.value.clone());
        }
        let help = suggest(&name.value, known.iter().copied());
        let help = help.unwrap_or_else(|| format!("there is no {what} in this file yet"));
        self.error(name.place, format!("there is no {what} `{}`", short(&name.value)), help)
    }

    fn path(&mut self, path: &At<String>) -> Option<PathBuf> {
        if path.value.is_empty() || path.value.contains('\0') {
            return self.error(path.place, "this is not the path of a file", None);
        }
        Some(self.base.join(&path.value))
    }

    /// The path of a key that may be absent; the outer `None` is a fault.
    fn optional_path(&mut self, path: &Field<String>) -> Option<Option<PathBuf>> {
        match path {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(path) => self.path(path).map(Some),
        }
    }

    fn paths(&mut self, list: &At<Vec<Field<String>>>) -> Option<Vec<PathBuf>> {
        self.items(list, |context, path| context.path(path))
    }

    /// A secret that may be absent; the outer `None` is a fault.
    fn secret(&mut self, secret: &Field<raw::Secret>) -> Option<Option<SecretSource>> {
        let secret = match secret {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(secret) => secret,
        };
        let source = match &secret.value {
            raw::Secret::Literal(text) if text.is_empty() => {
                return self.error(secret.place, "the secret is empty", None);
            }
            raw::Secret::Literal(text) => {
                let message = "everybody who can read this file can read this secret";
                self.warn(secret.place, message, "keep it elsewhere: `{file: …}` or `{env: …}`".to_owned());
                SecretSource::Literal(Secret::from(text.as_str()))
            }
            raw::Secret::Kept(kept) => match (&kept.file, &kept.env) {
                (Field::Faulty, _) | (_, Field::Faulty) => return None,
                (Field::Given(file), Field::Absent) => SecretSource::File(self.path(file)?),
                (Field::Absent, Field::Given(name)) => {
                    let bad = name.value.is_empty() || name.value.contains(['=', '\0']);
                    if bad {
                        return self.error(name.place, "this is not the name of an environment variable", None);
                    }
                    SecretSource::Environment(name.value.clone())
                }
                _ => {
                    let message = "a secret has exactly one of `file` and `env`";
                    return self.not_exactly_one(secret.place, message, "write `{file: …}` or `{env: …}`");
                }
            },
        };
        Some(Some(source))
    }

    /// A duration that cannot be zero; the default is in seconds.
    fn period(&mut self, field: &Field<raw::Duration>, default: u64) -> Option<Duration> {
        match field.given() {
            Some(At { place, value: raw::Duration(Duration::ZERO) }) => {
                self.error(*place, "nothing can happen in no time at all", "write a longer duration".to_owned())
            }
            _ => self.period_or_zero(field, default),
        }
    }

    fn period_or_zero(&mut self, field: &Field<raw::Duration>, default: u64) -> Option<Duration> {
        match field {
            Field::Absent => Some(Duration::from_secs(default)),
            Field::Faulty => None,
            Field::Given(At { value: raw::Duration(duration), .. }) => Some(*duration),
        }
    }

    /// A number that cannot be zero.
    fn count<N: TryFrom<u64>>(&mut self, field: &Field<u64>, default: u64) -> Option<N> {
        let (place, number) = match field {
            Field::Absent => return N::try_from(default).ok(),
            Field::Faulty => return None,
            Field::Given(At { place, value }) => (*place, *value),
        };
        if number == 0 {
            return self.error(place, "with a limit of 0 nothing would pass", "write a number from 1".to_owned());
        }
        match N::try_from(number) {
            Ok(number) => Some(number),
            Err(_) => self.error(place, "the number is too large", None),
        }
    }
}

/// The names that a mapping gives, faulty entries included.
fn names<T>(map: &Field<BTreeMap<String, Field<T>>>) -> BTreeSet<&str> {
    map.value().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests;
