//! One encrypted file in the place of the folder of a batch: a tar (POSIX.1-2017, pax) within the age format, version 1,
//! with a passphrase (<https://age-encryption.org/v1>), so that `age --decrypt FILE | tar --extract` opens it. Each chunk of
//! it is authenticated, and its end as well.

use crate::base::secret::Secret;
use crate::ca::password::Password;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The cost of a guess at the passphrase: scrypt with N = 2^15, r = 8, p = 1, which takes a tenth of a second.
const LOG_N: u8 = 15;
/// The octets that are encrypted at once.
const CHUNK: usize = 64 * 1024;
/// The octets of a block of a tar.
const BLOCK: usize = 512;
/// The longest name that a plain header of a tar holds.
const LONGEST_NAME: usize = 100;

/// An archive cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the archive {path}: {source}")]
pub struct ArchiveError {
    /// The archive, or the file that was to go into it.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Packs the files of a folder that a batch has filled; what it keeps for itself is left out. The archive must not exist;
/// it has its name when it is whole.
///
/// # Errors
/// When the folder cannot be read, or the archive cannot be written.
pub fn pack(folder: &Path, archive: &Path, passphrase: &Password, modified: i64) -> Result<usize, ArchiveError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ArchiveError { path, source }
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        if entry.file_type().map_err(failed(folder))?.is_file() && entry.path().extension() != Some(OsStr::new("new")) {
            names.push(entry.file_name());
        }
    }
    names.sort();
    if archive.symlink_metadata().is_ok() {
        return Err(failed(archive)(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let mut beside = archive.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&beside)(error)),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed(&beside))?;
    let written = (|| {
        let mut sealed = Sealed::begin(BufWriter::new(file), passphrase.secret()).map_err(failed(archive))?;
        for name in &names {
            let path = folder.join(name);
            append(&mut sealed, &path, &name.to_string_lossy(), modified).map_err(failed(&path))?;
        }
        // Two empty blocks end a tar.
        sealed.write_all(&[0; 2 * BLOCK]).map_err(failed(archive))?;
        let file = sealed.finish().and_then(|file| file.into_inner().map_err(io::IntoInnerError::into_error));
        file.and_then(|file| file.sync_all()).map_err(failed(archive))?;
        std::fs::rename(&beside, archive).map_err(failed(archive))
    })();
    if written.is_err() {
        // The error that counts is the one that is returned.
        let _ = std::fs::remove_file(&beside);
    }
    written.map(|()| names.len())
}

fn append(tar: &mut impl Write, path: &Path, name: &str, modified: i64) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if name.len() > LONGEST_NAME {
        let record = pax_record("path", name);
        tar.write_all(&header("././@PaxHeader", u64::try_from(record.len()).unwrap_or(0), modified, b'x')?)?;
        padded(tar, record.as_bytes())?;
    }
    let short: String = name.chars().take_while(char::is_ascii).take(LONGEST_NAME).collect();
    tar.write_all(&header(&short, size, modified, b'0')?)?;
    let copied = io::copy(&mut file.take(size), tar)?;
    if copied != size {
        return Err(io::Error::other("it has become shorter while it was read"));
    }
    tar.write_all(vec![0; padding(size)].as_slice())
}

/// A record of a pax header: its own length, the key and the value.
fn pax_record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length += 1;
    }
    format!("{length}{rest}")
}

fn padded(tar: &mut impl Write, content: &[u8]) -> io::Result<()> {
    tar.write_all(content)?;
    tar.write_all(&vec![0; padding(u64::try_from(content.len()).unwrap_or(0))])
}

/// How many octets fill the last block.
fn padding(size: u64) -> usize {
    let block = u64::try_from(BLOCK).unwrap_or(1);
    usize::try_from((block - size % block) % block).unwrap_or(0)
}

/// A header of the ustar format.
fn header(name: &str, size: u64, modified: i64, kind: u8) -> io::Result<Vec<u8>> {
    if size >= 1 << 33 {
        return Err(io::Error::other("it is too large for an archive"));
    }
    let mut block = Vec::with_capacity(BLOCK);
    let mut field = |content: &[u8], width: usize| {
        let content = content.get(..content.len().min(width)).unwrap_or_default();
        block.extend_from_slice(content);
        block.resize(block.len() + width - content.len(), 0);
    };
    field(name.as_bytes(), LONGEST_NAME);
    field(b"0000600", 8);
    field(b"0000000", 8);
    field(b"0000000", 8);
    field(format!("{size:011o}").as_bytes(), 12);
    field(format!("{:011o}", modified.max(0)).as_bytes(), 12);
    // The checksum, for which these octets count as spaces.
    field(b"        ", 8);
    field(&[kind], 1);
    field(b"", 100);
    field(b"ustar", 6);
    field(b"00", 2);
    field(b"", 247);
    let sum: u32 = block.iter().map(|octet| u32::from(*octet)).sum();
    let checksum = format!("{sum:06o}\0 ");
    drop(block.splice(148..156, checksum.bytes()));
    Ok(block)
}

