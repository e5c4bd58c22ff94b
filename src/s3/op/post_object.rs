//! PostObject: a browser's upload. Source: Amazon S3 API Reference, "POST Object".
//!
//! The form names key and rights, so its fields come before authentication. From there on it is a PutObject.

use std::sync::Arc;

use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use percent_encoding::utf8_percent_encode;

use crate::auth::FormFields;
use crate::engine::{Written, on_behalf_of};
use crate::limits::KEY_BYTES_MAX;
use crate::net::{Peer, RequestBody, Response, empty_body, full_body};
use crate::s3::access::AccessRecord;
use crate::s3::authenticate::authenticate_form;
use crate::s3::authorize::authorize;
use crate::s3::body::expected_of_form;
use crate::s3::endpoint::endpoint;
use crate::s3::explain::explain;
use crate::s3::form::{Form, form_headers};
use crate::s3::metadata::insert_text;
use crate::s3::object_headers::{respond, respond_xml};
use crate::s3::op::put_object;
use crate::s3::requester_pays;
use crate::s3::route::Routed;
use crate::s3::unbuilt::refuse_unbuilt_headers;
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::key::InvalidKey;
use crate::types::{ObjectKey, Origin, URL_PATH, URL_VALUE};

/// Reads the form, finds out who stands behind it and whether they may do this, and stores the file.
pub(crate) async fn run(
    gateway: &Gateway,
    routed: Routed,
    head: Parts,
    body: RequestBody,
    request_id: &str,
    record: &mut AccessRecord,
) -> Result<Response, S3Error> {
    let expected_bytes = body.content_length();
    let Form { fields, file } = Form::read(&head.headers, body, record.received()).await?;
    let key = form_key(&fields)?;
    record.note_key(key.as_str());
    let headers = form_headers(&head.headers, &fields)?;
    let place = place(&head, &key);
    let peer = head.extensions.get::<Peer>().copied();
    let (authenticated, size) = authenticate_form(gateway, routed, head, &fields, key, headers)?;
    record.note_principal(&authenticated.principal);
    let file = file.at_pace(gateway.admit_principal(&authenticated.principal, peer, record)?);
    let origin = Origin { is_form: true, ..gateway.origin(&authenticated.principal, peer, request_id) };
    let call = Box::pin(authorize(gateway, authenticated, request_id, record.received())).await?;
    refuse_unbuilt_headers(&call)?;
    let _watched = record.watch_upload(expected_bytes);
    let open = || Ok((Box::new(file.of_size(size)) as _, expected_of_form(&call)?));
    let stored = on_behalf_of(Some(Arc::new(origin)), put_object::store(gateway, &call, open)).await;
    let (written, headers) = stored.map_err(|error| explain(&call, error))?;
    let (bucket, key) = (call.bucket().name.as_str(), call.key());
    let mut response = answer(&Done { fields: &fields, bucket, key, place: &place, written: &written }, headers);
    requester_pays::tell(call.charge, &mut response);
    Ok(response)
}

/// The key that the form names.
fn form_key(fields: &FormFields) -> Result<ObjectKey, S3Error> {
    let message = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the \
                   fields.";
    let missing = || S3Error::invalid_argument("key", "", message);
    let text = fields.value("key").ok_or_else(missing)?;
    ObjectKey::parse(text).map_err(|error| match error {
        InvalidKey::Empty => S3Error::invalid_argument("key", "", "User key must have a length greater than 0."),
        InvalidKey::TooLong(length) => S3Error::new(Code::KeyTooLongError)
            .detail("Size", length.to_string())
            .detail("MaxSizeAllowed", KEY_BYTES_MAX.to_string()),
    })
}

/// Where the object can be read.
fn place(head: &Parts, key: &ObjectKey) -> String {
    let bucket = head.uri.path().trim_end_matches('/');
    let endpoint = endpoint(head).unwrap_or_default();
    format!("{endpoint}{bucket}/{}", utf8_percent_encode(key.as_str(), URL_PATH))
}

/// What was done, for the answer.
struct Done<'a> {
    fields: &'a FormFields,
    bucket: &'a str,
    key: &'a ObjectKey,
    place: &'a str,
    written: &'a Written,
}

