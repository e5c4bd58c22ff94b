//! The undelete window: how long an object that was deleted or overwritten stays restorable.

use serde::{Deserialize, Serialize};

use crate::types::{Timestamp, VersionId};

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The undelete window of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelete {
    /// Its days; 0 is off.
    pub days: u32,
}

impl Undelete {
    /// Until when a version that goes at `now` stays restorable; `None` if it goes for good. Only null versions
    /// stay: what has an id of its own is removed by whoever names it, and hidden by everybody else.
    pub fn keeps(self, version: VersionId, is_delete_marker: bool, now: Timestamp) -> Option<Timestamp> {
        let is_kept = self.days > 0 && version == VersionId::Null && !is_delete_marker;
        is_kept.then(|| self.until(now))
    }

    /// The end of the window of what was deleted at `deleted`.
    pub fn until(self, deleted: Timestamp) -> Timestamp {
        deleted.plus_seconds(i64::from(self.days) * DAY_SECONDS)
    }

    /// The document of this window.
    pub fn to_document(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("a window is plain data")
    }

    /// The window of a document; `None` if it is none.
    pub fn from_document(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Undelete;
    use crate::types::{Timestamp, VersionId};

    #[test]
    fn only_null_versions_stay_restorable_and_only_while_the_window_is_open() {
        let now = Timestamp::from_seconds(1_000);
        let week = Undelete { days: 7 };
        assert_eq!(week.keeps(VersionId::Null, false, now), Some(Timestamp::from_seconds(1_000 + 7 * 86_400)));
        assert_eq!(week.keeps(VersionId::Null, true, now), None);
        assert_eq!(week.keeps(VersionId::Ordered { order: 1, salt: 2 }, false, now), None);
        assert_eq!(Undelete::default().keeps(VersionId::Null, false, now), None);
        assert_eq!(Undelete::from_document(&week.to_document()), Some(week));
    }
}
