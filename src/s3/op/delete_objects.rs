//! DeleteObjects. Source: Amazon S3 API Reference, DeleteObjects.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use http::HeaderMap;

use crate::engine::{DeleteObject, Deleted, Engine};
use crate::limits::{DELETE_CONCURRENCY_MAX, DELETE_KEYS_MAX, DELETE_XML_BYTES_MAX, KEY_BYTES_MAX};
use crate::net::{RequestBody, Response};
use crate::rules::{DeletePrecondition, EtagCondition};
use crate::s3::authorize::call::Authorized;
use crate::s3::authorize::{authorize_key, may_bypass};
use crate::s3::body::HeaderChecksums;
use crate::s3::conditions::any_date;
use crate::s3::document::Document;
use crate::s3::object_headers::respond_xml;
use crate::s3::permission::Need;
use crate::s3::xml::{XmlEvent, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Bucket, ObjectKey, VersionId};

/// Deletes up to 1,000 keys or versions and reports on each in the order of the request. Nothing is deleted
/// before the whole list was read and is what its sender sent.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    require_integrity(&call.headers)?;
    let mut document = Document::open(call, body, DELETE_XML_BYTES_MAX, HeaderChecksums::OfBody)?;
    let mut list = DeleteList::default();
    while let Some(feed) = document.next().await? {
        while let Some(event) = feed.next_event()? {
            list.take(event)?;
        }
    }
    document.finish()?;
    let DeleteList { quiet, mut entries, .. } = list.finish()?;
    for entry in &mut entries {
        entry.authorize(gateway, call);
    }
    let (engine, bucket) = (gateway.engine.clone(), call.bucket().clone());
    // Deletions that wait together are committed together: the group commit needs company.
    let mut outcomes = stream::iter(entries)
        .map(|entry| delete(engine.clone(), bucket.clone(), entry))
        .buffered(DELETE_CONCURRENCY_MAX);
    let mut xml = XmlWriter::document("DeleteResult");
    while let Some((entry, outcome)) = outcomes.next().await {
        match outcome {
            Ok(_) if quiet => {}
            Ok(deleted) => write_deleted(&mut xml, &entry, &deleted),
            Err(error) => write_error(&mut xml, &entry, &error),
        }
    }
    Ok(respond_xml(HeaderMap::new(), xml.finish()))
}

/// A damaged list would delete something else than it should, so S3 wants one integrity header on it.
fn require_integrity(headers: &HeaderMap) -> Result<(), S3Error> {
    let is_checksum = |name: &str| {
        crate::types::ChecksumAlgorithm::from_header(name).is_some() || name == "x-amz-trailer" || name == "content-md5"
    };
    if headers.keys().any(|name| is_checksum(name.as_str())) {
        return Ok(());
    }
    Err(S3Error::invalid_request("Missing required header for this request: Content-MD5"))
}

async fn delete(engine: Arc<Engine>, bucket: Bucket, mut entry: Entry) -> (Entry, Result<Deleted, S3Error>) {
    let request = match entry.refused.take() {
        Some(refused) => return (entry, Err(refused)),
        None => ObjectKey::parse(entry.key.clone()).map(|key| DeleteObject {
            bucket,
            key,
            version: entry.version_id,
            precondition: std::mem::take(&mut entry.precondition),
            bypass_governance: entry.may_bypass,
        }),
    };
    let outcome = match request {
        Ok(request) => engine.delete_object(request).await.map_err(S3Error::from),
        Err(_) => Err(S3Error::new(Code::KeyTooLongError)),
    };
    if let Err(error) = &outcome
        && let Some(cause) = &error.cause
    {
        tracing::warn!(key = entry.key, code = error.code.name(), cause, "one of several deletions failed");
    }
    (entry, outcome)
}

fn write_deleted(xml: &mut XmlWriter, entry: &Entry, deleted: &Deleted) {
    xml.open("Deleted").text("Key", &entry.key).optional("VersionId", entry.version.as_ref());
    if deleted.delete_marker {
        xml.text("DeleteMarker", true).optional("DeleteMarkerVersionId", deleted.version);
    }
    xml.close();
}

fn write_error(xml: &mut XmlWriter, entry: &Entry, error: &S3Error) {
    xml.open("Error")
        .text("Key", &entry.key)
        .optional("VersionId", entry.version.as_ref())
        .text("Code", error.code.name())
        .text("Message", &error.message)
        .close();
}

