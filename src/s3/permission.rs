//! From an operation to the permissions that it needs: which actions on what, and which right in an ACL may stand for
//! each.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3"; Amazon S3 User
//! Guide, "Required permissions for Amazon S3 API operations" and "Access control list (ACL) overview" (mapping of ACL
//! permissions).

use http::HeaderMap;

use crate::rules::{AclRight, CannedAcl};
use crate::s3::Operation;
use crate::s3::acl_headers::{ACL, grants_to_others};
use crate::s3::query::Query;
use crate::types::{AclPermission, OwnerId};

/// What an action acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// No bucket.
    Service,
    /// The bucket.
    Bucket,
    /// The key, whatever is stored under it.
    Key,
    /// The version that is stored under the key: its own owner and ACL count, where ACLs count.
    Version,
}

/// A permission that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// The action, as policies name it.
    pub(crate) action: &'static str,
    /// On what.
    pub(crate) on: On,
    /// The right in an ACL that may stand for it.
    pub(crate) right: Option<AclRight>,
}

/// An action that no policy can name.
const UNPLACED: &str = "sluicegate:Unplaced";
const READ_BUCKET: AclRight = AclRight::Bucket(AclPermission::Read);
const WRITE_BUCKET: AclRight = AclRight::Bucket(AclPermission::Write);
const READ: AclRight = AclRight::Object(AclPermission::Read);
const READ_ACP: AclRight = AclRight::Object(AclPermission::ReadAcp);
const WRITE_ACP: AclRight = AclRight::Object(AclPermission::WriteAcp);

impl Need {
    const fn service(action: &'static str) -> Self {
        Self { action, on: On::Service, right: None }
    }

    const fn bucket(action: &'static str) -> Self {
        Self { action, on: On::Bucket, right: None }
    }

    const fn key(action: &'static str) -> Self {
        Self { action, on: On::Key, right: None }
    }

    const fn version(action: &'static str) -> Self {
        Self { action, on: On::Version, right: None }
    }

    const fn or(self, right: AclRight) -> Self {
        Self { right: Some(right), ..self }
    }

    /// Listing the keys of a bucket: whoever may not do this does not learn which keys exist.
    pub(crate) const LIST: Self = Self::bucket("s3:ListBucket").or(READ_BUCKET);
    /// Writing a key.
    pub(crate) const PUT: Self = Self::key("s3:PutObject").or(WRITE_BUCKET);
    /// Bypassing a retention in governance mode.
    pub(crate) const BYPASS: Self = Self::key("s3:BypassGovernanceRetention");

    /// Reading an object, or a version of it that is named.
    pub(crate) const fn get(is_versioned: bool) -> Self {
        versioned(is_versioned, ["s3:GetObject", "s3:GetObjectVersion"]).or(READ)
    }

