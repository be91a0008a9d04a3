//! The shape of `accounts.mysql.queries`: accounts in tables that somebody else designed.

use crate::config::foreign::LetterCase;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

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
