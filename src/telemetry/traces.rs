//! Traces for OpenTelemetry: which requests are traced, what their spans say, and the spans that wait to be sent.
//!
//! A span names the operation, the bucket and the request's id, by which the access log finds the rest. It says neither
//! keys of objects nor paths nor queries: names of files are often personal, presigned URLs are credentials, and
//! collectors are often somebody else's.
//!
//! Without a collector there is no layer, a request asks once whether it is traced, and no span is made.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::Version;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::uri::Authority;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span as SentSpan};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SdkTracerProvider, ShouldSample as _, Span as BuiltSpan, SpanData, SpanLimits,
    SpanProcessor,
};
use prost::Message as _;
use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

use crate::limits::insight::{
    FOLLOWED_TRACES_PER_SECOND_MAX, TRACE_QUEUE_BYTES_MAX, TRACE_READS_MAX, TRACE_TEXT_BYTES_MAX,
};
use crate::telemetry::per_second::PerSecond;
use crate::telemetry::record;

/// Target of the spans. The log leaves it out, the layer of traces takes nothing else.
pub const TRACE_TARGET: &str = "otlp";
/// What the span of a request is called until its operation is known.
const REQUEST: &str = "request";
/// The header by which a caller says which trace goes on.
const TRACEPARENT: &str = "traceparent";
/// How long that header is: version, trace, span and flags. Whatever has another length is none.
const TRACEPARENT_BYTES: usize = 55;

/// The traces of this process, as its log is.
static TRACES: OnceLock<Traces> = OnceLock::new();

/// What of a request may take time, each a span below that of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Policies, ACLs and what else the metadata says of who may do it.
    Authorize,
    /// The body comes in, is hashed and written.
    ReceiveBody,
    /// What is left of it is written, and all of it synced.
    StoreBody,
    /// The metadata transaction: waits for its group, and for the sync of the log.
    Commit,
    /// The answer waits for a piece of the body: for its place, for a block of memory, for the disk.
    ReadBody,
}

/// Begins a step of the request that is being worked on. Without a trace nothing begins.
pub fn step(step: Step) -> Span {
    match step {
        Step::Authorize => tracing::info_span!(target: TRACE_TARGET, "authorize"),
        Step::ReceiveBody => tracing::info_span!(target: TRACE_TARGET, "receive body"),
        Step::StoreBody => tracing::info_span!(target: TRACE_TARGET, "store body"),
        Step::Commit => tracing::info_span!(target: TRACE_TARGET, "commit metadata"),
        Step::ReadBody => tracing::info_span!(target: TRACE_TARGET, "read body"),
    }
}

/// Begins the span of a request, if it is to be traced. `peer` is the other end, and whether it speaks TLS.
pub fn begin(head: &Parts, request_id: &str, peer: Option<(SocketAddr, bool)>) -> Span {
    TRACES.get().map_or_else(Span::none, |traces| traces.begin(head, request_id, peer))
}

/// Notes what a request asks for.
pub fn note_operation(span: &Span, operation: &'static str, bucket: &str) {
    span.record("otel.name", operation);
    if !bucket.is_empty() {
        span.record("aws.s3.bucket", bucket);
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct TracedEnd {
    /// The status of its answer; `None` if it was aborted before it had one.
    pub status: Option<u16>,
    /// Whether the whole answer was handed to the connection.
    pub complete: bool,
    /// The code that refused it.
    pub code: Option<&'static str>,
    /// Bytes of its body.
    pub received_bytes: u64,
    /// Bytes of the body of its answer.
    pub sent_bytes: u64,
}

/// Ends the span of a request. A refusal is the client's error, not ours: only a failure is an error of the span.
pub fn end(span: &Span, end: &TracedEnd) {
    if span.is_disabled() {
        return;
    }
    let whole = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    if let Some(status) = end.status {
        span.record("http.response.status_code", i64::from(status));
    }
    let is_aborted = !end.complete || end.status.is_none();
    if let Some(error) = end.code.or(is_aborted.then_some("aborted")) {
        span.record("error.type", error);
    }
    if is_aborted || end.status.is_some_and(|status| status >= 500) {
        span.record("otel.status_code", "ERROR");
    }
    span.record("http.request.body.size", whole(end.received_bytes));
    span.record("http.response.body.size", whole(end.sent_bytes));
    // A span ends when it was last left.
    span.in_scope(|| ());
}

/// The waits for one body, each a step of its request while they are few.
#[derive(Debug, Default)]
pub struct ReadSteps {
    waiting: Option<Span>,
    begun: u32,
}

impl ReadSteps {
    /// Notes whether the body makes its reader wait.
    pub fn note(&mut self, waits: bool) {
        if !waits {
            self.waiting = None;
        } else if self.waiting.is_none() && self.begun < TRACE_READS_MAX {
            self.begun += 1;
            self.waiting = Some(step(Step::ReadBody));
        }
    }
}

/// Spans that ended: many `ScopeSpans` in a row, which is one with all of them.
#[derive(Debug)]
pub struct Batch {
    /// The spans, encoded.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub spans: u64,
}

impl Batch {
    /// Memory that is not touched costs nothing, and what is allocated once never grows beyond the bound.
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(TRACE_QUEUE_BYTES_MAX), spans: 0 }
    }
}

