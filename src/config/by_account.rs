//! Part of the checked model: routes whose upstream depends on the account.

/// Where requests of each account go: to what its `home` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByAccount {
    /// Upstreams that a home may name; together with `urls` at least one.
    pub among: Vec<String>,
    /// The upstream of those who have no home, and of nobody; `None` refuses them.
    pub otherwise: Option<String>,
    /// Homes that are URLs of servers.
    pub urls: Option<HomeUrls>,
}

/// Which URLs a home may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeUrls {
    /// A regular expression that the whole URL must match.
    pub pattern: String,
    /// The upstream that such a server is spoken to like.
    pub like: String,
}

impl ByAccount {
    /// All upstreams that it leads to, or whose settings it uses.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        let urls = self.urls.as_ref().map(|urls| &urls.like);
        self.among.iter().chain(&self.otherwise).chain(urls).map(String::as_str)
    }
}
