//! The running process's side: it passes its sockets to whoever may have them, and learns when it is succeeded. What is
//! to be passed on, and what follows, is asked of the process itself by a [`Wish`], so that nothing of it changes
//! meanwhile.

use super::wire::{Channel, Message, WireError};
use super::{PassedDoor, VERSION, absolute, is_ours};
use crate::base::secret::Secret;
use crate::ca::server::socket::{Socket, SocketError};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long whoever connects may take to say what they want.
const WORD: Duration = Duration::from_secs(5);
/// How long nothing is accepted after the system had no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What a successor wishes of the process.
pub(in crate::app) enum Wish {
    /// What is to be passed on.
    Estate(oneshot::Sender<Estate>),
    /// It serves: stop accepting, and say when that is done.
    Succeeded {
        /// Its number, where the kernel knows it.
        process: Option<i32>,
        /// It goes on with the door.
        keeps_door: bool,
        /// To be told.
        done: oneshot::Sender<()>,
    },
}

/// What is passed on.
pub(in crate::app) struct Estate {
    pub(in crate::app) sockets: Vec<Bequest>,
    pub(in crate::app) ticket_secret: Secret,
}

/// A socket that is passed on.
pub(in crate::app) struct Bequest {
    pub(in crate::app) name: String,
    pub(in crate::app) bound: SocketAddr,
    /// The service manager has it open, too.
    pub(in crate::app) managers: bool,
    pub(in crate::app) socket: TcpListener,
}

/// The socket that sockets are handed over on, before anybody is answered there.
pub(in crate::app) struct Door(Arc<Socket>);

impl Door {
    /// Makes it, or goes on with the one that was passed on, if that stands at this path.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(in crate::app) fn open(path: &Path, passed: Option<PassedDoor>) -> Result<Self, SocketError> {
        let path = absolute(path);
        let socket = match passed.filter(|passed| passed.path == path) {
            Some(passed) => Socket::adopt(passed.socket, &path)?,
            None => Socket::bind_private(&path)?,
        };
        Ok(Self(Arc::new(socket)))
    }

    /// Answers there until the [`Offer`] is dropped. A door that was passed on is this process's from now on.
    pub(in crate::app) fn answer(self, wishes: mpsc::Sender<Wish>) -> Offer {
        self.0.keep();
        let task = tokio::spawn(accept(Arc::clone(&self.0), wishes)).abort_handle();
        Offer { door: self.0, task }
    }
}

/// The door, at which successors are answered.
pub(in crate::app) struct Offer {
    door: Arc<Socket>,
    task: AbortHandle,
}

