//! Operations on buckets: their life, their versioning, their documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::engine::bucket_rows::Known;
use crate::engine::{CreateBucket, Engine, EngineError, ListedBuckets};
use crate::limits::DOCUMENT_CACHE_BYTES_MAX;
use crate::meta::{MetaError, NewBucket};
use crate::rules::{ObjectLock, Versioning};
use crate::types::{Bucket, BucketId, BucketName, DocumentKind, Documents, OwnerId};

/// Bytes that an entry of the cache takes beside the documents.
const CACHE_ENTRY_BYTES: usize = 256;

/// Documents of buckets that were used lately, so that a request does not read them all again.
#[derive(Default)]
pub(crate) struct DocumentCache {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    entries: HashMap<BucketId, (u64, Arc<Documents>)>,
    bytes: usize,
}

impl DocumentCache {
    fn find(&self, bucket: &Bucket) -> Option<Arc<Documents>> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let (generation, documents) = slot.entries.get(&bucket.id)?;
        (*generation == bucket.generation).then(|| Arc::clone(documents))
    }

    fn keep(&self, bucket: &Bucket, documents: &Arc<Documents>) {
        let bytes = documents.bytes() + CACHE_ENTRY_BYTES;
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded in the simplest way: what is in use comes back at once.
        if slot.bytes + bytes > DOCUMENT_CACHE_BYTES_MAX {
            *slot = Slot::default();
        }
        slot.bytes += bytes;
        if let Some((_, old)) = slot.entries.insert(bucket.id, (bucket.generation, Arc::clone(documents))) {
            slot.bytes -= old.bytes() + CACHE_ENTRY_BYTES;
        }
    }
}

impl Engine {
    /// Creates a bucket.
    ///
    /// # Errors
    /// `BucketExists`, `TooManyBuckets`, `Meta`.
    pub async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket, EngineError> {
        let CreateBucket { name, owner, location, versioning, documents } = request;
        self.admit_space()?;
        let now = self.clock.now();
        let _changing = self.bucket_rows.changing();
        Ok(self.meta.create_bucket(NewBucket { name, owner, location, versioning, documents, now }).await?)
    }

    /// Finds a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn bucket(&self, name: &BucketName) -> Result<Bucket, EngineError> {
        self.meta.bucket(name).await?.ok_or(EngineError::NoSuchBucket)
    }

    /// The bucket of an object, which many requests name one after another: what another process changed is seen within
    /// `BUCKET_ROW_BELIEVED_MS`.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn bucket_of_object(&self, name: &BucketName) -> Result<Bucket, EngineError> {
        let reading = match self.bucket_rows.find(name, Instant::now()) {
            Known::Row(row) => return Ok(row),
            Known::Nothing(reading) => reading,
        };
        let row = self.bucket(name).await?;
        self.bucket_rows.keep(&reading, &row);
        Ok(row)
    }

    /// A page of buckets: of `owner`, or of everybody if `None`.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn list_buckets(
        &self,
        owner: Option<&OwnerId>,
        prefix: &str,
        after: &str,
        max: u32,
    ) -> Result<ListedBuckets, EngineError> {
        Ok(self.meta.list_buckets(owner, prefix, after, max).await?)
    }

    /// Removes a bucket without versions; open uploads go with it, as on S3.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`, `Meta`.
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), EngineError> {
        let _changing = self.bucket_rows.changing();
        Ok(self.meta.delete_bucket(bucket.id).await?)
    }

    /// The versioning state of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn versioning(&self, bucket: &Bucket) -> Result<Versioning, EngineError> {
        Ok(self.meta.versioning(bucket.id).await?)
    }

    /// Sets the versioning state of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketState` (an object lock needs versioning), `Meta`.
    pub async fn set_versioning(&self, bucket: &Bucket, state: Versioning) -> Result<(), EngineError> {
        let _changing = self.bucket_rows.changing();
        Ok(self.meta.set_versioning(bucket.id, state).await?)
    }

    /// The documents of a bucket, not older than `bucket`.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn documents(&self, bucket: &Bucket) -> Result<Arc<Documents>, EngineError> {
        if let Some(found) = self.documents.find(bucket) {
            return Ok(found);
        }
        let documents = Arc::new(self.meta.documents(bucket.id).await?);
        self.documents.keep(bucket, &documents);
        Ok(documents)
    }

    /// The object lock of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn object_lock(&self, bucket: &Bucket) -> Result<Option<ObjectLock>, EngineError> {
        let documents = self.documents(bucket).await?;
        let Some(body) = documents.get(DocumentKind::ObjectLock) else { return Ok(None) };
        let unreadable = || MetaError::Storage(format!("the object lock of bucket {} does not read", bucket.name));
        Ok(Some(ObjectLock::from_document(body).ok_or_else(unreadable)?))
    }

    /// Replaces a document, or removes it if `body` is `None`.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketState` (of an object lock), `Meta`.
    pub async fn set_document(
        &self,
        bucket: &Bucket,
        kind: DocumentKind,
        body: Option<Arc<[u8]>>,
    ) -> Result<(), EngineError> {
        let _changing = self.bucket_rows.changing();
        Ok(self.meta.set_document(bucket.id, kind, body).await?)
    }
}
