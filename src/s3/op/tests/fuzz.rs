//! Any bytes as the document of any operation.

use crate::limits::{ACL_GRANTS_MAX, XML_DEPTH_MAX};
use crate::rules::lifecycle::TransitionMinimum;
use crate::rules::tag::Tagged;
use crate::rules::{Lifecycle, Logging, Notification};
use crate::s3::S3Error;
use crate::s3::acl_xml;
use crate::s3::fields::Fields;
use crate::s3::op::delete_objects::DeleteList;
use crate::s3::op::{
    bucket_encryption, bucket_logging, bucket_notification, bucket_versioning, cors, create_bucket, lifecycle,
    object_lock, object_retention, ownership_controls, probes, public_access_block, update_encryption, website,
};
use crate::s3::part_list::PartList;
use crate::s3::tagging::{read_tagging, write_tagging};
use crate::s3::xml::{XmlError, XmlEvent, XmlFeed};
use crate::tests::fuzz::{self, Target, pieces};
use crate::types::Timestamp;

const TOKENS: [&str; 96] = [
    "<",
    ">",
    "</",
    "/>",
    "&amp;",
    "&#13;",
    "&#x0;",
    "&#xD800;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml",
    "?>",
    "<!DOCTYPE",
    "xmlns=\"",
    "\"",
    "'",
    " ",
    "\u{feff}",
    "<Delete>",
    "</Delete>",
    "<Object>",
    "</Object>",
    "<Key>",
    "</Key>",
    "<VersionId>",
    "<Quiet>true</Quiet>",
    "<ETag>",
    "<LastModifiedTime>",
    "<Size>",
    "<CompleteMultipartUpload>",
    "<Part>",
    "</Part>",
    "<PartNumber>1</PartNumber>",
    "<ETag>\"",
    "<ChecksumCRC32>",
    "<LifecycleConfiguration>",
    "<Rule>",
    "</Rule>",
    "<ID>",
    "</ID>",
    "<Status>Enabled</Status>",
    "<Filter>",
    "</Filter>",
    "<And>",
    "<Prefix>",
    "</Prefix>",
    "<Tag>",
    "</Tag>",
    "<Value>",
    "</Value>",
    "<Expiration>",
    "<Days>1</Days>",
    "<Date>2030-01-01T00:00:00Z</Date>",
    "<ExpiredObjectDeleteMarker>true",
    "<NoncurrentVersionExpiration>",
    "<NoncurrentDays>",
    "<NewerNoncurrentVersions>",
    "<ObjectSizeGreaterThan>",
    "<AbortIncompleteMultipartUpload>",
    "<DaysAfterInitiation>7",
    "<Tagging>",
    "<TagSet>",
    "<CORSRule>",
    "<AllowedMethod>GET</AllowedMethod>",
    "<AllowedOrigin>*</AllowedOrigin>",
    "<AllowedHeader>",
    "<ExposeHeader>",
    "<MaxAgeSeconds>",
    "<IndexDocument>",
    "<Suffix>",
    "<RoutingRules>",
    "<RoutingRule>",
    "<Redirect>",
    "<Condition>",
    "<HttpRedirectCode>301",
    "<HostName>",
    "<Protocol>https",
    "<TopicConfiguration>",
    "<Topic>arn:aws:sns:us-east-1:000000000000:hook",
    "<Event>s3:ObjectCreated:*</Event>",
    "<FilterRule>",
    "<Name>suffix</Name>",
    "<LoggingEnabled>",
    "<TargetBucket>",
    "<TargetPrefix>",
    "<TargetObjectKeyFormat>",
    "<PartitionedPrefix>",
    "<SSEAlgorithm>aws:kms</SSEAlgorithm>",
    "<KMSMasterKeyID>",
    "<BlockedEncryptionTypes>",
    "<DefaultRetention>",
    "<Mode>COMPLIANCE</Mode>",
    "<Years>",
    "<RetainUntilDate>",
];

type Seen = (Vec<(bool, String, String)>, Result<(), XmlError>);

fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut feed = XmlFeed::new();
    let mut seen = Vec::new();
    for piece in pieces {
        feed.push(piece);
        loop {
            match feed.next_event() {
                Ok(Some(XmlEvent::Open { path })) => seen.push((true, path.to_owned(), String::new())),
                Ok(Some(XmlEvent::Close { path, text })) => seen.push((false, path.to_owned(), text.to_owned())),
                Ok(None) => break,
                Err(error) => return (seen, Err(error)),
            }
        }
    }
    let end = feed.finish();
    (seen, end)
}

/// Reads a list that is judged while it arrives.
fn listed<'a, T>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut take: impl FnMut(XmlEvent<'_>) -> Result<T, S3Error>,
) -> Result<Vec<T>, S3Error> {
    let mut feed = XmlFeed::new();
    let mut taken = Vec::new();
    for piece in pieces {
        feed.push(piece);
        while let Some(event) = feed.next_event()? {
            taken.push(take(event)?);
        }
    }
    feed.finish()?;
    Ok(taken)
}

