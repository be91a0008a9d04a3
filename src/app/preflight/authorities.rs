//! The files of `trust`, `advertise` and `identity`: do they hold certificates of authorities that can be
//! trusted, and do these still count.

use super::{Examiner, Named};
use crate::certificate::fields::Fields;
use crate::certificate::name;
use crate::certificate::path::TrustAnchors;
use crate::config::{Advertise, IdentityRule, IssuerPin, Trust};

impl Examiner {
    pub(super) fn trust(&mut self, set_name: &str, set: &Trust) {
        for (index, path) in set.authorities.iter().enumerate() {
            let key = format!("trust.{set_name}.authorities[{index}]");
            self.authorities(Named { path, key: &key });
        }
    }

    fn authorities(&mut self, file: Named<'_>) {
        let Some(certificates) = self.certificates(file) else { return };
        if !self.first_look(file, "authorities") {
            return;
        }
        for certificate in &certificates {
            if let Ok(fields) = Fields::read(certificate) {
                let subject = name::read(fields.subject).map(|name| name.text).unwrap_or_default();
                self.dates(file, &format!("the authority {subject}"), &fields);
            }
        }
        if let Err(error) = TrustAnchors::new(certificates) {
            let what_to_do = "keep only certificates of authorities in this file";
            self.error("the file holds what cannot be trusted as an authority", file, error.to_string(), what_to_do);
        }
    }

    /// The files whose subjects the browser is told.
    pub(super) fn advertised(&mut self, key: &str, advertise: &Advertise) {
        let Advertise::Files(files) = advertise else { return };
        for path in files {
            self.certificates(Named { path, key });
        }
    }

    pub(super) fn identity(&mut self, rules: &[IdentityRule]) {
        for (rule_index, rule) in rules.iter().enumerate() {
            for (index, pin) in rule.issuers.iter().enumerate() {
                let IssuerPin::File(path) = pin else { continue };
                let key = format!("identity[{rule_index}].issuers[{index}]");
                self.pinned(Named { path, key: &key });
            }
        }
    }

    /// Only authorities occur in the part of a path that a rule looks at.
    fn pinned(&mut self, file: Named<'_>) {
        let Some(certificates) = self.certificates(file) else { return };
        if !self.first_look(file, "issuers") {
            return;
        }
        for certificate in &certificates {
            let Ok(fields) = Fields::read(certificate) else {
                let why = "it is no X.509 certificate";
                self.error("a certificate of the file cannot be read", file, why, "put another copy of it there");
                continue;
            };
            // Version 1 knows no extensions, so that an authority cannot say that it is one.
            if fields.version == 3 && matches!(fields.authority(), Ok(None)) {
                let subject = name::read(fields.subject).map(|name| name.text).unwrap_or_default();
                let what = format!("{subject} is no authority and issues nothing");
                let why = "its basicConstraints do not say that it is an authority's";
                self.warn(&what, file, why, "name the certificate of the authority that issues people's");
            }
        }
    }
}
