//! A running server: the order in which its parts start, and the order in which they stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Admin, AdminParts, GaugeSource, Probe, S3Url};
use crate::app::background::Background;
use crate::app::signal::{Signalled, Signals};
use crate::app::store::open_database;
use crate::app::{
    Announcement, DataLock, Ended, StartError, background, data_dir, encryption, insight, process, systemd, workers,
};
use crate::auth::AuthSettings;
use crate::buffer::BlockPool;
use crate::chunk::local::{LocalChunks, epochs_in};
use crate::config::{Config, MemoryLowered, TlsPaths, WebhookConfig};
use crate::engine::Engine;
use crate::guard::{Admission, Drain};
use crate::identity::{EncryptionKeys, Keyring, LoadedRoot, RootCredentials, RootSource};
use crate::limits::{ADMIN_CONNECTIONS_MAX, ADMIN_DRAIN_MS, MemoryPlan, Transport};
use crate::meta::{EpochStart, MetaStore, SqliteSettings};
use crate::net::{self, Handler, Listener, ServeSettings, Tls, TlsReloader, TlsSettings};
use crate::notify::{Webhook, WebhookSettings};
use crate::rules::DayLength;
use crate::s3::{Gateway, S3Settings};
use crate::telemetry::record;
use crate::telemetry::{Insight, Recorder};
use crate::types::{Epoch, SystemClock};
use crate::worker::Runner;

/// A running server. Dropped without `run` it leaves its epoch open, which costs the next start a sweep.
pub struct Server {
    engine: Arc<Engine>,
    epoch: Epoch,
    drain: Drain,
    drain_timeout: Duration,
    admin_drain: Drain,
    listeners: [JoinHandle<std::io::Result<()>>; 2],
    /// The admin API once more, for who may open a file in the data directory; removed at the end.
    admin_socket: Option<PathBuf>,
    /// An administrator wants the server to stop.
    asked: CancellationToken,
    certificate: Option<Arc<TlsReloader>>,
    encryption: Arc<EncryptionKeys>,
    insight: Arc<Insight>,
    workers: Runner,
    /// Stops workers and background tasks.
    stop: CancellationToken,
    background: TaskTracker,
    /// Last, so that it outlives everything that writes.
    _lock: DataLock,
}

/// The stores, and what hangs on them alone.
struct Stores {
    engine: Arc<Engine>,
    keyring: Arc<Keyring>,
    encryption: Arc<EncryptionKeys>,
    pool: BlockPool,
    insight: Arc<Insight>,
    boot: EpochStart,
}

/// Both sockets, bound but not served yet.
struct Sockets {
    s3: TcpListener,
    admin: TcpListener,
    admin_socket: Option<UnixListener>,
    tls: Option<Tls>,
    /// The other way round: who is called. Nothing is connected yet.
    webhooks: Vec<Webhook>,
}

impl Server {
    /// Starts everything, and announces the address when connections are accepted.
    ///
    /// # Errors
    /// The first step that failed. What had been started is stopped.
    pub async fn start(
        config: Config,
        recorder: Recorder,
        announce: &(dyn Fn(Announcement) + Sync),
    ) -> Result<Self, StartError> {
        if let Some(MemoryLowered { asked_bytes, limit_bytes }) = config.memory_lowered {
            let memory_bytes = config.memory_bytes;
            tracing::warn!(asked_bytes, limit_bytes, memory_bytes, "memory lowered to what the control group allows");
        }
        let transport = if config.tls.is_some() { Transport::Tls } else { Transport::Plain };
        let plan = MemoryPlan::split_for(config.memory_bytes, transport);
        record::started(&plan, process::raise_open_files());
        data_dir::prepare(&config.data_dir)?;
        let lock = DataLock::take(&config.data_dir)?;
        let stores = open_stores(&config, &plan, announce).await?;
        // Bound last of all that can fail; and a taken port must not look like a crash to the next start.
        match bind(&config) {
            Ok(sockets) => Ok(serve(config, plan, stores, sockets, recorder, lock, announce)),
            Err(error) => {
                if let Err(error) = stores.engine.shutdown(stores.boot.epoch).await {
                    tracing::error!(%error, "the stores could not be closed");
                }
                Err(error)
            }
        }
    }

    /// Serves until a stop signal, then stops: no new requests, running ones finish or are cancelled, workers
    /// stop, the stores close. A second stop signal ends it at once.
    pub async fn run(mut self, signals: &mut Signals) -> Ended {
        let is_failed = self.until_stop(signals).await;
        systemd::stopping();
        tracing::info!(timeout_s = self.drain_timeout.as_secs(), "draining");
        tokio::select! {
            () = signals.stop() => {
                tracing::warn!("second stop signal: stopping at once");
                Ended::Forced
            }
            is_closed = self.stop() => if is_failed || !is_closed { Ended::Failed } else { Ended::Drained },
        }
    }

