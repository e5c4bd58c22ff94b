//! Tokio's semaphore, step by step.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{AcquireError, TryAcquireError};

use super::point;
use crate::fault::{self, Fault};

#[derive(Debug)]
pub(crate) struct Semaphore(Arc<tokio::sync::Semaphore>);

#[derive(Debug)]
pub(crate) struct OwnedSemaphorePermit {
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        point();
    }
}

impl Semaphore {
    pub(crate) fn new(permits: usize) -> Self {
        let more = usize::from(fault::is(Fault::PermitTooMany));
        Self(Arc::new(tokio::sync::Semaphore::new(permits + more)))
    }

    pub(crate) fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        point();
        let permit = Arc::clone(&self.0).try_acquire_owned()?;
        Ok(OwnedSemaphorePermit { _permit: permit })
    }

    pub(crate) fn acquire_owned(self: Arc<Self>) -> Acquire {
        self.acquire_many_owned(1)
    }

    pub(crate) fn acquire_many_owned(self: Arc<Self>, permits: u32) -> Acquire {
        Acquire { waiting: Some(Box::pin(Arc::clone(&self.0).acquire_many_owned(permits))) }
    }
}

type Permit = Result<tokio::sync::OwnedSemaphorePermit, AcquireError>;

/// Waits for permits.
pub(crate) struct Acquire {
    /// `None` once it has them.
    waiting: Option<Pin<Box<dyn Future<Output = Permit> + Send>>>,
}

impl Future for Acquire {
    type Output = Result<OwnedSemaphorePermit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        point();
        let waiting = self.waiting.as_mut().expect("it is not polled after it is ready");
        let Poll::Ready(permit) = waiting.as_mut().poll(context) else {
            return Poll::Pending;
        };
        self.waiting = None;
        Poll::Ready(permit.map(|permit| OwnedSemaphorePermit { _permit: permit }))
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(mut waiting) = self.waiting.take() else {
            return;
        };
        point();
        if fault::is(Fault::PermitLostWithWaiter)
            && let Poll::Ready(Ok(permit)) = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            permit.forget();
        }
    }
}
