//! Where body bytes come from: the seam that lets the engine pull bytes without knowing HTTP.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::types::ChecksumValue;

/// Why a source gave up. Opaque here; whoever made the source knows the type inside.
#[derive(Debug, thiserror::Error)]
#[error("the body could not be read: {0}")]
pub struct SourceError(pub Box<dyn std::error::Error + Send + Sync>);

/// A body that arrives piece by piece.
///
/// A source has verified everything that it can verify by itself (length, frame signatures) by the time it
/// returns `Ready(None)`; it returns an error instead if something is wrong.
pub trait ByteSource: Send {
    /// The next piece, `None` at the end. Pieces are as large as the transport made them, never empty.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>>;

    /// The checksum that a trailer carried; asked once, after `poll_next` returned `None`.
    fn trailer_checksum(&self) -> Option<ChecksumValue>;
}
