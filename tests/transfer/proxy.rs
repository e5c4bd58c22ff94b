//! A proxy that fails: it answers 503 to some requests without asking the server, and cuts connections in the middle
//! of what comes back.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How a proxy fails.
#[derive(Clone, Copy)]
pub struct Faults {
    /// Every connection of this number is refused with 503 at its first request; 0 for none.
    pub refuse_every: usize,
    /// Bytes that come back on a connection before it is cut.
    pub cut_after: usize,
    /// Rest before each piece that comes back.
    pub rest: Duration,
}

/// A running proxy.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections that it has cut.
    pub cut: Arc<AtomicUsize>,
    /// Requests that it has refused.
    pub refused: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy before a server. Its threads end with the test process.
    pub fn start(server: SocketAddr, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, refused) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&cut), Arc::clone(&refused));
        std::thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                let counts = (Arc::clone(&counts.0), Arc::clone(&counts.1));
                let refuses = faults.refuse_every > 0 && number % faults.refuse_every == faults.refuse_every - 1;
                std::thread::spawn(move || match refuses {
                    true => refuse(client, &counts.1),
                    false => pass(client, server, faults, &counts.0),
                });
            }
        });
        Self { address, cut, refused }
    }

    /// Its address as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn refuse(mut client: TcpStream, refused: &AtomicUsize) {
    let mut head = [0; 4096];
    if client.read(&mut head).is_ok_and(|length| length > 0) {
        let body = "<Error><Code>SlowDown</Code><Message>Later.</Message></Error>";
        let answer = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length:";
        let _ = write!(client, "{answer} {}\r\n\r\n{body}", body.len());
        refused.fetch_add(1, Ordering::Relaxed);
    }
}

fn pass(client: TcpStream, server: SocketAddr, faults: Faults, cut: &AtomicUsize) {
    let Ok(mut behind) = TcpStream::connect(server) else { return };
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), behind.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let mut to_client = client;
    let (mut left, mut piece) = (faults.cut_after, vec![0; 32 << 10]);
    while let Ok(length @ 1..) = behind.read(&mut piece) {
        std::thread::sleep(faults.rest);
        let sent = length.min(left);
        if to_client.write_all(&piece[..sent]).is_err() {
            break;
        }
        left -= sent;
        if left == 0 {
            cut.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    let _ = to_client.shutdown(std::net::Shutdown::Both);
    let _ = behind.shutdown(std::net::Shutdown::Both);
}
