//! The counters of a guided run. `rustc -Cpasses=sancov-module` gives every edge of the program a byte that counts how
//! often it was taken, and hands them over before `main`. Nothing of this is in an ordinary build or test.

#![allow(unsafe_code, reason = "the compiler's counters are plain memory")]

use std::sync::Mutex;

/// Counters that are compared with zero at once. Nearly all of them are: the comparison is the C library's, which has
/// no counters and is fast whatever the program was built with.
const PAGE: usize = 1024;

/// The counters, one piece per object file, by their address and number.
static PIECES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called once per object file before `main`.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, end: *mut u8) {
    let length = end.addr() - start.addr();
    PIECES.lock().expect("nobody panics with it").push((start.expose_provenance(), length));
}

/// Calls `see` with the place and the number of times of every edge that was taken, and forgets it.
fn take_each(mut see: impl FnMut(usize, u8)) {
    const NONE: [u8; PAGE] = [0; PAGE];
    let mut page = NONE;
    let mut place = 0;
    for (start, length) in PIECES.lock().expect("nobody panics with it").iter() {
        let start = std::ptr::with_exposed_provenance_mut::<u8>(*start);
        for at in (0..*length).step_by(PAGE) {
            let page = &mut page[..PAGE.min(length - at)];
            // SAFETY: the compiler passed the bounds of a section of counters, which lives as long as the program, and
            // `at` and the page's length stay inside. No reference is made: what this very loop counts goes on.
            unsafe { start.add(at).copy_to_nonoverlapping(page.as_mut_ptr(), page.len()) };
            if *page != NONE[..page.len()] {
                // SAFETY: as above.
                unsafe { start.add(at).write_bytes(0, page.len()) };
                for (offset, times) in page.iter().enumerate().filter(|(_, times)| **times > 0) {
                    see(place + at + offset, *times);
                }
            }
        }
        place += length;
    }
}

/// Forgets what was taken.
pub(super) fn reset() {
    take_each(|_, _| {});
}

/// The edges that were taken.
pub(super) fn edges() -> impl Iterator<Item = usize> {
    let mut edges = Vec::new();
    take_each(|place, _| edges.push(place));
    edges.into_iter()
}

/// What all inputs together reached: a bit for each of once, twice, three, 4..8, 8..16, 16..32, 32..128 times, more.
pub(super) struct Map(Vec<u8>);

impl Map {
    pub(super) fn new() -> Self {
        let places = PIECES.lock().expect("nobody panics with it").iter().map(|(_, length)| length).sum();
        assert!(places > 0, "the program was built without counters: see scripts/fuzz");
        Self(vec![0; places])
    }

    /// Adds what was taken since `reset`; whether any of it is new.
    pub(super) fn take(&mut self) -> bool {
        let mut is_new = false;
        take_each(|place, times| {
            let bit = match times {
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
