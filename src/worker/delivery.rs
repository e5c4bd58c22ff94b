//! The delivery of events to one webhook: at least once, in order per key. Each webhook has a worker of its own,
//! so that a slow one holds up nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::engine::{Engine, EngineError};
use crate::guard::{Breaker, Circuit};
use crate::limits::{
    EVENT_AGE_HOURS_MAX, EVENT_DELIVERIES_MAX, EVENT_RETRY_MS_MAX, EVENT_RETRY_MS_MIN, EVENTS_IDLE_MS, EVENTS_STEP,
};
use crate::notify::{DeliveryError, Webhook, event_message};
use crate::telemetry::record;
use crate::types::{EventSettlement, QueuedEvent};
use crate::worker::{Pace, Worker};

/// How often the backlog is counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// Delivers the events of one webhook.
pub struct EventDelivery {
    engine: Arc<Engine>,
    webhook: Webhook,
    region: String,
    name: String,
    breaker: Breaker,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    at: Option<Instant>,
    dropped: Option<u64>,
}

/// What became of one event.
enum Outcome {
    Delivered,
    Failed(DeliveryError),
}

impl EventDelivery {
    /// Delivers the events of `webhook` that happen in `region`.
    pub fn new(engine: Arc<Engine>, webhook: Webhook, region: String) -> Self {
        let name = format!("events-{}", webhook.name());
        Self { engine, webhook, region, name, breaker: Breaker::default(), counted: Mutex::default() }
    }

    /// Delivers events of one key in order until one fails: the others wait behind it.
    async fn deliver(&self, events: Vec<QueuedEvent>) -> Vec<(QueuedEvent, Outcome)> {
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events {
            if let Circuit::Open(_) = self.breaker.circuit(Instant::now()) {
                break;
            }
            let delivered = self.webhook.deliver(event_message(&event, &self.region)).await;
            let outcome = self.note(&event, delivered);
            let is_failed = matches!(outcome, Outcome::Failed(_));
            outcomes.push((event, outcome));
            if is_failed {
                break;
            }
        }
        outcomes
    }

    fn note(&self, event: &QueuedEvent, delivered: Result<(), DeliveryError>) -> Outcome {
        record::event_delivered(self.webhook.name(), delivered.is_ok());
        match delivered {
            Ok(()) => {
                self.breaker.succeeded();
                Outcome::Delivered
            }
            Err(error) => {
                let webhook = self.webhook.name();
                match &error {
                    DeliveryError::Unavailable(cause) => {
                        if self.breaker.failed(Instant::now()) {
                            tracing::warn!(webhook, %cause, "a webhook does not answer: it is tried less often");
                        }
                    }
                    DeliveryError::Refused(status) => {
                        // It answers: only this event has a problem.
                        self.breaker.succeeded();
                        let (name, attempts) = (event.record.name.as_str(), event.attempts + 1);
                        tracing::warn!(webhook, event = name, %status, attempts, "a webhook refuses an event");
                    }
                }
                Outcome::Failed(error)
            }
        }
    }

    fn settlement(&self, outcomes: Vec<(QueuedEvent, Outcome)>) -> EventSettlement {
        let mut settlement = EventSettlement::default();
        let oldest = self.engine.now().plus_seconds(-EVENT_AGE_HOURS_MAX * 3600);
        for (event, outcome) in outcomes {
            match outcome {
                Outcome::Delivered => settlement.delivered.push(event.sequence),
                Outcome::Failed(_) if event.record.at < oldest.0 => settlement.given_up.push(event.sequence),
                // The breaker paces what is tried; the event itself did nothing wrong.
                Outcome::Failed(DeliveryError::Unavailable(_)) => {
                    settlement.postponed.push((event.sequence, self.engine.now()));
                }
                Outcome::Failed(DeliveryError::Refused(_)) => {
                    let not_before = self.engine.after(retry_rest(event.attempts));
                    settlement.postponed.push((event.sequence, not_before));
                }
            }
        }
        settlement
    }

