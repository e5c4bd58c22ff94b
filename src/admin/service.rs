//! Routes of the admin listener.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::admin::Probe;
use crate::engine::Engine;
use crate::guard::Drain;
use crate::limits::MemoryPlan;
use crate::net::{Handler, Request, Response, full_body};
use crate::telemetry::Recorder;
use crate::telemetry::record::{self, Gauges};

/// Reads the values that change.
pub type GaugeSource = Arc<dyn Fn() -> Gauges + Send + Sync>;

/// What the admin listener looks at.
pub struct AdminParts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The drain of the S3 listener.
    pub drain: Drain,
    /// Counts of the S3 listener and the block pool.
    pub gauges: GaugeSource,
    /// How memory is split.
    pub plan: MemoryPlan,
    /// Directory of everything that is stored.
    pub data_dir: PathBuf,
    /// The metrics.
    pub recorder: Recorder,
}

/// Answers the admin listener. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    shared: Arc<Shared>,
}

struct Shared {
    probe: Probe,
    gauges: GaugeSource,
    plan: MemoryPlan,
    recorder: Recorder,
}

/// A route of the admin listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Live,
    Ready,
    Metrics,
    Status,
    WrongMethod,
    Unknown,
}

impl Route {
    fn find(method: &Method, path: &str) -> Self {
        let route = match path {
            "/health/live" => Self::Live,
            "/health/ready" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/v1/status" => Self::Status,
            _ => return Self::Unknown,
        };
        if [Method::GET, Method::HEAD].contains(method) { route } else { Self::WrongMethod }
    }
}

impl Admin {
    /// A service over the parts of a running server.
    pub fn new(parts: AdminParts) -> Self {
        let AdminParts { engine, drain, gauges, plan, data_dir, recorder } = parts;
        let probe = Probe::new(engine, drain, data_dir);
        Self { shared: Arc::new(Shared { probe, gauges, plan, recorder }) }
    }
}

impl Handler for Admin {
    fn handle(&self, request: Request) -> BoxFuture<'static, Response> {
        let route = Route::find(request.method(), request.uri().path());
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.answer(route).await })
    }
}

impl Shared {
    async fn answer(&self, route: Route) -> Response {
        match route {
            Route::Live => json_answer(StatusCode::OK, &json!({"status": "live"})),
            Route::Ready => self.answer_ready().await,
            Route::Metrics => {
                record::sample(&(self.gauges)());
                answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.recorder.render())
            }
            Route::Status => json_answer(StatusCode::OK, &self.status()),
            Route::WrongMethod => {
                let mut response = json_answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "method not allowed"}));
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            Route::Unknown => json_answer(StatusCode::NOT_FOUND, &json!({"error": "no such route"})),
        }
    }

    async fn answer_ready(&self) -> Response {
        match self.probe.check().await {
            Ok(()) => json_answer(StatusCode::OK, &json!({"status": "ready"})),
            Err(cause) => {
                let body = json!({"status": cause.status(), "reason": cause.reason(), "detail": cause.to_string()});
                json_answer(StatusCode::SERVICE_UNAVAILABLE, &body)
            }
        }
    }

    fn status(&self) -> serde_json::Value {
        let gauges = (self.gauges)();
        let terms: serde_json::Map<_, _> =
            record::plan_terms(&self.plan).into_iter().map(|(term, bytes)| (term.to_owned(), bytes.into())).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "draining": self.probe.is_draining(),
            "requests_in_flight": gauges.in_flight,
            "requests_max": self.plan.requests_max,
            "connections": gauges.connections,
            "connections_max": self.plan.connections_max,
            "blocks": gauges.blocks,
            "blocks_leased": gauges.blocks_leased,
            "disk_free_bytes": gauges.disk_free_bytes,
            "read_only": gauges.is_read_only,
            "resident_bytes": record::resident_bytes(),
            "memory_plan_bytes": terms,
        })
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    answer(status, "application/json", format!("{body}\n"))
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::Route;

    #[test]
    fn routes_are_exact_and_read_only() {
        for (method, path, route) in [
            (Method::GET, "/health/live", Route::Live),
            (Method::HEAD, "/health/ready", Route::Ready),
            (Method::GET, "/metrics", Route::Metrics),
            (Method::GET, "/v1/status", Route::Status),
            (Method::POST, "/metrics", Route::WrongMethod),
            (Method::DELETE, "/health/live", Route::WrongMethod),
            (Method::GET, "/", Route::Unknown),
            (Method::GET, "/metrics/", Route::Unknown),
            (Method::GET, "/health", Route::Unknown),
        ] {
            assert_eq!(Route::find(&method, path), route, "{method} {path}");
        }
    }
}
