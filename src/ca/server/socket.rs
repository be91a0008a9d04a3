//! A Unix socket of a process: who may connect, and how it comes into being. The folder that it stands in and its mode
//! let in the gate's group (the authority's) or its owner alone (the one that a gate hands its sockets over on); who
//! then connects is judged by the user that the kernel names (`SO_PEERCRED`), so that a mode that was set wrongly opens
//! nothing.

use crate::base::hex;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as BlockingListener, UnixStream as BlockingStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::{UnixListener, UnixStream};

/// Owner and group may connect.
const MODE: u32 = 0o660;
/// The owner alone may connect.
const PRIVATE: u32 = 0o600;

/// How many may wait to be answered at a socket that was made by another process.
const BACKLOG: i32 = 128;

/// The longest path that the kernel takes: `sun_path` of `unix(7)`, with its last octet zero.
const LONGEST: usize = 107;

/// The socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers there.
    #[error("another process is listening on {0}")]
    InUse(PathBuf),
    /// Something else has the name.
    #[error("{0} is there and is no socket")]
    NotASocket(PathBuf),
    /// The path is longer than the kernel takes.
    #[error(
        "{path} is too long for a socket: with the suffix that it has while it is made it may have {LONGEST} octets"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("cannot listen on {path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A socket that this process listens on. Its file goes when it is dropped, unless another has taken its place.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file.
    identity: Option<(u64, u64)>,
    /// The file is another process's by now.
    left: AtomicBool,
}

impl Socket {
    /// Makes the socket, for owner and group, in the place of one that nobody listens on any more. Nobody can connect
    /// to it before it has its mode: it is made under another name.
    ///
    /// # Errors
    /// When another process listens there, the name belongs to something else, or the folder cannot be written to.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        Self::bind_as(path, MODE)
    }

    /// The same for the owner alone.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_private(path: &Path) -> Result<Self, SocketError> {
        Self::bind_as(path, PRIVATE)
    }

    /// Goes on with a socket that another process has made at this path. Its file is that process's until this one
    /// [keeps](Self::keep) it and the other one [leaves](Self::leave) it.
    ///
    /// # Errors
    /// When it is no Unix socket that is listened on.
    pub fn adopt(socket: OwnedFd, path: &Path) -> Result<Self, SocketError> {
        use rustix::net::{AddressFamily, sockopt};
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        let domain = sockopt::socket_domain(&socket).map_err(|error| failed(error.into()))?;
        let listens = sockopt::socket_acceptconn(&socket).map_err(|error| failed(error.into()))?;
        if domain != AddressFamily::UNIX || !listens {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        let listener = BlockingListener::from(socket);
        let listener =
            listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener)).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), identity: identity(path), left: AtomicBool::new(true) })
    }

    /// Has the file go with this process, which is whom those who connect see behind it from now on: what `SO_PEERCRED`
    /// tells them is who has called listen(2) last.
    pub fn keep(&self) {
        self.left.store(false, Ordering::Relaxed);
        if let Err(error) = rustix::net::listen(&self.listener, BACKLOG) {
            tracing::debug!(path = %self.path.display(), %error, "those who connect will see another process's number");
        }
    }

    /// Lets the file stay, which is another process's from now on.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// Where it stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn bind_as(path: &Path, mode: u32) -> Result<Self, SocketError> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
            Ok(_) if BlockingStream::connect(path).is_ok() => return Err(SocketError::InUse(path.to_owned())),
            Ok(_) | Err(_) => {}
        }
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        let mut suffix = [0; 4];
        aws_lc_rs::rand::fill(&mut suffix).map_err(|_| failed(io::Error::other("no random octets")))?;
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", hex::encode(&suffix)));
        if new.len() > LONGEST {
            return Err(SocketError::TooLong { path: path.to_owned() });
        }
        let new = PathBuf::from(new);
        let listener = UnixListener::bind(&new).map_err(failed)?;
        let placed = fs::set_permissions(&new, Permissions::from_mode(mode)).and_then(|()| fs::rename(&new, path));
        if let Err(error) = placed {
            // The error that counts is the one that is returned.
            let _ = fs::remove_file(&new);
            return Err(failed(error));
        }
        Ok(Self { listener, path: path.to_owned(), identity: identity(path), left: AtomicBool::new(false) })
    }

    /// The next connection, and the user of the process at its other end.
    ///
    /// # Errors
    /// When the system has no descriptor for it, or does not say whose it is.
    pub async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = self.listener.accept().await?;
        let user = stream.peer_cred()?.uid();
        Ok((stream, user))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let left = *self.left.get_mut();
        if !left && self.identity.is_some() && identity(&self.path) == self.identity {
            // What is left behind is found to be nobody's by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Whose processes may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers(BTreeSet<u32>);

impl Peers {
    /// These users, and the one that this process runs as.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = u32>) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self(users.into_iter().chain([own]).collect())
    }

    /// Whether a process of this user may connect.
    #[must_use]
    pub fn allow(&self, user: u32) -> bool {
        self.0.contains(&user)
    }
}

