//! Adoption: makes objects of chunk files that no row knows, from what their labels say. With an empty database it is
//! a rebuild; with a restored snapshot it brings back what was written after it.
//!
//! A body is adopted only if it is whole. What cannot be told from chunk files is honestly not there: deletes, so that
//! what was deleted a moment before may come back; ids of versions; copies and new names, which moved no bytes, so that
//! those are found under the key that they were written under.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::spawn_blocking;

use crate::chunk::ChunkRecord;
use crate::engine::label::{End, Label, ObjectFacts, read_label};
use crate::engine::maintenance::visit_files;
use crate::engine::record::RecordLine;
use crate::engine::{Engine, EngineError};
use crate::limits::{ADOPT_PARTS_AT_ONCE, ADOPTION_SLACK_SECONDS, BLOCK_BYTES};
use crate::meta::{
    CommitPart, CommitPut, CompleteUpload, MetaError, NewBody, NewBucket, NewExtent, NewUpload, PartSelection,
};
use crate::rules::{Versioning, WritePrecondition};
use crate::types::{Bucket, BucketName, ChunkId, ObjectKey, OwnerId, Timestamp, UploadId};

/// What became of a body that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its bucket, as its chunks say.
    pub bucket: String,
    /// Its key, as its chunks say.
    pub key: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is an object again.
    Adopted,
    /// It is, but some of its metadata had found no room in its label.
    AdoptedInPart,
    /// The key has a newer object.
    Older,
    /// Some of its chunks are not there: what is wrong.
    Incomplete(String),
    /// The database refuses it: why.
    Refused(String),
}

/// What is told of an adoption while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopting {
    /// So many more chunk files were looked at.
    Looked(usize),
    /// A body was found.
    Found(Found),
}

/// What an adoption did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Objects that are there again.
    pub objects: u64,
    /// Bodies that are not whole.
    pub incomplete: u64,
    /// Bodies that were not taken: the key has a newer one, or the database refused.
    pub left: u64,
}

/// A body as its chunks are found.
#[derive(Default)]
struct Body {
    pieces: BTreeMap<u64, ChunkRecord>,
    /// Bucket and key.
    name: (String, String),
    last: Option<Box<Label>>,
    is_part: bool,
}

/// A whole body that makes an object.
struct Candidate {
    at: Timestamp,
    label: Label,
    object: ObjectFacts,
    pieces: Vec<ChunkRecord>,
}

/// Why a candidate is no object: an error of the store, or what is wrong with it.
pub(super) enum Setback {
    Failed(EngineError),
    Left(Outcome),
}

impl<E: Into<EngineError>> From<E> for Setback {
    fn from(error: E) -> Self {
        match error.into() {
            error @ (EngineError::Meta(_) | EngineError::Stopped) => Self::Failed(error),
            refused => Self::Left(Outcome::Refused(refused.to_string())),
        }
    }
}

fn incomplete(what: &str) -> Setback {
    Setback::Left(Outcome::Incomplete(what.to_owned()))
}

impl Engine {
    /// Adopts the bodies among the chunk files without rows, the oldest first, and tells `report` of each. With `since`
    /// only what was written at that time or later. No server may run.
    ///
    /// # Errors
    /// `Meta`, `Chunk`.
    pub async fn adopt(
        &self,
        since: Option<Timestamp>,
        report: &mut (dyn FnMut(Adopting) + Send),
    ) -> Result<Adopted, EngineError> {
        let mut adopted = Adopted::default();
        let mut candidates = Vec::new();
        let since = since.map(|since| since.plus_seconds(-ADOPTION_SLACK_SECONDS));
        for body in self.find_bodies(report).await?.into_values() {
            // Parts are adopted through the record of their upload.
            if body.is_part {
                continue;
            }
            let name = body.name.clone();
            match whole(body) {
                Ok(candidate) if since.is_some_and(|since| candidate.at < since) => {}
                Ok(candidate) => candidates.push(candidate),
                Err(what) => {
                    adopted.incomplete += 1;
                    let outcome = Outcome::Incomplete(what.to_owned());
                    report(Adopting::Found(Found { bucket: name.0, key: name.1, outcome }));
                }
            }
        }
        candidates.sort_by_key(|candidate| candidate.at);
        for candidate in candidates {
            let (bucket, key) = (candidate.label.bucket.clone(), candidate.label.key.clone());
            let outcome = match self.adopt_one(candidate).await {
                Ok(outcome) | Err(Setback::Left(outcome)) => outcome,
                Err(Setback::Failed(error)) => return Err(error),
            };
            match outcome {
                Outcome::Adopted | Outcome::AdoptedInPart => adopted.objects += 1,
                Outcome::Incomplete(_) => adopted.incomplete += 1,
                Outcome::Older | Outcome::Refused(_) => adopted.left += 1,
            }
            report(Adopting::Found(Found { bucket, key, outcome }));
        }
        Ok(adopted)
    }

