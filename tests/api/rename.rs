//! RenameObject.

use super::support::{Server, noise};

#[test]
fn a_rename_moves_no_data() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    for size in [5, 3 << 20] {
        let body = noise(size as u64, size);
        let put =
            client.call("PUT", "/box/old%20name").header("x-amz-meta-a", "1").body(body.clone()).send().expect(200);
        let modified = client.head("/box/old%20name").expect(200).header("last-modified").unwrap().to_owned();
        let files = server.chunk_files();
        let rename = client.call("PUT", "/box/new%20name?renameObject").header("x-amz-rename-source", "old%20name");
        rename.send().expect(200);
        assert_eq!(server.chunk_files(), files);
        client.get("/box/old%20name").expect_error(404, "NoSuchKey");
        let got = client.get("/box/new%20name").expect(200);
        assert!(got.body == body);
        assert_eq!((got.etag(), got.header("x-amz-meta-a")), (put.etag(), Some("1")));
        assert_eq!(got.header("last-modified"), Some(modified.as_str()));
        client.delete("/box/new%20name").expect(204);
    }
    server.eventually("the chunks are collected", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn a_rename_is_conditional_and_refused_where_it_cannot_be() {
    let server = Server::start();
    let client = server.client();
    client.bucket("box");
    let etag = client.put("/box/from", "1").expect(200).etag();
    client.put("/box/to", "2").expect(200);
    let rename = |to: &str, headers: &[(&str, &str)]| {
        let mut call = client.call("PUT", &format!("/box/{to}?renameObject"));
        for (name, value) in headers {
            call = call.header(name, *value);
        }
        call.send()
    };
    let source = ("x-amz-rename-source", "from");
    rename("to", &[]).expect_error(400, "InvalidArgument");
    rename("from", &[source]).expect_error(400, "InvalidRequest");
    rename("to/", &[source]).expect_error(400, "InvalidRequest");
    rename("to", &[("x-amz-rename-source", "absent")]).expect_error(404, "NoSuchKey");
    rename("to", &[source, ("if-none-match", "*")]).expect_error(412, "PreconditionFailed");
    rename("to", &[source, ("if-match", &etag)]).expect_error(412, "PreconditionFailed");
    rename("to", &[source, ("x-amz-rename-source-if-match", "\"0\"")]).expect_error(412, "PreconditionFailed");
    rename("to", &[source, ("x-amz-rename-source-if-match", &etag), ("x-amz-client-token", "t")]).expect(200);
    assert_eq!(client.get("/box/to").expect(200).text(), "1");
    assert_eq!(client.get("/box").expect(200).all("Key"), ["to"]);

    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put("/box?versioning", enabled).expect(200);
    rename("other", &[("x-amz-rename-source", "to")]).expect_error(400, "InvalidRequest");
}
