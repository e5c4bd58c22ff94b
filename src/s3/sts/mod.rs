//! The Security Token Service, on the same port: temporary credentials, and who asks.
//!
//! Source: AWS Security Token Service API Reference. A request is a form that is posted to `/` and signed for the
//! service `sts`; its answers are documents of their own kind. Knows nothing of buckets.

mod action;
mod error;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::sync::atomic::Ordering;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};

use crate::auth::verify_sts;
use crate::identity::Principal;
use crate::limits::STS_BODY_BYTES_MAX;
use crate::net::{Peer, RequestBody, Response, full_body};
use crate::s3::Gateway;
use crate::s3::access::AccessRecord;
use crate::s3::authenticate::identity;
use crate::s3::route::names_service;
use crate::s3::sts::action::{Action, Asker};
use crate::s3::sts::error::{StsCode, StsError};
use crate::s3::xml::XmlWriter;

/// The namespace of every document.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Whether a request is for this service: S3 has no form that is posted to `/`.
pub(crate) fn is_for_sts(head: &Parts, domains: &[String]) -> bool {
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_form = content_type.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded");
    head.method == Method::POST && is_form && names_service(head, domains)
}

/// Answers a request. Its errors are documents of this service, and therefore answers.
pub(crate) async fn answer(
    gateway: &Gateway,
    head: &Parts,
    body: RequestBody,
    request_id: &str,
    record: &mut AccessRecord,
) -> Response {
    let mut response = match run(gateway, head, body, request_id, record).await {
        Ok(document) => Response::new(full_body(document)),
        Err(error) => {
            record.note_refusal(error.code.name(), error.explain());
            error.into_response(request_id)
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    headers.insert(REQUEST_ID, HeaderValue::from_str(request_id).expect("a request id is hex digits"));
    response
}

async fn run(
    gateway: &Gateway,
    head: &Parts,
    body: RequestBody,
    request_id: &str,
    record: &mut AccessRecord,
) -> Result<String, StsError> {
    let body = read(body, record).await?;
    let now = gateway.clock.now();
    let verified = verify_sts(head, &body, gateway.keyring.as_ref(), &gateway.settings.auth, now)
        .map_err(|error| {
            let explanation = gateway.explain_authentication(head, &error);
            StsError { explanation: Some(Box::new(explanation)), ..error.into() }
        })?
        .ok_or_else(|| StsError::new(StsCode::MissingAuthenticationToken, "Request is missing Authentication Token"))?;
    let principal = identity(gateway, &verified.access_key_id, verified.token.as_deref())?;
    record.note_principal(&principal);
    if let Principal::Identity { name, rates, .. } = &principal {
        let admitted = gateway.rates.admit_key(name, *rates);
        admitted.map_err(|refused| StsError::new(StsCode::Throttling, "Rate exceeded").because(refused))?;
    }
    let action = Action::read(&body)?;
    record.note_operation(action.name());
    let asker = Asker { principal: &principal, peer: head.extensions.get::<Peer>().copied(), now };
    let mut xml = XmlWriter::in_namespace(action.response_element(), NAMESPACE);
    action.run(gateway, &asker, &mut xml)?;
    xml.open("ResponseMetadata").text("RequestId", request_id).close();
    Ok(xml.finish())
}

/// Reads the form: it is small, and its hash is part of the signature.
async fn read(mut body: RequestBody, record: &AccessRecord) -> Result<Vec<u8>, StsError> {
    let received = record.received();
    let mut form = Vec::new();
    while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
        let piece = piece.map_err(|error| StsError::validation("The request body is not complete.").because(error))?;
        received.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if form.len() + piece.len() > STS_BODY_BYTES_MAX {
            return Err(StsError::validation("The request body is too long."));
        }
        form.extend_from_slice(&piece);
    }
    Ok(form)
}
