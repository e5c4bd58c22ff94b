//! How what is stored is kept: the pace of scrub, and the snapshots of the database.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::error::wrong;
use crate::config::span::decide_span;
use crate::config::value::parse_size;
use crate::config::{ConfigError, RawConfig};
use crate::limits::{
    SCRUB_INTERVAL_SECONDS, SCRUB_INTERVAL_SECONDS_MAX, SCRUB_RATE, SCRUB_RATE_MAX, SCRUB_RATE_MIN,
    SNAPSHOT_INTERVAL_SECONDS, SNAPSHOT_INTERVAL_SECONDS_MAX, SNAPSHOT_KEEP, SNAPSHOT_KEEP_MAX,
};

/// How what is stored is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Bytes that scrub reads in a second; 0 turns its passes off.
    pub scrub_rate: u64,
    /// From the beginning of one pass of scrub to that of the next.
    pub scrub_interval: Duration,
    /// From one snapshot of the database to the next; `None` takes none.
    pub snapshot_interval: Option<Duration>,
    /// Snapshots that are kept.
    pub snapshot_keep: usize,
    /// Directory of the snapshots, if it is not in the data directory.
    pub snapshot_dir: Option<PathBuf>,
}

impl Keeping {
    /// Judges these settings.
    ///
    /// # Errors
    /// `Value`.
    pub fn decide(raw: &RawConfig) -> Result<Self, ConfigError> {
        let snapshot_interval = decide_span(
            ("snapshot-interval", raw.snapshot_interval.as_deref()),
            (SNAPSHOT_INTERVAL_SECONDS, 0..=SNAPSHOT_INTERVAL_SECONDS_MAX),
            "a time such as 6h or 1d, at most 366d, or 0 for none",
        )?;
        Ok(Self {
            scrub_rate: decide_rate(raw.scrub_rate.as_deref())?,
            scrub_interval: decide_span(
                ("scrub-interval", raw.scrub_interval.as_deref()),
                (SCRUB_INTERVAL_SECONDS, 1..=SCRUB_INTERVAL_SECONDS_MAX),
                "a time such as 12h or 30d, from 1s to 366d",
            )?,
            snapshot_interval: (!snapshot_interval.is_zero()).then_some(snapshot_interval),
            snapshot_keep: decide_keep(raw.snapshot_keep.as_deref())?,
            snapshot_dir: raw.snapshot_dir.clone(),
        })
    }
}

fn decide_rate(text: Option<&str>) -> Result<u64, ConfigError> {
    let Some(text) = text else { return Ok(SCRUB_RATE) };
    let legal = |rate: &u64| *rate == 0 || (SCRUB_RATE_MIN..=SCRUB_RATE_MAX).contains(rate);
    parse_size(text)
        .filter(legal)
        .ok_or_else(|| wrong("scrub-rate", text, "a size such as 8MiB, from 1MiB to 16GiB, or 0 for none"))
}

fn decide_keep(text: Option<&str>) -> Result<usize, ConfigError> {
    let Some(text) = text else { return Ok(SNAPSHOT_KEEP) };
    let keep = text.trim().parse().ok().filter(|keep| (1..=SNAPSHOT_KEEP_MAX).contains(keep));
    keep.ok_or_else(|| wrong("snapshot-keep", text, "a number from 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Keeping;
    use crate::config::{ConfigError, RawConfig};
    use crate::limits::MIB;

    fn decide(change: impl FnOnce(&mut RawConfig)) -> Result<Keeping, ConfigError> {
        let mut raw = RawConfig::default();
        change(&mut raw);
        Keeping::decide(&raw)
    }

    #[test]
    fn everything_has_a_default() {
        let keeping = decide(|_| {}).expect("defaults suffice");
        assert_eq!(keeping.scrub_rate, 8 * MIB);
        assert_eq!(keeping.scrub_interval, Duration::from_secs(30 * 86_400));
        assert_eq!((keeping.snapshot_interval, keeping.snapshot_keep), (Some(Duration::from_secs(86_400)), 3));
        assert_eq!(keeping.snapshot_dir, None);
    }

    #[test]
    fn zero_turns_passes_and_snapshots_off() {
        assert_eq!(decide(|raw| raw.scrub_rate = Some("0".into())).expect("legal").scrub_rate, 0);
        assert_eq!(decide(|raw| raw.snapshot_interval = Some("0".into())).expect("legal").snapshot_interval, None);
    }

    #[test]
    fn what_is_out_of_bounds_names_its_setting() {
        type Change = fn(&mut RawConfig);
        let cases: [(&str, Change); 8] = [
            ("scrub-rate", |raw| raw.scrub_rate = Some("1".into())),
            ("scrub-rate", |raw| raw.scrub_rate = Some("fast".into())),
            ("scrub-interval", |raw| raw.scrub_interval = Some("0".into())),
            ("scrub-interval", |raw| raw.scrub_interval = Some("400d".into())),
            ("snapshot-interval", |raw| raw.snapshot_interval = Some("often".into())),
            ("snapshot-keep", |raw| raw.snapshot_keep = Some("0".into())),
            ("snapshot-keep", |raw| raw.snapshot_keep = Some("1001".into())),
            ("snapshot-keep", |raw| raw.snapshot_keep = Some("-1".into())),
        ];
        for (name, change) in cases {
            match decide(change) {
                Err(ConfigError::Value { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
