//! Server-side encryption: SSE-S3, SSE-KMS, SSE-C, defaults of buckets, copies between them, keys and their rotation.

use super::support::client::{Answer, Call};
use super::support::{Client, Server, md5_hex, noise};

const MIB: usize = 1 << 20;
const SSE: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const CUSTOMER: &str = "x-amz-server-side-encryption-customer";
const SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer";

const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
const KEY_MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";
const OTHER_KEY: &str = "6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=";
const OTHER_KEY_MD5: &str = "arxBvwY2V4SiOne6yppVPQ==";
const RING: &str = "first = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
                    second = BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

fn with_key(call: Call, prefix: &str, key: &str, md5: &str) -> Call {
    call.header(&format!("{prefix}-algorithm"), "AES256")
        .header(&format!("{prefix}-key"), key)
        .header(&format!("{prefix}-key-MD5"), md5)
}

/// A way to keep an object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    S3,
    Kms,
    Customer,
    OtherCustomer,
}

impl Way {
    const ALL: [Self; 5] = [Self::Plain, Self::S3, Self::Kms, Self::Customer, Self::OtherCustomer];

    /// Asks for it.
    fn write(self, call: Call) -> Call {
        match self {
            Self::Plain => call,
            Self::S3 => call.header(SSE, "AES256"),
            Self::Kms => call.header(SSE, "aws:kms").header(KMS_KEY, "second"),
            Self::Customer | Self::OtherCustomer => self.read(call),
        }
    }

    /// What a read has to carry.
    fn read(self, call: Call) -> Call {
        self.keyed(call, CUSTOMER)
    }

    fn keyed(self, call: Call, prefix: &str) -> Call {
        match self {
            Self::Plain | Self::S3 | Self::Kms => call,
            Self::Customer => with_key(call, prefix, KEY, KEY_MD5),
            Self::OtherCustomer => with_key(call, prefix, OTHER_KEY, OTHER_KEY_MD5),
        }
    }

    #[track_caller]
    fn is_told(self, answer: &Answer) {
        let told = |name: &str| answer.header(name);
        let sse = match self {
            Self::S3 => Some("AES256"),
            Self::Kms => Some("aws:kms"),
            Self::Plain | Self::Customer | Self::OtherCustomer => None,
        };
        assert_eq!(told(SSE), sse, "{self:?}");
        assert_eq!(told(KMS_KEY), (self == Self::Kms).then_some("second"), "{self:?}");
        let md5 = match self {
            Self::Customer => Some(KEY_MD5),
            Self::OtherCustomer => Some(OTHER_KEY_MD5),
            Self::Plain | Self::S3 | Self::Kms => None,
        };
        assert_eq!(told(&format!("{CUSTOMER}-key-md5")), md5, "{self:?}");
        assert_eq!(told(&format!("{CUSTOMER}-algorithm")), md5.map(|_| "AES256"), "{self:?}");
        assert_eq!(told(&format!("{CUSTOMER}-key")), None, "a key is never told");
    }

    fn shows_md5(self) -> bool {
        matches!(self, Self::Plain | Self::S3)
    }
}

/// A server with a ring of two keys, and a bucket.
fn start() -> (Server, Client, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let ring = directory.path().join("ring.txt");
    std::fs::write(&ring, RING).unwrap();
    let server = Server::start_with(&["--encryption-keys", ring.to_str().unwrap()]);
    let client = server.client();
    client.bucket("vault");
    (server, client, directory)
}

fn get(client: &Client, way: Way, target: &str) -> Answer {
    way.read(client.call("GET", target)).send()
}

/// Every byte that is stored, in files and database.
fn stored(server: &Server) -> Vec<u8> {
    let mut pending = vec![server.data().to_path_buf()];
    let mut bytes = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            // A running server has a socket there, too, which stores nothing.
            bytes.extend(std::fs::read(&path).unwrap());
        }
    }
    bytes
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window[0] == needle[0] && window == needle)
}

