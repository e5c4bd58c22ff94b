//! Published signatures: the examples of the Amazon S3 API Reference, cases of the SigV4 test suite, and requests
//! that botocore signed.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};

use super::{EMPTY_SHA256, at, head, payload, signed};
use crate::auth::PayloadKind;
use crate::auth::canonical::{self, Spelling};
use crate::auth::head::Head;
use crate::auth::v4::string_to_sign;
use crate::types::ChecksumAlgorithm;

const DAY: &str = "20130524T000000Z";
const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={signature}"
    )
}

#[test]
fn the_get_object_example_holds() {
    let authorization = authorization(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    let head = head(
        "GET",
        "/test.txt",
        &[
            HOST,
            ("authorization", &authorization),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", DAY),
        ],
    );
    let verified = signed(&head, DAY);
    assert_eq!(verified.access_key_id, "AKIAIOSFODNN7EXAMPLE");
    assert!(!verified.presigned);
    let mut empty = [0; 32];
    hex::decode_to_slice(EMPTY_SHA256, &mut empty).unwrap();
    assert_eq!(verified.payload, PayloadKind::Sha256(empty));
}

#[test]
fn the_put_object_example_holds() {
    let authorization = authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    let headers = [
        HOST,
        ("authorization", authorization.as_str()),
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
        ("x-amz-date", DAY),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    signed(&head("PUT", "/test%24file.text", &headers), DAY);
    // The same key in another spelling.
    signed(&head("PUT", "/test$file.text", &headers), DAY);
}

#[test]
fn the_lifecycle_and_list_examples_hold() {
    for (uri, signature) in [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("/?prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        let authorization = authorization("host;x-amz-content-sha256;x-amz-date", signature);
        let headers = [
            HOST,
            ("authorization", authorization.as_str()),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", DAY),
        ];
        signed(&head("GET", uri, &headers), DAY);
    }
}

#[test]
fn the_presigned_example_holds_for_a_day() {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
               us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
               &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let head = head("GET", uri, &[HOST]);
    for now in [DAY, "20130525T000000Z", "20130523T234500Z"] {
        let verified = signed(&head, now);
        assert!(verified.presigned);
        assert_eq!(verified.payload, PayloadKind::Unsigned);
    }
}

#[test]
fn the_chunked_examples_hold() {
    let common = [
        ("content-encoding", "aws-chunked"),
        ("content-length", "66824"),
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", DAY),
        ("x-amz-decoded-content-length", "66560"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    let plain = authorization(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let mut headers = common.to_vec();
    headers.push(("authorization", &plain));
    headers.push(("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    let uri = "/examplebucket/chunkObject.txt";
    let PayloadKind::Chunked { signing, trailer, trailer_checksum, decoded_length } =
        payload(&head("PUT", uri, &headers), DAY)
    else {
        panic!("not chunked");
    };
    assert!(signing.is_some());
    assert_eq!((trailer, trailer_checksum, decoded_length), (false, None, Some(66_560)));

    let with_trailer = authorization(
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;\
         x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let mut headers = common.to_vec();
    headers.push(("authorization", &with_trailer));
    headers.push(("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"));
    headers.push(("x-amz-trailer", "x-amz-checksum-crc32c"));
    let kind = payload(&head("PUT", uri, &headers), DAY);
    assert!(matches!(
        kind,
        PayloadKind::Chunked { trailer: true, trailer_checksum: Some(ChecksumAlgorithm::Crc32c), .. }
    ));
}

/// Cases of the test suite that comes with the aws-sigv4 crate: `GET` unless named otherwise, service `service`.
#[test]
fn the_canonical_request_is_that_of_the_test_suite() {
    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 13] = [
        (
            "GET",
            "/",
            &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "GET",
            "/",
            &[("My-Header1", "value1\t value2     value3")],
            "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
        ),
        (
            "GET",
            "/",
            &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        ("GET", "/%E1%88%B4", &[], "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("GET", "/ሴ", &[], "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("GET", "/?%e1%88%b4=bar", &[], "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        ("GET", "/?ሴ=bar", &[], "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        ("GET", "//example//", &[], "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"),
        ("GET", "/example%20space/", &[], "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        (
            "GET",
            "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789\
                 ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        ("POST", "/?Param1=value1", &[], "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        ("POST", "/?Param1=value1&", &[], "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ];
    for (method, uri, extra, signature) in cases {
        let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        headers.extend_from_slice(extra);
        let parts = head(method, uri, &headers);
        let head = Head::new(&parts);
        let mut names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let signed_headers = names.join(";");
        let request = canonical::request(&canonical::Pieces {
            method,
            path: &canonical::path(&head, Spelling::Canonical),
            query: &canonical::query(&head, Spelling::Canonical, None),
            header_lines: &canonical::header_lines(&head, &signed_headers),
            signed_headers: &signed_headers,
            payload: EMPTY_SHA256,
        });
        let time = at("20150830T123600Z").to_system_time();
        let key = generate_signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", time, "us-east-1", "service");
        let text = string_to_sign("20150830T123600Z", "20150830/us-east-1/service/aws4_request", &request);
        let text_shown = String::from_utf8_lossy(&request);
        assert_eq!(calculate_signature(key, &text), signature, "{uri}\n{text_shown}");
    }
}

const BOTOCORE_DAY: &str = "20240229T120000Z";

fn botocore(method: &str, uri: &str, signature: &str, signed_headers: &str, extra: &[(&str, &str)]) {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/us-east-1/s3/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    );
    let mut headers = vec![
        ("host", "127.0.0.1:9000"),
        ("x-amz-date", BOTOCORE_DAY),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("authorization", &authorization),
    ];
    headers.extend_from_slice(extra);
    signed(&head(method, uri, &headers), BOTOCORE_DAY);
}

#[test]
fn what_botocore_signs_holds() {
    botocore(
        "PUT",
        "/b/a%20b/%C3%BC~%28x%29%27%2B//../y%2Cz",
        "c72ea11620c081b6517d53be16eb8dcc02657767469825577c41799d54071c29",
        "content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-odd",
        &[
            ("x-amz-meta-odd", "  a   b\tc "),
            ("content-type", "text/plain"),
            ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("user-agent", "Boto3/1"),
        ],
    );
    let plain = "host;x-amz-content-sha256;x-amz-date";
    botocore(
        "GET",
        "/b?list-type=2&prefix=a%2Fb%20c%2Bd&delimiter=%2F&encoding-type=url&continuation-token=x%3D%3D",
        "a3ade8369e0f3b6957ffc0920909c560a87de3934e8c99b9f09bd1ea8a3fd1cc",
        plain,
        &[],
    );
    // It signs a query that it did not build in the query's own spelling.
    let signature = "7f9c49dce42d1dca753c8b6343c13880151d243d920bede7d9f2bcba478b214f";
    botocore("GET", "/b?versions&prefix=a(b)*", signature, plain, &[]);
}

#[test]
fn what_botocore_presigns_holds() {
    let uri = "/b/k%20%2B?response-content-type=text%2Fplain&x-id=GetObject&X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Fus-east-1%2Fs3%2Faws4_request\
               &X-Amz-Date=20240229T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host\
               &X-Amz-Signature=3805f997a7524dd4f985b56f036eb2d5d216ccd6b9ea9fd213b4f9ec035b32a4";
    signed(&head("GET", uri, &[("host", "127.0.0.1:9000"), ("user-agent", "curl")]), BOTOCORE_DAY);
}
