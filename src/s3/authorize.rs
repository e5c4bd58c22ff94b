//! The third stage of a request: whether its sender may do this. Looks the bucket up, once, and the stored version
//! where its owner, ACL or tags decide; the operation then works on that very version.

pub(crate) mod call;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

use crate::engine::{EngineError, OpenObject};
use crate::identity::account_id;
use crate::policy::{Decision, Reason};
use crate::rules::payer::Charge;
use crate::s3::authenticate::Authenticated;
use crate::s3::bucket_facts::bucket_facts;
use crate::s3::metadata::header_text;
use crate::s3::permission::{Need, On, needs};
use crate::s3::reason;
use crate::s3::requester_pays;
use crate::s3::source_name::SourceName;
use crate::s3::verdict::{self, Question};
use crate::s3::{Code, Gateway, Operation, S3Error, parameters};
use crate::types::{Bucket, BucketName, ObjectKey, OwnerId, Tags, VersionAttributes};

pub(crate) use call::Authorized;

const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
const EXPECTED_SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";
const BYPASS: &str = "x-amz-bypass-governance-retention";

/// Decides whether the sender may do this.
///
/// # Errors
/// `AccessDenied`; `NoSuchBucket`, which only signed callers ever see.
pub(crate) async fn authorize(
    gateway: &Gateway,
    request: Authenticated,
    request_id: &str,
    received: Arc<AtomicU64>,
) -> Result<Authorized, S3Error> {
    let Authenticated { routed, principal, payload, signature, headers, path, peer, endpoint, .. } = request;
    let bucket = match &routed.bucket {
        Some(name) if routed.operation != Operation::CreateBucket => {
            let engine = &gateway.engine;
            let found =
                if routed.key.is_some() { engine.bucket_of_object(name).await } else { engine.bucket(name).await };
            Some(told(found, name)?)
        }
        Some(_) | None => None,
    };
    let facts = match &bucket {
        Some(bucket) => bucket_facts(gateway, bucket).await?,
        None => Arc::default(),
    };
    let mut call = Authorized {
        operation: routed.operation,
        principal,
        bucket,
        bucket_name: routed.bucket,
        key: routed.key,
        query: routed.query,
        headers,
        payload,
        signature,
        path,
        request_id: request_id.to_owned(),
        peer,
        endpoint,
        charge: Charge::Owner,
        facts,
        requires_absent: false,
        judged: Mutex::default(),
        received,
    };
    check_all(gateway, &mut call).await?;
    if let Some(bucket) = &call.bucket {
        check_expected_owner(&call.headers, EXPECTED_OWNER, bucket)?;
        call.charge = requester_pays::judge(gateway, &call, bucket).await?;
    }
    Ok(call)
}

/// Checks all that a request needs in the bucket that it names.
async fn check_all(gateway: &Gateway, call: &mut Authorized) -> Result<(), S3Error> {
    let nobody = OwnerId(String::new());
    let owner = call.bucket.as_ref().map_or(&nobody, |bucket| &bucket.owner);
    for need in needs(call.operation, &call.query, &call.headers, owner) {
        // The tags are in the body, which nobody has read yet: `authorize_tags` decides.
        if awaits_tags(call, need) {
            continue;
        }
        let decision = check(gateway, call, need, None).await?;
        if !decision.allowed && !is_initiator(gateway, call, &decision).await? {
            return Err(denied(&decision, need));
        }
        if decision.requires_absent && commits_object(call.operation) {
            require_absent(call)?;
        }
    }
    Ok(())
}

fn denied(decision: &Decision, need: Need) -> S3Error {
    S3Error::new(Code::AccessDenied)
        .cause(format!("{}: {}", need.action, decision.reason))
        .because(reason::denied(decision, need))
}

/// Asks for one permission on what the request names. A version that decides is opened and kept for the operation;
/// that there is none is only said to those who may list.
async fn check(gateway: &Gateway, call: &Authorized, need: Need, new_tags: Option<&Tags>) -> Result<Decision, S3Error> {
    let question = Question { new_tags, ..question(call, need) };
    if !verdict::needs_version(&call.principal, &question) {
        return Ok(verdict::answer(gateway, call, &question));
    }
    let version = parameters::version(&call.query)?;
    // Another need of the same request may have opened it.
    let opened = call.open(gateway, version).await;
    let attributes = opened.as_ref().ok().map(|open| &open.version().metadata.attributes);
    let decision = verdict::answer(gateway, call, &Question { attributes, ..question });
    if let Err(error) = &opened {
        reveal_or_conceal(gateway, call, &question, &decision, error)?;
    }
    *call.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    Ok(decision)
}

