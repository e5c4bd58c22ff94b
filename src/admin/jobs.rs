//! Background work: what it is doing, and beginning some of it now.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::answer::{Fault, Outcome, json_answer, ok};
use crate::admin::shared::Shared;
use crate::types::Timestamp;
use crate::worker::JobFacts;

/// All jobs.
pub(crate) async fn list(admin: Arc<Shared>) -> Outcome {
    let jobs: Vec<_> = admin.parts.jobs.list().await.iter().map(describe).collect();
    ok(&json!({"jobs": jobs}))
}

fn describe(job: &JobFacts) -> Value {
    // Of work that is done again and again for one webhook each, the name behind the dash is the webhook's.
    let kind = if job.name.starts_with("events-") { "events" } else { job.name.as_str() };
    let pace = job.rest.map(|rest| match rest.as_millis() {
        0..1_000 => format!("{} ms until the next step", rest.as_millis()),
        _ => format!("{} s until the next step", rest.as_secs()),
    });
    json!({
        "name": job.name,
        "kind": kind,
        "state": job.state.name(),
        "last_step": job.last_step.map(Timestamp::iso_millis),
        "last_error": job.last_error,
        "steps": job.steps,
        "pace": pace,
        "progress": job.progress.part,
        "detail": job.progress.detail,
    })
}

/// Begins the work of a job now.
pub(crate) fn start(admin: &Shared, name: &'static str) -> Outcome {
    if admin.parts.jobs.hurry(name) {
        return Ok(json_answer(StatusCode::ACCEPTED, &json!({"started": name})));
    }
    Err(Fault::conflict("no-such-job", format!("The server was told to do no such work: {name}.")))
}
