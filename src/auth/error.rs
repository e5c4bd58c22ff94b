//! Why a request is not authenticated: a variant per check, so that a test can say which one refused.
//!
//! Every variant says in its comment which S3 code and status it means; its `Display` is the message for the
//! client, in AWS's words where AWS has words for it. Knows nothing of XML or status codes itself.

use crate::auth::PostPolicyError;
use crate::types::Timestamp;

/// Where a Signature Version 4 credential stood. Decides the S3 code of everything that is wrong with it:
/// `AuthorizationHeaderMalformed` for the header, `AuthorizationQueryParametersError` for the query; both 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the `Authorization` header.
    Header,
    /// In the query of a presigned URL.
    Query,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "The authorization header is malformed",
            Self::Query => "Error parsing the X-Amz-Credential parameter",
        })
    }
}

/// Everything that AWS tells a client whose signature is not the one that we compute.
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Element `AWSAccessKeyId`.
    pub access_key_id: String,
    /// Element `StringToSign` (and, as hex, `StringToSignBytes`): what we signed.
    pub string_to_sign: String,
    /// Element `SignatureProvided`. It may be a presigned one made for other bytes, so it is never logged:
    /// `Debug` leaves it out.
    pub signature_provided: String,
    /// Element `CanonicalRequest` (and `CanonicalRequestBytes`); `None` for Signature Version 2, which has none.
    pub canonical_request: Option<String>,
    /// The host that the request named: the usual culprit behind a proxy that rewrites it.
    pub host: String,
}

