//! An upstream's `authorization`.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::{Template, UpstreamAuthorization, UpstreamBasic, UpstreamDigest};

impl Context<'_> {
    /// How the gate shows who it is to an upstream; the outer `None` is a fault.
    pub(super) fn upstream_authorization(
        &mut self,
        authorization: &Field<raw::UpstreamAuthorization>,
    ) -> Option<Option<UpstreamAuthorization>> {
        let At { place, value: raw } = match authorization {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(authorization) => authorization,
        };
        match (&raw.digest, &raw.basic) {
            (Field::Faulty, _) | (_, Field::Faulty) => None,
            (Field::Given(digest), Field::Absent) => {
                self.upstream_digest(digest).map(UpstreamAuthorization::Digest).map(Some)
            }
            (Field::Absent, Field::Given(basic)) => {
                self.upstream_basic(basic).map(UpstreamAuthorization::Basic).map(Some)
            }
            _ => {
                let message = "an authorization has exactly one of `digest` and `basic`";
                self.not_exactly_one(*place, message, "write `{digest: …}` or `{basic: …}`")
            }
        }
    }

    fn upstream_digest(&mut self, digest: &At<raw::UpstreamDigest>) -> Option<UpstreamDigest> {
        let At { place, value: raw } = digest;
        let user = self.required(&raw.user, *place, "user").and_then(|user| self.digest_user(user));
        let realm = match &raw.realm {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value }) => self.realm(*place, value).map(Some),
        };
        let ha1 = self.password_hashes(*place, &raw.ha1_sha256, &raw.ha1_md5);
        Some(UpstreamDigest { user: user?, realm: realm?, ha1: ha1? })
    }

    fn upstream_basic(&mut self, basic: &At<raw::UpstreamBasic>) -> Option<UpstreamBasic> {
        let At { place, value: raw } = basic;
        let user = self.required(&raw.user, *place, "user").and_then(|user| {
            if user.value.contains(':') {
                return self.error(user.place, "the name of a user of HTTP Basic holds no colon", None);
            }
            self.template(user)
        });
        let password = match self.secret(&raw.password) {
            Some(None) => self.missing(*place, "password", ""),
            known => known.flatten(),
        };
        Some(UpstreamBasic { user: user?, password: password? })
    }

    /// A text that is made from an account.
    pub(super) fn template(&mut self, text: &At<String>) -> Option<Template> {
        self.parsed(text, |text| Template::parse(text).map_err(|error| error.to_string()))
    }

    /// A colon would make the hash that of another user in another realm (RFC 7616, section 3.4.2).
    fn digest_user(&mut self, user: &At<String>) -> Option<String> {
        if user.value.contains(':') {
            return self.error(user.place, "the name of a user of HTTP Digest holds no colon", None);
        }
        self.text(user)
    }
}
