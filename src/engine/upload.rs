//! Multipart uploads.

use crate::engine::{ByteSource, CreateUpload, Engine, EngineError, PartCopy, UploadPart, Written, WrittenPart};
use crate::rules::WritePrecondition;
use crate::types::{
    Bucket, ChecksumType, ChecksumValue, ETag, ListedUpload, ObjectKey, PartListing, UploadId, UploadListQuery,
    UploadListing,
};

/// One entry of a client's CompleteMultipartUpload list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedPart {
    /// 1..=10,000.
    pub number: u16,
    /// What the client thinks its ETag is.
    pub etag: ETag,
    /// What the client thinks its checksum is.
    pub checksum: Option<ChecksumValue>,
}

/// A completion under way: compares the client's list with the stored parts as it arrives, in steps of
/// `COMPLETE_STEP`, and keeps only one bit per part.
pub struct Completion<'a> {
    engine: &'a Engine,
}

impl Engine {
    /// Starts an upload.
    ///
    /// # Errors
    /// `ChecksumRequest`, `NoSuchBucket`, `Meta`.
    pub async fn create_upload(&self, request: CreateUpload) -> Result<ListedUpload, EngineError> {
        let _ = request;
        unimplemented!()
    }

    /// Stores a part.
    ///
    /// # Errors
    /// `NoSuchUpload` (before the first byte is pulled, or at commit), `ChecksumRequest`, `TooLarge`,
    /// `Mismatch`, `Source`, `Chunk`, `Meta`.
    pub async fn upload_part(
        &self,
        request: UploadPart,
        source: &mut dyn ByteSource,
    ) -> Result<WrittenPart, EngineError> {
        let _ = (request, source);
        unimplemented!()
    }

    /// Makes a part of bytes of another object. Whole chunks are shared; ragged ends are copied.
    ///
    /// # Errors
    /// Of the source as in `copy_object`, `InvalidRange`, `NoSuchUpload`, `TooLarge`, `Chunk`, `Meta`.
    pub async fn upload_part_copy(&self, request: PartCopy) -> Result<WrittenPart, EngineError> {
        let _ = request;
        unimplemented!()
    }

    /// Begins a completion.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Meta`.
    pub async fn begin_completion(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Completion<'_>, EngineError> {
        let _ = (bucket, key, upload);
        unimplemented!()
    }

    /// Ends an upload without an object.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Meta`.
    pub async fn abort_upload(&self, bucket: &Bucket, key: &ObjectKey, upload: UploadId) -> Result<(), EngineError> {
        let _ = (bucket, key, upload);
        unimplemented!()
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
        let _ = (bucket, key, upload, after, max);
        unimplemented!()
    }

    /// A page of open uploads.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn list_uploads(&self, bucket: &Bucket, query: &UploadListQuery) -> Result<UploadListing, EngineError> {
        let _ = (bucket, query);
        unimplemented!()
    }
}

/// What the client says about the whole object when it completes an upload.
#[derive(Clone, Debug, Default)]
pub struct CompletionClaim {
    /// `x-amz-mp-object-size`, in bytes.
    pub size: Option<u64>,
    /// `x-amz-checksum-…` of the whole object: full value, or composite without its `-N`.
    pub checksum: Option<ChecksumValue>,
    /// `x-amz-checksum-type`.
    pub checksum_type: Option<ChecksumType>,
    /// Conditions.
    pub precondition: WritePrecondition,
}

impl Completion<'_> {
    /// The upload that is being completed; `None` if it had been completed before.
    pub fn upload(&self) -> Option<&ListedUpload> {
        let _ = self.engine;
        unimplemented!()
    }

    /// Compares the next entry of the client's list.
    ///
    /// # Errors
    /// `InvalidPart`, `InvalidPartOrder`, `PartTooSmall`, `Meta`.
    pub async fn push(&mut self, part: ClaimedPart) -> Result<(), EngineError> {
        let _ = part;
        unimplemented!()
    }

    /// Commits. If the upload had been completed before with the same parts, returns that result again.
    ///
    /// # Errors
    /// `NoParts`, `InvalidPart`, `PartTooSmall`, `ObjectSizeMismatch`, `Mismatch`, `ChecksumRequest`,
    /// `PreconditionFailed`, `NoSuchKey`, `NoSuchUpload`, `Conflict`, `Meta`.
    pub async fn finish(self, claim: CompletionClaim) -> Result<Written, EngineError> {
        let _ = claim;
        unimplemented!()
    }
}
