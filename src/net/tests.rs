//! Real clients over real sockets.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::{
    BodyError, Handler, Haste, Peer, Request, RequestBody, Response, ResponseBody, ServeSettings, Tls, TlsSettings,
    bind, empty_body, full_body, serve, stream_body,
};
use crate::guard::{Admission, Drain, EndCause};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Longer than any test may take: whatever waits for it hangs.
const NEVER: Duration = Duration::from_secs(300);

struct FnHandler<F>(F);

impl<F, R> Handler for FnHandler<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    fn handle(&self, request: Request) -> BoxFuture<'static, Response> {
        // The closure runs inside of the future, as the code of a handler does.
        Box::pin((self.0)(request))
    }
}

struct Server {
    address: SocketAddr,
    drain: Drain,
    admission: Admission,
    accepting: JoinHandle<std::io::Result<()>>,
}

fn start<F, R>(settings: ServeSettings, handler: F) -> Server
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    start_with(settings, Admission::new(64, 64), handler)
}

fn start_with<F, R>(settings: ServeSettings, admission: Admission, handler: F) -> Server
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Drain::new();
    let handler = Arc::new(FnHandler(handler));
    let accepting = tokio::spawn(serve(listener, settings, handler, admission.clone(), drain.clone()));
    Server { address, drain, admission, accepting }
}

/// Settings whose timeouts never pass, so that a test names the one it is about.
fn patient() -> ServeSettings {
    ServeSettings { head_timeout: NEVER, idle_timeout: NEVER, body_progress_timeout: NEVER, ..Default::default() }
}

async fn next_piece(body: &mut RequestBody) -> Option<Result<Bytes, BodyError>> {
    poll_fn(|cx| body.poll_piece(cx)).await
}

async fn read_all(body: &mut RequestBody) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(body).await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

fn status(code: u16, text: &str) -> Response {
    http::Response::builder().status(code).body(full_body(text.to_owned())).unwrap()
}

/// Answers with what it was sent.
async fn echo(request: Request) -> Response {
    let mut body = request.into_body();
    match read_all(&mut body).await {
        Ok(bytes) => Response::new(full_body(bytes)),
        Err(error) => status(400, &error.to_string()),
    }
}

/// A client that speaks HTTP/1.1 byte by byte.
struct Client<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        Client::over(TcpStream::connect(server.address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> std::io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap().to_ascii_lowercase();
            }
            assert!(self.fill().await.unwrap(), "closed within a head: {:?}", String::from_utf8_lossy(&self.buffer));
        }
    }

    /// Reads one answer, which must have a length.
    async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = header(&head, "content-length").expect("an answer with a length").parse().unwrap();
        while self.buffer.len() < length {
            assert!(self.fill().await.unwrap(), "closed within a body");
        }
        Answer { status, head, body: self.buffer.drain(..length).collect() }
    }

    /// Reads until the connection ends; true if it ended in order, not by a reset.
    async fn ends(&mut self) -> bool {
        loop {
            match self.fill().await {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// Goes on sending to a server that has answered and closed. A reset would make it fail, and a client that sees
/// that before it looks for the answer never looks.
async fn keep_sending(client: &mut Client) {
    for _ in 0..5 {
        client.send([b'x'; KIB]).await;
        // Gives a reset the time to arrive.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.stream.shutdown().await.unwrap();
    assert!(client.ends().await);
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Signals when it is dropped.
struct DropSignal(mpsc::Sender<()>);

impl Drop for DropSignal {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

#[tokio::test]
async fn kept_alive_connection_serves_request_after_request() {
    let server = start(patient(), echo);
    let mut client = Client::connect(&server).await;
    for round in 0..3 {
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{round:02}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body), (200, format!("{round:02}").into_bytes()));
    }
    assert_eq!(server.admission.connections(), 2, "one is open, one slot is ready for the next");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(patient(), |request: Request| async move {
        // The first takes longest.
        for _ in 0..(10 - request.uri().path().len()) {
            tokio::task::yield_now().await;
        }
        Response::new(full_body(request.uri().path().to_owned()))
    });
    let mut client = Client::connect(&server).await;
    client
        .send(
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /22 HTTP/1.1\r\nHost: a\r\n\r\nGET /333 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    for expected in ["/1", "/22", "/333"] {
        assert_eq!(client.answer().await.body, expected.as_bytes());
    }
}

#[tokio::test]
async fn chunked_body_arrives_whole_and_has_no_length() {
    let server = start(patient(), |request: Request| async move {
        assert_eq!(request.body().content_length(), None);
        assert!(!request.extensions().get::<Peer>().unwrap().tls);
        echo(request).await
    });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    client.send("2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n").await;
    assert_eq!(client.answer().await.body, b"abcde");
}

#[tokio::test]
async fn request_without_a_body_has_length_zero() {
    let server = start(patient(), |request: Request| async move {
        assert_eq!(request.body().content_length(), Some(0));
        assert!(request.body().is_end());
        echo(request).await
    });
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn continue_is_sent_when_the_handler_asks_for_the_body() {
    let server = start(patient(), echo);
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await, "http/1.1 100 continue\r\n\r\n");
    client.send("abc").await;
    assert_eq!(client.answer().await.body, b"abc");
}

#[tokio::test]
async fn refusal_sends_no_continue_and_closes() {
    let server = start(patient(), |_| async { status(403, "no") });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, header(&answer.head, "connection")), (403, Some("close")));
    assert!(client.ends().await);
}

#[tokio::test]
async fn empty_body_that_expects_a_continue_gets_none_and_closes() {
    let server = start(patient(), echo);
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, header(&answer.head, "connection")), (200, Some("close")));
    assert!(client.ends().await);
}

#[tokio::test]
async fn refused_short_body_is_discarded_and_the_connection_stays() {
    let server = start(patient(), |_| async { status(403, "no") });
    let mut client = Client::connect(&server).await;
    for _ in 0..2 {
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 512 * KIB)).await;
        // Sends all of it before it looks for an answer.
        client.send(vec![7; 512 * KIB]).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body), (403, b"no".to_vec()));
    }
}

