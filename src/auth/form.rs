//! The signature of a POST form: Signature Version 4 and 2 over the policy, sans-I/O.
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests in Browser-Based Uploads Using POST". Knows nothing of
//! how a form is transferred.

use aws_sigv4::sign::v4::calculate_signature;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use crate::auth::error::Mismatch;
use crate::auth::secret::ClaimedKey;
use crate::auth::{AuthError, AuthSettings, PostPolicy, SecretLookup, v4};
use crate::types::Timestamp;

/// The fields of a form before its file. Names have no case and are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Those of a test's form.
    #[cfg(test)]
    pub(crate) fn for_test(pairs: &[(&str, &str)]) -> Self {
        let mut fields = Self::default();
        for (name, value) in pairs {
            fields.add(name, (*value).to_owned()).expect("a test names each field once");
        }
        fields
    }

    /// Adds a field.
    ///
    /// # Errors
    /// The name in lower case, if there is such a field already: which of two values counts must not be a guess.
    pub fn add(&mut self, name: &str, value: String) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        if self.value(&name).is_some() {
            return Err(name);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The value of a field, by its name in lower case.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// All names, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Replaces each value by what `change` makes of it.
    pub fn change_values(&mut self, change: impl Fn(&str) -> String) {
        for (_, value) in &mut self.0 {
            *value = change(value);
        }
    }
}

/// Who stands behind a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormVerdict {
    /// It carries neither a signature nor a policy.
    Anonymous,
    /// Its policy is signed.
    Signed {
        /// Whose key signed it.
        access_key_id: String,
        /// The token of the session that the key is of, if it is of one.
        token: Option<String>,
        /// What was signed.
        policy: PostPolicy,
    },
}

/// Judges who stands behind a form, and reads its policy. The policy itself is still to be judged.
///
/// # Errors
/// The check that refused.
pub fn verify_form(
    fields: &FormFields,
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<FormVerdict, AuthError> {
    let has_any = |names: &[&str]| names.iter().any(|name| fields.value(name).is_some());
    let is_v4 = has_any(&["x-amz-algorithm", "x-amz-credential", "x-amz-signature"]);
    let is_v2 = has_any(&["awsaccesskeyid", "signature"]);
    let access_key_id = match (is_v4, is_v2) {
        (false, false) if fields.value("policy").is_some() => {
            return Err(AuthError::MissingFormField { name: "AWSAccessKeyId" });
        }
        (false, false) => return Ok(FormVerdict::Anonymous),
        (true, true) => return Err(AuthError::SeveralMechanisms),
        (false, true) if !settings.allow_v2 => return Err(AuthError::V2Disabled),
        (true, false) => verify_v4(fields, keys, settings, now)?,
        (false, true) => verify_v2(fields, keys, now)?,
    };
    let policy = PostPolicy::parse(required(fields, "policy", "policy")?).map_err(AuthError::FormPolicy)?;
    let token = token(fields).map(str::to_owned);
    Ok(FormVerdict::Signed { access_key_id: access_key_id.to_owned(), token, policy })
}

fn required<'a>(fields: &'a FormFields, field: &str, name: &'static str) -> Result<&'a str, AuthError> {
    fields.value(field).ok_or(AuthError::MissingFormField { name })
}

fn verify_v4<'a>(
    fields: &'a FormFields,
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<&'a str, AuthError> {
    let algorithm = required(fields, "x-amz-algorithm", "X-Amz-Algorithm")?;
    let credential = required(fields, "x-amz-credential", "X-Amz-Credential")?;
    let date = required(fields, "x-amz-date", "X-Amz-Date")?;
    let signature = required(fields, "x-amz-signature", "X-Amz-Signature")?;
    let policy = required(fields, "policy", "policy")?;
    let claim = v4::FormClaim { algorithm, credential, token: token(fields), date };
    let (access_key_id, key) = v4::form_signing_key(&claim, keys, &v4::Endpoint::s3(settings), now)?;
    let computed = calculate_signature(key.key.expose(), policy.as_bytes());
    compare(access_key_id, policy, &computed, signature)?;
    v4::keep_signing_key(&key);
    Ok(access_key_id)
}

fn verify_v2<'a>(fields: &'a FormFields, keys: &dyn SecretLookup, now: Timestamp) -> Result<&'a str, AuthError> {
    let access_key_id = required(fields, "awsaccesskeyid", "AWSAccessKeyId")?;
    let signature = required(fields, "signature", "signature")?;
    let policy = required(fields, "policy", "policy")?;
    let secret = ClaimedKey { access_key_id, token: token(fields), now }.secret(keys)?;
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(policy.as_bytes());
    let computed = BASE64.encode(mac.finalize().into_bytes());
    compare(access_key_id, policy, &computed, signature)?;
    Ok(access_key_id)
}

/// The token of a session. The policy must name it like every other field.
fn token(fields: &FormFields) -> Option<&str> {
    fields.value("x-amz-security-token").filter(|token| !token.is_empty())
}

