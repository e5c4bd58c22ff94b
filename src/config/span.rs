//! Settings that are a time within bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::ConfigError;
use crate::config::error::wrong;
use crate::config::value::parse_span;

/// Judges a setting: its name and text, its default and its legal values in seconds, and what is said of others.
///
/// # Errors
/// `Value`.
pub(super) fn decide_span(
    (setting, text): (&'static str, Option<&str>),
    (default, legal): (u64, RangeInclusive<u64>),
    expected: &'static str,
) -> Result<Duration, ConfigError> {
    let Some(text) = text else { return Ok(Duration::from_secs(default)) };
    let span = parse_span(text).filter(|span| legal.contains(&span.as_secs()));
    span.ok_or_else(|| wrong(setting, text, expected))
}
