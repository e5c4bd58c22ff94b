//! Disks that are really full: a small tmpfs and a small ext4 on a loop device.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::cuts::Disk;
use super::gateway::{Lane, PATIENCE};
use super::journal::Body;
use super::support::{Client, md5_hex};

/// A tmpfs that goes with this.
struct Memory(tempfile::TempDir);

impl Memory {
    fn new(bytes: u64) -> Result<Self, String> {
        let place = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(place.path())
            .output()
            .map_err(|error| error.to_string())?;
        let errors = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        mounted.status.success().then_some(Self(place)).ok_or(errors)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

/// PUTs `most` bodies of `length`, or until there is no space, and gives the keys that were stored.
fn fill(client: &Client, prefix: &str, length: usize, most: u64) -> Vec<(String, String)> {
    let mut stored = Vec::new();
    for number in 0..most {
        let key = format!("/full/{prefix}{number}");
        let body = Body::new(number, length);
        let answer = client.put(&key, body.bytes());
        if answer.status == 200 {
            stored.push((key, body.md5.clone()));
            continue;
        }
        answer.expect_error(507, "InsufficientStorage");
        break;
    }
    stored
}

fn fills_up_and_recovers(place: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let lane = Lane { data: place.join("data"), ..Lane::new(scratch.path()) };
    let process = lane.start().expect("nothing kills it");
    let client = process.client();
    client.bucket("full");
    client.bucket("other");
    let upload = client.post("/full/upload?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/full/upload?partNumber=1&uploadId={upload}"), Body::new(1, 6 << 20).bytes()).expect(200);
    // Many that free next to nothing, and whose deletes take more log than the reserve could hold at once.
    let mut stored = fill(&client, "first", 100, 600);
    for (prefix, length) in [("large", 3_000_000), ("middle", 100_000), ("small", 10_000), ("tiny", 10)] {
        stored.extend(fill(&client, prefix, length, u64::MAX));
    }
    eprintln!("full with {} objects", stored.len());
    // Reads go on, also of what was written last.
    for (key, md5) in stored.iter().rev().step_by(7) {
        assert_eq!(md5_hex(&client.get(key).expect(200).body), *md5, "{key}");
    }
    assert_eq!(client.get("/full?list-type=2&max-keys=10").expect(200).all("Key").len(), 10);
    // Deletes work, one after the other, and an upload can be aborted.
    client.delete(&format!("/full/upload?uploadId={upload}")).expect(204);
    for (key, _) in &stored {
        client.delete(key).expect(204);
    }
    // The space comes back without a restart.
    let deadline = Instant::now() + PATIENCE;
    let body = Body::new(7, 6_000_000);
    loop {
        let answer = client.put("/full/again", body.bytes());
        if answer.status == 200 {
            break;
        }
        answer.expect_error(507, "InsufficientStorage");
        assert!(Instant::now() < deadline, "space comes back\n{}", lane.tail());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(md5_hex(&client.get("/full/again").expect(200).body), body.md5);
    lane.check();
    assert!(process.stop(), "an orderly stop");
}

#[test]
fn a_full_tmpfs_takes_deletes_and_recovers() {
    match Memory::new(48 << 20) {
        Ok(memory) => fills_up_and_recovers(memory.0.path()),
        Err(reason) => eprintln!("skipped: no tmpfs of our own here: {reason}"),
    }
}

#[test]
fn a_full_ext4_takes_deletes_and_recovers() {
    match Disk::new("ext4", 64 << 20, "") {
        Ok(disk) => fills_up_and_recovers(&disk.place),
        Err(reason) => eprintln!("skipped: no ext4 on a loop device here: {reason}"),
    }
}