/// What a document says does not depend on how it arrived.
fn arrives_in_any_pieces(document: &[u8], choice: u8) {
    let (seen, end) = events([document]);
    assert_eq!((&seen, end), (&events(pieces(document, choice)).0, events(pieces(document, choice)).1));
    assert!(seen.iter().all(|(_, path, _)| path.split('/').count() <= XML_DEPTH_MAX));
    let opened = seen.iter().filter(|(is_open, ..)| *is_open).count();
    assert!(end.is_err() || opened * 2 == seen.len(), "what was opened is closed");

    let deletes = |pieces: Vec<&[u8]>| {
        let mut list = DeleteList::default();
        listed(pieces, |event| list.take(event)).and_then(|_| list.finish())
    };
    let whole = format!("{:?}", deletes(vec![document]));
    assert_eq!(whole, format!("{:?}", deletes(pieces(document, choice))));
    let parts = |pieces: Vec<&[u8]>| {
        let mut list = PartList::default();
        let parts = listed(pieces, |event| list.take(event))?;
        list.finish().map(|()| parts.into_iter().flatten().collect::<Vec<_>>())
    };
    let whole = parts(vec![document]);
    assert_eq!(format!("{whole:?}"), format!("{:?}", parts(pieces(document, choice))));
    assert!(whole.is_err() || !whole.is_ok_and(|parts| parts.is_empty()));
}

/// What is read, written and read again is what was read first.
fn reads_back<T: PartialEq + std::fmt::Debug>(
    document: &[u8],
    read: impl Fn(&[u8]) -> Result<T, S3Error>,
    write: impl Fn(&T) -> String,
) -> Option<T> {
    let value = read(document).ok()?;
    let text = write(&value);
    let again = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {text}"));
    assert_eq!(again, value, "{text}");
    Some(value)
}

/// What is stored can be read from the store.
fn stores<T: PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned>(value: Option<T>) {
    if let Some(value) = value {
        let stored = serde_json::to_vec(&value).unwrap();
        assert_eq!(serde_json::from_slice::<T>(&stored).unwrap(), value);
    }
}

fn configurations(document: &[u8]) {
    stores(reads_back(document, cors::read, cors::write));
    stores(reads_back(document, website::read, website::write));
    stores(reads_back(document, bucket_encryption::read, bucket_encryption::write));
    let rules = reads_back(document, lifecycle::read_rules, |rules| lifecycle::write_rules(rules));
    if let Some(rules) = rules {
        let lifecycle = Lifecycle { rules, transition_minimum: TransitionMinimum::default() };
        assert_eq!(Lifecycle::from_document(&lifecycle.to_document()), Some(lifecycle));
    }
    let webhooks = ["hook".to_owned()];
    let read = |document: &[u8]| bucket_notification::read(document, &webhooks);
    if let Some(notification) = reads_back(document, read, bucket_notification::write) {
        assert_eq!(Notification::from_bytes(&notification.to_bytes()), Some(notification));
    }
    let logging = reads_back(document, bucket_logging::read, |logging| bucket_logging::write(logging.as_ref()));
    if let Some(Some(logging)) = logging {
        assert_eq!(Logging::from_bytes(&logging.to_bytes()), Some(logging));
    }
    for tagged in [Tagged::Object, Tagged::Bucket] {
        reads_back(document, |document| read_tagging(document, tagged), write_tagging);
    }
    let lock = |document: &[u8]| object_lock::parse(&Fields::parse(document, &object_lock::KNOWN)?);
    reads_back(document, lock, |lock| object_lock::document(*lock));
}

/// Those that are only read.
fn questions(document: &[u8]) {
    let fields = |known: &[&str]| Fields::parse(document, known).ok();
    let _ = fields(&bucket_versioning::KNOWN).map(|fields| bucket_versioning::parse(&fields));
    let now = Timestamp::from_seconds(1_700_000_000);
    if let Some(Ok(Some(retention))) =
        fields(&object_retention::KNOWN).map(|fields| object_retention::parse(&fields, now))
    {
        assert!(retention.until > now);
        assert_eq!(Timestamp::parse_iso(&retention.until.iso_millis()), Some(retention.until));
    }
    let _ = update_encryption::read(document);
    let _ = ownership_controls::read_rule(document);
    let _ = public_access_block::read_block(document);
    let _ = create_bucket::read_constraint(document);
    let _ = probes::read_word(document, "RequestPaymentConfiguration", "Payer");
    if let Ok(sent) = acl_xml::parse(document) {
        assert!(sent.grants.len() <= ACL_GRANTS_MAX);
    }
}

#[test]
fn no_document_is_read_in_two_ways() {
    let law = |input: &[u8]| {
        let Some((choice, document)) = input.split_first() else { return };
        arrives_in_any_pieces(document, *choice);
        configurations(document);
        questions(document);
    };
    fuzz::run(&Target { name: "documents", runs: 4_000, tokens: &TOKENS, law: &law });
}
