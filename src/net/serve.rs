//! The accept loop and connections.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::guard::{Admission, Drain};
use crate::net::{RequestBody, ResponseBody};

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

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Cap of the read buffer per connection, in bytes.
    pub http_buffer_bytes: usize,
}

/// Accepts connections until the drain begins.
///
/// # Errors
/// If the listener fails for good.
pub async fn serve(
    listener: tokio::net::TcpListener,
    settings: ServeSettings,
    handler: Arc<dyn Handler>,
    admission: Admission,
    drain: Drain,
) -> std::io::Result<()> {
    let _ = (listener, settings, handler, admission, drain);
    unimplemented!()
}
