//! The webhooks that notifications may name: `NAME=URL` on the command line and in the environment, a table in
//! the configuration file. Secrets come from the file only: command lines are visible to every user.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use http::Uri;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::config::ConfigError;
use crate::limits::{WEBHOOK_NAME_BYTES_MAX, WEBHOOKS_MAX};

/// A webhook as it was given.
#[derive(Clone, Default)]
pub struct RawWebhook {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Sent as a bearer token.
    pub token: Option<Zeroizing<String>>,
    /// Signs each body.
    pub secret: Option<Zeroizing<String>>,
}

/// A webhook as it was decided. Shows no secret.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub uri: Uri,
    /// Sent as a bearer token.
    pub token: Option<Zeroizing<String>>,
    /// Signs each body.
    pub secret: Option<Zeroizing<String>>,
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No more of the URL than its host: paths, queries and user names of webhooks are often secrets.
        write!(f, "WebhookConfig({}={})", self.name, self.uri.host().unwrap_or_default())
    }
}

impl FromStr for RawWebhook {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, url) = text.split_once('=').ok_or("expected NAME=URL")?;
        Ok(Self { name: name.trim().to_owned(), url: url.trim().to_owned(), ..Self::default() })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    token: Option<String>,
    secret: Option<String>,
}

/// Reads the table of the configuration file: `[webhook.NAME]` with `url`, `token` and `secret`.
///
/// # Errors
/// Those of the deserializer.
pub fn table<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<RawWebhook>, D::Error> {
    let entries = BTreeMap::<String, Entry>::deserialize(source)?;
    let webhook = |(name, entry): (String, Entry)| RawWebhook {
        name,
        url: entry.url,
        token: entry.token.map(Zeroizing::new),
        secret: entry.secret.map(Zeroizing::new),
    };
    Ok(entries.into_iter().map(webhook).collect())
}

/// Judges the webhooks.
///
/// # Errors
/// `Value`.
pub fn decide_webhooks(given: Vec<RawWebhook>) -> Result<Vec<WebhookConfig>, ConfigError> {
    let wrong = |value: &str, expected| ConfigError::Value { setting: "webhook", value: value.to_owned(), expected };
    if given.len() > WEBHOOKS_MAX {
        return Err(wrong(&given.len().to_string(), "at most 16 webhooks"));
    }
    let mut webhooks: Vec<WebhookConfig> = Vec::with_capacity(given.len());
    for RawWebhook { name, url, token, secret } in given {
        let is_legal_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=WEBHOOK_NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_legal_byte) {
            return Err(wrong(&name, "a name of at most 64 letters, digits, - and _"));
        }
        if webhooks.iter().any(|other| other.name == name) {
            return Err(wrong(&name, "a name that no other webhook has"));
        }
        // Only the name is shown: a URL may carry a secret.
        let uri = url.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        let uri = uri.ok_or_else(|| wrong(&name, "a webhook with an http or https URL"))?;
        webhooks.push(WebhookConfig { name, uri, token, secret });
    }
    Ok(webhooks)
}

#[cfg(test)]
mod tests {
    use super::{RawWebhook, decide_webhooks};

    fn decide(texts: &[&str]) -> Result<Vec<String>, String> {
        let raw = texts.iter().map(|text| text.parse::<RawWebhook>().unwrap()).collect();
        let decided = decide_webhooks(raw).map_err(|error| error.to_string())?;
        Ok(decided.iter().map(|webhook| format!("{webhook:?}")).collect())
    }

    #[test]
    fn a_webhook_is_a_name_and_a_url() {
        let legal = decide(&["hook=http://127.0.0.1:8080/events?a=b", "other_1=https://example.com"]).unwrap();
        assert_eq!(legal[0], "WebhookConfig(hook=127.0.0.1)");
        for bad in ["=http://a", "a b=http://a", "a=ftp://a", "a=/path", "a=", "a=http://"] {
            assert!(decide(&[bad]).is_err(), "{bad}");
        }
        assert!(decide(&["a=http://a", "a=http://b"]).is_err(), "names are unique");
        assert!("hook".parse::<RawWebhook>().is_err());
    }

    #[test]
    fn no_secret_is_shown() {
        let raw = RawWebhook {
            token: Some("hidden".to_owned().into()),
            ..("a=http://hidden@b/hidden?hidden".parse().unwrap())
        };
        assert!(!format!("{:?}", decide_webhooks(vec![raw]).unwrap()).contains("hidden"));
    }
}
