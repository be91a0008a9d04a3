//! The shape of `accounts.mysql.queries` and `accounts.mysql.tables`: accounts in tables that somebody else designed.

use crate::config::foreign::{LetterCase, SaltedLayout};
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// SELECT statements of your own, with named parameters. Those that find accounts yield a column `username`,
/// and may yield `email`, `display_name`, `status`, `home`, `groups` (separated by commas), `alias` and `id`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["by_username"]))]
pub(in crate::config) struct Queries {
    /// The account with the user name `:username` (or `:local_part` and `:domain`).
    pub(in crate::config) by_username: Field<String>,
    /// The account with the e-mail address `:email` (or `:local_part` and `:domain`); `:email_unicode` has an
    /// internationalised domain in its own letters. Needed by identity rules that look for addresses.
    pub(in crate::config) by_email: Field<String>,
    /// The account with the alias `:alias` (or `:local_part` and `:domain`). It is asked for addresses, too.
    pub(in crate::config) by_alias: Field<String>,
    /// The aliases of the account `:username`, `:email` or `:id`, in one column.
    pub(in crate::config) aliases: Field<String>,
    /// The groups of the account `:username`, `:email` or `:id`, in one column.
    pub(in crate::config) groups: Field<String>,
    /// The columns `username` and `ha1` (and `realm` and `algorithm`, if need be) for `:username`, `:realm` and
    /// `:algorithm` (`SHA-256` or `MD5`). Needed by `digest`.
    pub(in crate::config) ha1: Field<String>,
    /// The columns `username` and `hash` (and `salt`, `pin_hash` and `pin_salt`, if need be) for `:username`. Needed by
    /// `basic`.
    pub(in crate::config) password: Field<String>,
    /// How hashes are made that have a `salt` beside them. Default: they say themselves what they are.
    pub(in crate::config) password_layout: Field<SaltedLayout>,
    /// What the status is read from. Default: a column `status` with `active`, `locked` or `closed`, if there is
    /// one; without it every account that is found is active.
    pub(in crate::config) status: Field<StatusColumn>,
    /// Which spellings are one name. Default: `exact`.
    pub(in crate::config) compare: Field<Comparison>,
}

/// The column that says whether an account may pass, and what its values mean. Any other value means that
/// it may not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["active"]))]
pub(in crate::config) struct StatusColumn {
    /// Its name. Default: `status`.
    pub(in crate::config) column: Field<String>,
    /// It may.
    pub(in crate::config) active: Field<Vec<Field<String>>>,
    /// Not for now.
    pub(in crate::config) locked: Field<Vec<Field<String>>>,
    /// Not any more.
    pub(in crate::config) closed: Field<Vec<Field<String>>>,
}

/// Which spellings are one name, whatever the database says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Comparison {
    /// Of user names. Default: `exact`.
    pub(in crate::config) username: Field<LetterCase>,
    /// Of what stands before the `@` of an address. Default: `exact`.
    pub(in crate::config) local_part: Field<LetterCase>,
}

/// The names of your own tables and columns, from which queries are made. A table may stand in another database of
/// the server: `database.table`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["accounts"]))]
pub(in crate::config) struct Tables {
    /// The table with a row for each account.
    pub(in crate::config) accounts: Field<AccountTable>,
    /// A table with a row for each alias. Default: there are no aliases.
    pub(in crate::config) aliases: Field<NameTable>,
    /// A table with a row for each group of an account. Default: none.
    pub(in crate::config) groups: Field<NameTable>,
    /// Where HA1 stands. Needed by `digest`.
    pub(in crate::config) ha1: Field<HashTable>,
    /// Where hashes of passwords stand. Needed by `basic`.
    pub(in crate::config) password: Field<PasswordTable>,
    /// Which spellings are one name. Default: `exact`.
    pub(in crate::config) compare: Field<Comparison>,
}

