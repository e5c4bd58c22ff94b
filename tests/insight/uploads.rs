//! Bodies that are on their way in are told of until they are there, or gone.

use std::io::Write as _;

use crate::got;
use crate::support::Server;

#[test]
fn an_upload_is_told_of_while_it_runs() {
    let server = Server::start();
    let client = server.client();
    client.bucket("bkt");
    client.put("/bkt/small", "x").expect(200);
    let uploads = || got(&server, "/v1/uploads/running")["uploads"].as_array().unwrap().clone();
    assert!(uploads().is_empty());
    let call = client.call("PUT", "/bkt/large").payload("UNSIGNED-PAYLOAD").header("content-length", "8388608");
    let mut stream = client.connect();
    stream.write_all(&call.head()).unwrap();
    stream.write_all(&vec![1; 3 << 20]).unwrap();
    server.eventually("what was sent has come", || {
        uploads().first().is_some_and(|upload| upload["received_bytes"] == 3 << 20)
    });
    let upload = uploads().remove(0);
    assert_eq!((upload["bucket"].as_str(), upload["key"].as_str()), (Some("bkt"), Some("large")));
    assert_eq!((upload["operation"].as_str(), upload["name"].as_str()), (Some("PutObject"), Some("root")));
    assert_eq!(upload["expected_bytes"], 8_388_608);
    assert!(upload["seconds"].as_f64().unwrap() > 0.0 && upload["bytes_per_second"].as_f64().unwrap() > 0.0);
    drop(stream);
    server.eventually("it is gone with its client", || uploads().is_empty());

    let call = client.call("PUT", "/bkt/large").body(vec![2; 2 << 20]);
    call.send().expect(200);
    assert!(uploads().is_empty());
}
