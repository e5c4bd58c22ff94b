//! What is remembered of requests, as JSON: why each refused one was refused, and bodies that are on their way in.

use std::time::Instant;

use serde_json::{Value, json};

use crate::admin::answer::{Fault, Outcome, ok};
use crate::admin::call::Call;
use crate::admin::shared::Shared;
use crate::limits::insight::{REQUESTS_LISTED, REQUESTS_LISTED_MAX};
use crate::telemetry::{Explanation, Insight, RememberedRequest, RequestFilter, RunningUpload};

/// `GET /v1/requests`: `status=refused|4xx|5xx|all`, `key`, `bucket`, `limit`, `before`.
pub(crate) fn list(admin: &Shared, call: &Call) -> Outcome {
    ok(&listed(&admin.parts.insight, |name| call.query(name).unwrap_or_default())?)
}

/// `GET /v1/requests/{id}`.
pub(crate) fn show(admin: &Shared, call: &Call) -> Outcome {
    ok(&found(&admin.parts.insight, &call.parameter)?)
}

/// `GET /v1/uploads/running`.
pub(crate) fn uploads(admin: &Shared) -> Outcome {
    ok(&running(&admin.parts.insight, Instant::now()))
}

fn listed(insight: &Insight, asked: impl Fn(&str) -> String) -> Result<Value, Fault> {
    let classes = match asked("status").as_str() {
        "" | "all" => vec![],
        "refused" => vec![4, 5],
        "4xx" => vec![4],
        "5xx" => vec![5],
        _ => return Err(Fault::bad("bad-status", "The status is one of refused, 4xx, 5xx and all.")),
    };
    let limit = match asked("limit").as_str() {
        "" => REQUESTS_LISTED,
        text => match text.parse() {
            Ok(limit) if (1..=REQUESTS_LISTED_MAX).contains(&limit) => limit,
            Ok(_) | Err(_) => return Err(Fault::bad("bad-limit", "The limit is a number from 1 to 1000.")),
        },
    };
    let filter = RequestFilter { classes, key: asked("key"), bucket: asked("bucket"), before: asked("before") };
    let requests: Vec<Value> = insight.requests.list(&filter, limit).iter().map(shown).collect();
    Ok(json!({"requests": requests}))
}

fn found(insight: &Insight, id: &str) -> Result<Value, Fault> {
    let Some(request) = insight.requests.find(id) else {
        let text = "No request of that id is remembered: it never came, or is too long ago.";
        return Err(Fault::absent("no-such-request", text));
    };
    let mut body = shown(&request);
    body["explanation"] = request.explanation.as_deref().map_or(Value::Null, explained);
    Ok(body)
}

fn running(insight: &Insight, now: Instant) -> Value {
    let uploads: Vec<Value> = insight.uploads.list().iter().map(|upload| shown_upload(upload, now)).collect();
    json!({"uploads": uploads})
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

fn shown_upload(upload: &RunningUpload, now: Instant) -> Value {
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
    use std::time::Instant;

    use super::{found, listed, running};
    use crate::telemetry::Insight;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let insight = Insight::default();
        let list = |name: &'static str, value: &'static str| {
            let asked = |wanted: &str| if wanted == name { value.to_owned() } else { String::new() };
            listed(&insight, asked).map_err(|fault| fault.error())
        };
        assert!(list("", "").is_ok() && list("status", "5xx").is_ok() && list("limit", "1000").is_ok());
        assert_eq!(list("status", "3xx"), Err("bad-status"));
        for limit in ["0", "1001", "-1", "many"] {
            assert_eq!(list("limit", limit), Err("bad-limit"), "{limit}");
        }
        assert_eq!(found(&insight, "x").unwrap_err().error(), "no-such-request");
        assert_eq!(running(&insight, Instant::now())["uploads"].as_array().map(Vec::len), Some(0));
    }
}
