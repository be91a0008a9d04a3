//! The shape of a route that logs people in at Zimbra.

use super::{Duration, Secret};
use crate::config::read::Field;
use crate::config::{PreauthAccount, PreauthBy};
use schemars::JsonSchema;
use serde::Deserialize;

/// A redirect to Zimbra's preauth service, signed with its key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url", "key"]))]
pub(in crate::config) struct Preauth {
    /// The service as the browser finds it: `https://mail.example.org/service/preauth`, or its path on this host.
    pub(in crate::config) url: Field<String>,
    /// The domain's key, as `zmprov generateDomainPreAuthKey` prints it.
    pub(in crate::config) key: Field<Secret>,
    /// What Zimbra takes the account's name for. Default: `name`.
    pub(in crate::config) by: Field<PreauthBy>,
    /// What of the account Zimbra is told. Default: `email`.
    pub(in crate::config) account: Field<PreauthAccount>,
    /// How long the session may last. Default: what Zimbra gives.
    pub(in crate::config) lifetime: Field<Duration>,
}
