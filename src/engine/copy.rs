//! Copies of objects and of ranges into parts. They share chunks and move no data; what has to be known of
//! the bytes (a part's MD5, another checksum) is read once and hashed off the reactor.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::cipher::{BodyKey, CipherError, CustomerKey, Envelope};
use crate::digest::{ChecksumHasher, Digests, Tee};
use crate::engine::commit::PendingBody;
use crate::engine::label::BodyLabel;
use crate::engine::object::{CHECKSUM_DEFAULT, NewObject, facts};
use crate::engine::seal::{Shown, Unsealed};
use crate::engine::upload::{ReceivedPart, part_algorithm};
use crate::engine::writer::{StoredBody, WriterContext, write_body};
use crate::engine::{
    BodyReader, ByteSource, CopyMetadata, CopyObject, CopySource, Engine, EngineError, OpenObject, PartCopy,
    SourceError, Written, WrittenPart,
};
use crate::limits::{COPY_ATTEMPTS_MAX, COPY_BYTES_MAX, COPY_EXTENTS_MAX, EXTENTS_PAGE, INLINE_BYTES_MAX};
use crate::meta::{BodyRef, BodySource, CommitCopy, Extent, MetaError, NewExtent};
use crate::rules::ReadVerdict;
use crate::types::{
    ByteRange, ChecksumAlgorithm, ChecksumType, ChecksumValue, ManifestId, ObjectChecksum, ObjectMetadata,
    ObjectVersion, ResolvedRange, VersionId,
};

impl Engine {
    /// Copies an object without moving its bytes (unless another checksum algorithm is asked for, which
    /// needs them read once).
    ///
    /// Also returns the source's version, if its bucket's versioning is or was on.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `IsDeleteMarker` (of the source), `PreconditionFailed`, `TooLarge`,
    /// `Conflict` if the source keeps changing, `Meta`.
    pub async fn copy_object(&self, request: CopyObject) -> Result<(Written, Option<VersionId>), EngineError> {
        self.judge_write(&request.bucket, &request.key, &request.precondition).await?;
        self.admit_space()?;
        for _ in 1..COPY_ATTEMPTS_MAX {
            match self.try_copy_object(&request).await {
                // The version that was resolved is gone: look again for the one that replaced it.
                Err(EngineError::Conflict) => {}
                decided => return decided,
            }
        }
        self.try_copy_object(&request).await
    }

    async fn try_copy_object(&self, request: &CopyObject) -> Result<(Written, Option<VersionId>), EngineError> {
        let source = self.open_source(&request.source).await?;
        if source.version().size > COPY_BYTES_MAX {
            return Err(EngineError::TooLarge);
        }
        let stored = source.stored();
        let (source_order, version) = (stored.order, stored.version.version);
        let mut metadata = copied_metadata(request, &stored.version);
        let target = self.unseal(&request.attributes, request.customer_key.as_ref())?;
        match self.shared_envelope(&source, target.as_ref(), request.customer_key.as_ref())? {
            Sharing::Plain => {}
            Sharing::Sealed(envelope) => metadata.attributes.encryption = Some(envelope.to_bytes()),
            Sharing::No => return self.copy_anew(request, source, metadata, target).await,
        }
        let checksum = match request.checksum {
            None => stored.version.checksum.clone(),
            Some(algorithm) => Some(ObjectChecksum::full(checksum_of(source, algorithm).await?)),
        };
        let source_version = shown_version(&request.source, version);
        let copy = CommitCopy {
            source_bucket: request.source.bucket.id,
            source_key: request.source.key.clone(),
            source_order,
            bucket: request.bucket.id,
            key: request.key.clone(),
            precondition: request.precondition.clone(),
            checksum,
            metadata,
            now: self.clock.now(),
        };
        Ok((Written::from(self.meta.commit_copy(copy).await?), source_version))
    }

