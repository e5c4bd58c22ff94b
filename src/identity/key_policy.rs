//! Policies of access keys: what an operator may attach, and the documents that limit a key.
//!
//! Knows nothing of files or of where policies are stored.

use std::sync::Arc;

use crate::identity::session::Claims;
use crate::limits::POLICY_NAME_BYTES_MAX;
use crate::meta::KeyPolicy;
use crate::policy::{BUILTIN_NAMES, Document, Kind, PolicyError, builtin};
use crate::types::BucketName;

/// Documents that are attached to a principal together.
pub type Policies = Arc<[Arc<Document>]>;

/// Name of the policy that confines a key to some buckets.
const CONFINEMENT: &str = "only-buckets";
/// What limits a key whose policy does not read: what it said of denying is lost, so nothing is allowed.
const NOTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Sid":"Unreadable","Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// Why something is no policy of a key.
#[derive(Debug, thiserror::Error)]
pub enum NewPolicyError {
    /// Length or characters, or the name of a ready-made policy.
    #[error(
        "a policy's name has 1 to {POLICY_NAME_BYTES_MAX} letters, digits and + = , . @ _ -, and is no ready-made one"
    )]
    InvalidName,
    /// The document.
    #[error("policy {name:?}: {source}")]
    Document {
        /// The policy's name.
        name: String,
        /// What is wrong with it.
        source: PolicyError,
    },
}

/// The ready-made policy of that name.
pub fn ready_made_policy(name: &str) -> Option<KeyPolicy> {
    builtin(name).map(|_| KeyPolicy { name: name.to_owned(), document: None })
}

/// The names of the ready-made policies.
pub fn ready_made_names() -> &'static [&'static str] {
    &BUILTIN_NAMES
}

/// A policy with a document of its own.
///
/// # Errors
/// If the name or the document is not legal.
pub fn own_policy(name: &str, text: &str) -> Result<KeyPolicy, NewPolicyError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    let is_legal = (1..=POLICY_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal);
    if !is_legal || builtin(name).is_some() {
        return Err(NewPolicyError::InvalidName);
    }
    match Document::parse(Kind::Identity, text.as_bytes()) {
        Ok(_) => Ok(KeyPolicy { name: name.to_owned(), document: Some(text.into()) }),
        Err(source) => Err(NewPolicyError::Document { name: name.to_owned(), source }),
    }
}

/// The policy that denies everything outside of these buckets, except that their owner's buckets are listed.
///
/// # Errors
/// If there are more buckets than one policy can name.
pub fn confining_policy(buckets: &[BucketName]) -> Result<KeyPolicy, NewPolicyError> {
    let arns: Vec<String> =
        buckets.iter().flat_map(|bucket| ["", "/*"].map(|tail| format!("\"arn:aws:s3:::{bucket}{tail}\""))).collect();
    let arns = arns.join(",");
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"OtherBuckets","Effect":"Deny","NotAction":["s3:ListAllMyBuckets","sts:*"],"NotResource":[{arns}]}}]}}"#
    );
    own_policy(CONFINEMENT, &text)
}

/// What limits a new key: `None` if nothing does. To be confined to buckets is a limit, but allows nothing by itself.
///
/// # Errors
/// If there are more buckets than one policy can name.
pub fn limits_of(
    mut policies: Vec<KeyPolicy>,
    buckets: &[BucketName],
) -> Result<Option<Vec<KeyPolicy>>, NewPolicyError> {
    if buckets.is_empty() {
        return Ok((!policies.is_empty()).then_some(policies));
    }
    if policies.is_empty() {
        policies.extend(ready_made_policy("full"));
    }
    policies.push(confining_policy(buckets)?);
    Ok(Some(policies))
}

