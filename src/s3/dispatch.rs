//! From an operation to the file that does it: one exhaustive table, so that a new operation must be placed.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::Authorized;
use crate::s3::op::{
    abort_upload, acl, bucket_location, complete_upload, copy_object, create_bucket, create_upload, delete_bucket,
    delete_object, delete_objects, get_object, head_bucket, head_object, list_buckets, list_objects, list_objects_v2,
    list_parts, list_uploads, object_attributes, probes, put_object, upload_part, upload_part_copy,
};
use crate::s3::{Code, Gateway, Operation, S3Error};

/// Does what an authorized request asks for.
///
/// # Errors
/// Those of the operation; `NotImplemented` with its name if it is not built.
#[allow(clippy::too_many_lines, reason = "a table with a row per operation")]
pub(crate) async fn dispatch(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    match call.operation {
        Operation::ListBuckets => list_buckets::run(gateway, call, body).await,
        Operation::CreateBucket => create_bucket::run(gateway, call, body).await,
        Operation::HeadBucket => head_bucket::run(gateway, call, body).await,
        Operation::DeleteBucket => delete_bucket::run(gateway, call, body).await,
        Operation::GetBucketLocation => bucket_location::run(gateway, call, body).await,
        Operation::ListObjects => list_objects::run(gateway, call, body).await,
        Operation::ListObjectsV2 => list_objects_v2::run(gateway, call, body).await,
        Operation::PutObject => put_object::run(gateway, call, body).await,
        Operation::GetObject => get_object::run(gateway, call, body).await,
        Operation::HeadObject => head_object::run(gateway, call, body).await,
        Operation::DeleteObject => delete_object::run(gateway, call, body).await,
        Operation::DeleteObjects => delete_objects::run(gateway, call, body).await,
        Operation::CopyObject => copy_object::run(gateway, call, body).await,
        Operation::GetObjectAttributes => object_attributes::run(gateway, call, body).await,
        Operation::CreateMultipartUpload => create_upload::run(gateway, call, body).await,
        Operation::UploadPart => upload_part::run(gateway, call, body).await,
        Operation::UploadPartCopy => upload_part_copy::run(gateway, call, body).await,
        Operation::CompleteMultipartUpload => complete_upload::run(gateway, call, body).await,
        Operation::AbortMultipartUpload => abort_upload::run(gateway, call, body).await,
        Operation::ListParts => list_parts::run(gateway, call, body).await,
        Operation::ListMultipartUploads => list_uploads::run(gateway, call, body).await,
        Operation::GetBucketAcl => Ok(acl::show_bucket(gateway, call)),
        Operation::GetObjectAcl => acl::show_object(gateway, call).await,
        Operation::PutBucketAcl => acl::accept(call, &body),
        Operation::PutObjectAcl => acl::accept_for_object(gateway, call, &body).await,
        Operation::GetObjectTagging => probes::object_tagging(gateway, call).await,
        Operation::GetObjectLegalHold | Operation::GetObjectRetention => probes::object_lock(gateway, call).await,
        Operation::GetBucketAbac => Ok(probes::abac()),
        Operation::GetBucketOwnershipControls => Ok(probes::ownership_controls()),
        Operation::GetBucketRequestPayment => Ok(probes::request_payment()),
        Operation::GetBucketAccelerateConfiguration => Ok(probes::empty("AccelerateConfiguration")),
        Operation::GetBucketLogging => Ok(probes::empty("BucketLoggingStatus")),
        Operation::GetBucketNotificationConfiguration => Ok(probes::empty("NotificationConfiguration")),
        Operation::GetBucketVersioning => Ok(probes::empty("VersioningConfiguration")),
        Operation::ListBucketAnalyticsConfigurations => {
            Ok(probes::empty_list("ListBucketAnalyticsConfigurationResult"))
        }
        Operation::ListBucketIntelligentTieringConfigurations => {
            Ok(probes::empty_list("ListBucketIntelligentTieringConfigurationsResult"))
        }
        Operation::ListBucketInventoryConfigurations => Ok(probes::empty_list("ListInventoryConfigurationsResult")),
        Operation::ListBucketMetricsConfigurations => Ok(probes::empty_list("ListMetricsConfigurationsResult")),
        Operation::GetBucketAnalyticsConfiguration
        | Operation::GetBucketIntelligentTieringConfiguration
        | Operation::GetBucketInventoryConfiguration
        | Operation::GetBucketMetricsConfiguration => Err(probes::absent(call, Code::NoSuchConfiguration)),
        Operation::GetBucketCors => Err(probes::absent(call, Code::NoSuchCORSConfiguration)),
        Operation::GetBucketEncryption => {
            Err(probes::absent(call, Code::ServerSideEncryptionConfigurationNotFoundError))
        }
        Operation::GetBucketLifecycleConfiguration => Err(probes::absent(call, Code::NoSuchLifecycleConfiguration)),
        Operation::GetBucketPolicy | Operation::GetBucketPolicyStatus => {
            Err(probes::absent(call, Code::NoSuchBucketPolicy))
        }
        Operation::GetBucketReplication => Err(probes::absent(call, Code::ReplicationConfigurationNotFoundError)),
        Operation::GetBucketTagging => Err(probes::absent(call, Code::NoSuchTagSet)),
        Operation::GetBucketWebsite => Err(probes::absent(call, Code::NoSuchWebsiteConfiguration)),
        Operation::GetObjectLockConfiguration => Err(probes::absent(call, Code::ObjectLockConfigurationNotFoundError)),
        Operation::GetPublicAccessBlock => Err(probes::absent(call, Code::NoSuchPublicAccessBlockConfiguration)),
        Operation::CreateBucketMetadataConfiguration
        | Operation::CreateBucketMetadataTableConfiguration
        | Operation::CreateSession
        | Operation::DeleteBucketAnalyticsConfiguration
        | Operation::DeleteBucketCors
        | Operation::DeleteBucketEncryption
        | Operation::DeleteBucketIntelligentTieringConfiguration
        | Operation::DeleteBucketInventoryConfiguration
        | Operation::DeleteBucketLifecycle
        | Operation::DeleteBucketMetadataConfiguration
        | Operation::DeleteBucketMetadataTableConfiguration
        | Operation::DeleteBucketMetricsConfiguration
        | Operation::DeleteBucketOwnershipControls
        | Operation::DeleteBucketPolicy
        | Operation::DeleteBucketReplication
        | Operation::DeleteBucketTagging
        | Operation::DeleteBucketWebsite
        | Operation::DeleteObjectAnnotation
        | Operation::DeleteObjectTagging
        | Operation::DeletePublicAccessBlock
        | Operation::GetBucketMetadataConfiguration
        | Operation::GetBucketMetadataTableConfiguration
        | Operation::GetObjectAnnotation
        | Operation::GetObjectTorrent
        | Operation::ListObjectAnnotations
        | Operation::ListObjectVersions
        | Operation::PostObject
        | Operation::PreflightRequest
        | Operation::PutBucketAbac
        | Operation::PutBucketAccelerateConfiguration
        | Operation::PutBucketAnalyticsConfiguration
        | Operation::PutBucketCors
        | Operation::PutBucketEncryption
        | Operation::PutBucketIntelligentTieringConfiguration
        | Operation::PutBucketInventoryConfiguration
        | Operation::PutBucketLifecycleConfiguration
        | Operation::PutBucketLogging
        | Operation::PutBucketMetricsConfiguration
        | Operation::PutBucketNotificationConfiguration
        | Operation::PutBucketOwnershipControls
        | Operation::PutBucketPolicy
        | Operation::PutBucketReplication
        | Operation::PutBucketRequestPayment
        | Operation::PutBucketTagging
        | Operation::PutBucketVersioning
        | Operation::PutBucketWebsite
        | Operation::PutObjectAnnotation
        | Operation::PutObjectLegalHold
        | Operation::PutObjectLockConfiguration
        | Operation::PutObjectRetention
        | Operation::PutObjectTagging
        | Operation::PutPublicAccessBlock
        | Operation::RenameObject
        | Operation::RestoreObject
        | Operation::SelectObjectContent
        | Operation::UpdateBucketMetadataAnnotationTableConfiguration
        | Operation::UpdateBucketMetadataInventoryTableConfiguration
        | Operation::UpdateBucketMetadataJournalTableConfiguration
        | Operation::UpdateObjectEncryption
        | Operation::WriteGetObjectResponse => Err(S3Error::not_implemented(call.operation.name())),
    }
}
