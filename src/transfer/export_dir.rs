//! Objects become files of a directory tree.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderMap, Method};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::limits::transfer::TRANSFER_TRIES;
use crate::transfer::TransferError;
use crate::transfer::client::{Call, S3Client, etag, pause, text};
use crate::transfer::error::file;
use crate::transfer::headers::{is_digest, parts};
use crate::transfer::listing::{Lister, Scope, Version};
use crate::transfer::mtime::{FileTime, MTIME};
use crate::transfer::payload::Feed;
use crate::transfer::place::{Draft, Root, names};
use crate::transfer::report::{Report, Tally};
use crate::transfer::stream::Download;
use crate::types::Timestamp;

/// What to export.
#[derive(Clone, Debug)]
pub struct DirExport {
    /// The directory; it is made if it is not there.
    pub root: PathBuf,
    /// The bucket.
    pub bucket: String,
    /// Only keys that begin with it. It stays in the names of the files.
    pub prefix: String,
    /// Objects on their way at a time.
    pub parallel: usize,
}

struct Job {
    source: S3Client,
    root: Root,
    export: DirExport,
    tally: Arc<Tally>,
}

/// Exports.
///
/// # Errors
/// If the directory or the bucket cannot be had at all. Everything else is in the report.
pub async fn export_dir(source: S3Client, export: DirExport, tally: Arc<Tally>) -> Result<Report, TransferError> {
    source.greet().await?;
    let root = Root::open(&export.root).map_err(file("open directory"))?;
    Tally::add(&tally.buckets, 1);
    let slots = Arc::new(Semaphore::new(export.parallel));
    let job = Arc::new(Job { source, root, export, tally });
    let mut lister = Lister::new(&job.source, &job.export.bucket, &job.export.prefix, Scope::Objects);
    let mut files = Files::default();
    let mut running = JoinSet::new();
    let listed = loop {
        let version = match lister.next_group().await {
            Ok(Some(group)) => group.versions.into_iter().next(),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        let Some(version) = version else { continue };
        if let Some(other) = files.above(&version.key) {
            let reason = format!("the object {other:?} is a file where this one needs a directory");
            job.tally.fault(&job.export.bucket, version.key, reason);
            continue;
        }
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break Ok(()) };
        let own = Arc::clone(&job);
        running.spawn(async move {
            if let Err(error) = one(&own, &version).await {
                own.tally.fault(&own.export.bucket, version.key, error.reason());
            }
            drop(slot);
        });
        while let Some(ended) = running.try_join_next() {
            job.tally.ended(ended);
        }
    };
    while let Some(ended) = running.join_next().await {
        job.tally.ended(ended);
    }
    listed.map(|()| job.tally.report(false))
}

/// Keys that come in order, to tell those that would need a file as their directory.
#[derive(Default)]
struct Files {
    /// Those that the last key began with, the shortest first.
    open: Vec<String>,
}

impl Files {
    /// The key above this one that is a file.
    fn above(&mut self, key: &str) -> Option<&str> {
        while self.open.last().is_some_and(|open| !key.starts_with(open.as_str())) {
            self.open.pop();
        }
        let above = self.open.iter().position(|open| key[open.len()..].starts_with('/'));
        if above.is_none() && !key.ends_with('/') {
            self.open.push(key.to_owned());
        }
        above.map(|at| self.open[at].as_str())
    }
}

