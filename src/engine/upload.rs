//! Multipart uploads until their completion: creation, parts, abort, listings.

use std::sync::Arc;

use crate::cipher::CustomerKey;
use crate::digest::Digests;
use crate::engine::commit::PendingBody;
use crate::engine::label::BodyLabel;
use crate::engine::object::CHECKSUM_DEFAULT;
use crate::engine::seal::{Shown, Unsealed};
use crate::engine::{ByteSource, CreateUpload, Engine, EngineError, UploadPart, WrittenPart};
use crate::limits::{PAGE_MAX, PART_NUMBER_MAX};
use crate::meta::{CommitPart, MetaStore, NewUpload, UploadRecord};
use crate::types::{
    Bucket, BucketId, ChecksumAlgorithm, ChecksumType, ETag, ListedUpload, ObjectKey, PartListing, UploadId,
    UploadListQuery, UploadListing, VersionAttributes,
};

/// A part whose bytes are durable and that is to be committed.
pub(crate) struct ReceivedPart {
    pub(crate) bucket: BucketId,
    pub(crate) key: ObjectKey,
    pub(crate) upload: UploadId,
    pub(crate) number: u16,
    pub(crate) digests: Digests,
    /// What is told of the digests.
    pub(crate) shown: Shown,
}

impl Engine {
    /// Starts an upload.
    ///
    /// # Errors
    /// `ChecksumRequest`, `NoSuchBucket`, `Meta`.
    pub async fn create_upload(&self, request: CreateUpload) -> Result<ListedUpload, EngineError> {
        let CreateUpload { bucket, key, initiator, metadata, checksum } = request;
        if let Some((algorithm, kind)) = checksum {
            check_checksum_type(algorithm, kind)?;
        }
        self.admit_space()?;
        let now = self.clock.now();
        let micros = u64::try_from(now.0).unwrap_or_default();
        let listed = ListedUpload {
            key,
            upload: UploadId::new(micros, rand::random()),
            initiated: now,
            initiator,
            storage_class: metadata.storage_class,
            checksum,
            owner: metadata.attributes.owner.clone(),
        };
        let upload = NewUpload {
            bucket: bucket.id,
            key: listed.key.clone(),
            upload: listed.upload,
            initiator: listed.initiator.clone(),
            metadata,
            checksum,
            now,
        };
        self.meta.create_upload(upload).await?;
        Ok(listed)
    }

    /// Stores a part. Dropping the future while the body arrives stores nothing.
    ///
    /// # Errors
    /// `NoSuchUpload` (before the first byte is pulled, or at commit), `ChecksumRequest`, `TooLarge`,
    /// `InvalidPart` for a number that no part can have, `Mismatch`, `Source`, `Chunk`, `Meta`.
    pub async fn upload_part(
        &self,
        request: UploadPart,
        source: &mut dyn ByteSource,
    ) -> Result<WrittenPart, EngineError> {
        let UploadPart { bucket, key, upload, number, customer_key, expected } = request;
        let record = self.open_upload(&bucket, &key, upload, number).await?;
        let algorithm = part_algorithm(&record.upload, expected.checksum.algorithm())?;
        self.admit_body(&bucket, &key, None, expected.length, Some((upload, number))).await?;
        let unsealed = self.unseal_upload(&record, customer_key.as_ref())?;
        let body_key = unsealed.as_ref().map(|unsealed| unsealed.data.part(number));
        let label = BodyLabel::part((&bucket, &key), upload, number, self.clock.now());
        let (body, digests) = self.receive_body(&expected, algorithm, (body_key, label), source).await?;
        let shown = Shown::of(&digests, unsealed.as_ref());
        let part = ReceivedPart { bucket: bucket.id, key, upload, number, digests, shown };
        self.commit_part(PendingBody::Stored(body), part).await
    }

    /// Commits a part with its body.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Conflict` if a shared chunk went meanwhile, `Meta`.
    pub(crate) async fn commit_part(&self, body: PendingBody, part: ReceivedPart) -> Result<WrittenPart, EngineError> {
        let ReceivedPart { bucket, key, upload, number, digests, shown } = part;
        let Digests { length: size, checksum, .. } = digests;
        let Shown { etag: md5, sha256 } = shown;
        let now = self.clock.now();
        let checksum = Some(checksum);
        let written =
            WrittenPart { etag: ETag::single(md5), checksum: checksum.clone(), modified: now, source_version: None };
        let part = move |body| CommitPart { bucket, key, upload, number, size, md5, sha256, checksum, body, now };
        let transaction = |meta: Arc<dyn MetaStore>, body| async move { meta.commit_part(part(body)).await };
        self.commits.run(body, transaction).await?;
        Ok(written)
    }

