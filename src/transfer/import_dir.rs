//! A directory tree becomes objects.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method};
use md5::{Digest as _, Md5};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::limits::transfer::{
    TRANSFER_COMPLETE_SECONDS, TRANSFER_FILE_PIECE_BYTES, TRANSFER_PART_BYTES, TRANSFER_PIECES, TRANSFER_TRIES,
};
use crate::transfer::TransferError;
use crate::transfer::client::{Call, S3Client, etag, pause, text};
use crate::transfer::copy::written;
use crate::transfer::error::file;
use crate::transfer::mtime::{FileTime, MTIME};
use crate::transfer::pieces::part_bytes;
use crate::transfer::report::{Report, Tally};
use crate::transfer::settings;
use crate::transfer::stream::{pump_pieces, upload};
use crate::transfer::tree::{self, Met, Tree};
use crate::transfer::upload::{Part, Upload};

/// What to import.
#[derive(Clone, Debug)]
pub struct DirImport {
    /// The directory.
    pub root: PathBuf,
    /// The bucket; it is made if it is not there.
    pub bucket: String,
    /// What every key begins with.
    pub prefix: String,
    /// Files on their way at a time.
    pub parallel: usize,
    /// Whether only to look.
    pub dry_run: bool,
}

struct Job {
    target: S3Client,
    import: DirImport,
    is_there: bool,
    tally: Arc<Tally>,
}

