//! Object lock as requests and answers show it: headers of writes and reads, who may bypass governance, and the
//! words of its dates and modes. What a lock forbids is decided in `rules`.
//!
//! Source: Amazon S3 User Guide, "Locking objects with Object Lock"; API Reference, PutObject, GetObject.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::authorize::call::Authorized;
use crate::s3::metadata::{header_text, insert_text};
use crate::s3::{Gateway, Operation, S3Error};
use crate::types::{ChecksumAlgorithm, Retention, RetentionMode, Timestamp, VersionAttributes};

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";

/// Retention and legal hold that the headers of a write give its new version.
///
/// # Errors
/// `InvalidArgument`, `InvalidRequest` if the bucket has no object lock or the body no checksum.
pub(crate) async fn requested_lock(
    gateway: &Gateway,
    call: &Authorized,
) -> Result<(Option<Retention>, Option<bool>), S3Error> {
    let (retention, legal_hold) = read_headers(&call.headers, gateway.clock.now())?;
    if retention.is_none() && legal_hold.is_none() {
        return Ok((None, None));
    }
    require_lock(gateway, call, "Bucket is missing ObjectLockConfiguration").await?;
    if call.operation == Operation::PutObject {
        require_integrity(&call.headers)?;
    }
    Ok((retention, legal_hold))
}

fn read_headers(headers: &HeaderMap, now: Timestamp) -> Result<(Option<Retention>, Option<bool>), S3Error> {
    let legal_hold = match header_text(headers, LEGAL_HOLD) {
        None => None,
        Some(text) => Some(parse_legal_hold(&text).ok_or_else(|| {
            S3Error::invalid_argument(LEGAL_HOLD, text, "Legal Hold must be either of 'ON' or 'OFF'")
        })?),
    };
    let (mode, until) = (header_text(headers, MODE), header_text(headers, UNTIL));
    let (mode, until) = match (mode, until) {
        (None, None) => return Ok((None, legal_hold)),
        (Some(mode), Some(until)) => (mode, until),
        (mode, _) => {
            let missing = if mode.is_some() { UNTIL } else { MODE };
            let message = format!("{UNTIL} and {MODE} must both be supplied");
            return Err(S3Error::invalid_argument(missing, "", message));
        }
    };
    let mode = match parse_mode(&mode) {
        Some(mode) => mode,
        None => return Err(S3Error::invalid_argument(MODE, mode, "Unknown wormMode directive.")),
    };
    let Some(end) = Timestamp::parse_iso(&until) else {
        let message = "The retain until date must be provided in ISO 8601 format";
        return Err(S3Error::invalid_argument(UNTIL, until, message));
    };
    Ok((Some(future_retention(UNTIL, mode, end, now)?), legal_hold))
}

/// A retention that has not ended yet; `argument` names its end in the refusal.
///
/// # Errors
/// `InvalidArgument` if `until` is past.
pub(crate) fn future_retention(
    argument: &'static str,
    mode: RetentionMode,
    until: Timestamp,
    now: Timestamp,
) -> Result<Retention, S3Error> {
    if until <= now {
        let message = "The retain until date must be in the future!";
        return Err(S3Error::invalid_argument(argument, until.iso_millis(), message));
    }
    // What is shown reads back as the same end, so that a client that sends it again shortens nothing.
    Ok(Retention { mode, until: until.rounded_up_to_millis() })
}

/// Requires the bucket to have an object lock, for an operation on a lock.
///
/// # Errors
/// `InvalidRequest`.
pub(crate) async fn require_configuration(gateway: &Gateway, call: &Authorized) -> Result<(), S3Error> {
    require_lock(gateway, call, "Bucket is missing Object Lock Configuration").await
}

/// S3 words it in one way for writes and in another for the rest.
async fn require_lock(gateway: &Gateway, call: &Authorized, message: &'static str) -> Result<(), S3Error> {
    match gateway.engine.object_lock(call.bucket()).await? {
        Some(_) => Ok(()),
        None => Err(S3Error::invalid_request(message)),
    }
}

/// A body that nobody can take back should be the one that was meant: S3 wants a checksum on it.
fn require_integrity(headers: &HeaderMap) -> Result<(), S3Error> {
    let is_checksum =
        |name: &str| name == "content-md5" || name == "x-amz-trailer" || ChecksumAlgorithm::from_header(name).is_some();
    if headers.keys().any(|name| is_checksum(name.as_str())) {
        return Ok(());
    }
    Err(S3Error::invalid_request(
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
    ))
}

