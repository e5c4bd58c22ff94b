//! What holds for all operations.

mod fuzz;

use super::{
    abort_upload, complete_upload, copy_object, create_upload, delete_object, delete_objects, get_object, head_object,
    list_parts, list_uploads, object_attributes, put_object, upload_part, upload_part_copy,
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
