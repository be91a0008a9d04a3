//! What the rows of a foreign database hold: which column is what, by its name, and what may stand in it.
//! Whatever does not fit is an error that names the column, and no value of one is longer than it may be.
//! What an account must have fails with it; what it may have is left out, with a word about it.

use crate::account::{Account, names};
use crate::base::email;
use crate::config::{Foreign, LookupKind, Parameter};
use crate::store::{self, Value};

/// The longest value of a column, in octets; several times what any name may be.
const MAX_VALUE: usize = 1024;

/// The longest list of groups in one column.
const MAX_GROUPS: usize = 64 * 1024;

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It finds accounts.
    Account,
    /// It lists names in its one column.
    Names,
    /// It finds an HA1.
    Credential,
    /// It finds the hash of a password.
    Password,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Username,
    Email,
    DisplayName,
    Status,
    Home,
    Groups,
    Alias,
    Id,
    Realm,
    Algorithm,
    Ha1,
    Hash,
    Salt,
    PinHash,
    PinSalt,
    /// The only one of a list.
    Name,
}

const OF_ACCOUNTS: [(Column, &str); 7] = [
    (Column::Username, "username"),
    (Column::Email, "email"),
    (Column::DisplayName, "display_name"),
    (Column::Home, "home"),
    (Column::Groups, "groups"),
    (Column::Alias, "alias"),
    (Column::Id, "id"),
];
const OF_CREDENTIALS: [(Column, &str); 4] =
    [(Column::Username, "username"), (Column::Realm, "realm"), (Column::Algorithm, "algorithm"), (Column::Ha1, "ha1")];

const OF_PASSWORDS: [(Column, &str); 5] = [
    (Column::Username, "username"),
    (Column::Hash, "hash"),
    (Column::Salt, "salt"),
    (Column::PinHash, "pin_hash"),
    (Column::PinSalt, "pin_salt"),
];

/// An answer does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    /// The statement is no query.
    #[error("it yields nothing: only a SELECT does")]
    NoColumns,
    /// A column that is needed is not there.
    #[error("it yields no column `{0}`")]
    Missing(String),
    /// A column has no meaning.
    #[error("it yields a column `{found}`, which has no meaning here; {known} have one")]
    Extra {
        /// Its name.
        found: String,
        /// Those that have.
        known: String,
    },
    /// Nobody says what a salt is for.
    #[error("it yields a column `{0}`, and `password_layout` does not say how it is hashed")]
    NoLayout(String),
    /// Two columns have one name.
    #[error("it yields the column `{0}` twice")]
    Twice(String),
    /// A list of names has more than one column.
    #[error("it yields {0} columns where one belongs")]
    NotOne(usize),
    /// There are too many rows.
    #[error("it yields more than {0} rows for one name")]
    TooManyRows(usize),
    /// A value must not be NULL.
    #[error("its column `{0}` holds NULL")]
    Null(String),
    /// A value is too long.
    #[error("its column `{0}` holds more than {1} octets")]
    TooLong(String, usize),
    /// A text is none.
    #[error("its column `{0}` holds what is not UTF-8")]
    NotUtf8(String),
    /// A user name or a home cannot be one.
    #[error("{0}")]
    Unacceptable(String),
}

/// Which column of an answer is what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(Vec<(Column, String)>);

