//! The parts that a completion chose.

use crate::limits::PART_NUMBER_MAX;

/// The part numbers that a completion chose: one bit each, so that 10,000 of them are 1.25 KB.
#[derive(Clone, PartialEq, Eq)]
pub struct PartSelection {
    bits: Box<[u64]>,
    count: u16,
}

impl PartSelection {
    /// No part.
    pub fn new() -> Self {
        Self { bits: vec![0; usize::from(PART_NUMBER_MAX) / 64 + 1].into_boxed_slice(), count: 0 }
    }

    /// Adds part `number`.
    ///
    /// # Panics
    /// If `number` is outside 1..=`PART_NUMBER_MAX`: callers have checked it.
    pub fn insert(&mut self, number: u16) {
        assert!((1..=PART_NUMBER_MAX).contains(&number), "part numbers are checked on arrival");
        if !self.contains(number) {
            self.count += 1;
        }
        self.bits[usize::from(number) / 64] |= 1 << (number % 64);
    }

    /// Whether part `number` was chosen.
    pub fn contains(&self, number: u16) -> bool {
        self.bits.get(usize::from(number) / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many were chosen.
    pub fn count(&self) -> u16 {
        self.count
    }
}

impl Default for PartSelection {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PartSelection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartSelection({} parts)", self.count)
    }
}
