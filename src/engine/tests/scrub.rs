//! Scrub over an engine in memory.

use bytes::Bytes;

use super::maintenance::Noted;
use super::{House, NOW, Pieces, bytes, md5, name};
use crate::engine::{
    ClaimedPart, CompletionClaim, CreateBucket, EngineError, Expected, RenameObject, ScrubBudget, ScrubStep,
    scrub_state,
};
use crate::limits::{BLOCK_BYTES, SCRUB_MARKS_MAX, SCRUB_ROW_BYTES, SCRUB_STEP};
use crate::meta::{CommitCopy, CommitPart, CommitPut, DamagedChunk, NewBody};
use crate::rules::scrub::SmallMark;
use crate::rules::{ReadPrecondition, Undelete, WritePrecondition};
use crate::types::{BucketName, ChecksumAlgorithm, ChecksumValue, ChunkId, ETag, ObjectMetadata, OwnerId, UploadId};

const BUDGET: ScrubBudget = ScrubBudget { step_bytes: 1, interval_seconds: 100 };

impl House {
    async fn scrub(&self) -> ScrubStep {
        self.engine.scrub_step(BUDGET).await.unwrap()
    }

    /// Steps until a pass is over; how many chunks it verified.
    async fn scrub_pass(&self) -> u64 {
        let mut chunks = 0;
        loop {
            let step = self.scrub().await;
            if step.is_waiting {
                return chunks;
            }
            chunks += step.chunks;
        }
    }

    async fn damaged(&self) -> Vec<ChunkId> {
        let page: Vec<DamagedChunk> = self.meta.damaged_chunks(None, 100).await.unwrap();
        page.into_iter().map(|damaged| damaged.chunk).collect()
    }

    /// Flips a bit of a chunk; what it was before.
    fn rot(&self, chunk: ChunkId, at: usize) -> Vec<u8> {
        let sound = self.chunks.image(chunk).unwrap();
        let mut image = sound.clone();
        image[at] ^= 1;
        self.chunks.set_image(chunk, image);
        sound
    }
}

#[tokio::test]
async fn a_pass_reads_every_chunk_once_and_rests_until_the_next_is_due() {
    let house = House::new().await;
    for number in 0..5 {
        house.put(&format!("key-{number}"), &bytes(BLOCK_BYTES + 1, number)).await.unwrap();
    }
    assert_eq!(house.scrub_pass().await, 5);
    assert_eq!(house.scrub_pass().await, 0);
    let last = scrub_state(house.meta.as_ref()).await.unwrap().last.unwrap();
    assert_eq!((last.chunks, last.bytes, last.chunks_total), (5, 5 * (BLOCK_BYTES as u64 + 1), 5));
    assert_eq!((last.started(), last.ended(), last.damaged), (NOW, Some(NOW), 0));
    house.clock.set(NOW.plus_seconds(100));
    assert_eq!(house.scrub_pass().await, 5);
}

#[tokio::test]
async fn a_step_ends_with_its_budget_and_the_next_goes_on_there() {
    let house = House::new().await;
    for number in 0..4 {
        house.put(&format!("key-{number}"), &bytes(BLOCK_BYTES, number)).await.unwrap();
    }
    let budget = ScrubBudget { step_bytes: BLOCK_BYTES as u64 + 1, ..BUDGET };
    for chunks in [2, 4] {
        assert_eq!(house.engine.scrub_step(budget).await.unwrap().chunks, 2);
        let pass = scrub_state(house.meta.as_ref()).await.unwrap().pass.unwrap();
        assert_eq!(pass.chunks, chunks, "the place is kept: a restart goes on there");
    }
    for rows in ["of versions", "of other small bodies"] {
        assert_eq!(house.scrub().await.chunks, 0, "{rows}");
    }
    assert!(house.scrub().await.is_waiting);
}

