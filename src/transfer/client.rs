//! A client of S3: signs, sends, reads answers, and tries again what may pass. Knows nothing of what is moved.

use std::error::Error as _;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::utf8_percent_encode;
use rand::Rng as _;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::auth::s3_signing;
use crate::limits::transfer::{
    TRANSFER_ANSWER_BYTES_MAX, TRANSFER_BUFFER_BYTES_MAX, TRANSFER_CONNECT_SECONDS, TRANSFER_RETRY_MS_MAX,
    TRANSFER_RETRY_MS_MIN, TRANSFER_STALL_SECONDS, TRANSFER_TRIES, TRANSFERS_MAX,
};
use crate::outbound::connector;
use crate::transfer::TransferError;
use crate::transfer::payload::Payload;
use crate::transfer::xml::Element;
use crate::types::{Clock as _, SystemClock, URL_PATH, URL_VALUE};

/// Where a server is, and with which key to ask it.
pub struct EndpointSettings {
    /// `http://HOST[:PORT]` or `https://…`.
    pub url: String,
    /// Region of the signatures.
    pub region: String,
    /// The key.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
    /// The token of its session, if it is of one.
    pub session_token: Option<Zeroizing<String>>,
}

/// A client of one server.
pub struct S3Client {
    http: Client<HttpsConnector<HttpConnector>, Payload>,
    origin: String,
    authority: HeaderValue,
    region: String,
    credentials: Credentials,
}

/// A request without its body.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    target: String,
    pub(crate) headers: HeaderMap,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl Call {
    /// A request for a bucket, or for the server if its name is empty.
    pub(crate) fn bucket(method: Method, bucket: &str) -> Self {
        Self { method, target: format!("/{}", utf8_percent_encode(bucket, URL_PATH)), headers: HeaderMap::new() }
    }

    /// A request for an object.
    pub(crate) fn object(method: Method, bucket: &str, key: &str) -> Self {
        let mut call = Self::bucket(method, bucket);
        call.target.push('/');
        call.target.extend(utf8_percent_encode(key, URL_PATH));
        call
    }

    /// Adds a parameter of the query.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(name);
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, URL_VALUE));
        self
    }

    /// Adds a parameter if it has a value.
    pub(crate) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self, TransferError> {
        let value = HeaderValue::try_from(value).map_err(|_| TransferError::Answer(format!("no header: {name}")))?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }
}

impl Answer {
    /// Its body as XML.
    pub(crate) fn xml(&self) -> Result<Element, TransferError> {
        let text = std::str::from_utf8(&self.body);
        Element::parse(text.map_err(|_| TransferError::Answer("XML that is not UTF-8".to_owned()))?)
    }

    /// Its ETag without quotes.
    pub(crate) fn etag(&self) -> String {
        etag(&self.headers)
    }
}

/// The ETag of an answer without quotes.
pub(crate) fn etag(headers: &HeaderMap) -> String {
    text(headers, "etag").unwrap_or_default().trim_matches('"').to_owned()
}

/// A header as text.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
}

