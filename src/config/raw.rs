//! Settings as they were given, before anything is judged. One declaration per setting makes its flag, its
//! environment variable and its key in the configuration file, so that the three can't drift apart.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::config::traces;
use crate::config::webhook::{self, RawWebhook};

/// Environment variable of root's access key id. No flag: command lines are visible to every user.
pub const ACCESS_KEY_ID_VARIABLE: &str = "SLUICEGATE_ACCESS_KEY_ID";
/// Environment variable of root's secret.
pub const SECRET_ACCESS_KEY_VARIABLE: &str = "SLUICEGATE_SECRET_ACCESS_KEY";

/// Environment variable of the key that wraps the data keys of encrypted objects.
pub const MASTER_KEY_VARIABLE: &str = "SLUICEGATE_MASTER_KEY";

/// Environment variable of headers that go with traces, as OpenTelemetry names it.
pub const OTLP_HEADERS_VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// Settings as they were given. Values stay text until `Config::decide` judges them all in one place.
#[derive(clap::Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawConfig {
    /// Directory of the database, the chunk files and the lock
    #[arg(long, env = "SLUICEGATE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Address of the S3 listener [default: 127.0.0.1:9000]
    #[arg(long, env = "SLUICEGATE_LISTEN", value_name = "ADDRESS")]
    #[serde(deserialize_with = "scalar")]
    pub listen: Option<String>,

    /// Address of the admin listener: health, metrics, and the API of administrators [default: 127.0.0.1:9001]
    #[arg(long, env = "SLUICEGATE_ADMIN_LISTEN", value_name = "ADDRESS")]
    #[serde(deserialize_with = "scalar")]
    pub admin_listen: Option<String>,

    /// Where clients find the S3 listener, scheme and host; presigned URLs of the console begin with it
    /// [default: the host that the console was asked by, with the port of --listen]
    #[arg(long, env = "SLUICEGATE_PUBLIC_URL", value_name = "URL")]
    #[serde(deserialize_with = "scalar")]
    pub public_url: Option<String>,

    /// Memory that the server may use, e.g. 64MiB or 1GiB; lowered to what the control group allows
    /// [default: 128MiB]
    #[arg(long, env = "SLUICEGATE_MEMORY", value_name = "SIZE")]
    #[serde(deserialize_with = "scalar")]
    pub memory: Option<String>,

    /// Base domain of virtual-host style (BUCKET.NAME); may be given several times, or with commas
    #[arg(long, env = "SLUICEGATE_DOMAIN", value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub domain: Vec<String>,

    /// Base domain of websites (BUCKET.NAME shows the website of BUCKET); may be given several times, or with commas
    #[arg(long, env = "SLUICEGATE_WEBSITE_DOMAIN", value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub website_domain: Vec<String>,

    /// Region that signatures must name [default: us-east-1]
    #[arg(long, env = "SLUICEGATE_REGION", value_name = "NAME")]
    #[serde(deserialize_with = "scalar")]
    pub region: Option<String>,

    /// Certificate chain of the S3 listener, PEM; read again on SIGHUP
    #[arg(long, env = "SLUICEGATE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, env = "SLUICEGATE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// How long requests may take to finish after SIGTERM, e.g. 30s or 2m [default: 30s]
    #[arg(long, env = "SLUICEGATE_DRAIN_TIMEOUT", value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub drain_timeout: Option<String>,

    /// Days after which an unfinished multipart upload is aborted [default: 7]
    #[arg(long, env = "SLUICEGATE_UPLOAD_EXPIRY_DAYS", value_name = "DAYS")]
    #[serde(deserialize_with = "scalar")]
    pub upload_expiry_days: Option<String>,

    /// Seconds that a day of lifecycle rules lasts, for tests and rehearsals [default: 86400]
    #[arg(long, env = "SLUICEGATE_LIFECYCLE_DAY_SECONDS", value_name = "SECONDS")]
    #[serde(deserialize_with = "scalar")]
    pub lifecycle_day_seconds: Option<String>,

    /// Form of log lines: text or json [default: text]
    #[arg(long, env = "SLUICEGATE_LOG_FORMAT", value_name = "FORM")]
    #[serde(deserialize_with = "scalar")]
    pub log_format: Option<String>,

    /// What is logged, e.g. info, or warn,access=off [default: info]
    #[arg(long, env = "SLUICEGATE_LOG", value_name = "FILTER")]
    #[serde(deserialize_with = "scalar")]
    pub log: Option<String>,

    /// Let unsigned requests through to bucket policies and ACLs, one of which must allow them [default: true]
    #[arg(
        long,
        env = "SLUICEGATE_ALLOW_ANONYMOUS",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    #[serde(deserialize_with = "scalar")]
    pub allow_anonymous: Option<String>,

    /// Object ownership of buckets that are created without one: BucketOwnerEnforced, BucketOwnerPreferred or
    /// ObjectWriter; ACLs count under the last two only [default: BucketOwnerEnforced]
    #[arg(long, env = "SLUICEGATE_DEFAULT_OBJECT_OWNERSHIP", value_name = "RULE")]
    #[serde(deserialize_with = "scalar")]
    pub default_object_ownership: Option<String>,

    /// Accept Signature Version 2 [default: true]
    #[arg(
        long,
        env = "SLUICEGATE_ALLOW_SIGNATURE_V2",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    #[serde(deserialize_with = "scalar")]
    pub allow_signature_v2: Option<String>,

    /// File of keys for encryption at rest, lines of "id = 32 bytes in base64"; the first, or that of a line
    /// "active = id", is used for SSE-S3 [default: a key that is made in the data directory]
    #[arg(long, env = "SLUICEGATE_ENCRYPTION_KEYS", value_name = "FILE")]
    pub encryption_keys: Option<PathBuf>,

    /// Encrypt (SSE-S3) what neither the request nor its bucket says anything about [default: false]
    #[arg(
        long,
        env = "SLUICEGATE_ENCRYPT_BY_DEFAULT",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    #[serde(deserialize_with = "scalar")]
    pub encrypt_by_default: Option<String>,

    /// A key for encryption at rest: environment or file only.
    #[arg(skip)]
    #[serde(deserialize_with = "secret")]
    pub master_key: Option<Zeroizing<String>>,

    /// Webhook that bucket notifications may name, as NAME=URL; may be given several times, or with commas. Tokens
    /// and secrets go into the table [webhook.NAME] of the configuration file
    #[arg(long, env = "SLUICEGATE_WEBHOOK", value_name = "NAME=URL", value_delimiter = ',')]
    #[serde(deserialize_with = "webhook::table")]
    pub webhook: Vec<RawWebhook>,

    /// Time between two deliveries of server access logs, e.g. 30s or 5m [default: 5m]
    #[arg(long, env = "SLUICEGATE_ACCESS_LOG_INTERVAL", value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub access_log_interval: Option<String>,

    /// File to which a line of JSON is written for each request, beside the log; - is standard output; opened again on
    /// SIGHUP
    #[arg(long, env = "SLUICEGATE_ACCESS_LOG", value_name = "FILE")]
    pub access_log: Option<PathBuf>,

    /// Size at which that file is rotated, to FILE.1 and so on, e.g. 100MiB [default: 100MiB]
    #[arg(long, env = "SLUICEGATE_ACCESS_LOG_MAX_SIZE", value_name = "SIZE")]
    #[serde(deserialize_with = "scalar")]
    pub access_log_max_size: Option<String>,

    /// Rotated files that are kept [default: 5]
    #[arg(long, env = "SLUICEGATE_ACCESS_LOG_KEEP", value_name = "NUMBER")]
    #[serde(deserialize_with = "scalar")]
    pub access_log_keep: Option<String>,

    /// File to which a line of JSON is written for each change by an administrator, beside the log
    #[arg(long, env = "SLUICEGATE_AUDIT_LOG", value_name = "FILE")]
    pub audit_log: Option<PathBuf>,

    /// Collector that gets traces of requests by OTLP over HTTP, e.g. http://127.0.0.1:4318; /v1/traces is appended
    /// [default: no traces]
    #[arg(long, env = "SLUICEGATE_OTLP_ENDPOINT", value_name = "URL")]
    #[serde(deserialize_with = "scalar")]
    pub otlp_endpoint: Option<String>,

    /// Share of the requests that is traced, from 0 to 1; callers that trace themselves are followed [default: 1]
    #[arg(long, env = "SLUICEGATE_OTLP_SAMPLE", value_name = "SHARE")]
    #[serde(deserialize_with = "traces::share")]
    pub otlp_sample: Option<String>,

    /// Headers that go with traces: environment or file only.
    #[arg(skip)]
    #[serde(deserialize_with = "secret")]
    pub otlp_headers: Option<Zeroizing<String>>,

    /// Bytes that scrub reads in a second to verify what is stored, e.g. 8MiB; 0 turns its passes off [default: 8MiB]
    #[arg(long, env = "SLUICEGATE_SCRUB_RATE", value_name = "SIZE")]
    #[serde(deserialize_with = "scalar")]
    pub scrub_rate: Option<String>,

    /// Time from the beginning of one pass of scrub to that of the next, e.g. 12h or 30d [default: 30d]
    #[arg(long, env = "SLUICEGATE_SCRUB_INTERVAL", value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub scrub_interval: Option<String>,

    /// Time from one snapshot of the database to the next, e.g. 6h or 1d; 0 takes none [default: 1d]
    #[arg(long, env = "SLUICEGATE_SNAPSHOT_INTERVAL", value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub snapshot_interval: Option<String>,

    /// Snapshots of the database that are kept; the oldest goes [default: 3]
    #[arg(long, env = "SLUICEGATE_SNAPSHOT_KEEP", value_name = "NUMBER")]
    #[serde(deserialize_with = "scalar")]
    pub snapshot_keep: Option<String>,

    /// Directory of the snapshots, best on another disk [default: snapshots in the data directory]
    #[arg(long, env = "SLUICEGATE_SNAPSHOT_DIR", value_name = "DIR")]
    pub snapshot_dir: Option<PathBuf>,

    /// Requests that each access key may make in a second, as 50, or with what may come at once, as 50:200;
    /// more are answered 503 SlowDown [default: no limit]
    #[arg(long, env = "SLUICEGATE_KEY_REQUESTS", value_name = "RATE")]
    #[serde(deserialize_with = "scalar")]
    pub key_requests: Option<String>,

    /// Bytes that each access key may move in a second, both ways together, as 10MiB or 10MiB:100MiB; more wait
    /// [default: no limit]
    #[arg(long, env = "SLUICEGATE_KEY_BANDWIDTH", value_name = "RATE")]
    #[serde(deserialize_with = "scalar")]
    pub key_bandwidth: Option<String>,

    /// Requests that each client address may make in a second [default: no limit]
    #[arg(long, env = "SLUICEGATE_ADDRESS_REQUESTS", value_name = "RATE")]
    #[serde(deserialize_with = "scalar")]
    pub address_requests: Option<String>,

    /// Bytes that each client address may move in a second [default: no limit]
    #[arg(long, env = "SLUICEGATE_ADDRESS_BANDWIDTH", value_name = "RATE")]
    #[serde(deserialize_with = "scalar")]
    pub address_bandwidth: Option<String>,

    /// Bytes that all clients together may move in a second, as 10MiB, or by local time, as
    /// 08:00=2MiB,18:30=10MiB,23:00=off [default: no limit]
    #[arg(long, env = "SLUICEGATE_BANDWIDTH", value_name = "TIMETABLE")]
    #[serde(deserialize_with = "scalar")]
    pub bandwidth: Option<String>,

    /// Root's access key id: environment or file only.
    #[arg(skip)]
    #[serde(deserialize_with = "scalar")]
    pub access_key_id: Option<String>,

    /// Root's secret: environment or file only.
    #[arg(skip)]
    #[serde(deserialize_with = "secret")]
    pub secret_access_key: Option<Zeroizing<String>>,
}