/// Spans that wait to be sent. Nobody waits for it: what it has no room for is dropped and counted.
#[derive(Debug)]
pub struct SpanQueue {
    waiting: Mutex<Batch>,
    filling: Notify,
}

impl Default for SpanQueue {
    fn default() -> Self {
        Self { waiting: Mutex::new(Batch::new()), filling: Notify::new() }
    }
}

impl SpanQueue {
    fn waiting(&self) -> MutexGuard<'_, Batch> {
        // Spans are whole whatever the holder did.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, span: SentSpan) {
        let one = ScopeSpans { scope: None, spans: vec![span], schema_url: String::new() };
        let bytes = one.encoded_len();
        let mut waiting = self.waiting();
        if waiting.bytes.len() + bytes > TRACE_QUEUE_BYTES_MAX {
            drop(waiting);
            record::trace_spans_dropped(1);
            return;
        }
        one.encode(&mut waiting.bytes).expect("a vector grows as needed");
        waiting.spans += 1;
        if waiting.bytes.len() > TRACE_QUEUE_BYTES_MAX / 2 {
            self.filling.notify_one();
        }
    }

    /// All that waits; `None` if nothing does.
    pub fn take(&self) -> Option<Batch> {
        let mut waiting = self.waiting();
        (waiting.spans > 0).then(|| std::mem::replace(&mut *waiting, Batch::new()))
    }

    /// Returns when so much waits that it should be sent at once. Cancel-safe.
    pub async fn filling(&self) {
        self.filling.notified().await;
    }
}

/// Puts spans that end into the queue.
#[derive(Debug)]
struct Collect(Arc<SpanQueue>);

impl SpanProcessor for Collect {
    fn on_start(&self, _span: &mut BuiltSpan, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.push(span.into());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// What makes traces.
pub struct Traces {
    sample: f64,
    followed: PerSecond,
    provider: SdkTracerProvider,
    queue: Arc<SpanQueue>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traces({})", self.sample)
    }
}

/// What says who called.
struct TraceParent<'a>(&'a str);

impl Extractor for TraceParent<'_> {
    // The state of other vendors (`tracestate`) is not continued: it is as long as the client makes it, and the
    // collector has it from the caller.
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

impl Traces {
    /// Traces of that share of the requests, 0 to 1.
    pub fn new(sample: f64) -> Self {
        let queue = Arc::new(SpanQueue::default());
        // Which requests are traced is decided before there is a span, so that the others cost nothing.
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            // Not what the environment says.
            .with_span_limits(SpanLimits::default())
            .with_span_processor(Collect(Arc::clone(&queue)))
            .build();
        Self { sample, followed: PerSecond::default(), provider, queue }
    }

    /// Where the spans wait.
    pub fn queue(&self) -> Arc<SpanQueue> {
        Arc::clone(&self.queue)
    }

    /// From here on requests are traced by these. The first call counts.
    pub fn trace_requests(self) {
        let _ = TRACES.set(self);
    }

