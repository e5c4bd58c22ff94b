//! The accept loop and its settings.
//!
//! Owns when a connection is taken from the kernel: only with a connection slot in hand. Must never know what is
//! spoken over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::guard::{Admission, Drain};
use crate::limits::{
    ACCEPT_BACKOFF_MS_MAX, ACCEPT_BACKOFF_MS_MIN, BODY_PROGRESS_TIMEOUT_MS, HEAD_TIMEOUT_MS, HEADERS_MAX,
    HTTP2_WINDOW_BYTES_MIN, IDLE_TIMEOUT_MS, LINGER_BYTES_MAX, LINGER_MS, LISTEN_BACKLOG, MEMORY_BYTES_DEFAULT,
    MemoryPlan, REQUEST_HEAD_BYTES_MAX, SCARCE_BYTES_PER_SECOND_MIN, SCARCE_HEAD_TIMEOUT_MS, SCARCE_IDLE_TIMEOUT_MS,
    SCARCE_PATIENCE_MS, TCP_KEEPALIVE_SECONDS, TLS_HANDSHAKE_TIMEOUT_MS, TLS_RELOAD_CHECK_MS,
};
use crate::net::connection::{self, ALPN_HTTP1, ALPN_HTTP2, Shared};
use crate::net::socket::Socket;
use crate::net::{Haste, Listener, RequestBody, ResponseBody, Tls};

/// A request as a handler gets it. `Peer` is among its extensions.
pub type Request = http::Request<RequestBody>;
/// A response.
pub type Response = http::Response<ResponseBody>;

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Answers requests. The seam through which `net` calls up.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Runs in a task of its own: dropping the connection does not cancel it.
    fn handle(&self, request: Request) -> BoxFuture<'static, Response>;
}

/// How connections are treated. The defaults are the bounds of `limits`.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Cap of the read buffer per connection, in bytes.
    pub http_buffer_bytes: usize,
    /// Most header lines of one request: `431` beyond.
    pub headers_max: usize,
    /// Most bytes of one request's head: `431` beyond. The HTTP buffer is a bound too.
    pub request_head_bytes_max: usize,
    /// Until when a head must be complete, counted from its first byte; on a new connection from accept.
    pub head_timeout: Duration,
    /// How long a kept-alive connection may rest.
    pub idle_timeout: Duration,
    /// How long a body may make no progress, in or out.
    pub body_progress_timeout: Duration,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout: Duration,
    /// Most bytes of an unread request body that are thrown away.
    pub linger_bytes_max: u64,
    /// For how long they are.
    pub linger: Duration,
    /// How often the certificate files are looked at.
    pub tls_reload_check: Duration,
    /// How long anything may take while connections are scarce.
    pub haste: Haste,
    /// Serves HTTPS instead of HTTP.
    pub tls: Option<Tls>,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            http_buffer_bytes: MemoryPlan::split(MEMORY_BYTES_DEFAULT).http_buffer_bytes,
            headers_max: HEADERS_MAX,
            request_head_bytes_max: REQUEST_HEAD_BYTES_MAX,
            head_timeout: Duration::from_millis(HEAD_TIMEOUT_MS),
            idle_timeout: Duration::from_millis(IDLE_TIMEOUT_MS),
            body_progress_timeout: Duration::from_millis(BODY_PROGRESS_TIMEOUT_MS),
            tls_handshake_timeout: Duration::from_millis(TLS_HANDSHAKE_TIMEOUT_MS),
            linger_bytes_max: LINGER_BYTES_MAX,
            linger: Duration::from_millis(LINGER_MS),
            tls_reload_check: Duration::from_millis(TLS_RELOAD_CHECK_MS),
            haste: Haste {
                head_timeout: Duration::from_millis(SCARCE_HEAD_TIMEOUT_MS),
                idle_timeout: Duration::from_millis(SCARCE_IDLE_TIMEOUT_MS),
                patience: Duration::from_millis(SCARCE_PATIENCE_MS),
                bytes_per_second_min: SCARCE_BYTES_PER_SECOND_MIN,
            },
            tls: None,
        }
    }
}