    /// Reading tags.
    pub(crate) const fn get_tagging(is_versioned: bool) -> Self {
        versioned(is_versioned, ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"])
    }

    /// Deleting a key, or a version of it that is named.
    pub(crate) const fn delete(is_versioned: bool) -> Self {
        Self::key(if is_versioned { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" }).or(WRITE_BUCKET)
    }
}

const fn versioned(is_versioned: bool, actions: [&'static str; 2]) -> Need {
    Need::version(actions[is_versioned as usize])
}

/// All that a request needs in the bucket that it names. What a copy needs of its source, and what each key of a
/// DeleteObjects needs, is asked when they are known.
pub(crate) fn needs(operation: Operation, query: &Query, headers: &HeaderMap, bucket_owner: &OwnerId) -> Vec<Need> {
    let mut needs = Vec::new();
    needs.extend(main_need(operation, query.has("versionId")));
    match operation {
        Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
            push_write_needs(&mut needs, headers, bucket_owner);
        }
        Operation::CreateBucket => push_creation_needs(&mut needs, headers),
        Operation::GetObjectAttributes => needs.push(Need::get(query.has("versionId"))),
        _ => {}
    }
    needs
}

/// What the headers of a new object need beyond the permission to write it. An ACL that only gives the bucket's owner
/// what is in his bucket needs nothing more: policies that demand it could not be obeyed otherwise.
fn push_write_needs(needs: &mut Vec<Need>, headers: &HeaderMap, bucket_owner: &OwnerId) {
    let has = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
    if has("x-amz-tagging") {
        needs.push(Need::key("s3:PutObjectTagging").or(WRITE_BUCKET));
    }
    if gives_away(headers, bucket_owner) {
        needs.push(Need::key("s3:PutObjectAcl").or(WRITE_BUCKET));
    }
    if has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date") {
        needs.push(Need::key("s3:PutObjectRetention"));
    }
    if has("x-amz-object-lock-legal-hold") {
        needs.push(Need::key("s3:PutObjectLegalHold"));
    }
}

fn gives_away(headers: &HeaderMap, bucket_owner: &OwnerId) -> bool {
    let canned = headers.get(ACL).and_then(|value| value.to_str().ok());
    let harmless = [CannedAcl::Private, CannedAcl::BucketOwnerFullControl];
    canned.is_some_and(|name| harmless.iter().all(|canned| canned.name() != name))
        || grants_to_others(headers, bucket_owner)
}

fn push_creation_needs(needs: &mut Vec<Need>, headers: &HeaderMap) {
    let nobody = OwnerId(String::new());
    if gives_away(headers, &nobody) {
        needs.push(Need::bucket("s3:PutBucketAcl"));
    }
    if headers.contains_key("x-amz-object-ownership") {
        needs.push(Need::bucket("s3:PutBucketOwnershipControls"));
    }
    if headers
        .get("x-amz-bucket-object-lock-enabled")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
    {
        needs.extend([Need::bucket("s3:PutBucketObjectLockConfiguration"), Need::bucket("s3:PutBucketVersioning")]);
    }
}

/// What the operation itself needs; `None` where each of its keys is asked for by itself, or nothing is done.
fn main_need(operation: Operation, is_versioned: bool) -> Option<Need> {
    on_object(operation, is_versioned).or_else(|| on_bucket(operation).map(Need::bucket)).or(match operation {
        Operation::ListBuckets => Some(Need::service("s3:ListAllMyBuckets")),
        Operation::WriteGetObjectResponse => Some(Need::service("s3-object-lambda:WriteGetObjectResponse")),
        Operation::HeadBucket | Operation::ListObjects | Operation::ListObjectsV2 => Some(Need::LIST),
        Operation::ListObjectVersions => Some(Need::bucket("s3:ListBucketVersions").or(READ_BUCKET)),
        Operation::ListMultipartUploads => Some(Need::bucket("s3:ListBucketMultipartUploads").or(READ_BUCKET)),
        Operation::GetBucketAcl => Some(Need::bucket("s3:GetBucketAcl").or(AclRight::Bucket(AclPermission::ReadAcp))),
        Operation::PutBucketAcl => Some(Need::bucket("s3:PutBucketAcl").or(AclRight::Bucket(AclPermission::WriteAcp))),
        Operation::DeleteObjects | Operation::PreflightRequest => None,
        // What nobody has placed is granted by nothing but ownership.
        _ => Some(Need::bucket(UNPLACED)),
    })
}

fn on_object(operation: Operation, is_versioned: bool) -> Option<Need> {
    let of = |actions| versioned(is_versioned, actions);
    Some(match operation {
        Operation::GetObject | Operation::HeadObject | Operation::SelectObjectContent => Need::get(is_versioned),
        Operation::GetObjectAcl => of(["s3:GetObjectAcl", "s3:GetObjectVersionAcl"]).or(READ_ACP),
        Operation::PutObjectAcl => of(["s3:PutObjectAcl", "s3:PutObjectVersionAcl"]).or(WRITE_ACP),
        Operation::GetObjectAttributes => of(["s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"]).or(READ),
        Operation::GetObjectTagging => Need::get_tagging(is_versioned),
        Operation::PutObjectTagging => of(["s3:PutObjectTagging", "s3:PutObjectVersionTagging"]),
        Operation::DeleteObjectTagging => of(["s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"]),
        Operation::GetObjectTorrent => of(["s3:GetObjectTorrent", "s3:GetObjectVersionTorrent"]).or(READ),
        Operation::RestoreObject => Need::version("s3:RestoreObject"),
        Operation::UpdateObjectEncryption => Need::version("s3:UpdateObjectEncryption"),
        Operation::GetObjectAnnotation | Operation::ListObjectAnnotations => Need::version("s3:GetObjectAnnotation"),
        Operation::PutObjectAnnotation => Need::version("s3:PutObjectAnnotation"),
        Operation::DeleteObjectAnnotation => Need::version("s3:DeleteObjectAnnotation"),
        // Locks are the business of the bucket's owner, whoever wrote the object.
        Operation::GetObjectLegalHold => Need::key("s3:GetObjectLegalHold"),
        Operation::PutObjectLegalHold => Need::key("s3:PutObjectLegalHold"),
        Operation::GetObjectRetention => Need::key("s3:GetObjectRetention"),
        Operation::PutObjectRetention => Need::key("s3:PutObjectRetention"),
        Operation::PutObject
        | Operation::CopyObject
        | Operation::RenameObject
        | Operation::PostObject
        | Operation::CreateMultipartUpload
        | Operation::UploadPart
        | Operation::UploadPartCopy
        | Operation::CompleteMultipartUpload => Need::PUT,
        Operation::DeleteObject => Need::delete(is_versioned),
        Operation::AbortMultipartUpload => Need::key("s3:AbortMultipartUpload"),
        Operation::ListParts => Need::key("s3:ListMultipartUploadParts"),
        _ => return None,
    })
}

/// Actions that no ACL can grant.
fn on_bucket(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::CreateBucket => "s3:CreateBucket",
        Operation::CreateBucketMetadataConfiguration | Operation::CreateBucketMetadataTableConfiguration => {
            "s3:CreateBucketMetadataTableConfiguration"
        }
        Operation::CreateSession => "s3express:CreateSession",
        Operation::DeleteBucket => "s3:DeleteBucket",
        Operation::DeleteBucketMetadataConfiguration | Operation::DeleteBucketMetadataTableConfiguration => {
            "s3:DeleteBucketMetadataTableConfiguration"
        }
        Operation::DeleteBucketPolicy => "s3:DeleteBucketPolicy",
        Operation::DeleteBucketWebsite => "s3:DeleteBucketWebsite",
        Operation::GetBucketAbac => "s3:GetBucketAbac",
        Operation::GetBucketAccelerateConfiguration => "s3:GetAccelerateConfiguration",
        Operation::GetBucketAnalyticsConfiguration | Operation::ListBucketAnalyticsConfigurations => {
            "s3:GetAnalyticsConfiguration"
        }
        Operation::GetBucketCors => "s3:GetBucketCORS",
        Operation::GetBucketEncryption => "s3:GetEncryptionConfiguration",
        Operation::GetBucketIntelligentTieringConfiguration | Operation::ListBucketIntelligentTieringConfigurations => {
            "s3:GetIntelligentTieringConfiguration"
        }
        Operation::GetBucketInventoryConfiguration | Operation::ListBucketInventoryConfigurations => {
            "s3:GetInventoryConfiguration"
        }
        Operation::GetBucketLifecycleConfiguration => "s3:GetLifecycleConfiguration",
        Operation::GetBucketLocation => "s3:GetBucketLocation",
        Operation::GetBucketLogging => "s3:GetBucketLogging",
        Operation::GetBucketMetadataConfiguration | Operation::GetBucketMetadataTableConfiguration => {
            "s3:GetBucketMetadataTableConfiguration"
        }
        Operation::GetBucketMetricsConfiguration | Operation::ListBucketMetricsConfigurations => {
            "s3:GetMetricsConfiguration"
        }
        Operation::GetBucketNotificationConfiguration => "s3:GetBucketNotification",
        Operation::GetBucketOwnershipControls => "s3:GetBucketOwnershipControls",
        Operation::GetBucketPolicy => "s3:GetBucketPolicy",
        Operation::GetBucketPolicyStatus => "s3:GetBucketPolicyStatus",
        Operation::GetBucketReplication => "s3:GetReplicationConfiguration",
        Operation::GetBucketRequestPayment => "s3:GetBucketRequestPayment",
        Operation::GetBucketTagging => "s3:GetBucketTagging",
        Operation::GetBucketVersioning => "s3:GetBucketVersioning",
        Operation::GetBucketWebsite => "s3:GetBucketWebsite",
        Operation::GetObjectLockConfiguration => "s3:GetBucketObjectLockConfiguration",
        Operation::GetPublicAccessBlock => "s3:GetBucketPublicAccessBlock",
        other => return writes_bucket(other),
    })
}

