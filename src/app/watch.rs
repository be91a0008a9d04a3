//! Which files the configuration rests on, and whether any of them has changed.
//!
//! Folders are watched rather than files, because certificates are renewed by renaming and by exchanging
//! symbolic links; an event in a folder says only that it is worth looking whether one of our files is
//! another one now.

use crate::base::secret::SecretSource;
use crate::config::{
    self, Advertise, AnswerBody, AssertionKeys, ClientPolicy, Config, FixedAnswer, IssuerPin, Store, Target,
    UpstreamAuthorization,
};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// What a file is as far as a change shows: where its links lead, and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    target: Option<PathBuf>,
    /// Inode, size, and change time in seconds and nanoseconds; `None` if the file is not there.
    stamp: Option<(u64, u64, i64, i64)>,
}

impl State {
    fn of(path: &Path) -> Self {
        let stamp = std::fs::metadata(path).ok().map(|data| (data.ino(), data.size(), data.ctime(), data.ctime_nsec()));
        Self { target: std::fs::canonicalize(path).ok(), stamp }
    }

    /// That of a file, if it is there.
    pub(super) fn of_present(path: &Path) -> Option<Self> {
        Some(Self::of(path)).filter(|state| state.stamp.is_some())
    }

    /// Where the file's links lead.
    pub(super) fn target(&self) -> Option<&Path> {
        self.target.as_deref()
    }
}

/// Files as they stood before they were read, so that a change while they are being read is one afterwards.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(PathBuf, State)>);

impl Seen {
    /// Looks at the files now.
    pub(super) fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(files.into_iter().map(|path| (State::of(&path), path)).map(|(state, path)| (path, state)).collect())
    }

    /// Looks at these files as well, as they stand now.
    pub(super) fn and(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.0.extend(Self::of(files).0);
        self
    }
}

/// Watches folders.
pub(super) struct Folders {
    watched: BTreeSet<PathBuf>,
    wake: mpsc::Sender<()>,
    watcher: RecommendedWatcher,
}

impl Folders {
    /// A watch on no folder yet; events are sent to `wake`.
    ///
    /// # Errors
    /// When the system gives no watch.
    pub(super) fn new(wake: mpsc::Sender<()>) -> notify::Result<Self> {
        // One event in the queue is enough: it says only that it is worth looking.
        let waking = wake.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file changes nothing.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = waking.try_send(());
            }
        })?;
        Ok(Self { watched: BTreeSet::new(), wake, watcher })
    }

    /// Watches these folders instead. One that cannot be watched is reported.
    pub(super) fn set(&mut self, folders: BTreeSet<PathBuf>) {
        let here = |folder: PathBuf| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let folders: BTreeSet<PathBuf> = folders.into_iter().map(here).collect();
        if folders == self.watched {
            return;
        }
        for gone in self.watched.difference(&folders) {
            let _ = self.watcher.unwatch(gone);
        }
        for new in folders.difference(&self.watched) {
            if let Err(error) = self.watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %new.display(), %error, "cannot watch; send SIGHUP after changing files there");
            }
        }
        self.watched = folders;
        // Nobody tells of what changed before the folders were watched.
        let _ = self.wake.try_send(());
    }
}

/// Watches the files of a configuration.
pub(super) struct FileWatch {
    seen: Seen,
    folders: Folders,
}

impl FileWatch {
    /// A watch on no file yet; events are sent to `wake`.
    ///
    /// # Errors
    /// When the system gives no watch.
    pub(super) fn new(wake: mpsc::Sender<()>) -> notify::Result<Self> {
        Ok(Self { seen: Seen::default(), folders: Folders::new(wake)? })
    }

    /// Watches these files instead, for changes from what they were when they were seen. A folder that cannot be watched is reported: its files
    /// then need a SIGHUP.
    pub(super) fn set(&mut self, seen: Seen) {
        self.seen = seen;
        let folders: BTreeSet<PathBuf> = self
            .seen
            .0
            .iter()
            .flat_map(|(path, state)| [Some(path), state.target.as_ref()])
            .flatten()
            .filter_map(|path| path.parent())
            .map(Path::to_owned)
            .collect();
        self.folders.set(folders);
        // Files of folders that were watched already may have changed since they were seen.
        let _ = self.folders.wake.try_send(());
    }

    /// The files that are not what they were when this was last asked.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (path, state) in &mut self.seen.0 {
            let now = State::of(path);
            if *state != now {
                *state = now;
                changed.push(path.clone());
            }
        }
        changed
    }
}

