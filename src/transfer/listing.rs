//! Listings: buckets, objects and versions, page by page, key by key.

use std::collections::VecDeque;

use http::Method;

use crate::limits::transfer::{TRANSFER_PAGE, TRANSFER_VERSIONS_MAX};
use crate::transfer::TransferError;
use crate::transfer::client::{Call, S3Client};
use crate::transfer::xml::{Element, decoded};
use crate::types::Timestamp;

/// A version as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its key.
    pub(crate) key: String,
    /// Its id; `None` in a listing of objects.
    pub(crate) id: Option<String>,
    /// Its ETag without quotes.
    pub(crate) etag: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was written.
    pub(crate) modified: Option<Timestamp>,
    /// Whether it is a delete marker.
    pub(crate) is_marker: bool,
    /// Whether it is what a GET without an id finds.
    is_latest: bool,
}

/// What a key has, oldest first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The key.
    pub(crate) key: String,
    /// Its versions.
    pub(crate) versions: Vec<Version>,
    /// Whether there are more than can be held.
    pub(crate) is_cut: bool,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What a GET without an id finds.
    Objects,
    /// Everything.
    Versions,
}

/// A listing under way.
pub(crate) struct Lister<'c> {
    client: &'c S3Client,
    bucket: String,
    prefix: String,
    scope: Scope,
    page_max: usize,
    entries: VecDeque<Version>,
    next: Next,
}

/// Where the next page begins.
enum Next {
    Start,
    Token(String),
    Marker(String, Option<String>),
    End,
}

/// The names of all buckets.
///
/// # Errors
/// What the server refuses.
pub(crate) async fn buckets(client: &S3Client) -> Result<Vec<String>, TransferError> {
    let mut names = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = Call::bucket(Method::GET, "").query("max-buckets", "1000");
        let call = page.maybe("continuation-token", token.as_deref());
        let document = client.read(&call).await?.xml()?;
        for bucket in document.child("Buckets").iter().flat_map(|buckets| &buckets.children) {
            names.extend(bucket.text_of("Name").map(str::to_owned));
        }
        let next = document.text_of("ContinuationToken").filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() || next == token {
            return Ok(names);
        }
        token = next;
    }
}

impl<'c> Lister<'c> {
    /// A listing of a bucket from its start.
    pub(crate) fn new(client: &'c S3Client, bucket: &str, prefix: &str, scope: Scope) -> Self {
        Self {
            client,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            scope,
            page_max: TRANSFER_PAGE,
            entries: VecDeque::new(),
            next: Next::Start,
        }
    }

    /// The next key.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn next_group(&mut self) -> Result<Option<Group>, TransferError> {
        let Some(first) = self.next_version().await? else { return Ok(None) };
        let mut group = Group { key: first.key.clone(), versions: vec![first], is_cut: false };
        while self.scope == Scope::Versions && self.peek().await?.is_some_and(|next| next.key == group.key) {
            let Some(version) = self.next_version().await? else { break };
            if group.versions.len() < TRANSFER_VERSIONS_MAX {
                group.versions.push(version);
            } else {
                group.is_cut = true;
            }
        }
        put_in_order(&mut group.versions);
        group.versions.reverse();
        Ok(Some(group))
    }

    async fn next_version(&mut self) -> Result<Option<Version>, TransferError> {
        self.peek().await?;
        Ok(self.entries.pop_front())
    }

    async fn peek(&mut self) -> Result<Option<&Version>, TransferError> {
        while self.entries.is_empty() && !matches!(self.next, Next::End) {
            self.turn_page().await?;
        }
        Ok(self.entries.front())
    }

    async fn turn_page(&mut self) -> Result<(), TransferError> {
        let call = Call::bucket(Method::GET, &self.bucket);
        let call = match self.scope {
            Scope::Objects => call.query("list-type", "2"),
            Scope::Versions => call.query("versions", ""),
        };
        let call = call.query("encoding-type", "url").query("max-keys", &self.page_max.to_string());
        let call = call.maybe("prefix", Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty()));
        let call = match &self.next {
            Next::Start => call,
            Next::Token(token) => call.query("continuation-token", token),
            Next::Marker(key, id) => call.query("key-marker", key).maybe("version-id-marker", id.as_deref()),
            Next::End => return Ok(()),
        };
        let document = self.client.read(&call).await?.xml()?;
        let (entries, next) = page(&document, self.scope)?;
        if entries.is_empty() && !matches!(next, Next::End) {
            return Err(TransferError::Answer("an empty page that is not the last".to_owned()));
        }
        self.entries.extend(entries);
        self.next = next;
        Ok(())
    }
}

/// The newest versions of one key, at most `most` of them, newest first.
///
/// # Errors
/// What the server refuses.
pub(crate) async fn versions_of(
    client: &S3Client,
    bucket: &str,
    key: &str,
    most: usize,
) -> Result<Vec<Version>, TransferError> {
    let mut lister = Lister::new(client, bucket, key, Scope::Versions);
    lister.page_max = most.min(TRANSFER_PAGE);
    let mut found = Vec::new();
    while found.len() < most {
        match lister.next_version().await? {
            // The key itself is the first of those that begin with it.
            Some(version) if version.key == key => found.push(version),
            _ => break,
        }
    }
    Ok(found)
}

