//! CreateMultipartUpload. Source: Amazon S3 API Reference, CreateMultipartUpload.

use http::HeaderMap;

use crate::engine::CreateUpload;
use crate::identity::Principal;
use crate::net::{RequestBody, Response};
use crate::s3::attributes::new_attributes;
use crate::s3::authorize::call::Authorized;
use crate::s3::checksum_headers::{insert_algorithm, insert_type, upload_checksum};
use crate::s3::encryption_headers::{customer_key, insert_new_encryption};
use crate::s3::expiration::ExpirationHeader;
use crate::s3::metadata::object_metadata;
use crate::s3::object_headers::respond_xml;
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};

/// Starts an upload. It carries all that a PutObject would say, for the object to be.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let mut metadata = object_metadata(&call.headers)?;
    metadata.attributes = new_attributes(gateway, call).await?;
    let checksum = upload_checksum(&call.headers)?;
    let initiator = match &call.principal {
        Principal::Identity { owner, .. } => owner.clone(),
        // Nobody in particular acts for whoever allowed it.
        Principal::Anonymous => call.bucket().owner.clone(),
    };
    let mut headers = HeaderMap::new();
    let create = CreateUpload { bucket: call.bucket().clone(), key: call.key().clone(), initiator, metadata, checksum };
    insert_new_encryption(&mut headers, &create.metadata.attributes, customer_key(&call.headers)?.as_ref());
    let upload = gateway.engine.create_upload(create).await?;
    if let Some((algorithm, kind)) = checksum {
        insert_algorithm(&mut headers, algorithm);
        insert_type(&mut headers, kind);
    }
    ExpirationHeader::of(gateway, call).insert_abort(&mut headers, upload.initiated).await;
    let mut xml = XmlWriter::document("InitiateMultipartUploadResult");
    xml.text("Bucket", &call.bucket().name).text("Key", call.key()).text("UploadId", upload.upload);
    Ok(respond_xml(headers, xml.finish()))
}
