//! Part of the checked model: who may pass a route, and who may not. What the conditions mean is for
//! `auth::authorization` to say.

use super::{IssuerPin, Method};
use crate::base::address::AddressRange;

/// Conditions on a client: what a route's `allow` asks for, or what its `deny` turns away. An empty list says
/// nothing; not all of them are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Groups of the account.
    pub groups: Vec<String>,
    /// User names of accounts.
    pub accounts: Vec<String>,
    /// Authorities on the path of the client's certificate.
    pub issuers: Vec<IssuerPin>,
    /// How the client shows who it is.
    pub methods: Vec<Method>,
    /// Where it comes from.
    pub addresses: Vec<AddressRange>,
}

impl Access {
    /// Whether they speak of anything that only somebody in particular has: a group, a name, a certificate, a
    /// password. What is left is the address, which everybody has.
    #[must_use]
    pub fn is_of_somebody(&self) -> bool {
        let Self { groups, accounts, issuers, methods, addresses: _ } = self;
        !(groups.is_empty() && accounts.is_empty() && issuers.is_empty() && methods.is_empty())
    }
}
