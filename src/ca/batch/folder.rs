//! The folder that a batch fills: one file for each account, `report.csv`, which says of each what it got, and
//! `.batch`, where the work is kept that is not finished. All of it is its owner's alone: a folder that others may write
//! in is not filled, since they would read what is written there, or put in what is believed.

use super::staged::{self, Item};
use super::{BatchError, Kind};
use crate::base::hex;
use crate::ca::files::{self, Access};
use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const WORK: &str = ".batch";
const REPORT: &str = "report.csv";
const REFUSED: &str = "refused.csv";
const HEAD: &str = "username,file,serial,not_after,password\n";
/// The largest part that is read again, in octets.
const LARGEST_PART: u64 = 256 << 20;
/// What others may not do with a folder, or with a file that is believed.
const WRITE: u32 = 0o022;
/// What others may not do with a file that secrets are written into.
const READ_OR_WRITE: u32 = 0o077;

/// The folder, locked.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    kind: Kind,
    report: File,
    /// Who has got a file, by their user names.
    done: HashSet<String>,
    next_part: u64,
    _lock: File,
}

impl Folder {
    /// Opens or makes a folder for a batch. `job` says what the batch is: a folder that was begun for another one is
    /// not filled further.
    pub(super) fn open(path: &Path, job: &str, kind: Kind) -> Result<Self, BatchError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| BatchError::Folder { path, source }
        };
        // With a slash at its end a link would pass for the folder that it leads to.
        let path: &Path = &path.components().collect::<PathBuf>();
        let work = path.join(WORK);
        make_own(path)?;
        make_own(&work)?;
        let writing = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).read(true).write(true).mode(0o600);
            options
        };
        let lock = open_own(&work.join("lock"), writing(), READ_OR_WRITE)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| BatchError::Busy(path.to_owned()))?;
        let job_path = work.join("job");
        match std::fs::read_to_string(&job_path) {
            Ok(found) if found == job => {}
            Ok(_) => return Err(BatchError::OtherJob(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files::write(&job_path, job.as_bytes(), Access::Private)?;
            }
            Err(error) => return Err(io(&job_path)(error)),
        }
        let report_path = path.join(REPORT);
        let mut report = open_own(&report_path, writing(), READ_OR_WRITE)?;
        let done = reported(&mut report).map_err(io(&report_path))?;
        let mut folder = Self { path: path.to_owned(), kind, report, done, next_part: 0, _lock: lock };
        folder.next_part = folder.parts()?.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        Ok(folder)
    }

    /// Whether an account has got its file.
    pub(super) fn has(&self, username: &str) -> bool {
        self.done.contains(username)
    }

    /// How many have got theirs.
    pub(super) fn len(&self) -> usize {
        self.done.len()
    }

    /// The parts that were staged and not finished, in their order.
    pub(super) fn unfinished(&self) -> Result<Vec<(u64, Vec<Item>)>, BatchError> {
        let mut parts = Vec::new();
        for (number, path) in self.parts()? {
            let unreadable = |source| BatchError::Folder { path: path.clone(), source };
            let mut text = Vec::new();
            let mut reading = OpenOptions::new();
            reading.read(true);
            let file = open_own(&path, reading, WRITE)?;
            file.take(LARGEST_PART).read_to_end(&mut text).map_err(unreadable)?;
            let items = staged::read(&text).ok_or_else(|| BatchError::Damaged(path.clone()))?;
            parts.push((number, items));
        }
        Ok(parts)
    }

    fn parts(&self) -> Result<Vec<(u64, PathBuf)>, BatchError> {
        let work = self.path.join(WORK);
        let unreadable = |source| BatchError::Folder { path: work.clone(), source };
        let mut parts = Vec::new();
        for entry in std::fs::read_dir(&work).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // One that was cut off while it was written has another name, and was recorded nowhere.
            if name.ends_with(".new") {
                std::fs::remove_file(&path).map_err(unreadable)?;
            }
            if let Some(number) = name.strip_prefix("part-").and_then(|number| number.parse().ok()) {
                parts.push((number, path));
            }
        }
        parts.sort_unstable();
        Ok(parts)
    }

    /// Keeps a part until it is finished. Once this returns it outlives the process and the machine's power.
    pub(super) fn stage(&mut self, items: &[Item]) -> Result<u64, BatchError> {
        let number = self.next_part;
        let text = staged::write(items).map_err(|error| BatchError::Staging(error.to_string()))?;
        files::write(&self.part(number), &text, Access::Private)?;
        self.next_part += 1;
        Ok(number)
    }

    fn part(&self, number: u64) -> PathBuf {
        self.path.join(WORK).join(format!("part-{number}"))
    }

    /// Lays the files of a part down, reports them, and forgets the part. It may have been begun before.
    pub(super) fn publish(&mut self, number: u64, items: &[&Item]) -> Result<(), BatchError> {
        // Those that have a line already, too: when the power fails a line may last and its file not, and the part is
        // then the only copy of its key.
        self.lay_all(items)?;
        let new = items.iter().filter(|item| !self.done.contains(&item.username));
        let lines = new.map(|item| line(item, &file_name(&item.username, self.kind)));
        let lines = lines.collect::<String>().into_bytes();
        let report = self.path.join(REPORT);
        let unwritten = |source| BatchError::Folder { path: report.clone(), source };
        self.report.write_all(&lines).map_err(unwritten)?;
        // The files and the report are on the disk before the part goes, of which they are made. One call for all of
        // them costs a hundredth of one for each.
        rustix::fs::syncfs(&self.report).map_err(|error| unwritten(error.into()))?;
        std::fs::remove_file(self.part(number)).map_err(unwritten)?;
        self.done.extend(items.iter().map(|item| item.username.clone()));
        Ok(())
    }

    /// Lays files down on all cores: what they cost is the system's work.
    fn lay_all(&self, items: &[&Item]) -> Result<(), BatchError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = items.len().div_ceil(cores).max(1);
        let lay_some = |items: &[&Item]| {
            items.iter().try_for_each(|item| lay(&self.path.join(file_name(&item.username, self.kind)), &item.file))
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = items.chunks(share).map(|items| scope.spawn(move || lay_some(items))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(BatchError::Thread)))
        })
    }

    /// Writes down who got nothing and why, in the place of what an earlier run wrote.
    pub(super) fn refuse(&self, refused: &[(String, String)]) -> Result<(), BatchError> {
        let path = self.path.join(REFUSED);
        if refused.is_empty() && !path.exists() {
            return Ok(());
        }
        let mut text = "username,why\n".to_owned();
        for (username, why) in refused {
            text.push_str(&format!("{},{}\n", field(username), field(why)));
        }
        Ok(files::write(&path, text.as_bytes(), Access::Private)?)
    }
}

