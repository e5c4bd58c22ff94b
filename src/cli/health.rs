//! The smallest HTTP client that can tell a container whether its server works: images without a shell have
//! no curl.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Failure, output, settings};
use crate::config::decide::decide_admin_listen;
use crate::limits::HEALTH_CLIENT_TIMEOUT_MS;

/// Arguments of `health`.
#[derive(clap::Args)]
pub struct HealthArgs {
    /// Address of the admin listener [default: 127.0.0.1:9001]
    #[arg(long, env = "SLUICEGATE_ADMIN_LISTEN", value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Configuration file, TOML
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask only whether the process answers, not whether it is ready
    #[arg(long)]
    live: bool,
    /// Print JSON: the answer of the server
    #[arg(long)]
    json: bool,
}

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Asks; exit code 0 if the answer is 200.
///
/// # Errors
/// If nobody answers.
pub fn run(arguments: &HealthArgs) -> Result<ExitCode, Failure> {
    let given = match arguments.admin_listen.clone().filter(|text| !text.is_empty()) {
        Some(text) => Some(text),
        None => settings::read(arguments.config.clone())?.admin_listen,
    };
    let address = reachable(decide_admin_listen(given.as_deref())?);
    let path = if arguments.live { "/health/live" } else { "/health/ready" };
    let answer = ask(address, path).map_err(|error| format!("ask {address}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_good = head.split(' ').nth(1) == Some("200");
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(document) if arguments.json => output::json(&document),
        Ok(document) => output::line(&sentence(&document)),
        // Something else answers there.
        Err(_) => return Err(format!("{address} is no admin listener: it answered {:?}", head.lines().next()).into()),
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `ready`, or `read-only: the disk is full`.
fn sentence(document: &serde_json::Value) -> String {
    let text = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
    let status = text("status").unwrap_or("unknown");
    match text("detail") {
        Some(detail) if detail.starts_with(status) => detail.to_owned(),
        Some(detail) => format!("{status}: {detail}"),
        None => status.to_owned(),
    }
}

/// A listener on every interface is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let limit = Duration::from_millis(HEALTH_CLIENT_TIMEOUT_MS);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::{ask, reachable, sentence};

    #[test]
    fn health_is_one_line_for_people() {
        let told = |text: &str| sentence(&serde_json::from_str(text).unwrap());
        assert_eq!(told(r#"{"status":"ready"}"#), "ready");
        assert_eq!(told(r#"{"status":"not ready","reason":"draining","detail":"draining"}"#), "not ready: draining");
        let full = r#"{"status":"read-only","reason":"full","detail":"read-only: the disk is full"}"#;
        assert_eq!(told(full), "read-only: the disk is full");
    }

    #[test]
    fn every_interface_is_asked_on_loopback() {
        let shown = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(shown("0.0.0.0:9001"), "127.0.0.1:9001");
        assert_eq!(shown("[::]:9001"), "[::1]:9001");
        assert_eq!(shown("10.0.0.1:9001"), "10.0.0.1:9001");
    }

    #[test]
    fn the_client_sends_a_whole_request_and_returns_the_whole_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}").unwrap();
            String::from_utf8(request).unwrap()
        });
        let answer = ask(address, "/health/ready").unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("{}"));
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /health/ready HTTP/1.1\r\n") && request.contains("Host: "), "{request}");
    }
}