/// Shows the lock of a version on GET and HEAD.
pub(crate) fn insert_lock(headers: &mut HeaderMap, attributes: &VersionAttributes) {
    if let Some(Retention { mode, until }) = attributes.retention {
        headers.insert(HeaderName::from_static(MODE), HeaderValue::from_static(mode_name(mode)));
        insert_text(headers, HeaderName::from_static(UNTIL), &until.iso_millis());
    }
    if let Some(on) = attributes.legal_hold {
        headers.insert(HeaderName::from_static(LEGAL_HOLD), HeaderValue::from_static(legal_hold_name(on)));
    }
}

/// The API's name of a mode.
pub(crate) fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// The mode of that name.
pub(crate) fn parse_mode(name: &str) -> Option<RetentionMode> {
    [RetentionMode::Governance, RetentionMode::Compliance].into_iter().find(|mode| mode_name(*mode) == name)
}

/// The API's name of a legal hold's state.
pub(crate) fn legal_hold_name(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// The state of that name.
pub(crate) fn parse_legal_hold(name: &str) -> Option<bool> {
    [true, false].into_iter().find(|on| legal_hold_name(*on) == name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{insert_lock, read_headers, require_integrity};
    use crate::s3::S3Error;
    use crate::types::{Retention, RetentionMode, Timestamp, VersionAttributes};

    const NOW: Timestamp = Timestamp(1_445_412_480_000_000);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn read(mode: &'static str, until: &'static str) -> Result<Option<Retention>, S3Error> {
        let pairs = [("x-amz-object-lock-mode", mode), ("x-amz-object-lock-retain-until-date", until)];
        read_headers(&headers(&pairs), NOW).map(|(retention, _)| retention)
    }

    #[test]
    fn a_retention_has_a_mode_and_an_end_in_the_future() {
        let until = Timestamp::parse_iso("2030-01-01T00:00:00Z").unwrap();
        let expected = Retention { mode: RetentionMode::Compliance, until };
        for text in ["2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00", "2029-12-31T23:59:59.999001Z"] {
            assert_eq!(read("COMPLIANCE", text).unwrap(), Some(expected), "{text}");
        }
        for (mode, until, message) in [
            ("compliance", "2030-01-01T00:00:00Z", "Unknown wormMode directive."),
            ("GOVERNANCE", "tomorrow", "The retain until date must be provided in ISO 8601 format"),
            ("GOVERNANCE", "2015-10-21T07:28:00Z", "The retain until date must be in the future!"),
        ] {
            assert_eq!(read(mode, until).unwrap_err().message, message);
        }
    }

    #[test]
    fn half_a_retention_is_refused() {
        for pair in
            [("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z")]
        {
            assert!(read_headers(&headers(&[pair]), NOW).unwrap_err().message.contains("must both be supplied"));
        }
    }

    #[test]
    fn a_legal_hold_is_on_or_off() {
        let read = |text| read_headers(&headers(&[("x-amz-object-lock-legal-hold", text)]), NOW).map(|(_, hold)| hold);
        assert_eq!(read("ON").unwrap(), Some(true));
        assert_eq!(read("OFF").unwrap(), Some(false));
        assert!(read("on").is_err());
        assert_eq!(read_headers(&HeaderMap::new(), NOW).unwrap(), (None, None));
    }

    #[test]
    fn a_locked_body_needs_a_checksum() {
        assert!(require_integrity(&headers(&[("x-amz-checksum-mode", "ENABLED")])).is_err());
        for name in ["content-md5", "x-amz-checksum-crc32", "x-amz-trailer"] {
            assert!(require_integrity(&headers(&[(name, "x")])).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_lock_is_shown_as_it_was_asked_for() {
        let retention = read("GOVERNANCE", "2030-01-01T00:00:00Z").unwrap();
        let attributes = VersionAttributes { retention, legal_hold: Some(false), ..VersionAttributes::default() };
        let mut shown = HeaderMap::new();
        insert_lock(&mut shown, &attributes);
        assert_eq!(shown["x-amz-object-lock-mode"], "GOVERNANCE");
        assert_eq!(shown["x-amz-object-lock-retain-until-date"], "2030-01-01T00:00:00.000Z");
        assert_eq!(shown["x-amz-object-lock-legal-hold"], "OFF");
        shown.clear();
        insert_lock(&mut shown, &VersionAttributes::default());
        assert!(shown.is_empty());
    }
}