/// The document of a policy that is stored. One that does not read, as after a step back to an older gateway, allows
/// nothing.
pub(super) fn document(policy: &KeyPolicy) -> Arc<Document> {
    let label = format!("policy {}", policy.name);
    let document = match &policy.document {
        Some(text) => Document::parse(Kind::Identity, text.as_bytes()).ok().map(|document| document.named(&label)),
        None => builtin(&policy.name).cloned(),
    };
    Arc::new(document.unwrap_or_else(|| {
        let nothing = Document::parse(Kind::Identity, NOTHING.as_bytes());
        nothing.expect("what allows nothing is a policy").named(&label)
    }))
}

/// What limits a session beside its access key; `None` if it named nothing.
pub(super) fn session_policies(claims: &Claims) -> Option<Policies> {
    let own = claims
        .policy
        .iter()
        .map(|text| KeyPolicy { name: "of the session".to_owned(), document: Some(text.as_str().into()) });
    let ready_made = claims.ready_made.iter().map(|name| KeyPolicy { name: name.clone(), document: None });
    let attached: Vec<KeyPolicy> = own.chain(ready_made).collect();
    (!attached.is_empty()).then(|| attached.iter().map(document).collect())
}

/// Checks the policy of a new session.
///
/// # Errors
/// What is wrong with it.
pub fn check_session_policy(text: &str) -> Result<(), PolicyError> {
    Document::parse(Kind::Session, text.as_bytes()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{NewPolicyError, confining_policy, document, own_policy, ready_made_policy};
    use crate::meta::KeyPolicy;
    use crate::policy::{MapContext, Principal, Request, Target, Verdict, evaluate};
    use crate::types::{BucketName, Timestamp};

    fn verdict(policy: &KeyPolicy, action: &str, target: Target<'_>) -> Verdict {
        let context = MapContext::default();
        let principal = Principal::Anonymous;
        let request = Request { action, target, principal, now: Timestamp(0), context: &context };
        evaluate([&*document(policy)], &request, false)
    }

    #[test]
    fn names_and_documents_are_checked() {
        const TEXT: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
        assert!(own_policy("Photos_1", TEXT).is_ok());
        for name in ["", "a b", "a/b", "full", "ü", &"n".repeat(65)] {
            assert!(matches!(own_policy(name, TEXT), Err(NewPolicyError::InvalidName)), "{name}");
        }
        let wrong = own_policy("own", &TEXT.replace("GetObject", "GetObjects"));
        assert!(wrong.unwrap_err().to_string().starts_with("policy \"own\": "));
        assert!(ready_made_policy("restic-append-only").is_some() && ready_made_policy("own").is_none());
    }

    #[test]
    fn a_confined_key_reaches_no_other_bucket() {
        let buckets = ["backup", "photos"].map(|name| BucketName::parse(name).unwrap());
        let policy = confining_policy(&buckets).unwrap();
        let denied = |action: &str, target: Target<'_>| matches!(verdict(&policy, action, target), Verdict::Deny(_));
        for bucket in ["backup", "photos"] {
            assert!(!denied("s3:ListBucket", Target::Bucket(bucket)));
            assert!(!denied("s3:PutObject", Target::Object { bucket, key: "k" }));
        }
        assert!(!denied("s3:ListAllMyBuckets", Target::Service));
        for bucket in ["backups", "photo", "other"] {
            assert!(denied("s3:ListBucket", Target::Bucket(bucket)));
            assert!(denied("s3:PutObject", Target::Object { bucket, key: "backup/k" }));
            assert!(denied("s3:CreateBucket", Target::Bucket(bucket)));
        }
        let many = (0..400).map(|number| BucketName::parse(&format!("bucket-number-{number}")).unwrap());
        assert!(confining_policy(&many.collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn a_policy_that_does_not_read_allows_nothing() {
        for damaged in [None, Some("{"), Some("{}")] {
            let policy = KeyPolicy { name: "gone".to_owned(), document: damaged.map(Into::into) };
            let said = verdict(&policy, "s3:GetObject", Target::Object { bucket: "b", key: "k" });
            assert!(matches!(said, Verdict::Deny(name) if name.to_string().contains("policy gone")), "{damaged:?}");
        }
    }
}
