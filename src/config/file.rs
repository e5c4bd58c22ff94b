//! The configuration file: TOML, one key per setting, unknown keys refused.

use std::path::Path;

use figment::Figment;
use figment::providers::{Format as _, Toml};

use crate::config::{ConfigError, RawConfig};

/// Reads a configuration file.
///
/// # Errors
/// `FileRead` if it can't be read, `FileContent` if it is no TOML or a key or value is not known.
pub fn load_file(path: &Path) -> Result<RawConfig, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::FileRead { path: path.to_owned(), source })?;
    parse_text(&text).map_err(|detail| ConfigError::FileContent { path: path.to_owned(), detail })
}

/// The detail of an error is one line without the offending value: that may be a secret.
pub(super) fn parse_text(text: &str) -> Result<RawConfig, String> {
    use figment::error::Kind;
    Figment::from(Toml::string(text)).extract().map_err(|error: figment::Error| {
        let key = error.path.join(".");
        match error.kind {
            Kind::UnknownField(name, _) => format!("unknown key `{name}`"),
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("`{key}` must be {expected}")
            }
            Kind::Message(message) if key.is_empty() => syntax_line(&message),
            Kind::Message(message) => format!("`{key}` must be {message}"),
            other => format!("`{key}`: {other}"),
        }
    })
}

/// The TOML parser shows the source line, which may hold a secret, between a first line that says where and
/// a last one that says what.
fn syntax_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => "not valid TOML".to_owned(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first}: {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{load_file, parse_text};
    use crate::config::ConfigError;

    #[test]
    fn every_setting_has_a_key() {
        let text = r#"
            data-dir = "/data"
            listen = "0.0.0.0:9000"
            admin-listen = ":9001"
            memory = 67108864
            domain = ["s3.example.com", "s3.local"]
            website-domain = "web.example.com"
            region = "eu-central-1"
            tls-cert = "cert.pem"
            tls-key = "key.pem"
            drain-timeout = 20
            upload-expiry-days = 3
            log-format = "json"
            log = "debug"
            allow-anonymous = true
            allow-signature-v2 = false
            encryption-keys = "keys.txt"
            encrypt-by-default = true
            master-key = "hidden"
            access-key-id = "AKIA"
            secret-access-key = "hidden"
            access-log-interval = 60
            otlp-endpoint = "http://127.0.0.1:4318"
            otlp-sample = 0.5
            otlp-headers = "authorization=hidden"
            key-requests = 50
            key-bandwidth = "10MiB"
            address-requests = "50:100"
            address-bandwidth = "10MiB"
            bandwidth = "08:00=2MiB,18:00=off"
            [webhook.hook]
            url = "https://example.com/events"
            token = "hidden"
            secret = "hidden"
        "#;
        let raw = parse_text(text).expect("a full file");
        assert_eq!(raw.memory.as_deref(), Some("67108864"));
        assert_eq!(raw.drain_timeout.as_deref(), Some("20"));
        assert_eq!(raw.domain, ["s3.example.com", "s3.local"]);
        assert_eq!(raw.encrypt_by_default.as_deref(), Some("true"));
        assert_eq!(raw.website_domain, ["web.example.com"]);
        assert_eq!(raw.allow_anonymous.as_deref(), Some("true"));
        assert_eq!((raw.webhook[0].name.as_str(), raw.webhook[0].url.as_str()), ("hook", "https://example.com/events"));
        assert_eq!(raw.webhook[0].token.as_deref().map(String::as_str), Some("hidden"));
        assert_eq!(raw.access_log_interval.as_deref(), Some("60"));
        assert_eq!(raw.otlp_sample.as_deref(), Some("0.5"));
        assert_eq!(raw.otlp_headers.as_deref().map(String::as_str), Some("authorization=hidden"));
        assert_eq!(raw.key_requests.as_deref(), Some("50"));
        assert_eq!(raw.bandwidth.as_deref(), Some("08:00=2MiB,18:00=off"));
        assert_eq!(raw.secret_access_key.as_deref().map(String::as_str), Some("hidden"));
    }

    #[test]
    fn a_wrong_file_is_refused_with_one_line_without_values() {
        let cases = [
            ("memroy = \"64MiB\"", "unknown key `memroy`"),
            ("memory = [\"hidden\"]", "`memory` must be a string, a whole number or a boolean"),
            ("domain = 5", "`domain` must be a string or a list of strings"),
            ("secret-access-key = 12345", "`secret-access-key` must be a string"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_text(text).err().as_deref(), Some(expected), "{text}");
        }
        let detail = parse_text("secret-access-key = hidden").err().expect("no TOML");
        assert!(!detail.contains('\n') && !detail.contains("hidden"), "{detail}");
        assert!(detail.contains("line 1"), "{detail}");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let missing = load_file(std::path::Path::new("/nonexistent/sluicegate.toml"));
        assert!(matches!(missing, Err(ConfigError::FileRead { .. })));
    }
}
