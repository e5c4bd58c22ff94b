//! Power cuts of real file systems: ext4 and xfs on loop devices are shut down without a flush in the middle of the
//! load, unmounted and mounted again, so that their own journals decide what is still there.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::gateway::{Lane, PATIENCE};
use super::journal::Contests;
use super::shim::class;
use super::verify::{Verdict, verify};
use super::workload::{Arena, Dice, make_buckets, run, slots};
use super::{is_full, seed};

/// Cuts of each file system in an ordinary run, and in a full one.
const CUTS: u64 = 4;
const CUTS_FULL: u64 = 50;
/// Bytes of the disk. Less than that xfs refuses.
const DISK_BYTES: u64 = 512 << 20;

/// Before the power is cut, the moment itself, and after. The gateway lives on without its disk for a while, and ext4
/// may answer a sync that runs at that moment as if it had worked: an answer that comes later counts as none, as it
/// would if the machine were dead.
const BEFORE: u64 = 1;
const CUT: u64 = 2;
const AFTER: u64 = 3;

/// A file system in a file.
pub struct Disk {
    image: PathBuf,
    pub place: PathBuf,
    /// Its directory goes last.
    _scratch: tempfile::TempDir,
}

fn command(words: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(words[0]).args(&words[1..]).args(paths).output();
    let output = output.map_err(|error| format!("{}: {error}", words[0]))?;
    let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output.status.success().then_some(()).ok_or_else(|| format!("{}: {errors}", words[0]))
}

impl Disk {
    /// Makes and mounts one; the reason if this machine does not let us.
    pub fn new(kind: &str, bytes: u64, options: &str) -> Result<Self, String> {
        let scratch = tempfile::tempdir().unwrap();
        let (image, place) = (scratch.path().join("disk"), scratch.path().join("mounted"));
        File::create(&image).unwrap().set_len(bytes).unwrap();
        std::fs::create_dir(&place).unwrap();
        command(&[&format!("mkfs.{kind}"), "-q"], &[&image])?;
        let disk = Self { image, place, _scratch: scratch };
        disk.mount(options)?;
        Ok(disk)
    }

    fn mount(&self, options: &str) -> Result<(), String> {
        command(&["mount", "-o", &format!("loop{options}")], &[&self.image, &self.place])
    }

    /// Cuts the power: nothing reaches the disk any more, not even the journal that is in memory.
    fn cut(&self) {
        const EXT4_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
        let without_flush: u32 = 2;
        let root = File::open(&self.place).unwrap();
        // SAFETY: the call reads one u32 that lives until it returns; xfs and ext4 share its number.
        #[allow(unsafe_code, reason = "no library wraps this call")]
        let result = unsafe { libc::ioctl(root.as_raw_fd(), EXT4_IOC_SHUTDOWN as _, &raw const without_flush) };
        assert_eq!(result, 0, "shut the file system down: {}", std::io::Error::last_os_error());
    }

    /// What comes after the cut.
    fn power_on(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(wrong) = command(&["umount"], &[&self.place]) {
            assert!(Instant::now() < deadline, "{wrong}");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.mount("").expect("mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = command(&["umount", "--lazy"], &[&self.place]);
    }
}

/// Loads and cuts `disk` again and again. Gives the cuts that were survived, acknowledged writes, and what went wrong.
fn cut(disk: &Disk, cuts: u64, swallowed: u64) -> (u64, u64, Verdict) {
    let scratch = tempfile::tempdir().unwrap();
    let lane = Lane { data: disk.place.join("data"), ..Lane::new(scratch.path()) };
    let (mut slots, mut contests) = (slots(), Contests::new());
    let (mut dice, mut acknowledged) = (Dice::new(seed()), 0);
    for number in 0..=cuts {
        lane.control.reset();
        lane.control.swallow_syncs(swallowed);
        let mut recover = || -> Result<_, String> {
            let process = lane.try_start()?;
            if number > 0 {
                verify(&process.client(), &mut slots, &mut contests, CUT)?;
                lane.try_check()?;
            }
            Ok(process)
        };
        let process = match recover() {
            Ok(process) => process,
            Err(wrong) => return (number - 1, acknowledged, Err(wrong)),
        };
        if number == cuts {
            break;
        }
        assert!(make_buckets(&process.client()));
        let is_cut = Arc::new(AtomicBool::new(false));
        let clock = Arc::clone(&is_cut);
        let now = move || if clock.load(Ordering::SeqCst) { AFTER } else { BEFORE };
        let arena = Arc::new(Arena::new(process.client(), contests, now));
        let rest = Duration::from_millis(50 + dice.roll(1_200));
        slots = std::thread::scope(|scope| {
            let clients = scope.spawn(|| run(&arena, slots, seed() << 16 | number, PATIENCE / 4));
            std::thread::sleep(rest);
            is_cut.store(true, Ordering::SeqCst);
            arena.stop.store(true, Ordering::SeqCst);
            disk.cut();
            clients.join().expect("the clients")
        });
        let arena = Arc::into_inner(arena).expect("the clients have ended");
        acknowledged += arena.acknowledged.load(Ordering::Relaxed);
        contests = arena.contests.into_inner().unwrap();
        process.kill();
        disk.power_on();
    }
    (cuts, acknowledged, Ok(()))
}

fn survives(kind: &str) {
    let disk = match Disk::new(kind, DISK_BYTES, "") {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: no {kind} on a loop device here: {reason}"),
    };
    let began = Instant::now();
    let (survived, acknowledged, verdict) = cut(&disk, if is_full() { CUTS_FULL } else { CUTS }, 0);
    verdict.unwrap_or_else(|wrong| panic!("{kind} after {survived} cuts, seed {}: {wrong}", seed()));
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("{survived} cuts of {kind}, {acknowledged} acknowledged writes, {seconds:.0} s, seed {}", seed());
}

#[test]
fn what_was_acknowledged_survives_a_cut_of_ext4() {
    survives("ext4");
}

#[test]
fn what_was_acknowledged_survives_a_cut_of_xfs() {
    survives("xfs");
}

#[test]
fn a_gateway_that_never_syncs_is_caught_by_a_cut_of_ext4() {
    let disk = match Disk::new("ext4", DISK_BYTES, "") {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: no ext4 on a loop device here: {reason}"),
    };
    let all = class::CHUNK | class::DIRECTORY | class::DATABASE | class::WAL | class::OTHER;
    let (survived, acknowledged, verdict) = cut(&disk, 3, all);
    let wrong = verdict.expect_err("a gateway that never syncs loses something");
    eprintln!("never synced: caught after {survived} cuts, {acknowledged} writes: {}", wrong.lines().next().unwrap());
}
