//! What the black-box tests share: a gateway process, and a client that speaks HTTP itself, so that every
//! header, every byte and every hang-up is the test's own.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

pub mod client;
pub mod receiver;
pub mod server;
pub mod siege;

pub use client::{Answer, Client, Credentials};
pub use server::Server;

/// `length` bytes that differ from seed to seed and do not repeat within a block.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The MD5 of `bytes` in hex: the ETag that a PUT of them must get.
pub fn md5_hex(bytes: &[u8]) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(bytes))
}
