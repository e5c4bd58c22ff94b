//! docs/how-to/docker-registry.md, run: the registry of Debian keeps an image in a bucket, and skopeo brings it there
//! and back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::proxy::free_port;
use super::snippets::blocks;
use super::support::{Server, noise};
use super::told;

const PAGE: &str = "docs/how-to/docker-registry.md";

/// A registry, killed when dropped.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds a blob to a layout; returns its descriptor.
fn blob(layout: &Path, kind: &str, bytes: &[u8]) -> Value {
    let digest = hex::encode(Sha256::digest(bytes));
    std::fs::write(layout.join("blobs/sha256").join(&digest), bytes).unwrap();
    let media_type = format!("application/vnd.oci.image.{kind}");
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
}

/// Makes an image whose layers are a small and a large one: the large one is uploaded in parts, and copied in parts
/// to where it belongs.
fn make_image(layout: &Path) {
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let layers = [noise(1, 1000), noise(2, 40 << 20)];
    let ids: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", hex::encode(Sha256::digest(layer)))).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = blob(layout, "config.v1+json", config.to_string().as_bytes());
    let layers = layers.map(|layer| blob(layout, "layer.v1.tar", &layer));
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let mut manifest = blob(layout, "manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(layout.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string()).unwrap();
}

/// GET of a path of the registry; its body.
fn ask(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_image_goes_into_the_registry_and_comes_back() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    let mut server = Server::start();
    let key = server.client_of("registry").credentials.unwrap();
    let made = server.command(&["bucket", "create", "registry", "--owner", "registry"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let port = free_port();
    let block = blocks(PAGE, "yaml tested").concat();
    let mut placed = block.clone();
    for (theirs, ours) in [
        ("addr: :5000", format!("addr: 127.0.0.1:{port}")),
        ("http://127.0.0.1:9000", server.endpoint()),
        ("REGISTRY-KEY-ID", key.id),
        ("REGISTRY-SECRET", key.secret),
    ] {
        assert!(placed.contains(theirs), "{theirs} in {block}");
        placed = placed.replace(theirs, &ours);
    }
    std::fs::write(at.join("registry.yml"), placed).unwrap();
    let log = std::fs::File::create(at.join("log")).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(at.join("registry.yml"));
    // It cannot have one beside its own transport.
    command.env_remove("AWS_CA_BUNDLE");
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let _registry = Registry(command.spawn().expect("start docker-registry; is it installed?"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(at.join("log")).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }

    make_image(&at.join("image"));
    let place = format!("docker://127.0.0.1:{port}/house/image:1");
    let copy = |arguments: &[&str]| {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--preserve-digests", "--quiet"]).args(arguments).current_dir(at);
        told(skopeo.env("HOME", at).env("XDG_RUNTIME_DIR", at))
    };
    copy(&["--dest-tls-verify=false", "oci:image:1", &place]);
    copy(&["--src-tls-verify=false", &place, "oci:back:1"]);
    told(Command::new("diff").args(["-r", "image/blobs", "back/blobs"]).current_dir(at));
    assert!(ask(port, "/v2/_catalog").contains("house/image"), "{}", ask(port, "/v2/_catalog"));
    let stored = server.client().get("/registry?list-type=2").expect(200).all("Key");
    assert!(stored.iter().any(|key| key.starts_with("docker/registry/v2/blobs/sha256/")), "{stored:?}");
    told(Command::new("skopeo").args(["delete", "--tls-verify=false", &place]).env("HOME", at));
    server.stop_and_check();
}
