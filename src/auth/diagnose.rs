//! Why a signature does not match: what the client may have signed instead of what arrived. Each suspicion is tried,
//! so what comes out is proven: with that change the signature holds.
//!
//! Runs for refused requests only, a bounded number of tries each. Shows neither the secret nor a signature.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aws_sigv4::sign::v4::calculate_signature;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;

use crate::auth::error::Mismatch;
use crate::auth::head::Head;
use crate::auth::secret::ClaimedKey;
use crate::auth::signing_key::{KeyScope, SigningKey};
use crate::auth::v4::string_to_sign;
use crate::auth::{SecretKey, SecretLookup};
use crate::limits::insight::SUSPICIONS_MAX;
use crate::types::Timestamp;

/// What was signed instead of what arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Another host.
    Host {
        /// What was signed.
        signed: String,
    },
    /// Another path.
    Path {
        /// What was signed.
        signed: String,
        /// What happened to it.
        how: PathChange,
    },
    /// A query without this parameter.
    ParameterAdded {
        /// Its name.
        name: String,
    },
    /// A query that is escaped in another way.
    QueryEscaped {
        /// What was signed.
        signed: String,
    },
    /// Another value of a header.
    Header {
        /// Its name.
        name: String,
        /// What was signed.
        signed: String,
    },
    /// Another method.
    Method {
        /// What was signed.
        signed: &'static str,
    },
    /// Another payload line.
    Payload {
        /// What was signed.
        signed: &'static str,
    },
    /// The right secret with something added.
    Secret {
        /// What was added.
        what: &'static str,
    },
}

/// How a path differs from the one that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// The client escaped it twice before it signed.
    SignedTwiceEscaped,
    /// Somebody on the way escaped it once more.
    EscapedAgain,
    /// Somebody on the way removed its escapes, or the client signed it without.
    Unescaped,
    /// A plus and a space were taken for one another.
    PlusForSpace,
    /// Slashes that follow one another became one, or the other way round.
    Slashes,
    /// A slash at its end came or went.
    LastSlash,
    /// A prefix was taken away.
    Prefix,
}

/// Looks for what was signed. `hosts` are names by which the server may be called, with their ports, the likeliest
/// first. `None` if nothing that was tried holds, as with a secret that is another one.
pub fn diagnose(
    mismatch: &Mismatch,
    head: &Parts,
    keys: &dyn SecretLookup,
    hosts: &[String],
    now: Timestamp,
) -> Option<Suspicion> {
    let head = Head::new(head);
    let canonical = Canonical::parse(mismatch.canonical_request.as_deref()?)?;
    let token = head.header("x-amz-security-token").ok().flatten().filter(|token| !token.is_empty());
    let token = token.or_else(|| head.parameter("X-Amz-Security-Token").ok().flatten());
    let secret = ClaimedKey { access_key_id: &mismatch.access_key_id, token, now }.secret(keys).ok()?;
    let mut search = Search::new(mismatch, &secret)?;
    let found = [try_host, try_path, try_query, try_headers, try_rest];
    found
        .iter()
        .find_map(|attempt| attempt(&mut search, &canonical, &Known { head: &head, hosts }))
        .or_else(|| try_secret(&mut search, &canonical, &secret))
}

/// What is known beside the canonical request.
struct Known<'a> {
    head: &'a Head<'a>,
    hosts: &'a [String],
}

impl Known<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        // The first of several proxies is the nearest to the client.
        let text = self.head.headers().get(name)?.to_str().ok()?;
        Some(text.split(',').next().unwrap_or(text).trim()).filter(|text| !text.is_empty())
    }
}

/// The lines of a canonical request.
#[derive(Clone)]
struct Canonical<'a> {
    method: &'a str,
    path: Cow<'a, str>,
    query: Cow<'a, str>,
    /// Lines of headers, each with its end.
    headers: Cow<'a, str>,
    signed_headers: &'a str,
    payload: &'a str,
}