impl RawConfig {
    /// Puts these settings over those of `lower`: what is given here wins. An empty value counts as not
    /// given, because that is how compose files and shells pass an unset variable on.
    pub fn over(self, lower: Self) -> Self {
        let upper = self.without_empty();
        let lower = lower.without_empty();
        Self {
            data_dir: upper.data_dir.or(lower.data_dir),
            listen: upper.listen.or(lower.listen),
            admin_listen: upper.admin_listen.or(lower.admin_listen),
            public_url: upper.public_url.or(lower.public_url),
            memory: upper.memory.or(lower.memory),
            domain: if upper.domain.is_empty() { lower.domain } else { upper.domain },
            website_domain: if upper.website_domain.is_empty() { lower.website_domain } else { upper.website_domain },
            region: upper.region.or(lower.region),
            tls_cert: upper.tls_cert.or(lower.tls_cert),
            tls_key: upper.tls_key.or(lower.tls_key),
            drain_timeout: upper.drain_timeout.or(lower.drain_timeout),
            upload_expiry_days: upper.upload_expiry_days.or(lower.upload_expiry_days),
            lifecycle_day_seconds: upper.lifecycle_day_seconds.or(lower.lifecycle_day_seconds),
            log_format: upper.log_format.or(lower.log_format),
            log: upper.log.or(lower.log),
            allow_anonymous: upper.allow_anonymous.or(lower.allow_anonymous),
            default_object_ownership: upper.default_object_ownership.or(lower.default_object_ownership),
            allow_signature_v2: upper.allow_signature_v2.or(lower.allow_signature_v2),
            encryption_keys: upper.encryption_keys.or(lower.encryption_keys),
            encrypt_by_default: upper.encrypt_by_default.or(lower.encrypt_by_default),
            master_key: upper.master_key.or(lower.master_key),
            webhook: if upper.webhook.is_empty() { lower.webhook } else { upper.webhook },
            access_log_interval: upper.access_log_interval.or(lower.access_log_interval),
            access_log: upper.access_log.or(lower.access_log),
            access_log_max_size: upper.access_log_max_size.or(lower.access_log_max_size),
            access_log_keep: upper.access_log_keep.or(lower.access_log_keep),
            audit_log: upper.audit_log.or(lower.audit_log),
            otlp_endpoint: upper.otlp_endpoint.or(lower.otlp_endpoint),
            otlp_sample: upper.otlp_sample.or(lower.otlp_sample),
            otlp_headers: upper.otlp_headers.or(lower.otlp_headers),
            scrub_rate: upper.scrub_rate.or(lower.scrub_rate),
            scrub_interval: upper.scrub_interval.or(lower.scrub_interval),
            snapshot_interval: upper.snapshot_interval.or(lower.snapshot_interval),
            snapshot_keep: upper.snapshot_keep.or(lower.snapshot_keep),
            snapshot_dir: upper.snapshot_dir.or(lower.snapshot_dir),
            key_requests: upper.key_requests.or(lower.key_requests),
            key_bandwidth: upper.key_bandwidth.or(lower.key_bandwidth),
            address_requests: upper.address_requests.or(lower.address_requests),
            address_bandwidth: upper.address_bandwidth.or(lower.address_bandwidth),
            bandwidth: upper.bandwidth.or(lower.bandwidth),
            access_key_id: upper.access_key_id.or(lower.access_key_id),
            secret_access_key: upper.secret_access_key.or(lower.secret_access_key),
        }
    }

