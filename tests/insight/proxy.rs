//! A proxy that passes requests on and changes their head on the way, as real ones do.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// Starts a proxy in front of `upstream`; `change` turns the head of each request into the one that is passed on.
/// Returns where it listens.
pub fn start(upstream: SocketAddr, change: impl Fn(String) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let change = Arc::new(change);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let change = Arc::clone(&change);
            std::thread::spawn(move || pass(client, upstream, &*change));
        }
    });
    address
}

/// One connection, one request.
fn pass(mut client: TcpStream, upstream: SocketAddr, change: &dyn Fn(String) -> String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = change(String::from_utf8(head).expect("a head is text"));
    let mut server = TcpStream::connect(upstream).expect("the gateway listens");
    server.write_all(head.as_bytes()).expect("the gateway reads");
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

/// A head with another value of a header; `None` takes it away.
pub fn set(head: &str, name: &str, value: Option<&str>) -> String {
    let mut lines: Vec<String> = head.trim_end().split("\r\n").map(str::to_owned).collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    lines.extend(value.map(|value| format!("{name}: {value}")));
    lines.push("connection: close".to_owned());
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

/// A head with another target.
pub fn retarget(head: &str, change: impl Fn(&str) -> String) -> String {
    let (line, rest) = head.split_once("\r\n").expect("a request line");
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    format!("{method} {} HTTP/1.1\r\nconnection: close\r\n{rest}", change(target))
}