/// The question about one permission on what the request names.
fn question<'a>(call: &'a Authorized, need: Need) -> Question<'a> {
    Question {
        need,
        bucket: call.bucket.as_ref().map(|bucket| (bucket, &*call.facts)),
        bucket_name: call.bucket_name.as_ref().map(BucketName::as_str).unwrap_or_default(),
        key: call.key.as_ref().map(ObjectKey::as_str),
        version: call.query.value("versionId"),
        prefix: None,
        attributes: None,
        new_tags: None,
    }
}

/// Decides what is told of what is not there. Who may read it, but not list, gets `AccessDenied`: otherwise the
/// difference would tell anybody which keys exist. Who may list, but not read, gets `NoSuchKey`, as on S3.
fn reveal_or_conceal(
    gateway: &Gateway,
    call: &Authorized,
    question: &Question<'_>,
    decision: &Decision,
    error: &EngineError,
) -> Result<(), S3Error> {
    let (is_key, is_absence) = match error {
        EngineError::NoSuchKey { .. } => (true, true),
        EngineError::NoSuchVersion | EngineError::IsDeleteMarker { .. } => (false, true),
        _ => (false, false),
    };
    let is_reading = matches!(call.operation, Operation::GetObject | Operation::HeadObject);
    let may_learn = is_key && is_reading && decision.reason == Reason::NothingAllows;
    if !is_absence || !(decision.allowed || may_learn) {
        return Ok(());
    }
    let list = Question { need: Need::LIST, prefix: question.key, ..*question };
    match (decision.allowed, verdict::answer(gateway, call, &list).allowed) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(S3Error::new(Code::AccessDenied).cause("it does not exist, and its sender may not list")),
        (false, true) => Err(S3Error::new(Code::NoSuchKey).detail("Key", question.key.unwrap_or_default())),
    }
}

/// Whether a permission depends on tags that the request brings in its body.
fn awaits_tags(call: &Authorized, need: Need) -> bool {
    call.operation == Operation::PutObjectTagging
        && verdict::mentions(&call.principal, &call.facts, need.action, "s3:RequestObjectTag")
}

/// Decides about a PutObjectTagging whose tags the policies ask for, once they were read.
///
/// # Errors
/// `AccessDenied`.
pub(crate) async fn authorize_tags(gateway: &Gateway, call: &Authorized, tags: &Tags) -> Result<(), S3Error> {
    for need in needs(call.operation, &call.query, &call.headers, &call.bucket().owner) {
        if !awaits_tags(call, need) {
            continue;
        }
        let decision = check(gateway, call, need, Some(tags)).await?;
        if !decision.allowed {
            return Err(denied(&decision, need));
        }
    }
    Ok(())
}

/// Whether an operation makes the current version of a key.
fn commits_object(operation: Operation) -> bool {
    !matches!(operation, Operation::CreateMultipartUpload | Operation::UploadPart | Operation::UploadPartCopy)
}

/// Lets the operation through only if its key stays absent: as if its sender had asked for that.
fn require_absent(call: &mut Authorized) -> Result<(), S3Error> {
    // Its sender asks for the same: then 412 is the true answer to a key that exists.
    if header_text(&call.headers, "if-none-match").is_some_and(|text| text == "*") {
        return Ok(());
    }
    if call.headers.contains_key(IF_MATCH) {
        return Err(S3Error::new(Code::AccessDenied).cause("it may not overwrite, and If-Match asks for nothing else"));
    }
    call.headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    call.requires_absent = true;
    Ok(())
}

