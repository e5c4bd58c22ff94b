//! From hyper's request to a task of the handler, and back.
//!
//! Each request runs in a task of its own, so that a hang-up of the client drops the answer but not the work: a
//! commit that is under way finishes. Must never know what is asked.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use crate::guard::EndCause;
use crate::net::delivery::{Delivery, WatchedBody};
use crate::net::state::ConnectionState;
use crate::net::{BodyError, Handler, Peer, Request, RequestBody, Response, empty_body, full_body};

/// Hands the requests of one connection to the handler.
pub(crate) struct Service {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) state: Arc<ConnectionState>,
    pub(crate) peer: Peer,
}

impl hyper::service::Service<http::Request<Incoming>> for Service {
    type Response = http::Response<WatchedBody>;
    type Error = BodyError;
    type Future = Answer;

    fn call(&self, request: http::Request<Incoming>) -> Answer {
        let delivery = Delivery::new(self.state.begin(), request.method().clone(), request.uri());
        let (mut head, incoming) = request.into_parts();
        if !incoming.is_end_stream() && head.version <= Version::HTTP_11 {
            detach(&mut head);
        }
        head.extensions.insert(self.peer);
        // What hyper itself takes for an expectation.
        let expects_continue =
            head.headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        // HTTP sends no 100 for an empty body. boto3 then takes the next answer on the connection for this one and
        // waits for it until its timeout; a closed connection makes it forget.
        let close = expects_continue && incoming.is_end_stream() && head.version <= Version::HTTP_11;
        let body = RequestBody::from_network(incoming, self.state.begin(), expects_continue);
        let request = Request::from_parts(head, body);
        let task = self.state.drain.spawn(answer(Arc::clone(&self.handler), request, self.peer));
        Answer { task, delivery: Some(delivery), close }
    }
}

/// Copies what a head shares with the connection's read buffer: as long as its body takes, HTTP could not use that
/// buffer again and would need another.
fn detach(head: &mut Parts) {
    for value in head.headers.values_mut() {
        let mut copy = HeaderValue::from_bytes(value.as_bytes()).expect("a copy of a valid value");
        copy.set_sensitive(value.is_sensitive());
        *value = copy;
    }
    // What cannot be copied faithfully stays as it is.
    if let Some(copy) = head.uri.to_string().parse().ok().filter(|copy| *copy == head.uri) {
        head.uri = copy;
    }
}

/// Runs the handler. A panic is a defect of ours: the client gets a plain 500 and the log says what happened.
async fn answer(handler: Arc<dyn Handler>, request: Request, peer: Peer) -> Response {
    // Whatever state the panic left behind belonged to this request and is dropped with it.
    match AssertUnwindSafe(async { handler.handle(request).await }).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no text");
            tracing::error!(peer = %peer.address, panic = text, "handler panicked");
            let mut response = Response::new(full_body("internal error\n"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
    }
}

/// An answer that is being worked on. Dropped when nobody waits for it any more; the work goes on.
pub(crate) struct Answer {
    task: JoinHandle<Response>,
    delivery: Option<Delivery>,
    /// The connection must not outlive it.
    close: bool,
}

impl Future for Answer {
    type Output = Result<http::Response<WatchedBody>, BodyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The handler's panics are caught inside of the task: it can only have been cancelled.
        let Ok(mut response) = ready!(Pin::new(&mut self.task).poll(cx)) else {
            return Poll::Ready(Err(BodyError::Ended(EndCause::Drain)));
        };
        let delivery = self.delivery.take().expect("a future is not polled after it is ready");
        // Whoever waits for a connection has its turn before this client's next request.
        if self.close || delivery.is_among_too_many() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let response = if delivery.is_head() { without_body(response) } else { response };
        Poll::Ready(Ok(response.map(|body| WatchedBody::new(body, delivery))))
    }
}

/// The answer to HEAD: what GET would say, without the bytes. The body is dropped here, and what it holds.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && length > 0
        && !head.headers.contains_key(CONTENT_LENGTH)
    {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, empty_body())
}
