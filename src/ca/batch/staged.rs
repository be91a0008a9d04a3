//! A part of a batch that is signed and not yet published, as it lies in the folder of the batch: everything that is
//! needed to record it and to lay its files down, so that whoever finds it can finish what was begun.

use crate::account::{CertificateKey, IssuedCertificate};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::register::Entry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// One certificate with the file that its bearer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The account's user name.
    pub(super) username: String,
    /// What is recorded.
    pub(super) entry: Entry,
    /// The file's octets.
    pub(super) file: Vec<u8>,
    /// The password of the file, if it has one.
    pub(super) password: Option<String>,
}

/// As it is written: one JSON object a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    username: String,
    key: String,
    issuer_name: String,
    subject: String,
    not_before: i64,
    not_after: i64,
    fingerprint: String,
    profile: String,
    spki: String,
    der: String,
    file: String,
    password: Option<String>,
}

/// The lines of several items.
pub(super) fn write(items: &[Item]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for item in items {
        let certificate = &item.entry.certificate;
        let line = Line {
            username: item.username.clone(),
            key: certificate.key.name(),
            issuer_name: certificate.issuer_name.clone(),
            subject: certificate.subject.clone(),
            not_before: certificate.not_before.as_unix(),
            not_after: certificate.not_after.as_unix(),
            fingerprint: hex::encode(&certificate.fingerprint),
            profile: certificate.profile.clone(),
            spki: hex::encode(&item.entry.spki.unwrap_or_default()),
            der: STANDARD.encode(item.entry.der.as_deref().unwrap_or_default()),
            file: STANDARD.encode(&item.file),
            password: item.password.clone(),
        };
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// The items of such lines; `None` if they are none.
pub(super) fn read(text: &[u8]) -> Option<Vec<Item>> {
    let lines = text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Line>(line).ok().and_then(item)).collect()
}

fn item(line: Line) -> Option<Item> {
    let hash = |text: &str| hex::decode(text).and_then(|hash| <[u8; 32]>::try_from(hash).ok());
    let certificate = IssuedCertificate {
        key: CertificateKey::of_name(&line.key)?,
        issuer_name: line.issuer_name,
        username: Some(line.username.clone()),
        subject: line.subject,
        not_before: Timestamp::from_unix(line.not_before),
        not_after: Timestamp::from_unix(line.not_after),
        fingerprint: hash(&line.fingerprint)?,
        profile: line.profile,
    };
    let entry = Entry { certificate, spki: Some(hash(&line.spki)?), der: Some(STANDARD.decode(line.der).ok()?) };
    Some(Item { username: line.username, entry, file: STANDARD.decode(line.file).ok()?, password: line.password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_not() {
        let certificate = IssuedCertificate {
            key: CertificateKey { issuer: [7; 32], serial: vec![1, 2] },
            issuer_name: "CN=Test".to_owned(),
            username: Some("ann\n\"".to_owned()),
            subject: "CN=ann".to_owned(),
            not_before: Timestamp::from_unix(1),
            not_after: Timestamp::from_unix(2),
            fingerprint: [9; 32],
            profile: "client".to_owned(),
        };
        let entry = Entry { certificate, spki: Some([3; 32]), der: Some(vec![1, 10, 2]) };
        let with = |password: Option<&str>| Item {
            username: "ann\n\"".to_owned(),
            entry: entry.clone(),
            file: vec![0, 10, 255],
            password: password.map(str::to_owned),
        };
        let items = [with(Some("secret")), with(None)];
        let text = write(&items).unwrap();
        assert_eq!(read(&text).unwrap(), items);
        assert_eq!(read(&text[..text.len() - 20]), None);
        assert_eq!(read(b"{}\n"), None);
        assert_eq!(read(b""), Some(Vec::new()));
    }
}
