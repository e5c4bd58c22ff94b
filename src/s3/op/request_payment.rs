//! GetBucketRequestPayment and PutBucketRequestPayment. Source: Amazon S3 API Reference.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::Payer;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::op::probes::read_word;
use crate::s3::requester_pays::payer;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

const ROOT: &str = "RequestPaymentConfiguration";

/// Shows who pays.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let payer = payer(gateway, call.bucket()).await?;
    let mut xml = XmlWriter::document(ROOT);
    xml.text("Payer", payer.name());
    Ok(respond_document(xml.finish()))
}

/// Decides who pays.
///
/// # Errors
/// `MalformedXML`.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let payer = Payer::parse(&read_word(&document, ROOT, "Payer")?).ok_or(S3Error::new(Code::MalformedXML))?;
    let body = match payer {
        Payer::BucketOwner => None,
        Payer::Requester => Some(payer.name().as_bytes().into()),
    };
    gateway.engine.set_document(call.bucket(), DocumentKind::RequestPayment, body).await?;
    Ok(respond_empty(StatusCode::OK))
}
