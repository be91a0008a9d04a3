use super::*;
use crate::config::Access;
use std::net::{IpAddr, Ipv4Addr};

const STATUSES: [Status; 3] = [Status::Active, Status::Locked, Status::Closed];

fn account(username: &str, status: Status, groups: &[&str]) -> Arc<Account> {
    Arc::new(Account {
        username: username.to_owned(),
        email: None,
        display_name: None,
        status,
        home: None,
        aliases: Vec::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    })
}

fn alice() -> Arc<Account> {
    account("alice", Status::Active, &["staff"])
}

/// Nothing about it matters but where a test says so.
fn somewhere() -> Origin {
    Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), authorities: None }
}

/// `allow: {groups: …}`; the empty list says nothing.
fn members_of(groups: &[&str]) -> Authorization {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    authorization(&Access { groups, ..Access::default() }, &Access::default())
}

fn authorization(allow: &Access, deny: &Access) -> Authorization {
    Authorization::new::<std::convert::Infallible>(Some(allow), Some(deny), |_| Ok(Vec::new())).unwrap()
}

fn policy(authenticate: &[Method], anonymous: Anonymous) -> Policy {
    Policy {
        authenticate: authenticate.to_vec(),
        anonymous,
        claim: false,
        authorization: Authorization::default(),
        certificate_needed: false,
    }
}

fn redirect() -> Anonymous {
    Anonymous::Redirect("/login".to_owned())
}

/// Evidence as it is gathered: credentials are asked where the policy says so, and `sent` is what then comes out.
fn gathered(policy: &Policy, certificate: CertificateEvidence, sent: &CredentialEvidence) -> Evidence {
    let credentials = match policy.asks_credentials(&certificate) {
        true => Finding::Known(sent.clone()),
        false => Finding::NotAsked,
    };
    let authorization_sent = !matches!(sent, CredentialEvidence::Absent);
    Evidence { certificate, credentials, authorization_sent, claim: ClaimEvidence::NotAsked, origin: somewhere() }
}

fn permit(identity: Option<(&Arc<Account>, Method)>, client_verify: ClientVerify) -> Verdict {
    let identity = identity.map(|(account, method)| Identity { account: Arc::clone(account), method });
    Verdict::Permit(Permit { identity, client_verify })
}

fn challenge(reason: Reason, stale: bool) -> Verdict {
    Verdict::Challenge { reason, stale }
}

