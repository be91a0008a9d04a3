//! `authority.profiles`: the built-in ones, and what the file says of them or adds.

use super::Context;
use crate::base::url::HttpUrl;
use crate::config::name_template::NameTemplate;
use crate::config::profile::{self, BUILT_IN, KeyUse, NameKind, Profile, SubjectAttribute};
use crate::config::raw;
use crate::config::read::{At, Field};
use der::asn1::ObjectIdentifier;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest validity: ten years.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

/// The furthest that notBefore is set back.
const FURTHEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most items of one list.
const MOST: usize = 32;

type Raw = Field<BTreeMap<String, Field<raw::Profile>>>;

impl Context<'_> {
    /// All profiles that there are, by their names.
    pub(super) fn profiles(&mut self, raw: &Raw) -> Option<BTreeMap<String, Profile>> {
        let own = match raw {
            Field::Faulty => return None,
            Field::Absent => BTreeMap::new(),
            Field::Given(At { value, .. }) => {
                let checked: Vec<Option<(String, Profile)>> = value
                    .iter()
                    .map(|(name, entry)| {
                        let entry = entry.given()?;
                        let name = self.name(name, entry.place);
                        let profile = self.profile(name.as_deref().unwrap_or_default(), entry);
                        Some((name?, profile?))
                    })
                    .collect();
                checked.into_iter().collect::<Option<BTreeMap<_, _>>>()?
            }
        };
        let built_in = BUILT_IN.into_iter().filter_map(|name| Some((name.to_owned(), Profile::built_in(name)?)));
        // What the file says of a name takes the place of what is built in.
        Some(built_in.chain(own).collect())
    }

    fn profile(&mut self, name: &str, At { place, value: raw }: &At<raw::Profile>) -> Option<Profile> {
        if name == profile::OCSP_SIGNERS {
            let help = "give the profile another name".to_owned();
            return self.error(*place, "the authority's own OCSP signers are on record under this name", help);
        }
        if name == profile::ROOT {
            let help = "give the profile another name".to_owned();
            return self.error(*place, "the authority's own root is told of under this name", help);
        }
        let base = match &raw.extends {
            Field::Faulty => return None,
            Field::Absent => Profile::built_in(name).or_else(|| Profile::built_in("client")),
            Field::Given(base) => {
                let known = BUILT_IN.into_iter().collect();
                Profile::built_in(&self.reference(base, "built-in profile", &known)?)
            }
        };
        let base = Profile { name: name.to_owned(), ..base? };
        if let (Field::Given(at), profile::INTERMEDIATE, false) = (&raw.extends, name, base.is_authority) {
            let help = "leave `extends` out, or give the profile another name".to_owned();
            return self.error(at.place, "the authority's own intermediates are made by this profile", help);
        }
        let validity = self.span(&raw.validity, base.validity, LONGEST, "ten years");
        let backdate = self.span(&raw.backdate, base.backdate, FURTHEST, "seven days");
        let keys = self.distinct(&raw.keys, &base.keys);
        let key_usage = self.distinct(&raw.key_usage, &base.key_usage);
        let key = match &raw.key {
            Field::Faulty => None,
            Field::Given(key) => Some(key.value),
            // The first kind that is certified, if the usual one is not.
            Field::Absent => keys.as_ref().map(|keys| match keys.first() {
                Some(first) if !keys.contains(&base.key) => *first,
                _ => base.key,
            }),
        };
        let subject = self.subject_of(&raw.subject, &base);
        let names = self.names_of(&raw.names, &base);
        let extended_key_usage =
            self.list_or(&raw.extended_key_usage, &base.extended_key_usage, profile::extended_key_usage);
        let policies = self.list_or(&raw.policies, &base.policies, policy);
        let hosts = self.list_or(&raw.hosts, &base.hosts, host_pattern);
        let crl = self.urls(&raw.crl);
        let ocsp = self.urls(&raw.ocsp);
        let issuer = self.urls(&raw.issuer);
        let (key, keys, key_usage) = (key?, keys?, key_usage?);
        if let (Field::Given(at), false) = (&raw.key, keys.contains(&key)) {
            return self.error(at.place, "`keys` does not have this kind of key", "add it there".to_owned());
        }
        let signs = |bit: &KeyUse| matches!(bit, KeyUse::KeyCertSign | KeyUse::CrlSign);
        if let (Field::Given(at), false) = (&raw.key_usage, base.is_authority)
            && at.value.iter().filter_map(Field::value).any(signs)
        {
            let help = "write `extends: intermediate` for an authority".to_owned();
            return self.error(at.place, "only an authority's key signs certificates and lists", help);
        }
        let lacks = |bit| !key_usage.contains(&bit);
        if let (Field::Given(at), true) = (&raw.key_usage, base.is_authority)
            && (lacks(KeyUse::KeyCertSign) || lacks(KeyUse::CrlSign))
        {
            let help = "add key_cert_sign and crl_sign".to_owned();
            return self.error(at.place, "an authority's key signs certificates and revocation lists", help);
        }
        let (email, names) = names?;
        let subject = subject?;
        if subject.is_empty() && names.is_empty() && email == profile::EmailName::None {
            return self.error(*place, "certificates of this profile would be about nobody", None);
        }
        Some(Profile {
            name: name.to_owned(),
            validity: validity?,
            backdate: backdate?,
            key,
            keys,
            subject,
            key_usage,
            extended_key_usage: extended_key_usage?,
            email,
            names,
            hosts: hosts?,
            policies: policies?,
            crl: crl?,
            ocsp: ocsp?,
            issuer: issuer?,
            is_authority: base.is_authority,
        })
    }

    fn span(&mut self, raw: &Field<raw::Duration>, base: Duration, most: Duration, words: &str) -> Option<Duration> {
        match raw {
            Field::Absent => Some(base),
            Field::Faulty => None,
            Field::Given(At { place, value: raw::Duration(span) }) if *span > most => {
                self.error(*place, format!("{words} is the most"), None)
            }
            // A validity of nothing is as bad as an endless one; setting back by nothing is not.
            Field::Given(At { place, value: raw::Duration(Duration::ZERO) }) if most == LONGEST => {
                self.error(*place, "nothing would be valid", "write a longer duration".to_owned())
            }
            Field::Given(At { value: raw::Duration(span), .. }) => Some(*span),
        }
    }

    fn subject_of(
        &mut self,
        raw: &Field<raw::ProfileSubject>,
        base: &Profile,
    ) -> Option<Vec<(SubjectAttribute, NameTemplate)>> {
        let raw = match raw {
            Field::Absent => return Some(base.subject.clone()),
            Field::Faulty => return None,
            Field::Given(At { value, .. }) => value,
        };
        let attributes = [
            (SubjectAttribute::Country, &raw.country),
            (SubjectAttribute::State, &raw.state),
            (SubjectAttribute::Locality, &raw.locality),
            (SubjectAttribute::Organization, &raw.organization),
            (SubjectAttribute::OrganizationalUnit, &raw.organizational_unit),
            (SubjectAttribute::CommonName, &raw.common_name),
            (SubjectAttribute::Email, &raw.email),
        ];
        let checked: Vec<Option<Option<(SubjectAttribute, NameTemplate)>>> = attributes
            .into_iter()
            .map(|(attribute, text)| match text {
                Field::Absent => Some(None),
                Field::Faulty => None,
                Field::Given(text) => {
                    let template = self.parsed(text, NameTemplate::parse)?;
                    Some(Some((attribute, template)))
                }
            })
            .collect();
        Some(checked.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn names_of(
        &mut self,
        raw: &Field<raw::ProfileNames>,
        base: &Profile,
    ) -> Option<(profile::EmailName, Vec<(NameKind, NameTemplate)>)> {
        let raw = match raw {
            Field::Absent => return Some((base.email, base.names.clone())),
            Field::Faulty => return None,
            Field::Given(At { value, .. }) => value,
        };
        let email = match &raw.email {
            Field::Absent => Some(profile::EmailName::None),
            Field::Faulty => None,
            Field::Given(email) => Some(email.value),
        };
        let of_kinds = [(NameKind::Dns, &raw.dns), (NameKind::Uri, &raw.uri), (NameKind::Upn, &raw.upn)]
            .map(|(kind, list)| (kind, self.list_or(list, &[], NameTemplate::parse)));
        let mut names = Vec::new();
        for (kind, templates) in of_kinds {
            names.extend(templates?.into_iter().map(|template| (kind, template)));
        }
        Some((email?, names))
    }

    /// URLs that stand in certificates; `None` if nothing is said of them, which is another thing than none.
    fn urls(&mut self, list: &Field<Vec<Field<String>>>) -> Option<Option<Vec<String>>> {
        match list {
            Field::Absent => Some(None),
            given => self.list_or(given, &[], http_url).map(Some),
        }
    }

    fn list_or<T: Clone>(
        &mut self,
        list: &Field<Vec<Field<String>>>,
        base: &[T],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        match list {
            Field::Absent => Some(base.to_vec()),
            Field::Faulty => None,
            Field::Given(list) if list.value.is_empty() => Some(Vec::new()),
            Field::Given(list) if list.value.len() > MOST => {
                self.error(list.place, format!("{MOST} is the most that a certificate should hold"), None)
            }
            Field::Given(list) => self.items(list, |context, item| context.parsed(item, &parse)),
        }
    }
}

fn policy(text: &str) -> Result<ObjectIdentifier, String> {
    ObjectIdentifier::new(text).map_err(|_| "this is not an object identifier, such as 1.3.6.1.4.1.99999.1".to_owned())
}

/// A host, or `*.` and a domain.
fn host_pattern(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("this is neither a host name nor `*.` and a domain".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// In the form in which it will stand in certificates.
fn http_url(text: &str) -> Result<String, String> {
    text.parse::<HttpUrl>().map(|url| url.to_string()).map_err(|error| error.to_string())
}
