//! One block on its way: hashed among others, sealed if the body is sealed, appended to its chunk, and told to the
//! stream that waits. Whoever has it owns all that it needs.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::buffer::Block;
use crate::chunk::ChunkStore;
use crate::cipher::BodyKey;
use crate::digest::{Tee, Work};
use crate::engine::EngineError;
use crate::engine::hashing::{Hashing, Job};
use crate::engine::label::BodyLabel;
use crate::engine::unsealed::UnsealedChunk;

/// What a job hashes, seals and writes with.
pub(super) struct Sink {
    tee: Tee,
    key: Option<BodyKey>,
    label: Option<Arc<BodyLabel>>,
    /// Bytes written so far.
    length: u64,
    chunk: Option<UnsealedChunk>,
}

/// The bytes of one job.
pub(super) enum Load {
    Block(Block),
    Stash(Vec<u8>),
}

impl Load {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Block(block) => block.filled(),
            Self::Stash(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Block(block) => block.filled_mut(),
            Self::Stash(bytes) => bytes,
        }
    }
}

impl Sink {
    /// The sink of a body that is at its start.
    pub(super) fn new(tee: Tee, key: Option<BodyKey>, label: Option<Arc<BodyLabel>>) -> Self {
        Self { tee, key, label, length: 0, chunk: None }
    }

    /// The chunk, if the next bytes belong to another one.
    pub(super) fn take_full_chunk(&mut self) -> Option<UnsealedChunk> {
        self.chunk.take_if(|chunk| chunk.is_full())
    }

    /// The hashes, and the last chunk.
    pub(super) fn into_parts(self) -> (Tee, Option<UnsealedChunk>) {
        (self.tee, self.chunk)
    }

    /// Seals `load`, which was hashed, if the body is sealed, and appends it to the chunk. Blocks. On an error
    /// everything that was unsealed is gone.
    fn write(mut self: Box<Self>, store: &dyn ChunkStore, mut load: Load) -> Result<Box<Self>, EngineError> {
        let chunk = match &mut self.chunk {
            Some(chunk) => chunk,
            none => none.insert(UnsealedChunk::begin(store, self.key.as_ref(), self.label.clone(), self.length)?),
        };
        self.length += load.bytes().len() as u64;
        chunk.append(load.bytes_mut())?;
        Ok(self)
    }
}

/// How a job ended, or what it panicked with.
type End = std::thread::Result<Result<Box<Sink>, EngineError>>;

/// A job, as the stream that waits for it sees it. Dropped, it leaves the job to end on its own and to drop what it
/// has.
pub(super) struct Running(oneshot::Receiver<End>);

impl Running {
    /// The sink, when the job has ended. Dropped while it waits, it can be asked again. A panic in the job goes on
    /// here, where the request's own task ends with it.
    pub(super) async fn ended(&mut self) -> Result<Box<Sink>, EngineError> {
        match (&mut self.0).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            // Nobody runs it any more: the runtime stops, or hashing panicked.
            Err(_) => Err(EngineError::Stopped),
        }
    }
}

/// Has `load` hashed and written.
pub(super) fn begin(hashing: &Arc<Hashing>, sink: Box<Sink>, store: Arc<dyn ChunkStore>, load: Load) -> Running {
    let (end, running) = oneshot::channel();
    hashing.submit(Box::new(BlockJob { sink, load, store, end }));
    Running(running)
}

struct BlockJob {
    sink: Box<Sink>,
    load: Load,
    store: Arc<dyn ChunkStore>,
    end: oneshot::Sender<End>,
}

impl Work for BlockJob {
    fn parts(&mut self) -> (&mut Tee, &[u8]) {
        (&mut self.sink.tee, self.load.bytes())
    }
}

impl Job for BlockJob {
    fn run(self: Box<Self>) {
        let Self { sink, load, store, end } = *self;
        if end.is_closed() {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| sink.write(&*store, load)));
        // If nobody waits any more, the sink ends here, and with it its chunk.
        drop(end.send(result));
    }
}
