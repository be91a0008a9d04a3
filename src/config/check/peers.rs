//! `peers`: servers of other domains, and whether every route says if they may pass.

use super::Context;
use crate::base::secret::SecretSource;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::{Anonymous, DigestAlgorithm, Peer, PeerDigest, Route};
use std::collections::BTreeMap;

impl Context<'_> {
    pub(super) fn peers(
        &mut self,
        peers: &Field<BTreeMap<String, Field<raw::Peer>>>,
    ) -> Option<BTreeMap<String, Peer>> {
        self.named(peers, Self::peer)
    }

    fn peer(&mut self, peer: &At<raw::Peer>) -> Option<Peer> {
        let At { place, value: raw } = peer;
        let names = self.optional_items(&raw.names, |context, name| Some(context.text(name)?.to_ascii_lowercase()));
        let issuers = self.issuers(&raw.issuers);
        let groups = self.optional_items(&raw.groups, Self::text);
        let digest = match &raw.digest {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(digest) => self.peer_digest(digest).map(Some),
        };
        if !raw.names.is_there() && !raw.digest.is_there() {
            let help = "write `names` and `issuers` for a certificate, or `digest` for a password";
            return self.not_exactly_one(*place, "nothing shows that somebody is this peer", help);
        }
        if raw.names.is_there() && !raw.issuers.is_there() {
            let why = ": without it every authority of the trust set could name somebody so";
            return self.missing(*place, "issuers", why);
        }
        Some(Peer { names: names?, issuers: issuers?, groups: groups?, digest: digest? })
    }

    fn peer_digest(&mut self, digest: &At<raw::PeerDigest>) -> Option<PeerDigest> {
        let At { place, value: raw } = digest;
        let realm = self.required(&raw.realm, *place, "realm").and_then(|realm| self.text(realm));
        let ha1 = self.password_hashes(*place, &raw.ha1_sha256, &raw.ha1_md5);
        Some(PeerDigest { realm: realm?, ha1: ha1? })
    }

    /// The hashes of a password, of which there must be one.
    pub(super) fn password_hashes(
        &mut self,
        place: PlaceId,
        by_sha256: &Field<raw::Secret>,
        by_md5: &Field<raw::Secret>,
    ) -> Option<Vec<(DigestAlgorithm, SecretSource)>> {
        let mut ha1 = Vec::new();
        for (algorithm, hash) in [(DigestAlgorithm::Sha256, by_sha256), (DigestAlgorithm::Md5, by_md5)] {
            ha1.extend(self.secret(hash)?.map(|secret| (algorithm, secret)));
        }
        if ha1.is_empty() {
            let help = "write `ha1_sha256`, `ha1_md5` or both";
            return self.not_exactly_one(place, "there is no hash of a password", help);
        }
        Some(ha1)
    }

    /// The routes, if each says whether a peer may pass: a server of another domain is nobody of ours.
    pub(super) fn routes_that_say_who(
        &mut self,
        file: &raw::File,
        peers: &BTreeMap<String, Peer>,
        routes: Vec<Route>,
    ) -> Option<Vec<Route>> {
        let mut good = Some(());
        let places = file.routes.value().into_iter().flatten().filter_map(Field::given);
        for (route, At { place, .. }) in routes.iter().zip(places).filter(|_| !peers.is_empty()) {
            let named =
                route.allow.as_ref().is_some_and(|allow| !allow.groups.is_empty() || !allow.accounts.is_empty());
            if !named && route.anonymous != Anonymous::Allow {
                good = self.open_to_peers(*place);
            }
        }
        good.map(|()| routes)
    }

    fn open_to_peers(&mut self, place: PlaceId) -> Option<()> {
        let message = "peers would pass here like everybody else who is known";
        let help = "say who passes: `allow: {groups: […]}` or `allow: {accounts: […]}`".to_owned();
        self.error(place, message, help)
    }
}