    /// The bodies among the chunk files without rows.
    async fn find_bodies(
        &self,
        report: &mut (dyn FnMut(Adopting) + Send),
    ) -> Result<HashMap<[u8; 16], Body>, EngineError> {
        let mut bodies: HashMap<[u8; 16], Body> = HashMap::new();
        let chunks = Arc::clone(&self.chunks);
        for epoch in spawn_blocking(move || chunks.epochs()).await.map_err(|_| EngineError::Stopped)?? {
            let mut files = visit_files(&self.chunks, epoch);
            while let Some(batch) = files.next().await {
                report(Adopting::Looked(batch.len()));
                let unknown = self.without_rows(batch).await?;
                let chunks = Arc::clone(&self.chunks);
                let labelled = spawn_blocking(move || {
                    let inspect = |chunk| chunks.inspect(chunk).ok();
                    let label = |(record, appendix): (ChunkRecord, Vec<u8>)| Some((record, read_label(&appendix)?));
                    unknown.into_iter().filter_map(inspect).filter_map(label).collect::<Vec<_>>()
                });
                for (record, label) in labelled.await.map_err(|_| EngineError::Stopped)? {
                    bodies.entry(label.body).or_default().add(record, label);
                }
            }
            files.finish().await?;
        }
        Ok(bodies)
    }

    async fn adopt_one(&self, candidate: Candidate) -> Result<Outcome, Setback> {
        let Candidate { label, object, at, .. } = &candidate;
        let key = ObjectKey::parse(label.key.as_str()).map_err(|_| incomplete("its key does not read"))?;
        let bucket = self.bucket_of(label, *at).await?;
        let current = self.meta.version(bucket.id, &key, None).await?;
        if current.is_some_and(|current| current.version.modified >= *at) {
            return Ok(Outcome::Older);
        }
        let cut = object.cut;
        match &label.completed {
            None => self.adopt_object(&bucket, key, candidate).await?,
            Some(_) => self.adopt_upload(&bucket, key, candidate).await?,
        }
        Ok(if cut { Outcome::AdoptedInPart } else { Outcome::Adopted })
    }

    async fn bucket_of(&self, label: &Label, at: Timestamp) -> Result<Bucket, Setback> {
        let name = BucketName::parse(&label.bucket).map_err(|_| incomplete("the name of its bucket does not read"))?;
        if let Some(bucket) = self.meta.bucket(&name).await? {
            return Ok(bucket);
        }
        let versioning = if label.versioned { Versioning::Enabled } else { Versioning::Unversioned };
        let owner = OwnerId(label.owner.clone());
        Ok(self.meta.create_bucket(NewBucket { versioning, ..NewBucket::new(name, owner, at) }).await?)
    }

    async fn adopt_object(&self, bucket: &Bucket, key: ObjectKey, candidate: Candidate) -> Result<(), Setback> {
        let Candidate { at, object, pieces, .. } = candidate;
        if pieces.iter().map(|piece| piece.length).sum::<u64>() != object.size {
            return Err(incomplete("its size is not that of its bytes"));
        }
        let put = CommitPut {
            bucket: bucket.id,
            key,
            precondition: WritePrecondition::default(),
            size: object.size,
            etag: object.etag(),
            sha256: object.sha256(),
            checksum: object.checksum(),
            metadata: object.metadata().ok_or_else(|| incomplete("its metadata do not read"))?,
            body: NewBody::Extents(pieces.iter().map(sealed).collect()),
            now: at,
        };
        self.meta.commit_put(put).await?;
        Ok(())
    }

    /// Does again what the record says was done.
    async fn adopt_upload(&self, bucket: &Bucket, key: ObjectKey, candidate: Candidate) -> Result<(), Setback> {
        let Candidate { at, object, pieces, label } = candidate;
        let metadata = object.metadata().ok_or_else(|| incomplete("its metadata do not read"))?;
        let upload = UploadId::new(u64::try_from(at.0).unwrap_or_default(), rand::random());
        let initiator = metadata.attributes.owner.clone().unwrap_or_else(|| bucket.owner.clone());
        let new =
            NewUpload { bucket: bucket.id, key: key.clone(), upload, initiator, metadata, checksum: None, now: at };
        self.meta.create_upload(new).await?;
        let done = self.adopt_parts(bucket, (&key, upload), &object, (&pieces, at)).await;
        if done.is_err() {
            self.meta.abort_upload(bucket.id, &key, upload).await?;
        } else if let Some(old) = label.completed.as_deref().and_then(UploadId::parse) {
            // The restored database had it open still.
            match self.meta.abort_upload(bucket.id, &key, old).await {
                Ok(()) | Err(MetaError::NoSuchUpload) => {}
                Err(error) => return Err(error.into()),
            }
        }
        done
    }

