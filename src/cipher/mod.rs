//! Encryption of bodies at rest: keys, envelopes and sealed segments. Pure: bytes in, bytes out. Knows nothing of
//! chunk files, metadata, HTTP, or where a key ring is kept.
//!
//! # What is encrypted with what
//!
//! Each object (or multipart upload) has a random *data key*. Its *envelope*, which is stored beside the version,
//! holds the data key wrapped under a key of the ring (SSE-S3, SSE-KMS) or under the customer's key (SSE-C). So a new
//! wrapping key touches envelopes only, and a copy between two ways of encryption shares its chunks.
//!
//! Each chunk is sealed under a key of its own, derived from the data key with a salt of 256 random bits. In a chunk,
//! each *segment* (at most one block, never across a span) is sealed with AES-256-GCM at the place of its plaintext:
//! a body is as long sealed as it is plain, so ranges, spans and extents stay what they are. The tags are gathered in
//! the chunk's *appendix*, which itself is authenticated: where the chunk lies in its body, of which part, and whether
//! it is the last. A chunk that is cut, swapped, moved or of another object does not open.
//!
//! A body that is kept beside its row has one tag, in the envelope.
//!
//! # What that does not stop
//!
//! Who can write the database, and has no key, cannot read or forge bytes. But names and lists are the database's word:
//! that hand can put an object with its envelope under another name, bring back an older version of it, or leave whole
//! parts out of it.

pub mod chunk;
pub mod envelope;
pub mod error;
pub mod key;
pub mod key_ring;
pub mod sequence;
pub mod shared;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkOpener, ChunkSealer, Placement};
pub use envelope::{Envelope, Holder, Protection};
pub use error::CipherError;
pub use key::{BodyKey, CustomerKey, DataKey, InlineTag};
pub use key_ring::{KeyLoss, KeyRing, KeyRingError};
pub use sequence::Sequence;
pub use shared::SharedKeyRing;
