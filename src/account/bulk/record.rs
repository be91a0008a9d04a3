//! What one line of a file says of an account, and what becomes of the account by it. A line may be silent
//! about anything but the user name: of an account that exists that stays as it is, a new one has nothing there.

use crate::account::{Account, Ha1, RegistryError, Status, names};
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use std::collections::BTreeSet;

/// The most digest credentials of one account.
const MAX_CREDENTIALS: usize = 100;

/// A field of a line, by the name that it has in files of either format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// `username`.
    Username,
    /// `email`.
    Email,
    /// `name`: the display name.
    Name,
    /// `status`.
    Status,
    /// `home`.
    Home,
    /// `aliases`.
    Aliases,
    /// `groups`.
    Groups,
    /// `digest`: HA1 by realm and algorithm.
    Digest,
    /// `password_hash`: the hash of the password, for HTTP Basic.
    PasswordHash,
}

impl Field {
    /// Every field, in the order in which they are written.
    pub const ALL: [Self; 9] = [
        Self::Username,
        Self::Email,
        Self::Name,
        Self::Status,
        Self::Home,
        Self::Aliases,
        Self::Groups,
        Self::Digest,
        Self::PasswordHash,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::Name => "name",
            Self::Status => "status",
            Self::Home => "home",
            Self::Aliases => "aliases",
            Self::Groups => "groups",
            Self::Digest => "digest",
            Self::PasswordHash => "password_hash",
        }
    }

    /// Whether people log in with what stands there, so that it is written only when it is asked for.
    #[must_use]
    pub fn is_credential(self) -> bool {
        matches!(self, Self::Digest | Self::PasswordHash)
    }

    /// The field of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }
}

/// Why a line is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", .field.map_or("the line", Field::as_str))]
pub struct Refusal {
    /// The field that is the reason; `None` if it is the line as a whole.
    pub field: Option<Field>,
    /// Why, without any secret.
    pub why: String,
}

impl Refusal {
    /// On account of a field.
    pub fn of(field: Field, why: impl Into<String>) -> Self {
        Self { field: Some(field), why: why.into() }
    }

    /// Of the line as a whole.
    pub fn of_line(why: impl Into<String>) -> Self {
        Self { field: None, why: why.into() }
    }
}

/// What an account proves itself with in one realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The realm.
    pub realm: String,
    /// The algorithm.
    pub algorithm: DigestAlgorithm,
    /// HA1, in lower-case hexadecimal.
    pub ha1: Ha1,
}

impl Credential {
    fn key(&self) -> (&str, &'static str) {
        (&self.realm, self.algorithm.as_str())
    }
}

/// What a line says. `None` is silence; `Some(None)` says that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Whom the line is about.
    pub username: String,
    /// The e-mail address.
    pub email: Option<Option<String>>,
    /// What people call them.
    pub display_name: Option<Option<String>>,
    /// Whether they may pass.
    pub status: Option<Status>,
    /// The upstream server that keeps their data.
    pub home: Option<Option<String>>,
    /// All other names and addresses.
    pub aliases: Option<Vec<String>>,
    /// All groups.
    pub groups: Option<Vec<String>>,
    /// All digest credentials.
    pub digest: Option<Vec<Credential>>,
    /// The hash of the password. Of a record that was read, one that can be used.
    pub password_hash: Option<Option<Secret>>,
}

impl Record {
    /// The account as it is afterwards, not yet checked.
    #[must_use]
    pub fn applied_to(&self, person: Person) -> Person {
        let Person { account, credentials, password_hash } = person;
        Person {
            account: Account {
                username: account.username,
                email: self.email.clone().unwrap_or(account.email),
                display_name: self.display_name.clone().unwrap_or(account.display_name),
                status: self.status.unwrap_or(account.status),
                home: self.home.clone().unwrap_or(account.home),
                aliases: self.aliases.clone().unwrap_or(account.aliases),
                groups: self.groups.clone().unwrap_or(account.groups),
            },
            credentials: self.digest.clone().unwrap_or(credentials),
            password_hash: self.password_hash.clone().unwrap_or(password_hash),
        }
    }

