//! Hashes: the algorithms that clients ask for, the tee that feeds them in one pass, and the arithmetic that
//! combines checksums of parts. No I/O, no async.

pub mod checksum;
pub mod tee;

pub use checksum::{ChecksumHasher, combine_crcs};
pub use tee::{Digests, Tee};
