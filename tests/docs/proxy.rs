//! Runs a block of a page in the real nginx or the real Caddy, and speaks TLS with it.
//!
//! A block is run as it stands: only addresses, names, ports and the paths of certificates are replaced, and around it
//! comes what a whole configuration needs, such as where temporary files go.

use std::fmt::Write as _;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::snippets::blocks;
use super::support::client::{Call, try_read_answer};
use super::support::{Answer, Client, Credentials};

/// The page.
pub const PAGE: &str = "docs/how-to/reverse-proxy.md";
/// Addresses and names that it has.
const S3: &str = "127.0.0.1:9000";
const ADMIN: &str = "127.0.0.1:9001";
const NAMES: [&str; 2] = ["s3.example.com", "console.example.com"];
/// Names of the certificate. Most verifiers want more than one label behind a star, so the bucket has its own.
const CERTIFIED: [&str; 3] = ["localhost", "*.localhost", "photos.localhost"];

/// A connection to a proxy.
pub type Wire = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
}

impl Kind {
    /// The block of the page that is run: the first one is for S3, the second one for the console.
    #[track_caller]
    pub fn block(self, index: usize) -> String {
        let mark = match self {
            Self::Nginx => "nginx tested",
            Self::Caddy => "caddy tested",
        };
        let found = blocks(PAGE, mark);
        assert_eq!(found.len(), 2, "{PAGE} has two blocks of {self:?}");
        found[index].clone()
    }
}

/// A running proxy.
pub struct Proxy {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
    tls: Arc<ClientConfig>,
}

impl Proxy {
    /// Runs a block in front of a server.
    #[track_caller]
    pub fn start(kind: Kind, block: &str, s3: SocketAddr, admin: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = certify(directory.path());
        let port = free_port();
        let block = placed(kind, block, directory.path(), port).replace(S3, &s3.to_string());
        let block = block.replace(ADMIN, &admin.to_string());
        let child = match kind {
            Kind::Nginx => nginx(&block, directory.path()),
            Kind::Caddy => caddy(&block, directory.path()),
        };
        let mut proxy = Self { child, port, directory, tls };
        proxy.await_start(&block);
        proxy
    }

    fn await_start(&mut self, block: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address()).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}\n{block}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What clients are told: `localhost:PORT`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that clients have to trust.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// A client whose requests are sent by `send`.
    pub fn client(&self, id: &str, secret: &str) -> Client {
        Client::new(self.address(), Some(Credentials::new(id, secret)))
    }

    /// Connects, and finds the certificate good for `name`.
    #[track_caller]
    pub fn connect(&self, name: &str) -> Wire {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tls = ClientConnection::new(Arc::clone(&self.tls), name).unwrap();
        BufReader::new(StreamOwned::new(tls, socket))
    }

    /// Sends a request for `localhost` on a connection of its own and reads the answer.
    #[track_caller]
    pub fn send(&self, method: &str, call: Call) -> Answer {
        self.send_to("localhost", method, call)
    }

    /// As `send`, for another host.
    #[track_caller]
    pub fn send_to(&self, name: &str, method: &str, call: Call) -> Answer {
        let mut wire = self.connect(name);
        let call = call.header("host", format!("{name}:{}", self.port));
        // A refusal may come before the whole body was taken.
        let _ = wire.get_mut().write_all(&[&call.head(), call.bytes()].concat());
        let answer = try_read_answer(&mut wire, method);
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // Its workers end with it only if it is asked.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the proxy ---\n{}", self.log());
        }
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Makes `cert.pem` and `key.pem`; returns how a client trusts them.
fn certify(at: &Path) -> Arc<ClientConfig> {
    let signed = rcgen::generate_simple_self_signed(CERTIFIED.map(ToOwned::to_owned)).unwrap();
    std::fs::write(at.join("cert.pem"), signed.cert.pem()).unwrap();
    std::fs::write(at.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// A block with our paths, names and port in the place of the page's.
fn placed(kind: Kind, block: &str, at: &Path, port: u16) -> String {
    let mut placed = block.to_owned();
    for name in NAMES {
        for (end, ours) in [("pem", "cert.pem"), ("key", "key.pem")] {
            placed = placed.replace(&format!("/etc/ssl/{name}.{end}"), at.join(ours).to_str().unwrap());
        }
        let ours = match kind {
            Kind::Nginx => "localhost".to_owned(),
            Kind::Caddy => format!("localhost:{port}"),
        };
        placed = placed.replace(name, &ours);
    }
    match kind {
        Kind::Nginx => {
            assert!(placed.contains("listen 443 ssl;"), "{block}");
            placed.replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"))
        }
        Kind::Caddy => placed,
    }
}

fn nginx(block: &str, at: &Path) -> Child {
    let directory = at.to_str().unwrap();
    // Without a user, root's nginx looks for one that Debian does not have.
    let mut whole = format!("daemon off;\nuser root;\npid {directory}/pid;\nerror_log {directory}/log;\n");
    whole.push_str("worker_processes 1;\nevents {}\nhttp {\naccess_log off;\n");
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(whole, "{kind}_temp_path {directory}/{kind};");
    }
    let _ = writeln!(whole, "{block}}}");
    std::fs::write(at.join("nginx.conf"), whole).unwrap();
    let mut command = program("nginx");
    command.args(["-p", directory, "-e"]).arg(at.join("log")).arg("-c").arg(at.join("nginx.conf"));
    run(command, at)
}

fn caddy(block: &str, at: &Path) -> Child {
    let mut whole = "{\nadmin off\nauto_https disable_redirects\nskip_install_trust\n".to_owned();
    whole.push_str("default_bind 127.0.0.1\n}\n");
    whole.push_str(block);
    std::fs::write(at.join("Caddyfile"), whole).unwrap();
    let mut command = program("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(at.join("Caddyfile"));
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(variable, at);
    }
    run(command, at)
}

/// A program of the system, whoever runs the tests.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap()));
    command
}

fn run(mut command: Command, at: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(at.join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"))
}

/// Reads until `piece` has come; returns all that did.
#[track_caller]
pub fn read_until(wire: &mut Wire, piece: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(piece) {
        let mut byte = [0];
        wire.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&read)));
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}