    /// The account that the line makes where there is none, in the form in which it is stored.
    ///
    /// # Errors
    /// For the first value that cannot be stored.
    pub fn made(&self) -> Result<Person, Refusal> {
        self.applied_to(Person::named(&self.username)).checked()
    }
}

/// An account with what it proves itself with: all that files of accounts hold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub account: Account,
    /// Its digest credentials, sorted by realm and algorithm.
    pub credentials: Vec<Credential>,
    /// The hash of its password, as it is stored: it may be one that lets nobody in, put there by others.
    pub password_hash: Option<Secret>,
}

impl Person {
    fn named(username: &str) -> Self {
        let account = Account {
            username: username.to_owned(),
            email: None,
            display_name: None,
            status: Status::Active,
            home: None,
            aliases: Vec::new(),
            groups: Vec::new(),
        };
        Self::without_credentials(account)
    }

    /// An account that proves itself by nothing that is kept with it.
    pub(super) fn without_credentials(account: Account) -> Self {
        Self { account, credentials: Vec::new(), password_hash: None }
    }

    /// The person in the form in which they are stored.
    ///
    /// # Errors
    /// For the first value that cannot be stored.
    pub fn checked(mut self) -> Result<Self, Refusal> {
        self.account = names::checked(&self.account).map_err(|error| refusal(&error))?;
        let of_digest = |why: String| Refusal::of(Field::Digest, why);
        if self.credentials.len() > MAX_CREDENTIALS {
            return Err(of_digest(format!("there are more than {MAX_CREDENTIALS}")));
        }
        for Credential { realm, algorithm, ha1 } in &self.credentials {
            let checked = names::realm(realm).and_then(|()| names::ha1(ha1, *algorithm));
            checked.map_err(|error| of_digest(error.to_string()))?;
        }
        self.credentials.sort_by(|one, other| one.key().cmp(&other.key()));
        let keys: BTreeSet<_> = self.credentials.iter().map(Credential::key).collect();
        if keys.len() < self.credentials.len() {
            return Err(of_digest("a realm has two values for one algorithm".to_owned()));
        }
        Ok(self)
    }

    /// The names by which nobody else may be known, each with the field that it stands in; none twice.
    #[must_use]
    pub fn names(&self) -> Vec<(Field, &str)> {
        let account = &self.account;
        let mut seen = BTreeSet::new();
        [(Field::Username, account.username.as_str())]
            .into_iter()
            .chain(account.email.as_deref().map(|email| (Field::Email, email)))
            .chain(account.aliases.iter().map(|alias| (Field::Aliases, alias.as_str())))
            .filter(|(_, name)| seen.insert(*name))
            .collect()
    }

    /// The line that says all of it; without what the account proves itself with, unless `credentials` are wanted.
    #[must_use]
    pub fn record(self, credentials: bool) -> Record {
        let Self { account, credentials: all, password_hash } = self;
        Record {
            username: account.username,
            email: Some(account.email),
            display_name: Some(account.display_name),
            status: Some(account.status),
            home: Some(account.home),
            aliases: Some(account.aliases),
            groups: Some(account.groups),
            digest: credentials.then_some(all),
            password_hash: credentials.then_some(password_hash),
        }
    }
}

fn refusal(error: &RegistryError) -> Refusal {
    let field = match error {
        RegistryError::Unacceptable { what, .. } => match *what {
            "the user name" => Some(Field::Username),
            "the e-mail address" => Some(Field::Email),
            "the display name" => Some(Field::Name),
            "the home" => Some(Field::Home),
            "the alias" => Some(Field::Aliases),
            "the group" => Some(Field::Groups),
            _ => None,
        },
        _ => None,
    };
    Refusal { field, why: error.to_string() }
}
