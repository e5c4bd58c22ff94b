//! An S3 client that speaks HTTP/1.1 over a socket itself and signs with the `aws-sigv4` crate, which shares
//! no code with the gateway's verification.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What S3 leaves unescaped in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What S3 leaves unescaped in a query value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An access key.
#[derive(Clone)]
pub struct Credentials {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The token of the session that it is of.
    pub token: Option<String>,
}

impl Credentials {
    /// A key.
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), token: None }
    }
}

/// Escapes a key for a path.
pub fn escape_path(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// Escapes a value for a query.
pub fn escape_value(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The ETag without quotes.
    pub fn etag(&self) -> String {
        self.header("etag").expect("an ETag header").trim_matches('"').to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the body is an error document, whatever the status says.
    pub fn text_starts_with_error(&self) -> bool {
        self.body.len() < 4096 && self.text().contains("<Error>")
    }

    /// The unescaped text of every `<name>` element of the body, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let pieces = text.split(&open).skip(1);
        pieces.filter_map(|piece| piece.split(&close).next()).map(unescape).collect()
    }

    /// The unescaped text of the first `<name>` element.
    pub fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// The elements of any of these names that are not within one another, in order: each with its name, and its
    /// inside as the body of an answer.
    pub fn elements(&self, names: &[&str]) -> Vec<(String, Self)> {
        let text = self.text();
        let (mut found, mut rest) = (Vec::new(), text.as_str());
        let next = |rest: &str| {
            let starts = names.iter().filter_map(|name| Some((rest.find(&format!("<{name}>"))?, (*name).to_owned())));
            starts.min()
        };
        while let Some((at, name)) = next(rest) {
            let inside = &rest[at + name.len() + 2..];
            let end = inside.find(&format!("</{name}>")).expect("an element ends");
            let body = inside.as_bytes()[..end].to_vec();
            rest = &inside[end..];
            found.push((name, Self { status: self.status, headers: Vec::new(), body }));
        }
        found
    }

    /// Requires a status; shows the body otherwise.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// Requires an error with this status and code, a message, and a request id.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.one("Code"), code, "{}", answer.text());
        assert!(!answer.one("Message").is_empty(), "{}", answer.text());
        assert_eq!(Some(answer.one("RequestId").as_str()), answer.header("x-amz-request-id"));
        answer
    }
}

fn unescape(text: &str) -> String {
    quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

/// A request under construction.
#[derive(Clone)]
pub struct Call {
    client: Client,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    payload: Payload,
    service: &'static str,
    time: Option<SystemTime>,
}

/// What the signature says about the body.
#[derive(Clone)]
enum Payload {
    Hashed,
    Text(String),
}

/// A client with or without a key.
#[derive(Clone)]
pub struct Client {
    /// Where it connects.
    pub address: SocketAddr,
    /// With what it signs.
    pub credentials: Option<Credentials>,
    /// Region of its signatures.
    pub region: String,
}

impl Client {
    /// A client.
    pub fn new(address: SocketAddr, credentials: Option<Credentials>) -> Self {
        Self { address, credentials, region: "us-east-1".to_owned() }
    }

    /// A request with any method. `target` is the escaped path and query.
    pub fn call(&self, method: &str, target: &str) -> Call {
        Call {
            client: self.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            payload: Payload::Hashed,
            service: "s3",
            time: None,
        }
    }

    /// GET.
    pub fn get(&self, target: &str) -> Answer {
        self.call("GET", target).send()
    }

    /// HEAD.
    pub fn head(&self, target: &str) -> Answer {
        self.call("HEAD", target).send()
    }

    /// PUT.
    pub fn put(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.call("PUT", target).body(body).send()
    }

    /// POST.
    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.call("POST", target).body(body).send()
    }

    /// DELETE.
    pub fn delete(&self, target: &str) -> Answer {
        self.call("DELETE", target).send()
    }

    /// Creates a bucket and requires success.
    pub fn bucket(&self, name: &str) {
        self.put(&format!("/{name}"), "").expect(200);
    }

    /// A connection for requests that are written byte by byte.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set timeout");
        stream.set_nodelay(true).expect("set nodelay");
        stream
    }
}

impl Call {
    /// Adds a header. It is signed.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Signs for another service.
    pub fn service(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }

