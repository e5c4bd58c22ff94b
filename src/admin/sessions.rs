//! Sessions of the console: who has proven to have a key, known by a random number in a cookie. Kept in memory only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::limits::admin::{CONSOLE_SESSION_SECONDS, CONSOLE_SESSIONS_MAX, CONSOLE_SESSIONS_PER_KEY_MAX};
use crate::types::Timestamp;

/// Name of the cookie.
pub(crate) const COOKIE: &str = "sluicegate_session";

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The key that was proven.
    pub(crate) access_key_id: String,
    /// What is another one when anything of that key is: then the session is none any more.
    pub(crate) stamp: [u8; 32],
    /// When it ends, as it is told.
    pub(crate) expires: Timestamp,
    begun: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.begun + Duration::from_secs(CONSOLE_SESSION_SECONDS.unsigned_abs())
    }
}

/// All sessions, by the hash of their number: what is compared with what a client sends tells nothing of it.
#[derive(Default)]
pub(crate) struct Sessions {
    sessions: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session, and returns its number and what it is. The oldest of the key, or of all, ends if there are too
    /// many.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub(crate) fn begin(
        &self,
        access_key_id: &str,
        stamp: [u8; 32],
        now: Timestamp,
    ) -> Result<(String, Session), <OsRng as rand::TryRngCore>::Error> {
        let mut number = [0_u8; 32];
        OsRng.try_fill_bytes(&mut number)?;
        let number = hex::encode(number);
        let expires = now.plus_seconds(CONSOLE_SESSION_SECONDS);
        let session = Session { access_key_id: access_key_id.to_owned(), stamp, expires, begun: Instant::now() };
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(Instant::now()));
        end_oldest(&mut sessions, CONSOLE_SESSIONS_PER_KEY_MAX, |session| session.access_key_id == access_key_id);
        end_oldest(&mut sessions, CONSOLE_SESSIONS_MAX, |_| true);
        sessions.insert(hash(&number), session.clone());
        Ok((number, session))
    }

    /// The session of that number. `stamp` tells what the stamp of a key is now.
    pub(crate) fn find(&self, number: &str, stamp: impl Fn(&str) -> Option<[u8; 32]>) -> Option<Session> {
        let hash = hash(number);
        let mut sessions = self.lock();
        let session = sessions.get(&hash)?;
        if session.is_over(Instant::now()) || stamp(&session.access_key_id) != Some(session.stamp) {
            sessions.remove(&hash);
            return None;
        }
        Some(session.clone())
    }

    /// Ends the session of that number.
    pub(crate) fn end(&self, number: &str) {
        self.lock().remove(&hash(number));
    }
}

/// Makes room for one more of those that `is_one` names.
fn end_oldest(sessions: &mut HashMap<[u8; 32], Session>, max: usize, is_one: impl Fn(&Session) -> bool) {
    while sessions.values().filter(|session| is_one(session)).count() >= max {
        let oldest = sessions.iter().filter(|(_, session)| is_one(session)).min_by_key(|(_, session)| session.begun);
        let Some(number) = oldest.map(|(number, _)| *number) else { return };
        sessions.remove(&number);
    }
}

fn hash(number: &str) -> [u8; 32] {
    Sha256::digest(number).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Sessions;
    use crate::limits::admin::{CONSOLE_SESSION_SECONDS, CONSOLE_SESSIONS_MAX, CONSOLE_SESSIONS_PER_KEY_MAX};
    use crate::types::Timestamp;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const STAMP: [u8; 32] = [1; 32];

    fn begin(sessions: &Sessions, key: &str) -> String {
        sessions.begin(key, STAMP, NOW).unwrap().0
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_in_time_by_word_or_with_its_key() {
        let sessions = Sessions::default();
        let same = |_: &str| Some(STAMP);
        let number = begin(&sessions, "ann");
        assert_eq!((number.len(), begin(&sessions, "ann") == number), (64, false));
        assert_eq!(sessions.find(&number, same).unwrap().access_key_id, "ann");
        assert!(sessions.find(&number[1..], same).is_none());
        sessions.end(&number);
        assert!(sessions.find(&number, same).is_none());
        for gone in [None, Some([2; 32])] {
            let number = begin(&sessions, "ann");
            assert!(sessions.find(&number, |_| gone).is_none());
            assert!(sessions.find(&number, same).is_none(), "it does not come back with its key");
        }
        let number = begin(&sessions, "ann");
        tokio::time::advance(Duration::from_secs(CONSOLE_SESSION_SECONDS.unsigned_abs() - 1)).await;
        assert!(sessions.find(&number, same).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sessions.find(&number, same).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many_of_a_key_and_of_all() {
        let sessions = Sessions::default();
        let bob = begin(&sessions, "bob");
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..3 * CONSOLE_SESSIONS_PER_KEY_MAX {
            begin(&sessions, "ann");
        }
        assert_eq!(sessions.lock().len(), CONSOLE_SESSIONS_PER_KEY_MAX + 1);
        assert!(sessions.find(&bob, |_| Some(STAMP)).is_some(), "another key ends none of his");
        for number in 0..2 * CONSOLE_SESSIONS_MAX {
            begin(&sessions, &number.to_string());
        }
        assert_eq!(sessions.lock().len(), CONSOLE_SESSIONS_MAX);
    }
}
