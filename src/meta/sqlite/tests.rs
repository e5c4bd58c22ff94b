//! What only a database can get wrong: restarts, full disks, other processes, groups that fail.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::group::{Committer, Isolation, attempt, run_group};
use super::writer::{Answer, Command, Verdict};
use super::{SqliteMeta, SqliteSettings, connection, failure::Failure, migrate, sql, writer};
use crate::meta::{CommitDelete, CommitPut, MetaError, MetaStore, NewBody, NewBucket, NewExtent};
use crate::rules::{DeletePrecondition, WritePrecondition};
use crate::types::{
    BucketId, BucketName, ChunkId, ETag, Epoch, ListQuery, ObjectKey, ObjectMetadata, OwnerId, Timestamp,
};

fn open(path: &Path) -> SqliteMeta {
    SqliteMeta::open(path, SqliteSettings::default()).unwrap()
}

async fn bucket(store: &SqliteMeta) -> BucketId {
    let new = NewBucket::new(BucketName::parse("bucket").unwrap(), OwnerId("owner".to_owned()), Timestamp(0));
    store.create_bucket(new).await.unwrap().id
}

fn put(bucket: BucketId, key: &str, body: NewBody) -> CommitPut {
    CommitPut {
        bucket,
        key: ObjectKey::parse(key).unwrap(),
        precondition: WritePrecondition::default(),
        size: body.length(),
        etag: ETag::single([1; 16]),
        sha256: None,
        checksum: None,
        metadata: ObjectMetadata::default(),
        body,
        now: Timestamp(1000),
    }
}

fn inline(bytes: usize) -> NewBody {
    NewBody::Inline(vec![7; bytes].into())
}

async fn keys(store: &SqliteMeta, bucket: BucketId) -> Vec<String> {
    let query = ListQuery { max_keys: 1000, ..ListQuery::default() };
    store.list_objects(bucket, &query).await.unwrap().objects.into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    let store = open(&path);
    let id = bucket(&store).await;
    store.commit_put(put(id, "a", inline(3))).await.unwrap();
    let order = store.version(id, &ObjectKey::parse("a").unwrap(), None).await.unwrap().unwrap().order;
    assert_eq!(store.begin_epoch().await.unwrap().epoch, Epoch(1));
    drop(store);

    let store = open(&path);
    assert_eq!(keys(&store, id).await, ["a"]);
    assert_eq!(store.begin_epoch().await.unwrap().crashed, [Epoch(1)]);
    store.commit_put(put(id, "a", inline(4))).await.unwrap();
    let later = store.version(id, &ObjectKey::parse("a").unwrap(), None).await.unwrap().unwrap().order;
    assert!(later > order, "the clock goes on where it was");
}

#[tokio::test]
async fn what_was_committed_is_there_without_a_clean_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    let store = open(&path);
    let id = bucket(&store).await;
    store.commit_put(put(id, "a", inline(3))).await.unwrap();
    // The files as a kill would leave them: a database and a log that was not copied back.
    let copy = directory.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in ["meta.sqlite", "meta.sqlite-wal"] {
        std::fs::copy(directory.path().join(name), copy.join(name)).unwrap();
    }
    assert_eq!(keys(&open(&copy.join("meta.sqlite")), id).await, ["a"]);
}

#[tokio::test]
async fn a_closed_store_leaves_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    let store = open(&path);
    bucket(&store).await;
    assert!(directory.path().join("meta.sqlite-wal").exists());
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(!directory.path().join("meta.sqlite-wal").exists());
}