    /// Returns at a stop signal, or with true when a listener ended by itself.
    async fn until_stop(&mut self, signals: &mut Signals) -> bool {
        loop {
            let [s3, admin] = &mut self.listeners;
            tokio::select! {
                signalled = signals.next() => match signalled {
                    Signalled::Stop => return false,
                    Signalled::Reload => {
                        insight::reopen(&self.insight);
                        encryption::reload(Arc::clone(&self.encryption)).await;
                        reload(self.certificate.clone()).await;
                    }
                },
                () = self.asked.cancelled() => return false,
                ended = s3 => {
                    tracing::error!(outcome = ?ended, "the S3 listener ended");
                    return true;
                }
                ended = admin => {
                    tracing::error!(outcome = ?ended, "the admin listener ended");
                    return true;
                }
            }
        }
    }

    /// True if everything was closed in order.
    async fn stop(self) -> bool {
        let cancelled = self.drain.finish(self.drain_timeout).await;
        if cancelled > 0 {
            tracing::warn!(cancelled, "the drain's deadline passed: connections were cancelled");
        }
        self.stop.cancel();
        self.workers.finished().await;
        self.background.close();
        self.background.wait().await;
        let is_closed = match self.engine.shutdown(self.epoch).await {
            Ok(is_clean) => {
                tracing::info!(is_clean, "stopped");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the stores could not be closed");
                false
            }
        };
        // Health and metrics answer until there is nothing left to tell.
        self.admin_drain.finish(Duration::from_millis(ADMIN_DRAIN_MS)).await;
        insight::close(self.insight).await;
        if let Some(path) = &self.admin_socket
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "the admin socket stays behind");
        }
        is_closed
    }
}

async fn open_stores(
    config: &Config,
    plan: &MemoryPlan,
    announce: &(dyn Fn(Announcement) + Sync),
) -> Result<Stores, StartError> {
    let epochs = epochs_in(&config.data_dir).map_err(StartError::Chunk)?;
    if !epochs.is_empty() && !data_dir::database(&config.data_dir).exists() {
        return Err(StartError::NoDatabase { path: config.data_dir.clone() });
    }
    let meta: Arc<dyn MetaStore> = open_database(&config.data_dir, SqliteSettings::default())?;
    let insight = insight::open(config)?;
    let root = load_root(config, announce)?;
    let encryption = encryption::load(config)?;
    let boot = meta.begin_epoch().await.map_err(|source| StartError::Meta { step: "begin epoch", source })?;
    // Listed before the epoch was handed out, so all of them were before it, if this database did so.
    if epochs.last().is_some_and(|last| *last >= boot.epoch) {
        let _ = meta.end_epoch(boot.epoch).await;
        return Err(StartError::OldDatabase { path: config.data_dir.clone() });
    }
    if !boot.crashed.is_empty() {
        tracing::warn!(epochs = boot.crashed.len(), "an earlier run did not end cleanly: its files will be swept");
    }
    let chunks = LocalChunks::open(&config.data_dir, boot.epoch).map_err(StartError::Chunk)?;
    let pool = BlockPool::new(plan.blocks);
    let engine = Engine::new(Arc::clone(&meta), Arc::new(chunks), pool.clone(), Arc::new(SystemClock));
    let engine = engine.with_shared_keys(encryption.shared());
    let keyring = Keyring::load(root, meta).await;
    let keyring = keyring.map_err(|source| StartError::Meta { step: "read access keys", source })?;
    Ok(Stores { engine: Arc::new(engine), keyring: Arc::new(keyring), encryption, pool, insight, boot })
}

fn load_root(config: &Config, announce: &(dyn Fn(Announcement) + Sync)) -> Result<RootCredentials, StartError> {
    let pair = config.root.as_ref().map(|root| (root.access_key_id.clone(), (*root.secret).clone()));
    let LoadedRoot { credentials, source } = RootCredentials::load_or_create(pair, &config.data_dir)?;
    match source {
        RootSource::Environment => tracing::info!("root credentials are configured"),
        RootSource::File(path) => tracing::info!(path = %path.display(), "root credentials read"),
        RootSource::Created(path) => {
            tracing::info!(path = %path.display(), "root credentials made");
            announce(Announcement::RootCreated {
                access_key_id: credentials.access_key_id.clone(),
                secret: zeroize::Zeroizing::new(credentials.secret.expose().to_owned()),
                path,
            });
        }
    }
    Ok(credentials)
}