/// Section 5 of the design, row by row, for the routes of a listener in `want` mode that list both
/// methods; the columns are `anonymous: deny`, `{redirect}`, `allow`.
#[test]
fn the_table_of_the_design_holds() {
    use CertificateEvidence as Certificate;
    use CredentialEvidence as Credential;
    let alice = alice();
    let bob = account("bob", Status::Locked, &[]);
    let by_certificate = || permit(Some((&alice, Method::Certificate)), ClientVerify::Success);
    let by_digest = || permit(Some((&alice, Method::Digest)), ClientVerify::None);
    let refuse = Verdict::Refuse;
    let anybody = |reason| permit(None, ClientVerify::Failed(reason));
    let (expired, inactive) = (Reason::CertificateExpired, Reason::AccountInactive);
    let everywhere = |verdict: Verdict| [verdict.clone(), verdict.clone(), verdict];
    let rows = [
        // None, and nothing or the right thing beside it.
        (
            Certificate::None,
            Credential::Absent,
            [
                challenge(Reason::CertificateRequired, false),
                Verdict::Redirect("/login".to_owned()),
                permit(None, ClientVerify::None),
            ],
        ),
        (Certificate::None, Credential::Right(Method::Digest, Arc::clone(&alice)), everywhere(by_digest())),
        // None, and something that is not right.
        (Certificate::None, Credential::Wrong(Method::Digest), everywhere(challenge(Reason::DigestFailed, false))),
        (Certificate::None, Credential::Stale, everywhere(challenge(Reason::DigestFailed, true))),
        (Certificate::None, Credential::Malformed, everywhere(refuse(Reason::BadRequest))),
        (Certificate::None, Credential::Crowded, everywhere(refuse(Reason::RateLimited))),
        (Certificate::None, Credential::LockedOut, everywhere(refuse(Reason::LockedOut))),
        (Certificate::None, Credential::Right(Method::Digest, Arc::clone(&bob)), everywhere(refuse(inactive))),
        // Accepted: what else was sent does not matter.
        (Certificate::Account(Arc::clone(&alice)), Credential::Absent, everywhere(by_certificate())),
        (Certificate::Account(Arc::clone(&alice)), Credential::Wrong(Method::Digest), everywhere(by_certificate())),
        (Certificate::Account(Arc::clone(&alice)), Credential::Malformed, everywhere(by_certificate())),
        (Certificate::Account(Arc::clone(&alice)), Credential::LockedOut, everywhere(by_certificate())),
        // Refused: never rescued by what else was sent.
        (Certificate::Refused(expired), Credential::Absent, [refuse(expired), refuse(expired), anybody(expired)]),
        (
            Certificate::Refused(expired),
            Credential::Right(Method::Digest, Arc::clone(&alice)),
            [refuse(expired), refuse(expired), anybody(expired)],
        ),
        (
            Certificate::Account(Arc::clone(&bob)),
            Credential::Right(Method::Digest, Arc::clone(&alice)),
            [refuse(inactive), refuse(inactive), anybody(inactive)],
        ),
        // No answer is not a yes.
        (
            Certificate::AccountsUnavailable,
            Credential::Right(Method::Digest, Arc::clone(&alice)),
            everywhere(refuse(Reason::AccountsUnavailable)),
        ),
        (
            Certificate::NotAsked,
            Credential::Right(Method::Digest, alice.clone()),
            everywhere(refuse(Reason::CertificateRequired)),
        ),
    ];
    for (certificate, sent, columns) in rows {
        for (anonymous, expected) in [Anonymous::Deny, redirect(), Anonymous::Allow].into_iter().zip(columns) {
            let policy = policy(&[Method::Certificate, Method::Digest], anonymous);
            let evidence = gathered(&policy, certificate.clone(), &sent);
            assert_eq!(decide(&policy, &evidence), expected, "{:?} {evidence:?}", policy.anonymous);
        }
    }
}

#[test]
fn a_route_without_a_fallback_never_challenges() {
    let expected = [
        (Anonymous::Deny, false, Verdict::Refuse(Reason::CertificateRequired)),
        (Anonymous::Deny, true, Verdict::Refuse(Reason::CertificateRequired)),
        (redirect(), false, Verdict::Redirect("/login".to_owned())),
        (redirect(), true, Verdict::Refuse(Reason::CertificateRequired)),
        (Anonymous::Allow, false, permit(None, ClientVerify::None)),
        // The application's own tokens pass through a route that is open to anybody.
        (Anonymous::Allow, true, permit(None, ClientVerify::None)),
    ];
    for (anonymous, authorization_sent, verdict) in expected {
        let policy = policy(&[Method::Certificate], anonymous);
        let evidence = Evidence {
            certificate: CertificateEvidence::None,
            credentials: Finding::NotAsked,
            authorization_sent,
            claim: ClaimEvidence::NotAsked,
            origin: somewhere(),
        };
        assert_eq!(decide(&policy, &evidence), verdict, "{:?} {authorization_sent}", policy.anonymous);
    }
}

#[test]
fn a_client_that_sent_another_scheme_is_challenged_and_not_redirected() {
    let policy = policy(&[Method::Certificate, Method::Digest], redirect());
    let evidence = Evidence {
        certificate: CertificateEvidence::None,
        credentials: Finding::Known(CredentialEvidence::Absent),
        authorization_sent: true,
        claim: ClaimEvidence::NotAsked,
        origin: somewhere(),
    };
    assert_eq!(decide(&policy, &evidence), challenge(Reason::CertificateRequired, false));
}

