//! Rate limits of requests: who is let in, and at what pace bodies move.

use http::HeaderValue;
use http::header::RETRY_AFTER;

use crate::guard::{Pace, TooFast};
use crate::identity::Principal;
use crate::limits::RETRY_AFTER_SECONDS_MAX;
use crate::net::Peer;
use crate::s3::access::AccessRecord;
use crate::s3::{Code, Gateway, S3Error, bound};

impl Gateway {
    /// Lets a request in as far as the rate of its address goes. Asked before anything is looked at, so that a flood
    /// costs little.
    ///
    /// # Errors
    /// `SlowDown`.
    pub(crate) fn admit_address(&self, peer: Option<Peer>) -> Result<(), S3Error> {
        peer.map_or(Ok(()), |peer| self.rates.admit_address(peer.address.ip())).map_err(|refused| slow_down(&refused))
    }

    /// Lets a request in as far as the rate of its key goes; its answer, and the body that is returned its pace, then
    /// move as fast as key, address and gateway may. All sessions of a key share its rate.
    ///
    /// # Errors
    /// `SlowDown`.
    pub(crate) fn admit_principal(
        &self,
        principal: &Principal,
        peer: Option<Peer>,
        record: &mut AccessRecord,
    ) -> Result<Option<Pace>, S3Error> {
        let key = match principal {
            Principal::Anonymous => None,
            Principal::Identity { name, rates, .. } => Some((name.as_str(), *rates)),
        };
        if let Some((key, own)) = key {
            self.rates.admit_key(key, own).map_err(|refused| slow_down(&refused))?;
        }
        let address = peer.map(|peer| peer.address.ip());
        let pace = self.rates.pace(key, address);
        record.note_pace(pace.as_ref().map(Pace::twin));
        Ok(pace)
    }
}

fn slow_down(refused: &TooFast) -> S3Error {
    let seconds = refused.retry_after.as_millis().div_ceil(1000).clamp(1, u128::from(RETRY_AFTER_SECONDS_MAX));
    let seconds = u64::try_from(seconds).unwrap_or(RETRY_AFTER_SECONDS_MAX);
    let message = format!("Please reduce your request rate: {refused}.");
    let mut error = S3Error::new(Code::SlowDown).message(message).cause(refused).because(bound::too_fast(refused));
    error.headers.retain(|(name, _)| *name != RETRY_AFTER);
    error.header(RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::slow_down;
    use crate::guard::TooFast;
    use crate::types::Rate;

    #[test]
    fn a_refusal_says_once_and_in_whole_seconds_when_to_come_back() {
        for (milliseconds, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (3_600_000, "60")] {
            let rate = Rate { per_second: 1, burst: 1 };
            let refused = TooFast { of: "key", rate, retry_after: Duration::from_millis(milliseconds) };
            let response = slow_down(&refused).into_response("/", "R", "H");
            let told: Vec<_> = response.headers().get_all("retry-after").iter().collect();
            assert_eq!(told, [seconds], "{milliseconds} ms");
        }
    }
}
