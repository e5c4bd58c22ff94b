//! ListObjects, version 1. Source: Amazon S3 API Reference, ListObjects.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::listing::ListParameters;
use crate::s3::respond::{ShownOwners, respond_document};
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::{Bucket, KeyListing, ListQuery};

/// Lists a page of keys after a marker.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let parameters = ListParameters::read(&call.query, &call.headers)?;
    let marker = call.query.value("marker").unwrap_or_default();
    let page = find_page(gateway, call.bucket(), &parameters, marker.to_owned()).await?;
    let owners = ShownOwners::of(gateway, call, page.objects.iter().map(|object| object.owner.as_ref()));
    Ok(respond_document(document(call.bucket().name.as_str(), &parameters, marker, &page, &owners)))
}

/// Asks for a page. A page of no keys is empty and not truncated, whatever the bucket holds.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn find_page(
    gateway: &Gateway,
    bucket: &Bucket,
    parameters: &ListParameters,
    after: String,
) -> Result<KeyListing, S3Error> {
    if parameters.max_keys == 0 {
        return Ok(KeyListing::default());
    }
    let query = ListQuery {
        prefix: parameters.prefix.clone(),
        delimiter: parameters.delimiter.clone(),
        after,
        max_keys: parameters.max_keys,
    };
    Ok(gateway.engine.list_objects(bucket, &query).await?)
}

fn document(
    bucket: &str,
    parameters: &ListParameters,
    marker: &str,
    page: &KeyListing,
    owners: &ShownOwners,
) -> String {
    let mut xml = XmlWriter::document("ListBucketResult");
    xml.text("Name", bucket)
        .text("Prefix", parameters.encode(&parameters.prefix))
        .text("Marker", parameters.encode(marker));
    // Without a delimiter the next marker is the last key, and S3 leaves saying so to the client.
    if let Some(next) = page.next_after.as_deref().filter(|_| !parameters.delimiter.is_empty()) {
        xml.text("NextMarker", parameters.encode(next));
    }
    parameters.write(&mut xml);
    xml.text("IsTruncated", page.next_after.is_some());
    parameters.write_entries(&mut xml, page, Some(owners));
    xml.finish()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::document;
    use crate::s3::listing::ListParameters;
    use crate::s3::listing::tests::page;
    use crate::s3::query::Query;
    use crate::s3::respond::{ShownOwner, ShownOwners};
    use crate::types::OwnerId;

    fn list(raw: &str, keys: &[&str], prefixes: &[&str], next: Option<&str>) -> String {
        let query = Query::parse(raw).unwrap();
        let parameters = ListParameters::read(&query, &HeaderMap::new()).unwrap();
        let owners = ShownOwners::only(ShownOwner { id: OwnerId("o".to_owned()), name: None });
        document("abc", &parameters, query.value("marker").unwrap_or_default(), &page(keys, prefixes, next), &owners)
    }

    #[test]
    fn a_page_shows_keys_prefixes_and_what_was_asked() {
        let text = list("prefix=p/&delimiter=/&marker=p/0&max-keys=2", &["p/a&b"], &["p/x/"], Some("p/x/"));
        assert!(text.contains(
            "<Name>abc</Name><Prefix>p/</Prefix><Marker>p/0</Marker><NextMarker>p/x/</NextMarker><MaxKeys>2</MaxKeys>\
             <Delimiter>/</Delimiter><IsTruncated>true</IsTruncated><Contents><Key>p/a&amp;b</Key>\
             <LastModified>2015-10-21T07:28:00.123Z</LastModified>\
             <ETag>&quot;abababababababababababababababab&quot;</ETag>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>\
             <Owner><ID>o</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>\
             <CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes></ListBucketResult>"
        ));
    }

    #[test]
    fn only_a_delimiter_brings_a_next_marker() {
        let text = list("max-keys=1", &["a"], &[], Some("a"));
        assert!(text.contains("<IsTruncated>true</IsTruncated>") && !text.contains("NextMarker"));
    }

    #[test]
    fn url_encoding_covers_everything_that_comes_from_keys() {
        let raw = "encoding-type=url&prefix=a%2B&delimiter=%26&marker=%20";
        let text = list(raw, &["a+b c/\u{1}é"], &["a+&"], Some("a+&"));
        assert!(text.contains("<Key>a%2Bb%20c/%01%C3%A9</Key>"));
        assert!(text.contains("<Prefix>a%2B</Prefix><Marker>%20</Marker><NextMarker>a%2B%26</NextMarker>"));
        assert!(text.contains("<Delimiter>%26</Delimiter><EncodingType>url</EncodingType>"));
        assert!(text.contains("<CommonPrefixes><Prefix>a%2B%26</Prefix></CommonPrefixes>"));
    }
}
