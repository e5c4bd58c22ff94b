//! Quotas: of buckets, for an operator; and before a body is received. The commit judges them again: the latter only
//! spares a client the sending of what would be refused.

use std::sync::Arc;

use crate::engine::{Engine, EngineError};
use crate::limits::INLINE_BYTES_MAX;
use crate::meta::{Admission, MetaError};
use crate::rules::{Quota, Usage};
use crate::types::{Bucket, DocumentKind, ObjectKey, OwnerId, UploadId};

impl Engine {
    /// What a bucket stores.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn bucket_usage(&self, bucket: &Bucket) -> Result<Usage, EngineError> {
        Ok(self.meta.bucket_usage(bucket.id).await?)
    }

    /// What a bucket may store at most.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn bucket_quota(&self, bucket: &Bucket) -> Result<Quota, EngineError> {
        let documents = self.documents(bucket).await?;
        let Some(document) = documents.get(DocumentKind::Quota) else { return Ok(Quota::default()) };
        let unreadable = || MetaError::Storage(format!("the quota of bucket {} does not read", bucket.name));
        Ok(Quota::from_document(document).ok_or_else(unreadable)?)
    }

    /// Sets what a bucket may store at most.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn set_bucket_quota(&self, bucket: &Bucket, quota: Quota) -> Result<(), EngineError> {
        let document = (!quota.is_none()).then(|| Arc::from(quota.to_document()));
        self.set_document(bucket, DocumentKind::Quota, document).await
    }

    /// Refuses a body of announced length that quotas would not admit now. Small bodies are not asked about: to
    /// receive one costs less than the question.
    ///
    /// # Errors
    /// `QuotaExceeded`, `NoSuchBucket`, `NoSuchUpload`, `Meta`.
    pub(crate) async fn admit_body(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        owner: Option<&OwnerId>,
        length: Option<u64>,
        part: Option<(UploadId, u16)>,
    ) -> Result<(), EngineError> {
        let Some(size) = length.filter(|length| *length > INLINE_BYTES_MAX as u64) else { return Ok(()) };
        let admission = Admission { bucket: bucket.id, key: key.clone(), owner: owner.cloned(), size, part };
        Ok(self.meta.admit(&admission).await?)
    }
}
