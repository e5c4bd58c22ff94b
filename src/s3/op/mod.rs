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
mod tests {
    use super::{
        abort_upload, complete_upload, copy_object, create_upload, delete_object, delete_objects, get_object,
        head_object, list_parts, list_uploads, object_attributes, put_object, upload_part, upload_part_copy,
    };
    use crate::net::RequestBody;
    use crate::s3::Gateway;
    use crate::s3::authorize::call::Authorized;

    fn movable<T: Send>(_future: T) {}

    /// Requests run in tasks that move between threads. Never called: it has to compile.
    #[allow(dead_code, reason = "a check by the compiler")]
    fn every_operation_can_move_between_threads(gateway: &Gateway, call: &Authorized, body: fn() -> RequestBody) {
        movable(abort_upload::run(gateway, call, body()));
        movable(complete_upload::run(gateway, call, body()));
        movable(copy_object::run(gateway, call, body()));
        movable(create_upload::run(gateway, call, body()));
        movable(delete_object::run(gateway, call, body()));
        movable(delete_objects::run(gateway, call, body()));
        movable(get_object::run(gateway, call, body()));
        movable(head_object::run(gateway, call, body()));
        movable(list_parts::run(gateway, call, body()));
        movable(list_uploads::run(gateway, call, body()));
        movable(object_attributes::run(gateway, call, body()));
        movable(put_object::run(gateway, call, body()));
        movable(upload_part::run(gateway, call, body()));
        movable(upload_part_copy::run(gateway, call, body()));
    }
}
