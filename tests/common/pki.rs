//! Certificates made on the spot, good ones and every kind of bad one.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, OtherNameValue, RevokedCertParams, SanType, SerialNumber, SigningKey, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wicketgate::base::clock::Timestamp;

/// An authority that can issue.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    /// The certificates from this one towards its root, the root left out.
    chain: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A self-signed authority.
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params(name);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate, chain: Vec::new() }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params(name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = std::iter::once(certificate.der().clone()).chain(self.chain.iter().cloned()).collect();
        Self { issuer: Issuer::new(params, key), certificate, chain }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A revocation list with these certificates, good until `until`.
    pub(crate) fn revocation_list(&self, revoked: &[&Credential], until: time::OffsetDateTime) -> String {
        self.numbered_list(1, revoked, until)
    }

    /// The same with a number of its own.
    pub(crate) fn numbered_list(&self, number: u64, revoked: &[&Credential], until: time::OffsetDateTime) -> String {
        let serial = |credential: &&Credential| {
            let (_, certificate) = x509_parser::parse_x509_certificate(&credential.chain[0]).unwrap();
            certificate.raw_serial().to_vec()
        };
        self.list_of_serials(number, revoked.iter().map(serial), until)
    }

    /// The same of certificates that are known by their serial numbers alone.
    pub(crate) fn list_of_serials(
        &self,
        number: u64,
        serials: impl IntoIterator<Item = Vec<u8>>,
        until: time::OffsetDateTime,
    ) -> String {
        let since = date_time_ymd(2020, 6, 1);
        let entry = |serial: Vec<u8>| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time: since,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: since,
            next_update: until,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials.into_iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A revocation list in DER with these serial numbers, each for a compromised key: written by hand, since there may
    /// be a million.
    pub(crate) fn large_list(&self, serials: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        const ECDSA_WITH_SHA256: &[u8] = &[0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        const KEY_COMPROMISE: &[u8] = &[0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1d, 21, 0x04, 3, 0x0a, 1, 1];
        const NUMBER: &[u8] = &[0xa0, 14, 0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1d, 20, 0x04, 3, 0x02, 1, 1];
        let mut entries = Vec::new();
        for serial in serials {
            let sign: &[u8] = if serial[0] >= 0x80 { &[0] } else { &[] };
            let serial = element(0x02, &[sign, &serial]);
            entries.extend(element(0x30, &[&serial, &element(0x17, &[b"200601000000Z"]), KEY_COMPROMISE]));
        }
        let entries = if entries.is_empty() { entries } else { element(0x30, &[&entries]) };
        let der = self.certificate.der();
        let (_, own) = x509_parser::parse_x509_certificate(der).unwrap();
        let dates = [element(0x17, &[b"200601000000Z"]), element(0x18, &[b"20900101000000Z"])].concat();
        let parts: [&[u8]; 6] = [&[0x02, 1, 1], ECDSA_WITH_SHA256, own.subject().as_raw(), &dates, &entries, NUMBER];
        let signed = element(0x30, &parts);
        let signature = self.issuer.key().sign(&signed).unwrap();
        element(0x30, &[&signed, ECDSA_WITH_SHA256, &element(0x03, &[&[0], &signature])])
    }

    /// Its own certificate as what somebody else presents, to be revoked by whoever issued it.
    pub(crate) fn credential(&self) -> Credential {
        Credential { chain: vec![self.der()], leaf_pem: self.pem(), key_pem: String::new() }
    }

    /// Its own certificate and its key, for a server that signs with them.
    pub(crate) fn signer(&self) -> Credential {
        Credential { key_pem: self.issuer.key().serialize_pem(), ..self.credential() }
    }

    /// A certificate with its key and the chain that a client or server sends with it.
    pub(crate) fn issue(&self, leaf: Leaf) -> Credential {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.0.signed_by(&key, &self.issuer).unwrap();
        let chain = std::iter::once(certificate.der().clone()).chain(self.chain.iter().cloned()).collect();
        Credential { chain, key_pem: key.serialize_pem(), leaf_pem: certificate.pem() }
    }
}

/// One element of DER with this tag around these parts.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|octet| *octet != 0).unwrap_or(length.len() - 1)..];
    let head = if content.len() < 0x80 { vec![tag] } else { vec![tag, 0x80 | u8::try_from(length.len()).unwrap()] };
    [&head, length, &content].concat()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// What a certificate is to say.
pub(crate) struct Leaf(CertificateParams);

impl Leaf {
    /// A client certificate, valid for decades, whose common name is given and which names nobody else.
    pub(crate) fn client(common_name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2080, 1, 1);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Self(params)
    }

    /// A client certificate for an e-mail address, which its subject alternative name holds.
    pub(crate) fn person(email: &str) -> Self {
        Self::client(email.split('@').next().unwrap()).email(email)
    }

    /// A server certificate for these DNS names.
    pub(crate) fn server(names: &[&str]) -> Self {
        let mut leaf = Self::client(names[0]).only_for(ExtendedKeyUsagePurpose::ServerAuth);
        leaf.0.subject_alt_names =
            names.iter().map(|name| SanType::DnsName((*name).to_owned().try_into().unwrap())).collect();
        leaf
    }

    pub(crate) fn email(mut self, email: &str) -> Self {
        self.0.subject_alt_names.push(SanType::Rfc822Name(email.to_owned().try_into().unwrap()));
        self
    }

    /// Adds a user principal name, Microsoft's otherName.
    /// A domain as an alternative name.
    pub(crate) fn dns(mut self, name: &str) -> Self {
        self.0.subject_alt_names.push(SanType::DnsName(name.to_owned().try_into().unwrap()));
        self
    }

    /// An address as an alternative name.
    pub(crate) fn address(mut self, address: IpAddr) -> Self {
        self.0.subject_alt_names.push(SanType::IpAddress(address));
        self
    }

    /// A uniform resource identifier as an alternative name.
    pub(crate) fn uri(mut self, uri: &str) -> Self {
        self.0.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        self
    }

    pub(crate) fn upn(mut self, name: &str) -> Self {
        let oid = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
        self.0.subject_alt_names.push(SanType::OtherName((oid, OtherNameValue::Utf8String(name.to_owned()))));
        self
    }

    /// Names OCSP responders in authorityInfoAccess.
    pub(crate) fn responders(mut self, urls: &[&str]) -> Self {
        fn element(tag: u8, content: &[u8]) -> Vec<u8> {
            let length = content.len();
            let length = match length {
                0..=0x7f => vec![u8::try_from(length).unwrap()],
                _ => vec![0x82, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 0xff).unwrap()],
            };
            // DER has one spelling of a length: two octets only where one is not enough.
            let length = if length.len() == 3 && length[1] == 0 { vec![0x81, length[2]] } else { length };
            [&[tag], length.as_slice(), content].concat()
        }
        const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
        let places: Vec<Vec<u8>> = urls
            .iter()
            .map(|url| element(0x30, &[element(0x06, OCSP), element(0x86, url.as_bytes())].concat()))
            .collect();
        let value = element(0x30, &places.concat());
        self.0.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], value));
        self
    }

    /// Names one certificate policy.
    pub(crate) fn policy(mut self, identifier: &[u64]) -> Self {
        let mut octets = vec![u8::try_from(identifier[0] * 40 + identifier[1]).unwrap()];
        for number in &identifier[2..] {
            let mut groups = vec![u8::try_from(number & 0x7f).unwrap()];
            let mut rest = number >> 7;
            while rest > 0 {
                groups.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
                rest >>= 7;
            }
            octets.extend(groups.iter().rev());
        }
        let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let value = wrap(0x30, &wrap(0x30, &wrap(0x06, &octets)));
        self.0.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 32], value));
        self
    }

    /// Says that its issuer's revocation lists are to be found there.
    pub(crate) fn list_at(mut self, url: &str) -> Self {
        self.0.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![url.to_owned()] }];
        self
    }

    pub(crate) fn expired(mut self) -> Self {
        self.0.not_after = date_time_ymd(2021, 1, 1);
        self
    }

    /// Valid for so many seconds from now on.
    pub(crate) fn expiring_in(mut self, seconds: u64) -> Self {
        let end = Timestamp::now().plus(Duration::from_secs(seconds)).as_unix();
        self.0.not_after = time::OffsetDateTime::from_unix_timestamp(end).unwrap();
        self
    }

    pub(crate) fn not_yet_valid(mut self) -> Self {
        self.0.not_before = date_time_ymd(2079, 1, 1);
        self
    }

    pub(crate) fn only_for(mut self, usage: ExtendedKeyUsagePurpose) -> Self {
        self.0.extended_key_usages = vec![usage];
        self
    }
}

