//! Sends spans to a collector: OTLP over HTTP, as protobuf. One batch at a time, each within a deadline; what a
//! collector does not take is dropped and counted, and told once a minute, not for each batch.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource as SentResource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits::insight::{
    TRACE_ANSWER_BYTES_MAX, TRACE_ANSWER_MS, TRACE_BUFFER_BYTES_MAX, TRACE_RETRY_MS, TRACE_SEND_MS,
    TRACE_TEXT_BYTES_MAX, TRACE_TOLD_SECONDS, TRACE_TRIES_MAX,
};
use crate::outbound::{ConnectorError, connector};
use crate::telemetry::record;
use crate::telemetry::traces::{Batch, SpanQueue};

/// `ExportTraceServiceRequest.resource_spans`, a message: field 1, wire type 2.
const RESOURCE_SPANS: u8 = 1 << 3 | 2;
/// `ResourceSpans.scope_spans`, a message: field 2, wire type 2.
const SCOPE_SPANS: u8 = 2 << 3 | 2;

type Body = Full<bytes::buf::Chain<Bytes, Bytes>>;

/// Where spans go.
pub struct OtlpSettings {
    /// The address to which they are posted.
    pub uri: Uri,
    /// What is sent along: often a secret.
    pub headers: HeaderMap,
}

/// Why a batch was not taken.
struct Failure {
    cause: String,
    /// Whether the same batch may be taken later.
    may_pass: bool,
}

/// What sends spans.
pub struct Exporter {
    queue: Arc<SpanQueue>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    settings: OtlpSettings,
    envelope: Envelope,
    told: Told,
}

impl Exporter {
    /// Gets ready to send what waits in the queue. Connects to nothing.
    ///
    /// # Errors
    /// See `ConnectorError`.
    pub fn new(settings: OtlpSettings, queue: Arc<SpanQueue>) -> Result<Self, ConnectorError> {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(TRACE_BUFFER_BYTES_MAX)
            .build(connector(settings.uri.scheme_str() == Some("https"), None)?);
        Ok(Self { queue, client, settings, envelope: Envelope::new(&resource()), told: Told::default() })
    }

    /// Sends from now on. To be called in a runtime.
    pub fn start(self) -> Sending {
        let stop = CancellationToken::new();
        Sending { stop: stop.clone(), task: tokio::spawn(self.run(stop)) }
    }

    async fn run(mut self, stop: CancellationToken) {
        tracing::info!(host = self.settings.uri.host(), "requests are traced");
        loop {
            let is_stopping = tokio::select! {
                () = stop.cancelled() => true,
                () = self.queue.filling() => false,
                () = sleep(Duration::from_millis(TRACE_SEND_MS)) => false,
            };
            if let Some(batch) = self.queue.take() {
                self.deliver(batch, &stop).await;
            }
            if is_stopping {
                return;
            }
        }
    }

