//! The allocator's bound: glibc keeps freed memory in eight arenas per core unless it is told otherwise, and
//! the memory sum has no term for that.

/// Limits the arenas, and keeps large buffers out of them, so that they return to the system when freed. To
/// be called before threads start. Does nothing where the allocator is not glibc's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "mallopt has no safe wrapper")]
pub fn limit_arenas() {
    use crate::limits::{MALLOC_ARENAS_MAX, MALLOC_MAPPED_BYTES};
    // SAFETY: mallopt takes two integers and touches nothing of ours; it is called before any thread of ours
    // runs. A refusal (0) leaves the defaults, which cost memory but break nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, MALLOC_ARENAS_MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MALLOC_MAPPED_BYTES);
    }
}

/// Does nothing: the allocator is not glibc's.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn limit_arenas() {}
