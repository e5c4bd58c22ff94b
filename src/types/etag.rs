//! Entity tags.

use std::fmt;

/// The ETag of a body: its MD5, or for a multipart body the MD5 of its parts' MD5s and their count.
///
/// Displayed without quotes; HTTP and XML add them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    /// 16 bytes of MD5.
    pub md5: [u8; 16],
    /// Number of parts, if the body was uploaded in parts.
    pub parts: Option<u16>,
}

impl ETag {
    /// The tag of a body that was written in one piece.
    pub fn single(md5: [u8; 16]) -> Self {
        Self { md5, parts: None }
    }

    /// Reads `hex` or `hex-N`, with or without surrounding quotes; `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let (digits, parts) = match text.split_once('-') {
            Some((digits, count)) => (digits, Some(count.parse().ok()?)),
            None => (text, None),
        };
        let mut md5 = [0; 16];
        hex::decode_to_slice(digits, &mut md5).ok()?;
        Some(Self { md5, parts })
    }

    /// The tag in quotes, as HTTP headers carry it.
    pub fn quoted(&self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 2 * 16];
        hex::encode_to_slice(self.md5, &mut digits).expect("two digits for each byte");
        f.write_str(std::str::from_utf8(&digits).expect("hexadecimal digits"))?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ETag;

    #[test]
    fn reads_back_what_it_prints() {
        for tag in [ETag::single([7; 16]), ETag { md5: [0xab; 16], parts: Some(10_000) }] {
            assert_eq!(ETag::parse(&tag.to_string()), Some(tag));
            assert_eq!(ETag::parse(&tag.quoted()), Some(tag));
        }
        for bad in ["", "\"", "abc", "-1", &"g".repeat(32), &format!("{}-x", "0".repeat(32))] {
            assert_eq!(ETag::parse(bad), None, "{bad}");
        }
    }
}