    /// Takes the secrets from the environment, which `variable` reads: root's credentials, the master key, and headers
    /// of traces. They win over the file; the credentials as a pair: an id from one place never meets a secret from
    /// another.
    pub fn with_root_from(mut self, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let id = variable(ACCESS_KEY_ID_VARIABLE).filter(|text| !text.is_empty());
        let secret = variable(SECRET_ACCESS_KEY_VARIABLE).filter(|text| !text.is_empty());
        if let Some(key) = variable(MASTER_KEY_VARIABLE).filter(|text| !text.is_empty()) {
            self.master_key = Some(Zeroizing::new(key));
        }
        if let Some(headers) = variable(OTLP_HEADERS_VARIABLE).filter(|text| !text.is_empty()) {
            self.otlp_headers = Some(Zeroizing::new(headers));
        }
        if id.is_some() || secret.is_some() {
            self.access_key_id = id;
            self.secret_access_key = secret.map(Zeroizing::new);
        }
        self
    }

    fn without_empty(self) -> Self {
        let text = |value: Option<String>| value.filter(|text| !text.trim().is_empty());
        let path = |value: Option<PathBuf>| value.filter(|path| !path.as_os_str().is_empty());
        Self {
            data_dir: path(self.data_dir),
            listen: text(self.listen),
            admin_listen: text(self.admin_listen),
            public_url: text(self.public_url),
            memory: text(self.memory),
            domain: self.domain.into_iter().filter(|name| !name.trim().is_empty()).collect(),
            website_domain: self.website_domain.into_iter().filter(|name| !name.trim().is_empty()).collect(),
            region: text(self.region),
            tls_cert: path(self.tls_cert),
            tls_key: path(self.tls_key),
            drain_timeout: text(self.drain_timeout),
            upload_expiry_days: text(self.upload_expiry_days),
            lifecycle_day_seconds: text(self.lifecycle_day_seconds),
            log_format: text(self.log_format),
            log: text(self.log),
            allow_anonymous: text(self.allow_anonymous),
            default_object_ownership: text(self.default_object_ownership),
            allow_signature_v2: text(self.allow_signature_v2),
            encryption_keys: path(self.encryption_keys),
            encrypt_by_default: text(self.encrypt_by_default),
            master_key: self.master_key.filter(|text| !text.is_empty()),
            webhook: self.webhook,
            access_log_interval: text(self.access_log_interval),
            access_log: path(self.access_log),
            access_log_max_size: text(self.access_log_max_size),
            access_log_keep: text(self.access_log_keep),
            audit_log: path(self.audit_log),
            otlp_endpoint: text(self.otlp_endpoint),
            otlp_sample: text(self.otlp_sample),
            otlp_headers: self.otlp_headers.filter(|text| !text.is_empty()),
            scrub_rate: text(self.scrub_rate),
            scrub_interval: text(self.scrub_interval),
            snapshot_interval: text(self.snapshot_interval),
            snapshot_keep: text(self.snapshot_keep),
            snapshot_dir: path(self.snapshot_dir),
            key_requests: text(self.key_requests),
            key_bandwidth: text(self.key_bandwidth),
            address_requests: text(self.address_requests),
            address_bandwidth: text(self.address_bandwidth),
            bandwidth: text(self.bandwidth),
            access_key_id: text(self.access_key_id),
            secret_access_key: self.secret_access_key.filter(|text| !text.is_empty()),
        }
    }
}

/// A value of the configuration file: `30`, `"30s"` and `true` all become text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a string, a whole number or a boolean")]
enum Scalar {
    Text(String),
    Number(i64),
    Flag(bool),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn scalar<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match Scalar::deserialize(source)? {
        Scalar::Text(text) => text,
        Scalar::Number(number) => number.to_string(),
        Scalar::Flag(flag) => flag.to_string(),
    }))
}

fn list<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(source)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

fn secret<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Some(Zeroizing::new(String::deserialize(source)?)))
}
