//! What verification depends on, and what it says.

use crate::auth::PayloadKind;
use crate::types::Timestamp;

/// What verification depends on beside the request.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// The region that scopes must name.
    pub region: String,
    /// Whether Signature Version 2 is accepted.
    pub allow_v2: bool,
    /// Base domains of virtual-host style: Signature Version 2 signs the bucket of the host name.
    pub domains: Vec<String>,
}

/// A request whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose key signed it.
    pub access_key_id: String,
    /// The token of the session that the key is of, if it is of one.
    pub token: Option<String>,
    /// How to read its body.
    pub payload: PayloadKind,
    /// Whether it was presigned.
    pub presigned: bool,
    /// When it was signed, by the clock of who signed it; `None` if it only says until when it holds.
    pub signed_at: Option<Timestamp>,
}

/// The verdict over a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It carries no signature at all.
    Anonymous {
        /// How to read its body.
        payload: PayloadKind,
    },
    /// Its signature holds.
    Signed(Verified),
}
