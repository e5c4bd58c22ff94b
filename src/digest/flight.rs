//! Streams that are hashed together: whatever is ready goes aboard, a piece of each is hashed at a time, and who has
//! no more bytes leaves. Nobody waits for lanes to fill. No threads: who calls it is where it runs.

use super::lanes::{Block, Kernels, Lane};
use super::tee::Tee;

/// Bytes of each stream that pass through all of its hashes before the next bytes do. They stay in the second-level
/// cache meanwhile, also those of sixteen streams, and newcomers wait no longer than this takes.
const PIECE_BYTES: usize = 16 * 1024;

/// Bytes to hash, and the hashes that they go to.
pub trait Work {
    /// Both. The bytes are the same at each call.
    fn parts(&mut self) -> (&mut Tee, &[u8]);
}

impl<T: Work + ?Sized> Work for Box<T> {
    fn parts(&mut self) -> (&mut Tee, &[u8]) {
        (**self).parts()
    }
}

impl Work for (&mut Tee, &[u8]) {
    fn parts(&mut self) -> (&mut Tee, &[u8]) {
        (self.0, self.1)
    }
}

/// One work, and how many of its bytes were hashed.
struct Passenger<W> {
    work: W,
    hashed: usize,
}

impl<W: Work> Passenger<W> {
    fn blocks(&mut self) -> usize {
        (self.work.parts().1.len() - self.hashed) / size_of::<Block>()
    }

    fn lane(&mut self) -> Lane<'_> {
        let (tee, bytes) = self.work.parts();
        tee.stream.lane(bytes[self.hashed..].as_chunks().0)
    }

    /// The third checksum of what the lane has hashed.
    fn advance(&mut self, bytes: usize) {
        let (tee, all) = self.work.parts();
        let end = self.hashed + bytes;
        tee.stream.passed(bytes);
        tee.checksum_only(&all[self.hashed..end]);
        self.hashed = end;
    }
}

/// The works that are hashed together.
pub struct Flight<W> {
    kernels: &'static Kernels,
    aboard: Vec<Passenger<W>>,
}

impl<W: Work> Flight<W> {
    /// A flight with nobody aboard.
    pub fn new(kernels: &'static Kernels) -> Self {
        Self { kernels, aboard: Vec::with_capacity(kernels.lanes_max()) }
    }

    /// Works that the lanes still have room for.
    pub fn room(&self) -> usize {
        self.kernels.lanes_max() - self.aboard.len()
    }

    /// Works aboard.
    pub fn len(&self) -> usize {
        self.aboard.len()
    }

    /// Whether nobody is aboard.
    pub fn is_empty(&self) -> bool {
        self.aboard.is_empty()
    }

    /// Takes `work` aboard.
    pub fn board(&mut self, mut work: W) {
        let (tee, bytes) = work.parts();
        let hashed = tee.stream.begin(self.kernels, bytes);
        tee.checksum_only(&bytes[..hashed]);
        self.aboard.push(Passenger { work, hashed });
    }

    /// Hashes the next piece of each work, as long as the shortest of them, and hands those that are done to `land`.
    pub fn step(&mut self, mut land: impl FnMut(W)) {
        let Some(blocks) = self.aboard.iter_mut().map(Passenger::blocks).min() else { return };
        let blocks = blocks.min(PIECE_BYTES / size_of::<Block>());
        if blocks > 0 {
            if let [one] = &mut self.aboard[..] {
                self.kernels.hash(&mut [one.lane()], blocks);
            } else {
                let mut lanes: Vec<_> = self.aboard.iter_mut().map(Passenger::lane).collect();
                self.kernels.hash(&mut lanes, blocks);
            }
            self.aboard.iter_mut().for_each(|passenger| passenger.advance(blocks * size_of::<Block>()));
        }
        for mut passenger in self.aboard.extract_if(.., |passenger| passenger.blocks() == 0) {
            let (tee, bytes) = passenger.work.parts();
            let rest = &bytes[passenger.hashed..];
            tee.stream.end(rest);
            tee.checksum_only(rest);
            land(passenger.work);
        }
    }
}

impl Tee {
    /// Adds bytes, here and now. Streams that are many share a `Flight`.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut flight = Flight::new(Kernels::here());
        flight.board((self, bytes));
        while !flight.is_empty() {
            flight.step(drop);
        }
    }
}

#[cfg(test)]
mod tests;
