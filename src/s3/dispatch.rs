//! From an operation to the file that does it: one exhaustive table, so that a new operation must be placed.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::Authorized;
use crate::s3::op::{
    acl, bucket_location, create_bucket, delete_bucket, head_bucket, list_buckets, list_objects, list_objects_v2,
    probes,
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
        Operation::PutObject => Err(S3Error::not_implemented(call.operation.name())),
        Operation::GetObject => Err(S3Error::not_implemented(call.operation.name())),
        Operation::HeadObject => Err(S3Error::not_implemented(call.operation.name())),
        Operation::DeleteObject => Err(S3Error::not_implemented(call.operation.name())),
        Operation::DeleteObjects => Err(S3Error::not_implemented(call.operation.name())),
        Operation::CopyObject => Err(S3Error::not_implemented(call.operation.name())),
        Operation::GetObjectAttributes => Err(S3Error::not_implemented(call.operation.name())),
        Operation::CreateMultipartUpload => Err(S3Error::not_implemented(call.operation.name())),
        Operation::UploadPart => Err(S3Error::not_implemented(call.operation.name())),
        Operation::UploadPartCopy => Err(S3Error::not_implemented(call.operation.name())),
        Operation::CompleteMultipartUpload => Err(S3Error::not_implemented(call.operation.name())),
        Operation::AbortMultipartUpload => Err(S3Error::not_implemented(call.operation.name())),
        Operation::ListParts => Err(S3Error::not_implemented(call.operation.name())),
        Operation::ListMultipartUploads => Err(S3Error::not_implemented(call.operation.name())),
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
