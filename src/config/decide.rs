//! From raw settings to decided ones: every default and every relation in one place.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::error::wrong;
use crate::config::keeping::Keeping;
use crate::config::log_files::LogFiles;
use crate::config::rate::decide_rates;
use crate::config::span::decide_span;
use crate::config::traces::TraceConfig;
use crate::config::value::{parse_address, parse_domain, parse_flag, parse_region, parse_size};
use crate::config::webhook::{WebhookConfig, decide_webhooks};
use crate::config::{ConfigError, RawConfig};
use crate::limits::{
    ACCESS_LOG_INTERVAL_SECONDS, ACCESS_LOG_INTERVAL_SECONDS_MAX, CGROUP_SHARE_PERCENT, DOMAINS_MAX,
    DRAIN_TIMEOUT_SECONDS, DRAIN_TIMEOUT_SECONDS_MAX, LIFECYCLE_DAY_SECONDS, MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MIN,
    UPLOAD_EXPIRY_DAYS, UPLOAD_EXPIRY_DAYS_MAX,
};
use crate::types::{ObjectOwnership, RateLimits};

const DEFAULT_LISTEN: &str = "127.0.0.1:9000";
const DEFAULT_ADMIN_LISTEN: &str = "127.0.0.1:9001";
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_LOG: &str = "info";

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Where the certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPaths {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// Root's credentials as they were configured. Has no `==` and shows no secret.
#[derive(Clone)]
pub struct RootPair {
    /// Access key id.
    pub access_key_id: String,
    /// Secret; wiped on drop.
    pub secret: Zeroizing<String>,
}

impl fmt::Debug for RootPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootPair({})", self.access_key_id)
    }
}

/// That less memory is used than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLowered {
    /// What was asked for, in bytes.
    pub asked_bytes: u64,
    /// What the control group allows, in bytes.
    pub limit_bytes: u64,
}

/// Decided settings: every value is legal, every relation holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of everything that is stored.
    pub data_dir: PathBuf,
    /// Address of the S3 listener.
    pub listen: SocketAddr,
    /// Address of the admin listener.
    pub admin_listen: SocketAddr,
    /// Where clients find the S3 listener, without a slash at its end.
    pub public_url: Option<String>,
    /// Memory to use, in bytes.
    pub memory_bytes: u64,
    /// Set if the control group allowed less than was asked for.
    pub memory_lowered: Option<MemoryLowered>,
    /// Base domains of virtual-host style, in lower case.
    pub domains: Vec<String>,
    /// Base domains of websites, in lower case. None of them is among `domains`.
    pub website_domains: Vec<String>,
    /// Region that signatures must name.
    pub region: String,
    /// Certificate, if the S3 listener speaks TLS.
    pub tls: Option<TlsPaths>,
    /// How long running requests may take to finish after a stop signal.
    pub drain_timeout: Duration,
    /// Days after which an unfinished upload is aborted.
    pub upload_expiry_days: u64,
    /// Seconds that a day of lifecycle rules lasts.
    pub lifecycle_day_seconds: u32,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
    /// Whether unsigned requests reach authorization.
    pub allow_anonymous: bool,
    /// Object ownership of buckets that are created without one.
    pub default_object_ownership: ObjectOwnership,
    /// Whether Signature Version 2 is accepted.
    pub allow_signature_v2: bool,
    /// Webhooks that notifications may name.
    pub webhooks: Vec<WebhookConfig>,
    /// Time between two deliveries of server access logs.
    pub access_log_interval: Duration,
    /// How what is stored is kept.
    pub keeping: Keeping,
    /// Log files beside the log.
    pub log_files: LogFiles,
    /// Traces, if there is a collector for them.
    pub traces: Option<TraceConfig>,
    /// Limits of rates.
    pub rates: RateLimits,
    /// Root's credentials, if they were configured.
    pub root: Option<RootPair>,
    /// File of keys for encryption at rest.
    pub encryption_keys: Option<PathBuf>,
    /// A key for encryption at rest.
    pub master_key: Option<MasterKeyText>,
    /// Whether what nobody says anything about is encrypted.
    pub encrypt_by_default: bool,
}

/// A key for encryption at rest as it was configured. Shows nothing.
#[derive(Clone)]
pub struct MasterKeyText(pub Zeroizing<String>);

impl fmt::Debug for MasterKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeyText")
    }
}

