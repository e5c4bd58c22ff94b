//! Request headers that ask for what does not exist here. They are refused, never ignored: a client that asks
//! for a lock must not believe that it got one.

use http::HeaderMap;

use crate::s3::authorize::call::Authorized;
use crate::s3::{Code, S3Error};

/// How a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// `NotImplemented`, naming it.
    NotImplemented,
    /// `AccessDenied`: no device has such a code.
    Mfa,
}

/// The headers of object lock that work; those of event holds do not.
const LOCK_HEADERS: [&str; 3] =
    ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"];

/// Refuses a request whose headers ask for what is not built.
///
/// # Errors
/// `AccessDenied` for MFA codes, `NotImplemented` with the header's name.
pub(crate) fn refuse_unbuilt_headers(call: &Authorized) -> Result<(), S3Error> {
    refuse(&call.headers)
}

fn refuse(headers: &HeaderMap) -> Result<(), S3Error> {
    for (name, value) in headers {
        let Some(refusal) = judge(name.as_str(), value.as_bytes()) else { continue };
        let name = name.as_str();
        return Err(match refusal {
            Refusal::NotImplemented => S3Error::new(Code::NotImplemented)
                .message(format!("The header {name} implies functionality that is not implemented."))
                .detail("Header", name),
            Refusal::Mfa => S3Error::new(Code::AccessDenied)
                .message("Mfa Authentication failed: there are no multi-factor devices here."),
        });
    }
    Ok(())
}

fn judge(name: &str, value: &[u8]) -> Option<Refusal> {
    let is = |text: &str| value.eq_ignore_ascii_case(text.as_bytes());
    let refusal = match name {
        "x-amz-write-offset-bytes" => Refusal::NotImplemented,
        "x-amz-mfa" => Refusal::Mfa,
        "x-amz-bucket-namespace" if is("global") => return None,
        "x-amz-bucket-namespace" => Refusal::NotImplemented,
        _ if name.starts_with("x-amz-object-lock-") && !LOCK_HEADERS.contains(&name) => Refusal::NotImplemented,
        _ => return None,
    };
    Some(refusal)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::refuse;
    use crate::s3::Code;

    fn verdict(name: &'static str, value: &'static str) -> Option<Code> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        refuse(&headers).err().map(|error| error.code)
    }

    #[test]
    fn what_is_not_built_is_refused_and_named() {
        let table = [
            ("x-amz-object-lock-event-hold", "ON", Code::NotImplemented),
            ("x-amz-mfa", "20899872 301749", Code::AccessDenied),
            ("x-amz-write-offset-bytes", "5", Code::NotImplemented),
        ];
        for (name, value, code) in table {
            assert_eq!(verdict(name, value), Some(code), "{name}: {value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-write-offset-bytes", HeaderValue::from_static("5"));
        assert!(refuse(&headers).unwrap_err().message.contains("x-amz-write-offset-bytes"));
    }

    #[test]
    fn what_asks_for_nothing_passes() {
        let table = [
            ("x-amz-request-payer", "requester"),
            ("x-amz-meta-x", "y"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-tagging-directive", "REPLACE"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-bucket-object-lock-enabled", "false"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
        ];
        for (name, value) in table {
            assert_eq!(verdict(name, value), None, "{name}: {value}");
        }
    }
}
