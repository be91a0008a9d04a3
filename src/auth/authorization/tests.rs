use super::*;
use crate::account::Status;
use proptest::prelude::*;

const STAFF_CA: [u8; 32] = [1; 32];
const PARTNER_CA: [u8; 32] = [2; 32];

fn account(username: &str, groups: &[&str]) -> Account {
    Account {
        username: username.to_owned(),
        email: None,
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

/// Conditions as somebody would write them: `groups=admin,staff addresses=10.0.0.0/8`.
fn access(text: &str) -> Option<Access> {
    let mut access = Access::default();
    for (key, items) in text.split_whitespace().map(|part| part.split_once('=').unwrap()) {
        for item in items.split(',') {
            match key {
                "groups" => access.groups.push(item.to_owned()),
                "accounts" => access.accounts.push(item.to_owned()),
                "methods" => access.methods.push(match item {
                    "certificate" => Method::Certificate,
                    "digest" => Method::Digest,
                    other => panic!("{other}"),
                }),
                "addresses" => access.addresses.push(item.parse().unwrap()),
                "issuers" => access.issuers.push(match item {
                    "staff" => IssuerPin::SpkiSha256(STAFF_CA),
                    file => IssuerPin::File(file.into()),
                }),
                other => panic!("{other}"),
            }
        }
    }
    (!text.is_empty()).then_some(access)
}

/// The file `partners` holds a certificate, `none` holds none.
fn authorization(allow: &str, deny: &str) -> Authorization {
    Authorization::new::<std::convert::Infallible>(access(allow).as_ref(), access(deny).as_ref(), |file| {
        Ok(if file == Path::new("partners") { vec![PARTNER_CA] } else { Vec::new() })
    })
    .unwrap()
}

/// `alice` of the group `staff`, by certificate of the staff's authority, from 10.1.2.3, but for what is said.
struct Who {
    account: Account,
    method: Method,
    origin: Origin,
}

fn alice() -> Who {
    let origin = Origin { address: "10.1.2.3".parse().unwrap(), authorities: Some(Arc::from([STAFF_CA])) };
    Who { account: account("alice", &["staff"]), method: Method::Certificate, origin }
}

fn in_groups(groups: &[&str]) -> Who {
    Who { account: account("alice", groups), ..alice() }
}

fn by_digest() -> Who {
    Who { method: Method::Digest, origin: Origin { authorities: None, ..alice().origin }, ..alice() }
}

fn from(address: &str) -> Who {
    Who { origin: Origin { address: address.parse().unwrap(), ..alice().origin }, ..alice() }
}

fn issued_by(authority: [u8; 32]) -> Who {
    Who { origin: Origin { authorities: Some(Arc::from([authority])), ..alice().origin }, ..alice() }
}

fn judge(authorization: &Authorization, who: &Who) -> Result<(), Denied> {
    authorization.judge(Subject { account: &who.account, method: who.method, origin: &who.origin })
}

#[test]
fn the_conditions_mean_what_nginx_and_apache_have_taught() {
    const PASSES: &str = "passes";
    let cases = [
        // Nothing is said: everybody passes who is known.
        ("", "", alice(), PASSES),
        ("", "", by_digest(), PASSES),
        // Within a list any will do.
        ("groups=staff", "", alice(), PASSES),
        ("groups=admin,staff", "", alice(), PASSES),
        ("groups=admin", "", alice(), "alice is none of those whom allow.groups and allow.accounts name"),
        ("groups=staff", "", in_groups(&["Staff", "staff ", "staf"]), "alice is none of those"),
        ("groups=staff", "", in_groups(&[]), "alice is none of those"),
        ("accounts=alice", "", alice(), PASSES),
        ("accounts=bob,Alice", "", alice(), "alice is none of those"),
        // Groups and accounts both say who: either will do.
        ("groups=admin accounts=alice", "", alice(), PASSES),
        ("groups=staff accounts=bob", "", alice(), PASSES),
        ("groups=admin accounts=bob", "", alice(), "alice is none of those"),
        // How and whence must hold as well.
        ("groups=staff methods=certificate", "", alice(), PASSES),
        ("groups=staff methods=certificate", "", by_digest(), "digest is none of allow.methods"),
        ("groups=admin methods=certificate", "", alice(), "alice is none of those"),
        ("methods=digest,certificate", "", alice(), PASSES),
        ("addresses=10.0.0.0/8", "", alice(), PASSES),
        ("addresses=10.0.0.0/8", "", from("::ffff:10.1.2.3"), PASSES),
        ("addresses=10.0.0.0/8,192.0.2.7", "", from("192.0.2.7"), PASSES),
        ("addresses=10.0.0.0/8", "", from("192.0.2.7"), "192.0.2.7 is none of allow.addresses"),
        ("groups=staff addresses=10.0.0.0/8", "", from("2001:db8::1"), "2001:db8::1 is none of allow.addresses"),
        ("issuers=staff", "", alice(), PASSES),
        ("issuers=partners,staff", "", alice(), PASSES),
        ("issuers=partners", "", issued_by(PARTNER_CA), PASSES),
        ("issuers=partners", "", alice(), "none of allow.issuers is on the path"),
        ("issuers=staff", "", by_digest(), "allow.issuers asks for a certificate, and there is none"),
        // A file without certificates names nobody, rather than everybody.
        ("issuers=none", "", alice(), "none of allow.issuers"),
        // Any single condition under deny is enough, and wins.
        ("", "accounts=alice", alice(), "deny.accounts names alice"),
        ("", "accounts=bob", alice(), PASSES),
        ("accounts=alice", "groups=guests,staff", alice(), "alice is in the group staff, which deny.groups names"),
        ("groups=staff", "accounts=alice groups=nobody", alice(), "deny.accounts names alice"),
        ("", "methods=digest", by_digest(), "deny.methods names digest"),
        ("", "methods=digest", alice(), PASSES),
        ("", "issuers=staff", alice(), "deny.issuers names an authority"),
        ("", "issuers=staff", issued_by(PARTNER_CA), PASSES),
        ("", "issuers=staff", by_digest(), PASSES),
        ("", "issuers=none", alice(), PASSES),
        ("addresses=10.0.0.0/8", "addresses=10.1.0.0/16", alice(), "10.1.2.3 is one of deny.addresses"),
        ("addresses=10.0.0.0/8", "addresses=10.1.0.0/16", from("10.2.0.1"), PASSES),
        ("accounts=alice", "addresses=10.1.2.3 groups=guests", alice(), "10.1.2.3 is one of deny.addresses"),
    ];
    for (allow, deny, who, expected) in cases {
        let found = judge(&authorization(allow, deny), &who);
        let found = found.err().map_or_else(|| PASSES.to_owned(), |denied| denied.to_string());
        assert!(found.starts_with(expected), "allow {allow:?} deny {deny:?}: {found}, not {expected}");
    }
}

#[test]
fn an_issuer_has_a_reason_of_its_own() {
    let cases = [
        ("issuers=partners", "", Reason::IssuerNotAllowed),
        ("", "issuers=staff", Reason::IssuerNotAllowed),
        ("groups=admin", "", Reason::NotAuthorized),
        ("", "addresses=10.1.2.3", Reason::NotAuthorized),
    ];
    for (allow, deny, reason) in cases {
        let denied = judge(&authorization(allow, deny), &alice()).unwrap_err();
        assert_eq!(denied.reason(), reason, "{denied}");
    }
}

#[test]
fn an_address_is_judged_without_knowing_who_asks() {
    let cases = [
        ("", "", Ok(())),
        ("groups=nobody", "accounts=alice", Ok(())),
        ("addresses=10.0.0.0/8", "", Ok(())),
        ("addresses=11.0.0.0/8", "", Err(Reason::NotAuthorized)),
        ("", "addresses=10.0.0.0/8", Err(Reason::NotAuthorized)),
    ];
    for (allow, deny, expected) in cases {
        let found = authorization(allow, deny).judge_address(alice().origin.address);
        assert_eq!(found.map_err(|denied| denied.reason()), expected, "{allow:?} {deny:?}");
    }
}

#[test]
fn only_an_address_can_be_asked_of_nobody_in_particular() {
    for text in ["groups=a", "accounts=a", "issuers=staff", "issuers=none", "methods=digest"] {
        assert!(authorization(text, "").is_of_somebody() && authorization("", text).is_of_somebody(), "{text}");
        assert!(!authorization(text, text).is_of_addresses());
        assert!(access(text).unwrap().is_of_somebody());
    }
    let addresses = authorization("addresses=10.0.0.0/8", "addresses=10.0.0.1");
    assert!(!addresses.is_of_somebody() && addresses.is_of_addresses());
    assert!(!Authorization::default().is_of_somebody() && !Authorization::default().is_of_addresses());
}

fn conditions() -> impl Strategy<Value = String> {
    let some = |key: &'static str, items: &'static [&'static str]| {
        proptest::option::of(proptest::sample::subsequence(items, 1..=items.len()))
            .prop_map(move |items| items.map_or_else(String::new, |items| format!("{key}={} ", items.join(","))))
    };
    (
        some("groups", &["staff", "admin", "guests"]),
        some("accounts", &["alice", "bob"]),
        some("issuers", &["staff", "partners"]),
        some("methods", &["certificate", "digest"]),
        some("addresses", &["10.0.0.0/8", "192.0.2.7", "::/0"]),
    )
        .prop_map(|(groups, accounts, issuers, methods, addresses)| {
            [groups, accounts, issuers, methods, addresses].concat()
        })
}

proptest! {
    /// More under `deny` never lets anybody in, and whoever passes would pass without it.
    #[test]
    fn what_is_denied_in_addition_lets_nobody_in(allow in conditions(), deny in conditions(), more in conditions()) {
        let more = format!("{deny}{more}");
        for who in [alice(), by_digest(), in_groups(&[]), from("192.0.2.7"), issued_by(PARTNER_CA)] {
            if judge(&authorization(&allow, &more), &who).is_ok() {
                prop_assert!(judge(&authorization(&allow, &deny), &who).is_ok());
                prop_assert!(authorization(&allow, &more).judge_address(who.origin.address).is_ok());
            }
        }
    }

    /// Whoever meets a condition under `deny` by themselves does not pass, whatever else is written.
    #[test]
    fn a_single_condition_that_is_met_is_enough_to_be_denied(allow in conditions(), deny in conditions()) {
        let met = ["groups=staff", "accounts=alice", "issuers=staff", "methods=certificate", "addresses=10.1.2.3"];
        for one in met {
            prop_assert!(judge(&authorization(&allow, &format!("{deny}{one}")), &alice()).is_err(), "{}", one);
        }
    }
}
