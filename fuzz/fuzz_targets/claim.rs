//! Any octets as the header in which a client says who it is: what is read out of it is what stands there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use wicketgate::base::email::normalise_domain;
use wicketgate::config::claim::Template;
use wicketgate::config::{Claim, IdentitySource, LookupKind};
use wicketgate::identity::claim::Rule;
use wicketgate::identity::name;

static RULES: LazyLock<Vec<Arc<Rule>>> = LazyLock::new(|| {
    let forms = [
        &["sip:{username}@{realm};gr={device}", "sip:{username}@{realm}"][..],
        &["<sip:{email}>"],
        &["{username}"],
        &["{realm}"],
    ];
    let rule = |forms: &&[&str]| {
        let forms = forms.iter().filter_map(|form| Template::parse(form).ok()).collect();
        let from = vec![IdentitySource::SanEmail];
        let header = "From".to_owned();
        let claim = Claim { header, forms, from, lookup: LookupKind::Email, issuers: Vec::new() };
        Rule::new(&claim, |_: &Path| Err(())).ok().map(Arc::new)
    };
    forms.iter().filter_map(rule).collect()
});

fuzz_target!(|value: &[u8]| {
    for rule in RULES.iter() {
        let Ok(claimed) = rule.read([value]).said else { continue };
        let text = std::str::from_utf8(value).unwrap_or_default();
        for part in claimed.username.iter().chain(&claimed.device) {
            assert!(text.contains(part.as_str()) && !part.contains(['%', '"', ',', ';', '<']));
        }
        if let Some(username) = &claimed.username {
            assert!(!username.contains('@'));
            assert_eq!(name::check(username), Ok(()));
        }
        if let Some(realm) = &claimed.realm {
            assert_eq!(normalise_domain(realm).as_ref(), Some(realm));
        }
        assert!(claimed.is_user(&claimed.to_string(), claimed.realm.as_deref().unwrap_or("any")));
    }
});