fn bind(config: &Config) -> Result<Sockets, StartError> {
    let [s3, admin] = systemd::listeners().map_err(|source| StartError::Bind { address: config.listen, source })?;
    let bound = |held: Option<TcpListener>, address: SocketAddr| {
        let listener = held.map_or_else(|| net::bind(address), Ok);
        listener.map_err(|source| StartError::Bind { address, source })
    };
    let tls = config.tls.as_ref().map(|TlsPaths { cert, key }| {
        let loaded = Tls::load(&TlsSettings { cert_path: cert.clone(), key_path: key.clone() });
        loaded.map_err(|source| StartError::Tls { cert: cert.clone(), key: key.clone(), source })
    });
    let webhooks = config.webhooks.iter().map(|webhook| {
        let WebhookConfig { name, uri, token, secret } = webhook.clone();
        Webhook::new(WebhookSettings { name, uri, token, secret })
    });
    let webhooks = webhooks.collect::<Result<_, _>>()?;
    let (s3, admin) = (bound(s3, config.listen)?, bound(admin, config.admin_listen)?);
    Ok(Sockets { tls: tls.transpose()?, s3, admin, admin_socket: bind_admin_socket(&config.data_dir), webhooks })
}

/// The Unix socket of the admin API. The lock of the data directory is ours: whatever socket is there is nobody's.
/// Without it everything else works.
fn bind_admin_socket(data_dir: &Path) -> Option<UnixListener> {
    let path = data_dir::admin_socket(data_dir);
    match net::bind_unix(&path) {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no admin socket: `sluicegate control` cannot reach this server");
            None
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the one place where everything meets")]
fn serve(
    config: Config,
    plan: MemoryPlan,
    stores: Stores,
    sockets: Sockets,
    recorder: Recorder,
    lock: DataLock,
    announce: &(dyn Fn(Announcement) + Sync),
) -> Server {
    insight::name_hosts(&stores.insight, &config, local_address(&sockets.s3, config.listen));
    let (stop, asked) = (CancellationToken::new(), CancellationToken::new());
    let admission = Admission::new(plan.requests_max, plan.connections_max);
    let (background, gauges) = start_background(&config, plan, &stores, &recorder, &admission, &stop);
    let Stores { engine, keyring, encryption, insight, boot, .. } = stores;
    let (drain, admin_drain) = (Drain::new(), Drain::new());
    let probe = Probe::new(Arc::clone(&engine), drain.clone(), config.data_dir.clone());
    background.spawn(systemd::keep_watchdog(probe, stop.clone()));
    let s3 = gateway(&config, &engine, Arc::clone(&keyring), (&admission, &drain), &insight);
    let certificate = sockets.tls.as_ref().map(Tls::reloader);
    let (listening, s3_url) = (listening(&config, &sockets), s3_url(&config, &sockets));
    log_start(&config, &plan, &sockets);
    let settings = serve_settings(&plan, &sockets);
    let workers = workers::start(&config, &engine, &boot, sockets.webhooks, stop.clone());
    let admin = Admin::new(AdminParts {
        engine: Arc::clone(&engine),
        keyring,
        encryption: Arc::clone(&encryption),
        s3_url,
        region: config.region.clone(),
        drain: drain.clone(),
        gauges,
        plan,
        data_dir: config.data_dir.clone(),
        recorder,
        insight: Arc::clone(&insight),
        jobs: workers.jobs(),
        rates: s3.rates(),
        lifecycle_day: DayLength::of_seconds(config.lifecycle_day_seconds),
        certificate: certificate.clone(),
        stop: asked.clone(),
        s3: Arc::clone(&s3) as Arc<dyn Handler>,
    });
    let admin_socket = sockets.admin_socket.map(|listener| {
        serve_admin(listener, admin.for_socket(), &admin_drain);
        data_dir::admin_socket(&config.data_dir)
    });
    // Tasks of their drains: what they accept while the drain begins is then waited for like the rest.
    let listeners = [
        drain.spawn(net::serve(sockets.s3, settings, s3 as Arc<dyn Handler>, admission, drain.clone())),
        serve_admin(sockets.admin, admin, &admin_drain),
    ];
    announce(listening);
    Server {
        engine,
        epoch: boot.epoch,
        drain,
        drain_timeout: config.drain_timeout,
        admin_drain,
        listeners,
        admin_socket,
        asked,
        certificate,
        encryption,
        insight,
        workers,
        stop,
        background,
        _lock: lock,
    }
}

/// How the S3 listener is served.
fn serve_settings(plan: &MemoryPlan, sockets: &Sockets) -> ServeSettings {
    let (http_buffer_bytes, tls) = (plan.http_buffer_bytes, sockets.tls.clone());
    ServeSettings { http_buffer_bytes, tls, ..ServeSettings::default() }
}

/// Starts the small tasks, which end with the token.
fn start_background(
    config: &Config,
    plan: MemoryPlan,
    stores: &Stores,
    recorder: &Recorder,
    admission: &Admission,
    stop: &CancellationToken,
) -> (TaskTracker, GaugeSource) {
    let Stores { engine, keyring, pool, insight, .. } = stores;
    let gauges = background::gauges(admission.clone(), pool.clone(), Arc::clone(engine), config.data_dir.clone());
    let background = background::start(Background {
        engine: Arc::clone(engine),
        keyring: Arc::clone(keyring),
        webhooks: config.webhooks.iter().map(|webhook| webhook.name.clone()).collect(),
        recorder: recorder.clone(),
        insight: Arc::clone(insight),
        gauges: Arc::clone(&gauges),
        loans: (plan, pool.clone(), admission.clone()),
        stop: stop.clone(),
    });
    (background, gauges)
}

/// Serves the admin API. Each of its listeners has connections of its own, so that no flood on one closes the other.
fn serve_admin(listener: impl Into<Listener>, admin: Admin, drain: &Drain) -> JoinHandle<std::io::Result<()>> {
    let admission = Admission::new(ADMIN_CONNECTIONS_MAX, ADMIN_CONNECTIONS_MAX);
    let handler: Arc<dyn Handler> = Arc::new(admin);
    drain.spawn(net::serve(listener.into(), ServeSettings::default(), handler, admission, drain.clone()))
}

fn gateway(
    config: &Config,
    engine: &Arc<Engine>,
    keyring: Arc<Keyring>,
    (admission, drain): (&Admission, &Drain),
    insight: &Arc<Insight>,
) -> Arc<Gateway> {
    let auth = AuthSettings {
        region: config.region.clone(),
        allow_v2: config.allow_signature_v2,
        domains: config.domains.clone(),
    };
    let lifecycle_day = DayLength::of_seconds(config.lifecycle_day_seconds);
    let settings = S3Settings {
        auth,
        domains: config.domains.clone(),
        website_domains: config.website_domains.clone(),
        allow_anonymous: config.allow_anonymous,
        encrypt_by_default: config.encrypt_by_default,
        default_ownership: config.default_object_ownership,
        lifecycle_day,
        rates: config.rates.clone(),
        webhooks: config.webhooks.iter().map(|webhook| webhook.name.clone()).collect(),
    };
    let clock = Arc::new(SystemClock);
    let gateway = Gateway::new(Arc::clone(engine), keyring, admission.clone(), drain.clone(), clock, settings);
    Arc::new(gateway.with_insight(Arc::clone(insight)))
}

/// Where clients find S3.
fn s3_url(config: &Config, sockets: &Sockets) -> S3Url {
    let (public, is_tls) = (config.public_url.clone(), sockets.tls.is_some());
    S3Url { public, is_tls, port: local_address(&sockets.s3, config.listen).port() }
}

/// The addresses with the ports that the kernel chose, if it was to choose.
fn listening(config: &Config, sockets: &Sockets) -> Announcement {
    let scheme = if sockets.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", local_address(&sockets.s3, config.listen));
    let console = format!("http://{}/console/", local_address(&sockets.admin, config.admin_listen));
    Announcement::Listening { url, console }
}

fn local_address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

fn log_start(config: &Config, plan: &MemoryPlan, sockets: &Sockets) {
    let address = local_address(&sockets.admin, config.admin_listen);
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "the admin listener speaks no TLS and is not on loopback: put a proxy before it");
    }
    tracing::info!(%address, "admin listener");
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %config.data_dir.display(),
        memory_bytes = plan.total_bytes,
        blocks = plan.blocks,
        requests_max = plan.requests_max,
        "started"
    );
}

async fn reload(certificate: Option<Arc<TlsReloader>>) {
    let Some(certificate) = certificate else {
        tracing::info!("nothing to reload: TLS is not configured");
        return;
    };
    match tokio::task::spawn_blocking(move || certificate.reload()).await {
        Ok(Ok(())) => tracing::info!("certificate reloaded"),
        Ok(Err(error)) => tracing::error!(%error, "the new certificate cannot be used, the old one stays"),
        Err(stopped) => tracing::error!(%stopped, "the reload was stopped"),
    }
}