    /// Sends a batch, again if what failed may pass. Meanwhile others wait in the queue, as many as have room there.
    async fn deliver(&mut self, batch: Batch, stop: &CancellationToken) {
        let Batch { bytes, spans } = batch;
        let bytes = Bytes::from(bytes);
        for number in 1.. {
            match self.send(bytes.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(spans);
                    record::trace_spans_sent(spans - rejected);
                    record::trace_spans_dropped(rejected);
                    let refusal = format!("it rejected {rejected} spans");
                    self.told.note(if rejected == 0 { Ok(()) } else { Err(&refusal) });
                    return;
                }
                Err(failure) => {
                    self.told.note(Err(&failure.cause));
                    if !failure.may_pass || number >= TRACE_TRIES_MAX || stop.is_cancelled() {
                        return record::trace_spans_dropped(spans);
                    }
                    let pause = Duration::from_millis(TRACE_RETRY_MS << (number - 1));
                    let _stopped: Option<()> = stop.run_until_cancelled(sleep(pause)).await;
                }
            }
        }
    }

    /// Sends spans once; returns how many of them the collector rejected.
    async fn send(&self, spans: Bytes) -> Result<u64, Failure> {
        let call = async {
            let answer = self.client.request(self.request(spans)).await.map_err(|error| {
                let causes = std::iter::successors(error.source(), |cause| (*cause).source());
                let causes: String = causes.map(|cause| format!(": {cause}")).collect();
                Failure { cause: format!("{error}{causes}"), may_pass: true }
            })?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            let body = Limited::new(answer.into_body(), TRACE_ANSWER_BYTES_MAX).collect().await;
            judge(status, &body.map(|body| body.to_bytes()).unwrap_or_default())
        };
        let late = |_| Failure { cause: format!("no answer within {TRACE_ANSWER_MS} ms"), may_pass: true };
        timeout(Duration::from_millis(TRACE_ANSWER_MS), call).await.map_err(late)?
    }

    fn request(&self, spans: Bytes) -> Request<Body> {
        let mut request = Request::new(Full::new(self.envelope.around(spans.len()).chain(spans)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.settings.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
        request
    }
}

/// Asks a collector whether it takes spans, with a request that has none.
///
/// # Errors
/// Why it does not.
pub async fn ask(settings: OtlpSettings) -> Result<(), String> {
    let exporter = Exporter::new(settings, Arc::default()).map_err(|error| error.to_string())?;
    exporter.send(Bytes::new()).await.map(drop).map_err(|failure| failure.cause)
}

/// Sending, under way.
pub struct Sending {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sending {
    /// Sends what is left, and waits for it so long at most.
    pub async fn close(self, patience: Duration) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if timeout(patience, self.task).await.is_err() {
            abort.abort();
            tracing::warn!("the last spans were not taken in time by the collector of traces");
        }
    }
}

/// What the answer of a collector says: how many spans it rejected. A success without a body that can be read is one.
fn judge(status: StatusCode, body: &[u8]) -> Result<u64, Failure> {
    if status.is_success() {
        let rejected = ExportTraceServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
        return Ok(rejected.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)));
    }
    // As the protocol says. Redirects are not followed: spans go where the operator said, or nowhere.
    let may_pass = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    Err(Failure { cause: format!("it answered {status}"), may_pass })
}

/// What stands before the spans in each request: who sends them, encoded once.
struct Envelope {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Envelope {
    fn new(resource: &Resource) -> Self {
        let attributes = ResourceAttributesWithSchema::from(resource).attributes.0;
        let resource = SentResource { attributes, dropped_attributes_count: 0, entity_refs: Vec::new() };
        let resource = ResourceSpans { resource: Some(resource), ..ResourceSpans::default() };
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope = ScopeSpans { scope: Some(scope), ..ScopeSpans::default() };
        Self { resource: resource.encode_to_vec(), scope: scope.encode_to_vec() }
    }

    /// The beginning of a request that goes on with that many bytes of spans. Messages that follow one another are
    /// merged by whoever reads them, so the spans need not be copied into this one.
    fn around(&self, span_bytes: usize) -> Bytes {
        let scope_bytes = self.scope.len() + span_bytes;
        let whole = self.resource.len() + 1 + prost::length_delimiter_len(scope_bytes) + scope_bytes;
        let mut head = Vec::with_capacity(self.resource.len() + self.scope.len() + 24);
        head.push(RESOURCE_SPANS);
        prost::encode_length_delimiter(whole, &mut head).expect("a vector grows as needed");
        head.extend_from_slice(&self.resource);
        head.push(SCOPE_SPANS);
        prost::encode_length_delimiter(scope_bytes, &mut head).expect("a vector grows as needed");
        head.extend_from_slice(&self.scope);
        Bytes::from(head)
    }
}

/// Who we are: as the standard variables `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say, or by our name.
fn resource() -> Resource {
    let name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let own = [("service.name", env!("CARGO_PKG_NAME")), ("service.version", env!("CARGO_PKG_VERSION"))];
    Resource::builder_empty()
        .with_attributes(own.map(|(key, value)| KeyValue::new(key, value)))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(name.map(|name| KeyValue::new("service.name", name)))
        .build()
}

/// What the log was told of the collector.
#[derive(Debug, Default)]
struct Told {
    is_failing: bool,
    at: Option<Instant>,
}

impl Told {
    fn note(&mut self, outcome: Result<(), &str>) {
        let now = Instant::now();
        if !self.is_due(outcome.is_err(), now) {
            return;
        }
        match outcome {
            Ok(()) => tracing::info!("the collector of traces takes spans again"),
            Err(cause) => {
                let cause = &cause[..cause.floor_char_boundary(TRACE_TEXT_BYTES_MAX)];
                tracing::warn!(cause, "the collector of traces does not take spans");
            }
        }
    }

