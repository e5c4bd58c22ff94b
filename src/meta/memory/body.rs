//! Bodies: manifests, chunks, garbage.

use std::collections::BTreeMap;

use super::state::{ChunkRow, Content, ExtentRow, ManifestRow, PartBody, State};
use crate::meta::{BodySource, Extent, MetaError, NewBody, NewExtent};
use crate::types::{ChunkId, ManifestId, Timestamp};

impl State {
    /// Fails with `SourceChanged` unless every shared extent lies in a live chunk, and with `SourceDamaged` if one is
    /// marked.
    pub(super) fn require_shared(&self, body: &NewBody) -> Result<(), MetaError> {
        let NewBody::Extents(extents) = body else {
            return Ok(());
        };
        for extent in extents {
            let NewExtent::Shared { id, chunk_offset, length } = *extent else { continue };
            let end = chunk_offset.checked_add(length);
            let chunk = self.chunks.get(&id).filter(|chunk| end.is_some_and(|end| end <= chunk.length));
            chunk.ok_or(MetaError::SourceChanged)?;
            self.require_unmarked(id)?;
        }
        Ok(())
    }

    /// Makes a manifest with one reference.
    pub(super) fn new_manifest(&mut self, now: Timestamp, content: Content) -> ManifestId {
        let id = ManifestId(i64::try_from(self.tick(now)).expect("the clock counts microseconds"));
        self.manifests.insert(id, ManifestRow { refs: 1, content });
        id
    }

    /// Stores extents; `None` if there are none.
    pub(super) fn store_extents(&mut self, now: Timestamp, extents: &[NewExtent]) -> Option<ManifestId> {
        let mut rows = Vec::new();
        let mut offset = 0;
        for extent in extents {
            let (chunk, chunk_offset, length) = match *extent {
                NewExtent::Sealed { id, length, seal } => {
                    let old = self.chunks.insert(id, ChunkRow { refs: 1, length, seal });
                    assert!(old.is_none(), "a sealed chunk is committed once");
                    (id, 0, length)
                }
                NewExtent::Shared { id, chunk_offset, length } => {
                    self.chunks.get_mut(&id).expect("shared chunks were checked").refs += 1;
                    (id, chunk_offset, length)
                }
            };
            rows.push(ExtentRow { offset, length, chunk, chunk_offset });
            offset += length;
        }
        (!rows.is_empty()).then(|| self.new_manifest(now, Content::Extents(rows)))
    }

    pub(super) fn retain(&mut self, manifest: ManifestId) {
        self.manifests.get_mut(&manifest).expect("rows point at manifests that exist").refs += 1;
    }

    pub(super) fn release(&mut self, manifest: ManifestId) {
        let row = self.manifests.get_mut(&manifest).expect("rows point at manifests that exist");
        row.refs -= 1;
        if row.refs == 0 {
            self.garbage.insert(manifest);
        }
    }

    pub(super) fn drop_part_body(&mut self, body: PartBody) {
        match body {
            PartBody::Empty => {}
            PartBody::Inline(row) => {
                self.inline_parts.remove(&row);
            }
            PartBody::Manifest(manifest) => self.release(manifest),
        }
    }

    pub(super) fn extents(&self, manifest: ManifestId, from: u64, max: u32) -> Vec<Extent> {
        let all = match self.manifests.get(&manifest).map(|row| &row.content) {
            None => Vec::new(),
            Some(Content::Extents(_)) => self.expand(manifest, 0),
            Some(Content::Parts(parts)) => parts
                .values()
                .filter_map(|part| Some((part.offset?, part)))
                .flat_map(|(offset, part)| match part.body {
                    PartBody::Empty => Vec::new(),
                    PartBody::Inline(row) => {
                        let source = BodySource::InlinePart { row, md5: part.part.md5 };
                        vec![Extent { offset, length: part.part.size, chunk_offset: 0, source }]
                    }
                    PartBody::Manifest(body) => self.expand(body, offset),
                })
                .collect(),
        };
        all.into_iter().filter(|extent| extent.offset + extent.length > from).take(max as usize).collect()
    }

