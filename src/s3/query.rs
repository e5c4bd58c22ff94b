//! Decoded query parameters.

/// The query of a request, decoded once, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a raw query string: `%XX` and `+`. `None` if an escape is broken or the text is not UTF-8.
    pub fn parse(raw: &str) -> Option<Self> {
        let decode = |text: &str| -> Option<String> {
            let bytes = text.as_bytes();
            let broken = bytes.iter().enumerate().any(|(at, byte)| {
                *byte == b'%' && !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            });
            let spaced = text.replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
            (!broken).then(|| decoded.into_owned())
        };
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        pairs.collect::<Option<Vec<_>>>().map(Self)
    }

    /// The first value of `name`; `""` for a bare name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn decodes_escapes_and_keeps_order() {
        let query = Query::parse("uploads&prefix=a%2Fb+c&x=1&x=2").unwrap();
        assert_eq!(query.value("uploads"), Some(""));
        assert_eq!(query.value("prefix"), Some("a/b c"));
        assert_eq!(query.value("x"), Some("1"));
        assert_eq!(Query::parse("a=%zz"), None);
        assert_eq!(Query::parse("a=%ff"), None);
    }
}
