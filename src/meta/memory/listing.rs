//! Pages, by looking at everything.

use super::state::{State, VersionRow};
use crate::limits::PAGE_MAX;
use crate::types::{
    BucketId, KeyListing, ListQuery, ListedObject, ListedVersion, UploadListQuery, UploadListing, VersionId,
    VersionListQuery, VersionListing,
};

/// The common prefix that `key` folds into.
fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key.strip_prefix(prefix)?.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// Whether the group of `common` was returned by the page that ended with `marker`.
fn is_behind(common: Option<&str>, marker: &str) -> bool {
    common == Some(marker)
}

fn listed(key: &str, row: &VersionRow) -> ListedObject {
    ListedObject {
        key: key.to_owned(),
        size: row.version.size,
        etag: row.version.etag,
        modified: row.version.modified,
        storage_class: row.version.metadata.storage_class,
        checksum: row.version.checksum.as_ref().map(|sum| (sum.value.algorithm(), sum.kind)),
        owner: row.version.metadata.attributes.owner.clone(),
    }
}

impl State {
    pub(super) fn list_objects(&self, bucket: BucketId, query: &ListQuery) -> KeyListing {
        let max = query.max_keys.min(PAGE_MAX) as usize;
        let mut page = KeyListing::default();
        let mut last: Option<String> = None;
        let mut previous_key: Option<&str> = None;
        let rows = self.versions.iter().filter(|((owner, _, _), _)| *owner == bucket && max > 0);
        for ((_, key, _), row) in rows {
            let is_newest = previous_key != Some(key);
            previous_key = Some(key);
            let common = common_prefix(key, &query.prefix, &query.delimiter);
            let is_listed = is_newest
                && !row.version.is_delete_marker
                && key.starts_with(&query.prefix)
                && (query.after.is_empty() || *key > query.after)
                && !is_behind(common, &query.after)
                && !(common.is_some() && common == page.prefixes.last().map(String::as_str));
            if !is_listed {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == max {
                page.next_after = last;
                break;
            }
            match common {
                Some(common) => page.prefixes.push(common.to_owned()),
                None => page.objects.push(listed(key, row)),
            }
            last = Some(common.unwrap_or(key).to_owned());
        }
        page
    }

    pub(super) fn list_versions(&self, bucket: BucketId, query: &VersionListQuery) -> VersionListing {
        let max = query.max_keys.min(PAGE_MAX) as usize;
        let mut page = VersionListing::default();
        let mut last = None;
        let mut previous_key: Option<&str> = None;
        let marked_order = self.versions.iter().find_map(|((owner, key, order), row)| {
            let is_marked =
                *owner == bucket && *key == query.key_marker && query.version_marker == Some(row.version.version);
            is_marked.then_some(order.0)
        });
        let rows = self.versions.iter().filter(|((owner, _, _), _)| *owner == bucket && max > 0);
        for ((_, key, order), row) in rows {
            let is_latest = previous_key != Some(key);
            previous_key = Some(key);
            let marker = query.key_marker.as_str();
            let common = common_prefix(key, &query.prefix, &query.delimiter);
            let is_after = match query.version_marker {
                _ if marker.is_empty() => true,
                Some(VersionId::Ordered { order: marked, .. }) => {
                    key.as_str() > marker || (key == marker && order.0 < marked)
                }
                Some(VersionId::Null) => {
                    key.as_str() > marker || (key == marker && marked_order.is_none_or(|marked| order.0 < marked))
                }
                None => key.as_str() > marker && !is_behind(common, marker),
            };
            let is_listed = is_after
                && key.starts_with(&query.prefix)
                && !(common.is_some() && common == page.prefixes.last().map(String::as_str));
            if !is_listed {
                continue;
            }
            if page.versions.len() + page.prefixes.len() == max {
                page.next = last;
                break;
            }
            match common {
                Some(common) => {
                    page.prefixes.push(common.to_owned());
                    last = Some((common.to_owned(), None));
                }
                None => {
                    page.versions.push(ListedVersion {
                        object: listed(key, row),
                        version: row.version.version,
                        is_latest,
                        is_delete_marker: row.version.is_delete_marker,
                    });
                    last = Some((key.clone(), Some(row.version.version)));
                }
            }
        }
        page
    }

    pub(super) fn list_uploads(&self, bucket: BucketId, query: &UploadListQuery) -> UploadListing {
        let max = query.max_uploads.min(PAGE_MAX) as usize;
        let mut page = UploadListing::default();
        let mut last = None;
        let rows = self.uploads.iter().filter(|((owner, _, _), _)| *owner == bucket && max > 0);
        for ((_, key, id), row) in rows {
            let common = common_prefix(key, &query.prefix, &query.delimiter);
            let marker = query.key_marker.as_str();
            let is_after = match query.upload_marker {
                _ if marker.is_empty() => true,
                Some(upload) => key.as_str() > marker || (key == marker && *id > upload),
                None => key.as_str() > marker && !is_behind(common, marker),
            };
            let is_listed = is_after
                && key.starts_with(&query.prefix)
                && !(common.is_some() && common == page.prefixes.last().map(String::as_str));
            if !is_listed {
                continue;
            }
            if page.uploads.len() + page.prefixes.len() == max {
                page.next = last;
                break;
            }
            match common {
                Some(common) => {
                    page.prefixes.push(common.to_owned());
                    last = Some((common.to_owned(), None));
                }
                None => {
                    page.uploads.push(row.record.upload.clone());
                    last = Some((key.clone(), Some(*id)));
                }
            }
        }
        page
    }
}
