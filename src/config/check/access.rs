//! A route's `allow` and `deny`: who may pass, and who may not.

use super::Context;
use crate::base::address::AddressRange;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::{Access, Anonymous, Method};

impl Context<'_> {
    /// The conditions of a route that is `anonymous` and takes these methods; the outer `None` is a fault.
    pub(super) fn access(
        &mut self,
        key: &str,
        access: &Field<raw::Access>,
        anonymous: Option<&Anonymous>,
        authenticate: Option<&[Method]>,
    ) -> Option<Option<Access>> {
        let At { place, value: raw } = match access {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(access) => access,
        };
        let groups = self.optional_items(&raw.groups, Self::text);
        let accounts = self.optional_items(&raw.accounts, Self::text);
        let issuers = self.issuers(&raw.issuers);
        let methods = self.distinct(&raw.methods, &[]);
        let addresses = self.address_ranges(&raw.addresses);
        let access = Access {
            groups: groups?,
            accounts: accounts?,
            issuers: issuers?,
            methods: methods?,
            addresses: addresses?,
        };
        if access == Access::default() {
            let help = "write `groups`, `accounts`, `issuers`, `methods` or `addresses`, or leave it out";
            return self.not_exactly_one(*place, &format!("`{key}` names nobody"), help);
        }
        if anonymous == Some(&Anonymous::Allow) && access.is_of_somebody() {
            let message = "with `anonymous: allow` anybody passes who hides who they are";
            let help = format!("write `anonymous: deny`, or let `{key}` speak of `addresses` alone");
            return self.error(*place, message, help);
        }
        self.methods_of_use(key, raw, authenticate);
        Some(Some(access))
    }

    /// Warns of methods that identify nobody on this route.
    fn methods_of_use(&mut self, key: &str, raw: &raw::Access, authenticate: Option<&[Method]>) {
        let Some(authenticate) = authenticate else { return };
        for At { place, value } in raw.methods.value().into_iter().flatten().filter_map(Field::given) {
            if !authenticate.contains(value) {
                let message = format!("nobody is known by `{}` here: `authenticate` does not list it", value.as_str());
                self.warn(*place, message, format!("list it under `authenticate`, or remove it from `{key}`"));
            }
        }
    }

    /// Ranges of addresses; empty where the key is absent.
    pub(super) fn address_ranges(&mut self, ranges: &Field<Vec<Field<String>>>) -> Option<Vec<AddressRange>> {
        self.optional_items(ranges, |context, range| {
            context.parsed(range, |text| text.parse::<AddressRange>().map_err(|error| error.to_string()))
        })
    }

    /// All items of a list that may be absent, but not empty.
    pub(super) fn optional_items<T, U>(
        &mut self,
        list: &Field<Vec<Field<T>>>,
        check: impl FnMut(&mut Self, &At<T>) -> Option<U>,
    ) -> Option<Vec<U>> {
        match list {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) => self.items(list, check),
        }
    }
}
