//! Serving a bucket as a website: GET and HEAD under a website domain, for browsers without a key. A visitor reads
//! objects as any anonymous request does; only what a path means, and how errors look, is different.
//!
//! Source: Amazon S3 User Guide, "Hosting a static website using Amazon S3", "Website endpoints".

use std::fmt::Write as _;

use http::header::{CONTENT_TYPE, HOST, LOCATION, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::auth::request_host;
use crate::engine::EngineError;
use crate::net::{Peer, RequestBody, Response, full_body};
use crate::rules::website::{Opening, Target, Website};
use crate::s3::access::AccessRecord;
use crate::s3::authenticate::authenticate_visitor;
use crate::s3::authorize::authorize;
use crate::s3::bucket_document::load;
use crate::s3::dispatch::dispatch;
use crate::s3::metadata::insert_text;
use crate::s3::respond::respond_empty;
use crate::s3::route::Routed;
use crate::s3::{Code, Gateway, Operation, S3Error};
use crate::types::{DocumentKind, ObjectKey, URL_PATH};

/// Headers of a visitor that an answer may depend on.
const KEPT: [HeaderName; 3] = [HOST, REFERER, USER_AGENT];
/// Those that select what of an object is answered. An error document is answered as it is.
const SELECTING: [&str; 6] =
    ["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"];
const REDIRECT: &str = "x-amz-website-redirect-location";
/// What stays unescaped of a path that was requested.
const PATH: &AsciiSet = &URL_PATH.remove(b'!').remove(b'*');
/// What is escaped of a path that the bucket's owner wrote: it may have a query or a fragment.
const WRITTEN: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'`');

/// A visitor's request.
pub(crate) struct Visit<'a> {
    gateway: &'a Gateway,
    head: &'a Parts,
    routed: &'a Routed,
    request_id: &'a str,
    record: &'a mut AccessRecord,
}

/// Answers a visitor. Errors are pages, too.
pub(crate) async fn answer(
    gateway: &Gateway,
    head: &Parts,
    routed: &Routed,
    request_id: &str,
    record: &mut AccessRecord,
) -> Response {
    let mut visit = Visit { gateway, head, routed, request_id, record };
    match visit.serve().await {
        Ok(response) => response,
        Err(error) => visit.page(&error, None),
    }
}

/// The page of an error that came before anything is known of the website.
pub(crate) fn refuse(gateway: &Gateway, error: &S3Error, request_id: &str, record: &mut AccessRecord) -> Response {
    record.note_error(error);
    error_page(error, None, request_id, &gateway.host_id)
}

