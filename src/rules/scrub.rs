//! Scrub: when the stored bytes are read again, and how fast. A pass goes through all chunks in the order of their
//! ids, so one place says for every chunk when it was verified last: those up to it in this pass, the others in the
//! one before. A time kept with each chunk would cost a write for every chunk that is read. After the chunks come the
//! small bodies, bucket by bucket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::SCRUB_ROW_BYTES;
use crate::types::{ChunkId, Timestamp};

/// How far scrub has come. Kept across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scrub {
    /// The pass that is under way.
    pub pass: Option<Pass>,
    /// The last one that went through.
    pub last: Option<Pass>,
    /// Small bodies that were found damaged and are so still.
    pub small_marks: Vec<SmallMark>,
}

/// A small body that was found damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmallMark {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version, in the words of clients; empty if it is none.
    pub version: String,
    /// The open upload, if it is one of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The restorable version, if it is one of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restorable: Option<u64>,
    /// The part, if it is a body of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u16>,
    /// Row of the body, whatever its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Manifest of the part, whatever its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<i64>,
    /// When it was found first, in microseconds since 1970.
    pub found: i64,
    /// What was found.
    pub detail: String,
}

impl SmallMark {
    /// Whether `other` is of the same body of the same bearer.
    pub fn names_same(&self, other: &Self) -> bool {
        let bearer = |mark: &Self| (mark.restorable, mark.part);
        (&self.bucket, &self.key, &self.version) == (&other.bucket, &other.key, &other.version)
            && (&self.upload, bearer(self)) == (&other.upload, bearer(other))
    }
}

/// Which small bodies a pass reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmallStage {
    /// Those of versions.
    #[default]
    Versions,
    /// Those of restorable versions with ids above this one.
    Restorable(u64),
    /// Those of parts after this one, by manifest and number.
    Parts(Option<(i64, u16)>),
}

/// How far a pass has come with small bodies: among versions after this version of this key, or at the beginning of the
/// bucket if there is no key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmallPlace {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version.
    pub version: Option<String>,
    /// Which bodies.
    pub stage: SmallStage,
}

impl SmallPlace {
    /// The beginning of a stage, or a place in one that is not of versions.
    pub fn at(stage: SmallStage) -> Self {
        Self { stage, ..Self::default() }
    }
}

/// One pass over all chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pass {
    /// When it began, in microseconds since 1970.
    started: i64,
    /// When it was over.
    ended: Option<i64>,
    /// The last chunk that it has verified.
    after: Option<i64>,
    /// Chunks verified.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Live chunks when it began.
    pub chunks_total: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Chunks that were found damaged.
    pub damaged: u64,
    /// How far it is with the small bodies, once it has begun with them.
    pub small: Option<SmallPlace>,
    /// Rows that were looked at for small bodies.
    pub rows: u64,
    /// About how many there were when it began.
    pub rows_total: u64,
    /// Small bodies verified.
    pub small_bodies: u64,
    /// Their bytes.
    pub small_bytes: u64,
    /// Small bodies that were found damaged.
    pub small_damaged: u64,
}

impl Pass {
    /// A pass that begins now over so many chunks and bytes.
    pub fn begin(now: Timestamp, chunks_total: u64, bytes_total: u64) -> Self {
        Self { started: now.0, chunks_total, bytes_total, ..Self::default() }
    }

    /// When it began.
    pub fn started(&self) -> Timestamp {
        Timestamp(self.started)
    }

    /// When it was over.
    pub fn ended(&self) -> Option<Timestamp> {
        self.ended.map(Timestamp)
    }

    /// The last chunk that it has verified.
    pub fn after(&self) -> Option<ChunkId> {
        self.after.map(ChunkId::from_i64)
    }

    /// Adds a chunk that was verified.
    pub fn verified(&mut self, chunk: ChunkId, length: u64, is_damaged: bool) {
        self.after = Some(chunk.to_i64());
        self.chunks += 1;
        self.bytes += length;
        self.damaged += u64::from(is_damaged);
    }

    /// Adds small bodies that were verified, and how many of them are damaged.
    pub fn verified_small(&mut self, bodies: u64, bytes: u64, damaged: u64) {
        self.small_bodies += bodies;
        self.small_bytes += bytes;
        self.small_damaged += damaged;
    }
}

impl Scrub {
    /// How much of the pass under way is done, by what it costs: bytes of chunks, and rows that may have a small body.
    /// `None` if none is under way.
    pub fn part(&self) -> Option<f64> {
        let pass = self.pass.as_ref()?;
        let cost = |bytes: u64, rows: u64| bytes as f64 + rows as f64 * SCRUB_ROW_BYTES as f64;
        let total = cost(pass.bytes_total, pass.rows_total);
        Some(if total == 0.0 { 0.0 } else { (cost(pass.bytes, pass.rows) / total).min(1.0) })
    }

    /// The pass under way, or else the last one, in words.
    pub fn describe(&self) -> String {
        let of = |pass: &Pass| {
            let (bodies, damaged) = (pass.small_bodies, pass.damaged + pass.small_damaged);
            format!("{} chunks and {bodies} small bodies verified, {damaged} damaged", pass.chunks)
        };
        match (&self.pass, &self.last) {
            (Some(pass), _) => format!("{}; since {}", of(pass), pass.started().iso_millis()),
            (None, Some(last)) => format!("{} by the pass of {}", of(last), last.started().iso_millis()),
            (None, None) => "no pass has begun yet".to_owned(),
        }
    }

