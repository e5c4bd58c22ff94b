//! What one connection is doing, and until when it may.
//!
//! Everybody who works for a connection (socket, requests, bodies) notes here what happens; one watchdog in the
//! connection's task turns that into a deadline. Must never know what a request is about.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::guard::{Drain, EndCause};
use crate::net::ServeSettings;
use crate::net::throughput::Throughput;

/// Why locking cannot fail: nothing panics while it holds one of these locks.
pub(crate) const NEVER_POISONED: &str = "nothing panics under this lock";

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// A request's head did not become complete in time.
    Head,
    /// No request came for too long.
    Idle,
    /// The client takes no bytes.
    Stalled,
    /// Connections are scarce, and the client takes hardly any bytes.
    Slow,
}

/// What a connection is doing, as far as deadlines go.
#[derive(Debug)]
enum Phase {
    /// Accepted at that time; no byte has come yet.
    Fresh(Instant),
    /// The first byte of a head came at that time.
    Head(Instant),
    /// Kept alive without a request since that time.
    Idle(Instant),
    /// So many things (requests, bodies) are under way.
    Busy(usize),
}

#[derive(Debug)]
struct Timeline {
    phase: Phase,
    /// How fast the socket takes bytes, and since when it takes none.
    sending: Throughput,
    /// Responses of an HTTP/2 connection: each stream can be stalled by the client for itself.
    responses: Vec<Weak<Unsent>>,
}

/// One connection, shared by all who work for it.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    pub(crate) address: SocketAddr,
    pub(crate) settings: Arc<ServeSettings>,
    pub(crate) drain: Drain,
    scarcity: watch::Receiver<bool>,
    http2: AtomicBool,
    cause: OnceLock<EndCause>,
    reset: AtomicBool,
    unread: AtomicBool,
    timeline: Mutex<Timeline>,
}

impl ConnectionState {
    /// A connection that was just accepted.
    pub(crate) fn new(
        address: SocketAddr,
        settings: Arc<ServeSettings>,
        drain: Drain,
        scarcity: watch::Receiver<bool>,
    ) -> Self {
        let phase = Phase::Fresh(Instant::now());
        Self {
            address,
            settings,
            drain,
            scarcity,
            http2: AtomicBool::new(false),
            cause: OnceLock::new(),
            reset: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            timeline: Mutex::new(Timeline { phase, sending: Throughput::default(), responses: Vec::new() }),
        }
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().expect(NEVER_POISONED)
    }

    /// The TLS handshake is over: what was read until now was no request head.
    pub(crate) fn secured(&self, http2: bool) {
        self.http2.store(http2, Ordering::Release);
        let now = Instant::now();
        // Without streams an HTTP/2 connection carries pings: no byte of it announces a head.
        self.timeline().phase = if http2 { Phase::Idle(now) } else { Phase::Fresh(now) };
    }

