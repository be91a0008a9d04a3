//! Routes whose upstream depends on the account, as mailboxes live on one of several servers: the account's home names an
//! upstream, or is the URL of a server. Only what the configuration lists or describes can be named; all else is refused, and
//! never asked for.

use super::gate::RoutedUpstream;
use crate::account::Account;
use crate::config::server_of_url;
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many servers that only accounts name are remembered. When there are more, all are forgotten.
const MOST_SERVERS: usize = 1024;

/// Where the requests of each account go.
pub struct ByAccount {
    among: HashMap<String, Arc<RoutedUpstream>>,
    otherwise: Option<Arc<RoutedUpstream>>,
    urls: Option<Urls>,
}

struct Urls {
    /// Matches whole URLs.
    pattern: Regex,
    like: Arc<RoutedUpstream>,
    made: Mutex<HashMap<String, Arc<RoutedUpstream>>>,
}

/// There is nowhere to send a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHome {
    /// Nobody in particular asks, and `otherwise` is not there.
    #[error("nobody is known, so there is no home to send the request to")]
    Nobody,
    /// The account has none, and `otherwise` is not there.
    #[error("the account {0:?} has no home")]
    None(String),
    /// The account names what the route does not lead to.
    #[error("the home of the account {0:?} is {1:?}, which is none of the upstreams and URLs of this route")]
    Elsewhere(String, String),
}

impl ByAccount {
    /// For upstreams by their names, and `otherwise` for those who have no home.
    #[must_use]
    pub fn new(among: HashMap<String, Arc<RoutedUpstream>>, otherwise: Option<Arc<RoutedUpstream>>) -> Self {
        Self { among, otherwise, urls: None }
    }

    /// And for servers whose URLs match this pattern as a whole, which are spoken to like this upstream.
    ///
    /// # Errors
    /// When the pattern is none.
    pub fn with_urls(mut self, pattern: &str, like: Arc<RoutedUpstream>) -> Result<Self, regex::Error> {
        let pattern = Regex::new(&format!(r"\A(?:{pattern})\z"))?;
        self.urls = Some(Urls { pattern, like, made: Mutex::default() });
        Ok(self)
    }

    /// Where requests of an account go, or of nobody.
    ///
    /// # Errors
    /// When that is nowhere.
    pub fn of(&self, account: Option<&Account>) -> Result<Arc<RoutedUpstream>, NoHome> {
        let otherwise = |none: NoHome| self.otherwise.as_ref().map(Arc::clone).ok_or(none);
        let Some(account) = account else { return otherwise(NoHome::Nobody) };
        let Some(home) = &account.home else { return otherwise(NoHome::None(account.username.clone())) };
        let known = self.among.get(home).map(Arc::clone);
        known
            .or_else(|| self.urls.as_ref().and_then(|urls| urls.at(home)))
            .ok_or_else(|| NoHome::Elsewhere(account.username.clone(), home.clone()))
    }
}

impl Urls {
    fn at(&self, url: &str) -> Option<Arc<RoutedUpstream>> {
        if !self.pattern.is_match(url) {
            return None;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(url) {
            return Some(Arc::clone(known));
        }
        let (server, tls) = server_of_url(url)?;
        let upstream = Arc::new(self.like.at(server, tls)?);
        if made.len() == MOST_SERVERS {
            made.clear();
        }
        made.insert(url.to_owned(), Arc::clone(&upstream));
        Some(upstream)
    }
}
