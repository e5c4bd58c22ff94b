//! Sluicegate: an S3-compatible object gateway.

pub mod auth;
pub mod buffer;
pub mod chunk;
pub mod digest;
pub mod engine;
pub mod guard;
pub mod identity;
pub mod limits;
pub mod meta;
pub mod net;
pub mod rules;
pub mod s3;
pub mod types;
pub mod worker;
