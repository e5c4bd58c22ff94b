//! Tokio's answer, step by step.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot::error::RecvError;

use super::point;
use crate::fault::{self, Fault};

pub(crate) struct Sender<T> {
    /// `None` once it has sent.
    sender: Option<tokio::sync::oneshot::Sender<T>>,
}

pub(crate) struct Receiver<T>(tokio::sync::oneshot::Receiver<T>);

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    (Sender { sender: Some(sender) }, Receiver(receiver))
}

impl<T> Sender<T> {
    pub(crate) fn send(mut self, value: T) -> Result<(), T> {
        point();
        self.sender.take().expect("it sends once").send(value)
    }

    pub(crate) fn is_closed(&self) -> bool {
        point();
        self.sender.as_ref().expect("it has not sent").is_closed()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.sender.is_some() {
            point();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        point();
        let deaf = &mut Context::from_waker(Waker::noop());
        let context = if fault::is(Fault::AnswerUnheard) { deaf } else { context };
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        point();
    }
}
