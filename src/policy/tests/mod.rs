//! The module as its callers see it.

mod algebra;
mod builtins;
mod conditions;
mod decisions;
mod examples;
mod fuzz;
mod grammar;
mod publicness;

use crate::policy::{Caller, Context, Document, Kind, MapContext, Principal, Request, Target, Verdict, evaluate};
use crate::types::Timestamp;

pub(super) const CANONICAL: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(super) const NOW: Timestamp = Timestamp(1_445_412_480_000_000);

pub(super) fn known(caller: Caller<'_>) -> Principal<'_> {
    Principal::Known { account: "111122223333", canonical_id: CANONICAL, caller }
}

pub(super) const ANN: Caller<'_> = Caller::User { name: "ann", id: "AIDA1" };
pub(super) const SESSION: Caller<'_> = Caller::Session { role: "ops", role_id: "AROA1", session: "s1" };

pub(super) fn request<'a>(action: &'a str, path: &'a str, context: &'a dyn Context) -> Request<'a> {
    let target = match path.split_once('/') {
        _ if path.is_empty() => Target::Service,
        Some((bucket, key)) => Target::Object { bucket, key },
        None => Target::Bucket(path),
    };
    Request { action, target, principal: known(ANN), now: NOW, context }
}

pub(super) fn document(kind: Kind, json: &str) -> Document {
    Document::parse(kind, json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// A bucket policy of 2012 of these statements.
pub(super) fn bucket(statements: &str) -> Document {
    document(Kind::Bucket, &format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))
}

/// An identity policy of 2012 of these statements.
pub(super) fn identity(statements: &str) -> Document {
    document(Kind::Identity, &format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))
}

/// `A`llow, `D`eny, or `-`.
pub(super) fn letter(verdict: &Verdict) -> char {
    match verdict {
        Verdict::Allow(_) => 'A',
        Verdict::Deny(_) => 'D',
        Verdict::NoMatch => '-',
    }
}

pub(super) fn says(document: &Document, request: &Request<'_>) -> char {
    letter(&evaluate([document], request, false))
}

pub(super) fn nothing() -> MapContext {
    MapContext::default()
}
