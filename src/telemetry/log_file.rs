//! A file of log lines with its own thread: requests hand lines over and never wait for the disk. Rotated by size,
//! opened again when somebody moved it away. No line is lost by either; what a disk that hangs makes too many is dropped
//! and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use serde::Serialize;

use crate::limits::insight::{LOG_FILE_LINE_BYTES_MAX, LOG_FILE_LINES_MAX, LOG_FILE_PENDING_BYTES_MAX};
use crate::telemetry::record;

/// Keys of objects and names of users are in it.
const FILE_MODE: u32 = 0o640;
/// How long a stop waits for the last lines.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A request that ended, as a line of the access log file.
#[derive(Clone, Debug, Serialize)]
pub struct AccessEntry<'a> {
    /// When it ended.
    pub at: String,
    /// Its id.
    pub request_id: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its operation.
    pub operation: &'static str,
    /// Its bucket; may be empty.
    pub bucket: &'a str,
    /// Its key; may be empty.
    pub key: &'a str,
    /// The status of its answer; 0 if it had none.
    pub status: u16,
    /// The S3 code that refused it.
    pub code: Option<&'static str>,
    /// Whether the whole answer was handed to the connection.
    pub complete: bool,
    /// Bytes of its body.
    pub received_bytes: u64,
    /// Bytes of its answer.
    pub sent_bytes: u64,
    /// From its head to the end of its answer.
    pub duration_ms: u64,
    /// Who asked.
    pub principal: &'a str,
    /// The access key that signed it.
    pub access_key_id: &'a str,
    /// The other end of its connection.
    pub peer: &'a str,
    /// What its sender calls itself.
    pub user_agent: &'a str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, with its size before it is rotated, and how many rotated ones are kept: `FILE.1` is the newest.
    File {
        /// Its path.
        path: PathBuf,
        /// Bytes after which it is rotated.
        bytes_max: u64,
        /// Rotated files that are kept.
        kept: usize,
    },
}

enum Message {
    Line(Vec<u8>),
    /// Something beside lines is to be done.
    Wake,
    /// Everything before it is written when this is answered.
    Flush(SyncSender<()>),
}

#[derive(Debug, Default)]
struct Shared {
    pending_bytes: AtomicUsize,
    reopen: AtomicBool,
}

/// A file of lines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// `access` or `audit`: a label of the metric of dropped lines.
    name: &'static str,
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl LogFile {
    /// Opens a file and starts its thread.
    ///
    /// # Errors
    /// If it cannot be opened, or no thread be had.
    pub fn open(name: &'static str, target: LogTarget) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        let (sender, receiver) = sync_channel(LOG_FILE_LINES_MAX);
        let shared = Arc::new(Shared::default());
        let writer = Writer { name, sink, receiver, shared: Arc::clone(&shared), is_failing: false };
        std::thread::Builder::new().name(format!("{name}-log")).spawn(move || writer.run())?;
        Ok(Self { name, sender, shared })
    }

    /// Hands a line over, without its end of line. Never waits; returns whether it was taken.
    pub fn write(&self, mut line: Vec<u8>) -> bool {
        line.truncate(LOG_FILE_LINE_BYTES_MAX);
        line.push(b'\n');
        let bytes = line.len();
        let pending = self.shared.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_taken =
            pending + bytes <= LOG_FILE_PENDING_BYTES_MAX && self.sender.try_send(Message::Line(line)).is_ok();
        if !is_taken {
            self.shared.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
            record::log_file_dropped(self.name, 1);
        }
        is_taken
    }

    /// Hands an entry over, as one line of JSON.
    pub fn write_entry(&self, entry: &impl Serialize) {
        match serde_json::to_vec(entry) {
            Ok(line) => {
                self.write(line);
            }
            // Nothing but text and numbers is in it, so this does not happen; if it did, it would be told.
            Err(_) => record::log_file_dropped(self.name, 1),
        }
    }

    /// Opens the file again: somebody moved it away.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
        // A thread that has lines to write looks anyway.
        let _ = self.sender.try_send(Message::Wake);
    }

    /// Waits until everything that was handed over is written, a while at most. Blocks.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        let patience = std::time::Instant::now() + CLOSE_WAIT;
        while let Err(TrySendError::Full(back)) = self.sender.try_send(message) {
            if std::time::Instant::now() >= patience {
                return;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = written.recv_timeout(CLOSE_WAIT);
    }
}

struct Writer {
    name: &'static str,
    sink: Sink,
    receiver: Receiver<Message>,
    shared: Arc<Shared>,
    is_failing: bool,
}

