//! Why a step of an import or export failed, and whether it is worth another try.

use std::io;

use crate::limits::transfer::TRANSFER_REASON_BYTES_MAX;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A URL or credentials that cannot be used.
    #[error("{0}")]
    Endpoint(String),
    /// No connection, or it ended before the answer was complete.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// Nothing moved for too long.
    #[error("{0}: nothing moved for too long")]
    Stalled(&'static str),
    /// The server refuses.
    #[error("{status} {code}{message}")]
    Refused {
        /// Status code.
        status: u16,
        /// S3's error code, or the words of the status.
        code: String,
        /// Its message behind a colon, if there is one.
        message: String,
    },
    /// An answer that S3 would not give.
    #[error("the server's answer cannot be read: {0}")]
    Answer(String),
    /// What arrived is not what was sent.
    #[error("{0}")]
    Differs(String),
    /// What is asked is more than this program does.
    #[error("{0}")]
    Unsupported(String),
    /// A step on a local file.
    #[error("{step}: {source}")]
    File {
        /// Which step.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl TransferError {
    /// Whether another try may succeed.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Stalled(_) => true,
            // A 501 stays one; 400 RequestTimeout says that the body came too slowly.
            Self::Refused { status, code, .. } => {
                matches!(status, 429 | 500 | 502..=599) || code == "RequestTimeout" || code == "OperationAborted"
            }
            Self::Endpoint(_) | Self::Answer(_) | Self::Differs(_) | Self::Unsupported(_) | Self::File { .. } => false,
        }
    }

    /// Whether the server says that there is no such thing.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// A refusal with this code.
    pub(crate) fn is_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// The reason as a report tells it: one line, not too long.
    pub fn reason(&self) -> String {
        let mut text: String = self.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.len() > TRANSFER_REASON_BYTES_MAX {
            let end = (0..=TRANSFER_REASON_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// A failed step on a file.
pub(crate) fn file(step: &'static str) -> impl Fn(io::Error) -> TransferError {
    move |source| TransferError::File { step, source }
}

#[cfg(test)]
mod tests {
    use super::TransferError;
    use crate::limits::transfer::TRANSFER_REASON_BYTES_MAX;

    fn refused(status: u16, code: &str) -> TransferError {
        TransferError::Refused { status, code: code.to_owned(), message: String::new() }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (429, "x"), (400, "RequestTimeout")] {
            assert!(refused(status, code).passes(), "{status} {code}");
        }
        for (status, code) in [(501, "NotImplemented"), (403, "AccessDenied"), (404, "NoSuchKey"), (400, "BadDigest")] {
            assert!(!refused(status, code).passes(), "{status} {code}");
        }
    }

    #[test]
    fn a_reason_is_one_line_and_not_too_long() {
        let error = TransferError::Answer(format!("a\n\tb {}", "ü".repeat(2 * TRANSFER_REASON_BYTES_MAX)));
        let reason = error.reason();
        assert!(reason.starts_with("the server's answer cannot be read: a b ü"), "{reason}");
        assert!(reason.len() <= TRANSFER_REASON_BYTES_MAX + "…".len());
    }
}
