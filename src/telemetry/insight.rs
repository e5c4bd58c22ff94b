//! All that the gateway remembers to explain itself, in one place that requests write to and operators read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::limits::insight::SUSPICIONS_PER_SECOND_MAX;
use crate::telemetry::clocks::ClientClocks;
use crate::telemetry::history::History;
use crate::telemetry::log_file::LogFile;
use crate::telemetry::requests::RequestLog;
use crate::telemetry::tally::Tally;
use crate::telemetry::uploads::RunningUploads;

/// What is remembered.
#[derive(Debug)]
pub struct Insight {
    /// Requests that ended.
    pub requests: RequestLog,
    /// Bodies on their way in.
    pub uploads: Arc<RunningUploads>,
    /// Counters since the start.
    pub tally: Tally,
    /// The clocks of clients.
    pub clocks: ClientClocks,
    /// Samples of the past.
    pub history: History,
    /// The file of access lines, if there is one.
    pub access_file: OnceLock<LogFile>,
    /// Names, with their ports, by which clients may call this server. Where a signature does not match, one of them
    /// may be what was signed.
    pub hosts: OnceLock<Vec<String>>,
    began: Instant,
    /// The second since `began` in which signatures were last looked into, and how often: 32 bits each.
    suspicions: AtomicU64,
}

impl Default for Insight {
    fn default() -> Self {
        Self {
            requests: RequestLog::default(),
            uploads: Arc::default(),
            tally: Tally::default(),
            clocks: ClientClocks::default(),
            history: History::default(),
            access_file: OnceLock::new(),
            hosts: OnceLock::new(),
            began: Instant::now(),
            suspicions: AtomicU64::new(0),
        }
    }
}

impl Insight {
    /// Whether a wrong signature may be looked into at `now`: a few in each second, so that nobody keeps the processor
    /// busy with it.
    pub fn may_suspect(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs() & u64::from(u32::MAX);
        let taken = self.suspicions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            match (last >> 32 == second, last & u64::from(u32::MAX)) {
                (true, taken) if taken >= SUSPICIONS_PER_SECOND_MAX => None,
                (true, _) => Some(last + 1),
                (false, _) => Some(second << 32 | 1),
            }
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Insight;
    use crate::limits::insight::SUSPICIONS_PER_SECOND_MAX;

    #[test]
    fn few_signatures_are_looked_into_in_one_second() {
        let insight = Insight::default();
        let now = Instant::now() + Duration::from_secs(5);
        for second in 0..3 {
            let at = now + Duration::from_secs(second);
            let looked = (0..1_000).filter(|_| insight.may_suspect(at)).count();
            assert_eq!(looked as u64, SUSPICIONS_PER_SECOND_MAX);
        }
    }
}
