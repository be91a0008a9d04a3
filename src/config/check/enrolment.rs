//! `authority.socket`, `users`, `mysql` and `est`.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::{Accounts, AuthorityProcess, CertificateFiles, DatabaseUser, Est, Store};

/// The longest path of a socket: what `unix(7)` takes, less the suffix that it has while it is made.
const LONGEST_SOCKET: usize = 107 - 9;

impl Context<'_> {
    /// The process; the outer `None` is a fault.
    pub(super) fn authority_process(&mut self, raw: &raw::Authority) -> Option<Option<AuthorityProcess>> {
        let users = self.optional_items(&raw.users, Self::text);
        let est = match &raw.est {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(est) => self.est(est).map(Some),
        };
        let Some(socket) = raw.socket.given() else {
            let needless = raw.users.given().map(|users| users.place).or(raw.est.given().map(|est| est.place));
            let help = "add `socket: /run/wicketgate/authority.sock`".to_owned();
            return match needless {
                Some(place) => {
                    self.error(place, "the gate reaches the authority by its socket, and there is none", help)
                }
                None => matches!(raw.socket, Field::Absent).then_some(None),
            };
        };
        let path = self.path(socket)?;
        if path.as_os_str().len() > LONGEST_SOCKET {
            let help = "choose a shorter path, such as /run/wicketgate/authority.sock".to_owned();
            return self.error(socket.place, "the kernel takes no path of a socket that is so long", help);
        }
        Some(Some(AuthorityProcess { socket: path, users: users?, est: est? }))
    }

    /// The authority's user of the database; the outer `None` is a fault.
    pub(super) fn authority_database(
        &mut self,
        raw: &raw::Authority,
        accounts: Option<&Accounts>,
    ) -> Option<Option<DatabaseUser>> {
        let store = accounts.map(|accounts| &accounts.store);
        let At { place, value } = match &raw.mysql {
            Field::Faulty => return None,
            Field::Absent => return self.authority_without_user(raw, store),
            Field::Given(user) => user,
        };
        let user = self.required(&value.user, *place, "user").and_then(|user| self.text(user));
        let password = self.secret(&value.password);
        let certificate = self.optional_path(&value.certificate);
        let key = self.optional_path(&value.key);
        let client = match (certificate?, key?) {
            (Some(chain), Some(key)) => Some(CertificateFiles { chain, key }),
            (None, None) => None,
            (Some(_), None) => return self.missing(*place, "key", ": a certificate is shown with its key"),
            (None, Some(_)) => return self.missing(*place, "certificate", ": a key is shown with its certificate"),
        };
        let (user, password) = (user?, password?);
        match store {
            Some(Store::Sqlite { .. }) => {
                let help = "remove it, or keep accounts in `accounts.mysql`".to_owned();
                return self.error(*place, "accounts are kept in a file, which has no users", help);
            }
            Some(Store::MySql(store)) if store.user == user => {
                let message = "this is the gate's user: whoever breaks into the gate could write what was issued";
                self.warn(*place, message, "make another; `wicketgate db grants` prints what it needs".to_owned());
            }
            _ => {}
        }
        if password.is_none() && client.is_none() {
            let help = "add `password: {file: …}`, or `certificate` and `key`".to_owned();
            self.warn(*place, "there is neither a password nor a client certificate", help);
        }
        Some(Some(DatabaseUser { user, password, client }))
    }

    /// A process that works as the gate's user without anybody having said so would have the gate given its rights.
    fn authority_without_user(&mut self, raw: &raw::Authority, store: Option<&Store>) -> Option<Option<DatabaseUser>> {
        match (raw.socket.given(), store) {
            (Some(socket), Some(Store::MySql(_))) => {
                let message = "the authority's process needs a user of its own in the database";
                let help =
                    "add `mysql: {user: …, password: {file: …}}` beside it; `wicketgate db grants` prints its rights";
                self.error(socket.place, message, help.to_owned())
            }
            _ => Some(None),
        }
    }

    fn est(&mut self, est: &At<raw::Est>) -> Option<Est> {
        let At { place, value: raw } = est;
        let profile = match &raw.profile {
            Field::Absent => Some("client".to_owned()),
            Field::Faulty => None,
            Field::Given(profile) => self.name(&profile.value, profile.place),
        };
        let labels = self.named(&raw.labels, |context, profile| context.name(&profile.value, profile.place));
        let groups = self.optional_items(&raw.groups, Self::text);
        let except = self.optional_items(&raw.except, Self::text);
        let hourly = self.count(&raw.hourly, 600);
        let hourly_by_account = self.count(&raw.hourly_by_account, 10);
        let server_keys = raw.server_keys.value().copied().unwrap_or_default();
        let (labels, hourly, by_account) = (labels?, hourly?, hourly_by_account?);
        self.labels_are_none_of_est(&labels, *place)?;
        if by_account > hourly {
            self.warn(*place, "one account may ask for more than everybody together", None);
        }
        Some(Est {
            profile: profile?,
            labels,
            groups: groups?,
            except: except?,
            server_keys,
            hourly,
            hourly_by_account: by_account,
        })
    }

    /// A label is a segment of a path, beside those of EST's own operations.
    fn labels_are_none_of_est(
        &mut self,
        labels: &std::collections::BTreeMap<String, String>,
        place: PlaceId,
    ) -> Option<()> {
        const OPERATIONS: [&str; 6] =
            ["cacerts", "csrattrs", "simpleenroll", "simplereenroll", "serverkeygen", "fullcmc"];
        match labels.keys().find(|label| OPERATIONS.contains(&label.as_str())) {
            Some(label) => self.error(place, format!("`{label}` is an operation of EST and no label"), None),
            None => Some(()),
        }
    }
}