impl Config {
    /// Judges raw settings. `cgroup_limit_bytes` is what `cgroup::memory_limit_bytes` found.
    ///
    /// # Errors
    /// The first setting or relation that does not hold.
    pub fn decide(raw: RawConfig, cgroup_limit_bytes: Option<u64>) -> Result<Self, ConfigError> {
        // Lets an empty value count as not given, also when there is no second layer.
        let raw = raw.over(RawConfig::default());
        let listen = decide_address("listen", raw.listen.as_deref().unwrap_or(DEFAULT_LISTEN))?;
        let admin_listen = decide_address("admin-listen", raw.admin_listen.as_deref().unwrap_or(DEFAULT_ADMIN_LISTEN))?;
        if listen == admin_listen && listen.port() != 0 {
            return Err(ConfigError::SameAddress { address: listen });
        }
        let (memory_bytes, memory_lowered) = decide_memory(raw.memory.as_deref(), cgroup_limit_bytes)?;
        let keeping = Keeping::decide(&raw)?;
        let (log_files, traces) = (LogFiles::decide(&raw)?, TraceConfig::decide(&raw)?);
        let rates = decide_rates(&raw)?;
        let tls = decide_tls(raw.tls_cert, raw.tls_key)?;
        let domains = decide_domains("domain", &raw.domain)?;
        let website_domains = decide_domains("website-domain", &raw.website_domain)?;
        if let Some(both) = website_domains.iter().find(|name| domains.contains(name)) {
            return Err(wrong("website-domain", both, "another name than those of --domain"));
        }
        let root = decide_root(raw.access_key_id, raw.secret_access_key)?;
        let (log_format, log_filter) = decide_log(raw.log_format, raw.log)?;
        Ok(Self {
            data_dir: decide_data_dir(raw.data_dir)?,
            listen,
            admin_listen,
            public_url: raw.public_url.as_deref().map(decide_public_url).transpose()?,
            memory_bytes,
            memory_lowered,
            domains,
            website_domains,
            region: decide_region(raw.region.as_deref().unwrap_or(DEFAULT_REGION))?,
            tls,
            drain_timeout: decide_span(
                ("drain-timeout", raw.drain_timeout.as_deref()),
                (DRAIN_TIMEOUT_SECONDS, 0..=DRAIN_TIMEOUT_SECONDS_MAX),
                "a time such as 30s or 2m, at most 1h",
            )?,
            upload_expiry_days: decide_expiry(raw.upload_expiry_days.as_deref())?,
            lifecycle_day_seconds: decide_lifecycle_day(raw.lifecycle_day_seconds.as_deref())?,
            log_format,
            log_filter,
            allow_anonymous: decide_flag("allow-anonymous", raw.allow_anonymous.as_deref(), true)?,
            default_object_ownership: decide_ownership(raw.default_object_ownership.as_deref())?,
            allow_signature_v2: decide_flag("allow-signature-v2", raw.allow_signature_v2.as_deref(), true)?,
            webhooks: decide_webhooks(raw.webhook)?,
            access_log_interval: decide_span(
                ("access-log-interval", raw.access_log_interval.as_deref()),
                (ACCESS_LOG_INTERVAL_SECONDS, 1..=ACCESS_LOG_INTERVAL_SECONDS_MAX),
                "a time such as 30s or 5m, from 1s to 1h",
            )?,
            keeping,
            log_files,
            traces,
            rates,
            root,
            encryption_keys: raw.encryption_keys,
            master_key: raw.master_key.map(MasterKeyText),
            encrypt_by_default: decide_flag("encrypt-by-default", raw.encrypt_by_default.as_deref(), false)?,
        })
    }
}

/// Judges the data directory alone, for commands that need nothing else.
///
/// # Errors
/// `Missing`.
pub fn decide_data_dir(given: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    given
        .filter(|path| !path.as_os_str().is_empty())
        .ok_or(ConfigError::Missing { setting: "data-dir", variable: "SLUICEGATE_DATA_DIR" })
}

/// Judges the admin address alone, for the health client.
///
/// # Errors
/// `Value`.
pub fn decide_admin_listen(given: Option<&str>) -> Result<SocketAddr, ConfigError> {
    decide_address("admin-listen", given.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_ADMIN_LISTEN))
}

