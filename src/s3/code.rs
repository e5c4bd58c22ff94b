//! The S3 error table: every code, its status and its message.
//!
//! Source: Amazon S3 API Reference, "Error responses". `InsufficientStorage` and `QuotaExceeded` are ours: S3
//! has no full disks and no quotas. No SDK retries a 403 of that code.

use http::StatusCode;

/// Makes the enum, its list and its three columns from one table, so that no code can lack a column. A code that
/// is no Rust name says after `=` what it is on the wire.
macro_rules! codes {
    (@wire $name:ident) => { stringify!($name) };
    (@wire $name:ident $wire:literal) => { $wire };
    ($($name:ident $(= $wire:literal)? $status:ident $message:literal)+) => {
        /// An S3 error code, named as on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $message] $name,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => codes!(@wire $name $($wire)?),)+
                }
            }

            /// Its HTTP status.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            /// Its message, for when nothing more exact can be said. Never empty: both aws CLIs crash on that.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)+
                }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported BAD_REQUEST "The bucket does not allow ACLs."
    AccessDenied FORBIDDEN "Access Denied"
    AccessForbidden FORBIDDEN "CORSResponse: CORS is not enabled for this bucket."
    AccountProblem FORBIDDEN "There is a problem with your account that prevents the operation from completing successfully."
    AllAccessDisabled FORBIDDEN "All access to this resource has been disabled."
    AuthorizationHeaderMalformed BAD_REQUEST "The authorization header that you provided is not valid."
    AuthorizationQueryParametersError BAD_REQUEST "The authorization query parameters that you provided are not valid."
    BadDigest BAD_REQUEST "The Content-MD5 or checksum value that you specified did not match what the server received."
    BadRequest BAD_REQUEST "Bad Request"
    BucketAlreadyExists CONFLICT "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
    BucketAlreadyOwnedByYou CONFLICT "Your previous request to create the named bucket succeeded and you already own it."
    BucketNotEmpty CONFLICT "The bucket you tried to delete is not empty"
    ConditionalRequestConflict CONFLICT "The conditional request cannot succeed due to a conflicting operation against this resource."
    CredentialsNotSupported BAD_REQUEST "This request does not support credentials."
    EntityTooLarge BAD_REQUEST "Your proposed upload exceeds the maximum allowed size"
    EntityTooSmall BAD_REQUEST "Your proposed upload is smaller than the minimum allowed size"
    ExpiredToken BAD_REQUEST "The provided token has expired."
    IllegalLocationConstraintException BAD_REQUEST "The location constraint is incompatible for the region specific endpoint this request was sent to."
    IllegalVersioningConfigurationException BAD_REQUEST "The versioning configuration specified in the request is invalid."
    IncompleteBody BAD_REQUEST "You did not provide the number of bytes specified by the Content-Length HTTP header."
    IncorrectNumberOfFilesInPostRequest BAD_REQUEST "POST requires exactly one file upload per request."
    InlineDataTooLarge BAD_REQUEST "Inline data exceeds the maximum allowed size."
    InsufficientStorage INSUFFICIENT_STORAGE "There is no space left to store the data."
    InternalError INTERNAL_SERVER_ERROR "We encountered an internal error. Please try again."
    InvalidAccessKeyId FORBIDDEN "The AWS Access Key Id you provided does not exist in our records."
    InvalidArgument BAD_REQUEST "Invalid Argument"
    InvalidBucketAclWithObjectOwnership BAD_REQUEST "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    InvalidBucketName BAD_REQUEST "The specified bucket is not valid."
    InvalidBucketOwnerAWSAccountID BAD_REQUEST "The value of the expected bucket owner parameter must be an account ID."
    InvalidBucketState CONFLICT "The request is not valid with the current state of the bucket."
    InvalidDigest BAD_REQUEST "The Content-MD5 you specified was invalid."
    InvalidEncryptionAlgorithmError BAD_REQUEST "The encryption request that you specified is not valid."
    InvalidHost BAD_REQUEST "The Host header is not valid."
    InvalidLocationConstraint BAD_REQUEST "The specified location-constraint is not valid"
    InvalidObjectState FORBIDDEN "The operation is not valid for the object's storage class"
    InvalidPart BAD_REQUEST "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    InvalidPartNumber RANGE_NOT_SATISFIABLE "The requested partnumber is not satisfiable"
    InvalidPartOrder BAD_REQUEST "The list of parts was not in ascending order. The parts list must be specified in order by part number."
    InvalidPayer FORBIDDEN "All access to this object has been disabled."
    InvalidPolicyDocument BAD_REQUEST "The content of the form does not meet the conditions specified in the policy document."
    InvalidRange RANGE_NOT_SATISFIABLE "The requested range is not satisfiable"
    InvalidRegion FORBIDDEN "Region not supported"
    InvalidRequest BAD_REQUEST "The request is not valid."
    InvalidSecurity FORBIDDEN "The provided security credentials are not valid."
    InvalidSignature BAD_REQUEST "The request signature that the server calculated does not match the signature that you provided."
    InvalidStorageClass BAD_REQUEST "The storage class you specified is not valid"
    InvalidTag BAD_REQUEST "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."
    InvalidTargetBucketForLogging BAD_REQUEST "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group."
    InvalidToken BAD_REQUEST "The provided token is malformed or otherwise not valid."
    InvalidURI BAD_REQUEST "Couldn't parse the specified URI."
    KeyTooLongError BAD_REQUEST "Your key is too long"
    KmsNotFoundException = "KMS.NotFoundException" BAD_REQUEST "The specified KMS key does not exist."
    MalformedACLError BAD_REQUEST "The XML you provided was not well-formed or did not validate against our published schema"
    MalformedPOSTRequest BAD_REQUEST "The body of your POST request is not well-formed multipart/form-data."
    MalformedPolicy BAD_REQUEST "Policies must be valid JSON and the first byte must be '{'"
    MalformedTrailerError BAD_REQUEST "The request contained trailing data that was not well-formed or did not conform to our published schema."
    MalformedXML BAD_REQUEST "The XML you provided was not well-formed or did not validate against our published schema"
    MaxMessageLengthExceeded BAD_REQUEST "Your request was too big."
    MaxPostPreDataLengthExceededError BAD_REQUEST "Your POST request fields preceding the upload file were too large."
    MetadataConfigurationNotFound NOT_FOUND "The metadata configuration of the bucket was not found."
    MetadataTooLarge BAD_REQUEST "Your metadata headers exceed the maximum allowed metadata size"
    MethodNotAllowed METHOD_NOT_ALLOWED "The specified method is not allowed against this resource."
    MissingAuthenticationToken FORBIDDEN "The request was not signed."
    MissingContentLength LENGTH_REQUIRED "You must provide the Content-Length HTTP header."
    MissingRequestBodyError BAD_REQUEST "Request Body is empty"
    MissingSecurityElement BAD_REQUEST "The SOAP 1.1 request is missing a security element."
    MissingSecurityHeader BAD_REQUEST "Your request was missing a required header"
    NoLoggingStatusForKey BAD_REQUEST "There is no such thing as a logging status subresource for a key."
    NoSuchBucket NOT_FOUND "The specified bucket does not exist"
    NoSuchBucketPolicy NOT_FOUND "The bucket policy does not exist"
    NoSuchCORSConfiguration NOT_FOUND "The CORS configuration does not exist"
    NoSuchConfiguration NOT_FOUND "The specified configuration does not exist."
    NoSuchKey NOT_FOUND "The specified key does not exist."
    NoSuchLifecycleConfiguration NOT_FOUND "The lifecycle configuration does not exist"
    NoSuchObjectLockConfiguration NOT_FOUND "The specified object does not have a ObjectLock configuration"
    NoSuchPublicAccessBlockConfiguration NOT_FOUND "The public access block configuration was not found"
    NoSuchTagSet NOT_FOUND "The TagSet does not exist"
    NoSuchUpload NOT_FOUND "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    NoSuchVersion NOT_FOUND "The specified version does not exist."
    NoSuchWebsiteConfiguration NOT_FOUND "The specified bucket does not have a website configuration"
    NotImplemented NOT_IMPLEMENTED "A header or operation that you requested is not implemented."
    NotSignedUp FORBIDDEN "Your account is not signed up for this service."
    ObjectLockConfigurationNotFoundError NOT_FOUND "Object Lock configuration does not exist for this bucket"
    OperationAborted CONFLICT "A conflicting conditional operation is currently in progress against this resource. Please try again."
    OwnershipControlsNotFoundError NOT_FOUND "The bucket ownership controls were not found"
    PermanentRedirect MOVED_PERMANENTLY "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint."
    PreconditionFailed PRECONDITION_FAILED "At least one of the pre-conditions you specified did not hold"
    QuotaExceeded FORBIDDEN "The write would exceed a quota. Deleting objects and aborting uploads still works."
    Redirect TEMPORARY_REDIRECT "Please re-send this request to the specified temporary endpoint. Continue to use the original request endpoint for future requests."
    ReplicationConfigurationNotFoundError NOT_FOUND "The replication configuration was not found"
    RequestHeaderSectionTooLarge BAD_REQUEST "Your request header section exceeds the maximum allowed request header section size."
    RequestIsNotMultiPartContent BAD_REQUEST "Bucket POST must be of the enclosure-type multipart/form-data."
    RequestTimeTooSkewed FORBIDDEN "The difference between the request time and the current time is too large."
    RequestTimeout BAD_REQUEST "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."
    RequestTorrentOfBucketError BAD_REQUEST "Requesting the torrent file of a bucket is not permitted."
    RestoreAlreadyInProgress CONFLICT "Object restore is already in progress."
    ServerSideEncryptionConfigurationNotFoundError NOT_FOUND "The server side encryption configuration was not found"
    ServiceUnavailable SERVICE_UNAVAILABLE "Service is unable to handle request."
    SignatureDoesNotMatch FORBIDDEN "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    SlowDown SERVICE_UNAVAILABLE "Please reduce your request rate."
    TemporaryRedirect TEMPORARY_REDIRECT "You are being redirected to the bucket while the DNS server is being updated."
    TokenRefreshRequired BAD_REQUEST "The provided token must be refreshed."
    TooManyBuckets BAD_REQUEST "You have attempted to create more buckets than allowed"
    UnauthorizedAccess FORBIDDEN "The provided credentials may not be used for this request."
    UnexpectedContent BAD_REQUEST "This request contains unsupported content."
    UnresolvableGrantByEmailAddress BAD_REQUEST "The email address you provided does not match any account on record."
    UnsupportedArgument BAD_REQUEST "The request contained an unsupported argument."
    UnsupportedSignature BAD_REQUEST "The provided request is signed with an unsupported STS Token version or the signature version is not supported."
    UserKeyMustBeSpecified BAD_REQUEST "The bucket POST must contain the specified field name. If it is specified, please check the order of the fields."
    XAmzContentSHA256Mismatch BAD_REQUEST "The provided 'x-amz-content-sha256' header does not match what was computed."
}
