//! The people of the demo: one for each case that a gate must tell apart.

use crate::account::{Account, Status};
use crate::base::reason::Reason;
use crate::ca::profile::AlternativeName;

/// The realm of HTTP Digest.
pub(super) const REALM: &str = "wicketgate demo";

/// Alice's password in it; nobody else has one.
pub(super) const ALICE_PASSWORD: &str = "alice-password";

/// The password of every PKCS#12 file.
pub(super) const PKCS12_PASSWORD: &str = "wicketgate";

/// Somebody with a certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    /// The user name, and the name of the files.
    pub(super) name: &'static str,
    /// What people call them.
    pub(super) display_name: &'static str,
    /// What is special about them.
    pub(super) case: Case,
}

/// What is special about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Nothing.
    Good,
    /// The account is locked.
    AccountLocked,
    /// The certificate is revoked.
    CertificateRevoked,
    /// There is no account.
    NoAccount,
    /// The certificate has expired.
    CertificateExpired,
    /// The certificate has alice's names and comes from another authority.
    OtherAuthority,
}

pub(super) const ALICE: Person = Person { name: "alice", display_name: "Alice Archer", case: Case::Good };

/// Everybody.
pub(super) const PEOPLE: [Person; 6] = [
    ALICE,
    Person { name: "bob", display_name: "Bob Baker", case: Case::AccountLocked },
    Person { name: "carol", display_name: "Carol Carter", case: Case::CertificateRevoked },
    Person { name: "dave", display_name: "Dave Dyer", case: Case::NoAccount },
    Person { name: "erin", display_name: "Erin Eaton", case: Case::CertificateExpired },
    Person { name: "mallory", display_name: "Mallory", case: Case::OtherAuthority },
];

impl Person {
    /// Whom the certificate is about, by its common name. Of whom there is no account, no more is known than the address.
    pub(super) fn shown_name(self) -> String {
        match self.case {
            Case::NoAccount => self.email(),
            Case::OtherAuthority => ALICE.display_name.to_owned(),
            _ => self.display_name.to_owned(),
        }
    }

    /// The alternative names of the certificate.
    pub(super) fn names(self) -> Vec<AlternativeName> {
        let shown = if self.case == Case::OtherAuthority { ALICE } else { self };
        vec![AlternativeName::Email(shown.email())]
    }

    fn email(self) -> String {
        format!("{}@example.org", self.name)
    }

    /// The account that there is to be.
    pub(super) fn account(self) -> Option<Account> {
        let status = match self.case {
            Case::NoAccount | Case::OtherAuthority => return None,
            Case::AccountLocked => Status::Locked,
            Case::Good | Case::CertificateRevoked | Case::CertificateExpired => Status::Active,
        };
        Some(Account {
            username: self.name.into(),
            email: Some(self.email()),
            display_name: Some(self.display_name.into()),
            status,
            home: None,
            aliases: Vec::new(),
            groups: vec!["staff".into()],
        })
    }

    /// Why the certificate is refused; `None` if it is not.
    pub(super) fn refusal(self) -> Option<Reason> {
        match self.case {
            Case::Good => None,
            Case::AccountLocked => Some(Reason::AccountInactive),
            Case::CertificateRevoked => Some(Reason::CertificateRevoked),
            Case::NoAccount => Some(Reason::AccountUnknown),
            Case::CertificateExpired => Some(Reason::CertificateExpired),
            Case::OtherAuthority => Some(Reason::CertificateUntrusted),
        }
    }

    /// What is special about them, for people.
    pub(super) fn story(self) -> &'static str {
        match self.case {
            Case::Good => "has an account",
            Case::AccountLocked => "has an account that is locked",
            Case::CertificateRevoked => "lost the key, so the certificate was revoked",
            Case::NoAccount => "has a good certificate and no account",
            Case::CertificateExpired => "let the certificate expire",
            Case::OtherAuthority => "has alice's names in a certificate from another authority",
        }
    }
}
