//! Pure decisions. No I/O, no async, no storage, no HTTP: facts in, verdict out. The metadata store calls
//! them inside its transactions, so that what was decided is what was committed.

pub mod acl;
pub mod cors;
pub mod encryption;
pub mod lifecycle;
pub mod lock;
pub mod lock_clock;
pub mod logging;
pub mod notification;
pub mod ownership;
pub mod payer;
pub mod precondition;
pub mod public_access;
pub mod quota;
pub mod scrub;
pub mod tag;
pub mod undelete;
pub mod versioning;
pub mod website;

pub use acl::{AclRight, AclSubject, CannedAcl};
pub use lifecycle::{DayLength, Lifecycle};
pub use lock::{BucketRefusal, DefaultRetention, LockRefusal, ObjectLock, Period};
pub use lock_clock::{ClockLimits, LockClock, Reading, Seen, Shown};
pub use logging::{LogKeyFormat, Logging, PartitionDate};
pub use notification::{DestinationKind, EventPattern, Notification, NotificationRefusal, NotificationRule};
pub use ownership::OwnershipControls;
pub use payer::Payer;
pub use precondition::{
    CurrentFacts, DeletePrecondition, EtagCondition, ReadPrecondition, ReadVerdict, WritePrecondition, WriteRefusal,
};
pub use public_access::PublicAccessBlock;
pub use quota::{Growth, Quota, QuotaRefusal, Usage};
pub use tag::TagRefusal;
pub use undelete::Undelete;
pub use versioning::{Versioning, WritePlan};
