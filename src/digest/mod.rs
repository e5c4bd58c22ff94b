//! Hashes: the algorithms that clients ask for, the tee that feeds them in one pass, the running checksum of
//! stored spans, and the arithmetic that combines checksums of parts. No I/O, no async.

pub mod checksum;
pub mod tee;

pub use checksum::{ChecksumHasher, SpanCrc, combine_crcs};
pub use tee::{Digests, Tee};
