//! Pure decisions. No I/O, no async, no storage, no HTTP: facts in, verdict out. The metadata store calls
//! them inside its transactions, so that what was decided is what was committed.

pub mod cors;
pub mod lock;
pub mod logging;
pub mod notification;
pub mod payer;
pub mod precondition;
pub mod tag;
pub mod versioning;

pub use lock::LockRefusal;
pub use logging::{LogKeyFormat, Logging, PartitionDate};
pub use notification::{DestinationKind, EventPattern, Notification, NotificationRefusal, NotificationRule};
pub use payer::Payer;
pub use precondition::{
    CurrentFacts, DeletePrecondition, EtagCondition, ReadPrecondition, ReadVerdict, WritePrecondition, WriteRefusal,
};
pub use tag::TagRefusal;
pub use versioning::{Versioning, WritePlan};