#[tokio::test]
async fn damage_is_marked_until_the_chunk_is_sound_again_or_goes() {
    let house = House::new().await;
    let body = bytes(2 * BLOCK_BYTES, 1);
    house.put("healed", &body).await.unwrap();
    house.put("deleted", &body).await.unwrap();
    house.put("sound", &body).await.unwrap();
    let chunks = house.chunks.sealed();
    let sound = house.rot(chunks[0], 7);
    house.chunks.set_image(chunks[1], Vec::new());
    house.scrub_pass().await;
    assert_eq!(house.damaged().await, chunks[..2]);
    assert_eq!(scrub_state(house.meta.as_ref()).await.unwrap().last.unwrap().damaged, 2);
    assert!(matches!(house.get("healed").await, Err(EngineError::Chunk(_))));
    house.chunks.set_image(chunks[0], sound);
    house.delete("deleted", None).await;
    house.collect().await;
    assert_eq!(house.damaged().await, chunks[..1], "the mark went with its chunk");
    house.clock.set(NOW.plus_seconds(100));
    house.scrub_pass().await;
    assert_eq!(house.damaged().await, []);
    assert_eq!(house.get("healed").await.unwrap(), body);
}

#[tokio::test]
async fn damage_that_a_reader_meets_is_looked_at_first_even_between_passes() {
    let house = House::new().await;
    house.put("sound", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    house.put("rotten", &bytes(BLOCK_BYTES, 2)).await.unwrap();
    house.scrub_pass().await;
    let rotten = house.chunks.sealed()[1];
    let sound = house.rot(rotten, 0);
    assert!(house.scrub().await.is_waiting);
    assert!(house.get("rotten").await.is_err());
    let off = ScrubBudget { step_bytes: 0, ..BUDGET };
    let step = house.engine.scrub_step(off).await.unwrap();
    assert_eq!((step.chunks, step.marked), (1, 1), "also while passes are off");
    assert_eq!(house.damaged().await, [rotten]);
    assert_eq!(house.engine.scrub_step(off).await.unwrap().chunks, 0, "it is looked at once for each time");
    house.chunks.set_image(rotten, sound);
    assert!(house.get("rotten").await.is_ok());
    assert_eq!(house.damaged().await, [rotten], "what one reader met does not lift a mark");
}

#[tokio::test]
async fn a_chunk_that_is_collected_while_it_is_read_is_no_damage() {
    let house = House::new().await;
    house.put("key", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    let chunk = house.chunks.sealed()[0];
    house.rot(chunk, 0);
    assert!(house.get("key").await.is_err());
    house.delete("key", None).await;
    house.collect().await;
    assert_eq!(house.scrub().await.marked, 0);
    assert_eq!(house.damaged().await, []);
}

#[tokio::test]
async fn small_bodies_are_read_after_the_chunks_page_by_page() {
    let house = House::new().await;
    let name = BucketName::parse("another").unwrap();
    let other = house.engine.create_bucket(CreateBucket::new(name, OwnerId("o".repeat(64)))).await.unwrap();
    house.put("large", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    for number in 0..SCRUB_STEP + 20 {
        house.put(&format!("small-{number:04}"), &bytes(3, 1)).await.unwrap();
    }
    let mut request = house.put_request("k", Expected::default());
    request.bucket = other;
    house.engine.put_object(request, &mut Pieces::of(&[7; 5])).await.unwrap();
    let mut steps = Vec::new();
    while !steps.last().is_some_and(|step: &ScrubStep| step.is_waiting) {
        steps.push(house.scrub().await);
    }
    let small: Vec<_> = steps.iter().map(|step| step.small).collect();
    // The large one has a row too.
    let first = u64::from(SCRUB_STEP) - 1;
    let expected = [0, 1, first, 21, 0, 0];
    assert_eq!(small, expected, "the chunk, a bucket, a page, the rest, no other bodies, and nothing is due");
    assert_eq!(steps[2].cost, u64::from(SCRUB_STEP) * SCRUB_ROW_BYTES + 3 * first, "each row has its price");
    let last = scrub_state(house.meta.as_ref()).await.unwrap().last.unwrap();
    assert_eq!((last.small_bodies, last.small_bytes, last.small_damaged), (u64::from(SCRUB_STEP) + 21, 833, 0));
}

#[tokio::test]
async fn a_small_body_is_marked_until_it_is_gone() {
    let house = House::new().await;
    for key in ["hit", "sound"] {
        house.put(key, &bytes(100, 1)).await.unwrap();
    }
    house.meta.commit_put(rotten(&house, "hit")).await.unwrap();
    assert!(matches!(house.get("hit").await, Err(EngineError::Damaged(_))));
    house.scrub_pass().await;
    let marks = async || {
        let scrub = scrub_state(house.meta.as_ref()).await.unwrap();
        scrub.small_marks.into_iter().map(|mark| (mark.bucket, mark.key, mark.version)).collect::<Vec<_>>()
    };
    let hit = [("bucket".to_owned(), "hit".to_owned(), "null".to_owned())];
    assert_eq!(marks().await, hit);
    for seconds in [100, 200] {
        house.clock.set(NOW.plus_seconds(seconds));
        house.scrub_pass().await;
        assert_eq!(marks().await, hit, "marked once");
    }
    let last = scrub_state(house.meta.as_ref()).await.unwrap().last.unwrap();
    assert_eq!((last.small_bodies, last.small_damaged), (2, 1));
    house.delete("hit", None).await;
    let off = ScrubBudget { step_bytes: 0, ..BUDGET };
    house.engine.scrub_step(off).await.unwrap();
    assert_eq!(marks().await, [], "also while passes are off");
}

#[tokio::test]
async fn no_more_small_bodies_are_marked_than_there_is_room_for() {
    let house = House::new().await;
    for number in 0..SCRUB_MARKS_MAX + 9 {
        house.meta.commit_put(rotten(&house, &number.to_string())).await.unwrap();
    }
    house.scrub_pass().await;
    let scrub = scrub_state(house.meta.as_ref()).await.unwrap();
    assert_eq!(scrub.small_marks.len(), SCRUB_MARKS_MAX);
    assert_eq!(scrub.last.unwrap().small_damaged, SCRUB_MARKS_MAX as u64 + 9);
}

/// A small body that is not what its ETag says.
fn rotten(house: &House, key: &str) -> CommitPut {
    let body = NewBody::Inline(Bytes::from_static(b"rotten"));
    CommitPut {
        bucket: house.bucket.id,
        key: name(key),
        precondition: WritePrecondition::default(),
        size: body.length(),
        etag: ETag::single(md5(b"sound!")),
        sha256: None,
        checksum: None,
        metadata: ObjectMetadata::default(),
        body,
        now: NOW,
    }
}

/// A part of `upload` that lies beside its row and is not what its MD5 says.
fn rotten_part(house: &House, upload: UploadId) -> CommitPart {
    let body = NewBody::Inline(Bytes::from_static(b"rotten"));
    CommitPart {
        bucket: house.bucket.id,
        key: name("big"),
        upload,
        number: 1,
        size: body.length(),
        md5: md5(b"sound!"),
        sha256: None,
        checksum: ChecksumValue::new(ChecksumAlgorithm::Crc64Nvme, [0; 8]),
        body,
        now: NOW,
    }
}

impl House {
    /// The marks of small bodies after a step that reads nothing else: key, who has it, part.
    async fn small_marks(&self) -> Vec<(String, &'static str, Option<u16>)> {
        self.engine.scrub_step(ScrubBudget { step_bytes: 0, ..BUDGET }).await.unwrap();
        let scrub = scrub_state(self.meta.as_ref()).await.unwrap();
        let of = |mark: &SmallMark| match (&mark.upload, mark.restorable) {
            (Some(_), _) => "upload",
            (None, Some(_)) => "restorable",
            (None, None) => "version",
        };
        scrub.small_marks.into_iter().map(|mark| (mark.key.clone(), of(&mark), mark.part)).collect()
    }

    async fn set_window(&self, days: u32) {
        self.engine.set_undelete_window(&self.bucket, Undelete { days }).await.unwrap();
    }

    async fn rename(&self, from: &str, to: &str) {
        let rename = RenameObject {
            bucket: self.bucket.clone(),
            source: name(from),
            source_precondition: ReadPrecondition::default(),
            key: name(to),
            precondition: ReadPrecondition::default(),
        };
        self.engine.rename_object(rename).await.unwrap();
    }
}

fn mark(key: &str, of: &'static str, part: Option<u16>) -> (String, &'static str, Option<u16>) {
    (key.to_owned(), of, part)
}

#[tokio::test]
async fn small_bodies_of_restorable_versions_and_of_parts_are_read_too() {
    let house = House::new().await;
    house.set_window(7).await;
    house.meta.commit_put(rotten(&house, "gone")).await.unwrap();
    house.put("sound", &bytes(100, 1)).await.unwrap();
    for key in ["gone", "sound"] {
        house.delete(key, None).await;
    }
    let upload = house.create_upload(None).await.upload;
    house.meta.commit_part(rotten_part(&house, upload)).await.unwrap();
    let sound = NewBody::Inline(Bytes::from_static(b"sound!"));
    house.meta.commit_part(CommitPart { number: 2, body: sound, ..rotten_part(&house, upload) }).await.unwrap();
    house.scrub_pass().await;
    let last = scrub_state(house.meta.as_ref()).await.unwrap().last.unwrap();
    assert_eq!((last.small_bodies, last.small_bytes, last.small_damaged), (4, 118, 2));
    let expected = [mark("gone", "restorable", None), mark("big", "upload", Some(1))];
    assert_eq!(house.small_marks().await, expected);
    house.clock.set(NOW.plus_seconds(100));
    house.scrub_pass().await;
    assert_eq!(house.small_marks().await, expected, "marked once");

    let mut noted = Noted::default();
    let summary = house.engine.check(&[], &mut noted).await.unwrap();
    assert_eq!((summary.inline, summary.inline_bytes, summary.faults), (2, 106, 2));
    let told: Vec<_> = noted.faults.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("bucket/gone (restorable version "), "{told:?}");
    assert!(told[1].starts_with("bucket/big (upload ") && told[1].contains(", part 1)"), "{told:?}");
}

#[tokio::test]
async fn a_mark_follows_its_body_to_every_name_and_goes_with_it() {
    let house = House::new().await;
    house.set_window(7).await;
    house.meta.commit_put(rotten(&house, "a")).await.unwrap();
    house.scrub_pass().await;
    assert_eq!(house.small_marks().await, [mark("a", "version", None)]);
    house.rename("a", "b").await;
    house.put("a", b"sound").await.unwrap();
    assert_eq!(house.small_marks().await, [mark("b", "version", None)]);
    house.put("b", b"sound").await.unwrap();
    assert_eq!(house.small_marks().await, [mark("b", "restorable", None)]);
    house.engine.restore_key(&house.bucket, name("b"), None).await.unwrap();
    assert_eq!(house.small_marks().await, [mark("b", "version", None)]);
    house.delete("b", None).await;
    assert_eq!(house.small_marks().await, [mark("b", "restorable", None)]);
    house.set_window(0).await;
    house.meta.collect_retained(NOW.plus_seconds(1), 9).await.unwrap();
    assert_eq!(house.small_marks().await, []);
}

#[tokio::test]
async fn a_mark_of_a_part_is_kept_for_each_object_that_has_it() {
    let house = House::new().await;
    let upload = house.create_upload(None).await.upload;
    house.meta.commit_part(rotten_part(&house, upload)).await.unwrap();
    house.scrub_pass().await;
    assert_eq!(house.small_marks().await, [mark("big", "upload", Some(1))]);
    let mut completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    let claimed = ClaimedPart { number: 1, etag: ETag::single(md5(b"sound!")), checksum: None };
    completion.push(claimed).await.unwrap();
    completion.finish(CompletionClaim::default()).await.unwrap();
    assert_eq!(house.small_marks().await, [mark("big", "version", Some(1))]);
    assert!(matches!(house.get("big").await, Err(EngineError::Damaged(_))));
    let order = house.meta.version(house.bucket.id, &name("big"), None).await.unwrap().unwrap().order;
    let copy = CommitCopy {
        source_bucket: house.bucket.id,
        source_key: name("big"),
        source_order: order,
        bucket: house.bucket.id,
        key: name("copy"),
        precondition: WritePrecondition::default(),
        checksum: None,
        metadata: ObjectMetadata::default(),
        now: NOW,
    };
    house.meta.commit_copy(copy).await.unwrap();
    house.clock.set(NOW.plus_seconds(100));
    house.scrub_pass().await;
    assert_eq!(house.small_marks().await, [mark("big", "version", Some(1)), mark("copy", "version", Some(1))]);
    house.rename("copy", "moved").await;
    house.delete("big", None).await;
    assert_eq!(house.small_marks().await, [mark("moved", "version", Some(1))]);
    house.delete("moved", None).await;
    assert_eq!(house.small_marks().await, [], "before the collector has been there");
    house.collect().await;
    house.clock.set(NOW.plus_seconds(200));
    house.scrub_pass().await;
    assert_eq!(house.small_marks().await, []);
}
