//! A route's `claim`: how a client says who it is.

use super::Context;
use crate::config::claim::{Placeholder, Template};
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::{check_header_name, comparable_header};
use crate::config::{Anonymous, Claim, IdentitySource, LookupKind, Route, Upstream};
use std::collections::BTreeMap;

/// What may be claimed of a certificate unless something else is said.
const FROM: &[IdentitySource] = &[IdentitySource::SanEmail, IdentitySource::SanUri, IdentitySource::SubjectCn];

impl Context<'_> {
    /// The claim of a route that is `anonymous`; the outer `None` is a fault.
    pub(super) fn claim(&mut self, claim: &Field<raw::Claim>, anonymous: Option<&Anonymous>) -> Option<Option<Claim>> {
        let At { place, value: raw } = match claim {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(claim) => claim,
        };
        let header = self.required(&raw.header, *place, "header");
        let header =
            header.and_then(|header| self.parsed(header, |name| check_header_name(name).map(|()| name.to_owned())));
        let forms = self.required(&raw.r#match, *place, "match").and_then(|forms| self.forms(forms));
        let from = self.claimable(&raw.from);
        let issuers = self.issuers(&raw.issuers);
        if anonymous == Some(&Anonymous::Allow) {
            let message =
                "with `anonymous: allow` the application would be told a name that nobody has shown to be theirs";
            return self.error(*place, message, "write `anonymous: deny`, or remove `claim`".to_owned());
        }
        let forms = forms?;
        let has = |placeholder| forms.iter().any(|form: &Template| form.has(placeholder));
        let whole = has(Placeholder::Username) && has(Placeholder::Realm);
        let default = if whole { LookupKind::Email } else { LookupKind::Username };
        let lookup = raw.r#as.value().copied().unwrap_or(default);
        if let Some(lookup) = raw.r#as.given() {
            let at = lookup.place;
            if lookup.value == LookupKind::Username && whole {
                let message = "the realm would say nothing: somebody of that name in any realm would be this user";
                let help = "write the one realm itself in place of `{realm}`, or `as: email`".to_owned();
                return self.error(at, message, help);
            }
            if lookup.value == LookupKind::Email && !whole {
                let message = "an e-mail address has a user and a domain: `match` names only one of them";
                return self.error(at, message, "write `{email}` in `match`".to_owned());
            }
        }
        Some(Some(Claim { header: header?, forms, from: from?, lookup, issuers: issuers? }))
    }

    fn forms(&mut self, forms: &At<raw::Forms>) -> Option<Vec<Template>> {
        let forms = match &forms.value {
            raw::Forms::One(text) => {
                vec![self.parsed(&At { place: forms.place, value: text.clone() }, Template::parse)?]
            }
            raw::Forms::Several(list) => {
                let (place, list) = (forms.place, At { place: forms.place, value: list.clone() });
                let forms = self.items(&list, |context, form| context.parsed(form, Template::parse))?;
                let names = |form: &Template| (form.has(Placeholder::Username), form.has(Placeholder::Realm));
                if forms.iter().any(|form| Some(names(form)) != forms.first().map(names)) {
                    let message = "one form names a user or a realm that another one does not";
                    return self.error(
                        place,
                        message,
                        "let all forms have the same names, `{device}` aside".to_owned(),
                    );
                }
                forms
            }
        };
        Some(forms)
    }

    /// Which parts of a certificate may be claimed.
    fn claimable(&mut self, from: &Field<Vec<Field<IdentitySource>>>) -> Option<Vec<IdentitySource>> {
        use IdentitySource::{SanDns, SanEmail, SanUpn, SanUri, SubjectCn};
        let mut good = Some(());
        for At { place, value } in from.value().into_iter().flatten().filter_map(Field::given) {
            if !matches!(value, SanEmail | SanUri | SanUpn | SanDns | SubjectCn) {
                let message = "nobody can claim this: alternative names (`san.…`) and `subject.cn` can be claimed";
                good = self.error(*place, message, None);
            }
        }
        match from {
            Field::Faulty => None,
            _ => self.distinct(from, FROM).and_then(|from| good.map(|()| from)),
        }
    }

    /// The routes, unless the claim of one stands in a header that is taken from every request.
    pub(super) fn routes_with_claims_of_use(
        &mut self,
        file: &raw::File,
        upstreams: &BTreeMap<String, Upstream>,
        routes: Vec<Route>,
    ) -> Option<Vec<Route>> {
        let mut good = Some(());
        for raw in file.routes.value().into_iter().flatten().filter_map(Field::value) {
            let header = raw.claim.value().and_then(|claim| claim.header.given());
            let Some(At { place, value: header }) = header else { continue };
            let taken = |upstream: &Upstream| {
                let assertion = upstream.assertion.as_ref().map(|assertion| assertion.header.as_str());
                upstream
                    .headers
                    .names()
                    .chain(assertion)
                    .any(|name| comparable_header(name) == comparable_header(header))
            };
            if let Some((name, _)) = upstreams.iter().find(|(_, upstream)| taken(upstream)) {
                let message = format!("the upstream `{name}` is told there who the client is, so no client may say it");
                good = self.error(*place, message, "let clients use another header".to_owned());
            }
        }
        good.map(|()| routes)
    }
}
