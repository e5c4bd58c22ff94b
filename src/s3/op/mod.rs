//! One file per operation: `run` parses what the operation needs, asks the engine, and responds.

pub(crate) mod abort_upload;
pub(crate) mod acl;
pub(crate) mod bucket_encryption;
pub(crate) mod bucket_location;
pub(crate) mod bucket_logging;
pub(crate) mod bucket_notification;
pub(crate) mod bucket_policy;
pub(crate) mod bucket_versioning;
pub(crate) mod complete_upload;
pub(crate) mod copy_object;
pub(crate) mod cors;
pub(crate) mod create_bucket;
pub(crate) mod create_upload;
pub(crate) mod delete_bucket;
pub(crate) mod delete_object;
pub(crate) mod delete_objects;
pub(crate) mod get_object;
pub(crate) mod head_bucket;
pub(crate) mod head_object;
pub(crate) mod legal_hold;
pub(crate) mod lifecycle;
pub(crate) mod list_buckets;
pub(crate) mod list_object_versions;
pub(crate) mod list_objects;
pub(crate) mod list_objects_v2;
pub(crate) mod list_parts;
pub(crate) mod list_uploads;
pub(crate) mod object_attributes;
pub(crate) mod object_lock;
pub(crate) mod object_retention;
pub(crate) mod ownership_controls;
pub(crate) mod post_object;
pub(crate) mod probes;
pub(crate) mod public_access_block;
pub(crate) mod put_object;
pub(crate) mod rename_object;
pub(crate) mod request_payment;
pub(crate) mod restore_object;
pub(crate) mod tagging;
pub(crate) mod update_encryption;
pub(crate) mod upload_part;
pub(crate) mod upload_part_copy;
pub(crate) mod website;

#[cfg(test)]
mod tests;
