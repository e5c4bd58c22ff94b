//! The second stage of a request: who asks.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{
    AuthError, FileSize, FormFields, FormVerdict, PayloadKind, Verdict, claimed_key_id, verify, verify_form,
};
use crate::identity::{Principal, Proven};
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

/// How a request is signed, in the words of condition keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// `s3:signatureversion`.
    pub(crate) version: &'static str,
    /// `s3:authType`.
    pub(crate) place: &'static str,
}

impl Signature {
    fn new(is_v4: bool, place: &'static str) -> Self {
        Self { version: if is_v4 { "AWS4-HMAC-SHA256" } else { "AWS" }, place }
    }

    /// Of a request that was verified.
    fn of(headers: &HeaderMap, query: &Query, presigned: bool) -> Self {
        if presigned {
            return Self::new(query.has("X-Amz-Signature"), "REST-QUERY-STRING");
        }
        let is_v4 = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256"));
        Self::new(is_v4, "REST-HEADER")
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(true, "REST-HEADER")
    }
}

/// A request whose sender is known, or known to be anonymous. Only `authenticate` makes one.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub(crate) routed: Routed,
    pub(crate) principal: Principal,
    pub(crate) payload: PayloadKind,
    /// How it is signed; `None` for anonymous requests.
    pub(crate) signature: Option<Signature>,
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    /// The other end of the connection.
    pub(crate) peer: Option<Peer>,
    /// What URLs in answers begin with.
    pub(crate) endpoint: Option<String>,
    /// Keeps other modules from making one.
    _seal: (),
}

#[cfg(test)]
impl Authenticated {
    /// A request of `principal` that nobody verified, for tests of what comes after.
    pub(crate) fn for_test(routed: Routed, principal: Principal) -> Self {
        let signature = (principal != Principal::Anonymous).then(Signature::for_test);
        let (headers, path, payload) = (HeaderMap::new(), String::new(), PayloadKind::Unsigned);
        Self { routed, principal, payload, signature, headers, path, peer: None, endpoint: None, _seal: () }
    }
}

/// Finds out who sent the request. Nothing about buckets is looked up before this.
///
/// # Errors
/// What authentication refuses, `AccessDenied` for anonymous requests unless they are let through,
/// `InvalidAccessKeyId` if the key went meanwhile.
pub(crate) fn authenticate(gateway: &Gateway, routed: Routed, head: Parts) -> Result<Authenticated, S3Error> {
    // Only this process can put it there: it comes over no wire.
    if let Some(proven) = head.extensions.get::<Proven>().cloned() {
        return authenticate_proven(gateway, routed, head, &proven);
    }
    let now = gateway.clock.now();
    let verdict = verify(&head, gateway.keyring.as_ref(), &gateway.settings.auth, now).map_err(|error| {
        note_refused_clock(gateway, &head, &error);
        gateway.unauthenticated(&head, error)
    })?;
    let path = head.uri.path().to_owned();
    let (peer, endpoint) = (head.extensions.get::<Peer>().copied(), endpoint(&head));
    let mut headers = head.headers;
    let (principal, payload, signature) = match verdict {
        Verdict::Anonymous { payload } => (anonymous(gateway)?, payload, None),
        Verdict::Signed(verified) => {
            let principal = identity(gateway, &verified.access_key_id, verified.token.as_deref())?;
            // One that is presigned may be old, and its sender's clock right.
            if let Some(signed_at) = verified.signed_at.filter(|_| !verified.presigned) {
                gateway.insight.clocks.note(&verified.access_key_id, signed_at.seconds(), now.seconds());
            }
            let signature = Signature::of(&headers, &routed.query, verified.presigned);
            if verified.presigned {
                hoist(&mut headers, &routed.query);
            }
            (principal, verified.payload, Some(signature))
        }
    };
    Ok(Authenticated { routed, principal, payload, signature, headers, path, peer, endpoint, _seal: () })
}

