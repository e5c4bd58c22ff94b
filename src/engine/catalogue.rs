//! The catalogue of an adoption: which chunk files without rows make which bodies. It is on disk, so that its length
//! costs no memory; labels, which are long, are not in it, but read again when their body's turn comes.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

use crate::chunk::{ChunkRecord, ChunkStore};
use crate::engine::EngineError;
use crate::engine::label::{Label, ObjectFacts, read_label};
use crate::limits::keeping::ADOPT_STEP;
use crate::meta::{BodyName, Finds, FoundBody, FoundEnd, FoundPiece, MetaError};
use crate::types::{ChunkId, Timestamp};

/// A whole body that makes an object.
pub(super) struct Candidate {
    pub(super) at: Timestamp,
    pub(super) label: Label,
    pub(super) object: ObjectFacts,
    pub(super) pieces: Vec<ChunkRecord>,
}

/// A body that makes no object: its bucket and key, as far as they are known, and why not.
pub(super) struct Fragment {
    pub(super) name: (String, String),
    pub(super) why: &'static str,
}

/// The catalogue.
pub(super) struct Catalogue {
    finds: Arc<Mutex<Finds>>,
    chunks: Arc<dyn ChunkStore>,
}

impl Catalogue {
    /// A catalogue of files of `chunks`.
    pub(super) fn new(finds: Finds, chunks: Arc<dyn ChunkStore>) -> Self {
        Self { finds: Arc::new(Mutex::new(finds)), chunks }
    }

    /// Notes what these files say. One whose end does not prove it says nothing.
    pub(super) async fn note(&self, files: Vec<ChunkId>) -> Result<(), EngineError> {
        let chunks = Arc::clone(&self.chunks);
        self.ask(move |finds| {
            let say = |file| {
                let (record, appendix) = chunks.inspect(file).ok()?;
                piece(record, &read_label(&appendix)?)
            };
            finds.add(&files.into_iter().filter_map(say).collect::<Vec<_>>())
        })
        .await
    }

    /// Bodies that have no last chunk, after that one, in pages; and where the next page begins.
    pub(super) async fn endless(
        &self,
        after: Option<BodyName>,
    ) -> Result<Option<(BodyName, Vec<Fragment>)>, EngineError> {
        let page = self.ask(move |finds| finds.endless(after, ADOPT_STEP)).await?;
        let Some((next, _)) = page.last().copied() else { return Ok(None) };
        let mut fragments = Vec::with_capacity(page.len());
        for (_, chunk) in page {
            fragments.push(self.fragment(chunk, "its last chunk is missing").await?);
        }
        Ok(Some((next, fragments)))
    }

    /// The other bodies in the order in which they were written, after that one, in pages.
    pub(super) async fn ended(&self, after: Option<&FoundBody>) -> Result<Vec<FoundBody>, EngineError> {
        let after = after.map(|found| (found.end.at, found.body));
        self.ask(move |finds| finds.ended(after, ADOPT_STEP)).await
    }

    /// The object that a body makes, if all of it is there.
    pub(super) async fn candidate(&self, found: FoundBody) -> Result<Result<Candidate, Fragment>, EngineError> {
        let pieces = self.ask(move |finds| finds.pieces(found.body)).await?;
        let label = self.label(found.last).await?;
        let name = label.as_ref().map(|label| (label.bucket.clone(), label.key.clone())).unwrap_or_default();
        Ok(whole(found.end, label, &pieces).map_err(|why| Fragment { name, why }))
    }

    async fn fragment(&self, chunk: ChunkId, why: &'static str) -> Result<Fragment, EngineError> {
        let name = self.label(chunk).await?.map(|label| (label.bucket, label.key)).unwrap_or_default();
        Ok(Fragment { name, why })
    }

    async fn label(&self, chunk: ChunkId) -> Result<Option<Label>, EngineError> {
        let chunks = Arc::clone(&self.chunks);
        let read = spawn_blocking(move || chunks.inspect(chunk).ok().and_then(|(_, appendix)| read_label(&appendix)));
        read.await.map_err(|_| EngineError::Stopped)
    }

