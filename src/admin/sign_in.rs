//! Sessions of the console: beginning, showing and ending one.

use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::admin::answer::{Fault, Outcome, json_answer, ok};
use crate::admin::call::{Call, Via, not_signed_in};
use crate::admin::identify::session_numbers;
use crate::admin::sessions::COOKIE;
use crate::admin::shared::{Shared, audit};
use crate::identity::Principal;
use crate::limits::ACCESS_KEY_ID_BYTES_MAX;
use crate::limits::admin::CONSOLE_SESSION_SECONDS;
use crate::net::Peer;
use crate::types::{Clock as _, SystemClock, Timestamp};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
}

/// Begins a session for whoever has a key and its secret.
pub(crate) fn begin(admin: &Shared, call: &Call) -> Outcome {
    let Credentials { access_key_id, secret_access_key } = call.json()?;
    let secret = Zeroizing::new(secret_access_key);
    let outcome = try_begin(admin, call, &access_key_id, &secret);
    let end = access_key_id.floor_char_boundary(ACCESS_KEY_ID_BYTES_MAX);
    let what = format!("POST /v1/session as {:?}", &access_key_id[..end]);
    audit(call.caller.as_ref(), call.head.extensions.get::<Peer>().copied(), &what, &outcome);
    outcome
}

fn try_begin(admin: &Shared, call: &Call, access_key_id: &str, secret: &str) -> Outcome {
    let wrong = || {
        let text = "No access key has that id and that secret.";
        Fault::new(StatusCode::FORBIDDEN, "wrong-credentials", text)
    };
    // Longer ones are nobody's, and need not be remembered.
    if access_key_id.len() > ACCESS_KEY_ID_BYTES_MAX {
        return Err(wrong());
    }
    if let Some(address) = call.address() {
        admin.attempts.begin(address, access_key_id).map_err(|wait| {
            let text = "Too many attempts to sign in failed; please wait.";
            let seconds = wait.as_secs().saturating_add(1);
            Fault::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", text).retry_after(seconds)
        })?;
    }
    if !admin.keyring.proves(access_key_id, secret) {
        return Err(wrong());
    }
    if let Some(address) = call.address() {
        admin.attempts.forgive(address, access_key_id);
    }
    let stamp = admin.keyring.stamp(access_key_id).ok_or_else(wrong)?;
    let begun = admin.sessions.begin(access_key_id, stamp, SystemClock.now());
    let (number, session) = begun.map_err(|error| Fault::internal(&error))?;
    let shown = shown(admin, access_key_id, Some(session.expires)).ok_or_else(wrong)?;
    let mut response = json_answer(StatusCode::OK, &shown);
    set_cookie(&mut response, &number, CONSOLE_SESSION_SECONDS, is_secure(&call.head))?;
    Ok(response)
}

/// Shows who is signed in.
pub(crate) fn show(admin: &Shared, call: &Call) -> Outcome {
    if let Some(caller) = &call.caller {
        return ok(&shown(admin, &caller.access_key_id, None).ok_or_else(not_signed_in)?);
    }
    let session = admin.session(&call.head.headers).ok_or_else(not_signed_in)?;
    ok(&shown(admin, &session.access_key_id, Some(session.expires)).ok_or_else(not_signed_in)?)
}

/// Ends the session by which it is asked.
pub(crate) fn end(admin: &Shared, call: &Call) -> Outcome {
    if call.caller()?.via != Via::Session {
        return Err(Fault::bad("no-session", "There is no session to end: nobody is signed in by a cookie."));
    }
    session_numbers(&call.head.headers).for_each(|number| admin.sessions.end(number));
    let mut response = json_answer(StatusCode::OK, &json!({"signed_out": true}));
    set_cookie(&mut response, "", 0, is_secure(&call.head))?;
    Ok(response)
}

fn shown(admin: &Shared, access_key_id: &str, expires: Option<Timestamp>) -> Option<Value> {
    let Principal::Identity { name, .. } = admin.keyring.principal(access_key_id)? else { return None };
    Some(json!({
        "name": name,
        "access_key_id": access_key_id,
        "is_admin": admin.keyring.is_administrator(access_key_id),
        "expires": expires.map(Timestamp::iso_millis),
    }))
}

/// Whether the browser reached us through TLS: our own, or that of a proxy.
fn is_secure(head: &Parts) -> bool {
    let forwarded = head.headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let first = forwarded.and_then(|list| list.split(',').next()).unwrap_or_default();
    head.extensions.get::<Peer>().is_some_and(|peer| peer.tls) || first.trim().eq_ignore_ascii_case("https")
}

fn set_cookie(response: &mut crate::net::Response, number: &str, seconds: i64, is_secure: bool) -> Result<(), Fault> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={number}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    let mut value = HeaderValue::try_from(text).map_err(|error| Fault::internal(&error))?;
    value.set_sensitive(true);
    response.headers_mut().insert(SET_COOKIE, value);
    Ok(())
}