impl Layout {
    /// Finds out by the names of the columns.
    ///
    /// # Errors
    /// When one is missing, unknown or there twice.
    pub(super) fn new(columns: &[String], purpose: Purpose, foreign: &Foreign) -> Result<Self, AnswerError> {
        if columns.is_empty() {
            return Err(AnswerError::NoColumns);
        }
        let status = foreign.status.as_ref();
        let status_name = status.map_or("status", |status| status.column.as_str());
        let known: Vec<(Column, &str)> = match purpose {
            Purpose::Names if columns.len() == 1 => {
                return Ok(Self(columns.iter().map(|name| (Column::Name, name.clone())).collect()));
            }
            Purpose::Names => return Err(AnswerError::NotOne(columns.len())),
            Purpose::Account => OF_ACCOUNTS.into_iter().chain([(Column::Status, status_name)]).collect(),
            Purpose::Credential => OF_CREDENTIALS.to_vec(),
            Purpose::Password => OF_PASSWORDS.to_vec(),
        };
        let mut layout = Vec::with_capacity(columns.len());
        for name in columns {
            let Some((column, _)) = known.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)) else {
                let names: Vec<String> = known.iter().map(|(_, name)| format!("`{name}`")).collect();
                return Err(AnswerError::Extra { found: names::beginning(name), known: names.join(", ") });
            };
            if layout.iter().any(|(there, _)| there == column) {
                return Err(AnswerError::Twice(names::beginning(name)));
            }
            layout.push((*column, name.clone()));
        }
        let layout = Self(layout);
        if purpose == Purpose::Password && foreign.password_layout.is_none() {
            let salt = [Column::Salt, Column::PinSalt].into_iter().find_map(|column| layout.place(column));
            if let Some((_, name)) = salt.and_then(|place| layout.0.get(place)) {
                return Err(AnswerError::NoLayout(name.clone()));
            }
        }
        let needed = match purpose {
            Purpose::Credential => vec![(Column::Username, "username"), (Column::Ha1, "ha1")],
            Purpose::Password => {
                // A salt that nobody says the use of, or that is not there, would make every hash another one.
                let salted = foreign.password_layout.is_some();
                let has_pin = layout.place(Column::PinHash).is_some();
                let mut needed = vec![(Column::Username, "username"), (Column::Hash, "hash")];
                needed.extend(salted.then_some((Column::Salt, "salt")));
                needed.extend((salted && has_pin).then_some((Column::PinSalt, "pin_salt")));
                needed
            }
            _ => std::iter::once((Column::Username, "username"))
                .chain(status.map(|status| (Column::Status, status.column.as_str())))
                .collect(),
        };
        match needed.into_iter().find(|(column, _)| layout.place(*column).is_none()) {
            Some((_, name)) => Err(AnswerError::Missing(name.to_owned())),
            None => Ok(layout),
        }
    }

    /// Whether the rows of a query can be compared with the name that it is asked with. What a database found
    /// is nobody's as long as that is not done.
    pub(super) fn says_whose_rows_they_are(&self, query: &str, foreign: &Foreign) -> bool {
        let kind = match query {
            "by_email" => LookupKind::Email,
            "by_alias" => LookupKind::Alias,
            _ => return true,
        };
        foreign.aliases.is_some() || !self.compared(kind).is_empty()
    }

    /// The columns that a name of this kind is compared with.
    pub(super) fn compared(&self, kind: LookupKind) -> Vec<String> {
        let compared = |column| match kind {
            LookupKind::Username => column == Column::Username,
            LookupKind::Email => matches!(column, Column::Email | Column::Alias),
            LookupKind::Alias => column == Column::Alias,
        };
        self.0.iter().filter(|(column, _)| compared(*column)).map(|(_, name)| name.clone()).collect()
    }

    /// All columns.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.iter().map(|(_, name)| name.clone()).collect()
    }

    fn place(&self, wanted: Column) -> Option<usize> {
        self.0.iter().position(|(column, _)| *column == wanted)
    }

    /// The text of a column; none if it holds NULL, or is not there.
    fn text(&self, row: &store::Row, column: Column) -> Result<Option<String>, AnswerError> {
        let Some((place, (_, name))) = self.0.iter().enumerate().find(|(_, (there, _))| *there == column) else {
            return Ok(None);
        };
        let limit = if column == Column::Groups { MAX_GROUPS } else { MAX_VALUE };
        let octets = match row.value(place) {
            None => return Err(AnswerError::Missing(name.clone())),
            Some(Value::Null) => return Ok(None),
            Some(Value::Integer(integer)) => return Ok(Some(integer.to_string())),
            Some(Value::Text(text)) => text.as_bytes(),
            // A BIT(1), which is a number everywhere else.
            Some(Value::Blob(octets)) if column == Column::Status && matches!(octets.as_slice(), [0 | 1]) => {
                return Ok(octets.first().map(u8::to_string));
            }
            Some(Value::Blob(octets)) => octets,
        };
        if octets.len() > limit {
            return Err(AnswerError::TooLong(name.clone(), limit));
        }
        match std::str::from_utf8(octets) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(AnswerError::NotUtf8(name.clone())),
        }
    }

    /// The text of a column in which somebody without one often has an empty one.
    fn filled(&self, row: &store::Row, column: Column) -> Result<Option<String>, AnswerError> {
        Ok(self.text(row, column)?.filter(|text| !text.is_empty()))
    }

    fn required(&self, row: &store::Row, column: Column, name: &str) -> Result<String, AnswerError> {
        self.text(row, column)?.ok_or_else(|| AnswerError::Null(name.to_owned()))
    }

    /// A row of a query that finds accounts.
    pub(super) fn account(&self, row: &store::Row, foreign: &Foreign) -> Result<Row, AnswerError> {
        let groups = self.filled(row, Column::Groups)?.unwrap_or_default();
        let value = self.text(row, Column::Status)?;
        let says_status = foreign.status.is_some() || self.place(Column::Status).is_some();
        Ok(Row {
            record: Record {
                id: self.place(Column::Id).and_then(|place| row.value(place)).cloned(),
                username: self.required(row, Column::Username, "username")?,
                email: self.filled(row, Column::Email)?,
                display_name: self.filled(row, Column::DisplayName)?,
                status: if says_status { super::status(foreign, value.as_deref()) } else { ACTIVE },
                status_value: value,
                home: self.filled(row, Column::Home)?,
                groups: groups.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            },
            aliases: self.filled(row, Column::Alias)?.into_iter().collect(),
        })
    }

    /// A row of a query that lists names.
    pub(super) fn name(&self, row: &store::Row) -> Result<Option<String>, AnswerError> {
        self.filled(row, Column::Name)
    }

    /// A row of a query that finds an HA1.
    pub(super) fn credential(&self, row: &store::Row) -> Result<Credential, AnswerError> {
        Ok(Credential {
            username: self.required(row, Column::Username, "username")?,
            realm: self.text(row, Column::Realm)?,
            algorithm: self.text(row, Column::Algorithm)?,
            ha1: self.filled(row, Column::Ha1)?,
        })
    }

    /// A row of a query that finds the hash of a password.
    pub(super) fn password(&self, row: &store::Row) -> Result<StoredPassword, AnswerError> {
        Ok(StoredPassword {
            username: self.required(row, Column::Username, "username")?,
            hash: self.filled(row, Column::Hash)?,
            salt: self.filled(row, Column::Salt)?.unwrap_or_default(),
            pin_hash: self.filled(row, Column::PinHash)?,
            pin_salt: self.filled(row, Column::PinSalt)?.unwrap_or_default(),
            has_pin: self.place(Column::PinHash).is_some(),
        })
    }
}

