//! Whom the authority enrols on the word of a gate, and by which profile. The gate has found out who asks; here that
//! counts for nothing but a name. Pure: what is on record is asked before, by whoever calls.

use super::message::{Act, Enrolment, Refusal, Shown};
use crate::account::{Account, IssuedCertificate, Status};
use crate::base::clock::Timestamp;
use crate::certificate::facts::{AlternativeNames, CertificateFacts, DistinguishedName};
use crate::certificate::name;
use crate::config::Est;
use std::collections::BTreeSet;

/// What the configuration says of enrolment.
#[derive(Debug, Clone)]
pub struct Admission {
    est: Est,
    /// The names of peers: servers of other domains, which are nobody of ours.
    peers: BTreeSet<String>,
}

/// The certificate that a client has presented, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// What was recorded when it was issued.
    pub certificate: IssuedCertificate,
    /// Whether it was revoked since, or put on hold.
    pub revoked: bool,
}

impl Admission {
    /// Enrolment as it is configured. A peer is nobody's account, and nobody's account is a peer.
    #[must_use]
    pub fn new(est: Est, peers: impl IntoIterator<Item = String>) -> Self {
        Self { est, peers: peers.into_iter().collect() }
    }

    /// The settings.
    #[must_use]
    pub fn est(&self) -> &Est {
        &self.est
    }

    /// The name of the profile of a label.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] when there is no such label.
    pub fn profile(&self, label: Option<&str>) -> Result<&str, Refusal> {
        let Some(label) = label else { return Ok(&self.est.profile) };
        let found = self.est.labels.get(label).map(String::as_str);
        found.ok_or_else(|| Refusal::Unknown { why: format!("there is no label {label:?}") })
    }

    /// The name of the profile by which an account is enrolled.
    ///
    /// # Errors
    /// When the account is not there, not active or none of those that are enrolled; when there is no such label; when
    /// keys are made for nobody.
    pub fn judge(&self, enrolment: &Enrolment, account: Option<&Account>) -> Result<&str, Refusal> {
        let profile = self.profile(enrolment.label.as_deref())?;
        if self.peers.contains(&enrolment.account) {
            return Err(Refusal::denied(format!("{:?} is a peer, and no account of ours", enrolment.account)));
        }
        let known = account.filter(|account| account.username == enrolment.account);
        let account = known.ok_or_else(|| Refusal::denied(format!("there is no account {:?}", enrolment.account)))?;
        let Account { username, status, groups, .. } = account;
        if *status != Status::Active {
            return Err(Refusal::denied(format!("the account {username:?} is {}", status.as_str())));
        }
        let is_in = |list: &[String]| list.iter().any(|group| groups.contains(group));
        if (!self.est.groups.is_empty() && !is_in(&self.est.groups)) || is_in(&self.est.except) {
            return Err(Refusal::denied(format!("the account {username:?} is not enrolled in this way")));
        }
        if enrolment.act == Act::Generate && !self.est.server_keys {
            return Err(Refusal::denied("no keys are made here: make one, and use simpleenroll"));
        }
        if enrolment.act != Act::Generate && enrolment.request.is_none() {
            return Err(Refusal::unacceptable("there is no request"));
        }
        if (enrolment.shown == Shown::Certificate) != enrolment.certificate.is_some() {
            return Err(Refusal::unacceptable("a certificate was shown and is not here, or was not and is"));
        }
        if enrolment.act == Act::Renew && enrolment.shown != Shown::Certificate {
            return Err(Refusal::denied("a certificate is renewed by whoever presents it"));
        }
        Ok(profile)
    }
}

/// Whether the certificate that a client presented may be renewed for this account.
///
/// # Errors
/// When it is not on record here, somebody else's, revoked or over.
pub fn renewable(presented: Option<&Presented>, account: &str, at: Timestamp) -> Result<(), Refusal> {
    let Some(Presented { certificate, revoked }) = presented else {
        return Err(Refusal::denied(
            "the certificate that was presented is none of this authority's: use simpleenroll",
        ));
    };
    if certificate.username.as_deref() != Some(account) {
        return Err(Refusal::denied("the certificate that was presented was issued to somebody else"));
    }
    if *revoked {
        return Err(Refusal::denied("the certificate that was presented is revoked"));
    }
    if at > certificate.not_after {
        return Err(Refusal::denied("the certificate that was presented has expired"));
    }
    Ok(())
}

