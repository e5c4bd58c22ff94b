//! How much may come or go in a second, and how that follows the hour.

/// So much in a second, and so much at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In a second: requests or bytes. Not zero.
    pub per_second: u64,
    /// At once: requests or bytes.
    pub burst: u64,
}

/// What one source, a key or an address, may do. `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceRates {
    /// Requests.
    pub requests: Option<Rate>,
    /// Bytes of bodies, in both directions together.
    pub bytes: Option<Rate>,
}

impl SourceRates {
    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn over(self, others: Self) -> Self {
        Self { requests: self.requests.or(others.requests), bytes: self.bytes.or(others.bytes) }
    }
}

/// All limits of rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Of each access key.
    pub key: SourceRates,
    /// Of each address.
    pub address: SourceRates,
    /// Bytes of all bodies.
    pub bandwidth: Timetable,
}

/// Bytes in a second by the time of day. The empty one has no bound at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timetable {
    /// From which minute of the day on, and how many bytes in a second; ascending.
    entries: Vec<(u16, Option<u64>)>,
}

/// Minutes of a day.
pub const MINUTES_PER_DAY: u16 = 24 * 60;

impl Timetable {
    /// A table of entries that each count until the next one, the last until the first. `None` if two begin at the
    /// same minute or one at no minute of the day.
    pub fn new(mut entries: Vec<(u16, Option<u64>)>) -> Option<Self> {
        entries.sort_unstable_by_key(|(minute, _)| *minute);
        let is_table = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let are_minutes = entries.iter().all(|(minute, _)| *minute < MINUTES_PER_DAY);
        (is_table && are_minutes).then_some(Self { entries })
    }

    /// Bytes in a second at a minute of the day; `None` is without bound.
    pub fn at(&self, minute: u16) -> Option<u64> {
        let begun = self.entries.partition_point(|(from, _)| *from <= minute);
        // Before the first entry of the day the last one of the day before still counts.
        let entry = if begun == 0 { self.entries.last() } else { self.entries.get(begun - 1) };
        entry.and_then(|(_, bytes)| *bytes)
    }

    /// Whether it never bounds anything.
    pub fn is_unbounded(&self) -> bool {
        self.entries.iter().all(|(_, bytes)| bytes.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::{MINUTES_PER_DAY, Timetable};

    #[test]
    fn a_table_goes_around_the_day() {
        let table = Timetable::new(vec![(18 * 60, None), (8 * 60, Some(10)), (12 * 60 + 30, Some(20))]).unwrap();
        for (minute, expected) in
            [(0, None), (479, None), (480, Some(10)), (749, Some(10)), (750, Some(20)), (1079, Some(20)), (1080, None)]
        {
            assert_eq!(table.at(minute), expected, "minute {minute}");
        }
        let always = Timetable::new(vec![(0, Some(7))]).unwrap();
        assert!((0..MINUTES_PER_DAY).all(|minute| always.at(minute) == Some(7)));
        assert!(!always.is_unbounded() && Timetable::default().is_unbounded());
    }

    #[test]
    fn two_entries_for_one_minute_are_no_table() {
        assert_eq!(Timetable::new(vec![(5, None), (5, Some(1))]), None);
        assert_eq!(Timetable::new(vec![(MINUTES_PER_DAY, None)]), None);
    }
}
