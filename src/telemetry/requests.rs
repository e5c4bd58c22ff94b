//! Ended requests that are remembered for a while: why each refused one was refused, and lines of those that were
//! served. Bounded by number and by bytes. Knows nothing of how an explanation is found.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::insight::{
    EXPLAINED_FACT_BYTES_MAX, EXPLAINED_TEXT_BYTES_MAX, MISSING_BYTES_MAX, MISSING_KEPT_MAX, REFUSED_BYTES_MAX,
    REFUSED_KEPT_MAX, REMEMBERED_TEXT_BYTES_MAX, SERVED_BURST, SERVED_BYTES_MAX, SERVED_KEPT_MAX, SERVED_SAMPLE_MS,
};
use crate::types::Timestamp;

/// What kind of thing refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplanationKind {
    /// The signature, or how it was given.
    Signature,
    /// A policy, an ACL, or that none allows it.
    Policy,
    /// The server has no room, or does not take this now.
    Overload,
    /// The clock of one side, or that time ran out.
    Clock,
    /// The access key.
    Key,
    /// Anything else.
    Other,
}

impl ExplanationKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Policy => "policy",
            Self::Overload => "overload",
            Self::Clock => "clock",
            Self::Key => "key",
            Self::Other => "other",
        }
    }
}

/// Why a request was refused. Holds no secret and no signature that anybody computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What refused it.
    pub kind: ExplanationKind,
    /// The likely cause, in one sentence.
    pub sentence: String,
    /// What was found, by name.
    pub facts: Vec<(&'static str, String)>,
    /// What was signed, as this server reads it.
    pub canonical_request: Option<String>,
    /// The string to sign of that.
    pub string_to_sign: Option<String>,
}

impl Explanation {
    /// An explanation without facts.
    pub fn new(kind: ExplanationKind, sentence: impl Into<String>) -> Self {
        let sentence = bounded(sentence.into(), EXPLAINED_TEXT_BYTES_MAX);
        Self { kind, sentence, facts: Vec::new(), canonical_request: None, string_to_sign: None }
    }

    /// Adds a fact, unless it is empty.
    #[must_use]
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.facts.push((name, bounded(value, EXPLAINED_FACT_BYTES_MAX)));
        }
        self
    }

    /// Adds what was signed.
    #[must_use]
    pub fn signed(mut self, canonical_request: Option<String>, string_to_sign: String) -> Self {
        self.canonical_request = canonical_request.map(|text| bounded(text, EXPLAINED_TEXT_BYTES_MAX));
        self.string_to_sign = Some(bounded(string_to_sign, EXPLAINED_TEXT_BYTES_MAX));
        self
    }

    /// The value of a fact.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn bytes(&self) -> usize {
        let facts: usize = self.facts.iter().map(|(_, value)| size_of::<(&str, String)>() + value.len()).sum();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.sentence.len() + facts + text(&self.canonical_request) + text(&self.string_to_sign)
    }
}

/// A request that ended.
#[derive(Clone, Debug)]
pub struct RememberedRequest {
    /// Its id, as it was told to its sender.
    pub id: String,
    /// When it ended.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path and query, without what would let a reader send it again.
    pub path: String,
    /// Its operation: a name from a fixed set.
    pub operation: &'static str,
    /// The bucket that it named; may be empty.
    pub bucket: String,
    /// The key that it named; may be empty.
    pub key: String,
    /// The access key that it claimed or that signed it; may be empty.
    pub access_key_id: String,
    /// The name of who asked, if that is known.
    pub name: String,
    /// The other end of its connection.
    pub peer: String,
    /// The status of its answer; 0 if it ended before one.
    pub status: u16,
    /// The S3 code that refused it.
    pub code: Option<&'static str>,
    /// From its head to the end of its answer.
    pub duration: Duration,
    /// Bytes of its body.
    pub received_bytes: u64,
    /// Bytes of its answer.
    pub sent_bytes: u64,
    /// What its sender calls itself.
    pub user_agent: String,
    /// Why it was refused.
    pub explanation: Option<Box<Explanation>>,
}

impl RememberedRequest {
    /// Cuts what a client made long.
    fn bounded(self) -> Self {
        let cut = |text: String| bounded(text, REMEMBERED_TEXT_BYTES_MAX);
        Self { path: cut(self.path), key: cut(self.key), user_agent: cut(self.user_agent), ..self }
    }

    fn bytes(&self) -> usize {
        let texts =
            [&self.id, &self.method, &self.path, &self.bucket, &self.key, &self.access_key_id, &self.name, &self.peer];
        let texts: usize = texts.into_iter().chain([&self.user_agent]).map(String::len).sum();
        size_of::<Self>() + texts + self.explanation.as_ref().map_or(0, |explanation| explanation.bytes())
    }
}

