//! Attempts to sign in that fail: whoever makes too many of them has to wait, by the address that they come from and by
//! the key that they name. Must never know what is signed in to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::rate::Source;
use crate::limits::admin::{SIGN_IN_ATTEMPTS_MAX, SIGN_IN_SOURCES_MAX, SIGN_IN_WINDOW_SECONDS};

/// What one source has tried since its window began.
struct Window {
    attempts: u32,
    begun: Instant,
}

impl Window {
    fn ends(&self) -> Instant {
        self.begun + Duration::from_secs(SIGN_IN_WINDOW_SECONDS)
    }
}

/// Who tried and failed lately.
#[derive(Default)]
pub struct Attempts {
    windows: Mutex<HashMap<Source, Window>>,
}

impl Attempts {
    /// Counts an attempt, which is taken for one that fails until `forgive`. Counted before it is judged, so that many
    /// at once are no way around.
    ///
    /// # Errors
    /// How long to wait, if the address or the key has too many.
    pub fn begin(&self, address: IpAddr, key: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = [Source::of_address(address), Source::Key(key.into())];
        let is_spent = |source: &Source| {
            let window = windows.get(source).filter(|window| window.ends() > now)?;
            (window.attempts >= SIGN_IN_ATTEMPTS_MAX).then(|| window.ends() - now)
        };
        if let Some(wait) = sources.iter().filter_map(is_spent).max() {
            return Err(wait);
        }
        if windows.len() + sources.len() > SIGN_IN_SOURCES_MAX {
            forget(&mut windows, now);
        }
        for source in sources {
            let window = windows.entry(source).or_insert(Window { attempts: 0, begun: now });
            if window.ends() <= now {
                *window = Window { attempts: 0, begun: now };
            }
            window.attempts += 1;
        }
        Ok(())
    }

    /// The attempt that was counted did not fail.
    pub fn forgive(&self, address: IpAddr, key: &str) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        for source in [Source::of_address(address), Source::Key(key.into())] {
            if let Some(window) = windows.get_mut(&source) {
                window.attempts = window.attempts.saturating_sub(1);
            }
        }
    }
}

/// Makes room: forgets what is over, and then those who tried least, a quarter of them: forgetting costs the guard
/// least there.
fn forget(windows: &mut HashMap<Source, Window>, now: Instant) {
    windows.retain(|_, window| window.ends() > now);
    if windows.len() + 2 > SIGN_IN_SOURCES_MAX {
        let mut tries: Vec<_> = windows.values().map(|window| (window.attempts, window.begun)).collect();
        let (_, least, _) = tries.select_nth_unstable(SIGN_IN_SOURCES_MAX / 4);
        let least = *least;
        windows.retain(|_, window| (window.attempts, window.begun) > least);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::Attempts;
    use crate::limits::admin::{SIGN_IN_ATTEMPTS_MAX, SIGN_IN_SOURCES_MAX, SIGN_IN_WINDOW_SECONDS};

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_and_a_key_wait_after_too_many_failures() {
        let attempts = Attempts::default();
        for number in 0..SIGN_IN_ATTEMPTS_MAX {
            assert_eq!(attempts.begin(address(1), &format!("key{number}")), Ok(()));
        }
        let window = Duration::from_secs(SIGN_IN_WINDOW_SECONDS);
        assert_eq!(attempts.begin(address(1), "another"), Err(window), "the address");
        for number in 0..SIGN_IN_ATTEMPTS_MAX {
            assert_eq!(attempts.begin(address(100 + number), "ann"), Ok(()));
        }
        assert_eq!(attempts.begin(address(2), "ann"), Err(window), "the key");
        assert_eq!(attempts.begin(address(2), "bob"), Ok(()));
        tokio::time::advance(window).await;
        assert_eq!(attempts.begin(address(1), "ann"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_succeeds_never_waits() {
        let attempts = Attempts::default();
        for _ in 0..10 * SIGN_IN_ATTEMPTS_MAX {
            assert_eq!(attempts.begin(address(1), "ann"), Ok(()));
            attempts.forgive(address(1), "ann");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_remembered_is_bounded_and_the_worst_is_not_forgotten() {
        let attempts = Attempts::default();
        while attempts.begin(address(1), "ann").is_ok() {}
        for number in 0..3 * SIGN_IN_SOURCES_MAX as u32 {
            let _ = attempts.begin(address(10 + number), &number.to_string());
        }
        assert!(attempts.windows.lock().unwrap().len() <= SIGN_IN_SOURCES_MAX);
        assert!(attempts.begin(address(1), "bob").is_err());
    }
}
