//! The socket as HTTP and TLS see it: notes progress for the watchdog, and closes so that the client can read
//! the last answer. Sits beneath TLS, so that it sees what the kernel really took. Knows nothing of HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::time::Sleep;

use crate::net::socket::Socket;
use crate::net::state::ConnectionState;

/// Bytes thrown away per read while lingering.
const DISCARD_BYTES: usize = 8 * 1024;

/// How far the orderly close has come.
#[derive(Debug)]
enum Closing {
    /// Not begun.
    Open,
    /// Our side is closed; what the client still sends is read and thrown away, so many bytes at most.
    Lingering { bytes_left: u64, until: Pin<Box<Sleep>> },
    /// Nothing more to do.
    Done,
}

/// A watched socket.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Take<Socket>,
    /// Most bytes of one read.
    read_bytes_max: usize,
    state: Arc<ConnectionState>,
    closing: Closing,
    ended: bool,
}

impl Wire {
    /// Watches `socket`.
    pub(crate) fn new(socket: Socket, state: Arc<ConnectionState>) -> Self {
        // One byte less than half of the HTTP buffer keeps HTTP from growing what it reads into beyond that half.
        // It reads one piece of a body ahead of the piece that is being worked on: both together fit the buffer.
        let read_bytes_max = state.settings.http_buffer_bytes / 2 - 1;
        Self { socket: socket.take(0), read_bytes_max, state, closing: Closing::Open, ended: false }
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(written) => self.state.sent(written.as_ref().copied().unwrap_or_default()),
            Poll::Pending => self.state.blocked(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        let bytes_max = self.read_bytes_max as u64;
        self.socket.set_limit(bytes_max);
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > filled {
            self.state.received();
        } else if buf.remaining() > 0 {
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(self.socket.get_mut()).poll_write(cx, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(self.socket.get_mut()).poll_write_vectored(cx, slices);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.get_mut()).poll_flush(cx)
    }

    /// Closes our side, then lingers if the client may still be sending: a socket that is closed with unread
    /// bytes resets the connection, and the reset can overtake the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if let Closing::Open = wire.closing {
            ready!(Pin::new(wire.socket.get_mut()).poll_shutdown(cx))?;
            wire.closing = if wire.ended || !wire.state.wants_linger() {
                Closing::Done
            } else {
                let settings = &wire.state.settings;
                let until = Box::pin(tokio::time::sleep(settings.linger));
                Closing::Lingering { bytes_left: settings.linger_bytes_max, until }
            };
        }
        while let Closing::Lingering { bytes_left, until } = &mut wire.closing {
            let mut discarded = [0; DISCARD_BYTES];
            let mut buf = ReadBuf::new(&mut discarded);
            match Pin::new(wire.socket.get_mut()).poll_read(cx, &mut buf) {
                Poll::Pending => {
                    ready!(until.as_mut().poll(cx));
                    wire.closing = Closing::Done;
                }
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    *bytes_left = bytes_left.saturating_sub(buf.filled().len() as u64);
                    if *bytes_left == 0 || until.is_elapsed() {
                        wire.closing = Closing::Done;
                    }
                }
                // The client has closed too, or reset the connection: nobody needs us any more.
                Poll::Ready(Ok(()) | Err(_)) => wire.closing = Closing::Done,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.state.wants_reset() {
            // If this fails the connection closes in order, and a length or a chunk's end is still missing.
            let _ = socket2::SockRef::from(self.socket.get_ref()).set_linger(Some(Duration::ZERO));
        }
    }
}