/// Text that is not longer than `bytes_max`, and says so if it was cut. Holds no more memory than it shows.
fn bounded(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text.shrink_to_fit();
    text
}

/// The newest of something, as many as two bounds allow.
#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<RememberedRequest>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, entry: RememberedRequest, (kept_max, bytes_max): (usize, usize)) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > kept_max || self.bytes > bytes_max {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }
}

/// What is looked for among remembered requests. Empty texts ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Classes of status that are wanted (`4` for 4xx); empty wants all.
    pub classes: Vec<u16>,
    /// Name or id of the access key.
    pub key: String,
    /// The bucket.
    pub bucket: String,
    /// Only what ended before the request of this id did.
    pub before: String,
}

impl RequestFilter {
    fn wants(&self, request: &RememberedRequest) -> bool {
        (self.classes.is_empty() || self.classes.contains(&(request.status / 100)))
            && (self.key.is_empty() || self.key == request.name || self.key == request.access_key_id)
            && (self.bucket.is_empty() || self.bucket == request.bucket)
    }

    fn wants_served(&self) -> bool {
        self.classes.is_empty() || self.classes.iter().any(|class| *class < 4)
    }
}

/// Remembers requests that ended.
#[derive(Debug)]
pub struct RequestLog {
    began: Instant,
    refused: Mutex<Ring>,
    missing: Mutex<Ring>,
    served: Mutex<Ring>,
    /// Microseconds since `began` at which the burst of served requests will be whole again.
    whole_at: AtomicU64,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            refused: Mutex::default(),
            missing: Mutex::default(),
            served: Mutex::default(),
            whole_at: AtomicU64::new(0),
        }
    }
}