    /// What makes traces of spans.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).build();
        // The thread, the line of the source and how long a task was polled say nothing to an operator; and a context
        // of OpenTelemetry beside that of `tracing` is one that nobody here asks for.
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer_with_scope(scope))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        let is_ours = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TRACE_TARGET;
        // A step belongs to a request. Those of background work, and of requests that are not traced, are not made.
        let is_traced = move |metadata: &Metadata<'_>, context: &LayerContext<'_, S>| {
            is_ours(metadata) && (metadata.name() == REQUEST || context.lookup_current().is_some())
        };
        let interest = move |metadata: &'static Metadata<'static>| {
            if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
        };
        let filter = DynFilterFn::new(is_traced).with_callsite_filter(interest);
        layer.with_filter(filter.with_max_level_hint(LevelFilter::INFO))
    }

    /// What the span of a request continues, or an empty context; `None` if the request is not traced.
    ///
    /// A caller who does not trace (the flag of its `traceparent` is off) is not traced here either; it still has its
    /// line in the access log. One who does is followed, but anybody can say so, without a key: beyond a number in each
    /// second only the share of `--otlp-sample` is, so that nobody fills the queue, or the bill of the collector's
    /// owner, by a header.
    fn decide(&self, traceparent: Option<&str>, now: Instant) -> Option<Context> {
        let propagator = TraceContextPropagator::new();
        let given = traceparent
            .filter(|text| text.len() == TRACEPARENT_BYTES)
            .map(|text| propagator.extract_with_context(&Context::new(), &TraceParent(text)));
        let Some(parent) = given.filter(|context| context.span().span_context().is_valid()) else {
            return (rand::random::<f64>() < self.sample).then(Context::new);
        };
        let caller = parent.span().span_context().clone();
        let is_traced = caller.is_sampled()
            && (self.is_in_share(caller.trace_id()) || self.followed.may(now, FOLLOWED_TRACES_PER_SECOND_MAX));
        is_traced.then_some(parent)
    }

    /// Whether a trace is in the share that is traced: the same answer wherever it is asked.
    fn is_in_share(&self, trace: TraceId) -> bool {
        let sampler = Sampler::TraceIdRatioBased(self.sample);
        let judged = sampler.should_sample(None, trace, REQUEST, &SpanKind::Server, &[], &[]);
        judged.decision == SamplingDecision::RecordAndSample
    }

    fn begin(&self, head: &Parts, request_id: &str, peer: Option<(SocketAddr, bool)>) -> Span {
        let traceparent = head.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let Some(parent) = self.decide(traceparent, Instant::now()) else { return Span::none() };
        let method = known_method(head.method.as_str());
        let span = tracing::info_span!(
            target: TRACE_TARGET,
            parent: None,
            REQUEST,
            otel.name = method.unwrap_or("HTTP"),
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            http.request.method = method.unwrap_or("_OTHER"),
            http.request.body.size = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            http.response.body.size = tracing::field::Empty,
            error.type = tracing::field::Empty,
            url.scheme = if peer.is_some_and(|(_, is_tls)| is_tls) { "https" } else { "http" },
            server.address = tracing::field::Empty,
            server.port = tracing::field::Empty,
            client.address = tracing::field::Empty,
            network.protocol.version = protocol(head.version),
            user_agent.original = tracing::field::Empty,
            aws.request_id = request_id,
            aws.s3.bucket = tracing::field::Empty,
        );
        if let Some((host, port)) = host(head) {
            span.record("server.address", cut(&host));
            if let Some(port) = port {
                span.record("server.port", i64::from(port));
            }
        }
        if let Some((address, _)) = peer {
            span.record("client.address", tracing::field::display(address.ip()));
        }
        if let Some(agent) = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()) {
            span.record("user_agent.original", cut(agent));
        }
        // There is a layer, and the span is new.
        let _ = span.set_parent(parent);
        span
    }
}

/// The methods that conventions know: others are as long and as many as clients make them.
fn known_method(method: &str) -> Option<&'static str> {
    ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"]
        .into_iter()
        .find(|known| *known == method)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// The name by which the client asked, and the port; never a user's name or password.
