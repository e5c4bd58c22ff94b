//! Access keys: listing, adding, changing, removing.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::admin::answer::{Fault, Outcome, json_answer, ok};
use crate::admin::buckets::parse_time;
use crate::admin::call::Call;
use crate::admin::shared::Shared;
use crate::identity::{KeyEdit, KeyFacts, KeyPlan, MadeKey, ready_made_names};
use crate::limits::RATE_BYTES_MIN;
use crate::types::{BucketName, Rate, Timestamp};

/// Policies by name, as documents.
type Documents = BTreeMap<String, Value>;

/// All keys.
pub(crate) async fn list(admin: Arc<Shared>) -> Outcome {
    let keys: Vec<_> = admin.keys.list().await?.iter().map(describe).collect();
    ok(&json!({"keys": keys, "ready_made_policies": ready_made_names()}))
}

/// One key, with the documents of its own policies.
pub(crate) async fn show(admin: Arc<Shared>, call: Call) -> Outcome {
    let key = admin.keys.find(&call.parameter).await?;
    ok(&with_documents(&key))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    #[serde(rename = "for")]
    works_for: Option<String>,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    documents: Documents,
    #[serde(default)]
    buckets: Vec<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    expires: Option<String>,
}

/// Adds a key and tells its secret, once.
pub(crate) async fn add(admin: Arc<Shared>, call: Call) -> Outcome {
    let new: NewKey = call.json()?;
    let pair = match (new.access_key_id, new.secret_access_key) {
        (Some(id), Some(secret)) => Some((id, secret)),
        (None, None) => None,
        _ => return Err(Fault::bad("bad-key", "An id needs a secret, and a secret an id.")),
    };
    let bucket = |name: &String| {
        BucketName::parse(name).map_err(|_| Fault::bad("bad-bucket", format!("{name:?} is no bucket name.")))
    };
    let plan = KeyPlan {
        name: new.name,
        works_for: new.works_for,
        ready_made: new.policies,
        documents: texts(new.documents),
        buckets: new.buckets.iter().map(bucket).collect::<Result<_, _>>()?,
        pair,
        expires: new.expires.map(|text| parse_time("expires", &text)).transpose()?,
    };
    let made = admin.keys.add(plan).await?;
    Ok(json_answer(StatusCode::CREATED, &told(&made)))
}

/// A field that is absent, null, or something.
#[allow(clippy::option_option, reason = "null takes away what absent leaves")]
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(source).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    #[serde(default)]
    attach: Vec<String>,
    #[serde(default)]
    documents: Documents,
    #[serde(default)]
    detach: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    requests: Option<Option<RateText>>,
    #[serde(default, deserialize_with = "present")]
    bandwidth: Option<Option<RateText>>,
    #[serde(default, deserialize_with = "present")]
    expires: Option<Option<String>>,
}

/// Changes a key, as a whole or not at all.
pub(crate) async fn edit(admin: Arc<Shared>, call: Call) -> Outcome {
    let Edit { attach, documents, detach, requests, bandwidth, expires } = call.json()?;
    let time = |text: Option<String>| text.map(|text| parse_time("expires", &text)).transpose();
    let edit = KeyEdit {
        attach,
        documents: texts(documents),
        detach,
        requests: requests.map(|rate| decide_rate(rate, 1)).transpose()?,
        bytes: bandwidth.map(|rate| decide_rate(rate, RATE_BYTES_MIN)).transpose()?,
        expires: expires.map(time).transpose()?,
    };
    let key = admin.keys.edit(&call.parameter, edit).await?;
    ok(&with_documents(&key))
}

/// Removes a key.
pub(crate) async fn remove(admin: Arc<Shared>, call: Call) -> Outcome {
    admin.keys.remove(&call.parameter).await?;
    ok(&json!({"removed": call.parameter}))
}

/// Gives a key another secret and tells it, once.
pub(crate) async fn rotate(admin: Arc<Shared>, call: Call) -> Outcome {
    let made = admin.keys.rotate(&call.parameter).await?;
    ok(&told(&made))
}

/// A rate as it is sent.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateText {
    per_second: u64,
    burst: Option<u64>,
}

/// Judges a rate; without a burst it is as much as comes in a second.
pub(crate) fn decide_rate(rate: Option<RateText>, min: u64) -> Result<Option<Rate>, Fault> {
    let Some(RateText { per_second, burst }) = rate else { return Ok(None) };
    let burst = burst.unwrap_or(per_second);
    // The database counts in 63 bits.
    if per_second.min(burst) < min || i64::try_from(per_second.max(burst)).is_err() {
        return Err(Fault::bad("bad-rate", format!("A rate is {min} or more, and less than 2^63.")));
    }
    Ok(Some(Rate { per_second, burst }))
}

/// A rate as it is shown.
pub(crate) fn rate_json(rate: Option<Rate>) -> Value {
    rate.map_or(Value::Null, |Rate { per_second, burst }| json!({"per_second": per_second, "burst": burst}))
}

fn texts(documents: Documents) -> Vec<(String, String)> {
    documents.into_iter().map(|(name, document)| (name, document.to_string())).collect()
}

fn describe(key: &KeyFacts) -> Value {
    let names = key.policies.as_ref().map(|policies| policies.iter().map(|(name, _)| name).collect::<Vec<_>>());
    json!({
        "name": key.name,
        "access_key_id": key.access_key_id,
        "owner": key.owner.to_string(),
        "owner_name": key.owner_name,
        "account": key.account,
        "policies": names,
        "requests": rate_json(key.rates.requests),
        "bandwidth": rate_json(key.rates.bytes),
        "created": key.created.map(Timestamp::iso_millis),
        "expires": key.expires.map(Timestamp::iso_millis),
        "last_used": key.last_used.map(Timestamp::iso_millis),
        "is_root": key.is_root,
    })
}

fn with_documents(key: &KeyFacts) -> Value {
    let own = key.policies.iter().flatten().filter_map(|(name, text)| {
        // What is stored was parsed once; whatever it is now, it is shown.
        let text = text.as_ref()?;
        let document = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()));
        Some((name.clone(), document))
    });
    let mut shown = describe(key);
    shown["documents"] = Value::Object(own.collect::<Map<_, _>>());
    shown
}

fn told(made: &MadeKey) -> Value {
    let mut shown = describe(&made.facts);
    shown["secret_access_key"] = made.secret.as_str().into();
    shown
}
