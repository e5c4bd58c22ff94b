//! What the operator is told of a request that was not authenticated: the likely cause, in one sentence.

use std::time::Instant;

use http::request::Parts;

use crate::auth::{
    AuthError, Mismatch, PathChange, PostPolicyError, Suspicion, claimed_key_id, diagnose, signed_but_missing,
};
use crate::s3::{Gateway, S3Error, redact};
use crate::telemetry::{Explanation, ExplanationKind as Kind};
use crate::types::Timestamp;

/// Headers by which a proxy shows.
const PROXY_HEADERS: [&str; 5] = ["via", "x-forwarded-for", "x-real-ip", "forwarded", "x-forwarded-host"];

impl Gateway {
    /// The S3 error of a request that is not authenticated, with its explanation.
    pub(crate) fn unauthenticated(&self, head: &Parts, error: AuthError) -> S3Error {
        let explanation = self.explain_authentication(head, &error);
        S3Error::from(error).because(explanation)
    }

    /// Why a request is not authenticated. A signature that does not match is looked into, unless that was done too
    /// often just now.
    pub(crate) fn explain_authentication(&self, head: &Parts, error: &AuthError) -> Explanation {
        let claimed = claimed_key_id(head).unwrap_or_default();
        let explanation = match error {
            AuthError::SignatureMismatch(mismatch) => self.explain_mismatch(head, mismatch),
            error => reason(error),
        };
        let explanation = explanation.fact("access key id", claimed);
        PROXY_HEADERS.into_iter().fold(explanation, |explanation, name| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            explanation.fact(name, value)
        })
    }

    fn explain_mismatch(&self, head: &Parts, mismatch: &Mismatch) -> Explanation {
        // The clock of rates, not of decisions.
        let is_searched = self.insight.may_suspect(Instant::now());
        let hosts = self.insight.hosts.get().map(Vec::as_slice).unwrap_or_default();
        let found =
            is_searched.then(|| diagnose(mismatch, head, self.keyring.as_ref(), hosts, self.clock.now())).flatten();
        let sentence = match &found {
            Some(suspicion) => proven(suspicion, mismatch),
            None => unproven(head, mismatch, is_searched),
        };
        let canonical = mismatch.canonical_request.as_deref().map(redact::signed_text);
        let string_to_sign = redact::signed_text(&mismatch.string_to_sign);
        let explanation =
            Explanation::new(Kind::Signature, sentence).fact("Host as it arrived", mismatch.host.as_str());
        let explanation = match found {
            Some(Suspicion::Host { signed }) => explanation.fact("Host that was signed", signed),
            Some(Suspicion::Path { signed, .. }) => explanation.fact("path that was signed", signed),
            Some(Suspicion::QueryEscaped { signed }) => {
                explanation.fact("query that was signed", redact::query(&signed))
            }
            Some(_) | None => explanation,
        };
        explanation.signed(canonical, string_to_sign)
    }
}

/// The sentence of a suspicion that was tried and holds.
fn proven(suspicion: &Suspicion, mismatch: &Mismatch) -> String {
    let id = &mismatch.access_key_id;
    match suspicion {
        Suspicion::Host { signed } => {
            let arrived = &mismatch.host;
            format!(
                "A proxy changed Host: the request was signed for {signed} and arrived as {arrived}; let the proxy pass \
                 the client's Host on."
            )
        }
        Suspicion::Path { how, .. } => path_sentence(*how).to_owned(),
        Suspicion::ParameterAdded { name } => {
            format!("The query parameter {name} was added after the request was signed.")
        }
        Suspicion::QueryEscaped { .. } => {
            "The query was re-encoded on the way: it was signed in another spelling than it arrived in.".to_owned()
        }
        Suspicion::Header { name, signed } if signed.is_empty() => {
            format!("A proxy added a value to the signed header {name}.")
        }
        Suspicion::Header { name, signed } => {
            format!("A proxy changed or removed the signed header {name}: it was signed as \"{signed}\".")
        }
        Suspicion::Method { signed } => {
            format!("A proxy changed the method: the request was signed as {signed}.")
        }
        Suspicion::Payload { signed } => {
            format!("The x-amz-content-sha256 header is not what was signed, which is {signed}.")
        }
        Suspicion::Secret { what } => {
            format!("The client's secret access key of {id} has {what}; without that it is the right one.")
        }
    }
}

fn path_sentence(how: PathChange) -> &'static str {
    match how {
        PathChange::SignedTwiceEscaped => {
            "The client escaped the path twice before it signed, as for services other than S3."
        }
        PathChange::EscapedAgain => "The path was re-encoded: a proxy escaped what was escaped already.",
        PathChange::Unescaped => "The path was re-encoded: it was signed without its escapes.",
        PathChange::PlusForSpace => "The path was re-encoded: a plus and a space were taken for one another.",
        PathChange::Slashes => "The path was re-encoded: slashes that follow one another were joined or split.",
        PathChange::LastSlash => "The path was re-encoded: the slash at its end was added or removed.",
        PathChange::Prefix => "A proxy removed a prefix from the path that the client signed.",
    }
}

/// The sentence where nothing that was tried holds.
fn unproven(head: &Parts, mismatch: &Mismatch, is_searched: bool) -> String {
    let id = &mismatch.access_key_id;
    if !is_searched {
        return format!(
            "The signature of {id} does not match; why was not looked into, since many did not match in that second."
        );
    }
    let missing = signed_but_missing(mismatch, head);
    if !missing.is_empty() {
        return format!(
            "These headers were signed and did not arrive, so a proxy has probably removed them: {}.",
            missing.join(", ")
        );
    }
    let proxy = PROXY_HEADERS.into_iter().find(|name| head.headers.contains_key(*name));
    match proxy {
        Some(name) => format!(
            "The secret is another one than that of {id}, or the proxy that shows in {name} changed what was signed: \
             Host arrived as {:?}.",
            mismatch.host
        ),
        None => format!(
            "The secret is another one than that of {id}: no change of host, path, query or headers that was tried \
             makes the signature match."
        ),
    }
}

