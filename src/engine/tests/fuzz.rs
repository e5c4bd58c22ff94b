//! Any bytes as what a rebuild reads from chunk files: appendices with their labels, metadata, records.

use crate::cipher::Envelope;
use crate::engine::adopt::take_lines;
use crate::engine::label::{Label, join, read_label, split};
use crate::limits::PART_NUMBER_MAX;
use crate::meta::{PartSelection, read_metadata, write_metadata};
use crate::tests::fuzz::{self, Target};
use crate::types::{BucketName, ETag, ObjectKey, StorageClass, UploadId};

const TOKENS: [&str; 48] = [
    "{",
    "}",
    "\"bucket\":\"bucket\",",
    "\"owner\":\"o\",",
    "\"versioned\":true,",
    "\"key\":\"k\",",
    "\"body\":\"000102030405060708090a0b0c0d0e0f\",",
    "\"start\":0,",
    "\"part\":{\"upload\":\"",
    "\",\"number\":1},",
    "\"completed\":\"",
    "\"end\":{\"bytes\":5,\"at\":1700000000000000,\"object\":",
    "\"size\":5,",
    "\"md5\":\"000102030405060708090a0b0c0d0e0f\",",
    "\"parts\":2,",
    "\"sha256\":\"",
    "\"checksum\":{\"algorithm\":",
    "\"CRC32\",\"composite\":false,\"value\":\"00000000\"},",
    "\"class\":\"STANDARD\",",
    "\"metadata\":\"\"",
    "\"cut\":true,",
    "null",
    "-1",
    "18446744073709551615",
    "9223372036854775807",
    "1e3",
    "\\ud800",
    "\n",
    "{\"number\":1,\"size\":5,\"md5\":\"000102030405060708090a0b0c0d0e0f\",\"extents\":[[1,0,5]]}\n",
    "[",
    "]",
    ",",
    "10000",
    "10001",
    "65535",
    "0,",
    "\u{1}\u{0}\u{0}\u{0}\u{0}",
    "\u{2}",
    "\u{9}",
    "\u{a}",
    "\u{b}",
    "\u{c}",
    "\u{d}",
    "\u{e}",
    "\u{f}",
    "id:",
    "all",
    "FULL_CONTROL",
];

fn labels(appendix: &[u8]) {
    if let Some((label, sealed)) = split(appendix)
        && !appendix.is_empty()
        && !(label.is_empty() && sealed.is_empty())
    {
        assert_eq!(join(label, sealed), appendix);
    }
    let Some(label) = read_label(appendix) else { return };
    let text = serde_json::to_vec(&label).unwrap();
    assert_eq!(serde_json::from_slice::<Label>(&text).unwrap(), label);
    let _ = (BucketName::parse(&label.bucket), ObjectKey::parse(label.key.as_str()));
    let _ = label.completed.as_deref().and_then(UploadId::parse);
    let Some(object) = label.end.and_then(|end| end.object) else { return };
    let etag = object.etag();
    assert_eq!(ETag::parse(&etag.to_string()), Some(etag));
    let _ = object.sha256();
    if let Some(checksum) = object.checksum() {
        assert!(checksum.text().starts_with(&checksum.value.base64()));
    }
    if let Some(metadata) = object.metadata() {
        assert_eq!(read_metadata(&write_metadata(&metadata), metadata.storage_class), Some(metadata));
    }
}

fn metadata(blob: &[u8]) {
    let Some(metadata) = read_metadata(blob, StorageClass::Standard) else { return };
    if let Some(Ok(envelope)) = metadata.attributes.encryption.as_deref().map(Envelope::from_bytes) {
        let bytes = envelope.to_bytes();
        assert_eq!(Envelope::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    }
    assert_eq!(read_metadata(&write_metadata(&metadata), StorageClass::Standard), Some(metadata));
}

fn records(text: &[u8]) {
    let mut rest = text.to_vec();
    let Ok(lines) = take_lines(&mut rest) else { return };
    assert!(!rest.contains(&b'\n') && text.ends_with(&rest));
    let mut selection = PartSelection::new();
    for line in &lines {
        selection.insert(line.number);
        let _ = (line.md5(), line.checksum());
        let length = line.chunks().map(|(_, _, length)| length).sum::<u64>();
        assert_eq!(length, line.size);
    }
    assert!(selection.count() <= PART_NUMBER_MAX);
}

fn check(input: &[u8]) {
    labels(input);
    // A label by itself, however long it is.
    labels(&join(&input[..input.len().min(65_535)], b""));
    metadata(input);
    if let Ok(envelope) = Envelope::from_bytes(input) {
        assert_eq!(Envelope::from_bytes(&envelope.to_bytes()).unwrap().to_bytes(), envelope.to_bytes());
    }
    records(input);
}

#[test]
fn a_rebuild_reads_any_bytes() {
    fuzz::run(&Target { name: "labels", runs: 15_000, tokens: &TOKENS, law: &check });
}