#[tokio::test]
async fn refused_chunked_body_beyond_the_bound_still_gets_its_answer() {
    let settings = ServeSettings { linger_bytes_max: 64 * KIB as u64, ..patient() };
    let server = start(settings, |_| async { status(403, "no") });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    // More than is discarded before the answer, less than that and what is discarded after it.
    client.send(format!("{:x}\r\n", 100 * KIB)).await;
    client.send(vec![7; 100 * KIB]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body), (403, b"no".to_vec()));
    keep_sending(&mut client).await;
    drop(client);
    assert_eq!(server.drain.finish(NEVER).await, 0);
}

#[tokio::test]
async fn refused_long_body_gets_its_answer_and_is_not_read_to_its_end() {
    let server = start(patient(), |_| async { status(403, "no") });
    let (mut reader, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    writer
        .write_all(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 100 * MIB).as_bytes())
        .await
        .unwrap();
    let sending = tokio::spawn(async move {
        let block = vec![7; MIB];
        for sent in 0..100 {
            if writer.write_all(&block).await.is_err() {
                return sent;
            }
        }
        100
    });
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nno") {
        assert!(reader.read_buf(&mut seen).await.unwrap() > 0, "closed before the answer");
    }
    let head = String::from_utf8(seen).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 403 "));
    assert_eq!(header(&head, "connection"), Some("close"));
    assert!(sending.await.unwrap() < 100, "the server read everything");
}

#[tokio::test]
async fn slow_head_is_told_so_and_cut_off() {
    let server = start(ServeSettings { head_timeout: Duration::from_millis(50), ..patient() }, echo);
    let mut silent = Client::connect(&server).await;
    assert!(silent.ends().await);
    let mut slow = Client::connect(&server).await;
    slow.send("GET / HTTP/1.1\r\nHo").await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, header(&answer.head, "connection")), (408, Some("close")));
    assert!(slow.ends().await);
}

#[tokio::test]
async fn head_clock_does_not_run_while_a_connection_rests() {
    let server = start(ServeSettings { head_timeout: Duration::from_millis(100), ..patient() }, echo);
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    // Nothing can be awaited here: nothing is to happen.
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    // It runs from the first byte of the next head, though.
    client.send("GET /").await;
    client.ends().await;
}

