//! What is open to everybody (health, metrics, status, the description of the API), and the overview of administrators.

use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::admin::answer::{Outcome, answer, json_answer, ok};
use crate::admin::call::Call;
use crate::admin::shared::{S3Url, Shared};
use crate::auth::request_host;
use crate::engine::EngineError;
use crate::limits::PAGE_MAX;
use crate::telemetry::{ClockDifference, record};
use crate::types::{Clock as _, SystemClock};

/// The description of the API.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");

/// The process answers.
pub(crate) fn live() -> Outcome {
    ok(&json!({"status": "live"}))
}

/// The server can do its work.
pub(crate) async fn ready(admin: Arc<Shared>) -> Outcome {
    Ok(match admin.probe.check().await {
        Ok(()) => json_answer(StatusCode::OK, &json!({"status": "ready"})),
        Err(cause) => {
            let body = json!({"status": cause.status(), "reason": cause.reason(), "detail": cause.to_string()});
            json_answer(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    })
}

/// Metrics in Prometheus' words.
pub(crate) fn metrics(admin: &Shared) -> Outcome {
    record::sample(&(admin.parts.gauges)());
    Ok(answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", admin.parts.recorder.render()))
}

/// The description of the API.
pub(crate) fn openapi() -> Outcome {
    Ok(answer(StatusCode::OK, "application/json", OPENAPI.to_owned()))
}

/// What may be told to everybody.
pub(crate) fn status(admin: &Shared) -> Outcome {
    let mut shown = counts(admin);
    let gauges = (admin.parts.gauges)();
    shown["disk_free_bytes"] = gauges.disk_free_bytes.into();
    ok(&shown)
}

/// What administrators see first.
pub(crate) async fn overview(admin: Arc<Shared>, call: Call) -> Outcome {
    let mut shown = counts(&admin);
    let (is_ready, reason) = match admin.probe.check().await {
        Ok(()) => (true, None),
        Err(cause) => (false, Some(cause.reason())),
    };
    let now = SystemClock.now();
    let more = json!({
        "started": admin.started.iso_millis(),
        "uptime_seconds": now.seconds() - admin.started.seconds(),
        "ready": is_ready,
        "reason": reason,
        "is_paused": admin.parts.engine.is_paused(),
        "memory_bytes": admin.parts.plan.total_bytes,
        "disk": disk(&admin.parts.data_dir),
        "buckets": count_buckets(&admin).await?,
        "s3_url": s3_url(&admin.parts.s3_url, &call.head),
        "region": admin.parts.region,
        "client_clocks": admin.parts.insight.clocks.difference(now.seconds()).map(client_clocks),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    ok(&shown)
}

fn counts(admin: &Shared) -> Value {
    let (gauges, plan) = ((admin.parts.gauges)(), &admin.parts.plan);
    let terms: Map<_, _> =
        record::plan_terms(plan).into_iter().map(|(term, bytes)| (term.to_owned(), bytes.into())).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "draining": admin.probe.is_draining(),
        "requests_in_flight": gauges.in_flight,
        "requests_max": plan.requests_max,
        "connections": gauges.connections,
        "connections_max": plan.connections_max,
        "blocks": gauges.blocks,
        "blocks_leased": gauges.blocks_leased,
        "read_only": gauges.is_read_only,
        "resident_bytes": record::resident_bytes(),
        "memory_plan_bytes": terms,
    })
}

fn client_clocks(ClockDifference { clients, median_seconds, farthest_seconds }: ClockDifference) -> Value {
    json!({"clients": clients, "median_seconds": median_seconds, "farthest_seconds": farthest_seconds})
}

fn disk(data_dir: &Path) -> Value {
    let facts = rustix::fs::statvfs(data_dir).ok();
    json!({
        "total_bytes": facts.as_ref().map(|facts| facts.f_blocks.saturating_mul(facts.f_frsize)),
        "free_bytes": facts.as_ref().map(|facts| facts.f_bavail.saturating_mul(facts.f_frsize)),
    })
}

async fn count_buckets(admin: &Shared) -> Result<usize, EngineError> {
    let (mut count, mut after) = (0, String::new());
    loop {
        let page = admin.parts.engine.list_buckets(None, "", &after, PAGE_MAX).await?;
        count += page.buckets.len();
        match page.next_after {
            Some(next) => after = next,
            None => return Ok(count),
        }
    }
}

/// Where whoever asked here finds S3: as it was configured, or on the same host.
pub(crate) fn s3_url(s3: &S3Url, head: &Parts) -> String {
    if let Some(public) = &s3.public {
        return public.clone();
    }
    let scheme = if s3.is_tls { "https" } else { "http" };
    let asked = request_host(head).and_then(|host| host.parse::<http::uri::Authority>().ok());
    let host = asked.as_ref().map(http::uri::Authority::host).filter(|host| !host.is_empty()).unwrap_or("127.0.0.1");
    format!("{scheme}://{host}:{}", s3.port)
}

#[cfg(test)]
mod tests {
    use super::s3_url;
    use crate::admin::shared::S3Url;

    #[test]
    fn s3_is_on_the_host_that_was_asked_unless_it_is_elsewhere() {
        let url = |host: &str, public: Option<&str>, is_tls| {
            let head = http::Request::get("/").header("host", host).body(()).unwrap().into_parts().0;
            s3_url(&S3Url { public: public.map(ToOwned::to_owned), is_tls, port: 9000 }, &head)
        };
        assert_eq!(url("nas:9001", None, false), "http://nas:9000");
        assert_eq!(url("[::1]:9001", None, true), "https://[::1]:9000");
        assert_eq!(url("a b", None, false), "http://127.0.0.1:9000");
        assert_eq!(url("nas:9001", Some("https://s3.example.com"), false), "https://s3.example.com");
    }
}