#[test]
fn where_a_certificate_is_needed_nothing_takes_its_place() {
    let alice = alice();
    for anonymous in [Anonymous::Deny, redirect(), Anonymous::Allow] {
        let policy = Policy { certificate_needed: true, ..policy(&[Method::Certificate, Method::Digest], anonymous) };
        let cases = [
            (CertificateEvidence::None, Verdict::Refuse(Reason::CertificateRequired)),
            (CertificateEvidence::Refused(Reason::CertificateRevoked), Verdict::Refuse(Reason::CertificateRevoked)),
            (
                CertificateEvidence::Account(Arc::clone(&alice)),
                permit(Some((&alice, Method::Certificate)), ClientVerify::Success),
            ),
        ];
        for (certificate, expected) in cases {
            for sent in [CredentialEvidence::Absent, CredentialEvidence::Right(Method::Digest, Arc::clone(&alice))] {
                let evidence = gathered(&policy, certificate.clone(), &sent);
                assert_eq!(decide(&policy, &evidence), expected, "{:?} {evidence:?}", policy.anonymous);
            }
        }
    }
}

#[test]
fn only_members_pass_a_route_that_names_groups() {
    let cases = [
        (&[][..], &[][..], true),
        (&["staff"], &["staff"][..], true),
        (&["admin", "staff"], &["guests", "staff"][..], true),
        (&["staff"], &["Staff", "staff "][..], false),
        (&["staff"], &[][..], false),
    ];
    for (groups, member_of, passes) in cases {
        let authorization = members_of(groups);
        let account = account("alice", Status::Active, member_of);
        let policy = Policy { authorization, ..policy(&[Method::Certificate, Method::Digest], Anonymous::Deny) };
        let evidence = [
            (CertificateEvidence::Account(Arc::clone(&account)), Method::Certificate, ClientVerify::Success),
            (CertificateEvidence::None, Method::Digest, ClientVerify::None),
        ];
        for (certificate, method, client_verify) in evidence {
            let evidence =
                gathered(&policy, certificate, &CredentialEvidence::Right(Method::Digest, Arc::clone(&account)));
            let expected = match passes {
                true => permit(Some((&account, method)), client_verify),
                false => Verdict::Refuse(Reason::NotAuthorized),
            };
            assert_eq!(decide(&policy, &evidence), expected, "{policy:?} {member_of:?}");
        }
    }
}

/// Else a member of no group would pass by leaving the certificate at home.
#[test]
fn nobody_passes_anonymously_where_groups_are_named() {
    let policy = Policy {
        authorization: members_of(&["staff"]),
        ..policy(&[Method::Certificate, Method::Digest], Anonymous::Allow)
    };
    let cases = [
        (CertificateEvidence::None, challenge(Reason::CertificateRequired, false)),
        (CertificateEvidence::Refused(Reason::CertificateUntrusted), Verdict::Refuse(Reason::CertificateUntrusted)),
        (CertificateEvidence::Account(account("guest", Status::Active, &[])), Verdict::Refuse(Reason::NotAuthorized)),
    ];
    for (certificate, expected) in cases {
        let evidence = gathered(&policy, certificate, &CredentialEvidence::Absent);
        assert_eq!(decide(&policy, &evidence), expected, "{evidence:?}");
    }
}

#[test]
fn on_a_route_for_digest_alone_the_certificate_must_be_the_same_persons() {
    let (alice, bob) = (alice(), account("bob", Status::Active, &["staff"]));
    // As the cache and the store may hold it: another copy, changed since, of the same account.
    let changed = account("alice", Status::Active, &["staff", "admin"]);
    let cases = [
        (
            CredentialEvidence::Right(Method::Digest, Arc::clone(&changed)),
            permit(Some((&changed, Method::Digest)), ClientVerify::Success),
        ),
        (CredentialEvidence::Right(Method::Digest, bob), Verdict::Refuse(Reason::ClaimMismatch)),
        (
            CredentialEvidence::Right(Method::Digest, account("bob", Status::Locked, &[])),
            Verdict::Refuse(Reason::ClaimMismatch),
        ),
        (
            CredentialEvidence::Right(Method::Digest, account("alice", Status::Locked, &[])),
            Verdict::Refuse(Reason::AccountInactive),
        ),
        (CredentialEvidence::Absent, challenge(Reason::CertificateRequired, false)),
        (CredentialEvidence::Wrong(Method::Digest), challenge(Reason::DigestFailed, false)),
    ];
    for certificate_needed in [false, true] {
        let policy = Policy { certificate_needed, ..policy(&[Method::Digest], Anonymous::Deny) };
        for (digest, expected) in &cases {
            let evidence = gathered(&policy, CertificateEvidence::Account(Arc::clone(&alice)), digest);
            assert_eq!(decide(&policy, &evidence), *expected, "{evidence:?}");
        }
    }
}

