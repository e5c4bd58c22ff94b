//! Server access logs: which buckets are logged, the lines that wait in memory, and the objects that carry them.
//!
//! Delivery is best effort, as S3's: lines wait in bounded memory, so a crash loses those of the last interval.
//! A stop in order delivers them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::cipher::Holder;
use crate::engine::source::{ByteSource, SourceError};
use crate::engine::{Engine, EngineError, Expected, PutObject};
use crate::limits::{ACCESS_LOG_BUFFER_BYTES_MAX, ACCESS_LOG_OBJECT_BYTES, LOGGED_BUCKETS_MAX};
use crate::rules::encryption::{Algorithm, BucketEncryption};
use crate::rules::{Logging, WritePrecondition};
use crate::telemetry::record;
use crate::types::{
    Bucket, BucketDocument, BucketName, ChecksumValue, ContentHeaders, DocumentKind, ObjectKey, ObjectMetadata,
    Timestamp, VersionAttributes,
};

/// A bucket whose requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedBucket {
    /// The bucket.
    pub bucket: Bucket,
    /// Where its lines go.
    pub logging: Logging,
}

/// How log objects are made, as the operator says.
#[derive(Clone, Debug)]
pub struct LogStyle {
    /// The region that keys of log objects name.
    pub region: String,
    /// Whether they are encrypted where their bucket says nothing about it.
    pub encrypts: bool,
}

/// What is logged, and what waits.
#[derive(Default)]
pub(crate) struct AccessLogs {
    logged: ArcSwap<HashMap<String, Arc<LoggedBucket>>>,
    waiting: Mutex<Waiting>,
    /// Told when there is enough for an object.
    is_enough: Notify,
}

#[derive(Default)]
struct Waiting {
    bytes: usize,
    objects: BTreeMap<ObjectName, Lines>,
}

/// What lines of one object have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ObjectName {
    bucket: String,
    logging: Logging,
    partition: Option<i64>,
}

#[derive(Default)]
struct Lines {
    owner: String,
    text: String,
    count: u64,
}

impl Waiting {
    /// Adds lines, or gives them back if there is no room. Says whether there now is enough for an object.
    fn add(&mut self, name: ObjectName, lines: Lines) -> Result<bool, Lines> {
        if self.bytes + lines.text.len() > ACCESS_LOG_BUFFER_BYTES_MAX {
            return Err(lines);
        }
        self.bytes += lines.text.len();
        let object = self.objects.entry(name).or_default();
        object.owner = lines.owner;
        object.text.push_str(&lines.text);
        object.count += lines.count;
        Ok(object.text.len() >= ACCESS_LOG_OBJECT_BYTES)
    }

    /// The objects with at least so many bytes.
    fn due(&self, bytes_min: usize) -> Vec<ObjectName> {
        let due = self.objects.iter().filter(|(_, lines)| lines.text.len() >= bytes_min);
        due.map(|(name, _)| name.clone()).collect()
    }

    fn take(&mut self, name: ObjectName) -> Option<(ObjectName, Lines)> {
        let lines = self.objects.remove(&name)?;
        self.bytes -= lines.text.len();
        Some((name, lines))
    }
}

/// An object's lines on their way out. Dropped before they are written, as when their worker is stopped, they
/// wait again.
struct Taken<'a> {
    waiting: &'a Mutex<Waiting>,
    object: Option<(ObjectName, Lines)>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Some((name, lines)) = self.object.take() else { return };
        if let Err(lines) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).add(name, lines) {
            record::access_log_dropped(lines.count);
        }
    }
}

/// A body that is there already.
struct Text(Option<Bytes>);

impl ByteSource for Text {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        Poll::Ready(self.0.take().filter(|text| !text.is_empty()).map(Ok))
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

impl Engine {
    /// Reads again which buckets are logged.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn refresh_logged_buckets(&self) -> Result<(), EngineError> {
        // A few more than there may be: requests that raced for the last place are served.
        let found = self.meta.buckets_with(DocumentKind::Logging, 2 * LOGGED_BUCKETS_MAX).await?;
        let logged = found.into_iter().filter_map(|BucketDocument { bucket, body }| {
            let Some(logging) = Logging::from_bytes(&body) else {
                tracing::error!(bucket = %bucket.name, "the logging configuration of a bucket cannot be read");
                return None;
            };
            Some((bucket.name.to_string(), Arc::new(LoggedBucket { bucket, logging })))
        });
        self.access_logs.logged.store(Arc::new(logged.collect()));
        Ok(())
    }

    /// The bucket, if its requests are logged. Asks no store.
    pub fn logged_bucket(&self, name: &str) -> Option<Arc<LoggedBucket>> {
        self.access_logs.logged.load().get(name).map(Arc::clone)
    }

    /// Keeps a line of a request at `at` until its delivery, or drops it if too much waits.
    pub fn log_access(&self, logged: &LoggedBucket, line: &str, at: Timestamp) {
        let logging = logged.logging.clone();
        let partition = logging.partition(at);
        let name = ObjectName { bucket: logged.bucket.name.to_string(), logging, partition };
        let lines = Lines { owner: logged.bucket.owner.0.clone(), text: format!("{line}\n"), count: 1 };
        let added = self.access_logs.waiting.lock().unwrap_or_else(PoisonError::into_inner).add(name, lines);
        match added {
            Ok(false) => {}
            Ok(true) => self.access_logs.is_enough.notify_one(),
            Err(lines) => record::access_log_dropped(lines.count),
        }
    }

