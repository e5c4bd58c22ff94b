//! Events: what happens to objects and whoever asked is told of, and on whose behalf it happens.
//!
//! Source: Amazon S3 User Guide, "Event notification types and destinations".

use serde::{Deserialize, Serialize};

/// Makes the enum, its list and its names from one table.
macro_rules! kinds {
    ($($kind:ident $name:literal)+) => {
        /// What happened to an object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $(#[doc = concat!("`s3:", $name, "`.")] $kind,)+
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The API's name without `s3:`, as events carry it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    CreatedByPut "ObjectCreated:Put"
    CreatedByPost "ObjectCreated:Post"
    CreatedByCopy "ObjectCreated:Copy"
    CreatedByCompletion "ObjectCreated:CompleteMultipartUpload"
    Removed "ObjectRemoved:Delete"
    MarkerCreated "ObjectRemoved:DeleteMarkerCreated"
    RestoreBegun "ObjectRestore:Post"
    RestoreCompleted "ObjectRestore:Completed"
    RestoreExpired "ObjectRestore:Delete"
    Lost "ReducedRedundancyLostObject"
    ReplicationFailed "Replication:OperationFailedReplication"
    ReplicationNotTracked "Replication:OperationNotTracked"
    ReplicationLate "Replication:OperationMissedThreshold"
    ReplicatedLate "Replication:OperationReplicatedAfterThreshold"
    Transitioned "LifecycleTransition"
    Tiered "IntelligentTiering"
    Expired "LifecycleExpiration:Delete"
    ExpiredByMarker "LifecycleExpiration:DeleteMarkerCreated"
    AclPut "ObjectAcl:Put"
    TagsPut "ObjectTagging:Put"
    TagsDeleted "ObjectTagging:Delete"
    AnnotationPut "ObjectAnnotation:Put"
    AnnotationDeleted "ObjectAnnotation:Delete"
    RetentionPut "ObjectRetention:Put"
}

impl EventKind {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// The request on whose behalf something is done. What is done without one is done by a background job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who asks.
    pub principal: String,
    /// From which address.
    pub source_address: String,
    /// The request's id.
    pub request_id: String,
    /// Id of the process that answers it.
    pub host_id: String,
    /// Whether it is a POST of a form.
    pub is_form: bool,
    /// When it came, in microseconds since 1970.
    pub at: i64,
}

/// What is told of an event. Complete: the object and its bucket may be gone when it is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Name of its kind; `TestEvent` if it only says that a configuration was put.
    pub name: String,
    /// Id of the configuration that asked for it.
    pub configuration: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Canonical id of its owner.
    pub bucket_owner: String,
    /// Key of the object.
    pub key: String,
    /// Size in bytes; none for what was removed.
    pub size: Option<u64>,
    /// ETag without quotes; none for what was removed.
    pub etag: Option<String>,
    /// Version id, if versioning is or was on.
    pub version: Option<String>,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// On whose behalf; `None` for a background job.
    pub origin: Option<Origin>,
}

impl EventRecord {
    /// The name of an event that only says that a configuration was put.
    pub const TEST: &'static str = "TestEvent";
}

/// An event that waits for its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Its number: events of a key were numbered in the order in which they happened.
    pub sequence: u64,
    /// Deliveries that failed.
    pub attempts: u32,
    /// What is told.
    pub record: EventRecord,
}

/// What became of events that were due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSettlement {
    /// Delivered.
    pub delivered: Vec<u64>,
    /// Failed, and not to be tried before that time.
    pub postponed: Vec<(u64, crate::types::Timestamp)>,
    /// Failed for so long that they are dropped.
    pub given_up: Vec<u64>,
}

/// How many events wait for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBacklog {
    /// Name of the target.
    pub target: String,
    /// Events that wait.
    pub queued: u64,
    /// Events that were dropped because too many waited, or for their age, since the store was made.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::EventKind;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(*kind));
        }
        assert_eq!(EventKind::parse("ObjectCreated:*"), None);
    }
}