#[test]
fn a_certificate_on_a_route_for_anybody_says_no_name() {
    let policy = policy(&[], Anonymous::Allow);
    let evidence = gathered(&policy, CertificateEvidence::Account(alice()), &CredentialEvidence::Absent);
    assert_eq!(decide(&policy, &evidence), permit(None, ClientVerify::Success));
}

/// Every policy there can be, but for the names.
fn every_policy() -> Vec<Policy> {
    use Method::{Basic, Certificate, Digest};
    let mut all = Vec::new();
    let methods = [
        &[][..],
        &[Certificate],
        &[Digest],
        &[Certificate, Digest],
        &[Digest, Certificate],
        &[Certificate, Basic],
        &[Digest, Basic],
    ];
    for authenticate in methods {
        for anonymous in [Anonymous::Deny, Anonymous::Allow, redirect()] {
            for groups in [&[][..], &["staff"], &["admin", "staff"]] {
                for certificate_needed in [false, true] {
                    all.push(Policy {
                        authenticate: authenticate.to_vec(),
                        anonymous: anonymous.clone(),
                        claim: false,
                        authorization: members_of(groups),
                        certificate_needed,
                    });
                }
            }
        }
    }
    all
}

fn every_account() -> Vec<Arc<Account>> {
    let mut all = Vec::new();
    for username in ["alice", "bob"] {
        for status in STATUSES {
            all.extend([account(username, status, &["staff"]), account(username, status, &[])]);
        }
    }
    all
}

/// Every piece of certificate evidence, for two people.
fn every_certificate() -> Vec<CertificateEvidence> {
    let mut all =
        vec![CertificateEvidence::NotAsked, CertificateEvidence::None, CertificateEvidence::AccountsUnavailable];
    all.extend(Reason::ALL.iter().copied().map(CertificateEvidence::Refused));
    all.extend(every_account().into_iter().map(CertificateEvidence::Account));
    all
}

fn every_credential() -> Vec<Finding<CredentialEvidence>> {
    use CredentialEvidence::{Absent, Crowded, LockedOut, Malformed, Right, Stale, Wrong};
    let mut all = vec![Finding::NotAsked, Finding::Unavailable];
    all.extend([Absent, Stale, Crowded, LockedOut, Malformed].map(Finding::Known));
    for method in [Method::Digest, Method::Basic] {
        all.push(Finding::Known(Wrong(method)));
        all.extend(every_account().into_iter().map(|account| Finding::Known(Right(method, account))));
    }
    all
}

/// Calls `check` with every policy and every evidence, sensible or not: about 400,000 cases.
fn for_everything(mut check: impl FnMut(&Policy, &Evidence, Verdict)) {
    let (certificates, all_credentials) = (every_certificate(), every_credential());
    for policy in every_policy() {
        for certificate in &certificates {
            for credentials in &all_credentials {
                for authorization_sent in [false, true] {
                    let (certificate, credentials) = (certificate.clone(), credentials.clone());
                    let evidence = Evidence {
                        certificate,
                        credentials,
                        authorization_sent,
                        claim: ClaimEvidence::NotAsked,
                        origin: somewhere(),
                    };
                    let verdict = decide(&policy, &evidence);
                    check(&policy, &evidence, verdict);
                }
            }
        }
    }
}

