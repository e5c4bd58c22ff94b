//! Damaged chunks, and whose bytes are in which chunk.

use super::state::{Content, PartBody, State};
use crate::meta::{BodyRef, ChunkUse, ChunkUser, Damage, DamagedChunk};
use crate::types::{ChunkId, ManifestId};

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
