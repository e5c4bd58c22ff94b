//! Small bodies: those of restorable versions and of parts, and whose a small body is.

use std::cmp::Reverse;

use super::state::{Content, PartBody, State};
use crate::meta::{
    BodyRef, BodyUse, ChunkUser, InlinePart, InlineParts, PartPlace, RetainedBody, SmallBody, StoredVersion,
};

impl State {
    pub(super) fn retained_bodies(&self, after: u64, max: u32) -> Vec<RetainedBody> {
        let above = self.retained.range(after.saturating_add(1)..).take(max as usize);
        let body = |(id, row): (&u64, &super::state::RetainedRow)| {
            let (mut version, body) = (row.row.version.clone(), row.row.body.clone());
            version.is_latest = false;
            RetainedBody { bucket: row.bucket_name.clone(), stored: StoredVersion { version, order: *id, body } }
        };
        above.map(body).collect()
    }

    pub(super) fn inline_parts(&self, after: Option<PartPlace>, max: u32) -> InlineParts {
        let parts = self.manifests.iter().flat_map(|(manifest, row)| {
            let parts = match &row.content {
                Content::Parts(parts) => Some(parts),
                Content::Extents(_) => None,
            };
            let place = |number| PartPlace { manifest: *manifest, number };
            parts.into_iter().flatten().map(move |(number, part)| (place(*number), part))
        });
        let mut page = InlineParts::default();
        for (place, part) in parts.filter(|(place, _)| after.is_none_or(|after| *place > after)).take(max as usize) {
            page.rows += 1;
            page.last = Some(place);
            if let PartBody::Inline(row) = part.body {
                page.parts.push(InlinePart { place, size: part.part.size, md5: part.part.md5, row });
            }
        }
        page
    }

    pub(super) fn small_body_uses(&self, body: SmallBody, max: u32) -> Vec<BodyUse> {
        let has = |order: u64, found: &BodyRef| match body {
            SmallBody::Row(row) => row == order,
            SmallBody::Part(place) => *found == BodyRef::Manifest(place.manifest),
        };
        let mut uses = Vec::new();
        for ((bucket, ..), row) in self.versions.iter().filter(|((.., Reverse(order)), row)| has(*order, &row.body)) {
            let (bucket, key) = (self.buckets[bucket].bucket.name.clone(), row.version.key.clone());
            uses.push(BodyUse { bucket, key, of: ChunkUser::Version(row.version.version) });
        }
        if let SmallBody::Part(place) = body {
            for ((bucket, _, id), row) in self.uploads.iter().filter(|(_, row)| row.manifest == place.manifest) {
                let (bucket, key) = (self.buckets[bucket].bucket.name.clone(), row.record.upload.key.clone());
                uses.push(BodyUse { bucket, key, of: ChunkUser::Upload(*id) });
            }
        }
        for (id, row) in self.retained.iter().filter(|(id, row)| has(**id, &row.row.body)) {
            let (bucket, key) = (row.bucket_name.clone(), row.row.version.key.clone());
            uses.push(BodyUse { bucket, key, of: ChunkUser::Retained(*id) });
        }
        let kind = |of: &ChunkUser| match of {
            ChunkUser::Version(version) => (0, version.to_string()),
            ChunkUser::Upload(upload) => (1, upload.to_string()),
            ChunkUser::Retained(id) => (2, format!("{id:020}")),
        };
        uses.sort_by_key(|found| (found.bucket.as_str().to_owned(), found.key.as_str().to_owned(), kind(&found.of)));
        uses.truncate(max as usize);
        uses
    }
}
