//! POST forms: the fields before the file, the request that they stand for, and the file as a body.
//!
//! Source: Amazon S3 API Reference, "POST Object". Fields become the headers that a PutObject would carry, so that one
//! path of code validates both.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::auth::{FileSize, FormFields};
use crate::engine::{ByteSource, SourceError};
use crate::guard::Pace;
use crate::net::RequestBody;
use crate::rules::tag::Tagged;
use crate::s3::body::BodyFault;
use crate::s3::form_feed::{FieldHead, FileFeed, FilePiece, FormError, FormEvent, FormFeed, boundary};
use crate::s3::tagging::{TAGGING, read_tagging};
use crate::s3::{Code, S3Error};
use crate::types::ChecksumValue;

/// What a field may say of the file's name.
const FILENAME: &str = "${filename}";
/// Headers of the POST itself that count. All others would be claims that no policy covers.
const KEPT: [HeaderName; 5] =
    [HOST, ORIGIN, REFERER, USER_AGENT, HeaderName::from_static("x-amz-expected-bucket-owner")];
/// Fields that are headers of the object under the same name.
const CONTENT: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];
/// Fields that are the signature, and no headers.
const SIGNATURE: [&str; 5] =
    ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];

/// A form up to the first byte of its file.
pub(crate) struct Form {
    /// Its fields, with the file's name where they ask for it.
    pub(crate) fields: FormFields,
    /// Its file.
    pub(crate) file: FileSource,
}

impl Form {
    /// Reads the fields.
    ///
    /// # Errors
    /// `PreconditionFailed` if the request is no form, `MalformedPOSTRequest`, `MaxPostPreDataLengthExceededError`,
    /// `InvalidArgument`.
    pub(crate) async fn read(
        headers: &HeaderMap,
        mut body: RequestBody,
        received: Arc<AtomicU64>,
    ) -> Result<Self, S3Error> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = boundary(content_type).ok_or_else(|| {
            S3Error::new(Code::PreconditionFailed)
                .detail("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
        })?;
        let mut feed = FormFeed::new(boundary);
        let mut fields = FormFields::default();
        let head = loop {
            match feed.next_event()? {
                Some(FormEvent::Field { head, value }) => add(&mut fields, &head, &value)?,
                Some(FormEvent::File { head }) => break head,
                None => match poll_fn(|cx| body.poll_piece(cx)).await {
                    Some(Ok(piece)) => {
                        received.fetch_add(piece.len() as u64, Ordering::Relaxed);
                        feed.push(&piece);
                    }
                    Some(Err(error)) => return Err(BodyFault::from(error).into()),
                    None => return Err(FormError::Malformed("it ends before its file").into()),
                },
            }
        };
        let filename = short_name(head.filename.as_deref().unwrap_or_default());
        fields.change_values(|value| value.replace(FILENAME, filename));
        let file = FileSource { body, feed: feed.into_file(), size: FileSize::ANY, delivered: 0, received };
        Ok(Self { fields, file })
    }
}

fn add(fields: &mut FormFields, head: &FieldHead, value: &Bytes) -> Result<(), S3Error> {
    let value = std::str::from_utf8(value)
        .map_err(|_| S3Error::invalid_argument(&head.name, "", "The value of a form field must be UTF-8."))?;
    fields
        .add(&head.name, value.to_owned())
        .map_err(|name| S3Error::invalid_argument(name, value, "A form field must be given only once."))
}

/// A file's name without the path that some browsers send.
fn short_name(filename: &str) -> &str {
    filename.rsplit(['/', '\\']).next().unwrap_or_default()
}

impl From<FormError> for S3Error {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed(_) => Self::new(Code::MalformedPOSTRequest).cause(error),
            FormError::TooLong => Self::new(Code::MaxPostPreDataLengthExceededError),
            FormError::NoFile => {
                Self::invalid_argument("file", "0", "POST requires exactly one file upload per request.")
            }
        }
    }
}

/// The headers of the PutObject that a form stands for.
///
/// # Errors
/// `InvalidArgument` for values that no header may have, and those of the tags.
pub(crate) fn form_headers(posted: &HeaderMap, fields: &FormFields) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for name in KEPT {
        if let Some(value) = posted.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in fields.iter() {
        let (header, value) = match name {
            "acl" => ("x-amz-acl", value.to_owned()),
            "tagging" if fields.value(TAGGING).is_some() => {
                return Err(S3Error::invalid_argument(name, value, "Tags must be given only once."));
            }
            "tagging" => (TAGGING, tagging_header(value)?),
            "content-md5" => (name, value.to_owned()),
            _ if CONTENT.contains(&name) => (name, value.to_owned()),
            _ if name.starts_with("x-amz-copy-source") || name == "x-amz-trailer" => {
                return Err(S3Error::invalid_argument(name, value, "The field cannot be part of a POST form."));
            }
            _ if name.starts_with("x-amz-") && !SIGNATURE.contains(&name) => (name, value.to_owned()),
            _ => continue,
        };
        // An input that was left empty says nothing; an empty piece of user metadata does.
        if value.is_empty() && !header.starts_with("x-amz-meta-") {
            continue;
        }
        let parsed = (HeaderName::from_bytes(header.as_bytes()), HeaderValue::from_bytes(value.as_bytes()));
        let (Ok(header), Ok(value)) = parsed else {
            return Err(S3Error::invalid_argument(name, value, "The field cannot be carried by a header."));
        };
        headers.insert(header, value);
    }
    Ok(headers)
}