    fn expand(&self, manifest: ManifestId, base: u64) -> Vec<Extent> {
        let Some(Content::Extents(rows)) = self.manifests.get(&manifest).map(|row| &row.content) else {
            return Vec::new();
        };
        let expand = |row: &ExtentRow| {
            let chunk = self.chunks.get(&row.chunk).expect("extents point at chunks that exist");
            Extent {
                offset: base + row.offset,
                length: row.length,
                chunk_offset: row.chunk_offset,
                source: BodySource::Chunk { id: row.chunk, length: chunk.length, seal: chunk.seal },
            }
        };
        rows.iter().map(expand).collect()
    }

    /// Releases up to `max` extents or parts of a garbage manifest.
    pub(super) fn release_manifest(&mut self, manifest: ManifestId, max: u32) -> Result<bool, MetaError> {
        if !self.garbage.contains(&manifest) {
            return match self.manifests.contains_key(&manifest) {
                true => Err(MetaError::Storage(format!("release manifest {}: it is still in use", manifest.0))),
                false => Ok(true),
            };
        }
        let row = self.manifests.get_mut(&manifest).expect("garbage is a manifest that exists");
        let mut chunks = Vec::new();
        let mut bodies = Vec::new();
        let is_gone = match &mut row.content {
            Content::Extents(rows) => {
                let count = rows.len().min(max as usize);
                chunks.extend(rows.drain(..count).map(|row| row.chunk));
                rows.is_empty()
            }
            Content::Parts(parts) => {
                while bodies.len() < max as usize
                    && let Some((_, part)) = parts.pop_first()
                {
                    bodies.push(part.body);
                }
                parts.is_empty()
            }
        };
        chunks.into_iter().for_each(|chunk| self.release_chunk(chunk));
        bodies.into_iter().for_each(|body| self.drop_part_body(body));
        if is_gone {
            self.manifests.remove(&manifest);
            self.garbage.remove(&manifest);
        }
        Ok(is_gone)
    }

    fn release_chunk(&mut self, chunk: ChunkId) {
        let row = self.chunks.get_mut(&chunk).expect("extents point at chunks that exist");
        row.refs -= 1;
        if row.refs == 0 {
            self.chunks.remove(&chunk);
            self.damaged.remove(&chunk);
            self.dead_chunks.insert(chunk);
        }
    }

    /// Counts every reference anew and reports those that were counted wrong.
    pub(super) fn verify(&self, report: &mut dyn FnMut(String)) {
        let mut manifests: BTreeMap<ManifestId, u32> = BTreeMap::new();
        let mut chunks: BTreeMap<ChunkId, u32> = BTreeMap::new();
        let versions = self.versions.values().chain(self.retained.values().map(|row| &row.row));
        let bodies = versions.filter_map(|row| match row.body {
            crate::meta::BodyRef::Manifest(manifest) => Some(manifest),
            crate::meta::BodyRef::Inline(_) | crate::meta::BodyRef::Empty => None,
        });
        for manifest in bodies.chain(self.uploads.values().map(|upload| upload.manifest)) {
            *manifests.entry(manifest).or_default() += 1;
        }
        for row in self.manifests.values() {
            match &row.content {
                Content::Extents(extents) => {
                    extents.iter().for_each(|extent| *chunks.entry(extent.chunk).or_default() += 1);
                }
                Content::Parts(parts) => {
                    for part in parts.values() {
                        if let PartBody::Manifest(body) = part.body {
                            *manifests.entry(body).or_default() += 1;
                        }
                    }
                }
            }
        }
        for (id, row) in &self.manifests {
            let found = manifests.get(id).copied().unwrap_or(0);
            if found != row.refs || (row.refs == 0) != self.garbage.contains(id) {
                report(format!("manifest {}: {} references counted, {found} found", id.0, row.refs));
            }
        }
        for (id, row) in &self.chunks {
            let found = chunks.get(id).copied().unwrap_or(0);
            if found != row.refs {
                report(format!("chunk {id}: {} references counted, {found} found", row.refs));
            }
        }
    }
}
