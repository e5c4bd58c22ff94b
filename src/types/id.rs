//! Ids: of versions, uploads, chunks, manifests, buckets, owners and boots.

use std::fmt;

/// Internal id of a bucket. Never reused, so a recreated bucket shares nothing with its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(pub i64);

/// Internal id of a manifest: the immutable list of extents (and parts) that makes up a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestId(pub i64);

/// Canonical id of an identity that owns buckets: 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(pub String);

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One start of one process on a data set, handed out by the metadata store and never twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// Id of a chunk: the boot epoch that wrote it and its number in that epoch.
///
/// Only directories of an epoch that did not end cleanly can hold chunk files without rows, so a crash
/// never costs a scan of everything. Packs into a positive `i64` (23 + 40 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(u64);

const SEQUENCE_BITS: u32 = 40;

impl ChunkId {
    /// The chunk `sequence` of `epoch`.
    ///
    /// # Panics
    /// If the epoch needs more than 23 bits or the sequence more than 40: neither is reached by counting.
    pub fn new(epoch: Epoch, sequence: u64) -> Self {
        assert!(epoch.0 < 1 << 23, "boot epochs are exhausted");
        assert!(sequence < 1 << SEQUENCE_BITS, "chunk numbers of this epoch are exhausted");
        Self((u64::from(epoch.0) << SEQUENCE_BITS) | sequence)
    }

    /// The id as the integer that is stored.
    pub fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The id behind a stored integer.
    pub fn from_i64(stored: i64) -> Self {
        Self(stored.cast_unsigned())
    }

    /// The boot epoch that wrote the chunk.
    pub fn epoch(self) -> Epoch {
        Epoch((self.0 >> SEQUENCE_BITS) as u32)
    }

    /// The chunk's number in its epoch.
    pub fn sequence(self) -> u64 {
        self.0 & ((1 << SEQUENCE_BITS) - 1)
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}-{:010x}", self.epoch().0, self.sequence())
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Id of one object version: `null`, or an order number with a random tail.
///
/// `order` grows with every commit, so it finds the row without an index of its own; `salt` keeps ids
/// unguessable and unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionId {
    /// The version that is written while versioning is off or suspended.
    Null,
    /// A version of a versioned bucket.
    Ordered {
        /// Position among all commits of the metadata store.
        order: u64,
        /// Random bits.
        salt: u64,
    },
}

impl VersionId {
    /// Reads the text of a `versionId` parameter; `None` if it is no id that we ever made.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        let order = u64::from_str_radix(&text[..16], 16).ok()?;
        let salt = u64::from_str_radix(&text[16..], 16).ok()?;
        Some(Self::Ordered { order, salt })
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Ordered { order, salt } => write!(f, "{order:016x}{salt:016x}"),
        }
    }
}

/// Id of a multipart upload: its start in microseconds and random bits, so that ids sort by initiation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

impl UploadId {
    /// The id of an upload that starts at `micros` since 1970 with `random` bits.
    pub fn new(micros: u64, random: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&micros.to_be_bytes());
        bytes[8..].copy_from_slice(&random.to_be_bytes());
        Self(bytes)
    }

    /// Reads the text of an `uploadId` parameter; `None` if it is no id that we ever made.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{ChunkId, Epoch, UploadId, VersionId};

    #[test]
    fn a_chunk_id_keeps_its_epoch_and_number() {
        let id = ChunkId::new(Epoch(42), 5010);
        assert_eq!(ChunkId::from_i64(id.to_i64()), id);
        assert_eq!((id.epoch(), id.sequence()), (Epoch(42), 5010));
        assert_eq!(id.to_string(), "00002a-0000001392");
    }

    #[test]
    fn ids_read_back_what_they_print() {
        let version = VersionId::Ordered { order: 7, salt: u64::MAX };
        assert_eq!(VersionId::parse(&version.to_string()), Some(version));
        assert_eq!(VersionId::parse("null"), Some(VersionId::Null));
        let upload = UploadId::new(1, 2);
        assert_eq!(UploadId::parse(&upload.to_string()), Some(upload));
        for bad in ["", "x", "NULL", "+000000000000000000000000000000f", &"A".repeat(32), &"é".repeat(16)] {
            assert_eq!(VersionId::parse(bad), None, "{bad}");
            assert_eq!(UploadId::parse(bad), None, "{bad}");
        }
    }
}
