//! Cross-origin requests of browsers: preflights, and the headers that let a page read an answer. No document is
//! looked up for a request without `Origin`.
//!
//! Source: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)".

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::engine::EngineError;
use crate::net::Response;
use crate::rules::cors::{CorsAsk, CorsGrant, CorsMethod, CorsRules};
use crate::s3::bucket_document::load;
use crate::s3::respond::respond_empty;
use crate::s3::route::Routed;
use crate::s3::{Code, Gateway, Operation, S3Error};
use crate::types::{BucketName, DocumentKind};

/// What an answer depends on once a bucket has rules: caches must not give one origin's answer to another.
const VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// A request that says which page it comes from.
pub(crate) struct Crossing {
    /// As it was sent: it goes back as it is.
    origin: HeaderValue,
    method: String,
    /// Which bucket's rules count, once the request was routed.
    bucket: Option<BucketName>,
}

impl Crossing {
    /// What a request's head says; `None` if it comes from no page.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        let origin = head.headers.get(ORIGIN)?.clone();
        // Some clients send a real request with the headers of its preflight.
        let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).and_then(|value| value.to_str().ok());
        let method = asked.unwrap_or(head.method.as_str()).to_owned();
        Some(Self { origin, method, bucket: None })
    }

    /// Notes whose rules count. A preflight is answered by itself.
    pub(crate) fn note_route(&mut self, routed: &Routed) {
        if routed.operation != Operation::PreflightRequest {
            self.bucket.clone_from(&routed.bucket);
        }
    }

    /// Lets the page read an answer, refusals included, if a rule of the bucket says so. What goes wrong here
    /// leaves the answer as it is.
    pub(crate) async fn open(&self, gateway: &Gateway, headers: &mut HeaderMap) {
        let (Some(bucket), Ok(origin)) = (&self.bucket, self.origin.to_str()) else { return };
        let rules = match find_rules(gateway, bucket).await {
            Ok(Some(rules)) => rules,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%bucket, code = error.code.name(), cause = error.cause, "read cross-origin rules");
                return;
            }
        };
        headers.append(VARY, VARIES);
        let ask = CorsAsk { origin, method: &self.method, headers: &[] };
        if let Some(grant) = rules.find(&ask) {
            write_grant(headers, &grant, &self.origin);
        }
    }
}

/// Answers whether a request may follow. Needs no signature: browsers send none with a preflight.
///
/// # Errors
/// `BadRequest` for what is no preflight, `AccessForbidden`.
pub(crate) async fn preflight(gateway: &Gateway, head: &Parts, routed: &Routed) -> Result<Response, S3Error> {
    let bad = |message: &str| S3Error::new(Code::BadRequest).message(message.to_owned());
    let origin = head.headers.get(ORIGIN);
    let origin = origin.ok_or_else(|| bad("Insufficient information. Origin request header needed."))?;
    let method = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).and_then(|value| value.to_str().ok());
    let method = method.ok_or_else(|| bad("Invalid Access-Control-Request-Method: null"))?;
    if CorsMethod::parse(method).is_none() {
        return Err(bad(&format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let forbidden = |message: &'static str| {
        let kind = if routed.key.is_some() { "OBJECT" } else { "BUCKET" };
        S3Error::new(Code::AccessForbidden).message(message).detail("Method", method).detail("ResourceType", kind)
    };
    let rules = match &routed.bucket {
        Some(bucket) => find_rules(gateway, bucket).await?,
        None => None,
    };
    let rules = rules.ok_or_else(|| forbidden("CORSResponse: CORS is not enabled for this bucket."))?;
    let not_allowed = || {
        forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request \
             method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the \
             resource's CORS spec.",
        )
    };
    let asked = asked_headers(&head.headers).ok_or_else(not_allowed)?;
    let names: Vec<&str> = asked.iter().map(String::as_str).collect();
    let ask = CorsAsk { origin: origin.to_str().map_err(|_| not_allowed())?, method, headers: &names };
    let grant = rules.find(&ask).ok_or_else(not_allowed)?;
    let mut response = respond_empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.append(VARY, VARIES);
    write_grant(headers, &grant, origin);
    insert_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &names);
    Ok(response)
}

/// The headers that a preflight asks for, in lower case; `None` if they are no text.
fn asked_headers(headers: &HeaderMap) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for value in headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        let list = value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.extend(list.map(str::to_ascii_lowercase));
    }
    Some(names)
}

/// The rules of a bucket. One that does not exist has none: a preflight is not a way to learn which do.
async fn find_rules(gateway: &Gateway, name: &BucketName) -> Result<Option<CorsRules>, S3Error> {
    let bucket = match gateway.engine.bucket(name).await {
        Ok(bucket) => bucket,
        Err(EngineError::NoSuchBucket) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    load(gateway, &bucket, DocumentKind::Cors).await
}

fn write_grant(headers: &mut HeaderMap, grant: &CorsGrant<'_>, origin: &HeaderValue) {
    if grant.any_origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let methods: Vec<&str> = grant.rule.methods.iter().map(|method| method.name()).collect();
    insert_list(headers, ACCESS_CONTROL_ALLOW_METHODS, &methods);
    let exposed: Vec<&str> = grant.rule.exposed.iter().map(String::as_str).collect();
    insert_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
    if let Some(seconds) = grant.rule.max_age_seconds {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
}

/// A list that could not be a header was refused when the rules were put.
fn insert_list(headers: &mut HeaderMap, name: http::HeaderName, texts: &[&str]) {
    if let (false, Ok(value)) = (texts.is_empty(), HeaderValue::try_from(texts.join(", "))) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{asked_headers, write_grant};
    use crate::rules::cors::{CorsGrant, CorsMethod, CorsRule};

    #[test]
    fn a_grant_names_the_origin_or_everybody() {
        let rule = CorsRule {
            methods: vec![CorsMethod::Get, CorsMethod::Put],
            exposed: vec!["ETag".to_owned(), "x-amz-request-id".to_owned()],
            max_age_seconds: Some(300),
            ..CorsRule::default()
        };
        let origin = HeaderValue::from_static("https://a");
        let mut headers = HeaderMap::new();
        write_grant(&mut headers, &CorsGrant { rule: &rule, any_origin: false }, &origin);
        assert_eq!(headers["access-control-allow-origin"], "https://a");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-allow-methods"], "GET, PUT");
        assert_eq!(headers["access-control-expose-headers"], "ETag, x-amz-request-id");
        assert_eq!(headers["access-control-max-age"], "300");
        let mut headers = HeaderMap::new();
        write_grant(&mut headers, &CorsGrant { rule: &rule, any_origin: true }, &origin);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn asked_headers_are_a_list_over_several_lines() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked_headers(&headers).unwrap(), Vec::<String>::new());
        headers.append("access-control-request-headers", HeaderValue::from_static("X-Amz-Date, content-type,,"));
        headers.append("access-control-request-headers", HeaderValue::from_static("range"));
        assert_eq!(asked_headers(&headers).unwrap(), ["x-amz-date", "content-type", "range"]);
    }
}
