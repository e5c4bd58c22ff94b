//! Times of files as rclone writes them: `x-amz-meta-mtime`, seconds since 1970 with up to nine decimals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The header.
pub(crate) const MTIME: &str = "x-amz-meta-mtime";

const NANOS: u32 = 1_000_000_000;

/// A point in time: seconds since 1970, and nanoseconds behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileTime {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
}

impl FileTime {
    /// The same point from the standard library's type.
    pub(crate) fn of(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => {
                Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
            }
            Err(before) => {
                let before: Duration = before.duration();
                let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Self { seconds, nanos: 0 },
                    nanos => Self { seconds: seconds - 1, nanos: NANOS - nanos },
                }
            }
        }
    }

    /// As rclone writes it.
    pub(crate) fn text(self) -> String {
        let (sign, seconds, nanos) = match (self.seconds < 0, self.nanos) {
            (false, nanos) => ("", self.seconds.unsigned_abs(), nanos),
            (true, 0) => ("-", self.seconds.unsigned_abs(), 0),
            (true, nanos) => ("-", self.seconds.unsigned_abs() - 1, NANOS - nanos),
        };
        match nanos {
            0 => format!("{sign}{seconds}"),
            _ => format!("{sign}{seconds}.{}", format!("{nanos:09}").trim_end_matches('0')),
        }
    }

    /// Reads what rclone writes. Further decimals are dropped.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (seconds, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if seconds.is_empty() || !is_number(seconds) || !is_number(decimals) {
            return None;
        }
        let decimals: String = decimals.chars().chain("000000000".chars()).take(9).collect();
        let (seconds, nanos): (i64, u32) = (seconds.parse().ok()?, decimals.parse().ok()?);
        Some(match (is_negative, nanos) {
            (false, nanos) => Self { seconds, nanos },
            (true, 0) => Self { seconds: -seconds, nanos },
            (true, nanos) => Self { seconds: -seconds - 1, nanos: NANOS - nanos },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::FileTime;

    #[test]
    fn times_are_written_as_rclone_writes_them_and_read_back() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("1623244413.123456789", 1_623_244_413, 123_456_789),
            ("981173106.789", 981_173_106, 789_000_000),
            ("0.000000001", 0, 1),
            ("-1", -1, 0),
            ("-0.5", -1, 500_000_000),
            ("-1.25", -2, 750_000_000),
        ] {
            let time = FileTime { seconds, nanos };
            assert_eq!(time.text(), text);
            assert_eq!(FileTime::parse(text), Some(time), "{text}");
        }
        for text in ["", "-", ".5", "1e9", "1.2.3", "99999999999999999999", "x"] {
            assert_eq!(FileTime::parse(text), None, "{text}");
        }
        assert_eq!(FileTime::of(UNIX_EPOCH - Duration::from_millis(1250)).text(), "-1.25");
    }
}
