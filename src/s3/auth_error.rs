//! The one mapping from authentication's errors to the S3 error table.

use crate::auth::{AuthError, ChunkedError, Mismatch, Place, PostPolicyError};
use crate::limits::CLOCK_SKEW_SECONDS_MAX;
use crate::s3::auth_reason::reason;
use crate::s3::{Code, S3Error};
use crate::types::Timestamp;

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> Self {
        let code = code_of(&error);
        let mut mapped = Self::new(code).message(error.to_string()).because(reason(&error));
        for (element, value) in details_of(&error) {
            mapped = mapped.detail(element, value);
        }
        match error {
            // The message for the client is the same for two variants; the log tells them apart.
            AuthError::SignatureMismatch(mismatch) => explain_mismatch(mapped, *mismatch),
            error => mapped.cause(format!("{error:?}")),
        }
    }
}

fn code_of(error: &AuthError) -> Code {
    match error {
        AuthError::SeveralMechanisms
        | AuthError::UnsupportedAuthorization
        | AuthError::RepeatedHeader { .. }
        | AuthError::UnreadableValue { .. }
        | AuthError::MalformedContentSha256 { .. }
        | AuthError::MalformedDecodedLength { .. }
        | AuthError::MalformedV2Authorization
        | AuthError::MissingFormField { .. } => Code::InvalidArgument,
        AuthError::FormPolicy(PostPolicyError::Malformed(_)) => Code::InvalidPolicyDocument,
        AuthError::FormPolicy(_) => Code::AccessDenied,
        AuthError::UnsupportedAlgorithm
        | AuthError::V2Disabled
        | AuthError::MissingContentSha256
        | AuthError::FramesWithoutSeed
        | AuthError::UnsupportedTrailer { .. }
        | AuthError::TrailerNotPossible => Code::InvalidRequest,
        AuthError::MissingComponent { .. } | AuthError::MalformedComponent { .. } => Code::AuthorizationHeaderMalformed,
        AuthError::RepeatedParameter { .. }
        | AuthError::MissingParameter { .. }
        | AuthError::UnsupportedQueryAlgorithm
        | AuthError::MalformedQueryDate
        | AuthError::ExpiresNotANumber
        | AuthError::ExpiresBelowOne
        | AuthError::ExpiresTooLong => Code::AuthorizationQueryParametersError,
        AuthError::MalformedCredential { place }
        | AuthError::EmptyAccessKey { place }
        | AuthError::MalformedScopeDate { place, .. }
        | AuthError::ScopeDateMismatch { place, .. }
        | AuthError::WrongRegion { place, .. }
        | AuthError::WrongService { place, .. }
        | AuthError::WrongTerminator { place, .. } => match place {
            Place::Header => Code::AuthorizationHeaderMalformed,
            Place::Query => Code::AuthorizationQueryParametersError,
        },
        AuthError::HeadersNotSigned { .. }
        | AuthError::MissingDate
        | AuthError::MalformedDate
        | AuthError::NotYetValid { .. }
        | AuthError::Expired { .. }
        | AuthError::MissingV2Parameter { .. }
        | AuthError::MalformedV2Expires { .. } => Code::AccessDenied,
        AuthError::RequestTimeTooSkewed { .. } => Code::RequestTimeTooSkewed,
        AuthError::SecurityToken => Code::InvalidToken,
        AuthError::ExpiredToken => Code::ExpiredToken,
        AuthError::UnknownAccessKey { .. } => Code::InvalidAccessKeyId,
        AuthError::SignatureMismatch(_) => Code::SignatureDoesNotMatch,
        AuthError::EcdsaFrames => Code::NotImplemented,
        AuthError::MissingDecodedLength => Code::MissingContentLength,
    }
}