/// One object of the list.
#[derive(Debug, Default)]
struct Entry {
    /// As it came; longer than a key may be only if `refused` says so.
    key: String,
    /// Version as it came.
    version: Option<String>,
    version_id: Option<VersionId>,
    precondition: DeletePrecondition,
    /// Whether a retention in governance mode does not hold it.
    may_bypass: bool,
    /// Why it is refused by itself.
    refused: Option<S3Error>,
}

/// The list as it is read.
#[derive(Debug, Default)]
pub(super) struct DeleteList {
    quiet: bool,
    entries: Vec<Entry>,
    current: Entry,
}

fn malformed(cause: &'static str) -> S3Error {
    S3Error::new(Code::MalformedXML).cause(cause)
}

impl DeleteList {
    pub(super) fn take(&mut self, event: XmlEvent<'_>) -> Result<(), S3Error> {
        match event {
            XmlEvent::Open { path } => {
                if path != "Delete" && !path.starts_with("Delete/") {
                    return Err(malformed("the root is not Delete"));
                }
                if path == "Delete/Object" {
                    if self.entries.len() == DELETE_KEYS_MAX {
                        return Err(malformed("too many keys"));
                    }
                    self.current = Entry::default();
                }
                Ok(())
            }
            XmlEvent::Close { path, text } => self.close(path, text),
        }
    }

