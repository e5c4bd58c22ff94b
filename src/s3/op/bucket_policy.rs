//! GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus.
//!
//! Source: Amazon S3 API Reference, PutBucketPolicy and GetBucketPolicyStatus. The document is kept as it was sent,
//! since clients compare what they read with what they wrote; it is parsed before it is stored.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response, full_body};
use crate::policy::{Document, Kind, PolicyError};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::object_headers::respond;
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

/// Shows the policy as it was put.
///
/// # Errors
/// `NoSuchBucketPolicy`, `MethodNotAllowed` for other accounts.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    check_owner(call)?;
    let documents = gateway.engine.documents(call.bucket()).await?;
    let text = documents.get(DocumentKind::Policy).ok_or_else(|| absent(call, Code::NoSuchBucketPolicy))?;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Ok(respond(StatusCode::OK, headers, full_body(text.to_vec())))
}

/// Replaces the policy.
///
/// # Errors
/// `MalformedPolicy` with what is wrong, `AccessDenied` for a public one that is blocked, `MethodNotAllowed` for
/// other accounts.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    check_owner(call)?;
    // More than a policy may have: the parser's own message names that limit.
    let text = read_document(call, body, XML_BYTES_MAX).await?;
    let policy = parse(&text, call.bucket().name.as_str()).map_err(|error| {
        let error_text = error.to_string();
        S3Error::new(Code::MalformedPolicy).message(error_text)
    })?;
    if call.facts.block().block_public_policy && policy.is_public() {
        return Err(S3Error::new(Code::AccessDenied).cause("BlockPublicPolicy refuses a public policy"));
    }
    gateway.engine.set_document(call.bucket(), DocumentKind::Policy, Some(text.into())).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

fn parse(text: &[u8], bucket: &str) -> Result<Document, PolicyError> {
    let policy = Document::parse(Kind::Bucket, text)?;
    policy.check_bucket(bucket)?;
    Ok(policy)
}

/// Deletes the policy. Deleting none is a success, too.
///
/// # Errors
/// `MethodNotAllowed` for other accounts.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    check_owner(call)?;
    if call.facts.policy.is_some() {
        gateway.engine.set_document(call.bucket(), DocumentKind::Policy, None).await?;
    }
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

/// Says whether the policy lets the public in.
///
/// # Errors
/// `NoSuchBucketPolicy`.
pub(crate) fn status(call: &Authorized) -> Result<Response, S3Error> {
    if call.facts.policy.is_none() {
        return Err(absent(call, Code::NoSuchBucketPolicy));
    }
    let mut xml = XmlWriter::document("PolicyStatus");
    xml.text("IsPublic", call.facts.policy_is_public);
    Ok(respond_document(xml.finish()))
}

/// A policy cannot give itself away: only the bucket's own account works on it, whatever it allows to others.
fn check_owner(call: &Authorized) -> Result<(), S3Error> {
    if call.is_by_owner() {
        Ok(())
    } else {
        Err(S3Error::new(Code::MethodNotAllowed).cause("only the bucket's owner works on its policy"))
    }
}
