//! Quotas, before a body is received. The commit judges them again: this only spares a client the sending of what would
//! be refused.

use crate::engine::{Engine, EngineError};
use crate::limits::INLINE_BYTES_MAX;
use crate::meta::Admission;
use crate::types::{Bucket, ObjectKey, OwnerId, UploadId};

impl Engine {
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
