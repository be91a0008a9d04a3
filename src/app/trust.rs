//! The trust sets of a configuration: made of the files that it names, with the revocation lists that are there
//! from the start, and kept over reloads for as long as these stay what they are. What changes in the lists
//! afterwards is taken up by `lists`.

use super::lists::{self, ListFiles};
use crate::auth::trust::{Material, TrustSet};
use crate::certificate::{facts, pem};
use crate::config::{self, Config, IssuerPin};
use crate::fetch::crl::CrlFetcher;
use crate::fetch::ocsp::Responders;
use crate::revocation::live::Live;
use anyhow::{Context, anyhow};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// The trust sets in force, by name.
pub(super) type TrustSets = BTreeMap<String, Arc<Kept>>;

/// A trust set, and the files that its lists come from.
pub(super) struct Kept {
    pub(super) set: Arc<TrustSet>,
    pub(super) files: ListFiles,
}

/// What trust sets need of the process.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) live: &'a Arc<Live>,
    /// On which lists are fetched and responders asked.
    pub(super) control: &'a Handle,
}

/// Makes the trust sets of a configuration. Those of `before` whose settings and files are the same go on.
///
/// # Errors
/// When a file cannot be used, and nothing was changed.
pub(super) fn build(config: &Config, before: &TrustSets, around: Surroundings<'_>) -> anyhow::Result<TrustSets> {
    let mut sets = TrustSets::new();
    let mut new = Vec::new();
    for (name, settings) in &config.trust {
        let material = material(settings).with_context(|| format!("trust.{name}"))?;
        let kept = match before.get(name).filter(|kept| kept.set.is_of(settings, &material)) {
            Some(kept) => Arc::clone(kept),
            None => {
                let kept = make(name, settings, material, around).with_context(|| format!("trust.{name}"))?;
                new.push(Arc::clone(&kept));
                kept
            }
        };
        sets.insert(name.clone(), kept);
    }
    lists::load(&new, around.live)?;
    for kept in &new {
        fetch(kept, around).with_context(|| format!("trust.{}", kept.set.name()))?;
    }
    Ok(sets)
}

fn make(
    name: &str,
    settings: &config::Trust,
    material: Material,
    around: Surroundings<'_>,
) -> anyhow::Result<Arc<Kept>> {
    let responders = Responders::new(&settings.revocation.ocsp, around.control.clone())
        .map(|responders| responders.tolerating(settings.revocation.clock_tolerance));
    let set = Arc::new(TrustSet::new(name, settings, material, responders)?);
    let patterns = settings.revocation.crl.as_ref().map(|crl| crl.files.clone()).unwrap_or_default();
    Ok(Arc::new(Kept { set, files: ListFiles::new(patterns) }))
}

/// Starts to fetch the lists of a set, if any are to be.
fn fetch(kept: &Kept, around: Surroundings<'_>) -> anyhow::Result<()> {
    let crl = kept.set.settings().revocation.crl.as_ref();
    let Some(settings) = crl.map(|crl| &crl.fetch).filter(|fetch| fetch.is_used()) else { return Ok(()) };
    let (set, live) = (Arc::downgrade(&kept.set), Arc::clone(around.live));
    let most = settings.max_size;
    let take_up = move |url: &_, octets: &[u8]| match set.upgrade() {
        Some(set) => lists::take_up_fetched(&set, &live, url, octets, most),
        None => Err("its trust set is no longer in force".to_owned()),
    };
    let fetcher =
        CrlFetcher::new(kept.set.name(), settings.clone(), around.control.clone(), take_up).with_context(|| {
            format!("revocation.crl.cache: {}", settings.cache.as_deref().unwrap_or(Path::new("")).display())
        })?;
    kept.set.fetch_with(fetcher);
    Ok(())
}

/// Waits until it is known for each configured URL whether it leads to lists, for so long at most.
pub(super) async fn lists_have_come(sets: &TrustSets, limit: Duration) {
    let configured = |kept: &Kept| kept.set.settings().revocation.crl.as_ref().map(|crl| crl.fetch.urls.clone());
    let come = |kept: &Arc<Kept>| match (kept.set.fetcher(), configured(kept)) {
        (Some(fetcher), Some(urls)) => fetcher.have_been_tried(&urls),
        _ => true,
    };
    let deadline = Instant::now() + limit;
    while !sets.values().all(come) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// What the files of a set hold, its revocation lists aside.
fn material(settings: &config::Trust) -> anyhow::Result<Material> {
    let mut issuers = Vec::new();
    for pin in &settings.issuers {
        match pin {
            IssuerPin::SpkiSha256(key) => issuers.push(*key),
            IssuerPin::File(file) => issuers.extend(issuer_keys(file).context("issuers")?),
        }
    }
    let material = Material {
        authorities: certificates(&settings.authorities).context("authorities")?,
        intermediates: certificates(&settings.intermediates).context("intermediates")?,
        issuers,
    };
    if material.authorities.is_empty() {
        return Err(anyhow!("authorities: there is none"));
    }
    Ok(material)
}

fn certificates(files: &[PathBuf]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let mut all = Vec::new();
    for file in files {
        all.extend(pem::certificates(file)?);
    }
    Ok(all)
}

/// SHA-256 of the subject public keys of the certificates in a file.
pub(super) fn issuer_keys(file: &Path) -> anyhow::Result<Vec<[u8; 32]>> {
    let keys = pem::certificates(file)?.into_iter().map(|certificate| Ok(facts::parse(&certificate)?.spki_sha256));
    keys.collect::<anyhow::Result<_>>().with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::Authority;
    use base64::Engine;

    fn pem(der: &CertificateDer<'_>) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    fn config(folder: &Path, partners: &str) -> Config {
        let text = format!(
            "listeners: [{{name: a, address: '127.0.0.1:0', trust: staff, tls: {{certificates: [{{chain: c, key: k}}]}}}}]\n\
             trust: {{staff: {{authorities: [staff.pem]}}, partners: {{authorities: [partners.pem]{partners}}}}}\n\
             routes: [{{upstream: {{respond: {{}}}}}}, {{path: /p, trust: partners, upstream: {{respond: {{}}}}}}]"
        );
        config::parse(&text, "gate.yaml", folder).unwrap().config
    }

    #[tokio::test]
    async fn a_set_goes_on_over_reloads_for_as_long_as_it_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, authority: &Authority| {
            std::fs::write(folder.path().join(name), pem(&authority.der)).unwrap();
        };
        let (staff, partners) = (Authority::root("Staff"), Authority::root("Partners"));
        write("staff.pem", &staff);
        write("partners.pem", &partners);
        let live = Live::new();
        let around = Surroundings { live: &live, control: &Handle::current() };
        let make =
            |partners: &str, before: &TrustSets| build(&config(folder.path(), partners), before, around).unwrap();
        let same = |one: &TrustSets, other: &TrustSets| {
            ["staff", "partners"].map(|name| Arc::ptr_eq(&one[name], &other[name]))
        };
        let first = make("", &TrustSets::new());
        let second = make("", &first);
        assert_eq!(same(&first, &second), [true, true]);
        let third = make(", max_depth: 3", &second);
        assert_eq!(same(&second, &third), [true, false], "its settings are others");
        write("partners.pem", &Authority::root("Partners"));
        let fourth = make(", max_depth: 3", &third);
        assert_eq!(same(&third, &fourth), [true, false], "its authority is another one");
        std::fs::write(folder.path().join("staff.pem"), "nothing").unwrap();
        let error = build(&config(folder.path(), ""), &fourth, around).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").starts_with("trust.staff: authorities"), "{error:#}");
    }
}
