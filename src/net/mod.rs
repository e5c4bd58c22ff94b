//! Sockets, TLS and HTTP connections: accept, timeouts, request bodies that report progress, graceful close.
//! Calls up through `Handler`; knows nothing of S3.

pub mod body;
mod connection;
mod delivery;
pub mod serve;
mod service;
pub mod socket;
mod state;
mod throughput;
pub mod tls;
mod wire;

#[cfg(test)]
mod tests;

pub use body::{BodyError, RequestBody, ResponseBody, empty_body, full_body, stream_body};
pub use serve::{Handler, Peer, Request, Response, ServeSettings, adopt, bind, serve};
pub use socket::{Listener, bind_unix};
pub use throughput::Haste;
pub use tls::{Tls, TlsReloader, TlsSettings};
