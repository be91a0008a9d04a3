use super::*;
use std::os::unix::fs::PermissionsExt;

fn open(path: &Path) -> Result<Arc<Pool>, OpenError> {
    block_on(Pool::open(path.to_owned(), Deadlines::default()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn migrated(path: &Path) -> Arc<Pool> {
    let pool = open(path).unwrap();
    block_on(Arc::clone(&pool).migrate()).unwrap();
    pool
}

fn count_accounts(pool: &Arc<Pool>) -> Result<i64, Fault> {
    let work: Work<(), i64, std::convert::Infallible> = |session, ()| {
        Box::pin(async move {
            let rows = session.query("SELECT count(*) FROM accounts", Vec::new()).await?;
            Ok(rows.first().unwrap().integer(0)?)
        })
    };
    without_refusal(block_on(Arc::clone(pool).read((), work)))
}

#[test]
fn a_file_is_made_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.db");
    let _pool = migrated(&path);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn migrating_twice_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let pool = open(&directory.path().join("accounts.db")).unwrap();
    assert_eq!(block_on(Arc::clone(&pool).schema_version()).unwrap(), None);
    let newest = migrations::newest();
    assert_eq!(block_on(Arc::clone(&pool).migrate()).unwrap(), Migrated { from: None, to: newest });
    assert_eq!(block_on(Arc::clone(&pool).migrate()).unwrap(), Migrated { from: Some(newest), to: newest });
    assert_eq!(block_on(pool.schema_version()).unwrap(), Some(newest));
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE accounts (name TEXT)").unwrap();
    assert!(matches!(open(&path), Err(OpenError::Foreign(found)) if found == path));

    let text = directory.path().join("text.db");
    std::fs::write(&text, "This is a text of more than a hundred octets. ".repeat(10)).unwrap();
    let error = open(&text).unwrap_err();
    assert_eq!(error.to_string(), "the file is not an SQLite database");
}

#[test]
fn a_reader_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let pool = migrated(&directory.path().join("accounts.db"));
    let work: Work<(), u64, std::convert::Infallible> =
        |session, ()| Box::pin(async move { Ok(session.execute("DELETE FROM changes", Vec::new()).await?) });
    assert!(without_refusal(block_on(pool.read((), work))).is_err());
}

#[test]
fn work_that_is_refused_is_undone() {
    let directory = tempfile::tempdir().unwrap();
    let pool = migrated(&directory.path().join("accounts.db"));
    let work: Work<(), (), &'static str> = |session, ()| {
        Box::pin(async move {
            let insert = "INSERT INTO accounts (username, status) VALUES ('ann', 'active')";
            assert_eq!(session.execute(insert, Vec::new()).await?, 1);
            Err(Abort::Refused("no"))
        })
    };
    assert!(matches!(block_on(Arc::clone(&pool).write((), work)), Err(Abort::Refused("no"))));
    assert_eq!(count_accounts(&pool).unwrap(), 0);
}

#[test]
fn a_file_that_is_removed_is_unavailable_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.db");
    let aside = directory.path().join("aside.db");
    let pool = migrated(&path);
    assert_eq!(count_accounts(&pool).unwrap(), 0);
    std::fs::rename(&path, &aside).unwrap();
    assert!(matches!(count_accounts(&pool), Err(Fault::Unavailable(_))));
    assert!(!path.exists(), "a removed file was made again");
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(count_accounts(&pool).unwrap(), 0);
}

#[test]
fn a_file_that_takes_the_place_of_another_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let (path, backup) = (directory.path().join("accounts.db"), directory.path().join("backup.db"));
    let pool = migrated(&path);
    assert_eq!(count_accounts(&pool).unwrap(), 0);
    drop(migrated(&backup));
    std::fs::rename(&backup, &path).unwrap();
    let fault = count_accounts(&pool).unwrap_err();
    assert!(matches!(&fault, Fault::Unavailable(why) if why.contains("replaced")), "{fault}");
}

#[test]
fn a_writer_that_is_kept_waiting_gives_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.db");
    let pool = migrated(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let work: Work<(), (), std::convert::Infallible> = |_, ()| Box::pin(async { Ok(()) });
    let fault = without_refusal(block_on(Arc::clone(&pool).write((), work))).unwrap_err();
    assert!(matches!(&fault, Fault::Unavailable(why) if why.contains("another process")), "{fault}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(without_refusal(block_on(pool.write((), work))).is_ok());
}