fn page(document: &Element, scope: Scope) -> Result<(Vec<Version>, Next), TransferError> {
    let (root, kinds): (&str, &[&str]) = match scope {
        Scope::Objects => ("ListBucketResult", &["Contents"]),
        Scope::Versions => ("ListVersionsResult", &["Version", "DeleteMarker"]),
    };
    if document.name != root {
        return Err(TransferError::Answer(format!("{} instead of {root}", document.name)));
    }
    let is_encoded = document.text_of("EncodingType") == Some("url");
    let read = |text: &str| if is_encoded { decoded(text) } else { Ok(text.to_owned()) };
    let mut entries = Vec::new();
    for entry in document.children.iter().filter(|child| kinds.contains(&child.name.as_str())) {
        entries.push(version(entry, read(entry.text_of("Key").unwrap_or_default())?)?);
    }
    let value = |name| document.text_of(name).filter(|text| !text.is_empty());
    let next = match (document.says("IsTruncated"), scope) {
        (false, _) => Next::End,
        (true, Scope::Objects) => {
            let token = value("NextContinuationToken");
            Next::Token(
                token.ok_or_else(|| TransferError::Answer("a page without its successor".to_owned()))?.to_owned(),
            )
        }
        (true, Scope::Versions) => {
            let key = value("NextKeyMarker").map(read).transpose()?;
            let key = key.or_else(|| entries.last().map(|entry: &Version| entry.key.clone()));
            let key = key.ok_or_else(|| TransferError::Answer("a page without its successor".to_owned()))?;
            Next::Marker(key, value("NextVersionIdMarker").map(str::to_owned))
        }
    };
    // Some servers list all versions of a page before all delete markers.
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Ok((entries, next))
}

fn version(entry: &Element, key: String) -> Result<Version, TransferError> {
    let is_marker = entry.name == "DeleteMarker";
    let size = entry.text_of("Size").and_then(|size| size.parse().ok());
    Ok(Version {
        key,
        id: entry.text_of("VersionId").filter(|id| !id.is_empty()).map(str::to_owned),
        etag: entry.text_of("ETag").unwrap_or_default().trim_matches('"').to_owned(),
        size: size
            .or(is_marker.then_some(0))
            .ok_or_else(|| TransferError::Answer("an entry without size".to_owned()))?,
        modified: entry.text_of("LastModified").and_then(Timestamp::parse_iso),
        is_marker,
        is_latest: entry.says("IsLatest"),
    })
}

/// S3 lists the versions of a key newest first. A server that puts delete markers behind all versions is put right by
/// the times; they are no good otherwise, because an upload in parts has that of its beginning.
fn put_in_order(versions: &mut [Version]) {
    let first_marker = versions.iter().position(|version| version.is_marker).unwrap_or(versions.len());
    let has_both = first_marker > 0 && first_marker < versions.len();
    let is_apart = has_both && versions[first_marker..].iter().all(|version| version.is_marker);
    let is_latest_first = versions.first().is_none_or(|first| first.is_latest || versions.iter().all(|v| !v.is_latest));
    if is_apart || !is_latest_first {
        versions.sort_by_key(|version| std::cmp::Reverse((version.is_latest, version.modified)));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Next, Scope, Version, page, put_in_order};
    use crate::transfer::xml::Element;
    use crate::types::Timestamp;

    /// A version with this ETag.
    pub(crate) fn version(etag: &str, is_marker: bool) -> Version {
        let (key, modified) = ("k".to_owned(), Some(Timestamp::from_seconds(1)));
        Version { key, id: None, etag: etag.to_owned(), size: 0, modified, is_marker, is_latest: false }
    }

    #[test]
    fn a_page_of_versions_is_read() {
        let text = "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>b%2Bc</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>\
            <Version><Key>a+b</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest><ETag>&quot;e&quot;</ETag>\
            <Size>7</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Version>\
            <DeleteMarker><Key>b%2Bc</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest></DeleteMarker>\
            </ListVersionsResult>";
        let (entries, next) = page(&Element::parse(text).unwrap(), Scope::Versions).unwrap();
        assert_eq!((entries[0].key.as_str(), entries[0].etag.as_str(), entries[0].size), ("a b", "e", 7));
        assert!(entries[1].is_marker && entries[1].key == "b+c");
        assert!(matches!(next, Next::Marker(key, Some(id)) if key == "b+c" && id == "v1"));
    }

    #[test]
    fn what_is_no_listing_or_never_ends_is_refused() {
        let read = |text: &str, scope| page(&Element::parse(text).unwrap(), scope).is_err();
        assert!(read("<Error/>", Scope::Objects));
        assert!(read("<ListBucketResult/>", Scope::Versions));
        assert!(read("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", Scope::Objects));
        let nameless = "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>";
        assert!(read(nameless, Scope::Objects));
    }

    #[test]
    fn markers_that_are_listed_apart_find_their_place() {
        let version = |second, is_marker, is_latest| Version {
            modified: Some(Timestamp::from_seconds(second)),
            is_latest,
            ..version("", is_marker)
        };
        let mut apart = [version(3, false, true), version(1, false, false), version(2, true, false)];
        put_in_order(&mut apart);
        assert_eq!(apart.iter().map(|version| version.is_marker).collect::<Vec<_>>(), [false, true, false]);
        // The times of uploads in parts say nothing.
        let mut uploads = [version(1, false, true), version(3, false, false)];
        put_in_order(&mut uploads);
        assert!(uploads[0].is_latest);
    }
}