impl S3Client {
    /// A client. Connects to nothing yet.
    ///
    /// # Errors
    /// `Endpoint`.
    pub fn new(settings: EndpointSettings) -> Result<Self, TransferError> {
        let EndpointSettings { url, region, access_key_id, secret, session_token } = settings;
        let refused = |why: &str| TransferError::Endpoint(format!("{url:?} {why}"));
        let uri: Uri = url.parse().map_err(|_| refused("is no URL"))?;
        let authority = uri.authority().ok_or_else(|| refused("has no host; it begins with http:// or https://"))?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let scheme = scheme.ok_or_else(|| refused("begins neither with http:// nor with https://"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(refused("has more than a scheme, a host and a port"));
        }
        let connect_timeout = Duration::from_secs(TRANSFER_CONNECT_SECONDS);
        let connector = connector(scheme == "https", Some(connect_timeout));
        let http = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(TRANSFERS_MAX)
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(TRANSFER_BUFFER_BYTES_MAX)
            .build(connector.map_err(|error| TransferError::Endpoint(error.to_string()))?);
        let token = session_token.map(|token| token.as_str().to_owned());
        Ok(Self {
            http,
            origin: format!("{scheme}://{authority}"),
            authority: HeaderValue::try_from(authority.as_str()).map_err(|_| refused("is no URL"))?,
            region,
            credentials: Credentials::new(access_key_id, secret.as_str(), token, None, "sluicegate"),
        })
    }

    /// Where it asks.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Requires a server to be there, whatever it says: a wrong address is told at once, not after many tries.
    ///
    /// # Errors
    /// `Endpoint`, `Unreachable`, `Stalled`.
    pub(crate) async fn greet(&self) -> Result<(), TransferError> {
        let call = Call::bucket(Method::GET, "").query("max-buckets", "1");
        let within = Duration::from_secs(TRANSFER_CONNECT_SECONDS);
        let first = self.ask_once(&call, Bytes::new(), within).await;
        let outcome = match first {
            Err(error) if error.passes() => self.ask_once(&call, Bytes::new(), within).await,
            outcome => outcome,
        };
        match outcome {
            Ok(_) | Err(TransferError::Refused { .. } | TransferError::Answer(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks until there is an answer that stays.
    pub(crate) async fn ask(&self, call: &Call, body: &Bytes) -> Result<Answer, TransferError> {
        let mut tries = 0;
        loop {
            match self.ask_once(call, body.clone(), Duration::from_secs(TRANSFER_STALL_SECONDS)).await {
                Err(error) if error.passes() && tries + 1 < TRANSFER_TRIES => tries += 1,
                outcome => return outcome,
            }
            sleep(pause(tries)).await;
        }
    }

    /// As `ask`, without a body.
    pub(crate) async fn read(&self, call: &Call) -> Result<Answer, TransferError> {
        self.ask(call, &Bytes::new()).await
    }

    /// Asks once, for what must not be done twice.
    pub(crate) async fn ask_once(&self, call: &Call, body: Bytes, within: Duration) -> Result<Answer, TransferError> {
        let answer = async { whole(self.send(call, Payload::whole(body)).await?).await };
        timeout(within, answer).await.map_err(|_| TransferError::Stalled("wait for an answer"))?
    }

    /// Opens a body until that succeeds.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response<Incoming>, TransferError> {
        let mut tries = 0;
        loop {
            let opened = timeout(Duration::from_secs(TRANSFER_STALL_SECONDS), self.send(call, Payload::Whole(None)));
            match opened.await.unwrap_or(Err(TransferError::Stalled("wait for an answer"))) {
                Err(error) if error.passes() && tries + 1 < TRANSFER_TRIES => tries += 1,
                outcome => return outcome,
            }
            sleep(pause(tries)).await;
        }
    }

    /// Signs and sends a request; returns when the head of the answer is there.
    ///
    /// # Errors
    /// `Refused` for every status that is no success.
    pub(crate) async fn send(&self, call: &Call, payload: Payload) -> Result<Response<Incoming>, TransferError> {
        let request = self.request(call, payload)?;
        let answer = self.http.request(request).await.map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            let told = format!("{}: {error}{cause}", self.origin);
            // No further try makes a certificate valid.
            if is_tls(&error) { TransferError::Endpoint(told) } else { TransferError::Unreachable(told) }
        })?;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(answer).await) }
    }