#[test]
fn objects_of_every_way_read_back_and_tell_how_they_are_kept() {
    let (mut server, client, _ring) = start();
    for way in Way::ALL {
        for size in [0, 5, 16 << 10, 300_000, 17 * MIB] {
            let body = noise(size as u64, size);
            let put = way.write(client.call("PUT", "/vault/k")).body(body.clone()).send().expect(200);
            way.is_told(&put);
            assert_eq!(put.etag() == md5_hex(&body), way.shows_md5(), "{way:?}, {size}");
            let got = get(&client, way, "/vault/k").expect(200);
            way.is_told(&got);
            assert!(got.body == body, "{way:?}, {size}");
            assert_eq!(got.etag(), put.etag());
            let head = way.read(client.call("HEAD", "/vault/k")).send().expect(200);
            way.is_told(&head);
            assert_eq!(head.header("content-length"), Some(size.to_string().as_str()));
        }
        // Over the ends of spans and chunks.
        let body = noise(17 << 20, 17 * MIB);
        for (first, last) in [(0, 0), (262_143, 262_144), (16 * MIB - 1, 16 * MIB), (100, 17 * MIB - 1)] {
            let range = way.read(client.call("GET", "/vault/k")).header("range", format!("bytes={first}-{last}"));
            assert!(range.send().expect(206).body == body[first..=last], "{way:?}, {first}-{last}");
        }
    }
    server.stop_and_check();
}

#[test]
fn nothing_of_the_plaintext_and_of_customers_keys_is_stored_or_logged() {
    let (mut server, client, _ring) = start();
    let (small, large) = (b"a secret that is short enough for the database".to_vec(), noise(1, 3 * MIB));
    for way in Way::ALL.into_iter().filter(|way| *way != Way::Plain) {
        for (name, body) in [("small", &small), ("large", &large)] {
            way.write(client.call("PUT", &format!("/vault/{name}-{way:?}"))).body(body.clone()).send().expect(200);
        }
    }
    let keyed = |call| with_key(call, CUSTOMER, KEY, KEY_MD5);
    // Refusals may not repeat a key either: wrong for the object, wrong for its MD5, wrong signature.
    keyed(client.call("GET", "/vault/small-S3")).send().expect(400);
    let refused = with_key(client.call("PUT", "/vault/x"), CUSTOMER, KEY, OTHER_KEY_MD5).send().expect(400);
    assert!(!refused.text().contains(KEY));
    let mut stranger = client;
    stranger.credentials.as_mut().unwrap().secret.push('x');
    keyed(stranger.call("GET", "/vault/small-Customer")).send().expect(403);
    server.stop_and_check();
    let bytes = stored(&server);
    assert!(!holds(&bytes, &small[..24]), "a small body");
    assert!(!holds(&bytes, &large[..64]) && !holds(&bytes, &large[MIB..MIB + 64]), "a large body");
    let log = server.log();
    for secret in [KEY, OTHER_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        assert!(!log.contains(secret), "the log repeats a key");
        let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, secret).unwrap();
        assert!(!holds(&bytes, secret.as_bytes()), "a key in base64 is stored");
        assert!(raw.iter().all(|byte| *byte == 0) || !holds(&bytes, &raw), "a key is stored");
    }
}

#[test]
fn a_customers_object_needs_its_key_for_everything_that_reads_it() {
    let (_server, client, _ring) = start();
    Way::Customer.write(client.call("PUT", "/vault/c")).body("secret").send().expect(200);
    client.put("/vault/plain", "open").expect(200);
    let call = |method, target: &str| client.call(method, target);
    call("GET", "/vault/c").send().expect_error(400, "InvalidRequest");
    call("HEAD", "/vault/c").send().expect(400);
    Way::OtherCustomer.read(call("GET", "/vault/c")).send().expect_error(403, "AccessDenied");
    Way::OtherCustomer.read(call("HEAD", "/vault/c")).send().expect(403);
    Way::Customer.read(call("GET", "/vault/plain")).send().expect_error(400, "InvalidRequest");
    let attributes = || call("GET", "/vault/c?attributes").header("x-amz-object-attributes", "ObjectSize");
    attributes().send().expect_error(400, "InvalidRequest");
    assert_eq!(Way::Customer.read(attributes()).send().expect(200).one("ObjectSize"), "6");
    // Listing, tagging and deleting need no key.
    assert_eq!(client.get("/vault?list-type=2&prefix=c").expect(200).one("Size"), "6");
    client.delete("/vault/c").expect(204);
}

