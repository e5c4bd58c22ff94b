//! The certificate of the S3 listener is replaced through the API: who connects then gets the new one, who is connected
//! stays so, and one that cannot be used replaces nothing.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::support::Server;
use crate::{json, refused, root};

/// Puts a new pair in its place, and returns the certificate.
fn write_pair(directory: &Path) -> CertificateDer<'static> {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), signed.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    signed.cert.der().clone()
}

/// A connection whose handshake is done.
struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    /// Connects, if the server shows that certificate.
    fn trusting(server: &Server, certificate: &CertificateDer<'static>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(server.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let shown = connection.peer_certificates().expect("a certificate");
        assert_eq!(shown.first(), Some(certificate));
        Ok(Self(StreamOwned::new(connection, stream)))
    }

    /// Asks something that nobody may ask; the status.
    fn ask(&mut self) -> u16 {
        self.0.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while !answer.ends_with(b"</Error>") {
            let read = self.0.read(&mut piece).expect("an answer");
            assert!(read > 0, "the connection has ended");
            answer.extend_from_slice(&piece[..read]);
        }
        String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn a_new_certificate_is_shown_to_the_next_and_a_broken_one_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let first = write_pair(directory.path());
    let paths = ["cert.pem", "key.pem"].map(|name| directory.path().join(name).to_str().unwrap().to_owned());
    let [cert, key] = &paths;
    let server = Server::start_with(&["--tls-cert", cert, "--tls-key", key]);
    let admin = root(&server);
    let mut old = Connection::trusting(&server, &first).unwrap();
    assert_eq!(old.ask(), 403);

    let second = write_pair(directory.path());
    assert_eq!(json(&admin.post("/v1/control/reload-tls", "").expect(200))["reloaded"], true);
    let mut new = Connection::trusting(&server, &second).unwrap();
    assert!(Connection::trusting(&server, &first).is_err(), "the first one is not shown any more");
    assert_eq!((old.ask(), new.ask()), (403, 403), "who is connected stays so");

    let whole = std::fs::read_to_string(key).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let wrongs = [
        (Some("-----BEGIN PRIVATE KEY-----\nhalf of it".to_owned()), format!("read private key {key}: ")),
        (Some(other.signing_key.serialize_pem()), format!("use certificate and key {cert}: ")),
        (None, format!("read {key}: No such file or directory")),
    ];
    for (text, why) in wrongs {
        match text {
            Some(text) => std::fs::write(key, text).unwrap(),
            None => std::fs::remove_file(key).unwrap(),
        }
        let answer = refused(admin.post("/v1/control/reload-tls", ""), 409, "bad-certificate");
        let message = json(&answer)["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with(&format!("The new certificate cannot be used, the old one stays: {why}")),
            "{message}"
        );
        assert!(!message.contains("PRIVATE KEY-----"), "{message}");
        let told = server.command(&["control", "reload-tls"]);
        let told = (told.status.code(), String::from_utf8(told.stderr).unwrap());
        assert!(told.0 == Some(1) && told.1.contains(&why), "{told:?}");
        assert_eq!(Connection::trusting(&server, &second).unwrap().ask(), 403);
    }
    std::fs::write(key, whole).unwrap();
    admin.post("/v1/control/reload-tls", "").expect(200);
    assert_eq!((old.ask(), new.ask()), (403, 403));
    let log = server.log();
    for status in ["status=200", "status=409"] {
        let is_line = |line: &str| line.contains("POST /v1/control/reload-tls") && line.contains(status);
        assert!(log.lines().any(is_line), "{status}: {log}");
    }
}
