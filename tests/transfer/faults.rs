//! What breaks in the middle: the source, the network, the import itself.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::proxy::{Faults, Proxy};
use super::support::{Server, noise};
use super::{complete, history, import_between, import_from, put_parts, versioning};

const MIB: usize = 1 << 20;

#[test]
fn a_source_that_refuses_and_breaks_off_is_asked_again() {
    let (from, to) = (Server::start(), Server::start());
    let (source, target) = (from.client(), to.client());
    source.bucket("box");
    versioning(&source, "box", "Enabled");
    for index in 0..30 {
        source.put(&format!("/box/small-{}", index % 20), noise(index, 40_000)).expect(200);
    }
    source.put("/box/large", noise(100, 12 * MIB)).expect(200);
    put_parts(
        &source,
        "/box/parts",
        &[],
        &[(1, noise(101, 6 * MIB)), (2, noise(102, 5 * MIB + 1)), (3, noise(103, 9))],
    );
    let faults = Faults { refuse_every: 4, cut_after: 3 * MIB, rest: Duration::ZERO };
    let proxy = Proxy::start(from.address(), faults);
    let done = complete(&mut import_from(&proxy.endpoint(), &to, &[]));
    assert_eq!(done["versions"], 32, "{done:#}");
    assert_eq!(history(&target, "box"), history(&source, "box"));
    assert!(target.get("/box/large").expect(200).body == noise(100, 12 * MIB));
    assert!(proxy.cut.load(Ordering::Relaxed) >= 5 && proxy.refused.load(Ordering::Relaxed) >= 2);
}

#[test]
fn a_target_that_breaks_off_gets_nothing_twice() {
    let (from, to) = (Server::start(), Server::start());
    let (source, target) = (from.client(), to.client());
    source.bucket("box");
    versioning(&source, "box", "Enabled");
    for index in 0..60_usize {
        source.put(&format!("/box/{}", index % 7), noise(index as u64, 20_000)).expect(200);
        if index % 9 == 0 {
            source.delete(&format!("/box/{}", index % 7)).expect(204);
        }
    }
    // A connection is cut within an answer, mostly of a write that was done.
    let faults = Faults { refuse_every: 5, cut_after: 6000, rest: Duration::ZERO };
    let proxy = Proxy::start(to.address(), faults);
    complete(&mut import_between(&from.endpoint(), &proxy.endpoint(), &[]));
    assert_eq!(history(&target, "box"), history(&source, "box"));
    assert!(proxy.cut.load(Ordering::Relaxed) >= 4);
}

#[test]
fn an_import_that_is_killed_goes_on() {
    let (from, mut to) = (Server::start(), Server::start());
    let (source, target) = (from.client(), to.client());
    source.bucket("box");
    versioning(&source, "box", "Enabled");
    for index in 0..120_usize {
        source.put(&format!("/box/{:02}", index % 40), noise(index as u64, 30_000)).expect(200);
    }
    let slow = Faults { refuse_every: 0, cut_after: usize::MAX, rest: Duration::from_millis(10) };
    let proxy = Proxy::start(from.address(), slow);
    let mut kills = 0;
    let wanted = history(&source, "box");
    while kills < 3 {
        let before = if kills == 0 { 0 } else { history(&target, "box").len() };
        let mut child = import_from(&proxy.endpoint(), &to, &[]).stdout(std::process::Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while target.head("/box").status != 200 || history(&target, "box").len() < before + 15 {
            assert!(Instant::now() < deadline, "the import gets on");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let partly = history(&target, "box").len();
    assert!(partly < wanted.len(), "it was killed in the middle: {partly}");
    let rest = complete(&mut import_from(&from.endpoint(), &to, &[]));
    assert_eq!(rest["versions"].as_u64().unwrap() + rest["skipped"].as_u64().unwrap(), 120, "{rest:#}");
    assert_eq!(history(&target, "box"), wanted);
    to.stop_and_check();
}

#[test]
fn memory_does_not_grow_with_objects() {
    let (from, to) = (Server::start(), Server::start());
    let source = from.client();
    source.bucket("box");
    for index in 0..4 {
        source.put(&format!("/box/large-{index}"), noise(index, 48 * MIB)).expect(200);
    }
    for index in 0..600 {
        source.put(&format!("/box/small-{index:0>900}"), "x").expect(200);
    }
    let import = import_from(&from.endpoint(), &to, &["--parallel", "16"]).stdout(std::process::Stdio::piped()).spawn();
    let import = import.unwrap();
    let status = format!("/proc/{}/status", import.id());
    let watch = std::thread::spawn(move || {
        let mut peak = 0_u64;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(kib) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()) else {
                break;
            };
            peak = peak.max(kib);
            std::thread::sleep(Duration::from_millis(10));
        }
        peak
    });
    let output = import.wait_with_output().unwrap();
    let peak = watch.join().unwrap();
    let done = super::parsed(&output);
    assert_eq!((done["objects"].as_u64(), done["failed"].as_u64()), (Some(604), Some(0)), "{done:#}");
    assert!(peak > 0 && peak < 64 << 10, "{peak} KiB at most");
}
