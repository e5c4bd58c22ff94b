//! Bounds of hashing.

/// Most threads that hash uploads at once, on a machine with as many cores. Each keeps 16 streams in its lanes, which
/// is more than a fast network brings; more threads would only fill the lanes of each less.
pub const HASHERS_MAX: usize = 8;
/// Times the streams that fill the lanes that wait for hashing, from which on another thread helps. Two threads with
/// half-filled lanes cost twice as much as one with full ones.
pub const HASHER_BACKLOG_FLIGHTS: usize = 2;
