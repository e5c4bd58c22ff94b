//! The service of the admin listener and of the Unix socket: from a request to its answer.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::admin::Probe;
use crate::admin::answer::{Fault, Outcome};
use crate::admin::call::{Call, Caller, Via, read_body};
use crate::admin::door;
use crate::admin::identify::refuse_other_origins;
use crate::admin::pages;
use crate::admin::route::{Access, Found, Route, find};
use crate::admin::sessions::Sessions;
use crate::auth::AuthSettings;
use crate::engine::Engine;
use crate::guard::{Attempts, Drain, RateLimiter};
use crate::identity::{KeyBook, Keyring};
use crate::limits::MemoryPlan;
use crate::limits::admin::{ADMIN_BODIES_AT_ONCE, ADMIN_BODY_BYTES_MAX, DOOR_REQUESTS_MAX, SIGN_IN_BODY_BYTES_MAX};
use crate::net::{Handler, Peer, Request, RequestBody, Response, TlsReloader};
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

/// Answers the admin listener. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    shared: Arc<Shared>,
    origin: Origin,
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
    proven: Semaphore,
    unproven: Semaphore,
}

impl Admin {
    /// A service over the parts of a running server.
    pub fn new(parts: AdminParts) -> Self {
        let shared = Shared {
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
        };
        Self { shared: Arc::new(shared), origin: Origin::Network }
    }

    /// The same service for the Unix socket, where nobody is asked who they are.
    #[must_use]
    pub fn for_socket(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), origin: Origin::Socket }
    }
}

impl Handler for Admin {
    fn handle(&self, request: Request) -> BoxFuture<'static, Response> {
        let (shared, origin) = (Arc::clone(&self.shared), self.origin);
        Box::pin(async move { shared.answer(request, origin).await.unwrap_or_else(Fault::into_response) })
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request, origin: Origin) -> Outcome {
        let (head, body) = request.into_parts();
        if origin == Origin::Network {
            refuse_other_origins(&head)?;
        }
        if let Some(target) = door::target(&head.uri) {
            return door::pass(&self, head, body, &target, origin).await;
        }
        if let Some(page) = pages::answer(&head.method, head.uri.path(), &head.headers) {
            return Ok(page);
        }
        match find(head.method.as_str(), head.uri.path()) {
            Found::Route(route, parameter) => self.run(route, parameter, (head, body), origin).await,
            Found::WrongMethod(methods) => {
                let text = "The path has no such method.";
                Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", text).allow(methods))
            }
            Found::Unknown => Err(Fault::absent("no-such-route", "There is no such path.")),
        }
    }

    async fn run(
        self: Arc<Self>,
        route: &Route,
        parameter: String,
        (head, body): (Parts, RequestBody),
        origin: Origin,
    ) -> Outcome {
        let is_signed = origin == Origin::Network && head.headers.contains_key(AUTHORIZATION);
        let (caller, body, _turn) = match route.access {
            // Open routes that can use it get to know who runs the machine.
            Access::Open if origin == Origin::Network => (None, read_body(body, SIGN_IN_BODY_BYTES_MAX).await?, None),
            Access::AnyKey | Access::Administrator if is_signed => {
                // What came is part of what was signed.
                let (body, turn) = read_in_turn(body, &self.unproven).await?;
                (Some(admit(route, self.identify_signer(&head, &body)?)?), body, turn)
            }
            Access::Open | Access::AnyKey | Access::Administrator => {
                let caller = admit(route, self.identify(&head, origin)?)?;
                let (body, turn) = read_in_turn(body, &self.proven).await?;
                (Some(caller), body, turn)
            }
        };
        let (path, peer) = (head.uri.path().to_owned(), head.extensions.get::<Peer>().copied());
        let outcome = (route.run)(Arc::clone(&self), Call { head, parameter, body, caller: caller.clone() }).await;
        if route.is_audited {
            audit(caller.as_ref(), peer, &format!("{} {path}", route.method), &outcome);
        }
        outcome
    }
}

/// Lets the caller of a route in.
fn admit(route: &Route, caller: Caller) -> Result<Caller, Fault> {
    if route.access == Access::Administrator && !caller.is_admin {
        let text = "This takes root's key, or one with the policy admin.";
        return Err(Fault::new(StatusCode::FORBIDDEN, "not-an-administrator", text));
    }
    Ok(caller)
}

/// Reads a body. A large one waits for its turn and has it until it is done with; small ones are not worth it.
async fn read_in_turn<'a>(
    body: RequestBody,
    turns: &'a Semaphore,
) -> Result<(Bytes, Option<SemaphorePermit<'a>>), Fault> {
    let is_small = body.content_length().is_some_and(|length| length <= SIGN_IN_BODY_BYTES_MAX as u64);
    let turn = if is_small { None } else { turns.acquire().await.ok() };
    Ok((read_body(body, ADMIN_BODY_BYTES_MAX).await?, turn))
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
