//! GetObjectRetention and PutObjectRetention. Source: Amazon S3 API Reference.

use http::{HeaderMap, StatusCode};

use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::authorize::may_bypass;
use crate::s3::fields::Fields;
use crate::s3::lock::{future_retention, mode_name, parse_mode, require_configuration};
use crate::s3::object_headers::{VERSION_ID, insert_version, object_error, respond, respond_xml};
use crate::s3::op::probes::find_attributes;
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error, parameters};
use crate::types::{AttributeChange, Retention, Timestamp};

pub(super) const KNOWN: [&str; 3] = ["Retention", "Retention/Mode", "Retention/RetainUntilDate"];

/// Shows the retention of a version.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    require_configuration(gateway, call).await?;
    let (attributes, version) = find_attributes(gateway, call).await?;
    let Some(Retention { mode, until }) = attributes.retention else {
        return Err(S3Error::new(Code::NoSuchObjectLockConfiguration).detail("Key", call.key().as_str()));
    };
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, version);
    let mut xml = XmlWriter::document("Retention");
    xml.text("Mode", mode_name(mode)).text("RetainUntilDate", until.iso_millis());
    Ok(respond_xml(headers, xml.finish()))
}

/// Sets the retention of a version; an empty document takes it away.
pub(crate) async fn set(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let fields = Fields::read(call, body, &KNOWN).await?;
    require_configuration(gateway, call).await?;
    let retention = parse(&fields, gateway.clock.now())?;
    let bypass_governance = may_bypass(gateway, call, call.key().as_str());
    let change = AttributeChange::Retention { retention, bypass_governance };
    let changed = gateway.engine.change_attributes(call.bucket(), call.key(), version, change).await;
    let changed = changed.map_err(|error| object_error(error, call.key(), version))?;
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, changed);
    Ok(respond(StatusCode::OK, headers, empty_body()))
}

pub(super) fn parse(fields: &Fields, now: Timestamp) -> Result<Option<Retention>, S3Error> {
    let malformed = |cause: &'static str| S3Error::new(Code::MalformedXML).cause(cause);
    let (mode, until) = match (fields.value("Retention/Mode"), fields.value("Retention/RetainUntilDate")) {
        (None, None) => return Ok(None),
        (Some(mode), Some(until)) => (mode, until),
        (Some(_), None) | (None, Some(_)) => return Err(malformed("a retention is a mode and a date")),
    };
    let mode = parse_mode(mode).ok_or_else(|| malformed("the mode is none"))?;
    let until = Timestamp::parse_iso(until).ok_or_else(|| malformed("the date is none"))?;
    Ok(Some(future_retention("RetainUntilDate", mode, until, now)?))
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, parse};
    use crate::s3::Code;
    use crate::s3::fields::Fields;
    use crate::types::{Retention, RetentionMode, Timestamp};

    #[test]
    fn a_retention_is_a_mode_and_a_date_in_the_future_or_nothing() {
        let read = |inner: &str| {
            let fields = Fields::parse(format!("<Retention>{inner}</Retention>").as_bytes(), &KNOWN).unwrap();
            parse(&fields, Timestamp::from_seconds(1_000)).map_err(|error| error.code)
        };
        let until = Timestamp::from_seconds(1_893_456_000);
        let date = "<RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>";
        let expected = Retention { mode: RetentionMode::Governance, until };
        assert_eq!(read(&format!("<Mode>GOVERNANCE</Mode>{date}")), Ok(Some(expected)));
        assert_eq!(read(""), Ok(None));
        for bad in [date, "<Mode>GOVERNANCE</Mode>", &format!("<Mode>governance</Mode>{date}")] {
            assert_eq!(read(bad), Err(Code::MalformedXML), "{bad}");
        }
        let past = "<Mode>GOVERNANCE</Mode><RetainUntilDate>1970-01-01T00:00:00Z</RetainUntilDate>";
        assert_eq!(read(past), Err(Code::InvalidArgument));
        let no_date = "<Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>";
        assert_eq!(read(no_date), Err(Code::MalformedXML));
    }
}
