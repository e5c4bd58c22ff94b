//! Signals: stop (SIGTERM, SIGINT) and reload (SIGHUP).

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::StartError;

/// What was signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals of the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over. From here on none of them kills the process.
    ///
    /// # Errors
    /// `Runtime`.
    pub fn listen() -> Result<Self, StartError> {
        let take = |kind| signal(kind).map_err(StartError::Runtime);
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Signalled {
        tokio::select! {
            _ = self.terminate.recv() => Signalled::Stop,
            _ = self.interrupt.recv() => Signalled::Stop,
            _ = self.hangup.recv() => Signalled::Reload,
        }
    }

    /// The next stop signal. Cancel-safe.
    pub async fn stop(&mut self) {
        while self.next().await != Signalled::Stop {}
    }
}
