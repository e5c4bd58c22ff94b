//! The headers that say when lifecycle will remove something: `x-amz-expiration`, and `x-amz-abort-date` with
//! `x-amz-abort-rule-id`. They only inform: a store that fails here fails no request that has succeeded.
//!
//! Source: Amazon S3 API Reference, PutObject, HeadObject, CreateMultipartUpload.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use percent_encoding::utf8_percent_encode;

use crate::engine::Engine;
use crate::rules::lifecycle::{DayLength, Lifecycle, ObjectFacts};
use crate::s3::Gateway;
use crate::s3::authorize::call::Authorized;
use crate::s3::metadata::insert_text;
use crate::types::{Bucket, DocumentKind, ObjectKey, ObjectVersion, Timestamp, URL_VALUE, VersionId};

const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");
const ABORT_DATE: HeaderName = HeaderName::from_static("x-amz-abort-date");
const ABORT_RULE: HeaderName = HeaderName::from_static("x-amz-abort-rule-id");

/// Whom to ask about the object of a request, also from a task that outlives the request.
#[derive(Clone)]
pub(crate) struct ExpirationHeader {
    engine: Arc<Engine>,
    bucket: Bucket,
    key: ObjectKey,
    day: DayLength,
}

impl ExpirationHeader {
    /// About the object that `call` names.
    pub(crate) fn of(gateway: &Gateway, call: &Authorized) -> Self {
        let (engine, bucket, key) = (Arc::clone(&gateway.engine), call.bucket().clone(), call.key().clone());
        Self { engine, bucket, key, day: gateway.settings.lifecycle_day }
    }

    async fn rules(&self) -> Option<Lifecycle> {
        let documents = self.engine.documents(&self.bucket).await.ok()?;
        Lifecycle::from_document(documents.get(DocumentKind::Lifecycle)?)
    }

    /// Says when a version that was read expires. Nothing is said about noncurrent ones.
    pub(crate) async fn insert(&self, headers: &mut HeaderMap, version: &ObjectVersion) {
        if !version.is_latest {
            return;
        }
        let Some(rules) = self.rules().await else { return };
        let object = ObjectFacts { size: version.size, tags: Some(&version.metadata.attributes.tags) };
        if let Some((at, rule)) = rules.expiry(self.key.as_str(), object, version.modified, self.day) {
            let id = utf8_percent_encode(&rule.id, URL_VALUE);
            insert_text(headers, EXPIRATION, &format!("expiry-date=\"{}\", rule-id=\"{id}\"", at.http_date()));
        }
    }

    /// Says when the version that was just written expires.
    pub(crate) async fn insert_for_written(&self, headers: &mut HeaderMap, version: Option<VersionId>) {
        if self.rules().await.is_none() {
            return;
        }
        if let Ok(open) = self.engine.open_object(&self.bucket, &self.key, version).await {
            self.insert(headers, open.version()).await;
        }
    }

    /// Says when an upload that was initiated then is aborted.
    pub(crate) async fn insert_abort(&self, headers: &mut HeaderMap, initiated: Timestamp) {
        let Some(rules) = self.rules().await else { return };
        if let Some((at, rule)) = rules.abort(self.key.as_str(), initiated, self.day) {
            insert_text(headers, ABORT_DATE, &at.http_date());
            insert_text(headers, ABORT_RULE, &utf8_percent_encode(&rule.id, URL_VALUE).to_string());
        }
    }
}
