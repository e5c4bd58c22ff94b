//! Fuzzing: every parser of bytes that come from outside has a target, a law that holds for all inputs whatever they
//! are. A target replays its corpus (`tests/fuzz/<name>/`) and then makes inputs of its own from it.
//!
//! An ordinary test makes the same inputs every time, so that a change that breaks nothing fails nothing. With
//! `SLUICEGATE_FUZZ_SECONDS` it goes on for so long, with another seed each time. Built with `--cfg fuzzing` and
//! counters (`scripts/fuzz`) it is led by coverage as well: inputs that reach what none reached before are kept,
//! changed further, and the least of them that reach everything join the corpus.
//!
//! What fails is made smaller and written to `target/fuzz/<name>`; once it is understood it belongs into the corpus.

use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Once;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Longest input that is made, in bytes.
const INPUT_BYTES_MAX: usize = 4096;
/// Attempts to make a failing input smaller.
const SHRINK_RUNS_MAX: usize = 2000;
/// Numbers at which counting goes wrong.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];

/// One law and what its inputs are made of.
pub(crate) struct Target<'a> {
    /// Names it, and its directory in the corpus.
    pub(crate) name: &'static str,
    /// What an ordinary test makes, beside the corpus.
    pub(crate) runs: u64,
    /// What inputs of this kind are written in.
    pub(crate) tokens: &'a [&'a str],
    /// Panics if the law does not hold.
    pub(crate) law: &'a dyn Fn(&[u8]),
}

