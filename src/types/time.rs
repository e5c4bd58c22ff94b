//! Points in time, and the clock that everybody asks.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const ISO_MILLIS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const AMZ_BASIC: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// A point in time in microseconds since 1970, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The point `seconds` after 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This point moved by whole seconds.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The same point at whole seconds, as HTTP headers show it.
    pub fn truncated_to_seconds(self) -> Self {
        Self::from_seconds(self.seconds())
    }

    /// The same point as the standard library's type.
    pub fn to_system_time(self) -> SystemTime {
        let micros = Duration::from_micros(self.0.unsigned_abs());
        if self.0 >= 0 { UNIX_EPOCH + micros } else { UNIX_EPOCH - micros }
    }

    /// `Wed, 21 Oct 2015 07:28:00 GMT` (RFC 9110, IMF-fixdate).
    pub fn http_date(self) -> String {
        httpdate::fmt_http_date(self.to_system_time())
    }

    /// Reads any of the three date forms of RFC 9110.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let parsed = httpdate::parse_http_date(text).ok()?;
        let since = parsed.duration_since(UNIX_EPOCH).ok()?;
        Some(Self::from_seconds(i64::try_from(since.as_secs()).ok()?))
    }

    /// `2015-10-21T07:28:00.000Z`, as S3's XML shows it.
    pub fn iso_millis(self) -> String {
        self.format(ISO_MILLIS)
    }

    /// Reads `2015-10-21T07:28:00Z` with or without fractions of a second or an offset (RFC 3339).
    pub fn parse_iso(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
        Some(Self(i64::try_from(parsed.unix_timestamp_nanos() / 1000).ok()?))
    }

    /// `20151021T072800Z`, as Signature Version 4 shows it.
    pub fn amz_basic(self) -> String {
        self.format(AMZ_BASIC)
    }

    /// Reads `20151021T072800Z`.
    pub fn parse_amz_basic(text: &str) -> Option<Self> {
        let parsed = time::PrimitiveDateTime::parse(text, AMZ_BASIC).ok()?;
        Some(Self::from_seconds(parsed.assume_utc().unix_timestamp()))
    }

    fn format(self, form: &[BorrowedFormatItem<'_>]) -> String {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000);
        moment.ok().and_then(|moment| moment.format(form).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso_millis())
    }
}

/// The source of time. Nothing else in the house reads a clock for a decision, so that tests can turn it.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is set, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Sets the clock to `now`.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn every_form_reads_back_what_it_prints() {
        let moment = Timestamp::from_seconds(1_445_412_480);
        assert_eq!(moment.http_date(), "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(moment.iso_millis(), "2015-10-21T07:28:00.000Z");
        assert_eq!(moment.amz_basic(), "20151021T072800Z");
        assert_eq!(Timestamp::parse_http_date(&moment.http_date()), Some(moment));
        assert_eq!(Timestamp::parse_iso(&moment.iso_millis()), Some(moment));
        assert_eq!(Timestamp::parse_amz_basic(&moment.amz_basic()), Some(moment));
        assert_eq!(Timestamp::parse_amz_basic("20151321T072800Z"), None);
    }
}