/// Makes a folder, or takes one that is there if it is ours alone.
fn make_own(path: &Path) -> Result<(), BatchError> {
    let failed = |source| BatchError::Folder { path: path.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(failed)?,
    }
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    if found.is_dir() && is_own(&found, WRITE) { Ok(()) } else { Err(BatchError::NotOurs(path.to_owned())) }
}

/// Opens a plain file that is ours, and with which others may do nothing of this; a link is not followed.
fn open_own(path: &Path, mut options: OpenOptions, others: u32) -> Result<File, BatchError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path);
    let file = opened.map_err(|source| match Errno::from_io_error(&source) {
        Some(Errno::LOOP) => BatchError::NotOurs(path.to_owned()),
        _ => BatchError::Folder { path: path.to_owned(), source },
    })?;
    let found = file.metadata().map_err(|source| BatchError::Folder { path: path.to_owned(), source })?;
    if found.is_file() && is_own(&found, others) { Ok(file) } else { Err(BatchError::NotOurs(path.to_owned())) }
}

fn is_own(found: &Metadata, others: u32) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & others == 0
}

/// A file under its name, whole. The same may be there already, and what a failure of power left of it is replaced;
/// anything else is not.
fn lay(path: &Path, content: &[u8]) -> Result<(), BatchError> {
    let failed = |source| BatchError::Folder { path: path.to_owned(), source };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let make = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let new = match make() {
        // What an earlier run left half written goes. Written over it would keep its mode, its owner and its readers.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(&temporary).and_then(|()| make())
        }
        made => made,
    };
    new.and_then(|mut file| file.write_all(content)).map_err(failed)?;
    match rustix::fs::renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(()),
        Err(Errno::EXIST) => {}
        // A file system that cannot do both in one step.
        Err(Errno::INVAL) if matches!(path.try_exists(), Ok(false)) => {
            return std::fs::rename(&temporary, path).map_err(failed);
        }
        Err(Errno::INVAL) => {}
        Err(error) => return Err(failed(error.into())),
    }
    let found = content_at(path, content.len()).map_err(failed)?;
    if found.as_deref().is_some_and(|found| found != content && is_rest_of(found, content)) {
        return std::fs::rename(&temporary, path).map_err(failed);
    }
    std::fs::remove_file(&temporary).map_err(failed)?;
    if found.as_deref() == Some(content) { Ok(()) } else { Err(BatchError::InTheWay(path.to_owned())) }
}

/// What a plain file holds that has at most so many octets; `None` of anything else.
fn content_at(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_file() || found.len() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Ok(None);
    }
    std::fs::read(path).map(Some)
}

