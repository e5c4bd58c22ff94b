//! Pages of keys and of uploads.
//!
//! A page is found by seeking: to the start, past a common prefix that has been noted, past the older
//! versions of a key. Rows that are not returned are not read, beyond the few steps that are cheaper than
//! a seek. Keys compare as bytes throughout, which for UTF-8 is the order that S3 lists in.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{blob, checksum_choice, count, etag, key_text, storage_class};
use super::upload::read_listed;
use crate::limits::{LIST_SKIP_STEPS, PAGE_MAX};
use crate::types::{
    BucketId, KeyListing, ListQuery, ListedObject, OwnerId, Timestamp, UploadId, UploadListQuery, UploadListing,
};

/// From where a scan goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seek {
    /// From this key on.
    At(Vec<u8>),
    /// From the first key after this one on.
    After(Vec<u8>),
    /// From the first upload of this key after that id on, or of a later key.
    AfterUpload(Vec<u8>, UploadId),
}

/// How keys are chosen and folded.
pub(super) struct Fold<'q> {
    pub(super) prefix: &'q [u8],
    pub(super) delimiter: &'q [u8],
}

impl Fold<'_> {
    /// The common prefix that a key with the prefix folds into.
    pub(super) fn common_prefix<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.strip_prefix(self.prefix)?;
        let at = rest.windows(self.delimiter.len()).position(|window| window == self.delimiter)?;
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }

    /// Where a page after `marker` starts; `None` if nothing can follow. A marker that is a common prefix
    /// was returned as one, so its whole group is behind us.
    fn start(&self, marker: &[u8], upload: Option<UploadId>) -> Option<Seek> {
        if marker < self.prefix || marker.is_empty() {
            return Some(Seek::At(self.prefix.to_vec()));
        }
        match upload {
            Some(upload) => Some(Seek::AfterUpload(marker.to_vec(), upload)),
            None if self.common_prefix(marker) == Some(marker) => successor(marker).map(Seek::At),
            None => Some(Seek::After(marker.to_vec())),
        }
    }
}

/// The first byte string after all that start with `prefix`; `None` if there is none.
pub(super) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

/// What a scan passes over: the older versions of a key, or the rest of a common prefix. A few rows are
/// stepped over, as that is cheaper than a seek; then a seek is due.
#[derive(Default)]
struct Skip {
    text: Vec<u8>,
    is_group: bool,
    steps: u32,
}

/// What to do with a row.
enum Step {
    Look,
    Over,
    Seek,
}

impl Skip {
    fn rest_of_key(&mut self, key: &[u8]) {
        self.begin(key, false);
    }

    fn rest_of_group(&mut self, prefix: &[u8]) {
        self.begin(prefix, true);
    }

    fn begin(&mut self, text: &[u8], is_group: bool) {
        self.text.clear();
        self.text.extend_from_slice(text);
        self.is_group = is_group;
        self.steps = 0;
    }

    fn step(&mut self, key: &[u8]) -> Step {
        let is_passed = if self.is_group { key.starts_with(&self.text) } else { key == self.text };
        if !is_passed {
            return Step::Look;
        }
        self.steps += 1;
        if self.steps < LIST_SKIP_STEPS { Step::Over } else { Step::Seek }
    }

    /// Where it ends; `None` if nothing can follow.
    fn end(&self) -> Option<Seek> {
        if self.is_group { successor(&self.text).map(Seek::At) } else { Some(Seek::After(self.text.clone())) }
    }
}

/// A page of current keys.
pub(super) fn objects(connection: &Connection, bucket: BucketId, query: &ListQuery) -> Result<KeyListing, Failure> {
    let mut page = ObjectPage {
        fold: Fold { prefix: query.prefix.as_bytes(), delimiter: query.delimiter.as_bytes() },
        max: query.max_keys.min(PAGE_MAX) as usize,
        listing: KeyListing::default(),
        last: None,
    };
    if page.max == 0 {
        return Ok(page.listing);
    }
    let mut seek = page.fold.start(query.after.as_bytes(), None);
    while let Some(from) = seek {
        seek = page.scan(connection, bucket, from)?;
    }
    Ok(page.listing)
}

/// A page of keys that is being filled.
struct ObjectPage<'q> {
    fold: Fold<'q>,
    max: usize,
    listing: KeyListing,
    /// The last key or prefix in the page.
    last: Option<String>,
}

impl ObjectPage<'_> {
    /// Scans from `from` until the page is complete (`None`) or a seek is due.
    fn scan(&mut self, connection: &Connection, bucket: BucketId, from: Seek) -> Result<Option<Seek>, Failure> {
        const AT: &str = "SELECT key, delete_marker, size, etag, etag_parts, modified, storage_class, checksum, owner
            FROM version WHERE bucket_id = ?1 AND key >= ?2 ORDER BY key, rank";
        const AFTER: &str =
            "SELECT key, delete_marker, size, etag, etag_parts, modified, storage_class, checksum, owner
            FROM version WHERE bucket_id = ?1 AND key > ?2 ORDER BY key, rank";
        let (sql, start) = match from {
            Seek::At(start) => (AT, start),
            Seek::After(start) | Seek::AfterUpload(start, _) => (AFTER, start),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![bucket.0, start])?;
        let mut skip = Skip::default();
        while let Some(row) = rows.next()? {
            let key = blob(row, 0)?;
            match skip.step(key) {
                Step::Look => {}
                Step::Over => continue,
                Step::Seek => return Ok(skip.end()),
            }
            if !key.starts_with(self.fold.prefix) {
                return Ok(None);
            }
            skip.rest_of_key(key);
            if row.get(1)? {
                continue;
            }
            if self.listing.objects.len() + self.listing.prefixes.len() == self.max {
                self.listing.next_after = self.last.take();
                return Ok(None);
            }
            if let Some(common) = self.fold.common_prefix(key) {
                let text = key_text(common)?;
                self.listing.prefixes.push(text.clone());
                self.last = Some(text);
                skip.rest_of_group(common);
                continue;
            }
            let object = read_object(row)?;
            self.last = Some(object.key.clone());
            self.listing.objects.push(object);
        }
        Ok(None)
    }
}

