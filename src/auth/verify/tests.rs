//! What the tests of the verdict share.

mod diagnosis;
mod fuzz;
mod refusals;
mod sessions;
mod signer;
mod v2;
mod vectors;

use std::sync::Arc;

use http::request::Parts;

use super::verify;
use crate::auth::{AuthError, AuthSettings, PayloadKind, SecretKey, SecretLookup, Verdict, Verified};
use crate::types::Timestamp;

pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The one key of AWS's examples.
pub(crate) struct ExampleKey;

impl SecretLookup for ExampleKey {
    fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>> {
        (access_key_id == ACCESS_KEY_ID).then(|| Arc::new(SecretKey::new(SECRET)))
    }
}

pub(crate) fn settings() -> AuthSettings {
    AuthSettings { region: "us-east-1".to_owned(), allow_v2: true, domains: vec!["s3.amazonaws.com".to_owned()] }
}

pub(crate) fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

pub(crate) fn at(amz_basic: &str) -> Timestamp {
    Timestamp::parse_amz_basic(amz_basic).unwrap()
}

pub(crate) fn judge(head: &Parts, now: &str) -> Result<Verdict, AuthError> {
    verify(head, &ExampleKey, &settings(), at(now))
}

pub(crate) fn signed(head: &Parts, now: &str) -> Verified {
    match judge(head, now) {
        Ok(Verdict::Signed(verified)) => verified,
        other => panic!("{other:#?}"),
    }
}

pub(crate) fn payload(head: &Parts, now: &str) -> PayloadKind {
    signed(head, now).payload
}
