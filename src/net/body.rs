//! Bodies, in and out.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::guard::EndCause;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte for `BODY_PROGRESS_TIMEOUT_MS`, or the drain's deadline.
    #[error("the request was ended: {0:?}")]
    Ended(EndCause),
    /// The client hung up or broke HTTP framing.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// Whoever produced a response body failed; the connection is aborted, never ended short.
    #[error("the response body failed: {0}")]
    Producer(String),
}

/// A response body.
pub type ResponseBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// No bytes.
pub fn empty_body() -> ResponseBody {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Bytes that are at hand.
pub fn full_body(bytes: impl Into<Bytes>) -> ResponseBody {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body whose pieces a closure produces. `remaining` is its exact length, if known: it becomes
/// `Content-Length`.
pub fn stream_body<F>(remaining: Option<u64>, poll: F) -> ResponseBody
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> + Send + 'static,
{
    let _ = (remaining, poll);
    unimplemented!()
}

/// A request body. The first poll makes HTTP send `100 Continue`, if the client waits for it.
pub struct RequestBody {}

impl RequestBody {
    /// The announced length (`Content-Length`), if there is one. `Some(0)` for a request without a body.
    pub fn content_length(&self) -> Option<u64> {
        unimplemented!()
    }

    /// Whether the body has been read to its end.
    pub fn is_end(&self) -> bool {
        unimplemented!()
    }

    /// The next piece, `None` at the end. Fails when no byte comes for `BODY_PROGRESS_TIMEOUT_MS`.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let _ = (Pin::new(self), cx);
        unimplemented!()
    }
}
