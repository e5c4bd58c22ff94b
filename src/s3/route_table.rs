//! The sub-resources of the S3 API and the operation of each method on them.
//!
//! Source: the request URIs of the API model (`s3/2006-03-01`). What is not in these tables is no sub-resource
//! and is ignored, as S3 ignores it (`x-id`, …).

use http::Method;

use crate::s3::Operation;

/// A sub-resource and its operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its name in the query.
    pub(crate) name: &'static str,
    get: Option<Operation>,
    put: Option<Operation>,
    post: Option<Operation>,
    delete: Option<Operation>,
}

impl Row {
    const fn new(name: &'static str) -> Self {
        Self { name, get: None, put: None, post: None, delete: None }
    }

    const fn get(mut self, operation: Operation) -> Self {
        self.get = Some(operation);
        self
    }

    const fn put(mut self, operation: Operation) -> Self {
        self.put = Some(operation);
        self
    }

    const fn post(mut self, operation: Operation) -> Self {
        self.post = Some(operation);
        self
    }

    const fn delete(mut self, operation: Operation) -> Self {
        self.delete = Some(operation);
        self
    }

    /// The operation of `method` on this sub-resource.
    pub(crate) fn operation(&self, method: &Method) -> Option<Operation> {
        match *method {
            Method::GET => self.get,
            Method::PUT => self.put,
            Method::POST => self.post,
            Method::DELETE => self.delete,
            _ => None,
        }
    }
}

/// Sub-resources of a bucket.
pub(crate) const BUCKET_ROWS: &[Row] = &[
    Row::new("abac").get(Operation::GetBucketAbac).put(Operation::PutBucketAbac),
    Row::new("accelerate")
        .get(Operation::GetBucketAccelerateConfiguration)
        .put(Operation::PutBucketAccelerateConfiguration),
    Row::new("acl").get(Operation::GetBucketAcl).put(Operation::PutBucketAcl),
    Row::new("analytics")
        .get(Operation::ListBucketAnalyticsConfigurations)
        .put(Operation::PutBucketAnalyticsConfiguration)
        .delete(Operation::DeleteBucketAnalyticsConfiguration),
    Row::new("cors").get(Operation::GetBucketCors).put(Operation::PutBucketCors).delete(Operation::DeleteBucketCors),
    Row::new("delete").post(Operation::DeleteObjects),
    Row::new("encryption")
        .get(Operation::GetBucketEncryption)
        .put(Operation::PutBucketEncryption)
        .delete(Operation::DeleteBucketEncryption),
    Row::new("intelligent-tiering")
        .get(Operation::ListBucketIntelligentTieringConfigurations)
        .put(Operation::PutBucketIntelligentTieringConfiguration)
        .delete(Operation::DeleteBucketIntelligentTieringConfiguration),
    Row::new("inventory")
        .get(Operation::ListBucketInventoryConfigurations)
        .put(Operation::PutBucketInventoryConfiguration)
        .delete(Operation::DeleteBucketInventoryConfiguration),
    Row::new("lifecycle")
        .get(Operation::GetBucketLifecycleConfiguration)
        .put(Operation::PutBucketLifecycleConfiguration)
        .delete(Operation::DeleteBucketLifecycle),
    Row::new("location").get(Operation::GetBucketLocation),
    Row::new("logging").get(Operation::GetBucketLogging).put(Operation::PutBucketLogging),
    Row::new("metadataAnnotationTable").put(Operation::UpdateBucketMetadataAnnotationTableConfiguration),
    Row::new("metadataConfiguration")
        .get(Operation::GetBucketMetadataConfiguration)
        .post(Operation::CreateBucketMetadataConfiguration)
        .delete(Operation::DeleteBucketMetadataConfiguration),
    Row::new("metadataInventoryTable").put(Operation::UpdateBucketMetadataInventoryTableConfiguration),
    Row::new("metadataJournalTable").put(Operation::UpdateBucketMetadataJournalTableConfiguration),
    Row::new("metadataTable")
        .get(Operation::GetBucketMetadataTableConfiguration)
        .post(Operation::CreateBucketMetadataTableConfiguration)
        .delete(Operation::DeleteBucketMetadataTableConfiguration),
    Row::new("metrics")
        .get(Operation::ListBucketMetricsConfigurations)
        .put(Operation::PutBucketMetricsConfiguration)
        .delete(Operation::DeleteBucketMetricsConfiguration),
    Row::new("notification")
        .get(Operation::GetBucketNotificationConfiguration)
        .put(Operation::PutBucketNotificationConfiguration),
    Row::new("object-lock").get(Operation::GetObjectLockConfiguration).put(Operation::PutObjectLockConfiguration),
    Row::new("ownershipControls")
        .get(Operation::GetBucketOwnershipControls)
        .put(Operation::PutBucketOwnershipControls)
        .delete(Operation::DeleteBucketOwnershipControls),
    Row::new("policy")
        .get(Operation::GetBucketPolicy)
        .put(Operation::PutBucketPolicy)
        .delete(Operation::DeleteBucketPolicy),
    Row::new("policyStatus").get(Operation::GetBucketPolicyStatus),
    Row::new("publicAccessBlock")
        .get(Operation::GetPublicAccessBlock)
        .put(Operation::PutPublicAccessBlock)
        .delete(Operation::DeletePublicAccessBlock),
    Row::new("replication")
        .get(Operation::GetBucketReplication)
        .put(Operation::PutBucketReplication)
        .delete(Operation::DeleteBucketReplication),
    Row::new("requestPayment").get(Operation::GetBucketRequestPayment).put(Operation::PutBucketRequestPayment),
    Row::new("session").get(Operation::CreateSession),
    Row::new("tagging")
        .get(Operation::GetBucketTagging)
        .put(Operation::PutBucketTagging)
        .delete(Operation::DeleteBucketTagging),
    Row::new("uploads").get(Operation::ListMultipartUploads),
    Row::new("versioning").get(Operation::GetBucketVersioning).put(Operation::PutBucketVersioning),
    Row::new("versions").get(Operation::ListObjectVersions),
    Row::new("website")
        .get(Operation::GetBucketWebsite)
        .put(Operation::PutBucketWebsite)
        .delete(Operation::DeleteBucketWebsite),
];

/// Sub-resources of an object. `uploadId` is none: it goes with other parameters.
pub(crate) const OBJECT_ROWS: &[Row] = &[
    Row::new("acl").get(Operation::GetObjectAcl).put(Operation::PutObjectAcl),
    Row::new("annotation")
        .get(Operation::GetObjectAnnotation)
        .put(Operation::PutObjectAnnotation)
        .delete(Operation::DeleteObjectAnnotation),
    Row::new("attributes").get(Operation::GetObjectAttributes),
    Row::new("encryption").put(Operation::UpdateObjectEncryption),
    Row::new("legal-hold").get(Operation::GetObjectLegalHold).put(Operation::PutObjectLegalHold),
    Row::new("renameObject").put(Operation::RenameObject),
    Row::new("restore").post(Operation::RestoreObject),
    Row::new("retention").get(Operation::GetObjectRetention).put(Operation::PutObjectRetention),
    Row::new("select").post(Operation::SelectObjectContent),
    Row::new("tagging")
        .get(Operation::GetObjectTagging)
        .put(Operation::PutObjectTagging)
        .delete(Operation::DeleteObjectTagging),
    Row::new("torrent").get(Operation::GetObjectTorrent),
    Row::new("uploads").post(Operation::CreateMultipartUpload),
];