/// The explanation of an error by itself. Of a mismatch it says no more than that.
pub(crate) fn reason(error: &AuthError) -> Explanation {
    let signature = |sentence: String| Explanation::new(Kind::Signature, sentence);
    match error {
        AuthError::RequestTimeTooSkewed { request_time, server_time } => skewed(*request_time, *server_time),
        AuthError::NotYetValid { valid_from, server_time } => Explanation::new(
            Kind::Clock,
            "The presigned URL is not valid yet: the clock of who made it is ahead of this server's.",
        )
        .fact("valid from", valid_from.iso_millis())
        .fact("time here", server_time.iso_millis()),
        AuthError::Expired { expires, server_time, .. } => {
            let late = span(server_time.seconds() - expires.seconds());
            Explanation::new(Kind::Clock, format!("The presigned URL expired {late} before it was used."))
                .fact("expired", expires.iso_millis())
                .fact("time here", server_time.iso_millis())
        }
        AuthError::ExpiredToken => Explanation::new(
            Kind::Clock,
            "The session whose token was sent has expired; the client must get a new one.",
        ),
        AuthError::UnknownAccessKey { access_key_id } => Explanation::new(
            Kind::Key,
            format!(
                "This server has no access key {access_key_id:?}: it was removed or has expired, or it is of another \
                 server."
            ),
        ),
        AuthError::SecurityToken => Explanation::new(
            Kind::Key,
            "The session token was not made by this server, or is another key's, or the key behind it is gone.",
        ),
        AuthError::WrongRegion { given, expected, .. } => signature(format!(
            "The request was signed for the region {given:?} and this server's is {expected}; set the client's region."
        ))
        .fact("region that was signed", given.as_str())
        .fact("region here", expected.as_str()),
        AuthError::WrongService { given, expected, .. } => {
            signature(format!("The request was signed for the service {given:?} and not for {expected}."))
        }
        AuthError::HeadersNotSigned { names } => signature(format!(
            "These headers arrived and were not signed, so the client left them out or a proxy added them: {}.",
            names.join(", ")
        )),
        AuthError::SignatureMismatch(mismatch) => {
            signature(format!("The secret is another one than that of {}.", mismatch.access_key_id)).signed(
                mismatch.canonical_request.as_deref().map(redact::signed_text),
                redact::signed_text(&mismatch.string_to_sign),
            )
        }
        AuthError::V2Disabled => {
            signature("The request is signed with Version 2, which --allow-signature-v2=false refuses.".to_owned())
        }
        AuthError::FormPolicy(PostPolicyError::Malformed(_)) | AuthError::MissingFormField { .. } => {
            Explanation::new(Kind::Other, error.to_string())
        }
        AuthError::FormPolicy(refusal) => {
            Explanation::new(Kind::Policy, format!("The policy of the form does not allow this: {refusal}."))
        }
        error => signature(format!("The request cannot be authenticated: {}", ended(&error.to_string()))),
    }
}

fn skewed(request_time: Timestamp, server_time: Timestamp) -> Explanation {
    let behind = server_time.seconds() - request_time.seconds();
    let side = if behind > 0 { "behind" } else { "ahead of" };
    Explanation::new(
        Kind::Clock,
        format!(
            "The sender's clock is {} {side} this server's, or the request was sent again late.",
            span(behind.abs())
        ),
    )
    .fact("time of the request", request_time.iso_millis())
    .fact("time here", server_time.iso_millis())
}

/// A span of time for people.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A sentence with its full stop.
pub(crate) fn ended(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::{ended, reason, span};
    use crate::auth::{AuthError, Place};
    use crate::telemetry::ExplanationKind;
    use crate::types::Timestamp;

    #[test]
    fn clocks_regions_and_keys_are_told_apart() {
        let at = Timestamp::from_seconds;
        let told = |error: AuthError| {
            let explanation = reason(&error);
            assert!(explanation.sentence.ends_with('.'), "{}", explanation.sentence);
            (explanation.kind, explanation.sentence)
        };
        let (kind, sentence) = told(AuthError::RequestTimeTooSkewed { request_time: at(0), server_time: at(7_300) });
        assert_eq!(kind, ExplanationKind::Clock);
        assert!(sentence.contains("2 h behind"), "{sentence}");
        let (_, sentence) = told(AuthError::RequestTimeTooSkewed { request_time: at(1_800), server_time: at(0) });
        assert!(sentence.contains("30 min ahead of"), "{sentence}");
        let region = AuthError::WrongRegion { place: Place::Query, given: "eu".into(), expected: "us-east-1".into() };
        let (kind, sentence) = told(region);
        assert_eq!(kind, ExplanationKind::Signature);
        assert!(sentence.contains("\"eu\"") && sentence.contains("us-east-1"), "{sentence}");
        assert_eq!(told(AuthError::UnknownAccessKey { access_key_id: "ID".into() }).0, ExplanationKind::Key);
        assert_eq!(told(AuthError::ExpiredToken).0, ExplanationKind::Clock);
        assert_eq!(told(AuthError::UnsupportedAlgorithm).0, ExplanationKind::Signature);
    }

    #[test]
    fn spans_are_for_people() {
        assert_eq!([1, 120, 7_200, 200_000].map(span), ["1 s", "2 min", "2 h", "2 days"]);
        assert_eq!((ended("a"), ended("a. ")), ("a.".to_owned(), "a.".to_owned()));
    }
}
