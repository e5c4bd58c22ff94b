//! `control`: what an operator tells a running server, over the Unix socket in its data directory.

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Subcommand;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::app::data_dir;
use crate::app::process::small_runtime;
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::limits::admin::{CONTROL_ANSWER_BYTES_MAX, CONTROL_TIMEOUT_MS};

/// Arguments of `control`.
#[derive(clap::Args)]
pub struct ControlArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Refuse everything that changes something, with 503; reading goes on. Lasts until `resume` or a restart
    Pause {
        /// Why, for whoever looks
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let writes in again
    Resume,
    /// Stop the server as SIGTERM does: what is under way finishes
    Drain,
    /// Show what is logged, or log something else until the server ends
    Log {
        /// A filter such as info,sluicegate::s3=debug
        filter: Option<String>,
    },
    /// Read the certificate again
    ReloadTls,
    /// Make a new encryption key active at once; old ones stay, for what they encrypted
    RotateKey,
    /// Read the encryption keys again, after a change of the file of --encryption-keys
    ReloadKeys,
    /// Wrap the data keys of all SSE-S3 objects under the active key; moves no object
    Rewrap,
    /// Begin a pass of scrub now
    Scrub,
    /// Take a snapshot of the database now
    Snapshot,
    /// Show the background work
    Jobs,
    /// Show what the server is doing
    Status,
}

impl Action {
    /// The request that it is.
    fn request(&self) -> (Method, &'static str, Option<Value>) {
        match self {
            Self::Pause { reason } => (Method::POST, "/v1/control/pause", Some(json!({"reason": reason}))),
            Self::Resume => (Method::POST, "/v1/control/resume", None),
            Self::Drain => (Method::POST, "/v1/control/drain", None),
            Self::Log { filter: None } => (Method::GET, "/v1/control/log", None),
            Self::Log { filter: Some(filter) } => (Method::PUT, "/v1/control/log", Some(json!({"filter": filter}))),
            Self::ReloadTls => (Method::POST, "/v1/control/reload-tls", None),
            Self::RotateKey => (Method::POST, "/v1/encryption/rotate", None),
            Self::ReloadKeys => (Method::POST, "/v1/encryption/reload", None),
            Self::Rewrap => (Method::POST, "/v1/jobs/rewrap/start", None),
            Self::Scrub => (Method::POST, "/v1/jobs/scrub/start", None),
            Self::Snapshot => (Method::POST, "/v1/jobs/snapshot/start", None),
            Self::Jobs => (Method::GET, "/v1/jobs", None),
            Self::Status => (Method::GET, "/v1/overview", None),
        }
    }

    fn show(&self, answer: &Value) {
        match self {
            Self::Pause { .. } => output::line("writes are paused until `control resume` or a restart"),
            Self::Resume => output::line("writes are let in again"),
            Self::Drain => output::line("the server stops"),
            Self::Log { .. } => output::line(answer["filter"].as_str().unwrap_or_default()),
            Self::ReloadTls => output::line("the certificate was read again"),
            Self::RotateKey => output::line(&rotated(answer)),
            Self::ReloadKeys => {
                let added = answer["added"].as_array().map_or(0, Vec::len);
                let active = answer["active"].as_str().unwrap_or_default();
                output::line(&format!("the encryption keys were read again: {active} is active, {added} are new"));
            }
            Self::Rewrap => output::line("data keys are being wrapped anew; `control jobs` shows how far it is"),
            Self::Scrub => output::line("scrub begins; `control jobs` shows how far it is"),
            Self::Snapshot => output::line("a snapshot is being taken; `snapshot --list` shows it"),
            Self::Jobs => show_jobs(answer),
            Self::Status => show_status(answer),
        }
    }
}

/// Tells the server what was asked for.
///
/// # Errors
/// If there is no server, or it refuses.
pub fn run(arguments: ControlArgs) -> Result<ExitCode, Failure> {
    let (method, path, body) = arguments.action.request();
    let answer = tell(&arguments.store.data_dir()?, method, path, body)?;
    if arguments.json {
        output::json(&answer);
    } else {
        arguments.action.show(&answer);
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells the server of a data directory something, and returns its answer.
///
/// # Errors
/// If there is no server, or it refuses.
pub(super) fn tell(data_dir: &Path, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
    let socket = data_dir::admin_socket(data_dir);
    small_runtime()?.block_on(async {
        let limit = Duration::from_millis(CONTROL_TIMEOUT_MS);
        let answer = tokio::time::timeout(limit, ask(&socket, method, path, body)).await;
        answer.unwrap_or_else(|_| Err("the server does not answer".into()))
    })
}

/// Asks the server behind a socket.
async fn ask(socket: &Path, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| format!("no server answers at {}: {error}", socket.display()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
    let request = request.body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, CONTROL_ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok::<_, Failure>((head.status, body))
    };
    let mut exchange = pin!(exchange);
    let (status, body) = tokio::select! {
        exchanged = &mut exchange => exchanged?,
        ended = connection => {
            ended?;
            // What has come in is still to be read.
            exchange.await?
        }
    };
    let answer: Value = serde_json::from_slice(&body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    if status.is_success() {
        return Ok(answer);
    }
    Err(refusal(status, &answer).into())
}

fn refusal(status: StatusCode, answer: &Value) -> String {
    answer["message"].as_str().map_or_else(|| format!("the server answered {status}"), |text| text.to_owned())
}

/// What is told of a rotation.
pub(super) fn rotated(answer: &Value) -> String {
    let active = answer["active"].as_str().unwrap_or_default();
    format!("{active} is active from now on; then `control rewrap` moves SSE-S3 objects to it")
}

fn show_jobs(answer: &Value) {
    let text = |job: &Value, field: &str| match &job[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let jobs = answer["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = ["name", "state", "steps", "last_step", "pace", "detail", "last_error"];
    let rows: Vec<_> = jobs.iter().map(|job| fields.iter().map(|field| text(job, field)).collect()).collect();
    output::table(&["NAME", "STATE", "STEPS", "LAST STEP", "PACE", "DETAIL", "LAST ERROR"], &rows);
}

fn show_status(answer: &Value) {
    let state = match (answer["ready"].as_bool(), answer["reason"].as_str()) {
        (Some(true), _) => "ready",
        (_, Some(reason)) => reason,
        (_, None) => "not ready",
    };
    output::line(&format!("{:<22}{state}", "state"));
    for field in ["version", "started", "s3_url", "buckets", "requests_in_flight", "connections", "resident_bytes"] {
        let value = &answer[field];
        let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        output::line(&format!("{:<22}{shown}", field.replace('_', " ")));
    }
    output::line(&format!("{:<22}{}", "disk free bytes", answer["disk"]["free_bytes"]));
}
