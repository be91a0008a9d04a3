//! What the gate may ask of others over HTTP: URLs, and the addresses that it may connect to.

use super::Context;
use crate::base::url::HttpUrl;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::{PrivateAddresses, Stapling};

impl Context<'_> {
    /// Stapling is on where the key is absent: it costs nothing where no certificate names a responder.
    pub(super) fn stapling(&mut self, stapling: &Field<raw::Stapling>) -> Option<Option<Stapling>> {
        let settings = match stapling {
            Field::Absent => return Some(Some(Stapling::default())),
            Field::Faulty => return None,
            Field::Given(At { value: raw::Stapling::Word(on), .. }) => return Some(on.then(Stapling::default)),
            Field::Given(At { value: raw::Stapling::Settings(settings), .. }) => settings,
        };
        let responder = self.optional_url(&settings.responder);
        let private_addresses = self.private_addresses(&settings.private_addresses);
        Some(Some(Stapling { responder: responder?, private_addresses: private_addresses? }))
    }

    /// A URL that may be absent.
    pub(super) fn optional_url(&mut self, url: &Field<String>) -> Option<Option<HttpUrl>> {
        match url {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(url) => self.url(url).map(Some),
        }
    }

    /// A URL that is fetched from.
    pub(super) fn url(&mut self, url: &At<String>) -> Option<HttpUrl> {
        self.parsed(url, |text| text.parse::<HttpUrl>().map_err(|why| why.to_string()))
    }

    /// `false`, `true` or a list of ranges; none are allowed where the key is absent.
    pub(super) fn private_addresses(&mut self, field: &Field<raw::PrivateAddresses>) -> Option<PrivateAddresses> {
        match field {
            Field::Absent => Some(PrivateAddresses::Refuse),
            Field::Faulty => None,
            Field::Given(At { value: raw::PrivateAddresses::Word(true), .. }) => Some(PrivateAddresses::Allow),
            Field::Given(At { value: raw::PrivateAddresses::Word(false), .. }) => Some(PrivateAddresses::Refuse),
            Field::Given(At { place, value: raw::PrivateAddresses::Ranges(ranges) }) => {
                let ranges = At { place: *place, value: ranges.clone() };
                let parse = |text: &str| text.parse().map_err(|why: crate::base::address::NotARange| why.to_string());
                self.items(&ranges, |context, range| context.parsed(range, parse)).map(PrivateAddresses::Within)
            }
        }
    }
}
