//! One file per operation: `run` parses what the operation needs, asks the engine, and responds.

pub(crate) mod acl;
pub(crate) mod bucket_location;
pub(crate) mod create_bucket;
pub(crate) mod delete_bucket;
pub(crate) mod head_bucket;
pub(crate) mod list_buckets;
pub(crate) mod list_objects;
pub(crate) mod list_objects_v2;
pub(crate) mod probes;