/// The far end of a revocation list that stays good.
pub(crate) fn far() -> time::OffsetDateTime {
    date_time_ymd(2089, 1, 1)
}

/// The end of a revocation list that is no longer current.
pub(crate) fn past() -> time::OffsetDateTime {
    date_time_ymd(2021, 1, 1)
}

/// A certificate, its chain and its key.
#[derive(Clone)]
pub(crate) struct Credential {
    /// Leaf first, root left out.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) leaf_pem: String,
    pub(crate) key_pem: String,
}

impl Credential {
    /// The serial number's octets, without leading zeros.
    pub(crate) fn serial(&self) -> Vec<u8> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.chain[0]).unwrap();
        certificate.raw_serial().iter().copied().skip_while(|octet| *octet == 0).collect()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap()
    }

    pub(crate) fn chain_pem(&self) -> String {
        let encode = |der: &CertificateDer<'_>| {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
        };
        self.chain.iter().map(encode).collect()
    }

    /// Writes `NAME.pem` (the chain) and `NAME.key`, which only its owner may read.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (chain, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&chain, self.chain_pem()).unwrap();
        write_private(&key, &self.key_pem);
        (chain, key)
    }
}

/// Puts a secret into a file that only its owner may read, in one step, as a careful administrator does.
pub(crate) fn write_private(path: &Path, text: &str) {
    write_private_octets(path, text.as_bytes());
}

/// The same with what is no text.
pub(crate) fn write_private_octets(path: &Path, octets: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let half = path.with_extension("half-written");
    std::fs::write(&half, octets).unwrap();
    std::fs::set_permissions(&half, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&half, path).unwrap();
}

/// The authorities of one small organisation and the certificate of its gate.
pub(crate) struct Pki {
    pub(crate) root: Authority,
    /// The authority below the root that people's certificates come from.
    pub(crate) people: Authority,
    /// For `gate.example.org` and every name one label below `example.org`.
    pub(crate) server: Credential,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let root = Authority::root("Example Root");
        let people = root.intermediate("Example People");
        let server = root.issue(Leaf::server(&["gate.example.org", "*.example.org"]));
        Self { root, people, server }
    }

    /// The good certificate of somebody at `example.org`.
    pub(crate) fn person(&self, name: &str) -> Credential {
        self.people.issue(Leaf::person(&format!("{name}@example.org")))
    }
}
