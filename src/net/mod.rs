//! Sockets, TLS and HTTP connections: accept, timeouts, request bodies that report progress, graceful close.
//! Calls up through `Handler`; knows nothing of S3.

pub mod body;
pub mod serve;

pub use body::{BodyError, RequestBody, ResponseBody, empty_body, full_body, stream_body};
pub use serve::{Handler, Peer, Request, Response, ServeSettings, serve};
