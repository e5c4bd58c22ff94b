//! What is remembered of requests and of the past, for administrators.

use crate::admin::answer::{Outcome, json_answer};
use crate::admin::call::Call;
use crate::admin::service::Shared;
use crate::admin::{history, requests};
use crate::telemetry::record;
use crate::types::{Clock as _, SystemClock};

fn query(call: &Call) -> &str {
    call.head.uri.query().unwrap_or_default()
}

/// Samples of the past.
pub(crate) fn samples(admin: &Shared, call: &Call) -> Outcome {
    let reading = record::reading(&(admin.parts.gauges)());
    let (status, body) = history::history(&admin.parts.insight, query(call), SystemClock.now(), reading);
    Ok(json_answer(status, &body))
}

/// The latest requests.
pub(crate) fn list(admin: &Shared, call: &Call) -> Outcome {
    let (status, body) = requests::list(&admin.parts.insight, query(call));
    Ok(json_answer(status, &body))
}

/// One request, with its explanation.
pub(crate) fn show(admin: &Shared, call: &Call) -> Outcome {
    let (status, body) = requests::show(&admin.parts.insight, &call.parameter);
    Ok(json_answer(status, &body))
}

/// Bodies that are on their way in.
pub(crate) fn running(admin: &Shared) -> Outcome {
    let (status, body) = requests::uploads(&admin.parts.insight);
    Ok(json_answer(status, &body))
}