impl Visit<'_> {
    async fn serve(&mut self) -> Result<Response, S3Error> {
        let website = self.website().await?;
        let path = self.routed.key.as_ref().map(ObjectKey::as_str).unwrap_or_default();
        let key = match website.open(path) {
            Opening::Redirect(target) => return Ok(self.redirect(&target)),
            Opening::Object(key) => key,
        };
        let error = match self.fetch(&key, &SELECTING, self.routed.operation).await {
            Ok(response) => return Ok(moved(response)),
            Err(error) => error,
        };
        // Whoever may not list a bucket is told that a missing object is forbidden.
        if matches!(error.code, Code::NoSuchKey | Code::AccessDenied)
            && let Some(index) = website.folder_index(path)
            && self.fetch(&index, &[], Operation::HeadObject).await.is_ok()
        {
            return Ok(to_folder(path));
        }
        if let Some(target) = website.after_error(path, error.status().as_u16()) {
            return Ok(self.redirect(&target));
        }
        let Some(document) = website.error_document(error.status().as_u16()) else { return Err(error) };
        match self.fetch(document, &[], self.routed.operation).await {
            Ok(mut response) => {
                self.record.note_error(&error);
                *response.status_mut() = error.status();
                name_error(response.headers_mut(), &error);
                Ok(response)
            }
            Err(nested) => Ok(self.page(&error, Some((document, &nested)))),
        }
    }

    /// The website of the bucket that the host names.
    async fn website(&self) -> Result<Website, S3Error> {
        let missing = |code: Code| {
            let name = self.routed.bucket.as_ref().map(ToString::to_string).unwrap_or_default();
            S3Error::new(code).detail("BucketName", name)
        };
        let Some(name) = &self.routed.bucket else { return Err(missing(Code::NoSuchBucket)) };
        let bucket = self.gateway.engine.bucket(name).await.map_err(|error| match error {
            EngineError::NoSuchBucket => missing(Code::NoSuchBucket),
            error => error.into(),
        })?;
        let website = load(self.gateway, &bucket, DocumentKind::Website).await?;
        website.ok_or_else(|| missing(Code::NoSuchWebsiteConfiguration))
    }

    /// Reads an object as anybody may.
    async fn fetch(&self, key: &str, selecting: &[&str], operation: Operation) -> Result<Response, S3Error> {
        let key = ObjectKey::parse(key).map_err(|_| S3Error::new(Code::KeyTooLongError))?;
        let mut headers = HeaderMap::new();
        let wanted = KEPT.iter().map(HeaderName::as_str).chain(selecting.iter().copied());
        for name in wanted {
            for value in self.head.headers.get_all(name) {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    headers.append(name, value.clone());
                }
            }
        }
        let routed = self.routed.clone().about(operation, Some(key));
        let authenticated = authenticate_visitor(self.gateway, routed, self.head, headers)?;
        let call = Box::pin(authorize(self.gateway, authenticated, self.request_id, self.record.received())).await?;
        dispatch(self.gateway, &call, RequestBody::from_pieces(Vec::<&'static [u8]>::new())).await
    }

    fn redirect(&self, target: &Target) -> Response {
        let tls = self.head.extensions.get::<Peer>().is_some_and(|peer| peer.tls);
        let scheme = target.protocol.map_or(if tls { "https" } else { "http" }, |protocol| protocol.name());
        let host = target.host.as_deref().or_else(|| request_host(self.head)).unwrap_or_default();
        let status = StatusCode::from_u16(target.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
        to_location(status, &format!("{scheme}://{host}/{}", escape_target(target)))
    }

    fn page(&mut self, error: &S3Error, nested: Option<(&str, &S3Error)>) -> Response {
        self.record.note_error(error);
        error_page(error, nested, self.request_id, &self.gateway.host_id)
    }
}

fn escape_target(target: &Target) -> String {
    let written = utf8_percent_encode(&target.written, WRITTEN);
    format!("{written}{}", utf8_percent_encode(&target.requested, PATH))
}

fn to_location(status: StatusCode, location: &str) -> Response {
    let mut response = respond_empty(status);
    insert_text(response.headers_mut(), LOCATION, location);
    response
}

/// Sends a visitor to the folder that the path means. The location is a path: two slashes at its start would make
/// it another host's.
fn to_folder(path: &str) -> Response {
    let escaped = utf8_percent_encode(path, PATH).to_string();
    let location = match escaped.strip_prefix('/') {
        Some(rest) => format!("/%2F{rest}/"),
        None => format!("/{escaped}/"),
    };
    to_location(StatusCode::FOUND, &location)
}

/// An object may stand for another place.
fn moved(response: Response) -> Response {
    match response.headers().get(REDIRECT) {
        Some(location) => {
            let mut moved = respond_empty(StatusCode::MOVED_PERMANENTLY);
            moved.headers_mut().insert(LOCATION, location.clone());
            moved
        }
        None => response,
    }
}

/// Tells machines what the page tells people.
fn name_error(headers: &mut HeaderMap, error: &S3Error) {
    insert_text(headers, HeaderName::from_static("x-amz-error-code"), error.code.name());
    insert_text(headers, HeaderName::from_static("x-amz-error-message"), &error.message);
}

/// The page that S3 shows for an error, and for the error of the document that was to be shown in its place.
fn error_page(error: &S3Error, nested: Option<(&str, &S3Error)>, request_id: &str, host_id: &str) -> Response {
    let status = error.status();
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let mut page = format!("<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n");
    let mut item = |name: &str, value: &str| {
        let _ = writeln!(page, "<li>{name}: {}</li>", escape_html(value));
    };
    item("Code", error.code.name());
    item("Message", &error.message);
    for (name, value) in &error.details {
        item(name, value);
    }
    item("RequestId", request_id);
    item("HostId", host_id);
    page.push_str("</ul>\n");
    if let Some((key, nested)) = nested {
        page.push_str("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n");
        for (name, value) in [("Code", nested.code.name()), ("Message", &nested.message), ("Key", key)] {
            let _ = writeln!(page, "<li>{name}: {}</li>", escape_html(value));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("<hr/>\n</body>\n</html>\n");
    let mut response = Response::new(full_body(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in &error.headers {
        headers.append(name, value.clone());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    name_error(headers, error);
    response
}

/// Text as a page may show it: keys and hosts are the visitor's words.
fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::{error_page, escape_target, to_folder};
    use crate::rules::website::Target;
    use crate::s3::{Code, S3Error};

    #[test]
    fn a_folder_is_on_the_same_host_whatever_its_name() {
        let location = |path| to_folder(path).headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(location("a b/c"), "/a%20b/c/");
        assert_eq!(location("/evil.example"), "/%2Fevil.example/");
        assert_eq!(location("\\evil.example"), "/%5Cevil.example/");
        assert_eq!(location("a\r\nSet-Cookie: x"), "/a%0D%0ASet-Cookie%3A%20x/");
    }

    #[test]
    fn a_target_keeps_the_owners_query_and_escapes_the_visitors_words() {
        let target = Target {
            status: 301,
            protocol: None,
            host: None,
            written: "app/#!/?x=y&z \r\n".to_owned(),
            requested: "a?b#c\r\n".to_owned(),
        };
        assert_eq!(escape_target(&target), "app/#!/?x=y&z%20%0D%0Aa%3Fb%23c%0D%0A");
    }

    #[tokio::test]
    async fn a_page_escapes_what_it_shows() {
        let error = S3Error::new(Code::NoSuchKey).detail("Key", "<script>'\"&");
        let nested = S3Error::new(Code::AccessDenied);
        let response = error_page(&error, Some(("e<", &nested)), "R", "H");
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["x-amz-error-code"], "NoSuchKey");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let page = std::str::from_utf8(&body).unwrap();
        assert!(page.contains("<h1>404 Not Found</h1>"), "{page}");
        assert!(page.contains("<li>Key: &lt;script&gt;&#39;&quot;&amp;</li>"), "{page}");
        assert!(page.contains("<li>Key: e&lt;</li>") && page.contains("<li>Code: AccessDenied</li>"), "{page}");
    }
}
