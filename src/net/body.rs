//! Bodies, in and out.
//!
//! Owns what "the body ended" means: a body that stops before its announced length is an error in both
//! directions, never a short body. Must never know what the bytes are.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::guard::{EndCause, Pace};
use crate::net::state::{Busy, ConnectionState};
use crate::net::throughput::Throughput;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte for `BODY_PROGRESS_TIMEOUT_MS`, too few while connections are scarce, or the drain's deadline.
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
/// `Content-Length`, and fewer or more bytes than that abort the connection.
///
/// With a known length the closure is not called again once all bytes have been produced.
pub fn stream_body<F>(remaining: Option<u64>, poll: F) -> ResponseBody
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> + Send + 'static,
{
    ProducedBody { remaining, poll, ended: false }.boxed_unsync()
}

/// A body whose pieces a closure produces.
struct ProducedBody<F> {
    remaining: Option<u64>,
    poll: F,
    ended: bool,
}

// The closure is only ever called, never pinned.
impl<F> Unpin for ProducedBody<F> {}

impl<F> Body for ProducedBody<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!((self.poll)(cx));
        let outcome = match (piece, self.remaining) {
            (Some(Ok(bytes)), None) => Some(Ok(bytes)),
            (Some(Ok(bytes)), Some(remaining)) => match remaining.checked_sub(bytes.len() as u64) {
                Some(remaining) => {
                    self.remaining = Some(remaining);
                    Some(Ok(bytes))
                }
                None => Some(Err(BodyError::Producer("more bytes than were announced".to_owned()))),
            },
            (None, None | Some(0)) => None,
            (None, Some(missing)) => Some(Err(BodyError::Producer(format!("{missing} bytes are missing")))),
            (Some(Err(error)), _) => Some(Err(error)),
        };
        self.ended = !matches!(outcome, Some(Ok(_)));
        Poll::Ready(outcome.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A request body. The first poll makes HTTP send `100 Continue`, if the client waits for it.
///
/// Dropped before its end, it sees to it that the client can still read the answer: a short rest is read and
/// thrown away, so that the connection stays usable; with a long one the connection closes after the answer.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    content_length: Option<u64>,
    received_bytes: u64,
    /// What slows it down. The client's own slowness is not counted meanwhile: nobody asks for its bytes.
    pace: Option<Box<Pace>>,
    ended: bool,
    failed: bool,
}

#[derive(Debug)]
enum Source {
    /// From a connection.
    Network(Box<Network>),
    /// Given beforehand.
    Pieces(VecDeque<Result<Bytes, BodyError>>),
}

#[derive(Debug)]
struct Network {
    /// Taken only when the body is dropped.
    incoming: Option<Incoming>,
    busy: Busy,
    /// The client waits for `100 Continue` and nobody has polled yet.
    unasked: bool,
    /// Runs while a poll waits for the client.
    timer: Option<Pin<Box<Sleep>>>,
    receiving: Throughput,
}

impl RequestBody {
    /// The body that comes in over a connection.
    pub(crate) fn from_network(incoming: Incoming, busy: Busy, expects_continue: bool) -> Self {
        let content_length = incoming.size_hint().exact();
        let ended = content_length == Some(0);
        let network = Network {
            incoming: Some(incoming),
            busy,
            unasked: expects_continue,
            timer: None,
            receiving: Throughput::default(),
        };
        let source = Source::Network(Box::new(network));
        Self { source, content_length, received_bytes: 0, pace: None, ended, failed: false }
    }

