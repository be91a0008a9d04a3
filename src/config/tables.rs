//! From the names of tables and columns to the queries over them. Names are quoted and values made into
//! literals here, and what comes out is read by `query` like any query that somebody wrote: a name
//! can say which column is meant and nothing else.

use super::query::Parameter;

/// The longest name of a table or column (MySQL 8.0 Reference Manual, "Identifier Length Limits").
const MAX_NAME: usize = 64;

/// The name of a table or a column, quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

impl Name {
    /// A column's name.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn column(text: &str) -> Result<Self, String> {
        let unfit = |character: char| character.is_control() || matches!(character, '`' | '\\');
        if text.is_empty() || text.chars().count() > MAX_NAME || text.contains(unfit) || text.trim() != text {
            return Err("this is not the name of a table or column: 1 to 64 characters, and no backtick or backslash \
                        among them, make one"
                .to_owned());
        }
        Ok(Self(format!("`{text}`")))
    }

    /// A table's name, perhaps after that of its database and a dot.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn table(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some((database, table)) => Ok(Self(format!("{}.{}", Self::column(database)?.0, Self::column(table)?.0))),
            None => Self::column(text),
        }
    }

    /// This column of the table that a query calls so.
    fn of(&self, table: char) -> String {
        format!("{table}.{}", self.0)
    }
}

/// A text, as SQL writes it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(super) fn literal(text: &str) -> Result<String, String> {
    if text.chars().any(|character| character.is_control() || character == '\\') {
        return Err("a value holds no control character and no backslash".to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// By which of its columns another table refers to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    Id,
    Username,
    Email,
}

/// Where an address stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Whole(Name),
    Split { local_part: Name, domain: Name },
}

impl Address {
    fn sql(&self) -> String {
        match self {
            Self::Whole(column) => column.of('a'),
            Self::Split { local_part, domain } => format!("CONCAT({}, '@', {})", local_part.of('a'), domain.of('a')),
        }
    }
}

/// The table of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountTable {
    pub(super) table: Name,
    pub(super) username: Name,
    pub(super) id: Option<Name>,
    pub(super) email: Option<Address>,
    pub(super) display_name: Option<Name>,
    pub(super) home: Option<Name>,
    pub(super) groups: Option<Name>,
    pub(super) status: Option<Name>,
    /// Columns, and the literals of which they hold one.
    pub(super) conditions: Vec<(Name, Vec<String>)>,
}

impl AccountTable {
    fn select(&self, condition: &str) -> String {
        let plain = [
            (&self.id, "id"),
            (&self.display_name, "display_name"),
            (&self.status, "status"),
            (&self.home, "home"),
            (&self.groups, "groups"),
        ];
        let plain = plain.into_iter().filter_map(|(name, column)| Some((name.as_ref()?.of('a'), column)));
        let email = self.email.iter().map(|address| (address.sql(), "email"));
        let columns: Vec<String> = std::iter::once((self.username.of('a'), "username"))
            .chain(email)
            .chain(plain)
            .map(|(sql, column)| format!("{sql} AS `{column}`"))
            .collect();
        format!("SELECT {} FROM {} AS a WHERE {condition}{}", columns.join(", "), self.table.0, self.conditions())
    }

    fn conditions(&self) -> String {
        let conditions = self
            .conditions
            .iter()
            .map(|(column, values)| format!(" AND {} IN ({})", column.of('a'), values.join(", ")));
        conditions.collect()
    }

    pub(super) fn by_username(&self) -> String {
        self.select(&format!("{} = :username", self.username.of('a')))
    }

    pub(super) fn by_email(&self) -> Option<String> {
        let condition = match self.email.as_ref()? {
            Address::Whole(column) => format!("{} IN (:email, :email_unicode)", column.of('a')),
            Address::Split { local_part, domain } => {
                format!("{} = :local_part AND {} IN (:domain, :domain_unicode)", local_part.of('a'), domain.of('a'))
            }
        };
        Some(self.select(&condition))
    }

