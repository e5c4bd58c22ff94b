//! Requests that are signed with the key of a session: the token proves the key, wherever it stands.

use std::sync::Arc;

use aws_sigv4::http_request::SignableBody;
use http::request::Parts;

use super::signer::{NOW, Signing, sign_request};
use super::{ACCESS_KEY_ID, EMPTY_SHA256, ExampleKey, SECRET, at, head, settings};
use crate::auth::{AuthError, SecretKey, SecretLookup, TokenRefusal, Verdict, verify, verify_sts};
use crate::types::Timestamp;

const TOKEN: &str = "x-amz-security-token";

/// Knows one session, by the tokens `good` and `old`.
struct OneSession;

impl SecretLookup for OneSession {
    fn secret(&self, _: &str) -> Option<Arc<SecretKey>> {
        None
    }

    fn session_secret(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<Arc<SecretKey>, TokenRefusal> {
        assert_eq!(now, at(NOW));
        match token {
            "good" if access_key_id == ACCESS_KEY_ID => Ok(Arc::new(SecretKey::new(SECRET))),
            "old" => Err(TokenRefusal::Expired),
            _ => Err(TokenRefusal::Invalid),
        }
    }
}

fn judge(head: &Parts) -> Result<Option<String>, AuthError> {
    match verify(head, &OneSession, &settings(), at(NOW))? {
        Verdict::Signed(verified) => Ok(verified.token),
        Verdict::Anonymous { .. } => panic!("it is signed"),
    }
}

fn in_header(tokens: &[&str]) -> Parts {
    let headers: Vec<(&str, &str)> = tokens.iter().map(|token| (TOKEN, *token)).collect();
    let body = SignableBody::Precomputed(EMPTY_SHA256.to_owned());
    sign_request("GET", "/b/k", &headers, Signing { body, ..Signing::default() })
}

fn presigned(uri: &str, headers: &[(&str, &str)]) -> Parts {
    sign_request("GET", uri, headers, Signing { presign_seconds: Some(60), ..Signing::default() })
}

#[test]
fn a_token_in_a_header_proves_the_key() {
    assert_eq!(judge(&in_header(&["good"])), Ok(Some("good".to_owned())));
    assert_eq!(judge(&in_header(&["old"])), Err(AuthError::ExpiredToken));
    assert_eq!(judge(&in_header(&["bad"])), Err(AuthError::SecurityToken));
    assert!(matches!(judge(&in_header(&["good", "good"])), Err(AuthError::RepeatedHeader { .. })));
    for none in [&[][..], &[""]] {
        assert!(matches!(judge(&in_header(none)), Err(AuthError::UnknownAccessKey { .. })));
    }
    let mut unsigned = in_header(&[]);
    unsigned.headers.insert(TOKEN, http::HeaderValue::from_static("good"));
    assert!(matches!(judge(&unsigned), Err(AuthError::HeadersNotSigned { .. })));
    let mut exchanged = in_header(&["bad"]);
    exchanged.headers.insert(TOKEN, http::HeaderValue::from_static("good"));
    assert!(matches!(judge(&exchanged), Err(AuthError::SignatureMismatch(_))));
}

#[test]
fn a_token_in_a_url_proves_the_key() {
    assert_eq!(judge(&presigned("/b/k?X-Amz-Security-Token=good", &[])), Ok(Some("good".to_owned())));
    assert_eq!(judge(&presigned("/b/k?X-Amz-Security-Token=old", &[])), Err(AuthError::ExpiredToken));
    assert_eq!(judge(&presigned("/b/k", &[(TOKEN, "good")])), Ok(Some("good".to_owned())));
    let both = presigned("/b/k?X-Amz-Security-Token=good", &[(TOKEN, "good")]);
    assert_eq!(judge(&both), Err(AuthError::SecurityToken));
    let twice = presigned("/b/k?X-Amz-Security-Token=good&X-Amz-Security-Token=good", &[]);
    assert!(matches!(judge(&twice), Err(AuthError::RepeatedParameter { .. })));
    let mut added = presigned("/b/k", &[]);
    added.uri = format!("{}&X-Amz-Security-Token=good", added.uri).parse().unwrap();
    assert!(matches!(judge(&added), Err(AuthError::SignatureMismatch(_))));
}

#[test]
fn where_nobody_makes_sessions_no_token_is_good() {
    let refused = verify(&in_header(&["good"]), &ExampleKey, &settings(), at(NOW));
    assert_eq!(refused, Err(AuthError::SecurityToken));
}

/// The body counts as it came, whatever the head says of it.
#[test]
fn requests_for_tokens_are_signed_with_their_bodies() {
    let form: &[u8] = b"Action=GetCallerIdentity";
    let signed = |service, body| sign_request("POST", "/", &[], Signing { service, body, ..Signing::default() });
    let judge = |head: &Parts, body: &[u8]| verify_sts(head, body, &ExampleKey, &settings(), at(NOW));
    let good = signed("sts", SignableBody::Bytes(form));
    assert_eq!(judge(&good, form).unwrap().unwrap().access_key_id, ACCESS_KEY_ID);
    assert!(matches!(judge(&good, b"Action=GetSessionToken"), Err(AuthError::SignatureMismatch(_))));
    let unsigned = signed("sts", SignableBody::UnsignedPayload);
    assert!(matches!(judge(&unsigned, form), Err(AuthError::SignatureMismatch(_))));
    assert!(matches!(judge(&signed("s3", SignableBody::Bytes(form)), form), Err(AuthError::WrongService { .. })));
    assert_eq!(judge(&head("POST", "/", &[]), form), Ok(None));
    assert_eq!(judge(&presigned("/", &[]), form), Err(AuthError::UnsupportedAuthorization));
    assert!(matches!(verify(&good, &ExampleKey, &settings(), at(NOW)), Err(AuthError::WrongService { .. })));
}
