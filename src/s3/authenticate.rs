//! The second stage of a request: who asks.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{PayloadKind, Verdict, verify};
use crate::identity::Principal;
use crate::s3::endpoint::endpoint;
use crate::s3::query::Query;
use crate::s3::route::Routed;
use crate::s3::{Code, Gateway, S3Error};

/// Parameters of a presigned URL that are its signature, and no headers that moved into the query.
const SIGNATURE_PARAMETERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// A request whose sender is known, or known to be anonymous. Only `authenticate` makes one.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub(crate) routed: Routed,
    pub(crate) principal: Principal,
    pub(crate) payload: PayloadKind,
    pub(crate) signed: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    /// What URLs in answers begin with.
    pub(crate) endpoint: Option<String>,
    /// Keeps other modules from making one.
    _seal: (),
}

/// Finds out who sent the request. Nothing about buckets is looked up before this.
///
/// # Errors
/// What authentication refuses, `AccessDenied` for anonymous requests unless they are let through,
/// `InvalidAccessKeyId` if the key went meanwhile.
pub(crate) fn authenticate(gateway: &Gateway, routed: Routed, head: Parts) -> Result<Authenticated, S3Error> {
    let verdict = verify(&head, gateway.keyring.as_ref(), &gateway.settings.auth, gateway.clock.now())?;
    let path = head.uri.path().to_owned();
    let endpoint = endpoint(&head);
    let mut headers = head.headers;
    let (principal, payload, signed) = match verdict {
        Verdict::Anonymous { payload } => {
            if !gateway.settings.allow_anonymous {
                return Err(S3Error::new(Code::AccessDenied).cause("the request is not signed"));
            }
            (Principal::Anonymous, payload, false)
        }
        Verdict::Signed(verified) => {
            let principal = gateway.keyring.principal(&verified.access_key_id).ok_or_else(|| {
                S3Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", &verified.access_key_id)
            })?;
            if verified.presigned {
                hoist(&mut headers, &routed.query);
            }
            (principal, verified.payload, true)
        }
    };
    Ok(Authenticated { routed, principal, payload, signed, headers, path, endpoint, _seal: () })
}

/// Moves headers that a presigner put into the query back among the headers, as S3 reads them (the JavaScript
/// SDK puts all of them there). A header that was sent as such wins.
fn hoist(headers: &mut HeaderMap, query: &Query) {
    for (name, value) in query.iter() {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-amz-") || SIGNATURE_PARAMETERS.contains(&name.as_str()) || headers.contains_key(&name) {
            continue;
        }
        let parsed = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()));
        if let (Ok(name), Ok(value)) = parsed {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::hoist;
    use crate::s3::query::Query;

    #[test]
    fn headers_in_a_presigned_query_count_as_headers() {
        let query = "X-Amz-Signature=1&X-Amz-Meta-A=b&x-amz-acl=public-read&x-amz-meta-c=query&prefix=x&x-amz-%0a=y";
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-c", HeaderValue::from_static("header"));
        hoist(&mut headers, &Query::parse(query).unwrap());
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["x-amz-meta-a"], "b");
        assert_eq!(headers["x-amz-acl"], "public-read");
        assert_eq!(headers["x-amz-meta-c"], "header");
    }
}
