//! GetBucketLocation. Source: Amazon S3 API Reference, GetBucketLocation.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::respond::respond_document;
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};

/// Says where the bucket is; nothing for `us-east-1`, as S3 does.
#[allow(clippy::unused_async, reason = "every operation has the same form")]
pub(crate) async fn run(_gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    Ok(respond_document(document(&call.bucket().location)))
}

fn document(location: &str) -> String {
    // The text stands in the root itself.
    let mut xml = XmlWriter::document("LocationConstraint");
    xml.content(location);
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_location_is_the_text_of_the_root() {
        assert!(document("eu-west-1").ends_with("2006-03-01/\">eu-west-1</LocationConstraint>"));
        assert!(document("").ends_with("2006-03-01/\"></LocationConstraint>"));
    }
}
