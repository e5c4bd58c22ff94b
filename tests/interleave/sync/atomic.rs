//! The shuttle's counter.

pub(crate) use shuttle::sync::atomic::Ordering;

use crate::fault::{self, Fault};

pub(crate) struct AtomicUsize(shuttle::sync::atomic::AtomicUsize);

impl AtomicUsize {
    pub(crate) fn new(value: usize) -> Self {
        Self(shuttle::sync::atomic::AtomicUsize::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> usize {
        self.0.load(ordering)
    }

    pub(crate) fn fetch_add(&self, value: usize, ordering: Ordering) -> usize {
        if fault::is(Fault::CounterTorn) {
            let before = self.0.load(ordering);
            self.0.store(before + value, ordering);
            return before;
        }
        self.0.fetch_add(value, ordering)
    }

    pub(crate) fn fetch_sub(&self, value: usize, ordering: Ordering) -> usize {
        self.0.fetch_sub(value, ordering)
    }
}
