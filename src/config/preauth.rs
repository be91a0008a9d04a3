//! Part of the checked model: a route that logs people in at Zimbra, by its preauth service.

use crate::base::secret::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// A redirect that logs somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preauth {
    /// The service, as the browser is to find it: a URL or a path, without a query.
    pub url: String,
    /// The domain's key, as `zmprov generateDomainPreAuthKey` prints it.
    pub key: SecretSource,
    /// What Zimbra takes the account's name for.
    pub by: PreauthBy,
    /// What of the account it is told.
    pub account: PreauthAccount,
    /// How long the session may last; `None` leaves it to Zimbra.
    pub lifetime: Option<Duration>,
}

/// What Zimbra takes the name of an account for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum PreauthBy {
    /// `name`: an address of the account.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// `id`: its zimbraId.
    #[serde(rename = "id")]
    Id,
    /// `foreignPrincipal`: one of its zimbraForeignPrincipal.
    #[serde(rename = "foreignPrincipal")]
    ForeignPrincipal,
}

impl PreauthBy {
    /// As Zimbra spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Id => "id",
            Self::ForeignPrincipal => "foreignPrincipal",
        }
    }
}

/// What of an account Zimbra is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreauthAccount {
    /// Its e-mail address.
    #[default]
    Email,
    /// Its user name.
    Username,
}
