//! Questions to another server, over HTTP or HTTPS: its clock, and whether a signed request comes through to ours.

use std::error::Error as _;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::header::{DATE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::auth::s3_signing;
use crate::cli::doctor::{Finding, Grade};
use crate::config::TraceConfig;
use crate::identity::RootCredentials;
use crate::limits::{CLOCK_SKEW_SECONDS_MAX, DOCTOR_ANSWER_BYTES_MAX, DOCTOR_ASK_MS};
use crate::outbound::connector;
use crate::telemetry::{OtlpSettings, otlp};
use crate::types::{Clock as _, SystemClock, Timestamp};

/// Seconds between two clocks that are nobody's concern: the answer takes its time, and `Date` has whole seconds.
const NO_DIFFERENCE_SECONDS: i64 = 5;
/// A bucket that nobody makes: whoever verifies the signature then says that it is not there.
const BUCKET: &str = "sluicegate-doctor-asks-for-nothing";
/// What proxies change: escapes, and two slashes in a row. All of it is legal in a key.
const PATH: &str = "a%20b%2Bc//d~e";
/// A slash that has to stay escaped.
const QUERY: &str = "response-content-type=text%2Fplain";

/// What another server said.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// How far this machine's clock is from that of the server behind `url`.
pub async fn clock(url: &str) -> Finding {
    let told = async {
        let request = Request::builder().method(Method::HEAD).uri(url).body(Empty::new());
        let before = SystemClock.now();
        let answer = ask(request.map_err(|error| format!("{url}: {error}"))?).await?;
        let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(Timestamp::parse_http_date);
        let date = date.ok_or_else(|| format!("{url} sends no date"))?;
        // The answer was dated while it was on its way: in the middle, as far as anybody knows.
        let middle = before.seconds().midpoint(SystemClock.now().seconds());
        Ok::<_, String>(middle - date.seconds())
    };
    match told.await {
        Ok(ahead) => judge_difference(ahead, &format!("that of {url}")),
        Err(error) => Finding::new(Grade::Warning, "clock", format!("could not be compared: {error}")),
    }
}

/// What it means that this machine's clock is `ahead` of another, which `other` names.
pub(super) fn judge_difference(ahead: i64, other: &str) -> Finding {
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    let seconds = ahead.unsigned_abs();
    let detail = format!("{seconds} s {way} {other}");
    if ahead.abs() <= NO_DIFFERENCE_SECONDS {
        Finding::new(Grade::Good, "clock", format!("the same as {other}"))
    } else if ahead.abs() <= CLOCK_SKEW_SECONDS_MAX {
        Finding::new(Grade::Warning, "clock", format!("{detail}: run a time service"))
    } else {
        Finding::new(Grade::Bad, "clock", format!("{detail}: requests of clients whose clock is right are refused"))
    }
}

/// Whether the collector of traces takes some.
pub async fn collector(traces: &TraceConfig) -> Finding {
    // No more of the URL than its host: its path may be a secret.
    let host = traces.uri.host().unwrap_or_default();
    let settings = OtlpSettings { uri: traces.uri.clone(), headers: traces.headers.clone() };
    match otlp::ask(settings).await {
        Ok(()) => Finding::new(Grade::Good, "traces", format!("{host} takes them")),
        Err(cause) => Finding::new(Grade::Warning, "traces", format!("{host} does not take them: {cause}")),
    }
}

/// Whether a request that is signed for `url` arrives at our server as it was signed. It changes nothing: it asks for
/// an object in a bucket that is not there.
pub async fn public_url(url: &str, region: &str, root: Option<RootCredentials>) -> Vec<Finding> {
    let finding = |grade, detail: String| vec![Finding::new(grade, "public url", detail)];
    let Some(root) = root else {
        let detail = "root's key is not known here, so nothing could be signed: give the server's settings";
        return finding(Grade::Warning, detail.to_owned());
    };
    let sent = match Sent::new(url) {
        Ok(sent) => sent,
        Err(why) => return finding(Grade::Bad, format!("{url}: {why}")),
    };
    let answered = match signed(&sent, region, &root) {
        Ok(request) => ask(request).await,
        Err(why) => return finding(Grade::Bad, format!("{url}: {why}")),
    };
    match answered {
        Ok(answer) => judge_answer(&sent, region, &answer),
        Err(error) => finding(Grade::Bad, error),
    }
}

/// What was signed.
struct Sent {
    url: String,
    host: String,
    path: String,
}

impl Sent {
    fn new(url: &str) -> Result<Self, &'static str> {
        let base: Uri = url.parse().map_err(|_| "is no URL")?;
        let scheme = base.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let scheme = scheme.ok_or("does not begin with http:// or https://")?;
        if !["", "/"].contains(&base.path()) || base.query().is_some() {
            return Err("has a path: S3 clients know a host and a port only, so give the gateway a name of its own");
        }
        let host = base.authority().ok_or("has no host")?.as_str();
        // Clients leave the port out where it is the usual one.
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let host = host.strip_suffix(usual).unwrap_or(host).to_owned();
        let path = format!("/{BUCKET}/{PATH}");
        Ok(Self { url: format!("{scheme}://{host}{path}?{QUERY}"), host, path })
    }
}