#[test]
fn headers_that_contradict_each_other_are_refused_and_store_nothing() {
    let (_server, client, _ring) = start();
    let put = || client.call("PUT", "/vault/k").body("x");
    put().header(SSE, "aes:kms").send().expect_error(400, "InvalidArgument");
    put().header(SSE, "aws:kms:dsse").send().expect_error(501, "NotImplemented");
    put().header(SSE, "AES256").header(KMS_KEY, "first").send().expect_error(400, "InvalidArgument");
    put().header(KMS_KEY, "first").send().expect_error(400, "InvalidArgument");
    put().header(SSE, "aws:kms").header(KMS_KEY, "absent").send().expect_error(400, "KMS.NotFoundException");
    Way::Customer.write(put()).header(SSE, "AES256").send().expect_error(400, "InvalidArgument");
    let customer = |suffix: &str| format!("{CUSTOMER}-{suffix}");
    put().header(&customer("algorithm"), "AES256").send().expect_error(400, "InvalidArgument");
    put().header(&customer("key"), KEY).send().expect_error(400, "InvalidArgument");
    put()
        .header(&customer("algorithm"), "AES256")
        .header(&customer("key"), KEY)
        .send()
        .expect_error(400, "InvalidArgument");
    with_key(put(), CUSTOMER, "c2hvcnQ=", KEY_MD5).send().expect_error(400, "InvalidArgument");
    with_key(put(), CUSTOMER, KEY, OTHER_KEY_MD5).send().expect_error(400, "InvalidArgument");
    client.head("/vault/k").expect(404);
    client.put("/vault/k", "x").expect(200);
    client.call("GET", "/vault/k").header(SSE, "AES256").send().expect_error(400, "InvalidArgument");
    client.call("HEAD", "/vault/k").header(SSE, "aws:kms").send().expect(400);
}

#[test]
fn kms_keys_answer_to_arns_and_tell_bucket_key_and_context() {
    let (_server, client, _ring) = start();
    let arn = "arn:aws:kms:us-east-1:123456789012:key/second";
    let put = client.call("PUT", "/vault/k").header(SSE, "aws:kms").header(KMS_KEY, arn).header(BUCKET_KEY, "true");
    let put = put.header("x-amz-server-side-encryption-context", "eyJhIjoiYiJ9").body("x").send().expect(200);
    assert_eq!((put.header(KMS_KEY), put.header(BUCKET_KEY)), (Some(arn), Some("true")));
    assert_eq!(put.header("x-amz-server-side-encryption-context"), Some("eyJhIjoiYiJ9"));
    let got = client.get("/vault/k").expect(200);
    assert_eq!(
        (got.body.as_slice(), got.header(KMS_KEY), got.header(BUCKET_KEY)),
        (&b"x"[..], Some(arn), Some("true"))
    );
    assert_eq!(got.header("x-amz-server-side-encryption-context"), None);
    let default = client.call("PUT", "/vault/d").header(SSE, "aws:kms").body("x").send().expect(200);
    assert_eq!(default.header(KMS_KEY), Some("first"), "the active key");
}

fn create(client: &Client, way: Way) -> String {
    let created = way.write(client.call("POST", "/vault/big?uploads")).send().expect(200);
    way.is_told(&created);
    created.one("UploadId")
}

fn complete(client: &Client, way: Way, upload: &str, etags: &[String]) -> Answer {
    let parts: String = (1..)
        .zip(etags)
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    way.read(client.call("POST", &format!("/vault/big?uploadId={upload}"))).body(list).send()
}

