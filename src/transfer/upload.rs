//! An upload in parts at the target.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use md5::{Digest as _, Md5};

use crate::transfer::TransferError;
use crate::transfer::client::{Call, S3Client, refused};

/// An upload under way. One that is neither completed nor aborted ends with the target's own clean-up.
pub(crate) struct Upload<'c> {
    client: &'c S3Client,
    bucket: String,
    key: String,
    id: String,
    parts: Vec<Part>,
    bytes: u64,
}

/// A part that was written.
pub(crate) struct Part {
    /// Its number.
    pub(crate) number: u16,
    /// The MD5 of its bytes.
    pub(crate) md5: [u8; 16],
    /// The ETag that the target gave it.
    pub(crate) etag: String,
}

impl<'c> Upload<'c> {
    /// Begins an upload of an object with these headers.
    ///
    /// # Errors
    /// What the target refuses.
    pub(crate) async fn begin(
        client: &'c S3Client,
        bucket: &str,
        key: &str,
        headers: HeaderMap,
    ) -> Result<Self, TransferError> {
        let mut call = Call::object(Method::POST, bucket, key).query("uploads", "");
        call.headers = headers;
        let document = client.read(&call).await?.xml()?;
        let id = document.text_of("UploadId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| TransferError::Answer("an upload without an id".to_owned()))?.to_owned();
        Ok(Self { client, bucket: bucket.to_owned(), key: key.to_owned(), id, parts: Vec::new(), bytes: 0 })
    }

    /// The request that writes a part.
    pub(crate) fn part(&self, number: u16) -> Call {
        let call = Call::object(Method::PUT, &self.bucket, &self.key);
        call.query("partNumber", &number.to_string()).query("uploadId", &self.id)
    }

    /// Notes a part that was written.
    pub(crate) fn add(&mut self, part: Part, length: u64) {
        self.parts.push(part);
        self.bytes += length;
    }

    /// Bytes of all parts so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The ETag that the object gets.
    pub(crate) fn composite_etag(&self) -> String {
        let mut md5 = Md5::new();
        for part in &self.parts {
            md5.update(part.md5);
        }
        format!("{}-{}", hex::encode(md5.finalize()), self.parts.len())
    }

    /// Makes the object of its parts.
    ///
    /// # Errors
    /// What the target refuses; after one that passes nobody knows whether the object is there.
    pub(crate) async fn complete(self, within: Duration) -> Result<(), TransferError> {
        let mut document = "<CompleteMultipartUpload>".to_owned();
        for Part { number, etag, .. } in &self.parts {
            let _ = write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>");
        }
        document.push_str("</CompleteMultipartUpload>");
        let call = Call::object(Method::POST, &self.bucket, &self.key).query("uploadId", &self.id);
        let answer = self.client.ask_once(&call, Bytes::from(document), within).await;
        // The status is sent before the work is done.
        let done = answer.and_then(|answer| {
            let document = answer.xml()?;
            match document.name.as_str() {
                "Error" => Err(refused(http::StatusCode::INTERNAL_SERVER_ERROR, Some(&document))),
                _ => Ok(()),
            }
        });
        if done.is_err() {
            self.abort().await;
        }
        done
    }

    /// Gives the upload up. If that fails the target's own clean-up finds it.
    pub(crate) async fn abort(&self) {
        let call = Call::object(Method::DELETE, &self.bucket, &self.key).query("uploadId", &self.id);
        let _ = self.client.ask_once(&call, Bytes::new(), Duration::from_secs(10)).await;
    }
}
