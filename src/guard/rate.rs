//! Rate limits: requests and bytes of each key and of each address, and the bandwidth of the whole gateway, which may
//! follow the hour.
//!
//! Requests beyond their rate are refused with the time after which they would be let in. Bytes are never refused:
//! whoever moves them waits, so that TCP slows its client down. Must never know what a request is.

use std::collections::HashMap;
use std::future::Future as _;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, Sleep};

use crate::limits::RATE_SOURCES_MAX;
use crate::types::{Rate, RateLimits, SourceRates, Timetable};

/// Bits of an IPv6 address that name its network: a client has all of the rest to itself.
const IPV6_NETWORK_BITS: u32 = 64;

/// A token bucket that may be overdrawn, kept as the moment at which it will be full again (the "virtual scheduling"
/// form of GCRA, ITU-T I.371).
#[derive(Debug)]
struct Bucket {
    full_at: Mutex<Instant>,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self { full_at: Mutex::new(now) }
    }

    fn full_at(&self) -> MutexGuard<'_, Instant> {
        // An instant is whole whatever its holder did.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one, if it is there; otherwise how long until it will be.
    fn try_take(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at();
        let after = (*full_at).max(now) + time_for(1, rate.per_second);
        let wait = (after - now).saturating_sub(time_for(rate.burst, rate.per_second));
        if wait.is_zero() {
            *full_at = after;
            return Ok(());
        }
        Err(wait)
    }

    /// Takes `count`, there or not; returns how long its taker should wait.
    fn take(&self, count: u64, rate: Rate, now: Instant) -> Duration {
        let mut full_at = self.full_at();
        *full_at = (*full_at).max(now) + time_for(count, rate.per_second);
        (*full_at - now).saturating_sub(time_for(rate.burst, rate.per_second))
    }
}

/// How long `count` takes at a rate.
fn time_for(count: u64, per_second: u64) -> Duration {
    let nanos = u128::from(count) * 1_000_000_000 / u128::from(per_second.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Key(Box<str>),
    Address(IpAddr),
}

impl Source {
    /// All addresses of an IPv6 network are one source; an IPv4 address in IPv6's clothes is itself.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = address.to_bits() >> (128 - IPV6_NETWORK_BITS) << (128 - IPV6_NETWORK_BITS);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
        })
    }
}

/// What is known of a source.
#[derive(Debug)]
struct Account {
    /// What it is filled by. With other rates it would be another account.
    rates: SourceRates,
    requests: Bucket,
    bytes: Bucket,
}

impl Account {
    /// When nothing of it will be missed.
    fn full_at(&self) -> Instant {
        (*self.requests.full_at()).max(*self.bytes.full_at())
    }
}

/// The gateway's own bandwidth.
#[derive(Debug)]
struct Bandwidth {
    table: Timetable,
    bytes: Bucket,
}

impl Bandwidth {
    fn take(&self, count: u64, now: Instant) -> Duration {
        let local = jiff::Zoned::now();
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let Some(per_second) = self.table.at(minute) else { return Duration::ZERO };
        self.bytes.take(count, Rate { per_second, burst: per_second }, now)
    }
}

/// Lets requests in at their rates, and hands out the paces of their bodies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limits: Arc<ArcSwap<RateLimits>>,
    accounts: Arc<Mutex<HashMap<Source, Arc<Account>>>>,
    bandwidth: Option<Arc<Bandwidth>>,
}

/// A request beyond its rate: `503 SlowDown`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("more requests than the limit of its {of}")]
pub struct TooFast {
    /// What the limit is of: `key` or `address`.
    pub of: &'static str,
    /// The limit.
    pub rate: Rate,
    /// After what time it would be let in.
    pub retry_after: Duration,
}

impl RateLimiter {
    /// A limiter; without limits it costs nothing.
    pub fn new(limits: RateLimits) -> Self {
        let bandwidth = (!limits.bandwidth.is_unbounded())
            .then(|| Arc::new(Bandwidth { table: limits.bandwidth.clone(), bytes: Bucket::new(Instant::now()) }));
        Self { limits: Arc::new(ArcSwap::from_pointee(limits)), accounts: Arc::default(), bandwidth }
    }

    /// The limits that count now.
    pub fn limits(&self) -> RateLimits {
        (**self.limits.load()).clone()
    }

    /// Other limits of keys and addresses from now on, for requests and bodies that begin now. The bandwidth of the
    /// whole gateway stays.
    pub fn set_sources(&self, key: SourceRates, address: SourceRates) {
        self.limits.rcu(|limits| RateLimits { key, address, ..(**limits).clone() });
    }

