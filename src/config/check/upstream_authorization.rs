//! An upstream's `authorization`.

use super::Context;
use crate::config::UpstreamDigest;
use crate::config::raw;
use crate::config::read::{At, Field};

impl Context<'_> {
    /// How the gate shows who it is to an upstream; the outer `None` is a fault.
    pub(super) fn upstream_authorization(
        &mut self,
        authorization: &Field<raw::UpstreamAuthorization>,
    ) -> Option<Option<UpstreamDigest>> {
        let At { place, value: raw } = match authorization {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(authorization) => authorization,
        };
        let At { place, value: raw } = self.required(&raw.digest, *place, "digest")?;
        let user = self.required(&raw.user, *place, "user").and_then(|user| self.digest_user(user));
        let realm = match &raw.realm {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value }) => self.realm(*place, value).map(Some),
        };
        let ha1 = self.password_hashes(*place, &raw.ha1_sha256, &raw.ha1_md5);
        Some(Some(UpstreamDigest { user: user?, realm: realm?, ha1: ha1? }))
    }

    /// A colon would make the hash that of another user in another realm (RFC 7616, section 3.4.2).
    fn digest_user(&mut self, user: &At<String>) -> Option<String> {
        if user.value.contains(':') {
            return self.error(user.place, "the name of a user of HTTP Digest holds no colon", None);
        }
        self.text(user)
    }
}
