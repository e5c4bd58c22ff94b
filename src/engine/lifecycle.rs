//! Lifecycle over buckets: finding what is due, page by page, and doing it. The worker and the dry run look
//! through the same eyes, so that one does what the other shows.
//!
//! A pass walks each bucket that has rules once. Where it is stays in the metadata store, so that a restart goes
//! on where the last boot ended. Each step is bounded and may be dropped at any point.

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineError, look_at_lock_clock};
use crate::limits::{LIFECYCLE_BUCKETS_STEP, LIFECYCLE_CONCURRENCY_MAX, LIFECYCLE_STEP, UNDELETE_STEP};
use crate::meta::{ExpireVersion, ExpiryOutcome, MetaError, MetaStore};
use crate::rules::lifecycle::{Action, DayLength, Due, Lifecycle, ObjectFacts, Position, VersionFacts};
use crate::rules::lock;
use crate::telemetry::record;
use crate::types::{
    Bucket, BucketName, DocumentKind, ListedVersion, ObjectKey, Timestamp, UploadId, UploadListQuery, VersionId,
    VersionListQuery,
};

/// Name of the cursor.
const CURSOR: &str = "lifecycle";

/// What of a bucket is due, by which rule.
#[derive(Clone, Debug)]
pub enum Candidate {
    /// A version or delete marker.
    Version {
        /// What is to be done, and by what it was judged.
        expire: ExpireVersion,
        /// Its id.
        version: VersionId,
        /// Id of the rule.
        rule: String,
        /// Whether object lock holds it, so that it stays.
        is_locked: bool,
    },
    /// An open upload.
    Upload {
        /// Its key.
        key: ObjectKey,
        /// Its id.
        upload: UploadId,
        /// Id of the rule.
        rule: String,
    },
}

/// Where a walk through a bucket goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Among the versions.
    Versions(VersionPlace),
    /// Among the uploads, behind this key and id.
    Uploads(Option<(String, Vec<u8>)>),
}

/// Where a walk through versions goes on: the last version that was judged, and what judging the next one needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionPlace {
    /// Its key; empty at the beginning.
    key: String,
    /// Order and salt of its id; `None` for the null version.
    version: Option<(u64, u64)>,
    /// When it was created, in microseconds.
    created: i64,
    /// When the current version of its key was created, in microseconds.
    current: i64,
    /// Noncurrent versions of its key so far, without delete markers.
    newer: u32,
}

/// The rules of a bucket and the moment at which they are asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// Its rules, of exactly that generation.
    pub rules: &'a Lifecycle,
    /// The moment.
    pub now: Timestamp,
    /// The moment as locks see it (see `rules::LockClock`).
    pub lock_time: Timestamp,
    /// How long a day is.
    pub day: DayLength,
}

/// The lifecycle rules of a bucket as it is now; `None` if it is gone or has none.
///
/// # Errors
/// `Meta`.
pub async fn rules_of(meta: &dyn MetaStore, name: &BucketName) -> Result<Option<(Bucket, Lifecycle)>, EngineError> {
    // In this order the rules are those of this generation or newer; if newer, what they say is not done.
    let Some(bucket) = meta.bucket(name).await? else { return Ok(None) };
    let documents = match meta.documents(bucket.id).await {
        Err(MetaError::NoSuchBucket) => return Ok(None),
        documents => documents?,
    };
    let Some(document) = documents.get(DocumentKind::Lifecycle) else { return Ok(None) };
    let unreadable = || MetaError::Storage(format!("the lifecycle rules of bucket {name} do not read"));
    Ok(Some((bucket, Lifecycle::from_document(document).ok_or_else(unreadable)?)))
}

/// What the rules of a bucket would do.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// What is due.
    pub due: Vec<Candidate>,
    /// Whether more is due than was asked for.
    pub is_truncated: bool,
}

impl Engine {
    /// What the rules of a bucket would do at a time, now by default, if nothing else changed; at most `max` actions.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn lifecycle_dry_run(
        &self,
        name: &BucketName,
        at: Option<Timestamp>,
        day: DayLength,
        max: usize,
    ) -> Result<DryRun, EngineError> {
        let Some((bucket, rules)) = rules_of(&*self.meta, name).await? else { return Ok(DryRun::default()) };
        let lock_time = look_at_lock_clock(&*self.meta, &*self.clock).await?.time;
        let (now, lock_time) = (at.unwrap_or_else(|| self.clock.now()), at.unwrap_or(lock_time));
        let asked = Asked { bucket: &bucket, rules: &rules, now, lock_time, day };
        let (mut run, mut place) = (DryRun::default(), Some(first_place()));
        while let Some(at) = place.filter(|_| run.due.len() <= max) {
            let (due, next) = page(&*self.meta, asked, &at).await?;
            run.due.extend(due);
            place = next;
        }
        run.is_truncated = run.due.len() > max;
        run.due.truncate(max);
        Ok(run)
    }
}