#[test]
fn parts_of_every_way_make_an_object_that_reads_across_them() {
    let (mut server, client, _ring) = start();
    for way in Way::ALL {
        let upload = create(&client, way);
        let bodies = [noise(1, 5 * MIB), noise(2, 5 * MIB + 4097), noise(3, 11)];
        let mut etags = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            let target = format!("/vault/big?partNumber={number}&uploadId={upload}");
            let part = way.read(client.call("PUT", &target)).body(body.clone()).send().expect(200);
            way.is_told(&part);
            assert_eq!(part.etag() == md5_hex(body), way.shows_md5());
            // A client that saw no answer sends it again, and may compare with an answer that was late.
            let again = way.read(client.call("PUT", &target)).body(body.clone()).send().expect(200);
            assert_eq!(again.etag(), part.etag(), "{way:?}");
            etags.push(part.etag());
        }
        way.is_told(&complete(&client, way, &upload, &etags).expect(200));
        let whole = bodies.concat();
        let got = get(&client, way, "/vault/big").expect(200);
        way.is_told(&got);
        assert!(got.body == whole, "{way:?}");
        assert!(got.etag().ends_with("-3"));
        let second = get(&client, way, "/vault/big?partNumber=2").expect(206);
        assert!(second.body == bodies[1], "{way:?}");
        let over = way.read(client.call("GET", "/vault/big")).header("range", "bytes=5242870-5242890");
        assert!(over.send().expect(206).body == whole[5_242_870..=5_242_890], "{way:?}");
    }
    server.stop_and_check();
}

#[test]
fn a_part_with_another_key_than_its_upload_is_refused() {
    let (_server, client, _ring) = start();
    let upload = create(&client, Way::Customer);
    let part = || client.call("PUT", &format!("/vault/big?partNumber=1&uploadId={upload}")).body("x");
    part().send().expect_error(400, "InvalidRequest");
    Way::OtherCustomer.write(part()).send().expect_error(400, "InvalidRequest");
    let etag = Way::Customer.write(part()).send().expect(200).etag();
    complete(&client, Way::OtherCustomer, &upload, std::slice::from_ref(&etag)).expect_error(400, "InvalidRequest");
    complete(&client, Way::Plain, &upload, &[etag]).expect(200);
    // An object that is to have a checksum is completed with the key.
    let summed = Way::Customer.write(client.call("POST", "/vault/big?uploads"));
    let upload = summed.header("x-amz-checksum-algorithm", "CRC32").send().expect(200).one("UploadId");
    let target = format!("/vault/big?partNumber=1&uploadId={upload}");
    let etag = Way::Customer.write(client.call("PUT", &target)).body("x").send().expect(200).etag();
    complete(&client, Way::Plain, &upload, std::slice::from_ref(&etag)).expect_error(400, "InvalidRequest");
    complete(&client, Way::OtherCustomer, &upload, std::slice::from_ref(&etag)).expect_error(400, "InvalidRequest");
    complete(&client, Way::Customer, &upload, &[etag]).expect(200);
    let plain = create(&client, Way::Plain);
    let part = || client.call("PUT", &format!("/vault/big?partNumber=1&uploadId={plain}")).body("x");
    Way::Customer.write(part()).send().expect_error(400, "InvalidRequest");
    Way::S3.write(part()).send().expect_error(400, "InvalidRequest");
}

#[test]
fn copies_between_all_ways_read_back() {
    let (mut server, client, _ring) = start();
    for size in [100, 400_000] {
        let body = noise(size as u64, size);
        for from in Way::ALL {
            from.write(client.call("PUT", "/vault/from")).body(body.clone()).send().expect(200);
            for to in Way::ALL {
                let copy = to.write(client.call("PUT", "/vault/to")).header("x-amz-copy-source", "/vault/from");
                let copied = from.keyed(copy, SOURCE).send().expect(200);
                to.is_told(&copied);
                let got = get(&client, to, "/vault/to").expect(200);
                assert!(got.body == body, "{from:?} to {to:?}");
                to.is_told(&got);
                assert_eq!(got.etag() == md5_hex(&body), to.shows_md5(), "{from:?} to {to:?}");
                let upload = create(&client, to);
                let part = client.call("PUT", &format!("/vault/big?partNumber=1&uploadId={upload}"));
                let part = to.read(part).header("x-amz-copy-source", "/vault/from");
                let part = part.header("x-amz-copy-source-range", format!("bytes=10-{}", size - 1));
                let part = from.keyed(part, SOURCE).send().expect(200);
                complete(&client, to, &upload, &[part.one("ETag").trim_matches('"').to_owned()]).expect(200);
                assert!(get(&client, to, "/vault/big").expect(200).body == body[10..], "{from:?} to {to:?}");
            }
        }
    }
    Way::Customer.write(client.call("PUT", "/vault/from")).body("x").send().expect(200);
    let copy = || client.call("PUT", "/vault/to").header("x-amz-copy-source", "/vault/from");
    copy().send().expect_error(400, "InvalidRequest");
    Way::OtherCustomer.keyed(copy(), SOURCE).send().expect_error(403, "AccessDenied");
    // A copy onto itself that only changes the encryption is a change.
    client.put("/vault/self", "x").expect(200);
    let onto_itself = client.call("PUT", "/vault/self").header("x-amz-copy-source", "/vault/self");
    Way::S3.write(onto_itself).send().expect(200);
    Way::S3.is_told(&client.get("/vault/self").expect(200));
    server.stop_and_check();
}

