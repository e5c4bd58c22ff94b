//! CompleteMultipartUpload. Source: Amazon S3 API Reference, CompleteMultipartUpload.

use std::collections::VecDeque;
use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::oneshot;

use crate::cipher::CustomerKey;
use crate::engine::{CompletionClaim, Engine, EngineError, Written};
use crate::limits::{COMPLETE_STEP, COMPLETE_XML_BYTES_MAX};
use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::HeaderChecksums;
use crate::s3::checksum_headers::{claimed_checksum, write_checksum};
use crate::s3::conditions::{failed_write_condition, write_precondition};
use crate::s3::document::Document;
use crate::s3::encryption_headers::{customer_key, insert_encryption};
use crate::s3::expiration::ExpirationHeader;
use crate::s3::keep_alive::{self, ErrorContext, LongAnswer};
use crate::s3::metadata::header_text;
use crate::s3::object_headers::{VERSION_ID, insert_version, naming_condition, object_error, upload_error};
use crate::s3::parameters;
use crate::s3::part_list::PartList;
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Bucket, ETag, ObjectKey, UploadId};

const OBJECT_SIZE: &str = "x-amz-mp-object-size";

/// Judges the client's list while it arrives, and commits. The time that keeps a connection alive counts from
/// the end of the list: until then the client is talking.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let upload = parameters::upload(&call.query)?;
    let job = Job {
        engine: gateway.engine.clone(),
        bucket: call.bucket().clone(),
        key: call.key().clone(),
        upload,
        claim: claim(&call.headers)?,
        location: location(call),
        claimed: Claimed::default(),
        expiration: ExpirationHeader::of(gateway, call),
        customer_key: customer_key(&call.headers)?,
        encryption: HeaderMap::new(),
    };
    let document = Document::open(call, body, COMPLETE_XML_BYTES_MAX, HeaderChecksums::OfObject)?;
    let (read, was_read) = oneshot::channel();
    let work = keep_alive::start(&gateway.drain, job.run(document, read));
    // If the list is refused the sender is dropped, and the refusal is at hand at once.
    let _ = was_read.await;
    keep_alive::answer(work, ErrorContext::of(gateway, call)).await
}

fn claim(headers: &HeaderMap) -> Result<CompletionClaim, S3Error> {
    let (checksum, checksum_type) = claimed_checksum(headers)?;
    let size = match header_text(headers, OBJECT_SIZE) {
        Some(text) => Some(text.parse().map_err(|_| {
            S3Error::invalid_request("The value of the x-amz-mp-object-size header is not a valid number of bytes.")
        })?),
        None => None,
    };
    Ok(CompletionClaim { size, checksum, checksum_type, precondition: write_precondition(headers)? })
}

/// Where the object can be read.
fn location(call: &Authorized) -> String {
    format!("{}{}", call.endpoint.as_deref().unwrap_or_default(), call.path)
}

struct Job {
    engine: Arc<Engine>,
    bucket: Bucket,
    key: ObjectKey,
    upload: UploadId,
    claim: CompletionClaim,
    location: String,
    claimed: Claimed,
    expiration: ExpirationHeader,
    customer_key: Option<CustomerKey>,
    /// What the answer tells of the encryption.
    encryption: HeaderMap,
}

