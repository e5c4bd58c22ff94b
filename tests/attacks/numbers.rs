//! The edges of every number that a client may send: an exact refusal or an honest answer, never a panic or a wrap.

use crate::{VICTIM, besieged, stands, told};

const EDGES: [&str; 22] = [
    "-1",
    "0",
    "-0",
    "+1",
    "1.0",
    "1e3",
    "0x10",
    " 1",
    "1 ",
    "",
    "a",
    "00000000000000000000000000000001",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999",
    "\u{0661}",
];

#[test]
fn numbers_in_queries_have_edges() {
    let (mut server, client) = besieged();
    let upload = client.post("/victim/parts?uploads", "").expect(200).one("UploadId");
    let mut count = 0;
    for edge in EDGES {
        let value = crate::support::client::escape_value(edge);
        let reads = [
            format!("/victim?max-keys={value}"),
            format!("/victim?list-type=2&max-keys={value}"),
            format!("/victim?versions&max-keys={value}"),
            format!("/victim?uploads&max-uploads={value}"),
            format!("/victim/parts?uploadId={upload}&max-parts={value}"),
            format!("/victim/parts?uploadId={upload}&part-number-marker={value}"),
            format!("/?max-buckets={value}"),
            format!("{VICTIM}?partNumber={value}"),
            format!("{VICTIM}?versionId={value}"),
        ];
        for target in reads {
            let answer = client.get(&target);
            let sound = answer.status < 500 || answer.status == 501;
            assert!(sound, "GET {target}: {} {}", answer.status, answer.text());
            count += 1;
        }
        let part = client.put(&format!("/victim/parts?uploadId={upload}&partNumber={value}"), "x");
        let legal = matches!(edge, "+1" | "00000000000000000000000000000001");
        assert!(part.status == 400 || (legal && part.status == 200), "{edge}: {} {}", part.status, part.text());
        let huge = client.put(&format!("/victim/parts?uploadId={value}&partNumber=1"), "x");
        assert!((400..500).contains(&huge.status), "uploadId={edge}: {}", huge.text());
        count += 2;
    }
    client.delete(&format!("/victim/parts?uploadId={upload}")).expect(204);
    told("numbers in queries", count);
    stands(&mut server, &client);
}

#[test]
fn numbers_in_headers_have_edges() {
    let (mut server, client) = besieged();
    client.bucket("numbers");
    let mut count = 0;
    for edge in EDGES.into_iter().filter(|edge| edge.is_ascii()) {
        for range in [
            format!("bytes={edge}-"),
            format!("bytes=-{edge}"),
            format!("bytes=0-{edge}"),
            format!("bytes={edge}-{edge}"),
        ] {
            let got = client.call("GET", VICTIM).header("range", &range).send();
            assert!(matches!(got.status, 200 | 206 | 416), "{range}: {} {}", got.status, got.text());
            if got.status != 416 {
                assert!(!got.body.is_empty() && got.body.len() <= crate::TREASURE.len(), "{range}");
            }
            let copy = client.call("PUT", "/numbers/copy?partNumber=1&uploadId=none");
            let copy = copy.header("x-amz-copy-source", "victim/k").header("x-amz-copy-source-range", &range).send();
            assert!((400..500).contains(&copy.status), "{range}: {} {}", copy.status, copy.text());
            count += 2;
        }
        for (name, most) in
            [("x-amz-mp-object-size", 500), ("x-amz-decoded-content-length", 500), ("x-amz-if-match-size", 500)]
        {
            let put = client.call("PUT", "/numbers/k").header(name, edge).body("x").send();
            assert!(put.status < most, "{name}: {edge}: {} {}", put.status, put.text());
            count += 1;
        }
        for name in ["x-amz-object-lock-retain-until-date", "if-modified-since", "x-amz-copy-source-if-modified-since"]
        {
            let get = client.call("GET", VICTIM).header(name, edge).send();
            assert!(get.status < 500, "{name}: {edge}: {} {}", get.status, get.text());
            count += 1;
        }
        let streamed = client.call("PUT", "/numbers/k").payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let streamed = streamed.header("x-amz-decoded-content-length", edge).header("content-encoding", "aws-chunked");
        let sent = streamed.body("1\r\nx\r\n0\r\n\r\n").send();
        assert!(
            sent.status == 400
                || (sent.status == 200 && edge.trim().trim_start_matches('0') == "1")
                || sent.status == 411,
            "{edge}: {} {}",
            sent.status,
            sent.text()
        );
        count += 1;
    }
    told("numbers in headers", count);
    stands(&mut server, &client);
}

#[test]
fn numbers_in_documents_have_edges() {
    let (mut server, client) = besieged();
    client.bucket("numbers");
    let mut count = 0;
    for edge in EDGES {
        let documents = [
            (
                "lifecycle",
                format!(
                    "<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Expiration><Days>{edge}</Days></Expiration></Rule></LifecycleConfiguration>"
                ),
            ),
            (
                "lifecycle",
                format!(
                    "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><ObjectSizeGreaterThan>{edge}</ObjectSizeGreaterThan></Filter><NoncurrentVersionExpiration><NoncurrentDays>{edge}</NoncurrentDays><NewerNoncurrentVersions>{edge}</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"
                ),
            ),
            (
                "cors",
                format!(
                    "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin><MaxAgeSeconds>{edge}</MaxAgeSeconds></CORSRule></CORSConfiguration>"
                ),
            ),
            (
                "object-lock",
                format!(
                    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>{edge}</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
                ),
            ),
            (
                "website",
                format!(
                    "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect><HttpRedirectCode>{edge}</HttpRedirectCode></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>"
                ),
            ),
        ];
        for (kind, document) in documents {
            let put = client.put(&format!("/numbers?{kind}"), document.as_str());
            assert!(put.status < 500, "{kind} {edge}: {} {}", put.status, put.text());
            if put.status == 200 {
                client.get(&format!("/numbers?{kind}")).expect(200);
            }
            count += 1;
        }
        let list = format!(
            "<CompleteMultipartUpload><Part><PartNumber>{edge}</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"
        );
        let complete = client.post("/numbers/k?uploadId=none", list);
        assert!((400..500).contains(&complete.status), "{edge}: {} {}", complete.status, complete.text());
        count += 1;
    }
    told("numbers in documents", count);
    stands(&mut server, &client);
}
