//! What is remembered of requests, as JSON: why each refused one was refused, and bodies that are on their way in.

use std::time::Instant;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::limits::insight::{REQUESTS_LISTED, REQUESTS_LISTED_MAX};
use crate::telemetry::{Explanation, Insight, RememberedRequest, RequestFilter, RunningUpload};

/// `GET /v1/requests`: `status=refused|4xx|5xx|all`, `key`, `bucket`, `limit`, `before`.
pub fn list(insight: &Insight, query: &str) -> (StatusCode, Value) {
    let asked = |name: &str| parameter(query, name).unwrap_or_default();
    let classes = match asked("status").as_str() {
        "" | "all" => vec![],
        "refused" => vec![4, 5],
        "4xx" => vec![4],
        "5xx" => vec![5],
        _ => return bad("bad-status", "The status is one of refused, 4xx, 5xx and all."),
    };
    let limit = match asked("limit").as_str() {
        "" => REQUESTS_LISTED,
        text => match text.parse() {
            Ok(limit) if (1..=REQUESTS_LISTED_MAX).contains(&limit) => limit,
            Ok(_) | Err(_) => return bad("bad-limit", "The limit is a number from 1 to 1000."),
        },
    };
    let filter = RequestFilter { classes, key: asked("key"), bucket: asked("bucket"), before: asked("before") };
    let requests: Vec<Value> = insight.requests.list(&filter, limit).iter().map(shown).collect();
    (StatusCode::OK, json!({"requests": requests}))
}

/// `GET /v1/requests/{id}`.
pub fn show(insight: &Insight, id: &str) -> (StatusCode, Value) {
    match insight.requests.find(id) {
        Some(request) => {
            let mut body = shown(&request);
            body["explanation"] = request.explanation.as_deref().map_or(Value::Null, explained);
            (StatusCode::OK, body)
        }
        None => {
            let message = "No request of that id is remembered: it never came, or is too long ago.";
            (StatusCode::NOT_FOUND, json!({"error": "no-such-request", "message": message}))
        }
    }
}

/// `GET /v1/uploads/running`.
pub fn uploads(insight: &Insight) -> (StatusCode, Value) {
    let now = Instant::now();
    let uploads: Vec<Value> = insight.uploads.list().iter().map(|upload| running(upload, now)).collect();
    (StatusCode::OK, json!({"uploads": uploads}))
}

/// The decoded value of a parameter of a query.
pub(super) fn parameter(query: &str, wanted: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// The answer to a request that makes no sense.
pub(super) fn bad(error: &str, message: &str) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!({"error": error, "message": message}))
}

fn shown(request: &RememberedRequest) -> Value {
    let status = if request.status == 0 { Value::Null } else { request.status.into() };
    json!({
        "id": request.id,
        "at": request.at.iso_millis(),
        "method": request.method,
        "path": request.path,
        "operation": request.operation,
        "bucket": request.bucket,
        "key": request.key,
        "access_key_id": request.access_key_id,
        "name": request.name,
        "peer": request.peer,
        "status": status,
        "code": request.code,
        "duration_ms": request.duration.as_secs_f64() * 1000.0,
        "received_bytes": request.received_bytes,
        "sent_bytes": request.sent_bytes,
        "user_agent": request.user_agent,
        "has_explanation": request.explanation.is_some(),
    })
}

fn explained(explanation: &Explanation) -> Value {
    let facts: Vec<Value> =
        explanation.facts.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "kind": explanation.kind.name(),
        "sentence": explanation.sentence,
        "facts": facts,
        "canonical_request": explanation.canonical_request,
        "string_to_sign": explanation.string_to_sign,
    })
}

fn running(upload: &RunningUpload, now: Instant) -> Value {
    let seconds = now.saturating_duration_since(upload.began).as_secs_f64();
    let received_bytes = upload.received_bytes();
    json!({
        "request_id": upload.request_id,
        "bucket": upload.bucket,
        "key": upload.key,
        "operation": upload.operation,
        "received_bytes": received_bytes,
        "expected_bytes": upload.expected_bytes,
        "seconds": seconds,
        "bytes_per_second": if seconds > 0.0 { received_bytes as f64 / seconds } else { 0.0 },
        "name": upload.name,
        "peer": upload.peer,
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{list, parameter, show, uploads};
    use crate::telemetry::Insight;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter("a=1&bucket=a%2Fb+c", "bucket").as_deref(), Some("a/b c"));
        assert_eq!(parameter("a=1", "b"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let insight = Insight::default();
        assert_eq!(list(&insight, "").0, StatusCode::OK);
        assert_eq!(list(&insight, "status=3xx").0, StatusCode::BAD_REQUEST);
        for limit in ["0", "1001", "-1", "many"] {
            assert_eq!(list(&insight, &format!("limit={limit}")).0, StatusCode::BAD_REQUEST, "{limit}");
        }
        let (status, body) = show(&insight, "x");
        assert_eq!((status, body["error"].as_str()), (StatusCode::NOT_FOUND, Some("no-such-request")));
        assert_eq!(uploads(&insight).1["uploads"].as_array().map(Vec::len), Some(0));
    }
}