/// Judges form and filter of the log alone. The filter's syntax is judged by the log itself.
///
/// # Errors
/// `Value`.
pub fn decide_log(format: Option<String>, filter: Option<String>) -> Result<(LogFormat, String), ConfigError> {
    let format = match format.as_deref().unwrap_or("text") {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => return Err(wrong("log-format", other, "text or json")),
    };
    Ok((format, filter.unwrap_or_else(|| DEFAULT_LOG.to_owned())))
}

fn decide_address(setting: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    parse_address(text).ok_or_else(|| wrong(setting, text, "an address such as 127.0.0.1:9000, [::]:9000 or :9000"))
}

/// Scheme and host, with a port or without: what a URL of the S3 API begins with.
fn decide_public_url(text: &str) -> Result<String, ConfigError> {
    let bare = text.trim().trim_end_matches('/');
    let host = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://"));
    let is_host = |host: &str| host.parse::<http::uri::Authority>().is_ok_and(|host| !host.as_str().contains('@'));
    let legal = host.is_some_and(is_host).then(|| bare.to_owned());
    legal.ok_or_else(|| wrong("public-url", text, "scheme and host such as https://s3.example.com or http://nas:9000"))
}

/// The control group charges the page cache and socket buffers of the process to the same limit, so a share
/// stays free for the kernel; otherwise the first burst of uploads would end in the OOM killer.
fn decide_memory(
    text: Option<&str>,
    cgroup_limit_bytes: Option<u64>,
) -> Result<(u64, Option<MemoryLowered>), ConfigError> {
    let asked_bytes = match text {
        Some(text) => parse_size(text).ok_or_else(|| wrong("memory", text, "a size such as 64MiB or 1GiB"))?,
        None => MEMORY_BYTES_DEFAULT,
    };
    if asked_bytes < MEMORY_BYTES_MIN {
        return Err(ConfigError::MemoryTooSmall { asked_bytes });
    }
    let Some(limit_bytes) = cgroup_limit_bytes else { return Ok((asked_bytes, None)) };
    if limit_bytes < MEMORY_BYTES_MIN {
        return Err(ConfigError::CgroupTooSmall { limit_bytes });
    }
    let allowed_bytes = (limit_bytes / 100 * CGROUP_SHARE_PERCENT).max(MEMORY_BYTES_MIN);
    if asked_bytes <= allowed_bytes {
        return Ok((asked_bytes, None));
    }
    Ok((allowed_bytes, Some(MemoryLowered { asked_bytes, limit_bytes })))
}

fn decide_tls(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsPaths>, ConfigError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsPaths { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::TlsHalf { missing: "tls-key" }),
        (None, Some(_)) => Err(ConfigError::TlsHalf { missing: "tls-cert" }),
    }
}

/// What an id and a secret may look like is the identity's business; here they are only a pair.
fn decide_root(id: Option<String>, secret: Option<Zeroizing<String>>) -> Result<Option<RootPair>, ConfigError> {
    match (id, secret) {
        (Some(access_key_id), Some(secret)) => Ok(Some(RootPair { access_key_id, secret })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::RootHalf { missing: "SLUICEGATE_SECRET_ACCESS_KEY" }),
        (None, Some(_)) => Err(ConfigError::RootHalf { missing: "SLUICEGATE_ACCESS_KEY_ID" }),
    }
}

fn decide_domains(setting: &'static str, given: &[String]) -> Result<Vec<String>, ConfigError> {
    let mut domains = Vec::new();
    for text in given {
        let name = parse_domain(text).ok_or_else(|| wrong(setting, text, "a domain name without port"))?;
        if !domains.contains(&name) {
            domains.push(name);
        }
    }
    if domains.len() > DOMAINS_MAX {
        return Err(wrong(setting, &domains.join(","), "at most 64 names"));
    }
    Ok(domains)
}

fn decide_region(text: &str) -> Result<String, ConfigError> {
    parse_region(text).ok_or_else(|| wrong("region", text, "a region such as us-east-1"))
}

fn decide_expiry(text: Option<&str>) -> Result<u64, ConfigError> {
    let Some(text) = text else { return Ok(UPLOAD_EXPIRY_DAYS) };
    let days = text.trim().parse().ok().filter(|days| (1..=UPLOAD_EXPIRY_DAYS_MAX).contains(days));
    days.ok_or_else(|| wrong("upload-expiry-days", text, "a number of days from 1 to 3650"))
}