fn read_object(row: &Row<'_>) -> Result<ListedObject, Failure> {
    Ok(ListedObject {
        key: key_text(blob(row, 0)?)?,
        size: count(row, 2)?,
        etag: etag(row, 3)?,
        modified: Timestamp(row.get(5)?),
        storage_class: storage_class(row.get(6)?)?,
        checksum: row.get::<_, Option<i64>>(7)?.map(checksum_choice).transpose()?,
        owner: row.get::<_, Option<String>>(8)?.map(OwnerId),
    })
}

/// A page of open uploads.
pub(super) fn uploads(
    connection: &Connection,
    bucket: BucketId,
    query: &UploadListQuery,
) -> Result<UploadListing, Failure> {
    let mut page = UploadPage {
        fold: Fold { prefix: query.prefix.as_bytes(), delimiter: query.delimiter.as_bytes() },
        max: query.max_uploads.min(PAGE_MAX) as usize,
        listing: UploadListing::default(),
        last: None,
    };
    if page.max == 0 {
        return Ok(page.listing);
    }
    let mut seek = page.fold.start(query.key_marker.as_bytes(), query.upload_marker);
    while let Some(from) = seek {
        seek = page.scan(connection, bucket, from)?;
    }
    Ok(page.listing)
}

/// A page of uploads that is being filled.
struct UploadPage<'q> {
    fold: Fold<'q>,
    max: usize,
    listing: UploadListing,
    /// The markers of the last upload or prefix in the page.
    last: Option<(String, Option<UploadId>)>,
}

impl UploadPage<'_> {
    /// Scans from `from` until the page is complete (`None`) or a seek is due.
    fn scan(&mut self, connection: &Connection, bucket: BucketId, from: Seek) -> Result<Option<Seek>, Failure> {
        const AT: &str = "SELECT key, id, initiated, initiator, storage_class, checksum, owner
            FROM upload WHERE bucket_id = ?1 AND key >= ?2 ORDER BY key, id";
        const AFTER: &str = "SELECT key, id, initiated, initiator, storage_class, checksum, owner
            FROM upload WHERE bucket_id = ?1 AND key > ?2 ORDER BY key, id";
        const AFTER_UPLOAD: &str = "SELECT key, id, initiated, initiator, storage_class, checksum, owner
            FROM upload WHERE bucket_id = ?1 AND (key, id) > (?2, ?3) ORDER BY key, id";
        let (sql, start, upload) = match from {
            Seek::At(start) => (AT, start, None),
            Seek::After(start) => (AFTER, start, None),
            Seek::AfterUpload(start, upload) => (AFTER_UPLOAD, start, Some(upload)),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = match upload {
            Some(upload) => statement.query(params![bucket.0, start, upload.0.as_slice()])?,
            None => statement.query(params![bucket.0, start])?,
        };
        let mut skip = Skip::default();
        while let Some(row) = rows.next()? {
            let key = blob(row, 0)?;
            match skip.step(key) {
                Step::Look => {}
                Step::Over => continue,
                Step::Seek => return Ok(skip.end()),
            }
            if !key.starts_with(self.fold.prefix) {
                return Ok(None);
            }
            if self.listing.uploads.len() + self.listing.prefixes.len() == self.max {
                self.listing.next = self.last.take();
                return Ok(None);
            }
            if let Some(common) = self.fold.common_prefix(key) {
                let text = key_text(common)?;
                self.listing.prefixes.push(text.clone());
                self.last = Some((text, None));
                skip.rest_of_group(common);
                continue;
            }
            let upload = read_listed(row)?;
            self.last = Some((upload.key.as_str().to_owned(), Some(upload.upload)));
            self.listing.uploads.push(upload);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fold, Seek, successor};

    #[test]
    fn the_successor_is_above_everything_with_the_prefix_and_nothing_else() {
        assert_eq!(successor(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_skips_its_group() {
        let fold = Fold { prefix: b"p/", delimiter: b"/" };
        assert_eq!(fold.start(b"p/a/", None), Some(Seek::At(b"p/a0".to_vec())));
        assert_eq!(fold.start(b"p/a/b", None), Some(Seek::After(b"p/a/b".to_vec())));
        assert_eq!(fold.start(b"p/a", None), Some(Seek::After(b"p/a".to_vec())));
        assert_eq!(fold.start(b"p/", None), Some(Seek::After(b"p/".to_vec())));
        assert_eq!(fold.start(b"a", None), Some(Seek::At(b"p/".to_vec())));
        assert_eq!(fold.start(b"", None), Some(Seek::At(b"p/".to_vec())));
    }
}