impl Job {
    async fn run(mut self, mut document: Document, read: oneshot::Sender<()>) -> Result<LongAnswer, S3Error> {
        let condition = failed_write_condition(&self.claim.precondition);
        let engine = self.engine.clone();
        let begun = engine.begin_completion(&self.bucket, &self.key, self.upload).await;
        let mut completion = begun.map_err(|error| upload_error(error, self.upload))?;
        completion.check_key(self.customer_key.as_ref()).map_err(|error| upload_error(error, self.upload))?;
        if let Some(attributes) = completion.attributes() {
            insert_encryption(&mut self.encryption, attributes, self.customer_key.as_ref());
        }
        let mut list = PartList::default();
        while let Some(feed) = document.next().await? {
            while let Some(event) = feed.next_event()? {
                let Some(part) = list.take(event).map_err(|error| self.naming_upload(error))? else {
                    continue;
                };
                self.claimed.note(part.number, part.etag);
                completion.push(part).await.map_err(|error| self.part_error(error))?;
            }
        }
        document.finish()?;
        list.finish()?;
        // Nobody waits any more if the request was dropped; the completion goes on all the same.
        let _ = read.send(());
        let finished = completion.finish(std::mem::take(&mut self.claim)).await;
        let written = finished.map_err(|error| naming_condition(self.part_error(error), condition))?;
        let mut answer = self.answer(&written);
        self.expiration.insert_for_written(&mut answer.headers, written.version).await;
        Ok(answer)
    }

    fn answer(&self, written: &Written) -> LongAnswer {
        let mut headers = self.encryption.clone();
        insert_version(&mut headers, VERSION_ID, written.version);
        let mut xml = XmlWriter::document("CompleteMultipartUploadResult");
        xml.text("Location", &self.location)
            .text("Bucket", &self.bucket.name)
            .text("Key", &self.key)
            .text("ETag", written.etag.quoted());
        if let Some(checksum) = &written.checksum {
            write_checksum(&mut xml, checksum);
        }
        LongAnswer { headers, document: xml.finish() }
    }

    fn part_error(&self, error: EngineError) -> S3Error {
        match error {
            EngineError::InvalidPart { number } => {
                let error =
                    self.naming_upload(S3Error::new(Code::InvalidPart)).detail("PartNumber", number.to_string());
                match self.claimed.etag(number) {
                    Some(etag) => error.detail("ETag", etag.to_string()),
                    None => error,
                }
            }
            error @ EngineError::NoSuchUpload => upload_error(error, self.upload),
            error => object_error(error, &self.key, None),
        }
    }

    fn naming_upload(&self, mut error: S3Error) -> S3Error {
        if error.code == Code::InvalidPart {
            error.details.insert(0, ("UploadId", self.upload.to_string()));
        }
        error
    }
}

/// The tags that the client claimed last: the engine compares in steps, so it may find a fault up to one step
/// later.
#[derive(Debug, Default)]
struct Claimed(VecDeque<(u16, ETag)>);

impl Claimed {
    fn note(&mut self, number: u16, etag: ETag) {
        if self.0.len() == COMPLETE_STEP {
            self.0.pop_front();
        }
        self.0.push_back((number, etag));
    }

    fn etag(&self, number: u16) -> Option<ETag> {
        self.0.iter().rev().find(|(claimed, _)| *claimed == number).map(|(_, etag)| *etag)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Claimed, claim};
    use crate::limits::COMPLETE_STEP;
    use crate::s3::Code;
    use crate::types::ETag;

    #[test]
    fn a_claimed_size_is_a_number_of_bytes() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("x-amz-mp-object-size"),
                HeaderValue::from_static(value),
            )]);
            claim(&headers).map(|claim| claim.size).map_err(|error| error.code)
        };
        assert_eq!(read("5"), Ok(Some(5)));
        assert_eq!(read("-5"), Err(Code::InvalidRequest));
        assert_eq!(read(""), Err(Code::InvalidRequest));
        assert_eq!(claim(&HeaderMap::new()).unwrap().size, None);
    }

    #[test]
    fn the_tags_of_the_last_step_are_remembered_and_no_more() {
        let mut claimed = Claimed::default();
        let count = u16::try_from(COMPLETE_STEP).unwrap() + 1;
        for number in 1..=count {
            claimed.note(number, ETag::single([0; 16]));
        }
        assert_eq!(claimed.0.len(), COMPLETE_STEP);
        assert_eq!(claimed.etag(1), None);
        assert_eq!(claimed.etag(count), Some(ETag::single([0; 16])));
    }
}
