//! What the operator is told of a refused request whose stage left no explanation of its own.

use crate::policy::{Decision, Reason};
use crate::s3::auth_reason::ended;
use crate::s3::permission::Need;
use crate::s3::{Code, S3Error};
use crate::telemetry::{Explanation, ExplanationKind as Kind};

/// Elements of an error that are facts. Others repeat what the request has already, or may hold what is nobody's
/// business.
const FACTS: [(&str, &str); 14] = [
    ("ArgumentName", "argument"),
    ("Condition", "condition"),
    ("ETag", "ETag"),
    ("Header", "header"),
    ("Limit", "limit"),
    ("MaxSizeAllowed", "largest size allowed"),
    ("Method", "method"),
    ("MinSizeAllowed", "smallest size allowed"),
    ("PartNumber", "part number"),
    ("ProposedSize", "size"),
    ("ResourceType", "kind of resource"),
    ("UploadId", "upload id"),
    ("Used", "used"),
    ("VersionId", "version id"),
];

/// Why a request is refused: what its stage found, or what follows from the error.
pub(crate) fn reason(error: &S3Error) -> Box<Explanation> {
    if let Some(explanation) = &error.explanation {
        return explanation.clone();
    }
    let cause = error.cause.as_deref();
    let explanation = Explanation::new(kind(error.code), sentence(error, cause));
    let explanation = explanation.fact("cause", cause.unwrap_or_default());
    let facts = error.details.iter().filter_map(|(element, value)| {
        let (_, name) = FACTS.iter().find(|(known, _)| known == element)?;
        Some((*name, value))
    });
    Box::new(facts.fold(explanation, |explanation, (name, value)| explanation.fact(name, value.as_str())))
}

/// The explanation of a permission that is not given.
pub(crate) fn denied(decision: &Decision, need: Need) -> Explanation {
    let action = need.action;
    let sentence = match &decision.reason {
        Reason::Statement(name) => format!("A statement denies {action}: {name}."),
        Reason::NothingAllows => {
            format!("Nothing allows {action}: no policy of the key, no bucket policy and no ACL.")
        }
        Reason::IdentitySilent => {
            format!("The bucket's owner would allow {action}, and no policy of the key itself does.")
        }
        Reason::SessionSilent => format!("The session's policies do not allow {action}, though its key may do it."),
        // These allow; a refusal for them would be a mistake of ours, and is told as it is.
        reason @ (Reason::Owner | Reason::Acl(_)) => format!("{action} is refused in spite of {reason}."),
    };
    Explanation::new(Kind::Policy, sentence).fact("action", action).fact("decided by", decision.reason.to_string())
}

fn kind(code: Code) -> Kind {
    match code {
        Code::AccessDenied | Code::AllAccessDisabled | Code::AccessForbidden | Code::QuotaExceeded => Kind::Policy,
        Code::SlowDown | Code::ServiceUnavailable | Code::InsufficientStorage => Kind::Overload,
        Code::ExpiredToken | Code::RequestTimeTooSkewed | Code::RequestTimeout => Kind::Clock,
        Code::InvalidAccessKeyId | Code::InvalidToken => Kind::Key,
        Code::SignatureDoesNotMatch => Kind::Signature,
        _ => Kind::Other,
    }
}

fn sentence(error: &S3Error, cause: Option<&str>) -> String {
    let because = |start: &str| match cause {
        Some(cause) => format!("{start}: {}", ended(cause)),
        None => ended(&format!("{start}: {}", error.message)),
    };
    match error.code {
        Code::AccessDenied => because("Access is denied"),
        Code::SlowDown => because("The server has no room for this request now"),
        Code::ServiceUnavailable => because("The server does not do this now"),
        Code::InsufficientStorage => because("The disk has no room"),
        Code::PreconditionFailed => {
            "A condition of the request (If-Match, If-None-Match or a date) does not hold for what is stored."
                .to_owned()
        }
        Code::ConditionalRequestConflict => {
            "What the conditional write is about changed while it ran; the client may try again.".to_owned()
        }
        Code::NoSuchKey => "There is no object of that key, or its newest version is a delete marker.".to_owned(),
        Code::NoSuchBucket => "There is no bucket of that name.".to_owned(),
        Code::NoSuchUpload => {
            "There is no such multipart upload: it was completed or aborted, or has expired.".to_owned()
        }
        Code::SignatureDoesNotMatch => because("A frame of the body is not signed as it should be"),
        Code::InternalError => because("The server failed"),
        _ => match cause {
            Some(cause) if !error.message.contains(cause) => format!("{} ({cause})", ended(&error.message)),
            Some(_) | None => ended(&error.message),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::reason;
    use crate::s3::{Code, S3Error};
    use crate::telemetry::{Explanation, ExplanationKind};

    #[test]
    fn every_code_has_a_sentence() {
        for &code in Code::ALL {
            let sentence = reason(&S3Error::new(code)).sentence;
            assert!(sentence.ends_with('.') || sentence.ends_with(['!', '?']), "{}: {sentence}", code.name());
        }
    }

    #[test]
    fn what_a_stage_found_counts_more_than_the_code() {
        let error = S3Error::new(Code::AccessDenied).cause("x");
        assert_eq!(reason(&error).sentence, "Access is denied: x.");
        let error = error.because(Explanation::new(ExplanationKind::Key, "y."));
        assert_eq!((reason(&error).kind, reason(&error).sentence.as_str()), (ExplanationKind::Key, "y."));
    }

    #[test]
    fn values_that_may_be_secrets_are_no_facts() {
        let error = S3Error::invalid_argument("x-amz-server-side-encryption-customer-key", "MDEy", "bad");
        let explanation = reason(&error.detail("SignatureProvided", "feed"));
        assert_eq!(explanation.value("argument"), Some("x-amz-server-side-encryption-customer-key"));
        assert!(explanation.facts.iter().all(|(_, value)| !value.contains("MDEy") && !value.contains("feed")));
    }
}
