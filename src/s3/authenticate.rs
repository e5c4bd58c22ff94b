//! The second stage of a request: who asks.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{AuthError, FileSize, FormFields, FormVerdict, PayloadKind, Verdict, verify, verify_form};
use crate::identity::Principal;
use crate::net::Peer;
use crate::s3::endpoint::endpoint;
use crate::s3::query::Query;
use crate::s3::route::Routed;
use crate::s3::{Code, Gateway, Operation, S3Error};
use crate::types::{BucketName, ObjectKey};

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
    /// The other end of the connection.
    pub(crate) peer: Option<Peer>,
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
    let (peer, endpoint) = (head.extensions.get::<Peer>().copied(), endpoint(&head));
    let mut headers = head.headers;
    let (principal, payload, signed) = match verdict {
        Verdict::Anonymous { payload } => (anonymous(gateway)?, payload, false),
        Verdict::Signed(verified) => {
            let principal = identity(gateway, &verified.access_key_id)?;
            if verified.presigned {
                hoist(&mut headers, &routed.query);
            }
            (principal, verified.payload, true)
        }
    };
    Ok(Authenticated { routed, principal, payload, signed, headers, path, peer, endpoint, _seal: () })
}

/// Finds out who stands behind a POST form that wants to store `key`, and holds the form to the policy that they
/// signed. What comes out is a PutObject, with the size that its file may have.
///
/// # Errors
/// What authentication refuses, `AccessDenied` for what the policy does not allow and for anonymous forms unless
/// they are let through, `InvalidPolicyDocument`.
pub(crate) fn authenticate_form(
    gateway: &Gateway,
    routed: Routed,
    head: Parts,
    fields: &FormFields,
    key: ObjectKey,
    headers: HeaderMap,
) -> Result<(Authenticated, FileSize), S3Error> {
    // A signature of the request's own, beside the form's, is no way that S3 knows: neither may shield the other.
    let now = gateway.clock.now();
    let verdict = verify(&head, gateway.keyring.as_ref(), &gateway.settings.auth, now)?;
    if !matches!(verdict, Verdict::Anonymous { .. }) {
        return Err(AuthError::SeveralMechanisms.into());
    }
    let (principal, signed, size) = match verify_form(fields, gateway.keyring.as_ref(), &gateway.settings.auth, now)? {
        FormVerdict::Anonymous => (anonymous(gateway)?, false, FileSize::ANY),
        FormVerdict::Signed { access_key_id, policy } => {
            let bucket = routed.bucket.as_ref().map(BucketName::as_str).unwrap_or_default();
            let size = policy.judge(fields, bucket, now).map_err(AuthError::FormPolicy)?;
            (identity(gateway, &access_key_id)?, true, size)
        }
    };
    let (routed, path) = (routed.about(Operation::PutObject, Some(key)), head.uri.path().to_owned());
    let (payload, peer) = (PayloadKind::Unsigned, head.extensions.get::<Peer>().copied());
    let endpoint = endpoint(&head);
    Ok((Authenticated { routed, principal, payload, signed, headers, path, peer, endpoint, _seal: () }, size))
}

/// A visitor of a website: nobody in particular, who reads objects.
///
/// # Errors
/// `AccessDenied` unless anonymous requests are let through.
pub(crate) fn authenticate_visitor(
    gateway: &Gateway,
    routed: Routed,
    head: &Parts,
    headers: HeaderMap,
) -> Result<Authenticated, S3Error> {
    let (principal, payload) = (anonymous(gateway)?, PayloadKind::Unsigned);
    let (path, peer) = (head.uri.path().to_owned(), head.extensions.get::<Peer>().copied());
    let endpoint = endpoint(head);
    Ok(Authenticated { routed, principal, payload, signed: false, headers, path, peer, endpoint, _seal: () })
}

fn anonymous(gateway: &Gateway) -> Result<Principal, S3Error> {
    if gateway.settings.allow_anonymous {
        Ok(Principal::Anonymous)
    } else {
        Err(S3Error::new(Code::AccessDenied).cause("the request is not signed"))
    }
}

fn identity(gateway: &Gateway, access_key_id: &str) -> Result<Principal, S3Error> {
    let gone = || S3Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key_id);
    gateway.keyring.principal(access_key_id).ok_or_else(gone)
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
