//! Bounds on how what is stored is kept: scrub, snapshots, rebuilding.

use super::{GIB, KIB, MIB};

/// Longest rest in milliseconds between two trial writes to a disk that keeps failing.
pub const DISK_REST_MS_MAX: u64 = 2_000;
/// Milliseconds between two looks whether a trial write is due.
pub const DISK_LOOK_MS: u64 = 500;
/// Bytes of a trial write to a chunk file.
pub const DISK_TRIAL_BYTES: usize = 4 * KIB as usize;
/// Bytes that scrub reads in a second (default of `--scrub-rate`): 20 TiB a month, a small part of what one disk can.
pub const SCRUB_RATE: u64 = 8 * MIB;
/// Least `--scrub-rate` but 0. A step reads a whole chunk, and its rest must end before its lease does.
pub const SCRUB_RATE_MIN: u64 = MIB;
/// Most `--scrub-rate`. A step reads a second's bytes.
pub const SCRUB_RATE_MAX: u64 = 16 * GIB;
/// Seconds from the beginning of one pass to that of the next (default of `--scrub-interval`): 30 days.
pub const SCRUB_INTERVAL_SECONDS: u64 = 30 * 24 * 3600;
/// Longest `--scrub-interval` in seconds: a year.
pub const SCRUB_INTERVAL_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// Chunk rows that one step of scrub reads. Bounds what a crash reads again.
pub const SCRUB_STEP: u32 = 256;
/// Bytes that a row counts against `--scrub-rate` when scrub looks for small bodies, with or without one.
pub const SCRUB_ROW_BYTES: u64 = 512;
/// Small bodies that stay marked as damaged. Each is looked at in every step; beyond, damage is logged only.
pub const SCRUB_MARKS_MAX: usize = 64;
/// Restorable versions that check and scrub read at once, with their small bodies. Bounds the memory of those.
pub const SMALL_BODIES_STEP: u32 = 64;
/// Milliseconds between two looks for damage that readers met.
pub const SCRUB_LOOK_MS: u64 = 1_000;
/// Chunks that showed damage to readers and wait for scrub.
pub const SCRUB_SUSPECTS_MAX: usize = 1024;
/// Such chunks that one step looks at.
pub const SCRUB_SUSPECTS_STEP: usize = 4;
/// Objects that are named with damaged chunks, for each page of them.
pub const CHUNK_USES_MAX: u32 = 1000;
/// Seconds from one snapshot of the database to the next (default of `--snapshot-interval`): a day.
pub const SNAPSHOT_INTERVAL_SECONDS: u64 = 24 * 3600;
/// Longest `--snapshot-interval` in seconds: a year.
pub const SNAPSHOT_INTERVAL_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// Snapshots that are kept (default of `--snapshot-keep`): enough to notice a mistake after a weekend.
pub const SNAPSHOT_KEEP: usize = 3;
/// Most snapshots that are kept.
pub const SNAPSHOT_KEEP_MAX: usize = 1000;
/// Milliseconds between two looks whether a snapshot is due.
pub const SNAPSHOT_LOOK_MS: u64 = 1_000;
/// Seconds after its start before which a server takes no snapshot, unless its interval is shorter.
pub const SNAPSHOT_FIRST_SECONDS: u64 = 60;
/// So many times the size of the database must be free where a snapshot goes: room for it, and as much again for
/// everybody else.
pub const SNAPSHOT_FREE_FACTOR: u64 = 2;
/// Most bytes that a chunk says of the object it belongs to: enough for the longest key and the most user metadata that
/// S3 allows. What finds no room is lost only if the database is.
pub const CHUNK_LABEL_BYTES_MAX: usize = 8 * KIB as usize;
/// Parts whose extents are read at once while the record of an upload is written. Bounds its memory.
pub const RECORD_PARTS_STEP: u32 = 8;
/// Bodies that a rebuild reads from its list at once.
pub const ADOPT_STEP: u32 = 256;
/// Bodies that a rebuild commits at once, so that they share group commits. Bounds the labels in memory.
pub const ADOPT_BODIES_AT_ONCE: usize = 64;
/// Parts of one upload that a rebuild commits at once, so that they share group commits.
pub const ADOPT_PARTS_AT_ONCE: usize = 64;
/// Seconds before a snapshot from which bodies are adopted: one may have been sealed before it and committed after it.
pub const ADOPTION_SLACK_SECONDS: i64 = 10;