    /// When the next pass may begin: an interval after the last one began. None may while one is under way.
    pub fn is_due(&self, now: Timestamp, interval_seconds: u64) -> bool {
        let Some(last) = &self.last else { return self.pass.is_none() };
        let interval = i64::try_from(interval_seconds).unwrap_or(i64::MAX);
        // A clock that was turned back must not put passes off for years.
        self.pass.is_none() && (now >= last.started().plus_seconds(interval) || now < last.started())
    }

    /// The pass under way has seen everything.
    pub fn end_pass(&mut self, now: Timestamp) {
        if let Some(pass) = self.pass.take() {
            self.last = Some(Pass { ended: Some(now.0), after: None, small: None, ..pass });
        }
    }
}

/// How long to rest after `bytes` that took `elapsed`, so that on the whole no more than `rate` bytes a second are
/// read.
pub fn rest(bytes: u64, elapsed: Duration, rate: u64) -> Duration {
    let budget_ms = bytes.saturating_mul(1000).checked_div(rate).unwrap_or(0);
    Duration::from_millis(budget_ms).saturating_sub(elapsed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pass, Scrub, SmallPlace, SmallStage, rest};
    use crate::limits::{MIB, SCRUB_ROW_BYTES};
    use crate::types::{ChunkId, Epoch, Timestamp};

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    #[test]
    fn a_pass_is_due_at_once_and_then_an_interval_after_the_last_began() {
        let mut scrub = Scrub::default();
        assert!(scrub.is_due(NOW, 100));
        scrub.pass = Some(Pass::begin(NOW, 1, 5));
        assert!(!scrub.is_due(NOW.plus_seconds(1000), 100), "one at a time");
        scrub.end_pass(NOW.plus_seconds(30));
        for (seconds, is_due) in [(30, false), (99, false), (100, true), (1000, true), (-1, true)] {
            assert_eq!(scrub.is_due(NOW.plus_seconds(seconds), 100), is_due, "{seconds}");
        }
        assert!(!scrub.is_due(NOW.plus_seconds(1000), u64::MAX));
    }

    #[test]
    fn a_pass_counts_what_it_verified_and_is_read_back_as_it_was() {
        let chunk = ChunkId::new(Epoch(3), 9);
        let mut pass = Pass::begin(NOW, 2, 12);
        pass.verified(ChunkId::new(Epoch(1), 4), 5, true);
        pass.verified(chunk, 7, false);
        assert_eq!((pass.chunks, pass.bytes, pass.damaged, pass.after()), (2, 12, 1, Some(chunk)));
        pass.verified_small(1, 3, 0);
        pass.verified_small(1, 4, 1);
        assert_eq!((pass.small_bodies, pass.small_bytes, pass.small_damaged), (2, 7, 1));
        pass.small = Some(SmallPlace { bucket: "b".to_owned(), key: "k".to_owned(), ..SmallPlace::default() });
        let mut scrub = Scrub { pass: Some(pass), ..Scrub::default() };
        let read = |scrub: &Scrub| serde_json::from_slice::<Scrub>(&serde_json::to_vec(scrub).unwrap()).unwrap();
        assert_eq!(read(&scrub), scrub);
        scrub.end_pass(NOW.plus_seconds(9));
        assert_eq!(read(&scrub), scrub);
        let last = scrub.last.unwrap();
        assert_eq!((last.after(), last.small.clone(), last.ended()), (None, None, Some(NOW.plus_seconds(9))));
        for stage in [SmallStage::Restorable(7), SmallStage::Parts(None), SmallStage::Parts(Some((5, 6)))] {
            let pass = Pass { small: Some(SmallPlace::at(stage)), ..Pass::default() };
            let scrub = Scrub { pass: Some(pass), ..Scrub::default() };
            assert_eq!(read(&scrub), scrub);
        }
        let old: Scrub = serde_json::from_str(
            r#"{"pass":{"started":7,"after":9,"small":{"bucket":"b","key":"k"}},"last":null,
                "small_marks":[{"bucket":"b","key":"k","version":"null","found":1,"detail":"d"}]}"#,
        )
        .unwrap();
        assert_eq!(old.small_marks[0].row, None);
        assert_eq!(
            old.pass.unwrap().after(),
            Some(ChunkId::from_i64(9)),
            "a place that was kept before there were more"
        );
    }

    #[test]
    fn a_pass_is_done_by_what_it_costs_small_bodies_too() {
        let part = |bytes, rows| {
            let pass = Pass { bytes, rows, rows_total: 4, ..Pass::begin(NOW, 1, 4 * SCRUB_ROW_BYTES) };
            Scrub { pass: Some(pass), ..Scrub::default() }.part()
        };
        assert_eq!(part(0, 0), Some(0.0));
        assert_eq!(part(4 * SCRUB_ROW_BYTES, 0), Some(0.5), "the chunks are not all");
        assert_eq!(part(4 * SCRUB_ROW_BYTES, 3), Some(0.875));
        assert_eq!(part(4 * SCRUB_ROW_BYTES, 9), Some(1.0), "more rows than were expected");
        assert_eq!(Scrub::default().part(), None);
        assert_eq!(Scrub { pass: Some(Pass::begin(NOW, 0, 0)), ..Scrub::default() }.part(), Some(0.0));
    }

    #[test]
    fn rests_keep_the_rate() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(8 * MIB, Duration::ZERO, 4 * MIB), 2 * second);
        assert_eq!(rest(8 * MIB, second, 4 * MIB), second);
        assert_eq!(rest(8 * MIB, 5 * second, 4 * MIB), Duration::ZERO, "a slow disk rests by itself");
        assert_eq!(rest(0, Duration::ZERO, MIB), Duration::ZERO);
        assert_eq!(rest(u64::MAX, Duration::ZERO, 0), Duration::ZERO);
    }
}
