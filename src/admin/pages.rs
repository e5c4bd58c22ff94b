//! The console's files over HTTP: open to all, because they hold nothing but pages; what the pages show is asked of
//! the API, which wants a session.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use xxhash_rust::xxh3::xxh3_64;

use crate::console::{self, Asset};
use crate::net::{Response, empty_body, full_body};

const HOME: &str = "/console/";

/// The answer, if the path is one of the console's.
pub(super) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = match path {
        "/" | "/console" => None,
        _ => Some(path.strip_prefix(HOME)?),
    };
    if ![Method::GET, Method::HEAD].contains(method) {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let Some(file) = file else {
        let mut response = empty(StatusCode::FOUND);
        response.headers_mut().insert(LOCATION, HeaderValue::from_static(HOME));
        return Some(response);
    };
    Some(console::asset(file).map_or_else(|| empty(StatusCode::NOT_FOUND), |asset| show(&asset, headers)))
}

/// The file, or that it is still what the browser has. A new release is seen at once, because the browser asks each
/// time.
fn show(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", xxh3_64(asset.bytes));
    let mut response = if is_known(headers, &tag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = Response::new(full_body(asset.bytes));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        response
    };
    let fixed = [
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, console::CONTENT_SECURITY_POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("hex digits are a header value"));
    response
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|line| line.to_str().ok());
    let mut known = lines.flat_map(|line| line.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    known.any(|known| known == tag || known == "*")
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(empty_body());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, LOCATION};
    use http::{HeaderMap, HeaderValue, Method, StatusCode};

    use super::answer;

    #[test]
    fn only_its_own_paths_are_answered() {
        let none = HeaderMap::new();
        for path in ["/v1/status", "/metrics", "/consoles", "//console/", "/s3/console/"] {
            assert!(answer(&Method::GET, path, &none).is_none(), "{path}");
        }
        for path in ["/", "/console"] {
            let home = answer(&Method::GET, path, &none).unwrap();
            assert_eq!(
                (home.status(), &home.headers()[LOCATION]),
                (StatusCode::FOUND, &HeaderValue::from_static("/console/"))
            );
        }
        assert_eq!(answer(&Method::POST, "/console/", &none).unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer(&Method::GET, "/console/../etc", &none).unwrap().status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_browser_that_has_the_file_gets_no_bytes_but_the_policy() {
        let first = answer(&Method::GET, "/console/js/main.js", &HeaderMap::new()).unwrap();
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for (known, status) in [
            (tag.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"x\", W/{tag}"), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("\"x\"".to_owned(), StatusCode::OK),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(&known).unwrap())]);
            let again = answer(&Method::GET, "/console/js/main.js", &headers).unwrap();
            assert_eq!(again.status(), status, "{known}");
            assert!(again.headers().contains_key(CONTENT_SECURITY_POLICY));
        }
    }
}
