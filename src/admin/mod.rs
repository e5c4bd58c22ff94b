//! The admin listener: health, readiness, metrics and a status document. Asks for no credentials, therefore
//! changes nothing and never shows a secret, a key or an object's name.

pub mod health;
pub mod history;
pub mod requests;
pub mod service;

pub use health::{NotReady, Probe};
pub use service::{Admin, AdminParts, GaugeSource};
