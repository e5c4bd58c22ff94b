//! HTTP ↔ S3: the stages of a request, routes, one file per operation, XML and the error table. Knows nothing
//! of SQL or chunk files.

pub(crate) mod access;
pub(crate) mod auth_error;
pub(crate) mod authenticate;
pub mod authorize;
pub mod body;
pub mod code;
pub(crate) mod conditions;
pub(crate) mod dispatch;
pub mod error;
pub(crate) mod listing;
pub(crate) mod metadata;
pub mod op;
pub mod operation;
pub(crate) mod parameters;
pub mod query;
pub(crate) mod respond;
pub mod route;
pub(crate) mod route_table;
pub mod service;
pub(crate) mod unbuilt;
pub mod xml;
pub mod xml_feed;

pub use code::Code;
pub use error::S3Error;
pub use operation::Operation;
pub use service::{Gateway, S3Settings};