    /// Whether this connection speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Acquire)
    }

    /// Notes why the connection is about to end. The first cause stays.
    pub(crate) fn end(&self, cause: EndCause) {
        // A later cause is a consequence of the first.
        let _ = self.cause.set(cause);
    }

    /// Why we end the connection; `None` as long as we do not.
    pub(crate) fn cause(&self) -> Option<EndCause> {
        self.cause.get().copied()
    }

    /// Asks for a reset instead of an orderly close: a response without a length must not look complete.
    pub(crate) fn reset_at_close(&self) {
        self.reset.store(true, Ordering::Release);
    }

    /// Whether the connection must end with a reset.
    pub(crate) fn wants_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// Part of a request's body stays unread: closing right away would reset the connection and take the
    /// answer from the client.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }

    /// Whether bytes may still come that nobody wants: an unread body, or a head that was refused.
    pub(crate) fn wants_linger(&self) -> bool {
        self.unread.load(Ordering::Acquire) || matches!(self.timeline().phase, Phase::Head(_))
    }

    /// Whether part of a head has come in, and the answers before it are out.
    pub(crate) fn is_within_head(&self) -> bool {
        let timeline = self.timeline();
        matches!(timeline.phase, Phase::Head(_)) && timeline.sending.waiting_since().is_none()
    }

    /// Bytes came in.
    pub(crate) fn received(&self) {
        let mut timeline = self.timeline();
        match timeline.phase {
            Phase::Fresh(_) => timeline.phase = Phase::Head(Instant::now()),
            Phase::Idle(_) if !self.is_http2() => timeline.phase = Phase::Head(Instant::now()),
            Phase::Idle(_) | Phase::Head(_) | Phase::Busy(_) => {}
        }
    }

    /// The socket took bytes.
    pub(crate) fn sent(&self, bytes: usize) {
        let (mut timeline, now) = (self.timeline(), Instant::now());
        timeline.sending.moved(bytes, now, &self.settings.haste);
    }

    /// The socket takes no bytes now.
    pub(crate) fn blocked(&self) {
        let (mut timeline, now) = (self.timeline(), Instant::now());
        timeline.sending.wait(now);
    }

    /// Whether connections are scarce.
    pub(crate) fn is_scarce(&self) -> bool {
        *self.scarcity.borrow()
    }

    /// Something is under way until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        let mut timeline = self.timeline();
        timeline.phase = match timeline.phase {
            Phase::Busy(count) => Phase::Busy(count + 1),
            Phase::Fresh(_) | Phase::Head(_) | Phase::Idle(_) => Phase::Busy(1),
        };
        Busy { state: Arc::clone(self) }
    }

    /// Watches what a response of an HTTP/2 connection has not sent. On HTTP/1 the socket tells it all.
    pub(crate) fn watch(&self, unsent: &Arc<Unsent>) {
        if self.is_http2() {
            let mut timeline = self.timeline();
            timeline.responses.retain(|response| response.strong_count() > 0);
            timeline.responses.push(Arc::downgrade(unsent));
        }
    }

    /// The earliest deadline, if any runs.
    fn deadline(&self) -> Option<(Instant, Expiry)> {
        let (timeline, settings, is_scarce) = (self.timeline(), &self.settings, self.is_scarce());
        let (progress, now) = (settings.body_progress_timeout, Instant::now());
        if is_scarce && timeline.sending.is_slow(now, &settings.haste) {
            return Some((now, Expiry::Slow));
        }
        let timeout = |usual: Duration, scarce: Duration| if is_scarce { usual.min(scarce) } else { usual };
        let head_timeout = timeout(settings.head_timeout, settings.haste.head_timeout);
        let idle_timeout = timeout(settings.idle_timeout, settings.haste.idle_timeout);
        let phase = match timeline.phase {
            Phase::Fresh(since) | Phase::Head(since) => Some((since + head_timeout, Expiry::Head)),
            Phase::Idle(since) => Some((since + idle_timeout, Expiry::Idle)),
            Phase::Busy(_) => None,
        };
        let stalled = timeline
            .responses
            .iter()
            .filter_map(|response| response.upgrade()?.since())
            .chain(timeline.sending.waiting_since())
            .map(|since| (since + progress, Expiry::Stalled));
        stalled.chain(phase).min_by_key(|(at, _)| *at)
    }

    /// Resolves when a deadline has passed.
    ///
    /// Deadlines move all the time, so nobody wakes this up: it looks again after the shortest timeout at the
    /// latest, and no deadline that begins in between can pass before that.
    pub(crate) async fn expired(&self) -> Expiry {
        let settings = &self.settings;
        let usual = settings.head_timeout.min(settings.idle_timeout).min(settings.body_progress_timeout);
        let scarce = settings.haste.head_timeout.min(settings.haste.idle_timeout).min(settings.haste.patience);
        let mut scarcity = self.scarcity.clone();
        let mut was_due = false;
        loop {
            let shortest = if *scarcity.borrow_and_update() { usual.min(scarce) } else { usual };
            let deadline = self.deadline();
            let now = Instant::now();
            let next = match deadline {
                // A timer that has fired means that the system was asked for news of all sockets too: what came in time
                // is seen first, however busy the process is.
                Some((at, expiry)) if at <= now && was_due => return expiry,
                Some((at, _)) => at.min(now + shortest),
                None => now + shortest,
            };
            // A timeout of zero would spin.
            let next = next.max(now + Duration::from_millis(1));
            // Timeouts change with scarcity. Who tells of it lives as long as the listener.
            let rest = tokio::time::timeout_at(next, async {
                if scarcity.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            });
            let has_fired = rest.await.is_err();
            was_due = has_fired && deadline.is_some_and(|(at, _)| at <= now);
        }
    }
}

/// Keeps a connection from counting as idle.
#[derive(Debug)]
pub(crate) struct Busy {
    state: Arc<ConnectionState>,
}

impl Busy {
    /// The connection.
    pub(crate) fn state(&self) -> &Arc<ConnectionState> {
        &self.state
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut timeline = self.state.timeline();
        timeline.phase = match timeline.phase {
            Phase::Busy(count) if count > 1 => Phase::Busy(count - 1),
            Phase::Busy(_) | Phase::Fresh(_) | Phase::Head(_) | Phase::Idle(_) => Phase::Idle(Instant::now()),
        };
    }
}

/// Bytes of a response that were handed to HTTP and that the connection has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    /// How many, and when that number last became smaller (or stopped being zero).
    progress: Mutex<(usize, Option<Instant>)>,
}

impl Unsent {
    /// So many bytes more wait.
    pub(crate) fn add(&self, bytes: usize) {
        let mut progress = self.progress.lock().expect(NEVER_POISONED);
        if progress.0 == 0 {
            progress.1 = Some(Instant::now());
        }
        progress.0 += bytes;
    }

    /// So many bytes were taken.
    pub(crate) fn take(&self, bytes: usize) {
        let mut progress = self.progress.lock().expect(NEVER_POISONED);
        progress.0 -= bytes;
        progress.1 = (progress.0 > 0).then(Instant::now);
    }

    /// Since when waiting bytes make no progress.
    fn since(&self) -> Option<Instant> {
        self.progress.lock().expect(NEVER_POISONED).1
    }
}