/// The first place of a walk.
pub fn first_place() -> Place {
    Place::Versions(VersionPlace::default())
}

/// What is due on the next page, and where the walk goes on; `None` at the end.
///
/// # Errors
/// `Meta`, `NoSuchBucket`.
pub async fn page(
    meta: &dyn MetaStore,
    asked: Asked<'_>,
    place: &Place,
) -> Result<(Vec<Candidate>, Option<Place>), EngineError> {
    match place {
        Place::Versions(place) => {
            let acts = |rule: &crate::rules::lifecycle::Rule| rule.expiration.is_some() || rule.noncurrent.is_some();
            if !asked.rules.rules.iter().any(|rule| rule.enabled && acts(rule)) {
                return Ok((Vec::new(), Some(Place::Uploads(None))));
            }
            let (due, next) = version_page(meta, asked, place).await?;
            Ok((due, Some(next.map_or(Place::Uploads(None), Place::Versions))))
        }
        Place::Uploads(after) => {
            if !asked.rules.rules.iter().any(|rule| rule.enabled && rule.abort_days.is_some()) {
                return Ok((Vec::new(), None));
            }
            upload_page(meta, asked, after.as_ref()).await
        }
    }
}

/// What is known of a listed version before its tags are looked up.
struct Judged<'p> {
    listed: &'p ListedVersion,
    position: Position,
    current: Timestamp,
}

async fn version_page(
    meta: &dyn MetaStore,
    asked: Asked<'_>,
    place: &VersionPlace,
) -> Result<(Vec<Candidate>, Option<VersionPlace>), EngineError> {
    let version = place.version.map_or(VersionId::Null, |(order, salt)| VersionId::Ordered { order, salt });
    let query = VersionListQuery {
        key_marker: place.key.clone(),
        version_marker: (!place.key.is_empty()).then_some(version),
        max_keys: LIFECYCLE_STEP,
        ..VersionListQuery::default()
    };
    let page = meta.list_versions(asked.bucket.id, &query).await?;
    // Whether a delete marker is alone is known only once the next version is: the last one waits for its page.
    let judged_count = page.versions.len().saturating_sub(usize::from(page.next.is_some()));
    let mut place = place.clone();
    let mut promising = Vec::new();
    for (index, listed) in page.versions.iter().take(judged_count).enumerate() {
        let next_key = page.versions.get(index + 1).map(|next| next.object.key.as_str());
        let judged = judge_place(&mut place, listed, next_key);
        let object = (!listed.is_delete_marker).then_some(ObjectFacts { size: listed.object.size, tags: None });
        if due(asked, &judged, object).is_some() {
            promising.push(judged);
        }
    }
    let mut candidates = Vec::new();
    for promising in promising.chunks(LIFECYCLE_CONCURRENCY_MAX) {
        let mut looked_up = Vec::with_capacity(promising.len());
        for judged in promising {
            looked_up.push(look_up(meta, asked, judged));
        }
        for candidate in join_all(looked_up).await {
            candidates.extend(candidate?);
        }
    }
    Ok((candidates, page.next.map(|_| place)))
}

/// Where a version stands, and what `place` is behind it.
fn judge_place<'p>(place: &mut VersionPlace, listed: &'p ListedVersion, next_key: Option<&str>) -> Judged<'p> {
    let (key, created) = (listed.object.key.as_str(), listed.object.modified.0);
    let position = if place.key == key {
        Position::Noncurrent { since: Timestamp(place.created), newer: place.newer }
    } else {
        Position::Current { is_alone: next_key != Some(key) }
    };
    match position {
        Position::Current { .. } => (place.current, place.newer) = (created, 0),
        Position::Noncurrent { .. } => place.newer += u32::from(!listed.is_delete_marker),
    }
    place.key = key.to_owned();
    place.created = created;
    place.version = match listed.version {
        VersionId::Null => None,
        VersionId::Ordered { order, salt } => Some((order, salt)),
    };
    Judged { listed, position, current: Timestamp(place.current) }
}

