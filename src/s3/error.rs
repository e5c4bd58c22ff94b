//! The S3 error table: every code that we answer, its status, and the one mapping from errors below.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, StatusCode};

/// An S3 error code. Source: Amazon S3 API Reference, "Error responses".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// `AccessDenied`, 403.
    AccessDenied,
    /// `InternalError`, 500.
    InternalError,
    /// `NotImplemented`, 501.
    NotImplemented,
}

/// An S3 error on its way to the client.
#[derive(Debug)]
pub struct S3Error {
    /// Its code.
    pub code: Code,
    /// Its message, never empty. For the client; the log gets `cause`.
    pub message: Cow<'static, str>,
    /// Further elements of the XML body, in order.
    pub details: Vec<(&'static str, String)>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What happened, for the log only.
    pub cause: Option<String>,
}

impl S3Error {
    /// An error with the table's message.
    pub fn new(code: Code) -> Self {
        Self { code, message: Cow::Borrowed("…"), details: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// Replaces the message.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds an element to the XML body.
    #[must_use]
    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Notes what happened, for the log.
    #[must_use]
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        unimplemented!()
    }
}

impl From<crate::engine::EngineError> for S3Error {
    fn from(error: crate::engine::EngineError) -> Self {
        let _ = error;
        unimplemented!()
    }
}
