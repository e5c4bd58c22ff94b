//! Who asks: the session in a cookie, a signature, or whoever could open the Unix socket.

use http::header::{COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use crate::admin::answer::Fault;
use crate::admin::call::{Caller, Via, not_signed_in};
use crate::admin::sessions;
use crate::admin::shared::{Origin, Shared};
use crate::auth::{AuthError, verify_admin};
use crate::identity::{Principal, ROOT_NAME};
use crate::types::{Clock as _, SystemClock};

/// What a page of the console sends along, and no form of another page can.
const CSRF: &str = "x-sluicegate-csrf";
/// Most cookies of our name that are tried: pages of other ports of this host may set some.
const COOKIES_MAX: usize = 8;

impl Shared {
    /// Finds out who asks, unless a signature says so: whoever opened the socket, or the session of a cookie.
    ///
    /// # Errors
    /// `not-signed-in`, `csrf`.
    pub(crate) fn identify(&self, head: &Parts, origin: Origin) -> Result<Caller, Fault> {
        if origin == Origin::Socket {
            let (access_key_id, name) = (self.keyring.root_key_id().to_owned(), ROOT_NAME.to_owned());
            return Ok(Caller { access_key_id, name, is_admin: true, via: Via::Socket });
        }
        let session = self.session(&head.headers).ok_or_else(not_signed_in)?;
        if changes(&head.method) && head.headers.get(CSRF).is_none_or(|value| value != "1") {
            let text = format!("A session changes things only with the header {CSRF}: 1.");
            return Err(Fault::new(StatusCode::FORBIDDEN, "csrf", text));
        }
        self.caller(&session.access_key_id, Via::Session).ok_or_else(not_signed_in)
    }

    /// The session that a cookie names.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<sessions::Session> {
        let stamp = |id: &str| self.keyring.stamp(id);
        session_numbers(headers).find_map(|number| self.sessions.find(number, stamp))
    }

    /// Finds out who signed a request. What came as its body must be what was signed.
    ///
    /// # Errors
    /// `not-signed-in`, `wrong-signature`.
    pub(crate) fn identify_signer(&self, head: &Parts, body: &[u8]) -> Result<Caller, Fault> {
        let wrong = |text: String| Fault::new(StatusCode::FORBIDDEN, "wrong-signature", text);
        let verified = verify_admin(head, body, &*self.keyring, &self.auth, SystemClock.now());
        let verified = verified.map_err(|error| wrong(format!("The signature: {}.", text_of(&error))))?;
        let verified = verified.ok_or_else(not_signed_in)?;
        // Temporary credentials may do less than their key: what runs the gateway is not for them.
        if verified.token.is_some() {
            return Err(wrong("Temporary credentials do not sign in here.".to_owned()));
        }
        self.caller(&verified.access_key_id, Via::Signature).ok_or_else(not_signed_in)
    }

    fn caller(&self, access_key_id: &str, via: Via) -> Option<Caller> {
        let Principal::Identity { name, access_key_id, .. } = self.keyring.principal(access_key_id)? else {
            return None;
        };
        let is_admin = self.keyring.is_administrator(&access_key_id);
        Some(Caller { access_key_id, name, is_admin, via })
    }
}

/// What an error says, without the full stop that some end with.
fn text_of(error: &AuthError) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

/// The numbers of sessions that a client sends.
pub(crate) fn session_numbers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == sessions::COOKIE).map(|(_, value)| value).take(COOKIES_MAX)
}

/// Whether requests of that method may change something.
pub(crate) fn changes(method: &Method) -> bool {
    ![Method::GET, Method::HEAD].contains(method)
}

/// Refuses what a page of somebody else makes a browser send. Who is no browser sends nothing of the kind.
///
/// # Errors
/// `csrf`.
pub(crate) fn refuse_other_origins(head: &Parts) -> Result<(), Fault> {
    if !changes(&head.method) {
        return Ok(());
    }
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_same_site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let host = text(HOST.as_str()).or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
    let is_same_origin = text(ORIGIN.as_str()).is_none_or(|origin| {
        let of_origin = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        of_origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
    });
    if is_same_site && is_same_origin {
        return Ok(());
    }
    Err(Fault::new(StatusCode::FORBIDDEN, "csrf", "The request was made by a page of another origin."))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Parts;

    use super::{refuse_other_origins, session_numbers};

    fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/v1/session").header("host", "nas:9001");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        for (headers, is_let_in) in [
            (&[][..], true),
            (&[("origin", "http://nas:9001")], true),
            (&[("origin", "https://NAS:9001"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://nas:9000")], false),
            (&[("origin", "http://nas")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            assert_eq!(refuse_other_origins(&head("POST", headers)).is_ok(), is_let_in, "{headers:?}");
            assert!(refuse_other_origins(&head("GET", headers)).is_ok(), "who only reads changes nothing");
        }
    }

    #[test]
    fn cookies_are_found_among_others() {
        let cookies =
            [("cookie", "a=b; sluicegate_session=1;sluicegate_session=2"), ("cookie", "sluicegate_session=3")];
        let head = head("GET", &cookies);
        assert_eq!(session_numbers(&head.headers).collect::<Vec<_>>(), ["1", "2", "3"]);
    }
}
