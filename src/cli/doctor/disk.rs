//! The disk: which filesystem, how honest its syncs are, how much is left.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::doctor::{Finding, Grade, size};
use crate::limits::GIB;

/// Filesystems that forget everything, or whose syncs are known not to reach a disk.
const VOLATILE: [&str; 3] = ["tmpfs", "ramfs", "overlay"];
/// Filesystems whose locks and syncs depend on another machine.
const REMOTE: [&str; 7] = ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"];
/// Syncs that are measured.
const SYNCS: usize = 33;
/// The fastest disks with a cache that survives a power cut need about this long for a write and its flush.
const HONEST_SYNC_MIN: Duration = Duration::from_micros(20);
/// Slower than this, small objects feel it.
const SLOW_SYNC: Duration = Duration::from_millis(20);
const FREE_BYTES_MIN: u64 = GIB;
const FREE_INODES_MIN: u64 = 10_000;

/// Everything about the disk of `data_dir`, or of the directory that it will be made in.
pub fn look(data_dir: &Path) -> Vec<Finding> {
    let existing = nearest_existing(data_dir);
    let mut findings = Vec::new();
    if existing != data_dir {
        let detail = format!("{} is not there yet: looking at {}", data_dir.display(), existing.display());
        findings.push(Finding::new(Grade::Good, "data directory", detail));
    }
    let mount = find_mount(&existing);
    findings.push(judge_filesystem(mount.as_ref()));
    findings.push(judge_sync(measure_sync(&existing), mount.as_ref()));
    findings.extend(space(&existing));
    findings
}

fn nearest_existing(data_dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let found = absolute.ancestors().find(|path| path.is_dir()).map(Path::to_owned);
    if absolute.is_dir() { data_dir.to_owned() } else { found.unwrap_or_else(|| "/".into()) }
}

/// A mounted filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    kind: String,
    source: String,
    point: String,
}

fn find_mount(path: &Path) -> Option<Mount> {
    let device = fs::metadata(path).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // A bind mount shows the same device more than once: the one that holds the path is the longest.
    let real = path.canonicalize().ok()?;
    let candidates = mounts.lines().filter_map(|line| parse_mount(line, &number));
    candidates.filter(|mount| real.starts_with(&mount.point)).max_by_key(|mount| mount.point.len())
}

/// A line of `mountinfo` (`proc(5)`): id, parent, device, root, mount point, options, optional fields, `-`,
/// type, source, options.
fn parse_mount(line: &str, device: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let fields: Vec<_> = before.split(' ').collect();
    if *fields.get(2)? != device {
        return None;
    }
    let mut after = after.split(' ');
    let (kind, source) = (after.next()?.to_owned(), after.next()?.to_owned());
    Some(Mount { kind, source, point: (*fields.get(4)?).replace("\\040", " ") })
}

fn judge_filesystem(mount: Option<&Mount>) -> Finding {
    let Some(Mount { kind, source, point }) = mount else {
        return Finding::new(Grade::Warning, "filesystem", "its type could not be found out");
    };
    let what = format!("{kind} on {source}, mounted at {point}");
    if VOLATILE.contains(&kind.as_str()) {
        let detail = format!("{what}: it does not survive a restart of the machine or container; use a volume");
        return Finding::new(Grade::Warning, "filesystem", detail);
    }
    if REMOTE.contains(&kind.as_str()) {
        let detail = format!("{what}: SQLite's locks and our syncs are not safe there; use a local disk");
        return Finding::new(Grade::Bad, "filesystem", detail);
    }
    Finding::new(Grade::Good, "filesystem", what)
}

/// Median time of a 4 KiB write and its sync.
fn measure_sync(directory: &Path) -> std::io::Result<Duration> {
    let path = directory.join(format!("doctor.{}.probe", std::process::id()));
    let measured = time_syncs(&path);
    fs::remove_file(&path).ok();
    let mut times = measured?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn time_syncs(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = File::create_new(path)?;
    (0..SYNCS)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[0x5a; 4096])?;
            file.sync_data()?;
            Ok(start.elapsed())
        })
        .collect()
}

