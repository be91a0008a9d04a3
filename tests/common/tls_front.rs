//! TLS in front of an upstream, as an application server would speak it: it may ask for the gate's certificate, and
//! notes what every handshake was.

use super::pki::{Authority, Credential};
use super::upstream::Upstream;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One handshake that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) resumed: bool,
    /// The certificate that was shown, in DER.
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) name: Option<String>,
}

/// A running front.
pub(crate) struct TlsFront {
    address: SocketAddr,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
}

impl TlsFront {
    /// Shows `credential`, and needs a certificate of `clients` if that is given.
    pub(crate) fn start(upstream: &Upstream, credential: &Credential, clients: Option<&Authority>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.unwrap().with_client_cert_verifier(verifier)
            }
            None => builder.unwrap().with_no_client_auth(),
        };
        let config = builder.with_single_cert(credential.chain.clone(), credential.key()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let (address, behind) = (socket.local_addr().unwrap(), upstream.address());
        let handshakes = Arc::<Mutex<Vec<Handshake>>>::default();
        let noted = Arc::clone(&handshakes);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(socket).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
                    tokio::spawn(async move {
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        let session = stream.get_ref().1;
                        noted.lock().unwrap().push(Handshake {
                            resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
                            certificate: session.peer_certificates().map(|chain| chain[0].to_vec()),
                            name: session.server_name().map(str::to_owned),
                        });
                        let mut server = TcpStream::connect(behind).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                    });
                }
            });
        });
        Self { address, handshakes }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All handshakes so far that succeeded.
    pub(crate) fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap().clone()
    }
}