fn due<'r>(asked: Asked<'r>, judged: &Judged<'_>, object: Option<ObjectFacts<'_>>) -> Option<Due<'r>> {
    let ListedVersion { object: listed, .. } = judged.listed;
    let facts = VersionFacts { key: &listed.key, created: listed.modified, object, position: judged.position };
    asked.rules.due(&facts, asked.now, asked.day)
}

/// Judges a version with its tags.
async fn look_up(
    meta: &dyn MetaStore,
    asked: Asked<'_>,
    judged: &Judged<'_>,
) -> Result<Option<Candidate>, EngineError> {
    let Judged { listed, position, current } = judged;
    let Ok(key) = ObjectKey::parse(listed.object.key.as_str()) else { return Ok(None) };
    let Some(stored) = meta.version(asked.bucket.id, &key, Some(listed.version)).await? else { return Ok(None) };
    let attributes = stored.version.metadata.attributes;
    let is_held = lock::judge_removal(&attributes, false, asked.lock_time).is_err();
    let tags = attributes.tags;
    let object = (!listed.is_delete_marker).then_some(ObjectFacts { size: listed.object.size, tags: Some(&tags) });
    // The null version may be another one by now.
    let is_same = stored.version.modified == listed.object.modified;
    let Some(due) = due(asked, judged, object).filter(|_| is_same) else { return Ok(None) };
    let (action, rule) = (due.action, due.rule.id.clone());
    let expire = ExpireVersion {
        bucket: asked.bucket.id,
        generation: asked.bucket.generation,
        key,
        order: stored.order,
        action,
        current: matches!(position, Position::Noncurrent { .. }).then_some(*current),
        tags,
        lock_time: asked.lock_time,
        now: asked.now,
    };
    // A current version is hidden, not removed, wherever locks can be.
    let is_locked = is_held && matches!(action, Action::RemoveNoncurrent { .. });
    Ok(Some(Candidate::Version { expire, version: listed.version, rule, is_locked }))
}

async fn upload_page(
    meta: &dyn MetaStore,
    asked: Asked<'_>,
    after: Option<&(String, Vec<u8>)>,
) -> Result<(Vec<Candidate>, Option<Place>), EngineError> {
    let (key_marker, marker) = after.cloned().unwrap_or_default();
    let upload_marker = marker.try_into().ok().map(UploadId);
    let query =
        UploadListQuery { key_marker, upload_marker, max_uploads: LIFECYCLE_STEP, ..UploadListQuery::default() };
    let page = meta.list_uploads(asked.bucket.id, &query).await?;
    let due = page.uploads.into_iter().filter_map(|listed| {
        let (at, rule) = asked.rules.abort(listed.key.as_str(), listed.initiated, asked.day)?;
        let candidate = Candidate::Upload { key: listed.key, upload: listed.upload, rule: rule.id.clone() };
        (at <= asked.now).then_some(candidate)
    });
    let due = due.collect();
    let next = page.next.map(|(key, upload)| (key, upload.map(|upload| upload.0.to_vec()).unwrap_or_default()));
    Ok((due, next.map(|next| Place::Uploads(Some(next)))))
}

/// How far the worker has come: in `bucket`, or behind it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    bucket: String,
    place: Option<Place>,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifecycleStep {
    /// Current versions that were expired.
    pub expired: u64,
    /// Noncurrent versions that were removed.
    pub noncurrent: u64,
    /// Delete markers that were removed.
    pub markers: u64,
    /// Uploads that were aborted.
    pub uploads: u64,
    /// Versions that object lock holds.
    pub locked: u64,
    /// Whether all buckets have been walked.
    pub is_pass_over: bool,
}