fn signed(sent: &Sent, region: &str, root: &RootCredentials) -> Result<Request<Empty<Bytes>>, String> {
    let identity = Credentials::new(&root.access_key_id, root.secret.expose(), None, None, "root").into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(SystemClock.now().to_system_time())
        .settings(s3_signing(PayloadChecksumKind::XAmzSha256))
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = [("host", sent.host.as_str())];
    let signable = SignableRequest::new("GET", sent.url.clone(), headers.into_iter(), SignableBody::Bytes(b""))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
    let request = Request::builder().uri(&sent.url).header("host", &sent.host).body(Empty::new());
    let mut request = request.map_err(|error| error.to_string())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

fn judge_answer(sent: &Sent, region: &str, answer: &Answer) -> Vec<Finding> {
    let one = |grade, detail: String| vec![Finding::new(grade, "public url", detail)];
    let url = &sent.url;
    let Some(code) = element(&answer.body, "Code") else {
        let place = answer.headers.get("location").and_then(|place| place.to_str().ok());
        let place = place.map(|place| format!(" and sends to {place}")).unwrap_or_default();
        let detail = format!("{url}: not the gateway, but something before it answers {}{place}", answer.status);
        return one(Grade::Bad, detail);
    };
    match code.as_str() {
        "NoSuchBucket" => one(Grade::Good, format!("{url}: host, path, query and region arrive as they were signed")),
        "SignatureDoesNotMatch" => {
            let found = differences(sent, &answer.body);
            let told = |detail| Finding::new(Grade::Bad, "public url", detail);
            if found.is_empty() {
                return vec![told(format!("{url}: host and path arrive as signed, but the secret is another one"))];
            }
            found.into_iter().map(told).collect()
        }
        "AuthorizationHeaderMalformed" => match element(&answer.body, "Region") {
            Some(other) if other != region => {
                one(Grade::Bad, format!("{url}: signed for the region {region}, but the server there has {other}"))
            }
            _ => one(Grade::Bad, format!("{url}: the Authorization header arrives changed")),
        },
        "InvalidAccessKeyId" => {
            one(Grade::Bad, format!("{url}: another server answers, which does not know root's key of this one"))
        }
        "RequestTimeTooSkewed" => {
            one(Grade::Bad, format!("{url}: the server there has another time than this machine"))
        }
        other => {
            let message = element(&answer.body, "Message").unwrap_or_default();
            one(Grade::Bad, format!("{url}: {} {other}: {message}", answer.status))
        }
    }
}

/// What the gateway saw, where it is not what was signed: the canonical request of its refusal, line by line.
fn differences(sent: &Sent, body: &str) -> Vec<String> {
    let canonical = element(body, "CanonicalRequest").unwrap_or_default();
    let mut lines = canonical.lines();
    let (method, path, query) = (lines.next(), lines.next(), lines.next());
    let host = element(body, "Host").or_else(|| lines.find_map(|line| line.strip_prefix("host:")).map(str::to_owned));
    let mut found = Vec::new();
    if let Some(host) = host.filter(|host| *host != sent.host) {
        let advice = "let the proxy pass the Host header on (nginx: proxy_set_header Host $http_host)";
        found.push(format!("Host arrives as {host:?} instead of {:?}: {advice}", sent.host));
    }
    for (what, arrived, expected) in
        [("method", method, "GET"), ("path", path, sent.path.as_str()), ("query", query, QUERY)]
    {
        if let Some(arrived) = arrived.filter(|arrived| *arrived != expected) {
            found.push(format!(
                "the {what} arrives as {arrived:?} instead of {expected:?}: let the proxy not rewrite it"
            ));
        }
    }
    found
}

/// The text of the first element of that name.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(quick_xml::escape::unescape(text).ok()?.into_owned())
}

