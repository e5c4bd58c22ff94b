//! Multipart uploads.

use std::collections::BTreeMap;

use super::state::{Content, PartBody, PartRow, State, UploadName, UploadRow, VersionRow};
use crate::meta::composite::Composite;
use crate::meta::fact::RECORD_PART;
use crate::meta::{
    BodyRef, BodySource, CommitPart, CompleteUpload, Extent, MetaError, NewBody, NewUpload, PartExtents, PutOutcome,
    StoredPart, UploadRecord,
};
use crate::types::{
    BucketId, EventKind, ListedPart, ListedUpload, ManifestId, ObjectKey, ObjectVersion, PartListing, Timestamp,
    UploadId, VersionId,
};

pub(super) fn upload_name(bucket: BucketId, key: &ObjectKey, id: UploadId) -> UploadName {
    (bucket, key.as_str().to_owned(), id)
}

impl State {
    pub(super) fn create_upload(&mut self, new: NewUpload) -> Result<(), MetaError> {
        self.versioning(new.bucket)?;
        let manifest = self.new_manifest(new.now, Content::Parts(BTreeMap::new()));
        let name = upload_name(new.bucket, &new.key, new.upload);
        let upload = ListedUpload {
            key: new.key,
            upload: new.upload,
            initiated: new.now,
            initiator: new.initiator,
            storage_class: new.metadata.storage_class,
            checksum: new.checksum,
            owner: new.metadata.attributes.owner.clone(),
        };
        let record = UploadRecord { upload, metadata: new.metadata };
        let old = self.uploads.insert(name, UploadRow { record, manifest });
        assert!(old.is_none(), "upload ids are unique");
        Ok(())
    }

    fn upload_manifest(&self, name: &UploadName) -> Result<ManifestId, MetaError> {
        self.uploads.get(name).map(|row| row.manifest).ok_or(MetaError::NoSuchUpload)
    }

    fn parts(&self, manifest: ManifestId) -> Option<&BTreeMap<u16, PartRow>> {
        match &self.manifests.get(&manifest)?.content {
            Content::Parts(parts) => Some(parts),
            Content::Extents(_) => None,
        }
    }

    fn parts_mut(&mut self, manifest: ManifestId) -> &mut BTreeMap<u16, PartRow> {
        match self.manifests.get_mut(&manifest).map(|row| &mut row.content) {
            Some(Content::Parts(parts)) => parts,
            Some(Content::Extents(_)) | None => unreachable!("an upload has a manifest of parts"),
        }
    }

    pub(super) fn commit_part(&mut self, part: CommitPart) -> Result<(), MetaError> {
        let manifest = self.upload_manifest(&upload_name(part.bucket, &part.key, part.upload))?;
        self.require_shared(&part.body)?;
        self.admit_part(&upload_name(part.bucket, &part.key, part.upload), part.number, part.size)?;
        let body = match &part.body {
            NewBody::Inline(data) if data.is_empty() => PartBody::Empty,
            NewBody::Inline(data) => {
                let row = i64::try_from(self.tick(part.now)).expect("the clock counts microseconds");
                self.inline_parts.insert(row, data.clone());
                PartBody::Inline(row)
            }
            NewBody::Extents(extents) => {
                self.store_extents(part.now, extents).map_or(PartBody::Empty, PartBody::Manifest)
            }
        };
        let listed = ListedPart {
            number: part.number,
            size: part.size,
            md5: part.md5,
            checksum: part.checksum,
            modified: part.now,
        };
        let row = PartRow { part: listed, offset: None, body };
        if let Some(old) = self.parts_mut(manifest).insert(part.number, row) {
            self.drop_part_body(old.body);
        }
        Ok(())
    }

    pub(super) fn manifest_parts(&self, manifest: ManifestId, after: u16, max: u32) -> Vec<StoredPart> {
        let parts = self.parts(manifest).into_iter().flatten();
        let parts = parts
            .filter(|(number, _)| **number > after)
            .map(|(_, row)| StoredPart { part: row.part.clone(), offset: row.offset.unwrap_or(0) });
        parts.take(max as usize).collect()
    }

    pub(super) fn list_parts(&self, name: &UploadName, after: u16, max: u32) -> Result<PartListing, MetaError> {
        let row = self.uploads.get(name).ok_or(MetaError::NoSuchUpload)?;
        let mut parts = self.manifest_parts(row.manifest, after, u32::MAX);
        let more = parts.len() > max as usize;
        parts.truncate(max as usize);
        let next_after = parts.last().filter(|_| more).map(|last| last.part.number);
        let parts = parts.into_iter().map(|stored| stored.part).collect();
        Ok(PartListing { upload: row.record.upload.clone(), parts, next_after })
    }

