//! `accounts.mysql.queries`: accounts in tables that somebody else designed, and what the rest of the file
//! needs of them, however they are read.

use super::Context;
use crate::config::foreign::{Comparison, Foreign, StatusColumn};
use crate::config::query::{Parameter, Query};
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::{Accounts, Digest, IdentityRule, LookupKind, Method, Trust};
use std::collections::BTreeMap;

/// What a query is asked with, and which of it it must use: without any it would find anybody.
pub(super) struct Asked {
    pub(super) known: &'static [Parameter],
    decisive: &'static [Parameter],
}

pub(super) const BY_USERNAME: Asked = Asked {
    known: &[Parameter::Username, Parameter::LocalPart, Parameter::Domain],
    decisive: &[Parameter::Username, Parameter::LocalPart],
};
pub(super) const BY_EMAIL: Asked = Asked {
    known: &[
        Parameter::Email,
        Parameter::EmailUnicode,
        Parameter::LocalPart,
        Parameter::Domain,
        Parameter::DomainUnicode,
    ],
    decisive: &[Parameter::Email, Parameter::EmailUnicode, Parameter::LocalPart],
};
pub(super) const BY_ALIAS: Asked = Asked {
    known: &[
        Parameter::Alias,
        Parameter::EmailUnicode,
        Parameter::LocalPart,
        Parameter::Domain,
        Parameter::DomainUnicode,
    ],
    decisive: &[Parameter::Alias, Parameter::LocalPart],
};
pub(super) const OF_ACCOUNT: Asked = Asked {
    known: &[Parameter::Username, Parameter::Email, Parameter::Id],
    decisive: &[Parameter::Username, Parameter::Email, Parameter::Id],
};
pub(super) const HA1: Asked = Asked {
    known: &[Parameter::Username, Parameter::Realm, Parameter::Algorithm, Parameter::LocalPart, Parameter::Domain],
    decisive: &[Parameter::Username, Parameter::LocalPart],
};

pub(super) const PASSWORD: Asked = Asked {
    known: &[Parameter::Username, Parameter::LocalPart, Parameter::Domain],
    decisive: &[Parameter::Username, Parameter::LocalPart],
};

