//! Labels: what a chunk says of the body that it belongs to, so that the database can be rebuilt from the chunk files
//! alone. A label is JSON in the chunk's appendix: a person with a hex dump can read it, too.
//!
//! Every chunk of a body names bucket, key and its place. The last one is written when the body is hashed, and says what
//! an object is beside its bytes: ETag, checksum, metadata. Parts say which upload they are of; what a completed upload
//! became is a body of its own, the record, whose last chunk says the same of the object.
//!
//! In the appendix, little-endian: length of the label (2 bytes), label, then what opens a sealed chunk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::cipher::DataKey;
use crate::digest::Digests;
use crate::limits::CHUNK_LABEL_BYTES_MAX;
use crate::meta::{read_metadata, write_metadata};
use crate::types::{
    Bucket, ChecksumAlgorithm, ChecksumType, ChecksumValue, ETag, ObjectChecksum, ObjectKey, ObjectMetadata,
    StorageClass, Timestamp, UploadId, UserMetadata, VersionAttributes,
};

/// Bytes of the length before a label.
const LENGTH_BYTES: usize = 2;

/// What one chunk says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Name of the bucket.
    pub bucket: String,
    /// Its owner.
    pub owner: String,
    /// Whether versioning is or was on in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub versioned: bool,
    /// The key.
    pub key: String,
    /// Names the body: the same in all of its chunks, and in no other.
    #[serde(with = "hex_array")]
    pub body: [u8; 16],
    /// Where the chunk starts in its body.
    pub start: u64,
    /// The upload and number, if the body is a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOf>,
    /// The upload, if the body is the record of what it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// In the last chunk only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// Which part a body is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// Id of the upload.
    pub upload: String,
    /// Number of the part.
    pub number: u16,
}

/// What the last chunk of a body says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Length of the body in bytes.
    pub bytes: u64,
    /// When it was written, in microseconds since 1970.
    pub at: i64,
    /// The object that it makes; none for a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectFacts>,
}

/// An object, but for its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFacts {
    /// Its size in bytes.
    pub size: u64,
    /// The 16 bytes of its ETag.
    #[serde(with = "hex_array")]
    pub md5: [u8; 16],
    /// Its parts, if it was uploaded in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u16>,
    /// Its SHA-256 in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<ChecksumFacts>,
    /// Its storage class.
    pub class: String,
    /// Its metadata and attributes, as the database keeps them, in base64.
    pub metadata: String,
    /// Whether some of them found no room: user metadata, tags, ACLs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut: bool,
}

/// A checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksumFacts {
    algorithm: String,
    composite: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<u16>,
    value: String,
}

impl ChecksumFacts {
    /// Of a part: whatever it is hashed with covers all of it.
    pub(crate) fn of_part(value: &ChecksumValue) -> Self {
        let algorithm = value.algorithm().name().to_owned();
        Self { algorithm, composite: false, parts: None, value: hex::encode(value.bytes()) }
    }

