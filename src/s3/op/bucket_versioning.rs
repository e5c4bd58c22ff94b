//! GetBucketVersioning and PutBucketVersioning. Source: Amazon S3 API Reference.

use http::StatusCode;

use crate::net::{RequestBody, Response};
use crate::rules::Versioning;
use crate::s3::authorize::call::Authorized;
use crate::s3::fields::Fields;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};

pub(super) const KNOWN: [&str; 3] =
    ["VersioningConfiguration", "VersioningConfiguration/Status", "VersioningConfiguration/MfaDelete"];

/// Shows the state; nothing if versioning never was on.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let state = match gateway.engine.versioning(call.bucket()).await? {
        Versioning::Unversioned => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    let mut xml = XmlWriter::document("VersioningConfiguration");
    xml.optional("Status", state);
    Ok(respond_document(xml.finish()))
}

/// Enables or suspends versioning.
pub(crate) async fn set(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let state = parse(&Fields::read(call, body, &KNOWN).await?)?;
    gateway.engine.set_versioning(call.bucket(), state).await?;
    Ok(respond_empty(StatusCode::OK))
}

pub(super) fn parse(fields: &Fields) -> Result<Versioning, S3Error> {
    match fields.value("VersioningConfiguration/MfaDelete") {
        None | Some("Disabled") => {}
        Some("Enabled") => {
            return Err(S3Error::new(Code::AccessDenied)
                .message("Mfa Authentication must be used for this request, and there are no devices for it here."));
        }
        Some(other) => return Err(S3Error::new(Code::MalformedXML).cause(format!("MfaDelete is {other}"))),
    }
    match fields.value("VersioningConfiguration/Status") {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        None => Err(S3Error::new(Code::IllegalVersioningConfigurationException)
            .message("The Versioning element must be specified")),
        Some(other) => Err(S3Error::new(Code::MalformedXML).cause(format!("Status is {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, parse};
    use crate::rules::Versioning;
    use crate::s3::Code;
    use crate::s3::fields::Fields;

    #[test]
    fn versioning_is_enabled_or_suspended_and_mfa_is_not_to_be_had() {
        let read = |inner: &str| {
            let document = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
            parse(&Fields::parse(document.as_bytes(), &KNOWN).unwrap()).map_err(|error| error.code)
        };
        assert_eq!(read("<Status>Enabled</Status>"), Ok(Versioning::Enabled));
        assert_eq!(read("<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>"), Ok(Versioning::Suspended));
        assert_eq!(read("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"), Err(Code::AccessDenied));
        assert_eq!(read("<Status>Enabled</Status><MfaDelete>enabled</MfaDelete>"), Err(Code::MalformedXML));
        assert_eq!(read("<Status>enabled</Status>"), Err(Code::MalformedXML));
        assert_eq!(read("<Status/>"), Err(Code::MalformedXML));
        assert_eq!(read(""), Err(Code::IllegalVersioningConfigurationException));
    }
}
