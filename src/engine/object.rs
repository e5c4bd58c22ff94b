//! Operations on buckets and objects.

use crate::engine::request::CreateBucket;
use crate::engine::{
    ByteSource, CopyObject, DeleteObject, Deleted, Engine, EngineError, ListedBuckets, OpenObject, PutObject, Written,
};
use crate::rules::WritePrecondition;
use crate::types::{Bucket, BucketName, KeyListing, ListQuery, ObjectKey, OwnerId, VersionId};

impl Engine {
    /// Creates a bucket.
    ///
    /// # Errors
    /// `BucketExists`, `TooManyBuckets`, `Meta`.
    pub async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket, EngineError> {
        let _ = (request, &self.meta, &self.chunks, &self.pool, &self.clock);
        unimplemented!()
    }

    /// Finds a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn bucket(&self, name: &BucketName) -> Result<Bucket, EngineError> {
        let _ = name;
        unimplemented!()
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
        let _ = (owner, prefix, after, max);
        unimplemented!()
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`, `Meta`.
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), EngineError> {
        let _ = bucket;
        unimplemented!()
    }

    /// Stores an object. Judges the precondition before the first byte is pulled, and again at commit.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey`, `TooLarge`, `Mismatch`, `Source`, `Chunk`, `NoSuchBucket`, `Meta`.
    pub async fn put_object(&self, request: PutObject, source: &mut dyn ByteSource) -> Result<Written, EngineError> {
        let _ = (request, source);
        unimplemented!()
    }

    /// Judges a write precondition now, as a cheap refusal before a body is read.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey`, `Meta`.
    pub async fn judge_write(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        precondition: &WritePrecondition,
    ) -> Result<(), EngineError> {
        let _ = (bucket, key, precondition);
        unimplemented!()
    }

    /// Resolves a version for HEAD, GET or attributes.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `IsDeleteMarker`, `Meta`.
    pub async fn open_object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<OpenObject, EngineError> {
        let _ = (bucket, key, version);
        unimplemented!()
    }

    /// Deletes a key or a version; deleting what is not there is `Ok`.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey` (conditions only), `NoSuchBucket`, `Meta`.
    pub async fn delete_object(&self, request: DeleteObject) -> Result<Deleted, EngineError> {
        let _ = request;
        unimplemented!()
    }

    /// Copies an object without moving its bytes (unless another checksum algorithm is asked for, which
    /// needs them read once).
    ///
    /// Also returns the source's version, if its bucket's versioning is or was on.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `IsDeleteMarker` (of the source), `PreconditionFailed`, `TooLarge`, `Meta`.
    pub async fn copy_object(&self, request: CopyObject) -> Result<(Written, Option<VersionId>), EngineError> {
        let _ = request;
        unimplemented!()
    }

    /// A page of current keys.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn list_objects(&self, bucket: &Bucket, query: &ListQuery) -> Result<KeyListing, EngineError> {
        let _ = (bucket, query);
        unimplemented!()
    }
}
