//! A version that was resolved: its facts, its parts, the key that opens its body, and the way to its bytes.

use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::BlockPool;
use crate::chunk::ChunkStore;
use crate::cipher::{CipherError, CustomerKey, Envelope};
use crate::engine::EngineError;
use crate::engine::inline::open_inline;
use crate::engine::pin::VersionPin;
use crate::engine::reader::{BodyBytes, BodyReader, Seal};
use crate::engine::seal::Lock;
use crate::meta::{BodyRef, MetaStore, StoredVersion};
use crate::types::{ListedPart, ManifestId, ObjectVersion, ResolvedRange};

/// A version that was resolved and that cannot be collected while this value lives.
pub struct OpenObject {
    stored: StoredVersion,
    lock: Lock,
    meta: Arc<dyn MetaStore>,
    chunks: Arc<dyn ChunkStore>,
    pool: BlockPool,
    pin: VersionPin,
}

impl OpenObject {
    /// A resolved version, which stays while `pin` lives.
    pub(crate) fn new(
        stored: StoredVersion,
        lock: Lock,
        meta: Arc<dyn MetaStore>,
        chunks: Arc<dyn ChunkStore>,
        pool: BlockPool,
        pin: VersionPin,
    ) -> Self {
        Self { stored, lock, meta, chunks, pool, pin }
    }

    /// Opens the body with the customer's key that a request carries. To be called, with `None` too, before
    /// anything is told of the version: what cannot be opened here cannot be read later.
    ///
    /// # Errors
    /// `KeyNeeded`, `KeyNotApplicable`, `WrongKey`, `UnknownKey`, `Damaged`.
    pub fn unlock(&mut self, customer: Option<&CustomerKey>) -> Result<(), CipherError> {
        self.lock.unlock(customer)
    }

    /// How the body is sealed.
    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The facts.
    pub fn version(&self) -> &ObjectVersion {
        &self.stored.version
    }

    /// What tells this version from every other, those that have the same name before or after it too.
    pub fn order(&self) -> u64 {
        self.stored.order
    }

    /// The facts, and where the body is.
    pub(crate) fn stored(&self) -> &StoredVersion {
        &self.stored
    }

    /// How many parts the body has; `None` if it was written in one piece.
    pub fn part_count(&self) -> Option<u16> {
        self.stored.version.etag.parts
    }

    /// Part `number` and its place in the body; `None` if there is no such part. A body that was written in
    /// one piece has part 1 only, and that is the whole body.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn part(&self, number: u16) -> Result<Option<(ListedPart, u64)>, EngineError> {
        let version = &self.stored.version;
        if self.part_count().is_none() {
            let whole = ListedPart {
                number: 1,
                size: version.size,
                md5: version.etag.md5,
                checksum: version.checksum.as_ref().map(|checksum| checksum.value.clone()),
                modified: version.modified,
            };
            return Ok((number == 1).then_some((whole, 0)));
        }
        let (Some(manifest), Some(after)) = (self.manifest(), number.checked_sub(1)) else { return Ok(None) };
        let found = self.meta.manifest_parts(manifest, after, 1).await.map_err(EngineError::Meta)?;
        let found = found.into_iter().find(|stored| stored.part.number == number);
        Ok(found.map(|stored| (stored.part, stored.offset)))
    }

    /// Parts with numbers above `after`, at most `max`; empty if the body was written in one piece.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn parts(&self, after: u16, max: u32) -> Result<Vec<ListedPart>, EngineError> {
        let (Some(_), Some(manifest)) = (self.part_count(), self.manifest()) else { return Ok(Vec::new()) };
        let parts = self.meta.manifest_parts(manifest, after, max).await.map_err(EngineError::Meta)?;
        Ok(parts.into_iter().map(|stored| stored.part).collect())
    }

    fn manifest(&self) -> Option<ManifestId> {
        match self.stored.body {
            BodyRef::Manifest(manifest) => Some(manifest),
            BodyRef::Empty | BodyRef::Inline(_) => None,
        }
    }

    /// Reads the whole body, or a range of it. The reader keeps the version from being collected.
    ///
    /// # Panics
    /// If the range does not lie inside the body: `ByteRange::resolve` makes no other.
    pub fn read(self, range: Option<ResolvedRange>) -> BodyReader {
        let size = self.stored.version.size;
        let (start, end) = range.map_or((0, size), |range| (range.start, range.end()));
        assert!(start <= end && end <= size, "a resolved range lies inside its body");
        let bytes = match (self.lock.key(), self.stored.body) {
            (Err(error), _) => BodyBytes::Shut(Some(error.into())),
            (Ok(_), BodyRef::Empty) => BodyBytes::Inline(Bytes::new()),
            (Ok(key), BodyRef::Inline(bytes)) => {
                let tag = self.lock.envelope().and_then(Envelope::inline_tag);
                open_inline(&self.stored.version, key, tag, bytes)
                    .map_or_else(|error| BodyBytes::Shut(Some(error)), BodyBytes::Inline)
            }
            (Ok(key), BodyRef::Manifest(manifest)) => {
                let seal = key.map(|key| Seal { key, size });
                BodyBytes::of_manifest((self.meta, manifest), self.chunks, self.pool, seal)
            }
        };
        BodyReader::new(start..end, bytes, self.pin)
    }
}
