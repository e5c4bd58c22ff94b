//! Request authentication: Signature Version 4 and 2, headers and presigned URLs, and the `aws-chunked` body
//! coding. Sans-I/O: bytes in, verdict out. Knows nothing of sockets, storage or who an access key belongs to.

pub mod chunked;
pub mod error;
pub mod verify;

pub use chunked::{ChunkedDecoder, ChunkedError};
pub use error::AuthError;
pub use verify::{AuthSettings, FrameSigning, PayloadKind, SecretKey, SecretLookup, Verdict, Verified, verify};