async fn ask(mut request: Request<Empty<Bytes>>) -> Result<Answer, String> {
    let agent = HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    let url = request.uri().clone();
    let call = async {
        let connector = connector(url.scheme_str() == Some("https"), None).map_err(|error| error.to_string())?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let answer = client.request(request).await.map_err(|error| {
            let mut text = format!("{url}: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        })?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, DOCTOR_ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| format!("{url}: {error}"))?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    };
    let late = |_| format!("{url}: no answer within {DOCTOR_ASK_MS} ms");
    tokio::time::timeout(Duration::from_millis(DOCTOR_ASK_MS), call).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::{Answer, PATH, QUERY, Sent, element, judge_answer, judge_difference};
    use crate::cli::doctor::Grade;

    fn judged(body: &str) -> Vec<(Grade, String)> {
        let sent = Sent::new("https://s3.example.com").unwrap();
        let answer = Answer { status: StatusCode::FORBIDDEN, headers: HeaderMap::new(), body: body.to_owned() };
        let findings = judge_answer(&sent, "us-east-1", &answer);
        findings.into_iter().map(|finding| (finding.grade, finding.detail)).collect()
    }

    fn mismatch(host: &str, path: &str, query: &str) -> String {
        let query = query.replace('&', "&amp;");
        format!(
            "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>GET\n{path}\n{query}\nhost:{host}\n\nhost\nx\
             </CanonicalRequest><Host>{host}</Host></Error>"
        )
    }

    #[test]
    fn a_difference_counts_from_a_few_seconds_on() {
        let grade = |ahead| judge_difference(ahead, "u").grade;
        assert_eq!((grade(0), grade(-5), grade(5)), (Grade::Good, Grade::Good, Grade::Good));
        assert_eq!((grade(6), grade(-900)), (Grade::Warning, Grade::Warning));
        assert_eq!((grade(901), grade(-100_000)), (Grade::Bad, Grade::Bad));
        assert!(judge_difference(-30, "u").detail.starts_with("30 s behind u"));
    }

    #[test]
    fn a_refusal_of_a_missing_bucket_proves_the_signature() {
        assert_eq!(judged("<Error><Code>NoSuchBucket</Code></Error>")[0].0, Grade::Good);
    }

    #[test]
    fn what_a_proxy_changed_is_named() {
        let sent = Sent::new("https://s3.example.com:443/").unwrap();
        assert_eq!(sent.host, "s3.example.com");
        let told = judged(&mismatch("127.0.0.1:9000", &sent.path, QUERY));
        assert!(told.len() == 1 && told[0].1.starts_with("Host arrives as \"127.0.0.1:9000\""), "{told:?}");
        let told = judged(&mismatch("s3.example.com", &sent.path.replace("//", "/"), QUERY));
        assert!(told.len() == 1 && told[0].1.starts_with("the path arrives as"), "{told:?}");
        let told = judged(&mismatch("s3.example.com", &sent.path, "a=1&b=2"));
        assert!(told.len() == 1 && told[0].1.contains("\"a=1&b=2\" instead of"), "{told:?}");
        let told = judged(&mismatch("s3.example.com", &sent.path, QUERY));
        assert!(told.len() == 1 && told[0].1.contains("the secret is another one"), "{told:?}");
        assert!(sent.path.ends_with(PATH));
    }

    #[test]
    fn other_answers_are_told_apart() {
        let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        assert!(judged(region)[0].1.contains("the server there has eu-west-1"));
        assert!(judged("<Error><Code>InvalidAccessKeyId</Code></Error>")[0].1.contains("another server"));
        assert!(judged("<html>It works</html>")[0].1.contains("something before it answers 403"));
        assert!(judged("").iter().all(|(grade, _)| *grade == Grade::Bad));
    }

    #[test]
    fn only_a_host_is_a_public_url() {
        for wrong in ["s3.example.com", "ftp://s3", "https://s3/prefix", "https://s3/?x", "", "http://"] {
            assert!(Sent::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Sent::new("http://[::1]:9000").unwrap().host, "[::1]:9000");
    }

    #[test]
    fn elements_are_unescaped() {
        assert_eq!(element("<A><B>x&amp;&lt;y&#10;z</B></A>", "B").as_deref(), Some("x&<y\nz"));
        assert_eq!(element("<A>", "A"), None);
    }
}