/// The elements that S3 adds to its errors and that clients or people read.
fn details_of(error: &AuthError) -> Vec<(&'static str, String)> {
    let argument = |name: &str| vec![("ArgumentName", name.to_owned())];
    let valued = |name: &str, value: &str| vec![("ArgumentName", name.to_owned()), ("ArgumentValue", value.to_owned())];
    let clock = |name: &'static str, moment: &Timestamp| (name, moment.iso_millis());
    match error {
        AuthError::SeveralMechanisms | AuthError::UnsupportedAuthorization | AuthError::MalformedV2Authorization => {
            argument("Authorization")
        }
        AuthError::RepeatedHeader { name } | AuthError::UnreadableValue { name } => argument(name),
        AuthError::MissingFormField { name } => valued(name, ""),
        AuthError::MalformedContentSha256 { value } => valued("x-amz-content-sha256", value),
        AuthError::MalformedDecodedLength { value } => valued("x-amz-decoded-content-length", value),
        AuthError::WrongRegion { expected, .. } => vec![("Region", expected.clone())],
        AuthError::HeadersNotSigned { names } => vec![("HeadersNotSigned", names.join(", "))],
        AuthError::RequestTimeTooSkewed { request_time, server_time } => vec![
            clock("RequestTime", request_time),
            clock("ServerTime", server_time),
            ("MaxAllowedSkewMilliseconds", (CLOCK_SKEW_SECONDS_MAX * 1000).to_string()),
        ],
        AuthError::NotYetValid { valid_from, server_time } => {
            vec![clock("ValidFrom", valid_from), clock("ServerTime", server_time)]
        }
        AuthError::Expired { expires_seconds, expires, server_time } => {
            let seconds = expires_seconds.map(|seconds| ("X-Amz-Expires", seconds.to_string()));
            seconds.into_iter().chain([clock("Expires", expires), clock("ServerTime", server_time)]).collect()
        }
        AuthError::UnknownAccessKey { access_key_id } => vec![("AWSAccessKeyId", access_key_id.clone())],
        AuthError::UnsupportedAlgorithm
        | AuthError::V2Disabled
        | AuthError::RepeatedParameter { .. }
        | AuthError::MissingComponent { .. }
        | AuthError::MalformedComponent { .. }
        | AuthError::MissingParameter { .. }
        | AuthError::UnsupportedQueryAlgorithm
        | AuthError::MalformedCredential { .. }
        | AuthError::EmptyAccessKey { .. }
        | AuthError::MalformedScopeDate { .. }
        | AuthError::ScopeDateMismatch { .. }
        | AuthError::WrongService { .. }
        | AuthError::WrongTerminator { .. }
        | AuthError::MissingDate
        | AuthError::MalformedDate
        | AuthError::MalformedQueryDate
        | AuthError::ExpiresNotANumber
        | AuthError::ExpiresBelowOne
        | AuthError::ExpiresTooLong
        | AuthError::SecurityToken
        | AuthError::ExpiredToken
        | AuthError::SignatureMismatch(_)
        | AuthError::MissingContentSha256
        | AuthError::EcdsaFrames
        | AuthError::FramesWithoutSeed
        | AuthError::MissingDecodedLength
        | AuthError::UnsupportedTrailer { .. }
        | AuthError::TrailerNotPossible
        | AuthError::MissingV2Parameter { .. }
        | AuthError::MalformedV2Expires { .. }
        | AuthError::FormPolicy(_) => Vec::new(),
    }
}

/// Shows the client what we signed. Never the signature that we computed, and nothing of this in the log but
/// the host: a proxy that rewrites it is the usual culprit.
fn explain_mismatch(error: S3Error, mismatch: Mismatch) -> S3Error {
    let cause = format!("signed for host {:?}, key {}", mismatch.host, mismatch.access_key_id);
    let spaced = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let mut error = error
        .detail("AWSAccessKeyId", &mismatch.access_key_id)
        .detail("StringToSign", &mismatch.string_to_sign)
        .detail("SignatureProvided", &mismatch.signature_provided)
        .detail("StringToSignBytes", spaced(&mismatch.string_to_sign));
    if let Some(canonical) = &mismatch.canonical_request {
        error = error.detail("CanonicalRequest", canonical).detail("CanonicalRequestBytes", spaced(canonical));
    }
    error.detail("Host", &mismatch.host).cause(cause)
}

