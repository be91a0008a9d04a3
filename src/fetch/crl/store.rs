//! The folder in which the last good lists survive a restart: one file for each URL, named by the SHA-256 of the
//! URL, readable by nobody else, replaced whole or not at all. A file is a line of JSON (the URL, and what the
//! list can be recognised by on the server) and then the list as it came. Nothing in it is believed because it
//! lies there: a list is checked when it is read back as it was when it was fetched.

use crate::base::hex;
use crate::base::url::HttpUrl;
use crate::certificate::facts::sha256;
use crate::fetch::http::Validators;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The longest first line, in octets.
const MAX_LINE: usize = 8 * 1024;

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) validators: Validators,
    pub(super) octets: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    url: String,
    #[serde(flatten)]
    validators: Validators,
}

impl Store {
    /// A folder, which is made (for its owner alone) if it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// What is kept for a URL: `None` if nothing is.
    pub(super) fn read(&self, url: &HttpUrl, max_size: usize) -> io::Result<Option<Kept>> {
        let file = match fs::File::open(self.path(url)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let most = max_size.saturating_add(MAX_LINE);
        let mut octets = Vec::new();
        file.take(most as u64 + 1).read_to_end(&mut octets)?;
        if octets.len() > most {
            return Err(io::Error::other("the file is larger than a list may be"));
        }
        let malformed = || io::Error::other("the file does not begin as a cached list does");
        let end = octets.iter().take(MAX_LINE).position(|octet| *octet == b'\n').ok_or_else(malformed)?;
        let line: Line = serde_json::from_slice(octets.get(..end).unwrap_or_default()).map_err(|_| malformed())?;
        if line.url != url.to_string() {
            return Err(io::Error::other("the file holds the list of another URL"));
        }
        octets.drain(..=end);
        Ok(Some(Kept { validators: line.validators, octets }))
    }

    /// Keeps a list in place of the one before it.
    pub(super) fn write(&self, url: &HttpUrl, validators: &Validators, octets: &[u8]) -> io::Result<()> {
        let line = Line { url: url.to_string(), validators: validators.clone() };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        let path = self.path(url);
        // Two processes that share the folder do not write into one file: the name is of this process alone.
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let write = || {
            let _ = fs::remove_file(&draft);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(&line)?;
            file.write_all(octets)?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn path(&self, url: &HttpUrl) -> PathBuf {
        self.folder.join(hex::encode(&sha256(url.to_string().as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn url(text: &str) -> HttpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn what_was_kept_is_read_back_by_its_url_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/cache");
        let store = Store::open(&folder).unwrap();
        let (one, other) = (url("http://a.example/1.crl"), url("http://a.example/2.crl"));
        let validators = Validators { etag: Some("\"x\"".to_owned()), last_modified: None };
        assert_eq!(store.read(&one, 100).unwrap(), None);
        store.write(&one, &validators, b"first\nlist").unwrap();
        store.write(&one, &validators, b"second\nlist").unwrap();
        let kept = Kept { validators, octets: b"second\nlist".to_vec() };
        assert_eq!(store.read(&one, 100).unwrap(), Some(kept));
        assert_eq!(store.read(&other, 100).unwrap(), None);

        fs::copy(store.path(&one), store.path(&other)).unwrap();
        assert!(store.read(&other, 100).unwrap_err().to_string().contains("another URL"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&store.path(&one))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft stays behind");
    }

    #[test]
    fn a_file_that_was_tampered_with_is_an_error_and_no_list() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let url = url("http://a.example/");
        let long = vec![b' '; 3 * MAX_LINE];
        for content in [&b""[..], b"{}\nlist", b"no line", b"\n", &long] {
            fs::write(store.path(&url), content).unwrap();
            assert!(store.read(&url, MAX_LINE).is_err(), "{:?}", &content[..content.len().min(20)]);
        }
    }
}
