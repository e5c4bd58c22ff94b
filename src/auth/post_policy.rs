//! The policy of a POST form: what the key's owner lets somebody else upload. Parsing and judging, sans-I/O.
//!
//! Source: Amazon S3 API Reference, "POST Policy". Knows nothing of signatures: a policy counts only once its
//! own holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::auth::FormFields;
use crate::types::Timestamp;

/// Fields that no condition has to cover: the signature itself, what is signed, and what is uploaded.
const UNCOVERED: [&str; 5] = ["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"];
/// Fields whose names begin so are for the page alone.
const IGNORED_PREFIX: &str = "x-ignore-";
/// The field that every form has, whether it was sent or not: it is the bucket that is posted to.
const BUCKET: &str = "bucket";
/// The field whose value may be a list.
const CONTENT_TYPE: &str = "content-type";

/// Why a policy does not let a form pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostPolicyError {
    /// `InvalidPolicyDocument`, 400: it is no policy.
    #[error("Invalid Policy: {0}")]
    Malformed(String),
    /// `AccessDenied`, 403.
    #[error("Invalid according to Policy: Policy expired.")]
    Expired,
    /// `AccessDenied`, 403: the condition, as it stands in the policy.
    #[error("Invalid according to Policy: Policy Condition failed: {0}")]
    Failed(String),
    /// `AccessDenied`, 403: fields that no condition covers.
    #[error("Invalid according to Policy: Extra input fields: {0}")]
    Uncovered(String),
}

/// The bytes that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize {
    /// At least.
    pub bytes_min: u64,
    /// At most.
    pub bytes_max: u64,
}

impl FileSize {
    /// Any size.
    pub const ANY: Self = Self { bytes_min: 0, bytes_max: u64::MAX };
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostPolicy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

/// A condition. Names of fields are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, prefix: String },
    Size(FileSize),
}

impl PostPolicy {
    /// Reads a policy in base64.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(encoded: &str) -> Result<Self, PostPolicyError> {
        let encoded: String = encoded.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let bytes = BASE64.decode(encoded).map_err(|_| malformed("Invalid base64."))?;
        let policy: Value = serde_json::from_slice(&bytes).map_err(|_| malformed("Invalid JSON."))?;
        let Value::Object(members) = policy else { return Err(malformed("Invalid JSON.")) };
        if let Some(name) = members.keys().find(|name| !["expiration", "conditions"].contains(&name.as_str())) {
            return Err(malformed(format!("Unexpected: '{name}'")));
        }
        let expiration = members.get("expiration").ok_or_else(|| malformed("Policy missing expiration."))?;
        let conditions = members.get("conditions").ok_or_else(|| malformed("Policy missing conditions."))?;
        let Value::Array(conditions) = conditions else { return Err(malformed("Conditions must be a list.")) };
        Ok(Self {
            expiration: parse_expiration(expiration)?,
            conditions: conditions.iter().map(Condition::parse).collect::<Result<_, _>>()?,
        })
    }

    /// Judges a form that is posted to `bucket`: the policy holds, each of its conditions is met, and each field
    /// is covered by one. Returns how large the file may be, which shows only as it comes.
    ///
    /// # Errors
    /// `Expired`, `Failed`, `Uncovered`.
    pub fn judge(&self, fields: &FormFields, bucket: &str, now: Timestamp) -> Result<FileSize, PostPolicyError> {
        if now >= self.expiration {
            return Err(PostPolicyError::Expired);
        }
        let value = |field: &str| if field == BUCKET { Some(bucket) } else { fields.value(field) };
        let mut size = FileSize::ANY;
        for condition in &self.conditions {
            let holds = match condition {
                Condition::Equals { field, value: wanted } => value(field) == Some(wanted),
                Condition::StartsWith { field, prefix } => value(field).is_some_and(|text| begins(field, text, prefix)),
                Condition::Size(allowed) => {
                    size.bytes_min = size.bytes_min.max(allowed.bytes_min);
                    size.bytes_max = size.bytes_max.min(allowed.bytes_max);
                    true
                }
            };
            if !holds {
                return Err(PostPolicyError::Failed(condition.to_string()));
            }
        }
        let names = std::iter::once(BUCKET).chain(fields.names().filter(|name| *name != BUCKET));
        let uncovered: Vec<&str> = names.filter(|name| !is_exempt(name) && !self.covers(name)).collect();
        if uncovered.is_empty() { Ok(size) } else { Err(PostPolicyError::Uncovered(uncovered.join(", "))) }
    }

    fn covers(&self, name: &str) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Equals { field, .. } | Condition::StartsWith { field, .. } => field == name,
            Condition::Size(_) => false,
        })
    }
}

