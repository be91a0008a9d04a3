//! What routes ask of a request besides its host and path: its method and fields of its head. Several routes may have one
//! host and path and differ in that; then the first that is content has the request.
//!
//! Clients choose both, so that what could be read in two ways is refused here as it is in paths: a method in small letters
//! where routes name it in capitals, and a field that is there twice, in another spelling as well, or that `Connection` names,
//! so that the upstream would not get what the route was chosen by.

use super::Miss;
use crate::config::{self, HeaderCondition, HeaderWants, Pattern};
use crate::proxy::headers::strip::is_alike;
use http::Method;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use std::cmp::Reverse;

/// What of a request conditions are about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// The fields of the head as the client sent them.
    pub headers: &'a HeaderMap,
}

/// What a route asks; the default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// Empty is every method.
    methods: Vec<Method>,
    headers: Vec<(HeaderName, Wanted)>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Present,
    Equals(Vec<u8>),
    Pattern(Pattern),
}

/// A name in a condition is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a method or header field")]
pub struct BadCondition(String);

impl Conditions {
    /// What a route of the configuration asks.
    ///
    /// # Errors
    /// When a method or field has a name that is none.
    pub fn of(route: &config::Route) -> Result<Self, BadCondition> {
        let methods = route.methods.iter();
        let methods = methods.map(|name| Method::from_bytes(name.as_bytes()).map_err(|_| BadCondition(name.clone())));
        Self::new(methods.collect::<Result<_, _>>()?, &route.match_headers)
    }

    /// One of these methods (or any, if there are none), and all that is asked of these fields.
    ///
    /// # Errors
    /// When a field has a name that is none.
    pub fn new(methods: Vec<Method>, headers: &[HeaderCondition]) -> Result<Self, BadCondition> {
        let headers = headers.iter().map(|condition| {
            let name = HeaderName::from_bytes(condition.name.as_bytes());
            let name = name.map_err(|_| BadCondition(condition.name.clone()))?;
            let wanted = match &condition.wants {
                HeaderWants::Present => Wanted::Present,
                HeaderWants::Equals(value) => Wanted::Equals(value.as_bytes().to_vec()),
                HeaderWants::Pattern(pattern) => Wanted::Pattern(pattern.clone()),
            };
            Ok((name, wanted))
        });
        Ok(Self { methods, headers: headers.collect::<Result<_, _>>()? })
    }

    fn are_none(&self) -> bool {
        self.methods.is_empty() && self.headers.is_empty()
    }

    fn have_method(&self, asked: &Asked<'_>) -> bool {
        self.methods.is_empty() || self.methods.contains(asked.method)
    }

    fn have_headers(&self, asked: &Asked<'_>) -> bool {
        self.headers.iter().all(|(name, wanted)| {
            let Some(value) = asked.headers.get(name) else { return false };
            // HTTP/2 does not trim values.
            let value = value.as_bytes().trim_ascii();
            match wanted {
                Wanted::Present => true,
                Wanted::Equals(expected) => value == expected,
                Wanted::Pattern(pattern) => pattern.matches(value),
            }
        })
    }
}

/// The routes of one listener, host and path.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The first that is content has the request.
    routes: Vec<Candidate>,
    /// The fields that any of them asks about, and whether by their value.
    fields: Vec<(HeaderName, bool)>,
}

#[derive(Debug)]
struct Candidate {
    payload: usize,
    conditions: Conditions,
    names_listener: bool,
}

impl Candidate {
    /// Smaller comes first: by method before all methods, by more fields, by listener, and then as they were given.
    fn rank(&self) -> (bool, Reverse<usize>, bool) {
        (self.conditions.methods.is_empty(), Reverse(self.conditions.headers.len()), !self.names_listener)
    }
}

impl Place {
    /// Adds a route behind those that come before it.
    pub(super) fn add(&mut self, payload: usize, conditions: &Conditions, names_listener: bool) {
        for (name, wanted) in &conditions.headers {
            let by_value = !matches!(wanted, Wanted::Present);
            match self.fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known |= by_value,
                None => self.fields.push((name.clone(), by_value)),
            }
        }
        let candidate = Candidate { payload, conditions: conditions.clone(), names_listener };
        let at = self.routes.partition_point(|known| known.rank() <= candidate.rank());
        self.routes.insert(at, candidate);
    }

    /// The route that has the request. There is no way from here to a route of a less specific path: it would be open to whoever
    /// thinks of another method, or leaves a field out.
    pub(super) fn choose(&self, asked: &Asked<'_>) -> Result<usize, Miss> {
        match self.routes.first() {
            // It takes everything, and is the only one.
            Some(only) if only.conditions.are_none() => Ok(only.payload),
            _ => self.choose_by_conditions(asked),
        }
    }

    fn choose_by_conditions(&self, asked: &Asked<'_>) -> Result<usize, Miss> {
        for (name, by_value) in &self.fields {
            if !is_certain(name, *by_value, asked.headers) {
                return Err(Miss::UncertainField(name.clone()));
            }
        }
        for Candidate { payload, conditions, .. } in self.routes.iter().filter(|one| one.conditions.have_headers(asked))
        {
            if conditions.have_method(asked) {
                return Ok(*payload);
            }
            // Some applications see no difference, so that it must not lead on to a route for other methods.
            let name = asked.method.as_str();
            if conditions.methods.iter().any(|method| method.as_str().eq_ignore_ascii_case(name)) {
                return Err(Miss::UncertainMethod);
            }
        }
        let others = self.routes.iter().filter(|candidate| candidate.conditions.have_headers(asked));
        let allowed: Vec<&Method> = others.flat_map(|candidate| &candidate.conditions.methods).collect();
        if allowed.is_empty() { Err(Miss::NoRoute) } else { Err(Miss::Method { allow: list(&allowed) }) }
    }
}

/// The value of `Allow` (RFC 9110, section 10.2.1).
fn list(methods: &[&Method]) -> HeaderValue {
    let mut names: Vec<&str> = Vec::new();
    for method in methods {
        if !names.contains(&method.as_str()) {
            names.push(method.as_str());
        }
    }
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether everybody on the way reads the same in this field.
fn is_certain(name: &HeaderName, by_value: bool, headers: &HeaderMap) -> bool {
    let repeated = by_value && headers.get_all(name).iter().nth(1).is_some();
    let respelled = || headers.keys().any(|known| known != name && is_alike(known.as_str(), name.as_str()));
    let ends_here = || {
        let tokens = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        tokens.into_iter().any(|token| token.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    !repeated && !respelled() && !ends_here()
}
