//! GetObject. Source: Amazon S3 API Reference, GetObject.

use std::future::poll_fn;
use std::task::Poll;

use crate::engine::BodyReader;
use crate::net::{BodyError, RequestBody, Response, ResponseBody, empty_body, stream_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::object_headers::respond;
use crate::s3::object_read::{Reading, Span, prepare};
use crate::s3::{Gateway, S3Error};

/// Streams the body, or what was asked for of it. A body that turns out to be damaged ends the connection:
/// a client must never take half of it for the whole.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let Reading { status, headers, body } = prepare(gateway, call).await?;
    let body = match body {
        None | Some((_, Span::Nothing)) => empty_body(),
        Some((open, Span::Whole)) => stream(open.read(None), call.request_id.clone()).await?,
        Some((open, Span::Range(range))) => stream(open.read(Some(range)), call.request_id.clone()).await?,
    };
    Ok(respond(status, headers, body))
}

/// The first piece is read before the head is sent: what is damaged at its beginning gets an exact error.
async fn stream(mut reader: BodyReader, request_id: String) -> Result<ResponseBody, S3Error> {
    let remaining = reader.remaining();
    let mut first = poll_fn(|cx| reader.poll_next(cx)).await.transpose()?;
    Ok(stream_body(Some(remaining), move |cx| {
        if let Some(first) = first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        reader.poll_next(cx).map_err(|error| {
            tracing::error!(request_id, damaged = error.is_damaged(), %error, "read of an object failed after its head was sent");
            BodyError::Producer(error.to_string())
        })
    }))
}
