//! Whether this process can read or write a file, and if not, what on the way to it is in the way: which
//! directory cannot be entered, whose it is, and who we are.

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{getegid, geteuid, getgroups};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What stands between us and a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What is in the way, by its path.
    pub why: String,
    /// How it is removed.
    pub what_to_do: String,
}

impl Obstacle {
    fn new(why: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self { why: why.into(), what_to_do: what_to_do.into() }
    }
}

/// Whether the file can be read.
///
/// # Errors
/// What stands in the way.
pub fn readable(path: &Path) -> Result<(), Obstacle> {
    // Reading one octet is the only question that every file system answers truly. A pipe loses what is read.
    let read = |mut file: File| if file.metadata()?.file_type().is_fifo() { Ok(0) } else { file.read(&mut [0]) };
    match File::open(path).and_then(read) {
        Ok(_) => Ok(()),
        Err(error) => Err(obstacle(path, error.kind(), &error.to_string(), Need::Read)),
    }
}

/// Whether the names in a directory can be read.
///
/// # Errors
/// What stands in the way.
pub fn listable(directory: &Path) -> Result<(), Obstacle> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    match std::fs::read_dir(directory) {
        Ok(_) => Ok(()),
        Err(error) => Err(obstacle(directory, error.kind(), &error.to_string(), Need::Read)),
    }
}

/// Whether the file can be written to or, if there is none, be made. It is not touched.
///
/// # Errors
/// What stands in the way.
pub fn writable(path: &Path) -> Result<(), Obstacle> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            let directory = directory_of(path);
            return match access(&directory, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => Ok(()),
                Err(error) => Err(obstacle(&directory, error.kind(), &error.to_string(), Need::Write)),
            };
        }
        Err(error) => return Err(obstacle(path, error.kind(), &error.to_string(), Need::Write)),
    };
    if metadata.is_dir() {
        return Err(is_directory(path));
    }
    match access(path, Access::WRITE_OK) {
        Ok(()) => Ok(()),
        Err(error) => Err(obstacle(path, error.kind(), &error.to_string(), Need::Write)),
    }
}

/// Whether files can be made in a folder, or else the folder itself. It is not touched.
pub fn usable_folder(path: &Path) -> Result<(), Obstacle> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| obstacle(path, error.kind(), &error.to_string(), Need::Write)),
        Ok(_) => Err(Obstacle {
            why: format!("{} is a file and not a folder", path.display()),
            what_to_do: "name a folder".to_owned(),
        }),
        Err(_) => writable(path),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Read,
    Write,
}

fn access(path: &Path, access: Access) -> std::io::Result<()> {
    // By the effective user, who opens files; plain access(2) asks for the real one.
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn obstacle(path: &Path, kind: ErrorKind, error: &str, need: Need) -> Obstacle {
    let on_the_way = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for directory in directories_to(&on_the_way) {
        if let Some(obstacle) = obstacle_of_directory(&directory) {
            return obstacle;
        }
    }
    match kind {
        ErrorKind::NotFound => missing(path),
        ErrorKind::PermissionDenied => denied(path, need),
        ErrorKind::IsADirectory => is_directory(path),
        _ => Obstacle::new(error, "look at the file and the file system that it is on"),
    }
}

/// The directories that are entered on the way to a file, from the root on.
fn directories_to(path: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_owned).collect();
    directories.reverse();
    directories
}

fn obstacle_of_directory(directory: &Path) -> Option<Obstacle> {
    let shown = directory.display();
    let metadata = match std::fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(missing(directory)),
        // A symbolic link leads on by a way that has its own directories.
        Err(error) => return Some(Obstacle::new(format!("{shown}: {error}"), "look at where the link leads")),
    };
    if !metadata.is_dir() {
        return Some(Obstacle::new(format!("{shown} is not a directory"), "correct the path"));
    }
    if access(directory, Access::EXEC_OK).is_ok() {
        return None;
    }
    Some(Obstacle::new(
        format!("the directory {shown} ({}) cannot be entered by {}", owner_and_mode(&metadata), ourselves()),
        format!("let it be entered, for example with: setfacl -m u:{}:x {shown}", our_name()),
    ))
}

