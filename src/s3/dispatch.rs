//! From an operation to the file that does it: one exhaustive table, so that a new operation must be placed.

use http::StatusCode;

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::op::{
    abort_upload, acl, bucket_encryption, bucket_location, bucket_logging, bucket_notification, bucket_policy,
    bucket_versioning, complete_upload, copy_object, cors, create_bucket, create_upload, delete_bucket, delete_object,
    delete_objects, get_object, head_bucket, head_object, legal_hold, lifecycle, list_buckets, list_object_versions,
    list_objects, list_objects_v2, list_parts, list_uploads, object_attributes, object_lock, object_retention,
    ownership_controls, probes, public_access_block, put_object, rename_object, request_payment, restore_object,
    tagging, update_encryption, upload_part, upload_part_copy, website,
};
use crate::s3::respond::respond_empty;
use crate::s3::{Code, Gateway, Operation as Op, S3Error};

/// The operations that are not built, as a pattern: building one takes its name out of here.
macro_rules! unbuilt {
    () => {
        Op::CreateBucketMetadataConfiguration
            | Op::CreateBucketMetadataTableConfiguration
            | Op::CreateSession
            | Op::DeleteObjectAnnotation
            | Op::GetObjectAnnotation
            | Op::GetObjectTorrent
            | Op::ListObjectAnnotations
            | Op::PutBucketAnalyticsConfiguration
            | Op::PutBucketIntelligentTieringConfiguration
            | Op::PutBucketInventoryConfiguration
            | Op::PutBucketMetricsConfiguration
            | Op::PutBucketReplication
            | Op::PutObjectAnnotation
            | Op::SelectObjectContent
            | Op::UpdateBucketMetadataAnnotationTableConfiguration
            | Op::UpdateBucketMetadataInventoryTableConfiguration
            | Op::UpdateBucketMetadataJournalTableConfiguration
            | Op::WriteGetObjectResponse
    };
}

/// Operations on what no bucket of this server has: `probe` answers that it is off, or that there is none.
macro_rules! probed {
    () => {
        Op::DeleteBucketAnalyticsConfiguration
            | Op::DeleteBucketIntelligentTieringConfiguration
            | Op::DeleteBucketInventoryConfiguration
            | Op::DeleteBucketMetadataConfiguration
            | Op::DeleteBucketMetadataTableConfiguration
            | Op::DeleteBucketMetricsConfiguration
            | Op::DeleteBucketReplication
            | Op::GetBucketAbac
            | Op::GetBucketAccelerateConfiguration
            | Op::GetBucketAnalyticsConfiguration
            | Op::GetBucketIntelligentTieringConfiguration
            | Op::GetBucketInventoryConfiguration
            | Op::GetBucketMetadataConfiguration
            | Op::GetBucketMetadataTableConfiguration
            | Op::GetBucketMetricsConfiguration
            | Op::GetBucketReplication
            | Op::ListBucketAnalyticsConfigurations
            | Op::ListBucketIntelligentTieringConfigurations
            | Op::ListBucketInventoryConfigurations
            | Op::ListBucketMetricsConfigurations
            | Op::PutBucketAbac
            | Op::PutBucketAccelerateConfiguration
    };
}

