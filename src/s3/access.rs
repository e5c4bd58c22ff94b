//! What is left of a request: one access line and its metrics, when its answer has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::engine::Engine;
use crate::guard::{Pace, Ticket};
use crate::identity::Principal;
use crate::net::{BodyError, Peer, Response, ResponseBody};
use crate::s3::access_line::{AccessLine, Ending};
use crate::s3::route::Routed;
use crate::s3::{Code, S3Error};
use crate::telemetry::log::ACCESS_TARGET;
use crate::telemetry::record::{self, EndedRequest};

/// What is known of a request. Tells it when it is dropped: at the end of the answer, or wherever the request
/// ended before.
pub(crate) struct AccessRecord {
    request_id: String,
    method: String,
    operation: &'static str,
    bucket: String,
    key: String,
    principal: String,
    peer: String,
    cause: Option<String>,
    status: Option<StatusCode>,
    /// Whether the whole answer was handed to the connection.
    complete: bool,
    started: Instant,
    received: Arc<AtomicU64>,
    sent_bytes: u64,
    /// The line of its bucket's own log, and who delivers it.
    line: Option<Box<(Arc<Engine>, AccessLine)>>,
    /// What slows the answer down.
    pace: Option<Box<Pace>>,
}

impl AccessRecord {
    /// Begins with what the head says.
    pub(crate) fn begin(head: &Parts, request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            method: head.method.to_string(),
            operation: "Unknown",
            bucket: String::new(),
            key: String::new(),
            principal: String::new(),
            peer: head.extensions.get::<Peer>().map(|peer| peer.address.to_string()).unwrap_or_default(),
            cause: None,
            status: None,
            complete: false,
            started: Instant::now(),
            received: Arc::default(),
            sent_bytes: 0,
            line: None,
            pace: None,
        }
    }

    /// What counts the bytes of the request's body.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Notes what is asked for.
    pub(crate) fn note_route(&mut self, routed: &Routed) {
        self.operation = routed.operation.name();
        self.bucket = routed.bucket.as_ref().map(ToString::to_string).unwrap_or_default();
        self.key = routed.key.as_ref().map(ToString::to_string).unwrap_or_default();
    }

    /// Notes an operation of another service.
    pub(crate) fn note_operation(&mut self, operation: &'static str) {
        self.operation = operation;
    }

    /// Notes that an operation of another service is refused.
    pub(crate) fn note_refusal(&mut self, cause: String) {
        self.cause = Some(cause);
    }

    /// Notes who asks.
    pub(crate) fn note_principal(&mut self, principal: &Principal) {
        self.principal = match principal {
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::Identity { name, session: None, .. } => name.clone(),
            Principal::Identity { name, session: Some(session), .. } => format!("{name}/{}", session.name()),
        };
        if let Some(line) = &mut self.line {
            line.1.note_principal(principal);
        }
    }

    /// Notes why the request is refused. Faults of ours are also told at once and by themselves, for whoever
    /// has switched the access lines off.
    pub(crate) fn note_error(&mut self, error: &S3Error) {
        self.cause = Some(match &error.cause {
            Some(cause) => format!("{}: {cause}", error.code.name()),
            None => error.code.name().to_owned(),
        });
        if let Some(line) = &mut self.line {
            line.1.note_error(error.code.name());
        }
        match error.code {
            Code::InternalError | Code::InsufficientStorage => {
                let (operation, cause) = (self.operation, error.cause.as_deref().unwrap_or_default());
                tracing::error!(request_id = %self.request_id, operation, cause, "{}", error.code.name());
            }
            Code::SlowDown => record::request_refused(),
            _ => {}
        }
    }

    /// Notes that the request will be a line of its bucket's log.
    pub(crate) fn note_line(&mut self, engine: Arc<Engine>, line: AccessLine) {
        self.line = Some(Box::new((engine, line)));
    }

    /// Notes what slows the answer down.
    pub(crate) fn note_pace(&mut self, pace: Option<Pace>) {
        self.pace = pace.map(Box::new);
    }

    /// Notes what the head of the answer says.
    pub(crate) fn note_answer(&mut self, response: &Response) {
        self.status = Some(response.status());
        let elapsed = self.started.elapsed();
        if let Some(line) = &mut self.line {
            line.1.note_answer(response, elapsed);
        }
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let received_bytes = self.received.load(Ordering::Relaxed);
        record::request_ended(&EndedRequest {
            operation: self.operation,
            status: self.status.filter(|_| self.complete).map(|status| status.as_u16()),
            duration: elapsed,
            received_bytes,
            sent_bytes: self.sent_bytes,
        });
        if let Some(line) = self.line.take() {
            let (engine, line) = *line;
            line.end(&engine, Ending { status: self.status, sent_bytes: self.sent_bytes, elapsed });
        }
        tracing::info!(
            target: ACCESS_TARGET,
            request_id = %self.request_id,
            method = %self.method,
            operation = self.operation,
            bucket = %self.bucket,
            key = ?self.key,
            status = self.status.map_or(0, |status| status.as_u16()),
            complete = self.complete,
            received_bytes,
            sent_bytes = self.sent_bytes,
            duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            principal = %self.principal,
            peer = %self.peer,
            cause = self.cause.as_deref().unwrap_or_default(),
        );
    }
}

/// A response body that holds its request's ticket until it has ended, and then tells about the request.
pub(crate) struct TrackedBody {
    inner: ResponseBody,
    record: AccessRecord,
    _ticket: Option<Ticket>,
}

impl TrackedBody {
    /// Tracks `inner`.
    pub(crate) fn new(inner: ResponseBody, mut record: AccessRecord, ticket: Option<Ticket>) -> Self {
        // HTTP never polls a body that says it is empty.
        record.complete = inner.is_end_stream();
        Self { inner, record, _ticket: ticket }
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(pace) = &mut this.record.pace {
            ready!(pace.poll_ready(cx));
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.record.sent_bytes += bytes as u64;
                if let Some(pace) = &mut this.record.pace {
                    pace.note(bytes);
                }
                // HTTP stops polling once it has as many bytes as were announced.
                this.record.complete = this.inner.is_end_stream() || this.inner.size_hint().exact() == Some(0);
            }
            Some(Err(error)) => {
                this.record.complete = false;
                this.record.cause = Some(error.to_string());
            }
            None => this.record.complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::{AccessRecord, TrackedBody};
    use crate::net::{empty_body, full_body};

    fn record() -> AccessRecord {
        AccessRecord::begin(&http::Request::new(()).into_parts().0, "R")
    }

    #[tokio::test]
    async fn an_answer_is_complete_only_when_its_last_byte_was_taken() {
        assert!(TrackedBody::new(empty_body(), record(), None).record.complete);
        let mut body = TrackedBody::new(full_body("abc"), record(), None);
        assert!(!body.record.complete);
        body.frame().await.unwrap().unwrap();
        assert!(body.record.complete);
        assert_eq!(body.record.sent_bytes, 3);
    }
}