impl std::fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mismatch({}, host {:?})", self.access_key_id, self.host)
    }
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    // Which mechanism ------------------------------------------------------------------------------------
    /// `InvalidArgument`, 400, `ArgumentName` = `Authorization`.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter \
         or the Authorization header should be specified"
    )]
    SeveralMechanisms,
    /// `InvalidArgument`, 400, `ArgumentName` = `Authorization`. The value may be somebody's secret (`Basic …`),
    /// so it is not repeated.
    #[error("Unsupported Authorization Type")]
    UnsupportedAuthorization,
    /// `InvalidRequest`, 400. `AWS4-…` in the header that is not `AWS4-HMAC-SHA256`.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    UnsupportedAlgorithm,
    /// `InvalidRequest`, 400. Signature Version 2 is switched off.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    V2Disabled,
    /// `InvalidArgument`, 400, `ArgumentName` = the header. Which of two values counts must not be a guess.
    #[error("The {name} header must be given only once.")]
    RepeatedHeader {
        /// Lower-case name of the header.
        name: &'static str,
    },
    /// `AuthorizationQueryParametersError`, 400.
    #[error("The query parameter {name} must be given only once.")]
    RepeatedParameter {
        /// The parameter.
        name: &'static str,
    },
    /// `InvalidArgument`, 400, `ArgumentName` = the header or parameter.
    #[error("The value of {name} is not readable text.")]
    UnreadableValue {
        /// Lower-case name of the header, or the parameter.
        name: &'static str,
    },

    // Signature Version 4: its pieces --------------------------------------------------------------------
    /// `AuthorizationHeaderMalformed`, 400.
    #[error(
        "The authorization header is malformed; the Authorization header requires three components: Credential, \
         SignedHeaders, and Signature."
    )]
    MissingComponent {
        /// `Credential`, `SignedHeaders` or `Signature`.
        component: &'static str,
    },
    /// `AuthorizationHeaderMalformed`, 400. A component without `=`, of an unknown name, or given twice.
    #[error("The authorization header is malformed; the authorization component {component:?} is malformed.")]
    MalformedComponent {
        /// Its name, as sent.
        component: String,
    },
    /// `AuthorizationQueryParametersError`, 400.
    #[error(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
         X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
    )]
    MissingParameter {
        /// The first one that is missing.
        name: &'static str,
    },
    /// `AuthorizationQueryParametersError`, 400.
    #[error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")]
    UnsupportedQueryAlgorithm,
    /// See [`Place`].
    #[error("{place}; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")]
    MalformedCredential {
        /// Where.
        place: Place,
    },
    /// See [`Place`].
    #[error("{place}; a non-empty Access Key (AKID) must be provided in the credential.")]
    EmptyAccessKey {
        /// Where.
        place: Place,
    },
    /// See [`Place`].
    #[error("{place}; incorrect date format {date:?}. This date in the credential must be in the format \"yyyyMMdd\".")]
    MalformedScopeDate {
        /// Where.
        place: Place,
        /// The date, as sent.
        date: String,
    },
    /// See [`Place`].
    #[error(
        "{place}; Invalid credential date {scope_date:?}. This date is not the same as X-Amz-Date: {request_date:?}."
    )]
    ScopeDateMismatch {
        /// Where.
        place: Place,
        /// The date of the credential scope.
        scope_date: String,
        /// The date of the request, `yyyyMMdd`.
        request_date: String,
    },
    /// See [`Place`]; element `Region` = `expected`, so that SDKs sign again with it.
    #[error("{place}; the region '{given}' is wrong; expecting '{expected}'")]
    WrongRegion {
        /// Where.
        place: Place,
        /// The region of the scope.
        given: String,
        /// Ours.
        expected: String,
    },
    /// See [`Place`].
    #[error("{place}; incorrect service {given:?}. This endpoint belongs to {expected:?}.")]
    WrongService {
        /// Where.
        place: Place,
        /// The service of the scope.
        given: String,
        /// Ours.
        expected: &'static str,
    },
    /// See [`Place`].
    #[error("{place}; incorrect terminal {given:?}. This endpoint uses \"aws4_request\".")]
    WrongTerminator {
        /// Where.
        place: Place,
        /// The last part of the scope.
        given: String,
    },
    /// `AccessDenied`, 403, element `HeadersNotSigned` = the names, joined with `, `. `host` and every
    /// `x-amz-…` header must be signed: whoever sits between could add one otherwise.
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned {
        /// Lower-case names.
        names: Vec<String>,
    },

    // Time -----------------------------------------------------------------------------------------------
    /// `AccessDenied`, 403.
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MissingDate,
    /// `AccessDenied`, 403.
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MalformedDate,
    /// `AuthorizationQueryParametersError`, 400.
    #[error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")]
    MalformedQueryDate,
    /// `RequestTimeTooSkewed`, 403, elements `RequestTime` and `ServerTime` (ISO 8601) and
    /// `MaxAllowedSkewMilliseconds` = 900000.
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed {
        /// The request's clock.
        request_time: Timestamp,
        /// Ours.
        server_time: Timestamp,
    },
    /// `AuthorizationQueryParametersError`, 400.
    #[error("X-Amz-Expires should be a number")]
    ExpiresNotANumber,
    /// `AuthorizationQueryParametersError`, 400. Zero is refused like a negative number: such a URL never holds.
    #[error("X-Amz-Expires must be non-negative")]
    ExpiresBelowOne,
    /// `AuthorizationQueryParametersError`, 400.
    #[error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
         604800 seconds"
    )]
    ExpiresTooLong,
    /// `AccessDenied`, 403. A presigned URL that starts in the future, beyond the accepted skew.
    #[error("Request is not valid yet")]
    NotYetValid {
        /// Its `X-Amz-Date`.
        valid_from: Timestamp,
        /// Our clock.
        server_time: Timestamp,
    },
    /// `AccessDenied`, 403, elements `X-Amz-Expires` (Version 4 only), `Expires` and `ServerTime` (ISO 8601).
    #[error("Request has expired")]
    Expired {
        /// `X-Amz-Expires` in seconds; `None` for Signature Version 2.
        expires_seconds: Option<u64>,
        /// When it ended.
        expires: Timestamp,
        /// Our clock.
        server_time: Timestamp,
    },

    // Who ------------------------------------------------------------------------------------------------
    /// `InvalidToken`, 400. A session's token that nobody here made, that is not this key's, or whose key is gone.
    #[error("The provided token is malformed or otherwise invalid.")]
    SecurityToken,
    /// `ExpiredToken`, 400.
    #[error("The provided token has expired.")]
    ExpiredToken,
    /// `InvalidAccessKeyId`, 403, element `AWSAccessKeyId`.
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    UnknownAccessKey {
        /// The id that nobody has.
        access_key_id: String,
    },
    /// `SignatureDoesNotMatch`, 403, with the elements that [`Mismatch`] names.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing \
         method."
    )]
    SignatureMismatch(Box<Mismatch>),

    // Body -----------------------------------------------------------------------------------------------
    /// `InvalidRequest`, 400.
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,
    /// `InvalidArgument`, 400, `ArgumentName` = `x-amz-content-sha256`, `ArgumentValue` = `value`.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 \
         value."
    )]
    MalformedContentSha256 {
        /// The value, as sent.
        value: String,
    },
    /// `NotImplemented`, 501. `STREAMING-AWS4-ECDSA-…`: Signature Version 4A.
    #[error("A header you provided implies functionality that is not implemented")]
    EcdsaFrames,
    /// `InvalidRequest`, 400. Frame signatures chain from a Version 4 signature of the head; there is none.
    #[error("Signed aws-chunked frames need a Signature Version 4 signature of the request")]
    FramesWithoutSeed,
    /// `MissingContentLength`, 411.
    #[error("You must provide the Content-Length HTTP header.")]
    MissingDecodedLength,
    /// `InvalidArgument`, 400, `ArgumentName` = `x-amz-decoded-content-length`, `ArgumentValue` = `value`.
    #[error("x-amz-decoded-content-length must be a non-negative number.")]
    MalformedDecodedLength {
        /// The value, as sent.
        value: String,
    },
    /// `InvalidRequest`, 400. Several names, or one that is no checksum.
    #[error("The value specified in the x-amz-trailer header is not supported")]
    UnsupportedTrailer {
        /// The value, as sent.
        value: String,
    },
    /// `InvalidRequest`, 400. A checksum is promised in a trailer that this body cannot have: to ignore it would
    /// drop an integrity check in silence.
    #[error("The x-amz-trailer header needs an x-amz-content-sha256 that allows a trailer")]
    TrailerNotPossible,

    // Signature Version 2 --------------------------------------------------------------------------------
    /// `InvalidArgument`, 400, `ArgumentName` = `Authorization`.
    #[error("AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")]
    MalformedV2Authorization,
    /// `AccessDenied`, 403.
    #[error("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")]
    MissingV2Parameter {
        /// The first one that is missing.
        name: &'static str,
    },
    /// `AccessDenied`, 403.
    #[error("Invalid date (should be seconds since epoch): {value}")]
    MalformedV2Expires {
        /// The value, as sent.
        value: String,
    },

    // POST forms -----------------------------------------------------------------------------------------
    /// `InvalidArgument`, 400, `ArgumentName` = `name`.
    #[error(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    )]
    MissingFormField {
        /// The field, as S3 spells it.
        name: &'static str,
    },
    /// See [`PostPolicyError`].
    #[error(transparent)]
    FormPolicy(PostPolicyError),
}
