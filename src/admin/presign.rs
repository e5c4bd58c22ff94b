//! Presigned URLs of the S3 listener, signed with the key of whoever asks.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, sign};
use aws_sigv4::sign::v4;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::json;

use crate::admin::answer::{Fault, Outcome, ok};
use crate::admin::call::{Call, not_signed_in};
use crate::admin::overview::s3_url;
use crate::admin::shared::Shared;
use crate::auth::{SecretLookup as _, s3_signing};
use crate::limits::admin::PRESIGN_SECONDS_MAX;
use crate::types::{BucketName, Clock as _, ObjectKey, SystemClock, URL_PATH, URL_VALUE};

/// Methods that need nothing beside the URL.
const METHODS: [&str; 4] = ["GET", "HEAD", "PUT", "DELETE"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    method: String,
    bucket: String,
    key: String,
    version_id: Option<String>,
    expires_seconds: u64,
}

/// Makes a URL that does one thing to one object for a while. What it may do is judged when it is used.
pub(crate) fn presign(admin: &Shared, call: &Call) -> Outcome {
    let wanted: Wanted = call.json()?;
    if !METHODS.contains(&wanted.method.as_str()) {
        return Err(Fault::bad("bad-method", format!("The method is one of {}.", METHODS.join(", "))));
    }
    if !(1..=PRESIGN_SECONDS_MAX).contains(&wanted.expires_seconds) {
        return Err(Fault::bad("bad-expires", format!("A URL lives from 1 to {PRESIGN_SECONDS_MAX} seconds.")));
    }
    let bucket = BucketName::parse(&wanted.bucket).map_err(|_| Fault::bad("bad-bucket", "That is no bucket name."))?;
    let key = ObjectKey::parse(wanted.key).map_err(|_| Fault::bad("bad-object-key", "That is no object key."))?;
    let path = utf8_percent_encode(key.as_str(), URL_PATH);
    let mut url = format!("{}/{bucket}/{path}", s3_url(&admin.parts.s3_url, &call.head));
    if let Some(version) = &wanted.version_id {
        url.push_str(&format!("?versionId={}", utf8_percent_encode(version, URL_VALUE)));
    }
    let id = &call.caller()?.access_key_id;
    let secret = admin.keyring.secret(id).ok_or_else(not_signed_in)?;
    let credentials = Credentials::new(id, secret.expose(), None, None, "sluicegate");
    let added = signature(&wanted.method, &url, credentials, &admin.auth.region, wanted.expires_seconds)?;
    let separator = if wanted.version_id.is_some() { '&' } else { '?' };
    let pairs: Vec<String> =
        added.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, URL_VALUE))).collect();
    ok(&json!({"url": format!("{url}{separator}{}", pairs.join("&"))}))
}

/// The parameters that sign a URL.
fn signature(
    method: &str,
    url: &str,
    credentials: Credentials,
    region: &str,
    seconds: u64,
) -> Result<Vec<(String, String)>, Fault> {
    let mut settings = s3_signing(PayloadChecksumKind::NoHeader);
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(seconds));
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(SystemClock.now().to_system_time())
        .settings(settings)
        .build()
        .map_err(|error| Fault::internal(&error))?
        .into();
    let host = url.split('/').nth(2).unwrap_or_default();
    let headers = std::iter::once(("host", host));
    let request = SignableRequest::new(method, url, headers, SignableBody::UnsignedPayload)
        .map_err(|error| Fault::internal(&error))?;
    let signed = sign(request, &params).map_err(|error| Fault::internal(&error))?;
    let (_, added) = signed.into_parts().0.into_parts();
    Ok(added.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect())
}
