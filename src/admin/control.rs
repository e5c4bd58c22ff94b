//! Switches of a running gateway: the pause of writes, the drain, the log, limits of rates, the certificate. What is set
//! here lasts until the process ends.

use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::admin::answer::{Fault, Outcome, json_answer, ok};
use crate::admin::call::Call;
use crate::admin::keys::{RateText, decide_rate, rate_json};
use crate::admin::shared::Shared;
use crate::limits::RATE_BYTES_MIN;
use crate::limits::admin::PAUSE_REASON_BYTES_MAX;
use crate::telemetry::log as process_log;
use crate::types::{Rate, SourceRates};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: Option<String>,
}

/// Pauses writes.
pub(crate) fn pause(admin: &Shared, call: &Call) -> Outcome {
    let Why { reason } = call.json()?;
    if reason.as_ref().is_some_and(|reason| reason.len() > PAUSE_REASON_BYTES_MAX) {
        return Err(Fault::bad("bad-reason", format!("A reason has at most {PAUSE_REASON_BYTES_MAX} bytes.")));
    }
    admin.parts.engine.pause(reason.as_deref());
    tracing::warn!(reason, "writes are paused for maintenance");
    ok(&paused(admin))
}

/// Lets writes in again.
pub(crate) fn resume(admin: &Shared) -> Outcome {
    admin.parts.engine.resume();
    tracing::info!("writes are no longer paused");
    ok(&paused(admin))
}

fn paused(admin: &Shared) -> Value {
    let pause = admin.parts.engine.current_pause();
    json!({
        "is_paused": pause.is_some(),
        "since": pause.as_ref().map(|pause| pause.since.iso_millis()),
        "reason": pause.as_ref().and_then(|pause| pause.reason.as_deref()),
    })
}

/// Stops the server as a stop signal does: what is under way finishes.
pub(crate) fn drain(admin: &Shared) -> Outcome {
    admin.parts.stop.cancel();
    Ok(json_answer(StatusCode::ACCEPTED, &json!({"draining": true})))
}

/// What is logged.
pub(crate) fn log() -> Outcome {
    ok(&json!({"filter": process_log::filter()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    filter: String,
}

/// Logs something else from now on.
pub(crate) fn set_log(call: &Call) -> Outcome {
    let Filter { filter } = call.json()?;
    process_log::set_filter(&filter).map_err(|error| Fault::bad("bad-filter", format!("{error}.")))?;
    log()
}

/// The limits of rates that count for every key and every address.
pub(crate) fn limits(admin: &Shared) -> Outcome {
    let limits = admin.parts.rates.limits();
    ok(&json!({
        "requests_per_key": rate_json(limits.key.requests),
        "bandwidth_per_key": rate_json(limits.key.bytes),
        "requests_per_address": rate_json(limits.address.requests),
        "bandwidth_per_address": rate_json(limits.address.bytes),
    }))
}

/// A field that is absent, null, or something.
fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Option<RateText>>, D::Error> {
    Option::deserialize(source).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    #[serde(default, deserialize_with = "present")]
    requests_per_key: Option<Option<RateText>>,
    #[serde(default, deserialize_with = "present")]
    bandwidth_per_key: Option<Option<RateText>>,
    #[serde(default, deserialize_with = "present")]
    requests_per_address: Option<Option<RateText>>,
    #[serde(default, deserialize_with = "present")]
    bandwidth_per_address: Option<Option<RateText>>,
}

/// Sets limits of rates; null takes one away, and one that is not named stays.
pub(crate) fn set_limits(admin: &Shared, call: &Call) -> Outcome {
    let new: NewLimits = call.json()?;
    let now = admin.parts.rates.limits();
    let decide = |given: Option<Option<RateText>>, min: u64, now: Option<Rate>| match given {
        Some(rate) => decide_rate(rate, min),
        None => Ok(now),
    };
    let key = SourceRates {
        requests: decide(new.requests_per_key, 1, now.key.requests)?,
        bytes: decide(new.bandwidth_per_key, RATE_BYTES_MIN, now.key.bytes)?,
    };
    let address = SourceRates {
        requests: decide(new.requests_per_address, 1, now.address.requests)?,
        bytes: decide(new.bandwidth_per_address, RATE_BYTES_MIN, now.address.bytes)?,
    };
    admin.parts.rates.set_sources(key, address);
    limits(admin)
}

/// Reads the certificate of the S3 listener again.
pub(crate) async fn reload_tls(admin: Arc<Shared>) -> Outcome {
    let Some(certificate) = admin.parts.certificate.clone() else {
        return Err(Fault::conflict("no-tls", "The S3 listener does not speak TLS."));
    };
    match tokio::task::spawn_blocking(move || certificate.reload()).await {
        Ok(Ok(())) => ok(&json!({"reloaded": true})),
        Ok(Err(error)) => Err(Fault::conflict(
            "bad-certificate",
            format!("The new certificate cannot be used, the old one stays: {error}."),
        )),
        Err(stopped) => Err(Fault::internal(&stopped)),
    }
}
