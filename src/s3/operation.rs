//! The operations of the S3 API by name.

/// An operation of the S3 API (Amazon S3 API Reference, "Actions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `ListBuckets`.
    ListBuckets,
}