/// Where our own clock is wrong, every client is refused: those are the ones to compare with. Their signatures were not
/// looked at, so they must name a key that there is.
fn note_refused_clock(gateway: &Gateway, head: &Parts, error: &AuthError) {
    let AuthError::RequestTimeTooSkewed { request_time, server_time } = error else { return };
    let known = claimed_key_id(head).filter(|id| gateway.keyring.principal(id).is_some());
    if let Some(id) = known {
        gateway.insight.clocks.note(&id, request_time.seconds(), server_time.seconds());
    }
}

/// A request of the console, whose sender another part of this process knows already. It counts as signed in a header,
/// and promises nothing about its body.
///
/// # Errors
/// If the key went meanwhile.
fn authenticate_proven(
    gateway: &Gateway,
    routed: Routed,
    head: Parts,
    proven: &Proven,
) -> Result<Authenticated, S3Error> {
    let principal = identity(gateway, proven.access_key_id(), None)?;
    let (path, payload) = (head.uri.path().to_owned(), PayloadKind::Unsigned);
    let (peer, endpoint) = (head.extensions.get::<Peer>().copied(), endpoint(&head));
    let (headers, signature) = (head.headers, Some(Signature::new(true, "REST-HEADER")));
    Ok(Authenticated { routed, principal, payload, signature, headers, path, peer, endpoint, _seal: () })
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
    let (principal, signature, size) = match verify_form(fields, gateway.keyring.as_ref(), &gateway.settings.auth, now)?
    {
        FormVerdict::Anonymous => (anonymous(gateway)?, None, FileSize::ANY),
        FormVerdict::Signed { access_key_id, token, policy } => {
            let bucket = routed.bucket.as_ref().map(BucketName::as_str).unwrap_or_default();
            let size = policy.judge(fields, bucket, now).map_err(AuthError::FormPolicy)?;
            let signature = Signature::new(fields.value("x-amz-signature").is_some(), "POST");
            (identity(gateway, &access_key_id, token.as_deref())?, Some(signature), size)
        }
    };
    let (routed, path) = (routed.about(Operation::PutObject, Some(key)), head.uri.path().to_owned());
    let (payload, peer) = (PayloadKind::Unsigned, head.extensions.get::<Peer>().copied());
    let endpoint = endpoint(&head);
    Ok((Authenticated { routed, principal, payload, signature, headers, path, peer, endpoint, _seal: () }, size))
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
    Ok(Authenticated { routed, principal, payload, signature: None, headers, path, peer, endpoint, _seal: () })
}

fn anonymous(gateway: &Gateway) -> Result<Principal, S3Error> {
    if gateway.settings.allow_anonymous {
        Ok(Principal::Anonymous)
    } else {
        Err(S3Error::new(Code::AccessDenied).cause("the request is not signed"))
    }
}

/// Who is behind a key that was just verified.
///
/// # Errors
/// If the key, or the session, went meanwhile.
pub(crate) fn identity(gateway: &Gateway, access_key_id: &str, token: Option<&str>) -> Result<Principal, AuthError> {
    match token {
        Some(token) => Ok(gateway.keyring.session(access_key_id, token, gateway.clock.now())?),
        None => gateway
            .keyring
            .principal(access_key_id)
            .ok_or_else(|| AuthError::UnknownAccessKey { access_key_id: access_key_id.to_owned() }),
    }
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

    use super::{Signature, hoist};
    use crate::s3::query::Query;

    #[test]
    fn signatures_are_named_by_version_and_place() {
        let of = |authorization: &'static str, query: &str| {
            let headers = HeaderMap::from_iter([(super::AUTHORIZATION, HeaderValue::from_static(authorization))]);
            let signature = Signature::of(&headers, &Query::parse(query).unwrap(), authorization.is_empty());
            (signature.version, signature.place)
        };
        assert_eq!(of("AWS4-HMAC-SHA256 Credential=x", ""), ("AWS4-HMAC-SHA256", "REST-HEADER"));
        assert_eq!(of("AWS id:signature", ""), ("AWS", "REST-HEADER"));
        assert_eq!(of("", "X-Amz-Signature=1"), ("AWS4-HMAC-SHA256", "REST-QUERY-STRING"));
        assert_eq!(of("", "Signature=1"), ("AWS", "REST-QUERY-STRING"));
    }

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