    pub(super) fn by_alias(&self, aliases: &NameTable) -> Option<String> {
        let accounts = format!(
            "SELECT {} FROM {} WHERE {} IN (:alias, :email_unicode)",
            aliases.account.of('l'),
            aliases.from(),
            aliases.name_sql()
        );
        Some(self.select(&format!("{} IN ({accounts})", self.reference(aliases.refers_to)?)))
    }

    pub(super) fn ha1(&self, hashes: &HashTable) -> Option<String> {
        let (table, hashes_in) = match &hashes.table {
            None => (String::new(), 'a'),
            Some((table, account, refers_to)) => {
                let on = format!("{} = {}", account.of('h'), self.reference(*refers_to)?);
                (format!(" JOIN {} AS h ON {on}", table.0), 'h')
            }
        };
        let cases: String = [("MD5", &hashes.md5), ("SHA-256", &hashes.sha256)]
            .into_iter()
            .filter_map(|(algorithm, column)| {
                Some(format!(" WHEN '{algorithm}' THEN {}", column.as_ref()?.of(hashes_in)))
            })
            .collect();
        let (realm, condition) = match &hashes.realm {
            None => (String::new(), String::new()),
            Some(realm) => {
                let realm = realm.of(hashes_in);
                (format!(", {realm} AS `realm`"), format!(" AND {realm} = :realm"))
            }
        };
        let username = self.username.of('a');
        Some(format!(
            "SELECT {username} AS `username`{realm}, CASE :algorithm{cases} END AS `ha1` FROM {} AS a{table} \
             WHERE {username} = :username{condition}{}",
            self.table.0,
            self.conditions()
        ))
    }

    pub(super) fn password(&self, passwords: &PasswordTable) -> Option<String> {
        let (table, passwords_in) = match &passwords.table {
            None => (String::new(), 'a'),
            Some((table, account, refers_to)) => {
                let on = format!("{} = {}", account.of('h'), self.reference(*refers_to)?);
                (format!(" JOIN {} AS h ON {on}", table.0), 'h')
            }
        };
        let (pin, pin_salt) = passwords.pin.as_ref().map_or((None, None), |(pin, salt)| (Some(pin), salt.as_ref()));
        let columns: String = [
            (Some(&passwords.hash), "hash"),
            (passwords.salt.as_ref(), "salt"),
            (pin, "pin_hash"),
            (pin_salt, "pin_salt"),
        ]
        .into_iter()
        .filter_map(|(column, name)| Some(format!(", {} AS `{name}`", column?.of(passwords_in))))
        .collect();
        let username = self.username.of('a');
        Some(format!(
            "SELECT {username} AS `username`{columns} FROM {} AS a{table} WHERE {username} = :username{}",
            self.table.0,
            self.conditions()
        ))
    }

    /// The column of an account that others refer to; none if this table does not have it.
    fn reference(&self, to: Reference) -> Option<String> {
        match to {
            Reference::Id => self.id.as_ref().map(|id| id.of('a')),
            Reference::Username => Some(self.username.of('a')),
            Reference::Email => self.email.as_ref().map(Address::sql),
        }
    }
}

/// A table with a row for each alias or each group of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameTable {
    pub(super) table: Name,
    pub(super) account: Name,
    pub(super) refers_to: Reference,
    pub(super) name: Name,
    /// If the names stand elsewhere: the table, its key, which `name` holds, and the column of the names.
    pub(super) names: Option<(Name, Name, Name)>,
}

impl NameTable {
    pub(super) fn of_account(&self) -> String {
        let parameter = match self.refers_to {
            Reference::Id => Parameter::Id,
            Reference::Username => Parameter::Username,
            Reference::Email => Parameter::Email,
        };
        let account = self.account.of('l');
        format!("SELECT {} FROM {} WHERE {account} = :{}", self.name_sql(), self.from(), parameter.as_str())
    }

