//! Samples of the past: the last hour, day and month, in rings of a fixed size, kept in one small file.
//!
//! The file is a convenience: it is written without sync, every slot of it proves itself by a checksum, and one that
//! is damaged or missing starts anew. The sample of a step grows as long as the step lasts, so that a restart loses
//! seconds of it and not an hour.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crc_fast::CrcAlgorithm;

use crate::limits::insight::{DAY_STEPS, HOUR_STEPS, MONTH_STEPS, SAMPLE_BYTES};
use crate::telemetry::tally::Counts;
use crate::types::Timestamp;

/// What the file begins with, filled up with zeros to one sample: the form of what follows.
const MAGIC: &[u8] = b"sluicegate history 1\n";
/// The database of everything is beside it: nobody else's business either.
const FILE_MODE: u32 = 0o600;

/// How far back is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The last hour.
    Hour,
    /// The last day.
    Day,
    /// The last thirty days.
    Month,
}

impl Span {
    /// All of them, in the order of the file.
    const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// The span of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.name() == word)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Seconds of one of its steps.
    pub fn step_seconds(self) -> i64 {
        i64::from(self.steps().0)
    }

    fn steps(self) -> (u32, usize) {
        match self {
            Self::Hour => HOUR_STEPS,
            Self::Day => DAY_STEPS,
            Self::Month => MONTH_STEPS,
        }
    }
}

/// What is true at the moment of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Bytes free on disk; 0 if nobody knows.
    pub disk_free_bytes: u64,
    /// Requests in flight.
    pub requests_in_flight: u32,
}

/// One step of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When the step began, in seconds since 1970. 0 in a slot that holds nothing.
    pub at_seconds: i64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Answers with a 4xx status.
    pub errors_4xx: u64,
    /// Answers with a 5xx status.
    pub errors_5xx: u64,
    /// Answers with 503.
    pub refused: u64,
    /// Bytes of bodies.
    pub received_bytes: u64,
    /// Bytes of answers.
    pub sent_bytes: u64,
    /// What half of the requests did not exceed, in microseconds; `None` without requests.
    pub latency_p50_micros: Option<u32>,
    /// What all but a hundredth of them did not exceed.
    pub latency_p99_micros: Option<u32>,
    /// The last reading in it.
    pub reading: Reading,
}

impl Sample {
    fn of(at_seconds: i64, counts: &Counts, reading: Reading) -> Self {
        let latency =
            |percent| counts.latency_micros(percent).map(|micros| u32::try_from(micros).unwrap_or(NO_TIME - 1));
        Self {
            at_seconds,
            requests: counts.requests(),
            errors_4xx: counts.errors_4xx,
            errors_5xx: counts.errors_5xx,
            refused: counts.refused,
            received_bytes: counts.received_bytes,
            sent_bytes: counts.sent_bytes,
            latency_p50_micros: latency(50),
            latency_p99_micros: latency(99),
            reading,
        }
    }

    /// The sample of a step of which an earlier run saw the beginning. Of its times only these two numbers are left:
    /// the middle is weighed, the longer of the tails counts.
    fn after(self, earlier: &Self) -> Self {
        let weighed = |a: u32, b: u32| {
            let (n, m) = (u128::from(earlier.requests), u128::from(self.requests));
            u32::try_from((u128::from(a) * n + u128::from(b) * m) / (n + m).max(1)).unwrap_or(b)
        };
        let both = |a: Option<u32>, b: Option<u32>, join: &dyn Fn(u32, u32) -> u32| match (a, b) {
            (Some(a), Some(b)) => Some(join(a, b)),
            (a, b) => a.or(b),
        };
        Self {
            at_seconds: self.at_seconds,
            requests: earlier.requests.saturating_add(self.requests),
            errors_4xx: earlier.errors_4xx.saturating_add(self.errors_4xx),
            errors_5xx: earlier.errors_5xx.saturating_add(self.errors_5xx),
            refused: earlier.refused.saturating_add(self.refused),
            received_bytes: earlier.received_bytes.saturating_add(self.received_bytes),
            sent_bytes: earlier.sent_bytes.saturating_add(self.sent_bytes),
            latency_p50_micros: both(earlier.latency_p50_micros, self.latency_p50_micros, &weighed),
            latency_p99_micros: both(earlier.latency_p99_micros, self.latency_p99_micros, &u32::max),
            reading: self.reading,
        }
    }

