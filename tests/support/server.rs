//! A gateway process of the binary under test.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::client::{Client, Credentials};

/// Root's access key id in tests.
pub const ROOT_ID: &str = "AKIAROOTROOTROOTROOT";
/// Root's secret in tests.
pub const ROOT_SECRET: &str = "root-secret-root-secret-root-secret-root";

/// A running gateway. Killed when dropped; its data directory goes with it unless it was given.
pub struct Server {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    _owned: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a gateway on a fresh data directory.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a gateway on a fresh data directory with further arguments of `serve`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let owned = tempfile::tempdir().expect("make data directory");
        let data = owned.path().join("data");
        let mut server = Self::start_in(&data, arguments);
        server._owned = Some(owned);
        server
    }

    /// Starts a gateway on `data`.
    pub fn start_in(data: &Path, arguments: &[&str]) -> Self {
        Self::start_in_with(data, arguments, &[])
    }

    /// Starts a gateway on `data` with further variables of the environment.
    pub fn start_in_with(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let environment: Vec<_> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let log = data.with_extension("log");
        let (child, address) = spawn(data, &arguments, &environment, &log);
        Self { child, address, data: data.to_path_buf(), arguments, environment, log, _owned: None }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// GET of a path on the admin listener.
    pub fn admin(&self, path: &str) -> super::client::Answer {
        Client::new(admin_address(&self.log()), None).get(path)
    }

    /// The sum of a metric over its labels.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.admin("/metrics").text();
        let values = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{')));
        values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|a, b| a + b)
    }

    /// A client with root's key.
    pub fn client(&self) -> Client {
        Client::new(self.address, Some(Credentials::new(ROOT_ID, ROOT_SECRET)))
    }

    /// A client without a key.
    pub fn anonymous(&self) -> Client {
        Client::new(self.address, None)
    }

    /// Adds an access key through the command line and returns a client that uses it.
    pub fn client_of(&self, name: &str) -> Client {
        self.client_with(name, &[])
    }

    /// As `client_of`, with further arguments of `key add`.
    pub fn client_with(&self, name: &str, arguments: &[&str]) -> Client {
        let id = format!("AKIA{:0>16}", name.to_uppercase());
        let secret = format!("{name:-<40}");
        let key = ["key", "add", name, "--access-key", &id, "--secret-key", &secret];
        let added = self.command(&[&key, arguments].concat());
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let client = Client::new(self.address, Some(Credentials::new(&id, &secret)));
        let deadline = Instant::now() + Duration::from_secs(5);
        while client.get("/").one("Code") == "InvalidAccessKeyId" {
            assert!(Instant::now() < deadline, "a new key is seen by a running server");
            std::thread::sleep(Duration::from_millis(50));
        }
        client
    }

    /// Runs a subcommand on this data directory.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = binary();
        command.args(arguments).arg("--data-dir").arg(&self.data);
        command.output().expect("run the binary")
    }

    /// kill -9, as a crash.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the gateway");
        self.child.wait().expect("reap the gateway");
    }

    /// SIGTERM, then waits for the exit.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("send SIGTERM");
        self.child.wait().expect("reap the gateway")
    }

    /// Starts again on the same data, on a new port.
    pub fn restart(&mut self) {
        (self.child, self.address) = spawn(&self.data, &self.arguments, &self.environment, &self.log);
    }

    /// Stops the gateway and requires `check` to find nothing wrong.
    pub fn stop_and_check(&mut self) {
        let status = self.stop();
        assert!(status.success(), "drained and exited with {status}: {}", self.log());
        self.check();
    }

    /// Requires `check` to find nothing wrong.
    pub fn check(&self) {
        let checked = self.command(&["check"]);
        let told = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
        assert!(checked.status.success(), "check: {told}");
    }

    /// Chunk files in the data directory.
    pub fn chunk_files(&self) -> Vec<PathBuf> {
        let mut pending = vec![self.data.join("chunks")];
        let mut found = Vec::new();
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                    _ => found.push(entry.path()),
                }
            }
        }
        found
    }

    /// Waits until `condition` holds, at most 30 s.
    pub fn eventually(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < deadline, "{what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the gateway ---\n{}", self.log());
        }
        if self._owned.is_some() {
            let _ = std::fs::remove_file(&self.log);
        }
    }
}

/// The binary under test with a clean environment of its own.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command
        .env("SLUICEGATE_ACCESS_KEY_ID", ROOT_ID)
        .env("SLUICEGATE_SECRET_ACCESS_KEY", ROOT_SECRET)
        .env("RUST_BACKTRACE", "0");
    command
}

fn spawn(data: &Path, arguments: &[String], environment: &[(String, String)], log: &Path) -> (Child, SocketAddr) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("open log file");
    let mut child = binary()
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("start the gateway");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let address = loop {
        let line = lines.next().expect("the gateway prints its address").expect("read its stdout");
        if let Some((_, address)) = line.split_once("listening on http://") {
            break address.trim().parse().expect("an address");
        }
        if let Some((_, address)) = line.split_once("listening on https://") {
            break address.trim().parse().expect("an address");
        }
    };
    // Keep reading so that the gateway never blocks on its stdout.
    std::thread::spawn(move || for _ in lines.by_ref() {});
    (child, address)
}

/// Where the last server that wrote to `log` answers its operator.
pub fn admin_address(log: &str) -> SocketAddr {
    let line = log.lines().rev().find(|line| line.contains("admin listener")).expect("the log names the admin address");
    let at = line.find("127.0.0.1:").expect("an address");
    let address: String = line[at..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    address.parse().expect("an address")
}