    async fn adopt_parts(
        &self,
        bucket: &Bucket,
        (key, upload): (&ObjectKey, UploadId),
        object: &ObjectFacts,
        (pieces, at): (&[ChunkRecord], Timestamp),
    ) -> Result<(), Setback> {
        let mut selection = PartSelection::new();
        let mut text = Vec::new();
        for piece in pieces {
            for span in 0..piece.length.div_ceil(BLOCK_BYTES as u64) {
                self.read_into(&mut text, *piece, span as usize).await?;
                let lines = take_lines(&mut text)?;
                for lines in lines.chunks(ADOPT_PARTS_AT_ONCE) {
                    let parts = lines.iter().map(|line| self.adopt_part((bucket, key, upload), line, at));
                    join_all(parts).await.into_iter().collect::<Result<(), _>>()?;
                    lines.iter().for_each(|line| selection.insert(line.number));
                }
            }
        }
        if !text.is_empty() {
            return Err(incomplete("its record is cut"));
        }
        let complete = CompleteUpload {
            bucket: bucket.id,
            key: key.clone(),
            upload,
            selection,
            etag: object.etag(),
            size: object.size,
            checksum: object.checksum(),
            record: pieces.iter().map(sealed).collect(),
            precondition: WritePrecondition::default(),
            now: at,
        };
        self.meta.complete_upload(complete).await?;
        Ok(())
    }

    async fn adopt_part(
        &self,
        (bucket, key, upload): (&Bucket, &ObjectKey, UploadId),
        line: &RecordLine,
        at: Timestamp,
    ) -> Result<(), Setback> {
        let mut extents = Vec::new();
        for (chunk, start, length) in line.chunks() {
            extents.push(self.extent(chunk, start, length).await?);
        }
        let body = if extents.is_empty() { NewBody::Inline(bytes::Bytes::new()) } else { NewBody::Extents(extents) };
        if body.length() != line.size {
            return Err(incomplete("a part has another size than its bytes"));
        }
        let part = CommitPart {
            bucket: bucket.id,
            key: key.clone(),
            upload,
            number: line.number,
            size: line.size,
            md5: line.md5().ok_or_else(|| incomplete("its record does not read"))?,
            sha256: None,
            checksum: line.checksum(),
            body,
            now: at,
        };
        Ok(self.meta.commit_part(part).await?)
    }

    /// A chunk of a part: one that others use already, or one that is used whole for the first time.
    async fn extent(&self, chunk: ChunkId, start: u64, length: u64) -> Result<NewExtent, Setback> {
        if self.meta.known_chunks(vec![chunk]).await? == [true] {
            return Ok(NewExtent::Shared { id: chunk, chunk_offset: start, length });
        }
        let chunks = Arc::clone(&self.chunks);
        let inspected = spawn_blocking(move || chunks.inspect(chunk)).await.map_err(|_| EngineError::Stopped)?;
        let record = inspected.map_err(|error| Setback::Left(Outcome::Incomplete(error.to_string())))?;
        let (record, _) = record;
        if (start, length) != (0, record.length) {
            return Err(incomplete("it shares part of a chunk whose own object is gone"));
        }
        Ok(sealed(&record))
    }

    async fn read_into(&self, text: &mut Vec<u8>, piece: ChunkRecord, span: usize) -> Result<(), Setback> {
        let chunks = Arc::clone(&self.chunks);
        let read = spawn_blocking(move || {
            let mut span_bytes = vec![0; BLOCK_BYTES];
            let length = chunks.open(&piece)?.read_span(span, &mut span_bytes)?;
            span_bytes.truncate(length);
            Ok::<_, crate::chunk::ChunkError>(span_bytes)
        });
        let read = read.await.map_err(|_| EngineError::Stopped)?;
        text.extend(read.map_err(|error| Setback::Left(Outcome::Incomplete(error.to_string())))?);
        Ok(())
    }
}

impl Body {
    fn add(&mut self, record: ChunkRecord, label: Label) {
        self.pieces.insert(label.start, record);
        self.is_part = label.part.is_some();
        if self.name.1.is_empty() {
            self.name = (label.bucket.clone(), label.key.clone());
        }
        if label.end.is_some() {
            self.last = Some(Box::new(label));
        }
    }
}

/// The object that a body makes, if all of it is there.
fn whole(body: Body) -> Result<Candidate, &'static str> {
    let mut label = *body.last.ok_or("its last chunk is missing")?;
    let Some(End { bytes, at, object: Some(object) }) = label.end.take() else { return Err("its label does not read") };
    let mut expected = 0;
    for (start, piece) in &body.pieces {
        if *start != expected {
            return Err("a chunk of it is missing");
        }
        expected += piece.length;
    }
    if expected != bytes {
        return Err("a chunk of it is missing");
    }
    Ok(Candidate { at: Timestamp(at), label, object, pieces: body.pieces.into_values().collect() })
}