/// Whether this is what a failure of power has left of a file: its name may last without its octets, which are missing
/// then or noughts.
fn is_rest_of(found: &[u8], content: &[u8]) -> bool {
    let noughts = found.iter().rev().take_while(|octet| **octet == 0).count();
    content.starts_with(found.get(..found.len().saturating_sub(noughts)).unwrap_or_default())
}

/// The user names in the lines of a report; a line that was cut off goes.
fn reported(report: &mut File) -> io::Result<HashSet<String>> {
    let mut text = String::new();
    report.read_to_string(&mut text)?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    report.set_len(u64::try_from(whole).unwrap_or(0))?;
    report.seek(SeekFrom::End(0))?;
    let lines = text.get(..whole).unwrap_or_default();
    if lines.is_empty() {
        report.write_all(HEAD.as_bytes())?;
    }
    Ok(lines.lines().skip(1).filter_map(first_field).collect())
}

fn line(item: &Item, file: &str) -> String {
    let certificate = &item.entry.certificate;
    let serial = hex::encode(&certificate.key.serial);
    let not_after = certificate.not_after.to_string();
    let password = item.password.as_deref().unwrap_or_default();
    format!("{},{},{serial},{not_after},{}\n", field(&item.username), field(file), field(password))
}

/// A field of RFC 4180. User names hold no line ends (`account::names`).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "))
    } else {
        text.to_owned()
    }
}

fn first_field(line: &str) -> Option<String> {
    match line.strip_prefix('"') {
        None => line.split(',').next().map(str::to_owned),
        Some(quoted) => {
            let mut name = String::new();
            let mut characters = quoted.chars().peekable();
            while let Some(character) = characters.next() {
                match character {
                    '"' if characters.peek() == Some(&'"') => {
                        characters.next();
                        name.push('"');
                    }
                    '"' => return Some(name),
                    other => name.push(other),
                }
            }
            None
        }
    }
}

