//! Sealed bodies through the engine: every way of encryption, ranges, parts, copies between all of them, and what
//! happens to them when somebody tampers with the stores.

use crate::cipher::{CipherError, CustomerKey, Envelope, Holder, Protection};
use crate::engine::tests::objects::copy_request;
use crate::engine::tests::{House, Pieces, bytes, md5, name, read};
use crate::engine::{
    ClaimedPart, CompletionClaim, CopySource, CreateUpload, EngineError, Expected, FixedEncryption, OpenObject,
    PartCopy, RewrapPass, UploadPart, Written,
};
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_MAX, INLINE_BYTES_MAX, PART_BYTES_MIN, REWRAP_STEP};
use crate::meta::{CommitPut, NewBody, NewExtent};
use crate::rules::{ReadPrecondition, Undelete, WritePrecondition};
use crate::types::{
    ByteRange, ChecksumAlgorithm, DocumentKind, ETag, ObjectMetadata, OwnerId, ResolvedRange, UploadId,
    VersionAttributes,
};

const CUSTOMER: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
const OTHER_CUSTOMER: &str = "6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=";

fn customer() -> CustomerKey {
    CustomerKey::parse(CUSTOMER).unwrap()
}

fn kms(key: &str) -> Holder {
    Holder::Kms { key: Some(key.to_owned()), bucket_key: false, context: None }
}

/// Every way to keep a body; `None` is plain.
fn ways() -> [Option<Holder>; 5] {
    let other = CustomerKey::parse(OTHER_CUSTOMER).unwrap();
    [None, Some(Holder::Gateway), Some(kms("other")), Some(Holder::Customer(customer())), Some(Holder::Customer(other))]
}

fn customer_of(way: &Option<Holder>) -> Option<CustomerKey> {
    match way {
        Some(Holder::Customer(key)) => Some(key.clone()),
        Some(Holder::Gateway | Holder::Kms { .. }) | None => None,
    }
}

impl House {
    fn attributes(&self, way: &Option<Holder>) -> VersionAttributes {
        let encryption = way.as_ref().map(|holder| self.engine.new_envelope(holder).unwrap());
        VersionAttributes { encryption, ..VersionAttributes::default() }
    }

    async fn put_sealed(&self, key: &str, way: &Option<Holder>, body: &[u8]) -> Written {
        let mut request = self.put_request(key, Expected::default());
        request.metadata.attributes = self.attributes(way);
        request.customer_key = customer_of(way);
        self.engine.put_object(request, &mut Pieces::of(body)).await.unwrap()
    }

    async fn open_with(&self, key: &str, way: &Option<Holder>) -> OpenObject {
        let mut open = self.open(key).await.unwrap();
        open.unlock(customer_of(way).as_ref()).unwrap();
        open
    }

    async fn create_sealed_upload(&self, way: &Option<Holder>) -> UploadId {
        let request = CreateUpload {
            bucket: self.bucket.clone(),
            key: name("big"),
            initiator: OwnerId("o".repeat(64)),
            metadata: ObjectMetadata { attributes: self.attributes(way), ..ObjectMetadata::default() },
            checksum: None,
        };
        self.engine.create_upload(request).await.unwrap().upload
    }

    async fn complete(&self, upload: UploadId, parts: &[(u16, ETag)]) -> Written {
        let mut completion = self.engine.begin_completion(&self.bucket, &name("big"), upload).await.unwrap();
        for &(number, etag) in parts {
            completion.push(ClaimedPart { number, etag, checksum: None }).await.unwrap();
        }
        completion.finish(CompletionClaim::default()).await.unwrap()
    }

    /// Whether no stored byte of the chunks is that of `plain` at the same place.
    fn stores_nothing_of(&self, plain: &[u8]) -> bool {
        let mut stored = Vec::new();
        for id in self.chunks.sealed() {
            stored.extend(self.chunks.image(id).unwrap());
        }
        let known: Vec<&[u8]> = plain.chunks_exact(4096).map(|piece| &piece[..32]).collect();
        known.iter().all(|known| !stored.windows(known.len()).step_by(32).any(|window| window == *known))
    }
}

