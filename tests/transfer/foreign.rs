//! moto, an independent implementation of S3, as the source.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::client::{Credentials, escape_path};
use super::support::server::{ROOT_ID, ROOT_SECRET};
use super::support::{Client, Server, noise};
use super::{complete, history, import_from, put_parts, report, versioning};

/// A running moto. Killed when dropped.
struct Moto {
    child: Child,
    client: Client,
}

impl Moto {
    fn start() -> Self {
        // A port that was free a moment ago.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("python3")
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 starts");
        let client = Client::new(address, Some(Credentials::new(ROOT_ID, ROOT_SECRET)));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "moto listens; is it installed? python3 -m pip install 'moto[server]'");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, client }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.client.address)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_strangers_buckets_come_along() {
    let (moto, to) = (Moto::start(), Server::start());
    let (source, target) = (&moto.client, to.client());
    source.bucket("plain-bucket");
    for index in 0..300_u64 {
        let key = format!("dir-{}/ü + {index}", index % 7);
        let put = source.call("PUT", &format!("/plain-bucket/{}", escape_path(&key))).body(noise(index, 100));
        put.header("x-amz-meta-mtime", "981173106.789").header("content-type", "text/own").send().expect(200);
    }
    let tagged = source.call("PUT", "/plain-bucket/tagged").body("t").header("x-amz-tagging", "a=b%20c");
    tagged.send().expect(200);
    // moto does not know part numbers when it reads, so that the sizes are guessed and proven by the ETag.
    let parts = [(1, noise(7, 5 << 20)), (2, noise(8, 5 << 20)), (3, noise(9, 100))];
    put_parts(source, "/plain-bucket/parts", &[], &parts);
    let cors = "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>\
        </CORSRule></CORSConfiguration>";
    source.put("/plain-bucket?cors", cors).expect(200);
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::plain-bucket/public/*"}]}"#;
    assert!(source.put("/plain-bucket?policy", policy).status < 300);
    let lifecycle = "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>tmp/</Prefix></Filter>\
        <Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>";
    source.put("/plain-bucket?lifecycle", lifecycle).expect(200);

    source.bucket("with-versions");
    versioning(source, "with-versions", "Enabled");
    for body in ["one", "two"] {
        source.put("/with-versions/k", body).expect(200);
    }
    source.delete("/with-versions/k");
    source.put("/with-versions/other", "x").expect(200);

    let done = complete(&mut import_from(&moto.endpoint(), &to, &[]));
    assert_eq!((done["buckets"].as_u64(), done["objects"].as_u64()), (Some(2), Some(304)), "{done:#}");
    let odd = target.head(&format!("/plain-bucket/{}", escape_path("dir-3/ü + 150"))).expect(200);
    assert_eq!(odd.header("x-amz-meta-mtime"), Some("981173106.789"));
    assert_eq!(odd.header("content-type"), Some("text/own"));
    assert_eq!(target.get("/plain-bucket/tagged?tagging").expect(200).one("Value"), "b c");
    let (there, here) =
        (source.head("/plain-bucket/parts").expect(200), target.head("/plain-bucket/parts").expect(200));
    assert_eq!(here.etag(), there.etag());
    assert_eq!(target.get("/plain-bucket/parts?partNumber=2").expect(206).body.len(), 5 << 20);
    assert_eq!(target.get("/plain-bucket?cors").expect(200).one("AllowedMethod"), "GET");
    assert!(target.get("/plain-bucket?policy").expect(200).text().contains("plain-bucket/public/*"));
    assert_eq!(target.get("/plain-bucket?lifecycle").expect(200).one("Days"), "9");
    let versions = history(&target, "with-versions");
    let shape: Vec<_> = versions.iter().map(|(key, _, size, marker)| (key.as_str(), size.as_str(), *marker)).collect();
    assert_eq!(shape, [("k", "", true), ("k", "3", false), ("k", "3", false), ("other", "1", false)]);
    assert_eq!(target.get("/with-versions/other").expect(200).text(), "x");

    let again = complete(&mut import_from(&moto.endpoint(), &to, &[]));
    assert_eq!((again["versions"].as_u64(), again["skipped"].as_u64()), (Some(0), Some(306)), "{again:#}");
}

#[test]
fn a_setting_that_is_refused_is_told_and_no_reason_to_stop() {
    let (moto, to) = (Moto::start(), Server::start());
    let source = &moto.client;
    source.bucket("cold");
    source.put("/cold/k", "body").expect(200);
    put_parts(source, "/cold/odd", &[], &[(1, noise(1, (5 << 20) + 1)), (2, noise(2, 7 << 20)), (3, noise(3, 10))]);
    // The gateway has no other storage classes.
    let lifecycle = "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>a</Prefix></Filter>\
        <Status>Enabled</Status><Transition><Days>9</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>\
        </LifecycleConfiguration>";
    source.put("/cold?lifecycle", lifecycle).expect(200);
    let told = report(&mut import_from(&moto.endpoint(), &to, &[]));
    assert_eq!((told["failed"].as_u64(), told["versions"].as_u64()), (Some(2), Some(1)), "{told:#}");
    assert_eq!(told["failures"][0]["what"], "odd");
    assert!(told["failures"][0]["reason"].as_str().unwrap().contains("--any-etag"), "{told:#}");
    assert_eq!(told["failures"][1]["what"], "setting lifecycle");
    assert_eq!(to.client().get("/cold/k").expect(200).text(), "body");
    to.client().head("/cold/odd").expect(404);
    assert!(to.client().get("/cold?uploads").expect(200).all("UploadId").is_empty(), "the upload is given up");

    let taken = report(&mut import_from(&moto.endpoint(), &to, &["--any-etag"]));
    assert_eq!((taken["failed"].as_u64(), taken["versions"].as_u64()), (Some(1), Some(1)), "{taken:#}");
    assert_eq!(to.client().get("/cold/odd").expect(200).body.len(), (12 << 20) + 11);
    let again = report(&mut import_from(&moto.endpoint(), &to, &["--any-etag"]));
    assert_eq!((again["versions"].as_u64(), again["skipped"].as_u64()), (Some(0), Some(2)), "{again:#}");
}
