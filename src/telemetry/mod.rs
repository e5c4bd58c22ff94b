//! What the process tells about itself: the table of metrics and the set-up of the log. Knows nothing of
//! buckets, objects or requests beyond the names of their measures.

pub mod log;
pub mod metric;
pub mod record;

pub use log::{LogError, LogForm};
pub use metric::Recorder;