#[test]
fn whoever_passes_by_name_has_shown_to_be_exactly_that_active_account() {
    let mut seen = 0;
    for_everything(|policy, evidence, verdict| {
        let Verdict::Permit(Permit { identity: Some(Identity { account, method }), .. }) = verdict else { return };
        seen += 1;
        assert_eq!(account.status, Status::Active);
        assert!(policy.authenticate.contains(&method));
        let subject = Subject { account: &account, method, origin: &evidence.origin };
        assert_eq!(policy.authorization.judge(subject), Ok(()));
        let holder = match &evidence.certificate {
            CertificateEvidence::Account(holder) => Some(holder),
            CertificateEvidence::None => None,
            other => panic!("{other:?} shows nothing"),
        };
        match method {
            Method::Certificate => assert!(Arc::ptr_eq(&account, holder.unwrap())),
            method => {
                assert!(matches!(&evidence.credentials, Finding::Known(CredentialEvidence::Right(by, shown))
                    if *by == method && Arc::ptr_eq(shown, &account)));
                assert!(holder.is_none_or(|holder| holder.username == account.username));
                assert!(holder.is_none_or(|holder| holder.status == Status::Active));
            }
        }
    });
    assert!(seen > 0);
}

#[test]
fn whoever_passes_without_a_name_may_and_has_shown_nothing_false() {
    let mut seen = 0;
    for_everything(|policy, evidence, verdict| {
        let Verdict::Permit(Permit { identity: None, .. }) = verdict else { return };
        seen += 1;
        assert_eq!(policy.anonymous, Anonymous::Allow);
        assert!(!policy.authorization.is_of_somebody());
        if policy.asks_credentials(&evidence.certificate) {
            assert!(matches!(evidence.credentials, Finding::Known(CredentialEvidence::Absent)));
        }
        if policy.certificate_needed {
            assert!(matches!(&evidence.certificate, CertificateEvidence::Account(holder)
                if holder.status == Status::Active));
        }
    });
    assert!(seen > 0);
}

#[test]
fn what_the_application_is_told_of_the_certificate_is_what_was_found() {
    for_everything(|_, evidence, verdict| {
        let Verdict::Permit(permit) = verdict else { return };
        let expected = match &evidence.certificate {
            CertificateEvidence::None => ClientVerify::None,
            CertificateEvidence::Account(holder) if holder.status == Status::Active => ClientVerify::Success,
            CertificateEvidence::Account(_) => ClientVerify::Failed(Reason::AccountInactive),
            CertificateEvidence::Refused(reason) => ClientVerify::Failed(*reason),
            other => panic!("{other:?} lets nobody pass"),
        };
        assert_eq!(permit.client_verify(), expected);
        if expected != ClientVerify::Success && permit.identity().is_some() {
            assert_eq!(expected, ClientVerify::None, "a refused certificate has no name beside it");
        }
    });
}

#[test]
fn a_refused_certificate_is_never_rescued() {
    for_everything(|policy, evidence, verdict| {
        let reason = match &evidence.certificate {
            CertificateEvidence::Refused(reason) => *reason,
            CertificateEvidence::Account(holder) if holder.status != Status::Active => Reason::AccountInactive,
            _ => return,
        };
        assert!(!policy.asks_credentials(&evidence.certificate));
        let expected = Verdict::Refuse(reason);
        let in_passing = permit(None, ClientVerify::Failed(reason));
        let open = policy.anonymous == Anonymous::Allow
            && !policy.certificate_needed
            && !policy.authorization.is_of_somebody();
        assert!(verdict == expected || (open && verdict == in_passing), "{policy:?} {evidence:?} {verdict:?}");
    });
}

#[test]
fn what_was_not_asked_lets_nobody_pass() {
    for_everything(|policy, evidence, verdict| {
        let missing =
            policy.asks_credentials(&evidence.certificate) && matches!(evidence.credentials, Finding::NotAsked);
        if missing || matches!(evidence.certificate, CertificateEvidence::NotAsked) {
            assert!(!matches!(verdict, Verdict::Permit(_)), "{policy:?} {evidence:?}");
        }
    });
}