thread_local! {
    /// Whether panics of this thread are expected and say nothing.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Replays the corpus, makes inputs, and fails with the smallest input found that breaks the law.
#[allow(clippy::print_stdout, reason = "a fuzzer says how much it did")]
pub(crate) fn run(target: &Target<'_>) {
    let seconds = std::env::var("SLUICEGATE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let (runs_max, end) = match seconds {
        Some(seconds) => (u64::MAX, Some(Instant::now() + Duration::from_secs(seconds))),
        None => (target.runs, None),
    };
    let seed = if seconds.is_some() { rand::random() } else { 0 };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pool = Pool::load(target);
    let from_corpus = pool.inputs.len();
    let mut runs = 0;
    // The clock is asked now and then: it costs as much as a short input.
    while runs < runs_max && end.is_none_or(|end| !runs.is_multiple_of(64) || Instant::now() < end) {
        let input = mutate(&mut rng, &pool.inputs, target.tokens);
        pool.try_input(target, input);
        runs += 1;
    }
    let found = pool.inputs.len() - from_corpus;
    println!("fuzz {}: {from_corpus} from the corpus, {runs} made (seed {seed}), {found} reached more", target.name);
    pool.keep(target);
}

/// The inputs that others are made from.
struct Pool {
    inputs: Vec<Vec<u8>>,
    #[cfg(fuzzing)]
    map: super::coverage::Map,
}

impl Pool {
    /// Reads the corpus, and tries all of it.
    fn load(target: &Target<'_>) -> Self {
        let directory = corpus(target);
        let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut pool = Self {
            inputs: Vec::new(),
            #[cfg(fuzzing)]
            map: super::coverage::Map::new(),
        };
        for path in paths {
            let input = fs::read(&path).unwrap();
            pool.try_input(target, input.clone());
            // Whatever is in the corpus stays in the pool, also what reaches nothing new.
            if pool.inputs.last() != Some(&input) {
                pool.inputs.push(input);
            }
        }
        assert!(!pool.inputs.is_empty(), "{}: the corpus is empty", target.name);
        pool
    }

    #[cfg(not(fuzzing))]
    fn try_input(&mut self, target: &Target<'_>, input: Vec<u8>) {
        check(target, &input);
    }

    #[cfg(fuzzing)]
    fn try_input(&mut self, target: &Target<'_>, input: Vec<u8>) {
        check(target, &input);
        if self.map.take() {
            self.inputs.push(input);
        }
    }

    #[cfg(not(fuzzing))]
    fn keep(&self, _target: &Target<'_>) {}

    /// Adds to the corpus what reaches something that its files do not reach, the shortest first.
    #[cfg(fuzzing)]
    fn keep(&self, target: &Target<'_>) {
        const FILES_MAX: usize = 60;
        let directory = corpus(target);
        let mut reached = std::collections::HashSet::new();
        let mut reach = |input: &[u8]| {
            super::coverage::reset();
            check(target, input);
            super::coverage::edges().filter(|edge| reached.insert(*edge)).count()
        };
        let mut files = 0;
        for entry in fs::read_dir(&directory).unwrap() {
            reach(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        let mut inputs: Vec<&Vec<u8>> = self.inputs.iter().collect();
        inputs.sort_by_key(|input| input.len());
        for input in inputs {
            if files < FILES_MAX && reach(input) > 0 {
                fs::write(directory.join(name_of(input)), input).unwrap();
                files += 1;
            }
        }
    }
}

fn corpus(target: &Target<'_>) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target.name)
}

fn name_of(input: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(input))
}

/// Checks one input. What breaks the law is made smaller, written down, and breaks the test.
fn check(target: &Target<'_>, input: &[u8]) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.law)(input))) else { return };
    let small = shrink(target, input);
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/fuzz").join(target.name);
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name_of(&small));
    fs::write(&path, &small).unwrap();
    // Once more, aloud: the message is about the small input.
    let said = catch_unwind(AssertUnwindSafe(|| (target.law)(&small)));
    #[allow(clippy::print_stderr, reason = "says what the panic cannot know")]
    {
        eprintln!(
            "fuzz {}: this input breaks the law ({}): b\"{}\"",
            target.name,
            path.display(),
            small.escape_ascii()
        );
    }
    resume_unwind(said.err().unwrap_or(panic));
}

fn breaks(target: &Target<'_>, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.law)(input))).is_err()
}

/// Cuts pieces out while the law stays broken.
fn shrink(target: &Target<'_>, input: &[u8]) -> Vec<u8> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let mut small = input.to_vec();
    let mut piece = small.len() / 2;
    let mut runs = 0;
    while piece > 0 && runs < SHRINK_RUNS_MAX {
        let mut at = 0;
        while at < small.len() && runs < SHRINK_RUNS_MAX {
            let mut shorter = small.clone();
            shorter.drain(at..(at + piece).min(small.len()));
            runs += 1;
            if breaks(target, &shorter) {
                small = shorter;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    QUIET.set(false);
    small
}

/// A new input: one of the pool, changed in a few places.
fn mutate(rng: &mut StdRng, pool: &[Vec<u8>], tokens: &[&str]) -> Vec<u8> {
    // What was found last is what is least known.
    let recent = pool.len().saturating_sub(16);
    let mut input = match rng.random_range(0..16) {
        0 => Vec::new(),
        1..5 => pool[recent..].choose(rng).cloned().unwrap_or_default(),
        _ => pool.choose(rng).cloned().unwrap_or_default(),
    };
    for _ in 0..1 << rng.random_range(0..4) {
        change(rng, &mut input, pool, tokens);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(rng: &mut StdRng, input: &mut Vec<u8>, pool: &[Vec<u8>], tokens: &[&str]) {
    let at = rng.random_range(0..=input.len());
    let longest = 1 << rng.random_range(0..8);
    let length = rng.random_range(0..=(input.len() - at).min(longest));
    match rng.random_range(0..12) {
        0 | 1 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
        2 if at < input.len() => input[at] = rng.random(),
        3 => input.insert(at, rng.random()),
        4 => drop(input.drain(at..at + length)),
        5 | 6 => {
            if let Some(token) = tokens.choose(rng) {
                drop(input.splice(at..at, token.bytes()));
            }
        }
        7 => {
            if let Some(token) = tokens.choose(rng) {
                let end = (at + token.len()).min(input.len());
                drop(input.splice(at..end, token.bytes()));
            }
        }
        8 => {
            let piece = input[at..at + length].to_vec();
            let to = rng.random_range(0..=input.len());
            let times = if rng.random_ratio(1, 8) { rng.random_range(1..64) } else { 1 };
            let piece = piece.repeat(times);
            drop(input.splice(to..to, piece));
        }
        9 => {
            let other = pool.choose(rng).map_or(&[][..], Vec::as_slice);
            let from = rng.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        10 => {
            let number = NUMBERS.choose(rng).map_or("", |number| *number);
            let digits = input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            drop(input.splice(at..at + digits, number.bytes()));
        }
        11 if rng.random_ratio(1, 4) => input.truncate(at),
        _ => {}
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Cuts `bytes` into pieces whose lengths `choice` decides: one by one, or at random up to so many bytes.
pub(crate) fn pieces(bytes: &[u8], choice: u8) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut lengths = StdRng::seed_from_u64(u64::from(choice));
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = match choice {
            0 => 1,
            _ => lengths.random_range(1..=usize::from(choice)),
        };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[test]
fn a_law_that_is_broken_is_told_with_the_smallest_input() {
    let law = |input: &[u8]| assert!(!input.windows(2).any(|pair| pair == b"<!"));
    let target = Target { name: "self", runs: 1, tokens: &[], law: &law };
    QUIET.set(true);
    assert_eq!(shrink(&target, b"some text with <!-- in it"), b"<!");
}

#[test]
fn pieces_make_the_whole() {
    for choice in [0, 1, 2, 7, 255] {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(pieces(&bytes, choice).concat(), bytes);
    }
}
