//! Pins: which manifests are being read, so that the collector leaves them alone. A GET that has begun
//! finishes with the bytes that it began with, though its key is overwritten or deleted meanwhile.
//!
//! Pins live in this process. A store that several processes collect needs leases of its own.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::RwLock;

use crate::meta::{BodyRef, MetaError, StoredVersion};
use crate::types::ManifestId;

/// Whatever keeps a version from being collected while it lives.
pub(crate) type VersionPin = Box<dyn Any + Send + Sync>;

type Held = HashMap<ManifestId, u32>;

/// The pinned manifests. Bounded by the requests in flight: each holds one pin at most per object it reads.
#[derive(Clone, Default)]
pub(crate) struct Pins {
    /// Held for reading between the start of a look-up and its pin. It is no data lock: it lets the collector
    /// wait for every look-up that may have seen a manifest before that became garbage.
    resolving: Arc<RwLock<()>>,
    held: Arc<Mutex<Held>>,
}

/// Keeps one manifest from being collected while it lives.
pub(crate) struct Pin {
    held: Arc<Mutex<Held>>,
    manifest: Option<ManifestId>,
}

impl Pins {
    /// Runs a look-up and pins the manifest that it finds, before any collector can release that manifest.
    ///
    /// # Errors
    /// Those of the look-up.
    pub(crate) async fn resolve(
        &self,
        find: impl Future<Output = Result<Option<StoredVersion>, MetaError>>,
    ) -> Result<Option<(StoredVersion, Pin)>, MetaError> {
        let _resolving = self.resolving.read().await;
        let Some(stored) = find.await? else { return Ok(None) };
        let manifest = match &stored.body {
            BodyRef::Manifest(manifest) => Some(*manifest),
            BodyRef::Empty | BodyRef::Inline(_) => None,
        };
        if let Some(manifest) = manifest {
            *lock(&self.held).entry(manifest).or_insert(0) += 1;
        }
        Ok(Some((stored, Pin { held: Arc::clone(&self.held), manifest })))
    }

    /// Waits until every look-up that had begun before this call has pinned what it found or failed. What was
    /// garbage before this call and is not pinned after it can never be read again.
    pub(crate) async fn settle(&self) {
        drop(self.resolving.write().await);
    }

    /// Whether somebody reads this manifest.
    pub(crate) fn is_pinned(&self, manifest: ManifestId) -> bool {
        lock(&self.held).contains_key(&manifest)
    }

    /// How many manifests are pinned.
    pub(crate) fn count(&self) -> usize {
        lock(&self.held).len()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let Some(manifest) = self.manifest else { return };
        let mut held = lock(&self.held);
        let Some(count) = held.get_mut(&manifest) else { return };
        *count -= 1;
        if *count == 0 {
            held.remove(&manifest);
        }
    }
}

/// The map is consistent after each statement, so a panic elsewhere does not spoil it.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::poll;

    use super::Pins;
    use crate::meta::{BodyRef, StoredVersion};
    use crate::types::{ETag, ManifestId, ObjectKey, ObjectMetadata, ObjectVersion, Timestamp, VersionId};

    fn stored(body: BodyRef) -> StoredVersion {
        let version = ObjectVersion {
            key: ObjectKey::parse("k").unwrap(),
            version: VersionId::Null,
            is_latest: true,
            is_delete_marker: false,
            size: 1,
            etag: ETag::single([0; 16]),
            modified: Timestamp(0),
            checksum: None,
            sha256: None,
            metadata: ObjectMetadata::default(),
        };
        StoredVersion { version, order: 1, body }
    }

    #[tokio::test]
    async fn a_manifest_is_pinned_until_its_last_reader_is_gone() {
        let pins = Pins::default();
        let manifest = ManifestId(7);
        let open = async || pins.resolve(async { Ok(Some(stored(BodyRef::Manifest(manifest)))) }).await.unwrap();
        let (first, second) = (open().await, open().await);
        drop(first);
        assert!(pins.is_pinned(manifest));
        drop(second);
        assert!(!pins.is_pinned(manifest));
        assert_eq!(pins.count(), 0);
    }

    #[tokio::test]
    async fn a_body_beside_its_row_needs_no_pin() {
        let pins = Pins::default();
        let inline = BodyRef::Inline(Bytes::from_static(b"x"));
        let _open = pins.resolve(async { Ok(Some(stored(inline))) }).await.unwrap();
        assert_eq!(pins.count(), 0);
    }

    #[tokio::test]
    async fn the_collector_waits_for_a_look_up_that_has_begun() {
        let pins = Pins::default();
        let (found, find) = tokio::sync::oneshot::channel();
        let mut resolve = Box::pin(pins.resolve(async { Ok(find.await.ok()) }));
        assert!(poll!(resolve.as_mut()).is_pending());
        let mut settle = Box::pin(pins.settle());
        assert!(poll!(settle.as_mut()).is_pending(), "the look-up may still pin what it saw");
        assert!(found.send(stored(BodyRef::Manifest(ManifestId(3)))).is_ok());
        let open = resolve.await.unwrap();
        settle.await;
        assert!(open.is_some() && pins.is_pinned(ManifestId(3)));
    }
}
