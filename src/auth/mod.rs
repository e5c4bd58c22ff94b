//! Request authentication: Signature Version 4 and 2, headers and presigned URLs, and the `aws-chunked` body
//! coding. Sans-I/O: bytes in, verdict out. Knows nothing of sockets, storage or who an access key belongs to.

mod canonical;
pub mod chunked;
mod diagnose;
pub mod error;
pub mod form;
mod head;
mod outgoing;
mod payload;
pub mod post_policy;
mod secret;
mod signing_key;
mod v2;
mod v4;
mod verdict;
pub mod verify;

pub use chunked::{ChunkedDecoder, ChunkedError};
pub use diagnose::{PathChange, Suspicion, claimed_key_id, diagnose, signed_but_missing};
pub use error::{AuthError, Mismatch, Place};
pub use form::{FormFields, FormVerdict, verify_form};
pub use head::request_host;
pub use outgoing::s3_signing;
pub use payload::{FrameSigning, PayloadKind};
pub use post_policy::{FileSize, PostPolicy, PostPolicyError};
pub use secret::{SecretKey, SecretLookup, TokenRefusal};
pub use verdict::{AuthSettings, Verdict, Verified};
pub use verify::{verify, verify_admin, verify_sts};
