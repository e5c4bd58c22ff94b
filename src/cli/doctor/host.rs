//! The machine: clock, open files, memory, listeners.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use crate::app::DataLock;
use crate::app::data_dir::database;
use crate::app::process;
use crate::cli::doctor::{Finding, Grade, size};
use crate::config::{Config, MemoryLowered};
use crate::limits::{CLOCK_SKEW_SECONDS_MAX, MemoryPlan};
use crate::types::{Clock as _, SystemClock, Timestamp};

/// No machine that runs this version can show an earlier time: 2025-01-01.
const EARLIEST_SECONDS: i64 = 1_735_689_600;
/// A clock beyond this is set wrong: 2100-01-01.
const LATEST_SECONDS: i64 = 4_102_444_800;
/// Open files that the server needs beside its connections: database, log, chunk files of running requests.
const FILES_BESIDE_CONNECTIONS: u64 = 256;

/// Whether the clock can be right. Clients sign with theirs, and more than fifteen minutes between the two is
/// refused.
pub fn clock(data_dir: &Path) -> Finding {
    let now = SystemClock.now();
    let newest = std::fs::metadata(database(data_dir)).and_then(|facts| facts.modified()).ok();
    let newest = newest.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    judge_clock(now, newest.and_then(|since| i64::try_from(since.as_secs()).ok()))
}

fn judge_clock(now: Timestamp, newest_seconds: Option<i64>) -> Finding {
    let shown = now.iso_millis();
    if !(EARLIEST_SECONDS..LATEST_SECONDS).contains(&now.seconds()) {
        return Finding::new(Grade::Bad, "clock", format!("{shown} cannot be right: every signature will be refused"));
    }
    if newest_seconds.is_some_and(|newest| newest > now.seconds() + CLOCK_SKEW_SECONDS_MAX) {
        let detail = format!("{shown} is earlier than the last change of the database: it went backwards");
        return Finding::new(Grade::Warning, "clock", detail);
    }
    Finding::new(Grade::Good, "clock", format!("{shown}; clients may differ by {CLOCK_SKEW_SECONDS_MAX} s"))
}

/// Whether every connection can have its socket and its chunk files.
pub fn open_files(plan: &MemoryPlan) -> Finding {
    let needed = plan.connections_max as u64 + plan.requests_max as u64 + FILES_BESIDE_CONNECTIONS;
    let allowed = process::raise_open_files();
    let grade = if allowed >= needed { Grade::Good } else { Grade::Warning };
    let shown = if allowed == u64::MAX { "unlimited".to_owned() } else { allowed.to_string() };
    Finding::new(grade, "open files", format!("{shown} allowed, {needed} needed at full load"))
}

/// Whether the memory that was asked for may be used.
pub fn memory(config: &Config) -> Finding {
    match config.memory_lowered {
        None => Finding::new(Grade::Good, "memory", format!("{} to use", size(config.memory_bytes))),
        Some(MemoryLowered { asked_bytes, limit_bytes }) => {
            let (asked, limit, used) = (size(asked_bytes), size(limit_bytes), size(config.memory_bytes));
            let detail = format!("{asked} asked for, but the control group allows {limit}: {used} will be used");
            Finding::new(Grade::Warning, "memory", detail)
        }
    }
}

/// Whether the addresses can be listened on, or are by a server of ours.
pub fn listeners(config: &Config) -> Vec<Finding> {
    let exists = config.data_dir.is_dir();
    let server_runs = exists && DataLock::take(&config.data_dir).is_err();
    [("listen", config.listen), ("admin-listen", config.admin_listen)]
        .map(|(topic, address)| listener(topic, address, server_runs))
        .into()
}

fn listener(topic: &'static str, address: SocketAddr, server_runs: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) if server_runs => {
            Finding::new(Grade::Warning, topic, format!("{address} is free, although a server runs on this data"))
        }
        Ok(_) => Finding::new(Grade::Good, topic, format!("{address} is free")),
        Err(error) if server_runs && error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::new(Grade::Good, topic, format!("{address} is in use, and a server runs on this data"))
        }
        Err(error) => Finding::new(Grade::Bad, topic, format!("{address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{judge_clock, listener};
    use crate::cli::doctor::Grade;
    use crate::types::Timestamp;

    #[test]
    fn a_clock_that_was_never_set_is_bad_and_one_that_went_back_is_suspicious() {
        let now = Timestamp::from_seconds(1_800_000_000);
        assert_eq!(judge_clock(now, None).grade, Grade::Good);
        assert_eq!(judge_clock(now, Some(1_800_000_100)).grade, Grade::Good);
        assert_eq!(judge_clock(now, Some(1_800_001_000)).grade, Grade::Warning);
        assert_eq!(judge_clock(Timestamp::from_seconds(0), None).grade, Grade::Bad);
    }

    #[test]
    fn a_taken_address_is_good_only_if_a_server_of_ours_may_have_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(listener("listen", address, true).grade, Grade::Good);
        assert_eq!(listener("listen", address, false).grade, Grade::Bad);
    }
}
