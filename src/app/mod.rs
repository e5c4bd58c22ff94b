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

use crate::config::{Config, LogFormat};
use crate::telemetry::{LogForm, Recorder, log};

pub use data_dir::DataLock;
pub use error::StartError;
pub use restore::{RestoreError, RestoreObserver, Restored, rebuild, restore};
pub use server::Server;
pub use store::Session;

/// What an operator is told on standard output.
#[derive(Clone, Debug)]
pub enum Announcement {
    /// A root key was made. Shown once; afterwards only the credentials file has it.
    RootCreated {
        /// Its access key id.
        access_key_id: String,
        /// Its secret.
        secret: zeroize::Zeroizing<String>,
    },
    /// The server accepts connections.
    Listening {
        /// Its address with the real port.
        url: String,
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
    log::init(form, &config.log_filter)?;
    let recorder = Recorder::install()?;
    let runtime = process::runtime()?;
    let ended = runtime.block_on(async {
        let mut signals = signal::Signals::listen()?;
        let server = Server::start(config, recorder, announce).await?;
        systemd::ready();
        Ok(server.run(&mut signals).await)
    });
    // What still blocks belongs to requests that were cancelled, or to a stop that was forced: not waited for.
    runtime.shutdown_background();
    ended
}
