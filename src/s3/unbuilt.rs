//! Request headers that ask for what does not exist here. They are refused, never ignored: a client that asks
//! for encryption or a lock must not believe that it got one.

use http::HeaderMap;

use crate::s3::authorize::Authorized;
use crate::s3::{Code, Operation, S3Error};

/// How a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// `NotImplemented`, naming it.
    NotImplemented,
    /// `AccessDenied`: no device has such a code.
    Mfa,
    /// `InvalidRequest`: keys were given for what is not encrypted.
    NotEncrypted,
}

/// The headers of object lock that work; those of event holds do not.
const LOCK_HEADERS: [&str; 3] =
    ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"];
/// Refuses a request whose headers ask for what is not built.
///
/// # Errors
/// `AccessDenied` for MFA codes, `NotImplemented` with the header's name, `InvalidRequest`.
pub(crate) fn refuse_unbuilt_headers(call: &Authorized) -> Result<(), S3Error> {
    refuse(&call.headers, is_read(call.operation))
}

fn is_read(operation: Operation) -> bool {
    let name = operation.name();
    name.starts_with("Get") || name.starts_with("Head") || name.starts_with("List")
}

fn refuse(headers: &HeaderMap, is_read: bool) -> Result<(), S3Error> {
    for (name, value) in headers {
        let Some(refusal) = judge(name.as_str(), value.as_bytes(), is_read) else { continue };
        let name = name.as_str();
        return Err(match refusal {
            Refusal::NotImplemented => S3Error::new(Code::NotImplemented)
                .message(format!("The header {name} implies functionality that is not implemented."))
                .detail("Header", name),
            Refusal::Mfa => S3Error::new(Code::AccessDenied)
                .message("Mfa Authentication failed: there are no multi-factor devices here."),
            Refusal::NotEncrypted => {
                S3Error::invalid_request("The encryption parameters are not applicable to this object.")
            }
        });
    }
    Ok(())
}

fn judge(name: &str, value: &[u8], is_read: bool) -> Option<Refusal> {
    let is = |text: &str| value.eq_ignore_ascii_case(text.as_bytes());
    let refusal = match name {
        "x-amz-write-offset-bytes" => Refusal::NotImplemented,
        "x-amz-mfa" => Refusal::Mfa,
        "x-amz-bucket-namespace" if is("global") => return None,
        "x-amz-bucket-namespace" => Refusal::NotImplemented,
        _ if name.starts_with("x-amz-copy-source-server-side-encryption") => Refusal::NotEncrypted,
        _ if name.starts_with("x-amz-server-side-encryption") && is_read => Refusal::NotEncrypted,
        _ if name.starts_with("x-amz-server-side-encryption") => Refusal::NotImplemented,
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

    fn verdict(name: &'static str, value: &'static str, is_read: bool) -> Option<Code> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        refuse(&headers, is_read).err().map(|error| error.code)
    }

    #[test]
    fn what_is_not_built_is_refused_and_named() {
        let table = [
            ("x-amz-server-side-encryption", "AES256", Code::NotImplemented),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256", Code::NotImplemented),
            ("x-amz-object-lock-event-hold", "ON", Code::NotImplemented),
            ("x-amz-mfa", "20899872 301749", Code::AccessDenied),
            ("x-amz-write-offset-bytes", "5", Code::NotImplemented),
        ];
        for (name, value, code) in table {
            assert_eq!(verdict(name, value, false), Some(code), "{name}: {value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-write-offset-bytes", HeaderValue::from_static("5"));
        assert!(refuse(&headers, false).unwrap_err().message.contains("x-amz-write-offset-bytes"));
        let key = "x-amz-server-side-encryption-customer-key";
        assert_eq!(verdict(key, "x", true), Some(Code::InvalidRequest));
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
            assert_eq!(verdict(name, value, false), None, "{name}: {value}");
        }
    }
}
