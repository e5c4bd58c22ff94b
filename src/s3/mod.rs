//! HTTP ↔ S3: the stages of a request, routes, one file per operation, XML and the error table. Knows nothing
//! of SQL or chunk files.

pub(crate) mod access;
pub(crate) mod access_line;
pub(crate) mod attributes;
mod auth_error;
pub(crate) mod authenticate;
pub mod authorize;
pub mod body;
pub(crate) mod bucket_document;
pub(crate) mod checksum_headers;
pub mod code;
pub(crate) mod conditions;
pub(crate) mod copy_source;
pub(crate) mod cors;
pub(crate) mod dispatch;
pub(crate) mod document;
pub(crate) mod endpoint;
pub mod error;
pub(crate) mod keep_alive;
pub(crate) mod listing;
pub(crate) mod metadata;
pub(crate) mod object_headers;
pub(crate) mod object_read;
pub mod op;
pub mod operation;
pub(crate) mod parameters;
pub(crate) mod part_list;
pub mod query;
pub(crate) mod requester_pays;
pub(crate) mod respond;
pub mod route;
pub(crate) mod route_table;
pub mod service;
pub(crate) mod tagging;
pub(crate) mod unbuilt;
pub mod xml;
pub mod xml_feed;
pub(crate) mod xml_tree;

pub use code::Code;
pub use error::S3Error;
pub use operation::Operation;
pub use service::{Gateway, S3Settings};
