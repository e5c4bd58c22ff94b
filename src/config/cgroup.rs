//! What the control group (v1 or v2) lets this process use. Reads given paths only, so that tests can show
//! it any hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

/// Limits from here on mean "none": version 1 shows the largest page-aligned number.
const UNLIMITED_BYTES: u64 = 1 << 60;

/// Where the kernel shows control groups.
#[derive(Clone, Debug)]
pub struct CgroupPaths {
    /// `/proc/self/cgroup`.
    pub membership: PathBuf,
    /// `/sys/fs/cgroup`.
    pub root: PathBuf,
}

impl Default for CgroupPaths {
    fn default() -> Self {
        Self { membership: "/proc/self/cgroup".into(), root: "/sys/fs/cgroup".into() }
    }
}

/// The least memory limit of this process's group and its ancestors in bytes; `None` if nothing limits it
/// or nothing can be read.
pub fn memory_limit_bytes(paths: &CgroupPaths) -> Option<u64> {
    let membership = fs::read_to_string(&paths.membership).unwrap_or_default();
    let limits = membership.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        if controllers.is_empty() {
            least_limit_bytes(&paths.root, group, "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            least_limit_bytes(&paths.root.join("memory"), group, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    limits.min()
}

/// Walks from `group` up to the root: each level may be the tightest. A container without a namespace of
/// its own sees the host's path but has only its own group mounted, at the root; directories that do not
/// exist are therefore passed over.
fn least_limit_bytes(root: &Path, group: &str, file: &str) -> Option<u64> {
    let inside = Path::new(group.trim_start_matches('/'));
    let levels = inside.ancestors().filter_map(|level| read_limit_bytes(&root.join(level).join(file)));
    levels.min()
}

fn read_limit_bytes(path: &Path) -> Option<u64> {
    let bytes: u64 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    (bytes < UNLIMITED_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{CgroupPaths, memory_limit_bytes};

    fn paths(directory: &Path, membership: &str, limits: &[(&str, &str)]) -> CgroupPaths {
        let paths = CgroupPaths { membership: directory.join("self"), root: directory.join("root") };
        fs::write(&paths.membership, membership).unwrap();
        for (file, text) in limits {
            let path = paths.root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        paths
    }

    #[test]
    fn the_tightest_ancestor_of_version_2_counts() {
        let directory = tempfile::tempdir().unwrap();
        let limits = [("a/b/memory.max", "max\n"), ("a/memory.max", "268435456\n"), ("memory.max", "536870912\n")];
        let paths = paths(directory.path(), "0::/a/b\n", &limits);
        assert_eq!(memory_limit_bytes(&paths), Some(268_435_456));
    }

    #[test]
    fn version_1_is_read_from_the_memory_controller() {
        let directory = tempfile::tempdir().unwrap();
        let limits = [
            ("memory/pod/memory.limit_in_bytes", "134217728\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cpu/pod/memory.limit_in_bytes", "1\n"),
        ];
        let paths = paths(directory.path(), "4:cpu,cpuacct:/pod\n3:hugetlb,memory:/pod\n0::/pod\n", &limits);
        assert_eq!(memory_limit_bytes(&paths), Some(134_217_728));
    }

    #[test]
    fn a_container_that_sees_the_path_of_its_host_finds_its_own_limit_at_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let limits = [("memory.max", "67108864")];
        let paths = paths(directory.path(), "0::/docker/0123456789\n", &limits);
        assert_eq!(memory_limit_bytes(&paths), Some(67_108_864));
    }

    #[test]
    fn no_group_and_no_limit_are_no_bound() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path(), "garbage\n0::/x\n", &[("x/memory.max", "max")]);
        assert_eq!(memory_limit_bytes(&paths), None);
        let nowhere = CgroupPaths { membership: "/nonexistent".into(), root: "/nonexistent".into() };
        assert_eq!(memory_limit_bytes(&nowhere), None);
    }
}
