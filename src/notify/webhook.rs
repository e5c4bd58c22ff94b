//! Webhooks: HTTP endpoints that take messages. One POST per message, `application/json`, within
//! `WEBHOOK_TIMEOUT_MS`; any 2xx means that it is taken. Redirects are not followed: a message goes where the
//! operator said, or nowhere.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sha2::Sha256;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::limits::{EVENT_DELIVERIES_MAX, WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_BUFFER_BYTES_MAX, WEBHOOK_TIMEOUT_MS};
use crate::outbound::{ConnectorError, connector};

/// The HMAC-SHA256 of the body, in hex, with the webhook's secret: `sha256=…`.
const SIGNATURE: &str = "x-sluicegate-signature";

/// A webhook as it was configured.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub uri: Uri,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<Zeroizing<String>>,
    /// Signs each body.
    pub secret: Option<Zeroizing<String>>,
}

/// Why a webhook cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No connection to it can be made.
    #[error(transparent)]
    Connector(ConnectorError),
    /// The token cannot stand in a header.
    #[error("the token of webhook {0} has characters that no header may have")]
    Token(String),
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The webhook did not answer in time, or said that it cannot: nothing else would be taken either.
    #[error("{0}")]
    Unavailable(String),
    /// The webhook refuses this message.
    #[error("the webhook answered {0}")]
    Refused(StatusCode),
}

/// A webhook.
pub struct Webhook {
    name: String,
    uri: Uri,
    authorization: Option<HeaderValue>,
    secret: Option<Zeroizing<String>>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Webhook {
    /// A webhook that is ready to be called. Connects to nothing.
    ///
    /// # Errors
    /// See `WebhookError`.
    pub fn new(settings: WebhookSettings) -> Result<Self, WebhookError> {
        let WebhookSettings { name, uri, token, secret } = settings;
        let authorization = token.map(|token| {
            let mut value = HeaderValue::try_from(Zeroizing::new(format!("Bearer {}", *token)).as_str())
                .map_err(|_| WebhookError::Token(name.clone()))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(EVENT_DELIVERIES_MAX)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(WEBHOOK_BUFFER_BYTES_MAX)
            .build(connector(uri.scheme_str() == Some("https"), None).map_err(WebhookError::Connector)?);
        Ok(Self { authorization: authorization.transpose()?, name, uri, secret, client })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers a message.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn deliver(&self, message: Vec<u8>) -> Result<(), DeliveryError> {
        let call = async {
            let answer = self.client.request(self.request(message)).await;
            let answer = answer.map_err(|error| {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                DeliveryError::Unavailable(format!("{error}{cause}"))
            })?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again; what it says is nobody's business.
            let _ = Limited::new(answer.into_body(), WEBHOOK_ANSWER_BYTES_MAX).collect().await;
            judge(status)
        };
        let late = |_| DeliveryError::Unavailable(format!("no answer within {WEBHOOK_TIMEOUT_MS} ms"));
        timeout(Duration::from_millis(WEBHOOK_TIMEOUT_MS), call).await.map_err(late)?
    }

    fn request(&self, message: Vec<u8>) -> Request<Full<Bytes>> {
        let signature = self.secret.as_ref().map(|secret| signature(secret.as_bytes(), &message));
        let mut request = Request::new(Full::new(Bytes::from(message)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(signature) = signature {
            headers.insert(SIGNATURE, HeaderValue::try_from(signature).expect("hex digits are plain ASCII"));
        }
        request
    }
}

fn judge(status: StatusCode) -> Result<(), DeliveryError> {
    let is_overloaded = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if status.is_success() {
        Ok(())
    } else if status.is_server_error() || is_overloaded {
        Err(DeliveryError::Unavailable(format!("the webhook answered {status}")))
    } else {
        Err(DeliveryError::Refused(status))
    }
}

fn signature(secret: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of HMAC may have any length");
    mac.update(message);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{DeliveryError, judge, signature};

    #[test]
    fn only_success_is_delivery() {
        let kind = |status: u16| match judge(StatusCode::from_u16(status).unwrap()) {
            Ok(()) => "delivered",
            Err(DeliveryError::Unavailable(_)) => "unavailable",
            Err(DeliveryError::Refused(_)) => "refused",
        };
        for (status, expected) in [
            (200, "delivered"),
            (204, "delivered"),
            (302, "refused"),
            (404, "refused"),
            (408, "unavailable"),
            (429, "unavailable"),
            (503, "unavailable"),
        ] {
            assert_eq!(kind(status), expected, "{status}");
        }
    }

    #[test]
    fn a_body_is_signed_with_hmac_sha256() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(b"Jefe", b"what do ya want for nothing?"), expected);
    }
}