#[tokio::test]
async fn a_body_sealed_in_any_way_reads_back_whole_and_in_ranges() {
    let house = House::new().await;
    for way in ways() {
        for length in [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 3 * BLOCK_BYTES + 7] {
            let body = bytes(length, length as u64);
            house.put_sealed("k", &way, &body).await;
            assert!(read(house.open_with("k", &way).await, None).await.unwrap() == body, "{way:?}, {length}");
            for (start, end) in
                [(0, 1), (length / 2, length), (BLOCK_BYTES - 1, BLOCK_BYTES + 1), (length.saturating_sub(1), length)]
            {
                if start < end && end <= length {
                    let range = ResolvedRange { start: start as u64, length: (end - start) as u64 };
                    let piece = read(house.open_with("k", &way).await, Some(range)).await.unwrap();
                    assert!(piece == body[start..end], "{way:?}, {start}..{end} of {length}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_range_over_the_end_of_a_chunk_opens_in_both() {
    let house = House::new().await;
    let way = Some(Holder::Gateway);
    let body = bytes(CHUNK_BYTES_MAX as usize + 100, 1);
    house.put_sealed("k", &way, &body).await;
    let range = ResolvedRange { start: CHUNK_BYTES_MAX - 50, length: 150 };
    let piece = read(house.open_with("k", &way).await, Some(range)).await.unwrap();
    assert!(piece == body[body.len() - 150..]);
    assert!(house.stores_nothing_of(&body[..BLOCK_BYTES]));
}

#[tokio::test]
async fn the_etag_is_the_md5_for_sse_s3_only_and_checksums_are_of_the_plaintext() {
    let house = House::new().await;
    let body = bytes(100_000, 1);
    for way in ways() {
        let written = house.put_sealed("k", &way, &body).await;
        let shows = matches!(way, None | Some(Holder::Gateway));
        assert_eq!(written.etag == ETag::single(md5(&body)), shows, "{way:?}");
        let expected = super::hash(ChecksumAlgorithm::Crc64Nvme, &body);
        assert_eq!(written.checksum.unwrap().value, expected);
        let open = house.open("k").await.unwrap();
        assert_eq!(open.version().sha256.is_some(), shows, "no hash without a key betrays the plaintext");
    }
}

#[tokio::test]
async fn a_customers_body_opens_with_the_customers_key_only() {
    let house = House::new().await;
    let way = Some(Holder::Customer(customer()));
    for length in [100, 100_000] {
        house.put_sealed("k", &way, &bytes(length, 1)).await;
        let mut open = house.open("k").await.unwrap();
        assert_eq!(open.unlock(None), Err(CipherError::KeyNeeded));
        let wrong = CustomerKey::parse(OTHER_CUSTOMER).unwrap();
        assert_eq!(open.unlock(Some(&wrong)), Err(CipherError::WrongKey));
        let shut = read(open, None).await;
        assert!(matches!(shut, Err(EngineError::Cipher(CipherError::KeyNeeded))), "a shut body yields nothing");
    }
    for way in [None, Some(Holder::Gateway), Some(kms("main"))] {
        house.put_sealed("k", &way, b"x").await;
        let refused = house.open("k").await.unwrap().unlock(Some(&customer()));
        assert_eq!(refused, Err(CipherError::KeyNotApplicable));
    }
}

#[tokio::test]
async fn copies_between_all_ways_read_back_and_share_chunks_where_they_can() {
    let house = House::new().await;
    for length in [100, 2 * BLOCK_BYTES] {
        let body = bytes(length, 9);
        for from in ways() {
            for to in ways() {
                let source = house.put_sealed("source", &from, &body).await;
                let chunks = house.chunks.sealed().len();
                let mut request = copy_request(&house, "source", "target");
                request.source.customer_key = customer_of(&from);
                request.attributes = house.attributes(&to);
                request.customer_key = customer_of(&to);
                let (written, _) = house.engine.copy_object(request).await.unwrap();
                assert!(read(house.open_with("target", &to).await, None).await.unwrap() == body, "{from:?} to {to:?}");
                let hides = |way: &Option<Holder>| !matches!(way, None | Some(Holder::Gateway));
                assert_eq!(written.etag == ETag::single(md5(&body)), !hides(&to), "{from:?} to {to:?}");
                let shares = from.is_some() == to.is_some() && hides(&from) == hides(&to);
                assert_eq!(written.etag == source.etag, !hides(&to) && !hides(&from) || shares, "{from:?} to {to:?}");
                let new = house.chunks.sealed().len() - chunks;
                assert_eq!(new, usize::from(!shares && length > INLINE_BYTES_MAX), "{from:?} to {to:?}");
                house.delete("source", None).await;
                house.collect().await;
                assert!(read(house.open_with("target", &to).await, None).await.unwrap() == body, "without its source");
            }
        }
    }
}

#[tokio::test]
async fn a_copy_of_a_customers_body_needs_its_key() {
    let house = House::new().await;
    house.put_sealed("source", &Some(Holder::Customer(customer())), b"secret").await;
    let refused = house.engine.copy_object(copy_request(&house, "source", "target")).await;
    assert!(matches!(refused, Err(EngineError::Cipher(CipherError::KeyNeeded))));
}

#[tokio::test]
async fn parts_of_any_length_make_an_object_in_every_way() {
    let house = House::new().await;
    for way in ways() {
        let upload = house.create_sealed_upload(&way).await;
        let bodies = [bytes(PART_BYTES_MIN as usize, 1), bytes(PART_BYTES_MIN as usize + 77, 2), bytes(100, 3)];
        let mut parts = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            let request = UploadPart {
                bucket: house.bucket.clone(),
                key: name("big"),
                upload,
                number: number * 5,
                customer_key: customer_of(&way),
                expected: Expected::default(),
            };
            let part = house.engine.upload_part(request, &mut Pieces::of(body)).await.unwrap();
            assert_eq!(part.etag == ETag::single(md5(body)), matches!(way, None | Some(Holder::Gateway)), "{way:?}");
            parts.push((number * 5, part.etag));
        }
        house.complete(upload, &parts).await;
        let whole = bodies.concat();
        assert!(read(house.open_with("big", &way).await, None).await.unwrap() == whole, "{way:?}");
        let range = ResolvedRange { start: PART_BYTES_MIN - 5, length: whole.len() as u64 - PART_BYTES_MIN + 5 };
        let piece = read(house.open_with("big", &way).await, Some(range)).await.unwrap();
        assert!(piece == whole[range.start as usize..], "{way:?}");
    }
}

#[tokio::test]
async fn a_part_needs_the_key_of_its_upload() {
    let house = House::new().await;
    let part = async |way: &Option<Holder>, key: Option<CustomerKey>| {
        let upload = house.create_sealed_upload(way).await;
        let (bucket, key_name) = (house.bucket.clone(), name("big"));
        let expected = Expected::default();
        let request = UploadPart { bucket, key: key_name, upload, number: 1, customer_key: key, expected };
        match house.engine.upload_part(request, &mut Pieces::of(b"x")).await {
            Err(EngineError::UploadKey(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let sealed = Some(Holder::Customer(customer()));
    assert_eq!(part(&sealed, None).await, CipherError::KeyNeeded);
    assert_eq!(part(&sealed, CustomerKey::parse(OTHER_CUSTOMER)).await, CipherError::WrongKey);
    assert_eq!(part(&None, Some(customer())).await, CipherError::KeyNotApplicable);
}

#[tokio::test]
async fn parts_are_copied_between_all_ways() {
    let house = House::new().await;
    let body = bytes(2 * BLOCK_BYTES, 4);
    for from in ways() {
        house.put_sealed("source", &from, &body).await;
        for to in ways() {
            let upload = house.create_sealed_upload(&to).await;
            let source = CopySource {
                bucket: house.bucket.clone(),
                key: name("source"),
                version: None,
                judged: None,
                precondition: ReadPrecondition::default(),
                customer_key: customer_of(&from),
            };
            let copy = PartCopy {
                source,
                range: Some(ByteRange::FromTo(100, 2 * BLOCK_BYTES as u64 - 101)),
                bucket: house.bucket.clone(),
                key: name("big"),
                upload,
                number: 2,
                customer_key: customer_of(&to),
            };
            let part = house.engine.upload_part_copy(copy).await.unwrap();
            house.complete(upload, &[(2, part.etag)]).await;
            let copied = read(house.open_with("big", &to).await, None).await.unwrap();
            assert!(copied == body[100..body.len() - 100], "{from:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn an_update_wraps_the_key_anew_and_leaves_the_body_and_its_etag() {
    let house = House::new().await;
    for length in [100, 100_000] {
        let body = bytes(length, 1);
        let before = house.put_sealed("k", &Some(Holder::Gateway), &body).await;
        let update = async |holder| {
            let open = house.open("k").await.unwrap();
            house.engine.update_encryption(&house.bucket, name("k"), &open, &holder).await
        };
        update(kms("other")).await.unwrap();
        let open = house.open("k").await.unwrap();
        let told = Protection::Kms { key: "other".into(), bucket_key: false, context: None };
        assert_eq!(open.lock().envelope().map(Envelope::protection), Some(&told));
        assert_eq!((open.version().etag, open.version().modified), (before.etag, before.modified));
        assert!(read(open, None).await.unwrap() == body);
        let unknown = update(kms("absent")).await;
        assert!(matches!(unknown, Err(EngineError::Cipher(CipherError::UnknownKey(_)))));
        for (way, why) in
            [(None, FixedEncryption::Plain), (Some(Holder::Customer(customer())), FixedEncryption::Customer)]
        {
            house.put_sealed("k", &way, &body).await;
            match update(kms("other")).await {
                Err(EngineError::FixedEncryption(told)) => assert_eq!(told, why),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_envelope_never_moves_to_a_body_that_was_written_meanwhile() {
    let house = House::new().await;
    house.put_sealed("k", &Some(Holder::Gateway), b"first").await;
    let stale = house.open("k").await.unwrap().version().metadata.attributes.encryption.clone().unwrap();
    house.put_sealed("k", &Some(Holder::Gateway), b"second").await;
    let change = crate::types::AttributeChange::Envelope { from: stale.clone(), to: stale };
    let change = crate::meta::ChangeAttributes {
        bucket: house.bucket.id,
        key: name("k"),
        version: None,
        change,
        lock_time: super::NOW,
    };
    house.meta.change_attributes(change).await.unwrap();
    assert_eq!(house.get("k").await.unwrap(), b"second");
}

#[tokio::test]
async fn after_a_rotation_all_keys_of_the_gateway_are_wrapped_anew() {
    let house = House::new().await;
    let ways = ways();
    for (number, way) in ways.iter().enumerate() {
        house.put_sealed(&format!("k{number}"), way, &bytes(100_000, number as u64)).await;
    }
    house.create_sealed_upload(&Some(Holder::Gateway)).await;
    let window = Undelete { days: 1 }.to_document().into();
    house.meta.set_document(house.bucket.id, DocumentKind::Undelete, Some(window)).await.unwrap();
    house.put_sealed("deleted", &Some(Holder::Gateway), b"restorable").await;
    house.delete("deleted", None).await;
    let before = house.engine.rewrap().await.unwrap();
    assert_eq!(before.rewrapped, 0, "nothing to do before the rotation");
    assert_eq!(before.needed, [("other".to_owned(), 1)].into(), "named by an SSE-KMS object");
    let text = super::keys().to_text();
    let rotated = crate::cipher::KeyRing::parse(&format!("active = other\n{}", text.replace("active = main\n", "")));
    let engine = crate::engine::Engine::new(
        house.meta.clone(),
        std::sync::Arc::new(house.chunks.clone()),
        crate::buffer::BlockPool::new(4),
        house.clock.clone(),
    );
    let engine = engine.with_keys(std::sync::Arc::new(rotated.unwrap()));
    let done = engine.rewrap().await.unwrap();
    assert_eq!((done.versions, done.rewrapped), (5, 1));
    assert_eq!(done.needed, [("main".to_owned(), 2)].into(), "an open upload and what can be restored keep theirs");
    assert_eq!(engine.rewrap().await.unwrap().rewrapped, 0);
    for (number, way) in ways.iter().enumerate() {
        let open = house.open_with(&format!("k{number}"), way).await;
        if matches!(way, Some(Holder::Gateway)) {
            let told = Protection::Gateway { key: "other".into() };
            assert_eq!(open.lock().envelope().map(Envelope::protection), Some(&told));
        }
        assert!(read(open, None).await.unwrap() == bytes(100_000, number as u64));
    }
}

#[tokio::test]
async fn a_pass_goes_on_page_by_page_and_past_what_is_gone_by_then() {
    let house = House::new().await;
    let pages = [1, 2].map(|page| ((page - 1) * REWRAP_STEP..page * REWRAP_STEP).map(|number| format!("k{number:04}")));
    for key in pages.iter().flat_map(Clone::clone) {
        house.put_sealed(&key, &Some(Holder::Gateway), b"x").await;
    }
    let before = house.engine.keys();
    let mut next = (*before).clone();
    let active = next.rotate().unwrap().to_owned();
    house.engine.keys.replace(next);
    let mut pass = RewrapPass::default();
    while pass.found.versions == 0 {
        pass = house.engine.rewrap_step(pass).await.unwrap();
    }
    assert_eq!((pass.found.versions, pass.found.rewrapped), (u64::from(REWRAP_STEP), u64::from(REWRAP_STEP)));
    let [first, second] = pages;
    let told = Protection::Gateway { key: active };
    for (key, is_new) in [("k0000", true), ("k0256", false)] {
        let open = house.open(key).await.unwrap();
        assert_eq!(open.lock().envelope().map(|envelope| *envelope.protection() == told), Some(is_new), "{key}");
    }
    for key in first.chain(second) {
        house.delete(&key, None).await;
    }
    house.engine.delete_bucket(&house.bucket).await.unwrap();
    while !pass.is_over() {
        pass = house.engine.rewrap_step(pass).await.unwrap();
    }
    assert_eq!(pass.found.versions, u64::from(REWRAP_STEP));
    assert!(pass.found.needed.is_empty() && pass.found.damaged == 0, "{:?}", pass.found);
}

#[tokio::test]
async fn a_pass_counts_keys_that_are_missing_and_goes_on() {
    let house = House::new().await;
    house.put_sealed("a", &Some(Holder::Gateway), b"x").await;
    house.put_sealed("b", &Some(kms("main")), b"x").await;
    house.engine.keys.replace(crate::cipher::KeyRing::generate().unwrap());
    house.put_sealed("c", &Some(Holder::Gateway), b"x").await;
    let found = house.engine.rewrap().await.unwrap();
    assert_eq!((found.versions, found.rewrapped, found.damaged), (3, 0, 0));
    assert_eq!(found.needed, [("main".to_owned(), 2)].into());
}

#[tokio::test]
async fn chunks_in_another_order_number_or_object_do_not_open() {
    let house = House::new().await;
    let way = Some(Holder::Gateway);
    let body = bytes(2 * CHUNK_BYTES_MAX as usize, 1);
    house.put_sealed("k", &way, &body).await;
    let [first, second] = house.chunks.sealed()[..] else { panic!("two chunks") };
    let version = house.open("k").await.unwrap().version().clone();
    let other = house.attributes(&way);
    // What somebody could do who can write the database, and has no key.
    let forge = async |chunks: &[crate::types::ChunkId], attributes: &VersionAttributes| {
        let piece = |&id| NewExtent::Shared { id, chunk_offset: 0, length: CHUNK_BYTES_MAX };
        let put = CommitPut {
            bucket: house.bucket.id,
            key: name("forged"),
            precondition: WritePrecondition::default(),
            size: chunks.len() as u64 * CHUNK_BYTES_MAX,
            etag: version.etag,
            sha256: None,
            checksum: None,
            metadata: ObjectMetadata { attributes: attributes.clone(), ..ObjectMetadata::default() },
            body: NewBody::Extents(chunks.iter().map(piece).collect()),
            now: super::NOW,
        };
        house.meta.commit_put(put).await.unwrap();
        read(house.open_with("forged", &way).await, None).await
    };
    let own = &version.metadata.attributes;
    assert!(forge(&[first, second], own).await.unwrap() == body, "a true copy opens");
    for wrong in [&[second, first][..], &[first], &[second], &[first, first], &[first, second, second]] {
        let refused = forge(wrong, own).await;
        assert!(matches!(refused, Err(EngineError::Cipher(CipherError::Damaged(_)))), "{wrong:?}");
    }
    let stolen = forge(&[first, second], &other).await;
    assert!(matches!(stolen, Err(EngineError::Cipher(CipherError::Damaged(_)))), "the chunks of another object");
    let plain = VersionAttributes::default();
    let bare = forge(&[first, second], &plain).await;
    assert!(matches!(bare, Err(EngineError::Cipher(CipherError::Damaged(_)))), "sealed bytes never go out as plain");
}

/// The chunks of parts lie anywhere in their body, so that only their whole length tells where the next one belongs.
#[tokio::test]
async fn no_byte_of_a_sealed_chunk_can_be_left_out() {
    let house = House::new().await;
    let way = Some(Holder::Gateway);
    let upload = house.create_sealed_upload(&way).await;
    let mut parts = Vec::new();
    for number in [1, 2] {
        let (bucket, expected) = (house.bucket.clone(), Expected::default());
        let request = UploadPart { bucket, key: name("big"), upload, number, customer_key: None, expected };
        let body = bytes(PART_BYTES_MIN as usize, u64::from(number));
        parts.push((number, house.engine.upload_part(request, &mut Pieces::of(&body)).await.unwrap().etag));
    }
    house.complete(upload, &parts).await;
    let version = house.open("big").await.unwrap().version().clone();
    let [first, second, _record] = house.chunks.sealed()[..] else { panic!("two chunks and the record") };
    let forge = async |pieces: [(crate::types::ChunkId, u64, u64); 2]| {
        let extents = pieces.map(|(id, chunk_offset, length)| NewExtent::Shared { id, chunk_offset, length });
        let put = CommitPut {
            bucket: house.bucket.id,
            key: name("forged"),
            precondition: WritePrecondition::default(),
            size: pieces.iter().map(|(_, _, length)| length).sum(),
            etag: version.etag,
            sha256: None,
            checksum: None,
            metadata: version.metadata.clone(),
            body: NewBody::Extents(extents.to_vec()),
            now: super::NOW,
        };
        house.meta.commit_put(put).await.unwrap();
        read(house.open("forged").await.unwrap(), None).await
    };
    let whole = PART_BYTES_MIN;
    let piece = forge([(first, 0, whole), (second, 0, whole)]).await.unwrap();
    assert!(piece.len() as u64 == 2 * whole, "a true copy opens");
    for (first_cut, second_cut) in
        [((0, whole - 1), (0, whole)), ((0, whole), (1, whole - 1)), ((1, whole - 1), (0, 5))]
    {
        let refused = forge([(first, first_cut.0, first_cut.1), (second, second_cut.0, second_cut.1)]).await;
        let damaged = matches!(refused, Err(EngineError::Cipher(CipherError::Damaged(_))));
        assert!(damaged, "{first_cut:?}, {second_cut:?}");
    }
}