fn locked(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    // A ring is whole whatever its holder did: what panics there is an allocation at most.
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RequestLog {
    /// Whether a served request that ended at `now` is to be remembered: all of them, or, under load, a sample.
    pub fn wants_served(&self, now: Instant) -> bool {
        let interval = SERVED_SAMPLE_MS * 1_000;
        let now = u64::try_from(now.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX);
        let whole_at = self.whole_at.load(Ordering::Relaxed);
        let next = whole_at.max(now) + interval;
        next - now <= SERVED_BURST * interval
            // Whoever loses a race leaves the place to who won it.
            && self.whole_at.compare_exchange(whole_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Remembers a request that was refused.
    pub fn push_refused(&self, request: RememberedRequest) {
        let request = request.bounded();
        if request.status == 404 {
            locked(&self.missing).push(request, (MISSING_KEPT_MAX, MISSING_BYTES_MAX));
        } else {
            locked(&self.refused).push(request, (REFUSED_KEPT_MAX, REFUSED_BYTES_MAX));
        }
    }

    /// Remembers a request that was served, if `wants_served` said so.
    pub fn push_served(&self, request: RememberedRequest) {
        locked(&self.served).push(request.bounded(), (SERVED_KEPT_MAX, SERVED_BYTES_MAX));
    }

    /// The request of an id.
    pub fn find(&self, id: &str) -> Option<RememberedRequest> {
        let found = |ring: &Mutex<Ring>| locked(ring).entries.iter().rev().find(|entry| entry.id == id).cloned();
        [&self.refused, &self.missing, &self.served].into_iter().find_map(found)
    }

    /// At most `limit` requests that the filter wants, the newest first.
    pub fn list(&self, filter: &RequestFilter, limit: usize) -> Vec<RememberedRequest> {
        let before = match filter.before.as_str() {
            "" => None,
            id => match self.find(id) {
                Some(request) => Some(request.at),
                None => return Vec::new(),
            },
        };
        let is_wanted = |request: &&RememberedRequest| {
            filter.wants(request) && before.is_none_or(|before| (request.at, &request.id) < (before, &filter.before))
        };
        let newest = |ring: &Mutex<Ring>| {
            // Nearly the order in which they ended: requests come to the lock a little later.
            let found: Vec<_> = locked(ring).entries.iter().rev().filter(is_wanted).take(limit).cloned().collect();
            found
        };
        let mut found = newest(&self.refused);
        found.extend(newest(&self.missing));
        if filter.wants_served() {
            found.extend(newest(&self.served));
        }
        found.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        found.truncate(limit);
        found
    }

    /// Bytes that are held now.
    pub fn bytes(&self) -> usize {
        [&self.refused, &self.missing, &self.served].into_iter().map(|ring| locked(ring).bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Explanation, ExplanationKind, RememberedRequest, RequestFilter, RequestLog};
    use crate::limits::insight::{
        EXPLAINED_TEXT_BYTES_MAX, REFUSED_BYTES_MAX, REFUSED_KEPT_MAX, SERVED_BURST, SERVED_BYTES_MAX, SERVED_KEPT_MAX,
        SERVED_SAMPLE_MS,
    };
    use crate::types::Timestamp;

    fn request(number: usize, status: u16) -> RememberedRequest {
        RememberedRequest {
            id: format!("{number:016X}"),
            at: Timestamp(i64::try_from(number).unwrap()),
            method: "GET".to_owned(),
            path: "/b/k".to_owned(),
            operation: "GetObject",
            bucket: format!("b{}", number % 2),
            key: "k".to_owned(),
            access_key_id: "AKIA".to_owned(),
            name: "ann".to_owned(),
            peer: "127.0.0.1:1".to_owned(),
            status,
            code: None,
            duration: Duration::ZERO,
            received_bytes: 0,
            sent_bytes: 0,
            user_agent: "test".to_owned(),
            explanation: None,
        }
    }

    fn long(bytes: usize) -> Box<Explanation> {
        let text = "ä".repeat(bytes / 2);
        Box::new(Explanation::new(ExplanationKind::Signature, "x").signed(Some(text.clone()), text))
    }

    #[test]
    fn the_newest_are_remembered_and_no_more_than_their_number() {
        let log = RequestLog::default();
        for number in 0..3_000 {
            log.push_refused(request(number, 403));
            log.push_served(request(number, 200));
        }
        let refused = log.list(&RequestFilter { classes: vec![4, 5], ..RequestFilter::default() }, usize::MAX);
        assert_eq!(refused.len(), REFUSED_KEPT_MAX);
        assert_eq!(refused[0].id, request(2_999, 403).id);
        let all = log.list(&RequestFilter::default(), usize::MAX);
        assert!(all.len() > REFUSED_KEPT_MAX && all.len() <= REFUSED_KEPT_MAX + SERVED_KEPT_MAX, "{}", all.len());
        assert!(log.find(&request(0, 403).id).is_none());
    }

    #[test]
    fn what_clients_make_long_is_cut_and_pushes_others_out() {
        let log = RequestLog::default();
        for number in 0..500 {
            let mut refused = request(number, 403);
            (refused.path, refused.user_agent) = ("p".repeat(100_000), "u".repeat(100_000));
            refused.explanation = Some(long(1_000_000));
            log.push_refused(refused);
            let mut served = request(number, 200);
            served.key = "k".repeat(100_000);
            log.push_served(served);
            assert!(log.bytes() <= REFUSED_BYTES_MAX + SERVED_BYTES_MAX, "{}", log.bytes());
        }
        let newest = log.find(&request(499, 403).id).expect("the newest is there");
        let canonical = newest.explanation.unwrap().canonical_request.unwrap();
        assert!(canonical.len() <= EXPLAINED_TEXT_BYTES_MAX && canonical.ends_with('…'));
        assert!(canonical.capacity() <= EXPLAINED_TEXT_BYTES_MAX, "what was cut is not held");
    }

    #[test]
    fn a_filter_finds_by_status_bucket_and_key_and_goes_on_before_an_id() {
        let log = RequestLog::default();
        for number in 0..10 {
            log.push_refused(request(number, if number < 5 { 403 } else { 503 }));
        }
        let ids =
            |filter: RequestFilter| -> Vec<i64> { log.list(&filter, 100).iter().map(|request| request.at.0).collect() };
        assert_eq!(ids(RequestFilter { classes: vec![5], ..RequestFilter::default() }), [9, 8, 7, 6, 5]);
        assert_eq!(ids(RequestFilter { bucket: "b1".to_owned(), ..RequestFilter::default() }), [9, 7, 5, 3, 1]);
        assert_eq!(ids(RequestFilter { key: "ann".to_owned(), ..RequestFilter::default() }).len(), 10);
        assert_eq!(ids(RequestFilter { key: "AKIA".to_owned(), ..RequestFilter::default() }).len(), 10);
        assert!(ids(RequestFilter { key: "bob".to_owned(), ..RequestFilter::default() }).is_empty());
        let before = |id: String| ids(RequestFilter { before: id, ..RequestFilter::default() });
        assert_eq!(before(request(3, 403).id), [2, 1, 0]);
        assert!(before("gone".to_owned()).is_empty());
        assert_eq!(log.list(&RequestFilter::default(), 3).len(), 3);
    }

    #[test]
    fn served_requests_are_a_sample_under_load() {
        let log = RequestLog::default();
        let now = Instant::now();
        let taken = (0..10_000).filter(|_| log.wants_served(now)).count();
        assert_eq!(taken as u64, SERVED_BURST);
        let later = now + Duration::from_millis(10 * SERVED_SAMPLE_MS);
        assert_eq!((0..10_000).filter(|_| log.wants_served(later)).count(), 10);
    }
}
