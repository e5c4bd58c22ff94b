//! The kernels of vector lanes, once for all widths: each stream is one lane of every vector. The module that uses
//! `kernels!` says what a vector is. A macro, because functions for other instruction sets cannot be generic over
//! them.

/// Defines `both` (MD5 and SHA-256 in vectors) and, with `with_sha_ni`, `beside_sha_ni`, of the features `$features`
/// and `LANES` lanes. Lanes that no stream is in hash what the first one does, for nobody.
macro_rules! kernels {
    ($features:literal) => {
        /// Four steps of MD5.
        #[inline]
        #[target_feature(enable = $features)]
        fn four_steps(quad: usize, state: &mut [Vector; 4], words: &[Vector; 16]) {
            for within in 0..4 {
                let step = 4 * quad + within;
                let [a, b, c, d] = [0, 1, 2, 3].map(|place: usize| state[(place + 4 - within) % 4]);
                let ready = settled(add(a, add(words[md5_word(step)], splat(MD5_K[step]))));
                let mixed = match quad / 4 {
                    0 => choose(b, c, d),
                    1 => choose_late(d, b, c),
                    2 => xor3(b, c, d),
                    _ => xor_or_not(c, b, d),
                };
                let sum = add(ready, mixed);
                state[(4 - within) % 4] = add(rotate_left(sum, MD5_SHIFTS[quad / 4][within]), b);
            }
        }

        /// Four rounds of SHA-256.
        #[inline]
        #[target_feature(enable = $features)]
        fn four_rounds(group: usize, state: &mut [Vector; 8], words: &mut [Vector; 16]) {
            for within in 0..4 {
                let round = 4 * group + within;
                let at = round % 16;
                if round >= 16 {
                    let (early, late) = (words[(round + 1) % 16], words[(round + 14) % 16]);
                    let s0 = xor3(rotate_right(early, 7), rotate_right(early, 18), shift_right(early, 3));
                    let s1 = xor3(rotate_right(late, 17), rotate_right(late, 19), shift_right(late, 10));
                    words[at] = add(add(words[at], s0), add(words[(round + 9) % 16], s1));
                }
                let [a, b, c, d, e, f, g, h] = *state;
                let s1 = xor3(rotate_right(e, 6), rotate_right(e, 11), rotate_right(e, 25));
                let ready = add(h, add(words[at], splat(SHA256_K[round])));
                let first = add(ready, add(s1, choose(e, f, g)));
                let s0 = xor3(rotate_right(a, 2), rotate_right(a, 13), rotate_right(a, 22));
                let second = add(s0, majority(a, b, c));
                *state = [add(first, second), a, b, c, add(d, first), e, f, g];
            }
        }

        /// Word `number` of each stream's state.
        #[inline]
        #[target_feature(enable = $features)]
        fn gather<const N: usize>(lanes: &[Lane<'_>], of: fn(&State) -> &[u32; N]) -> [Vector; N] {
            let mut gathered = [splat(0); N];
            for (number, vector) in gathered.iter_mut().enumerate() {
                let words: [u32; LANES] =
                    std::array::from_fn(|n| lanes.get(n).map_or(0, |lane| of(lane.state)[number]));
                *vector = load_words(&words);
            }
            gathered
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn scatter<const N: usize>(vectors: &[Vector; N], lanes: &mut [Lane<'_>], of: fn(&mut State) -> &mut [u32; N]) {
            for (number, vector) in vectors.iter().enumerate() {
                for (lane, word) in lanes.iter_mut().zip(store_words(*vector)) {
                    of(lane.state)[number] = word;
                }
            }
        }

        /// Hashes the first `blocks` blocks of up to `LANES` streams, both hashes in vectors.
        #[target_feature(enable = $features)]
        pub(super) fn both(lanes: &mut [Lane<'_>], blocks: usize) {
            let mut md5 = gather(lanes, |state| &state.md5);
            let mut sha256 = gather(lanes, |state| &state.sha256);
            let input: [&[Block]; LANES] = std::array::from_fn(|n| &lanes.get(n).unwrap_or(&lanes[0]).blocks[..blocks]);
            for number in 0..blocks {
                let words = transpose(input.map(|blocks| &blocks[number]));
                let mut schedule = words;
                for word in &mut schedule {
                    *word = swap_bytes(*word);
                }
                let before = (md5, sha256);
                macro_rules! group {
                    ($group:literal) => {
                        four_steps($group, &mut md5, &words);
                        four_rounds($group, &mut sha256, &mut schedule);
                    };
                }
                sixteen_groups!(group);
                for (word, before) in md5.iter_mut().zip(before.0) {
                    *word = add(*word, before);
                }
                for (word, before) in sha256.iter_mut().zip(before.1) {
                    *word = add(*word, before);
                }
            }
            scatter(&md5, lanes, |state| &mut state.md5);
            scatter(&sha256, lanes, |state| &mut state.sha256);
        }
    };
    ($features:literal, with_sha_ni $more:literal) => {
        kernels!($features);

        /// Hashes the first `blocks` blocks of up to `4 * FOURS` streams: MD5 in vectors, and between its steps
        /// SHA-256 by the SHA extensions, four streams after four.
        #[target_feature(enable = $more)]
        pub(super) fn beside_sha_ni<const FOURS: usize>(lanes: &mut [Lane<'_>], blocks: usize) {
            let mut md5 = gather(lanes, |state| &state.md5);
            let mut sha256 = [[sha_ni::open(&lanes[0].state.sha256); 4]; FOURS];
            for (words, lane) in sha256.as_flattened_mut().iter_mut().zip(&*lanes) {
                *words = sha_ni::open(&lane.state.sha256);
            }
            let input: [&[Block]; LANES] = std::array::from_fn(|n| &lanes.get(n).unwrap_or(&lanes[0]).blocks[..blocks]);
            let mut rounds = [sha_ni::Rounds::new(); 4];
            for number in 0..blocks {
                let block: [&Block; LANES] = input.map(|blocks| &blocks[number]);
                let words = transpose(block);
                let before = md5;
                macro_rules! group {
                    ($group:literal) => {
                        four_steps($group, &mut md5, &words);
                        for within in 0..FOURS {
                            let turn = $group * FOURS + within;
                            let (four, group) = (turn / 16, turn % 16);
                            for n in 0..4 {
                                if group == 0 {
                                    rounds[n].begin(&sha256[four][n]);
                                }
                                rounds[n].four_rounds(group, block[4 * four + n]);
                                if group == 15 {
                                    rounds[n].end(&mut sha256[four][n]);
                                }
                            }
                        }
                        keep_place(&mut md5);
                        for rounds in &mut rounds {
                            rounds.keep_place();
                        }
                    };
                }
                sixteen_groups!(group);
                for (word, before) in md5.iter_mut().zip(before) {
                    *word = add(*word, before);
                }
            }
            scatter(&md5, lanes, |state| &mut state.md5);
            for (lane, words) in lanes.iter_mut().zip(sha256.as_flattened()) {
                lane.state.sha256 = sha_ni::close(words);
            }
        }
    };
}
pub(super) use kernels;
