//! What an upstream says of its servers: which there are, how requests are spread over them, which of them are fit for
//! requests, and what becomes of a request that one has failed.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId, short};
use crate::config::values::{Server, check_header_name, parse_server_url};
use crate::config::{
    Balance, Balancing, Ejection, HashKey, HealthCheck, HttpVersion, MOST_WEIGHT, Retries, UpstreamLimits,
    UpstreamServer,
};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// How many servers an upstream may have: each is looked at when a request is hashed.
const MOST_SERVERS: usize = 256;
/// The largest body that may be kept to be sent again.
const MOST_KEPT: u64 = 1024 * 1024;

impl Context<'_> {
    /// The servers, and whether they are spoken to over TLS: all of them or none.
    pub(super) fn upstream_servers(
        &mut self,
        list: &At<Vec<Field<raw::UpstreamServer>>>,
    ) -> Option<(Vec<UpstreamServer>, bool)> {
        let servers = self.items(list, |context, server| context.upstream_server(server))?;
        let over_tls = servers.first().is_some_and(|(_, tls)| *tls);
        if servers.iter().any(|(_, tls)| *tls != over_tls) {
            let message = "some of these are spoken to over TLS and others are not";
            return self.error(list.place, message, "make two upstreams of them".to_owned());
        }
        if servers.len() > MOST_SERVERS {
            return self.error(list.place, format!("an upstream has {MOST_SERVERS} servers at most"), None);
        }
        let servers: Vec<UpstreamServer> = servers.into_iter().map(|(server, _)| server).collect();
        let mut names = BTreeSet::new();
        if let Some(twice) = servers.iter().find(|server| !names.insert(&server.name)) {
            let message = format!("`{}` stands here twice", twice.name);
            return self.error(list.place, message, "give it a `weight` instead".to_owned());
        }
        if servers.iter().all(|server| server.backup) {
            let message = "all of these are backups, and backups of nothing";
            return self.error(list.place, message, "remove `backup` from one of them".to_owned());
        }
        Some((servers, over_tls))
    }

    fn upstream_server(&mut self, server: &At<raw::UpstreamServer>) -> Option<(UpstreamServer, bool)> {
        let (url, weight, backup) = match &server.value {
            raw::UpstreamServer::Url(url) => (At { place: server.place, value: url.clone() }, Some(1), false),
            raw::UpstreamServer::Of(of) => {
                let weight = self.count(&of.weight, 1).and_then(|weight: u64| match u16::try_from(weight) {
                    Ok(weight) if weight <= MOST_WEIGHT => Some(weight),
                    _ => {
                        let place = of.weight.given().map_or(server.place, |weight| weight.place);
                        self.error(place, format!("a weight is from 1 to {MOST_WEIGHT}"), None)
                    }
                });
                let url = self.required(&of.url, server.place, "url")?.clone();
                (url, weight, of.backup.value().copied().unwrap_or_default())
            }
        };
        let url = self.parsed(&url, parse_server_url);
        let (Server { name, tls }, weight) = (url?, weight?);
        Some((UpstreamServer { name, weight, backup }, tls))
    }

    pub(super) fn http_version(&mut self, raw: &raw::Upstream) -> Option<HttpVersion> {
        match &raw.http {
            Field::Faulty => None,
            Field::Given(At { value: raw::HttpVersion::Two, .. }) => Some(HttpVersion::Two),
            Field::Given(At { value: raw::HttpVersion::One, .. }) | Field::Absent => Some(HttpVersion::One),
        }
    }

    /// How requests are spread, and what becomes of those that fail.
    pub(super) fn balancing(&mut self, raw: &raw::Upstream, many: bool) -> Option<Balancing> {
        let default = Balancing::default();
        let balance = self.balance(&raw.balance);
        let slow_start = self.period_or_zero(&raw.slow_start, 0);
        let health = match &raw.health {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(health) => self.health_check(health).map(Some),
        };
        let ejection = match &raw.ejection {
            Field::Absent => Some(default.ejection),
            Field::Faulty => None,
            Field::Given(At { value: raw::Ejection::Word(raw::EjectionWord::Off), .. }) => Some(None),
            Field::Given(At { value: raw::Ejection::When(when), .. }) => self.ejection(when).map(Some),
        };
        let limits = self.upstream_limits(raw.limits.value());
        let retries = self.retries(raw.retries.value());
        if !many {
            for (place, key) in [
                (raw.slow_start.given().map(|at| at.place), "slow_start"),
                (raw.ejection.given().map(|at| at.place), "ejection"),
            ] {
                if let Some(place) = place {
                    self.warn(place, format!("`{key}` is of no use with one server"), None);
                }
            }
        }
        Some(Balancing {
            balance: balance?,
            slow_start: slow_start?,
            health: health?,
            ejection: ejection?,
            limits: limits?,
            retries: retries?,
        })
    }

    fn balance(&mut self, raw: &Field<raw::Balance>) -> Option<Balance> {
        match raw {
            Field::Absent => Some(Balance::default()),
            Field::Faulty => None,
            Field::Given(At { value: raw::Balance::Word(raw::BalanceWord::RoundRobin), .. }) => {
                Some(Balance::RoundRobin)
            }
            Field::Given(At { value: raw::Balance::Word(raw::BalanceWord::LeastRequests), .. }) => {
                Some(Balance::LeastRequests)
            }
            Field::Given(At { value: raw::Balance::By(by), place }) => {
                let hash = self.required(&by.hash, *place, "hash")?;
                self.parsed(hash, hash_key).map(Balance::Hash)
            }
        }
    }

    fn health_check(&mut self, health: &At<raw::HealthCheck>) -> Option<HealthCheck> {
        let At { place, value: raw } = health;
        let path = self.required(&raw.path, *place, "path").and_then(|path| self.parsed(path, check_target));
        let statuses = self.statuses(&raw.status, vec![200..=399]);
        let every = self.period(&raw.every, 5);
        let timeout = self.period(&raw.timeout, 2);
        let rise = self.count(&raw.rise, 2);
        let fall = self.count(&raw.fall, 3);
        let host = match &raw.host {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(host) => self.parsed(host, check_host).map(Some),
        };
        Some(HealthCheck {
            path: path?,
            statuses: statuses?,
            every: every?,
            timeout: timeout?,
            rise: rise?,
            fall: fall?,
            host: host?,
        })
    }

    fn ejection(&mut self, raw: &raw::EjectionWhen) -> Option<Ejection> {
        let default = Ejection::default();
        let failures = self.count(&raw.failures, u64::from(default.failures));
        let statuses = self.statuses(&raw.status, default.statuses);
        let first = self.period(&raw.first, default.first.as_secs());
        let longest = self.period(&raw.longest, default.longest.as_secs());
        let share = self.percent(&raw.share, default.share);
        let (first, longest) = (first?, longest?);
        if let (true, Some(at)) = (longest < first, raw.longest.given().map(|at| at.place)) {
            return self.error(at, "this is shorter than `first`", None);
        }
        let longest = longest.max(first);
        Some(Ejection { failures: failures?, statuses: statuses?, first, longest, share: share? })
    }

    fn upstream_limits(&mut self, raw: Option<&raw::UpstreamLimits>) -> Option<UpstreamLimits> {
        let (default, absent) = (UpstreamLimits::default(), raw::UpstreamLimits::default());
        let raw = raw.unwrap_or(&absent);
        let requests = match &raw.requests {
            Field::Absent => Some(None),
            given => self.count(given, 1).map(Some),
        };
        let queue = self.number(&raw.queue, u64::from(default.queue));
        let wait = self.period(&raw.wait, default.wait.as_secs());
        Some(UpstreamLimits { requests: requests?, queue: queue?, wait: wait? })
    }

    fn retries(&mut self, raw: Option<&raw::Retries>) -> Option<Retries> {
        let (default, absent) = (Retries::default(), raw::Retries::default());
        let raw = raw.unwrap_or(&absent);
        let times = self.number(&raw.times, u64::from(default.times));
        let budget = self.percent(&raw.budget, default.budget);
        let statuses = self.statuses(&raw.status, default.statuses);
        let body = match &raw.body {
            Field::Absent => Some(default.body),
            Field::Faulty => None,
            Field::Given(At { value: raw::Size(size), .. }) if *size <= MOST_KEPT => Some(*size),
            Field::Given(At { place, .. }) => {
                self.error(*place, "a body of 1MiB is the largest that is kept to be sent again", None)
            }
        };
        Some(Retries { times: times?, budget: budget?, statuses: statuses?, body: body? })
    }

    fn number(&mut self, field: &Field<u64>, default: u64) -> Option<u32> {
        match field {
            Field::Absent => u32::try_from(default).ok(),
            Field::Faulty => None,
            Field::Given(At { place, value }) => match u32::try_from(*value) {
                Ok(number) => Some(number),
                Err(_) => self.error(*place, "the number is too large", None),
            },
        }
    }

    fn percent(&mut self, field: &Field<raw::Percent>, default: u8) -> Option<u8> {
        match field {
            Field::Absent => Some(default),
            Field::Faulty => None,
            Field::Given(At { place, value: raw::Percent(text) }) => {
                match text.strip_suffix('%').and_then(|number| number.trim().parse::<u8>().ok()) {
                    Some(percent) if percent <= 100 => Some(percent),
                    _ => self.error(*place, format!("`{}` is not a share from 0% to 100%", short(text)), None),
                }
            }
        }
    }

    fn statuses(
        &mut self,
        field: &Field<Vec<Field<raw::Statuses>>>,
        default: Vec<RangeInclusive<u16>>,
    ) -> Option<Vec<RangeInclusive<u16>>> {
        match field {
            Field::Absent => Some(default),
            Field::Faulty => None,
            Field::Given(At { value, .. }) if value.is_empty() => Some(Vec::new()),
            Field::Given(list) => {
                self.items(list, |context, At { place, value: raw::Statuses(text) }| context.one_range(*place, text))
            }
        }
    }

    fn one_range(&mut self, place: PlaceId, text: &str) -> Option<RangeInclusive<u16>> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..=599).contains(status));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..=last),
            _ => {
                let message = format!("`{}` is neither a status nor a range of them", short(text));
                self.error(place, message, "write `404` or `200-399`".to_owned())
            }
        }
    }
}

fn hash_key(text: &str) -> Result<HashKey, String> {
    let named = |name: &str| match check_header_name(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(_) => Err(format!("`{}` cannot be the name of a header or a cookie", short(name))),
    };
    match text.split_once(':') {
        None if text == "account" => Ok(HashKey::Account),
        None if text == "client_address" => Ok(HashKey::ClientAddress),
        Some(("cookie", name)) if is_token(name) => Ok(HashKey::Cookie(name.to_owned())),
        Some(("header", name)) => named(name).map(|name| HashKey::Header(name.to_ascii_lowercase())),
        _ => {
            Err(format!("`{}` is not one of `account`, `client_address`, `cookie:NAME` and `header:NAME`", short(text)))
        }
    }
}

/// Whether a text is a token (RFC 9110, section 5.6.2), as names of cookies are (RFC 6265, section 4.1.1).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn check_target(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !text.starts_with('/') || !plain {
        return Err(format!("`{}` is not a path: it begins with `/`, and is encoded", short(text)));
    }
    Ok(text.to_owned())
}

fn check_host(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(format!("`{}` is not a host", short(text)));
    }
    Ok(text.to_owned())
}
