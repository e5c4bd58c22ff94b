//! The `sluicegate` binary: its allocator, and the way to the command line.
//!
//! jemalloc serves many small requests for a fifth less CPU than the allocator of glibc, and gives freed memory back.

use std::ffi::c_char;
use std::process::ExitCode;

use sluicegate::limits::MALLOC_SETTINGS;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A pointer that jemalloc reads before `main`.
#[repr(transparent)]
struct Settings(*const c_char);

// SAFETY: it points to text that never changes.
#[allow(unsafe_code, reason = "a raw pointer is not Sync by itself")]
unsafe impl Sync for Settings {}

/// What jemalloc is told: what it keeps for itself has no term in the memory sum.
#[allow(unsafe_code, reason = "jemalloc looks for this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static SETTINGS: Settings = Settings(MALLOC_SETTINGS.as_ptr());

fn main() -> ExitCode {
    sluicegate::cli::run()
}
