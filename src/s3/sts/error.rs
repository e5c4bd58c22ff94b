//! The errors of the Security Token Service, and the mapping from those of authentication.
//!
//! Source: AWS Security Token Service API Reference, "Common Errors" and the errors of each action.

use std::borrow::Cow;

use http::StatusCode;

use crate::auth::AuthError;
use crate::net::{Response, full_body};
use crate::s3::auth_reason::ended;
use crate::s3::sts::NAMESPACE;
use crate::s3::xml::XmlWriter;
use crate::telemetry::{Explanation, ExplanationKind};

/// A code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StsCode {
    AccessDenied,
    ExpiredToken,
    IncompleteSignature,
    InternalFailure,
    InvalidAction,
    InvalidClientTokenId,
    MalformedPolicyDocument,
    MissingAction,
    MissingAuthenticationToken,
    SignatureDoesNotMatch,
    Throttling,
    ValidationError,
}

impl StsCode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::ExpiredToken => "ExpiredToken",
            Self::IncompleteSignature => "IncompleteSignature",
            Self::InternalFailure => "InternalFailure",
            Self::InvalidAction => "InvalidAction",
            Self::InvalidClientTokenId => "InvalidClientTokenId",
            Self::MalformedPolicyDocument => "MalformedPolicyDocument",
            Self::MissingAction => "MissingAction",
            Self::MissingAuthenticationToken => "MissingAuthenticationToken",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
            Self::Throttling => "Throttling",
            Self::ValidationError => "ValidationError",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::AccessDenied
            | Self::ExpiredToken
            | Self::InvalidClientTokenId
            | Self::MissingAuthenticationToken
            | Self::SignatureDoesNotMatch => StatusCode::FORBIDDEN,
            Self::InternalFailure => StatusCode::INTERNAL_SERVER_ERROR,
            Self::IncompleteSignature
            | Self::Throttling
            | Self::InvalidAction
            | Self::MalformedPolicyDocument
            | Self::MissingAction
            | Self::ValidationError => StatusCode::BAD_REQUEST,
        }
    }
}

/// An error on its way to the client.
#[derive(Debug)]
pub(super) struct StsError {
    pub(super) code: StsCode,
    /// Never empty.
    pub(super) message: Cow<'static, str>,
    /// For the log only.
    pub(super) cause: Option<String>,
    /// Why, for the operator.
    pub(super) explanation: Option<Box<Explanation>>,
}

impl StsError {
    pub(super) fn new(code: StsCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), cause: None, explanation: None }
    }

    /// A parameter, or the request as a whole, is not what the API takes.
    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StsCode::ValidationError, message)
    }

    pub(super) fn because(self, cause: impl std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// Why the request is refused.
    pub(super) fn explain(&self) -> Box<Explanation> {
        let kind = match self.code {
            StsCode::AccessDenied => ExplanationKind::Policy,
            StsCode::Throttling => ExplanationKind::Overload,
            StsCode::ExpiredToken => ExplanationKind::Clock,
            StsCode::InvalidClientTokenId | StsCode::MissingAuthenticationToken => ExplanationKind::Key,
            StsCode::IncompleteSignature | StsCode::SignatureDoesNotMatch => ExplanationKind::Signature,
            StsCode::InternalFailure
            | StsCode::InvalidAction
            | StsCode::MalformedPolicyDocument
            | StsCode::MissingAction
            | StsCode::ValidationError => ExplanationKind::Other,
        };
        let told = || {
            let cause = self.cause.as_deref().unwrap_or_default();
            Box::new(Explanation::new(kind, ended(&self.message)).fact("cause", cause))
        };
        self.explanation.clone().unwrap_or_else(told)
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        let side = if self.code == StsCode::InternalFailure { "Receiver" } else { "Sender" };
        let mut xml = XmlWriter::in_namespace("ErrorResponse", NAMESPACE);
        xml.open("Error").text("Type", side).text("Code", self.code.name()).text("Message", &self.message).close();
        xml.text("RequestId", request_id);
        let mut response = Response::new(full_body(xml.finish()));
        *response.status_mut() = self.code.status();
        response
    }
}

impl From<AuthError> for StsError {
    fn from(error: AuthError) -> Self {
        let invalid = "The security token included in the request is invalid.";
        let mapped = match &error {
            AuthError::UnknownAccessKey { .. } | AuthError::SecurityToken => {
                Self::new(StsCode::InvalidClientTokenId, invalid)
            }
            AuthError::ExpiredToken => {
                Self::new(StsCode::ExpiredToken, "The security token included in the request is expired")
            }
            AuthError::SignatureMismatch(_) => Self::new(StsCode::SignatureDoesNotMatch, error.to_string()),
            AuthError::RequestTimeTooSkewed { request_time, server_time } => Self::new(
                StsCode::SignatureDoesNotMatch,
                format!("Signature expired: {} is now {}", request_time.amz_basic(), server_time.amz_basic()),
            ),
            _ => Self::new(StsCode::IncompleteSignature, error.to_string()),
        };
        // The debug form of a mismatch leaves the signature out.
        mapped.because(format!("{error:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{StsCode, StsError};
    use crate::auth::AuthError;
    use crate::types::Timestamp;

    #[test]
    fn errors_of_authentication_have_the_codes_that_sdks_branch_on() {
        let code = |error: AuthError| StsError::from(error).code;
        let unknown = AuthError::UnknownAccessKey { access_key_id: "AKID".to_owned() };
        assert_eq!(code(unknown), StsCode::InvalidClientTokenId);
        assert_eq!(code(AuthError::SecurityToken), StsCode::InvalidClientTokenId);
        assert_eq!(code(AuthError::ExpiredToken), StsCode::ExpiredToken);
        let skewed = AuthError::RequestTimeTooSkewed { request_time: Timestamp(0), server_time: Timestamp(0) };
        assert_eq!(code(skewed), StsCode::SignatureDoesNotMatch);
        assert_eq!(code(AuthError::MissingDate), StsCode::IncompleteSignature);
        assert_eq!(code(AuthError::UnsupportedAuthorization), StsCode::IncompleteSignature);
    }
}