/// Whoever began an upload may list its parts and abort it, unless that is denied by name, or his own policies leave it
/// out.
async fn is_initiator(gateway: &Gateway, call: &Authorized, decision: &Decision) -> Result<bool, S3Error> {
    let is_about_upload = matches!(call.operation, Operation::AbortMultipartUpload | Operation::ListParts);
    let Some(owner) = verdict::owner_id(&call.principal) else { return Ok(false) };
    if !is_about_upload || decision.reason != Reason::NothingAllows || verdict::is_limited(&call.principal) {
        return Ok(false);
    }
    let Ok(upload) = parameters::upload(&call.query) else { return Ok(false) };
    match gateway.engine.list_parts(call.bucket(), call.key(), upload, 0, 1).await {
        Ok(listing) => Ok(listing.upload.initiator == *owner),
        Err(EngineError::NoSuchUpload) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The source of a copy that may be read: the very version that was judged, if one had to be.
pub(crate) struct AuthorizedSource {
    /// Its bucket.
    pub(crate) bucket: Bucket,
    /// The order of the version that was judged.
    pub(crate) judged: Option<u64>,
}

/// Checks that the sender may read the source of a copy, and, where its tags are copied along, that he may read and
/// write those.
///
/// # Errors
/// `NoSuchBucket`, `AccessDenied`.
pub(crate) async fn authorize_source(
    gateway: &Gateway,
    call: &Authorized,
    name: &SourceName,
) -> Result<AuthorizedSource, S3Error> {
    let (bucket, facts) = match &call.bucket {
        Some(bucket) if bucket.name == name.bucket => (bucket.clone(), Arc::clone(&call.facts)),
        Some(_) | None => {
            let bucket = told(gateway.engine.bucket_of_object(&name.bucket).await, &name.bucket)?;
            let facts = bucket_facts(gateway, &bucket).await?;
            (bucket, facts)
        }
    };
    requester_pays::judge(gateway, call, &bucket).await?;
    let version = name.version.map(|version| version.to_string());
    let is_versioned = version.is_some();
    let asked = |need| Question {
        key: Some(name.key.as_str()),
        version: version.as_deref(),
        ..Question::about(need, &bucket, &facts)
    };
    let read = asked(Need::get(is_versioned));
    let tags = Need::get_tagging(is_versioned);
    let mut source = AuthorizedSource { bucket: bucket.clone(), judged: None };
    let reads_policy = facts.policy.is_some() || call.facts.policy.is_some();
    if !reads_policy && !verdict::needs_version(&call.principal, &read) {
        let decision = verdict::answer(gateway, call, &read);
        return if decision.allowed { checked_source(call, source) } else { Err(denied(&decision, read.need)) };
    }
    let opened = gateway.engine.open_object(&bucket, &name.key, name.version).await;
    let attributes = opened.as_ref().ok().map(|open| &open.version().metadata.attributes);
    let decision = verdict::answer(gateway, call, &Question { attributes, ..read });
    if !decision.allowed {
        return Err(denied(&decision, read.need));
    }
    if let Err(error) = &opened {
        reveal_or_conceal(gateway, call, &read, &decision, error)?;
    }
    let copies_tags = attributes.is_some_and(|attributes| copies_tags(call, attributes));
    if copies_tags {
        let question = Question { attributes, ..asked(tags) };
        for (question, need) in [(question, tags), (self::question(call, TAG_TARGET), TAG_TARGET)] {
            let decision = verdict::answer(gateway, call, &question);
            if !decision.allowed {
                return Err(denied(&decision, need));
            }
        }
    }
    source.judged = opened.as_ref().ok().map(OpenObject::order);
    checked_source(call, source)
}

/// What the target of a copy needs if the source's tags come along.
const TAG_TARGET: Need = Need { action: "s3:PutObjectTagging", on: On::Key, right: None };

fn copies_tags(call: &Authorized, source: &VersionAttributes) -> bool {
    let replaces = call.headers.get("x-amz-tagging-directive").is_some_and(|value| value == "REPLACE");
    call.operation == Operation::CopyObject && !replaces && !source.tags.0.is_empty()
}

fn checked_source(call: &Authorized, source: AuthorizedSource) -> Result<AuthorizedSource, S3Error> {
    check_expected_owner(&call.headers, EXPECTED_SOURCE_OWNER, &source.bucket)?;
    Ok(source)
}

/// Checks one permission on a key of the request's bucket, where the request names several.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn authorize_key(
    gateway: &Gateway,
    call: &Authorized,
    need: Need,
    key: &str,
    version: Option<&str>,
) -> Result<(), S3Error> {
    let decision = verdict::answer(gateway, call, &Question { key: Some(key), version, ..question(call, need) });
    if decision.allowed { Ok(()) } else { Err(denied(&decision, need)) }
}

/// Whether the request asks to bypass governance on a key, and may.
pub(crate) fn may_bypass(gateway: &Gateway, call: &Authorized, key: &str) -> bool {
    let asks = call.headers.get(BYPASS).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    asks && authorize_key(gateway, call, Need::BYPASS, key, None).is_ok()
}

/// That a bucket is missing is said to everybody, as on S3: names of buckets are no secret.
fn told(found: Result<Bucket, EngineError>, name: &BucketName) -> Result<Bucket, S3Error> {
    found.map_err(|error| S3Error::from(error).detail("BucketName", name.as_str()))
}

/// Compares the owner that the sender expects: by account id, as on S3, or by canonical id.
fn check_expected_owner(headers: &HeaderMap, name: &'static str, bucket: &Bucket) -> Result<(), S3Error> {
    let Some(expected) = headers.get(name).map(HeaderValue::as_bytes) else { return Ok(()) };
    if expected == bucket.owner.0.as_bytes() || expected == account_id(&bucket.owner).as_bytes() {
        Ok(())
    } else {
        Err(S3Error::new(Code::AccessDenied).cause(format!("{name} names another owner")))
    }
}

#[cfg(test)]
mod tests;
