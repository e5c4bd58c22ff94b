//! Answers that may take long: CompleteMultipartUpload and copies.
//!
//! The work runs in a task of its own, so that a client that hangs up does not undo it. If it ends soon, the
//! answer is an ordinary one. If it does not, `200 OK` is sent and then white space, which keeps clients and
//! proxies from giving up, and at last the document: an `<Error>` if the work failed, as S3 does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::guard::Drain;
use crate::limits::KEEP_ALIVE_SPACE_MS;
use crate::net::{BodyError, Response, stream_body};
use crate::s3::authorize::Authorized;
use crate::s3::object_headers::{respond, respond_xml};
use crate::s3::{Code, Gateway, S3Error};

/// The declaration goes first: white space before it would make the document malformed.
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// What long work comes to.
pub(crate) struct LongAnswer {
    /// Headers of the answer. Lost if the status has been sent already.
    pub(crate) headers: HeaderMap,
    /// Its document.
    pub(crate) document: String,
}

/// What an error document says about its request.
#[derive(Clone, Debug)]
pub(crate) struct ErrorContext {
    /// Path of the request.
    pub(crate) resource: String,
    /// Its id.
    pub(crate) request_id: String,
    /// Names the process that answers.
    pub(crate) host_id: Arc<str>,
}

impl ErrorContext {
    /// What errors say about `call`.
    pub(crate) fn of(gateway: &Gateway, call: &Authorized) -> Self {
        Self { resource: call.path.clone(), request_id: call.request_id.clone(), host_id: Arc::clone(&gateway.host_id) }
    }
}

type Work = JoinHandle<Result<LongAnswer, S3Error>>;

/// Starts the work in a task that the drain waits for, and ends when its last deadline passes.
pub(crate) fn start<F>(drain: &Drain, work: F) -> Work
where
    F: Future<Output = Result<LongAnswer, S3Error>> + Send + 'static,
{
    let stop = drain.clone();
    drain.spawn(async move {
        tokio::select! {
            ended = work => ended,
            () = stop.cancelled() => {
                Err(S3Error::new(Code::ServiceUnavailable).cause("cancelled by the drain"))
            }
        }
    })
}

/// Answers with what the work comes to, keeping the client's connection alive if that takes long.
///
/// # Errors
/// The work's, if it fails soon.
pub(crate) async fn answer(mut work: Work, context: ErrorContext) -> Result<Response, S3Error> {
    let pause = Duration::from_millis(KEEP_ALIVE_SPACE_MS);
    if let Ok(ended) = tokio::time::timeout(pause, &mut work).await {
        let LongAnswer { headers, document } = flatten(ended)?;
        return Ok(respond_xml(headers, document));
    }
    let mut spaces = interval_at(Instant::now() + pause, pause);
    spaces.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut slow = SlowAnswer { state: State::Declaration, work, spaces, context };
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(respond(StatusCode::OK, headers, stream_body(None, move |cx| slow.poll(cx))))
}

#[derive(Clone, Copy)]
enum State {
    Declaration,
    Waiting,
    Ended,
}

struct SlowAnswer {
    state: State,
    work: Work,
    spaces: Interval,
    context: ErrorContext,
}

impl SlowAnswer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self.state {
            State::Declaration => {
                self.state = State::Waiting;
                Poll::Ready(Some(Ok(Bytes::from_static(DECLARATION.as_bytes()))))
            }
            State::Waiting => {
                if let Poll::Ready(ended) = Pin::new(&mut self.work).poll(cx) {
                    self.state = State::Ended;
                    let document = self.document(flatten(ended));
                    return Poll::Ready(Some(Ok(Bytes::from(document))));
                }
                self.spaces.poll_tick(cx).map(|_| Some(Ok(Bytes::from_static(b" "))))
            }
            State::Ended => Poll::Ready(None),
        }
    }

    /// The document without its declaration, which has been sent.
    fn document(&self, ended: Result<LongAnswer, S3Error>) -> String {
        let document = match ended {
            Ok(answer) => answer.document,
            Err(error) => {
                let cause = error.cause.as_deref().unwrap_or_default();
                tracing::warn!(request_id = %self.context.request_id, code = error.code.name(), cause, "failed after 200");
                let ErrorContext { resource, request_id, host_id } = &self.context;
                error.document(resource, request_id, host_id)
            }
        };
        match document.strip_prefix(DECLARATION) {
            Some(rest) => rest.to_owned(),
            None => document,
        }
    }
}

fn flatten(ended: Result<Result<LongAnswer, S3Error>, tokio::task::JoinError>) -> Result<LongAnswer, S3Error> {
    ended.unwrap_or_else(|error| Err(S3Error::new(Code::InternalError).cause(error)))
}
