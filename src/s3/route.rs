//! From method, host, path and query to an operation on a bucket and key: the first stage of a request.
//!
//! Knows nothing of who asks or of what exists: it only reads. Keys stay as they were sent: `..`, `//` and a
//! leading slash mean nothing here.

use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use crate::auth::request_host;
use crate::limits::KEY_BYTES_MAX;
use crate::s3::query::Query;
use crate::s3::route_table::{BUCKET_ROWS, OBJECT_ROWS, Row};
use crate::s3::{Code, Operation, S3Error};
use crate::types::key::InvalidKey;
use crate::types::{BucketName, ObjectKey};

/// A request that was routed. Only `route` makes one.
#[derive(Clone, Debug)]
pub struct Routed {
    pub(crate) operation: Operation,
    pub(crate) bucket: Option<BucketName>,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) query: Query,
    /// Keeps other modules from making one.
    _seal: (),
}

impl Routed {
    /// The same request, turned to another operation on a key of its bucket: what a form stands for, and what a
    /// website reads.
    pub(crate) fn about(self, operation: Operation, key: Option<ObjectKey>) -> Self {
        Self { operation, key, ..self }
    }
}

/// Routes a request. `domains` are the base domains of virtual-host style.
///
/// # Errors
/// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`, `MethodNotAllowed`, `InvalidArgument`, `InvalidRequest`.
pub(crate) fn route(head: &Parts, domains: &[String]) -> Result<Routed, S3Error> {
    let invalid = || S3Error::new(Code::InvalidURI).detail("URI", head.uri.path());
    let query = Query::parse(head.uri.query().unwrap_or_default()).ok_or_else(invalid)?;
    let path = decode_path(head.uri.path()).ok_or_else(invalid)?;
    let hosted = hosted_bucket(host(head), domains);
    let (bucket, key) = match &hosted {
        Some(bucket) => (Some(bucket.as_str()), path.as_str()),
        None => split_path(&path),
    };
    if bucket == Some("WriteGetObjectResponse") && head.method == Method::POST {
        return Ok(Routed { operation: Operation::WriteGetObjectResponse, bucket: None, key: None, query, _seal: () });
    }
    let bucket = bucket.map(parse_bucket).transpose()?;
    let key = parse_key(key)?;
    let operation = operation(head, bucket.is_some(), key.is_some(), &query)?;
    Ok(Routed { operation, bucket, key, query, _seal: () })
}

/// Routes a request to a website: its host lies below one of the website domains, and not deeper below one of
/// `domains`. `None` for every other host.
///
/// # Errors
/// `MethodNotAllowed` for all but GET, HEAD and a preflight, `InvalidURI`, `NoSuchBucket`, `KeyTooLongError`.
pub(crate) fn route_website(
    head: &Parts,
    domains: &[String],
    website_domains: &[String],
) -> Option<Result<Routed, S3Error>> {
    let host = host(head);
    let bucket = hosted_bucket(host, website_domains)?;
    let is_path_style = domains.iter().any(|domain| domain.eq_ignore_ascii_case(host));
    let is_deeper = hosted_bucket(host, domains).is_some_and(|other| other.len() < bucket.len());
    (!is_path_style && !is_deeper).then(|| visit(head, &bucket))
}

