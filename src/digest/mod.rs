//! Hashes: the algorithms that clients ask for, the tee that feeds them in one pass, the flight in which many tees
//! share the lanes of the processor, the running checksum of stored spans, and the arithmetic that combines checksums
//! of parts. No I/O, no async, no threads.

pub mod checksum;
pub mod flight;
pub mod lanes;
mod stream;
pub mod tee;

pub use checksum::{ChecksumHasher, SpanCrc, combine_crcs};
pub use flight::{Flight, Work};
pub use lanes::Kernels;
pub use tee::{Digests, Tee};
