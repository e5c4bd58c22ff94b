//! Server access logging: where the lines of a bucket go, and what the objects are called that carry them.
//!
//! Source: Amazon S3 User Guide, "Logging requests with server access logging".

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;

/// Which day the partitions of a log are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PartitionDate {
    /// The day of the requests: an object has lines of one day only.
    Event,
    /// The day of the delivery.
    Delivery,
}

/// How log objects are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogKeyFormat {
    /// Prefix, time, a unique text.
    #[default]
    Simple,
    /// Prefix, account, region, bucket, day, time, a unique text.
    Partitioned(PartitionDate),
}

/// The logging configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Logging {
    /// Where log objects go.
    pub target_bucket: String,
    /// What their keys begin with.
    pub target_prefix: String,
    /// How they go on.
    pub key_format: LogKeyFormat,
    /// Whether the client named the format, so that it is shown.
    pub names_format: bool,
}

impl Logging {
    /// What lines must have in common to share an object: the day of the request, if that is in its key.
    pub fn partition(&self, at: Timestamp) -> Option<i64> {
        const SECONDS_PER_DAY: i64 = 86_400;
        let by_event = self.key_format == LogKeyFormat::Partitioned(PartitionDate::Event);
        by_event.then(|| at.seconds().div_euclid(SECONDS_PER_DAY) * SECONDS_PER_DAY)
    }

    /// The key of an object with lines of `partition` that is delivered at `now`. `unique` tells it from others.
    pub fn object_key(
        &self,
        (owner, region, bucket): (&str, &str, &str),
        partition: Option<i64>,
        now: Timestamp,
        unique: &str,
    ) -> String {
        let Self { target_prefix: prefix, key_format, .. } = self;
        let moment = partition.map_or(now, Timestamp::from_seconds).iso_millis();
        // `2015-10-21T07:28:00.000Z`: a date of ten characters and a time of eight.
        let (day, time) = (moment.get(..10).unwrap_or_default(), moment.get(11..19).unwrap_or_default());
        let name = format!("{day}-{}-{unique}", time.replace(':', "-"));
        match key_format {
            LogKeyFormat::Simple => format!("{prefix}{name}"),
            LogKeyFormat::Partitioned(_) => {
                format!("{prefix}{owner}/{region}/{bucket}/{}/{name}", day.replace('-', "/"))
            }
        }
    }

    /// As it is stored.
    ///
    /// # Panics
    /// Never: it is plain data.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a configuration is plain data")
    }

    /// As it was stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{LogKeyFormat, Logging, PartitionDate};
    use crate::types::Timestamp;

    #[test]
    fn keys_have_the_form_that_was_chosen() {
        let now = Timestamp::parse_iso("2015-10-21T07:28:09Z").unwrap();
        let event = Timestamp::parse_iso("2015-10-20T23:59:59Z").unwrap();
        let key = |key_format| {
            let logging = Logging {
                target_bucket: "logs".to_owned(),
                target_prefix: "p/".to_owned(),
                key_format,
                names_format: true,
            };
            assert_eq!(Logging::from_bytes(&logging.to_bytes()), Some(logging.clone()));
            logging.object_key(("owner", "us-east-1", "source"), logging.partition(event), now, "U")
        };
        assert_eq!(key(LogKeyFormat::Simple), "p/2015-10-21-07-28-09-U");
        assert_eq!(
            key(LogKeyFormat::Partitioned(PartitionDate::Delivery)),
            "p/owner/us-east-1/source/2015/10/21/2015-10-21-07-28-09-U"
        );
        assert_eq!(
            key(LogKeyFormat::Partitioned(PartitionDate::Event)),
            "p/owner/us-east-1/source/2015/10/20/2015-10-20-00-00-00-U"
        );
    }
}