fn sealed(record: &ChunkRecord) -> NewExtent {
    NewExtent::Sealed { id: record.id, length: record.length, seal: record.seal }
}

/// The whole lines at the beginning of `text`, which are taken from it.
pub(super) fn take_lines(text: &mut Vec<u8>) -> Result<Vec<RecordLine>, Setback> {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let lines: Vec<u8> = text.drain(..end).collect();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice(line).ok().filter(RecordLine::is_sound));
    lines.collect::<Option<_>>().ok_or_else(|| incomplete("its record does not read"))
}

#[cfg(test)]
mod tests {
    use super::{Body, take_lines, whole};
    use crate::chunk::ChunkRecord;
    use crate::digest::Tee;
    use crate::engine::label::{BodyLabel, join, read_label};
    use crate::types::{
        Bucket, BucketId, BucketName, ChecksumAlgorithm, ChunkId, Epoch, ObjectKey, ObjectMetadata, OwnerId, Timestamp,
    };

    /// A body of three chunks with 5, 5 and 2 bytes, as its labels are found.
    fn found() -> Vec<(ChunkRecord, crate::engine::label::Label)> {
        let bucket = Bucket {
            id: BucketId(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: OwnerId("o".to_owned()),
            created: Timestamp(0),
            location: String::new(),
            generation: 0,
            is_versioned: false,
        };
        let key = ObjectKey::parse("key").unwrap();
        let label = BodyLabel::object((&bucket, &key), &ObjectMetadata::default(), None, Timestamp(7));
        let mut tee = Tee::new(ChecksumAlgorithm::Crc32);
        tee.update(b"twelve bytes");
        let digests = tee.finish();
        let chunk = |number, start, length, end| {
            let record = ChunkRecord { id: ChunkId::new(Epoch(1), number), length, seal: 0 };
            (record, read_label(&join(&label.chunk(start, end), &[])).unwrap())
        };
        vec![chunk(1, 0, 5, None), chunk(2, 5, 5, None), chunk(3, 10, 2, Some(&digests))]
    }

    fn body(found: impl IntoIterator<Item = (ChunkRecord, crate::engine::label::Label)>) -> Body {
        let mut body = Body::default();
        found.into_iter().for_each(|(record, label)| body.add(record, label));
        body
    }

    #[test]
    fn a_body_is_whole_only_with_all_of_its_chunks() {
        let candidate = whole(body(found().into_iter().rev())).unwrap_or_else(|what| panic!("in any order: {what}"));
        assert_eq!((candidate.at, candidate.pieces.len(), candidate.object.size), (Timestamp(7), 3, 12));
        for missing in 0..3 {
            let mut found = found();
            found.remove(missing);
            assert!(whole(body(found)).is_err(), "without chunk {missing}");
        }
        let mut cut = found();
        cut[1].0.length = 4;
        assert!(whole(body(cut)).is_err());
        let mut cut = found();
        cut[2].0.length = 1;
        assert!(whole(body(cut)).is_err());
    }

    #[test]
    fn lines_are_taken_whole() {
        let line = br#"{"number":1,"size":5,"md5":"","extents":[[7,0,5]]}"#;
        let mut text = [line.as_slice(), b"\n", &line[..20]].concat();
        let lines = take_lines(&mut text).ok().unwrap();
        assert_eq!((lines.len(), lines[0].number, text.as_slice()), (1, 1, &line[..20]));
        assert_eq!(take_lines(&mut text).ok().unwrap().len(), 0, "the rest waits");
        assert!(take_lines(&mut b"{}\n".to_vec()).is_err());
    }

    #[test]
    fn a_record_of_a_part_that_cannot_be_is_refused() {
        let line = |number: u32, size: u64, extents: &str| {
            let md5 = "000102030405060708090a0b0c0d0e0f";
            format!("{{\"number\":{number},\"size\":{size},\"md5\":\"{md5}\",\"extents\":{extents}}}\n").into_bytes()
        };
        let count = |mut text: Vec<u8>| take_lines(&mut text).ok().map(|lines| lines.len());
        assert_eq!(count([line(1, 0, "[]"), line(10_000, 7, "[[1,0,5],[2,3,2]]")].concat()), Some(2));
        for (number, size, extents) in [
            (0, 5, "[[1,0,5]]"),
            (10_001, 5, "[[1,0,5]]"),
            (1, 6, "[[1,0,5]]"),
            (1, 4, "[[1,0,18446744073709551615],[1,0,5]]"),
            (1, 2, "[[1,18446744073709551615,2]]"),
        ] {
            assert_eq!(count(line(number, size, extents)), None, "{number} {size} {extents}");
        }
    }
}
