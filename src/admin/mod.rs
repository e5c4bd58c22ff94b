//! The admin listener: health, metrics, the API of administrators, and the door through which the console reaches S3.
//!
//! What is open to everybody changes nothing and never shows a secret, a key or an object's name. Everything else asks
//! who is there: a session of the console, a signature, or the Unix socket, which only who runs the machine can open.

mod answer;
mod buckets;
mod call;
mod control;
mod door;
mod encryption;
pub mod health;
mod history;
mod identify;
mod jobs;
mod keys;
mod overview;
mod pages;
mod presign;
mod requests;
mod route;
pub mod service;
mod sessions;
pub mod shared;
mod sign_in;

pub use buckets::retained_json;
pub use health::{NotReady, Probe};
pub use service::Admin;
pub use shared::{AdminParts, GaugeSource, S3Url};