    async fn ask<T, W>(&self, work: W) -> Result<T, EngineError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Finds) -> Result<T, MetaError> + Send + 'static,
    {
        let finds = Arc::clone(&self.finds);
        let asked = spawn_blocking(move || work(&mut finds.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(asked.await.map_err(|_| EngineError::Stopped)??)
    }
}

/// What is noted of a chunk. Nothing of those of parts: they are found through the record of their upload.
fn piece(record: ChunkRecord, label: &Label) -> Option<FoundPiece> {
    if label.part.is_some() {
        return None;
    }
    let ChunkRecord { id: chunk, length, seal } = record;
    let end = label.end.as_ref().map(|end| FoundEnd { bytes: end.bytes, at: Timestamp(end.at) });
    Some(FoundPiece { body: label.body, start: label.start, chunk, length, seal, end })
}

/// The object that these pieces make, if they are all.
fn whole(end: FoundEnd, label: Option<Label>, pieces: &[FoundPiece]) -> Result<Candidate, &'static str> {
    let mut expected = 0;
    for piece in pieces {
        if piece.start != expected {
            return Err("a chunk of it is missing");
        }
        expected += piece.length;
    }
    if expected != end.bytes {
        return Err("a chunk of it is missing");
    }
    let mut label = label.ok_or("its label does not read")?;
    let object = label.end.take().and_then(|end| end.object).ok_or("its label does not read")?;
    let record = |piece: &FoundPiece| ChunkRecord { id: piece.chunk, length: piece.length, seal: piece.seal };
    Ok(Candidate { at: end.at, label, object, pieces: pieces.iter().map(record).collect() })
}

#[cfg(test)]
mod tests {
    use super::{piece, whole};
    use crate::chunk::ChunkRecord;
    use crate::digest::Tee;
    use crate::engine::label::{BodyLabel, Label, join, read_label};
    use crate::meta::{FoundEnd, FoundPiece};
    use crate::types::{
        Bucket, BucketId, BucketName, ChecksumAlgorithm, ChunkId, Epoch, ObjectKey, ObjectMetadata, OwnerId, Timestamp,
        UploadId,
    };

    const END: FoundEnd = FoundEnd { bytes: 12, at: Timestamp(7) };

    fn bucket() -> Bucket {
        Bucket {
            id: BucketId(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: OwnerId("o".to_owned()),
            created: Timestamp(0),
            location: String::new(),
            generation: 0,
            is_versioned: false,
        }
    }

    /// A body of three chunks with 5, 5 and 2 bytes, as its labels are found.
    fn found() -> Vec<(ChunkRecord, Label)> {
        let key = ObjectKey::parse("key").unwrap();
        let label = BodyLabel::object((&bucket(), &key), &ObjectMetadata::default(), None, Timestamp(7));
        let mut tee = Tee::new(ChecksumAlgorithm::Crc32);
        tee.update(b"twelve bytes");
        let digests = tee.finish();
        let chunk = |number, start, length, end| {
            let record = ChunkRecord { id: ChunkId::new(Epoch(1), number), length, seal: 0 };
            (record, read_label(&join(&label.chunk(start, end), &[])).unwrap())
        };
        vec![chunk(1, 0, 5, None), chunk(2, 5, 5, None), chunk(3, 10, 2, Some(&digests))]
    }

    fn pieces(found: &[(ChunkRecord, Label)]) -> Vec<FoundPiece> {
        found.iter().map(|(record, label)| piece(*record, label).unwrap()).collect()
    }

    #[test]
    fn a_body_is_whole_only_with_all_of_its_chunks() {
        let last = || Some(found().remove(2).1);
        let all = pieces(&found());
        assert_eq!(all.iter().map(|piece| piece.end).collect::<Vec<_>>(), [None, None, Some(END)]);
        let candidate = whole(END, last(), &all).unwrap_or_else(|what| panic!("{what}"));
        assert_eq!((candidate.at, candidate.pieces.len(), candidate.object.size), (Timestamp(7), 3, 12));
        for missing in 0..3 {
            let mut some = all.clone();
            some.remove(missing);
            assert!(whole(END, last(), &some).is_err(), "without chunk {missing}");
        }
        for cut in [1, 2] {
            let mut cut_off = all.clone();
            cut_off[cut].length -= 1;
            assert!(whole(END, last(), &cut_off).is_err(), "chunk {cut} is too short");
        }
        assert!(whole(END, None, &all).is_err(), "its label went");
        assert!(whole(END, Some(found().remove(0).1), &all).is_err(), "its label became another");
    }

    #[test]
    fn chunks_of_parts_are_not_noted() {
        let key = ObjectKey::parse("key").unwrap();
        let part = BodyLabel::part((&bucket(), &key), UploadId::new(1, 2), 3, Timestamp(7));
        let label = read_label(&join(&part.chunk(0, None), &[])).unwrap();
        assert_eq!(piece(found()[0].0, &label), None);
    }
}
