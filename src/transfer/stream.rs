//! Bodies on their way from one side to the other, in bounded pieces. A source that breaks off is asked for the rest;
//! the side that writes does not notice.

use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use md5::{Digest as _, Md5};
use tokio::time::{interval, sleep, timeout};

use crate::limits::transfer::{TRANSFER_STALL_SECONDS, TRANSFER_TRIES};
use crate::transfer::TransferError;
use crate::transfer::client::{Answer, Call, S3Client, etag, pause, text, whole};
use crate::transfer::payload::{Feed, Payload};

/// Sends a body of `length` bytes that `pump` feeds. Returns the answer and what the pump came to.
///
/// # Errors
/// Of the side that failed first, or that nothing moved for too long.
pub(crate) async fn upload<F, T>(
    client: &S3Client,
    call: &Call,
    length: u64,
    pump: impl FnOnce(Feed) -> F,
) -> Result<(Answer, T), TransferError>
where
    F: Future<Output = Result<T, TransferError>>,
{
    let (payload, feed, moved) = Payload::fed(length);
    let mut pump = pin!(pump(feed));
    let mut put = pin!(async { whole(client.send(call, payload).await?).await });
    let mut stalled = pin!(stalled(&moved));
    let mut pumped = None;
    let answer = loop {
        tokio::select! {
            biased;
            outcome = &mut pump, if pumped.is_none() => pumped = Some(outcome?),
            answer = &mut put => break answer?,
            () = &mut stalled => return Err(TransferError::Stalled("write a body")),
        }
    };
    match pumped {
        Some(pumped) => Ok((answer, pumped)),
        // Every byte was taken, so that nothing is left to wait for but the pump's own end.
        None => Ok((answer, pump.await?)),
    }
}

/// Ends when nothing has moved for `TRANSFER_STALL_SECONDS`.
async fn stalled(moved: &AtomicU64) {
    let mut ticks = interval(Duration::from_secs(TRANSFER_STALL_SECONDS));
    ticks.tick().await;
    let mut before = u64::MAX;
    loop {
        ticks.tick().await;
        let now = moved.load(Ordering::Relaxed);
        if std::mem::replace(&mut before, now) == now {
            return;
        }
    }
}

/// A body of a source that is being read.
pub(crate) struct Download<'c> {
    client: &'c S3Client,
    /// The request without a part number, to ask for ranges.
    plain: Call,
    etag: String,
    answer: Response<Incoming>,
    /// What it is of the whole object.
    range: Range<u64>,
}

/// What went through.
pub(crate) struct Passed {
    /// Its MD5.
    pub(crate) md5: [u8; 16],
}

impl<'c> Download<'c> {
    /// Opens what `call` asks for; `plain` is the same request without a part number or range.
    ///
    /// # Errors
    /// What the source refuses, and answers without a length.
    pub(crate) async fn open(client: &'c S3Client, call: &Call, plain: Call) -> Result<Self, TransferError> {
        let answer = client.open(call).await?;
        let headers = answer.headers();
        let length: Option<u64> = text(headers, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        let length = length.ok_or_else(|| TransferError::Answer("a body without a length".to_owned()))?;
        let start = text(headers, CONTENT_RANGE.as_str()).map_or(Some(0), range_start);
        let start = start.ok_or_else(|| TransferError::Answer("a range that does not read".to_owned()))?;
        Ok(Self { client, plain, etag: etag(headers), range: start..start.saturating_add(length), answer })
    }

    /// The head of the answer.
    pub(crate) fn headers(&self) -> &http::HeaderMap {
        self.answer.headers()
    }

    /// Where it is in the object.
    pub(crate) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Feeds the body into a request, and `whole` with it. Opens it again where it broke off.
    ///
    /// # Errors
    /// What the source refuses, or that it broke off too often without a byte between.
    pub(crate) async fn pump(self, feed: Feed, mut whole: Option<&mut Md5>) -> Result<Passed, TransferError> {
        let Self { client, plain, etag, answer, range } = self;
        let mut body = answer.into_body();
        let mut md5 = Md5::new();
        let mut at = range.start;
        let mut tries = 0;
        while at < range.end {
            let failure = match timeout(Duration::from_secs(TRANSFER_STALL_SECONDS), body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    md5.update(&piece);
                    if let Some(whole) = &mut whole {
                        whole.update(&piece);
                    }
                    at += piece.len() as u64;
                    tries = 0;
                    feed.send(piece).await;
                    continue;
                }
                Ok(Some(Err(error))) => TransferError::Unreachable(format!("the source broke off: {error}")),
                Ok(None) => TransferError::Unreachable("the source broke off".to_owned()),
                Err(_) => TransferError::Stalled("read from the source"),
            };
            tries += 1;
            if tries == TRANSFER_TRIES {
                return Err(failure);
            }
            sleep(pause(tries)).await;
            body = rest(client, &plain, &etag, at..range.end).await?;
        }
        Ok(Passed { md5: md5.finalize().into() })
    }
}

/// Opens the rest of a body, of the same object.
async fn rest(client: &S3Client, plain: &Call, expected: &str, range: Range<u64>) -> Result<Incoming, TransferError> {
    let call = plain.clone().header("range", &format!("bytes={}-{}", range.start, range.end - 1))?;
    let answer = client.open(&call).await?;
    let start = text(answer.headers(), CONTENT_RANGE.as_str()).and_then(range_start);
    if start != Some(range.start) || etag(answer.headers()) != expected {
        return Err(TransferError::Differs("the object changed while it was read".to_owned()));
    }
    Ok(answer.into_body())
}

/// The start of `bytes 5-9/10`.
fn range_start(text: &str) -> Option<u64> {
    text.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// Feeds what `read` brings until it brings nothing.
///
/// # Errors
/// Of `read`.
pub(crate) async fn pump_pieces(
    mut pieces: tokio::sync::mpsc::Receiver<std::io::Result<Bytes>>,
    feed: Feed,
) -> Result<Passed, TransferError> {
    let mut md5 = Md5::new();
    while let Some(piece) = pieces.recv().await {
        let piece = piece.map_err(crate::transfer::error::file("read"))?;
        md5.update(&piece);
        feed.send(piece).await;
    }
    Ok(Passed { md5: md5.finalize().into() })
}

#[cfg(test)]
mod tests {
    use super::range_start;

    #[test]
    fn ranges_say_where_they_begin() {
        assert_eq!(range_start("bytes 5-9/10"), Some(5));
        assert_eq!(range_start("bytes */10"), None);
        assert_eq!(range_start("lines 1-2/3"), None);
    }
}