fn judge_sync(measured: std::io::Result<Duration>, mount: Option<&Mount>) -> Finding {
    let median = match measured {
        Ok(median) => median,
        Err(error) => return Finding::new(Grade::Bad, "sync", format!("a small file could not be synced: {error}")),
    };
    let shown = format!("{} µs for 4 KiB (median of {SYNCS})", median.as_micros());
    let is_volatile = mount.is_some_and(|mount| VOLATILE.contains(&mount.kind.as_str()));
    if is_volatile && median < HONEST_SYNC_MIN {
        return Finding::new(Grade::Warning, "sync", format!("{shown}: nothing is written to a disk here"));
    }
    if median < HONEST_SYNC_MIN {
        let detail = format!("{shown}: too fast for a disk; a cache may lose what was acknowledged");
        return Finding::new(Grade::Warning, "sync", detail);
    }
    if median > SLOW_SYNC {
        return Finding::new(
            Grade::Warning,
            "sync",
            format!("{shown}: slow; each write waits for one or two of these"),
        );
    }
    Finding::new(Grade::Good, "sync", shown)
}

fn space(directory: &Path) -> Vec<Finding> {
    let facts = match rustix::fs::statvfs(directory) {
        Ok(facts) => facts,
        Err(error) => return vec![Finding::new(Grade::Bad, "space", error.to_string())],
    };
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    let total = facts.f_blocks.saturating_mul(facts.f_frsize);
    let grade = |is_enough| if is_enough { Grade::Good } else { Grade::Warning };
    let bytes = format!("{} free of {}", size(free), size(total));
    let mut findings = vec![Finding::new(grade(free >= FREE_BYTES_MIN), "space", bytes)];
    // Filesystems without a table of inodes (btrfs) show none at all.
    if facts.f_files > 0 {
        let inodes = format!("{} free of {}", facts.f_favail, facts.f_files);
        findings.push(Finding::new(grade(facts.f_favail >= FREE_INODES_MIN), "inodes", inodes));
    }
    if facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        findings.push(Finding::new(Grade::Bad, "space", "the filesystem is mounted read-only"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Mount, find_mount, judge_filesystem, judge_sync, measure_sync, nearest_existing, parse_mount};
    use crate::cli::doctor::Grade;

    fn mount(kind: &str) -> Mount {
        Mount { kind: kind.into(), source: "/dev/sda1".into(), point: "/".into() }
    }

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let line = "36 35 98:0 /mnt1 /my\\040disk rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let found = parse_mount(line, "98:0").expect("a match");
        assert_eq!((found.kind.as_str(), found.point.as_str()), ("ext3", "/my disk"));
        assert_eq!(parse_mount(line, "98:1"), None);
        assert_eq!(parse_mount("", "98:0"), None);
    }

    #[test]
    fn filesystems_are_judged_by_what_they_keep() {
        assert_eq!(judge_filesystem(Some(&mount("ext4"))).grade, Grade::Good);
        assert_eq!(judge_filesystem(Some(&mount("tmpfs"))).grade, Grade::Warning);
        assert_eq!(judge_filesystem(Some(&mount("nfs4"))).grade, Grade::Bad);
        assert_eq!(judge_filesystem(None).grade, Grade::Warning);
    }

    #[test]
    fn syncs_are_judged_by_their_time() {
        let judge = |micros, kind| judge_sync(Ok(Duration::from_micros(micros)), Some(&mount(kind))).grade;
        assert_eq!(judge(400, "ext4"), Grade::Good);
        assert_eq!(judge(2, "ext4"), Grade::Warning);
        assert_eq!(judge(2, "tmpfs"), Grade::Warning);
        assert_eq!(judge(50_000, "ext4"), Grade::Warning);
        assert_eq!(judge_sync(Err(std::io::Error::other("x")), None).grade, Grade::Bad);
    }

    #[test]
    fn measuring_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        measure_sync(scratch.path()).expect("a sync works");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        assert!(find_mount(scratch.path()).is_some());
    }

    #[test]
    fn a_directory_that_is_not_there_is_judged_by_its_ancestor() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(nearest_existing(&scratch.path().join("a/b")), scratch.path());
        assert_eq!(nearest_existing(scratch.path()), scratch.path());
        assert_eq!(nearest_existing(Path::new("/nonexistent/x")), Path::new("/"));
    }
}