fn visit(head: &Parts, bucket: &str) -> Result<Routed, S3Error> {
    let operation = match head.method {
        Method::GET => Operation::GetObject,
        Method::HEAD => Operation::HeadObject,
        Method::OPTIONS => Operation::PreflightRequest,
        _ => {
            return Err(S3Error::new(Code::MethodNotAllowed)
                .detail("Method", head.method.as_str())
                .detail("ResourceType", Resource::Object.name())
                .header(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS")));
        }
    };
    let invalid = || S3Error::new(Code::InvalidURI).detail("URI", head.uri.path());
    let key = parse_key(&decode_path(head.uri.path()).ok_or_else(invalid)?)?;
    // No bucket has such a name.
    let bucket = parse_bucket(bucket).map_err(|_| S3Error::new(Code::NoSuchBucket).detail("BucketName", bucket))?;
    // What is behind the question mark is for the page: a visitor asks for no version and overrides no header.
    Ok(Routed { operation, bucket: Some(bucket), key, query: Query::default(), _seal: () })
}

/// Whether a request names the service itself, and no bucket.
pub(crate) fn names_service(head: &Parts, domains: &[String]) -> bool {
    head.uri.path() == "/" && hosted_bucket(host(head), domains).is_none()
}

/// The host that the request names, without its port.
fn host(head: &Parts) -> &str {
    let named = request_host(head).unwrap_or_default();
    match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => named,
    }
}

/// The bucket that a virtual-host style host names: what stands before the longest domain that fits. Host names
/// have no case and bucket names no capitals, so the name is folded.
fn hosted_bucket(host: &str, domains: &[String]) -> Option<String> {
    let fitting = domains.iter().filter_map(|domain| {
        let start = host.len().checked_sub(domain.len())?;
        let (front, end) = host.split_at_checked(start)?;
        let bucket = front.strip_suffix('.')?;
        (end.eq_ignore_ascii_case(domain) && !bucket.is_empty()).then_some(bucket)
    });
    // A host that is itself a domain is path style, even if it lies below another domain.
    if domains.iter().any(|domain| domain.eq_ignore_ascii_case(host)) {
        return None;
    }
    fitting.min_by_key(|bucket| bucket.len()).map(str::to_ascii_lowercase)
}

/// The path without its first slash, decoded once. `None` for broken escapes and for what is not UTF-8.
fn decode_path(raw: &str) -> Option<String> {
    let bytes = raw.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !whole(at)) {
        return None;
    }
    let path = raw.strip_prefix('/').unwrap_or(raw);
    percent_decode_str(path).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Bucket and key of a path-style path.
fn split_path(path: &str) -> (Option<&str>, &str) {
    match path.split_once('/') {
        Some((bucket, key)) => (Some(bucket), key),
        None if path.is_empty() || path == "*" => (None, ""),
        None => (Some(path), ""),
    }
}

fn parse_bucket(name: &str) -> Result<BucketName, S3Error> {
    BucketName::parse(name).map_err(|_| S3Error::new(Code::InvalidBucketName).detail("BucketName", name))
}

fn parse_key(key: &str) -> Result<Option<ObjectKey>, S3Error> {
    match ObjectKey::parse(key) {
        Ok(key) => Ok(Some(key)),
        Err(InvalidKey::Empty) => Ok(None),
        Err(InvalidKey::TooLong(length)) => Err(S3Error::new(Code::KeyTooLongError)
            .detail("Size", length.to_string())
            .detail("MaxSizeAllowed", KEY_BYTES_MAX.to_string())),
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Service,
    Bucket,
    Object,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Service => "SERVICE",
            Self::Bucket => "BUCKET",
            Self::Object => "OBJECT",
        }
    }
}

fn operation(head: &Parts, has_bucket: bool, has_key: bool, query: &Query) -> Result<Operation, S3Error> {
    if head.method == Method::OPTIONS {
        return Ok(Operation::PreflightRequest);
    }
    let resource = match (has_bucket, has_key) {
        (false, _) => Resource::Service,
        (true, false) => Resource::Bucket,
        (true, true) => Resource::Object,
    };
    let routed = match resource {
        Resource::Service => (head.method == Method::GET).then_some(Operation::ListBuckets),
        Resource::Bucket => bucket_operation(head, query)?,
        Resource::Object => object_operation(head, query)?,
    };
    routed.ok_or_else(|| {
        S3Error::new(Code::MethodNotAllowed)
            .detail("Method", head.method.as_str())
            .detail("ResourceType", resource.name())
    })
}

/// The row of the only sub-resource that the query names.
fn sub_resource<'a>(rows: &'a [Row], query: &Query) -> Result<Option<&'a Row>, S3Error> {
    let mut named = rows.iter().filter(|row| query.has(row.name));
    match (named.next(), named.next()) {
        (Some(first), Some(second)) => Err(S3Error::invalid_argument(
            "ResourceType",
            first.name,
            format!("Conflicting query string parameters: {}, {}", first.name, second.name),
        )),
        (row, _) => Ok(row),
    }
}

fn bucket_operation(head: &Parts, query: &Query) -> Result<Option<Operation>, S3Error> {
    if head.method == Method::HEAD {
        return Ok(Some(Operation::HeadBucket));
    }
    if let Some(row) = sub_resource(BUCKET_ROWS, query)? {
        let operation = row.operation(&head.method);
        return Ok(operation.map(|operation| if query.has("id") { single(operation) } else { operation }));
    }
    Ok(match head.method {
        Method::GET => Some(match query.value("list-type") {
            None => Operation::ListObjects,
            Some("2") => Operation::ListObjectsV2,
            Some(other) => {
                return Err(S3Error::invalid_argument("list-type", other, "Invalid List Type Specified in Request"));
            }
        }),
        Method::PUT => Some(Operation::CreateBucket),
        Method::DELETE => Some(Operation::DeleteBucket),
        Method::POST => Some(Operation::PostObject),
        _ => None,
    })
}