#[tokio::test]
async fn what_is_queued_when_the_store_closes_is_committed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    let store = Arc::new(open(&path));
    let id = bucket(&store).await;
    let puts = (0..50).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit_put(put(id, &format!("k{number}"), inline(3))).await })
    });
    let puts: Vec<_> = puts.collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut committed = 0;
    for put in puts {
        match put.await.unwrap() {
            Ok(_) => committed += 1,
            Err(MetaError::Closed) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(keys(&open(&path), id).await.len(), committed);
}

#[tokio::test]
async fn two_processes_write_to_one_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    let (one, two) = (open(&path), open(&path));
    let id = bucket(&one).await;
    let puts = (0..40).map(|number| {
        let store = if number % 2 == 0 { &one } else { &two };
        store.commit_put(put(id, &format!("k{number:02}"), inline(3)))
    });
    assert!(futures_util::future::join_all(puts).await.iter().all(Result::is_ok));
    assert_eq!(keys(&one, id).await.len(), 40);
    assert_eq!(keys(&two, id).await.len(), 40);
    let mut faults = Vec::new();
    one.verify(&mut |fault| faults.push(fault)).await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_left_in_any_table_when_everything_was_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    let store = open(&path);
    let id = bucket(&store).await;
    let chunk = NewExtent::Sealed { id: ChunkId::new(Epoch(1), 1), length: 5, seal: 0 };
    store.commit_put(put(id, "a", NewBody::Extents(vec![chunk]))).await.unwrap();
    store.commit_put(put(id, "b", inline(100))).await.unwrap();
    for key in ["a", "b"] {
        let delete = CommitDelete {
            bucket: id,
            key: ObjectKey::parse(key).unwrap(),
            version: None,
            precondition: DeletePrecondition::default(),
            bypass_governance: false,
            lock_time: Timestamp(0),
            now: Timestamp(0),
        };
        store.commit_delete(delete).await.unwrap();
    }
    for manifest in store.garbage_manifests(10).await.unwrap() {
        assert!(store.release_manifest(manifest, 10).await.unwrap());
    }
    store.forget_chunks(store.dead_chunks(10).await.unwrap()).await.unwrap();
    store.delete_bucket(id).await.unwrap();
    store.close().await.unwrap();
    let connection = Connection::open(&path).unwrap();
    for table in ["bucket", "version", "side", "manifest", "extent", "chunk", "dead_chunk", "garbage_manifest"] {
        let rows: i64 = connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

/// A migrated database whose writer is not running.
fn database(directory: &Path) -> Connection {
    let connection = connection::open_writer(&directory.join("meta.sqlite"), 1 << 20).unwrap();
    migrate::migrate(&connection).unwrap();
    connection
}

/// A command that adds a lease row of that name and then does what `end` says.
fn add_lease(name: &'static str, end: fn() -> Result<(), Failure>) -> (Box<dyn Command>, Answer<()>) {
    writer::command("add lease", move |tx| {
        sql::execute(tx.connection(), "INSERT INTO lease (name, holder, until) VALUES (?1, 1, 1)", [name])?;
        end()
    })
}

fn refuse() -> Result<(), Failure> {
    Err(MetaError::SourceChanged.into())
}

fn leases(connection: &Connection) -> Vec<String> {
    sql::all(connection, "SELECT name FROM lease ORDER BY name", [], |row| Ok(row.get(0)?)).unwrap()
}

#[test]
fn a_command_that_fails_half_way_is_undone_alone() {
    let directory = tempfile::tempdir().unwrap();
    let connection = database(directory.path());
    let (one, mut first) = add_lease("one", || Ok(()));
    let (two, mut second) = add_lease("two", refuse);
    let (three, mut third) = add_lease("three", || Ok(()));
    let mut group = vec![one, two, three];
    assert!(matches!(run_group(&connection, &mut group), Verdict::Answered));
    group.into_iter().for_each(|command| command.answer());
    assert!(first.try_recv().unwrap().is_ok() && third.try_recv().unwrap().is_ok());
    assert!(matches!(second.try_recv().unwrap(), Err(MetaError::SourceChanged)));
    assert_eq!(leases(&connection), ["one", "three"]);
}

#[test]
fn a_lone_command_that_fails_half_way_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let connection = database(directory.path());
    let (command, mut answer) = add_lease("one", refuse);
    let mut group = vec![command];
    assert!(matches!(run_group(&connection, &mut group), Verdict::Answered));
    group.into_iter().for_each(|command| command.answer());
    assert!(matches!(answer.try_recv().unwrap(), Err(MetaError::SourceChanged)));
    assert_eq!(leases(&connection), Vec::<String>::new());
    assert!(connection.is_autocommit());
}

#[test]
fn with_savepoints_a_group_ends_at_the_first_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let connection = database(directory.path());
    let mut group = vec![add_lease("one", refuse).0, add_lease("two", || Ok(())).0, add_lease("two", || Ok(())).0];
    assert!(attempt(&connection, &mut group, Isolation::Savepoints).is_ok());
    assert_eq!(leases(&connection), ["two"], "the third breaks a constraint");
}

#[test]
fn a_group_that_does_not_fit_the_disk_is_told_so_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let connection = database(directory.path());
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(())).unwrap();
    let fill = || {
        writer::command("fill", |tx| {
            let insert = "INSERT INTO inline_part (data) VALUES (zeroblob(1000000))";
            sql::execute(tx.connection(), insert, [])?;
            Ok(())
        })
    };
    let ((one, mut first), (two, mut second), (three, mut third)) = (add_lease("one", || Ok(())), fill(), fill());
    let mut group = vec![one, two, three];
    let verdict = run_group(&connection, &mut group);
    for command in group {
        match &verdict {
            Verdict::Answered => command.answer(),
            Verdict::Full => command.fail(MetaError::Full),
            Verdict::Storage(detail) => panic!("{detail}"),
        }
    }
    assert!(matches!(second.try_recv().unwrap(), Err(MetaError::Full)));
    assert!(matches!(third.try_recv().unwrap(), Err(MetaError::Full)));
    let was_kept = first.try_recv().unwrap().is_ok();
    assert_eq!(leases(&connection).len(), usize::from(was_kept), "what was answered is what is stored");
    assert!(connection.is_autocommit());
    let (after, _answer) = add_lease("after", || Ok(()));
    assert!(matches!(run_group(&connection, &mut [after]), Verdict::Answered));
    assert!(leases(&connection).contains(&"after".to_owned()), "the writer goes on");
}

#[test]
fn a_command_whose_requester_left_before_it_ran_is_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let (commands, queue) = mpsc::channel(2);
    let (stays, mut answer) = add_lease("stays", || Ok(()));
    let (left, gone) = add_lease("left", || Ok(()));
    drop(gone);
    assert!(commands.try_send(left).is_ok() && commands.try_send(stays).is_ok());
    drop(commands);
    writer::run(Committer::new(database(directory.path())), queue);
    assert!(answer.try_recv().unwrap().is_ok());
    let connection = Connection::open(directory.path().join("meta.sqlite")).unwrap();
    assert_eq!(leases(&connection), ["stays"]);
}
