//! Documents of a bucket as domain types: read from the engine, written to it, in JSON. Client XML never gets
//! further down than its own operation.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Bucket, DocumentKind};

/// The document of that kind, if the bucket has one.
///
/// # Errors
/// `NoSuchBucket`; `InternalError` if the store fails or holds what this version cannot read.
pub(crate) async fn load<T: DeserializeOwned>(
    gateway: &Gateway,
    bucket: &Bucket,
    kind: DocumentKind,
) -> Result<Option<T>, S3Error> {
    let documents = gateway.engine.documents(bucket).await?;
    let Some(body) = documents.get(kind) else { return Ok(None) };
    let unreadable = |error| S3Error::new(Code::InternalError).cause(format!("read document {}: {error}", kind.name()));
    serde_json::from_slice(body).map(Some).map_err(unreadable)
}

/// Replaces the document of that kind.
///
/// # Errors
/// `NoSuchBucket`, `InternalError`.
pub(crate) async fn store<T: Serialize + Sync>(
    gateway: &Gateway,
    bucket: &Bucket,
    kind: DocumentKind,
    document: &T,
) -> Result<(), S3Error> {
    let body = serde_json::to_vec(document).map_err(|error| S3Error::new(Code::InternalError).cause(error))?;
    Ok(gateway.engine.set_document(bucket, kind, Some(Arc::from(body))).await?)
}

/// Removes the document of that kind. Nothing is wrong if there is none.
///
/// # Errors
/// `NoSuchBucket`, `InternalError`.
pub(crate) async fn remove(gateway: &Gateway, bucket: &Bucket, kind: DocumentKind) -> Result<(), S3Error> {
    Ok(gateway.engine.set_document(bucket, kind, None).await?)
}
