//! Why a server or a command could not start. Each reads as one line that says which step failed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::chunk::ChunkError;
use crate::identity::{LoadKeyRingError, RootError};
use crate::meta::MetaError;
use crate::notify::WebhookError;
use crate::outbound::ConnectorError;
use crate::telemetry::LogError;
use crate::telemetry::metric::MetricError;

/// Why a server or a command could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log could not be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Metrics could not be set up.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The operating system refused threads or signals.
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    /// The data directory can't be made or used.
    #[error("{step} {}", path.display())]
    DataDir {
        /// Verb and object.
        step: &'static str,
        /// Which path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("data directory {} is in use by another sluicegate{holder}", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Who, as far as the lock file tells: ` (process 42)`, or nothing.
        holder: String,
    },
    /// There is no database yet, and this command makes none.
    #[error("no data in {}: no server has run there yet", path.display())]
    NoData {
        /// The data directory.
        path: PathBuf,
    },
    /// There are chunk files and no database: an empty one would make all of them nobody's.
    #[error(
        "the database in {} is missing, but its chunk files are there: use `sluicegate restore --from SNAPSHOT`, or, if there is none, `sluicegate rebuild`",
        path.display()
    )]
    NoDatabase {
        /// The data directory.
        path: PathBuf,
    },
    /// Chunks were written by later boots than the database knows: it is an old one that was put in place by hand.
    #[error(
        "the database in {} is older than its chunk files: put it in place with `sluicegate restore --from SNAPSHOT`",
        path.display()
    )]
    OldDatabase {
        /// The data directory.
        path: PathBuf,
    },
    /// The metadata store failed.
    #[error("{step}")]
    Meta {
        /// Verb and object.
        step: &'static str,
        /// The cause.
        #[source]
        source: MetaError,
    },
    /// A webhook cannot be used.
    #[error("set up webhooks")]
    Webhook(#[from] WebhookError),
    /// Traces cannot be sent.
    #[error("set up traces")]
    Traces(#[from] ConnectorError),
    /// The chunk store could not be opened.
    #[error("open chunk store")]
    Chunk(#[source] ChunkError),
    /// Root's credentials could not be read or made.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The keys of the encryption at rest could not be read or made.
    #[error(transparent)]
    KeyRing(#[from] LoadKeyRingError),
    /// The certificate or its key can't be used.
    #[error("load certificate {} and key {}", cert.display(), key.display())]
    Tls {
        /// File of the certificate chain.
        cert: PathBuf,
        /// File of the private key.
        key: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An address can't be listened on.
    #[error("listen on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
