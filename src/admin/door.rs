//! The door through which the console reaches S3: requests of a session count as signed with its key, so that policies,
//! limits and admission hold as for everybody else.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, COOKIE, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use crate::admin::answer::{Fault, Outcome};
use crate::admin::shared::{Origin, Shared};
use crate::identity::Proven;
use crate::net::{Request, RequestBody};

/// No page that somebody stored may run in the console's origin.
const CSP: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'";

/// Headers that would say something else of the sender, or of the body, than what the session says.
const REPLACED: [&str; 8] = [
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-trailer",
    "x-sluicegate-csrf",
    "expect",
    "x-forwarded-proto",
];

/// What is asked of S3, if a URI leads through the door.
pub(crate) fn target(uri: &Uri) -> Option<String> {
    let rest = uri.path().strip_prefix("/s3")?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let path = if rest.is_empty() { "/" } else { rest };
    Some(uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// Hands a request to S3 in the name of its session.
pub(crate) async fn pass(
    admin: &Arc<Shared>,
    mut head: Parts,
    body: RequestBody,
    target: &str,
    origin: Origin,
) -> Outcome {
    // A signature would be of this path; S3's own listener takes signed requests.
    let caller = admin.identify(&head, origin)?;
    let busy = || {
        let text = "Too many requests go to S3 through the console.";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).retry_after(1)
    };
    let permit = Arc::clone(&admin.door).try_acquire_owned().map_err(|_| busy())?;
    if admin.probe.is_draining() {
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "The server is stopping.").retry_after(1));
    }
    // The drain of S3 waits for it as for a request of its own listener.
    let (done, wait) = oneshot::channel::<()>();
    drop(admin.parts.drain.spawn(async move {
        let _ = wait.await;
    }));
    head.uri = target.parse().map_err(|_| Fault::bad("bad-path", "The path is no path of S3."))?;
    redress(&mut head.headers, admin.parts.s3_url.port);
    head.extensions.insert(Proven::new(caller.access_key_id));
    let response = admin.parts.s3.handle(Request::from_parts(head, body)).await;
    let mut response = response.map(|body| {
        body.map_err(move |error| {
            // Both end with the body.
            let _held = (&permit, &done);
            error
        })
        .boxed_unsync()
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Takes away what belongs to the console, and names a host that is no bucket's.
fn redress(headers: &mut HeaderMap, port: u16) {
    for name in [AUTHORIZATION, COOKIE, ORIGIN] {
        headers.remove(name);
    }
    for name in REPLACED {
        headers.remove(name);
    }
    let host = HeaderValue::try_from(format!("127.0.0.1:{port}"));
    headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("127.0.0.1")));
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn what_is_behind_the_door_is_asked_as_it_is() {
        for (uri, expected) in [
            ("/s3", Some("/")),
            ("/s3/", Some("/")),
            ("/s3?list-type=2", Some("/?list-type=2")),
            ("/s3/bucket/a%2Fb?uploads", Some("/bucket/a%2Fb?uploads")),
            ("/s3//k", Some("//k")),
            ("/s3x", None),
            ("/v1/s3", None),
        ] {
            assert_eq!(target(&uri.parse().unwrap()).as_deref(), expected, "{uri}");
        }
    }
}
