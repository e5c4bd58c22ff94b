//! Adoption: makes objects of chunk files that no row knows, from what their labels say. With an empty database it is
//! a rebuild; with a restored snapshot it brings back what was written after it.
//!
//! A body is adopted only if it is whole. What cannot be told from chunk files is honestly not there: deletes, so that
//! what was deleted a moment before may come back; ids of versions; copies and new names, which moved no bytes, so that
//! those are found under the key that they were written under.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::spawn_blocking;

use crate::chunk::ChunkRecord;
use crate::engine::catalogue::{Candidate, Catalogue};
use crate::engine::label::{Label, ObjectFacts};
use crate::engine::maintenance::visit_files;
use crate::engine::record::RecordLine;
use crate::engine::{Engine, EngineError};
use crate::limits::keeping::ADOPT_BODIES_AT_ONCE;
use crate::limits::{ADOPT_PARTS_AT_ONCE, ADOPTION_SLACK_SECONDS, BLOCK_BYTES};
use crate::meta::{
    CommitPart, CommitPut, CompleteUpload, Finds, FoundBody, MetaError, NewBody, NewBucket, NewExtent, NewUpload,
    PartSelection,
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

/// A candidate and where it belongs.
struct Placed {
    bucket: Bucket,
    key: ObjectKey,
    candidate: Candidate,
}

/// An adoption under way. Bodies are taken in the order in which they were written; some wait for each other, so that
/// their commits share a sync.
struct Adoption<'a> {
    engine: &'a Engine,
    since: Option<Timestamp>,
    report: &'a mut (dyn FnMut(Adopting) + Send),
    waiting: Vec<Placed>,
    done: Adopted,
}

impl Adoption<'_> {
    fn tell(&mut self, (bucket, key): (String, String), outcome: Outcome) {
        match outcome {
            Outcome::Adopted | Outcome::AdoptedInPart => self.done.objects += 1,
            Outcome::Incomplete(_) => self.done.incomplete += 1,
            Outcome::Older | Outcome::Refused(_) => self.done.left += 1,
        }
        (self.report)(Adopting::Found(Found { bucket, key, outcome }));
    }

    /// Takes the next body.
    async fn take(&mut self, catalogue: &Catalogue, found: FoundBody) -> Result<(), EngineError> {
        let candidate = match catalogue.candidate(found).await? {
            Ok(candidate) if self.since.is_some_and(|since| candidate.at < since) => return Ok(()),
            Ok(candidate) => candidate,
            Err(fragment) => {
                self.tell(fragment.name, Outcome::Incomplete(fragment.why.to_owned()));
                return Ok(());
            }
        };
        let name = (candidate.label.bucket.clone(), candidate.label.key.clone());
        let placed = match self.engine.place(candidate).await {
            Ok(placed) => placed,
            Err(Setback::Left(outcome)) => {
                self.tell(name, outcome);
                return Ok(());
            }
            Err(Setback::Failed(error)) => return Err(error),
        };
        // Of a key the older one first. An upload may share chunks of any that were written before.
        let is_upload = placed.candidate.label.completed.is_some();
        let has_same_key = |other: &Placed| other.bucket.id == placed.bucket.id && other.key == placed.key;
        if is_upload || self.waiting.len() >= ADOPT_BODIES_AT_ONCE || self.waiting.iter().any(has_same_key) {
            self.settle().await?;
        }
        self.waiting.push(placed);
        if is_upload { self.settle().await } else { Ok(()) }
    }

    /// Makes objects of what waits.
    async fn settle(&mut self) -> Result<(), EngineError> {
        let waiting = std::mem::take(&mut self.waiting);
        let name = |placed: &Placed| (placed.candidate.label.bucket.clone(), placed.candidate.label.key.clone());
        let names: Vec<_> = waiting.iter().map(name).collect();
        let outcomes = join_all(waiting.into_iter().map(|placed| self.engine.adopt_one(placed))).await;
        for (name, outcome) in names.into_iter().zip(outcomes) {
            match outcome {
                Ok(outcome) | Err(Setback::Left(outcome)) => self.tell(name, outcome),
                Err(Setback::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Adopts the bodies among the chunk files without rows, the oldest first, and tells `report` of each. With `since`
    /// only what was written at that time or later. What is found on the way goes to `finds`, which are empty, so that
    /// memory does not grow with the number of files. No server may run.
    ///
    /// # Errors
    /// `Meta`, `Chunk`.
    pub async fn adopt(
        &self,
        since: Option<Timestamp>,
        finds: Finds,
        report: &mut (dyn FnMut(Adopting) + Send),
    ) -> Result<Adopted, EngineError> {
        let catalogue = Catalogue::new(finds, Arc::clone(&self.chunks));
        self.find_bodies(&catalogue, report).await?;
        let since = since.map(|since| since.plus_seconds(-ADOPTION_SLACK_SECONDS));
        let mut adoption = Adoption { engine: self, since, report, waiting: Vec::new(), done: Adopted::default() };
        let mut after = None;
        while let Some((next, fragments)) = catalogue.endless(after).await? {
            after = Some(next);
            for fragment in fragments {
                adoption.tell(fragment.name, Outcome::Incomplete(fragment.why.to_owned()));
            }
        }
        let mut last = None;
        loop {
            let page = catalogue.ended(last.as_ref()).await?;
            last = page.last().copied();
            if last.is_none() {
                break;
            }
            for found in page {
                adoption.take(&catalogue, found).await?;
            }
        }
        adoption.settle().await?;
        Ok(adoption.done)
    }

    /// Notes the chunk files without rows.
    async fn find_bodies(
        &self,
        catalogue: &Catalogue,
        report: &mut (dyn FnMut(Adopting) + Send),
    ) -> Result<(), EngineError> {
        let chunks = Arc::clone(&self.chunks);
        for epoch in spawn_blocking(move || chunks.epochs()).await.map_err(|_| EngineError::Stopped)?? {
            let mut files = visit_files(&self.chunks, epoch);
            while let Some(batch) = files.next().await {
                report(Adopting::Looked(batch.len()));
                catalogue.note(self.without_rows(batch).await?).await?;
            }
            files.finish().await?;
        }
        Ok(())
    }

    /// Finds or makes the bucket of a candidate.
    async fn place(&self, candidate: Candidate) -> Result<Placed, Setback> {
        let key = ObjectKey::parse(candidate.label.key.as_str()).map_err(|_| incomplete("its key does not read"))?;
        let bucket = self.bucket_of(&candidate.label, candidate.at).await?;
        Ok(Placed { bucket, key, candidate })
    }

    async fn adopt_one(&self, placed: Placed) -> Result<Outcome, Setback> {
        let Placed { bucket, key, candidate } = placed;
        let current = self.meta.version(bucket.id, &key, None).await?;
        if current.is_some_and(|current| current.version.modified >= candidate.at) {
            return Ok(Outcome::Older);
        }
        let cut = candidate.object.cut;
        match &candidate.label.completed {
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
    use super::take_lines;

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
