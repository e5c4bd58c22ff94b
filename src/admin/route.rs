//! The table of the admin API: which method and path is answered by what, and who may ask. A new route is one line here,
//! one handler, and its words in `openapi.json`.

use std::future::ready;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;

use crate::admin::answer::Outcome;
use crate::admin::call::Call;
use crate::admin::shared::Shared;
use crate::admin::{buckets, control, encryption, history, jobs, keys, overview, presign, requests, sign_in};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// Whoever has a key.
    AnyKey,
    /// Administrators.
    Administrator,
}

/// Answers a request.
pub(crate) type Run = fn(Arc<Shared>, Call) -> BoxFuture<'static, Outcome>;

/// One line of the table.
pub(crate) struct Route {
    /// The method; `GET` answers `HEAD` too.
    pub(crate) method: &'static str,
    /// The path. A segment `{…}` stands for any; a last segment `{*}` for all that follow, and none.
    pub(crate) path: &'static str,
    /// Who may ask.
    pub(crate) access: Access,
    /// Whether the audit log tells of it.
    pub(crate) is_audited: bool,
    /// What answers.
    pub(crate) run: Run,
}

impl Route {
    const fn open(method: &'static str, path: &'static str, run: Run) -> Self {
        Self { method, path, access: Access::Open, is_audited: false, run }
    }

    /// For whoever has a key.
    const fn any(method: &'static str, path: &'static str, run: Run) -> Self {
        Self { method, path, access: Access::AnyKey, is_audited: false, run }
    }

    /// For administrators, reading.
    const fn read(method: &'static str, path: &'static str, run: Run) -> Self {
        Self { method, path, access: Access::Administrator, is_audited: false, run }
    }

    /// For administrators, changing something.
    const fn change(method: &'static str, path: &'static str, run: Run) -> Self {
        Self { method, path, access: Access::Administrator, is_audited: true, run }
    }
}

/// All routes but the door to S3, which takes every method and streams.
pub(crate) static ROUTES: &[Route] = &[
    Route::open("GET", "/health/live", |_, _| now(overview::live())),
    Route::open("GET", "/health/ready", |admin, _| Box::pin(overview::ready(admin))),
    Route::open("GET", "/metrics", |admin, _| now(overview::metrics(&admin))),
    Route::open("GET", "/v1/status", |admin, _| now(overview::status(&admin))),
    Route::open("GET", "/v1/openapi.json", |_, _| now(overview::openapi())),
    Route::open("POST", "/v1/session", |admin, call| now(sign_in::begin(&admin, &call))),
    Route::open("GET", "/v1/session", |admin, call| now(sign_in::show(&admin, &call))),
    Route::any("DELETE", "/v1/session", |admin, call| now(sign_in::end(&admin, &call))),
    Route::any("POST", "/v1/presign", |admin, call| now(presign::presign(&admin, &call))),
    Route::read("GET", "/v1/overview", |admin, call| Box::pin(overview::overview(admin, call))),
    Route::read("GET", "/v1/history", |admin, call| Box::pin(async move { history::history(&admin, &call) })),
    Route::read("GET", "/v1/requests", |admin, call| Box::pin(async move { requests::list(&admin, &call) })),
    Route::read("GET", "/v1/requests/{id}", |admin, call| Box::pin(async move { requests::show(&admin, &call) })),
    Route::read("GET", "/v1/uploads/running", |admin, _| Box::pin(async move { requests::uploads(&admin) })),
    Route::read("GET", "/v1/keys", |admin, _| Box::pin(keys::list(admin))),
    Route::change("POST", "/v1/keys", |admin, call| Box::pin(keys::add(admin, call))),
    Route::read("GET", "/v1/keys/{id}", |admin, call| Box::pin(keys::show(admin, call))),
    Route::change("PATCH", "/v1/keys/{id}", |admin, call| Box::pin(keys::edit(admin, call))),
    Route::change("DELETE", "/v1/keys/{id}", |admin, call| Box::pin(keys::remove(admin, call))),
    Route::change("POST", "/v1/keys/{id}/rotate", |admin, call| Box::pin(keys::rotate(admin, call))),
    Route::read("GET", "/v1/buckets", |admin, call| Box::pin(buckets::list(admin, call))),
    Route::change("PUT", "/v1/buckets/{name}/quota", |admin, call| Box::pin(buckets::set_quota(admin, call))),
    Route::change("PUT", "/v1/buckets/{name}/undelete", |admin, call| Box::pin(buckets::set_window(admin, call))),
    Route::read("GET", "/v1/buckets/{name}/undelete", |admin, call| Box::pin(buckets::restorable(admin, call))),
    Route::change("POST", "/v1/buckets/{name}/undelete/restore", |admin, call| Box::pin(buckets::restore(admin, call))),
    Route::read("POST", "/v1/buckets/{name}/lifecycle/dry-run", |admin, call| Box::pin(buckets::dry_run(admin, call))),
    Route::read("GET", "/v1/jobs", |admin, _| Box::pin(jobs::list(admin))),
    Route::change("POST", "/v1/jobs/scrub/start", |admin, _| now(jobs::start(&admin, "scrub"))),
    Route::change("POST", "/v1/jobs/snapshot/start", |admin, _| now(jobs::start(&admin, "snapshots"))),
    Route::change("POST", "/v1/jobs/rewrap/start", |admin, _| now(jobs::start(&admin, "rewrap"))),
    Route::read("GET", "/v1/encryption", |admin, _| Box::pin(async move { encryption::show(&admin) })),
    Route::change("POST", "/v1/encryption/rotate", |admin, _| Box::pin(encryption::rotate(admin))),
    Route::change("POST", "/v1/encryption/reload", |admin, _| Box::pin(encryption::reload(admin))),
    Route::change("POST", "/v1/control/pause", |admin, call| now(control::pause(&admin, &call))),
    Route::change("POST", "/v1/control/resume", |admin, _| now(control::resume(&admin))),
    Route::change("POST", "/v1/control/drain", |admin, _| now(control::drain(&admin))),
    Route::read("GET", "/v1/control/log", |_, _| now(control::log())),
    Route::change("PUT", "/v1/control/log", |_, call| now(control::set_log(&call))),
    Route::read("GET", "/v1/control/limits", |admin, _| now(control::limits(&admin))),
    Route::change("PUT", "/v1/control/limits", |admin, call| now(control::set_limits(&admin, &call))),
    Route::change("POST", "/v1/control/reload-tls", |admin, _| Box::pin(control::reload_tls(admin))),
];

