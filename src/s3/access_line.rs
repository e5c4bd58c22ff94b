//! One line of a server access log. Source: Amazon S3 User Guide, "Amazon S3 server access log format".

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HOST, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use percent_encoding::utf8_percent_encode;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::engine::{Engine, LoggedBucket};
use crate::identity::Principal;
use crate::limits::ACCESS_LOG_FIELD_BYTES_MAX;
use crate::net::{Peer, Response};
use crate::s3::route::Routed;
use crate::s3::{Operation, redact};
use crate::types::{ObjectKey, Timestamp, URL_PATH};

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[[[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000]");

/// A request that will be a line of its bucket's log.
#[derive(Debug)]
pub(crate) struct AccessLine {
    logged: Arc<LoggedBucket>,
    at: Timestamp,
    peer: String,
    requester: String,
    request_id: String,
    host_id: Arc<str>,
    operation: String,
    key: String,
    request: String,
    referer: String,
    user_agent: String,
    host: String,
    signature: (&'static str, &'static str),
    sent_size: Option<u64>,
    is_read: bool,
    error: Option<&'static str>,
    object_size: Option<u64>,
    version: String,
    turn_around: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// The status of its answer.
    pub(crate) status: Option<StatusCode>,
    /// Bytes of its answer's body.
    pub(crate) sent_bytes: u64,
    /// From its head to the end of its answer.
    pub(crate) elapsed: Duration,
}

impl AccessLine {
    /// Begins with what the head says.
    pub(crate) fn begin(
        logged: Arc<LoggedBucket>,
        (head, routed, api): (&Parts, &Routed, &str),
        (request_id, host_id): (&str, &Arc<str>),
        at: Timestamp,
    ) -> Self {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let header = |name| text(&head.headers, name);
        let size = |name: &str| head.headers.get(name)?.to_str().ok()?.parse().ok();
        Self {
            logged,
            at,
            peer: head.extensions.get::<Peer>().map(|peer| peer.address.ip().to_string()).unwrap_or_default(),
            requester: String::new(),
            request_id: request_id.to_owned(),
            host_id: Arc::clone(host_id),
            operation: operation_name(api, routed.operation, head.method.as_str()),
            key: routed.key.as_ref().map(escaped).unwrap_or_default(),
            request: format!("{} {} {:?}", head.method, redact::target(&clean(target)), head.version),
            referer: header(REFERER.as_str()),
            user_agent: header(USER_AGENT.as_str()),
            host: header(HOST.as_str()),
            signature: signature(head),
            sent_size: size("x-amz-decoded-content-length").or_else(|| size(CONTENT_LENGTH.as_str())),
            is_read: matches!(routed.operation, Operation::GetObject | Operation::HeadObject),
            error: None,
            object_size: None,
            version: String::new(),
            turn_around: Duration::ZERO,
        }
    }

    /// The bucket that logs it.
    pub(crate) fn logged(&self) -> &LoggedBucket {
        &self.logged
    }

    /// Notes who asks.
    pub(crate) fn note_principal(&mut self, principal: &Principal) {
        self.requester = match principal {
            Principal::Anonymous => String::new(),
            Principal::Identity { owner, .. } => owner.0.clone(),
        };
    }

    /// Notes the code of the error that it is answered with.
    pub(crate) fn note_error(&mut self, code: &'static str) {
        self.error = Some(code);
    }

    /// Notes what the head of the answer says.
    pub(crate) fn note_answer(&mut self, response: &Response, elapsed: Duration) {
        self.turn_around = elapsed;
        self.version = text(response.headers(), "x-amz-version-id");
        if self.error.is_some() {
            return;
        }
        let number = |text: &str| text.parse().ok();
        self.object_size = if self.is_read {
            let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            match range.and_then(|range| range.rsplit('/').next()) {
                Some(size) => number(size),
                None => length.and_then(number),
            }
        } else {
            self.sent_size
        };
    }

    /// Gives the line to the engine, which delivers it.
    pub(crate) fn end(self, engine: &Engine, ending: Ending) {
        engine.log_access(self.logged(), &self.line(ending), self.at);
    }

    fn line(&self, ending: Ending) -> String {
        let moment = OffsetDateTime::from_unix_timestamp(self.at.seconds()).ok();
        let time = moment.and_then(|moment| moment.format(TIME).ok()).unwrap_or_default();
        let bucket = &self.logged.bucket;
        let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
        let fields = [
            bucket.owner.0.clone(),
            bucket.name.to_string(),
            time,
            self.peer.clone(),
            self.requester.clone(),
            self.request_id.clone(),
            self.operation.clone(),
            self.key.clone(),
            quoted(&self.request),
            ending.status.map(|status| status.as_u16().to_string()).unwrap_or_default(),
            self.error.unwrap_or_default().to_owned(),
            number(ending.sent_bytes),
            self.object_size.map(|size| size.to_string()).unwrap_or_default(),
            ending.elapsed.as_millis().to_string(),
            self.turn_around.as_millis().to_string(),
            quoted(&self.referer),
            quoted(&self.user_agent),
            self.version.clone(),
            self.host_id.to_string(),
            self.signature.0.to_owned(),
            // The cipher, as the version of TLS below, stays with the connection.
            String::new(),
            self.signature.1.to_owned(),
            self.host.clone(),
            String::new(),
            // No access points; and no request was let in by an ACL alone that the bucket's owner need know of.
            String::new(),
            String::new(),
        ];
        let shown = fields.iter().map(|field| if field.is_empty() { "-" } else { field.as_str() });
        shown.collect::<Vec<_>>().join(" ")
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "\"-\"".to_owned() } else { format!("\"{text}\"") }
}

/// A key as one word of the line.
fn escaped(key: &ObjectKey) -> String {
    utf8_percent_encode(key.as_str(), URL_PATH).to_string()
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    clean(&value)
}

/// Text that can end neither its field nor its line, and is not too long.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(ACCESS_LOG_FIELD_BYTES_MAX));
    for character in text.chars() {
        if clean.len() >= ACCESS_LOG_FIELD_BYTES_MAX {
            break;
        }
        if character == '"' || character.is_control() {
            write!(clean, "%{:02X}", u32::from(character)).expect("a string takes everything");
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Version and place of the request's signature.
fn signature(head: &Parts) -> (&'static str, &'static str) {
    let authorization = head.headers.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let query = head.uri.query().unwrap_or_default();
    let has =
        |name: &str| query.split('&').any(|pair| pair.split('=').next().is_some_and(|n| n.eq_ignore_ascii_case(name)));
    match authorization {
        Some(value) if value.starts_with(b"AWS4-") => ("SigV4", "AuthHeader"),
        Some(value) if value.starts_with(b"AWS ") => ("SigV2", "AuthHeader"),
        Some(_) | None if has("X-Amz-Signature") => ("SigV4", "QueryString"),
        Some(_) | None if has("AWSAccessKeyId") => ("SigV2", "QueryString"),
        Some(_) | None => ("", ""),
    }
}

/// `REST.method.resource`, or `WEBSITE` in its place. Resources that do not follow from the operation's name are those that S3 documents.
fn operation_name(api: &str, operation: Operation, method: &str) -> String {
    use Operation as Op;
    let (method, resource) = match operation {
        Op::CopyObject => ("COPY", "OBJECT".to_owned()),
        Op::UploadPartCopy => ("COPY", "PART".to_owned()),
        Op::PutObject | Op::GetObject | Op::HeadObject | Op::DeleteObject | Op::PostObject => {
            (method, "OBJECT".to_owned())
        }
        Op::ListObjects | Op::ListObjectsV2 | Op::HeadBucket | Op::CreateBucket | Op::DeleteBucket => {
            (method, "BUCKET".to_owned())
        }
        Op::ListObjectVersions => (method, "BUCKETVERSIONS".to_owned()),
        Op::DeleteObjects => (method, "MULTI_OBJECT_DELETE".to_owned()),
        Op::UploadPart => (method, "PART".to_owned()),
        Op::CreateMultipartUpload | Op::ListMultipartUploads => (method, "UPLOADS".to_owned()),
        Op::CompleteMultipartUpload | Op::AbortMultipartUpload | Op::ListParts => (method, "UPLOAD".to_owned()),
        Op::GetBucketAcl | Op::PutBucketAcl | Op::GetObjectAcl | Op::PutObjectAcl => (method, "ACL".to_owned()),
        Op::GetBucketPolicy | Op::PutBucketPolicy | Op::DeleteBucketPolicy => (method, "BUCKETPOLICY".to_owned()),
        Op::GetBucketLogging | Op::PutBucketLogging => (method, "LOGGING_STATUS".to_owned()),
        Op::GetObjectLockConfiguration | Op::PutObjectLockConfiguration => {
            (method, "OBJECT_LOCK_CONFIGURATION".to_owned())
        }
        Op::PreflightRequest => (method, "PREFLIGHT".to_owned()),
        other => (method, resource_of(other.name())),
    };
    format!("{api}.{method}.{resource}")
}

/// `PutBucketRequestPayment` is about `REQUEST_PAYMENT`.
fn resource_of(name: &str) -> String {
    let verbs = ["Get", "Put", "Delete", "List", "Create", "Update"];
    let noun = verbs.iter().find_map(|verb| name.strip_prefix(verb)).unwrap_or(name);
    let noun = noun.strip_prefix("Bucket").unwrap_or(noun);
    let noun = noun.strip_suffix("Configurations").or(noun.strip_suffix("Configuration")).unwrap_or(noun);
    let mut resource = String::new();
    for (index, letter) in noun.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            resource.push('_');
        }
        resource.push(letter.to_ascii_uppercase());
    }
    resource
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::StatusCode;

    use super::{AccessLine, Ending, operation_name};
    use crate::engine::LoggedBucket;
    use crate::net::Response;
    use crate::net::full_body;
    use crate::rules::{LogKeyFormat, Logging};
    use crate::s3::Operation;
    use crate::s3::route::route;
    use crate::types::{Bucket, BucketId, BucketName, OwnerId, Timestamp};

    fn logged() -> Arc<LoggedBucket> {
        let bucket = Bucket {
            id: BucketId(1),
            name: BucketName::parse("source").unwrap(),
            owner: OwnerId("owner".to_owned()),
            created: Timestamp(0),
            location: String::new(),
            generation: 0,
            is_versioned: false,
        };
        let logging = Logging {
            target_bucket: "logs".to_owned(),
            target_prefix: String::new(),
            key_format: LogKeyFormat::Simple,
            names_format: false,
        };
        Arc::new(LoggedBucket { bucket, logging })
    }

    fn line(agent: &str) -> String {
        let request = http::Request::get("/source/a%20b?versionId=null&X-Amz-Signature=secret")
            .header("host", "localhost:9000")
            .header("user-agent", agent);
        let head = request.body(()).unwrap().into_parts().0;
        let routed = route(&head, &[]).unwrap();
        let at = Timestamp::parse_iso("2019-02-06T00:00:38Z").unwrap();
        let mut line = AccessLine::begin(logged(), (&head, &routed, "REST"), ("R", &Arc::from("H")), at);
        let mut response = Response::new(full_body("abc"));
        response.headers_mut().insert("content-range", "bytes 0-2/10".parse().unwrap());
        line.note_answer(&response, Duration::from_millis(5));
        let elapsed = Duration::from_millis(7);
        line.line(Ending { status: Some(StatusCode::PARTIAL_CONTENT), sent_bytes: 3, elapsed })
    }

    #[test]
    fn a_line_has_the_fields_of_s3_in_order() {
        assert_eq!(
            line("aws-cli/2"),
            "owner source [06/Feb/2019:00:00:38 +0000] - - R REST.GET.OBJECT a%20b \
             \"GET /source/a%20b?versionId=null&X-Amz-Signature=- HTTP/1.1\" 206 - 3 10 7 5 \"-\" \"aws-cli/2\" - H \
             SigV4 - QueryString localhost:9000 - - -"
        );
    }

    #[test]
    fn a_client_cannot_end_its_field() {
        assert!(line("a\" 200 \"b").contains("\"a%22 200 %22b\""));
    }

    #[test]
    fn operations_have_the_names_of_s3() {
        for (operation, method, name) in [
            (Operation::PutObject, "PUT", "REST.PUT.OBJECT"),
            (Operation::CopyObject, "PUT", "REST.COPY.OBJECT"),
            (Operation::ListObjectsV2, "GET", "REST.GET.BUCKET"),
            (Operation::DeleteObjects, "POST", "REST.POST.MULTI_OBJECT_DELETE"),
            (Operation::GetBucketLocation, "GET", "REST.GET.LOCATION"),
            (Operation::PutBucketNotificationConfiguration, "PUT", "REST.PUT.NOTIFICATION"),
            (Operation::GetBucketRequestPayment, "GET", "REST.GET.REQUEST_PAYMENT"),
            (Operation::PutObjectTagging, "PUT", "REST.PUT.OBJECT_TAGGING"),
            (Operation::GetPublicAccessBlock, "GET", "REST.GET.PUBLIC_ACCESS_BLOCK"),
            (Operation::GetBucketLogging, "GET", "REST.GET.LOGGING_STATUS"),
        ] {
            assert_eq!(operation_name("REST", operation, method), name);
        }
        let mut names: Vec<_> =
            Operation::ALL.iter().map(|operation| operation_name("REST", *operation, "X")).collect();
        assert!(names.iter_mut().all(|name| !name.ends_with('.') && !name.contains(' ')));
    }
}
