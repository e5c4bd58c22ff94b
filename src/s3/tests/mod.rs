//! Tests of the layer as a whole.

mod fuzz;