    /// Whether a copy can share its source's body, and with which envelope: the data key stays, and is wrapped as
    /// the copy's holder asks. An ETag that tells the MD5 and one that must not cannot be shared.
    fn shared_envelope(
        &self,
        source: &OpenObject,
        target: Option<&Unsealed>,
        customer: Option<&CustomerKey>,
    ) -> Result<Sharing, CipherError> {
        match (source.lock().envelope(), source.lock().data()?, target) {
            (None, _, None) => Ok(Sharing::Plain),
            (Some(envelope), Some(data), Some(target))
                if envelope.protection().hides_digest() == target.hides_digest() =>
            {
                let wrapped = self.keys().wrap_as(data, target.envelope.protection().clone(), customer)?;
                Ok(Sharing::Sealed(wrapped.with_inline_tag(envelope.inline_tag().copied())))
            }
            (Some(_) | None, _, Some(_) | None) => Ok(Sharing::No),
        }
    }

    /// Copies an object by writing its body anew: from plain to sealed, or back.
    async fn copy_anew(
        &self,
        request: &CopyObject,
        source: OpenObject,
        metadata: ObjectMetadata,
        target: Option<Unsealed>,
    ) -> Result<(Written, Option<VersionId>), EngineError> {
        let version = source.version();
        let stored = version.checksum.as_ref().map(|checksum| checksum.value.algorithm());
        let algorithm = request.checksum.or(stored).unwrap_or(CHECKSUM_DEFAULT);
        let source_version = shown_version(&request.source, version.version);
        let key = target.as_ref().map(|target| target.data.whole());
        let label = self.object_label((&request.bucket, &request.key), &metadata, target.as_ref());
        let (body, digests) = self.write_anew(source.read(None), algorithm, (key, label)).await?;
        let new = NewObject {
            bucket: request.bucket.id,
            key: request.key.clone(),
            precondition: request.precondition.clone(),
            metadata,
            unsealed: target,
        };
        Ok((self.commit_object(new, body, digests).await?, source_version))
    }

    async fn write_anew(
        &self,
        reader: BodyReader,
        algorithm: ChecksumAlgorithm,
        (key, label): (Option<BodyKey>, BodyLabel),
    ) -> Result<(StoredBody, Digests), EngineError> {
        let context = WriterContext {
            pool: &self.pool,
            chunks: &self.chunks,
            hashing: &self.hashing,
            checksum: algorithm,
            // Its source needs blocks too: one that is leased ahead would lie idle until the source has its own.
            announced: None,
            bytes_max: COPY_BYTES_MAX,
            key,
            label: Some(Arc::new(label)),
        };
        write_body(context, &mut ReaderSource(reader)).await.map_err(unwrap_source)
    }

    /// Makes a part of bytes of another object. Chunks are shared, in whole or in part; small ranges and
    /// bodies that lie beside their rows are written anew.
    ///
    /// # Errors
    /// Of the source as in `copy_object`, `InvalidRange`, `NoSuchUpload`, `TooLarge`, `Chunk`, `Meta`.
    pub async fn upload_part_copy(&self, request: PartCopy) -> Result<WrittenPart, EngineError> {
        self.admit_space()?;
        let record = self.open_upload(&request.bucket, &request.key, request.upload, request.number).await?;
        let algorithm = part_algorithm(&record.upload, None)?;
        let target = self.unseal_upload(&record, request.customer_key.as_ref())?;
        for _ in 1..COPY_ATTEMPTS_MAX {
            match self.try_part_copy(&request, algorithm, target.as_ref()).await {
                Err(EngineError::Conflict) => {}
                decided => return decided,
            }
        }
        self.try_part_copy(&request, algorithm, target.as_ref()).await
    }

    async fn try_part_copy(
        &self,
        request: &PartCopy,
        algorithm: ChecksumAlgorithm,
        target: Option<&Unsealed>,
    ) -> Result<WrittenPart, EngineError> {
        let source = self.open_source(&request.source).await?;
        let size = source.version().size;
        let range = resolve_range(request.range, size)?;
        if range.length > COPY_BYTES_MAX {
            return Err(EngineError::TooLarge);
        }
        let source_version = shown_version(&request.source, source.version().version);
        let key = target.map(|target| target.data.part(request.number));
        let name = (&request.bucket, &request.key);
        let label = BodyLabel::part(name, request.upload, request.number, self.clock.now());
        let (body, digests) = self.copy_range(source, range, algorithm, (key, label)).await?;
        let part = ReceivedPart {
            bucket: request.bucket.id,
            key: request.key.clone(),
            upload: request.upload,
            number: request.number,
            shown: Shown::of(&digests, target),
            digests,
        };
        Ok(WrittenPart { source_version, ..self.commit_part(body, part).await? })
    }

