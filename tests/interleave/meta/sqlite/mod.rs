//! The writer's queue, over transactions of a list instead of a database.

#[path = "../../../../src/meta/sqlite/failure.rs"]
#[allow(dead_code, reason = "the list does not fail as a database does")]
mod failure;
#[path = "../../../../src/meta/sqlite/writer.rs"]
mod writer;

mod laws;
mod list;

/// What the writer hands to a command.
mod transaction {
    pub(super) use super::list::Transaction;
}