impl Offer {
    /// Leaves the door to a successor, which has it open.
    pub(in crate::app) fn leave(&self) {
        self.door.leave();
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(door: Arc<Socket>, wishes: mpsc::Sender<Wish>) {
    let turn = Arc::new(Semaphore::new(1));
    loop {
        let (stream, user) = match door.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection of a successor");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !is_ours(user) {
            tracing::warn!(user, "a process of another user asked for our sockets and was turned away");
            continue;
        }
        let (door, wishes, turn) = (Arc::clone(&door), wishes.clone(), Arc::clone(&turn));
        tokio::spawn(async move {
            let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
            let mut channel = Channel::new(stream);
            let conversed = match turn.try_acquire() {
                Ok(_turn) => converse(&mut channel, process, &door, &wishes).await,
                Err(_) => refuse(&channel, "another process is about to take over").await,
            };
            if let Err(error) = conversed {
                tracing::warn!(process, %error, "nobody took over; this process goes on");
            }
        });
    }
}

async fn refuse(channel: &Channel, why: &str) -> Result<(), WireError> {
    channel.send(&Message::Refused { why: why.to_owned() }, None).await?;
    Err(WireError::Refused(why.to_owned()))
}

async fn converse(
    channel: &mut Channel,
    process: Option<i32>,
    door: &Socket,
    wishes: &mpsc::Sender<Wish>,
) -> Result<(), WireError> {
    match timeout(WORD, channel.receive()).await.map_err(|_| WireError::Silent)?? {
        (Message::Ask { version: VERSION, program }, None) => {
            tracing::info!(
                process,
                program,
                "another process asks for our sockets; this one goes on until that serves"
            );
        }
        (Message::Ask { program, .. }, None) => {
            return refuse(channel, &format!("the program that runs does not speak as {program} does: restart it"))
                .await;
        }
        _ => return refuse(channel, "this is no question").await,
    }
    let (tell, told) = oneshot::channel();
    // A process that ends answers nobody.
    wishes.send(Wish::Estate(tell)).await.map_err(|_| WireError::Gone)?;
    let Estate { sockets, ticket_secret } = told.await.map_err(|_| WireError::Gone)?;
    let count = sockets.len();
    for Bequest { name, bound, managers, socket } in sockets {
        channel.send(&Message::Socket { name, bound, managers }, Some(socket.as_fd())).await?;
    }
    channel.send(&Message::Door { path: door.path().to_owned() }, Some(door.as_fd())).await?;
    channel.send(&Message::secret(&ticket_secret), None).await?;
    channel.send(&Message::All { sockets: count }, None).await?;
    // It may take its time: it reads keys, lists and accounts. If it fails, its end closes.
    let (Message::Ready { keeps_door }, None) = channel.receive().await? else {
        return refuse(channel, "this is not what was expected").await;
    };
    let (done, is_done) = oneshot::channel();
    wishes.send(Wish::Succeeded { process, keeps_door, done }).await.map_err(|_| WireError::Gone)?;
    is_done.await.map_err(|_| WireError::Gone)?;
    channel.send(&Message::Yours, None).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    fn estate() -> (Estate, SocketAddr) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let bound = socket.local_addr().unwrap();
        let sockets = vec![Bequest { name: "guarded".to_owned(), bound, managers: true, socket }];
        (Estate { sockets, ticket_secret: Secret::from("a secret of the tests") }, bound)
    }

    #[tokio::test]
    async fn sockets_and_secret_are_passed_on_and_one_successor_is_answered_at_a_time() {
        use super::super::ask::ask;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover.sock");
        assert!(ask(&path).await.unwrap().is_none(), "nobody is there");
        let (wishes, mut wished) = mpsc::channel(1);
        let offer = Door::open(&path, None).unwrap().answer(wishes);
        let (estate, bound) = estate();
        let answering = tokio::spawn(async move {
            let Some(Wish::Estate(tell)) = wished.recv().await else { panic!("another wish") };
            assert!(tell.send(estate).is_ok());
            let Some(Wish::Succeeded { process, keeps_door, done }) = wished.recv().await else {
                panic!("another wish")
            };
            done.send(()).unwrap();
            (process, keeps_door)
        });
        let (predecessor, inherited) = ask(&path).await.unwrap().unwrap();
        assert_eq!(inherited.sockets[0].label.bound, bound);
        assert!(inherited.sockets[0].label.giver.is_managers());
        assert_eq!(inherited.ticket_secret, Some(Secret::from("a secret of the tests")));
        let refused = ask(&path).await.err().unwrap();
        assert!(format!("{refused:#}").contains("another process is about to take over"), "{refused:#}");
        let second = Door::open(&path, inherited.door).unwrap().answer(mpsc::channel(1).0);
        predecessor.succeed(Some(&path)).await;
        assert_eq!(answering.await.unwrap(), (i32::try_from(std::process::id()).ok(), true));
        offer.leave();
        drop(offer);
        assert!(UnixStream::connect(&path).await.is_ok());
        drop(second);
    }

    #[tokio::test]
    async fn a_successor_that_goes_away_has_changed_nothing() {
        use super::super::ask::ask;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover.sock");
        let (wishes, mut wished) = mpsc::channel(1);
        let _offer = Door::open(&path, None).unwrap().answer(wishes);
        for _ in 0..2 {
            let answering = async {
                let Some(Wish::Estate(tell)) = wished.recv().await else { panic!("another wish") };
                assert!(tell.send(estate().0).is_ok());
            };
            let (asked, ()) = tokio::join!(ask(&path), answering);
            drop(asked.unwrap().unwrap());
            // Its end is noticed, and the next one is answered.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(wished.try_recv().is_err());
    }
}
