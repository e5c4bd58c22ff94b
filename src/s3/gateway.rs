//! What every request works with: the engine, the keys, the guards, the settings.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::auth::AuthSettings;
use crate::engine::Engine;
use crate::guard::{Admission, Drain, RateLimiter};
use crate::identity::{Keyring, Principal};
use crate::net::Peer;
use crate::rules::DayLength;
use crate::s3::bucket_facts::FactsCache;
use crate::telemetry::Insight;
use crate::types::{Clock, ObjectOwnership, Origin, RateLimits};

/// What the S3 service was configured to do.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// Region, V2, domains.
    pub auth: AuthSettings,
    /// Base domains of virtual-host style.
    pub domains: Vec<String>,
    /// Base domains of websites.
    pub website_domains: Vec<String>,
    /// Whether anonymous requests are let through to authorization, where a policy or an ACL must allow them.
    pub allow_anonymous: bool,
    /// Whether bodies are encrypted (SSE-S3) where neither the request nor the bucket says anything.
    pub encrypt_by_default: bool,
    /// Ownership of buckets whose creator does not name one.
    pub default_ownership: ObjectOwnership,
    /// How long a day of lifecycle rules is.
    pub lifecycle_day: DayLength,
    /// Names of the webhooks that notifications may name.
    pub webhooks: Vec<String>,
    /// Limits of rates.
    pub rates: RateLimits,
}

/// The S3 service. Implements `net::Handler`.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) engine: Arc<Engine>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) admission: Admission,
    pub(crate) rates: RateLimiter,
    pub(crate) drain: Drain,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Arc<S3Settings>,
    /// What decides about access to buckets, parsed.
    pub(crate) facts: Arc<FactsCache>,
    /// What is remembered of requests.
    pub(crate) insight: Arc<Insight>,
    /// Names this process in answers (`x-amz-id-2`).
    pub(crate) host_id: Arc<str>,
}

impl Gateway {
    /// A gateway over an engine.
    pub fn new(
        engine: Arc<Engine>,
        keyring: Arc<Keyring>,
        admission: Admission,
        drain: Drain,
        clock: Arc<dyn Clock>,
        settings: S3Settings,
    ) -> Self {
        let host_id = BASE64.encode(rand::random::<[u8; 33]>()).into();
        let rates = RateLimiter::new(settings.rates.clone());
        let (settings, facts, insight) = (Arc::new(settings), Arc::default(), Arc::default());
        Self { engine, keyring, admission, rates, drain, clock, settings, facts, insight, host_id }
    }

    /// The same gateway, which tells of its requests there.
    #[must_use]
    pub fn with_insight(self, insight: Arc<Insight>) -> Self {
        Self { insight, ..self }
    }

    /// Its limits of rates, which can be changed while it runs.
    pub fn rates(&self) -> RateLimiter {
        self.rates.clone()
    }

    /// What events tell of the request that made them.
    pub(crate) fn origin(&self, principal: &Principal, peer: Option<Peer>, request_id: &str) -> Origin {
        let principal = match principal {
            Principal::Anonymous => "Anonymous".to_owned(),
            Principal::Identity { name, .. } => name.clone(),
        };
        Origin {
            principal,
            source_address: peer.map(|peer| peer.address.ip().to_string()).unwrap_or_default(),
            request_id: request_id.to_owned(),
            host_id: self.host_id.to_string(),
            is_form: false,
            at: self.clock.now().0,
        }
    }
}
