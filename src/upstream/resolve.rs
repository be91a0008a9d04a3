//! The addresses of servers' names, asked for again whenever the answer is too old (RFC 1035, section 3.2.1): by the name
//! servers of the configuration, or by those of the system, whose `hosts` file counts before them. Each address is a
//! server; what is known of one stays known as long as the name has it. A name that can no longer be resolved keeps the
//! addresses that it had.

use super::server::Server;
use super::{Member, Upstream, numbers};
use crate::config;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long an answer counts at least and at most, whatever it says itself.
const LEAST_AGE: Duration = Duration::from_secs(1);
const MOST_AGE: Duration = Duration::from_secs(300);
/// How long after a failure a name is asked for again, the first time and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How many addresses of one name are used.
const MOST_ADDRESSES: usize = 64;

/// Who is asked for addresses.
pub struct Names {
    resolver: TokioResolver,
}

/// Nobody can be asked.
#[derive(Debug, thiserror::Error)]
#[error("names cannot be resolved: {0}")]
pub struct SetupError(String);

impl Names {
    /// With the name servers of the configuration, or those of the system. Must be called on the runtime that it is used on.
    ///
    /// # Errors
    /// When the system's settings cannot be read.
    pub fn new(settings: Option<&config::Resolver>) -> Result<Self, SetupError> {
        let failed = |error: hickory_resolver::net::NetError| SetupError(error.to_string());
        let mut builder = match settings {
            Some(settings) => {
                let servers = settings.servers.iter().map(name_server).collect();
                let config = ResolverConfig::from_name_servers(servers);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => Resolver::builder_tokio().map_err(failed)?,
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_max_ttl = Some(MOST_AGE);
        options.negative_max_ttl = Some(LAST_RETRY);
        if let Some(settings) = settings {
            options.timeout = settings.timeout;
            options.use_hosts_file = ResolveHosts::Never;
        }
        Ok(Self { resolver: builder.build().map_err(failed)? })
    }

    /// The addresses of a name, each once and in order, and for how long they count.
    ///
    /// # Errors
    /// Why there is none, in words for the log.
    async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), String> {
        let answer = self.resolver.lookup_ip(host).await.map_err(|error| {
            if error.is_no_records_found() { "it has no address".to_owned() } else { error.to_string() }
        })?;
        let mut addresses: Vec<IpAddr> = answer.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MOST_ADDRESSES);
        if addresses.is_empty() {
            return Err("it has no address".to_owned());
        }
        let age = answer.valid_until().saturating_duration_since(Instant::now());
        Ok((addresses, age.clamp(LEAST_AGE, MOST_AGE)))
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

impl Upstream {
    /// Asks once for the addresses of names that have none yet, as long as it takes.
    pub async fn resolve(&self, names: &Names) {
        for (index, host) in self.names() {
            if self.members().get(index).is_some_and(|member| member.resolved) {
                continue;
            }
            self.take_up(index, &host, names.addresses(&host).await);
        }
    }

    /// The entries whose servers are known by a name, and that.
    pub(super) fn names(&self) -> Vec<(usize, String)> {
        let members = self.members();
        let named = members.iter().enumerate().filter(|(_, member)| !super::is_one_address(&member.settings));
        named.map(|(index, member)| (index, member.settings.name.host.clone())).collect()
    }

    /// Takes up an answer. Gives for how long it counts; `None` if it is none.
    fn take_up(&self, index: usize, host: &str, answer: Result<(Vec<IpAddr>, Duration), String>) -> Option<Duration> {
        let now = Instant::now();
        let mut members = self.members();
        let member = members.get_mut(index)?;
        match answer {
            Ok((addresses, age)) => {
                let known = std::mem::take(&mut member.fault);
                if known.is_some() || !member.is_at(&addresses) {
                    tracing::info!(upstream = %self.name, name = host, ?addresses, "the addresses of a name");
                    member.servers = self.at_addresses(member, &addresses, now);
                    self.renew(&members, now);
                    drop(members);
                    self.changed.notify_one();
                }
                Some(age)
            }
            Err(why) => {
                if member.fault.as_ref() != Some(&why) {
                    let kept = if member.resolved { "its last addresses are used" } else { "it is not used" };
                    tracing::warn!(upstream = %self.name, name = host, why, "a name cannot be resolved; {kept}");
                }
                member.fault = Some(why);
                if !member.resolved && !member.servers.is_empty() {
                    member.servers.clear();
                    self.renew(&members, now);
                }
                None
            }
        }
    }

    /// A server for each address; those that are there already stay.
    fn at_addresses(&self, member: &mut Member, addresses: &[IpAddr], now: Instant) -> Vec<Arc<Server>> {
        let appears = std::mem::replace(&mut member.resolved, true);
        let port = member.settings.name.port;
        let server = |address: &IpAddr| {
            let address = Some(SocketAddr::new(*address, port));
            if let Some(known) = member.servers.iter().find(|server| server.address() == address) {
                return Arc::clone(known);
            }
            let numbers = numbers(&self.name, &member.settings, address);
            let server = Server::new(&member.settings, address, self.tls.clone(), self.http, numbers);
            if appears {
                server.condition().appears(now);
            }
            Arc::new(server)
        };
        addresses.iter().map(server).collect()
    }
}

impl Member {
    /// Whether its servers are at just these addresses.
    fn is_at(&self, addresses: &[IpAddr]) -> bool {
        let known = self.servers.iter().map(|server| server.address().map(|address| address.ip()));
        self.resolved && known.eq(addresses.iter().map(|address| Some(*address)))
    }
}

/// Asks for the addresses of one name as long as the upstream is there.
pub(super) async fn follow(upstream: Weak<Upstream>, names: Arc<Names>, index: usize, host: String) {
    let mut retry = FIRST_RETRY;
    loop {
        let answer = names.addresses(&host).await;
        let Some(upstream) = upstream.upgrade() else { return };
        let wait = match upstream.take_up(index, &host, answer) {
            Some(age) => {
                retry = FIRST_RETRY;
                age
            }
            None => {
                let wait = retry;
                retry = (retry * 2).min(LAST_RETRY);
                wait
            }
        };
        drop(upstream);
        tokio::time::sleep(wait).await;
    }
}
