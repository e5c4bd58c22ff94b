//! A gateway process on the disk of the shim, which may die at any step: also before it listens.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::shim::{self, Control};
use super::support::client::{Answer, Client, Credentials};
use super::support::server::{ROOT_ID, ROOT_SECRET, admin_address, binary};
use super::verify::Verdict;

/// How long a process may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Memory is the cheapest disk, if there is enough of it: the shim decides what is durable.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |facts| facts.f_bavail * facts.f_frsize);
    let made = if free > 2 << 30 { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("make a scratch directory")
}

/// A directory of data, and the control page of the processes that work on it.
pub struct Lane {
    pub control: Control,
    pub data: PathBuf,
    pub log: PathBuf,
    /// Where the shim writes its log, if it does.
    pub record: Option<PathBuf>,
}

/// A running process.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Lane {
    /// A lane in `scratch`, without data.
    pub fn new(scratch: &Path) -> Self {
        let control = Control::new(&scratch.join("control"));
        Self { control, data: scratch.join("data"), log: scratch.join("log"), record: None }
    }

    /// Another hold on a lane.
    pub fn beside(other: &Self) -> Self {
        let Self { control, data, log, record } = other;
        let control = Control::share(control.path());
        Self { control, data: data.clone(), log: log.clone(), record: record.clone() }
    }

    /// Starts the gateway; `None` if it was killed before it listened.
    pub fn start(&self) -> Option<Process> {
        match self.try_start() {
            Ok(process) => Some(process),
            Err(_) if self.control.killed().is_some() => None,
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// Starts the gateway, or says how it ended before it listened.
    pub fn try_start(&self) -> Result<Process, String> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = binary();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--memory", "64MiB"])
            .arg("--data-dir")
            .arg(&self.data)
            .env("LD_PRELOAD", shim::library())
            .env("PROOF_CONTROL", self.control.path())
            .env("PROOF_ROOT", &self.data)
            .stdout(Stdio::piped())
            .stderr(log);
        if let Some(record) = &self.record {
            command.env("PROOF_LOG", record);
        }
        let mut child = command.spawn().expect("start the gateway");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                let status = child.wait().unwrap();
                return Err(format!("the gateway does not start: {status}\n{}", self.tail()));
            };
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().parse().unwrap();
            }
        };
        std::thread::spawn(move || for _ in lines.by_ref() {});
        Ok(Process { child, address })
    }

    /// Requires `check` to find nothing wrong, and the collector and the sweeper to leave no file without a row.
    pub fn check(&self) {
        self.try_check().unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// As `check`, or says what is wrong.
    pub fn try_check(&self) -> Verdict {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let checked = binary().args(["check", "--json", "--data-dir"]).arg(&self.data).output().unwrap();
            let text = String::from_utf8_lossy(&checked.stdout).into_owned();
            let errors = String::from_utf8_lossy(&checked.stderr).into_owned();
            if !checked.status.success() {
                return Err(format!("check: {text}{errors}\n{}", self.tail()));
            }
            let facts: serde_json::Value = serde_json::from_str(&text).expect("check prints JSON");
            if facts["files"] == facts["chunks"] && facts["unclaimed_files"] == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("files without rows stay: {text}\n{}", self.tail()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// GET of a path on the admin listener of the process that was started last.
    pub fn admin(&self, path: &str) -> Answer {
        let log = std::fs::read_to_string(&self.log).expect("the log");
        Client::new(admin_address(&log), None).get(path)
    }

    /// Waits until the process that was started last takes writes again, which needs no client that tries.
    pub fn await_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.admin("/health/ready").status != 200 {
            assert!(Instant::now() < deadline, "not ready again\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The end of the log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Process {
    pub fn client(&self) -> Client {
        Client::new(self.address, Some(Credentials::new(ROOT_ID, ROOT_SECRET)))
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; true if it came to an orderly end.
    pub fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