impl From<ChunkedError> for S3Error {
    fn from(error: ChunkedError) -> Self {
        let mapped = match &error {
            ChunkedError::Malformed(_) | ChunkedError::Incomplete | ChunkedError::DataAfterEnd => {
                Self::new(Code::IncompleteBody).message(format!("The request body is not complete: {error}."))
            }
            ChunkedError::TooLong { .. } | ChunkedError::TooShort { .. } => Self::new(Code::IncompleteBody).message(
                "You did not provide the number of bytes specified by the x-amz-decoded-content-length header.",
            ),
            ChunkedError::FrameHeaderTooLong | ChunkedError::InvalidTrailerValue { .. } => {
                Self::invalid_request(error.to_string())
            }
            ChunkedError::FrameTooLarge { bytes } => {
                Self::new(Code::EntityTooLarge).detail("ProposedSize", bytes.to_string())
            }
            ChunkedError::FrameSignatureMismatch { .. } | ChunkedError::TrailerSignatureMismatch => {
                Self::new(Code::SignatureDoesNotMatch)
            }
            ChunkedError::MalformedTrailer
            | ChunkedError::TrailerTooLong
            | ChunkedError::UnexpectedTrailer { .. }
            | ChunkedError::MissingTrailer { .. } => Self::new(Code::MalformedTrailerError),
        };
        mapped.cause(error)
    }
}

#[cfg(test)]
mod tests {
    use crate::auth::{AuthError, ChunkedError, Mismatch, Place, TokenRefusal};
    use crate::s3::{Code, S3Error};
    use crate::types::Timestamp;

    #[test]
    fn the_place_of_a_credential_decides_its_code() {
        let wrong = |place| {
            let (given, expected) = ("eu".to_owned(), "us-east-1".to_owned());
            S3Error::from(AuthError::WrongRegion { place, given, expected })
        };
        assert_eq!(wrong(Place::Header).code, Code::AuthorizationHeaderMalformed);
        assert_eq!(wrong(Place::Query).code, Code::AuthorizationQueryParametersError);
        assert_eq!(wrong(Place::Header).details, [("Region", "us-east-1".to_owned())]);
    }

    #[test]
    fn a_skewed_clock_is_told_both_times() {
        let (request_time, server_time) = (Timestamp(0), Timestamp::from_seconds(1_445_412_480));
        let error = S3Error::from(AuthError::RequestTimeTooSkewed { request_time, server_time });
        assert_eq!(error.status(), 403);
        let document = error.document("/", "R", "H");
        assert!(document.contains("<ServerTime>2015-10-21T07:28:00.000Z</ServerTime>"), "{document}");
        assert!(document.contains("<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>"), "{document}");
    }

    #[test]
    fn an_old_token_is_told_from_a_wrong_one() {
        let told = |error: AuthError| {
            let error = S3Error::from(error);
            (error.code, error.status().as_u16(), error.message)
        };
        let expired = told(TokenRefusal::Expired.into());
        assert_eq!(expired, (Code::ExpiredToken, 400, "The provided token has expired.".into()));
        let (code, status, _) = told(TokenRefusal::Invalid.into());
        assert_eq!((code, status), (Code::InvalidToken, 400));
    }

    #[test]
    fn a_wrong_signature_is_explained_to_the_client_and_kept_out_of_the_log() {
        let error = S3Error::from(AuthError::SignatureMismatch(Box::new(Mismatch {
            access_key_id: "AK".to_owned(),
            string_to_sign: "a\nb".to_owned(),
            signature_provided: "feed".to_owned(),
            canonical_request: Some("GET".to_owned()),
            host: "h:1".to_owned(),
        })));
        assert_eq!(error.code, Code::SignatureDoesNotMatch);
        assert!(!error.cause.as_deref().unwrap().contains("feed"));
        let document = error.document("/", "R", "H");
        assert!(document.contains("<SignatureProvided>feed</SignatureProvided>"), "{document}");
        assert!(document.contains("<StringToSignBytes>61 0a 62</StringToSignBytes>"), "{document}");
        assert!(document.contains("<CanonicalRequest>GET</CanonicalRequest>"), "{document}");
    }

    #[test]
    fn faults_of_frames_have_the_codes_that_clients_branch_on() {
        let code = |error: ChunkedError| S3Error::from(error).code;
        assert_eq!(code(ChunkedError::Incomplete), Code::IncompleteBody);
        assert_eq!(code(ChunkedError::TooLong { announced: 1 }), Code::IncompleteBody);
        assert_eq!(code(ChunkedError::FrameSignatureMismatch { frame: 0 }), Code::SignatureDoesNotMatch);
        assert_eq!(code(ChunkedError::MalformedTrailer), Code::MalformedTrailerError);
        assert_eq!(code(ChunkedError::FrameTooLarge { bytes: 9 }), Code::EntityTooLarge);
    }
}
