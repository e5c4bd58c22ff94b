//! Traces, as a collector gets them: an HTTP server in the test that decodes what is posted to it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::support::receiver::Receiver;
use crate::support::server::ROOT_SECRET;
use crate::support::{Answer, Server};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// A gateway that sends its traces to a collector, with further arguments.
fn traced(collector: &Receiver, arguments: &[&str]) -> Server {
    let endpoint = format!("http://{}", collector.address());
    // No span may depend on what is logged.
    Server::start_with(&[&["--otlp-endpoint", &endpoint, "--log", "info,access=off"], arguments].concat())
}

/// Every span that was posted so far.
fn spans(collector: &Receiver) -> Vec<Span> {
    let requests = collector.posted().into_iter().map(|posted| {
        assert_eq!(
            (posted.target.as_str(), posted.header("content-type")),
            ("/v1/traces", Some("application/x-protobuf"))
        );
        ExportTraceServiceRequest::decode(&*posted.body).expect("a request of the protocol")
    });
    let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// An attribute as text; empty if there is none.
fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => {
            assert!(other.is_none(), "{name} is {other:?}");
            String::new()
        }
    }
}

/// The span of the request that was answered so, and its children in order.
#[track_caller]
fn trace(server: &Server, collector: &Receiver, answer: &Answer) -> (Span, Vec<Span>) {
    let id = answer.header("x-amz-request-id").expect("an id").to_owned();
    let root = || spans(collector).into_iter().find(|span| attribute(span, "aws.request_id") == id);
    server.eventually("the request's span arrives", || root().is_some());
    let root = root().unwrap();
    let mut children = spans(collector);
    children.retain(|span| span.parent_span_id == root.span_id);
    children.sort_by_key(|span| span.start_time_unix_nano);
    for child in &children {
        assert_eq!((&child.trace_id, child.kind), (&root.trace_id, SpanKind::Internal as i32), "{child:?}");
        let (begin, end) = (child.start_time_unix_nano, child.end_time_unix_nano);
        assert!(root.start_time_unix_nano <= begin && begin <= end, "{root:?} {child:?}");
        assert!(end <= root.end_time_unix_nano, "{root:?} {child:?}");
    }
    assert_eq!(root.kind, SpanKind::Server as i32);
    assert!(root.events.is_empty() && root.links.is_empty(), "log lines are no part of traces: {root:?}");
    (root, children)
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
}

#[test]
fn requests_are_traces_with_steps_and_refusals_say_why() {
    let collector = Receiver::start();
    let server = traced(&collector, &[]);
    let client = server.client();
    client.bucket("photos");
    let body = vec![7; 300_000];

    let put = client.call("PUT", "/photos/cat").header("user-agent", "tester/1").body(body.clone()).send().expect(200);
    let (root, steps) = trace(&server, &collector, &put);
    assert_eq!((root.name.as_str(), root.parent_span_id.len(), root.trace_id.len()), ("PutObject", 0, 16));
    assert_eq!(names(&steps), ["authorize", "receive body", "store body", "commit metadata"]);
    for (name, value) in [
        ("http.request.method", "PUT"),
        ("http.response.status_code", "200"),
        ("http.request.body.size", "300000"),
        ("http.response.body.size", "0"),
        ("error.type", ""),
        ("url.scheme", "http"),
        ("server.address", "127.0.0.1"),
        ("server.port", &server.address().port().to_string()),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "tester/1"),
        ("aws.s3.bucket", "photos"),
    ] {
        assert_eq!(attribute(&root, name), value, "{name}");
    }

    let get = client.get("/photos/cat").expect(200);
    assert_eq!(get.body, body);
    let (root, steps) = trace(&server, &collector, &get);
    assert_eq!((root.name.as_str(), attribute(&root, "http.response.body.size").as_str()), ("GetObject", "300000"));
    assert_eq!(steps.first().map(|step| step.name.as_str()), Some("authorize"));
    assert!(steps.iter().any(|step| step.name == "read body"), "{:?}", names(&steps));

    let (root, steps) = trace(&server, &collector, &client.delete("/photos/cat").expect(204));
    assert_eq!((root.name.as_str(), names(&steps)), ("DeleteObject", vec!["authorize", "commit metadata"]));

    let wrong = server.anonymous().get("/photos/cat").expect(403);
    let (root, _) = trace(&server, &collector, &wrong);
    assert_eq!(attribute(&root, "error.type"), "AccessDenied");
    assert_eq!((attribute(&root, "http.response.status_code").as_str(), is_error(&root)), ("403", false));

    let method = server.anonymous().call("BREW", "/photos/cat").send();
    let (root, _) = trace(&server, &collector, &method);
    assert_eq!(attribute(&root, "http.request.method"), "_OTHER");
    assert_eq!(attribute(&root, "error.type"), "MethodNotAllowed");

    let roots = spans(&collector).into_iter().filter(|span| span.kind == SpanKind::Server as i32);
    let traces: Vec<_> = roots.map(|span| span.trace_id).collect();
    assert_eq!(traces.iter().collect::<BTreeSet<_>>().len(), traces.len(), "each request is a trace of its own");
    let services = collector.posted().into_iter().flat_map(|posted| {
        ExportTraceServiceRequest::decode(&*posted.body).unwrap().resource_spans.into_iter().map(|spans| spans.resource)
    });
    for resource in services {
        assert!(format!("{resource:?}").contains("StringValue(\"sluicegate\")"), "{resource:?}");
    }
    let log = server.log();
    assert!(!log.contains("otel.") && !log.contains("authorize"), "the log knows no spans: {log}");
}