/// A server whose connections are scarce: the caller holds thirteen of sixteen, and the accept loop keeps one ready.
async fn crowded(settings: ServeSettings) -> (Server, Vec<TcpStream>) {
    let server = start_with(settings, Admission::new(64, 16), echo);
    let mut held = Vec::new();
    for _ in 0..13 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    (server, held)
}

fn hasty() -> ServeSettings {
    let haste = Haste {
        head_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(50),
        patience: Duration::from_millis(200),
        bytes_per_second_min: 4096,
    };
    ServeSettings { haste, ..patient() }
}

#[tokio::test]
async fn while_connections_are_scarce_those_that_rest_make_room() {
    let (server, held) = crowded(hasty()).await;
    // Nobody has said anything: all are heads that do not come. Whichever end first, then there is room for others.
    let ends = held.iter().map(|stream| Box::pin(stream.readable()));
    let (readable, index, _) = futures_util::future::select_all(ends).await;
    readable.unwrap();
    let mut told = [0; 12];
    let told = match held[index].try_read(&mut told) {
        Ok(length) => &told[..length],
        Err(error) => panic!("{error}"),
    };
    assert!(told == b"HTTP/1.1 408" || told.is_empty(), "{told:?}");
    let mut late = TcpStream::connect(server.address).await.unwrap();
    late.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    let mut answer = [0; 12];
    late.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn while_connections_are_scarce_a_trickling_body_is_ended_and_a_flowing_one_is_not() {
    let (_server, mut held) = crowded(ServeSettings {
        haste: Haste { head_timeout: NEVER, idle_timeout: NEVER, ..hasty().haste },
        ..patient()
    })
    .await;
    let (mut slow, mut fast) = (held.pop().unwrap(), held.pop().unwrap());
    for stream in [&mut slow, &mut fast] {
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 65536\r\n\r\n").await.unwrap();
    }
    let flowing = tokio::spawn(async move {
        for _ in 0..16 {
            fast.write_all(&[b'x'; 4096]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut answer = [0; 12];
        fast.read_exact(&mut answer).await.unwrap();
        answer
    });
    let (mut reading, mut writing) = slow.into_split();
    let trickling = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut told = Vec::new();
    // However it ends: by an answer, or by a reset that overtakes it.
    let _ = reading.read_to_end(&mut told).await;
    trickling.abort();
    assert!(!told.starts_with(b"HTTP/1.1 200"), "{told:?}");
    assert_eq!(&flowing.await.unwrap(), b"HTTP/1.1 200");
}

#[tokio::test]
async fn while_connections_are_scarce_an_answer_is_the_last_of_its_connection() {
    let settings =
        ServeSettings { haste: Haste { head_timeout: NEVER, idle_timeout: NEVER, ..hasty().haste }, ..patient() };
    let (_server, mut held) = crowded(settings).await;
    let mut one = held.pop().unwrap();
    one.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    let mut answer = String::new();
    one.read_to_string(&mut answer).await.unwrap();
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let server = start(ServeSettings { idle_timeout: Duration::from_millis(50), ..patient() }, echo);
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert!(client.ends().await);
}

#[tokio::test]
async fn busy_connection_is_not_idle() {
    let settings =
        ServeSettings { idle_timeout: Duration::from_millis(50), head_timeout: Duration::from_millis(50), ..patient() };
    let server = start(settings, |request: Request| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        echo(request).await
    });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1").await;
    assert_eq!(client.answer().await.body, b"1");
}

#[tokio::test]
async fn stalled_body_ends_with_a_deadline_and_the_client_is_told() {
    let settings = ServeSettings { body_progress_timeout: Duration::from_millis(50), ..patient() };
    let server = start(settings, |request: Request| async move {
        let mut body = request.into_body();
        match read_all(&mut body).await {
            Err(BodyError::Ended(EndCause::Deadline)) => status(408, "too slow"),
            other => status(500, &format!("{other:?}")),
        }
    });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 408, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test]
async fn client_that_does_not_read_loses_its_connection() {
    let (dropped, mut was_dropped) = mpsc::channel(1);
    let settings = ServeSettings { body_progress_timeout: Duration::from_millis(100), ..patient() };
    let server = start(settings, move |_| {
        let signal = DropSignal(dropped.clone());
        async move {
            let block = Bytes::from(vec![0; 64 * KIB]);
            Response::new(stream_body(None, move |_| {
                let _held = &signal;
                Poll::Ready(Some(Ok(block.clone())))
            }))
        }
    });
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The endless body ends only when the server gives up.
    was_dropped.recv().await.unwrap();
    client.ends().await;
}

#[tokio::test]
async fn hang_up_within_the_body_fails_the_body_but_not_the_handler() {
    let (done, mut is_done) = mpsc::channel(1);
    let server = start(patient(), move |request: Request| {
        let done = done.clone();
        async move {
            let mut body = request.into_body();
            let outcome = read_all(&mut body).await;
            // The work after it, such as cleaning up, must not be cancelled either.
            tokio::time::sleep(Duration::from_millis(20)).await;
            done.send(outcome).await.unwrap();
            status(200, "")
        }
    });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    drop(client);
    let outcome = is_done.recv().await.unwrap();
    assert!(matches!(outcome, Err(BodyError::Transport(_))), "{outcome:?}");
}

#[tokio::test]
async fn hang_up_does_not_cancel_work_under_way() {
    let (done, mut is_done) = mpsc::channel(2);
    let admission = Admission::new(1, 1);
    let release = Arc::new(Notify::new());
    let server = start_with(patient(), admission, {
        let release = Arc::clone(&release);
        move |request: Request| {
            let (done, release) = (done.clone(), Arc::clone(&release));
            async move {
                if request.uri().path() == "/commit" {
                    done.send("begun").await.unwrap();
                    release.notified().await;
                    done.send("committed").await.unwrap();
                }
                status(200, "")
            }
        }
    });
    let mut client = Client::connect(&server).await;
    client.send("POST /commit HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(is_done.recv().await, Some("begun"));
    drop(client);
    // There is one connection slot: an answer here says that the first connection is gone.
    let mut other = Client::connect(&server).await;
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(other.answer().await.status, 200);
    release.notify_one();
    assert_eq!(is_done.recv().await, Some("committed"));
}

#[tokio::test]
async fn drain_finishes_running_requests_and_refuses_new_connections() {
    let (begun, mut has_begun) = mpsc::channel(1);
    let release = Arc::new(Notify::new());
    let server = start(patient(), {
        let release = Arc::clone(&release);
        move |request: Request| {
            let (begun, release) = (begun.clone(), Arc::clone(&release));
            async move {
                if request.uri().path() == "/slow" {
                    begun.send(()).await.unwrap();
                    release.notified().await;
                }
                status(200, "done")
            }
        }
    });
    let mut idle = Client::connect(&server).await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut busy = Client::connect(&server).await;
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    has_begun.recv().await.unwrap();

    let finishing = tokio::spawn({
        let drain = server.drain.clone();
        async move { drain.finish(NEVER).await }
    });
    server.accepting.await.unwrap().unwrap();
    assert!(idle.ends().await, "an idle connection closes at once");
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
    release.notify_one();
    let answer = busy.answer().await;
    assert_eq!((answer.body, header(&answer.head, "connection")), (b"done".to_vec(), Some("close")));
    assert!(busy.ends().await);
    assert_eq!(finishing.await.unwrap(), 0);
}

#[tokio::test]
async fn drain_cancels_what_does_not_finish_and_says_so() {
    let (ended, mut has_ended) = mpsc::channel(2);
    let server = start(patient(), move |request: Request| {
        let ended = ended.clone();
        async move {
            let mut body = request.into_body();
            next_piece(&mut body).await.unwrap().unwrap();
            ended.send(None).await.unwrap();
            ended.send(Some(read_all(&mut body).await)).await.unwrap();
            status(200, "")
        }
    });
    let mut client = Client::connect(&server).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(has_ended.recv().await.unwrap().is_none());
    assert_eq!(server.drain.finish(Duration::from_millis(10)).await, 2, "the connection and the request");
    let outcome = has_ended.recv().await.unwrap();
    assert!(matches!(outcome, Some(Err(BodyError::Ended(EndCause::Drain)))), "{outcome:?}");
    client.ends().await;
}

#[tokio::test]
async fn connection_slots_bound_what_is_accepted() {
    let server = start_with(patient(), Admission::new(1, 1), echo);
    let mut first = Client::connect(&server).await;
    first.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n").await;
    let mut second = Client::connect(&server).await;
    second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let unanswered = tokio::time::timeout(Duration::from_millis(100), second.fill()).await;
    assert!(unanswered.is_err(), "the second waits in the kernel");
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn oversized_head_is_answered() {
    let server = start(patient(), echo);
    let mut long = Client::connect(&server).await;
    // The client sends more than the server reads, and must see the answer nevertheless.
    long.send(format!("GET / HTTP/1.1\r\nHost: a\r\nLong: {}\r\n\r\n", "x".repeat(200 * KIB))).await;
    assert!(long.head().await.starts_with("http/1.1 431 "));
    keep_sending(&mut long).await;

    let mut many = Client::connect(&server).await;
    many.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(200))).await;
    assert!(many.head().await.starts_with("http/1.1 431 "));

    let mut broken = Client::connect(&server).await;
    broken.send("GET \x01 nonsense\r\n\r\n").await;
    assert!(broken.head().await.starts_with("http/1.1 400 "));
}

#[tokio::test]
async fn panic_in_a_handler_is_answered_and_the_connection_stays() {
    let server = start(patient(), |request: Request| async move {
        assert_ne!(request.uri().path(), "/panic", "as the test wants it");
        status(200, "fine")
    });
    let mut client = Client::connect(&server).await;
    client.send("PUT /panic HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.answer().await.status, 500);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, b"fine");
}

#[tokio::test]
async fn panic_before_the_first_await_is_answered_too() {
    let server = start(patient(), |request: Request| {
        assert_eq!(request.uri().path(), "/", "as the test wants it");
        async { status(200, "fine") }
    });
    let mut client = Client::connect(&server).await;
    client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 500);
}

#[tokio::test]
async fn head_keeps_the_length_and_drops_the_body() {
    let server = start(patient(), |request: Request| async move {
        match request.uri().path() {
            "/header" => http::Response::builder().header("content-length", "123").body(empty_body()).unwrap(),
            _ => Response::new(full_body("four")),
        }
    });
    let mut client = Client::connect(&server).await;
    client.send("HEAD /header HTTP/1.1\r\nHost: a\r\n\r\nHEAD /body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(header(&client.head().await, "content-length"), Some("123"));
    assert_eq!(header(&client.head().await, "content-length"), Some("4"));
    client.send("GET /body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, b"four");
}

#[tokio::test]
async fn failing_response_body_never_looks_complete() {
    let server = start(patient(), |request: Request| async move {
        let path = request.uri().path().to_owned();
        let length = (path == "/short").then_some(10);
        let mut calls = 0;
        Response::new(stream_body(length, move |cx| {
            calls += 1;
            match calls {
                1 => Poll::Ready(Some(Ok(Bytes::from_static(b"some")))),
                // Lets these bytes out before the failure.
                2 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ if path == "/fails" => Poll::Ready(Some(Err(BodyError::Producer("corrupt block".to_owned())))),
                _ => Poll::Ready(None),
            }
        }))
    });
    for path in ["/fails", "/short"] {
        // A client of HTTP/1.0 takes the end of the connection for the end of the body.
        for version in ["1.0", "1.1"] {
            let mut client = Client::connect(&server).await;
            client.send(format!("GET {path} HTTP/{version}\r\nHost: a\r\n\r\n")).await;
            assert!(!client.ends().await, "{path} over {version} ended in order");
            assert!(!String::from_utf8_lossy(&client.buffer).ends_with("0\r\n\r\n"));
        }
    }
}

#[tokio::test]
async fn offer_to_upgrade_is_ignored() {
    let server = start(patient(), |_| async { Response::new(full_body(vec![1; 8 * MIB])) });
    let mut client = Client::connect(&server).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: ";
    client.send(format!("{request}Upgrade\r\n\r\n")).await;
    assert_eq!(client.answer().await.body.len(), 8 * MIB);
    client.send(format!("{request}Upgrade, close\r\n\r\n")).await;
    // Lets the server's socket fill.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(client.answer().await.body.len(), 8 * MIB);
    assert!(client.ends().await);
}

#[tokio::test]
async fn known_length_becomes_content_length() {
    let server = start(patient(), |_| async {
        let mut pieces = vec!["ab", "cde"].into_iter();
        Response::new(stream_body(Some(5), move |_| Poll::Ready(pieces.next().map(|piece| Ok(piece.into())))))
    });
    let mut client = Client::connect(&server).await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.body, b"abcde");
    }
}

#[tokio::test]
async fn pieces_make_a_body() {
    let mut body = RequestBody::from_pieces(["ab", "", "c"]);
    assert_eq!(body.content_length(), Some(3));
    assert_eq!(read_all(&mut body).await.unwrap(), b"abc");
    assert!(body.is_end());

    let mut short = RequestBody::from_pieces(["ab"]).with_content_length(Some(3));
    assert!(matches!(read_all(&mut short).await, Err(BodyError::Transport(_))));
    assert!(!short.is_end());

    let mut chunked = RequestBody::from_pieces(["ab"]).with_content_length(None);
    assert_eq!(read_all(&mut chunked).await.unwrap(), b"ab");

    let mut failing = RequestBody::from_pieces(["ab"]).failing_with(BodyError::Ended(EndCause::Deadline));
    assert_eq!(next_piece(&mut failing).await.unwrap().unwrap(), "ab");
    assert!(matches!(next_piece(&mut failing).await, Some(Err(BodyError::Ended(EndCause::Deadline)))));
    assert!(RequestBody::from_pieces(Vec::<Bytes>::new()).is_end());
}

// ---------------------------------------------------------------------------------------------------
// TLS and HTTP/2
// ---------------------------------------------------------------------------------------------------

/// Writes a new certificate for `localhost`; returns it.
fn write_certificate(folder: &Path) -> rustls_pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn tls_settings(folder: &Path) -> TlsSettings {
    TlsSettings { cert_path: folder.join("cert.pem"), key_path: folder.join("key.pem") }
}

async fn connect_tls(
    server: &Server,
    certificate: &rustls_pki_types::CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let socket = TcpStream::connect(server.address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

type Http2 = hyper::client::conn::http2::SendRequest<ResponseBody>;

async fn connect_http2(server: &Server, certificate: &rustls_pki_types::CertificateDer<'static>) -> Http2 {
    connect_http2_with_window(server, certificate, MIB as u32).await
}

async fn connect_http2_with_window(
    server: &Server,
    certificate: &rustls_pki_types::CertificateDer<'static>,
    window_bytes: u32,
) -> Http2 {
    let stream = connect_tls(server, certificate, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window_bytes);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn http2_request(method: &str, body: impl Into<Bytes>) -> http::Request<ResponseBody> {
    http::Request::builder().method(method).uri("https://localhost/x").body(full_body(body)).unwrap()
}

#[tokio::test]
async fn tls_speaks_http1_and_http2() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let server = start(ServeSettings { tls, ..patient() }, |request: Request| async move {
        assert!(request.extensions().get::<Peer>().unwrap().tls);
        echo(request).await
    });

    let stream = connect_tls(&server, &certificate, &["http/1.1"]).await.unwrap();
    let mut client = Client::over(stream);
    for _ in 0..2 {
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
        assert_eq!(client.answer().await.body, b"abc");
    }

    let mut http2 = connect_http2(&server, &certificate).await;
    let sent = vec![5; 3 * MIB];
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(tokio::spawn(http2.send_request(http2_request("PUT", sent.clone()))));
    }
    for answer in answers {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), sent);
    }
}

#[tokio::test]
async fn http2_is_not_offered_with_small_buffers() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let server = start(ServeSettings { tls, http_buffer_bytes: 16 * KIB, ..patient() }, echo);
    let stream = connect_tls(&server, &certificate, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn refusal_over_http2_leaves_the_connection_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let server = start(ServeSettings { tls, ..patient() }, |request: Request| async move {
        if request.method() == "POST" { status(403, "no") } else { echo(request).await }
    });
    let mut client = connect_http2(&server, &certificate).await;
    let refused = client.send_request(http2_request("POST", vec![1; 8 * MIB])).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.into_body().collect().await.unwrap().to_bytes(), "no");
    let accepted = client.send_request(http2_request("PUT", "abc")).await.unwrap();
    assert_eq!(accepted.into_body().collect().await.unwrap().to_bytes(), "abc");
}

