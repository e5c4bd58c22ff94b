//! Bodies that lie beside their rows: the database does not check what it reads from the disk, so they are checked
//! here, each time, against the checksum or MD5 that was made when they came.

use bytes::Bytes;

use crate::cipher::{BodyKey, CipherError, InlineTag};
use crate::digest::ChecksumHasher;
use crate::engine::EngineError;
use crate::telemetry::record;
use crate::types::{ChecksumAlgorithm, ChecksumType, ChecksumValue, ObjectVersion};

/// Opens the body of `version`, or checks it if it is plain. At most `INLINE_BYTES_MAX`: hashing it costs less than
/// sending it to another thread.
///
/// # Errors
/// `Damaged`, `Cipher`.
pub(crate) fn open_inline(
    version: &ObjectVersion,
    key: Option<BodyKey>,
    tag: Option<&InlineTag>,
    bytes: Bytes,
) -> Result<Bytes, EngineError> {
    match (key, tag) {
        (None, _) => require(is_intact(version, &bytes)).map(|()| bytes),
        (Some(_), None) => Err(CipherError::Damaged("the body beside its row has no tag").into()),
        (Some(key), Some(tag)) => {
            let mut bytes = Vec::from(bytes);
            key.open_inline(tag, &mut bytes)?;
            Ok(Bytes::from(bytes))
        }
    }
}

/// Requires that `bytes` are a part with this MD5.
///
/// # Errors
/// `Damaged`.
pub(crate) fn require_part(bytes: &[u8], md5: [u8; 16]) -> Result<(), EngineError> {
    require(checksum(ChecksumAlgorithm::Md5, bytes).bytes() == md5)
}

fn require(is_intact: bool) -> Result<(), EngineError> {
    if is_intact {
        return Ok(());
    }
    record::block_corrupt();
    Err(EngineError::Damaged("bytes beside a row do not match their checksum"))
}

/// A checksum of the whole body is stored with all but copies of parts; those have an ETag that is their MD5.
fn is_intact(version: &ObjectVersion, bytes: &[u8]) -> bool {
    match &version.checksum {
        Some(stored) if stored.kind == ChecksumType::FullObject => {
            checksum(stored.value.algorithm(), bytes) == stored.value
        }
        Some(_) | None if version.etag.parts.is_none() => {
            checksum(ChecksumAlgorithm::Md5, bytes).bytes() == version.etag.md5
        }
        Some(_) | None => true,
    }
}

fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> ChecksumValue {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}
