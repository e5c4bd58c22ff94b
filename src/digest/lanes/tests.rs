use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

use super::{Block, Kernels, LIBRARIES, Lane, SETS, State};

/// Blocks that differ from stream to stream, and from byte to byte.
fn noise(seed: u64, blocks: usize) -> Vec<Block> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..blocks).map(|_| std::array::from_fn(|_| byte())).collect()
}

/// Any state, such as one in the midst of a stream.
fn some_state(seed: u64) -> State {
    let bytes = noise(!seed, 1)[0];
    let word = |at: usize| u32::from_be_bytes(bytes.as_chunks().0[at]);
    State { md5: std::array::from_fn(word), sha256: std::array::from_fn(|at| word(4 + at)) }
}

fn hashed_by(kernels: &Kernels, streams: &[Vec<Block>], states: &[State], blocks: usize) -> Vec<State> {
    let mut states = states.to_vec();
    let mut lanes: Vec<_> = states.iter_mut().zip(streams).map(|(state, blocks)| Lane { state, blocks }).collect();
    kernels.hash(&mut lanes, blocks);
    states
}

#[test]
fn every_kernel_of_this_processor_equals_the_libraries_at_every_number_of_streams() {
    for kernels in Kernels::runnable() {
        for count in 1..=2 * kernels.lanes_max() + 3 {
            let streams: Vec<_> = (0..count).map(|n| noise(n as u64, 3)).collect();
            let states: Vec<_> = (0..count).map(|n| some_state(n as u64)).collect();
            let expected = hashed_by(&LIBRARIES, &streams, &states, 2);
            assert_eq!(hashed_by(kernels, &streams, &states, 2), expected, "{} of {count}", kernels.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_kernel_equals_the_libraries_over_random_blocks(
        seed in any::<u64>(),
        lengths in prop::collection::vec(0..5_usize, 1..40),
    ) {
        let blocks = lengths[0];
        // Lanes may have more blocks than are hashed, but not fewer.
        let streams: Vec<_> = lengths.iter().enumerate().map(|(n, more)| noise(seed ^ n as u64, blocks + more)).collect();
        let states: Vec<_> = (0..lengths.len()).map(|n| some_state(seed ^ n as u64)).collect();
        let expected = hashed_by(&LIBRARIES, &streams, &states, blocks);
        for kernels in Kernels::runnable() {
            prop_assert_eq!(&hashed_by(kernels, &streams, &states, blocks), &expected, "{}", kernels.name());
        }
    }
}

#[test]
fn a_set_begins_with_one_stream_and_grows_wider() {
    for set in SETS.iter().chain([&LIBRARIES]) {
        assert_eq!(set.tiers[0].0, 1, "{}", set.name());
        for pair in set.tiers.windows(2) {
            let ((from, narrow), (next, wide)) = (pair[0], pair[1]);
            assert!(from < next && narrow.lanes < wide.lanes, "{}: {next} streams", set.name());
            assert!(next > narrow.lanes, "{}: {next} streams are too many before", set.name());
        }
    }
}
