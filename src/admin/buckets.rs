//! Buckets as an administrator sees them: what they store and may store, what can be restored, what lifecycle would do.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::answer::{Fault, Outcome, json_answer, ok};
use crate::admin::call::Call;
use crate::admin::shared::Shared;
use crate::engine::lifecycle::Candidate;
use crate::engine::retained::RetainedVersion;
use crate::engine::{EngineError, RestoreFault};
use crate::limits::admin::{ADMIN_PAGE_MAX, BUCKETS_SHOWN_MAX};
use crate::limits::{PAGE_MAX, UNDELETE_DAYS_MAX};
use crate::rules::{Quota, Undelete, Versioning};
use crate::types::{Bucket, BucketName, DocumentKind, ObjectKey, Timestamp};

/// All buckets by name.
pub(crate) async fn list(admin: Arc<Shared>, call: Call) -> Outcome {
    let engine = &admin.parts.engine;
    let (mut shown, mut after) = (Vec::new(), call.query("after").unwrap_or_default());
    loop {
        let page = engine.list_buckets(None, "", &after, PAGE_MAX).await?;
        for bucket in page.buckets {
            if shown.len() == BUCKETS_SHOWN_MAX {
                return ok(&json!({"buckets": shown, "is_truncated": true}));
            }
            match describe(&admin, &bucket).await {
                Ok(described) => shown.push(described),
                // It went while we looked.
                Err(EngineError::NoSuchBucket) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match page.next_after {
            Some(next) => after = next,
            None => return ok(&json!({"buckets": shown, "is_truncated": false})),
        }
    }
}

async fn describe(admin: &Shared, bucket: &Bucket) -> Result<Value, EngineError> {
    let engine = &admin.parts.engine;
    let (usage, quota) = (engine.bucket_usage(bucket).await?, engine.bucket_quota(bucket).await?);
    let versioning = match engine.versioning(bucket).await? {
        Versioning::Unversioned => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    let owner_name = admin.keyring.display_name(&bucket.owner);
    Ok(json!({
        "name": bucket.name.as_str(),
        "created": bucket.created.iso_millis(),
        "owner": bucket.owner.to_string(),
        // The owner's key may be gone: then its id is all that is left.
        "owner_name": owner_name.unwrap_or_else(|| bucket.owner.to_string()),
        "versioning": versioning,
        "object_lock": engine.documents(bucket).await?.get(DocumentKind::ObjectLock).is_some(),
        "bytes": usage.bytes,
        "objects": usage.objects,
        "quota": {"bytes": quota.bytes, "objects": quota.objects},
        "undelete_days": engine.undelete_window(bucket).await?.days,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    bytes: Option<u64>,
    objects: Option<u64>,
}

/// Sets both limits of a bucket; what is null or absent is not limited.
pub(crate) async fn set_quota(admin: Arc<Shared>, call: Call) -> Outcome {
    let Limits { bytes, objects } = call.json()?;
    // The database counts in 63 bits.
    if [bytes, objects].into_iter().flatten().any(|limit| i64::try_from(limit).is_err()) {
        return Err(Fault::bad("bad-quota", "A limit is at most 2^63 - 1."));
    }
    let bucket = find(&admin, &call).await?;
    admin.parts.engine.set_bucket_quota(&bucket, Quota { bytes, objects }).await?;
    ok(&json!({"bytes": bytes, "objects": objects}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    days: u32,
}

/// Sets the undelete window of a bucket.
pub(crate) async fn set_window(admin: Arc<Shared>, call: Call) -> Outcome {
    let Window { days } = call.json()?;
    if days > UNDELETE_DAYS_MAX {
        return Err(Fault::bad("bad-days", format!("A window has at most {UNDELETE_DAYS_MAX} days.")));
    }
    let bucket = find(&admin, &call).await?;
    admin.parts.engine.set_undelete_window(&bucket, Undelete { days }).await?;
    ok(&json!({"days": days}))
}

/// What can be restored of a bucket, which may be gone.
pub(crate) async fn restorable(admin: Arc<Shared>, call: Call) -> Outcome {
    let prefix = call.query("prefix").unwrap_or_default();
    let (found, is_truncated) = admin.parts.engine.retained(&name(&call)?, prefix, ADMIN_PAGE_MAX).await?;
    let shown: Vec<_> = found.iter().map(retained_json).collect();
    ok(&json!({"versions": shown, "is_truncated": is_truncated}))
}

/// A version that can be restored, for the API as for the command line.
pub fn retained_json(row: &RetainedVersion) -> Value {
    json!({
        "key": row.key.as_str(),
        "id": row.id,
        "size": row.size,
        "etag": row.etag.quoted().trim_matches('"'),
        "modified": row.modified.iso_millis(),
        "deleted": row.deleted.iso_millis(),
        "until": row.until.iso_millis(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    key: Option<String>,
    id: Option<u64>,
    prefix: Option<String>,
}

/// Puts back one key, or every key with a prefix that has no object now.
pub(crate) async fn restore(admin: Arc<Shared>, call: Call) -> Outcome {
    let asked: Restore = call.json()?;
    let bucket = find(&admin, &call).await?;
    let engine = &admin.parts.engine;
    if let Some(cause) = engine.read_only() {
        return Err(EngineError::ReadOnly(cause).into());
    }
    let restored = match (asked.key, asked.id, asked.prefix) {
        (Some(key), id, None) => {
            let absent = |_| RestoreFault::Nothing { key: key.clone(), id };
            let parsed = ObjectKey::parse(key.as_str()).map_err(absent)?;
            engine.restore_key(&bucket, parsed, id).await?;
            1
        }
        (None, None, Some(prefix)) => engine.restore_prefix(&bucket, prefix).await?,
        _ => return Err(Fault::bad("bad-restore", "Say either key, with an id or without, or prefix.")),
    };
    ok(&json!({"restored": restored}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    at: Option<String>,
}

/// What the lifecycle rules of a bucket would do.
pub(crate) async fn dry_run(admin: Arc<Shared>, call: Call) -> Outcome {
    let Moment { at } = call.json()?;
    let at = at.map(|text| parse_time("at", &text)).transpose()?;
    let bucket = find(&admin, &call).await?;
    let day = admin.parts.lifecycle_day;
    let run = admin.parts.engine.lifecycle_dry_run(&bucket.name, at, day, ADMIN_PAGE_MAX).await?;
    let actions: Vec<_> = run.due.iter().map(action).collect();
    Ok(json_answer(StatusCode::OK, &json!({"actions": actions, "is_truncated": run.is_truncated})))
}

fn action(candidate: &Candidate) -> Value {
    match candidate {
        Candidate::Version { expire, version, rule, is_locked } => json!({
            "action": expire.action.name(),
            "key": expire.key.as_str(),
            "version_id": version.to_string(),
            "rule": rule,
            "is_locked": is_locked,
        }),
        Candidate::Upload { key, upload, rule } => json!({
            "action": "abort-upload",
            "key": key.as_str(),
            "version_id": null,
            "upload_id": upload.to_string(),
            "rule": rule,
            "is_locked": false,
        }),
    }
}

/// A time as all of the API has them.
pub(crate) fn parse_time(field: &str, text: &str) -> Result<Timestamp, Fault> {
    Timestamp::parse_iso(text)
        .ok_or_else(|| Fault::bad("bad-time", format!("{field} is a time such as 2030-01-01T00:00:00Z.")))
}

fn name(call: &Call) -> Result<BucketName, EngineError> {
    BucketName::parse(&call.parameter).map_err(|_| EngineError::NoSuchBucket)
}

async fn find(admin: &Shared, call: &Call) -> Result<Bucket, EngineError> {
    admin.parts.engine.bucket(&name(call)?).await
}