    /// The bytes of a range as a body that can be committed, and their digests.
    async fn copy_range(
        &self,
        source: OpenObject,
        range: ResolvedRange,
        algorithm: ChecksumAlgorithm,
        (key, label): (Option<BodyKey>, BodyLabel),
    ) -> Result<(PendingBody, Digests), EngineError> {
        // Sealed chunks are of one upload and place each: those of another are opened and sealed anew.
        let is_plain = source.lock().envelope().is_none() && key.is_none();
        let shared = match &source.stored().body {
            BodyRef::Manifest(manifest) if is_plain && range.length > INLINE_BYTES_MAX as u64 => {
                self.shared_extents(*manifest, range).await?
            }
            BodyRef::Manifest(_) | BodyRef::Inline(_) | BodyRef::Empty => None,
        };
        if let Some(extents) = shared {
            let digests = match known_digests(source.version(), range, algorithm) {
                Some(digests) => digests,
                None => hash_body(source.read(Some(range)), Tee::new(algorithm), Tee::update).await?.finish(),
            };
            return Ok((PendingBody::Shared(extents), digests));
        }
        if range.length == 0 {
            let digests = Tee::new(algorithm).finish();
            return Ok((PendingBody::Stored(StoredBody::Inline(Bytes::new())), digests));
        }
        let (body, digests) = self.write_anew(source.read(Some(range)), algorithm, (key, label)).await?;
        Ok((PendingBody::Stored(body), digests))
    }

    /// The extents of a range, to be shared; `None` if the range has to be written anew because some of it
    /// lies beside a row or it is in too many pieces.
    async fn shared_extents(
        &self,
        manifest: ManifestId,
        range: ResolvedRange,
    ) -> Result<Option<Vec<NewExtent>>, EngineError> {
        let mut shared = Vec::new();
        let mut at = range.start;
        while at < range.end() {
            let before = at;
            for extent in self.meta.extents(manifest, at, EXTENTS_PAGE).await? {
                if at >= range.end() {
                    break;
                }
                let BodySource::Chunk { .. } = extent.source else { return Ok(None) };
                at = share_extent(&mut shared, &extent, at, range.end());
            }
            if at == before {
                let hole = format!("manifest {} has no bytes at {at}", manifest.0);
                return Err(EngineError::Meta(MetaError::Storage(hole)));
            }
            if shared.len() > COPY_EXTENTS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(shared))
    }

    /// Opens the source of a copy and judges its conditions.
    async fn open_source(&self, source: &CopySource) -> Result<OpenObject, EngineError> {
        let mut open = self.open_object(&source.bucket, &source.key, source.version).await?;
        if source.judged.is_some_and(|judged| judged != open.order()) {
            return Err(EngineError::Conflict);
        }
        open.unlock(source.customer_key.as_ref())?;
        match source.precondition.judge(&facts(open.version())) {
            ReadVerdict::Proceed => Ok(open),
            ReadVerdict::NotModified | ReadVerdict::Failed => Err(EngineError::PreconditionFailed),
        }
    }
}

/// The source's version as the client sees it: none if the bucket never had versioning.
fn shown_version(source: &CopySource, version: VersionId) -> Option<VersionId> {
    (source.bucket.is_versioned || version != VersionId::Null).then_some(version)
}

/// How a copy comes by its body.
enum Sharing {
    /// It refers to the source's chunks, which are plain.
    Plain,
    /// It refers to the source's chunks, which are sealed, and has their data key in this envelope.
    Sealed(Envelope),
    /// It has chunks of its own.
    No,
}

