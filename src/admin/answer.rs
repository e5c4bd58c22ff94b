//! Answers of the admin API: JSON, and one shape for what is refused.

use std::error::Error;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::engine::{EngineError, RestoreFault};
use crate::identity::KeyFault;
use crate::net::{Response, full_body};

/// What a handler comes to.
pub(crate) type Outcome = Result<Response, Fault>;

/// Why something was not done.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    /// A word for machines.
    error: &'static str,
    /// A sentence for people.
    message: String,
    retry_after_seconds: Option<u64>,
    allow: Option<String>,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into(), retry_after_seconds: None, allow: None }
    }

    /// A request that does not say what it should.
    pub(crate) fn bad(error: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    /// Something that is not there.
    pub(crate) fn absent(error: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, message)
    }

    /// Something that the state of things does not let happen.
    pub(crate) fn conflict(error: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, message)
    }

    /// A defect or a failing disk: told to the log, not to the client.
    pub(crate) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "the admin API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed; its log says why.")
    }

    /// Whoever asks may come back then.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The methods that the path has.
    pub(crate) fn allow(mut self, methods: String) -> Self {
        self.allow = Some(methods);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn error(&self) -> &'static str {
        self.error
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = json_answer(self.status, &json!({"error": self.error, "message": self.message}));
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allow.and_then(|methods| HeaderValue::try_from(methods).ok()) {
            response.headers_mut().insert(ALLOW, methods);
        }
        response
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NoSuchBucket => Self::absent("no-such-bucket", "There is no bucket of that name."),
            EngineError::ReadOnly(cause) => {
                let text = format!("Nothing can be written: {}.", cause.explanation());
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "read-only", text).retry_after(1)
            }
            error => Self::internal(&error),
        }
    }
}

impl From<KeyFault> for Fault {
    fn from(fault: KeyFault) -> Self {
        let text = format!("{fault}.");
        match fault {
            KeyFault::NoSuchKey(_) => Self::absent("no-such-key", text),
            KeyFault::Root => Self::conflict("root-key", text),
            KeyFault::Exists => Self::conflict("key-exists", text),
            KeyFault::NoSuchPolicy => Self::absent("no-such-policy", text),
            KeyFault::TooManyPolicies => Self::conflict("too-many-policies", text),
            KeyFault::NotReadyMade(_) => Self::bad("bad-policy-name", text),
            KeyFault::Past => Self::bad("bad-expires", text),
            KeyFault::Key(_) => Self::bad("bad-key", text),
            KeyFault::Policy(_) => Self::bad("bad-policy", text),
            KeyFault::Store(error) => Self::internal(&error),
        }
    }
}

impl From<RestoreFault> for Fault {
    fn from(fault: RestoreFault) -> Self {
        let text = format!("{fault}.");
        match fault {
            RestoreFault::Nothing { .. } => Self::absent("nothing-to-restore", text),
            RestoreFault::WouldLose { .. } => Self::conflict("would-lose", text),
            RestoreFault::Meta(error) => Self::internal(&error),
        }
    }
}

/// `200` with a document.
pub(crate) fn ok(body: &Value) -> Outcome {
    Ok(json_answer(StatusCode::OK, body))
}

/// A document.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json", format!("{body}\n"))
}

/// Text of any kind. None of it is to be kept.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
