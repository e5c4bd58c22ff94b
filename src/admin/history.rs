//! Samples of the past, as JSON.

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::requests::{bad, parameter};
use crate::telemetry::{Insight, Reading, Sample, Span};
use crate::types::Timestamp;

/// `GET /v1/history`: `span=hour|day|month`. The step that runs is shown as it is `now`.
pub fn history(insight: &Insight, query: &str, now: Timestamp, reading: Reading) -> (StatusCode, Value) {
    let word = parameter(query, "span").unwrap_or_else(|| Span::Hour.name().to_owned());
    let Some(span) = Span::parse(&word) else {
        return bad("bad-span", "The span is one of hour, day and month.");
    };
    insight.history.look(now, &insight.tally.read(), reading);
    let samples: Vec<Value> = insight.history.samples(span, now).iter().map(shown).collect();
    let body = json!({"span": span.name(), "step_seconds": span.step_seconds(), "samples": samples});
    (StatusCode::OK, body)
}

fn shown(sample: &Sample) -> Value {
    let millis = |micros: Option<u32>| micros.map(|micros| f64::from(micros) / 1000.0);
    json!({
        "at": Timestamp::from_seconds(sample.at_seconds).iso_millis(),
        "requests": sample.requests,
        "errors_4xx": sample.errors_4xx,
        "errors_5xx": sample.errors_5xx,
        "refused": sample.refused,
        "received_bytes": sample.received_bytes,
        "sent_bytes": sample.sent_bytes,
        "latency_p50_ms": millis(sample.latency_p50_micros),
        "latency_p99_ms": millis(sample.latency_p99_micros),
        "resident_bytes": sample.reading.resident_bytes,
        "disk_free_bytes": sample.reading.disk_free_bytes,
        "requests_in_flight": sample.reading.requests_in_flight,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::history;
    use crate::telemetry::{Insight, Reading};
    use crate::types::Timestamp;

    #[test]
    fn the_step_that_runs_is_shown_as_it_is() {
        let insight = Insight::default();
        let now = Timestamp::from_seconds(1_800_000_005);
        insight.tally.ended(404, Duration::from_millis(8), 0, 5);
        let (status, body) = history(&insight, "span=hour", now, Reading::default());
        assert_eq!((status, body["step_seconds"].as_i64()), (StatusCode::OK, Some(10)));
        let sample = &body["samples"][0];
        assert_eq!(sample["at"], "2027-01-15T08:00:00.000Z");
        assert_eq!((sample["requests"].as_u64(), sample["errors_4xx"].as_u64()), (Some(1), Some(1)));
        let millis = sample["latency_p99_ms"].as_f64().unwrap();
        assert!((7.0..9.0).contains(&millis), "{millis}");
        assert_eq!(history(&insight, "span=year", now, Reading::default()).0, StatusCode::BAD_REQUEST);
    }
}
