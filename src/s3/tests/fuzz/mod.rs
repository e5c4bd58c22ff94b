//! Any bytes as whatever a client may send beside a document.

mod forms;
mod headers;
mod names;
mod routes;
