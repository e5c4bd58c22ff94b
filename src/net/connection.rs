//! One connection from accept to close: TLS, HTTP/1.1 or HTTP/2, deadlines, drain.
//!
//! Must never know what a request asks for.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::guard::{Drain, EndCause};
use crate::limits::{HTTP2_HEAD_BYTES_MAX, HTTP2_PING_MS, HTTP2_WINDOW_BYTES_MIN};
use crate::net::service::Service;
use crate::net::socket::Socket;
use crate::net::state::{ConnectionState, Expiry};
use crate::net::wire::Wire;
use crate::net::{Handler, Peer, ServeSettings};

/// hyper refuses smaller buffers.
const HTTP1_BUFFER_BYTES_MIN: usize = 8 * 1024;
/// rustls buffers at most so many plain and encrypted bytes by default.
const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What TLS calls HTTP/2.
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";
/// What TLS calls HTTP/1.1.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The answer to a head that did not come in time (RFC 9110, 15.5.9). HTTP itself can answer whole heads only.
const SLOW_HEAD: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What all connections of one listener share.
pub(crate) struct Shared {
    pub(crate) settings: Arc<ServeSettings>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) drain: Drain,
    /// Whether connections are scarce.
    pub(crate) scarcity: watch::Receiver<bool>,
    pub(crate) acceptor: Option<TlsAcceptor>,
}

/// Serves one connection until it closes.
pub(crate) async fn run(socket: Socket, address: SocketAddr, shared: Arc<Shared>) {
    if let Err(error) = socket.set_nodelay() {
        tracing::debug!(peer = %address, %error, "connection failed before its first byte");
        return;
    }
    let (settings, scarcity) = (Arc::clone(&shared.settings), shared.scarcity.clone());
    let state = Arc::new(ConnectionState::new(address, settings, shared.drain.clone(), scarcity));
    let wire = Wire::new(socket, Arc::clone(&state));
    // Each kind of connection on the heap: the task has the size of the one that it is, not of the largest.
    match &shared.acceptor {
        None => Box::pin(serve_http1(wire, &shared, &state)).await,
        Some(acceptor) => {
            let Some(stream) = Box::pin(handshake(acceptor, wire, &state)).await else { return };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
            state.secured(is_http2);
            if is_http2 {
                Box::pin(serve_http2(stream, &shared, &state)).await;
            } else {
                Box::pin(serve_http1(stream, &shared, &state)).await;
            }
        }
    }
}

async fn handshake(acceptor: &TlsAcceptor, wire: Wire, state: &ConnectionState) -> Option<TlsStream<Wire>> {
    let buffer_bytes = state.settings.http_buffer_bytes.min(TLS_BUFFER_BYTES_MAX);
    let accept = acceptor.accept_with(wire, |tls| tls.set_buffer_limit(Some(buffer_bytes)));
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(state.settings.tls_handshake_timeout, accept) => outcome,
        () = state.drain.draining() => return None,
    };
    match outcome {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(peer = %state.address, %error, "TLS handshake failed");
            None
        }
        Err(_elapsed) => {
            tracing::debug!(peer = %state.address, "TLS handshake timed out");
            None
        }
    }
}

async fn serve_http1<I>(io: I, shared: &Shared, state: &Arc<ConnectionState>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let settings = &shared.settings;
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        // Its clock also runs while a kept-alive connection rests; the watchdog tells the two apart.
        .header_read_timeout(None)
        .max_buf_size(settings.http_buffer_bytes.max(HTTP1_BUFFER_BYTES_MIN))
        .max_headers(settings.headers_max)
        .max_header_size(settings.request_head_bytes_max);
    drive(Box::pin(builder.serve_connection(TokioIo::new(io), service(shared, state))), state).await;
}

