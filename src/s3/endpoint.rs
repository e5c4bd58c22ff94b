//! Where the client found this server: what URLs in answers begin with.

use http::request::Parts;

use crate::auth::request_host;
use crate::net::Peer;

/// What a proxy that speaks TLS for us tells.
const FORWARDED: &str = "x-forwarded-proto";

/// `https://HOST` or `http://HOST`, as the client asked; `None` if it named no host. Behind a proxy, too, only the
/// host that the client asked is certain.
///
/// It decides nothing but what URLs look like, so whoever claims to be a proxy is believed: the claim fools nobody
/// but its sender.
pub(crate) fn endpoint(head: &Parts) -> Option<String> {
    let is_tls = head.extensions.get::<Peer>().is_some_and(|peer| peer.tls);
    let forwarded = head.headers.get(FORWARDED).and_then(|value| value.to_str().ok());
    // A chain of proxies lists theirs; the first one met the client.
    let first = forwarded.and_then(|list| list.split(',').next()).unwrap_or_default();
    let is_secure = is_tls || first.trim().eq_ignore_ascii_case("https");
    let scheme = if is_secure { "https" } else { "http" };
    request_host(head).map(|host| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::endpoint;
    use crate::net::Peer;

    #[test]
    fn the_client_is_told_the_host_and_the_scheme_that_it_used() {
        let found = |host: Option<&str>, tls: bool, forwarded: Option<&str>, uri: &str| {
            let mut request = http::Request::get(uri);
            for (name, value) in [("host", host), ("x-forwarded-proto", forwarded)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let mut head = request.body(()).unwrap().into_parts().0;
            head.extensions.insert(Peer { address: "192.0.2.1:1".parse().unwrap(), tls });
            endpoint(&head)
        };
        for (host, tls, forwarded, uri, expected) in [
            (Some("h:9000"), false, None, "/b/k", Some("http://h:9000")),
            (Some("h"), true, None, "/b/k", Some("https://h")),
            (Some("h"), true, Some("http"), "/b/k", Some("https://h")),
            (Some("h"), false, Some("HTTPS, http"), "/b/k", Some("https://h")),
            (Some("h"), false, Some("http, https"), "/b/k", Some("http://h")),
            // HTTP/2 has no Host.
            (None, true, None, "https://h:1/b/k", Some("https://h:1")),
            (None, false, None, "/b/k", None),
        ] {
            assert_eq!(found(host, tls, forwarded, uri).as_deref(), expected, "{host:?} {tls} {forwarded:?} {uri}");
        }
    }
}