    /// Whether that is to be told now: failures and their end, and neither more than once in a while.
    fn is_due(&mut self, fails: bool, now: Instant) -> bool {
        let rest = Duration::from_secs(TRACE_TOLD_SECONDS);
        let is_due = (fails || self.is_failing) && self.at.is_none_or(|at| now.duration_since(at) >= rest);
        if is_due {
            *self = Self { is_failing: fails, at: Some(now) };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::{Buf as _, Bytes};
    use http::StatusCode;
    use opentelemetry::KeyValue;
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    };
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
    use opentelemetry_sdk::Resource;
    use prost::Message as _;
    use tokio::time::Instant;

    use super::{Envelope, Told, judge};

    #[test]
    fn a_request_is_one_message_however_many_spans_it_has() {
        let attributes = [KeyValue::new("service.name", "gate")];
        let envelope = Envelope::new(&Resource::builder_empty().with_attributes(attributes).build());
        for count in [0, 1, 100, 10_000] {
            let spans = (0..count).map(|number| Span { name: format!("span {number}"), ..Span::default() });
            let one = |span| ScopeSpans { spans: vec![span], ..ScopeSpans::default() }.encode_to_vec();
            let spans: Vec<u8> = spans.flat_map(one).collect();
            let mut body = envelope.around(spans.len()).chain(Bytes::from(spans));
            let length = body.remaining();
            let decoded = ExportTraceServiceRequest::decode(body.copy_to_bytes(length)).expect("a message");
            let [resource] = &decoded.resource_spans[..] else { panic!("{decoded:?}") };
            assert_eq!(resource.resource.as_ref().expect("a resource").attributes[0].key, "service.name");
            let [scope] = &resource.scope_spans[..] else { panic!("{resource:?}") };
            assert_eq!(scope.scope.as_ref().expect("a scope").name, "sluicegate");
            assert_eq!(scope.spans.len(), count);
            assert_eq!(scope.spans.last().map(|span| span.name.clone()).is_some(), count > 0);
        }
    }

    #[test]
    fn an_answer_is_judged_as_the_protocol_says() {
        let verdict = |status: u16, body: &[u8]| match judge(StatusCode::from_u16(status).unwrap(), body) {
            Ok(rejected) => format!("{rejected} rejected"),
            Err(failure) if failure.may_pass => "may pass".to_owned(),
            Err(_) => "refused".to_owned(),
        };
        let partial = ExportTracePartialSuccess { rejected_spans: 7, error_message: "no".to_owned() };
        let partial = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        for (status, body, expected) in [
            (200, &b""[..], "0 rejected"),
            (200, &partial, "7 rejected"),
            (200, b"<html>", "0 rejected"),
            (301, b"", "refused"),
            (400, b"", "refused"),
            (429, b"", "may pass"),
            (500, b"", "refused"),
            (503, b"", "may pass"),
        ] {
            assert_eq!(verdict(status, body), expected, "{status}");
        }
    }

    #[test]
    fn the_log_is_told_once_a_minute_at_most() {
        let began = Instant::now();
        let mut told = Told::default();
        let mut due = |fails, second| told.is_due(fails, began + Duration::from_secs(second));
        assert!(!due(false, 0), "that all is well is nothing to tell");
        let lines = (0..600).filter(|second| due(true, *second)).count();
        assert_eq!(lines, 10);
        let lines = (600..1_200).filter(|second| due(second % 2 == 0, *second)).count();
        assert!((1..=10).contains(&lines), "{lines}");
        assert!(due(true, 1_300) && !due(false, 1_359) && due(false, 1_360) && !due(false, 1_500));
    }
}