#[test]
fn without_an_answer_of_the_accounts_nobody_passes() {
    for_everything(|policy, evidence, verdict| {
        let unavailable = match &evidence.certificate {
            CertificateEvidence::AccountsUnavailable | CertificateEvidence::Refused(Reason::AccountsUnavailable) => {
                true
            }
            certificate => policy.asks_credentials(certificate) && matches!(evidence.credentials, Finding::Unavailable),
        };
        if unavailable {
            assert_eq!(verdict, Verdict::Refuse(Reason::AccountsUnavailable), "{policy:?} {evidence:?}");
        }
    });
}

#[test]
fn the_verdict_does_not_depend_on_credentials_where_they_are_not_asked() {
    for_everything(|policy, evidence, verdict| {
        if !policy.asks_credentials(&evidence.certificate) {
            let unasked = Evidence { credentials: Finding::NotAsked, ..evidence.clone() };
            assert_eq!(decide(policy, &unasked), verdict, "{policy:?} {evidence:?}");
        }
    });
}

#[test]
fn only_a_route_that_lists_a_method_with_credentials_challenges_and_only_right_credentials_are_stale() {
    let mut stale_seen = false;
    for_everything(|policy, evidence, verdict| {
        let Verdict::Challenge { stale, .. } = verdict else { return };
        assert!(policy.asks_credentials(&evidence.certificate));
        assert_eq!(stale, matches!(evidence.credentials, Finding::Known(CredentialEvidence::Stale)));
        stale_seen |= stale;
    });
    assert!(stale_seen);
}

#[test]
fn only_who_presents_nothing_of_use_is_sent_elsewhere() {
    for_everything(|policy, evidence, verdict| {
        let Verdict::Redirect(to) = verdict else { return };
        assert_eq!(policy.anonymous, Anonymous::Redirect(to));
        assert!(!evidence.authorization_sent);
        assert!(matches!(&evidence.certificate, CertificateEvidence::None | CertificateEvidence::Account(_)));
        if policy.asks_credentials(&evidence.certificate) {
            assert!(matches!(evidence.credentials, Finding::Known(CredentialEvidence::Absent)));
        }
    });
}

#[test]
fn from_an_address_that_may_not_pass_nobody_does_and_nobody_is_challenged() {
    let addresses = vec!["10.0.0.0/8".parse().unwrap()];
    let within = || Access { addresses: addresses.clone(), ..Access::default() };
    let cases = [
        (authorization(&within(), &Access::default()), "10.0.0.1", "192.0.2.7"),
        (authorization(&Access::default(), &within()), "192.0.2.7", "10.0.0.1"),
    ];
    for (authorization, good, bad) in cases {
        for_everything(|policy, evidence, verdict| {
            let policy = Policy { authorization: authorization.clone(), ..policy.clone() };
            let from = |address: &str| {
                let origin = Origin { address: address.parse().unwrap(), authorities: None };
                Evidence { origin, ..evidence.clone() }
            };
            assert_eq!(decide(&policy, &from(bad)), Verdict::Refuse(Reason::NotAuthorized), "{policy:?} {evidence:?}");
            if !matches!(verdict, Verdict::Refuse(Reason::NotAuthorized)) {
                let found = decide(&policy, &from(good));
                let open = Policy { authorization: Authorization::default(), ..policy.clone() };
                assert_eq!(found, decide(&open, evidence), "{policy:?} {evidence:?}");
            }
        });
    }
}

#[test]
fn a_condition_that_turns_somebody_away_is_named_for_the_log() {
    let policy = Policy { authorization: members_of(&["admin"]), ..policy(&[Method::Certificate], Anonymous::Deny) };
    let evidence = gathered(&policy, CertificateEvidence::Account(alice()), &CredentialEvidence::Absent);
    assert_eq!(denied(&policy, &evidence), Some(Denied::NotNamed("alice".to_owned())));
    assert_eq!(decide(&policy, &evidence), Verdict::Refuse(Reason::NotAuthorized));
    let expired =
        gathered(&policy, CertificateEvidence::Refused(Reason::CertificateExpired), &CredentialEvidence::Absent);
    assert_eq!(denied(&policy, &expired), None);
}

