//! `admin` and `log.access`: who may ask what the gate does, and a line for each request.

use super::{Context, names};
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::parse_address;
use crate::config::{AccessLog, Admin, AdminGuard, Anonymous, Method};

impl Context<'_> {
    pub(super) fn admin(&mut self, file: &raw::File) -> Option<Option<Admin>> {
        let At { place, value: raw } = match &file.admin {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(admin) => admin,
        };
        let address = self.required(&raw.address, *place, "address").and_then(|address| {
            let parsed = self.parsed(address, parse_address)?;
            if !parsed.ip().is_loopback() && !raw.tls.is_there() {
                let message = "anybody who reaches this address could read what the gate does, and reload it";
                let help = "take a loopback address such as 127.0.0.1:9901, or ask for certificates: `tls`, `trust` \
                            and `allow`";
                return self.error(address.place, message, help.to_owned());
            }
            Some(parsed)
        });
        let guard = match &raw.tls {
            Field::Faulty => None,
            Field::Given(tls) => self.admin_guard(file, raw, *place, tls).map(Some),
            Field::Absent => {
                let alone = [("trust", raw.trust.is_there()), ("allow", raw.allow.is_there())];
                let alone: Vec<&str> = alone.iter().filter(|(_, is_there)| *is_there).map(|(key, _)| *key).collect();
                match alone.is_empty() {
                    true => Some(None),
                    false => {
                        let why = format!(
                            ": without it nobody shows a certificate, and `{}` means nothing",
                            alone.join("`, `")
                        );
                        self.missing(*place, "tls", &why)
                    }
                }
            }
        };
        Some(Some(Admin { address: address?, guard: guard? }))
    }

    fn admin_guard(
        &mut self,
        file: &raw::File,
        raw: &raw::Admin,
        place: crate::config::read::PlaceId,
        tls: &At<raw::CertificateFiles>,
    ) -> Option<AdminGuard> {
        let certificate = self.certificate_files(tls);
        let trust = match &raw.trust {
            Field::Absent => {
                self.missing(place, "trust", ": it names the authorities that administrators' certificates come from")
            }
            Field::Faulty => None,
            Field::Given(name) => self.reference(name, "trust set", &names(&file.trust)),
        };
        let allow = match &raw.allow {
            Field::Absent => self.missing(
                place,
                "allow",
                ": without it everybody with a certificate of the trust set would be an administrator",
            ),
            _ => self.access("allow", &raw.allow, Some(&Anonymous::Deny), Some(&[Method::Certificate])).flatten(),
        };
        if let (Some(allow), Some(given)) = (&allow, raw.allow.given())
            && allow.groups.is_empty()
            && allow.accounts.is_empty()
            && allow.issuers.is_empty()
        {
            let message = "this names no administrator: everybody with a certificate of the trust set would be one";
            let help = "write `groups`, `accounts` or `issuers`".to_owned();
            return self.error(given.place, message, help);
        }
        Some(AdminGuard { certificate: certificate?, trust: trust?, allow: allow? })
    }

    pub(super) fn access_log(&mut self, raw: &Field<raw::AccessLog>) -> Option<Option<AccessLog>> {
        let At { place, value: raw } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(log) => log,
        };
        let path = self.required(&raw.path, *place, "path").and_then(|path| self.path(path));
        if matches!(raw.format, Field::Faulty) || matches!(raw.query, Field::Faulty) {
            return None;
        }
        let format = raw.format.value().copied().unwrap_or_default();
        let query = raw.query.value().copied().unwrap_or_default();
        Some(Some(AccessLog { path: path?, format, query }))
    }
}