    fn close(&mut self, path: &str, text: &str) -> Result<(), S3Error> {
        match path {
            "Delete/Quiet" => self.quiet = text.trim().eq_ignore_ascii_case("true"),
            "Delete/Object/Key" => self.current.set_key(text),
            "Delete/Object/VersionId" => self.current.set_version(text),
            "Delete/Object/ETag" => self.current.precondition.if_match = Some(EtagCondition::parse(text)),
            "Delete/Object/LastModifiedTime" => {
                let date = any_date(text.trim()).ok_or_else(|| malformed("a LastModifiedTime is no date"))?;
                self.current.precondition.if_match_modified = Some(date);
            }
            "Delete/Object/Size" => {
                let size = text.trim().parse().map_err(|_| malformed("a Size is no number of bytes"))?;
                self.current.precondition.if_match_size = Some(size);
            }
            "Delete/Object" => {
                if self.current.key.is_empty() {
                    return Err(malformed("an object has no key"));
                }
                self.entries.push(std::mem::take(&mut self.current));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Self, S3Error> {
        if self.entries.is_empty() { Err(malformed("the list is empty")) } else { Ok(self) }
    }
}

impl Entry {
    /// Each key needs a permission of its own, and is refused by itself.
    fn authorize(&mut self, gateway: &Gateway, call: &Authorized) {
        let need = Need::delete(self.version.is_some());
        let allowed = authorize_key(gateway, call, need, &self.key, self.version.as_deref());
        if let Err(denied) = allowed {
            self.refused = Some(denied);
        }
        self.may_bypass = may_bypass(gateway, call, &self.key);
    }

    /// A key that is too long is refused by itself, and only as much of it is kept as a key may have.
    fn set_key(&mut self, text: &str) {
        if text.len() > KEY_BYTES_MAX {
            self.refused = Some(S3Error::new(Code::KeyTooLongError));
        }
        self.key = text[..text.floor_char_boundary(KEY_BYTES_MAX)].to_owned();
    }

    /// An id that we never made names no version; an empty element names none either.
    fn set_version(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.version_id = VersionId::parse(text);
        self.version = Some(text[..text.floor_char_boundary(KEY_BYTES_MAX)].to_owned());
        if self.version_id.is_none() {
            self.refused = Some(S3Error::new(Code::NoSuchVersion));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::proptest;

    use super::{DeleteList, require_integrity, write_deleted, write_error};
    use crate::engine::Deleted;
    use crate::s3::xml::{XmlFeed, XmlWriter};
    use crate::s3::{Code, S3Error};
    use crate::types::VersionId;

    fn read(xml: &str) -> Result<DeleteList, S3Error> {
        let mut feed = XmlFeed::new();
        let mut list = DeleteList::default();
        for piece in xml.as_bytes().chunks(7) {
            feed.push(piece);
            while let Some(event) = feed.next_event()? {
                list.take(event)?;
            }
        }
        feed.finish()?;
        list.finish()
    }

    #[test]
    fn a_list_has_keys_versions_and_conditions() {
        let list = read(
            "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a&amp;b</Key>\
             <VersionId>null</VersionId></Object><Object><Key> b </Key><ETag>&quot;x&quot;</ETag><Size>5</Size>\
             <LastModifiedTime>2015-10-21T07:28:00Z</LastModifiedTime></Object><Quiet>true</Quiet></Delete>",
        )
        .unwrap();
        assert!(list.quiet);
        assert_eq!(list.entries[0].key, "a&b");
        assert_eq!(list.entries[0].version_id, Some(VersionId::Null));
        assert!(list.entries[0].precondition.is_empty());
        assert_eq!(list.entries[1].key, " b ");
        assert_eq!(list.entries[1].version, None);
        assert_eq!(list.entries[1].precondition.if_match_size, Some(5));
        assert!(
            list.entries[1].precondition.if_match.is_some() && list.entries[1].precondition.if_match_modified.is_some()
        );
    }

    #[test]
    fn lists_that_are_no_lists_are_malformed() {
        let many = format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(1001));
        for bad in [
            "",
            "<Delete></Delete>",
            "<Delete><Object></Object></Delete>",
            "<Delete><Object><Key></Key></Object></Delete>",
            "<Remove><Object><Key>k</Key></Object></Remove>",
            "<Delete><Object><Key>k</Key></Object>",
            "<Delete><Object><Key>k</Key><Size>-1</Size></Object></Delete>",
            "<Delete><Object><Key>k</Key><LastModifiedTime>x</LastModifiedTime></Object></Delete>",
            &many,
        ] {
            assert_eq!(read(bad).unwrap_err().code, Code::MalformedXML, "{}", &bad[..bad.len().min(80)]);
        }
        let full = format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(1000));
        assert_eq!(read(&full).unwrap().entries.len(), 1000);
    }

    #[test]
    fn a_key_or_version_that_cannot_be_is_refused_by_itself() {
        let list = read(&format!(
            "<Delete><Object><Key>{}</Key></Object><Object><Key>k</Key><VersionId>x</VersionId></Object></Delete>",
            "ä".repeat(600)
        ))
        .unwrap();
        let codes: Vec<_> = list.entries.iter().map(|entry| entry.refused.as_ref().unwrap().code).collect();
        assert_eq!(codes, [Code::KeyTooLongError, Code::NoSuchVersion]);
        assert_eq!(list.entries[0].key.len(), 1024);
    }

    #[test]
    fn results_name_the_version_asked_for_and_the_marker_made() {
        let list = read("<Delete><Object><Key>k</Key><VersionId>null</VersionId></Object></Delete>").unwrap();
        let marker = Deleted { version: Some(VersionId::Null), delete_marker: true };
        let mut xml = XmlWriter::plain("R");
        write_deleted(&mut xml, &list.entries[0], &marker);
        write_error(&mut xml, &list.entries[0], &S3Error::new(Code::AccessDenied));
        assert!(xml.finish().ends_with(
            "<R><Deleted><Key>k</Key><VersionId>null</VersionId><DeleteMarker>true</DeleteMarker>\
             <DeleteMarkerVersionId>null</DeleteMarkerVersionId></Deleted><Error><Key>k</Key><VersionId>null</VersionId>\
             <Code>AccessDenied</Code><Message>Access Denied</Message></Error></R>"
        ));
    }

    #[test]
    fn a_list_without_an_integrity_header_is_refused() {
        for name in ["content-md5", "x-amz-checksum-crc32", "x-amz-trailer"] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
            assert!(require_integrity(&headers).is_ok(), "{name}");
        }
        let only_mode = [(HeaderName::from_static("x-amz-checksum-mode"), HeaderValue::from_static("ENABLED"))];
        assert_eq!(require_integrity(&HeaderMap::from_iter(only_mode)).unwrap_err().code, Code::InvalidRequest);
    }

    proptest! {
        #[test]
        fn arbitrary_lists_never_panic(inside in "(<(/)?(Object|Key|VersionId|Size|ETag)>|[a-z<>&;é]{0,4}){0,20}") {
            let _ = read(&format!("<Delete>{inside}</Delete>"));
        }
    }
}
