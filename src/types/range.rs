//! Byte ranges (RFC 9110, section 14).

/// One `bytes` range as a client asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`, both inclusive.
    FromTo(u64, u64),
    /// `first-`.
    From(u64),
    /// `-length`: the last bytes.
    Suffix(u64),
}

/// A range that lies inside a body: `start`, and `length` ≥ 1 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedRange {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub length: u64,
}

impl ResolvedRange {
    /// The byte after the last one.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }
}

impl ByteRange {
    /// Reads a `Range` header. `None` for anything but exactly one well-formed `bytes` range: RFC 9110
    /// and S3 then serve the whole body.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, spec) = header.trim().split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
            return None;
        }
        let (first, last) = spec.trim().split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            // A number too large for u64 lies beyond every body.
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.trim(), last.trim()) {
            ("", length) => Some(Self::Suffix(number(length)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The part of a body of `size` bytes that this range names; `None` if it names none
    /// (`416 InvalidRange`).
    pub fn resolve(self, size: u64) -> Option<ResolvedRange> {
        let (start, end) = match self {
            Self::FromTo(first, last) => (first, last.saturating_add(1).min(size)),
            Self::From(first) => (first, size),
            Self::Suffix(length) => (size.saturating_sub(length), size),
        };
        (start < end).then(|| ResolvedRange { start, length: end - start })
    }
}

#[cfg(test)]
mod tests {
    use super::{ByteRange, ResolvedRange};

    #[test]
    fn reads_one_range_and_nothing_else() {
        assert_eq!(ByteRange::parse("bytes=0-99"), Some(ByteRange::FromTo(0, 99)));
        assert_eq!(ByteRange::parse("bytes=5-"), Some(ByteRange::From(5)));
        assert_eq!(ByteRange::parse("bytes=-5"), Some(ByteRange::Suffix(5)));
        for whole in
            ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-1", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2"]
        {
            assert_eq!(ByteRange::parse(whole), None, "{whole}");
        }
    }

    #[test]
    fn resolves_inside_the_body_only() {
        let resolved = |start, length| Some(ResolvedRange { start, length });
        assert_eq!(ByteRange::FromTo(0, 99).resolve(10), resolved(0, 10));
        assert_eq!(ByteRange::FromTo(2, 3).resolve(10), resolved(2, 2));
        assert_eq!(ByteRange::From(10).resolve(10), None);
        assert_eq!(ByteRange::Suffix(20).resolve(10), resolved(0, 10));
        assert_eq!(ByteRange::Suffix(0).resolve(10), None);
        assert_eq!(ByteRange::From(0).resolve(0), None);
        assert_eq!(ByteRange::FromTo(0, u64::MAX).resolve(4), resolved(0, 4));
    }
}
