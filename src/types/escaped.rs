//! Which bytes URLs escape, in one place for those who write them and those who check signatures of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What is escaped in a value of the query: everything but the unreserved characters (RFC 3986, 2.3), as AWS signs it.
pub const URL_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is escaped in a path: the same, but slashes stay.
pub const URL_PATH: &AsciiSet = &URL_VALUE.remove(b'/');