/// Does what an authorized request asks for. Each operation runs on the heap: a request then has the size of its
/// own operation, not of the largest.
///
/// # Errors
/// Those of the operation; `NotImplemented` with its name if it is not built.
#[allow(clippy::too_many_lines, reason = "one flat table, which is exhaustive because it is one")]
pub(crate) async fn dispatch(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    match call.operation {
        Op::ListBuckets => Box::pin(list_buckets::run(gateway, call, body)).await,
        Op::CreateBucket => Box::pin(create_bucket::run(gateway, call, body)).await,
        Op::HeadBucket => Box::pin(head_bucket::run(gateway, call, body)).await,
        Op::DeleteBucket => Box::pin(delete_bucket::run(gateway, call, body)).await,
        Op::GetBucketLocation => Box::pin(bucket_location::run(gateway, call, body)).await,
        Op::ListObjects => Box::pin(list_objects::run(gateway, call, body)).await,
        Op::ListObjectVersions => Box::pin(list_object_versions::run(gateway, call, body)).await,
        Op::ListObjectsV2 => Box::pin(list_objects_v2::run(gateway, call, body)).await,
        Op::PutObject => Box::pin(put_object::run(gateway, call, body)).await,
        Op::GetObject => Box::pin(get_object::run(gateway, call, body)).await,
        Op::HeadObject => Box::pin(head_object::run(gateway, call, body)).await,
        Op::DeleteObject => Box::pin(delete_object::run(gateway, call, body)).await,
        Op::DeleteObjects => Box::pin(delete_objects::run(gateway, call, body)).await,
        Op::CopyObject => Box::pin(copy_object::run(gateway, call, body)).await,
        Op::GetObjectAttributes => Box::pin(object_attributes::run(gateway, call, body)).await,
        Op::CreateMultipartUpload => Box::pin(create_upload::run(gateway, call, body)).await,
        Op::UploadPart => Box::pin(upload_part::run(gateway, call, body)).await,
        Op::UploadPartCopy => Box::pin(upload_part_copy::run(gateway, call, body)).await,
        Op::CompleteMultipartUpload => Box::pin(complete_upload::run(gateway, call, body)).await,
        Op::AbortMultipartUpload => Box::pin(abort_upload::run(gateway, call, body)).await,
        Op::ListParts => Box::pin(list_parts::run(gateway, call, body)).await,
        Op::ListMultipartUploads => Box::pin(list_uploads::run(gateway, call, body)).await,
        Op::GetBucketEncryption => Box::pin(bucket_encryption::get(gateway, call)).await,
        Op::PutBucketEncryption => Box::pin(bucket_encryption::put(gateway, call, body)).await,
        Op::DeleteBucketEncryption => Box::pin(bucket_encryption::delete(gateway, call)).await,
        Op::UpdateObjectEncryption => Box::pin(update_encryption::run(gateway, call, body)).await,
        Op::GetBucketAcl => Ok(acl::show_bucket(gateway, call)),
        Op::GetObjectAcl => Box::pin(acl::show_object(gateway, call)).await,
        Op::PutBucketAcl => Box::pin(acl::put_bucket(gateway, call, body)).await,
        Op::PutObjectAcl => Box::pin(acl::put_object(gateway, call, body)).await,
        Op::GetBucketPolicy => Box::pin(bucket_policy::show(gateway, call)).await,
        Op::PutBucketPolicy => Box::pin(bucket_policy::put(gateway, call, body)).await,
        Op::DeleteBucketPolicy => Box::pin(bucket_policy::delete(gateway, call)).await,
        Op::GetBucketPolicyStatus => bucket_policy::status(call),
        Op::GetBucketOwnershipControls => ownership_controls::show(call),
        Op::PutBucketOwnershipControls => Box::pin(ownership_controls::put(gateway, call, body)).await,
        Op::DeleteBucketOwnershipControls => Box::pin(ownership_controls::delete(gateway, call)).await,
        Op::GetPublicAccessBlock => public_access_block::show(call),
        Op::PutPublicAccessBlock => Box::pin(public_access_block::put(gateway, call, body)).await,
        Op::DeletePublicAccessBlock => Box::pin(public_access_block::delete(gateway, call)).await,
        Op::GetObjectTagging => Box::pin(tagging::get_object(gateway, call)).await,
        Op::PutObjectTagging => Box::pin(tagging::put_object(gateway, call, body)).await,
        Op::DeleteObjectTagging => Box::pin(tagging::delete_object(gateway, call)).await,
        Op::GetBucketCors => Box::pin(cors::get(gateway, call)).await,
        Op::PutBucketCors => Box::pin(cors::put(gateway, call, body)).await,
        Op::DeleteBucketCors => Box::pin(cors::delete(gateway, call)).await,
        Op::GetBucketWebsite => Box::pin(website::get(gateway, call)).await,
        Op::PutBucketWebsite => Box::pin(website::put(gateway, call, body)).await,
        Op::DeleteBucketWebsite => Box::pin(website::delete(gateway, call)).await,
        Op::GetBucketTagging => Box::pin(tagging::get_bucket(gateway, call)).await,
        Op::PutBucketTagging => Box::pin(tagging::put_bucket(gateway, call, body)).await,
        Op::DeleteBucketTagging => Box::pin(tagging::delete_bucket(gateway, call)).await,
        Op::GetObjectLegalHold => Box::pin(legal_hold::show(gateway, call)).await,
        Op::PutObjectLegalHold => Box::pin(legal_hold::set(gateway, call, body)).await,
        Op::GetObjectRetention => Box::pin(object_retention::show(gateway, call)).await,
        Op::PutObjectRetention => Box::pin(object_retention::set(gateway, call, body)).await,
        Op::GetObjectLockConfiguration => Box::pin(object_lock::show(gateway, call)).await,
        Op::PutObjectLockConfiguration => Box::pin(object_lock::set(gateway, call, body)).await,
        Op::GetBucketVersioning => Box::pin(bucket_versioning::show(gateway, call)).await,
        Op::PutBucketVersioning => Box::pin(bucket_versioning::set(gateway, call, body)).await,
        Op::GetBucketRequestPayment => Box::pin(request_payment::show(gateway, call)).await,
        Op::PutBucketRequestPayment => Box::pin(request_payment::put(gateway, call, body)).await,
        Op::GetBucketLogging => Box::pin(bucket_logging::show(gateway, call)).await,
        Op::PutBucketLogging => Box::pin(bucket_logging::put(gateway, call, body)).await,
        Op::GetBucketNotificationConfiguration => Box::pin(bucket_notification::show(gateway, call)).await,
        Op::PutBucketNotificationConfiguration => Box::pin(bucket_notification::put(gateway, call, body)).await,
        Op::RenameObject => Box::pin(rename_object::run(gateway, call, body)).await,
        Op::RestoreObject => Box::pin(restore_object::run(gateway, call, body)).await,
        Op::GetBucketLifecycleConfiguration => Box::pin(lifecycle::get(gateway, call)).await,
        Op::PutBucketLifecycleConfiguration => Box::pin(lifecycle::put(gateway, call, body)).await,
        Op::DeleteBucketLifecycle => Box::pin(lifecycle::delete(gateway, call)).await,
        // Browsers' own requests never come here: a preflight needs no key, and a form is a PutObject by now.
        Op::PostObject | Op::PreflightRequest => Err(S3Error::new(Code::MethodNotAllowed)),
        probed!() => Box::pin(probe(call, body)).await,
        unbuilt!() => Err(S3Error::not_implemented(call.operation.name())),
    }
}