    /// Waits until there is enough for an object.
    pub async fn access_log_is_enough(&self) {
        self.access_logs.is_enough.notified().await;
    }

    /// How many buckets are logged.
    pub fn logged_buckets(&self) -> usize {
        self.access_logs.logged.load().len()
    }

    /// How new objects of a bucket are encrypted.
    async fn default_encryption(&self, bucket: &Bucket, by_default: bool) -> Result<Option<Vec<u8>>, EngineError> {
        let documents = self.documents(bucket).await?;
        let default = documents.get(DocumentKind::Encryption).and_then(BucketEncryption::from_document);
        let own = default.and_then(|default| match default.algorithm? {
            Algorithm::Aes256 => Some(Holder::Gateway),
            Algorithm::Kms => Some(Holder::Kms { key: default.kms_key, bucket_key: default.bucket_key, context: None }),
        });
        let holder = own.or(by_default.then_some(Holder::Gateway));
        holder.map(|holder| self.new_envelope(&holder)).transpose()
    }

    /// Writes the lines that wait as objects: all of them, or those of which there is enough for an object.
    /// Returns how many objects were written.
    ///
    /// # Errors
    /// Those of `put_object`, after all were tried; what could not be written waits on.
    pub async fn deliver_access_logs(&self, style: &LogStyle, all: bool) -> Result<u32, EngineError> {
        let bytes_min = if all { 0 } else { ACCESS_LOG_OBJECT_BYTES };
        let waiting = &self.access_logs.waiting;
        let due = waiting.lock().unwrap_or_else(PoisonError::into_inner).due(bytes_min);
        let mut written = 0;
        let mut failure = None;
        for name in due {
            let object = waiting.lock().unwrap_or_else(PoisonError::into_inner).take(name);
            let mut taken = Taken { waiting, object };
            let Some((name, lines)) = &taken.object else { continue };
            match self.write_access_log(style, name, lines).await {
                Ok(()) => written += 1,
                Err(EngineError::NoSuchBucket) => {
                    record::access_log_dropped(lines.count);
                    let (bucket, target) = (name.bucket.as_str(), name.logging.target_bucket.as_str());
                    tracing::warn!(bucket, target, lines = lines.count, "access log dropped: its target is gone");
                }
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            }
            taken.object = None;
        }
        failure.map_or(Ok(written), Err)
    }

    async fn write_access_log(&self, style: &LogStyle, name: &ObjectName, lines: &Lines) -> Result<(), EngineError> {
        let target = BucketName::parse(&name.logging.target_bucket).map_err(|_| EngineError::NoSuchBucket)?;
        let bucket = self.bucket(&target).await?;
        let unique = format!("{:016X}", rand::random::<u64>());
        let source = (lines.owner.as_str(), style.region.as_str(), name.bucket.as_str());
        let key = name.logging.object_key(source, name.partition, self.clock.now(), &unique);
        // A prefix of almost the longest key was refused when it was configured.
        let key = ObjectKey::parse(key).map_err(|_| EngineError::NoSuchBucket)?;
        let content_type = Some("text/plain".to_owned());
        let content = ContentHeaders { content_type, ..ContentHeaders::default() };
        let encryption = self.default_encryption(&bucket, style.encrypts).await?;
        let attributes = VersionAttributes { encryption, ..VersionAttributes::default() };
        let request = PutObject {
            bucket,
            key,
            metadata: ObjectMetadata { content, attributes, ..ObjectMetadata::default() },
            expected: Expected { length: Some(lines.text.len() as u64), ..Expected::default() },
            precondition: WritePrecondition::default(),
            customer_key: None,
        };
        self.put_object(request, &mut Text(Some(Bytes::copy_from_slice(lines.text.as_bytes())))).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, ObjectName, Waiting};
    use crate::limits::ACCESS_LOG_BUFFER_BYTES_MAX;
    use crate::rules::{LogKeyFormat, Logging};

    fn name(bucket: &str) -> ObjectName {
        let logging = Logging {
            target_bucket: "logs".to_owned(),
            target_prefix: String::new(),
            key_format: LogKeyFormat::Simple,
            names_format: false,
        };
        ObjectName { bucket: bucket.to_owned(), logging, partition: None }
    }

    fn lines(bytes: usize) -> Lines {
        Lines { owner: String::new(), text: "x".repeat(bytes), count: 1 }
    }

    #[test]
    fn what_waits_is_bounded_and_room_is_used_again() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.add(name("a"), lines(ACCESS_LOG_BUFFER_BYTES_MAX - 10)).ok(), Some(true));
        assert_eq!(waiting.add(name("b"), lines(10)).ok(), Some(false));
        assert!(waiting.add(name("b"), lines(1)).is_err());
        assert_eq!(waiting.due(ACCESS_LOG_BUFFER_BYTES_MAX), []);
        assert_eq!(waiting.due(11), [name("a")]);
        assert!(waiting.take(name("a")).is_some() && waiting.take(name("a")).is_none());
        assert!(waiting.add(name("b"), lines(1)).is_ok());
        assert_eq!(waiting.due(0), [name("b")]);
        let (_, taken) = waiting.take(name("b")).unwrap();
        assert_eq!((taken.text.len(), taken.count, waiting.bytes), (11, 2, 0));
    }
}