impl<'a> Canonical<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (method, rest) = text.split_once('\n')?;
        let (path, rest) = rest.split_once('\n')?;
        let (query, rest) = rest.split_once('\n')?;
        let (rest, payload) = rest.rsplit_once('\n')?;
        let (headers, signed_headers) = rest.rsplit_once('\n')?;
        let (path, query, headers) = (path.into(), query.into(), headers.into());
        Some(Self { method, path, query, headers, signed_headers, payload })
    }

    fn text(&self) -> String {
        let Self { method, path, query, headers, signed_headers, payload } = self;
        format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload}")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    fn with_header(&self, name: &str, value: &str) -> Self {
        let lines = self.headers.lines().map(|line| match line.split_once(':') {
            Some((known, _)) if known == name => format!("{name}:{value}\n"),
            Some(_) | None => format!("{line}\n"),
        });
        Self { headers: Cow::Owned(lines.collect()), ..self.clone() }
    }

    fn with_path(&self, path: &str) -> Self {
        Self { path: Cow::Owned(path.to_owned()), ..self.clone() }
    }

    fn with_query(&self, query: &str) -> Self {
        Self { query: Cow::Owned(query.to_owned()), ..self.clone() }
    }
}

/// Tries signatures, as many as it may.
struct Search<'a> {
    signature: &'a str,
    timestamp: &'a str,
    scope: &'a str,
    day: Timestamp,
    key: SigningKey,
    tries_left: usize,
}

impl<'a> Search<'a> {
    fn new(mismatch: &'a Mismatch, secret: &SecretKey) -> Option<Self> {
        let mut lines = mismatch.string_to_sign.split('\n').skip(1);
        let (timestamp, scope) = (lines.next()?, lines.next()?);
        let day = Timestamp::parse_amz_basic(timestamp)?;
        let signature = &mismatch.signature_provided;
        let key = SigningKey::derive(secret, &key_scope(scope, day)?);
        Some(Self { signature, timestamp, scope, day, key, tries_left: SUSPICIONS_MAX })
    }

    fn holds(&mut self, canonical: &Canonical<'_>) -> bool {
        if self.tries_left == 0 {
            return false;
        }
        self.tries_left -= 1;
        let string_to_sign = string_to_sign(self.timestamp, self.scope, canonical.text().as_bytes());
        let computed = calculate_signature(self.key.expose(), &string_to_sign);
        computed.as_bytes().ct_eq(self.signature.as_bytes()).into()
    }
}

fn key_scope(scope: &str, time: Timestamp) -> Option<KeyScope<'_>> {
    let mut pieces = scope.split('/').skip(1);
    Some(KeyScope { access_key_id: "", time, region: pieces.next()?, service: pieces.next()? })
}

fn try_host(search: &mut Search<'_>, canonical: &Canonical<'_>, known: &Known<'_>) -> Option<Suspicion> {
    let arrived = canonical.header("host")?.to_owned();
    let (name, port) = split_port(&arrived);
    let told = ["x-forwarded-host", "x-original-host", "x-forwarded-server"]
        .into_iter()
        .filter_map(|header| known.header(header));
    let forwarded = known.header("forwarded").and_then(|text| {
        let pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, host)| host.trim_matches('"')).next()
    });
    let told: Vec<&str> = told.chain(forwarded).collect();
    let mut ports = vec!["80", "443"];
    ports.extend(known.header("x-forwarded-port"));
    ports.extend(port);
    ports.extend(known.hosts.iter().filter_map(|host| split_port(host).1));
    let mut candidates: Vec<String> = told.iter().map(|host| (*host).to_owned()).collect();
    // What the operator says clients call comes before what is only possible.
    candidates.extend(known.hosts.iter().flat_map(|host| [host.clone(), split_port(host).0.to_owned()]));
    candidates.push(name.to_owned());
    let names = told.iter().map(|host| split_port(host).0).chain([name]);
    candidates.extend(names.flat_map(|name| ports.iter().map(move |port| format!("{name}:{port}"))));
    let mut seen = BTreeSet::from([arrived.clone()]);
    candidates.retain(|host| seen.insert(host.clone()));
    // Half of the tries at most: a host is the usual culprit, and not the only one.
    candidates.truncate(SUSPICIONS_MAX / 2);
    let signed = candidates.into_iter().find(|host| search.holds(&canonical.with_header("host", host)))?;
    Some(Suspicion::Host { signed })
}