    /// Tells how many events wait, now and then.
    async fn count(&self) -> Result<(), EngineError> {
        let now = Instant::now();
        {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if counted.at.is_some_and(|at| now < at + COUNT_INTERVAL) {
                return Ok(());
            }
            counted.at = Some(now);
        }
        let webhook = self.webhook.name();
        let backlog = self.engine.event_backlog().await?;
        let (queued, dropped) = backlog
            .iter()
            .find(|backlog| backlog.target == webhook)
            .map_or((0, 0), |backlog| (backlog.queued, backlog.dropped));
        record::events_waiting(webhook, queued, dropped);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.dropped.is_some_and(|before| before < dropped) {
            tracing::error!(
                webhook,
                dropped,
                queued,
                "events were dropped: too many wait for the webhook, or too long"
            );
        }
        counted.dropped = Some(dropped);
        Ok(())
    }
}

/// Longer with each failure.
fn retry_rest(attempts: u32) -> Duration {
    Duration::from_millis(EVENT_RETRY_MS_MIN.saturating_mul(1 << attempts.min(32)).min(EVENT_RETRY_MS_MAX))
}

/// Events by key, each key's in order.
fn by_key(events: Vec<QueuedEvent>) -> Vec<Vec<QueuedEvent>> {
    let mut groups: Vec<Vec<QueuedEvent>> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for event in events {
        let key = (event.record.bucket.clone(), event.record.key.clone());
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(event);
    }
    groups
}

#[async_trait]
impl Worker for EventDelivery {
    fn name(&self) -> &str {
        &self.name
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        self.count().await?;
        let max = match self.breaker.circuit(Instant::now()) {
            Circuit::Closed => EVENTS_STEP,
            Circuit::Trial => 1,
            Circuit::Open(rest) => return Ok(Pace::Idle(rest)),
        };
        let events = self.engine.due_events(self.webhook.name(), max).await?;
        if events.is_empty() {
            return Ok(Pace::Idle(Duration::from_millis(EVENTS_IDLE_MS)));
        }
        let deliveries = by_key(events).into_iter().map(|group| self.deliver(group));
        let outcomes: Vec<_> = stream::iter(deliveries).buffer_unordered(EVENT_DELIVERIES_MAX).collect().await;
        let settlement = self.settlement(outcomes.into_iter().flatten().collect());
        self.engine.settle_events(self.webhook.name(), settlement).await?;
        Ok(Pace::Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{by_key, retry_rest};
    use crate::limits::{EVENT_RETRY_MS_MAX, EVENT_RETRY_MS_MIN};
    use crate::types::{EventRecord, QueuedEvent};

    #[test]
    fn retries_come_later_and_later_but_never_too_late() {
        assert_eq!(retry_rest(0), Duration::from_millis(EVENT_RETRY_MS_MIN));
        assert_eq!(retry_rest(2), Duration::from_millis(4 * EVENT_RETRY_MS_MIN));
        assert_eq!(retry_rest(u32::MAX), Duration::from_millis(EVENT_RETRY_MS_MAX));
    }

    #[test]
    fn events_of_a_key_stay_together_and_in_order() {
        let event = |sequence, key: &str| {
            let record = EventRecord {
                name: String::new(),
                configuration: String::new(),
                bucket: "bucket".to_owned(),
                bucket_owner: String::new(),
                key: key.to_owned(),
                size: None,
                etag: None,
                version: None,
                at: 0,
                origin: None,
            };
            QueuedEvent { sequence, attempts: 0, record }
        };
        let groups = by_key(vec![event(1, "a"), event(2, "b"), event(3, "a")]);
        let sequences: Vec<Vec<u64>> =
            groups.iter().map(|group| group.iter().map(|event| event.sequence).collect()).collect();
        assert_eq!(sequences, [vec![1, 3], vec![2]]);
    }
}
