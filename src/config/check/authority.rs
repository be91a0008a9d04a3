//! `authority`: where its folder is, and the passphrase of its keys.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::{Accounts, Authority, PassphraseSource, Pkcs11};

impl Context<'_> {
    /// The authority; the outer `None` is a fault.
    pub(super) fn authority(
        &mut self,
        raw: &Field<raw::Authority>,
        accounts: Option<&Accounts>,
    ) -> Option<Option<Authority>> {
        let At { place, value } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(authority) => authority,
        };
        let directory = self.required(&value.directory, *place, "directory").and_then(|path| self.path(path));
        let passphrase = self.passphrase(&value.passphrase);
        let process = self.authority_process(value);
        let mysql = self.authority_database(value, accounts);
        let profiles = self.profiles(&value.profiles);
        let one_valid_per = match &value.one_valid_per {
            Field::Faulty => None,
            given => Some(given.value().copied().unwrap_or_default()),
        };
        let compromised_keys = match &value.compromised_keys {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) => self.paths(list),
        };
        let ldap = self.ldap(&value.ldap);
        let token = self.token(&value.key);
        let publish = self.publishing(&value.publish);
        Some(Some(Authority {
            directory: directory?,
            passphrase: passphrase?,
            profiles: profiles?,
            one_valid_per: one_valid_per?,
            compromised_keys: compromised_keys?,
            ldap: ldap?,
            token: token?,
            publish: publish?,
            process: process?,
            mysql: mysql?,
        }))
    }

    fn token(&mut self, raw: &Field<raw::AuthorityKey>) -> Option<Option<Pkcs11>> {
        let key = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(key) => key,
        };
        let At { place, value } = self.required(&key.value.pkcs11, key.place, "pkcs11")?;
        let module = self.required(&value.module, *place, "module").and_then(|path| self.path(path));
        let token = self.required(&value.token, *place, "token").and_then(|label| self.text(label));
        let key = self.required(&value.key, *place, "key").and_then(|label| self.name(&label.value, label.place));
        let pin = self.required(&value.pin, *place, "pin").and_then(|_| self.passphrase(&value.pin));
        Some(Some(Pkcs11 { module: module?, token: token?, key: key?, pin: pin?? }))
    }

    fn passphrase(&mut self, raw: &Field<raw::Passphrase>) -> Option<Option<PassphraseSource>> {
        let At { place, value: kept } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(kept) => kept,
        };
        let source = match (&kept.file, &kept.env, &kept.credential) {
            (Field::Faulty, ..) | (_, Field::Faulty, _) | (.., Field::Faulty) => return None,
            (Field::Given(file), Field::Absent, Field::Absent) => PassphraseSource::File(self.path(file)?),
            (Field::Absent, Field::Given(name), Field::Absent) => {
                if name.value.is_empty() || name.value.contains(['=', '\0']) {
                    return self.error(name.place, "this is not the name of an environment variable", None);
                }
                PassphraseSource::Environment(name.value.clone())
            }
            (Field::Absent, Field::Absent, Field::Given(name)) => {
                // It becomes a part of a path.
                if name.value.starts_with('.') {
                    return self.error(name.place, "this is not the name of a credential", None);
                }
                PassphraseSource::Credential(self.name(&name.value, name.place)?)
            }
            _ => {
                let message = "a passphrase has exactly one of `file`, `env` and `credential`";
                let help = "write `{file: …}`, `{env: …}` or `{credential: …}`";
                return self.not_exactly_one(*place, message, help);
            }
        };
        Some(Some(source))
    }
}