/// The columns of the table of accounts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["table", "username"]))]
pub(in crate::config) struct AccountTable {
    /// The table.
    pub(in crate::config) table: Field<String>,
    /// The user name that applications are told; unique.
    pub(in crate::config) username: Field<String>,
    /// A key that other tables refer to.
    pub(in crate::config) id: Field<String>,
    /// The e-mail address: one column, or `{local_part: …, domain: …}`.
    pub(in crate::config) email: Field<Address>,
    /// What people call them.
    pub(in crate::config) display_name: Field<String>,
    /// The upstream server that keeps their data.
    pub(in crate::config) home: Field<String>,
    /// Names of groups, separated by commas.
    pub(in crate::config) groups: Field<String>,
    /// What the status is read from. Default: every account in the table is active.
    pub(in crate::config) status: Field<StatusColumn>,
    /// Columns with the value, or the list of values, that they must have for a row to count.
    pub(in crate::config) r#where: Field<BTreeMap<String, Field<Values>>>,
}

/// One column, or two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Address", untagged)]
pub(in crate::config) enum Address {
    /// The column with the whole address.
    #[serde(rename = "$text")]
    Whole(String),
    /// The columns with what stands before and after the `@`.
    #[serde(rename = "$map")]
    Split(SplitAddress),
}

/// The columns with what stands before and after the `@`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["local_part", "domain"]))]
pub(in crate::config) struct SplitAddress {
    /// Before it.
    pub(in crate::config) local_part: Field<String>,
    /// After it.
    pub(in crate::config) domain: Field<String>,
}

/// One value, or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Values", untagged)]
pub(in crate::config) enum Values {
    /// One.
    #[serde(rename = "$text")]
    One(String),
    /// Several.
    #[serde(rename = "$list")]
    Several(Vec<Field<String>>),
}

/// A table with a row for each alias, or each group, of an account.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["table", "account", "name"]))]
pub(in crate::config) struct NameTable {
    /// The table.
    pub(in crate::config) table: Field<String>,
    /// Its column that refers to an account.
    pub(in crate::config) account: Field<String>,
    /// What that column holds of the account: `id`, `username` or `email`. Default: `id` if the accounts have one,
    /// `username` otherwise.
    pub(in crate::config) refers_to: Field<Reference>,
    /// Its column with the name, or with the key of `names`.
    pub(in crate::config) name: Field<String>,
    /// The table that the names stand in, if it is another.
    pub(in crate::config) names: Field<Names>,
}

/// A table of names that another table refers to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["table", "id", "name"]))]
pub(in crate::config) struct Names {
    /// The table.
    pub(in crate::config) table: Field<String>,
    /// The column that is referred to.
    pub(in crate::config) id: Field<String>,
    /// The column with the name.
    pub(in crate::config) name: Field<String>,
}

/// What another table holds of an account.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Reference {
    /// Its `id`.
    Id,
    /// Its user name.
    Username,
    /// Its e-mail address.
    Email,
}

/// The columns with hashes of passwords.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["hash"]))]
pub(in crate::config) struct PasswordTable {
    /// The table. Default: that of the accounts.
    pub(in crate::config) table: Field<String>,
    /// With `table`: its column that refers to an account.
    pub(in crate::config) account: Field<String>,
    /// With `table`: what that column holds of the account, as for aliases.
    pub(in crate::config) refers_to: Field<Reference>,
    /// The column with the hash.
    pub(in crate::config) hash: Field<String>,
    /// The column with its salt, where that is not in the hash; with `layout`.
    pub(in crate::config) salt: Field<String>,
    /// How a hash is made that has a `salt` beside it. Default: hashes say themselves what they are.
    pub(in crate::config) layout: Field<SaltedLayout>,
    /// A second secret, which stands behind the password and a colon.
    pub(in crate::config) pin: Field<PinColumns>,
}

/// The columns of a second secret, hashed as the first.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["hash"]))]
pub(in crate::config) struct PinColumns {
    /// The column with the hash.
    pub(in crate::config) hash: Field<String>,
    /// The column with its salt.
    pub(in crate::config) salt: Field<String>,
}

/// The columns with HA1 in hexadecimal; one of `md5` and `sha256` at least.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct HashTable {
    /// The table. Default: that of the accounts.
    pub(in crate::config) table: Field<String>,
    /// With `table`: its column that refers to an account.
    pub(in crate::config) account: Field<String>,
    /// With `table`: what that column holds of the account, as for aliases.
    pub(in crate::config) refers_to: Field<Reference>,
    /// The column with the hash for MD5.
    pub(in crate::config) md5: Field<String>,
    /// The column with the hash for SHA-256.
    pub(in crate::config) sha256: Field<String>,
    /// The column with the realm that the hash was made for. Default: all are for `digest.realm`.
    pub(in crate::config) realm: Field<String>,
}
