//! What the process tells about itself: the table of metrics, the set-up of the log, traces, and what is remembered of
//! requests. Knows nothing of buckets, objects or requests beyond names and measures.

pub mod audit;
pub mod clocks;
pub mod history;
pub mod insight;
pub mod log;
pub mod log_file;
pub mod metric;
pub mod otlp;
pub mod per_second;
pub mod record;
pub mod requests;
pub mod tally;
pub mod traces;
pub mod uploads;

pub use audit::{Audited, audit};
pub use clocks::{ClientClocks, ClockDifference};
pub use history::{History, Reading, Sample, Span};
pub use insight::Insight;
pub use log::{LogError, LogForm};
pub use log_file::{AccessEntry, LogFile, LogTarget};
pub use metric::Recorder;
pub use otlp::{Exporter, OtlpSettings};
pub use requests::{Explanation, ExplanationKind, RememberedRequest, RequestFilter, RequestLog};
pub use traces::{Step, Traces};
pub use uploads::{RunningUpload, RunningUploads, UploadGuard};