fn compare(access_key_id: &str, policy: &str, computed: &str, provided: &str) -> Result<(), AuthError> {
    if bool::from(computed.as_bytes().ct_eq(provided.as_bytes())) {
        return Ok(());
    }
    Err(AuthError::SignatureMismatch(Box::new(Mismatch {
        access_key_id: access_key_id.to_owned(),
        string_to_sign: policy.to_owned(),
        signature_provided: provided.to_owned(),
        canonical_request: None,
        host: String::new(),
    })))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::{FormFields, FormVerdict, verify_form};
    use crate::auth::{AuthError, AuthSettings, SecretKey, SecretLookup};
    use crate::types::Timestamp;

    /// The example of the documentation: its policy, its key, and the signature that it says must come out.
    const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    const SIGNATURE: &str = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
    const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

    struct Keys;

    impl SecretLookup for Keys {
        fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>> {
            (access_key_id == KEY_ID).then(|| Arc::new(SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")))
        }
    }

    fn verify(fields: &[(&str, &str)], allow_v2: bool) -> Result<FormVerdict, AuthError> {
        let settings = AuthSettings { region: "us-east-1".to_owned(), allow_v2, domains: Vec::new() };
        verify_form(
            &FormFields::for_test(fields),
            &Keys,
            &settings,
            Timestamp::parse_amz_basic("20151229T001000Z").unwrap(),
        )
    }

    fn v4() -> Vec<(&'static str, &'static str)> {
        vec![
            ("Policy", POLICY),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
            ("X-Amz-Date", "20151229T000000Z"),
            ("X-Amz-Signature", SIGNATURE),
        ]
    }

    #[test]
    fn the_documented_example_holds() {
        assert!(
            matches!(verify(&v4(), true), Ok(FormVerdict::Signed { access_key_id, .. }) if access_key_id == KEY_ID)
        );
    }

    #[test]
    fn whatever_is_changed_or_missing_is_refused() {
        for (place, (name, _)) in v4().into_iter().enumerate() {
            let mut fields = v4();
            fields.remove(place);
            let refused = verify(&fields, true).unwrap_err();
            assert!(matches!(refused, AuthError::MissingFormField { .. }), "{name}: {refused:?}");
        }
        let changed = |place: usize, value: &'static str| {
            let mut fields = v4();
            fields[place].1 = value;
            verify(&fields, true).unwrap_err()
        };
        assert!(matches!(changed(0, "e30="), AuthError::SignatureMismatch(_)));
        assert!(matches!(changed(4, ""), AuthError::SignatureMismatch(_)));
        assert_eq!(changed(1, "AWS4-HMAC-SHA1"), AuthError::UnsupportedQueryAlgorithm);
        assert_eq!(changed(3, "2015-12-29"), AuthError::MalformedQueryDate);
        assert!(matches!(changed(3, "20151230T000000Z"), AuthError::ScopeDateMismatch { .. }));
        let region = "AKIAIOSFODNN7EXAMPLE/20151229/eu-west-1/s3/aws4_request";
        assert!(matches!(changed(2, region), AuthError::WrongRegion { .. }));
        let other = "AKIAOTHER/20151229/us-east-1/s3/aws4_request";
        assert!(matches!(changed(2, other), AuthError::UnknownAccessKey { .. }));
        let mut old = v4();
        old[2].1 = "AKIAIOSFODNN7EXAMPLE/20151221/us-east-1/s3/aws4_request";
        old[3].1 = "20151221T000000Z";
        assert!(matches!(verify(&old, true), Err(AuthError::Expired { .. })), "a scope lives for a week");
        let mut token = v4();
        token.push(("x-amz-security-token", "t"));
        assert_eq!(verify(&token, true), Err(AuthError::SecurityToken));
    }

    #[test]
    fn version_2_signs_the_policy_with_sha1() {
        let policy = BASE64.encode(r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[]}"#);
        // printf %s POLICY | openssl dgst -sha1 -hmac SECRET -binary | base64
        let signature = "IPeWedcAbGmb3/F+iWiMK4yDWW0=";
        let fields = [("policy", policy.as_str()), ("AWSAccessKeyId", KEY_ID), ("signature", signature)];
        assert!(matches!(verify(&fields, true), Ok(FormVerdict::Signed { .. })));
        assert_eq!(verify(&fields, false), Err(AuthError::V2Disabled));
        let wrong = [fields[0], fields[1], ("signature", "AAAA")];
        assert!(matches!(verify(&wrong, true), Err(AuthError::SignatureMismatch(_))));
        assert_eq!(verify(&fields[..2], true), Err(AuthError::MissingFormField { name: "signature" }));
        assert_eq!(verify(&fields[1..], true), Err(AuthError::MissingFormField { name: "policy" }));
    }

    #[test]
    fn a_form_is_anonymous_only_without_any_trace_of_a_signature() {
        assert_eq!(verify(&[("key", "k")], true), Ok(FormVerdict::Anonymous));
        let missing = AuthError::MissingFormField { name: "AWSAccessKeyId" };
        assert_eq!(verify(&[("policy", POLICY)], true), Err(missing));
        let mut both = v4();
        both.push(("signature", "x"));
        assert_eq!(verify(&both, true), Err(AuthError::SeveralMechanisms));
    }

    #[test]
    fn a_field_is_given_once_whatever_its_case() {
        let mut fields = FormFields::default();
        fields.add("Key", "a".to_owned()).unwrap();
        assert_eq!(fields.add("kEY", "b".to_owned()), Err("key".to_owned()));
        assert_eq!(fields.value("key"), Some("a"));
    }
}
