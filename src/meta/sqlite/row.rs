//! How values are stored: codes of enums, ids, checksums. Codes are part of the database format and never
//! change their meaning.

use rusqlite::Row;

use super::failure::Failure;
use crate::rules::Versioning;
use crate::types::{
    ChecksumAlgorithm, ChecksumType, ChecksumValue, ETag, ObjectChecksum, ObjectKey, StorageClass, VersionId,
};

/// A size, offset or count as SQLite stores it.
///
/// # Panics
/// If it needs 64 bits: sizes are bounded by `OBJECT_BYTES_MAX` and the clock counts microseconds.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("stored sizes and orders are below 2^63")
}

/// A size, offset or count as it was stored.
pub(super) fn unsigned(value: i64) -> Result<u64, Failure> {
    u64::try_from(value).map_err(|_| Failure::Corrupt("count"))
}

/// A size, offset or count in column `index`.
pub(super) fn count(row: &Row<'_>, index: usize) -> Result<u64, Failure> {
    unsigned(row.get(index)?)
}

/// An array of fixed length in column `index`.
pub(super) fn array<const N: usize>(row: &Row<'_>, index: usize) -> Result<[u8; N], Failure> {
    blob(row, index)?.try_into().map_err(|_| Failure::Corrupt("digest"))
}

/// The bytes in column `index`, borrowed.
pub(super) fn blob<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r [u8], Failure> {
    row.get_ref(index)?.as_blob().map_err(|_| Failure::Corrupt("blob"))
}

/// The bytes in column `index`, borrowed, or `None` for NULL.
pub(super) fn blob_or_null<'r>(row: &'r Row<'_>, index: usize) -> Result<Option<&'r [u8]>, Failure> {
    row.get_ref(index)?.as_blob_or_null().map_err(|_| Failure::Corrupt("blob"))
}

/// The text behind a stored key.
pub(super) fn key_text(bytes: &[u8]) -> Result<String, Failure> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Failure::Corrupt("key"))
}

/// The key in column `index`.
pub(super) fn key(row: &Row<'_>, index: usize) -> Result<ObjectKey, Failure> {
    ObjectKey::parse(key_text(blob(row, index)?)?).map_err(|_| Failure::Corrupt("key"))
}

/// The tag whose MD5 is in column `index` and whose part count is in the next.
pub(super) fn etag(row: &Row<'_>, index: usize) -> Result<ETag, Failure> {
    Ok(ETag { md5: array(row, index)?, parts: row.get(index + 1)? })
}

/// The version id of a row.
pub(super) fn version_id(order: u64, salt: Option<i64>) -> VersionId {
    match salt {
        Some(salt) => VersionId::Ordered { order, salt: salt.cast_unsigned() },
        None => VersionId::Null,
    }
}

/// The code of a versioning state.
pub(super) fn versioning_code(state: Versioning) -> i64 {
    match state {
        Versioning::Unversioned => 0,
        Versioning::Enabled => 1,
        Versioning::Suspended => 2,
    }
}

/// The versioning state behind a code.
pub(super) fn versioning(code: i64) -> Result<Versioning, Failure> {
    [Versioning::Unversioned, Versioning::Enabled, Versioning::Suspended]
        .into_iter()
        .find(|state| versioning_code(*state) == code)
        .ok_or(Failure::Corrupt("versioning state"))
}

/// The code of a storage class.
pub(super) fn storage_class_code(class: StorageClass) -> i64 {
    match class {
        StorageClass::Standard => 0,
        StorageClass::ReducedRedundancy => 1,
        StorageClass::StandardIa => 2,
        StorageClass::OneZoneIa => 3,
        StorageClass::IntelligentTiering => 4,
        StorageClass::GlacierIr => 5,
        StorageClass::ExpressOneZone => 6,
    }
}