#[test]
fn presigned_urls_carry_no_key_and_work_with_it_in_signed_headers() {
    let (_server, client, _ring) = start();
    // The URL goes to somebody without an access key; the customer's key goes in the headers that it names.
    let mut anybody = client.clone();
    anybody.credentials = None;
    let url = Way::Customer.write(client.call("PUT", "/vault/k")).presign(60);
    assert!(!url.contains(KEY) && url.contains("customer-key"), "{url}");
    Way::Customer.write(anybody.call("PUT", &url)).body("secret").send().expect(200);
    let url = Way::Customer.read(client.call("GET", "/vault/k")).presign(60);
    let got = Way::Customer.read(anybody.call("GET", &url)).send().expect(200);
    assert_eq!(got.body, b"secret");
    Way::Customer.is_told(&got);
    // Neither without what was signed, nor with another key, nor with headers that nobody signed.
    anybody.call("GET", &url).send().expect(403);
    Way::OtherCustomer.read(anybody.call("GET", &url)).send().expect_error(403, "SignatureDoesNotMatch");
    let bare = client.call("GET", "/vault/k").presign(60);
    Way::Customer.read(anybody.call("GET", &bare)).send().expect_error(403, "AccessDenied");
    anybody.call("GET", &bare).send().expect_error(400, "InvalidRequest");
}

#[test]
fn what_rewrap_leaves_behind_is_told_with_the_key_that_it_needs() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("vault");
    client.call("PUT", "/vault/kms").header(SSE, "aws:kms").body("x").send().expect(200);
    Way::S3.write(client.call("PUT", "/vault/s3")).body("x").send().expect(200);
    assert!(server.command(&["encryption", "rotate"]).status.success());
    assert!(server.stop().success());
    let listed = String::from_utf8(server.command(&["encryption", "list"]).stdout).unwrap();
    let old = listed.lines().next().unwrap();
    assert!(!old.contains("active"), "{listed}");
    let told = String::from_utf8(server.command(&["encryption", "rewrap"]).stdout).unwrap();
    assert_eq!(
        told,
        format!("1 of 2 versions wrapped anew\n1 versions and uploads still need the key {old}: keep it\n")
    );
}

fn configuration(rule: &str) -> String {
    format!("<ServerSideEncryptionConfiguration><Rule>{rule}</Rule></ServerSideEncryptionConfiguration>")
}