/// An answer that takes no waiting.
fn now(outcome: Outcome) -> BoxFuture<'static, Outcome> {
    Box::pin(ready(outcome))
}

/// What the table says to a method and a path.
pub(crate) enum Found {
    /// This route, and what stands in the place of its variable.
    Route(&'static Route, String),
    /// The path has these methods only.
    WrongMethod(String),
    /// No route has that path.
    Unknown,
}

/// Looks a request up.
pub(crate) fn find(method: &str, path: &str) -> Found {
    let asked = if method == "HEAD" { "GET" } else { method };
    let mut methods = Vec::new();
    for route in ROUTES {
        let Some(parameter) = matched(route.path, path) else { continue };
        if route.method == asked {
            return Found::Route(route, parameter);
        }
        methods.push(route.method);
        if route.method == "GET" {
            methods.push("HEAD");
        }
    }
    if methods.is_empty() { Found::Unknown } else { Found::WrongMethod(methods.join(", ")) }
}

/// What stands in the place of a pattern's variable, decoded; empty if it has none. `None` if the path is another one.
fn matched(pattern: &str, path: &str) -> Option<String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    if let Some(start) = pattern.strip_suffix("{*}") {
        return decoded(path.strip_prefix(start)?);
    }
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut parameter = String::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameter),
            (Some(wanted), Some(given)) if wanted.starts_with('{') => {
                parameter = decoded(given).filter(|text| !text.is_empty())?;
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Access, Found, ROUTES, find, matched};

    #[test]
    fn paths_are_exact_and_variables_are_decoded() {
        for (pattern, path, expected) in [
            ("/v1/keys", "/v1/keys", Some("")),
            ("/v1/keys", "/v1/keys/", None),
            ("/v1/keys", "/v1", None),
            ("/v1/keys/{id}", "/v1/keys/ann", Some("ann")),
            ("/v1/keys/{id}", "/v1/keys/a%2Fb%20c", Some("a/b c")),
            ("/v1/keys/{id}", "/v1/keys/", None),
            ("/v1/keys/{id}", "/v1/keys/%ff", None),
            ("/v1/keys/{id}", "/v1/keys/a/b", None),
            ("/v1/keys/{id}/rotate", "/v1/keys/a/rotate", Some("a")),
            ("/console/{*}", "/console/", Some("")),
            ("/console/{*}", "/console/a/b.js", Some("a/b.js")),
            ("/console/{*}", "/consoles", None),
        ] {
            assert_eq!(matched(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert!(matches!(find("HEAD", "/metrics"), Found::Route(route, _) if route.path == "/metrics"));
        assert!(matches!(find("POST", "/metrics"), Found::WrongMethod(allow) if allow == "GET, HEAD"));
        assert!(matches!(find("PUT", "/v1/keys/a"), Found::WrongMethod(allow) if allow == "GET, HEAD, PATCH, DELETE"));
        for unknown in ["/", "/metrics/", "/health", "/v1/nothing"] {
            assert!(matches!(find("GET", unknown), Found::Unknown), "{unknown}");
        }
    }

    #[test]
    fn every_change_is_audited_and_for_administrators_only() {
        for route in ROUTES {
            let is_change = route.method != "GET" && !route.path.ends_with("/dry-run");
            let is_own = ["/v1/session", "/v1/presign"].contains(&route.path);
            assert_eq!(route.is_audited, is_change && !is_own, "{} {}", route.method, route.path);
            assert!(!route.is_audited || route.access == Access::Administrator, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn the_documentation_names_every_route_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(super::overview::OPENAPI).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let documented: BTreeSet<_> = paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().expect("methods").keys().filter(|key| *key != "parameters");
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .filter(|line| !line.contains(" /s3/"))
            .collect();
        let built: BTreeSet<_> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(documented, built);
    }
}
