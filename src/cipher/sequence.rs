//! Whether the chunks of a body follow each other as they were written. Each chunk swears where it lies; what
//! metadata says about their order and number is compared with that.

use crate::cipher::{CipherError, Placement};

/// The chunks of one sealed body, as they are opened.
#[derive(Debug)]
pub struct Sequence {
    size: u64,
    previous: Option<(u64, Placement)>,
}

impl Sequence {
    /// A body of `size` bytes, parts and all.
    pub fn new(size: u64) -> Self {
        Self { size, previous: None }
    }

    /// Takes the chunk that metadata places at `offset` of the whole body.
    ///
    /// # Errors
    /// `Damaged` if it does not belong there.
    pub fn accept(&mut self, offset: u64, chunk: Placement) -> Result<(), CipherError> {
        let end = offset + chunk.length;
        let is_whole = chunk.part == 0;
        let starts_right =
            if is_whole { chunk.start == offset } else { chunk.start <= offset && (offset > 0 || chunk.start == 0) };
        let ends_right = match end == self.size {
            true => chunk.is_last,
            false => end < self.size && !(is_whole && chunk.is_last),
        };
        if !starts_right || !ends_right {
            return Err(CipherError::Damaged("a chunk is not where it was written"));
        }
        let follows = match self.previous.replace((offset, chunk)) {
            // A range may begin in the middle.
            None => true,
            Some((before, same)) if before == offset => same == chunk,
            Some((before, previous)) => before + previous.length == offset && follows(&previous, &chunk),
        };
        match follows {
            true => Ok(()),
            false => Err(CipherError::Damaged("chunks are not in the order that they were written in")),
        }
    }
}

/// Whether `next` may come right after `previous`.
fn follows(previous: &Placement, next: &Placement) -> bool {
    if previous.is_last {
        next.part > previous.part && next.start == 0
    } else {
        (next.body, next.part, next.start) == (previous.body, previous.part, previous.start + previous.length)
    }
}

#[cfg(test)]
mod tests {
    use super::Sequence;
    use crate::cipher::Placement;

    fn chunk(part: u16, start: u64, length: u64, is_last: bool) -> Placement {
        Placement { body: [7; 16], part, start, length, is_last }
    }

    /// Whether chunks that metadata puts one after the other make a body.
    fn is_body(chunks: &[Placement]) -> bool {
        let mut sequence = Sequence::new(chunks.iter().map(|chunk| chunk.length).sum());
        let mut offset = 0;
        chunks.iter().all(|chunk| {
            let taken = sequence.accept(offset, *chunk).is_ok();
            offset += chunk.length;
            taken
        })
    }

    #[test]
    fn a_body_in_one_piece_has_its_chunks_in_order_and_all_of_them() {
        let [a, b, c] = [chunk(0, 0, 10, false), chunk(0, 10, 10, false), chunk(0, 20, 5, true)];
        assert!(is_body(&[a, b, c]));
        for wrong in [&[a, b][..], &[b, a, c], &[a, c], &[a, b, b], &[c], &[a, b, c, c], &[b, c]] {
            assert!(!is_body(wrong), "{wrong:?}");
        }
        assert!(is_body(&[chunk(0, 0, 5, true)]));
    }

    #[test]
    fn parts_follow_in_ascending_order_and_are_whole() {
        let [a, b] = [chunk(1, 0, 10, false), chunk(1, 10, 10, true)];
        let [c, d] = [chunk(5, 0, 10, false), chunk(5, 10, 10, true)];
        assert!(is_body(&[a, b, c, d]));
        assert!(is_body(&[c, d]), "parts may be missing from a list");
        for wrong in [&[c, d, a, b][..], &[a, d, c, b], &[a, b, c], &[b, c, d], &[a, b, d], &[a, b, a, b]] {
            assert!(!is_body(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn chunks_of_a_part_that_was_sent_twice_do_not_mix() {
        let [a, b, c] = [chunk(1, 0, 10, false), chunk(1, 10, 10, true), chunk(2, 0, 5, true)];
        let again = |chunk: Placement| Placement { body: [8; 16], ..chunk };
        assert!(is_body(&[a, b, c]) && is_body(&[again(a), again(b), c]));
        assert!(!is_body(&[a, again(b), c]) && !is_body(&[again(a), b, c]));
    }

    #[test]
    fn a_range_may_begin_anywhere() {
        let mut sequence = Sequence::new(40);
        sequence.accept(20, chunk(5, 0, 10, false)).unwrap();
        sequence.accept(30, chunk(5, 10, 10, true)).unwrap();
        sequence.accept(30, chunk(5, 10, 10, true)).unwrap();
        assert!(Sequence::new(40).accept(30, chunk(5, 10, 10, false)).is_err(), "an end is missing");
        let mut sequence = Sequence::new(40);
        sequence.accept(0, chunk(1, 0, 10, true)).unwrap();
        assert!(sequence.accept(0, chunk(2, 0, 10, true)).is_err(), "another chunk at the same place");
        let mut sequence = Sequence::new(40);
        sequence.accept(0, chunk(1, 0, 10, true)).unwrap();
        assert!(sequence.accept(8, chunk(2, 0, 10, true)).is_err(), "the end of the chunk before is cut off");
    }
}
