//! The upstreams of a configuration: those whose section and files stay as they are go on over reloads, with what is
//! known of their servers and with their connections.

use crate::certificate::pem;
use crate::config::{self, Config, UpstreamAuthorization};
use crate::proxy::headers::identity::BasicLogin;
use crate::upstream::digest::Credentials;
use crate::upstream::tls::{self, ClientTls};
use crate::upstream::{Names, Upstream};
use anyhow::Context;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a start or a reload waits for the addresses of names.
const PATIENCE: Duration = Duration::from_secs(3);

/// By their names.
pub(super) type Upstreams = HashMap<String, Arc<Upstream>>;

/// Makes the upstreams of a configuration, or takes those that stand from the one before.
///
/// # Errors
/// What failed, on what file or section, and why.
pub(super) fn build(config: &Config, before: Option<(&Config, &Upstreams)>) -> anyhow::Result<Upstreams> {
    let known = |name: &str, settings: &config::Upstream| {
        let (before, upstreams) = before.filter(|(before, _)| before.resolver == config.resolver)?;
        let same = before.upstreams.get(name) == Some(settings);
        upstreams.get(name).filter(|_| same)
    };
    let mut made = HashMap::new();
    for (name, settings) in &config.upstreams {
        let tls = client_tls(name, settings)?;
        let is_like = |known: &&Arc<Upstream>| match (&tls, known.tls()) {
            (Some(tls), Some(known)) => tls.is_like(known),
            (tls, known) => tls.is_none() && known.is_none(),
        };
        // What a secret holds is not to be seen in the section.
        let credentials = credentials(name, settings)?;
        let is_shown = |known: &&Arc<Upstream>| match (&credentials, &known.authorization) {
            (Some(credentials), Some(known)) => credentials.is_like(known),
            (credentials, known) => credentials.is_none() && known.is_none(),
        };
        let upstream = match known(name, settings).filter(is_like).filter(is_shown) {
            Some(known) => Arc::clone(known),
            None => Arc::new(Upstream::new(name, settings, tls.as_ref(), credentials)),
        };
        made.insert(name.clone(), upstream);
    }
    Ok(made)
}

/// What the gate shows servers that ask it for a password.
fn credentials(name: &str, settings: &config::Upstream) -> anyhow::Result<Option<Credentials>> {
    let Some(UpstreamAuthorization::Digest(digest)) = &settings.authorization else { return Ok(None) };
    let context = || format!("upstreams.{name}.authorization.digest");
    Credentials::new(digest).map(Some).with_context(context)
}

/// What clients are logged in with at upstreams that know HTTP Basic alone.
///
/// # Errors
/// When a password cannot be read.
pub(super) fn logins(config: &Config) -> anyhow::Result<HashMap<String, BasicLogin>> {
    let mut logins = HashMap::new();
    for (name, upstream) in &config.upstreams {
        let Some(UpstreamAuthorization::Basic(basic)) = &upstream.authorization else { continue };
        let password = basic.password.read();
        let password = password.with_context(|| format!("upstreams.{name}.authorization.basic.password"))?;
        logins.insert(name.clone(), BasicLogin::new(basic.user.clone(), password));
    }
    Ok(logins)
}

/// Who is asked for the addresses of servers' names, if there are any. Where the system's own settings cannot be read, names are resolved
/// for each connection as every program does it.
///
/// # Errors
/// When the name servers of the configuration cannot be asked.
pub(super) fn names(config: &Config) -> anyhow::Result<Option<Arc<Names>>> {
    let servers = config.upstreams.values().flat_map(|upstream| &upstream.servers).map(|server| &server.name);
    let mut named = servers.filter(|name| name.socket().is_none() && name.host.parse::<IpAddr>().is_err());
    if named.next().is_none() {
        return Ok(None);
    }
    match (Names::new(config.resolver.as_ref()), &config.resolver) {
        (Ok(names), _) => Ok(Some(Arc::new(names))),
        (Err(error), Some(_)) => Err(error).context("resolver"),
        (Err(error), None) => {
            tracing::warn!(%error, "the addresses of upstreams' names are not followed");
            Ok(None)
        }
    }
}

/// Has the addresses of names that are new before the first request needs them, unless that takes too long.
pub(super) async fn resolve(upstreams: &Upstreams, names: Option<&Arc<Names>>) {
    let Some(names) = names else { return };
    let all = join_all(upstreams.values().map(|upstream| upstream.resolve(names)));
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        tracing::warn!(after = ?PATIENCE, "not all names of upstreams' servers are resolved yet");
    }
}

/// Begins to look after those that are not yet.
pub(super) fn start(upstreams: &Upstreams, control: &Handle, names: Option<&Arc<Names>>) {
    upstreams.values().for_each(|upstream| upstream.start(control, names));
}

/// What the files of an upstream's `tls` hold.
fn client_tls(name: &str, settings: &config::Upstream) -> anyhow::Result<Option<Arc<ClientTls>>> {
    let Some(settings) = &settings.tls else { return Ok(None) };
    let context = || format!("upstreams.{name}.tls");
    let credential = match &settings.client {
        Some(files) => {
            let chain = pem::certificates(&files.chain).with_context(context)?;
            Some((chain, pem::private_key(&files.key).with_context(context)?))
        }
        None => None,
    };
    let material = tls::Material { authorities: pem::certificates(&settings.ca)?, credential };
    let tls = ClientTls::new(material, settings.name.clone()).with_context(context)?;
    Ok(Some(Arc::new(tls)))
}
