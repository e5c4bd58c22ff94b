//! Telling others: the messages of events as S3 words them, and the webhooks that take them. Knows nothing of
//! where events come from or what becomes of those that fail.

pub mod message;
pub mod webhook;

pub use message::event_message;
pub use webhook::{DeliveryError, Webhook, WebhookError, WebhookSettings};