/// The number of a user, by its name or as it is. Names are looked up in the text of `/etc/passwd`, which holds
/// those of system users; a user that only a directory service knows is written as a number.
#[must_use]
pub fn user_number(user: &str, passwd: &str) -> Option<u32> {
    user.parse().ok().or_else(|| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_owner_and_group_and_goes_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.sock");
        let socket = Socket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let client = UnixStream::connect(&path).await.unwrap();
        let (_, user) = socket.accept().await.unwrap();
        assert_eq!(user, rustix::process::geteuid().as_raw());
        drop((client, socket));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_somebody_listens_on_is_not_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.sock");
        let first = Socket::bind(&path).unwrap();
        assert!(matches!(Socket::bind(&path), Err(SocketError::InUse(_))));
        // As after the death of a process: the file stays and nobody listens.
        let kept = folder.path().join("kept");
        fs::hard_link(&path, &kept).unwrap();
        drop(first);
        fs::rename(&kept, &path).unwrap();
        drop(Socket::bind(&path).unwrap());
        fs::write(&path, "a file").unwrap();
        assert!(matches!(Socket::bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }

    #[tokio::test]
    async fn a_socket_that_took_the_place_of_another_is_left_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.sock");
        let first = Socket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = Socket::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        let long = folder.path().join("x".repeat(LONGEST));
        assert!(matches!(Socket::bind(&long), Err(SocketError::TooLong { .. })));
    }

    #[tokio::test]
    async fn a_socket_for_its_owner_is_handed_on_and_then_goes_with_its_new_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover.sock");
        let first = Socket::bind_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let passed = first.as_fd().try_clone_to_owned().unwrap();
        drop(Socket::adopt(first.as_fd().try_clone_to_owned().unwrap(), &path).unwrap());
        assert!(path.exists(), "who gives up has taken nothing away");
        let second = Socket::adopt(passed, &path).unwrap();
        second.keep();
        first.leave();
        drop(first);
        let _client = UnixStream::connect(&path).await.unwrap();
        second.accept().await.unwrap();
        drop(second);
        assert!(!path.exists());
        let other = BlockingStream::pair().unwrap().0;
        assert!(matches!(Socket::adopt(other.into(), &path), Err(SocketError::NotASocket(_))));
    }

    #[test]
    fn only_users_that_were_named_and_our_own_may_connect() {
        let own = rustix::process::geteuid().as_raw();
        let peers = Peers::new([own + 1]);
        assert_eq!([own, own + 1, own + 2].map(|user| peers.allow(user)), [true, true, false]);
    }

    #[test]
    fn a_user_is_a_number_or_a_name_in_the_file() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nwicketgate:x:998:997::/:/usr/sbin/nologin\nbroken:x\n";
        for (user, expected) in [
            ("wicketgate", Some(998)),
            ("root", Some(0)),
            ("1234", Some(1234)),
            ("gate", None),
            ("broken", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(user_number(user, passwd), expected, "{user:?}");
        }
    }
}
