//! What administrators see is put together here from the parts of the process: what is asked for numbers, who may come,
//! which certificates run out some day, and what a reload has changed.

use super::build::{BuiltListener, server_certificate};
use super::inherit::{ADMIN, Inherited, Passed, Wanted, wanted};
use super::trust::{TrustSets, issuer_keys};
use super::{Held, Open, Parts};
use crate::admin::server::Socket;
use crate::admin::{Dated, Guard, Readiness, Server};
use crate::auth::authorization::Authorization;
use crate::base::hex;
use crate::certificate::{facts, pem};
use crate::config::{self, Config};
use crate::listen::adopt;
use crate::listen::tls::ServerCertificate;
use anyhow::Context;
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What can be asked whether requests can be served.
pub(super) fn readiness(parts: &Parts) -> Readiness {
    Readiness {
        accounts: Arc::clone(&parts.accounts),
        trust: parts.trust.values().map(|kept| Arc::clone(&kept.set)).collect(),
        draining: parts.draining.clone(),
    }
}

/// Who may come to the address for administrators, if not everybody on this machine.
pub(super) fn guard(config: &Config, trust: &TrustSets) -> anyhow::Result<Option<Arc<Guard>>> {
    let Some(settings) = config.admin.as_ref().and_then(|admin| admin.guard.as_ref()) else { return Ok(None) };
    let config::AdminGuard { certificate, trust: name, allow } = settings;
    let made = || -> anyhow::Result<Guard> {
        let certificate = server_certificate(certificate)?;
        let kept = trust.get(name).with_context(|| format!("there is no trust set {name}"))?;
        let authorization = Authorization::new(Some(allow), None, issuer_keys)?;
        Ok(Guard::new(certificate, Arc::clone(&kept.set), authorization)?)
    };
    made().context("admin").map(|guard| Some(Arc::new(guard)))
}

/// The certificates in use that run out some day, each once for each use.
pub(super) fn dated(config: &Config, listeners: &HashMap<SocketAddr, Open>, trust: &TrustSets) -> Vec<Dated> {
    let mut all = Vec::new();
    let mut add = |role, name: &str, der: &CertificateDer<'_>| {
        // What cannot be read is in nobody's way: it was looked at when it was taken up.
        let Ok(facts) = facts::parse(der) else { return };
        let fingerprint = hex::encode(facts.fingerprint.get(..8).unwrap_or_default());
        let (subject, not_after) = (facts.subject.text, facts.not_after);
        all.push(Dated { role, name: name.to_owned(), subject, fingerprint, not_after });
    };
    for open in listeners.values() {
        let settings = open.listener.settings();
        for certificate in settings.tls.certificates() {
            certificate.certified.load().cert.iter().for_each(|der| add("listener", &settings.name, der));
        }
    }
    for (name, kept) in trust {
        let material = kept.set.material();
        material.authorities.iter().for_each(|der| add("authority", name, der));
        material.intermediates.iter().for_each(|der| add("intermediate", name, der));
    }
    let ours =
        config.upstreams.iter().filter_map(|(name, upstream)| Some((name, upstream.tls.as_ref()?.client.as_ref()?)));
    for (name, files) in ours {
        pem::certificates(&files.chain).unwrap_or_default().iter().for_each(|der| add("upstream", name, der));
    }
    if let Some(guard) = config.admin.as_ref().and_then(|admin| admin.guard.as_ref()) {
        let chain = pem::certificates(&guard.certificate.chain).unwrap_or_default();
        chain.iter().for_each(|der| add("admin", "admin", der));
    }
    all.sort();
    all.dedup();
    all
}