/// Encrypts what is written to it.
struct Sealed<W: Write> {
    out: W,
    key: LessSafeKey,
    counter: u64,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealed<W> {
    fn begin(mut out: W, passphrase: &Secret) -> io::Result<Self> {
        let mut file_key = Zeroizing::new([0; 16]);
        let (mut salt, mut nonce) = ([0; 16], [0; 16]);
        for octets in [file_key.as_mut_slice(), &mut salt, &mut nonce] {
            aws_lc_rs::rand::fill(octets).map_err(|_| failed())?;
        }
        let header = header_of(&file_key, &salt, passphrase)?;
        out.write_all(header.as_bytes())?;
        out.write_all(&nonce)?;
        let key = derived(&nonce, file_key.as_slice(), b"payload")?;
        Ok(Self {
            out,
            key: chacha(key.as_slice())?,
            counter: 0,
            chunk: Zeroizing::new(Vec::with_capacity(CHUNK + 16)),
        })
    }

    fn flush_chunk(&mut self, last: bool) -> io::Result<()> {
        let mut nonce = [0; 12];
        // Eleven octets of a number, big-endian, and one that says whether it is the last.
        for (to, from) in nonce.iter_mut().skip(3).zip(self.counter.to_be_bytes()) {
            *to = from;
        }
        if let Some(flag) = nonce.last_mut() {
            *flag = u8::from(last);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut self.chunk).map_err(|_| failed())?;
        self.out.write_all(&self.chunk)?;
        self.out.write_all(tag.as_ref())?;
        self.chunk.clear();
        self.counter += 1;
        Ok(())
    }

    fn finish(mut self) -> io::Result<W> {
        self.flush_chunk(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // A full chunk waits until more comes: only then it is known not to be the last.
        if self.chunk.len() == CHUNK && !octets.is_empty() {
            self.flush_chunk(false)?;
        }
        let taken = octets.get(..octets.len().min(CHUNK - self.chunk.len())).unwrap_or_default();
        self.chunk.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header: how the key of the file follows from the passphrase.
fn header_of(file_key: &[u8; 16], salt: &[u8; 16], passphrase: &Secret) -> io::Result<String> {
    let parameters = scrypt::Params::new(LOG_N, 8, 1).map_err(|_| failed())?;
    let mut wrapping = Zeroizing::new([0; 32]);
    let salted = [b"age-encryption.org/v1/scrypt", salt.as_slice()].concat();
    scrypt::scrypt(passphrase.expose(), &salted, &parameters, wrapping.as_mut_slice()).map_err(|_| failed())?;
    let mut body = file_key.to_vec();
    let tag = chacha(wrapping.as_slice())?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body)
        .map_err(|_| failed())?;
    body.extend_from_slice(tag.as_ref());
    let (salt, body) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(body));
    let header = format!("age-encryption.org/v1\n-> scrypt {salt} {LOG_N}\n{body}\n---");
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived(&[], file_key, b"header")?.as_slice());
    let mac = STANDARD_NO_PAD.encode(hmac::sign(&key, header.as_bytes()));
    Ok(format!("{header} {mac}\n"))
}

fn derived(salt: &[u8], key: &[u8], purpose: &[u8]) -> io::Result<Zeroizing<[u8; 32]>> {
    struct Length;

    impl KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }

    let mut derived = Zeroizing::new([0; 32]);
    let purposes = [purpose];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(key);
    let expanded = extracted.expand(&purposes, Length).map_err(|_| failed())?;
    expanded.fill(derived.as_mut_slice()).map_err(|_| failed())?;
    Ok(derived)
}

fn chacha(key: &[u8]) -> io::Result<LessSafeKey> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| failed())?))
}

/// The cryptography says no more.
fn failed() -> io::Error {
    io::Error::other("the cryptography failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        assert_eq!(pax_record("path", "abc"), "12 path=abc\n");
        for length in 80..120 {
            let record = pax_record("path", &"x".repeat(length));
            assert_eq!(record.split(' ').next().unwrap().parse(), Ok(record.len()));
        }
    }

    #[test]
    fn a_header_is_one_block_and_its_sum_is_right() {
        let block = header("ann.p12", 1234, 1_800_000_000, b'0').unwrap();
        assert_eq!(block.len(), BLOCK);
        let said = u32::from_str_radix(std::str::from_utf8(&block[148..154]).unwrap(), 8).unwrap();
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, octet)| if (148..156).contains(&at) { 32 } else { u32::from(*octet) })
            .sum();
        assert_eq!(said, sum);
    }
}
