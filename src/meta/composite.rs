//! What a multipart object is, computed from its parts: size and ETag.

use md5::{Digest as _, Md5};

use crate::types::ETag;

/// Adds up parts in the order of their numbers.
#[derive(Default)]
pub(crate) struct Composite {
    md5: Md5,
    size: u64,
    count: u16,
}

impl Composite {
    /// Adds the next part; returns where it starts in the object, in bytes.
    pub(crate) fn push(&mut self, md5: &[u8; 16], size: u64) -> u64 {
        let offset = self.size;
        self.md5.update(md5);
        self.size += size;
        self.count += 1;
        offset
    }

    /// The object's ETag, size in bytes and number of parts.
    pub(crate) fn finish(self) -> (ETag, u64, u16) {
        let etag = ETag { md5: self.md5.finalize().into(), parts: Some(self.count) };
        (etag, self.size, self.count)
    }
}
