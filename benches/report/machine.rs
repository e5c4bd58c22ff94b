//! What the numbers depend on: processor, kernel, disk, day and version.

use std::path::Path;
use std::process::Command;

/// A list for the page. `directory` is where the data lay.
pub(crate) fn facts(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kib| kib.parse::<f64>().ok());
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output().ok();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let day = time::OffsetDateTime::now_utc().date();
    let noise = "Medians of the runs; ± is half of what lies between the lowest and the highest run";
    [
        format!("- Processor: {}, {cores} cores", field("/proc/cpuinfo", "model name")),
        format!("- Memory: {:.1} GiB", memory.unwrap_or(0.0) / f64::from(1 << 20)),
        format!("- Kernel: Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("- Data on: {}", filesystem(directory)),
        format!("- Measured: {day}, Sluicegate {} ({commit})", env!("CARGO_PKG_VERSION")),
        format!("- Noise: {noise}.\n"),
    ]
    .join("\n")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line of that name.
fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let value = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// Kind, source and options of the filesystem that `directory` is on: the longest mount point above it. See
/// proc_pid_mountinfo(5).
fn filesystem(directory: &Path) -> String {
    let directory = directory.canonicalize().unwrap_or(directory.to_path_buf());
    let text = read("/proc/self/mountinfo");
    let mounts = text.lines().filter_map(|line| {
        let (mount, device) = line.split_once(" - ")?;
        let (point, options) = (mount.split(' ').nth(4)?, mount.split(' ').nth(5)?);
        let mut device = device.split(' ');
        let told = format!("{} on {} ({options})", device.next()?, device.next()?);
        directory.starts_with(point).then_some((point.len(), told))
    });
    mounts.max().map_or("unknown".to_owned(), |(_, told)| told)
}
