//! The one way in: a function per event, so that nobody outside spells a metric's name or invents a label.
//! Cheap, and harmless if no recorder is installed (tests, command line).

use std::time::Duration;

use crate::limits::{BLOCK_BYTES, MemoryPlan, REQUEST_STATE_BYTES};
use crate::telemetry::history::Reading;
use crate::telemetry::metric;
use crate::types::Timestamp;

/// A request that ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedRequest {
    /// Its S3 operation: a name from a fixed set.
    pub operation: &'static str,
    /// The status that was sent; `None` if it was aborted before or during its response.
    pub status: Option<u16>,
    /// From its head to the end of the response body.
    pub duration: Duration,
    /// Bytes of its body.
    pub received_bytes: u64,
    /// Bytes of the response body.
    pub sent_bytes: u64,
}

/// Values that are read when somebody asks for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Requests in flight.
    pub in_flight: usize,
    /// Open connections of the S3 listener.
    pub connections: usize,
    /// Blocks in the pool.
    pub blocks: usize,
    /// Blocks leased.
    pub blocks_leased: usize,
    /// Bytes free on disk; `None` if it could not be asked.
    pub disk_free_bytes: Option<u64>,
    /// Whether nothing can be written.
    pub is_read_only: bool,
}

/// A request ended.
pub fn request_ended(request: &EndedRequest) {
    let status = status_class(request.status);
    metrics::counter!(metric::REQUESTS.name, "operation" => request.operation, "status" => status).increment(1);
    metrics::histogram!(metric::REQUEST_SECONDS.name, "operation" => request.operation)
        .record(request.duration.as_secs_f64());
    metrics::counter!(metric::RECEIVED_BYTES.name).increment(request.received_bytes);
    metrics::counter!(metric::SENT_BYTES.name).increment(request.sent_bytes);
}

/// A request was refused because the server is full.
pub fn request_refused() {
    metrics::counter!(metric::REFUSED.name).increment(1);
}

/// The metadata store committed a group of `commands`.
pub fn metadata_committed(commands: u64) {
    metrics::counter!(metric::COMMITS.name).increment(1);
    metrics::counter!(metric::COMMITTED_COMMANDS.name).increment(commands);
}

/// Pieces of so many uploads were hashed together.
pub fn hashed(lanes: u64) {
    metrics::counter!(metric::HASH_STEPS.name).increment(1);
    metrics::counter!(metric::HASH_LANES.name).increment(lanes);
}

/// Writes failed so often in a row that the gateway became read-only.
pub fn disk_circuit_opened() {
    metrics::counter!(metric::DISK_CIRCUIT_OPENED.name).increment(1);
}

/// A stored block did not match its checksum.
pub fn block_corrupt() {
    metrics::counter!(metric::CORRUPT_BLOCKS.name).increment(1);
}

/// Scrub has verified so many chunks and bytes.
pub fn scrubbed(chunks: u64, bytes: u64) {
    metrics::counter!(metric::SCRUBBED_CHUNKS.name).increment(chunks);
    metrics::counter!(metric::SCRUBBED_BYTES.name).increment(bytes);
}

/// So many chunks in use are damaged.
pub fn chunks_damaged(chunks: u64) {
    metrics::gauge!(metric::DAMAGED_CHUNKS.name).set(as_float(chunks));
}

/// So many small bodies in use are damaged.
pub fn small_bodies_damaged(bodies: u64) {
    metrics::gauge!(metric::DAMAGED_SMALL_BODIES.name).set(as_float(bodies));
}

/// The last pass of scrub was over at that time.
pub fn scrub_pass_ended(at: Timestamp) {
    metrics::gauge!(metric::SCRUB_PASS.name).set(as_float(u64::try_from(at.seconds()).unwrap_or(0)));
}

/// The newest snapshot of the database is of that time; `None` if the one that was due could not be taken.
pub fn snapshot_attempted(newest: Option<Timestamp>) {
    if let Some(at) = newest {
        metrics::gauge!(metric::SNAPSHOT_TAKEN.name).set(as_float(u64::try_from(at.seconds()).unwrap_or(0)));
    } else {
        metrics::counter!(metric::SNAPSHOTS_FAILED.name).increment(1);
    }
}

/// The collector removed `chunks` files and left `pending` bodies to their readers.
pub fn garbage_collected(chunks: u64, pending: u64) {
    metrics::counter!(metric::GARBAGE_COLLECTED.name).increment(chunks);
    metrics::gauge!(metric::GARBAGE_PENDING.name).set(as_float(pending));
}

/// `uploads` were aborted for age.
pub fn uploads_expired(uploads: u64) {
    metrics::counter!(metric::UPLOADS_EXPIRED.name).increment(uploads);
}

/// Lifecycle did `action` to so many versions or uploads. `action` is a name from a fixed set.
pub fn lifecycle_acted(action: &'static str, count: u64) {
    if count > 0 {
        metrics::counter!(metric::LIFECYCLE_ACTIONS.name, "action" => action).increment(count);
    }
}

/// Lifecycle has walked all buckets.
pub fn lifecycle_passed() {
    metrics::counter!(metric::LIFECYCLE_PASSES.name).increment(1);
}

/// The undelete windows of `versions` ended.
pub fn undelete_collected(versions: u64) {
    metrics::counter!(metric::UNDELETE_COLLECTED.name).increment(versions);
}

