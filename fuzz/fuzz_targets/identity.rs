//! Any text as every name of a certificate: what the rules yield of it must be fit to be a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regex::Regex;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::email;
use wicketgate::certificate::facts::{AlternativeNames, Attribute, CertificateFacts, DistinguishedName};
use wicketgate::certificate::path::ValidPath;
use wicketgate::certificate::path::policy::Outcome;
use wicketgate::config::{IdentityRule, IdentitySource, IfUnknown, LookupKind};
use wicketgate::identity::{MAX_NAMES, Rules, name};

static RULES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    use IdentitySource::{SanDns, SanEmail, SanUpn, SanUri, SerialAndIssuer, SubjectCn, SubjectDn};
    let mut all = Vec::new();
    for source in [SanEmail, SanDns, SanUri, SanUpn, SubjectCn, SubjectDn, SerialAndIssuer] {
        for lookup in [LookupKind::Email, LookupKind::Username] {
            for pattern in [None, Regex::new("^([^@]+)@?").ok()] {
                let rule = IdentityRule { source, pattern, lookup, issuers: Vec::new(), if_unknown: IfUnknown::Refuse };
                all.extend(Rules::new(&[rule], |_: &Path| Err(())));
            }
        }
    }
    all
});

fuzz_target!(|text: &str| {
    let values: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let distinguished = DistinguishedName {
        text: values.join(","),
        der: Vec::new(),
        attributes: values.iter().map(|value| Attribute { oid: "2.5.4.3".to_owned(), value: value.clone() }).collect(),
    };
    let facts = CertificateFacts {
        subject: distinguished.clone(),
        issuer: distinguished,
        serial: vec![1],
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::FAR_FUTURE,
        fingerprint: [0; 32],
        spki_sha256: [0; 32],
        names: AlternativeNames {
            emails: values.clone(),
            dns: values.clone(),
            uris: values.clone(),
            upns: values,
            ..AlternativeNames::default()
        },
        key_usage: None,
        extended_key_usage: None,
        policies: Vec::new(),
        is_authority: false,
    };
    let path = ValidPath {
        certificates: Vec::new(),
        authorities: Arc::from([]),
        not_after: Timestamp::FAR_FUTURE,
        anchor: Vec::new().into(),
        policies: Outcome::default(),
    };
    for candidate in RULES.iter().flat_map(|rules| rules.candidates(&facts, &path)).flatten() {
        assert!((1..=MAX_NAMES).contains(&candidate.names.len()));
        for found in candidate.names {
            assert_eq!(name::check_form(&found.value), Ok(()));
            assert!(!found.value.contains(char::is_control));
            if found.kind == LookupKind::Email {
                assert_eq!(email::normalise(&found.value).as_ref(), Some(&found.value));
            }
        }
    }
});
