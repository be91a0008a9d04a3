//! `timeouts` and `limits`, and `routes[].limits`.

use super::Context;
use crate::base::address::AddressRange;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::{CountedBy, LeastRate, Limits, Rate, RequestLimits, Timeouts};
use std::num::{NonZeroU32, NonZeroU64};

/// What bodies that are held may take at least, and so all bodies on their way: as much as the largest of them.
const LEAST_HELD: u64 = 16 * 1024 * 1024;
/// What bodies may take where nothing is said: all of them, and those that are held.
const BUFFERS: u64 = 512 * 1024 * 1024;
const HELD: u64 = 64 * 1024 * 1024;
/// How fast a client must be, in octets a second: slower than any that somebody waits for, and a hundred times faster
/// than one that only holds its place.
const LEAST_RATE: u64 = 240;
/// This machine's own addresses: whoever sits behind a balancer here that hides the clients is everybody.
const OWN: [&str; 2] = ["127.0.0.0/8", "::1"];

/// The keys that say how many requests one client may make, wherever they stand.
struct Counts<'r> {
    rate: &'r Field<raw::Rate>,
    burst: &'r Field<u64>,
    concurrency: &'r Field<u64>,
}

impl Context<'_> {
    pub(super) fn timeouts(&mut self, raw: Option<&raw::Timeouts>) -> Option<Timeouts> {
        let absent = raw::Timeouts::default();
        let raw = raw.unwrap_or(&absent);
        let handshake = self.period(&raw.handshake, 10);
        let request_head = self.period(&raw.request_head, 10);
        let idle = self.period(&raw.idle, 75);
        let drain = self.period_or_zero(&raw.drain, 30);
        let absent = raw::LeastRate::default();
        let least = raw.least_rate.value().unwrap_or(&absent);
        let grace = self.period(&least.grace, 75);
        let least_rate = match (least_rate(&least.upload), least_rate(&least.download), &raw.least_rate) {
            (_, _, Field::Faulty) => None,
            (Some(upload), Some(download), _) => grace.map(|grace| LeastRate { upload, download, grace }),
            _ => None,
        };
        Some(Timeouts {
            handshake: handshake?,
            request_head: request_head?,
            idle: idle?,
            drain: drain?,
            least_rate: least_rate?,
        })
    }

    pub(super) fn limits(&mut self, raw: Option<&raw::Limits>) -> Option<Limits> {
        let absent = raw::Limits::default();
        let raw = raw.unwrap_or(&absent);
        let connections = self.count(&raw.connections, 20_000);
        let connections_per_address = self.count(&raw.connections_per_address, 200);
        let headers = self.count(&raw.headers, 100);
        // Hyper reads heads into a buffer that cannot be smaller than 8 KiB.
        let head = match raw.head.given() {
            None => (!raw.head.is_there()).then_some(32 * 1024),
            Some(At { value: raw::Size(size), .. }) if (8 * 1024..=1024 * 1024).contains(size) => {
                usize::try_from(*size).ok()
            }
            Some(At { place, .. }) => self.error(*place, "the size of a request head is from 8KiB to 1MiB", None),
        };
        let buffers = self.held(&raw.buffers, BUFFERS);
        let held_bodies = self.held(&raw.held_bodies, buffers.unwrap_or(BUFFERS).min(HELD));
        let held_bodies = match (buffers, held_bodies, raw.held_bodies.given()) {
            (Some(buffers), Some(held), Some(At { place, .. })) if held > buffers => {
                let help = "raise limits.buffers (512MiB where nothing is said), or lower this".to_owned();
                self.error(*place, "this is a part of limits.buffers, and larger than it", help)
            }
            _ => held_bodies,
        };
        let requests_per_address = match &raw.requests_per_address {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value }) => {
                let raw::AddressRequests { rate, burst, concurrency } = value;
                let limits = self.request_limits(&Counts { rate, burst, concurrency }, CountedBy::Address);
                match limits {
                    Some(None) => {
                        let help = "write `rate: 100/s`, `concurrency: 100` or both";
                        self.not_exactly_one(*place, "this limits nothing", help)
                    }
                    limits => limits,
                }
            }
        };
        let exempt = self.exempted(&raw.exempt);
        Some(Limits {
            buffers: buffers?,
            held_bodies: held_bodies?,
            connections: connections?,
            connections_per_address: connections_per_address?,
            head: head?,
            headers: headers?,
            requests_per_address: requests_per_address?,
            exempt: exempt?,
        })
    }

    /// How much memory bodies may take.
    fn held(&mut self, field: &Field<raw::Size>, default: u64) -> Option<u64> {
        match field.given() {
            None => (!field.is_there()).then_some(default),
            Some(At { value: raw::Size(size), .. }) if *size >= LEAST_HELD => Some(*size),
            Some(At { place, .. }) => self.error(*place, "it is 16MiB at least: one body may be as large", None),
        }
    }

    /// How many requests one client may make on a route; the outer `None` is a fault.
    pub(super) fn route_requests(&mut self, limits: Option<&raw::RouteLimits>) -> Option<Option<RequestLimits>> {
        let Some(raw::RouteLimits { rate, burst, concurrency, by, .. }) = limits else { return Some(None) };
        let counted_by = match by {
            Field::Absent => Some(CountedBy::Account),
            Field::Faulty => None,
            Field::Given(by) if !rate.is_there() && !concurrency.is_there() => {
                self.of_no_use(by.place, "by", "`rate` or `concurrency`")
            }
            Field::Given(by) => Some(by.value),
        };
        let limits =
            self.request_limits(&Counts { rate, burst, concurrency }, counted_by.unwrap_or(CountedBy::Account));
        limits.filter(|_| counted_by.is_some())
    }

    fn request_limits(&mut self, counts: &Counts<'_>, by: CountedBy) -> Option<Option<RequestLimits>> {
        let concurrency: Option<Option<NonZeroU32>> = match counts.concurrency {
            Field::Absent => Some(None),
            given => self.count::<u32>(given, 1).map(NonZeroU32::new),
        };
        let rate = match counts.rate {
            Field::Absent => match counts.burst.given() {
                Some(At { place, .. }) => self.of_no_use(*place, "burst", "`rate`"),
                None => (!counts.burst.is_there()).then_some(None),
            },
            Field::Faulty => None,
            Field::Given(At { value: raw::Rate { requests, per }, .. }) => self
                .count::<u32>(counts.burst, u64::from(*requests))
                .map(|burst| Some(Rate { requests: *requests, per: *per, burst })),
        };
        let (rate, concurrency) = (rate?, concurrency?);
        let is_limit = rate.is_some() || concurrency.is_some();
        Some(is_limit.then_some(RequestLimits { rate, concurrency, by }))
    }

    fn of_no_use<T>(&mut self, place: PlaceId, key: &str, without: &str) -> Option<T> {
        let message = format!("`{key}` says nothing without {without}");
        self.error(place, message, format!("write {without} beside it, or leave it out"))
    }

    /// Ranges of addresses that are not counted: this machine's own where nothing is said.
    pub(super) fn exempted(&mut self, ranges: &Field<Vec<Field<String>>>) -> Option<Vec<AddressRange>> {
        match ranges {
            Field::Absent => Some(OWN.iter().filter_map(|range| range.parse().ok()).collect()),
            Field::Faulty => None,
            // An empty list says that nobody is exempted.
            Field::Given(list) if list.value.is_empty() => Some(Vec::new()),
            Field::Given(list) => self.items(list, |context, range| {
                context.parsed(range, |text| text.parse::<AddressRange>().map_err(|error| error.to_string()))
            }),
        }
    }
}

/// How fast a client must be; the outer `None` is a fault.
fn least_rate(field: &Field<raw::ByteRate>) -> Option<Option<NonZeroU64>> {
    match field {
        Field::Absent => Some(NonZeroU64::new(LEAST_RATE)),
        Field::Faulty => None,
        Field::Given(At { value: raw::ByteRate(rate), .. }) => Some(*rate),
    }
}