/// Judges the length of a lifecycle day alone, for the dry run.
///
/// # Errors
/// `Value`.
pub fn decide_lifecycle_day(text: Option<&str>) -> Result<u32, ConfigError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(LIFECYCLE_DAY_SECONDS) };
    let seconds = text.trim().parse().ok().filter(|seconds| (1..=LIFECYCLE_DAY_SECONDS).contains(seconds));
    seconds.ok_or_else(|| wrong("lifecycle-day-seconds", text, "a number of seconds from 1 to 86400"))
}

/// Judges the object ownership of new buckets alone, for commands that create some.
///
/// # Errors
/// `Value`.
pub fn decide_ownership(text: Option<&str>) -> Result<ObjectOwnership, ConfigError> {
    let Some(text) = text else { return Ok(ObjectOwnership::default()) };
    ObjectOwnership::parse(text.trim()).ok_or_else(|| {
        wrong("default-object-ownership", text, "BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter")
    })
}

fn decide_flag(setting: &'static str, text: Option<&str>, default: bool) -> Result<bool, ConfigError> {
    let Some(text) = text else { return Ok(default) };
    parse_flag(text).ok_or_else(|| wrong(setting, text, "true or false"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Config, LogFormat};
    use crate::config::{ConfigError, RawConfig};
    use crate::limits::{MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MIN, MIB};
    use crate::types::ObjectOwnership;

    fn raw() -> RawConfig {
        RawConfig { data_dir: Some("/data".into()), ..RawConfig::default() }
    }

    fn decide(raw: RawConfig) -> Result<Config, ConfigError> {
        Config::decide(raw, None)
    }

    #[test]
    fn a_public_url_is_scheme_and_host() {
        for (given, expected) in [
            ("https://s3.example.com", Some("https://s3.example.com")),
            ("http://nas:9000/", Some("http://nas:9000")),
            ("https://[::1]:9000", Some("https://[::1]:9000")),
            ("s3.example.com", None),
            ("ftp://s3.example.com", None),
            ("https://", None),
            ("https://a/b", None),
            ("https://a?b", None),
            ("https://user@host", None),
        ] {
            assert_eq!(super::decide_public_url(given).ok().as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn only_the_data_directory_has_no_default() {
        let config = decide(raw()).expect("defaults suffice");
        assert_eq!(config.listen.to_string(), "127.0.0.1:9000");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9001");
        assert_eq!(config.memory_bytes, MEMORY_BYTES_DEFAULT);
        assert_eq!(config.region, "us-east-1");
        assert_eq!(config.drain_timeout, Duration::from_secs(30));
        assert_eq!(config.upload_expiry_days, 7);
        assert_eq!(config.lifecycle_day_seconds, 86_400);
        assert_eq!((config.log_format, config.log_filter.as_str()), (LogFormat::Text, "info"));
        assert!(config.allow_anonymous && config.allow_signature_v2);
        assert_eq!(config.default_object_ownership, ObjectOwnership::BucketOwnerEnforced);
        assert!(config.tls.is_none() && config.root.is_none() && config.domains.is_empty());
        let missing = decide(RawConfig::default());
        assert!(matches!(missing, Err(ConfigError::Missing { setting: "data-dir", .. })));
    }

    #[test]
    fn what_is_above_wins_and_empty_counts_as_not_given() {
        let upper = RawConfig {
            memory: Some("64MiB".into()),
            region: Some(String::new()),
            domain: vec![String::new()],
            ..RawConfig::default()
        };
        let lower = RawConfig {
            data_dir: Some("/lower".into()),
            memory: Some("1GiB".into()),
            region: Some("eu-west-1".into()),
            domain: vec!["s3.local".into()],
            ..RawConfig::default()
        };
        let config = decide(upper.over(lower)).expect("legal settings");
        assert_eq!(config.memory_bytes, 64 * MIB);
        assert_eq!(config.region, "eu-west-1");
        assert_eq!(config.domains, ["s3.local"]);
        assert_eq!(config.data_dir.to_str(), Some("/lower"));
    }

    #[test]
    fn values_that_cannot_be_read_name_their_setting() {
        let cases: [(&str, RawConfig); 12] = [
            ("default-object-ownership", RawConfig { default_object_ownership: Some("Nobody".into()), ..raw() }),
            ("listen", RawConfig { listen: Some("nowhere".into()), ..raw() }),
            ("memory", RawConfig { memory: Some("lots".into()), ..raw() }),
            ("domain", RawConfig { domain: vec!["a..b".into()], ..raw() }),
            ("website-domain", RawConfig { website_domain: vec!["a..b".into()], ..raw() }),
            ("website-domain", RawConfig { domain: vec!["a.b".into()], website_domain: vec!["A.b".into()], ..raw() }),
            ("region", RawConfig { region: Some("a b".into()), ..raw() }),
            ("drain-timeout", RawConfig { drain_timeout: Some("2h".into()), ..raw() }),
            ("upload-expiry-days", RawConfig { upload_expiry_days: Some("0".into()), ..raw() }),
            ("lifecycle-day-seconds", RawConfig { lifecycle_day_seconds: Some("0".into()), ..raw() }),
            ("log-format", RawConfig { log_format: Some("xml".into()), ..raw() }),
            ("allow-anonymous", RawConfig { allow_anonymous: Some("maybe".into()), ..raw() }),
        ];
        for (name, raw) in cases {
            match decide(raw) {
                Err(ConfigError::Value { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn halves_of_a_pair_are_refused() {
        let cert = RawConfig { tls_cert: Some("cert.pem".into()), ..raw() };
        assert!(matches!(decide(cert), Err(ConfigError::TlsHalf { missing: "tls-key" })));
        let id = raw().with_root_from(&|name| (name == "SLUICEGATE_ACCESS_KEY_ID").then(|| "AKIA".into()));
        assert!(matches!(decide(id), Err(ConfigError::RootHalf { .. })));
    }

    #[test]
    fn an_id_from_the_environment_never_meets_a_secret_from_the_file() {
        let file = RawConfig {
            access_key_id: Some("FILE".into()),
            secret_access_key: Some(zeroize::Zeroizing::new("file-secret".into())),
            ..raw()
        };
        let both = file.clone().with_root_from(&|name| {
            Some(if name == "SLUICEGATE_ACCESS_KEY_ID" { "ENV".into() } else { "env-secret".into() })
        });
        let root = decide(both).expect("a pair").root.expect("a pair");
        assert_eq!((root.access_key_id.as_str(), root.secret.as_str()), ("ENV", "env-secret"));
        assert!(!format!("{root:?}").contains("secret"));
        let half = file.clone().with_root_from(&|name| (name == "SLUICEGATE_ACCESS_KEY_ID").then(|| "ENV".into()));
        assert!(matches!(decide(half), Err(ConfigError::RootHalf { .. })));
        let none = file.with_root_from(&|_| None);
        assert_eq!(decide(none).expect("a pair").root.map(|root| root.access_key_id).as_deref(), Some("FILE"));
    }

    #[test]
    fn one_address_for_both_listeners_is_refused_unless_the_kernel_chooses_the_port() {
        let same =
            |address: &str| RawConfig { listen: Some(address.into()), admin_listen: Some(address.into()), ..raw() };
        assert!(matches!(decide(same("127.0.0.1:9000")), Err(ConfigError::SameAddress { .. })));
        assert!(decide(same("127.0.0.1:0")).is_ok());
    }

    #[test]
    fn memory_stays_below_what_the_control_group_allows() {
        let asked = |text: &str| RawConfig { memory: Some(text.into()), ..raw() };
        let decided = Config::decide(asked("1GiB"), Some(256 * MIB)).expect("lowered");
        assert!(decided.memory_bytes < 256 * MIB && decided.memory_bytes > 128 * MIB);
        assert_eq!(decided.memory_lowered.map(|lowered| lowered.limit_bytes), Some(256 * MIB));
        let untouched = Config::decide(asked("64MiB"), Some(128 * MIB)).expect("small enough");
        assert_eq!((untouched.memory_bytes, untouched.memory_lowered), (64 * MIB, None));
        let least = Config::decide(asked("64MiB"), Some(MEMORY_BYTES_MIN)).expect("just enough");
        assert_eq!(least.memory_bytes, MEMORY_BYTES_MIN);
        let small = Config::decide(asked("64MiB"), Some(MEMORY_BYTES_MIN - 1));
        assert!(matches!(small, Err(ConfigError::CgroupTooSmall { .. })));
        assert!(matches!(decide(asked("31MiB")), Err(ConfigError::MemoryTooSmall { .. })));
    }
}
