//! What the two say, and how: each message is its length, four octets with the most significant first, and so much
//! JSON. A descriptor comes with the first octet of its message. Whoever speaks is trusted as much as this process itself
//! ([`is_ours`](super::is_ours)); that it is understood is not taken for granted: it may be another version.

use crate::base::hex;
use crate::base::secret::Secret;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// The longest message: a name, an address and a path are far shorter.
const LONGEST: usize = 16 * 1024;
/// How many descriptors a message has room for; one is what it may bring, and a second one shows.
const ROOM: usize = 2;

/// One thing that is said.
#[derive(Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Message {
    /// By the successor: pass your sockets on.
    Ask {
        /// [`VERSION`](super::VERSION).
        version: u32,
        /// The version of its program, for the log.
        program: String,
    },
    /// A listening socket, which comes along.
    Socket {
        /// The listener's name, or `admin`.
        name: String,
        /// The address that it is bound to.
        bound: SocketAddr,
        /// The service manager has it open, too.
        managers: bool,
    },
    /// The very socket that this is said on was accepted at; it comes along.
    Door {
        /// Where it stands.
        path: PathBuf,
    },
    /// What tickets and sessions are sealed with, where no secret is configured.
    Secret {
        /// In hexadecimal.
        tickets: Zeroizing<String>,
    },
    /// That was all.
    All {
        /// How many sockets that were, without the door.
        sockets: usize,
    },
    /// Nothing is passed on, for this reason.
    Refused {
        /// In words for the log.
        why: String,
    },
    /// By the successor: it serves.
    Ready {
        /// It goes on with the door.
        keeps_door: bool,
    },
    /// The answer: nobody else accepts any more.
    Yours,
}

impl Message {
    /// What seals tickets.
    pub(super) fn secret(secret: &Secret) -> Self {
        Self::Secret { tickets: Zeroizing::new(hex::encode(secret.expose())) }
    }
}

/// Something was not said, or not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other process has closed the connection.
    #[error("the other process has gone away")]
    Gone,
    /// It says nothing.
    #[error("the other process says nothing")]
    Silent,
    /// It was turned away.
    #[error("{0}")]
    Refused(String),
    /// The connection is broken.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// This is no message that is known here.
    #[error("what the other process says is not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// It is longer than any message.
    #[error("a message of {0} octets is longer than any")]
    TooLong(usize),
    /// It came with another number of descriptors than it should.
    #[error("a message came with {0} descriptors")]
    Descriptors(usize),
}

/// The connection of the two.
pub(super) struct Channel(UnixStream);

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Says something, and passes a descriptor with it.
    pub(super) async fn send(&self, message: &Message, descriptor: Option<BorrowedFd<'_>>) -> Result<(), WireError> {
        let text = Zeroizing::new(serde_json::to_vec(message)?);
        let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= LONGEST);
        let length = length.ok_or(WireError::TooLong(text.len()))?.to_be_bytes();
        let whole = length.len() + text.len();
        let sent = self.0.async_io(Interest::WRITABLE, || {
            let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
                return Err(io::Error::other("there is no room for the descriptor"));
            }
            let pieces = [IoSlice::new(&length), IoSlice::new(&text)];
            Ok(sendmsg(&self.0, &pieces, &mut control, SendFlags::NOSIGNAL)?)
        });
        match sent.await {
            // The kernel takes messages of this size whole, or has them wait.
            Ok(sent) if sent == whole => Ok(()),
            Ok(_) => Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(WireError::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// What is said next, with the descriptor that comes along.
    pub(super) async fn receive(&mut self) -> Result<(Message, Option<OwnedFd>), WireError> {
        let mut length = [0; 4];
        let mut descriptors = Vec::new();
        let read = self.0.async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROOM))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let read = recvmsg(&self.0, &mut [IoSliceMut::new(&mut length)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(passed) = message {
                    descriptors.extend(passed);
                }
            }
            Ok(read.bytes)
        });
        let rest = match read.await? {
            0 => return Err(WireError::Gone),
            read => length.get_mut(read..).unwrap_or_default(),
        };
        if !rest.is_empty() {
            // Nobody splits so little, but it may be split.
            self.0.read_exact(rest).await?;
        }
        if descriptors.len() > 1 {
            return Err(WireError::Descriptors(descriptors.len()));
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(WireError::TooLong(length));
        }
        let mut text = Zeroizing::new(vec![0; length]);
        self.0.read_exact(&mut text).await?;
        Ok((serde_json::from_slice(&text)?, descriptors.pop()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use tokio::io::AsyncWriteExt;

    fn pair() -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        (Channel::new(one), Channel::new(other))
    }

    #[tokio::test]
    async fn a_socket_arrives_with_what_is_said_of_it_and_is_the_same_one() {
        let (sender, mut receiver) = pair();
        let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        for (number, listener) in listeners.iter().enumerate() {
            let bound = listener.local_addr().unwrap();
            let message = Message::Socket { name: number.to_string(), bound, managers: number == 1 };
            sender.send(&message, Some(listener.as_fd())).await.unwrap();
            sender.send(&Message::All { sockets: number }, None).await.unwrap();
        }
        for (number, listener) in listeners.iter().enumerate() {
            let (message, descriptor) = receiver.receive().await.unwrap();
            let Message::Socket { name, bound, managers } = message else { panic!("something else") };
            assert_eq!((name, bound, managers), (number.to_string(), listener.local_addr().unwrap(), number == 1));
            let passed = TcpListener::from(descriptor.unwrap());
            let client = std::net::TcpStream::connect(bound).unwrap();
            assert_eq!(passed.accept().unwrap().1, client.local_addr().unwrap());
            assert!(rustix::io::fcntl_getfd(&passed).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
            let (message, descriptor) = receiver.receive().await.unwrap();
            assert!(matches!(message, Message::All { sockets } if sockets == number) && descriptor.is_none());
        }
        drop(sender);
        assert!(matches!(receiver.receive().await, Err(WireError::Gone)));
    }

    #[tokio::test]
    async fn what_is_no_message_is_an_error_and_never_more() {
        for octets in [
            &b"\0\0\0\x02{}"[..],
            b"\0\0\0\x05hello",
            b"\xff\xff\xff\xff{}",
            b"\0\0\0\x09{\"say\":1}",
            b"\0\0",
            b"\0\0\0\x09{",
        ] {
            let (mut sender, mut receiver) = pair();
            sender.0.write_all(octets).await.unwrap();
            drop(sender);
            assert!(receiver.receive().await.is_err(), "{octets:?}");
        }
    }

    #[test]
    fn a_secret_is_said_in_hexadecimal() {
        let said = serde_json::to_value(Message::secret(&Secret::new(vec![1, 255]))).unwrap();
        assert_eq!(said, serde_json::json!({ "say": "secret", "tickets": "01ff" }));
    }
}
