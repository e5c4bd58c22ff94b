//! What every request to the admin API works with: the parts of the running server, sessions and turns, and the line
//! that the audit log gets.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::admin::Probe;
use crate::admin::answer::Outcome;
use crate::admin::call::{Caller, Via};
use crate::admin::sessions::Sessions;
use crate::auth::AuthSettings;
use crate::engine::Engine;
use crate::guard::{Attempts, Drain, RateLimiter};
use crate::identity::{EncryptionKeys, KeyBook, Keyring};
use crate::limits::MemoryPlan;
use crate::limits::admin::{ADMIN_BODIES_AT_ONCE, DOOR_REQUESTS_MAX};
use crate::net::{Handler, Peer, TlsReloader};
use crate::rules::DayLength;
use crate::telemetry::record::Gauges;
use crate::telemetry::{self, Audited, Insight, Recorder};
use crate::types::{Clock as _, SystemClock, Timestamp};
use crate::worker::Jobs;

/// Reads the values that change.
pub type GaugeSource = Arc<dyn Fn() -> Gauges + Send + Sync>;

/// What the admin listener works with.
pub struct AdminParts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The access keys.
    pub keyring: Arc<Keyring>,
    /// The keys of the encryption at rest.
    pub encryption: Arc<EncryptionKeys>,
    /// What answers S3.
    pub s3: Arc<dyn Handler>,
    /// Where clients find the S3 listener: what was configured, or what it listens on.
    pub s3_url: S3Url,
    /// Region that signatures must name.
    pub region: String,
    /// The drain of the S3 listener.
    pub drain: Drain,
    /// Counts of the S3 listener and the block pool.
    pub gauges: GaugeSource,
    /// How memory is split.
    pub plan: MemoryPlan,
    /// Directory of everything that is stored.
    pub data_dir: PathBuf,
    /// The metrics.
    pub recorder: Recorder,
    /// What is remembered of requests.
    pub insight: Arc<Insight>,
    /// The background work.
    pub jobs: Jobs,
    /// The limits of rates of S3.
    pub rates: RateLimiter,
    /// How long a day of lifecycle rules is.
    pub lifecycle_day: DayLength,
    /// The certificate of the S3 listener.
    pub certificate: Option<Arc<TlsReloader>>,
    /// Ends the process in order, as a stop signal does.
    pub stop: CancellationToken,
}

/// Where clients find the S3 listener.
#[derive(Clone, Debug)]
pub struct S3Url {
    /// What the operator says.
    pub public: Option<String>,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// Its port.
    pub port: u16,
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Over the network.
    Network,
    /// Over the Unix socket: only who runs the machine can open it.
    Socket,
}

/// What all requests work with.
pub(crate) struct Shared {
    pub(crate) probe: Probe,
    pub(crate) parts: AdminParts,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) keys: KeyBook,
    pub(crate) auth: AuthSettings,
    pub(crate) sessions: Sessions,
    pub(crate) attempts: Attempts,
    pub(crate) started: Timestamp,
    pub(crate) door: Arc<Semaphore>,
    /// Turns of large bodies: of those whose senders are known, and of those whose signatures are still to be judged.
    /// Nobody whom we do not know makes the others wait.
    pub(crate) proven: Semaphore,
    pub(crate) unproven: Semaphore,
}

impl Shared {
    /// Begins without sessions, over the parts of a running server.
    pub(crate) fn new(parts: AdminParts) -> Self {
        Self {
            probe: Probe::new(Arc::clone(&parts.engine), parts.drain.clone(), parts.data_dir.clone()),
            keyring: Arc::clone(&parts.keyring),
            keys: KeyBook::new(Arc::clone(&parts.keyring)),
            auth: AuthSettings { region: parts.region.clone(), allow_v2: false, domains: Vec::new() },
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            started: SystemClock.now(),
            door: Arc::new(Semaphore::new(DOOR_REQUESTS_MAX)),
            proven: Semaphore::new(ADMIN_BODIES_AT_ONCE),
            unproven: Semaphore::new(ADMIN_BODIES_AT_ONCE),
            parts,
        }
    }
}

/// One line of the audit log: who, from where, what, and what came of it. Bodies stay out of it: they may have secrets.
pub(crate) fn audit(caller: Option<&Caller>, peer: Option<Peer>, what: &str, outcome: &Outcome) {
    let (name, key) = caller.map_or(("-", "-"), |caller| (caller.name.as_str(), caller.access_key_id.as_str()));
    let from = match (caller.map(|caller| caller.via), peer) {
        (Some(Via::Socket), _) => "admin.sock".to_owned(),
        (_, Some(peer)) => peer.address.ip().to_string(),
        (_, None) => String::new(),
    };
    let (status, error) = match outcome {
        Ok(response) => (response.status().as_u16(), "-"),
        Err(fault) => (fault.status().as_u16(), fault.error()),
    };
    telemetry::audit(&Audited { name, access_key_id: key, from: &from, what, status, error });
}
