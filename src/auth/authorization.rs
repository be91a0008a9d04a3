//! Who may pass a route that knows who asks: its `allow` and `deny`. Pure. Who somebody is was shown before;
//! what becomes of whoever may not pass is for `decision` to say.
//!
//! **`deny` wins.** Whoever meets any single condition under `deny` does not pass, whatever `allow` says; so in
//! nginx a `deny` that matches, and in Apache httpd a `Require not`.
//!
//! **`allow` asks who, how and whence.** Within one list any item will do. `groups` and `accounts` both say who,
//! and either will do, as `Require group` and `Require user` beside each other in Apache httpd. `issuers`, `methods`
//! and `addresses` say how and whence: each of them that is written must hold as well, as with nginx's `satisfy all`.
//!
//! **Addresses come first.** They are judged before anything else is asked, so that from an address that may not
//! pass nobody can try a password, nor make the gate ask a responder; and they hold for those who are nobody in
//! particular, too. Everything else is true only of somebody: where it is asked for, nobody passes without a name.

use crate::account::Account;
use crate::base::address::AddressRange;
use crate::base::reason::Reason;
use crate::certificate::path::ValidPath;
use crate::config::{Access, IssuerPin, Method};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// A route's `allow` and `deny`, ready to be asked. The default lets everybody pass who is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authorization {
    allow: Conditions,
    deny: Conditions,
}

/// Conditions of which an empty list says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Conditions {
    groups: Vec<String>,
    accounts: Vec<String>,
    /// SHA-256 of the SubjectPublicKeyInfo of authorities; `None` says nothing.
    issuers: Option<Vec<[u8; 32]>>,
    methods: Vec<Method>,
    addresses: Vec<AddressRange>,
}

/// By which way a request comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: IpAddr,
    /// SHA-256 of the SubjectPublicKeyInfo of every authority on the path of the certificate that the client
    /// presented, where a valid one was found.
    pub authorities: Option<Arc<[[u8; 32]]>>,
}

impl Origin {
    /// From this address, by a certificate with this path if there is one.
    #[must_use]
    pub fn new(address: IpAddr, path: Option<&ValidPath>) -> Self {
        Self { address, authorities: path.map(|path| Arc::clone(&path.authorities)) }
    }
}

/// Somebody who has shown who they are.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The account.
    pub account: &'a Account,
    /// How that was shown.
    pub method: Method,
    /// Whence.
    pub origin: &'a Origin,
}

/// The condition by which somebody does not pass: for the audit log and `explain`, not for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The account is one of `deny.accounts`.
    #[error("deny.accounts names {0}")]
    Account(String),
    /// It is in one of `deny.groups`.
    #[error("{account} is in the group {group}, which deny.groups names")]
    Group {
        /// The account's user name.
        account: String,
        /// The group.
        group: String,
    },
    /// An authority on the path is one of `deny.issuers`.
    #[error("deny.issuers names an authority on the path of the certificate")]
    Issuer,
    /// The method is one of `deny.methods`.
    #[error("deny.methods names {}", .0.as_str())]
    Method(Method),
    /// The address is in one of `deny.addresses`.
    #[error("{0} is one of deny.addresses")]
    Address(IpAddr),
    /// Neither `allow.groups` nor `allow.accounts` has the account.
    #[error("{0} is none of those whom allow.groups and allow.accounts name")]
    NotNamed(String),
    /// No authority on the path is one of `allow.issuers`.
    #[error("none of allow.issuers is on the path of the certificate")]
    OtherIssuer,
    /// There is no certificate that one of `allow.issuers` could have issued.
    #[error("allow.issuers asks for a certificate, and there is none")]
    NoCertificate,
    /// The method is none of `allow.methods`.
    #[error("{} is none of allow.methods", .0.as_str())]
    OtherMethod(Method),
    /// The address is in none of `allow.addresses`.
    #[error("{0} is none of allow.addresses")]
    OtherAddress(IpAddr),
}

impl Denied {
    /// What it means for the request.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Issuer | Self::OtherIssuer => Reason::IssuerNotAllowed,
            _ => Reason::NotAuthorized,
        }
    }
}

