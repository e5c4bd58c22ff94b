//! What the tests of several modules share.

#[cfg(fuzzing)]
mod coverage;
pub(crate) mod fuzz;
