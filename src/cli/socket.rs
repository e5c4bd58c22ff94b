//! Asks a running server over its Unix socket, which only who runs the machine can open.

use std::path::Path;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::app::process;
use crate::cli::Failure;
use crate::limits::insight::{SOCKET_ANSWER_BYTES_MAX, SOCKET_CLIENT_TIMEOUT_MS};

/// The socket in the data directory.
const SOCKET: &str = "admin.sock";

/// Asks, and returns the status and the document of the answer. `body` is the document of the question; `Null` sends
/// none.
///
/// # Errors
/// If no server runs there, or what it answers is no JSON.
pub fn ask(data_dir: &Path, method: &str, path: &str, body: &Value) -> Result<(StatusCode, Value), Failure> {
    let socket = data_dir.join(SOCKET);
    let limit = Duration::from_millis(SOCKET_CLIENT_TIMEOUT_MS);
    let asked = async {
        let stream = UnixStream::connect(&socket)
            .await
            .map_err(|error| format!("no server answers on {}: {error}", socket.display()))?;
        exchange(stream, method, path, body).await
    };
    process::small_runtime()?
        .block_on(async { tokio::time::timeout(limit, asked).await.map_err(|_| "the server does not answer in time")? })
}

async fn exchange(stream: UnixStream, method: &str, path: &str, body: &Value) -> Result<(StatusCode, Value), Failure> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.header("content-type", "application/json").body(Full::new(bytes))?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), SOCKET_ANSWER_BYTES_MAX).collect().await?.to_bytes();
        let document = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        Ok::<_, Failure>((status, document))
    };
    tokio::select! {
        answer = answered => answer,
        // The connection moves the bytes; it ends before the answer only if it fails.
        ended = connection => Err(ended.err().map_or_else(|| "the server hung up".into(), Into::into)),
    }
}

/// The document of an answer that succeeded.
///
/// # Errors
/// What the server says against it.
pub fn expect_ok((status, document): (StatusCode, Value)) -> Result<Value, Failure> {
    if status.is_success() {
        return Ok(document);
    }
    Err(document["message"].as_str().map_or_else(|| format!("the server answers {status}"), str::to_owned).into())
}
