//! Operations on objects.

use std::sync::Arc;

use tracing::Instrument as _;

use crate::cipher::BodyKey;
use crate::digest::Digests;
use crate::engine::commit::PendingBody;
use crate::engine::label::BodyLabel;
use crate::engine::seal::{Lock, Shown, Unsealed};
use crate::engine::writer::{StoredBody, WriterContext, write_body};
use crate::engine::{
    ByteSource, DeleteObject, Deleted, Engine, EngineError, Expected, OpenObject, PutObject, RenameObject, Written,
};
use crate::limits::PART_BYTES_MAX;
use crate::meta::{ChangeAttributes, CommitDelete, CommitPut, CommitRename, MetaStore, PutOutcome};
use crate::rules::{CurrentFacts, WritePrecondition};
use crate::telemetry::traces::{self, Step};
use crate::types::{
    AttributeChange, Bucket, BucketId, ChecksumAlgorithm, ETag, KeyListing, ListQuery, ObjectChecksum, ObjectKey,
    ObjectMetadata, ObjectVersion, VersionId, VersionListQuery, VersionListing,
};

/// An object that is to be: everything but its body.
pub(crate) struct NewObject {
    pub(crate) bucket: BucketId,
    pub(crate) key: ObjectKey,
    pub(crate) precondition: WritePrecondition,
    pub(crate) metadata: ObjectMetadata,
    /// What the body is sealed with.
    pub(crate) unsealed: Option<Unsealed>,
}

/// What is stored with a body whose sender named no algorithm.
pub(crate) const CHECKSUM_DEFAULT: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

impl Engine {
    /// Stores an object. Judges the precondition before the first byte is pulled, and again at commit.
    ///
    /// Dropping the future while the body arrives stores nothing; once the body is complete and right, the
    /// commit goes on without it.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey`, `TooLarge`, `Mismatch`, `Source`, `Chunk`, `NoSuchBucket`, `Meta`.
    pub async fn put_object(&self, request: PutObject, source: &mut dyn ByteSource) -> Result<Written, EngineError> {
        let PutObject { bucket, key, metadata, customer_key, expected, precondition } = request;
        self.judge_write(&bucket, &key, &precondition).await?;
        let owner = metadata.attributes.owner.as_ref();
        self.admit_body(&bucket, &key, owner, expected.length, None).await?;
        let algorithm = expected.checksum.algorithm().unwrap_or(CHECKSUM_DEFAULT);
        let unsealed = self.unseal(&metadata.attributes, customer_key.as_ref())?;
        let body_key = unsealed.as_ref().map(|unsealed| unsealed.data.whole());
        let label = self.object_label((&bucket, &key), &metadata, unsealed.as_ref());
        let (body, digests) = self.receive_body(&expected, algorithm, (body_key, label), source).await?;
        let target = NewObject { bucket: bucket.id, key, precondition, metadata, unsealed };
        self.commit_object(target, body, digests).await
    }

    /// What the chunks of an object's body say of it.
    pub(crate) fn object_label(
        &self,
        name: (&Bucket, &ObjectKey),
        metadata: &ObjectMetadata,
        unsealed: Option<&Unsealed>,
    ) -> BodyLabel {
        let hidden_by = unsealed.filter(|unsealed| unsealed.hides_digest()).map(|unsealed| unsealed.data.clone());
        BodyLabel::object(name, metadata, hidden_by, self.clock.now())
    }

    /// Commits an object whose body is durable.
    pub(crate) async fn commit_object(
        &self,
        target: NewObject,
        body: StoredBody,
        digests: Digests,
    ) -> Result<Written, EngineError> {
        let NewObject { bucket, key, precondition, mut metadata, unsealed } = target;
        let shown = Shown::of(&digests, unsealed.as_ref());
        if let Some(Unsealed { envelope, .. }) = unsealed {
            metadata.attributes.encryption = Some(envelope.with_inline_tag(body.inline_tag()).to_bytes());
        }
        let now = self.clock.now();
        let put = move |body| CommitPut {
            bucket,
            key,
            precondition,
            size: digests.length,
            etag: ETag::single(shown.etag),
            sha256: shown.sha256,
            checksum: Some(ObjectChecksum::full(digests.checksum)),
            metadata,
            body,
            now,
        };
        let transaction = |meta: Arc<dyn MetaStore>, body| async move { meta.commit_put(put(body)).await };
        let outcome = self.commits.run(PendingBody::Stored(body), transaction).await?;
        Ok(Written::from(outcome))
    }