#[tokio::test]
async fn http2_client_that_does_not_read_loses_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let (dropped, mut was_dropped) = mpsc::channel(1);
    let settings = ServeSettings { tls, body_progress_timeout: Duration::from_millis(100), ..patient() };
    let server = start(settings, move |_| {
        let block = Bytes::from_owner(Held { bytes: vec![0; 256 * KIB], _signal: DropSignal(dropped.clone()) });
        async move { Response::new(full_body(block)) }
    });
    let mut client = connect_http2_with_window(&server, &certificate, 64 * KIB as u32).await;
    // The whole body has been handed to HTTP/2; only the client's window keeps it.
    let answer = client.send_request(http2_request("GET", "")).await.unwrap();
    was_dropped.recv().await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

/// Bytes that signal when nobody needs them any more.
struct Held {
    bytes: Vec<u8>,
    _signal: DropSignal,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[tokio::test]
async fn certificate_is_replaced_and_a_broken_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_certificate(folder.path());
    let tls = Tls::load(&tls_settings(folder.path())).unwrap();
    let reloader = tls.reloader();
    let server = start(ServeSettings { tls: Some(tls), tls_reload_check: NEVER, ..patient() }, echo);
    connect_tls(&server, &first, &[]).await.unwrap();
    assert!(!reloader.reload_if_changed(), "nothing has changed");

