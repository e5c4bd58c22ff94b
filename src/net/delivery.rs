//! A response on its way out: how much of it the client has taken, and what to note when it ends early.
//!
//! Wraps the bodies of upper layers. What those hold (leases, tickets, spans) is dropped with them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::guard::EndCause;
use crate::limits::LOG_PATH_BYTES_MAX;
use crate::net::state::{Busy, Unsent};
use crate::net::{BodyError, ResponseBody};

/// One request and its answer until the last byte was taken. Noted in the log if that does not come about.
#[derive(Debug)]
pub(crate) struct Delivery {
    busy: Busy,
    method: http::Method,
    path: Box<str>,
    unsent: Arc<Unsent>,
    /// The body has been handed over to its end.
    ended: AtomicBool,
    /// Bytes of the body were thrown away.
    lost: AtomicBool,
    /// The failure of the body is in the log already.
    noted: AtomicBool,
}

impl Delivery {
    /// The answer to this request.
    pub(crate) fn new(busy: Busy, method: http::Method, uri: &http::Uri) -> Self {
        let path = uri.path();
        // A copy: the request's own would keep the connection's read buffer alive as long as the response.
        let end = path.floor_char_boundary(LOG_PATH_BYTES_MAX);
        Self {
            busy,
            method,
            path: path[..end].into(),
            unsent: Arc::default(),
            ended: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            noted: AtomicBool::new(false),
        }
    }

    /// Whether the method was HEAD: its answer has no body.
    pub(crate) fn is_head(&self) -> bool {
        self.method == http::Method::HEAD
    }

    /// Whether others wait for the connection that it goes over. HTTP/2 has no words for one request.
    pub(crate) fn is_among_too_many(&self) -> bool {
        self.busy.state().is_scarce() && !self.busy.state().is_http2()
    }

    fn failed(&self, error: &BodyError) {
        tracing::warn!(
            peer = %self.busy.state().address, method = %self.method, path = %self.path,
            error = error as &dyn std::error::Error, "response aborted",
        );
        self.noted.store(true, Ordering::Release);
        // One bad HTTP/2 stream is reset by itself, its neighbours go on.
        if !self.busy.state().is_http2() {
            self.busy.state().reset_at_close();
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let complete = self.ended.load(Ordering::Acquire) && !self.lost.load(Ordering::Acquire);
        if complete || self.noted.load(Ordering::Acquire) {
            return;
        }
        let cause = match self.busy.state().cause().unwrap_or(EndCause::ClientGone) {
            EndCause::ClientGone => "client gone",
            EndCause::Deadline => "deadline",
            EndCause::Slow => "too slow while connections were scarce",
            EndCause::Drain => "drain",
        };
        tracing::info!(
            peer = %self.busy.state().address, method = %self.method, path = %self.path, cause,
            "request ended early",
        );
    }
}

/// Bytes of a response that count as unsent until the connection has taken them.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    delivery: Arc<Delivery>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.delivery.unsent.take(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // Thrown away: the answer is not complete, whatever the body says.
        if !self.bytes.is_empty() {
            self.delivery.lost.store(true, Ordering::Release);
            self.delivery.unsent.take(self.bytes.len());
        }
    }
}

/// The body of a response, watched.
pub(crate) struct WatchedBody {
    inner: ResponseBody,
    delivery: Arc<Delivery>,
}

impl WatchedBody {
    /// Watches `inner`.
    pub(crate) fn new(inner: ResponseBody, delivery: Delivery) -> Self {
        delivery.busy.state().watch(&delivery.unsent);
        Self { inner, delivery: Arc::new(delivery) }
    }
}

impl Body for WatchedBody {
    type Data = Piece;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)) else {
            self.delivery.ended.store(true, Ordering::Release);
            return Poll::Ready(None);
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                self.delivery.failed(&error);
                return Poll::Ready(Some(Err(error)));
            }
        };
        let frame = frame.map_data(|bytes| {
            self.delivery.unsent.add(bytes.len());
            Piece { bytes, delivery: Arc::clone(&self.delivery) }
        });
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        // HTTP does not poll a body again that says that it has ended.
        if self.inner.is_end_stream() {
            self.delivery.ended.store(true, Ordering::Release);
        }
    }
}