/// The name of an account's file. Two accounts have never the same, and none leaves the folder: whatever is not
/// a letter, a digit or one of `-_.@+` is written as `%` and its octets; so is a dot that begins the name.
pub(super) fn file_name(username: &str, kind: Kind) -> String {
    let mut name = String::new();
    for (at, byte) in username.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_@+".contains(&byte) || (byte == b'.' && at > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    // A name of 255 octets is the longest that file systems take.
    if name.len() > 200 {
        name = format!("%%{}", hex::encode(&crate::certificate::facts::sha256(username.as_bytes())));
    }
    format!("{name}.{}", kind.extension())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{CertificateKey, IssuedCertificate};
    use crate::base::clock::Timestamp;
    use crate::ca::register::Entry;
    use proptest::prelude::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const JOB: &str = "client";

    fn item(username: &str, file: &[u8]) -> Item {
        let certificate = IssuedCertificate {
            key: CertificateKey { issuer: [7; 32], serial: vec![1, 2] },
            issuer_name: "CN=Test".to_owned(),
            username: Some(username.to_owned()),
            subject: format!("CN={username}"),
            not_before: Timestamp::from_unix(1),
            not_after: Timestamp::from_unix(2),
            fingerprint: [9; 32],
            profile: "client".to_owned(),
        };
        let entry = Entry { certificate, spki: Some([3; 32]), der: Some(vec![1]) };
        Item { username: username.to_owned(), entry, file: file.to_vec(), password: None }
    }

    fn folder(path: &Path, mode: u32) {
        std::fs::create_dir(path).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn file(path: &Path, mode: u32) {
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_could_write_in_or_read_is_not_filled() {
        type Lay = fn(&Path);
        let cases: [(&str, Lay, bool); 10] = [
            ("one's own", |out| folder(out, 0o755), true),
            (
                "one's own with a report",
                |out| {
                    folder(out, 0o700);
                    file(&out.join(REPORT), 0o600);
                },
                true,
            ),
            ("everybody's", |out| folder(out, 0o777), false),
            ("a group's", |out| folder(out, 0o770), false),
            (
                "a link",
                |out| {
                    folder(&out.with_extension("x"), 0o700);
                    symlink(out.with_extension("x"), out).unwrap();
                },
                false,
            ),
            ("a file", |out| file(out, 0o600), false),
            (
                "everybody's work",
                |out| {
                    folder(out, 0o700);
                    folder(&out.join(WORK), 0o777);
                },
                false,
            ),
            (
                "a report to read",
                |out| {
                    folder(out, 0o700);
                    file(&out.join(REPORT), 0o644);
                },
                false,
            ),
            (
                "a report elsewhere",
                |out| {
                    folder(out, 0o700);
                    symlink("/dev/null", out.join(REPORT)).unwrap();
                },
                false,
            ),
            (
                "a lock to take",
                |out| {
                    folder(out, 0o700);
                    folder(&out.join(WORK), 0o700);
                    file(&out.join(WORK).join("lock"), 0o666);
                },
                false,
            ),
        ];
        for (what, lay, is_taken) in cases {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("out");
            lay(&out);
            for path in [out.clone(), out.join("")] {
                match Folder::open(&path, JOB, Kind::Pem) {
                    Ok(_) => assert!(is_taken, "{what}"),
                    Err(BatchError::NotOurs(_)) => assert!(!is_taken, "{what}"),
                    Err(other) => panic!("{what}: {other}"),
                }
            }
        }
    }

    #[test]
    fn what_lies_in_the_place_of_a_new_file_is_removed_and_never_written_into() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let mut batch = Folder::open(&out, JOB, Kind::Pem).unwrap();
        let theirs = directory.path().join("theirs");
        file(&theirs, 0o666);
        file(&out.join("ann.pem.new"), 0o666);
        std::fs::hard_link(&theirs, out.join("ben.pem.new")).unwrap();
        symlink(&theirs, out.join("cid.pem.new")).unwrap();
        let items = ["ann", "ben", "cid"].map(|username| item(username, b"content"));
        let number = batch.stage(&items).unwrap();
        batch.publish(number, &items.iter().collect::<Vec<_>>()).unwrap();
        for name in ["ann.pem", "ben.pem", "cid.pem"] {
            let found = std::fs::symlink_metadata(out.join(name)).unwrap();
            assert!(found.is_file() && found.mode() & 0o777 == 0o600, "{name}: {found:?}");
            assert_eq!(std::fs::read(out.join(name)).unwrap(), b"content");
        }
        assert_eq!(std::fs::read(theirs).unwrap(), b"");
    }

    #[test]
    fn what_a_failure_of_power_took_is_laid_down_again_from_the_part() {
        let cases: [(Option<&[u8]>, bool); 8] = [
            (None, true),
            (Some(b"content"), true),
            (Some(b""), true),
            (Some(b"cont"), true),
            (Some(b"\0\0\0\0\0\0\0"), true),
            (Some(b"con\0\0\0\0"), true),
            (Some(b"others!"), false),
            (Some(b"content and more"), false),
        ];
        for (left, is_mended) in cases {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("out");
            let mut cut_off = Folder::open(&out, JOB, Kind::Pem).unwrap();
            let ann = item("ann", b"content");
            cut_off.stage(std::slice::from_ref(&ann)).unwrap();
            cut_off.report.write_all(line(&ann, "ann.pem").as_bytes()).unwrap();
            drop(cut_off);
            if let Some(left) = left {
                std::fs::write(out.join("ann.pem"), left).unwrap();
            }
            let mut next = Folder::open(&out, JOB, Kind::Pem).unwrap();
            assert!(next.has("ann"), "its line has lasted");
            let (number, items) = next.unfinished().unwrap().remove(0);
            let published = next.publish(number, &items.iter().collect::<Vec<_>>());
            if is_mended {
                published.unwrap();
                assert_eq!(std::fs::read(out.join("ann.pem")).unwrap(), b"content", "{left:?}");
                assert_eq!(next.unfinished().unwrap(), []);
            } else {
                assert!(matches!(published, Err(BatchError::InTheWay(_))), "{left:?}");
                assert_eq!(std::fs::read(out.join("ann.pem")).unwrap(), left.unwrap());
                assert_eq!(next.unfinished().unwrap().len(), 1, "the part is kept");
            }
            let report = std::fs::read_to_string(out.join(REPORT)).unwrap();
            assert_eq!(report.lines().count(), 2, "nobody has two lines: {report}");
            assert!(!out.join("ann.pem.new").exists());
        }
    }

    #[test]
    fn a_file_is_named_after_its_account_and_stays_in_its_folder() {
        for (username, expected) in [
            ("ann", "ann.p12"),
            ("ann.lee@example.org", "ann.lee@example.org.p12"),
            ("../etc/passwd", "%2e.%2fetc%2fpasswd.p12"),
            (".batch", "%2ebatch.p12"),
            ("Ann Lee", "Ann%20Lee.p12"),
            ("änn", "%c3%a4nn.p12"),
            ("100%", "100%25.p12"),
        ] {
            assert_eq!(file_name(username, Kind::Pkcs12), expected);
        }
        assert!(file_name(&"ä".repeat(127), Kind::Pem).len() < 200);
    }

    proptest! {
        #[test]
        fn no_two_accounts_have_one_file(one in "\\PC{1,40}", other in "\\PC{1,40}") {
            prop_assert_eq!(one == other, file_name(&one, Kind::Pem) == file_name(&other, Kind::Pem));
            prop_assert!(!file_name(&one, Kind::Pem).contains('/'));
        }

        #[test]
        fn the_name_in_a_line_is_read_back(username in "\\PC{1,40}") {
            let line = format!("{},rest", field(&username));
            prop_assert_eq!(first_field(&line), Some(username));
        }
    }
}