/// Answers about what no bucket of this server has.
async fn probe(call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    match call.operation {
        Op::GetBucketAbac => Ok(probes::abac()),
        Op::PutBucketAbac => probes::accept_off(call, body, "AbacStatus", "Disabled").await,
        Op::PutBucketAccelerateConfiguration => {
            probes::accept_off(call, body, "AccelerateConfiguration", "Suspended").await
        }
        Op::GetBucketAccelerateConfiguration => Ok(probes::empty("AccelerateConfiguration")),
        Op::ListBucketAnalyticsConfigurations => Ok(probes::empty_list("ListBucketAnalyticsConfigurationResult")),
        Op::ListBucketIntelligentTieringConfigurations => {
            Ok(probes::empty_list("ListBucketIntelligentTieringConfigurationsResult"))
        }
        Op::ListBucketInventoryConfigurations => Ok(probes::empty_list("ListInventoryConfigurationsResult")),
        Op::ListBucketMetricsConfigurations => Ok(probes::empty_list("ListMetricsConfigurationsResult")),
        Op::GetBucketAnalyticsConfiguration
        | Op::GetBucketIntelligentTieringConfiguration
        | Op::GetBucketInventoryConfiguration
        | Op::GetBucketMetricsConfiguration
        | Op::DeleteBucketAnalyticsConfiguration
        | Op::DeleteBucketIntelligentTieringConfiguration
        | Op::DeleteBucketInventoryConfiguration
        | Op::DeleteBucketMetricsConfiguration => Err(probes::absent(call, Code::NoSuchConfiguration)),
        Op::GetBucketMetadataConfiguration | Op::GetBucketMetadataTableConfiguration => {
            Err(probes::absent(call, Code::MetadataConfigurationNotFound))
        }
        // There is nothing to delete, and nothing is what is left.
        Op::DeleteBucketMetadataConfiguration
        | Op::DeleteBucketMetadataTableConfiguration
        | Op::DeleteBucketReplication => Ok(respond_empty(StatusCode::NO_CONTENT)),
        Op::GetBucketReplication => Err(probes::absent(call, Code::ReplicationConfigurationNotFoundError)),
        other => Err(S3Error::not_implemented(other.name())),
    }
}
