//! The floors of this machine, measured in the same run as what is compared with them, and the CPU clocks of
//! other processes and of one thread.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use super::median;

/// User and system CPU seconds of another process, all threads.
pub fn process_cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("read /proc");
    let after = stat.rsplit(')').next().expect("fields after the name");
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    ticks / rustix::param::clock_ticks_per_second() as f64
}

/// A line of `/proc/PID/status` in KiB, such as `VmRSS` or `VmHWM`.
pub fn process_memory_kib(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read /proc");
    let found = status.lines().find(|text| text.starts_with(line)).expect("the line");
    found.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// CPU seconds of the calling thread.
pub fn thread_cpu_seconds() -> f64 {
    let spec = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    spec.tv_sec as f64 + spec.tv_nsec as f64 / 1e9
}

/// CPU-seconds per GB of `work`, which handles `bytes` bytes on this thread; median of three.
fn cpu_per_gb(bytes: usize, mut work: impl FnMut()) -> f64 {
    let once = |work: &mut dyn FnMut()| {
        let begun = thread_cpu_seconds();
        work();
        (thread_cpu_seconds() - begun) / (bytes as f64 / 1e9)
    };
    median((0..3).map(|_| once(&mut work)))
}

/// MD5, SHA-256 and CRC-64 over cache-hot pieces by the library implementations.
pub fn digest_floor() -> f64 {
    use md5::Digest as _;
    let piece = vec![7u8; 16 * 1024];
    let pieces = 16 * 1024;
    cpu_per_gb(pieces * piece.len(), || {
        let (mut md5, mut sha) = (md5::Md5::new(), sha2::Sha256::new());
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        for _ in 0..pieces {
            md5.update(&piece);
            sha.update(&piece);
            crc.update(&piece);
        }
        std::hint::black_box((md5.finalize(), sha.finalize(), crc.finalize()));
    })
}

/// CRC-64 alone.
pub fn crc_floor() -> f64 {
    let piece = vec![7u8; 256 * 1024];
    cpu_per_gb(4096 * piece.len(), || {
        for _ in 0..4096 {
            std::hint::black_box(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &piece));
        }
    })
}

fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let near = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (near, listener.accept().expect("accept").0)
}

/// Reading from a loopback socket into one buffer, and nothing else.
pub fn socket_read_floor() -> f64 {
    let bytes = 1 << 30;
    cpu_per_gb(bytes, || {
        let (mut near, mut far) = loopback();
        let sender = std::thread::spawn(move || {
            let piece = vec![1u8; 256 * 1024];
            for _ in 0..bytes / piece.len() {
                far.write_all(&piece).expect("send");
            }
        });
        let mut buffer = vec![0; 256 * 1024];
        while near.read(&mut buffer).expect("receive") > 0 {}
        sender.join().expect("sender");
    })
}

/// Writing from one buffer to a loopback socket, and nothing else.
pub fn socket_write_floor() -> f64 {
    let bytes = 1 << 30;
    cpu_per_gb(bytes, || {
        let (mut near, mut far) = loopback();
        let receiver = std::thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while far.read(&mut buffer).expect("receive") > 0 {}
        });
        let piece = vec![1u8; 256 * 1024];
        for _ in 0..bytes / piece.len() {
            near.write_all(&piece).expect("send");
        }
        drop(near);
        receiver.join().expect("receiver");
    })
}

/// Buffered files of 16 MiB, written in 256 KiB pieces, each synced.
pub fn file_write_floor(directory: &Path) -> f64 {
    let piece = vec![3u8; 256 * 1024];
    cpu_per_gb(256 << 20, || {
        for index in 0..16 {
            let path = directory.join(format!("floor-{index}"));
            let file = std::fs::File::create(&path).expect("create");
            for at in 0..64 {
                file.write_all_at(&piece, at * piece.len() as u64).expect("write");
            }
            file.sync_data().expect("sync");
            std::fs::remove_file(&path).expect("remove");
        }
    })
}

/// Reading a cached file in 256 KiB pieces.
pub fn file_read_floor(directory: &Path) -> f64 {
    let path = directory.join("floor");
    std::fs::write(&path, vec![5u8; 64 << 20]).expect("write");
    let file = std::fs::File::open(&path).expect("open");
    let span = 256 * 1024;
    let mut buffer = vec![0; span];
    let cost = cpu_per_gb(16 * (64 << 20), || {
        for _ in 0..16 {
            for at in 0..256 {
                file.read_exact_at(&mut buffer, at * span as u64).expect("read");
            }
        }
    });
    std::fs::remove_file(&path).expect("remove");
    cost
}

/// Wall seconds and the CPU seconds that `pid` used while `work` ran.
pub fn observed(pid: u32, work: impl FnOnce()) -> (f64, f64) {
    let (cpu, wall) = (process_cpu_seconds(pid), Instant::now());
    work();
    (wall.elapsed().as_secs_f64(), process_cpu_seconds(pid) - cpu)
}
