//! The S3 handler: request id, admission, the stages, dispatch, and the access line.

use std::sync::Arc;

use crate::auth::AuthSettings;
use crate::engine::Engine;
use crate::guard::{Admission, Drain};
use crate::identity::Keyring;
use crate::types::Clock;

/// What the S3 service was configured to do.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// Region, V2, domains.
    pub auth: AuthSettings,
    /// Base domains of virtual-host style.
    pub domains: Vec<String>,
    /// Whether anonymous requests are let through to authorization (which grants them nothing until
    /// policies exist).
    pub allow_anonymous: bool,
}

/// The S3 service. Implements `net::Handler`.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) engine: Arc<Engine>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) admission: Admission,
    pub(crate) drain: Drain,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Arc<S3Settings>,
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
        Self { engine, keyring, admission, drain, clock, settings: Arc::new(settings) }
    }
}