/// Whether a request for renewal names what the certificate names that it renews (RFC 7030, section 4.2.2). The order of
/// alternative names does not count, nor does the spelling of a name that RFC 5280 takes for the same.
///
/// # Errors
/// When it does not; the words say which of the two differs.
pub fn same_names(
    subject: &DistinguishedName,
    names: &AlternativeNames,
    presented: &CertificateFacts,
) -> Result<(), Refusal> {
    if name::canonical(&subject.der) != name::canonical(&presented.subject.der) {
        let subject = &presented.subject.text;
        let why = format!("the request must have the subject of the certificate that it renews: {subject}");
        return Err(Refusal::unacceptable(why));
    }
    if sorted(names) != sorted(&presented.names) {
        let why =
            "the request must have the alternative names of the certificate that it renews, all of them and no others";
        return Err(Refusal::unacceptable(why));
    }
    Ok(())
}

/// The names with each kind in order.
fn sorted(names: &AlternativeNames) -> AlternativeNames {
    let mut names = names.clone();
    for list in [&mut names.emails, &mut names.dns, &mut names.uris, &mut names.upns] {
        list.sort_unstable();
    }
    names.addresses.sort_unstable();
    names.directory.sort_unstable_by(|one, other| one.der.cmp(&other.der));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::CertificateKey;
    use crate::ca::server::message::{KeyForm, Octets};
    use crate::certificate::facts;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

    fn est() -> Est {
        Est {
            profile: "client".into(),
            labels: BTreeMap::from([("laptops".into(), "client-short".into())]),
            groups: Vec::new(),
            except: vec!["admins".into()],
            server_keys: false,
            hourly: 100,
            hourly_by_account: 10,
        }
    }

    fn account(groups: &[&str]) -> Account {
        Account {
            username: "alice".into(),
            email: Some("alice@example.org".into()),
            display_name: None,
            status: Status::Active,
            home: None,
            aliases: Vec::new(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    fn enrolment() -> Enrolment {
        Enrolment {
            act: Act::Enrol,
            label: None,
            account: "alice".into(),
            shown: Shown::Digest,
            certificate: None,
            request: Some(Octets(vec![0x30, 0])),
            form: KeyForm::Pkcs8,
            client: Ipv4Addr::LOCALHOST.into(),
            request_id: "0123".into(),
        }
    }

    fn why<T: std::fmt::Debug>(judged: Result<T, Refusal>) -> String {
        judged.unwrap_err().to_string()
    }

    #[test]
    fn the_label_chooses_the_profile_and_nothing_else_does() {
        let admission = Admission::new(est(), []);
        let labelled = |label: Option<&str>| Enrolment { label: label.map(str::to_owned), ..enrolment() };
        let alice = account(&[]);
        assert_eq!(admission.judge(&labelled(None), Some(&alice)), Ok("client"));
        assert_eq!(admission.judge(&labelled(Some("laptops")), Some(&alice)), Ok("client-short"));
        for label in ["client", "client-short", "server", ""] {
            assert!(why(admission.judge(&labelled(Some(label)), Some(&alice))).contains("no label"), "{label}");
        }
    }

    #[test]
    fn only_an_account_that_may_pass_and_is_among_those_that_are_enrolled_gets_a_certificate() {
        let of_staff = Est { groups: vec!["staff".into(), "guests".into()], ..est() };
        let locked = Account { status: Status::Locked, ..account(&["staff"]) };
        let closed = Account { status: Status::Closed, ..account(&["staff"]) };
        let other = Account { username: "Alice".into(), ..account(&["staff"]) };
        for (est, account, expected) in [
            (est(), Some(account(&[])), None),
            (est(), Some(account(&["staff"])), None),
            (est(), Some(account(&["admins"])), Some("not enrolled in this way")),
            (est(), Some(account(&["staff", "admins"])), Some("not enrolled in this way")),
            (of_staff.clone(), Some(account(&["guests"])), None),
            (of_staff.clone(), Some(account(&[])), Some("not enrolled in this way")),
            (of_staff.clone(), Some(account(&["Staff"])), Some("not enrolled in this way")),
            (of_staff.clone(), Some(account(&["staff", "admins"])), Some("not enrolled in this way")),
            (of_staff.clone(), Some(locked), Some("is locked")),
            (of_staff.clone(), Some(closed), Some("is closed")),
            (of_staff.clone(), Some(other), Some("there is no account \"alice\"")),
            (of_staff, None, Some("there is no account \"alice\"")),
        ] {
            let judged = Admission::new(est, []).judge(&enrolment(), account.as_ref()).map(str::to_owned);
            match expected {
                None => assert_eq!(judged, Ok("client".to_owned()), "{account:?}"),
                Some(expected) => assert!(why(judged).contains(expected), "{account:?}"),
            }
        }
    }

    #[test]
    fn a_peer_gets_no_certificate_of_an_account_of_its_name() {
        let admission = Admission::new(est(), ["alice".to_owned()]);
        assert!(why(admission.judge(&enrolment(), Some(&account(&[])))).contains("is a peer"));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let certificate = || Some(Octets(vec![0x30, 0]));
        let generate = |server_keys| {
            let enrolment = Enrolment { act: Act::Generate, request: None, ..enrolment() };
            Admission::new(Est { server_keys, ..est() }, []).judge(&enrolment, Some(&account(&[]))).map(str::to_owned)
        };
        assert!(why(generate(false)).contains("no keys are made here"));
        assert_eq!(generate(true), Ok("client".to_owned()));
        let renewal =
            Enrolment { act: Act::Renew, shown: Shown::Certificate, certificate: certificate(), ..enrolment() };
        for (enrolment, expected) in [
            (renewal.clone(), None),
            (Enrolment { request: None, ..enrolment() }, Some("no request")),
            (Enrolment { shown: Shown::Certificate, ..enrolment() }, Some("a certificate was shown and is not here")),
            (Enrolment { certificate: certificate(), ..enrolment() }, Some("or was not and is")),
            (Enrolment { act: Act::Renew, ..enrolment() }, Some("renewed by whoever presents it")),
            (Enrolment { certificate: None, ..renewal }, Some("a certificate was shown and is not here")),
        ] {
            let judged = Admission::new(est(), []).judge(&enrolment, Some(&account(&[]))).map(str::to_owned);
            match expected {
                None => assert_eq!(judged, Ok("client".to_owned()), "{enrolment:?}"),
                Some(expected) => assert!(why(judged).contains(expected), "{enrolment:?}"),
            }
        }
    }

    #[test]
    fn a_certificate_is_renewed_for_its_own_account_while_it_counts() {
        let of = |username: Option<&str>, not_after: Timestamp, revoked: bool| Presented {
            certificate: IssuedCertificate {
                key: CertificateKey { issuer: [0; 32], serial: vec![1] },
                issuer_name: "CN=Authority".into(),
                username: username.map(str::to_owned),
                subject: "CN=alice".into(),
                not_before: Timestamp::from_unix(0),
                not_after,
                fingerprint: [0; 32],
                profile: "client".into(),
            },
            revoked,
        };
        let earlier = Timestamp::from_unix(NOW.as_unix() - 1);
        renewable(Some(&of(Some("alice"), NOW, false)), "alice", NOW).unwrap();
        for (presented, expected) in [
            (None, "none of this authority's"),
            (Some(of(Some("ben"), NOW, false)), "issued to somebody else"),
            (Some(of(None, NOW, false)), "issued to somebody else"),
            (Some(of(Some("alice"), NOW, true)), "is revoked"),
            (Some(of(Some("alice"), earlier, false)), "has expired"),
        ] {
            assert!(why(renewable(presented.as_ref(), "alice", NOW)).contains(expected), "{expected}");
        }
    }

    #[test]
    fn a_renewal_asks_for_the_names_that_were_there_in_any_order() {
        let parse = |subject: &str, names: &str| {
            let folder = tempfile::tempdir().unwrap();
            let request = format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -subj {subject} \
                 -addext subjectAltName={names} -outform der -out c.der"
            );
            crate::certificate::testing::openssl(folder.path(), &request);
            facts::parse(&std::fs::read(folder.path().join("c.der")).unwrap()).unwrap()
        };
        let presented = parse("/O=Example/CN=alice", "email:alice@example.org,DNS:a.example.org");
        for (subject, names, expected) in [
            ("/O=Example/CN=alice", "email:alice@example.org,DNS:a.example.org", None),
            ("/O=EXAMPLE/CN=Alice", "DNS:a.example.org,email:alice@example.org", None),
            ("/CN=alice", "email:alice@example.org,DNS:a.example.org", Some("the subject")),
            ("/O=Example/CN=alicia", "email:alice@example.org,DNS:a.example.org", Some("the subject")),
            ("/O=Example/CN=alice", "email:alice@example.org", Some("alternative names")),
            ("/O=Example/CN=alice", "email:alice@example.org,DNS:b.example.org", Some("alternative names")),
            (
                "/O=Example/CN=alice",
                "email:alice@example.org,DNS:a.example.org,IP:127.0.0.1",
                Some("alternative names"),
            ),
        ] {
            let requested = parse(subject, names);
            let judged = same_names(&requested.subject, &requested.names, &presented);
            match expected {
                None => assert_eq!(judged, Ok(()), "{subject} {names}"),
                Some(expected) => assert!(why(judged).contains(expected), "{subject} {names}"),
            }
        }
    }
}