/// With an `id`, the sub-resources that are lists of configurations are about one of them.
fn single(operation: Operation) -> Operation {
    if operation == Operation::ListBucketAnalyticsConfigurations {
        Operation::GetBucketAnalyticsConfiguration
    } else if operation == Operation::ListBucketIntelligentTieringConfigurations {
        Operation::GetBucketIntelligentTieringConfiguration
    } else if operation == Operation::ListBucketInventoryConfigurations {
        Operation::GetBucketInventoryConfiguration
    } else if operation == Operation::ListBucketMetricsConfigurations {
        Operation::GetBucketMetricsConfiguration
    } else {
        operation
    }
}

fn object_operation(head: &Parts, query: &Query) -> Result<Option<Operation>, S3Error> {
    if head.method == Method::HEAD {
        return Ok(Some(Operation::HeadObject));
    }
    if let Some(row) = sub_resource(OBJECT_ROWS, query)? {
        let operation = row.operation(&head.method);
        let listing = operation == Some(Operation::GetObjectAnnotation) && !query.has("annotationName");
        return Ok(if listing { Some(Operation::ListObjectAnnotations) } else { operation });
    }
    if let Some(row) = BUCKET_ROWS.iter().find(|row| query.value(row.name) == Some("")) {
        return Err(S3Error::invalid_request(format!(
            "Key is not expected for the {} method ?{} subresource",
            head.method, row.name
        )));
    }
    let is_copy = head.headers.contains_key("x-amz-copy-source") || has_hoisted(query, "x-amz-copy-source");
    let has_upload = query.has("uploadId");
    Ok(match head.method {
        Method::GET if has_upload => Some(Operation::ListParts),
        Method::GET => Some(Operation::GetObject),
        Method::PUT => Some(match (has_upload, query.has("partNumber"), is_copy) {
            (true, true, true) => Operation::UploadPartCopy,
            (true, true, false) => Operation::UploadPart,
            (false, false, true) => Operation::CopyObject,
            (false, false, false) => Operation::PutObject,
            // A part that lost one of its two parameters must not overwrite the object.
            (true, false, _) | (false, true, _) => {
                let missing = if has_upload { "partNumber" } else { "uploadId" };
                let message = "An upload of a part needs both partNumber and uploadId.";
                return Err(S3Error::invalid_argument(missing, "", message));
            }
        }),
        Method::POST if has_upload => Some(Operation::CompleteMultipartUpload),
        Method::DELETE if has_upload => Some(Operation::AbortMultipartUpload),
        Method::DELETE => Some(Operation::DeleteObject),
        _ => None,
    })
}