async fn serve_http2<I>(io: I, shared: &Shared, state: &Arc<ConnectionState>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let buffer_bytes = shared.settings.http_buffer_bytes;
    let window_bytes = u32::try_from(buffer_bytes.max(HTTP2_WINDOW_BYTES_MIN)).unwrap_or(u32::MAX >> 1);
    let streams_max = u32::try_from(buffer_bytes / HTTP2_HEAD_BYTES_MAX).unwrap_or(u32::MAX).max(1);
    let ping = Duration::from_millis(HTTP2_PING_MS);
    let mut builder = http2::Builder::new(Executor(shared.drain.clone()));
    builder
        .timer(TokioTimer::new())
        .initial_connection_window_size(window_bytes)
        // One upload that waits must not hold the whole window of its neighbours.
        .initial_stream_window_size(if streams_max > 1 { window_bytes / 2 } else { window_bytes })
        .max_concurrent_streams(streams_max)
        .max_header_list_size(HTTP2_HEAD_BYTES_MAX as u32)
        .max_send_buf_size(buffer_bytes)
        .keep_alive_interval(ping)
        .keep_alive_timeout(ping);
    drive(Box::pin(builder.serve_connection(TokioIo::new(io), service(shared, state))), state).await;
}

fn service(shared: &Shared, state: &Arc<ConnectionState>) -> Service {
    let peer = Peer { address: state.address, tls: shared.acceptor.is_some() };
    Service { handler: Arc::clone(&shared.handler), state: Arc::clone(state), peer }
}

/// Runs the streams of an HTTP/2 connection as tasks that the drain waits for.
#[derive(Clone)]
struct Executor(Drain);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// A connection of hyper, of either version.
trait Driven: Future<Output = hyper::Result<()>> {
    /// Finishes what is under way and takes no more requests.
    fn close_gracefully(self: Pin<&mut Self>);

    /// Ends a connection on which nothing is under way but a head that takes too long; says so, if the protocol has
    /// words for it.
    fn refuse_slow_head(self: Pin<Box<Self>>) -> impl Future<Output = ()>;
}

impl<I> Driven for http1::Connection<TokioIo<I>, Service>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    fn close_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    async fn refuse_slow_head(self: Pin<Box<Self>>) {
        let mut io = Pin::into_inner(self).into_parts().io.into_inner();
        // Whether the client still reads does not matter: the connection ends.
        if io.write_all(SLOW_HEAD).await.is_ok() {
            let _ = io.shutdown().await;
        }
    }
}

impl<I> Driven for http2::Connection<I, Service, Executor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn close_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    /// Streams whose heads are incomplete have no answers; the connection closes.
    async fn refuse_slow_head(self: Pin<Box<Self>>) {}
}

/// Drives a connection until it closes, a deadline passes or the drain cancels it. Whatever is then under way on
/// it is dropped by dropping it, and says why.
async fn drive<C: Driven>(mut connection: Pin<Box<C>>, state: &ConnectionState) {
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(peer = %state.address, error, "connection failed");
                }
                return;
            }
            () = state.drain.cancelled() => {
                state.end(EndCause::Drain);
                tracing::debug!(peer = %state.address, "connection cancelled by the drain");
                return;
            }
            () = state.drain.draining(), if !closing => {
                closing = true;
                connection.as_mut().close_gracefully();
            }
            expiry = state.expired() => match expiry {
                Expiry::Idle => {
                    tracing::debug!(peer = %state.address, "idle connection closed");
                    connection.as_mut().close_gracefully();
                    // If the client does not play along, dropping it is as good.
                    let _ = tokio::time::timeout(state.settings.linger, connection.as_mut()).await;
                    return;
                }
                Expiry::Head | Expiry::Stalled | Expiry::Slow => {
                    state.end(if expiry == Expiry::Slow { EndCause::Slow } else { EndCause::Deadline });
                    tracing::debug!(peer = %state.address, ?expiry, "connection timed out");
                    if state.is_within_head() {
                        let _ = tokio::time::timeout(state.settings.linger, connection.refuse_slow_head()).await;
                    }
                    return;
                }
            }
        }
    }
}