/// The storage class behind a code.
pub(super) fn storage_class(code: i64) -> Result<StorageClass, Failure> {
    StorageClass::ALL
        .into_iter()
        .find(|class| storage_class_code(*class) == code)
        .ok_or(Failure::Corrupt("storage class"))
}

fn algorithm_code(algorithm: ChecksumAlgorithm) -> u8 {
    match algorithm {
        ChecksumAlgorithm::Crc32 => 0,
        ChecksumAlgorithm::Crc32c => 1,
        ChecksumAlgorithm::Crc64Nvme => 2,
        ChecksumAlgorithm::Sha1 => 3,
        ChecksumAlgorithm::Sha256 => 4,
        ChecksumAlgorithm::Sha512 => 5,
        ChecksumAlgorithm::Md5 => 6,
        ChecksumAlgorithm::XxHash64 => 7,
        ChecksumAlgorithm::XxHash3 => 8,
        ChecksumAlgorithm::XxHash128 => 9,
    }
}

fn algorithm(code: u8) -> Result<ChecksumAlgorithm, Failure> {
    ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm_code(*algorithm) == code)
        .ok_or(Failure::Corrupt("checksum algorithm"))
}

/// The code of an algorithm and type: one small integer, as listings read it.
pub(super) fn checksum_code(algorithm: ChecksumAlgorithm, kind: ChecksumType) -> i64 {
    let kind = match kind {
        ChecksumType::FullObject => 0,
        ChecksumType::Composite => 1,
    };
    i64::from(algorithm_code(algorithm)) * 2 + kind
}

/// The algorithm and type behind a code.
pub(super) fn checksum_choice(code: i64) -> Result<(ChecksumAlgorithm, ChecksumType), Failure> {
    let kind = if code % 2 == 0 { ChecksumType::FullObject } else { ChecksumType::Composite };
    let code = u8::try_from(code / 2).map_err(|_| Failure::Corrupt("checksum algorithm"))?;
    Ok((algorithm(code)?, kind))
}

/// The checksum of an object from its code, value and part count.
pub(super) fn object_checksum(
    code: Option<i64>,
    value: Option<&[u8]>,
    parts: Option<u16>,
) -> Result<Option<ObjectChecksum>, Failure> {
    let (Some(code), Some(value)) = (code, value) else {
        return Ok(None);
    };
    let (algorithm, kind) = checksum_choice(code)?;
    let value = ChecksumValue::new(algorithm, value).ok_or(Failure::Corrupt("checksum"))?;
    Ok(Some(ObjectChecksum { value, kind, parts }))
}

/// A part's checksum: the algorithm's code and the value.
pub(super) fn part_checksum_blob(value: &ChecksumValue) -> Vec<u8> {
    let mut blob = Vec::with_capacity(1 + value.bytes().len());
    blob.push(algorithm_code(value.algorithm()));
    blob.extend_from_slice(value.bytes());
    blob
}

/// The part's checksum behind a blob.
pub(super) fn part_checksum(blob: &[u8]) -> Result<ChecksumValue, Failure> {
    let (code, value) = blob.split_first().ok_or(Failure::Corrupt("part checksum"))?;
    ChecksumValue::new(algorithm(*code)?, value).ok_or(Failure::Corrupt("part checksum"))
}

#[cfg(test)]
mod tests {
    use super::{checksum_choice, checksum_code, part_checksum, part_checksum_blob};
    use crate::types::{ChecksumAlgorithm, ChecksumType, ChecksumValue};

    #[test]
    fn every_checksum_reads_back_as_it_was_written() {
        for algorithm in ChecksumAlgorithm::ALL {
            for kind in [ChecksumType::FullObject, ChecksumType::Composite] {
                assert_eq!(checksum_choice(checksum_code(algorithm, kind)).unwrap(), (algorithm, kind));
            }
            let value = ChecksumValue::new(algorithm, vec![7; algorithm.value_bytes()]).unwrap();
            assert_eq!(part_checksum(&part_checksum_blob(&value)).unwrap(), value);
        }
    }
}
