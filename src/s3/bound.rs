//! What the operator is told of a bound that was reached: its name, its value, and what it follows from. Who asked is
//! told to come back later, and nothing of how the server is made.

use crate::engine::Pause;
use crate::guard::{Admission, EndCause, TooFast};
use crate::limits::{
    ADMISSION_WAIT_MS, BODY_PROGRESS_TIMEOUT_MS, SCARCE_BODY_BYTES_MAX, SCARCE_BYTES_PER_SECOND_MIN, SCARCE_PATIENCE_MS,
};
use crate::s3::{Code, S3Error};
use crate::telemetry::{Explanation, ExplanationKind as Kind};

fn overload(sentence: String) -> Explanation {
    Explanation::new(Kind::Overload, sentence)
}

/// The name of a bound and its value.
fn bounded(explanation: Explanation, name: &'static str, value: impl ToString) -> Explanation {
    explanation.fact("bound", name).fact("value", value.to_string())
}

/// Every request that memory allows is in flight, and none ended in time.
pub(crate) fn no_ticket(admission: &Admission) -> Explanation {
    let (all, seconds) = (admission.requests_max(), ADMISSION_WAIT_MS / 1000);
    let sentence = format!(
        "All {all} requests that the memory allows at once (requests_max, which follows from --memory) were in flight, \
         and none of them ended within {seconds} s."
    );
    bounded(overload(sentence), "requests_max", all).fact("in flight now", admission.in_flight().to_string())
}

/// Connections are scarce, and a body of that length would keep one for long.
pub(crate) fn no_connection(admission: &Admission, body_bytes: Option<u64>) -> Explanation {
    let (taken, all) = (admission.connections(), admission.connections_max());
    let sentence = format!(
        "Connections are scarce: {taken} of the {all} that the memory allows (connections_max, which follows from \
         --memory) are taken, and a body of more than {SCARCE_BODY_BYTES_MAX} bytes or of unknown length would keep one \
         for long."
    );
    let body = body_bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
    bounded(overload(sentence), "connections_max", all)
        .fact("connections taken", taken.to_string())
        .fact("bytes of the body", body)
}

/// A request beyond a rate.
pub(crate) fn too_fast(refused: &TooFast) -> Explanation {
    overload(format!("The server has no room for this request now: {refused}."))
        .fact("limit of", refused.of)
        .fact("requests in a second", refused.rate.per_second.to_string())
        .fact("requests at once", refused.rate.burst.to_string())
}

/// An operator paused writes.
pub(crate) fn paused(pause: Option<&Pause>) -> S3Error {
    let sentence = "The server does not do this now: writes are paused, until `control resume` or a restart.";
    let explanation = overload(sentence.to_owned());
    S3Error::paused().because(match pause {
        Some(pause) => explanation
            .fact("since", pause.since.iso_millis())
            .fact("reason", pause.reason.as_deref().unwrap_or_default()),
        None => explanation,
    })
}

/// A body that was given up, if that was ours to do.
pub(crate) fn ended_body(cause: EndCause) -> Option<(Code, Explanation)> {
    match cause {
        EndCause::Deadline => {
            let seconds = BODY_PROGRESS_TIMEOUT_MS / 1000;
            let sentence = format!("The body stopped on its way: nothing came of it for {seconds} s.");
            Some((Code::RequestTimeout, Explanation::new(Kind::Clock, sentence)))
        }
        EndCause::Slow => {
            let sentence = format!(
                "The body came too slowly while connections were scarce: fewer than {SCARCE_BYTES_PER_SECOND_MIN} bytes \
                 a second, after {} s of waiting for it.",
                SCARCE_PATIENCE_MS / 1000
            );
            Some((Code::RequestTimeout, bounded(overload(sentence), "bytes in a second", SCARCE_BYTES_PER_SECOND_MIN)))
        }
        EndCause::Drain => {
            let sentence = "The server stopped before the body was complete: the time of its drain was over.";
            Some((Code::ServiceUnavailable, overload(sentence.to_owned())))
        }
        EndCause::ClientGone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ended_body;
    use crate::guard::EndCause;
    use crate::s3::Code;
    use crate::telemetry::ExplanationKind as Kind;

    #[test]
    fn a_body_that_stops_one_that_trickles_and_a_stop_of_ours_are_told_apart() {
        let told = |cause| ended_body(cause).map(|(code, explanation)| (code, explanation.kind));
        assert_eq!(told(EndCause::Deadline), Some((Code::RequestTimeout, Kind::Clock)));
        assert_eq!(told(EndCause::Slow), Some((Code::RequestTimeout, Kind::Overload)));
        assert_eq!(told(EndCause::Drain), Some((Code::ServiceUnavailable, Kind::Overload)));
        assert_eq!(told(EndCause::ClientGone), None);
        let sentence = ended_body(EndCause::Deadline).unwrap().1.sentence;
        assert!(sentence.contains("for 60 s"), "{sentence}");
    }
}