impl Context<'_> {
    pub(super) fn queries(&mut self, queries: &At<raw::Queries>) -> Option<Foreign> {
        let At { place, value: raw } = queries;
        let by_username =
            self.required(&raw.by_username, *place, "by_username").and_then(|text| self.query(text, &BY_USERNAME));
        let by_email = self.optional_query(&raw.by_email, &BY_EMAIL);
        let by_alias = self.optional_query(&raw.by_alias, &BY_ALIAS);
        let aliases = self.optional_query(&raw.aliases, &OF_ACCOUNT);
        let groups = self.optional_query(&raw.groups, &OF_ACCOUNT);
        let ha1 = self.optional_query(&raw.ha1, &HA1);
        let password = self.optional_query(&raw.password, &PASSWORD);
        let password_layout = raw.password_layout.value().copied();
        if let (Some(layout), Field::Absent) = (raw.password_layout.given(), &raw.password) {
            let message = "this says how the hashes are made that `password` finds, and there is none";
            return self.error(layout.place, message, None);
        }
        let status = self.status_column(&raw.status);
        let compare = comparison(&raw.compare);
        Some(Foreign {
            key: "queries",
            by_username: by_username?,
            by_email: by_email?,
            by_alias: by_alias?,
            aliases: aliases?,
            groups: groups?,
            ha1: ha1?,
            password: password?,
            password_layout,
            status: status?,
            compare: compare?,
        })
    }

    fn query(&mut self, text: &At<String>, asked: &Asked) -> Option<Query> {
        let query = self.parsed(text, |text| Query::parse(text, asked.known))?;
        if !query.parameters().iter().any(|parameter| asked.decisive.contains(parameter)) {
            let names: Vec<String> = asked.decisive.iter().map(|name| format!("`:{}`", name.as_str())).collect();
            let message = format!("the query does not ask for anybody: it uses none of {}", names.join(", "));
            return self.error(text.place, message, None);
        }
        Some(query)
    }

    fn optional_query(&mut self, text: &Field<String>, asked: &Asked) -> Option<Option<Query>> {
        match text {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(text) => self.query(text, asked).map(Some),
        }
    }

    pub(super) fn status_column(&mut self, status: &Field<raw::StatusColumn>) -> Option<Option<StatusColumn>> {
        let At { place, value: raw } = match status {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(status) => status,
        };
        let column = match &raw.column {
            Field::Absent => Some("status".to_owned()),
            Field::Faulty => None,
            Field::Given(column) => self.text(column),
        };
        let mut seen = Vec::new();
        let active = self.required(&raw.active, *place, "active").and_then(|list| self.meanings(list, &mut seen));
        let locked = self.optional_meanings(&raw.locked, &mut seen);
        let closed = self.optional_meanings(&raw.closed, &mut seen);
        Some(Some(StatusColumn { column: column?, active: active?, locked: locked?, closed: closed? }))
    }

    fn optional_meanings(&mut self, list: &Field<Vec<Field<String>>>, seen: &mut Vec<String>) -> Option<Vec<String>> {
        match list {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) => self.meanings(list, seen),
        }
    }

    fn meanings(&mut self, list: &At<Vec<Field<String>>>, seen: &mut Vec<String>) -> Option<Vec<String>> {
        self.items(list, |context, value| {
            if seen.contains(&value.value) {
                return context.error(value.place, "this value has a meaning already", None);
            }
            seen.push(value.value.clone());
            Some(value.value.clone())
        })
    }

    /// Whether the rest of the file asks what these tables cannot answer. Of revocations they know nothing:
    /// unless it is said that they should be asked, they are not.
    pub(super) fn what_foreign_tables_cannot_answer(
        &mut self,
        file: &raw::File,
        accounts: &Accounts,
        identity: &[IdentityRule],
        digest: Option<&Digest>,
        trust: &mut BTreeMap<String, Trust>,
    ) {
        let (Some(foreign), Some(place)) = (accounts.store.foreign(), foreign_place(file)) else { return };
        let asks = |kind| identity.iter().any(|rule| rule.lookup == kind);
        for (kind, key, query) in
            [(LookupKind::Email, "by_email", &foreign.by_email), (LookupKind::Alias, "by_alias", &foreign.by_alias)]
        {
            if query.is_none() && asks(kind) {
                let message = format!("the rules of `identity` look for what `{key}` finds, and there is none");
                let help = format!("add `{key}`, or say `as: username` in the rules");
                let _: Option<()> = self.error(place, message, help);
            }
        }
        if digest.is_some() && foreign.ha1.is_none() {
            let help = "add `ha1`, or leave `digest` out".to_owned();
            let _: Option<()> = self.error(place, "`digest` needs what `ha1` finds, and there is none", help);
        }
        if let (Some(Digest { userhash: true, .. }), Some(digest)) = (digest, file.digest.value()) {
            let at = digest.userhash.given().map_or(place, |userhash| userhash.place);
            let message = "accounts in tables of your own cannot be found by the hash of a name";
            let _: Option<()> = self.error(at, message, "leave `userhash` out".to_owned());
        }
        let passwords = file.routes.value().into_iter().flatten().filter_map(Field::value);
        let mut methods = passwords.flat_map(|route| route.authenticate.value().into_iter().flatten());
        if methods.any(|method| method.value() == Some(&Method::Basic)) && foreign.password.is_none() {
            let help = "add `password`, or remove `basic` from the routes".to_owned();
            let _: Option<()> = self.error(place, "`basic` needs what `password` finds, and there is none", help);
        }
        for (name, set) in trust {
            let raw = file.trust.value().and_then(|sets| sets.get(name)).and_then(Field::value);
            let asked = raw.and_then(|set| set.revocation.value()).and_then(|revocation| revocation.database.given());
            match asked {
                Some(At { place, value: true }) => {
                    let message = "tables of your own hold none of Wicketgate's revocations";
                    let help = "write `database: false`, and use `crl` or `ocsp`".to_owned();
                    let _: Option<()> = self.error(*place, message, help);
                }
                _ => set.revocation.database = false,
            }
            if let Some(at) = file.trust.value().and_then(|sets| sets.get(name)).and_then(Field::given)
                && !at.value.revocation.is_there()
            {
                let message = "nothing says whether these certificates were revoked: tables of your own do not";
                let help = "add `revocation` with `crl` or `ocsp`, or with `database: false` if that is meant";
                self.warn(at.place, message, help.to_owned());
            }
        }
    }
}

/// Where the file says how foreign tables are read.
fn foreign_place(file: &raw::File) -> Option<PlaceId> {
    let mysql = file.accounts.value()?.mysql.value()?;
    mysql.queries.given().map(|queries| queries.place).or(mysql.tables.given().map(|tables| tables.place))
}

pub(super) fn comparison(compare: &Field<raw::Comparison>) -> Option<Comparison> {
    match compare {
        Field::Absent => Some(Comparison::default()),
        Field::Faulty => None,
        Field::Given(At { value: raw, .. }) => Some(Comparison {
            username: raw.username.value().copied().unwrap_or_default(),
            local_part: raw.local_part.value().copied().unwrap_or_default(),
        }),
    }
}

#[cfg(test)]
mod tests;