#[test]
fn a_callers_trace_goes_on_if_the_caller_traces() {
    let collector = Receiver::start();
    let server = traced(&collector, &["--otlp-sample", "0"]);
    let client = server.client();
    client.bucket("photos");
    let off = client.call("GET", "/photos").header("traceparent", traceparent("00")).send().expect(200);
    let on = client.call("GET", "/photos").header("traceparent", traceparent("01")).send().expect(200);
    let (root, steps) = trace(&server, &collector, &on);
    assert_eq!((root.name.as_str(), names(&steps)), ("ListObjects", vec!["authorize"]));
    assert_eq!((hex::encode(&root.trace_id), hex::encode(&root.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    let off = off.header("x-amz-request-id").unwrap().to_owned();
    let all = spans(&collector);
    assert!(all.iter().all(|span| attribute(span, "aws.request_id") != off), "its caller does not trace");
    assert_eq!(all.len(), 2, "nobody asked for more: {:?}", names(&all));
}

#[test]
fn no_secret_and_no_key_of_an_object_leaves_the_house() {
    let collector = Receiver::start();
    let endpoint = format!("http://{}/tenant", collector.address());
    let directory = tempfile::tempdir().unwrap();
    let environment =
        [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush-hush"), ("OTEL_SERVICE_NAME", "gate-7")];
    let arguments = ["--otlp-endpoint", &endpoint, "--log", "trace"];
    let mut server = Server::start_in_with(&directory.path().join("data"), &arguments, &environment);
    let client = server.client();
    client.bucket("photos");
    client.put("/photos/my-diary.txt", "dear-diary").expect(200);
    let presigned = client.call("GET", "/photos/my-diary.txt?response-content-type=text%2Fcss").presign(60);
    server.anonymous().get(&presigned).expect(200);
    let forged = presigned.replace("Signature=", "Signature=0");
    server.anonymous().get(&forged).expect(403);
    let customer = "x-amz-server-side-encryption-customer-";
    let put = client.call("PUT", "/photos/my-diary.txt").header("x-amz-meta-note", "between-us").body("x");
    put.header(&format!("{customer}key"), "bXkgb3duIGtleQ==").send();
    assert!(server.stop().success());
    let posted = collector.posted();
    assert!(!posted.is_empty());
    let signature = presigned.split("Signature=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert!(signature.len() >= 64, "{signature}");
    let secrets = [ROOT_SECRET, &signature, "X-Amz-", "AKIA", "diary", "text/css", "bXkgb3duIGtleQ", "between-us"];
    for post in &posted {
        assert_eq!(post.target, "/tenant/v1/traces");
        assert_eq!(post.header("authorization"), Some("Bearer hush-hush"));
        let text = format!("{}{}", post.target, String::from_utf8_lossy(&post.body));
        assert!(text.contains("gate-7"), "the name that the environment gives");
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let log = server.log();
    assert!(!log.contains("hush-hush") && log.contains("requests are traced"), "{log}");
    assert!(!log.contains("otel."), "not even the most curious log knows spans: {log}");
}

#[test]
fn doctor_asks_the_collector() {
    let collector = Receiver::start();
    let endpoint = format!("http://{}", collector.address());
    let directory = tempfile::tempdir().unwrap();
    let told = || {
        let mut command = crate::support::server::binary();
        command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]);
        let told = command.arg(directory.path()).args(["--otlp-endpoint", &endpoint]).output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("a document");
        let found = told["findings"].as_array().unwrap().iter().find(|finding| finding["topic"] == "traces").cloned();
        found.expect("a finding")
    };
    assert_eq!(told()["state"], "ok");
    assert!(spans(&collector).is_empty() && collector.posted().len() == 1, "asked with no span");
    collector.answer(404);
    let refused = told();
    assert_eq!(refused["state"], "warning");
    assert!(refused["detail"].as_str().unwrap().contains("it answered 404"), "{refused}");
}

#[test]
fn the_last_spans_arrive_before_the_end_and_without_the_flag_none_do() {
    let collector = Receiver::start();
    let mut server = traced(&collector, &[]);
    server.client().bucket("photos");
    let put = server.client().put("/photos/last", vec![1; 100_000]).expect(200);
    assert!(server.stop().success());
    let id = put.header("x-amz-request-id").unwrap();
    assert!(spans(&collector).iter().any(|span| attribute(span, "aws.request_id") == id), "no batch was due yet");

    let silent = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let standard = [("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", silent.address()))];
    let environment = standard.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut server = Server::start_in_with(&directory.path().join("data"), &["--log", "trace"], &environment);
    let call = server.client().call("PUT", "/photos").header("traceparent", traceparent("01"));
    call.send().expect(200);
    assert_eq!(server.metric("sluicegate_trace_spans_sent_total"), Some(0.0));
    assert!(server.stop().success());
    assert!(silent.posted().is_empty());
    assert!(!server.log().contains("otlp"), "not even for the most curious log");
}

/// The slowest of some requests.
fn slowest(server: &Server, requests: usize) -> Duration {
    let client = server.anonymous();
    let agent = "a".repeat(250);
    let timed = (0..requests).map(|_| {
        let began = Instant::now();
        client.call("GET", "/photos").header("user-agent", agent.clone()).send().expect(403);
        began.elapsed()
    });
    timed.max().unwrap()
}

#[test]
fn a_collector_that_hangs_or_refuses_costs_requests_nothing() {
    let collector = Receiver::start();
    collector.delay(Duration::from_secs(60));
    let mut server = traced(&collector, &[]);
    server.client().bucket("photos");
    slowest(&server, 10);
    std::thread::sleep(Duration::from_millis(1_200));
    let resident = server.metric("process_resident_memory_bytes").unwrap();
    let mut worst = Duration::ZERO;
    server.eventually("the queue is full, and more is dropped", || {
        worst = worst.max(slowest(&server, 500));
        server.metric("sluicegate_trace_spans_dropped_total").unwrap() > 100.0
    });
    assert!(worst < Duration::from_secs(2), "a request took {worst:?}");
    let grown = server.metric("process_resident_memory_bytes").unwrap() - resident;
    assert!(grown < f64::from(16 << 20), "{grown} bytes more");
    assert_eq!(server.metric("sluicegate_trace_spans_sent_total"), Some(0.0));
    let began = Instant::now();
    assert!(server.stop().success());
    assert!(began.elapsed() < Duration::from_secs(10), "the stop waited {:?}", began.elapsed());

    let collector = Receiver::start();
    collector.answer(500);
    let server = traced(&collector, &[]);
    server.client().bucket("photos");
    for _ in 0..3 {
        let before = server.metric("sluicegate_trace_spans_dropped_total").unwrap();
        slowest(&server, 5);
        let dropped = || server.metric("sluicegate_trace_spans_dropped_total").unwrap();
        server.eventually("spans are dropped", || dropped() > before);
    }
    assert!(collector.posted().len() >= 3);
    let told = server.log().matches("does not take spans").count();
    assert_eq!(told, 1, "once a minute at most: {}", server.log());
}
