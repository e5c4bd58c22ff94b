//! One version from the source to the target: its bytes in the same parts, so that the ETag stays the same, verified
//! before it becomes visible where that is possible.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use md5::{Digest as _, Md5};
use tokio::time::sleep;

use crate::limits::PART_BYTES_MAX;
use crate::limits::transfer::{TRANSFER_COMPLETE_SECONDS, TRANSFER_STALL_SECONDS, TRANSFER_TRIES};
use crate::transfer::TransferError;
use crate::transfer::client::{Call, S3Client, etag, pause, text};
use crate::transfer::headers::{carried, checksums, content_md5, is_digest, parts, tagging};
use crate::transfer::listing::Version;
use crate::transfer::pieces::{Piece, Pieces};
use crate::transfer::report::Tally;
use crate::transfer::stream::{Download, upload};
use crate::transfer::upload::{Part, Upload};
use crate::types::{Clock as _, SystemClock};

/// Both ends.
pub(crate) struct Copier<'c> {
    pub(crate) source: &'c S3Client,
    pub(crate) target: &'c S3Client,
    pub(crate) tally: &'c Tally,
    /// Whether an object whose ETag is no digest of its bytes is taken by its length.
    pub(crate) any_etag: bool,
}

impl Copier<'_> {
    /// Copies a version.
    ///
    /// # Errors
    /// Of either side, or that what was written is not what was read.
    pub(crate) async fn version(&self, bucket: &str, version: &Version) -> Result<(), TransferError> {
        if version.is_marker {
            let call = Call::object(Method::DELETE, bucket, &version.key);
            let within = Duration::from_secs(TRANSFER_STALL_SECONDS);
            self.target.ask_once(&call, Bytes::new(), within).await?;
            return Ok(());
        }
        match parts(&version.etag) {
            Some(count) => self.in_parts(bucket, version, Some(count)).await,
            None if version.size > PART_BYTES_MAX => self.in_parts(bucket, version, None).await,
            None => self.at_once(bucket, version).await,
        }
    }

    fn object(method: Method, bucket: &str, version: &Version) -> Call {
        Call::object(method, bucket, &version.key).maybe("versionId", version.id.as_deref())
    }

    /// What the version takes along.
    async fn head_of(&self, bucket: &str, version: &Version, head: &HeaderMap) -> Result<HeaderMap, TransferError> {
        let mut kept = carried(head, SystemClock.now());
        if text(head, "x-amz-tagging-count").is_some_and(|count| count != "0") {
            let call = Self::object(Method::GET, bucket, version).query("tagging", "");
            let tags = tagging(&self.source.read(&call).await?.xml()?);
            let value = HeaderValue::try_from(tags).map_err(|_| TransferError::Answer("tags".to_owned()))?;
            kept.insert("x-amz-tagging", value);
        }
        Ok(kept)
    }

    async fn at_once(&self, bucket: &str, version: &Version) -> Result<(), TransferError> {
        let plain = Self::object(Method::GET, bucket, version);
        let asked = plain.clone().header("x-amz-checksum-mode", "ENABLED")?;
        let download = Download::open(self.source, &asked, plain).await?;
        let head = download.headers().clone();
        let (expected, length) = (etag(&head), download.length());
        let sums = checksums(&head);
        let is_digest = is_digest(&head, &expected);
        if !is_digest && !self.any_etag && sums.is_empty() {
            return Err(unverifiable());
        }
        let mut put = Call::object(Method::PUT, bucket, &version.key);
        put.headers = self.head_of(bucket, version, &head).await?;
        put.headers.extend(sums);
        // The target then refuses bytes that are others, before anybody can see them.
        if let Some(md5) = content_md5(&expected).filter(|_| is_digest && !self.any_etag) {
            put = put.header("content-md5", &md5)?;
        }
        let (answer, passed) = upload(self.target, &put, length, |feed| download.pump(feed, None)).await?;
        Tally::add(&self.tally.bytes, length);
        written(&answer.headers, &answer.etag(), &hex::encode(passed.md5))
    }

    /// `count` is what the ETag says; without one the object is larger than one request may be.
    async fn in_parts(&self, bucket: &str, version: &Version, count: Option<u16>) -> Result<(), TransferError> {
        let call = Self::object(Method::HEAD, bucket, version);
        let head = self.source.read(&call).await?.headers;
        let expected = etag(&head);
        if !is_digest(&head, &expected) && !self.any_etag {
            return Err(unverifiable());
        }
        let headers = self.head_of(bucket, version, &head).await?;
        let upload = Upload::begin(self.target, bucket, &version.key, headers).await?;
        let copied = self.parts(bucket, version, (count, &expected), upload).await;
        match copied {
            Ok(upload) => upload.complete(Duration::from_secs(TRANSFER_COMPLETE_SECONDS)).await,
            Err((upload, error)) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    /// Copies the parts. The upload comes back in any case, to be completed or given up.
    async fn parts<'u>(
        &self,
        bucket: &str,
        version: &Version,
        (count, expected): (Option<u16>, &str),
        mut upload: Upload<'u>,
    ) -> Result<Upload<'u>, (Upload<'u>, TransferError)> {
        let mut whole = count.is_none().then(Md5::new);
        let mut pieces = Pieces::new(count, version.size);
        loop {
            match self.part(bucket, version, expected, (&mut pieces, &mut upload, whole.as_mut())).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err((upload, error)),
            }
        }
        let made = match whole {
            Some(md5) => hex::encode(md5.finalize()),
            None => upload.composite_etag(),
        };
        if upload.bytes() != version.size {
            let differs = format!("{} bytes instead of {}", upload.bytes(), version.size);
            return Err((upload, TransferError::Differs(differs)));
        }
        if made != expected && !self.any_etag {
            let differs = format!("the parts come to the ETag {made}, the source has {expected}{HINT}");
            return Err((upload, TransferError::Differs(differs)));
        }
        Ok(upload)
    }

    /// Copies the next part; false if there is none.
    async fn part(
        &self,
        bucket: &str,
        version: &Version,
        expected: &str,
        (pieces, upload_of, mut whole): (&mut Pieces, &mut Upload<'_>, Option<&mut Md5>),
    ) -> Result<bool, TransferError> {
        let plain = Self::object(Method::GET, bucket, version).header("if-match", &format!("\"{expected}\""))?;
        let Some(piece) = pieces.next() else { return Ok(false) };
        let (number, asked) = match &piece {
            Piece::Number(number) => (*number, plain.clone().query("partNumber", &number.to_string())),
            Piece::Range(number, range) => {
                let range = format!("bytes={}-{}", range.start, range.end - 1);
                (*number, plain.clone().header("range", &range)?)
            }
        };
        let mut tries = 0;
        loop {
            let before = whole.as_deref().cloned();
            let download = match Download::open(self.source, &asked, plain.clone()).await {
                Ok(download) => download,
                // Numbers may have gaps.
                Err(error) if pieces.may_skip(&error) => return Ok(true),
                Err(error) => return Err(error),
            };
            if !pieces.fits(&download.range()) {
                let silent = "the source does not tell the sizes of its parts";
                return if pieces.guess() { Ok(true) } else { Err(TransferError::Unsupported(silent.to_owned())) };
            }
            let length = download.length();
            let put = upload_of.part(number);
            match upload(self.target, &put, length, |feed| download.pump(feed, whole.as_deref_mut())).await {
                Ok((answer, passed)) => {
                    let (md5, etag) = (passed.md5, answer.etag());
                    written(&answer.headers, &etag, &hex::encode(md5))?;
                    Tally::add(&self.tally.bytes, length);
                    upload_of.add(Part { number, md5, etag }, length);
                    pieces.took();
                    return Ok(true);
                }
                Err(error) if error.passes() && tries + 1 < TRANSFER_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
            if let (Some(whole), Some(before)) = (&mut whole, before) {
                **whole = before;
            }
            sleep(pause(tries)).await;
        }
    }
}

/// What a report adds where an ETag decides.
const HINT: &str = "; `--any-etag` takes it by its length";

fn unverifiable() -> TransferError {
    TransferError::Unsupported(format!("its ETag at the source is no MD5, as under SSE-KMS{HINT}"))
}

/// Requires the target to have what passed. Under SSE-KMS and SSE-C its ETag may be anything.
pub(crate) fn written(headers: &HeaderMap, etag: &str, md5: &str) -> Result<(), TransferError> {
    if etag == md5 || !is_digest(headers, etag) {
        return Ok(());
    }
    Err(TransferError::Differs(format!("the target has the ETag {etag} for bytes with the MD5 {md5}")))
}