/// Adds what `extent` has of the bytes from `at` to `end`, joined to the last piece where they touch in the
/// same chunk; returns where the next piece starts. An extent that does not hold `at` adds nothing.
fn share_extent(shared: &mut Vec<NewExtent>, extent: &Extent, at: u64, end: u64) -> u64 {
    let BodySource::Chunk { id, .. } = extent.source else { return at };
    if !(extent.offset..extent.offset + extent.length).contains(&at) {
        return at;
    }
    let skipped = at - extent.offset;
    let taken = (extent.length - skipped).min(end - at);
    let from = extent.chunk_offset + skipped;
    match shared.last_mut() {
        Some(NewExtent::Shared { id: last, chunk_offset, length })
            if *last == id && *chunk_offset + *length == from =>
        {
            *length += taken;
        }
        _ => shared.push(NewExtent::Shared { id, chunk_offset: from, length: taken }),
    }
    at + taken
}

/// The range of a part copy. Amazon S3 refuses a last byte beyond the source instead of cutting it.
fn resolve_range(range: Option<ByteRange>, size: u64) -> Result<ResolvedRange, EngineError> {
    match range {
        None => Ok(ResolvedRange { start: 0, length: size }),
        Some(ByteRange::FromTo(_, last)) if last >= size => Err(EngineError::InvalidRange { size }),
        Some(range) => range.resolve(size).ok_or(EngineError::InvalidRange { size }),
    }
}

/// Metadata of the copy. The website redirect belongs to one key and is not copied.
fn copied_metadata(request: &CopyObject, source: &ObjectVersion) -> ObjectMetadata {
    let mut metadata = match &request.metadata {
        CopyMetadata::Copy => {
            let mut metadata = source.metadata.clone();
            metadata.content.website_redirect = None;
            metadata
        }
        CopyMetadata::Replace(metadata) => ObjectMetadata::clone(metadata),
    };
    metadata.storage_class = request.storage_class;
    metadata.attributes = request.attributes.clone();
    if request.keeps_tags {
        metadata.attributes.tags = source.metadata.attributes.tags.clone();
    }
    metadata
}

/// Whether the ETag of a body in one piece is its MD5.
fn shows_digest(version: &ObjectVersion) -> bool {
    let envelope = Envelope::of(version.metadata.attributes.encryption.as_deref());
    envelope.is_ok_and(|envelope| envelope.is_none_or(|envelope| !envelope.protection().hides_digest()))
}

/// The checksum of a whole body, if it is known without reading the body.
fn known_checksum(version: &ObjectVersion, algorithm: ChecksumAlgorithm) -> Option<ChecksumValue> {
    let stored = version.checksum.as_ref().filter(|checksum| checksum.kind == ChecksumType::FullObject);
    if let Some(checksum) = stored.filter(|checksum| checksum.value.algorithm() == algorithm) {
        return Some(checksum.value.clone());
    }
    match algorithm {
        ChecksumAlgorithm::Sha256 => ChecksumValue::new(algorithm, version.sha256?),
        ChecksumAlgorithm::Md5 if version.etag.parts.is_none() && shows_digest(version) => {
            ChecksumValue::new(algorithm, version.etag.md5)
        }
        ChecksumAlgorithm::Md5
        | ChecksumAlgorithm::Crc32
        | ChecksumAlgorithm::Crc32c
        | ChecksumAlgorithm::Crc64Nvme
        | ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha512
        | ChecksumAlgorithm::XxHash64
        | ChecksumAlgorithm::XxHash3
        | ChecksumAlgorithm::XxHash128 => None,
    }
}

/// The digests of a range, if it is a whole body that was written in one piece and they were kept.
fn known_digests(version: &ObjectVersion, range: ResolvedRange, algorithm: ChecksumAlgorithm) -> Option<Digests> {
    let is_whole = range.start == 0 && range.length == version.size && version.etag.parts.is_none();
    if !is_whole {
        return None;
    }
    let checksum = known_checksum(version, algorithm)?;
    Some(Digests { length: version.size, md5: version.etag.md5, sha256: version.sha256?, checksum })
}

/// The full-object checksum of a body: from its facts, or by reading it.
async fn checksum_of(source: OpenObject, algorithm: ChecksumAlgorithm) -> Result<ChecksumValue, EngineError> {
    if let Some(known) = known_checksum(source.version(), algorithm) {
        return Ok(known);
    }
    let hasher = ChecksumHasher::new(algorithm);
    Ok(hash_body(source.read(None), hasher, ChecksumHasher::update).await?.finish())
}

