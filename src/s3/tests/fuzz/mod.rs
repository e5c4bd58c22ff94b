//! Any bytes as whatever a client may send beside a document.

mod forms;
mod headers;
mod md5;
mod names;
mod routes;