/// The files that a configuration rests on, besides the one that it stands in. Revocation lists are not among them:
/// they change by themselves.
pub(super) fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut secret = |source: &SecretSource| match source {
        SecretSource::File(path) => Some(path.clone()),
        SecretSource::Environment(_) | SecretSource::Literal(_) => None,
    };
    let advertised = |policy: &ClientPolicy| match &policy.advertise {
        Advertise::Files(files) => files.clone(),
        Advertise::All | Advertise::None => Vec::new(),
    };
    for listener in &config.listeners {
        if let Some(tls) = &listener.tls {
            files.extend(tls.certificates.iter().flat_map(|files| [files.chain.clone(), files.key.clone()]));
            files.extend(tls.ticket_secret.as_ref().and_then(&mut secret));
        }
        let front = listener.authorizer.as_ref().and_then(|authorizer| authorizer.secret.as_ref());
        files.extend(front.and_then(|front| secret(&front.value)));
        files.extend(advertised(&listener.policy));
        files.extend(listener.hosts.iter().flat_map(|host| advertised(&host.policy)));
    }
    for trust in config.trust.values() {
        files.extend(trust.authorities.iter().cloned());
        files.extend(trust.intermediates.iter().cloned());
    }
    let issuers = config.trust.values().flat_map(|trust| &trust.issuers);
    let of_routes = config.routes.iter().flat_map(|route| [&route.allow, &route.deny]).flatten();
    let claims = config.routes.iter().filter_map(|route| route.claim.as_ref()).flat_map(|claim| &claim.issuers);
    let issuers = issuers.chain(of_routes.flat_map(|access| &access.issuers)).chain(claims);
    let issuers = issuers.chain(config.peers.values().flat_map(|peer| &peer.issuers));
    for pin in config.identity.iter().flat_map(|rule| &rule.issuers).chain(issuers) {
        if let IssuerPin::File(path) = pin {
            files.push(path.clone());
        }
    }
    if let Some(config::Assertion { keys: AssertionKeys::Files(keys), .. }) = &config.assertion {
        files.extend(keys.iter().cloned());
    }
    for upstream in config.upstreams.values() {
        match &upstream.authorization {
            Some(UpstreamAuthorization::Digest(digest)) => {
                files.extend(digest.ha1.iter().filter_map(|(_, source)| secret(source)));
            }
            Some(UpstreamAuthorization::Basic(basic)) => files.extend(secret(&basic.password)),
            None => {}
        }
    }
    for tls in config.upstreams.values().filter_map(|upstream| upstream.tls.as_ref()) {
        files.push(tls.ca.clone());
        files.extend(tls.client.iter().flat_map(|files| [files.chain.clone(), files.key.clone()]));
    }
    if let Some(tracing) = &config.tracing {
        files.extend(tracing.ca.iter().cloned());
        files.extend(tracing.headers.iter().filter_map(|(_, source)| secret(source)));
    }
    for route in &config.routes {
        match &route.target {
            Target::Preauth(preauth) => files.extend(secret(&preauth.key)),
            Target::Respond(FixedAnswer { body: AnswerBody::File(path), .. }) => files.push(path.clone()),
            _ => {}
        }
    }
    if let Some(handover) = &config.handover {
        files.extend(handover.signing.iter().chain(&handover.decryption).cloned());
        files.extend(handover.session.secret.as_ref().and_then(&mut secret));
        files.extend(handover.sites.values().map(|site| site.keys.clone()));
    }
    for peer in config.peers.values() {
        let hashes = peer.digest.iter().flat_map(|digest| &digest.ha1);
        files.extend(hashes.filter_map(|(_, source)| secret(source)));
    }
    if let Some(digest) = &config.digest {
        files.extend(digest.nonce_secret.as_ref().and_then(&mut secret));
    }
    if let Store::MySql(mysql) = &config.accounts.store {
        files.extend(mysql.password.as_ref().and_then(&mut secret));
        files.extend(mysql.tls.ca.clone());
        files.extend(mysql.tls.client.iter().flat_map(|files| [files.chain.clone(), files.key.clone()]));
    }
    if let Some(guard) = config.admin.as_ref().and_then(|admin| admin.guard.as_ref()) {
        files.extend([guard.certificate.chain.clone(), guard.certificate.key.clone()]);
        files.extend(guard.allow.issuers.iter().filter_map(|pin| match pin {
            IssuerPin::File(path) => Some(path.clone()),
            IssuerPin::SpkiSha256(_) => None,
        }));
    }
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_by_rewriting_renaming_and_by_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "one").unwrap();
        std::fs::write(path("b"), "two").unwrap();
        std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
        let (wake, mut woken) = mpsc::channel(1);
        let mut watch = FileWatch::new(wake).unwrap();
        watch.set(Seen::of([path("link")]));
        assert!(watch.changed().is_empty());

        std::fs::write(path("a"), "longer").unwrap();
        assert_eq!(watch.changed(), [path("link")]);
        std::fs::rename(path("b"), path("a")).unwrap();
        assert_eq!(watch.changed(), [path("link")]);
        std::fs::remove_file(path("link")).unwrap();
        std::os::unix::fs::symlink(path("c"), path("link")).unwrap();
        assert_eq!(watch.changed(), [path("link")]);
        assert!(watch.changed().is_empty());
        assert!(woken.blocking_recv().is_some());
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_changed_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "old").unwrap();
        let seen = Seen::of([path.clone()]);
        std::fs::write(&path, "written while the rest was read").unwrap();
        let (wake, _) = mpsc::channel(1);
        let mut watch = FileWatch::new(wake).unwrap();
        watch.set(seen);
        assert_eq!(watch.changed(), [path]);
    }
}
