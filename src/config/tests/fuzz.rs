//! Any text as the configuration file, as any setting, and as the file of encryption keys.

use crate::cipher::KeyRing;
use crate::config::file::parse_text;
use crate::config::value::{
    format_size, parse_address, parse_domain, parse_flag, parse_region, parse_size, parse_span,
};
use crate::config::{Config, RawConfig};
use crate::tests::fuzz::{self, Target};

const TOKENS: [&str; 64] = [
    "data-dir = \"/data\"\n",
    "listen = \"",
    "admin-listen = \":9001\"\n",
    "memory = ",
    "64MiB",
    "1 GiB",
    "kb",
    "TiB",
    "domain = [\"",
    "website-domain = \"",
    "region = \"eu-central-1\"\n",
    "tls-cert = \"c\"\n",
    "tls-key = \"k\"\n",
    "drain-timeout = ",
    "30d",
    "2m",
    "1h",
    "upload-expiry-days = ",
    "log-format = \"json\"\n",
    "log = \"debug\"\n",
    "allow-anonymous = ",
    "true",
    "off",
    "allow-signature-v2 = ",
    "encryption-keys = \"keys.txt\"\n",
    "encrypt-by-default = true\n",
    "master-key = \"",
    "access-key-id = \"AKIA\"\n",
    "secret-access-key = \"",
    "access-log-interval = ",
    "key-requests = \"50:100\"\n",
    "key-bandwidth = \"10MiB\"\n",
    "address-requests = ",
    "bandwidth = \"08:00=2MiB,18:00=off\"\n",
    "Mon-Fri",
    "24:00",
    "[webhook.hook]\n",
    "url = \"https://example.com/\"\n",
    "token = \"hidden\"\n",
    "secret = \"",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    "#",
    ".",
    ",",
    "-1",
    "1e9",
    "0x10",
    "1979-05-27T07:32:00Z",
    "\\u0000",
    "nan",
    "inf",
    "[[webhook]]\n",
    "127.0.0.1:9000",
    "[::1]:9000",
    "localhost:1",
];

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match parse_text(text) {
        Ok(raw) => drop(Config::decide(RawConfig { data_dir: Some("/data".into()), ..raw }, None)),
        Err(detail) => assert!(!detail.contains('\n'), "{detail}"),
    }
    let _ = KeyRing::parse(text);
    for value in text.split(['\n', '"', '=']) {
        if let Some(bytes) = parse_size(value) {
            assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }
        if let Some(address) = parse_address(value) {
            assert_eq!(parse_address(&address.to_string()), Some(address));
        }
        for name in [parse_domain(value), parse_region(value)].into_iter().flatten() {
            assert!(!name.is_empty() && name.is_ascii());
        }
        let _ = (parse_span(value), parse_flag(value));
    }
}

#[test]
fn no_configuration_panics() {
    fuzz::run(&Target { name: "config", runs: 2_500, tokens: &TOKENS, law: &check });
}