/// The answer that the form asks for: another page, a document, or nothing. `headers` are those of a PutObject.
fn answer(done: &Done<'_>, mut headers: HeaderMap) -> Response {
    let target = done.fields.value("success_action_redirect").or_else(|| done.fields.value("redirect"));
    if let Some(location) = target.and_then(|target| redirect(target, done)) {
        headers.insert(LOCATION, location);
        return respond(StatusCode::SEE_OTHER, headers, empty_body());
    }
    insert_text(&mut headers, LOCATION, done.place);
    match done.fields.value("success_action_status") {
        Some("200") => respond(StatusCode::OK, headers, full_body("")),
        Some("201") => {
            let mut xml = XmlWriter::plain("PostResponse");
            xml.text("Location", done.place)
                .text("Bucket", done.bucket)
                .text("Key", done.key)
                .text("ETag", done.written.etag.quoted());
            let mut response = respond_xml(headers, xml.finish());
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        // S3 takes any other status for none.
        Some(_) | None => respond(StatusCode::NO_CONTENT, headers, empty_body()),
    }
}

/// The page that the form names, told what was stored. What is no web address is ignored, as S3 does.
fn redirect(target: &str, done: &Done<'_>) -> Option<HeaderValue> {
    let uri: Uri = target.parse().ok()?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return None;
    }
    let (page, fragment) = match target.split_once('#') {
        Some((page, fragment)) => (page, format!("#{fragment}")),
        None => (target, String::new()),
    };
    let separator = if page.contains('?') { '&' } else { '?' };
    let escape = |text: &str| utf8_percent_encode(text, URL_VALUE).to_string();
    let (bucket, key, etag) = (done.bucket, escape(done.key.as_str()), escape(&done.written.etag.quoted()));
    HeaderValue::try_from(format!("{page}{separator}bucket={bucket}&key={key}&etag={etag}{fragment}")).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Done, answer, form_key};
    use crate::auth::FormFields;
    use crate::engine::Written;
    use crate::net::Response;
    use crate::s3::Code;
    use crate::types::{ETag, ObjectKey, Timestamp};

    fn answered(pairs: &[(&str, &str)]) -> Response {
        let written = Written {
            version: None,
            etag: ETag::single([0xaa; 16]),
            checksum: None,
            size: 1,
            modified: Timestamp::from_seconds(0),
        };
        let key = ObjectKey::parse("a b&c").unwrap();
        let fields = FormFields::for_test(pairs);
        let done =
            Done { fields: &fields, bucket: "abc", key: &key, place: "http://h/abc/a%20b%26c", written: &written };
        answer(&done, HeaderMap::new())
    }

    #[test]
    fn a_form_chooses_its_answer() {
        for (asked, status) in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)] {
            let response = answered(&[("success_action_status", asked)]);
            assert_eq!(response.status(), status, "{asked}");
            assert_eq!(response.headers()["location"], "http://h/abc/a%20b%26c");
        }
        assert_eq!(answered(&[]).status(), 204);
    }

    #[test]
    fn a_redirect_tells_the_page_what_was_stored() {
        let query = format!("bucket=abc&key=a%20b%26c&etag=%22{}%22", "aa".repeat(16));
        let table = [
            ("http://p/done", format!("http://p/done?{query}")),
            ("https://p/done?x=1", format!("https://p/done?x=1&{query}")),
            ("https://p/#top", format!("https://p/?{query}#top")),
        ];
        for (target, location) in table {
            for name in ["success_action_redirect", "redirect"] {
                let response = answered(&[(name, target), ("success_action_status", "201")]);
                assert_eq!(response.status(), 303);
                assert_eq!(response.headers()["location"], location.as_str());
            }
        }
    }

    #[test]
    fn what_is_no_web_address_is_no_redirect() {
        let bad = [
            "",
            "/done",
            "done",
            "javascript:alert(1)",
            "ftp://h/",
            "http://",
            "//h/x",
            "http://h/\r\nSet-Cookie: a",
            "http://h/a b",
        ];
        for target in bad {
            assert_eq!(answered(&[("success_action_redirect", target)]).status(), 204, "{target:?}");
        }
    }

    #[test]
    fn a_form_needs_a_key() {
        let code = |pairs: &[(&str, &str)]| form_key(&FormFields::for_test(pairs)).map_err(|error| error.code);
        assert_eq!(code(&[]), Err(Code::InvalidArgument));
        assert_eq!(code(&[("key", "")]), Err(Code::InvalidArgument));
        assert_eq!(code(&[("key", &"k".repeat(1025))]), Err(Code::KeyTooLongError));
        assert_eq!(code(&[("Key", "../x")]).unwrap().as_str(), "../x");
    }
}