    /// Lets a request from an address in, or not.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn admit_address(&self, address: IpAddr) -> Result<(), TooFast> {
        self.admit(|| Source::of_address(address), self.limits.load().address, "address")
    }

    /// Lets a request of an access key in, or not. Its `own` rates count instead of those of all keys.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn admit_key(&self, key: &str, own: SourceRates) -> Result<(), TooFast> {
        self.admit(|| Source::Key(key.into()), own.over(self.limits.load().key), "key")
    }

    fn admit(&self, source: impl Fn() -> Source, rates: SourceRates, of: &'static str) -> Result<(), TooFast> {
        let Some(rate) = rates.requests else { return Ok(()) };
        let account = self.account(source(), rates);
        account.requests.try_take(rate, Instant::now()).map_err(|retry_after| TooFast { of, rate, retry_after })
    }

    /// The pace of the bodies of a request, in either direction; `None` if nothing bounds it. A key comes with its own
    /// rates.
    pub fn pace(&self, key: Option<(&str, SourceRates)>, address: Option<IpAddr>) -> Option<Pace> {
        let of_key =
            key.map(|(key, own)| (key, own.over(self.limits.load().key))).filter(|(_, rates)| rates.bytes.is_some());
        let of_address = address.filter(|_| self.limits.load().address.bytes.is_some());
        let key = of_key.map(|(key, rates)| self.account(Source::Key(key.into()), rates));
        let address = of_address.map(|address| self.account(Source::of_address(address), self.limits.load().address));
        let accounts: Vec<_> = key.into_iter().chain(address).collect();
        if accounts.is_empty() && self.bandwidth.is_none() {
            return None;
        }
        Some(Pace { accounts, bandwidth: self.bandwidth.clone(), rest: None })
    }

    /// The account of a source. One that was filled by other rates is forgotten: what it owes was reckoned by them.
    fn account(&self, source: Source, rates: SourceRates) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(&source).filter(|account| account.rates == rates) {
            return Arc::clone(account);
        }
        let now = Instant::now();
        if accounts.len() >= RATE_SOURCES_MAX {
            forget(&mut accounts, now);
        }
        let account = Arc::new(Account { rates, requests: Bucket::new(now), bytes: Bucket::new(now) });
        accounts.insert(source, Arc::clone(&account));
        account
    }
}

/// Makes room: forgets whoever has the whole burst again, and the quarter of the others that is nearest to it. A
/// quarter, so that a flood of sources does not go through all of them for each new one.
fn forget(accounts: &mut HashMap<Source, Arc<Account>>, now: Instant) {
    accounts.retain(|_, account| account.full_at() > now);
    if accounts.len() >= RATE_SOURCES_MAX {
        let mut times: Vec<_> = accounts.values().map(|account| account.full_at()).collect();
        let (_, nearest, _) = times.select_nth_unstable(RATE_SOURCES_MAX / 4);
        let nearest = *nearest;
        accounts.retain(|_, account| account.full_at() > nearest);
    }
}

/// What slows one body down. A piece is let through as it is and then paid for, so the rest before the next one is as
/// long as the piece was large.
#[derive(Debug)]
pub struct Pace {
    accounts: Vec<Arc<Account>>,
    bandwidth: Option<Arc<Bandwidth>>,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// The same pace, for the body in the other direction.
    pub fn twin(&self) -> Self {
        Self { accounts: self.accounts.clone(), bandwidth: self.bandwidth.clone(), rest: None }
    }

    /// Notes a piece that went through.
    pub fn note(&mut self, bytes: usize) {
        let (bytes, now) = (bytes as u64, Instant::now());
        let of_accounts = self.accounts.iter().map(|account| match account.rates.bytes {
            Some(rate) => account.bytes.take(bytes, rate, now),
            None => Duration::ZERO,
        });
        let of_all = self.bandwidth.as_ref().map(|bandwidth| bandwidth.take(bytes, now));
        let rest = of_accounts.chain(of_all).max().unwrap_or_default();
        if !rest.is_zero() {
            self.rest = Some(Box::pin(tokio::time::sleep_until(now + rest)));
        }
    }

    /// Whether the next piece may go through.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(()) };
        std::task::ready!(rest.as_mut().poll(cx));
        self.rest = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{RateLimiter, Source, TooFast};
    use crate::limits::RATE_SOURCES_MAX;
    use crate::types::{Rate, RateLimits, SourceRates, Timetable};

    const NONE: SourceRates = SourceRates { requests: None, bytes: None };

