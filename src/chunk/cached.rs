//! Reads that never wait for the disk.
#![allow(unsafe_code)]

use std::fs::File;

/// Fills `buffer` from `offset` on, if the page cache holds all of it. False if it does not, or if the file system
/// cannot tell: then nothing is known of what is in `buffer`.
///
/// Source: preadv2(2), `RWF_NOWAIT`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn read_cached_at(file: &File, buffer: &mut [u8], offset: u64) -> bool {
    use std::os::fd::AsRawFd as _;

    let Ok(offset) = libc::off_t::try_from(offset) else { return false };
    let vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: the one vector is `buffer`, which is borrowed exclusively, and the kernel writes within its length; the
    // descriptor is open as long as `file` is borrowed.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const vector, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(read).is_ok_and(|read| read == buffer.len())
}

/// No other system tells.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn read_cached_at(_file: &File, _buffer: &mut [u8], _offset: u64) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::read_cached_at;

    #[test]
    fn what_was_just_written_is_read_whole_or_not_at_all() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        let mut buffer = [0; 6000];
        if read_cached_at(&file, &mut buffer, 4000) {
            assert_eq!(buffer, [7; 6000]);
        }
        assert!(!read_cached_at(&file, &mut buffer, 4001), "the file ends within");
        assert!(!read_cached_at(&file, &mut buffer, u64::MAX), "no file is so long");
    }
}