    fn from(&self) -> String {
        match &self.names {
            None => format!("{} AS l", self.table.0),
            Some((table, key, _)) => {
                format!("{} AS l JOIN {} AS n ON {} = {}", self.table.0, table.0, key.of('n'), self.name.of('l'))
            }
        }
    }

    fn name_sql(&self) -> String {
        self.names.as_ref().map_or_else(|| self.name.of('l'), |(_, _, name)| name.of('n'))
    }
}

/// Where HA1 stands: in the table of accounts, or in one that refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HashTable {
    /// The table, its column that refers to an account, and by what.
    pub(super) table: Option<(Name, Name, Reference)>,
    pub(super) md5: Option<Name>,
    pub(super) sha256: Option<Name>,
    pub(super) realm: Option<Name>,
}

/// Where hashes of passwords stand: in the table of accounts, or in one that refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PasswordTable {
    /// The table, its column that refers to an account, and by what.
    pub(super) table: Option<(Name, Name, Reference)>,
    pub(super) hash: Name,
    pub(super) salt: Option<Name>,
    /// The hash of a second secret, and its salt.
    pub(super) pin: Option<(Name, Option<Name>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::query::Query;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::column(text).unwrap()
    }

    fn accounts() -> AccountTable {
        AccountTable {
            table: Name::table("mail.people").unwrap(),
            username: name("login"),
            id: Some(name("id")),
            email: Some(Address::Whole(name("mail"))),
            display_name: None,
            home: None,
            groups: None,
            status: Some(name("active")),
            conditions: vec![(name("kind"), vec![literal("user").unwrap(), literal("o'neil").unwrap()])],
        }
    }

    fn aliases() -> NameTable {
        NameTable {
            table: name("also"),
            account: name("person"),
            refers_to: Reference::Id,
            name: name("name"),
            names: None,
        }
    }

    const COLUMNS: &str = "a.`login` AS `username`, a.`mail` AS `email`, a.`id` AS `id`, a.`active` AS `status` FROM `mail`.`people` AS a";
    const KIND: &str = "a.`kind` IN ('user', 'o''neil')";

    #[test]
    fn names_are_made_into_queries() {
        let split = Address::Split { local_part: name("login"), domain: name("domain") };
        let accounts = accounts();
        assert_eq!(accounts.by_username(), format!("SELECT {COLUMNS} WHERE a.`login` = :username AND {KIND}"));
        assert_eq!(
            accounts.by_email().unwrap(),
            format!("SELECT {COLUMNS} WHERE a.`mail` IN (:email, :email_unicode) AND {KIND}")
        );
        assert_eq!(
            accounts.by_alias(&aliases()).unwrap(),
            format!(
                "SELECT {COLUMNS} WHERE a.`id` IN (SELECT l.`person` FROM `also` AS l \
                 WHERE l.`name` IN (:alias, :email_unicode)) AND {KIND}"
            )
        );
        assert_eq!(aliases().of_account(), "SELECT l.`name` FROM `also` AS l WHERE l.`person` = :id");
        let joined = NameTable {
            refers_to: Reference::Email,
            names: Some((name("groups"), name("id"), name("title"))),
            ..aliases()
        };
        assert_eq!(
            joined.of_account(),
            "SELECT n.`title` FROM `also` AS l JOIN `groups` AS n ON n.`id` = l.`name` WHERE l.`person` = :email"
        );
        let plain = AccountTable { conditions: Vec::new(), email: Some(split), ..accounts };
        assert!(
            plain
                .by_email()
                .unwrap()
                .ends_with("WHERE a.`login` = :local_part AND a.`domain` IN (:domain, :domain_unicode)")
        );
        let hashes = HashTable { table: None, md5: Some(name("h")), sha256: None, realm: Some(name("domain")) };
        assert_eq!(
            plain.ha1(&hashes).unwrap(),
            "SELECT a.`login` AS `username`, a.`domain` AS `realm`, CASE :algorithm WHEN 'MD5' THEN a.`h` END AS `ha1` \
             FROM `mail`.`people` AS a WHERE a.`login` = :username AND a.`domain` = :realm"
        );
        let elsewhere = HashTable {
            table: Some((name("hashes"), name("person"), Reference::Id)),
            md5: Some(name("h")),
            sha256: Some(name("i")),
            realm: None,
        };
        assert_eq!(
            plain.ha1(&elsewhere).unwrap(),
            "SELECT a.`login` AS `username`, CASE :algorithm WHEN 'MD5' THEN h.`h` WHEN 'SHA-256' THEN h.`i` END AS `ha1` \
             FROM `mail`.`people` AS a JOIN `hashes` AS h ON h.`person` = a.`id` WHERE a.`login` = :username"
        );
    }

    #[test]
    fn hashes_of_passwords_are_asked_for_with_their_salts() {
        let own = PasswordTable {
            table: None,
            hash: name("hash"),
            salt: Some(name("pepper")),
            pin: Some((name("pin"), Some(name("pin salt")))),
        };
        assert_eq!(
            accounts().password(&own).unwrap(),
            format!(
                "SELECT a.`login` AS `username`, a.`hash` AS `hash`, a.`pepper` AS `salt`, a.`pin` AS `pin_hash`, \
                 a.`pin salt` AS `pin_salt` FROM `mail`.`people` AS a WHERE a.`login` = :username AND {KIND}"
            )
        );
        let elsewhere = PasswordTable {
            table: Some((name("secrets"), name("person"), Reference::Id)),
            salt: None,
            pin: None,
            ..own
        };
        assert_eq!(
            accounts().password(&elsewhere).unwrap(),
            format!(
                "SELECT a.`login` AS `username`, h.`hash` AS `hash` FROM `mail`.`people` AS a \
                 JOIN `secrets` AS h ON h.`person` = a.`id` WHERE a.`login` = :username AND {KIND}"
            )
        );
        let without = AccountTable { id: None, ..accounts() };
        assert_eq!(without.password(&elsewhere), None);
    }

    #[test]
    fn what_a_table_does_not_have_cannot_be_referred_to() {
        let without = AccountTable { id: None, email: None, ..accounts() };
        assert_eq!(without.by_email(), None);
        for refers_to in [Reference::Id, Reference::Email] {
            assert_eq!(without.by_alias(&NameTable { refers_to, ..aliases() }), None);
        }
        assert!(without.by_alias(&NameTable { refers_to: Reference::Username, ..aliases() }).is_some());
    }

    #[test]
    fn a_name_can_say_nothing_but_which_column_is_meant() {
        for text in ["", " a", "a ", "a`b", "a\\b", "a\nb", "a\0", &"a".repeat(65)] {
            assert!(Name::column(text).is_err(), "{text:?}");
        }
        for text in ["a b", "größe", "select", "a'b", "a;b", ":username", "--", "a.b"] {
            assert_eq!(Name::column(text).unwrap().0, format!("`{text}`"));
        }
        assert_eq!(Name::table("a.b").unwrap().0, "`a`.`b`");
        assert_eq!(Name::table("a.b.c").unwrap().0, "`a`.`b.c`");
        assert!(Name::table(".b").is_err() && Name::table("a.").is_err());
        assert!(literal("a\\'b").is_err() && literal("a\nb").is_err());
    }

    proptest! {
        #[test]
        fn no_name_and_no_value_changes_what_a_query_asks(column in "\\PC{1,12}", value in "\\PC{0,12}") {
            let (Ok(column), Ok(value)) = (Name::column(&column), literal(&value)) else { return Ok(()) };
            let accounts = AccountTable {
                username: column.clone(),
                conditions: vec![(column, vec![value])],
                ..accounts()
            };
            let query = Query::parse(&accounts.by_username(), &[Parameter::Username]);
            prop_assert_eq!(query.map(|query| query.parameters().to_vec()), Ok(vec![Parameter::Username]));
        }
    }
}
