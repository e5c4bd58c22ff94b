//! Wiring: which part gets which, in what order they start and in what order they stop. Decides nothing about
//! requests; no logic of its own.

pub mod background;
pub mod data_dir;
pub mod encryption;
pub mod error;
pub mod insight;
pub mod process;
pub mod restore;
pub mod server;
pub mod signal;
pub mod store;
pub mod systemd;
pub(crate) mod workers;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, LogFormat, TraceConfig};
use crate::limits::insight::TRACE_CLOSE_MS;
use crate::telemetry::otlp::Sending;
use crate::telemetry::{Exporter, LogForm, OtlpSettings, Recorder, Traces, log};

pub use data_dir::DataLock;
pub use error::StartError;
pub use restore::{RestoreError, RestoreObserver, Restored, rebuild, restore};
pub use server::Server;
pub use store::Session;

/// What an operator is told on standard output.
#[derive(Clone, Debug)]
pub enum Announcement {
    /// A root key was made. Told once; afterwards only the credentials file has it.
    RootCreated {
        /// Its access key id.
        access_key_id: String,
        /// Its secret.
        secret: zeroize::Zeroizing<String>,
        /// The credentials file.
        path: PathBuf,
    },
    /// The server accepts connections.
    Listening {
        /// Its address with the real port.
        url: String,
        /// The address of its console.
        console: String,
    },
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should: everything finished or was cancelled, and the epoch was closed.
    Drained,
    /// At once, because a second stop signal came. The next start sweeps what this one left.
    Forced,
    /// By itself: a listener failed.
    Failed,
}

/// Runs a server until a signal stops it.
///
/// # Errors
/// Why it could not start.
pub fn run(config: Config, announce: &(dyn Fn(Announcement) + Sync)) -> Result<Ended, StartError> {
    let form = match config.log_format {
        LogFormat::Text => LogForm::Text,
        LogFormat::Json => LogForm::Json,
    };
    let traces = config.traces.as_ref().map(|settings| Traces::new(settings.sample));
    log::init(form, &config.log_filter, traces.as_ref())?;
    let recorder = Recorder::install()?;
    let exporter = match (config.traces.clone(), traces) {
        (Some(settings), Some(traces)) => Some(prepare_traces(settings, traces)?),
        _ => None,
    };
    let runtime = process::runtime()?;
    let patience = config.drain_timeout.min(Duration::from_millis(TRACE_CLOSE_MS));
    let ended = runtime.block_on(async {
        let mut signals = signal::Signals::listen()?;
        let sending = exporter.map(Exporter::start);
        let server = Server::start(config, recorder, announce).await?;
        systemd::ready();
        let ended = server.run(&mut signals).await;
        if let Some(sending) = sending
            && ended != Ended::Forced
        {
            close_traces(sending, patience, &mut signals).await;
        }
        Ok(ended)
    });
    // What still blocks belongs to requests that were cancelled, or to a stop that was forced: not waited for.
    runtime.shutdown_background();
    ended
}

/// Makes traces those of the process, and what sends them ready.
fn prepare_traces(settings: TraceConfig, traces: Traces) -> Result<Exporter, StartError> {
    let TraceConfig { uri, headers, .. } = settings;
    let exporter = Exporter::new(OtlpSettings { uri, headers }, traces.queue())?;
    traces.trace_requests();
    Ok(exporter)
}

/// Sends what is left, once everything that could be traced is over. A second stop signal ends this too.
async fn close_traces(sending: Sending, patience: Duration, signals: &mut signal::Signals) {
    tokio::select! {
        () = sending.close(patience) => {}
        () = signals.stop() => {}
    }
}