impl Engine {
    /// Does a bounded piece of a lifecycle pass.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn lifecycle_step(&self, day: DayLength) -> Result<LifecycleStep, EngineError> {
        // A cursor of another make is a pass that begins anew.
        let cursor = self.meta.cursor(CURSOR).await?;
        let cursor: Cursor = cursor.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let Some(place) = &cursor.place else { return self.next_lifecycle_bucket(cursor).await };
        let found = match BucketName::parse(&cursor.bucket) {
            Ok(name) => self.readable_rules(&name).await,
            Err(_) => None,
        };
        let mut step = LifecycleStep::default();
        let mut next = None;
        if let Some((bucket, rules)) = found {
            let (now, lock_time) = (self.clock.now(), self.lock_time().await?);
            let asked = Asked { bucket: &bucket, rules: &rules, now, lock_time, day };
            let due;
            (due, next) = page(self.meta.as_ref(), asked, place).await?;
            for candidates in due.chunks(LIFECYCLE_CONCURRENCY_MAX) {
                let mut done = Vec::with_capacity(candidates.len());
                for candidate in candidates {
                    done.push(self.act(&bucket, candidate));
                }
                for counted in join_all(done).await {
                    step.add(counted?);
                }
            }
        }
        step.record();
        self.keep_cursor(&Cursor { bucket: cursor.bucket, place: next }).await?;
        Ok(step)
    }

    /// Finds the next bucket that has rules, or ends the pass.
    async fn next_lifecycle_bucket(&self, cursor: Cursor) -> Result<LifecycleStep, EngineError> {
        let page = self.meta.list_buckets(None, "", &cursor.bucket, LIFECYCLE_BUCKETS_STEP).await?;
        for bucket in &page.buckets {
            if self.readable_rules(&bucket.name).await.is_some() {
                let bucket = bucket.name.as_str().to_owned();
                self.keep_cursor(&Cursor { bucket, place: Some(first_place()) }).await?;
                return Ok(LifecycleStep::default());
            }
        }
        if let Some(bucket) = page.next_after {
            self.keep_cursor(&Cursor { bucket, place: None }).await?;
            return Ok(LifecycleStep::default());
        }
        // A pass that found nothing writes nothing.
        if !cursor.bucket.is_empty() {
            self.meta.set_cursor(CURSOR, None).await?;
        }
        record::lifecycle_passed();
        Ok(LifecycleStep { is_pass_over: true, ..LifecycleStep::default() })
    }

    /// The rules of a bucket, if they can be read: one bucket's trouble keeps no other from its turn.
    async fn readable_rules(&self, name: &BucketName) -> Option<(Bucket, Lifecycle)> {
        match rules_of(self.meta.as_ref(), name).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(bucket = %name, %error, "lifecycle passes over a bucket");
                None
            }
        }
    }

    async fn keep_cursor(&self, cursor: &Cursor) -> Result<(), EngineError> {
        let body = serde_json::to_vec(cursor).expect("a cursor is plain data");
        Ok(self.meta.set_cursor(CURSOR, Some(body)).await?)
    }

    async fn act(&self, bucket: &Bucket, candidate: &Candidate) -> Result<LifecycleStep, EngineError> {
        let mut step = LifecycleStep::default();
        match candidate {
            Candidate::Version { expire, version, rule, .. } => match self.meta.expire_version(expire.clone()).await {
                Ok(ExpiryOutcome::Done) => {
                    tracing::debug!(bucket = %bucket.name, key = ?expire.key.as_str(), %version, rule, action = expire.action.name(), "lifecycle");
                    match expire.action {
                        Action::Expire => step.expired = 1,
                        Action::RemoveNoncurrent { .. } => step.noncurrent = 1,
                        Action::RemoveMarker => step.markers = 1,
                    }
                }
                Ok(ExpiryOutcome::Locked) => step.locked = 1,
                Ok(ExpiryOutcome::Changed) | Err(MetaError::NoSuchBucket) => {}
                Err(error) => return Err(error.into()),
            },
            Candidate::Upload { key, upload, rule } => match self.meta.abort_upload(bucket.id, key, *upload).await {
                Ok(()) => {
                    tracing::debug!(bucket = %bucket.name, key = ?key.as_str(), %upload, rule, action = "abort-upload", "lifecycle");
                    step.uploads = 1;
                }
                Err(MetaError::NoSuchUpload | MetaError::NoSuchBucket) => {}
                Err(error) => return Err(error.into()),
            },
        }
        Ok(step)
    }

    /// Removes a bounded number of restorable versions for good whose undelete window has ended. Returns whether
    /// another step would find more.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn collect_retained_step(&self) -> Result<bool, EngineError> {
        let collected = self.meta.collect_retained(self.clock.now(), UNDELETE_STEP).await?;
        record::undelete_collected(u64::from(collected));
        Ok(collected == UNDELETE_STEP)
    }
}

impl LifecycleStep {
    fn add(&mut self, other: Self) {
        self.expired += other.expired;
        self.noncurrent += other.noncurrent;
        self.markers += other.markers;
        self.uploads += other.uploads;
        self.locked += other.locked;
    }

    fn record(&self) {
        let newer = Action::RemoveNoncurrent { newer_min: 0 };
        let counts = [
            (Action::Expire.name(), self.expired),
            (newer.name(), self.noncurrent),
            (Action::RemoveMarker.name(), self.markers),
            ("abort-upload", self.uploads),
            ("locked", self.locked),
        ];
        counts.into_iter().for_each(|(action, count)| record::lifecycle_acted(action, count));
    }
}