/// Whether a value begins as it must. A type that has commas is a list, and each of its entries must.
fn begins(field: &str, text: &str, prefix: &str) -> bool {
    match field {
        CONTENT_TYPE => text.split(',').all(|entry| entry.trim_start().starts_with(prefix)),
        _ => text.starts_with(prefix),
    }
}

fn is_exempt(name: &str) -> bool {
    UNCOVERED.contains(&name) || name.starts_with(IGNORED_PREFIX)
}

fn malformed(what: impl Into<String>) -> PostPolicyError {
    PostPolicyError::Malformed(what.into())
}

/// `2007-12-01T12:00:00.000Z` and nothing that a lenient parser might also take.
fn parse_expiration(value: &Value) -> Result<Timestamp, PostPolicyError> {
    let text = value.as_str().unwrap_or_default();
    let shaped = text.as_bytes().get(10) == Some(&b'T') && text.ends_with('Z');
    let parsed = if shaped { Timestamp::parse_iso(text) } else { None };
    parsed.ok_or_else(|| malformed(format!("Invalid 'expiration' value: '{text}'")))
}

impl Condition {
    fn parse(value: &Value) -> Result<Self, PostPolicyError> {
        match value {
            Value::Object(members) => {
                let mut pairs = members.iter();
                let (Some((field, value)), None) = (pairs.next(), pairs.next()) else {
                    return Err(malformed(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                let value =
                    value.as_str().ok_or_else(|| malformed("Invalid Simple-Condition: value must be a string."))?;
                Ok(Self::Equals { field: field.to_ascii_lowercase(), value: value.to_owned() })
            }
            Value::Array(pieces) => Self::parse_list(pieces),
            _ => Err(malformed("Invalid condition: a condition is an object or a list.")),
        }
    }

    fn parse_list(pieces: &[Value]) -> Result<Self, PostPolicyError> {
        let operator = pieces.first().and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let [_, second, third] = pieces else {
            return Err(malformed(format!("Invalid {operator}: wrong number of arguments.")));
        };
        if operator == "content-length-range" {
            let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
            let (Some(bytes_min), Some(bytes_max)) = (number(second), number(third)) else {
                return Err(malformed("Invalid content-length-range: the bounds must be non-negative integers."));
            };
            return Ok(Self::Size(FileSize { bytes_min, bytes_max }));
        }
        let field = second.as_str().and_then(|name| name.strip_prefix('$'));
        let (Some(field), Some(value)) = (field, third.as_str()) else {
            return Err(malformed(format!(
                "Invalid {operator}: the arguments must be a field, as in $key, and a string."
            )));
        };
        let (field, value) = (field.to_ascii_lowercase(), value.to_owned());
        match operator.as_str() {
            "eq" => Ok(Self::Equals { field, value }),
            "starts-with" => Ok(Self::StartsWith { field, prefix: value }),
            _ => Err(malformed(format!("Invalid condition: unknown operation '{operator}'."))),
        }
    }
}

/// As S3 shows a condition, whichever way it was written.
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |text: &str| Value::from(text).to_string();
        match self {
            Self::Equals { field, value } => write!(f, "[\"eq\", {}, {}]", text(&format!("${field}")), text(value)),
            Self::StartsWith { field, prefix } => {
                write!(f, "[\"starts-with\", {}, {}]", text(&format!("${field}")), text(prefix))
            }
            Self::Size(size) => write!(f, "[\"content-length-range\", {}, {}]", size.bytes_min, size.bytes_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use proptest::prelude::{any, proptest};

    use super::{FileSize, PostPolicy, PostPolicyError};
    use crate::auth::FormFields;
    use crate::types::Timestamp;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn parse(json: &str) -> Result<PostPolicy, PostPolicyError> {
        PostPolicy::parse(&BASE64.encode(json))
    }

    fn judge(conditions: &str, fields: &[(&str, &str)]) -> Result<FileSize, PostPolicyError> {
        let policy =
            parse(&format!(r#"{{"expiration":"2030-01-01T00:00:00.000Z","conditions":[{conditions}]}}"#)).unwrap();
        policy.judge(&FormFields::for_test(fields), "abc", NOW)
    }

    const BUCKET: &str = r#"{"bucket":"abc"}"#;

    #[test]
    fn conditions_are_met_or_named() {
        let with = |condition: &str, fields: &[(&str, &str)]| judge(&format!("{BUCKET},{condition}"), fields);
        assert_eq!(with(r#"["starts-with","$key","user/"]"#, &[("key", "user/a")]), Ok(FileSize::ANY));
        assert_eq!(with(r#"["StArTs-With","$KeY",""]"#, &[("kEY", "x")]), Ok(FileSize::ANY));
        assert_eq!(with(r#"["eq","$acl","private"]"#, &[("acl", "private")]), Ok(FileSize::ANY));
        let failed = |shown: &str| Err(PostPolicyError::Failed(shown.to_owned()));
        let start = r#"["starts-with", "$key", "user/"]"#;
        for bad in ["userx/a", "User/a", "", "xuser/"] {
            assert_eq!(with(start, &[("key", bad)]), failed(start), "{bad}");
        }
        assert_eq!(with(start, &[]), failed(start), "a field that was not sent meets nothing");
        assert_eq!(with(r#"["starts-with", "$key", ""]"#, &[]), failed(r#"["starts-with", "$key", ""]"#));
        let images = r#"["starts-with", "$content-type", "image/"]"#;
        assert_eq!(with(images, &[("Content-Type", "image/png, image/jpeg")]), Ok(FileSize::ANY));
        for bad in ["image/png,text/html", "image/png,", ",image/png"] {
            assert_eq!(with(images, &[("Content-Type", bad)]), failed(images), "{bad}");
        }
        assert_eq!(with(start, &[("key", "user/a,b")]), Ok(FileSize::ANY), "only a type is a list");
        assert_eq!(with(r#"{"acl":"private"}"#, &[("acl", "Private")]), failed(r#"["eq", "$acl", "private"]"#));
    }

    #[test]
    fn the_bucket_is_the_one_that_is_posted_to_whatever_the_form_says() {
        let failed = Err(PostPolicyError::Failed(r#"["eq", "$bucket", "other"]"#.to_owned()));
        assert_eq!(judge(r#"{"bucket":"other"}"#, &[]), failed);
        assert_eq!(judge(r#"{"bucket":"other"}"#, &[("bucket", "other")]), failed);
        assert_eq!(judge(BUCKET, &[("bucket", "other")]), Ok(FileSize::ANY));
        assert_eq!(judge("", &[]), Err(PostPolicyError::Uncovered("bucket".to_owned())));
        assert_eq!(judge(r#"["starts-with","$bucket","a"]"#, &[]), Ok(FileSize::ANY));
    }

    #[test]
    fn every_field_is_covered_by_a_condition() {
        let extra = |names: &str| Err(PostPolicyError::Uncovered(names.to_owned()));
        assert_eq!(judge(BUCKET, &[("x-amz-meta-a", "1"), ("acl", "x")]), extra("x-amz-meta-a, acl"));
        assert_eq!(judge(BUCKET, &[("x-amz-date", "1")]), extra("x-amz-date"));
        let free = [("policy", "p"), ("signature", "s"), ("AWSAccessKeyId", "a"), ("X-Amz-Signature", "s")];
        assert_eq!(judge(BUCKET, &free), Ok(FileSize::ANY));
        assert_eq!(judge(BUCKET, &[("x-ignore-me", "1")]), Ok(FileSize::ANY));
        let sized = format!(r#"{BUCKET},["content-length-range",1,2]"#);
        assert_eq!(judge(&sized, &[("content-length-range", "1")]), extra("content-length-range"));
    }

    #[test]
    fn sizes_narrow_each_other() {
        let sizes = format!(r#"{BUCKET},["content-length-range",1,10],["content-length-range","5",20]"#);
        assert_eq!(judge(&sizes, &[]), Ok(FileSize { bytes_min: 5, bytes_max: 10 }));
    }

    #[test]
    fn a_policy_ends_at_its_expiration() {
        let at = |text: &str| {
            let policy = parse(&format!(r#"{{"expiration":"{text}","conditions":[{BUCKET}]}}"#)).unwrap();
            policy.judge(&FormFields::default(), "abc", NOW)
        };
        assert_eq!(at("1970-01-12T13:46:40Z"), Err(PostPolicyError::Expired));
        assert_eq!(at("1970-01-12T13:46:41Z"), Ok(FileSize::ANY));
        assert_eq!(at("1970-01-12T13:46:40.500Z"), Ok(FileSize::ANY));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let table = [
            ("", "Invalid JSON."),
            ("[]", "Invalid JSON."),
            (r#"{"conditions":[]}"#, "Policy missing expiration."),
            (r#"{"expiration":"2030-01-01T00:00:00Z"}"#, "Policy missing conditions."),
            (r#"{"EXPIRATION":"2030-01-01T00:00:00Z","conditions":[]}"#, "Unexpected: 'EXPIRATION'"),
            (r#"{"expiration":"2030-01-01 00:00:00+00:00","conditions":[]}"#, "Invalid 'expiration' value"),
            (r#"{"expiration":5,"conditions":[]}"#, "Invalid 'expiration' value"),
            (r#"{"expiration":"2030-01-01T00:00:00Z","conditions":{}}"#, "Conditions must be a list."),
        ];
        for (json, message) in table {
            let error = parse(json).unwrap_err().to_string();
            assert!(error.starts_with(&format!("Invalid Policy: {message}")), "{json}: {error}");
        }
        assert!(matches!(PostPolicy::parse("!"), Err(PostPolicyError::Malformed(_))));
        for condition in [
            "{}",
            r#"{"a":"1","b":"2"}"#,
            r#"{"a":1}"#,
            "5",
            "[]",
            r#"["eq","$a"]"#,
            r#"["eq","a","b"]"#,
            r#"["eq","$a",5]"#,
            r#"["ends-with","$a","b"]"#,
            r#"["content-length-range",0]"#,
            r#"["content-length-range",-1,0]"#,
            r#"["content-length-range",0,1.5]"#,
        ] {
            let json = format!(r#"{{"expiration":"2030-01-01T00:00:00Z","conditions":[{condition}]}}"#);
            assert!(matches!(parse(&json), Err(PostPolicyError::Malformed(_))), "{condition}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_policies_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in ".{0,40}") {
            let _ = PostPolicy::parse(&BASE64.encode(&bytes));
            let _ = PostPolicy::parse(&text);
            let _ = parse(&format!(r#"{{"expiration":"{text}","conditions":[["{text}","${text}","{text}"]]}}"#));
        }
    }
}