#[test]
fn where_a_claim_is_asked_for_nobody_passes_without_one_that_is_theirs() {
    let alice = alice();
    let by = |method, verify| permit(Some((&alice, method)), verify);
    let mismatch = || Verdict::Refuse(Reason::ClaimMismatch);
    let holder = || CertificateEvidence::Account(Arc::clone(&alice));
    let right = || CredentialEvidence::Right(Method::Digest, Arc::clone(&alice));
    let required = || challenge(Reason::CertificateRequired, false);
    use ClaimEvidence::{Agrees, Faulty, Named, NotAsked};
    let cases = [
        // The certificate was found to be the one that is named, or would not be an account's.
        (holder(), CredentialEvidence::Absent, Named, by(Method::Certificate, ClientVerify::Success)),
        (holder(), CredentialEvidence::Absent, Faulty, mismatch()),
        (holder(), CredentialEvidence::Absent, NotAsked, mismatch()),
        (CertificateEvidence::Refused(Reason::ClaimMismatch), right(), Agrees, mismatch()),
        (
            CertificateEvidence::Refused(Reason::CertificateExpired),
            CredentialEvidence::Absent,
            Faulty,
            Verdict::Refuse(Reason::CertificateExpired),
        ),
        (CertificateEvidence::None, right(), Agrees, by(Method::Digest, ClientVerify::None)),
        (CertificateEvidence::None, right(), Named, mismatch()),
        (CertificateEvidence::None, right(), Faulty, mismatch()),
        (CertificateEvidence::None, right(), NotAsked, mismatch()),
        (CertificateEvidence::None, CredentialEvidence::Absent, Named, required()),
        (CertificateEvidence::None, CredentialEvidence::Absent, Faulty, mismatch()),
        (
            CertificateEvidence::None,
            CredentialEvidence::Wrong(Method::Digest),
            Named,
            challenge(Reason::DigestFailed, false),
        ),
    ];
    for (certificate, digest, claim, expected) in cases {
        let both = &[Method::Certificate, Method::Digest];
        let policy = Policy { claim: true, ..policy(both, Anonymous::Deny) };
        let evidence = Evidence { claim, ..gathered(&policy, certificate, &digest) };
        assert_eq!(decide(&policy, &evidence), expected, "{evidence:?}");
    }
}

#[test]
fn whoever_presents_nothing_is_sent_to_the_entry_page_whatever_they_claim() {
    let policy = Policy { claim: true, ..policy(&[Method::Certificate], redirect()) };
    for claim in [ClaimEvidence::NotAsked, ClaimEvidence::Faulty, ClaimEvidence::Named] {
        let evidence = Evidence { claim, ..gathered(&policy, CertificateEvidence::None, &CredentialEvidence::Absent) };
        assert_eq!(decide(&policy, &evidence), Verdict::Redirect("/login".to_owned()), "{claim:?}");
        let sent = Evidence { authorization_sent: true, ..evidence };
        assert!(matches!(decide(&policy, &sent), Verdict::Refuse(_)), "{claim:?}");
    }
}

#[test]
fn a_claim_lets_nobody_in_who_would_not_pass_without_it() {
    for_everything(|policy, evidence, verdict| {
        let asked = Policy { claim: true, ..policy.clone() };
        for claim in [ClaimEvidence::NotAsked, ClaimEvidence::Faulty, ClaimEvidence::Named, ClaimEvidence::Agrees] {
            let evidence = Evidence { claim, ..evidence.clone() };
            let found = decide(&asked, &evidence);
            if let Verdict::Permit(permit) = &found {
                assert!(permit.identity().is_some() && found == verdict, "{asked:?} {evidence:?}");
                assert!(matches!(claim, ClaimEvidence::Named | ClaimEvidence::Agrees), "{asked:?} {evidence:?}");
            }
        }
    });
}

