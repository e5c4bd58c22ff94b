//! The condition keys that a document may name.
//!
//! Source: Service Authorization Reference, "Condition keys for Amazon S3"; IAM User Guide, "AWS global condition
//! context keys". A key that exists in neither is a typing error that would silently allow or deny: it is refused.

use crate::policy::PolicyError;
use crate::policy::request::{KEY_FOLDER, KEY_NAME, OVERWRITES_OBJECT};

/// Which actions carry a key, without `s3:` and in lower case.
type Carriers = &'static [&'static str];

const LISTING: Carriers = &["listbucket", "listbucketversions"];
const PUT: Carriers = &["putobject"];
const TAGGING: Carriers = &["bypassgovernanceretention", "putobject", "putobjecttagging", "putobjectversiontagging"];
const ACL: Carriers = &[
    "bypassgovernanceretention",
    "createaccesspoint",
    "createbucket",
    "putbucketacl",
    "putobject",
    "putobjectacl",
    "putobjectversionacl",
];
const ENCRYPTION: Carriers = &["bypassgovernanceretention", "putobject", "replicateobject", "updateobjectencryption"];
const COPY: Carriers = &["bypassgovernanceretention", "putobject"];
const RETENTION: Carriers = &["putobject", "putobjectretention"];
const EXISTING_TAG: Carriers = &[
    "deleteobjecttagging",
    "deleteobjectversiontagging",
    "getobject",
    "getobjectacl",
    "getobjectattributes",
    "getobjecttagging",
    "getobjectversion",
    "getobjectversionacl",
    "getobjectversionattributes",
    "getobjectversiontagging",
    "putobjectacl",
    "putobjecttagging",
    "putobjectversionacl",
    "putobjectversiontagging",
];
const VERSION: Carriers = &[
    "deleteobjectversion",
    "deleteobjectversiontagging",
    "getobjectversion",
    "getobjectversionacl",
    "getobjectversionattributes",
    "getobjectversiontagging",
    "getobjectversiontorrent",
    "putobjectversionacl",
    "putobjectversiontagging",
];

/// The keys of S3 in lower case, those with a tail behind the `/` with it, and the actions that carry them; none
/// named means all.
const S3_KEYS: &[(&str, Carriers)] = &[
    ("s3:accessgrantscope", &[]),
    ("s3:accessgrantsinstancearn", &[]),
    ("s3:accessgrantslocationscope", &[]),
    ("s3:accesspointnetworkorigin", &[]),
    ("s3:accesspointtag/", &[]),
    ("s3:authtype", &[]),
    ("s3:buckettag/", &[]),
    ("s3:dataaccesspointaccount", &[]),
    ("s3:dataaccesspointarn", &[]),
    ("s3:delimiter", LISTING),
    ("s3:destinationregion", &[]),
    ("s3:existingjoboperation", &[]),
    ("s3:existingjobpriority", &[]),
    ("s3:existingobjecttag/", EXISTING_TAG),
    ("s3:if-match", &["deleteobject", "putobject"]),
    ("s3:if-none-match", PUT),
    ("s3:inventoryaccessibleoptionalfields", &["putinventoryconfiguration"]),
    ("s3:isreplicationpauserequest", &["putreplicationconfiguration"]),
    ("s3:jobsuspendedcause", &[]),
    ("s3:locationconstraint", &["createaccesspoint", "createbucket"]),
    ("s3:max-keys", LISTING),
    ("s3:object-lock-legal-hold", &["putobject", "putobjectlegalhold"]),
    ("s3:object-lock-mode", RETENTION),
    ("s3:object-lock-remaining-retention-days", RETENTION),
    ("s3:object-lock-retain-until-date", RETENTION),
    ("s3:objectcreationoperation", PUT),
    ("s3:prefix", LISTING),
    ("s3:requestjoboperation", &[]),
    ("s3:requestjobpriority", &[]),
    ("s3:requestobjecttag/", TAGGING),
    ("s3:requestobjecttagkeys", TAGGING),
    ("s3:resourceaccount", &[]),
    ("s3:signatureage", &[]),
    ("s3:signatureversion", &[]),
    ("s3:tlsversion", &[]),
    ("s3:versionid", VERSION),
    ("s3:x-amz-acl", ACL),
    ("s3:x-amz-bucket-namespace", &["createbucket"]),
    ("s3:x-amz-content-sha256", &[]),
    ("s3:x-amz-copy-source", COPY),
    ("s3:x-amz-grant-full-control", ACL),
    ("s3:x-amz-grant-read", ACL),
    ("s3:x-amz-grant-read-acp", ACL),
    ("s3:x-amz-grant-write", ACL),
    ("s3:x-amz-grant-write-acp", ACL),
    ("s3:x-amz-metadata-directive", COPY),
    ("s3:x-amz-object-ownership", &["createbucket"]),
    ("s3:x-amz-server-side-encryption", ENCRYPTION),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", ENCRYPTION),
    ("s3:x-amz-server-side-encryption-customer-algorithm", ENCRYPTION),
    ("s3:x-amz-storage-class", &["bypassgovernanceretention", "putobject", "putobjectacl", "putobjectversionacl"]),
    ("s3:x-amz-website-redirect-location", COPY),
    (OVERWRITES_OBJECT, PUT),
    (KEY_NAME, &[]),
    (KEY_FOLDER, &[]),
];

/// The global keys of AWS in lower case, those with a tail with their `/`.
const GLOBAL_KEYS: &[&str] = &[
    "aws:assumedroot",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:chatbotsourcearn",
    "aws:currenttime",
    "aws:ec2instancesourceprivateipv4",
    "aws:ec2instancesourcevpc",
    "aws:epochtime",
    "aws:federatedprovider",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:principaltag/",
    "aws:principaltype",
    "aws:referer",
    "aws:requestedregion",
    "aws:requesttag/",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:resourceorgpaths",
    "aws:resourcetag/",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceidentity",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:tagkeys",
    "aws:tokenissuetime",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
    "aws:vpcsourceip",
];

/// Which actions carry the key `key`, given in its normal form; none named means all. Keys of other services
/// exist where `foreign` says so.
pub(super) fn carriers(key: &str, foreign: bool) -> Result<Carriers, PolicyError> {
    let is = |known: &str| match known.strip_suffix('/') {
        Some(_) => key.len() > known.len() && key.starts_with(known),
        None => key == known,
    };
    if let Some((_, carriers)) = S3_KEYS.iter().find(|(known, _)| is(known)) {
        return Ok(carriers);
    }
    let ours = ["s3:", "aws:", "sluicegate:"].iter().any(|space| key.starts_with(space));
    if GLOBAL_KEYS.iter().any(|known| is(known)) || (foreign && !ours && key.contains(':')) {
        return Ok(&[]);
    }
    Err(PolicyError::ConditionKey)
}

#[cfg(test)]
mod tests {
    use super::carriers;
    use crate::policy::text::normal_key;

    #[test]
    fn keys_exist_without_case_and_tails_must_not_be_empty() {
        for key in ["s3:Prefix", "AWS:SourceIp", "s3:ExistingObjectTag/A b", "aws:PrincipalTag/x", "s3:x-amz-ACL"] {
            assert!(carriers(&normal_key(key), false).is_ok(), "{key}");
        }
        for key in ["s3:Prefixes", "s3:ExistingObjectTag/", "s3:ExistingObjectTag", "aws:Frob", "prefix", "sts:x"] {
            assert!(carriers(&normal_key(key), false).is_err(), "{key}");
        }
        assert!(carriers("accounts.example.com:aud", true).is_ok() && carriers("s3:frob", true).is_err());
    }
}