fn host(head: &Parts) -> Option<(String, Option<u16>)> {
    let named = head.headers.get(HOST).and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
    let authority = head.uri.authority().cloned().or(named)?;
    Some((authority.host().trim_matches(['[', ']']).to_owned(), authority.port_u16()))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TRACE_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use opentelemetry::trace::TraceContextExt as _;
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span as SentSpan};
    use prost::Message as _;

    use super::{SpanQueue, Traces, host, known_method};
    use crate::limits::insight::{FOLLOWED_TRACES_PER_SECOND_MAX, TRACE_QUEUE_BYTES_MAX};

    const TRACED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const UNTRACED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    #[test]
    fn who_is_traced_is_the_callers_choice_within_bounds() {
        let now = Instant::now();
        let (all, none) = (Traces::new(1.0), Traces::new(0.0));
        assert!(all.decide(None, now).is_some() && none.decide(None, now).is_none());
        assert!(all.decide(Some(UNTRACED), now).is_none(), "the caller does not trace");
        let parent = none.decide(Some(TRACED), now).expect("the caller traces");
        assert_eq!(parent.span().span_context().trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let flood = |traces: &Traces, at| (0..1_000).filter(|_| traces.decide(Some(TRACED), at).is_some()).count();
        let second = now + Duration::from_secs(5);
        assert_eq!(flood(&none, second) as u64, FOLLOWED_TRACES_PER_SECOND_MAX);
        assert_eq!(flood(&none, second + Duration::from_secs(1)) as u64, FOLLOWED_TRACES_PER_SECOND_MAX);
        assert_eq!(flood(&all, second), 1_000, "all of them are wanted");
    }

    #[test]
    fn a_traceparent_that_is_none_is_a_request_without() {
        let (all, none) = (Traces::new(1.0), Traces::new(0.0));
        let zeros = "00-00000000000000000000000000000000-0000000000000000-01";
        let long = "0".repeat(100_000);
        for text in ["", "00", "00-x-y-01", zeros, &TRACED[..54], &TRACED.to_uppercase(), &long] {
            let context = all.decide(Some(text), Instant::now()).expect("traced as if it had none");
            assert!(!context.span().span_context().is_valid(), "{text}");
            assert!(none.decide(Some(text), Instant::now()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_share_is_about_as_large_as_it_says() {
        let tenth = Traces::new(0.1);
        let traced = (0..10_000).filter(|_| tenth.decide(None, Instant::now()).is_some()).count();
        assert!((700..1_300).contains(&traced), "{traced}");
    }

    #[test]
    fn the_queue_holds_so_many_bytes_and_is_one_message() {
        let queue = SpanQueue::default();
        assert!(queue.take().is_none());
        let span = |name: &str| SentSpan { name: name.to_owned(), ..SentSpan::default() };
        let long = "n".repeat(4_000);
        for _ in 0..1_000 {
            queue.push(span(&long));
        }
        let batch = queue.take().expect("spans");
        assert!(batch.bytes.len() <= TRACE_QUEUE_BYTES_MAX && batch.bytes.capacity() == TRACE_QUEUE_BYTES_MAX);
        assert!((250..270).contains(&batch.spans), "{}", batch.spans);
        let decoded = ScopeSpans::decode(&*batch.bytes).expect("one message");
        assert_eq!(decoded.spans.len() as u64, batch.spans);
        queue.push(span("next"));
        assert_eq!(queue.take().map(|batch| batch.spans), Some(1), "there is room again");
    }

    #[test]
    fn the_host_has_neither_brackets_nor_a_user() {
        let found = |text: &str| host(&http::Request::get("/").header("host", text).body(()).unwrap().into_parts().0);
        assert_eq!(found("s3.example.com:9000"), Some(("s3.example.com".to_owned(), Some(9000))));
        assert_eq!(found("[::1]"), Some(("::1".to_owned(), None)));
        assert_eq!(found("me:hidden@nas"), Some(("nas".to_owned(), None)));
        assert_eq!(found("a b"), None);
        assert_eq!((known_method("PUT"), known_method("put")), (Some("PUT"), None));
    }
}