/// Imports.
///
/// # Errors
/// If the directory or the bucket cannot be had at all. Everything else is in the report.
pub async fn import_dir(target: S3Client, import: DirImport, tally: Arc<Tally>) -> Result<Report, TransferError> {
    let mut tree = Tree::new(&import.root).map_err(file("read directory"))?;
    target.greet().await?;
    if !import.dry_run {
        settings::make(&target, &import.bucket, settings::Kind::default()).await?;
    }
    let is_there = !import.dry_run || settings::exists(&target, &import.bucket).await?;
    Tally::add(&tally.buckets, 1);
    let slots = Arc::new(Semaphore::new(import.parallel));
    let job = Arc::new(Job { target, import, is_there, tally });
    let mut running = JoinSet::new();
    while let Some(met) = tree.next() {
        let (path, key) = match met {
            Met::File(path, key) => (path, format!("{}{key}", job.import.prefix)),
            Met::Odd(path, why) => {
                job.tally.pass_over(path.to_string_lossy(), why);
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let own = Arc::clone(&job);
        running.spawn(async move {
            if let Err(error) = one(&own, &path, &key).await {
                own.tally.fault(&own.import.bucket, path.to_string_lossy(), error.reason());
            }
            drop(slot);
        });
        while let Some(ended) = running.try_join_next() {
            job.tally.ended(ended);
        }
    }
    while let Some(ended) = running.join_next().await {
        job.tally.ended(ended);
    }
    Ok(job.tally.report(job.import.dry_run))
}

/// A file as it is now.
struct Found {
    file: Arc<File>,
    length: u64,
    mtime: FileTime,
}

impl Found {
    fn open(path: &Path) -> Result<Self, TransferError> {
        let opened = tree::open(path).map_err(file("open"))?;
        let (length, mtime) = facts(&opened).map_err(file("look at it"))?;
        Ok(Self { file: Arc::new(opened), length, mtime })
    }

    /// Requires the file to be what it was when it was opened.
    fn unchanged(&self) -> Result<(), TransferError> {
        let now = facts(&self.file).map_err(file("look at it again"))?;
        if now == (self.length, self.mtime) {
            return Ok(());
        }
        Err(TransferError::Differs("it changed while it was read; import it again".to_owned()))
    }
}

fn facts(file: &File) -> io::Result<(u64, FileTime)> {
    let facts = file.metadata()?;
    Ok((facts.len(), FileTime::of(facts.modified()?)))
}

async fn one(job: &Job, path: &Path, key: &str) -> Result<(), TransferError> {
    let found = Found::open(path)?;
    if job.is_there && is_stored(job, &found, key).await? {
        Tally::add(&job.tally.skipped, 1);
        return Ok(());
    }
    if !job.import.dry_run {
        let mut tries = 0;
        loop {
            let stored = match found.length {
                length if length > TRANSFER_PART_BYTES => in_parts(job, &found, path, key).await,
                _ => at_once(job, &found, path, key).await,
            };
            match stored {
                Err(error) if error.passes() && tries + 1 < TRANSFER_TRIES => tries += 1,
                outcome => break outcome?,
            }
            sleep(pause(tries)).await;
        }
        found.unchanged()?;
    }
    Tally::add(&job.tally.objects, 1);
    Tally::add(&job.tally.versions, 1);
    Tally::add(&job.tally.bytes, found.length);
    Ok(())
}

/// Whether the object is the file: by size and time, or else by its bytes if its ETag tells them.
async fn is_stored(job: &Job, found: &Found, key: &str) -> Result<bool, TransferError> {
    let head = match job.target.read(&Call::object(Method::HEAD, &job.import.bucket, key)).await {
        Ok(answer) => answer.headers,
        Err(error) if error.is_absent() => return Ok(false),
        Err(error) => return Err(error),
    };
    let length = text(&head, "content-length").and_then(|length| length.parse().ok());
    if length != Some(found.length) {
        return Ok(false);
    }
    let Some(mtime) = text(&head, MTIME) else {
        let file = Arc::clone(&found.file);
        let hashed = tokio::task::spawn_blocking(move || md5_of(&file)).await;
        let md5 = hashed.map_err(|error| file_failed(&error))?.map_err(crate::transfer::error::file("read"))?;
        return Ok(etag(&head) == md5);
    };
    Ok(FileTime::parse(mtime) == Some(found.mtime))
}

fn file_failed(error: &tokio::task::JoinError) -> TransferError {
    TransferError::File { step: "read", source: io::Error::other(error.to_string()) }
}

fn md5_of(mut file: &File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let (mut md5, mut piece) = (Md5::new(), vec![0; TRANSFER_FILE_PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(md5.finalize())),
            length => md5.update(&piece[..length]),
        }
    }
}

fn headers(found: &Found, path: &Path) -> Result<HeaderMap, TransferError> {
    let mut headers = HeaderMap::new();
    if let Some(kind) = mime_guess::from_path(path).first_raw() {
        headers.insert("content-type", HeaderValue::from_static(kind));
    }
    let mtime = HeaderValue::try_from(found.mtime.text());
    headers.insert(MTIME, mtime.map_err(|_| TransferError::Unsupported("its time".to_owned()))?);
    Ok(headers)
}

async fn at_once(job: &Job, found: &Found, path: &Path, key: &str) -> Result<(), TransferError> {
    let mut put = Call::object(Method::PUT, &job.import.bucket, key);
    put.headers = headers(found, path)?;
    let pieces = read(found, 0, found.length);
    let (answer, passed) = upload(&job.target, &put, found.length, |feed| pump_pieces(pieces, feed)).await?;
    written(&answer.headers, &answer.etag(), &hex::encode(passed.md5))
}

async fn in_parts(job: &Job, found: &Found, path: &Path, key: &str) -> Result<(), TransferError> {
    let mut upload = Upload::begin(&job.target, &job.import.bucket, key, headers(found, path)?).await?;
    match parts(job, found, &mut upload).await {
        Ok(()) => upload.complete(Duration::from_secs(TRANSFER_COMPLETE_SECONDS)).await,
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

async fn parts(job: &Job, found: &Found, upload_of: &mut Upload<'_>) -> Result<(), TransferError> {
    let part_bytes = part_bytes(found.length);
    let (mut start, mut number, mut tries) = (0, 1, 0);
    while start < found.length {
        let length = part_bytes.min(found.length - start);
        let pieces = read(found, start, length);
        match upload(&job.target, &upload_of.part(number), length, |feed| pump_pieces(pieces, feed)).await {
            Ok((answer, passed)) => {
                let (md5, etag) = (passed.md5, answer.etag());
                written(&answer.headers, &etag, &hex::encode(md5))?;
                upload_of.add(Part { number, md5, etag }, length);
                (start, number, tries) = (start + length, number + 1, 0);
            }
            Err(error) if error.passes() && tries + 1 < TRANSFER_TRIES => {
                tries += 1;
                sleep(pause(tries)).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a stretch of a file on a thread of its own, as fast as it is taken. Its end is an error if it comes early.
fn read(found: &Found, start: u64, length: u64) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, pieces) = mpsc::channel(TRANSFER_PIECES);
    let file = Arc::clone(&found.file);
    tokio::task::spawn_blocking(move || {
        let mut at = start;
        while at < start + length {
            let piece = read_piece(&file, at, start + length - at);
            at += piece.as_ref().map_or(0, |piece| piece.len() as u64);
            let is_failure = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_failure {
                return;
            }
        }
    });
    pieces
}

fn read_piece(file: &File, at: u64, left: u64) -> io::Result<Bytes> {
    use std::os::unix::fs::FileExt as _;
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(TRANSFER_FILE_PIECE_BYTES);
    let mut piece = BytesMut::zeroed(length);
    file.read_exact_at(&mut piece, at)?;
    Ok(piece.freeze())
}
