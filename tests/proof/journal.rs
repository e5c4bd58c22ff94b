//! What the clients know: for each key the writes that were acknowledged, and the one that was under way.
//!
//! Times are positions in the log of the disk, or zero where nobody asks when something happened: a write whose
//! answer had come when the log had `ended` records is durable at every cut from there on; one that began when it had
//! `started` records has left nothing at any cut up to there; between the two it is there wholly or not at all.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::support::{md5_hex, noise};

/// Cuts after everything.
pub const END: u64 = u64::MAX;

const POOL_BYTES: usize = 8 << 20;
static POOL: LazyLock<Vec<u8>> = LazyLock::new(|| noise(7, POOL_BYTES));

/// A body that is made again when it is needed.
#[derive(Debug)]
pub struct Body {
    pieces: Vec<(u64, usize)>,
    pub md5: String,
    pub length: usize,
}

impl Body {
    /// `length` bytes that differ from seed to seed at every offset.
    pub fn new(seed: u64, length: usize) -> Arc<Self> {
        Self::of(vec![(seed, length)])
    }

    /// One body after the other.
    pub fn join<'a>(bodies: impl IntoIterator<Item = &'a Arc<Self>>) -> Arc<Self> {
        Self::of(bodies.into_iter().flat_map(|body| body.pieces.iter().copied()).collect())
    }

    fn of(pieces: Vec<(u64, usize)>) -> Arc<Self> {
        let mut body = Self { pieces, md5: String::new(), length: 0 };
        let bytes = body.bytes();
        (body.md5, body.length) = (md5_hex(&bytes), bytes.len());
        Arc::new(body)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(seed, length) in &self.pieces {
            let at = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 43) as usize;
            let piece = &POOL[at..at + length];
            let head = seed.to_le_bytes();
            let head = &head[..length.min(8)];
            bytes.extend_from_slice(head);
            bytes.extend_from_slice(&piece[head.len()..]);
        }
        bytes
    }
}

/// A body with the ETag that it is stored under.
#[derive(Clone, Debug)]
pub struct Stored {
    pub body: Arc<Body>,
    pub etag: String,
}

impl Stored {
    /// As a PUT stores it.
    pub fn plain(body: &Arc<Body>) -> Self {
        Self { body: Arc::clone(body), etag: body.md5.clone() }
    }

    /// As the completion of an upload stores it.
    pub fn of_parts(parts: &BTreeMap<u16, Arc<Body>>) -> Self {
        let digests: Vec<u8> = parts.values().flat_map(|part| hex::decode(&part.md5).unwrap()).collect();
        Self { body: Body::join(parts.values()), etag: format!("{}-{}", md5_hex(&digests), parts.len()) }
    }
}

/// A version, or a delete marker. Without an id the id does not matter or is not known.
#[derive(Clone, Debug)]
pub struct Version {
    pub id: Option<String>,
    pub stored: Option<Stored>,
}

/// An open upload.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    pub id: Option<String>,
    pub parts: BTreeMap<u16, Arc<Body>>,
}

/// What a key holds: its versions, oldest first, and at most one open upload.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub versions: Vec<Version>,
    pub upload: Option<Upload>,
}

/// What a request changes.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The one version of a key without versioning becomes this, or goes.
    Set(Option<Stored>),
    /// A version or a marker is added.
    Add(Option<Stored>),
    /// A version goes for good.
    Remove(String),
    Begin,
    Part(u16, Arc<Body>),
    /// The upload becomes the one version.
    Complete(Stored),
    Abort,
}

impl State {
    pub fn current(&self) -> Option<&Stored> {
        self.versions.last().and_then(|version| version.stored.as_ref())
    }

