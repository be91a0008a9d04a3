//! `accounts.mysql.tables`: the names of tables and columns that somebody else chose, made into the same queries
//! that an administrator can write.

use super::Context;
use super::foreign::{Asked, BY_ALIAS, BY_EMAIL, BY_USERNAME, HA1, OF_ACCOUNT, PASSWORD, comparison};
use crate::config::foreign::{Foreign, StatusColumn};
use crate::config::query::Query;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::tables::{AccountTable, Address, HashTable, Name, NameTable, PasswordTable, Reference, literal};

/// The name that the status has in the queries.
const STATUS: &str = "status";

impl Context<'_> {
    pub(super) fn tables(&mut self, tables: &At<raw::Tables>) -> Option<Foreign> {
        let At { place, value: raw } = tables;
        let accounts = self.required(&raw.accounts, *place, "accounts").and_then(|table| self.account_table(table));
        let has_id = raw.accounts.value().is_some_and(|accounts| accounts.id.is_there());
        let aliases = self.name_table(&raw.aliases, has_id);
        let groups = self.name_table(&raw.groups, has_id);
        let hashes = self.hash_table(&raw.ha1, has_id);
        let passwords = self.password_table(&raw.password, has_id);
        let compare = comparison(&raw.compare);
        let ((accounts, status), aliases, groups, hashes, passwords) =
            (accounts?, aliases?, groups?, hashes?, passwords?);
        for (table, of) in [(&aliases, &raw.aliases), (&groups, &raw.groups)] {
            if let (Some(table), Some(at)) = (table, of.given()) {
                self.referred(&accounts, table.refers_to, at.place)?;
            }
        }
        if let (Some(HashTable { table: Some((_, _, refers_to)), .. }), Some(at)) = (&hashes, raw.ha1.given()) {
            self.referred(&accounts, *refers_to, at.place)?;
        }
        if let (Some(PasswordTable { table: Some((_, _, refers_to)), .. }), Some(at)) =
            (&passwords, raw.password.given())
        {
            self.referred(&accounts, *refers_to, at.place)?;
        }
        let password = passwords.as_ref().and_then(|passwords| accounts.password(passwords));
        let by_alias = aliases.as_ref().and_then(|aliases| accounts.by_alias(aliases));
        let ha1 = hashes.as_ref().and_then(|hashes| accounts.ha1(hashes));
        Some(Foreign {
            key: "tables",
            by_username: self.made(*place, &accounts.by_username(), &BY_USERNAME)?,
            by_email: self.made_if(*place, accounts.by_email(), &BY_EMAIL)?,
            by_alias: self.made_if(*place, by_alias, &BY_ALIAS)?,
            aliases: self.made_if(*place, aliases.as_ref().map(NameTable::of_account), &OF_ACCOUNT)?,
            groups: self.made_if(*place, groups.as_ref().map(NameTable::of_account), &OF_ACCOUNT)?,
            ha1: self.made_if(*place, ha1, &HA1)?,
            password: self.made_if(*place, password, &PASSWORD)?,
            password_layout: raw.password.value().and_then(|password| password.layout.value()).copied(),
            status,
            compare: compare?,
        })
    }

    fn made(&mut self, place: PlaceId, sql: &str, asked: &Asked) -> Option<Query> {
        match Query::parse(sql, asked.known) {
            Ok(query) => Some(query),
            Err(message) => self.error(place, message, None),
        }
    }

    fn made_if(&mut self, place: PlaceId, sql: Option<String>, asked: &Asked) -> Option<Option<Query>> {
        match sql {
            Some(sql) => self.made(place, &sql, asked).map(Some),
            None => Some(None),
        }
    }

    /// Refuses a reference to what the accounts do not have.
    fn referred(&mut self, accounts: &AccountTable, to: Reference, place: PlaceId) -> Option<()> {
        match to {
            Reference::Id if accounts.id.is_none() => {
                let help = "name the key of the accounts in `accounts.id`".to_owned();
                self.error(place, "this refers to the `id` of an account, and accounts have none", help)
            }
            Reference::Email if accounts.email.is_none() => {
                let help = "name the column of the address in `accounts.email`".to_owned();
                self.error(place, "this refers to the `email` of an account, and accounts have none", help)
            }
            _ => Some(()),
        }
    }

    fn account_table(&mut self, table: &At<raw::AccountTable>) -> Option<(AccountTable, Option<StatusColumn>)> {
        let At { place, value: raw } = table;
        let table = self.required(&raw.table, *place, "table").and_then(|name| self.parsed(name, Name::table));
        let username = self.required_column(&raw.username, *place, "username");
        let id = self.optional_column(&raw.id);
        let email = match &raw.email {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(email) => self.address(email).map(Some),
        };
        let display_name = self.optional_column(&raw.display_name);
        let home = self.optional_column(&raw.home);
        let groups = self.optional_column(&raw.groups);
        let status = self.status_column(&raw.status).and_then(|status| self.named_status(status, &raw.status));
        let conditions = self.conditions(&raw.r#where);
        let (status, meanings) = status?;
        let table = AccountTable {
            table: table?,
            username: username?,
            id: id?,
            email: email?,
            display_name: display_name?,
            home: home?,
            groups: groups?,
            status,
            conditions: conditions?,
        };
        Some((table, meanings))
    }

    /// The column of the status, and what its values mean under the name that it has in the queries.
    fn named_status(
        &mut self,
        status: Option<StatusColumn>,
        raw: &Field<raw::StatusColumn>,
    ) -> Option<(Option<Name>, Option<StatusColumn>)> {
        let (Some(status), Some(at)) = (status, raw.given()) else { return Some((None, None)) };
        let place = at.value.column.given().map_or(at.place, |column| column.place);
        match Name::column(&status.column) {
            Ok(name) => Some((Some(name), Some(StatusColumn { column: STATUS.to_owned(), ..status }))),
            Err(message) => self.error(place, message, None),
        }
    }

    fn address(&mut self, address: &At<raw::Address>) -> Option<Address> {
        let At { place, value } = address;
        match value {
            raw::Address::Whole(column) => {
                let column = At { place: *place, value: column.clone() };
                self.parsed(&column, Name::column).map(Address::Whole)
            }
            raw::Address::Split(split) => {
                let local_part = self.required_column(&split.local_part, *place, "local_part");
                let domain = self.required_column(&split.domain, *place, "domain");
                Some(Address::Split { local_part: local_part?, domain: domain? })
            }
        }
    }

    fn conditions(&mut self, conditions: &Conditions) -> Option<Vec<(Name, Vec<String>)>> {
        if matches!(conditions, Field::Faulty) {
            return None;
        }
        let entries = conditions.value().into_iter().flatten();
        let checked: Vec<Option<(Name, Vec<String>)>> = entries
            .map(|(column, values)| {
                let At { place, value } = values.given()?;
                let column = self.parsed(&At { place: *place, value: column.clone() }, Name::column);
                let values = match value {
                    raw::Values::One(value) => {
                        let value = At { place: *place, value: value.clone() };
                        self.parsed(&value, literal).map(|value| vec![value])
                    }
                    raw::Values::Several(values) => {
                        let values = At { place: *place, value: values.clone() };
                        self.items(&values, |context, value| context.parsed(value, literal))
                    }
                };
                Some((column?, values?))
            })
            .collect();
        checked.into_iter().collect()
    }

    fn name_table(&mut self, table: &Field<raw::NameTable>, has_id: bool) -> Option<Option<NameTable>> {
        let At { place, value: raw } = match table {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(table) => table,
        };
        let table = self.required(&raw.table, *place, "table").and_then(|name| self.parsed(name, Name::table));
        let account = self.required_column(&raw.account, *place, "account");
        let name = self.required_column(&raw.name, *place, "name");
        let names = match &raw.names {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value: raw }) => {
                let table = self.required(&raw.table, *place, "table").and_then(|name| self.parsed(name, Name::table));
                let id = self.required_column(&raw.id, *place, "id");
                let name = self.required_column(&raw.name, *place, "name");
                table.zip(id).zip(name).map(|((table, id), name)| Some((table, id, name)))
            }
        };
        let refers_to = refers_to(&raw.refers_to, has_id);
        Some(Some(NameTable { table: table?, account: account?, refers_to: refers_to?, name: name?, names: names? }))
    }

    fn hash_table(&mut self, table: &Field<raw::HashTable>, has_id: bool) -> Option<Option<HashTable>> {
        let At { place, value: raw } = match table {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(table) => table,
        };
        let elsewhere = self.elsewhere(*place, (&raw.table, &raw.account, &raw.refers_to), has_id);
        let md5 = self.optional_column(&raw.md5);
        let sha256 = self.optional_column(&raw.sha256);
        let realm = self.optional_column(&raw.realm);
        if !raw.md5.is_there() && !raw.sha256.is_there() {
            return self.not_exactly_one(*place, "there is neither `md5` nor `sha256`", "name the column of a hash");
        }
        Some(Some(HashTable { table: elsewhere?, md5: md5?, sha256: sha256?, realm: realm? }))
    }

    fn password_table(&mut self, table: &Field<raw::PasswordTable>, has_id: bool) -> Option<Option<PasswordTable>> {
        let At { place, value: raw } = match table {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(table) => table,
        };
        let elsewhere = self.elsewhere(*place, (&raw.table, &raw.account, &raw.refers_to), has_id);
        let hash = self.required_column(&raw.hash, *place, "hash");
        let salt = self.optional_column(&raw.salt);
        let pin = match &raw.pin {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value: pin }) => {
                let hash = self.required_column(&pin.hash, *place, "hash");
                hash.zip(self.optional_column(&pin.salt)).map(Some)
            }
        };
        let salted = raw.salt.is_there() || raw.pin.value().is_some_and(|pin| pin.salt.is_there());
        if salted != raw.layout.is_there() {
            let message = "`salt` and `layout` belong together: the one says with what, the other how";
            return self.error(*place, message, "leave both out for hashes that hold their salts".to_owned());
        }
        Some(Some(PasswordTable { table: elsewhere?, hash: hash?, salt: salt?, pin: pin? }))
    }

    /// How another table than that of the accounts refers to them, if one is named; the outer `None` is a fault.
    fn elsewhere(
        &mut self,
        place: PlaceId,
        (table, account, reference): (&Field<String>, &Field<String>, &Field<raw::Reference>),
        has_id: bool,
    ) -> Option<Option<(Name, Name, Reference)>> {
        match table {
            Field::Faulty => None,
            Field::Given(table) => {
                let table = self.parsed(table, Name::table);
                let account = match account {
                    Field::Absent => {
                        let message = "with `table` stands `account`, the column that refers to an account";
                        self.error(place, message, None)
                    }
                    account => self.optional_column(account).flatten(),
                };
                let refers_to = refers_to(reference, has_id);
                table.zip(account).zip(refers_to).map(|((table, account), refers_to)| Some((table, account, refers_to)))
            }
            Field::Absent if account.is_there() || reference.is_there() => {
                let message = "`account` and `refers_to` say how another `table` refers to accounts, and none is named";
                self.error(place, message, None)
            }
            Field::Absent => Some(None),
        }
    }

    fn required_column(&mut self, column: &Field<String>, place: PlaceId, key: &str) -> Option<Name> {
        self.required(column, place, key).and_then(|column| self.parsed(column, Name::column))
    }

    /// A column that may be absent; the outer `None` is a fault.
    fn optional_column(&mut self, column: &Field<String>) -> Option<Option<Name>> {
        match column {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(column) => self.parsed(column, Name::column).map(Some),
        }
    }
}

type Conditions = Field<std::collections::BTreeMap<String, Field<raw::Values>>>;

fn refers_to(reference: &Field<raw::Reference>, has_id: bool) -> Option<Reference> {
    Some(match reference {
        Field::Faulty => return None,
        Field::Absent if has_id => Reference::Id,
        Field::Absent => Reference::Username,
        Field::Given(At { value: raw::Reference::Id, .. }) => Reference::Id,
        Field::Given(At { value: raw::Reference::Username, .. }) => Reference::Username,
        Field::Given(At { value: raw::Reference::Email, .. }) => Reference::Email,
    })
}
