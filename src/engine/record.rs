//! The record of a completed upload: a body of its own that says what the object is made of, in lines of JSON, so that
//! the database can be rebuilt from the chunk files. Its last chunk says the rest (see `label`). It hangs on the
//! object's parts and goes with them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chunk::ChunkError;
use crate::engine::commit::PendingBody;
use crate::engine::label::{BodyLabel, ChecksumFacts, ObjectFacts};
use crate::engine::object::CHECKSUM_DEFAULT;
use crate::engine::writer::{StoredBody, WriterContext, write_body};
use crate::engine::{ByteSource, Engine, EngineError, SourceError};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_LABEL_BYTES_MAX, PART_NUMBER_MAX, RECORD_PARTS_STEP};
use crate::meta::{CompleteUpload, MetaError, MetaStore, NewBody, PartExtents, PartSelection, PutOutcome};
use crate::types::{Bucket, BucketId, ChecksumValue, ChunkId, ListedPart, ObjectKey, ObjectMetadata, UploadId};

/// Part of a label that metadata may fill: the rest is for the longest key, twice, and what is of fixed length.
const METADATA_ROOM: usize = CHUNK_LABEL_BYTES_MAX / 2;

/// A line of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordLine {
    /// Number of the part.
    pub number: u16,
    /// Its size in bytes.
    pub size: u64,
    /// Its MD5 in hex.
    pub md5: String,
    /// Its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<ChecksumFacts>,
    /// Where its bytes are: chunk, first byte within it, number of bytes.
    pub extents: Vec<(i64, u64, u64)>,
}

impl RecordLine {
    fn new(found: &PartExtents) -> Self {
        let ListedPart { number, size, md5, checksum, modified: _ } = &found.part;
        let extents = found.extents.iter().map(|(chunk, start, length)| (chunk.to_i64(), *start, *length));
        let checksum = checksum.as_ref().map(ChecksumFacts::of_part);
        Self { number: *number, size: *size, md5: hex::encode(md5), checksum, extents: extents.collect() }
    }

    /// Whether a part can be so. What was read from a disk may say anything.
    pub(crate) fn is_sound(&self) -> bool {
        let mut extents = self.extents.iter();
        let end = extents.try_fold(0_u64, |end, (_, start, length)| {
            let _ = start.checked_add(*length).filter(|end| *end <= CHUNK_BYTES_MAX)?;
            end.checked_add(*length)
        });
        (1..=PART_NUMBER_MAX).contains(&self.number) && end == Some(self.size)
    }

    /// Its MD5.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(&self.md5, &mut bytes).ok()?;
        Some(bytes)
    }

    /// Its checksum.
    pub(crate) fn checksum(&self) -> Option<ChecksumValue> {
        self.checksum.as_ref().and_then(ChecksumFacts::value)
    }

    /// Its chunks.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (ChunkId, u64, u64)> {
        self.extents.iter().map(|(chunk, start, length)| (ChunkId::from_i64(*chunk), *start, *length))
    }
}

/// A part has bytes beside its row, so that a record could not say where they are.
#[derive(Debug, thiserror::Error)]
#[error("a part is not in chunks")]
struct NotInChunks;

impl Engine {
    /// Completes an upload, with a record if one can be made.
    pub(crate) async fn commit_completion(
        &self,
        bucket: &Bucket,
        metadata: &ObjectMetadata,
        complete: CompleteUpload,
    ) -> Result<PutOutcome, EngineError> {
        let body = match self.write_record(bucket, metadata, &complete).await? {
            Some(record) => PendingBody::Stored(record),
            None => PendingBody::Shared(Vec::new()),
        };
        let transaction = move |meta: Arc<dyn MetaStore>, body| async move {
            let record = match body {
                NewBody::Extents(extents) => extents,
                NewBody::Inline(_) => Vec::new(),
            };
            meta.complete_upload(CompleteUpload { record, ..complete }).await
        };
        self.commits.run(body, transaction).await
    }

    async fn write_record(
        &self,
        bucket: &Bucket,
        metadata: &ObjectMetadata,
        complete: &CompleteUpload,
    ) -> Result<Option<StoredBody>, EngineError> {
        let CompleteUpload { key, upload, etag, size, checksum, selection, .. } = complete;
        let object = ObjectFacts::fitting(*size, *etag, checksum.as_ref(), metadata, METADATA_ROOM);
        let label = BodyLabel::record((bucket, key), *upload, object, self.clock.now());
        let context = WriterContext {
            pool: &self.pool,
            chunks: &self.chunks,
            hashing: &self.hashing,
            checksum: CHECKSUM_DEFAULT,
            announced: None,
            bytes_max: u64::MAX,
            key: None,
            label: Some(Arc::new(label)),
        };
        let mut lines = Lines {
            meta: Arc::clone(&self.meta),
            name: (bucket.id, key.clone(), *upload),
            selection: selection.clone(),
            page: None,
            after: 0,
        };
        match write_body(context, &mut lines).await {
            Ok((body, _)) => Ok(Some(body)),
            Err(EngineError::Source(SourceError(error))) => match error.downcast::<MetaError>() {
                Ok(error) => Err((*error).into()),
                // An upload that began before there were records.
                Err(_) => Ok(None),
            },
            // Completing frees nothing, but it must work on a full disk as it always did.
            Err(EngineError::Chunk(ChunkError::Full(error))) => {
                tracing::warn!(%error, "no room for the record of a completed upload: a rebuild would not find it");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

type Page = Pin<Box<dyn Future<Output = Result<Vec<PartExtents>, MetaError>> + Send>>;

/// The lines of a record, read page by page.
struct Lines {
    meta: Arc<dyn MetaStore>,
    name: (BucketId, ObjectKey, UploadId),
    selection: PartSelection,
    page: Option<Page>,
    after: u16,
}

impl Lines {
    fn next_page(&self) -> Page {
        let (meta, (bucket, key, upload), after) = (Arc::clone(&self.meta), self.name.clone(), self.after);
        Box::pin(async move { meta.part_extents(bucket, &key, upload, after, RECORD_PARTS_STEP).await })
    }

    fn lines_of(&self, page: &[PartExtents]) -> Result<Vec<u8>, SourceError> {
        let mut lines = Vec::new();
        for found in page.iter().filter(|found| self.selection.contains(found.part.number)) {
            if found.extents.iter().map(|(_, _, length)| length).sum::<u64>() != found.part.size {
                return Err(SourceError(Box::new(NotInChunks)));
            }
            serde_json::to_writer(&mut lines, &RecordLine::new(found)).map_err(|error| SourceError(Box::new(error)))?;
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

impl ByteSource for Lines {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        loop {
            let mut page = self.page.take().unwrap_or_else(|| self.next_page());
            let Poll::Ready(found) = page.as_mut().poll(cx) else {
                self.page = Some(page);
                return Poll::Pending;
            };
            let found = match found {
                Ok(found) => found,
                Err(error) => return Poll::Ready(Some(Err(SourceError(Box::new(error))))),
            };
            let Some(last) = found.last() else { return Poll::Ready(None) };
            self.after = last.part.number;
            match self.lines_of(&found) {
                Ok(lines) if lines.is_empty() => {}
                lines => return Poll::Ready(Some(lines.map(Bytes::from))),
            }
        }
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}