/// An event was posted to a webhook, whose name is the operator's.
pub fn event_delivered(webhook: &str, is_ok: bool) {
    let outcome = if is_ok { "ok" } else { "failed" };
    let labels = [("webhook", webhook.to_owned()), ("outcome", outcome.to_owned())];
    metrics::counter!(metric::EVENTS_DELIVERED.name, &labels).increment(1);
}

/// So many events wait for a webhook, and so many were dropped since the store was made.
pub fn events_waiting(webhook: &str, queued: u64, dropped: u64) {
    metrics::gauge!(metric::EVENTS_WAITING.name, "webhook" => webhook.to_owned()).set(as_float(queued));
    metrics::counter!(metric::EVENTS_DROPPED.name, "webhook" => webhook.to_owned()).absolute(dropped);
}

/// Lines of access logs were dropped.
pub fn access_log_dropped(lines: u64) {
    metrics::counter!(metric::ACCESS_LOG_DROPPED.name).increment(lines);
}

/// Lines of a log file were dropped.
pub fn log_file_dropped(file: &'static str, lines: u64) {
    metrics::counter!(metric::LOG_FILE_DROPPED.name, "file" => file).increment(lines);
}

/// The collector took so many spans.
pub fn trace_spans_sent(spans: u64) {
    metrics::counter!(metric::TRACE_SPANS_SENT.name).increment(spans);
}

/// So many spans were dropped.
pub fn trace_spans_dropped(spans: u64) {
    metrics::counter!(metric::TRACE_SPANS_DROPPED.name).increment(spans);
}

/// The values that are fixed once the process runs.
pub fn started(plan: &MemoryPlan, open_files_max: u64) {
    for (term, bytes) in plan_terms(plan) {
        metrics::gauge!(metric::MEMORY_PLAN.name, "term" => term).set(as_float(bytes));
    }
    metrics::gauge!(metric::IN_FLIGHT_MAX.name).set(as_float(plan.requests_max as u64));
    metrics::gauge!(metric::CONNECTIONS_MAX.name).set(as_float(plan.connections_max as u64));
    metrics::gauge!(metric::OPEN_FILES_MAX.name).set(as_float(open_files_max));
    metrics::gauge!(metric::BUILD.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Sets what changes, just before it is shown. Also reads the process's own memory and open files.
pub fn sample(gauges: &Gauges) {
    metrics::gauge!(metric::IN_FLIGHT.name).set(as_float(gauges.in_flight as u64));
    metrics::gauge!(metric::CONNECTIONS.name).set(as_float(gauges.connections as u64));
    metrics::gauge!(metric::BLOCKS.name).set(as_float(gauges.blocks as u64));
    metrics::gauge!(metric::BLOCKS_LEASED.name).set(as_float(gauges.blocks_leased as u64));
    metrics::gauge!(metric::READ_ONLY.name).set(as_float(u64::from(gauges.is_read_only)));
    if let Some(bytes) = gauges.disk_free_bytes {
        metrics::gauge!(metric::DISK_FREE.name).set(as_float(bytes));
    }
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!(metric::RESIDENT.name).set(as_float(bytes));
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        metrics::gauge!(metric::OPEN_FILES.name).set(as_float(entries.count() as u64));
    }
}

/// What a sample of the past has beside what was counted.
pub fn reading(gauges: &Gauges) -> Reading {
    Reading {
        resident_bytes: resident_bytes().unwrap_or_default(),
        disk_free_bytes: gauges.disk_free_bytes.unwrap_or_default(),
        requests_in_flight: u32::try_from(gauges.in_flight).unwrap_or(u32::MAX),
    }
}

/// The terms of the memory sum in bytes, in the order in which they are shown; the first is the total.
pub fn plan_terms(plan: &MemoryPlan) -> [(&'static str, u64); 5] {
    [
        ("total", plan.total_bytes),
        ("pool", (plan.blocks * BLOCK_BYTES) as u64),
        ("sqlite", plan.sqlite_bytes),
        ("connections", plan.connections_max as u64 * plan.connection_bytes),
        ("requests", plan.requests_max as u64 * REQUEST_STATE_BYTES),
    ]
}

/// Resident memory of this process in bytes, where `/proc` shows it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn status_class(status: Option<u16>) -> &'static str {
    match status.map(|status| status / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
        None => "aborted",
    }
}

/// Prometheus knows floating-point numbers only; above 2^53 the last digits of a gauge do not matter.
fn as_float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::{plan_terms, resident_bytes, status_class};
    use crate::limits::{MIB, MemoryPlan};

    #[test]
    fn the_terms_are_the_sum_that_is_promised() {
        let plan = MemoryPlan::split(64 * MIB);
        let terms = plan_terms(&plan);
        assert_eq!(terms[0], ("total", 64 * MIB));
        assert_eq!(terms[1..].iter().map(|(_, bytes)| bytes).sum::<u64>(), plan.sum_bytes());
    }

    #[test]
    fn a_request_without_an_answer_is_aborted() {
        assert_eq!(status_class(Some(206)), "2xx");
        assert_eq!(status_class(Some(503)), "5xx");
        assert_eq!(status_class(None), "aborted");
    }

    #[test]
    fn this_process_is_resident() {
        assert!(resident_bytes().expect("/proc is there") > 0);
    }
}