    fn apply(&mut self, effect: &Effect, id: Option<&str>) {
        let id = id.map(str::to_owned);
        match effect {
            Effect::Set(stored) => {
                self.versions =
                    stored.iter().map(|stored| Version { id: None, stored: Some(stored.clone()) }).collect();
            }
            Effect::Add(stored) => self.versions.push(Version { id, stored: stored.clone() }),
            Effect::Remove(gone) => self.versions.retain(|version| version.id.as_ref() != Some(gone)),
            Effect::Begin => self.upload = Some(Upload { id, parts: BTreeMap::new() }),
            Effect::Part(number, body) => {
                self.upload.as_mut().expect("an open upload").parts.insert(*number, Arc::clone(body));
            }
            Effect::Complete(stored) => {
                self.upload = None;
                self.apply(&Effect::Set(Some(stored.clone())), None);
            }
            Effect::Abort => self.upload = None,
        }
    }
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub struct Event {
    pub effect: Effect,
    pub started: u64,
    /// When the answer had come, and the id that it told.
    pub ended: Option<(u64, Option<String>)>,
}

/// A key with its history. One client writes to it, one request after the other.
#[derive(Clone, Debug)]
pub struct Slot {
    pub bucket: &'static str,
    pub key: String,
    pub base: State,
    pub events: Vec<Event>,
}

impl Slot {
    pub fn new(bucket: &'static str, key: String) -> Self {
        Self { bucket, key, base: State::default(), events: Vec::new() }
    }

    /// Whether the fate of a request is unknown: then nothing more is asked of this key.
    pub fn is_in_doubt(&self) -> bool {
        self.events.last().is_some_and(|event| event.ended.is_none())
    }

    /// What it holds, if that is certain.
    pub fn state(&self) -> State {
        self.legal(END).swap_remove(0)
    }

    /// What it may hold at `cut`: without and, if one was under way, with that request.
    pub fn legal(&self, cut: u64) -> Vec<State> {
        let mut state = self.base.clone();
        for event in self.events.iter().take_while(|event| event.started < cut) {
            match &event.ended {
                Some((ended, id)) if *ended <= cut => state.apply(&event.effect, id.as_deref()),
                ended => {
                    let mut after = state.clone();
                    let id = ended.as_ref().and_then(|(_, id)| id.as_deref());
                    after.apply(&event.effect, id);
                    return vec![state, after];
                }
            }
        }
        vec![state]
    }

    /// From here on it holds `state`.
    pub fn adopt(&mut self, state: State) {
        self.base = state;
        self.events.clear();
    }
}

/// One of several clients that want to be the first to write a key.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub stored: Stored,
    pub started: u64,
    /// When the answer had come, and whether it was the first.
    pub ended: Option<(u64, bool)>,
}

/// A key that several clients want to be the first to write.
#[derive(Clone, Debug, Default)]
pub struct Contest {
    pub base: Option<Stored>,
    pub attempts: Vec<Attempt>,
}

impl Contest {
    /// What is wrong with `found` (an ETag) at `cut`.
    pub fn judge(&self, cut: u64, found: Option<&str>) -> Result<Option<Stored>, String> {
        let known = self.attempts.iter().filter(|attempt| attempt.started < cut);
        let answered =
            |attempt: &&Attempt, won: bool| attempt.ended.is_some_and(|(ended, first)| ended <= cut && first == won);
        let winners: Vec<_> = known.clone().filter(|attempt| answered(attempt, true)).map(|a| &a.stored).collect();
        let winners: Vec<_> = winners.into_iter().chain(self.base.as_ref()).collect();
        if winners.len() > 1 {
            return Err(format!("{} clients were told that they were the first", winners.len()));
        }
        let Some(found) = found else {
            let refused = known.clone().any(|attempt| answered(&attempt, false));
            return match winners.is_empty() && !refused {
                true => Ok(None),
                false => Err(format!("absent, with {} winners, refused: {refused}", winners.len())),
            };
        };
        let may_have_won = known.filter(|attempt| !answered(attempt, false)).map(|attempt| &attempt.stored);
        let legal: Vec<_> = match winners.first() {
            Some(winner) => vec![*winner],
            None => may_have_won.collect(),
        };
        let stored = legal.iter().find(|stored| stored.etag == found);
        stored.map(|stored| Some((*stored).clone())).ok_or_else(|| format!("holds {found}, which did not win"))
    }
}

/// The keys of contests.
pub type Contests = BTreeMap<String, Contest>;