/// Whether a presigned URL carries the header `name` in its query.
fn has_hoisted(query: &Query, name: &str) -> bool {
    query.iter().any(|(parameter, _)| parameter.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{route, route_website};
    use crate::s3::{Code, Operation};

    type Outcome = Result<(Operation, Option<String>, Option<String>), Code>;

    fn on(host: &str, method: &str, uri: &str, header: Option<&'static str>) -> Outcome {
        let mut request = Request::builder().method(method).uri(uri).header("host", host);
        if let Some(header) = header {
            request = request.header(header, "b/k");
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let routed =
            route(&head, &["s3.Example.org".to_owned(), "example.org".to_owned()]).map_err(|error| error.code)?;
        let bucket = routed.bucket.map(|bucket| bucket.to_string());
        Ok((routed.operation, bucket, routed.key.map(|key| key.to_string())))
    }

    fn name(method: &str, uri: &str) -> Result<&'static str, Code> {
        on("localhost:9000", method, uri, None).map(|(operation, ..)| operation.name())
    }

    fn place(uri: &str) -> Result<(String, String), Code> {
        on("localhost", "GET", uri, None).map(|(_, bucket, key)| (bucket.unwrap_or_default(), key.unwrap_or_default()))
    }

    #[test]
    fn methods_and_sub_resources_name_the_operation() {
        let table = [
            ("GET", "/", "ListBuckets"),
            ("GET", "/?x-id=ListBuckets", "ListBuckets"),
            ("PUT", "/abc", "CreateBucket"),
            ("PUT", "/abc/", "CreateBucket"),
            ("HEAD", "/abc/", "HeadBucket"),
            ("DELETE", "/abc", "DeleteBucket"),
            ("GET", "/abc", "ListObjects"),
            ("GET", "/abc/?list-type=2&prefix=a", "ListObjectsV2"),
            ("GET", "/abc?foo", "ListObjects"),
            ("GET", "/abc?location", "GetBucketLocation"),
            ("GET", "/abc?location=", "GetBucketLocation"),
            ("GET", "/abc?versions", "ListObjectVersions"),
            ("GET", "/abc?uploads", "ListMultipartUploads"),
            ("GET", "/abc?analytics", "ListBucketAnalyticsConfigurations"),
            ("GET", "/abc?analytics&id=1", "GetBucketAnalyticsConfiguration"),
            ("GET", "/abc?policyStatus", "GetBucketPolicyStatus"),
            ("DELETE", "/abc?policy", "DeleteBucketPolicy"),
            ("DELETE", "/abc?publicAccessBlock", "DeletePublicAccessBlock"),
            ("PUT", "/abc?versioning", "PutBucketVersioning"),
            ("POST", "/abc?delete", "DeleteObjects"),
            ("POST", "/abc", "PostObject"),
            ("OPTIONS", "/abc/k", "PreflightRequest"),
            ("OPTIONS", "*", "PreflightRequest"),
            ("GET", "/abc/k", "GetObject"),
            ("GET", "/abc/k?partNumber=1", "GetObject"),
            ("GET", "/abc/k?versionId=null", "GetObject"),
            ("GET", "/abc/k?acl", "GetObjectAcl"),
            ("GET", "/abc/k?attributes", "GetObjectAttributes"),
            ("GET", "/abc/k?uploadId=1", "ListParts"),
            ("GET", "/abc/k?annotation", "ListObjectAnnotations"),
            ("GET", "/abc/k?annotation&annotationName=x", "GetObjectAnnotation"),
            ("HEAD", "/abc/k", "HeadObject"),
            ("PUT", "/abc/k?x-id=PutObject", "PutObject"),
            ("PUT", "/abc/k?uploadId=1&partNumber=1", "UploadPart"),
            ("PUT", "/abc/k?X-Amz-Copy-Source=b%2Fk", "CopyObject"),
            ("PUT", "/abc/k?tagging", "PutObjectTagging"),
            ("PUT", "/abc/k?renameObject", "RenameObject"),
            ("POST", "/abc/k?uploads", "CreateMultipartUpload"),
            ("POST", "/abc/k?uploadId=1", "CompleteMultipartUpload"),
            ("POST", "/abc/k?restore", "RestoreObject"),
            ("POST", "/abc/k?select&select-type=2", "SelectObjectContent"),
            ("DELETE", "/abc/k", "DeleteObject"),
            ("DELETE", "/abc/k?uploadId=1", "AbortMultipartUpload"),
            ("POST", "/WriteGetObjectResponse", "WriteGetObjectResponse"),
        ];
        for (method, uri, want) in table {
            assert_eq!(name(method, uri), Ok(want), "{method} {uri}");
        }
    }

    #[test]
    fn requests_that_are_no_operation_are_refused() {
        let table = [
            ("POST", "/", Code::MethodNotAllowed),
            ("HEAD", "/", Code::MethodNotAllowed),
            ("PATCH", "/abc", Code::MethodNotAllowed),
            ("TRACE", "/abc/k", Code::MethodNotAllowed),
            ("BREW", "/abc/k", Code::MethodNotAllowed),
            ("POST", "/abc/k", Code::MethodNotAllowed),
            ("DELETE", "/abc?versioning", Code::MethodNotAllowed),
            ("PUT", "/abc?location", Code::MethodNotAllowed),
            ("GET", "/abc?acl&cors", Code::InvalidArgument),
            ("GET", "/abc?list-type=1", Code::InvalidArgument),
            ("GET", "/abc/k?policy", Code::InvalidRequest),
            ("PUT", "/abc/k?uploadId=1", Code::InvalidArgument),
            ("PUT", "/abc/k?partNumber=1", Code::InvalidArgument),
            ("GET", "/abc/%zz", Code::InvalidURI),
            ("GET", "/abc/%ff", Code::InvalidURI),
            ("GET", "/abc/k?a=%ff", Code::InvalidURI),
            ("HEAD", "/A_", Code::InvalidBucketName),
            ("GET", "//k", Code::InvalidBucketName),
            ("GET", "/..", Code::InvalidBucketName),
        ];
        for (method, uri, want) in table {
            assert_eq!(name(method, uri), Err(want), "{method} {uri}");
        }
        let long = format!("/abc/{}", "k".repeat(1025));
        assert_eq!(name("GET", &long), Err(Code::KeyTooLongError));
    }

    #[test]
    fn keys_are_opaque_and_decoded_once() {
        let table = [
            ("/abc//a", "/a"),
            ("/abc/a//b/", "a//b/"),
            ("/abc/../x/./y", "../x/./y"),
            ("/abc/a%2Fb%20c+d", "a/b c+d"),
            ("/abc/%2525", "%25"),
            ("/abc/%00%01", "\u{0}\u{1}"),
            ("/abc%2Fk", "k"),
            ("/abc/gr%C3%BCn", "grün"),
        ];
        for (uri, key) in table {
            assert_eq!(place(uri), Ok(("abc".to_owned(), key.to_owned())), "{uri}");
        }
    }

    #[test]
    fn a_host_below_a_domain_names_the_bucket() {
        let bucket =
            |host: &str| on(host, "GET", "/abc/k", None).map(|(_, bucket, key)| (bucket.unwrap(), key.unwrap()));
        let path_style = Ok(("abc".to_owned(), "k".to_owned()));
        let hosted = |name: &str| Ok((name.to_owned(), "abc/k".to_owned()));
        for host in [
            "localhost",
            "127.0.0.1:9000",
            "[::1]:9000",
            "s3.example.org",
            "EXAMPLE.org:80",
            ".example.org",
            "notexample.org",
        ] {
            assert_eq!(bucket(host), path_style, "{host}");
        }
        assert_eq!(bucket("my.bucket.example.org"), hosted("my.bucket"));
        assert_eq!(bucket("bucket.S3.example.ORG:9000"), hosted("bucket"));
        assert_eq!(bucket("My.Bucket.s3.example.org"), hosted("my.bucket"));
        assert_eq!(bucket("b_.s3.example.org"), Err(Code::InvalidBucketName));
        assert_eq!(on("bucket.s3.example.org", "GET", "/", None).unwrap().0, Operation::ListObjects);
        assert_eq!(on("bucket.s3.example.org", "GET", "//a", None).unwrap().2.unwrap(), "/a");
    }

    #[test]
    fn a_host_below_a_website_domain_is_visited() {
        let sites = ["web.example.org".to_owned(), "sites.test".to_owned()];
        let visit = |host: &str, method: &str, uri: &str| {
            let request = Request::builder().method(method).uri(uri).header("host", host).body(()).unwrap();
            let domains = ["example.org".to_owned(), "s3.sites.test".to_owned()];
            let routed = route_website(&request.into_parts().0, &domains, &sites)?;
            Some(routed.map_err(|error| error.code).map(|routed| {
                let key = routed.key.map(|key| key.to_string()).unwrap_or_default();
                (routed.operation, routed.bucket.unwrap().to_string(), key)
            }))
        };
        let site = |operation, bucket: &str, key: &str| Some(Ok((operation, bucket.to_owned(), key.to_owned())));
        assert_eq!(
            visit("abc.web.example.org:80", "GET", "/a%20b?versionId=x"),
            site(Operation::GetObject, "abc", "a b")
        );
        assert_eq!(visit("a.b.c.sites.test", "HEAD", "/?acl"), site(Operation::HeadObject, "a.b.c", ""));
        assert_eq!(visit("ABC.sites.test", "OPTIONS", "/x"), site(Operation::PreflightRequest, "abc", "x"));
        for host in
            ["abc.example.org", "web.example.org", "abc.s3.sites.test", "s3.sites.test", "localhost", ".sites.test"]
        {
            assert_eq!(visit(host, "GET", "/"), None, "{host}");
        }
        for method in ["PUT", "POST", "DELETE", "PATCH"] {
            assert_eq!(visit("abc.sites.test", method, "/x"), Some(Err(Code::MethodNotAllowed)), "{method}");
        }
        assert_eq!(visit("a_.sites.test", "GET", "/"), Some(Err(Code::NoSuchBucket)));
        assert_eq!(visit("abc.sites.test", "GET", "/%zz"), Some(Err(Code::InvalidURI)));
    }

    #[test]
    fn a_copy_source_makes_a_put_a_copy() {
        let copy = |uri| on("h", "PUT", uri, Some("x-amz-copy-source")).unwrap().0;
        assert_eq!(copy("/abc/k"), Operation::CopyObject);
        assert_eq!(copy("/abc/k?uploadId=1&partNumber=2"), Operation::UploadPartCopy);
    }

    #[test]
    fn random_targets_never_panic() {
        use rand::{Rng as _, SeedableRng as _};
        let alphabet = b"/%20aF.?&=~*+-_:@;,uploadIdAcl";
        for seed in 0..2000 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let length = random.random_range(0..60);
            let tail: String =
                (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect();
            let Ok(request) = Request::builder().method("PUT").uri(format!("/{tail}")).body(()) else { continue };
            let _ = route(&request.into_parts().0, &[]).map(|routed| routed.operation);
        }
    }
}