/// Feeds a body through `hasher`, off the reactor.
async fn hash_body<H: Send + 'static>(
    mut reader: BodyReader,
    mut hasher: H,
    update: fn(&mut H, &[u8]),
) -> Result<H, EngineError> {
    while let Some(piece) = poll_fn(|cx| reader.poll_next(cx)).await {
        let piece = piece?;
        let hashed = spawn_blocking(move || {
            update(&mut hasher, &piece);
            hasher
        });
        hasher = hashed.await.map_err(|_| EngineError::Stopped)?;
    }
    Ok(hasher)
}

/// A body of ours as the source of another.
struct ReaderSource(BodyReader);

impl ByteSource for ReaderSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        self.0.poll_next(cx).map(|piece| piece.map(|piece| piece.map_err(|error| SourceError(Box::new(error)))))
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

/// What a `ReaderSource` failed with is an error of ours, not of a client.
fn unwrap_source(error: EngineError) -> EngineError {
    match error {
        EngineError::Source(SourceError(inner)) => match inner.downcast::<EngineError>() {
            Ok(ours) => *ours,
            Err(inner) => EngineError::Source(SourceError(inner)),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{resolve_range, share_extent};
    use crate::engine::EngineError;
    use crate::meta::{BodySource, Extent, NewExtent};
    use crate::types::{ByteRange, ChunkId, Epoch, ResolvedRange};

    fn extent(offset: u64, length: u64, chunk: u64, chunk_offset: u64) -> Extent {
        let id = ChunkId::new(Epoch(1), chunk);
        Extent { offset, length, chunk_offset, source: BodySource::Chunk { id, length: 100, seal: 0 } }
    }

    fn piece(chunk: u64, chunk_offset: u64, length: u64) -> NewExtent {
        NewExtent::Shared { id: ChunkId::new(Epoch(1), chunk), chunk_offset, length }
    }

    #[test]
    fn a_range_shares_exactly_its_bytes() {
        let mut shared = Vec::new();
        let at = share_extent(&mut shared, &extent(0, 100, 1, 0), 30, 220);
        let at = share_extent(&mut shared, &extent(100, 100, 2, 0), at, 220);
        let at = share_extent(&mut shared, &extent(200, 100, 3, 0), at, 220);
        assert_eq!(at, 220);
        assert_eq!(shared, [piece(1, 30, 70), piece(2, 0, 100), piece(3, 0, 20)]);
    }

    #[test]
    fn pieces_that_touch_in_one_chunk_become_one() {
        let mut shared = Vec::new();
        let at = share_extent(&mut shared, &extent(0, 10, 1, 5), 0, 30);
        let at = share_extent(&mut shared, &extent(10, 10, 1, 15), at, 30);
        share_extent(&mut shared, &extent(20, 10, 1, 60), at, 30);
        assert_eq!(shared, [piece(1, 5, 20), piece(1, 60, 10)]);
    }

    #[test]
    fn an_extent_that_does_not_continue_the_range_adds_nothing() {
        let mut shared = Vec::new();
        assert_eq!(share_extent(&mut shared, &extent(50, 10, 1, 0), 40, 60), 40);
        assert!(shared.is_empty());
    }

    #[test]
    fn a_copy_range_beyond_the_source_is_refused_and_not_cut() {
        let refused = |range| matches!(resolve_range(Some(range), 5), Err(EngineError::InvalidRange { size: 5 }));
        assert!(refused(ByteRange::FromTo(0, 5)));
        assert!(refused(ByteRange::FromTo(5, 9)));
        assert!(refused(ByteRange::From(5)));
        let whole = ResolvedRange { start: 0, length: 5 };
        assert_eq!(resolve_range(Some(ByteRange::FromTo(0, 4)), 5).unwrap(), whole);
        assert_eq!(resolve_range(None, 5).unwrap(), whole);
        assert_eq!(resolve_range(None, 0).unwrap(), ResolvedRange { start: 0, length: 0 });
    }
}
