//! Bodies of requests: a few bytes, or a stream that somebody feeds piece by piece.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::limits::transfer::TRANSFER_PIECES;

/// The body of a request. Its length is known from the start, so that no server has to take chunks.
pub(crate) enum Payload {
    /// Bytes in memory.
    Whole(Option<Bytes>),
    /// Pieces that a `Feed` brings.
    Fed {
        /// Where they come out.
        pieces: mpsc::Receiver<Bytes>,
        /// Bytes that are still to come.
        left: u64,
    },
}

/// Where the pieces of a body go in.
pub(crate) struct Feed {
    pieces: mpsc::Sender<Bytes>,
    moved: Arc<AtomicU64>,
}

impl Payload {
    /// Bytes in memory.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// A stream of `length` bytes, what feeds it, and the count of what moved so far.
    pub(crate) fn fed(length: u64) -> (Self, Feed, Arc<AtomicU64>) {
        let (sender, pieces) = mpsc::channel(TRANSFER_PIECES);
        let moved = Arc::new(AtomicU64::new(0));
        let feed = Feed { pieces: sender, moved: Arc::clone(&moved) };
        (Self::Fed { pieces, left: length }, feed, moved)
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Fed { left, .. } => *left,
        }
    }
}

impl Feed {
    /// A feed for somebody else than a request.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, pieces) = mpsc::channel(TRANSFER_PIECES);
        (Self { pieces: sender, moved: Arc::default() }, pieces)
    }

    /// Hands a piece on, as soon as there is room. Never returns once nobody takes pieces any more: then the request
    /// has ended, and what it came to counts.
    pub(crate) async fn send(&self, piece: Bytes) {
        let length = piece.len() as u64;
        if self.pieces.send(piece).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.moved.fetch_add(length, Ordering::Relaxed);
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Fed { left: 0, .. } => Poll::Ready(None),
            Self::Fed { pieces, left } => pieces.poll_recv(context).map(|piece| {
                let rest = piece.as_ref().and_then(|piece| left.checked_sub(piece.len() as u64));
                Some(match (piece, rest) {
                    (Some(piece), Some(rest)) => {
                        *left = rest;
                        Ok(Frame::data(piece))
                    }
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}
