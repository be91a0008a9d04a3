//! Authorities' certificates: `…/NAME.der` (also `.cer` and `.crt`), `…/NAME.pem` with those above it and `…/NAME.p7c`
//! (RFC 5280, section 4.2.2.1), by the authority's name in URLs or `ca`, the newest. `…/all.pem` and `…/all.p7c`
//! hold those of all authorities, for clients that are to trust the one before and the one after a roll-over.

use super::{Document, last_segment};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::reason::Reason;
use crate::ca::publish::Shelf;
use crate::ca::{pem, pkcs7};
use crate::certificate::facts::sha256;
use crate::proxy::service::{Answer, LocalService, ServiceRequest, method_not_allowed};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

/// How long others may keep a certificate.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Hands out authorities' certificates.
pub struct CertificateService(Arc<Shelf>);

impl CertificateService {
    /// From this shelf.
    #[must_use]
    pub fn new(shelf: Arc<Shelf>) -> Self {
        Self(shelf)
    }

    /// The document of this name: its type, its octets, and since when it is so.
    fn document(&self, name: &str) -> Option<(&'static str, Vec<u8>, Timestamp)> {
        let (stem, form) = name.rsplit_once('.')?;
        let authority = self.0.named(if stem == "all" { "" } else { stem })?;
        let certificates = if stem == "all" { self.0.certificates() } else { authority.certificates().to_vec() };
        let first: Option<&CertificateDer<'static>> = certificates.first();
        let (content_type, octets) = match form {
            "der" | "cer" | "crt" if stem != "all" => ("application/pkix-cert", first?.to_vec()),
            "pem" if first.is_some() => {
                ("application/pem-certificate-chain", pem::certificates(&certificates).ok()?.into_bytes())
            }
            "p7c" => ("application/pkcs7-mime", pkcs7::certs_only(&certificates).ok()?),
            _ => return None,
        };
        Some((content_type, octets, authority.since()))
    }
}

impl LocalService for CertificateService {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            if !matches!(*request.method, Method::GET | Method::HEAD) {
                return method_not_allowed("GET, HEAD");
            }
            let Some((content_type, octets, from)) = self.document(last_segment(request.target.path())) else {
                return Answer::refuse(Reason::NoRoute, "no such certificate is published");
            };
            let tag = hex::encode(sha256(&octets).get(..16).unwrap_or_default());
            let until = request.at.plus(KEPT);
            let document = Document { content_type, body: Bytes::from(octets), tag, from, until };
            Answer::Response(document.response(request.headers, request.at))
        })
    }
}
