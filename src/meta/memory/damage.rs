//! Damaged chunks, and whose bytes are in which chunk.

use super::state::{Content, PartBody, State};
use crate::meta::{BodyRef, ChunkUse, ChunkUser, Damage, DamagedChunk, LostBody, MetaError};
use crate::rules::lock;
use crate::types::{ChunkId, ManifestId, Timestamp};

impl State {
    pub(super) fn mark_damage(&mut self, chunk: ChunkId, damage: Option<Damage>) -> bool {
        let Some(damage) = damage else { return self.damaged.remove(&chunk).is_some() };
        if let Some(marked) = self.damaged.get_mut(&chunk) {
            marked.detail = damage.detail;
            return false;
        }
        let is_live = self.chunks.contains_key(&chunk);
        if is_live {
            self.damaged.insert(chunk, damage);
        }
        is_live
    }

    /// `SourceDamaged` if the chunk is marked.
    pub(super) fn require_unmarked(&self, chunk: ChunkId) -> Result<(), MetaError> {
        match self.damaged.get(&chunk) {
            Some(damage) => Err(MetaError::SourceDamaged(DamagedChunk { chunk, damage: damage.clone() })),
            None => Ok(()),
        }
    }

    /// `SourceDamaged` if a chunk of the manifest, or of its parts, is marked; the marked one with the lowest id.
    pub(super) fn require_sound(&self, manifest: ManifestId) -> Result<(), MetaError> {
        let marked = self.damaged.keys().find(|chunk| self.leads_to(manifest, **chunk));
        marked.map_or(Ok(()), |chunk| self.require_unmarked(*chunk))
    }

    pub(super) fn damaged_chunks(&self, after: Option<ChunkId>, max: u32) -> Vec<DamagedChunk> {
        let rows = self.damaged.iter().filter(|(chunk, _)| after.is_none_or(|after| **chunk > after));
        rows.map(|(chunk, damage)| DamagedChunk { chunk: *chunk, damage: damage.clone() }).take(max as usize).collect()
    }

    pub(super) fn chunk_uses(&self, chunks: &[ChunkId], max: u32) -> Vec<ChunkUse> {
        let mut found = Vec::new();
        for &chunk in chunks {
            let uses = |manifest| self.leads_to(manifest, chunk);
            let in_body = |body: &BodyRef| matches!(body, BodyRef::Manifest(manifest) if uses(*manifest));
            for ((bucket, ..), row) in self.versions.iter().filter(|(_, row)| in_body(&row.body)) {
                let (key, of) = (row.version.key.clone(), ChunkUser::Version(row.version.version));
                found.push(ChunkUse { chunk, bucket: self.buckets[bucket].bucket.name.clone(), key, of });
            }
            for ((bucket, _, id), row) in self.uploads.iter().filter(|(_, row)| uses(row.manifest)) {
                let (key, of) = (row.record.upload.key.clone(), ChunkUser::Upload(*id));
                found.push(ChunkUse { chunk, bucket: self.buckets[bucket].bucket.name.clone(), key, of });
            }
            for (id, row) in self.retained.iter().filter(|(_, row)| in_body(&row.row.body)) {
                let (key, of) = (row.row.version.key.clone(), ChunkUser::Retained(*id));
                found.push(ChunkUse { chunk, bucket: row.bucket_name.clone(), key, of });
            }
        }
        found.sort_by_key(|found| {
            let (kind, number) = match found.of {
                ChunkUser::Version(version) => (0, version.to_string()),
                ChunkUser::Upload(upload) => (1, upload.to_string()),
                ChunkUser::Retained(id) => (2, format!("{id:020}")),
            };
            (found.chunk, found.bucket.as_str().to_owned(), found.key.as_str().to_owned(), kind, number)
        });
        found.truncate(max as usize);
        found
    }

    pub(super) fn drop_chunk_users(
        &mut self,
        chunks: &[ChunkId],
        lock_time: Timestamp,
    ) -> Result<Vec<LostBody>, MetaError> {
        let mut lost: Vec<LostBody> = Vec::new();
        let mut found = self.chunk_uses(chunks, u32::MAX);
        found.sort_by(|a, b| (a.bucket.as_str(), a.key.as_str()).cmp(&(b.bucket.as_str(), b.key.as_str())));
        for ChunkUse { bucket, key, of, .. } in found {
            if lost.iter().any(|other| other.bucket == bucket && other.key == key && other.of == of) {
                continue;
            }
            let id = self.find_bucket(&bucket).map(|bucket| bucket.id);
            let is_kept = match (of, id) {
                (ChunkUser::Version(version), Some(id)) => {
                    let (name, row) = self.find(id, &key, version).ok_or(MetaError::NoSuchVersion)?;
                    let is_locked = lock::judge_removal(&row.version.metadata.attributes, false, lock_time).is_err();
                    if !is_locked {
                        self.remove(&name);
                    }
                    is_locked
                }
                (ChunkUser::Upload(upload), Some(id)) => {
                    self.abort_upload(&(id, key.as_str().to_owned(), upload))?;
                    false
                }
                (ChunkUser::Retained(id), _) => {
                    if let Some(BodyRef::Manifest(manifest)) = self.retained.remove(&id).map(|row| row.row.body) {
                        self.release(manifest);
                    }
                    false
                }
                (ChunkUser::Version(_) | ChunkUser::Upload(_), None) => continue,
            };
            lost.push(LostBody { bucket, key, of, is_kept });
        }
        Ok(lost)
    }

    /// Whether a chunk is among the extents of a manifest or of its parts.
    fn leads_to(&self, manifest: ManifestId, chunk: ChunkId) -> bool {
        match self.manifests.get(&manifest).map(|row| &row.content) {
            Some(Content::Extents(extents)) => extents.iter().any(|extent| extent.chunk == chunk),
            Some(Content::Parts(parts)) => parts.values().any(|part| match part.body {
                PartBody::Manifest(body) => self.leads_to(body, chunk),
                PartBody::Inline(_) | PartBody::Empty => false,
            }),
            None => false,
        }
    }
}
