//! On whose behalf the running task changes something. It is told in events and decides nothing, so it travels
//! beside the requests to the store instead of in each of them: a transaction that forgets it tells less, and
//! does nothing else wrong.

use std::sync::Arc;

use crate::types::Origin;

tokio::task_local! {
    static ORIGIN: Option<Arc<Origin>>;
}

/// The request that the running task serves; `None` in a background job.
pub fn current_origin() -> Option<Arc<Origin>> {
    ORIGIN.try_with(Clone::clone).ok().flatten()
}

/// Runs `work` on behalf of `origin`. A task that is spawned in it must be handed the origin again.
pub fn on_behalf_of<F: Future>(origin: Option<Arc<Origin>>, work: F) -> impl Future<Output = F::Output> {
    ORIGIN.scope(origin, work)
}

/// Lets `work` run on behalf of whom the calling task does, also when it is spawned.
pub fn carrying_origin<F: Future>(work: F) -> impl Future<Output = F::Output> {
    on_behalf_of(current_origin(), work)
}
