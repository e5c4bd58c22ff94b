//! What systemd is told, and what it hands over: readiness, its watchdog, and sockets that it holds (`sd_notify(3)`,
//! `sd_listen_fds(3)`). Started by anything else, nothing of it does anything.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::admin::{NotReady, Probe};
use crate::net;

/// Whether the sockets of this process were taken: a second owner would close them under the first.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// How often the watchdog is told within the time that it waits: one lost turn is no death.
const TURNS: u32 = 3;
/// Shortest time between two turns. Stops a watchdog of microseconds from keeping a core busy.
const TURN_MIN: Duration = Duration::from_millis(10);

/// The listeners that systemd holds for this process, in the order of its socket unit: that of S3, that of the
/// administrator. `None` where the server has to listen by itself.
///
/// # Errors
/// If there are more than two, or one is no TCP listener.
pub fn listeners() -> io::Result<[Option<TcpListener>; 2]> {
    let mut found = [None, None];
    let mut passed = sd_notify::listen_fds()?;
    if passed.len() > found.len() {
        let detail = format!("systemd passed {} sockets, not one for S3 and one for the administrator", passed.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
    }
    if passed.len() == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(found);
    }
    for place in &mut found {
        *place = passed.next().map(|number| net::adopt(own(number).into())).transpose()?;
    }
    Ok(found)
}

#[allow(unsafe_code, reason = "a number that systemd names is the only way to a socket that it passes")]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: systemd opened it for this process alone, and `TAKEN` lets it be taken only once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Tells that connections are accepted.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Tells that the drain has begun.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells the watchdog, if there is one, that the server is well, again and again until `stop`; not while it isn't.
pub async fn keep_watchdog(probe: Probe, stop: CancellationToken) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = interval((patience / TURNS).max(TURN_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match ailment(probe.check().await) {
            None => tell(NotifyState::Watchdog),
            Some(cause) => tracing::error!(%cause, "not well: the watchdog of systemd is not told"),
        }
    }
}

/// What a restart may heal. A disk that is full or fails is not: a restart would only cut off who still reads.
fn ailment(checked: Result<(), NotReady>) -> Option<NotReady> {
    match checked {
        Ok(()) | Err(NotReady::ReadOnly(_) | NotReady::Draining) => None,
        Err(cause @ (NotReady::Metadata(_) | NotReady::Disk(_) | NotReady::Slow)) => Some(cause),
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::{ailment, listeners};
    use crate::admin::NotReady;
    use crate::engine::ReadOnly;

    #[test]
    fn a_process_that_systemd_did_not_start_gets_no_sockets() {
        assert!(listeners().expect("nothing was passed").iter().all(Option::is_none));
    }

    #[test]
    fn the_watchdog_waits_only_for_what_a_restart_may_heal() {
        assert!(ailment(Ok(())).is_none());
        assert!(ailment(Err(NotReady::ReadOnly(ReadOnly::Full))).is_none());
        assert!(ailment(Err(NotReady::ReadOnly(ReadOnly::Failing))).is_none());
        assert!(ailment(Err(NotReady::Draining)).is_none());
        assert!(ailment(Err(NotReady::Slow)).is_some());
        assert!(ailment(Err(NotReady::Metadata("gone".to_owned()))).is_some());
        assert!(ailment(Err(NotReady::Disk(std::io::Error::other("gone")))).is_some());
    }
}
