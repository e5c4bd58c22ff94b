//! ListObjectVersions. Source: Amazon S3 API Reference, ListObjectVersions.
//!
//! In a bucket that never was versioned every object is a `null` version, as on S3.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::listing::ListParameters;
use crate::s3::query::Query;
use crate::s3::respond::{ShownOwners, respond_document};
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::{ListedVersion, VersionId, VersionListQuery, VersionListing};

/// Lists a page of versions and delete markers.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let parameters = ListParameters::read(&call.query, &call.headers)?;
    let query = page_query(&call.query, &parameters)?;
    let page = match query.max_keys {
        0 => VersionListing::default(),
        1.. => gateway.engine.list_versions(call.bucket(), &query).await?,
    };
    let owners = ShownOwners::of(gateway, call, page.versions.iter().map(|version| version.object.owner.as_ref()));
    Ok(respond_document(document(call.bucket().name.as_str(), &parameters, &query, &page, &owners)))
}

fn page_query(query: &Query, parameters: &ListParameters) -> Result<VersionListQuery, S3Error> {
    const MARKER: &str = "version-id-marker";
    let key_marker = query.value("key-marker").unwrap_or_default().to_owned();
    let version_marker = query.value(MARKER).filter(|marker| !marker.is_empty());
    let version_marker = match version_marker {
        Some(marker) if key_marker.is_empty() => {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(S3Error::invalid_argument(MARKER, marker, message));
        }
        Some(marker) => Some(
            VersionId::parse(marker)
                .ok_or_else(|| S3Error::invalid_argument(MARKER, marker, "Invalid version id specified"))?,
        ),
        None => None,
    };
    Ok(VersionListQuery {
        prefix: parameters.prefix.clone(),
        delimiter: parameters.delimiter.clone(),
        key_marker,
        version_marker,
        max_keys: parameters.max_keys,
    })
}

fn document(
    bucket: &str,
    parameters: &ListParameters,
    query: &VersionListQuery,
    page: &VersionListing,
    owners: &ShownOwners,
) -> String {
    let text = |version: Option<VersionId>| version.map(|version| version.to_string()).unwrap_or_default();
    let mut xml = XmlWriter::document("ListVersionsResult");
    xml.text("Name", bucket)
        .text("Prefix", parameters.encode(&parameters.prefix))
        .text("KeyMarker", parameters.encode(&query.key_marker))
        .text("VersionIdMarker", text(query.version_marker));
    if let Some((key, version)) = &page.next {
        // Behind a common prefix there is no version to go on from.
        xml.text("NextKeyMarker", parameters.encode(key)).optional("NextVersionIdMarker", *version);
    }
    parameters.write(&mut xml);
    xml.text("IsTruncated", page.next.is_some());
    for version in &page.versions {
        write_version(&mut xml, parameters, version, owners);
    }
    for prefix in &page.prefixes {
        xml.open("CommonPrefixes").text("Prefix", parameters.encode(prefix)).close();
    }
    xml.finish()
}

fn write_version(xml: &mut XmlWriter, parameters: &ListParameters, listed: &ListedVersion, owners: &ShownOwners) {
    let object = &listed.object;
    xml.open(if listed.is_delete_marker { "DeleteMarker" } else { "Version" })
        .text("Key", parameters.encode(&object.key))
        .text("VersionId", listed.version)
        .text("IsLatest", listed.is_latest)
        .text("LastModified", object.modified.iso_millis());
    if !listed.is_delete_marker {
        xml.text("ETag", object.etag.quoted());
        if let Some((algorithm, kind)) = object.checksum {
            xml.text("ChecksumAlgorithm", algorithm).text("ChecksumType", kind.name());
        }
        xml.text("Size", object.size).text("StorageClass", object.storage_class.name());
    }
    owners.find(object.owner.as_ref()).write(xml);
    xml.close();
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{document, page_query};
    use crate::s3::listing::ListParameters;
    use crate::s3::listing::tests::page;
    use crate::s3::query::Query;
    use crate::s3::respond::{ShownOwner, ShownOwners};
    use crate::types::{ListedVersion, OwnerId, VersionId, VersionListing};

    fn read(raw: &str) -> Option<(ListParameters, super::VersionListQuery)> {
        let query = Query::parse(raw).unwrap();
        let parameters = ListParameters::read(&query, &HeaderMap::new()).unwrap();
        page_query(&query, &parameters).ok().map(|query| (parameters, query))
    }

    #[test]
    fn a_version_marker_needs_a_key_marker_and_to_be_an_id() {
        assert!(read("version-id-marker=null").is_none());
        assert!(read("key-marker=k&version-id-marker=nonsense").is_none());
        assert!(read("key-marker=k&version-id-marker=").unwrap().1.version_marker.is_none());
        assert_eq!(read("key-marker=k&version-id-marker=null").unwrap().1.version_marker, Some(VersionId::Null));
    }

    #[test]
    fn versions_and_delete_markers_have_elements_of_their_own() {
        let (parameters, query) = read("prefix=a&max-keys=2").unwrap();
        let listed = |is_delete_marker| ListedVersion {
            object: page(&["a"], &[], None).objects.remove(0),
            version: VersionId::Null,
            is_latest: is_delete_marker,
            is_delete_marker,
        };
        let listing = VersionListing {
            versions: vec![listed(true), listed(false)],
            prefixes: Vec::new(),
            next: Some(("a".to_owned(), Some(VersionId::Null))),
        };
        let owners = ShownOwners::only(ShownOwner { id: OwnerId("o".to_owned()), name: None });
        let text = document("abc", &parameters, &query, &listing, &owners);
        assert!(text.contains("<NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>"));
        let marker = text.split("<DeleteMarker>").nth(1).unwrap().split("</DeleteMarker>").next().unwrap();
        assert!(marker.contains("<IsLatest>true</IsLatest>") && !marker.contains("Size"), "{marker}");
        assert!(text.contains("<Size>5</Size>") && text.contains("<VersionId>null</VersionId>"));
    }
}
