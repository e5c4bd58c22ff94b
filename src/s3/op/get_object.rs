//! GetObject. Source: Amazon S3 API Reference, GetObject.

use crate::engine::BodyReader;
use crate::net::{BodyError, RequestBody, Response, ResponseBody, empty_body, stream_body};
use crate::s3::authorize::Authorized;
use crate::s3::object_headers::respond;
use crate::s3::object_read::{Reading, Span, prepare};
use crate::s3::{Gateway, S3Error};

/// Streams the body, or what was asked for of it. A body that turns out to be damaged ends the connection:
/// a client must never take half of it for the whole.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let Reading { status, headers, body } = prepare(gateway, call).await?;
    let body = match body {
        None | Some((_, Span::Nothing)) => empty_body(),
        Some((open, Span::Whole)) => stream(open.read(None), call.request_id.clone()),
        Some((open, Span::Range(range))) => stream(open.read(Some(range)), call.request_id.clone()),
    };
    Ok(respond(status, headers, body))
}

fn stream(mut reader: BodyReader, request_id: String) -> ResponseBody {
    stream_body(Some(reader.remaining()), move |cx| {
        reader.poll_next(cx).map_err(|error| {
            tracing::error!(request_id, damaged = error.is_damaged(), %error, "read of an object failed after its head was sent");
            BodyError::Producer(error.to_string())
        })
    })
}
