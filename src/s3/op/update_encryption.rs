//! UpdateObjectEncryption: wraps the data key of an encrypted object under another key. No byte of its body moves,
//! and its ETag and times stay. Source: Amazon S3 API Reference, UpdateObjectEncryption.

use http::{HeaderMap, StatusCode};

use crate::cipher::Holder;
use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::encryption_headers::check_key_id;
use crate::s3::object_headers::{VERSION_ID, insert_version, object_error, respond};
use crate::s3::parameters;
use crate::s3::xml::{XmlEvent, XmlFeed};
use crate::s3::{Code, Gateway, S3Error};

/// Wraps the data key as the document says.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let holder = read(&document)?;
    let open = call.open(gateway, version).await;
    let open = open.map_err(|error| object_error(error, call.key(), version))?;
    let updated = gateway.engine.update_encryption(call.bucket(), call.key().clone(), &open, &holder).await;
    let updated = updated.map_err(|error| object_error(error, call.key(), version))?;
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, updated);
    Ok(respond(StatusCode::OK, headers, empty_body()))
}

pub(super) fn read(document: &[u8]) -> Result<Holder, S3Error> {
    let mut feed = XmlFeed::new();
    feed.push(document);
    let (mut is_kms, mut key, mut bucket_key) = (false, None, false);
    while let Some(event) = feed.next_event()? {
        match event {
            XmlEvent::Open { path: "ObjectEncryption" | "ObjectEncryption/SSE-KMS/KMSKeyArn" } => {}
            XmlEvent::Open { path: "ObjectEncryption/SSE-KMS/BucketKeyEnabled" } => {}
            XmlEvent::Open { path: "ObjectEncryption/SSE-KMS" } => is_kms = true,
            XmlEvent::Open { path } if path.starts_with("ObjectEncryption/") => {
                return Err(S3Error::invalid_request(
                    "Requests that modify an object encryption configuration require a valid new encryption type. \
                     Valid values are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, \
                     and then try again.",
                ));
            }
            XmlEvent::Open { path } => return Err(S3Error::new(Code::MalformedXML).cause(path)),
            XmlEvent::Close { path: "ObjectEncryption/SSE-KMS/KMSKeyArn", text } => {
                key = Some(check_key_id("KMSKeyArn", text.trim().to_owned())?);
            }
            XmlEvent::Close { path: "ObjectEncryption/SSE-KMS/BucketKeyEnabled", text } => {
                bucket_key = text.trim().parse().map_err(|_| {
                    S3Error::invalid_request("The BucketKeyEnabled value isn't valid. Valid values are true or false.")
                })?;
            }
            XmlEvent::Close { .. } => {}
        }
    }
    feed.finish()?;
    match key {
        // Ids and aliases are accepted as well: the keys of a ring need no ARN.
        Some(key) if is_kms => Ok(Holder::Kms { key: Some(key), bucket_key, context: None }),
        Some(_) | None => Err(S3Error::invalid_request(
            "Requests that modify an object's encryption type to SSE-KMS require an Amazon Web Services KMS key Amazon \
             Resource Name (ARN). Modify the request to specify a KMS key ARN, and then try again.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::cipher::Holder;
    use crate::s3::Code;

    #[test]
    fn only_a_kms_key_can_be_asked_for() {
        let kms = |inner: &str| format!("<ObjectEncryption><SSE-KMS>{inner}</SSE-KMS></ObjectEncryption>");
        let whole = kms("<KMSKeyArn>arn:aws:kms:x:1:key/k</KMSKeyArn><BucketKeyEnabled>true</BucketKeyEnabled>");
        let Ok(Holder::Kms { key, bucket_key, .. }) = read(whole.as_bytes()) else { panic!("KMS") };
        assert_eq!((key.as_deref(), bucket_key), (Some("arn:aws:kms:x:1:key/k"), true));
        let table = [
            (kms(""), Code::InvalidRequest),
            (kms("<KMSKeyArn>k</KMSKeyArn><BucketKeyEnabled>si</BucketKeyEnabled>"), Code::InvalidRequest),
            ("<ObjectEncryption><SSE-S3/></ObjectEncryption>".into(), Code::InvalidRequest),
            ("<ObjectEncryption/>".into(), Code::InvalidRequest),
            ("<Other/>".into(), Code::MalformedXML),
            (kms("<KMSKeyArn></KMSKeyArn>"), Code::InvalidArgument),
        ];
        for (document, code) in table {
            assert_eq!(read(document.as_bytes()).unwrap_err().code, code, "{document}");
        }
    }
}