async fn one(job: &Arc<Job>, version: &Version) -> Result<(), TransferError> {
    let refused = |why: &str| TransferError::Unsupported(why.to_owned());
    let (_, name) = names(&version.key).map_err(refused)?;
    if name.is_none() && version.size > 0 {
        return Err(refused("a directory cannot have bytes of its own"));
    }
    let mut tries = 0;
    loop {
        match attempt(job, version, name.is_none()).await {
            Err(error) if error.passes() && tries + 1 < TRANSFER_TRIES => tries += 1,
            Ok(true) => break,
            Ok(false) => {
                Tally::add(&job.tally.skipped, 1);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        sleep(pause(tries)).await;
    }
    Tally::add(&job.tally.objects, 1);
    Tally::add(&job.tally.versions, 1);
    Tally::add(&job.tally.bytes, version.size);
    Ok(())
}

/// Writes an object once; false if it was there.
async fn attempt(job: &Arc<Job>, version: &Version, is_folder: bool) -> Result<bool, TransferError> {
    if is_folder {
        let (job, key) = (Arc::clone(job), version.key.clone());
        let made = blocking(move || match names(&key) {
            Ok((directories, _)) => job.root.directory(&directories).map(|_| ()),
            Err(why) => Err(io::Error::other(why)),
        });
        return made.await.map_err(file("make directory")).map(|()| true);
    }
    let (place_job, key) = (Arc::clone(job), version.key.clone());
    let place = blocking(move || match names(&key) {
        Ok((directories, Some(name))) => {
            let place = place_job.root.place(&directories, name)?;
            let found = place.found()?;
            Ok((place, found))
        }
        Ok((_, None)) => Err(io::Error::other("it is a directory")),
        Err(why) => Err(io::Error::other(why)),
    });
    let (place, found) = place.await.map_err(file("find its place"))?;
    if let Some((length, time)) = found.filter(|(length, _)| *length == version.size) {
        let head = job.source.read(&Call::object(Method::HEAD, &job.export.bucket, &version.key)).await?.headers;
        let is_size = text(&head, "content-length").and_then(|text| text.parse().ok()) == Some(length);
        if is_size && time_of(&head) == Some(time) {
            return Ok(false);
        }
    }
    let call = Call::object(Method::GET, &job.export.bucket, &version.key);
    let download = Download::open(&job.source, &call, call.clone()).await?;
    let time = time_of(download.headers()).unwrap_or(FileTime { seconds: 0, nanos: 0 });
    let draft = blocking(move || place.draft()).await.map_err(file("make file"))?;
    let draft = fill(draft, download).await?;
    blocking(move || draft.finish(time)).await.map_err(file("put the file in its place"))?;
    Ok(true)
}

/// Writes a body, and verifies it as far as its ETag tells.
async fn fill(draft: Draft, download: Download<'_>) -> Result<Draft, TransferError> {
    let expected = etag(download.headers());
    let expected = Some(expected).filter(|etag| is_digest(download.headers(), etag) && parts(etag).is_none());
    let (feed, pieces) = Feed::channel();
    let mut writer = spawn_blocking(move || draft.write(pieces));
    let failed = |error: tokio::task::JoinError| io::Error::other(error.to_string());
    let passed = tokio::select! {
        passed = download.pump(feed, None) => passed,
        // It ends before the pump only if it cannot write.
        written = &mut writer => {
            written.map_err(failed).flatten().map_err(file("write"))?;
            Err(TransferError::Answer("a body that ended early".to_owned()))
        }
    };
    let passed = passed?;
    let draft = writer.await.map_err(failed).flatten().map_err(file("write"))?;
    let md5 = hex::encode(passed.md5);
    if expected.as_ref().is_some_and(|expected| *expected != md5) {
        draft.discard();
        let differs = format!("it has the ETag {}, its bytes the MD5 {md5}", expected.unwrap_or_default());
        return Err(TransferError::Differs(differs));
    }
    Ok(draft)
}

/// The time of a file: what rclone stored, or else when the object was written.
fn time_of(head: &HeaderMap) -> Option<FileTime> {
    let stored = text(head, MTIME).and_then(FileTime::parse);
    let modified = || text(head, "last-modified").and_then(Timestamp::parse_http_date);
    stored.or_else(|| modified().map(|modified| FileTime { seconds: modified.seconds(), nanos: 0 }))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(|error| io::Error::other(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::Files;

    #[test]
    fn a_key_below_a_file_is_told_whatever_comes_between() {
        let mut files = Files::default();
        let keys = ["a", "a-b", "a/b", "a/b/c", "ab", "ab/", "b/", "b/c", "b/c/d"];
        let above: Vec<_> = keys.iter().map(|key| files.above(key).map(str::to_owned)).collect();
        let a = Some("a".to_owned());
        let ab = Some("ab".to_owned());
        assert_eq!(above, [None, None, a.clone(), a, None, ab, None, None, Some("b/c".to_owned())]);
    }
}
