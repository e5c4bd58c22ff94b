//! What the process asks of the operating system: threads, and open files.

use std::num::NonZero;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::app::StartError;
use crate::limits::{BLOCKING_THREADS_MAX, REACTOR_THREADS_MAX, THREAD_STACK_BYTES};

/// The runtime of a server, and of commands that read every chunk.
///
/// # Errors
/// `Runtime`.
pub fn runtime() -> Result<Runtime, StartError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(cores.min(REACTOR_THREADS_MAX))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(THREAD_STACK_BYTES)
        .thread_name("sluicegate")
        .enable_all()
        .build()
        .map_err(StartError::Runtime)
}

/// The runtime of a command that asks the metadata store a few questions.
///
/// # Errors
/// `Runtime`.
pub fn small_runtime() -> Result<Runtime, StartError> {
    Builder::new_current_thread().max_blocking_threads(2).enable_all().build().map_err(StartError::Runtime)
}

/// Raises the limit of open files to what may be had without privileges, and returns it. Soft limits are low
/// for the sake of programs that use `select`; we are none.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    open_files_max()
}

/// How many files the process may have open; `u64::MAX` if nothing limits it.
pub fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
