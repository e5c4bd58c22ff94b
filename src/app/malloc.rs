//! The allocator, and its bound: jemalloc, which serves many small requests for a fifth less CPU than that of glibc
//! (`benches/requests.rs`) and gives freed memory back.

use std::ffi::c_char;

use crate::limits::MALLOC_SETTINGS;

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
