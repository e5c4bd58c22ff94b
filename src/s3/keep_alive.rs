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
use tracing::Instrument as _;

use crate::engine::carrying_origin;
use crate::guard::Drain;
use crate::limits::KEEP_ALIVE_SPACE_MS;
use crate::net::{BodyError, Response, stream_body};
use crate::s3::authorize::call::Authorized;
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
    let task = async move {
        tokio::select! {
            ended = work => ended,
            () = stop.cancelled() => Err(S3Error::new(Code::ServiceUnavailable).cause("cancelled by the drain")),
        }
    };
    drain.spawn(carrying_origin(task).in_current_span())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::HeaderMap;
    use http_body_util::BodyExt as _;
    use tokio::sync::oneshot;

    use super::{ErrorContext, LongAnswer, answer, start};
    use crate::guard::Drain;
    use crate::limits::KEEP_ALIVE_SPACE_MS;
    use crate::s3::xml::XmlWriter;
    use crate::s3::{Code, S3Error};

    fn context() -> ErrorContext {
        ErrorContext { resource: "/b/k".into(), request_id: "R".into(), host_id: Arc::from("H") }
    }

    fn done() -> LongAnswer {
        let mut xml = XmlWriter::document("Done");
        xml.text("A", 1);
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-version-id", "v".parse().unwrap());
        LongAnswer { headers, document: xml.finish() }
    }

    async fn text(response: crate::net::Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn quick_work_is_an_ordinary_answer() {
        let response = answer(start(&Drain::new(), async { Ok(done()) }), context()).await.unwrap();
        assert_eq!(response.headers()["x-amz-version-id"], "v");
        let text = text(response).await;
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Done"), "{text}");
        let failed = start(&Drain::new(), async { Err(S3Error::new(Code::InvalidPart)) });
        assert_eq!(answer(failed, context()).await.err().unwrap().code, Code::InvalidPart);
    }

    /// Answers work that ends with `outcome` after three pauses.
    async fn slow(outcome: Result<LongAnswer, S3Error>) -> String {
        let (end, ended) = oneshot::channel::<()>();
        let work = start(&Drain::new(), async move {
            ended.await.unwrap();
            outcome
        });
        let response = answer(work, context()).await.unwrap();
        assert_eq!(response.status(), 200);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(KEEP_ALIVE_SPACE_MS * 2 + 1)).await;
            end.send(()).unwrap();
        });
        text(response).await
    }

    #[tokio::test(start_paused = true)]
    async fn slow_work_sends_its_declaration_then_white_space_then_its_document() {
        let text = slow(Ok(done())).await;
        assert_eq!(text, done().document.replacen('\n', "\n  ", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_work_that_fails_ends_in_an_error_document() {
        let text = slow(Err(S3Error::new(Code::InternalError))).await;
        let error = S3Error::new(Code::InternalError).document("/b/k", "R", "H");
        assert_eq!(text, error.replacen('\n', "\n  ", 1));
    }

    #[tokio::test]
    async fn work_that_panics_is_an_internal_error() {
        let work = start(&Drain::new(), async { panic!("on purpose") });
        assert_eq!(answer(work, context()).await.err().unwrap().code, Code::InternalError);
    }

    #[tokio::test]
    async fn work_ends_when_the_last_deadline_of_the_drain_passes() {
        let drain = Drain::new();
        let work = start(&drain, std::future::pending());
        drain.finish(Duration::ZERO).await;
        assert_eq!(answer(work, context()).await.err().unwrap().code, Code::ServiceUnavailable);
    }
}
