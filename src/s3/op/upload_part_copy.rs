//! UploadPartCopy. Source: Amazon S3 API Reference, UploadPartCopy.

use http::HeaderMap;

use crate::engine::{EngineError, PartCopy, WrittenPart};
use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::checksum_headers::write_part_checksum;
use crate::s3::copy_source::{SourceNaming, copy_range, copy_source, source_error};
use crate::s3::encryption_headers::{customer_key, insert_encryption, refuse_part_headers};
use crate::s3::keep_alive::{self, ErrorContext, LongAnswer};
use crate::s3::object_headers::{insert_version, upload_error};
use crate::s3::parameters;
use crate::s3::source_name::source_name;
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};

/// Makes a part of another object's bytes. Its MD5 may need them read once, which may take long.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let number = parameters::required_part_number(&call.query)?;
    let upload = parameters::upload(&call.query)?;
    let name = source_name(&call.headers)?;
    let range = copy_range(&call.headers)?;
    let source = copy_source(gateway, call, &name).await?;
    let naming = SourceNaming::new(&source, &call.headers);
    let customer_key = customer_key(&call.headers)?;
    let attributes = gateway.engine.upload_attributes(call.bucket(), call.key(), upload).await;
    let attributes = attributes.map_err(|error| upload_error(error, upload))?;
    refuse_part_headers(&call.headers, &attributes)?;
    let mut headers = HeaderMap::new();
    insert_encryption(&mut headers, &attributes, customer_key.as_ref());
    let (bucket, key) = (call.bucket().clone(), call.key().clone());
    let copy = PartCopy { source, range, bucket, key, upload, number, customer_key };
    let engine = gateway.engine.clone();
    let work = keep_alive::start(&gateway.drain, async move {
        let written = engine.upload_part_copy(copy).await.map_err(|error| match error {
            error @ EngineError::NoSuchUpload => upload_error(error, upload),
            error => source_error(error, &naming),
        })?;
        Ok(answer(headers, &written))
    });
    keep_alive::answer(work, ErrorContext::of(gateway, call)).await
}

fn answer(mut headers: HeaderMap, written: &WrittenPart) -> LongAnswer {
    insert_version(&mut headers, "x-amz-copy-source-version-id", written.source_version);
    let mut xml = XmlWriter::document("CopyPartResult");
    xml.text("LastModified", written.modified.iso_millis()).text("ETag", written.etag.quoted());
    if let Some(checksum) = &written.checksum {
        write_part_checksum(&mut xml, checksum);
    }
    LongAnswer { headers, document: xml.finish() }
}