/// Listens on `address`. To be called within a tokio runtime.
///
/// # Errors
/// If the address is taken, not ours or not permitted.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking().cloexec(),
        Some(socket2::Protocol::TCP),
    )?;
    // A restart must not wait until the kernel forgets the connections of the last run.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(LISTEN_BACKLOG).unwrap_or(i32::MAX))?;
    adopt(socket.into())
}

/// Takes over a socket that listens already. To be called within a tokio runtime.
///
/// # Errors
/// If it is no TCP listener.
pub fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    // Asked for the sake of the answer: a socket of another family has no such address.
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    // Accepted sockets inherit it: finds clients that vanished while their request runs.
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(TCP_KEEPALIVE_SECONDS));
    socket2::SockRef::from(&listener).set_tcp_keepalive(&keepalive)?;
    TcpListener::from_std(listener)
}

/// Accepts connections until the drain begins, then closes the listener and returns. Connections go on in tasks
/// of the drain: `Drain::finish` waits for them. Is itself to be run as a task of the drain, because what is accepted
/// while the drain begins could otherwise come after its end.
///
/// A connection is accepted only with a connection slot in hand; without one, clients wait in the kernel.
///
/// # Errors
/// None at present: what `accept` reports is logged and tried again.
pub async fn serve(
    listener: impl Into<Listener>,
    settings: ServeSettings,
    handler: Arc<dyn Handler>,
    admission: Admission,
    drain: Drain,
) -> io::Result<()> {
    let acceptor = settings.tls.as_ref().map(|tls| {
        drain.spawn(watch_certificate(tls.clone(), settings.tls_reload_check, drain.clone()));
        acceptor(tls, settings.http_buffer_bytes)
    });
    let listener = listener.into();
    let (settings, scarcity) = (Arc::new(settings), admission.scarcity());
    let shared = Arc::new(Shared { settings, handler, drain: drain.clone(), scarcity, acceptor });
    loop {
        let accepted = async {
            let slot = admission.connection().await;
            let (socket, address) = accept(&listener).await;
            (slot, socket, address)
        };
        let (slot, socket, address) = tokio::select! {
            biased;
            () = drain.draining() => return Ok(()),
            accepted = accepted => accepted,
        };
        let shared = Arc::clone(&shared);
        drain.spawn(async move {
            let _slot = slot;
            connection::run(socket, address, shared).await;
        });
    }
}

/// The next connection. Failures of the process (no descriptors, no memory) pass: they are logged, and tried
/// again after a pause.
async fn accept(listener: &Listener) -> (Socket, SocketAddr) {
    let mut pause_ms = ACCEPT_BACKOFF_MS_MIN;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "connection failed before it was accepted");
            }
            Err(error) => {
                tracing::error!(%error, pause_ms, "accept connection");
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                pause_ms = (pause_ms * 2).min(ACCEPT_BACKOFF_MS_MAX);
            }
        }
    }
}

/// Whether `accept` reports the failure of a connection that waited, not of the listener (accept(2), "Error
/// handling").
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn acceptor(tls: &Tls, http_buffer_bytes: usize) -> TlsAcceptor {
    let mut config = tls.server_config();
    // An HTTP/2 window cannot be smaller than the protocol's own, which would exceed a small buffer.
    if http_buffer_bytes >= HTTP2_WINDOW_BYTES_MIN {
        config.alpn_protocols.push(ALPN_HTTP2.to_vec());
    }
    config.alpn_protocols.push(ALPN_HTTP1.to_vec());
    TlsAcceptor::from(Arc::new(config))
}

/// Looks at the certificate files now and then, until the drain begins.
async fn watch_certificate(tls: Tls, period: Duration, drain: Drain) {
    loop {
        tokio::select! {
            () = drain.draining() => return,
            () = tokio::time::sleep(period) => {}
        }
        let reloader = tls.reloader();
        // It logs by itself; all that is left is the panic of a task that cannot panic.
        let _ = tokio::task::spawn_blocking(move || reloader.reload_if_changed()).await;
    }
}
