//! Black-box tests of every operation, over TCP, against the real binary.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod bodies;
mod buckets;
mod conditions;
mod copies;
mod durability;
mod listings;
mod multipart;
mod objects;
mod operations;
