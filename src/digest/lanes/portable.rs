//! The libraries, stream after stream: what every processor runs, and what ends a stream.

use md5::block_api::Md5Core;
use md5::digest::array::Array;
use md5::digest::block_api::UpdateCore as _;
use md5::digest::common::hazmat::SerializableState as _;
use sha2::block_api::compress256;

use super::{Block, Lane};

/// Adds blocks to an MD5.
pub(in crate::digest) fn md5_blocks(state: &mut [u32; 4], blocks: &[Block]) {
    // The library shows its state in bytes, followed by the number of blocks, which it needs at its own end only.
    let mut words = [0; 24];
    for (bytes, word) in words.as_chunks_mut().0.iter_mut().zip(&*state) {
        *bytes = word.to_le_bytes();
    }
    let mut md5 = Md5Core::deserialize(&words.into()).expect("every state of MD5 is one");
    md5.update_blocks(Array::cast_slice_from_core(blocks));
    for (word, bytes) in state.iter_mut().zip(md5.serialize().as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
}

/// Adds blocks to a SHA-256.
pub(in crate::digest) fn sha256_blocks(state: &mut [u32; 8], blocks: &[Block]) {
    compress256(state, blocks);
}

/// Hashes the first `blocks` blocks of any number of lanes.
pub(super) fn both(lanes: &mut [Lane<'_>], blocks: usize) {
    for lane in lanes {
        let blocks = &lane.blocks[..blocks];
        md5_blocks(&mut lane.state.md5, blocks);
        sha256_blocks(&mut lane.state.sha256, blocks);
    }
}
