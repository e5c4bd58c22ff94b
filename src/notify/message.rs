//! The message of an event. Source: Amazon S3 User Guide, "Event message structure".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::types::{EventRecord, QueuedEvent, Timestamp};

/// What stays as it is in a key; a space becomes `+`.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/').remove(b' ');
/// Who does what no request asked for.
const SERVICE: &str = "s3.amazonaws.com";

/// The message of an event that happened in `region`.
pub fn event_message(event: &QueuedEvent, region: &str) -> Vec<u8> {
    let record = &event.record;
    let message = if record.name == EventRecord::TEST {
        test_message(record)
    } else {
        json!({ "Records": [record_message(event, region)] })
    };
    message.to_string().into_bytes()
}

fn test_message(record: &EventRecord) -> Value {
    let origin = record.origin.clone().unwrap_or_default();
    json!({
        "Service": "Amazon S3",
        "Event": format!("s3:{}", record.name),
        "Time": Timestamp(record.at).iso_millis(),
        "Bucket": record.bucket,
        "RequestId": origin.request_id,
        "HostId": origin.host_id,
    })
}

fn record_message(event: &QueuedEvent, region: &str) -> Value {
    let record = &event.record;
    let origin = record.origin.as_ref();
    let principal = origin.map_or(SERVICE, |origin| origin.principal.as_str());
    let source = origin.map_or(SERVICE, |origin| origin.source_address.as_str());
    let mut answered = Map::new();
    if let Some(origin) = origin {
        answered.insert("x-amz-request-id".to_owned(), origin.request_id.as_str().into());
        answered.insert("x-amz-id-2".to_owned(), origin.host_id.as_str().into());
    }
    json!({
        "eventVersion": version(&record.name),
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": Timestamp(record.at).iso_millis(),
        "eventName": record.name,
        "userIdentity": { "principalId": principal },
        "requestParameters": { "sourceIPAddress": source },
        "responseElements": answered,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": record.configuration,
            "bucket": {
                "name": record.bucket,
                "ownerIdentity": { "principalId": record.bucket_owner },
                "arn": format!("arn:aws:s3:::{}", record.bucket),
            },
            "object": object(event),
        },
    })
}

fn object(event: &QueuedEvent) -> Value {
    let record = &event.record;
    let key = utf8_percent_encode(&record.key, KEY).to_string().replace(' ', "+");
    let mut object = Map::new();
    object.insert("key".to_owned(), key.into());
    if let Some(size) = record.size {
        object.insert("size".to_owned(), size.into());
    }
    if let Some(etag) = &record.etag {
        object.insert("eTag".to_owned(), etag.as_str().into());
    }
    if let Some(version) = &record.version {
        object.insert("versionId".to_owned(), version.as_str().into());
    }
    // Of fixed length, so that the order of texts is the order of events.
    object.insert("sequencer".to_owned(), format!("{:016X}", event.sequence).into());
    Value::Object(object)
}

/// The version of the record's form, which went up with the families of events.
fn version(name: &str) -> &'static str {
    match name.split(':').next() {
        Some("ObjectCreated" | "ObjectRemoved" | "ReducedRedundancyLostObject" | "ObjectRestore") => "2.1",
        Some("Replication") => "2.2",
        Some(_) | None => "2.3",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::event_message;
    use crate::types::{EventRecord, Origin, QueuedEvent};

    fn event(name: &str, origin: Option<Origin>) -> QueuedEvent {
        let record = EventRecord {
            name: name.to_owned(),
            configuration: "id".to_owned(),
            bucket: "bucket".to_owned(),
            bucket_owner: "owner".to_owned(),
            key: "a b/ü+%.txt".to_owned(),
            size: Some(5),
            etag: Some("abc".to_owned()),
            version: None,
            at: 1_700_000_000_123_456,
            origin,
        };
        QueuedEvent { sequence: 255, attempts: 0, record }
    }

    fn message(event: &QueuedEvent) -> Value {
        serde_json::from_slice(&event_message(event, "eu-west-1")).unwrap()
    }

    #[test]
    fn a_record_has_the_form_of_s3() {
        let origin = Origin {
            principal: "alice".to_owned(),
            source_address: "192.0.2.1".to_owned(),
            request_id: "R".to_owned(),
            host_id: "H".to_owned(),
            ..Origin::default()
        };
        let expected = json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2023-11-14T22:13:20.123Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "alice" },
            "requestParameters": { "sourceIPAddress": "192.0.2.1" },
            "responseElements": { "x-amz-request-id": "R", "x-amz-id-2": "H" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "id",
                "bucket": {
                    "name": "bucket",
                    "ownerIdentity": { "principalId": "owner" },
                    "arn": "arn:aws:s3:::bucket",
                },
                "object": {
                    "key": "a+b/%C3%BC%2B%25.txt",
                    "size": 5,
                    "eTag": "abc",
                    "sequencer": "00000000000000FF",
                },
            },
        }] });
        assert_eq!(message(&event("ObjectCreated:Put", Some(origin))), expected);
    }

    #[test]
    fn what_nobody_asked_for_is_the_service() {
        let told = message(&event("LifecycleExpiration:Delete", None));
        let record = &told["Records"][0];
        assert_eq!(record["userIdentity"]["principalId"], "s3.amazonaws.com");
        assert_eq!(record["eventVersion"], "2.3");
        assert_eq!(record["responseElements"], json!({}));
    }

    #[test]
    fn a_test_has_a_form_of_its_own() {
        let told = message(&event("TestEvent", None));
        assert_eq!(
            (&told["Service"], &told["Event"], &told["Bucket"]),
            (&json!("Amazon S3"), &json!("s3:TestEvent"), &json!("bucket"))
        );
        assert_eq!(told["Records"], Value::Null);
    }
}