    /// Signs as if it were another time.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Signs `text` as `x-amz-content-sha256` instead of the body's hash.
    pub fn payload(mut self, text: &str) -> Self {
        self.payload = Payload::Text(text.to_owned());
        self
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The head as it goes over the wire, signed, ending with an empty line. Content-Length is the body's
    /// unless a header says otherwise.
    pub fn head(&self) -> Vec<u8> {
        self.signed(&[])
    }

    fn signed(&self, unsigned: &[(&str, &str)]) -> Vec<u8> {
        let mut headers = vec![("host".to_owned(), self.client.address.to_string())];
        headers.extend(self.headers.iter().cloned());
        // A test may name its own host.
        if self.headers.iter().any(|(name, _)| name == "host") {
            headers.remove(0);
        }
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        let has_length = headers.iter().any(|(name, _)| name == "content-length");
        if let Some(credentials) = &self.client.credentials {
            headers.extend(self.signature(credentials, &headers));
        }
        headers.extend(unsigned.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if !is_chunked && !has_length && (!self.body.is_empty() || matches!(&*self.method, "PUT" | "POST")) {
            headers.push(("content-length".to_owned(), self.body.len().to_string()));
        }
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in headers {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn settings(&self, location: SignatureLocation) -> SigningSettings {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = match location {
            SignatureLocation::Headers => PayloadChecksumKind::XAmzSha256,
            _ => PayloadChecksumKind::NoHeader,
        };
        settings.signature_location = location;
        settings
    }

    fn signature(&self, credentials: &Credentials, headers: &[(String, String)]) -> Vec<(String, String)> {
        let identity =
            AwsCredentials::new(&credentials.id, &credentials.secret, credentials.token.clone(), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.client.region)
            .name(self.service)
            .time(self.time.unwrap_or_else(SystemTime::now))
            .settings(self.settings(SignatureLocation::Headers))
            .build()
            .expect("signing parameters")
            .into();
        let body = match &self.payload {
            Payload::Hashed => SignableBody::Bytes(&self.body),
            Payload::Text(text) => SignableBody::Precomputed(text.clone()),
        };
        let uri = format!("http://{}{}", self.client.address, self.target);
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(&self.method, uri, pairs, body).expect("a signable request");
        let (instructions, _) = sign(request, &params).expect("sign").into_parts();
        let (added, _) = instructions.into_parts();
        added.iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect()
    }

    /// The target of this request as a presigned URL, valid for `seconds`.
    pub fn presign(&self, seconds: u64) -> String {
        self.presign_at(seconds, SystemTime::now())
    }

    /// As `presign`, signed at another time.
    pub fn presign_at(&self, seconds: u64, time: SystemTime) -> String {
        let credentials = self.client.credentials.as_ref().expect("a key to sign with");
        let identity =
            AwsCredentials::new(&credentials.id, &credentials.secret, credentials.token.clone(), None, "test").into();
        let mut settings = self.settings(SignatureLocation::QueryParams);
        settings.expires_in = Some(Duration::from_secs(seconds));
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.client.region)
            .name(self.service)
            .time(time)
            .settings(settings)
            .build()
            .expect("signing parameters")
            .into();
        let uri = format!("http://{}{}", self.client.address, self.target);
        let host = self.client.address.to_string();
        let mut pairs = vec![("host", host.as_str())];
        pairs.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let request = SignableRequest::new(&self.method, uri, pairs.into_iter(), SignableBody::UnsignedPayload)
            .expect("a signable request");
        let (instructions, _) = sign(request, &params).expect("sign").into_parts();
        let (_, added) = instructions.into_parts();
        let pairs: Vec<String> = added.iter().map(|(name, value)| format!("{name}={}", escape_value(value))).collect();
        let separator = if self.target.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.target, pairs.join("&"))
    }

    /// Sends the request on a connection of its own and reads the answer.
    pub fn send(self) -> Answer {
        self.send_with_unsigned(&[])
    }

    /// As `send`; `Err` if the connection ends before the answer is complete.
    pub fn try_send(self) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(self.client.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut wire = self.head();
        wire.extend_from_slice(&self.body);
        // A refusal may come, and the connection end, before the whole body was taken.
        let _ = stream.write_all(&wire);
        try_read_answer(&mut BufReader::new(stream), &self.method)
    }

    /// As `send`, with further headers that are not signed.
    pub fn send_with_unsigned(self, unsigned: &[(&str, &str)]) -> Answer {
        let mut stream = self.client.connect();
        let mut wire = self.signed(unsigned);
        wire.extend_from_slice(&self.body);
        // A refusal may come, and the connection end, before the whole body was taken.
        let _ = stream.write_all(&wire);
        read_answer(&mut BufReader::new(stream), &self.method)
    }
}

/// Reads one answer. Interim answers (100) are skipped.
pub fn read_answer(reader: &mut impl BufRead, method: &str) -> Answer {
    try_read_answer(reader, method).expect("an answer")
}

/// Reads one answer; `Err` if the connection ends before it is complete.
pub fn try_read_answer(reader: &mut impl BufRead, method: &str) -> std::io::Result<Answer> {
    let truncated = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(truncated());
    }
    let status: u16 = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(truncated)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(truncated());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    if status == 100 {
        return try_read_answer(reader, method);
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if method == "HEAD" || status == 204 || status == 304 {
        return Ok(answer);
    }
    if let Some(length) = answer.header("content-length") {
        let length = length.parse().expect("a number");
        answer.body = vec![0; length];
        reader.read_exact(&mut answer.body)?;
    } else if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).map_err(|_| truncated())?;
            let at = answer.body.len();
            answer.body.resize(at + length, 0);
            reader.read_exact(&mut answer.body[at..])?;
            line.clear();
            reader.read_line(&mut line)?;
            if length == 0 {
                break;
            }
        }
    } else {
        reader.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}