/// The `Tagging` document of a form as the header that says the same.
fn tagging_header(document: &str) -> Result<String, S3Error> {
    if document.is_empty() {
        return Ok(String::new());
    }
    let tags = read_tagging(document.as_bytes(), Tagged::Object)?;
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = tags.0.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    Ok(pairs.join("&"))
}

/// The file of a form as the engine pulls it. It has ended only when its boundary was seen.
pub(crate) struct FileSource {
    body: RequestBody,
    feed: FileFeed,
    size: FileSize,
    delivered: u64,
    received: Arc<AtomicU64>,
}

impl FileSource {
    /// Holds the file to a size.
    pub(crate) fn of_size(mut self, size: FileSize) -> Self {
        self.size = size;
        self
    }

    /// The same file at a pace.
    #[must_use]
    pub(crate) fn at_pace(mut self, pace: Option<Pace>) -> Self {
        self.body = self.body.at_pace(pace);
        self
    }

    fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyFault>> {
        loop {
            match self.feed.next_piece()? {
                FilePiece::Bytes(piece) => return Poll::Ready(self.count(piece).map(Some)),
                FilePiece::End if self.delivered < self.size.bytes_min => {
                    let (bytes, bytes_min) = (self.delivered, self.size.bytes_min);
                    return Poll::Ready(Err(BodyFault::BelowPolicy { bytes, bytes_min }));
                }
                FilePiece::End => return Poll::Ready(Ok(None)),
                FilePiece::More => match ready!(self.body.poll_piece(cx)).transpose()? {
                    Some(piece) => {
                        self.received.fetch_add(piece.len() as u64, Ordering::Relaxed);
                        self.feed.push(piece);
                    }
                    None => return Poll::Ready(Err(FormError::Malformed("it ends within its file").into())),
                },
            }
        }
    }

    fn count(&mut self, piece: Bytes) -> Result<Bytes, BodyFault> {
        self.delivered += piece.len() as u64;
        if self.delivered > self.size.bytes_max {
            return Err(BodyFault::AbovePolicy { bytes: self.delivered, bytes_max: self.size.bytes_max });
        }
        Ok(piece)
    }
}

impl ByteSource for FileSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        self.poll_file(cx).map(|piece| piece.map_err(|fault| SourceError(Box::new(fault))).transpose())
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue};

    use super::{Form, form_headers, short_name};
    use crate::auth::FormFields;
    use crate::net::RequestBody;
    use crate::s3::Code;

    #[test]
    fn a_form_becomes_the_headers_of_a_put() {
        let mut posted = HeaderMap::new();
        for (name, value) in [("host", "h"), ("x-amz-acl", "public-read"), ("content-type", "multipart/form-data")] {
            posted.insert(name, HeaderValue::from_static(value));
        }
        let tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>=</Value></Tag></TagSet></Tagging>";
        let form = [
            ("Content-Type", "text/plain"),
            ("x-amz-meta-A", "ü"),
            ("tagging", tags),
            ("x-amz-storage-class", ""),
            ("x-amz-signature", "s"),
            ("policy", "p"),
            ("submit", "go"),
        ];
        let headers = form_headers(&posted, &FormFields::for_test(&form)).unwrap();
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["x-amz-meta-a"].as_bytes(), "ü".as_bytes());
        assert_eq!(headers["x-amz-tagging"], "a%20b=%3D");
        assert_eq!(headers["host"], "h");
        assert_eq!(headers.len(), 4, "{headers:?}");
        assert_eq!(
            form_headers(&posted, &FormFields::for_test(&[("acl", "private")])).unwrap()["x-amz-acl"],
            "private"
        );
    }

    #[test]
    fn fields_that_cannot_be_headers_are_refused() {
        let code =
            |pairs: &[(&str, &str)]| form_headers(&HeaderMap::new(), &FormFields::for_test(pairs)).unwrap_err().code;
        assert_eq!(code(&[("x-amz-meta-a", "1\r\nx: y")]), Code::InvalidArgument);
        assert_eq!(code(&[("x-amz-meta- a", "1")]), Code::InvalidArgument);
        assert_eq!(code(&[("x-amz-copy-source", "/a/b")]), Code::InvalidArgument);
        assert_eq!(code(&[("tagging", "<x/>"), ("x-amz-tagging", "a=b")]), Code::InvalidArgument);
        assert_eq!(code(&[("tagging", "<x/>")]), Code::MalformedXML);
    }

    #[test]
    fn a_files_name_has_no_path() {
        for (name, short) in [("a.txt", "a.txt"), ("C:\\x\\a.txt", "a.txt"), ("../../a", "a"), ("x/", ""), ("", "")] {
            assert_eq!(short_name(name), short);
        }
    }

    #[tokio::test]
    async fn fields_take_the_files_name() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nup/${filename}-${filename}\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d/n\"\r\n\r\nx\r\n--b--";
        let headers = HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data;boundary=b"),
        )]);
        let body = || RequestBody::from_pieces([form]);
        let read = Form::read(&headers, body(), Arc::default()).await.map_err(|error| error.code);
        assert_eq!(read.ok().unwrap().fields.value("key"), Some("up/n-n"));
        let refused = Form::read(&HeaderMap::new(), body(), Arc::default()).await.err().unwrap();
        assert_eq!(refused.status(), 412);
    }
}
