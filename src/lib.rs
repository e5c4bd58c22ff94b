//! Sluicegate: an S3-compatible object gateway over local chunk files and SQLite.
//!
//! Three promises, the earlier before the later: a `200` means that the object is on disk; memory is a number that
//! the operator chooses; it costs what the hardware must pay.
//!
//! # The map of the house
//!
//! Data goes one way, down the floors: a module imports only what is below it, and `tests/architecture.rs` says
//! exactly what.
//!
//! - **Words.** [`limits`] names every bound and splits `--memory` by a sum. [`types`] are the words of the domain,
//!   valid by construction: bucket names, keys, ranges, ETags, checksums, points in time. `sync` are the primitives of
//!   the three places that are checked in every order: the pool, the drain, the metadata writer.
//! - **Decisions.** [`rules`] judges preconditions and places versions, pure. [`policy`] reads policy documents and says
//!   whether they allow a request, and why. [`digest`] hashes streams in one pass, many at once.
//!   [`cipher`] seals bodies and wraps their keys, without I/O. [`config`] turns flags, environment and file into
//!   settings. [`telemetry`] is the table of metrics, and the set-up of logs and traces.
//! - **Guards.** [`guard`] counts requests and connections and drains them. [`buffer`] is the fixed pool of blocks, the
//!   only place where body bytes live. [`auth`] judges signatures and decodes `aws-chunked`, without I/O.
//! - **Stores.** [`chunk`] keeps immutable chunk files that prove themselves; [`meta`] keeps every fact, in
//!   transactions. Each is a port with one contract suite, a real store, and one in memory for tests. [`net`] accepts
//!   connections and knows nothing of S3.
//! - **Meaning.** [`identity`] knows who is behind an access key. [`engine`] is what an object operation means: the
//!   bounded chunk writer and reader, the order of durability, uploads, copies, collection, `check`.
//! - **Telling others.** [`outbound`] reaches other HTTP servers. [`notify`] words the messages of events and posts them to webhooks.
//! - **Speech.** [`s3`] translates between HTTP and the engine: a request is routed, then authenticated, then
//!   authorized, and only then run, one file per operation. [`worker`] runs the background work. [`admin`] answers
//!   health checks and metrics. [`console`] holds the pages that a browser is given.
//! - **Moving.** [`transfer`] brings data and keys from other servers and directories, as a client of S3.
//! - **Wiring.** [`app`] starts and stops everything in order; [`cli`] is the command line.
//!
//! Three seams turn calls up into imports down: `net::Handler` (connections call the S3 service through it),
//! `auth::SecretLookup` (signatures ask for secrets), `engine::ByteSource` (the engine pulls bytes without knowing
//! HTTP).
//!
//! # The way of a PUT
//!
//! A connection slot is taken before accept, an admission ticket before anything is parsed. The head is routed,
//! authenticated and authorized, and cheap preconditions are judged, before `100 Continue` is sent. The engine's
//! writer leases a block (the wait for one is the back-pressure), fills it from the socket, and queues it for hashing:
//! MD5, SHA-256 and the requested checksum in one pass, together with the blocks of other streams. Then a blocking job
//! appends it to a chunk file. At the end digests
//! are compared, the chunk is sealed (data synced, then its directory), and one metadata transaction judges the
//! preconditions again and makes the version visible. Then the answer is sent.
//!
//! Deleting is the mirror: the transaction first, the collector unlinks chunk files afterwards.

pub mod admin;
pub mod app;
pub mod auth;
pub mod buffer;
pub mod chunk;
pub mod cipher;
pub mod cli;
pub mod config;
pub mod console;
pub mod digest;
pub mod engine;
pub mod guard;
pub mod identity;
pub mod limits;
pub mod meta;
pub mod net;
pub mod notify;
pub mod outbound;
pub mod policy;
pub mod rules;
pub mod s3;
mod sync;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod types;
pub mod worker;