/// Most configurations are deleted under the permission to put them.
fn writes_bucket(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::PutBucketAbac => "s3:PutBucketAbac",
        Operation::PutBucketAccelerateConfiguration => "s3:PutAccelerateConfiguration",
        Operation::PutBucketAnalyticsConfiguration | Operation::DeleteBucketAnalyticsConfiguration => {
            "s3:PutAnalyticsConfiguration"
        }
        Operation::PutBucketCors | Operation::DeleteBucketCors => "s3:PutBucketCORS",
        Operation::PutBucketEncryption | Operation::DeleteBucketEncryption => "s3:PutEncryptionConfiguration",
        Operation::PutBucketIntelligentTieringConfiguration
        | Operation::DeleteBucketIntelligentTieringConfiguration => "s3:PutIntelligentTieringConfiguration",
        Operation::PutBucketInventoryConfiguration | Operation::DeleteBucketInventoryConfiguration => {
            "s3:PutInventoryConfiguration"
        }
        Operation::PutBucketLifecycleConfiguration | Operation::DeleteBucketLifecycle => "s3:PutLifecycleConfiguration",
        Operation::PutBucketLogging => "s3:PutBucketLogging",
        Operation::PutBucketMetricsConfiguration | Operation::DeleteBucketMetricsConfiguration => {
            "s3:PutMetricsConfiguration"
        }
        Operation::PutBucketNotificationConfiguration => "s3:PutBucketNotification",
        Operation::PutBucketOwnershipControls | Operation::DeleteBucketOwnershipControls => {
            "s3:PutBucketOwnershipControls"
        }
        Operation::PutBucketPolicy => "s3:PutBucketPolicy",
        Operation::PutBucketReplication | Operation::DeleteBucketReplication => "s3:PutReplicationConfiguration",
        Operation::PutBucketRequestPayment => "s3:PutBucketRequestPayment",
        Operation::PutBucketTagging | Operation::DeleteBucketTagging => "s3:PutBucketTagging",
        Operation::PutBucketVersioning => "s3:PutBucketVersioning",
        Operation::PutBucketWebsite => "s3:PutBucketWebsite",
        Operation::PutObjectLockConfiguration => "s3:PutBucketObjectLockConfiguration",
        Operation::PutPublicAccessBlock | Operation::DeletePublicAccessBlock => "s3:PutBucketPublicAccessBlock",
        Operation::UpdateBucketMetadataAnnotationTableConfiguration => {
            "s3:UpdateBucketMetadataAnnotationTableConfiguration"
        }
        Operation::UpdateBucketMetadataInventoryTableConfiguration => {
            "s3:UpdateBucketMetadataInventoryTableConfiguration"
        }
        Operation::UpdateBucketMetadataJournalTableConfiguration => "s3:UpdateBucketMetadataJournalTableConfiguration",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Need, On, main_need, needs};
    use crate::policy::{Document, Kind};
    use crate::s3::Operation;
    use crate::s3::query::Query;
    use crate::types::OwnerId;

    /// Operations that need no permission of their own: a preflight does nothing, and each key that is deleted is
    /// asked for by itself.
    const WITHOUT: [Operation; 2] = [Operation::DeleteObjects, Operation::PreflightRequest];
    /// Actions of other services, and of features that the policy language does not know yet.
    const FOREIGN: [Operation; 7] = [
        Operation::CreateSession,
        Operation::DeleteObjectAnnotation,
        Operation::GetObjectAnnotation,
        Operation::ListObjectAnnotations,
        Operation::PutObjectAnnotation,
        Operation::UpdateBucketMetadataAnnotationTableConfiguration,
        Operation::WriteGetObjectResponse,
    ];

    #[test]
    fn every_operation_needs_something_that_a_policy_can_name() {
        for operation in Operation::ALL {
            let need = main_need(*operation, false);
            assert_eq!(need.is_none(), WITHOUT.contains(operation), "{operation}");
            assert_ne!(need.map(|need| need.action), Some(super::UNPLACED), "{operation}");
            let Some(need) = need.filter(|_| !FOREIGN.contains(operation)) else { continue };
            if need.on == On::Service {
                continue;
            }
            let resource = if need.on == On::Bucket { "b" } else { "b/*" };
            let policy = format!(
                r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*",
                    "Action": "{}", "Resource": "arn:aws:s3:::{resource}"}}}}"#,
                need.action
            );
            assert!(Document::parse(Kind::Bucket, policy.as_bytes()).is_ok(), "{operation}: {}", need.action);
        }
    }

    fn actions(operation: Operation, query: &str, headers: &[(&'static str, &'static str)]) -> Vec<&'static str> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let owner = OwnerId("b".repeat(64));
        let needs = needs(operation, &Query::parse(query).unwrap(), &headers, &owner);
        needs.iter().map(|need| need.action).collect()
    }

    #[test]
    fn a_version_that_is_named_needs_a_permission_of_its_own() {
        let table = [
            (Operation::GetObject, "s3:GetObject", "s3:GetObjectVersion"),
            (Operation::HeadObject, "s3:GetObject", "s3:GetObjectVersion"),
            (Operation::DeleteObject, "s3:DeleteObject", "s3:DeleteObjectVersion"),
            (Operation::GetObjectAcl, "s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
            (Operation::PutObjectAcl, "s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
            (Operation::GetObjectTagging, "s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
            (Operation::PutObjectTagging, "s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
            (Operation::DeleteObjectTagging, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
        ];
        for (operation, current, version) in table {
            assert_eq!(actions(operation, "", &[]), [current], "{operation}");
            assert_eq!(actions(operation, "versionId=null", &[]), [version], "{operation}");
        }
        let attributes = actions(Operation::GetObjectAttributes, "versionId=null", &[]);
        assert_eq!(attributes, ["s3:GetObjectVersionAttributes", "s3:GetObjectVersion"]);
    }

    #[test]
    fn headers_of_a_new_object_need_more() {
        type Headers = &'static [(&'static str, &'static str)];
        let table: [(Headers, &[&str]); 10] = [
            (&[], &[]),
            (&[("x-amz-acl", "private")], &[]),
            (&[("x-amz-acl", "bucket-owner-full-control")], &[]),
            (&[("x-amz-acl", "public-read")], &["s3:PutObjectAcl"]),
            (&[("x-amz-grant-read", "id=x")], &["s3:PutObjectAcl"]),
            (&[("x-amz-tagging", "")], &[]),
            (&[("x-amz-tagging", "a=b")], &["s3:PutObjectTagging"]),
            (&[("x-amz-object-lock-mode", "GOVERNANCE")], &["s3:PutObjectRetention"]),
            (&[("x-amz-object-lock-legal-hold", "ON")], &["s3:PutObjectLegalHold"]),
            (
                &[("x-amz-grant-full-control", "id=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")],
                &[],
            ),
        ];
        for (headers, more) in table {
            for operation in [Operation::PutObject, Operation::CopyObject, Operation::CreateMultipartUpload] {
                assert_eq!(actions(operation, "", headers), [&["s3:PutObject"], more].concat(), "{headers:?}");
            }
        }
        assert_eq!(actions(Operation::UploadPart, "", &[("x-amz-acl", "public-read")]), ["s3:PutObject"]);
        let create = actions(Operation::CreateBucket, "", &[("x-amz-bucket-object-lock-enabled", "True")]);
        assert_eq!(create, ["s3:CreateBucket", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"]);
    }

    #[test]
    fn only_what_acls_speak_of_can_be_granted_by_one() {
        let by_acl = Operation::ALL.iter().filter(|operation| {
            main_need(**operation, false).is_some_and(|need| need.right.is_some() && need.on == On::Bucket)
        });
        let by_acl: Vec<_> = by_acl.map(|operation| operation.name()).collect();
        assert_eq!(
            by_acl,
            [
                "GetBucketAcl",
                "HeadBucket",
                "ListMultipartUploads",
                "ListObjectVersions",
                "ListObjects",
                "ListObjectsV2",
                "PutBucketAcl"
            ]
        );
        assert!(Need::BYPASS.right.is_none() && Need::get_tagging(false).right.is_none());
    }
}
