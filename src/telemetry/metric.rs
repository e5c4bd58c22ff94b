//! The table of metrics: name, kind, unit, labels and meaning of everything that is measured, in one place,
//! and the recorder that renders it for Prometheus. A metric that is not in the table does not exist.

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in `DURATION_BUCKETS_SECONDS`.
    Histogram,
}

/// One row of the table.
#[derive(Debug)]
pub struct Metric {
    /// Its name, unit last.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// Names of its labels. Their values are from fixed sets, never from a client.
    pub labels: &'static [&'static str],
    /// What it means, for the operator.
    pub help: &'static str,
}

/// Upper bounds of the buckets of durations, in seconds.
pub const DURATION_BUCKETS_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

macro_rules! table {
    ($($constant:ident: $kind:ident $name:literal $unit:ident [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// Every row of the table.
        pub const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

table! {
    REQUESTS: Counter "sluicegate_requests_total" Count ["operation", "status"]
        "S3 requests that ended, by operation and status class (2xx, 3xx, 4xx, 5xx, or aborted).";
    REQUEST_SECONDS: Histogram "sluicegate_request_duration_seconds" Seconds ["operation"]
        "Time from a request's head to the end of its response body.";
    RECEIVED_BYTES: Counter "sluicegate_received_bytes_total" Bytes []
        "Bytes of request bodies, as they came over the wire.";
    SENT_BYTES: Counter "sluicegate_sent_bytes_total" Bytes []
        "Bytes of response bodies.";
    REFUSED: Counter "sluicegate_refused_total" Count []
        "Requests refused with 503 SlowDown because no ticket came free in time.";
    IN_FLIGHT: Gauge "sluicegate_requests_in_flight" Count []
        "Requests in flight now.";
    IN_FLIGHT_MAX: Gauge "sluicegate_requests_in_flight_max" Count []
        "Requests that may be in flight at once.";
    CONNECTIONS: Gauge "sluicegate_connections" Count []
        "Connections open now on the S3 listener.";
    CONNECTIONS_MAX: Gauge "sluicegate_connections_max" Count []
        "Connections that may be open at once on the S3 listener.";
    BLOCKS: Gauge "sluicegate_pool_blocks" Count []
        "Blocks of the buffer pool.";
    BLOCKS_LEASED: Gauge "sluicegate_pool_blocks_leased" Count []
        "Blocks of the buffer pool that are leased now.";
    COMMITS: Counter "sluicegate_metadata_commits_total" Count []
        "Group commits of the metadata store: each is one sync of its log.";
    COMMITTED_COMMANDS: Counter "sluicegate_metadata_commands_total" Count []
        "Commands in those commits; divided by the commits it is the mean group.";
    HASH_STEPS: Counter "sluicegate_hash_steps_total" Count []
        "Steps in which pieces of uploads were hashed together.";
    HASH_LANES: Counter "sluicegate_hash_lanes_total" Count []
        "Uploads in those steps; divided by the steps it is how many shared the processor's lanes.";
    CORRUPT_BLOCKS: Counter "sluicegate_corrupt_blocks_total" Count []
        "Stored blocks whose checksum did not match when they were read. Any value but 0 means a failing disk.";
    DAMAGED_CHUNKS: Gauge "sluicegate_damaged_chunks" Count []
        "Chunks that scrub found damaged and that are in use. Any value but 0 means lost data: `sluicegate scrub` names the objects.";
    DAMAGED_SMALL_BODIES: Gauge "sluicegate_damaged_small_bodies" Count []
        "Small bodies, in the database, that scrub found damaged; at most 64 are counted. Any value but 0 means lost data: `sluicegate scrub` names the objects.";
    SCRUBBED_CHUNKS: Counter "sluicegate_scrubbed_chunks_total" Count []
        "Chunks that scrub has verified.";
    SCRUBBED_BYTES: Counter "sluicegate_scrubbed_bytes_total" Bytes []
        "Bytes that scrub has read and verified, of chunks and of small bodies.";
    SCRUB_PASS: Gauge "sluicegate_scrub_last_pass_timestamp_seconds" Seconds []
        "When the last pass of scrub over all chunks was over, in seconds since 1970; 0 before the first.";
    SNAPSHOTS_FAILED: Counter "sluicegate_snapshots_failed_total" Count []
        "Snapshots of the database that could not be taken.";
    SNAPSHOT_TAKEN: Gauge "sluicegate_last_snapshot_timestamp_seconds" Seconds []
        "When the newest snapshot of the database was taken, in seconds since 1970; 0 if there is none.";
    GARBAGE_COLLECTED: Counter "sluicegate_garbage_chunks_collected_total" Count []
        "Chunk files that the collector removed.";
    GARBAGE_PENDING: Gauge "sluicegate_garbage_pending" Count []
        "Deleted bodies that the collector left at its last step because somebody still reads them.";
    UPLOADS_EXPIRED: Counter "sluicegate_uploads_expired_total" Count []
        "Multipart uploads aborted because they were never finished.";
    LIFECYCLE_ACTIONS: Counter "sluicegate_lifecycle_actions_total" Count ["action"]
        "What lifecycle rules did: expire, remove-noncurrent, remove-delete-marker, abort-upload; and locked: versions that object lock held.";
    LIFECYCLE_PASSES: Counter "sluicegate_lifecycle_passes_total" Count []
        "Passes of lifecycle over all buckets that have rules.";
    UNDELETE_COLLECTED: Counter "sluicegate_undelete_collected_total" Count []
        "Deleted objects whose undelete window ended and that were removed for good.";
    EVENTS_DELIVERED: Counter "sluicegate_events_delivered_total" Count ["webhook", "outcome"]
        "Deliveries of events, by webhook and outcome (ok or failed).";
    EVENTS_WAITING: Gauge "sluicegate_events_waiting" Count ["webhook"]
        "Events that wait for their webhook.";
    EVENTS_DROPPED: Counter "sluicegate_events_dropped_total" Count ["webhook"]
        "Events that were dropped because too many waited for their webhook, or for too long.";
    ACCESS_LOG_DROPPED: Counter "sluicegate_access_log_lines_dropped_total" Count []
        "Lines of server access logs that were dropped: too many waited, or their target bucket is gone.";
    LOG_FILE_DROPPED: Counter "sluicegate_log_file_lines_dropped_total" Count ["file"]
        "Lines of the access or audit log file that were dropped because its disk took no more.";
    TRACE_SPANS_SENT: Counter "sluicegate_trace_spans_sent_total" Count []
        "Spans of traces that the collector of --otlp-endpoint took.";
    TRACE_SPANS_DROPPED: Counter "sluicegate_trace_spans_dropped_total" Count []
        "Spans of traces that were dropped: the collector refused them, or took them too slowly or not at all.";
    MEMORY_PLAN: Gauge "sluicegate_memory_plan_bytes" Bytes ["term"]
        "How --memory is split: total, pool, sqlite, connections, requests.";
    RESIDENT: Gauge "process_resident_memory_bytes" Bytes []
        "Resident memory of the process.";
    OPEN_FILES: Gauge "process_open_fds" Count []
        "Open file descriptors of the process.";
    OPEN_FILES_MAX: Gauge "process_max_fds" Count []
        "File descriptors that the process may open.";
    DISK_FREE: Gauge "sluicegate_disk_free_bytes" Bytes []
        "Bytes free for chunk files.";
    READ_ONLY: Gauge "sluicegate_read_only" Count []
        "1 while nothing can be written, because writes keep failing or only the reserve of space is left; else 0.";
    DISK_CIRCUIT_OPENED: Counter "sluicegate_disk_circuit_opened_total" Count []
        "How often writes failed so often in a row that the gateway became read-only.";
    BUILD: Gauge "sluicegate_build_info" Count ["version"]
        "Always 1; its label is the version.";
}

/// Renders everything that was recorded. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// The table is not acceptable to the exporter.
    #[error("set up metrics: {0}")]
    Table(#[from] BuildError),
    /// The process has a recorder already.
    #[error("metrics are set up twice")]
    Twice,
}

impl Recorder {
    /// Makes the recorder of the process and describes the table to it.
    ///
    /// # Errors
    /// `Twice` if there is one already.
    pub fn install() -> Result<Self, MetricError> {
        let recorder = build()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| MetricError::Twice)?;
        describe();
        Ok(Self { handle })
    }

    /// Everything recorded so far, in the Prometheus text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds the samples of histograms into their buckets. Until it is called they pile up in memory, so
    /// somebody calls it every `METRICS_UPKEEP_MS`.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn build() -> Result<metrics_exporter_prometheus::PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &DURATION_BUCKETS_SECONDS)?;
    }
    Ok(builder.build_recorder())
}

/// Registers unit and help of every row, and starts every row without labels at zero, so that a rate exists
/// before the first event.
fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
        }
        match (metric.kind, metric.labels) {
            (Kind::Counter, []) => metrics::counter!(metric.name).absolute(0),
            (Kind::Gauge, []) => metrics::gauge!(metric.name).set(0.0),
            (Kind::Counter | Kind::Gauge | Kind::Histogram, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, BUILD, CORRUPT_BLOCKS, Kind, MEMORY_PLAN, REQUEST_SECONDS, build, describe};
    use metrics::Unit;

    #[test]
    fn names_are_unique_and_end_with_their_unit() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let name = metric.name;
            assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
            let stem = name.trim_end_matches("_total");
            assert_eq!(metric.unit == Unit::Bytes, stem.ends_with("_bytes"), "{name}");
            assert_eq!(metric.unit == Unit::Seconds, stem.ends_with("_seconds"), "{name}");
            assert!(metric.help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn the_table_renders_with_help_type_buckets_and_zeros() {
        let recorder = build().expect("the table is legal");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::histogram!(REQUEST_SECONDS.name, "operation" => "GetObject").record(0.003);
            metrics::gauge!(MEMORY_PLAN.name, "term" => "pool").set(5.0);
            metrics::gauge!(BUILD.name, "version" => "1").set(1.0);
        });
        handle.run_upkeep();
        let text = handle.render();
        assert!(text.contains("# TYPE sluicegate_request_duration_seconds histogram"), "{text}");
        let bucket = "sluicegate_request_duration_seconds_bucket{operation=\"GetObject\",le=\"0.005\"} 1";
        assert!(text.contains(bucket), "{text}");
        assert!(text.contains(&format!("# HELP {} Stored blocks", CORRUPT_BLOCKS.name)), "{text}");
        assert!(text.contains("\nsluicegate_corrupt_blocks_total 0\n"), "{text}");
        assert!(text.contains("sluicegate_memory_plan_bytes{term=\"pool\"} 5"), "{text}");
    }
}