impl Writer {
    fn run(mut self) {
        while let Ok(message) = self.receiver.recv() {
            self.take(message);
            // As many as there are, then one write.
            while let Ok(message) = self.receiver.try_recv() {
                self.take(message);
            }
            let flushed = self.sink.flush();
            self.note(flushed);
        }
    }

    fn take(&mut self, message: Message) {
        if self.shared.reopen.swap(false, Ordering::Relaxed) {
            let reopened = self.sink.reopen();
            self.note(reopened);
        }
        match message {
            Message::Line(line) => {
                let written = self.sink.write(&line);
                if written.is_err() {
                    record::log_file_dropped(self.name, 1);
                }
                self.note(written);
                self.shared.pending_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Message::Wake => {}
            Message::Flush(done) => {
                let flushed = self.sink.flush();
                self.note(flushed);
                let _ = done.try_send(());
            }
        }
    }

    /// Tells when writing begins to fail, and when it works again, not each time.
    fn note(&mut self, outcome: io::Result<()>) {
        match outcome {
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                tracing::error!(file = self.name, %error, "lines of a log file are lost: it cannot be written");
            }
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                tracing::info!(file = self.name, "a log file is written again");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// What lines are written to.
enum Sink {
    Stdout,
    File { path: PathBuf, bytes_max: u64, kept: usize, file: BufWriter<File>, bytes: u64 },
}

fn open_file(path: &Path) -> io::Result<(BufWriter<File>, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((BufWriter::new(file), bytes))
}

impl Sink {
    fn open(target: LogTarget) -> io::Result<Self> {
        Ok(match target {
            LogTarget::Stdout => Self::Stdout,
            LogTarget::File { path, bytes_max, kept } => {
                let (file, bytes) = open_file(&path)?;
                Self::File { path, bytes_max, kept, file, bytes }
            }
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(line),
            Self::File { path, bytes_max, kept, file, bytes } => {
                if *bytes > 0 && *bytes + line.len() as u64 > *bytes_max {
                    file.flush()?;
                    rotate(path, *kept)?;
                    (*file, *bytes) = open_file(path)?;
                }
                file.write_all(line)?;
                *bytes += line.len() as u64;
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().flush(),
            Self::File { file, .. } => file.flush(),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File { path, file, bytes, .. } = self {
            // What is left belongs into the file that was moved away.
            file.flush()?;
            (*file, *bytes) = open_file(path)?;
        }
        Ok(())
    }
}

/// Moves `FILE` to `FILE.1`, that to `FILE.2`, and so on; the oldest is replaced.
fn rotate(path: &Path, kept: usize) -> io::Result<()> {
    let numbered = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..kept).rev() {
        match std::fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    std::fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LogFile, LogTarget};

    fn target(path: &Path, bytes_max: u64, kept: usize) -> LogTarget {
        LogTarget::File { path: path.to_owned(), bytes_max, kept }
    }

    fn lines(path: &Path) -> Vec<usize> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| line.parse().expect("a whole line")).collect()
    }

    #[test]
    fn rotation_loses_no_line_and_keeps_as_many_files_as_it_may() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let file = LogFile::open("access", target(&path, 60, 3)).unwrap();
        for number in 10_000..10_040 {
            assert!(file.write(number.to_string().into_bytes()));
        }
        file.flush();
        let files: Vec<_> = ["access.log.3", "access.log.2", "access.log.1", "access.log"]
            .iter()
            .map(|name| lines(&directory.path().join(name)))
            .collect();
        assert_eq!(files.concat(), (10_000..10_040).collect::<Vec<_>>(), "{files:?}");
        assert!(files.iter().all(|lines| lines.len() == 10), "{files:?}");
        file.write(b"10040".to_vec());
        file.flush();
        assert_eq!(lines(&directory.path().join("access.log.3"))[0], 10_010, "the oldest went");
        assert!(!directory.path().join("access.log.4").exists());
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again_and_none_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("audit.log"), directory.path().join("moved"));
        let file = LogFile::open("audit", target(&path, 1 << 20, 1)).unwrap();
        file.write(b"1".to_vec());
        file.flush();
        std::fs::rename(&path, &moved).unwrap();
        file.write(b"2".to_vec());
        file.flush();
        file.reopen();
        file.write(b"3".to_vec());
        file.flush();
        assert_eq!((lines(&moved), lines(&path)), (vec![1, 2], vec![3]));
        let again = LogFile::open("audit", target(&path, 1 << 20, 1)).unwrap();
        again.write(b"4".to_vec());
        again.flush();
        assert_eq!(lines(&path), [3, 4], "it is appended to");
    }
}
