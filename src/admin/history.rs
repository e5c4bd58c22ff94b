//! Samples of the past, as JSON.

use serde_json::{Value, json};

use crate::admin::answer::{Fault, Outcome, ok};
use crate::admin::call::Call;
use crate::admin::shared::Shared;
use crate::telemetry::{Insight, Reading, Sample, Span, record};
use crate::types::{Clock as _, SystemClock, Timestamp};

/// `GET /v1/history`: `span=hour|day|month`. The step that runs is shown as it is now.
pub(crate) fn history(admin: &Shared, call: &Call) -> Outcome {
    let word = call.query("span").unwrap_or_else(|| Span::Hour.name().to_owned());
    let reading = record::reading(&(admin.parts.gauges)());
    ok(&told(&admin.parts.insight, &word, SystemClock.now(), reading)?)
}

fn told(insight: &Insight, word: &str, now: Timestamp, reading: Reading) -> Result<Value, Fault> {
    let Some(span) = Span::parse(word) else {
        return Err(Fault::bad("bad-span", "The span is one of hour, day and month."));
    };
    insight.history.look(now, &insight.tally.read(), reading);
    let samples: Vec<Value> = insight.history.samples(span, now).iter().map(shown).collect();
    Ok(json!({"span": span.name(), "step_seconds": span.step_seconds(), "samples": samples}))
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

    use super::told;
    use crate::telemetry::{Insight, Reading};
    use crate::types::Timestamp;

    #[test]
    fn the_step_that_runs_is_shown_as_it_is() {
        let insight = Insight::default();
        let now = Timestamp::from_seconds(1_800_000_005);
        insight.tally.ended(404, Duration::from_millis(8), 0, 5);
        let body = told(&insight, "hour", now, Reading::default()).unwrap();
        assert_eq!(body["step_seconds"], 10);
        let sample = &body["samples"][0];
        assert_eq!(sample["at"], "2027-01-15T08:00:00.000Z");
        assert_eq!((sample["requests"].as_u64(), sample["errors_4xx"].as_u64()), (Some(1), Some(1)));
        let millis = sample["latency_p99_ms"].as_f64().unwrap();
        assert!((7.0..9.0).contains(&millis), "{millis}");
        assert_eq!(told(&insight, "year", now, Reading::default()).unwrap_err().error(), "bad-span");
    }
}