    /// Algorithm and bytes.
    pub(crate) fn value(&self) -> Option<ChecksumValue> {
        let algorithm = ChecksumAlgorithm::ALL.into_iter().find(|one| one.name() == self.algorithm)?;
        ChecksumValue::new(algorithm, hex::decode(&self.value).ok()?)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

mod hex_array {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(&text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(bytes)
    }
}

/// What is known of a body before it is written.
#[derive(Debug)]
pub struct BodyLabel {
    label: Label,
    at: Timestamp,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The body of an object, and what its ETag is made with if that must not tell its MD5.
    Object(Box<ObjectMetadata>, Option<DataKey>),
    Part,
    /// The record of an object.
    Record(Box<ObjectFacts>),
}

impl BodyLabel {
    /// Of the body of an object to be. `hidden_by` makes the ETag of one whose MD5 must not be told.
    pub(crate) fn object(
        (bucket, key): (&Bucket, &ObjectKey),
        metadata: &ObjectMetadata,
        hidden_by: Option<DataKey>,
        at: Timestamp,
    ) -> Self {
        let kind = Kind::Object(Box::new(metadata.clone()), hidden_by);
        Self { label: label(bucket, key), at, kind }
    }

    /// Of a part.
    pub(crate) fn part((bucket, key): (&Bucket, &ObjectKey), upload: UploadId, number: u16, at: Timestamp) -> Self {
        let part = Some(PartOf { upload: upload.to_string(), number });
        Self { label: Label { part, ..label(bucket, key) }, at, kind: Kind::Part }
    }

    /// Of the record of what an upload becomes.
    pub(crate) fn record(
        (bucket, key): (&Bucket, &ObjectKey),
        upload: UploadId,
        object: ObjectFacts,
        at: Timestamp,
    ) -> Self {
        let label = Label { completed: Some(upload.to_string()), ..label(bucket, key) };
        Self { label, at, kind: Kind::Record(Box::new(object)) }
    }

    /// Whether the body must be in chunks however short it is: nothing would name it otherwise.
    pub(crate) fn needs_chunk(&self) -> bool {
        !matches!(self.kind, Kind::Object(..))
    }

    /// The label of the chunk that starts at `start`; with `end`, which are the body's digests, of the last one. Empty
    /// if even the least of it finds no room.
    pub(crate) fn chunk(&self, start: u64, end: Option<&Digests>) -> Vec<u8> {
        let Some(digests) = end else { return self.encode(start, None).unwrap_or_default() };
        let end = |object| Some(End { bytes: digests.length, at: self.at.0, object });
        match &self.kind {
            Kind::Part => self.encode(start, end(None)).unwrap_or_default(),
            Kind::Record(object) => self.encode(start, end(Some((**object).clone()))).unwrap_or_default(),
            Kind::Object(metadata, hidden_by) => {
                let facts = |metadata: &ObjectMetadata, cut| {
                    let (md5, sha256) = match hidden_by {
                        Some(data) => (data.identity(&digests.sha256), None),
                        None => (digests.md5, Some(digests.sha256)),
                    };
                    let etag = ETag { md5, parts: None };
                    let checksum = Some(ObjectChecksum::full(digests.checksum.clone()));
                    ObjectFacts { cut, ..ObjectFacts::new(digests.length, etag, sha256, checksum.as_ref(), metadata) }
                };
                let whole = self.encode(start, end(Some(facts(metadata, false))));
                let less = || self.encode(start, end(Some(facts(&lean(metadata), true))));
                let least = || self.encode(start, end(Some(facts(&least(metadata), true))));
                whole.or_else(less).or_else(least).unwrap_or_default()
            }
        }
    }

    fn encode(&self, start: u64, end: Option<End>) -> Option<Vec<u8>> {
        let label = Label { start, end, ..self.label.clone() };
        serde_json::to_vec(&label).ok().filter(|label| label.len() <= CHUNK_LABEL_BYTES_MAX)
    }
}

fn label(bucket: &Bucket, key: &ObjectKey) -> Label {
    Label {
        bucket: bucket.name.as_str().to_owned(),
        owner: bucket.owner.0.clone(),
        versioned: bucket.is_versioned,
        key: key.as_str().to_owned(),
        body: rand::random(),
        start: 0,
        part: None,
        completed: None,
        end: None,
    }
}

/// Without tags and ACL.
fn lean(metadata: &ObjectMetadata) -> ObjectMetadata {
    let VersionAttributes { owner, retention, legal_hold, encryption, tags: _, acl: _ } = metadata.attributes.clone();
    let attributes = VersionAttributes { owner, retention, legal_hold, encryption, ..VersionAttributes::default() };
    ObjectMetadata { attributes, ..metadata.clone() }
}

/// Without user metadata, too. What opens a sealed body and what locks it always stays.
fn least(metadata: &ObjectMetadata) -> ObjectMetadata {
    ObjectMetadata { user: UserMetadata::default(), ..lean(metadata) }
}

impl ObjectFacts {
    /// Those of an object.
    pub(crate) fn new(
        size: u64,
        etag: ETag,
        sha256: Option<[u8; 32]>,
        checksum: Option<&ObjectChecksum>,
        metadata: &ObjectMetadata,
    ) -> Self {
        let checksum = checksum.map(|checksum| ChecksumFacts {
            composite: checksum.kind == ChecksumType::Composite,
            parts: checksum.parts,
            ..ChecksumFacts::of_part(&checksum.value)
        });
        Self {
            size,
            md5: etag.md5,
            parts: etag.parts,
            sha256: sha256.map(hex::encode),
            checksum,
            class: metadata.storage_class.name().to_owned(),
            metadata: STANDARD_NO_PAD.encode(write_metadata(metadata)),
            cut: false,
        }
    }

    /// Those of an object with as much of its metadata as finds room beside a long key.
    pub(crate) fn fitting(
        size: u64,
        etag: ETag,
        checksum: Option<&ObjectChecksum>,
        metadata: &ObjectMetadata,
        room: usize,
    ) -> Self {
        let whole = Self::new(size, etag, None, checksum, metadata);
        if whole.metadata.len() <= room {
            return whole;
        }
        let lean = Self { cut: true, ..Self::new(size, etag, None, checksum, &lean(metadata)) };
        if lean.metadata.len() <= room {
            return lean;
        }
        Self { cut: true, ..Self::new(size, etag, None, checksum, &least(metadata)) }
    }

    /// Its ETag.
    pub fn etag(&self) -> ETag {
        ETag { md5: self.md5, parts: self.parts }
    }

    /// Its SHA-256.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(self.sha256.as_ref()?, &mut bytes).ok()?;
        Some(bytes)
    }

    /// Its checksum.
    pub fn checksum(&self) -> Option<ObjectChecksum> {
        let checksum = self.checksum.as_ref()?;
        let kind = if checksum.composite { ChecksumType::Composite } else { ChecksumType::FullObject };
        Some(ObjectChecksum { value: checksum.value()?, kind, parts: checksum.parts })
    }

    /// Its metadata; `None` if they do not read.
    pub fn metadata(&self) -> Option<ObjectMetadata> {
        let class = StorageClass::from_name(&self.class)?;
        read_metadata(&STANDARD_NO_PAD.decode(&self.metadata).ok()?, class)
    }
}

/// An appendix of a label and of what opens the chunk, either of which may be empty.
pub(crate) fn join(label: &[u8], sealed: &[u8]) -> Vec<u8> {
    if label.is_empty() && sealed.is_empty() {
        return Vec::new();
    }
    let length = u16::try_from(label.len()).expect("a label has at most CHUNK_LABEL_BYTES_MAX bytes");
    [&length.to_le_bytes(), label, sealed].concat()
}

/// The label and what opens the chunk; `None` if it is no appendix of ours.
pub(crate) fn split(appendix: &[u8]) -> Option<(&[u8], &[u8])> {
    if appendix.is_empty() {
        return Some((&[], &[]));
    }
    let (length, rest) = appendix.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// The label in an appendix; `None` if there is none that reads.
pub fn read_label(appendix: &[u8]) -> Option<Label> {
    let (label, _) = split(appendix)?;
    serde_json::from_slice(label).ok()
}

#[cfg(test)]
mod tests {
    use super::{BodyLabel, End, ObjectFacts, PartOf, join, read_label, split};
    use crate::cipher::DataKey;
    use crate::digest::Tee;
    use crate::limits::{CHUNK_LABEL_BYTES_MAX, KEY_BYTES_MAX};
    use crate::types::{
        Bucket, BucketId, BucketName, ChecksumAlgorithm, ChecksumType, ChecksumValue, ContentHeaders, ETag,
        ObjectChecksum, ObjectKey, ObjectMetadata, OwnerId, Retention, RetentionMode, StorageClass, Tags, Timestamp,
        UploadId, UserMetadata, VersionAttributes,
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_123_456);

    fn bucket() -> Bucket {
        Bucket {
            id: BucketId(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: OwnerId("o".repeat(64)),
            created: NOW,
            location: String::new(),
            generation: 0,
            is_versioned: true,
        }
    }

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    fn metadata(user: usize, tags: usize) -> ObjectMetadata {
        let retention = Some(Retention { mode: RetentionMode::Compliance, until: NOW });
        ObjectMetadata {
            content: ContentHeaders { content_type: Some("text/plain".to_owned()), ..ContentHeaders::default() },
            user: UserMetadata(vec![("name".to_owned(), "u".repeat(user))]),
            storage_class: StorageClass::StandardIa,
            attributes: VersionAttributes {
                tags: Tags(vec![("tag".to_owned(), "t".repeat(tags))]),
                retention,
                encryption: Some(vec![7; 200]),
                ..VersionAttributes::default()
            },
        }
    }

    fn digests() -> crate::digest::Digests {
        let mut tee = Tee::new(ChecksumAlgorithm::Crc32c);
        tee.update(b"body");
        tee.finish()
    }

    #[test]
    fn the_last_chunk_says_all_of_an_object_and_the_others_whose_they_are() {
        let body = BodyLabel::object((&bucket(), &key("a/ü\n")), &metadata(10, 10), None, NOW);
        let first = read_label(&join(&body.chunk(0, None), b"sealed")).unwrap();
        let last = read_label(&join(&body.chunk(4, Some(&digests())), &[])).unwrap();
        assert_eq!((first.bucket.as_str(), first.key.as_str(), first.start), ("bucket", "a/ü\n", 0));
        assert_eq!((first.body, first.end.clone(), last.start), (last.body, None, 4));
        assert!(first.versioned);
        let Some(End { bytes: 4, object: Some(object), .. }) = last.end else { panic!("{:?}", last.end) };
        assert_eq!(object.etag(), ETag::single(digests().md5));
        assert_eq!(object.sha256(), Some(digests().sha256));
        assert_eq!(object.checksum(), Some(ObjectChecksum::full(digests().checksum)));
        assert_eq!(object.metadata(), Some(metadata(10, 10)));
        assert!(!object.cut);
        let other = BodyLabel::object((&bucket(), &key("a/ü\n")), &metadata(10, 10), None, NOW);
        assert_ne!(read_label(&join(&other.chunk(0, None), &[])).unwrap().body, first.body);
    }

    #[test]
    fn what_finds_no_room_is_left_out_in_order_and_what_opens_the_body_never() {
        for (user, tags, keeps_user, keeps_tags) in
            [(10, 10, true, true), (10, 6000, true, false), (6000, 6000, false, false)]
        {
            let body =
                BodyLabel::object((&bucket(), &key(&"k".repeat(KEY_BYTES_MAX))), &metadata(user, tags), None, NOW);
            let label = body.chunk(0, Some(&digests()));
            assert!(!label.is_empty() && label.len() <= CHUNK_LABEL_BYTES_MAX);
            let object = read_label(&join(&label, &[])).unwrap().end.unwrap().object.unwrap();
            let (kept, given) = (object.metadata().unwrap(), metadata(user, tags));
            assert_eq!(kept.user == given.user, keeps_user);
            assert_eq!(kept.attributes.tags == given.attributes.tags, keeps_tags);
            assert_eq!(kept.attributes.encryption, given.attributes.encryption);
            assert_eq!(kept.attributes.retention, given.attributes.retention);
            assert_eq!(object.cut, !keeps_tags);
        }
    }

    #[test]
    fn an_etag_that_must_not_tell_the_md5_does_not() {
        let data = DataKey::generate().unwrap();
        let body = BodyLabel::object((&bucket(), &key("k")), &metadata(1, 1), Some(data.clone()), NOW);
        let text = String::from_utf8(body.chunk(0, Some(&digests()))).unwrap();
        assert!(!text.contains(&hex::encode(digests().md5)) && !text.contains(&hex::encode(digests().sha256)));
        let object = read_label(&join(text.as_bytes(), &[])).unwrap().end.unwrap().object.unwrap();
        assert_eq!(object.md5, data.identity(&digests().sha256));
    }

    #[test]
    fn parts_and_records_name_their_upload() {
        let upload = UploadId::new(7, 9);
        let part = BodyLabel::part((&bucket(), &key("k")), upload, 3, NOW);
        let label = read_label(&join(&part.chunk(0, Some(&digests())), &[])).unwrap();
        assert_eq!(label.part, Some(PartOf { upload: upload.to_string(), number: 3 }));
        assert_eq!(label.end, Some(End { bytes: 4, at: NOW.0, object: None }));
        let value = ChecksumValue::new(ChecksumAlgorithm::Crc32, vec![1; 4]).unwrap();
        let checksum = ObjectChecksum { value, kind: ChecksumType::Composite, parts: Some(2) };
        let etag = ETag { md5: [5; 16], parts: Some(2) };
        for (room, cut) in [(9000, false), (400, true)] {
            let facts = ObjectFacts::fitting(99, etag, Some(&checksum), &metadata(1000, 1000), room);
            let record = BodyLabel::record((&bucket(), &key("k")), upload, facts.clone(), NOW);
            let label = read_label(&join(&record.chunk(0, Some(&digests())), &[])).unwrap();
            assert_eq!(label.completed, Some(upload.to_string()));
            let object = label.end.unwrap().object.unwrap();
            assert_eq!((object.etag(), object.checksum(), object.cut), (etag, Some(checksum.clone()), cut));
            assert!(part.needs_chunk() && record.needs_chunk());
        }
    }

    #[test]
    fn what_is_no_appendix_is_none() {
        assert_eq!(split(&[]), Some((&[][..], &[][..])));
        assert_eq!(split(&join(b"label", b"sealed")), Some((&b"label"[..], &b"sealed"[..])));
        assert_eq!(split(&join(b"", b"sealed")), Some((&b""[..], &b"sealed"[..])));
        assert_eq!(split(&[1]), None);
        assert_eq!(split(&[9, 0, b'x']), None);
        assert_eq!(read_label(b"\x02\0{}"), None);
    }
}
