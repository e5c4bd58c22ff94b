//! In which pieces an object is copied: its own parts if the source tells them, or ranges.

use std::ops::Range;

use crate::limits::transfer::TRANSFER_PART_BYTES;
use crate::limits::{MIB, PART_NUMBER_MAX};
use crate::transfer::TransferError;

/// Part sizes that programs use, in MiB, for sources that do not know part numbers. A guess is proven by the ETag.
const USUAL: [u64; 14] = [5, 8, 16, 10, 15, 25, 32, 50, 64, 100, 128, 256, 512, 1024];

/// What to ask for next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part of that number.
    Number(u16),
    /// A range, which becomes the part of that number.
    Range(u16, Range<u64>),
}

/// The pieces of an object, one after the other.
#[derive(Debug)]
pub(crate) struct Pieces {
    size: u64,
    way: Way,
    /// Pieces that were asked for.
    asked: u16,
    /// Pieces that were taken.
    taken: u16,
}

#[derive(Debug)]
enum Way {
    /// By number, until as many were found.
    Numbers { count: u16 },
    /// By ranges of one length.
    Ranges { length: u64 },
}

impl Pieces {
    /// The pieces of an object of `size` bytes that has `count` parts, or must get some.
    pub(crate) fn new(count: Option<u16>, size: u64) -> Self {
        let way = match count {
            Some(count) => Way::Numbers { count },
            None => Way::Ranges { length: part_bytes(size) },
        };
        Self { size, way, asked: 0, taken: 0 }
    }

    /// The next piece.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        let number = self.asked + 1;
        let piece = match self.way {
            Way::Numbers { count } if self.taken < count && number <= PART_NUMBER_MAX => Piece::Number(number),
            Way::Ranges { length } => {
                let start = u64::from(self.asked).saturating_mul(length);
                let end = start.saturating_add(length).min(self.size);
                if start >= end || number > PART_NUMBER_MAX {
                    return None;
                }
                Piece::Range(number, start..end)
            }
            Way::Numbers { .. } => return None,
        };
        self.asked = number;
        Some(piece)
    }

    /// Notes that the last piece was copied.
    pub(crate) fn took(&mut self) {
        self.taken += 1;
    }

    /// Whether the last piece is only a number that no part has.
    pub(crate) fn may_skip(&self, error: &TransferError) -> bool {
        matches!(self.way, Way::Numbers { .. })
            && (error.is_code("InvalidPart")
                || error.is_code("InvalidPartNumber")
                || matches!(error, TransferError::Refused { status: 416, .. }))
    }

    /// Whether what the source sent can be the last piece: not the whole object where it has several parts.
    pub(crate) fn fits(&self, range: &Range<u64>) -> bool {
        match self.way {
            Way::Numbers { count: 1 } => true,
            Way::Numbers { .. } => range.end - range.start < self.size,
            Way::Ranges { length } => range.start == u64::from(self.asked - 1) * length,
        }
    }

    /// Goes on by ranges of a size that gives the right number of parts; begins anew. False if there is none.
    pub(crate) fn guess(&mut self) -> bool {
        let Way::Numbers { count } = self.way else { return false };
        let even = self.size.div_ceil(u64::from(count)).next_multiple_of(MIB);
        let mut lengths = USUAL.iter().map(|mib| mib * MIB).chain([even]);
        let Some(length) = lengths.find(|length| self.size.div_ceil(*length) == u64::from(count)) else {
            return false;
        };
        let fresh = self.taken == 0;
        *self = Self { way: Way::Ranges { length }, asked: 0, taken: 0, ..*self };
        fresh
    }
}

/// Bytes of each part but the last of a new object.
pub(crate) fn part_bytes(size: u64) -> u64 {
    size.div_ceil(u64::from(PART_NUMBER_MAX)).next_multiple_of(MIB).max(TRANSFER_PART_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{Piece, Pieces, part_bytes};
    use crate::limits::transfer::TRANSFER_PART_BYTES;
    use crate::limits::{MIB, OBJECT_BYTES_MAX, PART_NUMBER_MAX, TIB};
    use crate::transfer::TransferError;

    #[test]
    fn parts_are_asked_for_until_all_are_found() {
        let mut pieces = Pieces::new(Some(2), 9);
        assert_eq!(pieces.next(), Some(Piece::Number(1)));
        let absent = TransferError::Refused { status: 416, code: String::new(), message: String::new() };
        assert!(pieces.may_skip(&absent));
        assert_eq!(pieces.next(), Some(Piece::Number(2)));
        assert!(pieces.fits(&(0..5)) && !pieces.fits(&(0..9)));
        pieces.took();
        assert_eq!(pieces.next(), Some(Piece::Number(3)));
        pieces.took();
        assert_eq!(pieces.next(), None);
    }

    #[test]
    fn a_source_without_part_numbers_is_read_by_ranges() {
        let mut pieces = Pieces::new(Some(3), 20 * MIB);
        pieces.next();
        assert!(pieces.guess());
        let ranges: Vec<_> = std::iter::from_fn(|| pieces.next()).collect();
        assert_eq!(ranges.len(), 3);
        assert_eq!(ranges[2], Piece::Range(3, 16 * MIB..20 * MIB));
        assert!(pieces.fits(&(16 * MIB..20 * MIB)) && !pieces.fits(&(0..20 * MIB)));
        assert!(!pieces.guess(), "only once");
    }

    #[test]
    fn the_largest_object_fits_its_parts() {
        assert_eq!(part_bytes(1), TRANSFER_PART_BYTES);
        assert!(part_bytes(OBJECT_BYTES_MAX) * u64::from(PART_NUMBER_MAX) >= OBJECT_BYTES_MAX);
        assert!(part_bytes(TIB) < 2 * TRANSFER_PART_BYTES);
    }
}