/// A host and its port.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        Some(_) | None => (host, None),
    }
}

fn try_path(search: &mut Search<'_>, canonical: &Canonical<'_>, known: &Known<'_>) -> Option<Suspicion> {
    let path = &*canonical.path;
    let raw = known.head.raw_path();
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let mut candidates = vec![
        (path.replace('%', "%25"), PathChange::SignedTwiceEscaped),
        (path.replace("%25", "%"), PathChange::EscapedAgain),
        (decoded, PathChange::Unescaped),
        (path.replace("%20", "%2B"), PathChange::PlusForSpace),
        (path.replace("%20", "+"), PathChange::PlusForSpace),
        (path.replace("%2B", "%20"), PathChange::PlusForSpace),
        (raw.replace('+', "%20"), PathChange::PlusForSpace),
        (collapsed(path), PathChange::Slashes),
        (format!("/{path}"), PathChange::Slashes),
        (format!("{path}/"), PathChange::LastSlash),
        (path.trim_end_matches('/').to_owned(), PathChange::LastSlash),
    ];
    // One of its slashes may have been two.
    let slashes = path.char_indices().skip(1).filter(|(_, character)| *character == '/').take(8);
    candidates.extend(slashes.map(|(at, _)| (format!("{}/{}", &path[..at], &path[at..]), PathChange::Slashes)));
    if let Some(prefix) = known.header("x-forwarded-prefix") {
        candidates.push((format!("{}{path}", prefix.trim_end_matches('/')), PathChange::Prefix));
    }
    candidates.retain(|(signed, _)| *signed != path && !signed.is_empty());
    let found = candidates.into_iter().find(|(signed, _)| search.holds(&canonical.with_path(signed)));
    found.map(|(signed, how)| Suspicion::Path { signed, how })
}

fn collapsed(path: &str) -> String {
    let mut collapsed = path.to_owned();
    while collapsed.contains("//") {
        collapsed = collapsed.replace("//", "/");
    }
    collapsed
}

fn try_query(search: &mut Search<'_>, canonical: &Canonical<'_>, _: &Known<'_>) -> Option<Suspicion> {
    let query = &*canonical.query;
    if query.is_empty() {
        return None;
    }
    let escaped = [
        query.replace("%20", "%2B"),
        query.replace("%2B", "%20"),
        query.replace('%', "%25"),
        query.replace("%25", "%"),
    ];
    for signed in escaped.into_iter().filter(|signed| signed != query) {
        if search.holds(&canonical.with_query(&signed)) {
            return Some(Suspicion::QueryEscaped { signed });
        }
    }
    let pairs: Vec<&str> = query.split('&').collect();
    for (at, pair) in pairs.iter().enumerate().take(8) {
        let rest = [&pairs[..at], &pairs[at + 1..]].concat().join("&");
        if search.holds(&canonical.with_query(&rest)) {
            let name = pair.split('=').next().unwrap_or(pair).to_owned();
            return Some(Suspicion::ParameterAdded { name });
        }
    }
    None
}

