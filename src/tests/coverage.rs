//! The counters of a guided run. `rustc -Cpasses=sancov-module` gives every edge of the program a byte that counts how
//! often it was taken, and hands them over before `main`. Nothing of this is in an ordinary build or test.

#![allow(unsafe_code, reason = "the compiler's counters are plain memory")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The counters, one piece per object file.
static PIECES: Mutex<Vec<&'static [AtomicU8]>> = Mutex::new(Vec::new());

/// Called once per object file before `main`.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, end: *const AtomicU8) {
    // SAFETY: the compiler passes the bounds of a section of counters, which lives as long as the program.
    let piece = unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) };
    PIECES.lock().expect("nobody panics with it").push(piece);
}

/// Calls `see` with the place and the counter of every edge that was taken.
fn each_taken(mut see: impl FnMut(usize, &AtomicU8)) {
    let mut place = 0;
    for piece in PIECES.lock().expect("nobody panics with it").iter() {
        // SAFETY: eight counters in a row are as good as one number.
        let (head, words, tail) = unsafe { piece.align_to::<AtomicU64>() };
        let mut see_all = |start: usize, counters: &[AtomicU8]| {
            for (at, counter) in counters.iter().enumerate() {
                if counter.load(Ordering::Relaxed) > 0 {
                    see(place + start + at, counter);
                }
            }
        };
        see_all(0, head);
        for (at, word) in words.iter().enumerate() {
            if word.load(Ordering::Relaxed) != 0 {
                let start = head.len() + at * 8;
                see_all(start, &piece[start..start + 8]);
            }
        }
        see_all(piece.len() - tail.len(), tail);
        place += piece.len();
    }
}

/// Forgets what was taken.
pub(super) fn reset() {
    each_taken(|_, counter| counter.store(0, Ordering::Relaxed));
}

/// The edges that were taken.
pub(super) fn edges() -> impl Iterator<Item = usize> {
    let mut edges = Vec::new();
    each_taken(|place, _| edges.push(place));
    edges.into_iter()
}

/// What all inputs together reached: a bit for each of once, twice, three, 4..8, 8..16, 16..32, 32..128 times, more.
pub(super) struct Map(Vec<u8>);

impl Map {
    pub(super) fn new() -> Self {
        let places = PIECES.lock().expect("nobody panics with it").iter().map(|piece| piece.len()).sum();
        assert!(places > 0, "the program was built without counters: see scripts/fuzz");
        Self(vec![0; places])
    }

    /// Adds what was taken since `reset`; whether any of it is new.
    pub(super) fn take(&mut self) -> bool {
        let mut is_new = false;
        each_taken(|place, counter| {
            let bit = match counter.load(Ordering::Relaxed) {
                0 | 1 => 1,
                2 => 2,
                3 => 4,
                4..8 => 8,
                8..16 => 16,
                16..32 => 32,
                32..128 => 64,
                128.. => 128,
            };
            is_new |= self.0[place] & bit == 0;
            self.0[place] |= bit;
        });
        is_new
    }
}