    /// Stores a body of one PUT or part durably and compares it with what its sender said. A mismatch drops
    /// the body, and with it its chunks.
    pub(crate) async fn receive_body(
        &self,
        expected: &Expected,
        algorithm: ChecksumAlgorithm,
        (key, label): (Option<BodyKey>, BodyLabel),
        source: &mut dyn ByteSource,
    ) -> Result<(StoredBody, Digests), EngineError> {
        if expected.length.is_some_and(|length| length > PART_BYTES_MAX) {
            return Err(EngineError::TooLarge);
        }
        if self.commits.is_stopping() {
            return Err(EngineError::Stopped);
        }
        self.admit_space()?;
        let context = WriterContext {
            pool: &self.pool,
            chunks: &self.chunks,
            hashing: &self.hashing,
            checksum: algorithm,
            announced: expected.length,
            bytes_max: PART_BYTES_MAX,
            key,
            label: Some(Arc::new(label)),
        };
        let written = write_body(context, source).await;
        self.disk.learn_of_chunks(&written);
        let (body, digests) = written?;
        expected.verify(&digests, source.trailer_checksum().as_ref())?;
        Ok((body, digests))
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
        if precondition.is_empty() {
            return Ok(());
        }
        let current = self.meta.version(bucket.id, key, None).await?;
        let current = current.filter(|stored| !stored.version.is_delete_marker);
        Ok(precondition.judge(current.map(|stored| facts(&stored.version)).as_ref())?)
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
        let found = self.pins.resolve(self.meta.version(bucket.id, key, version)).await?;
        let Some((stored, pin)) = found else {
            return Err(match version {
                Some(_) => EngineError::NoSuchVersion,
                None => EngineError::NoSuchKey { delete_marker: None },
            });
        };
        if stored.version.is_delete_marker {
            let (marker, modified) = (stored.version.version, stored.version.modified);
            return Err(match version {
                Some(_) => EngineError::IsDeleteMarker { version: marker, modified },
                None => EngineError::NoSuchKey { delete_marker: Some(marker) },
            });
        }
        let lock = Lock::new(self.keys(), &stored.version.metadata.attributes)?;
        let (meta, chunks) = (self.meta.clone(), self.chunks.clone());
        Ok(OpenObject::new(stored, lock, meta, chunks, self.pool.clone(), Box::new(pin)))
    }

    /// Deletes a key or a version; deleting what is not there is `Ok`.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey` (conditions only), `Locked`, `NoSuchBucket`, `Meta`.
    pub async fn delete_object(&self, request: DeleteObject) -> Result<Deleted, EngineError> {
        let DeleteObject { bucket, key, version, precondition, bypass_governance } = request;
        let (bucket, lock_time, now) = (bucket.id, self.lock_time().await?, self.clock.now());
        let delete = CommitDelete { bucket, key, version, precondition, bypass_governance, lock_time, now };
        let outcome = self.meta.commit_delete(delete).instrument(traces::step(Step::Commit)).await?;
        Ok(Deleted { version: outcome.version, delete_marker: outcome.delete_marker })
    }

    /// Changes attributes of a version, and returns its id if versioning is or was on.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `IsDeleteMarker`, `Locked`, `NoSuchBucket`, `Meta`.
    pub async fn change_attributes(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        change: AttributeChange,
    ) -> Result<Option<VersionId>, EngineError> {
        let (bucket, key, lock_time) = (bucket.id, key.clone(), self.lock_time().await?);
        Ok(self.meta.change_attributes(ChangeAttributes { bucket, key, version, change, lock_time }).await?)
    }

    /// Gives an object another key; nothing else of it changes, and no bytes move.
    ///
    /// # Errors
    /// `NoSuchKey`, `PreconditionFailed`, `BucketState` if versioning is or was on, `Locked`, `NoSuchBucket`, `Meta`.
    pub async fn rename_object(&self, request: RenameObject) -> Result<Written, EngineError> {
        let RenameObject { bucket, source, source_precondition, key, precondition } = request;
        let (bucket, lock_time, now) = (bucket.id, self.lock_time().await?, self.clock.now());
        let rename = CommitRename { bucket, source, source_precondition, key, precondition, lock_time, now };
        Ok(Written::from(self.meta.commit_rename(rename).await?))
    }

    /// A page of current keys.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn list_objects(&self, bucket: &Bucket, query: &ListQuery) -> Result<KeyListing, EngineError> {
        Ok(self.meta.list_objects(bucket.id, query).await?)
    }

    /// A page of versions and delete markers.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        query: &VersionListQuery,
    ) -> Result<VersionListing, EngineError> {
        Ok(self.meta.list_versions(bucket.id, query).await?)
    }
}

/// What a condition on this version is judged against.
pub(crate) fn facts(version: &ObjectVersion) -> CurrentFacts {
    CurrentFacts { etag: version.etag, size: version.size, modified: version.modified }
}

impl From<PutOutcome> for Written {
    fn from(outcome: PutOutcome) -> Self {
        let PutOutcome { version, shows_version, etag, checksum, size, modified } = outcome;
        Self { version: shows_version.then_some(version), etag, checksum, size, modified }
    }
}
