//! The open transaction as the work in it sees it: a connection, the clock that numbers versions, the book of what is
//! counted, and on whose behalf it runs. Knows neither who begins and commits it nor what is done in it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rusqlite::Connection;

use super::book::SharedBook;
use crate::types::{Origin, Timestamp};

/// The open transaction as a command sees it.
pub(super) struct Transaction<'c> {
    connection: &'c Connection,
    order: Cell<u64>,
    book: SharedBook,
    /// On whose behalf the running command changes something.
    origin: RefCell<Option<Arc<Origin>>>,
}

impl<'c> Transaction<'c> {
    /// The transaction that has just been begun on `connection`; `order` is the last value of its clock.
    pub(super) fn begun(connection: &'c Connection, order: u64) -> Self {
        Self { connection, order: Cell::new(order), book: RefCell::default(), origin: RefCell::default() }
    }

    /// The connection that the transaction is open on.
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// What the transactions of the group have counted.
    pub(super) fn book(&self) -> &SharedBook {
        &self.book
    }

    /// Notes on whose behalf the next command runs.
    pub(super) fn set_origin(&self, origin: Option<Arc<Origin>>) {
        *self.origin.borrow_mut() = origin;
    }

    /// On whose behalf the running command changes something; `None` for a background job.
    pub(super) fn origin(&self) -> Option<Arc<Origin>> {
        self.origin.borrow().clone()
    }

    /// The next value of the clock that numbers versions, manifests and inline parts: `now` in
    /// microseconds, or one more than the last value if the clock of the machine has not gone on or went
    /// back. It is saved with the group, so no value is handed out twice, also not by another process.
    pub(super) fn tick(&self, now: Timestamp) -> u64 {
        let next = (self.order.get() + 1).max(u64::try_from(now.0).unwrap_or(0));
        self.order.set(next);
        next
    }

    /// The last value of the clock.
    pub(super) fn order(&self) -> u64 {
        self.order.get()
    }
}