#[test]
fn a_session_never_rescues_a_refused_certificate() {
    let policy = policy(&[Method::Certificate, Method::Session], Anonymous::Deny);
    let right = CredentialEvidence::Right(Method::Session, alice());
    let of = |certificate: CertificateEvidence, credentials: &CredentialEvidence| {
        // Asked or not, it is there.
        let credentials_found = Finding::Known(credentials.clone());
        decide(&policy, &Evidence { credentials: credentials_found, ..gathered(&policy, certificate, credentials) })
    };
    let revoked = CertificateEvidence::Refused(Reason::CertificateRevoked);
    assert!(!policy.asks_credentials(&revoked));
    assert_eq!(of(revoked, &right), Verdict::Refuse(Reason::CertificateRevoked));
    let locked = CertificateEvidence::Account(account("bob", Status::Locked, &[]));
    assert_eq!(of(locked, &right), Verdict::Refuse(Reason::AccountInactive));
    assert_eq!(of(CertificateEvidence::AccountsUnavailable, &right), Verdict::Refuse(Reason::AccountsUnavailable));
    assert_eq!(of(CertificateEvidence::None, &right), permit(Some((&alice(), Method::Session)), ClientVerify::None));
}

#[test]
fn a_session_is_worth_what_it_stands_for_and_nothing_asks_for_one() {
    let policy = policy(&[Method::Certificate, Method::Session], Anonymous::Deny);
    let of = |sent: &CredentialEvidence| decide(&policy, &gathered(&policy, CertificateEvidence::None, sent));
    let locked = account("alice", Status::Locked, &[]);
    for (sent, expected) in [
        (CredentialEvidence::Absent, Reason::CertificateRequired),
        (CredentialEvidence::Refused(Reason::CertificateRevoked), Reason::CertificateRevoked),
        (CredentialEvidence::Right(Method::Session, locked), Reason::AccountInactive),
    ] {
        assert_eq!(of(&sent), Verdict::Refuse(expected), "{sent:?}");
    }
    // Where Digest is listed beside it, that is asked for.
    let both = Policy { authenticate: vec![Method::Session, Method::Digest], ..policy.clone() };
    let nothing = gathered(&both, CertificateEvidence::None, &CredentialEvidence::Absent);
    assert_eq!(decide(&both, &nothing), challenge(Reason::CertificateRequired, false));
    // A route that does not list it takes none.
    let digest = Policy { authenticate: vec![Method::Digest], ..policy.clone() };
    let shown = gathered(&digest, CertificateEvidence::None, &CredentialEvidence::Right(Method::Session, alice()));
    assert!(!matches!(decide(&digest, &shown), Verdict::Permit(_)));
}

#[test]
fn a_route_takes_the_methods_that_it_lists_and_no_other() {
    let alice = alice();
    let by = |method| permit(Some((&alice, method)), ClientVerify::None);
    let (digest, basic) = (&[Method::Certificate, Method::Digest][..], &[Method::Basic][..]);
    let cases = [
        (digest, CredentialEvidence::Right(Method::Digest, Arc::clone(&alice)), by(Method::Digest)),
        (basic, CredentialEvidence::Right(Method::Basic, Arc::clone(&alice)), by(Method::Basic)),
        (
            digest,
            CredentialEvidence::Right(Method::Basic, Arc::clone(&alice)),
            challenge(Reason::CertificateRequired, false),
        ),
        (
            basic,
            CredentialEvidence::Right(Method::Digest, Arc::clone(&alice)),
            challenge(Reason::CertificateRequired, false),
        ),
        (basic, CredentialEvidence::Wrong(Method::Basic), challenge(Reason::BasicFailed, false)),
    ];
    for (methods, sent, expected) in cases {
        let policy = policy(methods, Anonymous::Deny);
        let evidence = gathered(&policy, CertificateEvidence::None, &sent);
        assert_eq!(decide(&policy, &evidence), expected, "{methods:?} {sent:?}");
    }
}