#[test]
fn a_bucket_encrypts_what_says_nothing_itself() {
    let (_server, client, _ring) = start();
    let absent = "ServerSideEncryptionConfigurationNotFoundError";
    client.get("/vault?encryption").expect_error(404, absent);
    client.delete("/vault?encryption").expect(204);
    let default = |inner: &str| {
        configuration(&format!("<ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault>"))
    };
    client.put("/vault?encryption", default("<SSEAlgorithm>AES256</SSEAlgorithm>")).expect(200);
    let told = client.get("/vault?encryption").expect(200);
    assert_eq!((told.one("SSEAlgorithm").as_str(), told.one("BucketKeyEnabled").as_str()), ("AES256", "false"));
    Way::S3.is_told(&client.put("/vault/k", "x").expect(200));
    Way::S3.is_told(&client.get("/vault/k").expect(200));
    Way::Customer.is_told(&Way::Customer.write(client.call("PUT", "/vault/c")).body("x").send().expect(200));
    let upload = client.post("/vault/up?uploads", "").expect(200);
    Way::S3.is_told(&upload);

    let kms = "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>second</KMSMasterKeyID>";
    client.put("/vault?encryption", default(kms)).expect(200);
    Way::Kms.is_told(&client.put("/vault/k", "x").expect(200));
    assert_eq!(client.get("/vault?encryption").expect(200).one("KMSMasterKeyID"), "second");
    let unknown = kms.replace("second", "absent");
    client.put("/vault?encryption", default(&unknown)).expect_error(400, "KMS.NotFoundException");
    client.put("/vault?encryption", "<nonsense/>").expect_error(400, "MalformedXML");

    let blocked = "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>";
    client.put("/vault?encryption", configuration(blocked)).expect(200);
    assert_eq!(client.get("/vault?encryption").expect(200).one("EncryptionType"), "SSE-C");
    Way::Customer.write(client.call("PUT", "/vault/c")).body("y").send().expect_error(403, "AccessDenied");
    assert_eq!(get(&client, Way::Customer, "/vault/c").expect(200).body, b"x", "what is there stays readable");
    Way::Plain.is_told(&client.put("/vault/k", "x").expect(200));

    client.delete("/vault?encryption").expect(204);
    client.get("/vault?encryption").expect_error(404, absent);
}

#[test]
fn a_server_may_encrypt_by_default() {
    let server = Server::start_with(&["--encrypt-by-default"]);
    let client = server.client();
    client.bucket("vault");
    assert_eq!(client.get("/vault?encryption").expect(200).one("SSEAlgorithm"), "AES256");
    let body = noise(1, 100_000);
    let put = client.put("/vault/k", body.clone()).expect(200);
    assert_eq!((put.header(SSE), put.etag()), (Some("AES256"), md5_hex(&body)));
    assert!(client.get("/vault/k").expect(200).body == body);
    assert!(!holds(&stored(&server), &body[..64]));
}

#[test]
fn the_encryption_of_an_object_is_updated_in_place() {
    let (_server, client, _ring) = start();
    let body = noise(1, 100_000);
    let put = Way::S3.write(client.call("PUT", "/vault/k")).body(body.clone()).send().expect(200);
    let update =
        |key: &str| format!("<ObjectEncryption><SSE-KMS><KMSKeyArn>{key}</KMSKeyArn></SSE-KMS></ObjectEncryption>");
    let arn = "arn:aws:kms:us-east-1:123456789012:key/second";
    client.put("/vault/k?encryption", update(arn)).expect(200);
    let got = client.get("/vault/k").expect(200);
    assert_eq!((got.header(SSE), got.header(KMS_KEY)), (Some("aws:kms"), Some(arn)));
    assert_eq!(got.etag(), put.etag());
    assert!(got.body == body);
    client.put("/vault/k?encryption", update("absent")).expect_error(400, "KMS.NotFoundException");
    client.put("/vault/k?encryption", "<ObjectEncryption/>").expect_error(400, "InvalidRequest");
    client.put("/vault/none?encryption", update(arn)).expect_error(404, "NoSuchKey");
    client.put("/vault/plain", "x").expect(200);
    client.put("/vault/plain?encryption", update(arn)).expect_error(400, "InvalidRequest");
    Way::Customer.write(client.call("PUT", "/vault/c")).body("x").send().expect(200);
    client.put("/vault/c?encryption", update(arn)).expect_error(400, "InvalidRequest");
}