    /// The open upload that part `number` is meant for.
    pub(crate) async fn open_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
        number: u16,
    ) -> Result<UploadRecord, EngineError> {
        if !(1..=PART_NUMBER_MAX).contains(&number) {
            return Err(EngineError::InvalidPart { number });
        }
        self.meta.upload(bucket.id, key, upload).await?.ok_or(EngineError::NoSuchUpload)
    }

    /// Attributes of the object that an open upload is to become.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Meta`.
    pub async fn upload_attributes(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<VersionAttributes, EngineError> {
        let record = self.meta.upload(bucket.id, key, upload).await?.ok_or(EngineError::NoSuchUpload)?;
        Ok(record.metadata.attributes)
    }

    /// What seals the parts of an upload; `None` if they are plain.
    ///
    /// # Errors
    /// `UploadKey`.
    pub(crate) fn unseal_upload(
        &self,
        record: &UploadRecord,
        customer: Option<&CustomerKey>,
    ) -> Result<Option<Unsealed>, EngineError> {
        self.unseal(&record.metadata.attributes, customer).map_err(EngineError::UploadKey)
    }

    /// Ends an upload without an object.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Meta`.
    pub async fn abort_upload(&self, bucket: &Bucket, key: &ObjectKey, upload: UploadId) -> Result<(), EngineError> {
        Ok(self.meta.abort_upload(bucket.id, key, upload).await?)
    }

    /// A page of parts of an open upload.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Meta`.
    pub async fn list_parts(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, EngineError> {
        Ok(self.meta.list_parts(bucket.id, key, upload, after, max.min(PAGE_MAX)).await?)
    }

    /// A page of open uploads.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn list_uploads(&self, bucket: &Bucket, query: &UploadListQuery) -> Result<UploadListing, EngineError> {
        Ok(self.meta.list_uploads(bucket.id, query).await?)
    }
}

/// The checksum type of an upload whose creator names only the algorithm.
///
/// Source: Amazon S3 User Guide, "Checking object integrity for data uploads".
pub fn default_checksum_type(algorithm: ChecksumAlgorithm) -> ChecksumType {
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumType::FullObject,
        ChecksumAlgorithm::Crc32
        | ChecksumAlgorithm::Crc32c
        | ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256
        | ChecksumAlgorithm::Sha512
        | ChecksumAlgorithm::Md5
        | ChecksumAlgorithm::XxHash64
        | ChecksumAlgorithm::XxHash3
        | ChecksumAlgorithm::XxHash128 => ChecksumType::Composite,
    }
}

/// Which types an algorithm allows: a full-object value of a multipart body needs an algorithm that combines,
/// and CRC-64/NVME has no composite form.
fn check_checksum_type(algorithm: ChecksumAlgorithm, kind: ChecksumType) -> Result<(), EngineError> {
    match kind {
        ChecksumType::FullObject if !algorithm.combines() => {
            Err(EngineError::ChecksumRequest("the FULL_OBJECT type needs CRC32, CRC32C or CRC64NVME"))
        }
        ChecksumType::Composite if algorithm == ChecksumAlgorithm::Crc64Nvme => {
            Err(EngineError::ChecksumRequest("the COMPOSITE type cannot be used with CRC64NVME"))
        }
        ChecksumType::FullObject | ChecksumType::Composite => Ok(()),
    }
}

/// The algorithm of a part's stored checksum. An upload that names one binds its parts; one that names none
/// stores what a part's sender had verified.
pub(crate) fn part_algorithm(
    upload: &ListedUpload,
    requested: Option<ChecksumAlgorithm>,
) -> Result<ChecksumAlgorithm, EngineError> {
    match (upload.checksum, requested) {
        (Some((algorithm, _)), None) => Ok(algorithm),
        (Some((algorithm, _)), Some(requested)) if requested == algorithm => Ok(algorithm),
        (Some(_), Some(_)) => Err(EngineError::ChecksumRequest("the part's checksum algorithm is not the upload's")),
        (None, requested) => Ok(requested.unwrap_or(CHECKSUM_DEFAULT)),
    }
}

#[cfg(test)]
mod tests {
    use super::{check_checksum_type, default_checksum_type};
    use crate::types::{ChecksumAlgorithm, ChecksumType};

    #[test]
    fn only_crcs_have_full_object_values_and_crc64nvme_has_nothing_else() {
        for algorithm in ChecksumAlgorithm::ALL {
            let allowed = |kind| check_checksum_type(algorithm, kind).is_ok();
            assert!(allowed(default_checksum_type(algorithm)), "{algorithm}");
            assert_eq!(allowed(ChecksumType::FullObject), algorithm.combines(), "{algorithm}");
            assert_eq!(allowed(ChecksumType::Composite), algorithm != ChecksumAlgorithm::Crc64Nvme, "{algorithm}");
        }
    }
}
