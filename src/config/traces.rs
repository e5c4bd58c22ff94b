//! Traces: to which collector they go, with which headers, and how many of the requests are traced. Headers come from
//! the environment and the file only: they are often secrets, and command lines are visible to every user.

use std::fmt;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};

use crate::config::error::wrong;
use crate::config::{ConfigError, RawConfig};

/// What the protocol appends to the address of a collector.
const PATH: &str = "/v1/traces";
/// What stands in messages in the place of something that may be a secret.
const HIDDEN: &str = "-";

/// Traces as they were decided. Shows no secret.
#[derive(Clone)]
pub struct TraceConfig {
    /// Where spans are posted.
    pub uri: Uri,
    /// What is sent along.
    pub headers: HeaderMap,
    /// The share of the requests that is traced, 0 to 1.
    pub sample: f64,
}

impl fmt::Debug for TraceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths of collectors are often secrets.
        write!(f, "TraceConfig({}, {})", self.uri.host().unwrap_or_default(), self.sample)
    }
}

impl TraceConfig {
    /// Judges these settings; `None` if there is no collector.
    ///
    /// # Errors
    /// `Value`.
    pub fn decide(raw: &RawConfig) -> Result<Option<Self>, ConfigError> {
        let sample = decide_sample(raw.otlp_sample.as_deref())?;
        let Some(endpoint) = raw.otlp_endpoint.as_deref() else { return Ok(None) };
        let uri = decide_endpoint(endpoint)?;
        // Only now: without a collector the variable is meant for others.
        let headers = decide_headers(raw.otlp_headers.as_deref().map_or("", String::as_str))?;
        Ok(Some(Self { uri, headers, sample }))
    }
}

/// The address of a collector, without `/v1/traces`, which is appended as the protocol says.
fn decide_endpoint(text: &str) -> Result<Uri, ConfigError> {
    let base = text.trim().trim_end_matches('/');
    let uri = format!("{base}{PATH}").parse::<Uri>().ok().filter(|uri| {
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_host = uri.authority().is_some_and(|host| !host.host().is_empty() && !host.as_str().contains('@'));
        is_http && is_host && uri.query().is_none() && !base.contains('#')
    });
    let shown = if text.contains('@') || text.contains('?') { HIDDEN } else { text };
    uri.ok_or_else(|| wrong("otlp-endpoint", shown, "an http or https URL such as http://127.0.0.1:4318"))
}

fn decide_sample(text: Option<&str>) -> Result<f64, ConfigError> {
    let Some(text) = text else { return Ok(1.0) };
    let share = text.trim().parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| wrong("otlp-sample", text, "a share from 0 to 1, such as 0.1"))
}

/// As `OTEL_EXPORTER_OTLP_HEADERS` is: `name=value,name=value`, percent-encoded.
fn decide_headers(text: &str) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = header(pair).ok_or_else(|| {
            wrong("otlp-headers", HIDDEN, "name=value,name=value with headers that may be sent along")
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let mut value = HeaderValue::try_from(&*percent_decode_str(value.trim()).decode_utf8().ok()?).ok()?;
    value.set_sensitive(true);
    // What a request is made of is not theirs.
    let is_free = ![CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING].contains(&name);
    is_free.then_some((name, value))
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number from 0 to 1")]
enum Share {
    Text(String),
    Whole(u8),
    Part(f64),
}

/// Reads the share of the configuration file: `0.1`, `1` or `"0.1"`.
///
/// # Errors
/// Those of the deserializer.
pub fn share<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match Share::deserialize(source)? {
        Share::Text(text) => text,
        Share::Whole(whole) => whole.to_string(),
        Share::Part(part) => part.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::TraceConfig;
    use crate::config::file::parse_text;

    fn decide(text: &str) -> Result<Option<TraceConfig>, String> {
        TraceConfig::decide(&parse_text(text)?).map_err(|error| error.to_string())
    }

    #[test]
    fn there_are_no_traces_without_a_collector() {
        assert!(decide("").unwrap().is_none());
        assert!(decide("otlp-sample = 0.5").unwrap().is_none());
        assert!(decide("otlp-sample = 2").is_err(), "what is wrong is told all the same");
    }

    #[test]
    fn the_path_of_the_protocol_is_appended() {
        for (given, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example.com/otlp/", "https://collector.example.com/otlp/v1/traces"),
        ] {
            let decided = decide(&format!("otlp-endpoint = {given:?}")).unwrap().expect("traces");
            assert_eq!(decided.uri.to_string(), expected);
            assert!((decided.sample - 1.0).abs() < f64::EPSILON);
        }
        for bad in ["localhost:4318", "ftp://a", "http://", "http:///x", "http://a?b=c", "http://a#b", "/v1"] {
            let refused = decide(&format!("otlp-endpoint = {bad:?}")).unwrap_err();
            assert!(refused.starts_with("otlp-endpoint: "), "{refused}");
        }
    }

    #[test]
    fn a_share_is_a_number_or_text() {
        for (given, expected) in [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("\"0.1\"", 0.1)] {
            let text = format!("otlp-endpoint = \"http://a\"\notlp-sample = {given}");
            assert!((decide(&text).unwrap().expect("traces").sample - expected).abs() < f64::EPSILON, "{given}");
        }
        for bad in ["-0.1", "1.1", "\"all\"", "nan", "true"] {
            assert!(decide(&format!("otlp-sample = {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_are_read_as_the_standard_says_and_never_shown() {
        let text = "otlp-endpoint = \"http://a\"\notlp-headers = \"Authorization=Bearer%20hidden, x-scope=one\"";
        let decided = decide(text).unwrap().expect("traces");
        assert_eq!(decided.headers["authorization"], "Bearer hidden");
        assert_eq!(decided.headers["x-scope"], "one");
        assert!(!format!("{decided:?}{:?}", decided.headers).contains("hidden"));
        for bad in ["hidden", "a b=hidden", "x=%0ahidden", "host=hidden", "content-length=5"] {
            assert!(decide(&format!("otlp-headers = {bad:?}")).unwrap().is_none(), "meant for others");
            let text = format!("otlp-endpoint = \"http://a\"\notlp-headers = {bad:?}");
            let refused = decide(&text).unwrap_err();
            assert!(refused.starts_with("otlp-headers: ") && !refused.contains("hidden"), "{refused}");
        }
        let refused = decide("otlp-endpoint = \"http://me:hidden@a\"").unwrap_err();
        assert!(!refused.contains("hidden"), "{refused}");
    }
}
