//! `authority.publish`: where what the authority says is found, and when it is signed.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::{PublishedAnswers, PublishedLists, Publishing};
use std::time::Duration;

/// The shortest time between two lists or answers: a clock that differs by more is a fault that nothing here mends.
const LEAST: Duration = Duration::from_secs(60);

impl Context<'_> {
    /// What is published; with its defaults where nothing is said.
    pub(super) fn publishing(&mut self, raw: &Field<raw::Publishing>) -> Option<Publishing> {
        let value = match raw {
            Field::Absent => return Some(Publishing::default()),
            Field::Faulty => return None,
            Field::Given(At { value, .. }) => value,
        };
        let url = self.optional_url(&value.url).map(|url| url.map(|url| url.to_string()));
        let crl = match &value.crl {
            Field::Absent => Some(PublishedLists::default()),
            Field::Faulty => None,
            Field::Given(At { value, .. }) => {
                let default = PublishedLists::default();
                let times = self.times(&value.validity, &value.every, (default.validity, default.every));
                let delta = value.delta.value().copied().unwrap_or(default.delta);
                times.map(|(validity, every)| PublishedLists { validity, every, delta })
            }
        };
        let ocsp = match &value.ocsp {
            Field::Absent => Some(PublishedAnswers::default()),
            Field::Faulty => None,
            Field::Given(At { value, .. }) => {
                let default = PublishedAnswers::default();
                let times = self.times(&value.validity, &value.every, (default.validity, default.every));
                times.map(|(validity, every)| PublishedAnswers { validity, every })
            }
        };
        Some(Publishing { url: url?, crl: crl?, ocsp: ocsp? })
    }

    /// How long something holds, and how long after it there is another. Between the two lies the time in which an
    /// authority that is down can be mended.
    fn times(
        &mut self,
        validity: &Field<raw::Duration>,
        every: &Field<raw::Duration>,
        default: (Duration, Duration),
    ) -> Option<(Duration, Duration)> {
        if matches!(validity, Field::Faulty) || matches!(every, Field::Faulty) {
            return None;
        }
        let holds = validity.value().map_or(default.0, |validity| validity.0);
        // Whoever gives the one alone means the other to follow.
        let next = every.value().map_or_else(|| default.1.min(holds / 2), |every| every.0);
        let place = every.given().map(|every| every.place).or_else(|| validity.given().map(|validity| validity.place));
        let Some(place) = place else { return Some((holds, next)) };
        if next < LEAST {
            let help = "write `every: 1m` or more: what is revoked is published at once, whatever it says".to_owned();
            return self.error(place, "there is no point in signing more often than once a minute", help);
        }
        if next > holds / 2 {
            let message = "each must be followed by the next in half of the time that it holds, so that an authority \
                           that is down can be mended";
            return self.error(place, message, "make `validity` longer, or `every` shorter".to_owned());
        }
        Some((holds, next))
    }
}
