//! GetObjectLockConfiguration and PutObjectLockConfiguration. Source: Amazon S3 API Reference.

use std::sync::Arc;

use http::StatusCode;

use crate::limits::{LOCK_DAYS_MAX, LOCK_YEARS_MAX};
use crate::net::{RequestBody, Response};
use crate::rules::{DefaultRetention, ObjectLock, Period};
use crate::s3::authorize::call::Authorized;
use crate::s3::fields::Fields;
use crate::s3::lock::{mode_name, parse_mode};
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

const ENABLED: &str = "ObjectLockConfiguration/ObjectLockEnabled";
const RULE: &str = "ObjectLockConfiguration/Rule";
const DEFAULT: &str = "ObjectLockConfiguration/Rule/DefaultRetention";
const MODE: &str = "ObjectLockConfiguration/Rule/DefaultRetention/Mode";
const DAYS: &str = "ObjectLockConfiguration/Rule/DefaultRetention/Days";
const YEARS: &str = "ObjectLockConfiguration/Rule/DefaultRetention/Years";
pub(super) const KNOWN: [&str; 7] = ["ObjectLockConfiguration", ENABLED, RULE, DEFAULT, MODE, DAYS, YEARS];

/// Shows the object lock of a bucket.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let lock = gateway.engine.object_lock(call.bucket()).await?;
    let lock = lock.ok_or_else(|| absent(call, Code::ObjectLockConfigurationNotFoundError))?;
    Ok(respond_document(document(lock)))
}

pub(super) fn document(lock: ObjectLock) -> String {
    let mut xml = XmlWriter::document("ObjectLockConfiguration");
    xml.text("ObjectLockEnabled", "Enabled");
    if let Some(DefaultRetention { mode, period }) = lock.default {
        xml.open("Rule").open("DefaultRetention").text("Mode", mode_name(mode));
        match period {
            Period::Days(days) => xml.text("Days", days),
            Period::Years(years) => xml.text("Years", years),
        };
    }
    xml.finish()
}

/// Sets the object lock of a bucket that has versioning. It is never taken away; its default may be.
pub(crate) async fn set(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let lock = parse(&Fields::read(call, body, &KNOWN).await?)?;
    let document = Some(Arc::from(lock.to_document()));
    gateway.engine.set_document(call.bucket(), DocumentKind::ObjectLock, document).await?;
    Ok(respond_empty(StatusCode::OK))
}

pub(super) fn parse(fields: &Fields) -> Result<ObjectLock, S3Error> {
    let malformed = |cause: &'static str| S3Error::new(Code::MalformedXML).cause(cause);
    if fields.value(ENABLED) != Some("Enabled") {
        return Err(malformed("ObjectLockEnabled is not Enabled"));
    }
    if !fields.has(RULE) {
        return Ok(ObjectLock::default());
    }
    let mode = fields.value(MODE).and_then(parse_mode).ok_or_else(|| malformed("the Mode is none"))?;
    let period = match (fields.value(DAYS), fields.value(YEARS)) {
        (Some(days), None) => Period::Days(length("Days", days, LOCK_DAYS_MAX)?),
        (None, Some(years)) => Period::Years(length("Years", years, LOCK_YEARS_MAX)?),
        (Some(_), Some(_)) | (None, None) => return Err(malformed("it is either Days or Years")),
    };
    Ok(ObjectLock { default: Some(DefaultRetention { mode, period }) })
}

fn length(name: &'static str, text: &str, max: u32) -> Result<u32, S3Error> {
    let number: i64 = text.parse().map_err(|_| S3Error::new(Code::MalformedXML).cause("a period is no number"))?;
    match u32::try_from(number) {
        Err(_) | Ok(0) if number <= 0 => {
            let message = "Default retention period must be a positive integer value.";
            Err(S3Error::invalid_argument(name, text, message))
        }
        Ok(number) if number <= max => Ok(number),
        Ok(_) | Err(_) => Err(S3Error::invalid_argument(name, text, "Default retention period too large.")),
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, document, parse};
    use crate::rules::ObjectLock;
    use crate::s3::Code;
    use crate::s3::fields::Fields;

    fn read(inner: &str) -> Result<ObjectLock, Code> {
        let document = format!("<ObjectLockConfiguration>{inner}</ObjectLockConfiguration>");
        let fields = Fields::parse(document.as_bytes(), &KNOWN).map_err(|error| error.code)?;
        parse(&fields).map_err(|error| error.code)
    }

    fn rule(inner: &str) -> String {
        let rule = format!("<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>");
        format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}")
    }

    #[test]
    fn what_is_shown_is_what_was_set() {
        for inner in [
            "<ObjectLockEnabled>Enabled</ObjectLockEnabled>".to_owned(),
            rule("<Mode>GOVERNANCE</Mode><Days>1</Days>"),
            rule("<Mode>COMPLIANCE</Mode><Years>100</Years>"),
            rule("<Mode>COMPLIANCE</Mode><Days>36500</Days>"),
        ] {
            let shown = document(read(&inner).unwrap());
            assert!(shown.ends_with(&format!("{inner}</ObjectLockConfiguration>")), "{shown}");
        }
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let table = [
            (String::new(), Code::MalformedXML),
            ("<ObjectLockEnabled>Disabled</ObjectLockEnabled>".to_owned(), Code::MalformedXML),
            ("<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/>".to_owned(), Code::MalformedXML),
            (rule("<Mode>GOVERNANCE</Mode>"), Code::MalformedXML),
            (rule("<Days>1</Days>"), Code::MalformedXML),
            (rule("<Mode>abc</Mode><Days>1</Days>"), Code::MalformedXML),
            (rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), Code::MalformedXML),
            (rule("<Mode>GOVERNANCE</Mode><Days>1.5</Days>"), Code::MalformedXML),
            (rule("<Mode>GOVERNANCE</Mode><Days>0</Days>"), Code::InvalidArgument),
            (rule("<Mode>GOVERNANCE</Mode><Years>-1</Years>"), Code::InvalidArgument),
            (rule("<Mode>GOVERNANCE</Mode><Days>99999999999</Days>"), Code::InvalidArgument),
            (rule("<Mode>GOVERNANCE</Mode><Years>101</Years>"), Code::InvalidArgument),
        ];
        for (inner, code) in table {
            assert_eq!(read(&inner), Err(code), "{inner}");
        }
    }
}