/// Values that clients send and that proxies are known to change or drop.
const CHANGED_HEADERS: [(&str, &[&str]); 7] = [
    ("accept-encoding", &["identity", "gzip", "", "gzip, deflate", "gzip, deflate, br", "gzip, br", "*"]),
    ("accept", &["*/*", ""]),
    ("connection", &["keep-alive", "Keep-Alive", "close", ""]),
    ("content-length", &["0", ""]),
    ("content-type", &["", "application/octet-stream", "application/x-www-form-urlencoded"]),
    ("expect", &["100-continue", ""]),
    ("te", &["trailers", ""]),
];

fn try_headers(search: &mut Search<'_>, canonical: &Canonical<'_>, _: &Known<'_>) -> Option<Suspicion> {
    for (name, values) in CHANGED_HEADERS {
        let Some(arrived) = canonical.header(name) else { continue };
        for signed in values.iter().filter(|value| **value != arrived) {
            if search.holds(&canonical.with_header(name, signed)) {
                return Some(Suspicion::Header { name: name.to_owned(), signed: (*signed).to_owned() });
            }
        }
    }
    None
}

/// The SHA-256 of nothing.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn try_rest(search: &mut Search<'_>, canonical: &Canonical<'_>, _: &Known<'_>) -> Option<Suspicion> {
    let methods = ["GET", "HEAD", "PUT", "POST"].into_iter().filter(|method| *method != canonical.method);
    for signed in methods {
        if search.holds(&Canonical { method: signed, ..canonical.clone() }) {
            return Some(Suspicion::Method { signed });
        }
    }
    let payloads = ["UNSIGNED-PAYLOAD", EMPTY_SHA256].into_iter().filter(|payload| *payload != canonical.payload);
    for signed in payloads {
        if search.holds(&Canonical { payload: signed, ..canonical.clone() }) {
            return Some(Suspicion::Payload { signed });
        }
    }
    None
}

fn try_secret(search: &mut Search<'_>, canonical: &Canonical<'_>, secret: &SecretKey) -> Option<Suspicion> {
    let secret = secret.expose();
    let changes: [(&'static str, zeroize::Zeroizing<String>); 7] = [
        ("a line feed at its end", format!("{secret}\n").into()),
        ("a carriage return at its end", format!("{secret}\r").into()),
        ("a carriage return and a line feed at its end", format!("{secret}\r\n").into()),
        ("a space at its end", format!("{secret} ").into()),
        ("a space before it", format!(" {secret}").into()),
        ("double quotes around it", format!("\"{secret}\"").into()),
        ("single quotes around it", format!("'{secret}'").into()),
    ];
    for (what, changed) in changes {
        let scope = key_scope(search.scope, search.day)?;
        search.key = SigningKey::derive(&SecretKey(changed), &scope);
        if search.holds(canonical) {
            return Some(Suspicion::Secret { what });
        }
    }
    None
}

/// Headers that the client says it signed and that did not arrive.
pub fn signed_but_missing(mismatch: &Mismatch, head: &Parts) -> Vec<String> {
    let Some(canonical) = mismatch.canonical_request.as_deref().and_then(Canonical::parse) else { return Vec::new() };
    let names = canonical.signed_headers.split(';');
    names.filter(|name| *name != "host" && !head.headers.contains_key(*name)).map(str::to_owned).take(16).collect()
}

/// The access key that a request claims to be signed with, whatever else is wrong with it.
pub fn claimed_key_id(head: &Parts) -> Option<String> {
    let head = Head::new(head);
    let of_header = head.header("authorization").ok().flatten().and_then(|text| {
        let v4 = text.split_once("Credential=").and_then(|(_, rest)| rest.split([',', '/']).next());
        v4.or_else(|| text.strip_prefix("AWS ")?.trim().rsplit_once(':').map(|(id, _)| id))
    });
    let parameter = |name| head.parameter(name).ok().flatten();
    let of_query = parameter("X-Amz-Credential").and_then(|text| text.split('/').next());
    let found = of_header.or(of_query).or_else(|| parameter("AWSAccessKeyId"))?;
    Some(found.chars().filter(|character| !character.is_control()).take(128).collect())
}
