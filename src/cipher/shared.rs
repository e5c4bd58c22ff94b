//! The key ring of a running gateway: it can be exchanged while requests use it. Nobody who reads it waits.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::cipher::KeyRing;

/// A key ring that many use and one exchanges.
#[derive(Debug, Default)]
pub struct SharedKeyRing(ArcSwap<KeyRing>);

impl SharedKeyRing {
    /// Begins with a ring.
    pub fn new(ring: KeyRing) -> Self {
        Self(ArcSwap::from_pointee(ring))
    }

    /// The ring of now. Whoever holds it keeps it as it is, whatever comes after it. Takes no lock.
    pub fn current(&self) -> Arc<KeyRing> {
        self.0.load_full()
    }

    /// Another ring from now on. It must have every key of the one before: what was sealed in between is opened with
    /// whichever ring comes next. One at a time, by whoever looked at the one before.
    pub fn replace(&self, ring: KeyRing) {
        self.0.store(Arc::new(ring));
    }
}

impl From<Arc<KeyRing>> for SharedKeyRing {
    fn from(ring: Arc<KeyRing>) -> Self {
        Self(ArcSwap::new(ring))
    }
}

#[cfg(test)]
mod tests {
    use super::SharedKeyRing;
    use crate::cipher::{Holder, KeyRing, Protection};

    #[test]
    fn who_has_a_ring_keeps_it_and_who_asks_later_gets_the_next() {
        let first = KeyRing::generate().unwrap();
        let shared = SharedKeyRing::new(first.clone());
        let held = shared.current();
        let (data, envelope) = held.seal(&Holder::Gateway).unwrap();
        let mut second = first;
        let active = second.rotate().unwrap().to_owned();
        shared.replace(second);
        assert_ne!(held.active_id(), Some(active.as_str()));
        let now = shared.current();
        assert_eq!(now.protection(&Holder::Gateway), Ok(Protection::Gateway { key: active }));
        assert_eq!(now.open(&envelope, None).unwrap().0.bytes(), data.0.bytes());
    }
}