    fn requests(per_second: u64, burst: u64) -> RateLimiter {
        let rate = Some(Rate { per_second, burst });
        let rates = SourceRates { requests: rate, bytes: rate };
        RateLimiter::new(RateLimits { key: rates, address: rates, bandwidth: Timetable::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_rate() {
        let limiter = requests(10, 3);
        for _ in 0..3 {
            assert_eq!(limiter.admit_key("a", NONE), Ok(()));
        }
        let refused = limiter.admit_key("a", NONE).unwrap_err();
        let rate = Rate { per_second: 10, burst: 3 };
        assert_eq!(refused, TooFast { of: "key", rate, retry_after: Duration::from_millis(100) });
        assert_eq!(limiter.admit_key("b", NONE), Ok(()), "another key has a rate of its own");
        tokio::time::advance(Duration::from_millis(99)).await;
        assert!(limiter.admit_key("a", NONE).is_err(), "a refusal costs nothing and brings nothing");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(limiter.admit_key("a", NONE), Ok(()));
        tokio::time::advance(Duration::from_secs(3600)).await;
        let admitted = (0..10).filter(|_| limiter.admit_key("a", NONE).is_ok()).count();
        assert_eq!(admitted, 3, "a pause saves up one burst, not more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_with_rates_of_its_own_has_no_others() {
        let limiter = requests(1, 2);
        let admitted = |own| (0..50).filter(|_| limiter.admit_key("a", own).is_ok()).count();
        let own = |per_second, burst| SourceRates { requests: Some(Rate { per_second, burst }), bytes: None };
        assert_eq!(admitted(own(5, 9)), 9);
        assert_eq!(admitted(own(5, 9)), 0);
        // It owes nothing by rates that are no longer its own, and a change of them is one more burst at most.
        assert_eq!(admitted(own(1, 3)), 3);
        assert_eq!(admitted(NONE), 2, "those of all keys again");
        let unlimited = RateLimiter::new(RateLimits::default());
        let bytes = SourceRates { requests: None, bytes: Some(Rate { per_second: 1000, burst: 1000 }) };
        assert!(unlimited.pace(Some(("a", NONE)), None).is_none());
        let mut pace = unlimited.pace(Some(("a", bytes)), None).unwrap();
        pace.note(2000);
        let begun = Instant::now();
        poll_fn(|cx| pace.poll_ready(cx)).await;
        assert!(begun.elapsed() >= Duration::from_secs(1), "bytes too");
        assert_eq!(unlimited.admit_key("a", bytes), Ok(()), "and they bound no requests");
    }

    #[tokio::test(start_paused = true)]
    async fn limits_can_change_while_they_count() {
        let limiter = requests(10, 3);
        let clone = limiter.clone();
        let none = SourceRates { requests: None, bytes: None };
        while limiter.admit_key("a", NONE).is_ok() {}
        clone.set_sources(none, SourceRates { requests: Some(Rate { per_second: 1, burst: 1 }), bytes: None });
        assert!((0..100).all(|_| limiter.admit_key("a", NONE).is_ok()), "none any more");
        assert_eq!((0..9).filter(|_| limiter.admit_address(address("10.0.0.1")).is_ok()).count(), 1);
        assert_eq!(limiter.limits().key, none);
    }

    #[tokio::test]
    async fn a_client_cannot_multiply_itself_within_its_network() {
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(Source::of_address(address(one)) == Source::of_address(address(other)), same, "{one} {other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_remembered_is_bounded_and_the_worst_is_not_forgotten() {
        let limiter = requests(1, 2);
        while limiter.admit_key("greedy", NONE).is_ok() {}
        limiter.pace(Some(("greedy", NONE)), None).unwrap().note(10);
        for number in 0..2 * RATE_SOURCES_MAX {
            let _ = limiter.admit_address(IpAddr::from((number as u32).to_be_bytes()));
        }
        assert!(limiter.accounts.lock().unwrap().len() <= RATE_SOURCES_MAX);
        assert!(limiter.admit_key("greedy", NONE).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_wait_for_each_other_whoever_moves_them() {
        let rates = SourceRates { requests: None, bytes: Some(Rate { per_second: 1000, burst: 1000 }) };
        let limiter = RateLimiter::new(RateLimits { key: rates, ..RateLimits::default() });
        let begun = Instant::now();
        let streams = (0..4).map(|_| {
            let mut pace = limiter.pace(Some(("a", NONE)), None).unwrap();
            async move {
                for _ in 0..10 {
                    poll_fn(|cx| pace.poll_ready(cx)).await;
                    pace.note(100);
                }
            }
        });
        futures_util::future::join_all(streams).await;
        // 4,000 bytes: a burst of 1,000, then three seconds; each stream's last piece is let through unpaid.
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(2500) && took <= Duration::from_millis(3100), "{took:?}");
        assert!(limiter.pace(None, Some(address("10.0.0.1"))).is_none(), "nothing bounds an address");
    }

    #[tokio::test(start_paused = true)]
    async fn the_gateways_bandwidth_is_everybodys() {
        let bandwidth = Timetable::new(vec![(0, Some(1000))]).unwrap();
        let limiter = RateLimiter::new(RateLimits { bandwidth, ..RateLimits::default() });
        let (mut one, mut other) = (limiter.pace(Some(("a", NONE)), None).unwrap(), limiter.pace(None, None).unwrap());
        one.note(1000);
        other.note(500);
        let begun = Instant::now();
        poll_fn(|cx| one.poll_ready(cx)).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "the burst");
        poll_fn(|cx| other.poll_ready(cx)).await;
        assert!(begun.elapsed() >= Duration::from_millis(500));
    }
}
