//! HTTP ↔ S3: the stages of a request, routes, one file per operation, XML and the error table. Knows nothing
//! of SQL or chunk files.

pub mod authorize;
pub mod body;
pub mod code;
pub mod error;
pub mod op;
pub mod operation;
pub mod query;
pub mod route;
pub mod service;
pub mod xml;
pub mod xml_feed;

pub use code::Code;
pub use error::S3Error;
pub use operation::Operation;
pub use service::{Gateway, S3Settings};
