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

    /// The first point at whole milliseconds that is not before this one: what XML can show without loss.
    pub fn rounded_up_to_millis(self) -> Self {
        let rest = self.0.rem_euclid(1_000);
        if rest == 0 { self } else { Self(self.0.saturating_add(1_000 - rest)) }
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
        self.written_out().unwrap_or_else(|| self.format(ISO_MILLIS))
    }

    /// `iso_millis` of the years with four digits, digit by digit: a page of a listing has a thousand of them, and
    /// formatting by description took a third of its time.
    fn written_out(self) -> Option<String> {
        let moment = OffsetDateTime::from_unix_timestamp(self.seconds()).ok()?;
        let year = u32::try_from(moment.year()).ok().filter(|year| *year <= 9999)?;
        let millis = u32::try_from(self.0.rem_euclid(1_000_000) / 1_000).ok()?;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (0..4, year),
            (5..7, u8::from(moment.month()).into()),
            (8..10, moment.day().into()),
            (11..13, moment.hour().into()),
            (14..16, moment.minute().into()),
            (17..19, moment.second().into()),
            (20..23, millis),
        ];
        for (place, mut number) in fields {
            for digit in text[place].iter_mut().rev() {
                *digit += u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        String::from_utf8(text.to_vec()).ok()
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

/// How long the machine has been up: what goes on evenly whatever the clock on the wall is set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uptime {
    /// Names the boot of the machine; 0 if that is not known.
    pub boot: i64,
    /// Microseconds since that boot, sleep included.
    pub micros: i64,
}

/// The source of time. Nothing else in the house reads a clock for a decision, so that tests can turn it.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// How long the machine has been up. By default the clock on the wall, for clocks that nobody sets.
    fn uptime(&self) -> Uptime {
        Uptime { boot: 1, micros: self.now().0 }
    }
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

    fn uptime(&self) -> Uptime {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        let up = rustix::time::clock_gettime(clock);
        let micros = up.tv_sec.saturating_mul(1_000_000).saturating_add(up.tv_nsec / 1_000);
        Uptime { boot: boot_name(), micros }
    }
}

/// A number that names this boot of the machine; 0 if the kernel does not tell.
fn boot_name() -> i64 {
    static NAME: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *NAME.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or_default().cast_signed()
    })
}

/// A clock that stands still until it is set, for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    uptime: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`, on a machine that just came up.
    pub fn new(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.0), uptime: AtomicI64::new(0) }
    }

    /// Sets the clock to `now`, as somebody would who turns it.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.0, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        self.uptime.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Uptime {
        Uptime { boot: 1, micros: self.uptime.load(Ordering::SeqCst) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock as _, ISO_MILLIS, SystemClock, Timestamp};

    #[test]
    fn a_point_is_rounded_up_to_what_xml_shows() {
        assert_eq!(Timestamp(1_000).rounded_up_to_millis(), Timestamp(1_000));
        assert_eq!(Timestamp(1_001).rounded_up_to_millis(), Timestamp(2_000));
        assert_eq!(Timestamp(i64::MAX).rounded_up_to_millis(), Timestamp(i64::MAX));
    }

    #[test]
    fn the_machine_is_up_for_longer_and_longer() {
        let before = SystemClock.uptime();
        assert!(before.micros > 0);
        assert_eq!(SystemClock.uptime().boot, before.boot);
        assert!(SystemClock.uptime().micros >= before.micros);
    }

    #[test]
    fn every_form_reads_back_what_it_prints() {
        let moment = Timestamp::from_seconds(1_445_412_480);
        assert_eq!(moment.http_date(), "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(moment.iso_millis(), "2015-10-21T07:28:00.000Z");
        for micros in [0, -1, 1_999, 951_827_696_123_456, 253_402_300_799_999_999, -62_135_596_800_000_000, i64::MAX] {
            let moment = Timestamp(micros);
            assert_eq!(moment.iso_millis(), moment.format(ISO_MILLIS));
        }
        assert_eq!(moment.amz_basic(), "20151021T072800Z");
        assert_eq!(Timestamp::parse_http_date(&moment.http_date()), Some(moment));
        assert_eq!(Timestamp::parse_iso(&moment.iso_millis()), Some(moment));
        assert_eq!(Timestamp::parse_amz_basic(&moment.amz_basic()), Some(moment));
        assert_eq!(Timestamp::parse_amz_basic("20151321T072800Z"), None);
    }
}
