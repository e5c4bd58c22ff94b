//! What is left of a request: one access line and its metrics, when its answer has ended.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tracing::Span;

use crate::engine::Engine;
use crate::guard::{Pace, Ticket};
use crate::identity::Principal;
use crate::limits::insight::{EXPLAINED_FACT_BYTES_MAX, WATCHED_UPLOAD_BYTES_MIN};
use crate::net::{BodyError, Peer, Response, ResponseBody};
use crate::s3::access_line::{AccessLine, Ending};
use crate::s3::reason::reason;
use crate::s3::route::Routed;
use crate::s3::{Code, S3Error, redact};
use crate::telemetry::log::ACCESS_TARGET;
use crate::telemetry::record::{self, EndedRequest};
use crate::telemetry::traces::{self, TracedEnd};
use crate::telemetry::{AccessEntry, Explanation, Insight, LogFile, RememberedRequest, RunningUpload, UploadGuard};
use crate::types::{Clock as _, SystemClock};

/// What is known of a request. Tells it when it is dropped: at the end of the answer, or wherever the request
/// ended before.
pub(crate) struct AccessRecord {
    insight: Arc<Insight>,
    request_id: String,
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
    operation: &'static str,
    bucket: String,
    key: String,
    principal: String,
    access_key_id: String,
    peer: String,
    cause: Option<String>,
    code: Option<&'static str>,
    explanation: Option<Box<Explanation>>,
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
    /// The span of its trace, if it has one.
    traced: Span,
}

impl AccessRecord {
    /// Begins with what the head says.
    pub(crate) fn begin(head: &Parts, request_id: &str, insight: &Arc<Insight>) -> Self {
        let peer = head.extensions.get::<Peer>();
        Self {
            insight: Arc::clone(insight),
            request_id: request_id.to_owned(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            user_agent: head.headers.get(USER_AGENT).cloned(),
            operation: "Unknown",
            bucket: String::new(),
            key: String::new(),
            principal: String::new(),
            access_key_id: String::new(),
            peer: peer.map(|peer| peer.address.to_string()).unwrap_or_default(),
            cause: None,
            code: None,
            explanation: None,
            status: None,
            complete: false,
            started: Instant::now(),
            received: Arc::default(),
            sent_bytes: 0,
            line: None,
            pace: None,
            traced: traces::begin(head, request_id, peer.map(|peer| (peer.address, peer.tls))),
        }
    }

    /// The span of its trace, to work in.
    pub(crate) fn traced(&self) -> Span {
        self.traced.clone()
    }

    /// The path as it was sent.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Tells of the body as long as the guard lives, if it is worth it. `expected_bytes` is what was announced.
    pub(crate) fn watch_upload(&self, expected_bytes: Option<u64>) -> Option<UploadGuard> {
        if expected_bytes.is_some_and(|bytes| bytes < WATCHED_UPLOAD_BYTES_MIN) {
            return None;
        }
        Some(self.insight.uploads.begin(RunningUpload {
            request_id: self.request_id.clone(),
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            operation: self.operation,
            name: self.principal.clone(),
            peer: self.peer.clone(),
            expected_bytes,
            received: self.received(),
            began: self.started.into_std(),
        }))
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
        traces::note_operation(&self.traced, self.operation, &self.bucket);
    }

    /// Notes the key that only the body names.
    pub(crate) fn note_key(&mut self, key: &str) {
        key.clone_into(&mut self.key);
    }

    /// Notes an operation of another service.
    pub(crate) fn note_operation(&mut self, operation: &'static str) {
        self.operation = operation;
        traces::note_operation(&self.traced, operation, "");
    }

    /// Notes that an operation of another service is refused.
    pub(crate) fn note_refusal(&mut self, code: &'static str, explanation: Box<Explanation>) {
        self.cause = Some(format!("{code}: {}", explanation.value("cause").unwrap_or(&explanation.sentence)));
        self.code = Some(code);
        self.explanation = Some(explanation);
    }

    /// Notes who asks.
    pub(crate) fn note_principal(&mut self, principal: &Principal) {
        self.principal = match principal {
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::Identity { name, session: None, .. } => name.clone(),
            Principal::Identity { name, session: Some(session), .. } => format!("{name}/{}", session.name()),
        };
        if let Principal::Identity { access_key_id, .. } = principal {
            self.access_key_id.clone_from(access_key_id);
        }
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
        self.code = Some(error.code.name());
        self.explanation = Some(reason(error));
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

impl AccessRecord {
    /// Remembers the request: each that was refused, and of those that were served as many as are wanted.
    fn remember(&mut self, elapsed: Duration, received_bytes: u64) {
        let status = self.status.map_or(0, |status| status.as_u16());
        self.insight.tally.ended(status, elapsed, received_bytes, self.sent_bytes);
        let is_refused = status >= 400;
        if !is_refused && !self.insight.requests.wants_served(self.started.into_std() + elapsed) {
            return;
        }
        let explanation = self.explanation.take().filter(|_| is_refused);
        let mut access_key_id = std::mem::take(&mut self.access_key_id);
        if access_key_id.is_empty()
            && let Some(claimed) = explanation.as_ref().and_then(|found| found.value("access key id"))
        {
            claimed.clone_into(&mut access_key_id);
        }
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = RememberedRequest {
            id: std::mem::take(&mut self.request_id),
            at: SystemClock.now(),
            method: self.method.to_string(),
            path: redact::target(target),
            operation: self.operation,
            bucket: std::mem::take(&mut self.bucket),
            key: std::mem::take(&mut self.key),
            access_key_id,
            name: std::mem::take(&mut self.principal),
            peer: std::mem::take(&mut self.peer),
            status,
            code: self.code,
            duration: elapsed,
            received_bytes,
            sent_bytes: self.sent_bytes,
            user_agent: self.user_agent().into_owned(),
            explanation,
        };
        if is_refused {
            self.insight.requests.push_refused(request);
        } else {
            self.insight.requests.push_served(request);
        }
    }

    fn user_agent(&self) -> Cow<'_, str> {
        self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default()
    }

    /// The line in the file of access lines.
    fn write_line(&self, file: &LogFile, elapsed: Duration, received_bytes: u64) {
        let user_agent = self.user_agent();
        file.write_entry(&AccessEntry {
            at: SystemClock.now().iso_millis(),
            request_id: &self.request_id,
            method: self.method.as_str(),
            operation: self.operation,
            bucket: &self.bucket,
            key: &self.key,
            status: self.status.map_or(0, |status| status.as_u16()),
            code: self.code,
            complete: self.complete,
            received_bytes,
            sent_bytes: self.sent_bytes,
            duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            principal: &self.principal,
            access_key_id: &self.access_key_id,
            peer: &self.peer,
            user_agent: &user_agent[..user_agent.floor_char_boundary(EXPLAINED_FACT_BYTES_MAX)],
            cause: self.cause.as_deref(),
        });
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
        let status = self.status.map(|status| status.as_u16());
        let (complete, code, sent_bytes) = (self.complete, self.code, self.sent_bytes);
        traces::end(&self.traced, &TracedEnd { status, complete, code, received_bytes, sent_bytes });
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
        if let Some(file) = self.insight.access_file.get() {
            self.write_line(file, elapsed, received_bytes);
        }
        self.remember(elapsed, received_bytes);
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
        let frame = ready!(this.record.traced.in_scope(|| Pin::new(&mut this.inner).poll_frame(cx)));
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
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::{AccessRecord, TrackedBody};
    use crate::net::{empty_body, full_body};

    fn record() -> AccessRecord {
        AccessRecord::begin(&http::Request::new(()).into_parts().0, "R", &Arc::default())
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
