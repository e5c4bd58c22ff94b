//! The text forms of single values: sizes, spans of time, addresses, truth values, names.

use std::net::SocketAddr;
use std::time::Duration;

use crate::limits::{GIB, KIB, MIB, TIB};

/// Suffixes of sizes in lower case. A lone letter counts in powers of two, as Docker and systemd do; `kB`
/// and its like are decimal, as SI says.
const SIZE_UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("b", 1),
    ("k", KIB),
    ("kib", KIB),
    ("kb", 1000),
    ("m", MIB),
    ("mib", MIB),
    ("mb", 1_000_000),
    ("g", GIB),
    ("gib", GIB),
    ("gb", 1_000_000_000),
    ("t", TIB),
    ("tib", TIB),
    ("tb", 1_000_000_000_000),
];

/// Reads a size such as `64MiB`, `1 GiB` or `67108864` as bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let unit = unit.to_ascii_lowercase();
    let factor = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?.1;
    number.checked_mul(factor)
}

/// Shows bytes in the largest binary unit that divides them, so that it reads back as the same number.
pub fn format_size(bytes: u64) -> String {
    for (unit, factor) in [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// Reads a span of time such as `30`, `30s`, `2m`, `1h` or `30d`; a plain number is seconds.
pub fn parse_span(text: &str) -> Option<Duration> {
    let (number, unit) = split_number(text)?;
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(factor).map(Duration::from_secs)
}

/// Reads a listen address: `IP:PORT`, `localhost:PORT`, or `:PORT` for every IPv4 interface. Host names are
/// not resolved: which interface a name means may change between starts.
pub fn parse_address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix(':') {
        return Some(SocketAddr::from(([0, 0, 0, 0], port.parse().ok()?)));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)));
    }
    text.parse().ok()
}

/// Reads a truth value.
pub fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Reads a base domain of virtual-host style, without port, in lower case.
pub fn parse_domain(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let legal_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(legal_label)).then_some(name)
}

/// Reads a region: what may stand in a signature's scope without being escaped.
pub fn parse_region(text: &str) -> Option<String> {
    let legal = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    legal.then(|| text.to_owned())
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{format_size, parse_address, parse_domain, parse_flag, parse_region, parse_size, parse_span};
    use crate::limits::{GIB, KIB, MIB};

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        for (text, bytes) in [
            ("64MiB", 64 * MIB),
            ("64 mib", 64 * MIB),
            ("1GiB", GIB),
            ("512k", 512 * KIB),
            ("128m", 128 * MIB),
            ("67108864", 64 * MIB),
            ("100MB", 100_000_000),
            ("7B", 7),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1MiB", "1.5GiB", "64MiBs", "99999999999TiB", "6 4MiB", "0x10", "٣MiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_shown_size_reads_back() {
        for bytes in [0, 1, 1023, KIB, 96 * MIB, GIB + 1, 3 * GIB] {
            assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }
        assert_eq!(format_size(64 * MIB), "64MiB");
    }

    #[test]
    fn spans_are_seconds_minutes_hours_or_days() {
        assert_eq!(parse_span("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse_span("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse_span("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_span("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(parse_span("30d"), Some(Duration::from_secs(30 * 86_400)));
        for bad in ["", "s", "1w", "-3", "1.5s"] {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_need_a_port_and_no_resolver() {
        assert_eq!(parse_address(":9000").map(|a| a.to_string()).as_deref(), Some("0.0.0.0:9000"));
        assert_eq!(parse_address("localhost:0").map(|a| a.to_string()).as_deref(), Some("127.0.0.1:0"));
        assert_eq!(parse_address("[::1]:80").map(|a| a.to_string()).as_deref(), Some("[::1]:80"));
        for bad in ["", "9000", "127.0.0.1", "example.com:80", ":99999"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_and_flags_are_checked() {
        assert_eq!(parse_domain("S3.Example.com.").as_deref(), Some("s3.example.com"));
        for bad in ["", "a..b", "-a.b", "a_b", "s3.example.com:9000", "http://x"] {
            assert_eq!(parse_domain(bad), None, "{bad}");
        }
        assert_eq!(parse_region("eu-central-1").as_deref(), Some("eu-central-1"));
        assert_eq!(parse_region("a/b"), None);
        assert_eq!((parse_flag("Yes"), parse_flag("0"), parse_flag("maybe")), (Some(true), Some(false), None));
    }
}
