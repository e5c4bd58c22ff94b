//! systemd's side of the service protocol, over a real datagram socket and real descriptors.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::server::{ROOT_ID, ROOT_SECRET, binary};
use super::support::{Client, Credentials, Server};

/// What the watchdog of these tests waits for. The server speaks three times as often.
const PATIENCE: Duration = Duration::from_millis(600);

struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn listen(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket }
    }

    /// The next message, or `None` if none comes for a moment.
    fn next(&self) -> Option<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).trim().to_owned())
    }

    /// Waits for a message; what comes before it is returned.
    #[track_caller]
    fn wait_for(&self, wanted: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut before = Vec::new();
        while Instant::now() < deadline {
            match self.next() {
                Some(message) if message == wanted => return before,
                Some(message) => before.push(message),
                None => {}
            }
        }
        panic!("{wanted} did not come; {before:?} did");
    }

    /// Everything that comes within `time`.
    fn during(&self, time: Duration) -> Vec<String> {
        let deadline = Instant::now() + time;
        let mut messages = Vec::new();
        while Instant::now() < deadline {
            messages.extend(self.next());
        }
        messages
    }
}

#[test]
fn the_manager_is_told_of_readiness_health_and_the_stop() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let manager = Manager::listen(&at("notify"));
    let patience = PATIENCE.as_micros().to_string();
    let told = [("NOTIFY_SOCKET", at("notify").to_str().unwrap().to_owned()), ("WATCHDOG_USEC", patience)];
    let told: Vec<_> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Server::start_in_with(&at("data"), &[], &told);
    manager.wait_for("READY=1");
    let turns = manager.during(PATIENCE * 3);
    assert!(turns.len() >= 5 && turns.iter().all(|turn| turn == "WATCHDOG=1"), "{turns:?}");

    // Not ready: the data directory is gone.
    std::fs::rename(at("data"), at("elsewhere")).unwrap();
    manager.during(PATIENCE);
    assert_eq!(manager.during(PATIENCE * 2), Vec::<String>::new(), "who is not well does not say so");
    assert!(server.log().contains("the watchdog of systemd is not told"), "{}", server.log());
    std::fs::rename(at("elsewhere"), at("data")).unwrap();
    manager.wait_for("WATCHDOG=1");

    let status = server.stop();
    let before = manager.wait_for("STOPPING=1");
    assert!(before.iter().all(|message| message == "WATCHDOG=1"), "{before:?}");
    assert!(status.success());
}

#[test]
fn without_a_watchdog_only_the_beginning_and_the_end_are_told() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let manager = Manager::listen(&at("notify"));
    let path = at("notify").to_str().unwrap().to_owned();
    let mut server = Server::start_in_with(&at("data"), &[], &[("NOTIFY_SOCKET", &path)]);
    assert!(manager.wait_for("READY=1").is_empty());
    server.stop();
    assert!(manager.wait_for("STOPPING=1").is_empty());
}

/// A server whose descriptors 3 and 4 are these listeners. A shell puts them there, because the variables must name the
/// process that the shell becomes.
fn start_with_sockets(data: &std::path::Path, count: usize, sockets: [&TcpListener; 2]) -> std::process::Child {
    let [third, fourth] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    let script = "export LISTEN_PID=$$ LISTEN_FDS=$COUNT; exec \"$0\" \"$@\" 3<&0 4>&2 </dev/null 2>\"$LOG\"";
    let program = binary();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(program.get_program());
    shell.args(["serve", "--listen", "127.0.0.1:1", "--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    shell.env("COUNT", count.to_string()).env("LOG", data.with_extension("log"));
    shell.env("SLUICEGATE_ACCESS_KEY_ID", ROOT_ID).env("SLUICEGATE_SECRET_ACCESS_KEY", ROOT_SECRET);
    shell.stdin(third).stderr(fourth).stdout(Stdio::piped());
    shell.spawn().unwrap()
}

#[test]
fn the_secret_of_the_first_key_is_told_to_people_and_not_to_the_journal() {
    let told = |journal: Option<&str>| {
        let data = tempfile::tempdir().unwrap();
        let mut server = binary();
        server.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]);
        server.arg(data.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        for name in ["SLUICEGATE_ACCESS_KEY_ID", "SLUICEGATE_SECRET_ACCESS_KEY", "JOURNAL_STREAM"] {
            server.env_remove(name);
        }
        journal.map(|stream| server.env("JOURNAL_STREAM", stream));
        let mut child = server.spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let file = data.path().join("credentials");
        let kept = std::fs::read_to_string(&file).unwrap();
        let secret = kept.lines().find_map(|line| line.strip_prefix("secret_access_key = ")).unwrap();
        assert!(line.contains(file.to_str().unwrap()), "{line}");
        line.contains(secret)
    };
    assert!(told(None));
    assert!(!told(Some("8:12345")));
}

#[test]
fn passed_sockets_are_served_in_the_order_of_the_unit() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (s3, admin) = (listen(), listen());
    let mut child = start_with_sockets(&data, 2, [&s3, &admin]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = s3.local_addr().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), format!("sluicegate listening on http://{address}"));
    let console = format!("its console is http://{}/console/", admin.local_addr().unwrap());
    assert_eq!(lines.next().unwrap().unwrap(), console);
    let client = Client::new(address, Some(Credentials::new(ROOT_ID, ROOT_SECRET)));
    client.bucket("held");
    client.put("/held/k", "body").expect(200);
    Client::new(admin.local_addr().unwrap(), None).get("/health/ready").expect(200);

    // A stop closes the server's copies only: what comes meanwhile waits for the next server.
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let waiting = std::thread::spawn(move || client.get("/held/k").expect(200).body);
    let mut next = start_with_sockets(&data, 2, [&s3, &admin]);
    assert_eq!(waiting.join().unwrap(), b"body");
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn one_passed_socket_is_that_of_s3_and_three_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second) = (listen(), listen());
    let refused = |name: &str, count: usize| {
        let data = scratch.path().join(name);
        let mut child = start_with_sockets(&data, count, [&first, &second]);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let mut log = String::new();
        std::fs::File::open(data.with_extension("log")).unwrap().read_to_string(&mut log).unwrap();
        log
    };
    assert!(refused("three", 3).contains("passed 3 sockets"));
    // That of the administrator is then the server's own.
    let data = scratch.path().join("one");
    let mut child = start_with_sockets(&data, 1, [&first, &second]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.ends_with(&first.local_addr().unwrap().to_string()), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}