    fn encode(&self) -> [u8; SAMPLE_BYTES] {
        let words = [
            self.at_seconds.cast_unsigned(),
            self.requests,
            self.errors_4xx,
            self.errors_5xx,
            self.refused,
            self.received_bytes,
            self.sent_bytes,
            self.reading.resident_bytes,
            self.reading.disk_free_bytes,
            pair(self.latency_p50_micros.unwrap_or(NO_TIME), self.latency_p99_micros.unwrap_or(NO_TIME)),
            u64::from(self.reading.requests_in_flight),
        ];
        let mut bytes = [0; SAMPLE_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let sum = checksum(&bytes);
        bytes[SAMPLE_BYTES - 8..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The sample of a slot; `None` if the slot is empty or damaged.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes.get(8 * at..8 * at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        if word(SAMPLE_BYTES / 8 - 1)? != checksum(bytes) {
            return None;
        }
        let (p50, p99) = halves(word(9)?);
        let time = |micros: u32| (micros != NO_TIME).then_some(micros);
        let sample = Self {
            at_seconds: word(0)?.cast_signed(),
            requests: word(1)?,
            errors_4xx: word(2)?,
            errors_5xx: word(3)?,
            refused: word(4)?,
            received_bytes: word(5)?,
            sent_bytes: word(6)?,
            latency_p50_micros: time(p50),
            latency_p99_micros: time(p99),
            reading: Reading {
                resident_bytes: word(7)?,
                disk_free_bytes: word(8)?,
                requests_in_flight: halves(word(10)?).0,
            },
        };
        (sample.at_seconds > 0).then_some(sample)
    }
}

/// Stands for a time that is not there.
const NO_TIME: u32 = u32::MAX;

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn halves(word: u64) -> (u32, u32) {
    let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
    (half(word), half(word >> 32))
}

fn checksum(slot: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &slot[..SAMPLE_BYTES - 8])
}

/// The ring of one span.
#[derive(Debug)]
struct Track {
    span: Span,
    slots: Vec<Sample>,
    /// Where its slots begin in the file, in samples.
    offset: usize,
    /// What was counted when the step that runs began, and what an earlier run knew of it.
    base: Counts,
    earlier: Sample,
    step: i64,
}

impl Track {
    /// Brings the sample of the step that runs up to date; returns the slots that changed.
    fn note(&mut self, now: i64, counts: &Counts, reading: Reading) -> Vec<usize> {
        let seconds = self.span.step_seconds();
        let step = now.div_euclid(seconds) * seconds;
        let mut changed = Vec::new();
        if step != self.step {
            // What was counted between the last look and the end of the step belongs to the step.
            if self.step > 0 {
                changed.push(self.write(self.step, counts, reading));
                self.base = counts.clone();
            }
            self.step = step;
            let slot = self.slots[self.slot(step)];
            self.earlier = if slot.at_seconds == step { slot } else { Sample::default() };
        }
        changed.push(self.write(step, counts, reading));
        changed
    }

    fn write(&mut self, step: i64, counts: &Counts, reading: Reading) -> usize {
        let sample = Sample::of(step, &counts.since(&self.base), reading).after(&self.earlier);
        let slot = self.slot(step);
        self.slots[slot] = sample;
        slot
    }

    fn slot(&self, step: i64) -> usize {
        let steps = i64::try_from(self.slots.len()).unwrap_or(1);
        usize::try_from(step.div_euclid(self.span.step_seconds()).rem_euclid(steps)).unwrap_or_default()
    }

    /// The samples of the span that ends at `now`, the oldest first.
    fn samples(&self, now: i64) -> Vec<Sample> {
        let steps = i64::try_from(self.slots.len()).unwrap_or_default();
        let oldest = now - steps * self.span.step_seconds();
        let mut found: Vec<_> =
            self.slots.iter().filter(|sample| (oldest + 1..=now).contains(&sample.at_seconds)).copied().collect();
        found.sort_by_key(|sample| sample.at_seconds);
        found
    }
}

/// The rings, and their file.
#[derive(Debug)]
struct Inner {
    tracks: [Track; 3],
    file: Option<File>,
    /// Slots that are not written yet: of which track, and which.
    unwritten: BTreeSet<(usize, usize)>,
}

/// The past of this gateway.
#[derive(Debug)]
pub struct History {
    inner: Mutex<Inner>,
}

impl History {
    /// A past that is empty and that nothing keeps.
    pub fn new() -> Self {
        let mut offset = 1;
        let tracks = Span::ALL.map(|span| {
            let slots = vec![Sample::default(); span.steps().1];
            let at = offset;
            offset += slots.len();
            Track { span, slots, offset: at, base: Counts::default(), earlier: Sample::default(), step: 0 }
        });
        Self { inner: Mutex::new(Inner { tracks, file: None, unwritten: BTreeSet::new() }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Samples are whole whatever the holder did.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file, or makes a new one in the place of one that is missing or of another form. Blocks.
    ///
    /// # Errors
    /// If there can be no file: then the past is forgotten with the process.
    pub fn open(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(path)?;
        let mut inner = self.inner();
        let mut bytes = vec![0; inner.file_bytes()];
        let length = file.metadata()?.len();
        let is_ours =
            length == bytes.len() as u64 && file.read_exact_at(&mut bytes, 0).is_ok() && bytes.starts_with(MAGIC);
        if is_ours {
            for track in &mut inner.tracks {
                let slots = bytes.chunks_exact(SAMPLE_BYTES).skip(track.offset);
                for (slot, bytes) in track.slots.iter_mut().zip(slots) {
                    *slot = Sample::decode(bytes).unwrap_or_default();
                }
            }
        } else {
            file.set_len(0)?;
            file.set_len(bytes.len() as u64)?;
            file.write_all_at(MAGIC, 0)?;
        }
        inner.file = Some(file);
        Ok(())
    }

    /// Brings the samples of the steps that run up to date, in memory and in the file. Blocks as long as a write to the
    /// page cache does.
    ///
    /// # Errors
    /// If the file cannot be written; the samples are in memory all the same.
    pub fn note(&self, now: Timestamp, counts: &Counts, reading: Reading) -> io::Result<()> {
        let mut inner = self.inner();
        inner.note(now, counts, reading);
        inner.write()
    }

    /// As `note`, in memory only: for whoever wants to see the steps that run as they are now.
    pub fn look(&self, now: Timestamp, counts: &Counts, reading: Reading) {
        self.inner().note(now, counts, reading);
    }

    /// The samples of a span that ends at `now`, the oldest first. Steps in which the server did not run are not there.
    pub fn samples(&self, span: Span, now: Timestamp) -> Vec<Sample> {
        let inner = self.inner();
        let track = inner.tracks.iter().find(|track| track.span == span);
        track.map(|track| track.samples(now.seconds())).unwrap_or_default()
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn note(&mut self, now: Timestamp, counts: &Counts, reading: Reading) {
        for (number, track) in self.tracks.iter_mut().enumerate() {
            let changed = track.note(now.seconds(), counts, reading);
            self.unwritten.extend(changed.into_iter().map(|slot| (number, slot)));
        }
    }

    fn write(&mut self) -> io::Result<()> {
        // What could not be written is written by its next change, or not at all.
        for (track, slot) in std::mem::take(&mut self.unwritten) {
            let track = &self.tracks[track];
            if let Some(file) = &self.file {
                let place = (track.offset + slot) * SAMPLE_BYTES;
                file.write_all_at(&track.slots[slot].encode(), place as u64)?;
            }
        }
        Ok(())
    }

    fn file_bytes(&self) -> usize {
        let slots: usize = self.tracks.iter().map(|track| track.slots.len()).sum();
        (1 + slots) * SAMPLE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{History, Reading, Sample, Span};
    use crate::telemetry::tally::Tally;
    use crate::types::Timestamp;

    const START: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(START + seconds)
    }

    fn count(tally: &Tally, requests: u64) {
        for _ in 0..requests {
            tally.ended(200, Duration::from_millis(4), 10, 20);
        }
    }

    fn shape(history: &History, span: Span, now: i64) -> Vec<(i64, u64)> {
        history.samples(span, at(now)).iter().map(|sample| (sample.at_seconds - START, sample.requests)).collect()
    }

    #[test]
    fn each_step_has_what_ended_in_it_and_steps_without_a_server_are_absent() {
        let (history, tally) = (History::new(), Tally::default());
        history.note(at(0), &tally.read(), Reading::default()).unwrap();
        count(&tally, 3);
        history.note(at(4), &tally.read(), Reading::default()).unwrap();
        count(&tally, 2);
        history.note(at(12), &tally.read(), Reading::default()).unwrap();
        count(&tally, 1);
        history.note(at(19), &tally.read(), Reading { resident_bytes: 7, ..Reading::default() }).unwrap();
        assert_eq!(shape(&history, Span::Hour, 19), [(0, 5), (10, 1)]);
        assert_eq!(shape(&history, Span::Day, 19), [(0, 6)]);
        let newest = history.samples(Span::Hour, at(19))[1];
        assert_eq!((newest.received_bytes, newest.sent_bytes, newest.reading.resident_bytes), (10, 20, 7));
        assert!((3_500..4_500).contains(&newest.latency_p50_micros.unwrap()));
        history.note(at(40), &tally.read(), Reading::default()).unwrap();
        assert_eq!(shape(&history, Span::Hour, 40), [(0, 5), (10, 1), (40, 0)]);
        assert_eq!(history.samples(Span::Hour, at(40))[2].latency_p50_micros, None);
        assert!(shape(&history, Span::Hour, 40 + 3_600).is_empty(), "an hour later nothing is left of it");
    }

    #[test]
    fn a_ring_has_no_more_than_its_steps() {
        let (history, tally) = (History::new(), Tally::default());
        for step in 0..1_000 {
            count(&tally, 1);
            history.note(at(step * 10), &tally.read(), Reading::default()).unwrap();
        }
        let samples = shape(&history, Span::Hour, 9_990);
        assert_eq!(samples.len(), 360);
        assert_eq!((samples[0], samples[359].0), ((6_400, 1), 9_990));
    }

    #[test]
    fn the_past_survives_a_restart_and_a_step_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        for run in 0..2 {
            let (history, tally) = (History::new(), Tally::default());
            history.open(&path).expect("a file can be made");
            history.note(at(20 * run), &tally.read(), Reading::default()).unwrap();
            count(&tally, 5);
            history.note(at(20 * run + 5), &tally.read(), Reading::default()).unwrap();
        }
        let history = History::new();
        history.open(&path).unwrap();
        assert_eq!(shape(&history, Span::Hour, 30), [(0, 5), (20, 5)]);
        assert_eq!(shape(&history, Span::Day, 30), [(0, 10)]);
        assert_eq!(shape(&history, Span::Month, 30), [(0, 10)]);
        let sizes = [("history", 131_424)];
        for (name, bytes) in sizes {
            assert_eq!(std::fs::metadata(directory.path().join(name)).unwrap().len(), bytes);
        }
    }

    #[test]
    fn a_damaged_slot_is_left_out_and_a_damaged_file_starts_anew() {
        use std::os::unix::fs::FileExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        let (history, tally) = (History::new(), Tally::default());
        history.open(&path).unwrap();
        count(&tally, 5);
        history.note(at(0), &tally.read(), Reading::default()).unwrap();
        history.note(at(10), &tally.read(), Reading::default()).unwrap();
        let slots = usize::try_from((START / 10) % 360).unwrap() + 1;
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"x", (slots * 96 + 9) as u64).unwrap();
        let reread = || {
            let history = History::new();
            history.open(&path).expect("whatever is in it");
            shape(&history, Span::Hour, 10)
        };
        assert_eq!(reread(), [(10, 0)]);
        file.write_all_at(b"X", 0).unwrap();
        assert!(reread().is_empty());
        std::fs::write(&path, "short").unwrap();
        assert!(reread().is_empty());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 131_424);
    }

    #[test]
    fn a_sample_is_read_as_it_was_written() {
        let reading = Reading { resident_bytes: 8, disk_free_bytes: 9, requests_in_flight: 10 };
        let sample = Sample {
            at_seconds: 1,
            requests: 2,
            errors_4xx: 3,
            errors_5xx: 4,
            refused: 5,
            received_bytes: 6,
            sent_bytes: 7,
            latency_p50_micros: Some(11),
            latency_p99_micros: None,
            reading,
        };
        assert_eq!(Sample::decode(&sample.encode()), Some(sample));
        assert_eq!(Sample::decode(&[0; 96]), None);
        for at in 0..96 {
            let mut bytes = sample.encode();
            bytes[at] ^= 1;
            assert_eq!(Sample::decode(&bytes), None, "byte {at}");
        }
    }
}