    /// A body made of these pieces, for tests of upper layers. Its announced length is their sum.
    pub fn from_pieces<I, B>(pieces: I) -> Self
    where
        I: IntoIterator<Item = B>,
        B: Into<Bytes>,
    {
        let pieces: VecDeque<Bytes> = pieces.into_iter().map(Into::into).collect();
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            source: Source::Pieces(pieces.into_iter().map(Ok).collect()),
            content_length: Some(bytes),
            received_bytes: 0,
            pace: None,
            ended: bytes == 0,
            failed: false,
        }
    }

    /// The same body with another announced length; `None` is a chunked body.
    #[must_use]
    pub fn with_content_length(mut self, content_length: Option<u64>) -> Self {
        self.content_length = content_length;
        self.ended = content_length == Some(0);
        self
    }

    /// The same body, failing after its pieces. Has no effect on the body of a connection.
    #[must_use]
    pub fn failing_with(mut self, error: BodyError) -> Self {
        if let Source::Pieces(pieces) = &mut self.source {
            pieces.push_back(Err(error));
            self.ended = false;
        }
        self
    }

    /// The same body at a pace.
    #[must_use]
    pub fn at_pace(mut self, pace: Option<Pace>) -> Self {
        self.pace = pace.map(Box::new);
        self
    }

    /// The announced length (`Content-Length`), if there is one. `Some(0)` for a request without a body.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Whether the body has been read to its end.
    pub fn is_end(&self) -> bool {
        self.ended
    }

    /// The next piece, `None` at the end. Fails when no byte comes for `BODY_PROGRESS_TIMEOUT_MS`, when the
    /// connection fails, and when fewer bytes come than were announced.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.failed {
            let text = "the body was read on after it had failed".to_owned();
            return Poll::Ready(Some(Err(BodyError::Transport(text))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_ready(cx));
        }
        let piece = match &mut self.source {
            Source::Network(network) => ready!(network.poll_piece(cx)),
            Source::Pieces(pieces) => pieces.pop_front(),
        };
        let piece = match piece {
            Some(Ok(bytes)) => {
                self.received_bytes += bytes.len() as u64;
                if let Some(pace) = &mut self.pace {
                    pace.note(bytes.len());
                }
                self.ended = self.content_length == Some(self.received_bytes) && !self.fails_later();
                Some(Ok(bytes))
            }
            None if self.content_length.is_some_and(|announced| self.received_bytes < announced) => {
                Some(Err(BodyError::Transport("the body is shorter than its Content-Length".to_owned())))
            }
            None => {
                self.ended = true;
                None
            }
            Some(Err(error)) => Some(Err(error)),
        };
        self.failed = matches!(piece, Some(Err(_)));
        Poll::Ready(piece)
    }

    fn fails_later(&self) -> bool {
        match &self.source {
            Source::Network(_) => false,
            Source::Pieces(pieces) => pieces.iter().any(Result::is_err),
        }
    }
}

impl Network {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.unasked = false;
        let incoming = self.incoming.as_mut().expect("taken only when the body is dropped");
        loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers of HTTP itself mean nothing to us, and an empty frame is no progress.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        let haste = &self.busy.state().settings.haste;
                        self.receiving.moved(bytes.len(), Instant::now(), haste);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(failure(self.busy.state(), &error))));
                }
                // An HTTP/2 client that resets its stream with NO_ERROR has not finished its body.
                Poll::Ready(None) if self.busy.state().is_http2() && !incoming.is_end_stream() => {
                    return Poll::Ready(Some(Err(BodyError::Transport("the stream was reset".to_owned()))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return self.poll_timer(cx),
            }
        }
    }

    /// The client makes us wait: for how long still?
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let state = self.busy.state();
        let (timeout, haste) = (state.settings.body_progress_timeout, &state.settings.haste);
        let since = self.receiving.wait(Instant::now());
        loop {
            let now = Instant::now();
            if now >= since + timeout {
                return Poll::Ready(Some(Err(BodyError::Ended(EndCause::Deadline))));
            }
            if state.is_scarce() && self.receiving.is_slow(now, haste) {
                return Poll::Ready(Some(Err(BodyError::Ended(EndCause::Slow))));
            }
            let next = (now + haste.patience).min(since + timeout);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            timer.as_mut().reset(next);
            ready!(timer.as_mut().poll(cx));
        }
    }
}

/// What a failure of hyper's body means: if we ended the connection, our cause; else the client's doing.
fn failure(state: &ConnectionState, error: &hyper::Error) -> BodyError {
    if let Some(cause) = state.cause() {
        return BodyError::Ended(cause);
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    BodyError::Transport(text)
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Source::Network(network) = &mut self.source else { return };
        let Some(incoming) = network.incoming.take() else { return };
        // HTTP/2 tells the client by itself to stop sending.
        if self.ended || network.busy.state().is_http2() {
            return;
        }
        let state = Arc::clone(network.busy.state());
        let missing_bytes = self.content_length.map_or(0, |announced| announced.saturating_sub(self.received_bytes));
        let runtime = tokio::runtime::Handle::try_current();
        // A client that was not asked for its body may send it or not: only closing makes that unambiguous.
        let close = self.failed || network.unasked || missing_bytes > state.settings.linger_bytes_max;
        if close || runtime.is_err() {
            // Said before hyper learns that nobody wants the body.
            state.leave_unread();
            drop(incoming);
            return;
        }
        let busy = state.begin();
        state.drain.spawn(discard(incoming, busy));
    }
}

/// Reads and throws away what is left of a body, within bounds, while the answer goes out.
async fn discard(mut incoming: Incoming, busy: Busy) {
    let settings = &busy.state().settings;
    let mut bytes_left = settings.linger_bytes_max;
    let discarded = tokio::time::timeout(settings.linger, async {
        while let Some(frame) = incoming.frame().await {
            // The connection has failed: no answer to save.
            let Ok(frame) = frame else { return true };
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            match bytes_left.checked_sub(bytes) {
                Some(left) => bytes_left = left,
                None => return false,
            }
        }
        true
    });
    if !discarded.await.unwrap_or(false) {
        busy.state().leave_unread();
    }
    // Only now may hyper learn that nobody wants the rest.
    drop(incoming);
}