    // A key that does not belong to the certificate, as while files are being replaced.
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("key.pem"), other.signing_key.serialize_pem()).unwrap();
    assert!(!reloader.reload_if_changed());
    assert!(reloader.reload().is_err());
    connect_tls(&server, &first, &[]).await.unwrap();

    let second = write_certificate(folder.path());
    assert!(reloader.reload_if_changed());
    connect_tls(&server, &second, &[]).await.unwrap();
    assert!(connect_tls(&server, &first, &[]).await.is_err(), "the first is no longer shown");
}

#[tokio::test]
async fn changed_certificate_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let settings = ServeSettings { tls, tls_reload_check: Duration::from_millis(10), ..patient() };
    let server = start(settings, echo);
    let second = write_certificate(folder.path());
    // Ends as soon as the server has looked.
    while connect_tls(&server, &second, &[]).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn upload_over_http2_that_breaks_off_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let (outcomes, mut outcome) = mpsc::channel(1);
    let server = start(ServeSettings { tls, ..patient() }, move |request: Request| {
        let outcomes = outcomes.clone();
        async move {
            assert_eq!(request.body().content_length(), None);
            outcomes.send(read_all(&mut request.into_body()).await).await.unwrap();
            status(200, "")
        }
    });
    let mut client = connect_http2(&server, &certificate).await;
    let mut pieces = vec![Ok("abc".into()), Err(BodyError::Producer("gone".to_owned()))].into_iter();
    let broken = http2_request("PUT", "").map(|_| stream_body(None, move |_| Poll::Ready(pieces.next())));
    // The client fails its own request.
    let _ = client.send_request(broken).await;
    let outcome = outcome.recv().await.unwrap();
    assert!(matches!(outcome, Err(BodyError::Transport(_))), "{outcome:?}");
}

#[tokio::test]
async fn key_in_the_older_format_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    // PKCS #8 of a P-256 key ends with the key as SEC 1 has it: a sequence of 107 bytes.
    let pkcs8 = made.signing_key.serialize_der();
    let start = pkcs8.windows(3).rposition(|window| window == [0x30, 0x6b, 0x02]).unwrap();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &pkcs8[start..]);
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{encoded}\n-----END EC PRIVATE KEY-----\n");
    std::fs::write(folder.path().join("key.pem"), pem).unwrap();
    Tls::load(&tls_settings(folder.path())).unwrap();
}

#[tokio::test]
async fn unusable_certificate_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Tls::load(&tls_settings(folder.path())).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    write_certificate(folder.path());
    std::fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    assert!(Tls::load(&tls_settings(folder.path())).is_err());
}

#[tokio::test]
async fn slow_handshake_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let tls = Some(Tls::load(&tls_settings(folder.path())).unwrap());
    let settings = ServeSettings { tls, tls_handshake_timeout: Duration::from_millis(50), ..patient() };
    let server = start(settings, echo);
    assert!(Client::connect(&server).await.ends().await);
}