fn missing(path: &Path) -> Obstacle {
    let shown = path.display();
    match std::fs::read_link(path) {
        Ok(target) => Obstacle::new(
            format!("{shown} is a symbolic link to {}, which does not exist", target.display()),
            "mend the link, or correct the path",
        ),
        Err(_) => Obstacle::new(format!("{shown} does not exist"), "make it, or correct the path"),
    }
}

fn is_directory(path: &Path) -> Obstacle {
    Obstacle::new(format!("{} is a directory", path.display()), "name a file")
}

fn denied(path: &Path, need: Need) -> Obstacle {
    let shown = path.display();
    let whose = std::fs::metadata(path).map(|metadata| format!(" ({})", owner_and_mode(&metadata))).unwrap_or_default();
    let (verb, right) = match need {
        Need::Read => ("read", "r"),
        Need::Write if path.is_dir() => ("written to", "rwx"),
        Need::Write => ("written to", "rw"),
    };
    Obstacle::new(
        format!("{shown}{whose} cannot be {verb} by {}", ourselves()),
        format!("let it be {verb}, for example with: setfacl -m u:{}:{right} {shown}", our_name()),
    )
}

fn owner_and_mode(metadata: &Metadata) -> String {
    let owner = name_of(metadata.uid(), "/etc/passwd").unwrap_or_else(|| metadata.uid().to_string());
    let group = name_of(metadata.gid(), "/etc/group").unwrap_or_else(|| metadata.gid().to_string());
    format!("owner {owner}, group {group}, mode {:04o}", metadata.permissions().mode() & 0o7777)
}

fn our_name() -> String {
    let uid = geteuid().as_raw();
    name_of(uid, "/etc/passwd").unwrap_or_else(|| uid.to_string())
}

fn ourselves() -> String {
    let mut groups = vec![getegid()];
    groups.extend(getgroups().unwrap_or_default());
    groups.sort_unstable_by_key(|group| group.as_raw());
    groups.dedup();
    let groups: Vec<String> = groups
        .into_iter()
        .map(|group| name_of(group.as_raw(), "/etc/group").unwrap_or_else(|| group.as_raw().to_string()))
        .collect();
    format!("user {} (uid {}, groups {})", our_name(), geteuid().as_raw(), groups.join(" "))
}

/// The name of a user or group in one of the local tables. Those that only a directory service knows go by
/// their number, which is as true and costs no question over the network.
fn name_of(id: u32, table: &str) -> Option<String> {
    let mut text = String::new();
    File::open(table).ok()?.take(1024 * 1024).read_to_string(&mut text).ok()?;
    let id = id.to_string();
    text.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        (columns.nth(1)? == id).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_on_the_way_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::write(root.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        let cases = [
            ("absent", "absent does not exist"),
            ("a/b/c", "/a does not exist"),
            ("file/below", "/file is not a directory"),
            ("link", "is a symbolic link to nowhere, which does not exist"),
            (".", "is a directory"),
        ];
        for (path, why) in cases {
            let obstacle = readable(&root.join(path)).unwrap_err();
            assert!(obstacle.why.contains(why), "{path}: {obstacle:?}");
            assert!(!obstacle.what_to_do.is_empty());
        }
        assert_eq!(readable(&root.join("file")), Ok(()));
    }

    #[test]
    fn a_file_that_can_be_made_can_be_written_to_and_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert_eq!(writable(&root.join("new")), Ok(()));
        assert!(!root.join("new").exists());
        assert!(writable(&root.join("a/new")).unwrap_err().why.contains("/a does not exist"));
        assert!(writable(root).unwrap_err().why.contains("is a directory"));
        std::fs::write(root.join("old"), "kept").unwrap();
        assert_eq!(writable(&root.join("old")), Ok(()));
        assert_eq!(std::fs::read_to_string(root.join("old")).unwrap(), "kept");
    }

    #[test]
    fn users_have_names() {
        assert_eq!(name_of(0, "/etc/passwd").as_deref(), Some("root"));
        assert_eq!(name_of(4_000_000_000, "/etc/passwd"), None);
        assert!(ourselves().starts_with("user "));
    }
}
