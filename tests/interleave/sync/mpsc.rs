//! Tokio's bounded queue, step by step.

use std::collections::VecDeque;

use tokio::sync::mpsc::error::{SendError, TryRecvError};

use super::{Stepped, point};
use crate::fault::{self, Fault};

pub(crate) struct Sender<T>(tokio::sync::mpsc::Sender<T>);

pub(crate) struct Receiver<T> {
    queue: tokio::sync::mpsc::Receiver<T>,
    /// What was overtaken: for `Fault::CommandsSwapped`.
    overtaken: VecDeque<T>,
}

pub(crate) fn channel<T>(length: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, queue) = tokio::sync::mpsc::channel(length);
    (Sender(sender), Receiver { queue, overtaken: VecDeque::new() })
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        point();
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        point();
    }
}

impl<T> Sender<T> {
    pub(crate) async fn send(&self, value: T) -> Result<(), SendError<T>> {
        Stepped::new(self.0.send(value)).await
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        point();
    }
}

impl<T> Receiver<T> {
    /// Parks the task as tokio parks the thread.
    pub(crate) fn blocking_recv(&mut self) -> Option<T> {
        if let Some(value) = self.overtaken.pop_front() {
            return Some(value);
        }
        shuttle::future::block_on(Stepped::new(self.queue.recv()))
    }

    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        point();
        if let Some(value) = self.overtaken.pop_front() {
            return Ok(value);
        }
        let value = self.queue.try_recv()?;
        if fault::is(Fault::CommandLost) {
            return Err(TryRecvError::Empty);
        }
        if fault::is(Fault::CommandsSwapped)
            && let Ok(second) = self.queue.try_recv()
        {
            self.overtaken.push_back(value);
            return Ok(second);
        }
        Ok(value)
    }
}