    /// The record is a part that no offset leads to.
    fn keep_record(&mut self, manifest: ManifestId, complete: &CompleteUpload) {
        let Some(body) = self.store_extents(complete.now, &complete.record) else { return };
        let part = ListedPart { number: RECORD_PART, size: 0, md5: [0; 16], checksum: None, modified: complete.now };
        let row = PartRow { part, offset: None, body: PartBody::Manifest(body) };
        if let Some(Content::Parts(parts)) = self.manifests.get_mut(&manifest).map(|row| &mut row.content) {
            parts.insert(RECORD_PART, row);
        }
    }

    pub(super) fn part_extents(&self, name: &UploadName, after: u16, max: u32) -> Result<Vec<PartExtents>, MetaError> {
        let row = self.uploads.get(name).ok_or(MetaError::NoSuchUpload)?;
        let parts = self.parts(row.manifest).into_iter().flatten().filter(|(number, _)| **number > after);
        let with_extents = |part: &PartRow| {
            let extents = match part.body {
                PartBody::Manifest(body) => self.extents(body, 0, u32::MAX),
                PartBody::Inline(_) | PartBody::Empty => Vec::new(),
            };
            let place = |extent: Extent| match extent.source {
                BodySource::Chunk { id, .. } => Some((id, extent.chunk_offset, extent.length)),
                BodySource::InlinePart { .. } => None,
            };
            PartExtents { part: part.part.clone(), extents: extents.into_iter().filter_map(place).collect() }
        };
        Ok(parts.take(max as usize).map(|(_, part)| with_extents(part)).collect())
    }

    pub(super) fn complete(&mut self, complete: &CompleteUpload) -> Result<PutOutcome, MetaError> {
        let name = upload_name(complete.bucket, &complete.key, complete.upload);
        let manifest = self.upload_manifest(&name)?;
        let mut composite = Composite::default();
        for (number, row) in self.parts(manifest).into_iter().flatten() {
            if complete.selection.contains(*number) {
                composite.push(&row.part.md5, row.part.size);
            }
        }
        let count = complete.selection.count();
        if composite.finish() != (complete.etag, complete.size, count) || count == 0 {
            return Err(MetaError::PartsChanged);
        }
        let state = self.versioning(complete.bucket)?;
        complete.precondition.judge(self.current_facts(complete.bucket, &complete.key).as_ref())?;
        let parts = self.manifest_parts(manifest, 0, u32::MAX).iter().map(|part| part.part.size).sum();
        let owner = self.uploads[&name].record.metadata.attributes.owner.clone();
        self.admit_version((complete.bucket, owner.as_ref()), &complete.key, complete.size, parts)?;

        self.settle_parts(manifest, complete);
        self.keep_record(manifest, complete);
        let upload = self.uploads.remove(&name).expect("it was found above");
        let version = ObjectVersion {
            key: complete.key.clone(),
            version: VersionId::Null,
            is_latest: false,
            is_delete_marker: false,
            size: complete.size,
            etag: complete.etag,
            modified: complete.now,
            checksum: complete.checksum.clone(),
            sha256: None,
            metadata: upload.record.metadata,
        };
        let row = VersionRow { version, body: BodyRef::Manifest(manifest) };
        let outcome = self.place(complete.bucket, state, row)?;
        self.completed.insert(name, outcome.clone());
        self.tell_created(EventKind::CreatedByCompletion, complete.bucket, &complete.key, &outcome)?;
        Ok(outcome)
    }

    /// Gives the chosen parts their offsets and drops the others.
    fn settle_parts(&mut self, manifest: ManifestId, complete: &CompleteUpload) {
        let mut dropped = Vec::new();
        let mut end = 0;
        self.parts_mut(manifest).retain(|number, row| {
            let is_chosen = complete.selection.contains(*number);
            if is_chosen {
                row.offset = Some(end);
                end += row.part.size;
            } else {
                dropped.push(row.body);
            }
            is_chosen
        });
        dropped.into_iter().for_each(|body| self.drop_part_body(body));
    }

    pub(super) fn abort_upload(&mut self, name: &UploadName) -> Result<(), MetaError> {
        let manifest = self.upload_manifest(name)?;
        self.uploads.remove(name);
        self.release(manifest);
        Ok(())
    }

    pub(super) fn expire_uploads(&mut self, before: Timestamp, max: u32) -> Result<u32, MetaError> {
        let mut old: Vec<(Timestamp, UploadName)> =
            self.uploads.iter().map(|(name, row)| (row.record.upload.initiated, name.clone())).collect();
        old.retain(|(initiated, _)| *initiated < before);
        old.sort();
        old.truncate(max as usize);
        for (_, name) in &old {
            self.abort_upload(name)?;
        }
        let mut finished: Vec<(Timestamp, UploadName)> =
            self.completed.iter().map(|(name, outcome)| (outcome.modified, name.clone())).collect();
        finished.retain(|(modified, _)| *modified < before);
        finished.sort();
        for (_, name) in finished.into_iter().take(max as usize) {
            self.completed.remove(&name);
        }
        Ok(u32::try_from(old.len()).expect("at most `max` are left"))
    }
}