impl Authorization {
    /// Of a route's `allow` and `deny`. `resolve` gives the SHA-256 of the SubjectPublicKeyInfo of every
    /// certificate in a file of `issuers`.
    ///
    /// # Errors
    /// The first of `resolve`.
    pub fn new<E>(
        allow: Option<&Access>,
        deny: Option<&Access>,
        mut resolve: impl FnMut(&Path) -> Result<Vec<[u8; 32]>, E>,
    ) -> Result<Self, E> {
        let mut ready = |access: Option<&Access>| match access {
            Some(access) => Conditions::new(access, &mut resolve),
            None => Ok(Conditions::default()),
        };
        Ok(Self { allow: ready(allow)?, deny: ready(deny)? })
    }

    /// Whether anything is asked that is true only of somebody: then nobody passes without a name.
    #[must_use]
    pub fn is_of_somebody(&self) -> bool {
        self.allow.is_of_somebody() || self.deny.is_of_somebody()
    }

    /// Whether the client's address is asked for.
    #[must_use]
    pub fn is_of_addresses(&self) -> bool {
        !self.allow.addresses.is_empty() || !self.deny.addresses.is_empty()
    }

    /// Whether a client may pass from this address, whoever it is.
    ///
    /// # Errors
    /// The condition by which it may not.
    pub fn judge_address(&self, address: IpAddr) -> Result<(), Denied> {
        let holds = |range: &AddressRange| range.contains(address);
        if self.deny.addresses.iter().any(holds) {
            return Err(Denied::Address(address));
        }
        match self.allow.addresses.is_empty() || self.allow.addresses.iter().any(holds) {
            true => Ok(()),
            false => Err(Denied::OtherAddress(address)),
        }
    }

    /// Whether somebody may pass.
    ///
    /// # Errors
    /// The condition by which they may not: what is denied before what is not allowed.
    pub fn judge(&self, subject: Subject<'_>) -> Result<(), Denied> {
        let Subject { account, method, origin } = subject;
        let authorities = origin.authorities.as_deref();
        let one_of = |issuers: &Vec<[u8; 32]>| authorities.unwrap_or_default().iter().any(|it| issuers.contains(it));
        let deny = &self.deny;
        if deny.accounts.contains(&account.username) {
            return Err(Denied::Account(account.username.clone()));
        }
        if let Some(group) = deny.groups.iter().find(|group| account.groups.contains(group)) {
            return Err(Denied::Group { account: account.username.clone(), group: group.clone() });
        }
        if deny.issuers.as_ref().is_some_and(one_of) {
            return Err(Denied::Issuer);
        }
        if deny.methods.contains(&method) {
            return Err(Denied::Method(method));
        }
        self.judge_address(origin.address)?;
        let allow = &self.allow;
        let named =
            allow.accounts.contains(&account.username) || allow.groups.iter().any(|it| account.groups.contains(it));
        let all = allow.accounts.is_empty() && allow.groups.is_empty();
        if !(named || all) {
            return Err(Denied::NotNamed(account.username.clone()));
        }
        if !allow.methods.is_empty() && !allow.methods.contains(&method) {
            return Err(Denied::OtherMethod(method));
        }
        match (allow.issuers.as_ref().is_none_or(one_of), authorities) {
            (true, _) => Ok(()),
            (false, Some(_)) => Err(Denied::OtherIssuer),
            (false, None) => Err(Denied::NoCertificate),
        }
    }
}

impl Conditions {
    fn new<E>(access: &Access, resolve: &mut impl FnMut(&Path) -> Result<Vec<[u8; 32]>, E>) -> Result<Self, E> {
        let mut issuers = Vec::new();
        for pin in &access.issuers {
            match pin {
                IssuerPin::SpkiSha256(hash) => issuers.push(*hash),
                IssuerPin::File(path) => issuers.extend(resolve(path)?),
            }
        }
        Ok(Self {
            groups: access.groups.clone(),
            accounts: access.accounts.clone(),
            // Files that turn out to name no authority allow none, not any.
            issuers: (!access.issuers.is_empty()).then_some(issuers),
            methods: access.methods.clone(),
            addresses: access.addresses.clone(),
        })
    }

    fn is_of_somebody(&self) -> bool {
        let Self { groups, accounts, issuers, methods, addresses: _ } = self;
        !(groups.is_empty() && accounts.is_empty() && issuers.is_none() && methods.is_empty())
    }
}

#[cfg(test)]
mod tests;
