//! GetObjectLegalHold and PutObjectLegalHold. Source: Amazon S3 API Reference.

use http::{HeaderMap, StatusCode};

use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::fields::Fields;
use crate::s3::lock::{legal_hold_name, parse_legal_hold, require_configuration};
use crate::s3::object_headers::{VERSION_ID, insert_version, object_error, respond, respond_xml};
use crate::s3::op::probes::find_attributes;
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error, parameters};
use crate::types::AttributeChange;

const KNOWN: [&str; 2] = ["LegalHold", "LegalHold/Status"];

/// Shows the legal hold of a version.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    require_configuration(gateway, call).await?;
    let (attributes, version) = find_attributes(gateway, call).await?;
    let Some(on) = attributes.legal_hold else {
        return Err(S3Error::new(Code::NoSuchObjectLockConfiguration).detail("Key", call.key().as_str()));
    };
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, version);
    let mut xml = XmlWriter::document("LegalHold");
    xml.text("Status", legal_hold_name(on));
    Ok(respond_xml(headers, xml.finish()))
}

/// Sets the legal hold of a version, or takes it away.
pub(crate) async fn set(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let fields = Fields::read(call, body, &KNOWN).await?;
    require_configuration(gateway, call).await?;
    let on = fields.value("LegalHold/Status").and_then(parse_legal_hold);
    let on = on.ok_or_else(|| S3Error::new(Code::MalformedXML).cause("the status is neither ON nor OFF"))?;
    let change = AttributeChange::LegalHold(on);
    let changed = gateway.engine.change_attributes(call.bucket(), call.key(), version, change).await;
    let changed = changed.map_err(|error| object_error(error, call.key(), version))?;
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, changed);
    Ok(respond(StatusCode::OK, headers, empty_body()))
}