/// What a reload is about to change, in a sentence each; said to whoever has asked for it.
pub(super) fn changes(
    (old, new): (&Config, &Config),
    (before, after): (&Parts, &Parts),
    open: &HashMap<SocketAddr, Open>,
    built: &[BuiltListener],
) -> Vec<String> {
    let mut changes = Vec::new();
    for BuiltListener { address, settings } in built {
        let Some(known) = open.get(address) else {
            changes.push(format!("listener {} listens on {address}", settings.name));
            continue;
        };
        let chains = |certificates: &[ServerCertificate]| -> Vec<Vec<CertificateDer<'static>>> {
            certificates.iter().map(|certificate| certificate.certified.load().cert.clone()).collect()
        };
        if chains(known.listener.settings().tls.certificates()) != chains(settings.tls.certificates()) {
            changes.push(format!("listener {} shows other certificates", settings.name));
        }
    }
    for (address, known) in open.iter().filter(|(address, _)| built.iter().all(|built| built.address != **address)) {
        changes.push(format!("listener {} no longer listens on {address}", known.listener.settings().name));
    }
    for (name, kept) in &after.trust {
        if !before.trust.get(name).is_some_and(|before| Arc::ptr_eq(before, kept)) {
            changes.push(format!("trust set {name} was made anew"));
        }
    }
    let gone = before.trust.keys().filter(|name| !after.trust.contains_key(*name));
    changes.extend(gone.map(|name| format!("trust set {name} is gone")));
    if !Arc::ptr_eq(&before.accounts, &after.accounts) {
        changes.push("accounts come from another store, or on other terms".to_owned());
    }
    let sections = [
        ("listeners", old.listeners != new.listeners),
        ("identity", old.identity != new.identity),
        ("peers", old.peers != new.peers),
        ("digest", old.digest != new.digest),
        ("basic", old.basic != new.basic),
        ("assertion", old.assertion != new.assertion),
        ("handover", old.handover != new.handover),
        ("throttle", old.throttle != new.throttle),
        ("routes", old.routes != new.routes),
        ("upstreams", old.upstreams != new.upstreams),
        ("timeouts", old.timeouts != new.timeouts),
        ("limits", old.limits != new.limits),
        ("admin", old.admin != new.admin),
        ("takeover", old.takeover != new.takeover),
        ("log", old.log != new.log),
        ("tracing", old.tracing != new.tracing),
    ];
    let changed = sections.iter().filter(|(_, changed)| *changed);
    changes.extend(changed.map(|(section, _)| format!("section {section} is another one")));
    changes
}

/// Which addresses people may be told of: the listeners', in the order of their names.
pub(super) fn addresses(listeners: &HashMap<SocketAddr, Open>) -> Vec<(String, SocketAddr)> {
    let mut addresses: Vec<_> =
        listeners.values().map(|open| (open.listener.settings().name.to_string(), open.bound)).collect();
    addresses.sort();
    addresses
}

/// The socket of the address for administrators as a new configuration wants it: none if the address stays, so that one
/// that cannot be had refuses the configuration. What was passed to this process is used first.
pub(super) async fn socket(
    config: &Config,
    server: Option<&Server>,
    inherited: &mut Inherited,
) -> anyhow::Result<Option<Entrance>> {
    let Some(settings) = &config.admin else { return Ok(None) };
    let address = settings.address;
    if server.is_some_and(|server| server.address() == address) {
        return Ok(None);
    }
    let context = || format!("cannot listen on {address} (admin)");
    let passed = inherited.take(Wanted { name: ADMIN, address }, &wanted(config)).into_iter().next();
    let managers = passed.as_ref().is_some_and(|passed| passed.label.giver.is_managers());
    let socket = match passed {
        Some(Passed { socket, .. }) => adopt(&socket).and_then(|()| Socket::of(address, socket)),
        None => Socket::bind(address).await,
    };
    let socket = socket.with_context(context)?;
    let held = Held { socket: socket.try_clone().with_context(context)?, managers };
    Ok(Some(Entrance { socket, held }))
}

/// A socket that administrators will come to, and another descriptor of it.
pub(super) struct Entrance {
    pub(super) socket: Socket,
    pub(super) held: Held,
}