const ACTIVE: (crate::account::Status, bool) = (crate::account::Status::Active, true);

/// What stands in an account's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    id: Option<Value>,
    pub(super) username: String,
    pub(super) email: Option<String>,
    display_name: Option<String>,
    /// With whether the value has a meaning.
    status: (crate::account::Status, bool),
    status_value: Option<String>,
    home: Option<String>,
    pub(super) groups: Vec<String>,
}

/// An account as the database has it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) record: Record,
    pub(super) aliases: Vec<String>,
}

impl Row {
    /// What a parameter is of this account.
    pub(super) fn value(&self, parameter: Parameter) -> Value {
        match parameter {
            Parameter::Username => Value::from(self.record.username.as_str()),
            Parameter::Email => Value::from(self.record.email.as_deref()),
            Parameter::Id => self.record.id.clone().unwrap_or(Value::Null),
            _ => Value::Null,
        }
    }

    /// The account, and what of it was left out.
    ///
    /// # Errors
    /// When the user name or the home cannot be one.
    pub(super) fn into_account(self, groups: Vec<String>) -> Result<(Account, Vec<String>), AnswerError> {
        let Self { record, aliases } = self;
        let mut left_out = Vec::new();
        let unacceptable = |error: crate::account::RegistryError| AnswerError::Unacceptable(error.to_string());
        names::username(&record.username).map_err(unacceptable)?;
        if let Some(home) = &record.home {
            names::home(home).map_err(unacceptable)?;
        }
        let (status, has_meaning) = record.status;
        if !has_meaning {
            let value = record.status_value.as_deref().map_or_else(|| "NULL".to_owned(), super::shown);
            left_out.push(format!("the status {value} has no meaning, so the account counts as locked"));
        }
        let address = record.email.and_then(|address| {
            let normal = email::normalise(&address).filter(|normal| names::is_plausible(normal));
            if normal.is_none() {
                left_out.push(format!("the e-mail address {} is none, and is left out", super::shown(&address)));
            }
            normal
        });
        let display_name = record.display_name.filter(|name| match names::display_name(name) {
            Ok(()) => true,
            Err(error) => {
                left_out.push(format!("it is left out: {error}"));
                false
            }
        });
        let mut kept = |what: &str, names: Vec<String>| {
            let mut kept: Vec<String> = names
                .into_iter()
                .filter(|name| {
                    let fits = names::is_plausible(name);
                    if !fits {
                        left_out.push(format!("the {what} {} cannot be one, and is left out", super::shown(name)));
                    }
                    fits
                })
                .collect();
            kept.sort();
            kept.dedup();
            kept
        };
        let aliases = kept("alias", aliases.iter().map(|alias| names::normal_alias(alias)).collect());
        let groups = kept("group", groups);
        let account = Account {
            username: record.username,
            email: address,
            display_name,
            status,
            home: record.home,
            aliases,
            groups,
        };
        Ok((account, left_out))
    }
}

/// An HA1 as the database has it.
pub(super) struct Credential {
    pub(super) username: String,
    pub(super) realm: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) ha1: Option<String>,
}

/// The hash of a password as the database has it.
pub(super) struct StoredPassword {
    pub(super) username: String,
    pub(super) hash: Option<String>,
    pub(super) salt: String,
    pub(super) pin_hash: Option<String>,
    pub(super) pin_salt: String,
    /// Whether the table has a second secret. Then it is asked for, even of somebody who has none.
    pub(super) has_pin: bool,
}
