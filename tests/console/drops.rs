//! Files and folders that are dropped on the page or chosen, and what a slow upload looks like meanwhile.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::browser::Page;
use crate::support::noise;

/// A directory of files, and its path.
fn tree(files: &[(&str, &[u8])]) -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("tree");
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let path = root.to_str().unwrap().to_owned();
    (home, path)
}

fn keys(page: &Page, prefix: &str) -> Vec<String> {
    page.server.client().get(&format!("/drops?list-type=2&prefix={prefix}")).expect(200).all("Key")
}

#[test]
fn what_is_dropped_arrives_with_the_paths_of_its_folders() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("drops");
    page.enter();

    // Files that a page made, by the events of a drag.
    page.go("#/buckets/drops/files/in%2F");
    page.find("//button[text() = 'Upload files']");
    page.script(
        "window.dropped = new DataTransfer();
         dropped.items.add(new File(['one'], 'one.txt', {type: 'text/plain'}));
         dropped.items.add(new File([new Uint8Array([0, 255, 10, 13])], 'two é.bin'));
         window.drag = (name) => document.querySelector('.drop').dispatchEvent(
             new DragEvent(name, {dataTransfer: dropped, bubbles: true, cancelable: true}));
         return drag('dragenter') || drag('dragover')",
    );
    assert_eq!(
        page.script("return document.querySelectorAll('.dropping').length"),
        1,
        "the zone says that it takes it"
    );
    page.script("drag('drop')");
    page.server.eventually("both are there", || keys(&page, "in/").len() == 2);
    assert_eq!(client.get("/drops/in/one.txt").expect(200).text(), "one");
    assert_eq!(client.get("/drops/in/two%20%C3%A9.bin").expect(200).body, [0, 255, 10, 13]);
    assert_eq!(page.script("return document.querySelectorAll('.dropping').length"), 0);
    page.see("two é.bin");

    // A folder of the disk, by the mouse.
    let bytes = noise(5, 300_000);
    let (_kept, path) = tree(&[("top.txt", b"top"), ("deep/er/leaf.bin", &bytes), ("deep/empty", b"")]);
    page.drop_on(".drop", &[path.as_str()]);
    page.server.eventually("the folder is there", || keys(&page, "in/tree/").len() == 3);
    assert_eq!(keys(&page, "in/tree/"), ["in/tree/deep/empty", "in/tree/deep/er/leaf.bin", "in/tree/top.txt"]);
    assert!(client.get("/drops/in/tree/deep/er/leaf.bin").expect(200).body == bytes);
    page.see("tree/");

    // The same by the button, to another place.
    page.go("#/buckets/drops/files/again%2F");
    page.find("//button[text() = 'Upload folder']");
    let input = page.web.find_all("//input[@id = 'pick-folder']").remove(0);
    page.web.type_into(&input, &path).unwrap();
    page.server.eventually("the folder is there again", || keys(&page, "again/").len() == 3);
    assert_eq!(keys(&page, "again/")[1], "again/tree/deep/er/leaf.bin");

    replaces_nothing_unasked(&page, Path::new(&path));
}

/// What is there already is replaced only if somebody says so.
fn replaces_nothing_unasked(page: &Page, path: &Path) {
    let client = page.server.client();
    std::fs::write(path.join("top.txt"), "newer").unwrap();
    std::fs::write(path.join("more.txt"), "more").unwrap();
    let path = path.to_str().unwrap();
    page.see("tree/");
    page.drop_on(".drop", &[path]);
    page.see("3 objects of that name are there already.");
    page.press("Upload only the others");
    page.server.eventually("the new one is there", || keys(page, "again/").len() == 4);
    assert_eq!(client.get("/drops/again/tree/top.txt").expect(200).text(), "top");
    page.see_not("Replace what is there?");
    page.drop_on(".drop", &[path]);
    page.see("4 objects of that name are there already.");
    page.press("Replace");
    page.server.eventually("it is replaced", || client.get("/drops/again/tree/top.txt").text() == "newer");
}

/// What the overview shows of the first upload that runs: what came of how much, and bytes per second.
const SHOWN: &str = "
const size = (text) => {
  const told = /^([0-9.]+) (B|KiB|MiB)/.exec(text ?? '');
  return told ? Math.round(Number(told[1]) * {B: 1, KiB: 1024, MiB: 1048576}[told[2]]) : 0;
};
const row = document.querySelector('table.data tbody tr');
const cell = (at) => row.querySelector(`td:nth-child(${at})`)?.textContent;
return [size(cell(2)), size(cell(3))];";

#[test]
fn a_slow_upload_is_seen_on_the_overview_with_its_progress_and_rate() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("drops");
    page.enter();
    page.see("Nothing is being uploaded.");
    let call = client.call("PUT", "/drops/slow.bin").payload("UNSIGNED-PAYLOAD").header("content-length", "268435456");
    let mut sender = client.connect();
    sender.write_all(&call.head()).unwrap();
    // So many bytes every 50 ms; none ends it.
    let pace = Arc::new(AtomicUsize::new(10_000));
    let set = Arc::clone(&pace);
    let sending = std::thread::spawn(move || {
        while let bytes @ 1.. = pace.load(Ordering::Relaxed) {
            sender.write_all(&noise(1, bytes)).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    page.see("drops/slow.bin");
    page.see("of 256 MiB");
    let shown = || {
        let told = page.script(SHOWN);
        (told[0].as_u64().unwrap(), told[1].as_u64().unwrap())
    };
    let (first, _) = shown();
    page.server.eventually("more of it comes", || shown().0 > first.max(100_000));
    let (_, slow) = shown();
    assert!((20_000..400_000).contains(&slow), "{slow} bytes a second");
    set.store(100_000, Ordering::Relaxed);
    page.server.eventually("the rate follows", || shown().1 > 2 * slow.max(200_000));
    set.store(0, Ordering::Relaxed);
    sending.join().unwrap();
    // Whoever sent it is gone.
    page.see("Nothing is being uploaded.");
    assert_eq!(client.head("/drops/slow.bin").status, 404);
}