    fn request(&self, call: &Call, payload: Payload) -> Result<Request<Payload>, TransferError> {
        let unsignable = |error: &dyn std::fmt::Display| TransferError::Unsupported(format!("sign a request: {error}"));
        let mut headers = call.headers.clone();
        headers.insert(HOST, self.authority.clone());
        if payload.length() > 0 || matches!(call.method, Method::PUT | Method::POST) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(payload.length()));
        }
        let uri = format!("{}{}", self.origin, call.target);
        let instructions = {
            let mut pairs = Vec::with_capacity(headers.len());
            for (name, value) in &headers {
                let value = std::str::from_utf8(value.as_bytes());
                pairs.push((name.as_str(), value.map_err(|_| unsignable(&format!("{name} is not UTF-8")))?));
            }
            let identity = self.credentials.clone().into();
            let parameters = v4::SigningParams::builder()
                .identity(&identity)
                .region(&self.region)
                .name("s3")
                .time(SystemClock.now().to_system_time())
                .settings(s3_signing(PayloadChecksumKind::XAmzSha256))
                .build()
                .map_err(|error| unsignable(&error))?
                .into();
            let body = match &payload {
                Payload::Whole(bytes) => SignableBody::Bytes(bytes.as_deref().unwrap_or_default()),
                Payload::Fed { .. } => SignableBody::UnsignedPayload,
            };
            let signable = SignableRequest::new(call.method.as_str(), &uri, pairs.into_iter(), body);
            let signed = sign(signable.map_err(|error| unsignable(&error))?, &parameters);
            signed.map_err(|error| unsignable(&error))?.into_parts().0
        };
        let mut request = Request::new(payload);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri.parse().map_err(|error| unsignable(&error))?;
        *request.headers_mut() = headers;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// Whether TLS failed, as with a certificate that nobody vouches for.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// How long to rest before another try: longer each time, and not all at the same moment.
pub(crate) fn pause(tries: u32) -> Duration {
    let longest = TRANSFER_RETRY_MS_MIN.saturating_mul(1 << tries.min(16)).min(TRANSFER_RETRY_MS_MAX);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}

/// Reads an answer to its end.
pub(crate) async fn whole(answer: Response<Incoming>) -> Result<Answer, TransferError> {
    let (parts, body) = answer.into_parts();
    let read = Limited::new(body, TRANSFER_ANSWER_BYTES_MAX).collect().await;
    let body = read.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
        Some(_) => TransferError::Answer(format!("more than {TRANSFER_ANSWER_BYTES_MAX} bytes")),
        None => TransferError::Unreachable(error.to_string()),
    })?;
    Ok(Answer { headers: parts.headers, body: body.to_bytes() })
}

async fn refusal(answer: Response<Incoming>) -> TransferError {
    let status = answer.status();
    let read = timeout(Duration::from_secs(TRANSFER_STALL_SECONDS), whole(answer)).await;
    let document = read.ok().and_then(Result::ok).and_then(|answer| answer.xml().ok());
    refused(status, document.as_ref())
}

/// The error that an answer tells.
pub(crate) fn refused(status: StatusCode, document: Option<&Element>) -> TransferError {
    let said = |name| document.and_then(|document| document.text_of(name)).filter(|text| !text.is_empty());
    let code = said("Code").or_else(|| status.canonical_reason()).unwrap_or_default().to_owned();
    let message = said("Message").map(|message| format!(": {message}")).unwrap_or_default();
    TransferError::Refused { status: status.as_u16(), code, message }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use zeroize::Zeroizing;

    use super::{Call, EndpointSettings, S3Client, pause};
    use crate::limits::transfer::TRANSFER_RETRY_MS_MAX;

    fn client(url: &str) -> Result<S3Client, String> {
        let settings = EndpointSettings {
            url: url.to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "id".to_owned(),
            secret: Zeroizing::new("secret".to_owned()),
            session_token: None,
        };
        S3Client::new(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        assert_eq!(client("http://nas:9000/").ok().unwrap().origin(), "http://nas:9000");
        for url in ["nas:9000", "ftp://nas", "http://nas/base", "http://nas?x", "http://user:pass@nas", "http://", ""] {
            assert!(client(url).is_err(), "{url}");
        }
    }

    #[test]
    fn keys_go_into_the_path_as_they_are() {
        let call = Call::object(Method::GET, "b", "../a//ü +&?").query("versionId", "x+/=").maybe("none", None);
        assert_eq!(call.target, "/b/../a//%C3%BC%20%2B%26%3F?versionId=x%2B%2F%3D");
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert!(pause(0) < pause(6));
        assert!(pause(1000).as_millis() <= u128::from(TRANSFER_RETRY_MS_MAX));
    }
}
