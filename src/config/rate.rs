//! Settings of rates: `RATE`, `RATE:BURST`, and the timetable of the bandwidth.

use crate::config::error::wrong;
use crate::config::value::parse_size;
use crate::config::{ConfigError, RawConfig};
use crate::limits::{RATE_BYTES_MIN, TIMETABLE_ENTRIES_MAX};
use crate::types::{Rate, RateLimits, SourceRates, Timetable};

/// Judges all settings of rates.
///
/// # Errors
/// `Value`.
pub(super) fn decide_rates(raw: &RawConfig) -> Result<RateLimits, ConfigError> {
    let requests = |setting, text: &Option<String>| decide(setting, text.as_deref(), REQUESTS, parse_requests);
    let bytes = |setting, text: &Option<String>| decide(setting, text.as_deref(), BYTES, parse_bytes);
    Ok(RateLimits {
        key: SourceRates {
            requests: requests("key-requests", &raw.key_requests)?,
            bytes: bytes("key-bandwidth", &raw.key_bandwidth)?,
        },
        address: SourceRates {
            requests: requests("address-requests", &raw.address_requests)?,
            bytes: bytes("address-bandwidth", &raw.address_bandwidth)?,
        },
        bandwidth: decide("bandwidth", raw.bandwidth.as_deref(), TIMETABLE, parse_timetable)?.unwrap_or_default(),
    })
}

/// What a rate of requests looks like.
pub const REQUESTS: &str = "requests in a second, as 50, or with what may come at once, as 50:200";
/// What a rate of bytes looks like.
pub const BYTES: &str = "bytes in a second of at least 16KiB, as 10MiB, or with what may come at once, as 10MiB:100MiB";
const TIMETABLE: &str =
    "bytes in a second of at least 16KiB, as 10MiB, or a timetable of them, as 08:00=2MiB,18:30=10MiB,23:00=off";

fn decide<T>(
    setting: &'static str,
    text: Option<&str>,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    text.map(|text| parse(text).ok_or_else(|| wrong(setting, text, expected))).transpose()
}

/// `RATE` or `RATE:BURST`; the burst of a lone rate is that of one second.
fn parse_rate(text: &str, parse: impl Fn(&str) -> Option<u64>) -> Option<Rate> {
    let (per_second, burst) = match text.split_once(':') {
        Some((per_second, burst)) => (parse(per_second)?, parse(burst)?),
        None => (parse(text)?, parse(text)?),
    };
    Some(Rate { per_second, burst })
}

/// A rate of requests.
pub fn parse_requests(text: &str) -> Option<Rate> {
    parse_rate(text, |number| number.trim().parse().ok().filter(|number| *number > 0))
}

fn parse_bandwidth(text: &str) -> Option<u64> {
    parse_size(text).filter(|bytes| *bytes >= RATE_BYTES_MIN)
}

/// A rate of bytes.
pub fn parse_bytes(text: &str) -> Option<Rate> {
    parse_rate(text, parse_bandwidth)
}

fn parse_timetable(text: &str) -> Option<Timetable> {
    let limit = |text: &str| if text.trim() == "off" { Some(None) } else { parse_bandwidth(text).map(Some) };
    if !text.contains('=') {
        return Timetable::new(vec![(0, limit(text)?)]);
    }
    let entry = |entry: &str| {
        let (time, bytes) = entry.split_once('=')?;
        Some((parse_time_of_day(time.trim())?, limit(bytes)?))
    };
    let entries: Vec<_> = text.split(',').map(entry).collect::<Option<_>>()?;
    if entries.len() > TIMETABLE_ENTRIES_MAX {
        return None;
    }
    Timetable::new(entries)
}

/// `HH:MM` as a minute of the day.
fn parse_time_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::{decide_rates, parse_bytes, parse_requests, parse_timetable};
    use crate::config::RawConfig;
    use crate::limits::{KIB, MIB};
    use crate::types::{Rate, RateLimits, Timetable};

    #[test]
    fn a_rate_may_name_its_burst() {
        assert_eq!(parse_requests("50"), Some(Rate { per_second: 50, burst: 50 }));
        assert_eq!(parse_requests("50:200"), Some(Rate { per_second: 50, burst: 200 }));
        assert_eq!(parse_bytes("1MiB:16KiB"), Some(Rate { per_second: MIB, burst: 16 * KIB }));
        for wrong in ["", "0", "50:0", "50:", ":50", "-1", "1.5", "50:1:1"] {
            assert_eq!(parse_requests(wrong), None, "{wrong}");
        }
        for wrong in ["1KiB", "off", "1MiB:1KiB"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_timetable_is_one_bandwidth_or_several() {
        assert_eq!(parse_timetable("1MiB"), Timetable::new(vec![(0, Some(MIB))]));
        assert_eq!(parse_timetable("off"), Timetable::new(vec![(0, None)]));
        assert_eq!(
            parse_timetable("08:00=2MiB, 18:30=10MiB,23:00=off"),
            Timetable::new(vec![(480, Some(2 * MIB)), (1110, Some(10 * MIB)), (1380, None)])
        );
        for wrong in
            ["", "24:00=1MiB", "08:60=1MiB", "8=1MiB", "08:00=1MiB,08:00=off", "08:00=1B", "08:00=", "+8:00=off"]
        {
            assert_eq!(parse_timetable(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_limited_unless_it_is_said() {
        assert_eq!(decide_rates(&RawConfig::default()).unwrap(), RateLimits::default());
        let raw = RawConfig { key_bandwidth: Some("fast".to_owned()), ..RawConfig::default() };
        assert!(decide_rates(&raw).unwrap_err().to_string().contains("key-bandwidth"));
    }
}