#[test]
fn a_rotated_master_key_reads_the_old_and_writes_the_new() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut server = Server::start();
    let client = server.client();
    client.bucket("vault");
    let file = server.data().join("master.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let original = std::fs::read_to_string(&file).unwrap();
    let body = noise(1, 400_000);
    for key in ["small", "large"] {
        let body = if key == "small" { &body[..100] } else { &body[..] };
        Way::S3.write(client.call("PUT", &format!("/vault/{key}"))).body(body).send().expect(200);
    }
    let refused = server.command(&["encryption", "rewrap"]);
    assert!(!refused.status.success(), "not while a server runs");
    assert!(server.command(&["encryption", "rotate"]).status.success());
    assert!(server.stop().success());
    let listed = server.command(&["encryption", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!((listed.lines().count(), listed.matches("(active)").count()), (2, 1), "{listed}");
    let done = server.command(&["encryption", "rewrap"]);
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && told.contains("2 of 2"), "{told}");
    // The old key is of no more use: without it everything still opens.
    let ring = std::fs::read_to_string(&file).unwrap();
    let old_line = original.lines().last().unwrap();
    assert!(ring.contains(old_line));
    std::fs::write(&file, ring.replace(old_line, "")).unwrap();
    server.restart();
    let client = server.client();
    assert!(client.get("/vault/large").expect(200).body == body);
    assert!(client.get("/vault/small").expect(200).body == body[..100]);
    // And without the new key nothing does, but for the check, to which a key that is not there is no fault.
    assert!(server.stop().success());
    std::fs::write(&file, original).unwrap();
    server.restart();
    server.client().get("/vault/large").expect_error(400, "KMS.NotFoundException");
    server.stop_and_check();
}

#[test]
fn a_wrong_key_ring_stops_the_start_with_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let ring = directory.path().join("ring.txt");
    std::fs::write(&ring, "a = hunter2").unwrap();
    let mut command = super::support::server::binary();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(directory.path().join("data")).arg("--encryption-keys").arg(&ring);
    let refused = command.output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(told.contains("line 1: a key is 32 bytes in base64") && !told.contains("hunter2"), "{told}");
}

#[test]
fn check_reads_small_bodies_with_the_keys_and_counts_those_of_customers() {
    let (mut server, client, ring) = start();
    for way in Way::ALL {
        for key in ["sound", "hit"] {
            way.write(client.call("PUT", &format!("/vault/{key}-{way:?}"))).body(noise(7, 900)).send().expect(200);
        }
    }
    assert!(server.stop().success());
    let ring = ring.path().join("ring.txt");
    let check = |arguments: &[&str]| {
        let checked = server.command(&[&["check", "--json"], arguments].concat());
        serde_json::from_slice::<serde_json::Value>(&checked.stdout).unwrap()
    };
    let with_ring = ["--encryption-keys", ring.to_str().unwrap()];
    let read = |checked: &serde_json::Value| {
        let faults = checked["faults"].as_array().unwrap().clone();
        let mut hit: Vec<_> =
            faults.iter().map(|fault| fault["objects"][0]["key"].as_str().unwrap().to_owned()).collect();
        hit.sort_unstable();
        (hit, checked["inline"].as_u64().unwrap(), checked["inline_without_key"].as_u64().unwrap())
    };
    assert_eq!(read(&check(&with_ring)), (vec![], 6, 4));
    assert_eq!(read(&check(&[])), (vec![], 2, 8), "a key that is not here is no fault");
    let database = rusqlite::Connection::open(server.data().join("meta.sqlite")).unwrap();
    let flipped = "UPDATE side SET data = CAST(substr(data, 1, 499) || x'00' || substr(data, 501) AS BLOB)
        WHERE id IN (SELECT -rank FROM version WHERE key LIKE 'hit-%')";
    assert_eq!(database.execute(flipped, ()).unwrap(), 5);
    drop(database);
    let hit = |ways: &[&str]| ways.iter().map(|way| format!("hit-{way}")).collect::<Vec<_>>();
    assert_eq!(read(&check(&with_ring)), (hit(&["Kms", "Plain", "S3"]), 3, 4));
    assert_eq!(read(&check(&[])), (hit(&["Plain"]), 1, 8));
    let text = server.command(&["check", "--encryption-keys", with_ring[1]]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("4 small bodies were not read"), "{text}");
    let wrong = server.command(&["check", "--encryption-keys", "/nowhere"]);
    assert!(!wrong.status.success() && wrong.stdout.is_empty(), "a ring that cannot be read is told");
    assert!(!server.data().join("master.key").exists(), "check makes no key");
}
