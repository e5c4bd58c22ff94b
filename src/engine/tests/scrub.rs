//! Scrub over an engine in memory.

use super::{House, NOW, bytes};
use crate::engine::{EngineError, ScrubBudget, ScrubStep, scrub_state};
use crate::limits::BLOCK_BYTES;
use crate::meta::DamagedChunk;
use crate::types::ChunkId;

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
    assert_eq!(house.scrub().await.chunks, 0);
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
