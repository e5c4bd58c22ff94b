//! PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption: how new objects of a bucket are encrypted unless
//! a request says otherwise.
//!
//! Amazon S3 has encrypted every bucket since 2023 and answers `AES256` for those without a configuration. Here that is
//! so with `--encrypt-by-default`; without it nothing is encrypted that nobody asked for, and the answer is the true
//! one: there is no configuration.
//!
//! Source: Amazon S3 API Reference, PutBucketEncryption, ServerSideEncryptionRule, BlockedEncryptionTypes.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::encryption::{Algorithm, BucketEncryption};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::encryption_headers::{check_key_id, configured};
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

/// PutBucketEncryption.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument`, `NotImplemented`, `KMS.NotFoundException`.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let encryption = read(&document)?;
    if let Some(key) = encryption.kms_key.as_deref().filter(|key| !gateway.engine.keys().knows(key)) {
        // A key that is not there would refuse every upload later.
        return Err(S3Error::new(Code::KmsNotFoundException).message(format!("Key '{key}' does not exist")));
    }
    let stored = serde_json::to_vec(&encryption).expect("a configuration is plain data");
    gateway.engine.set_document(call.bucket(), DocumentKind::Encryption, Some(stored.into())).await?;
    Ok(respond_empty(StatusCode::OK))
}

/// GetBucketEncryption.
///
/// # Errors
/// `ServerSideEncryptionConfigurationNotFoundError`.
pub(crate) async fn get(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let encryption = match configured(gateway, call).await? {
        Some(encryption) => encryption,
        None if gateway.settings.encrypt_by_default => {
            BucketEncryption { algorithm: Some(Algorithm::Aes256), ..BucketEncryption::default() }
        }
        None => return Err(absent(call, Code::ServerSideEncryptionConfigurationNotFoundError)),
    };
    Ok(respond_document(write(&encryption)))
}

/// DeleteBucketEncryption.
///
/// # Errors
/// Those of the store.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    gateway.engine.set_document(call.bucket(), DocumentKind::Encryption, None).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

pub(super) fn write(encryption: &BucketEncryption) -> String {
    let mut xml = XmlWriter::document("ServerSideEncryptionConfiguration");
    xml.open("Rule");
    if let Some(algorithm) = encryption.algorithm {
        xml.open("ApplyServerSideEncryptionByDefault").text("SSEAlgorithm", algorithm.name());
        xml.optional("KMSMasterKeyID", encryption.kms_key.as_deref()).close();
    }
    xml.text("BucketKeyEnabled", encryption.bucket_key);
    if let Some(blocked) = &encryption.blocked {
        xml.open("BlockedEncryptionTypes").text("EncryptionType", blocked).close();
    }
    xml.finish()
}

/// Reads a ServerSideEncryptionConfiguration: exactly one rule.
pub(super) fn read(document: &[u8]) -> Result<BucketEncryption, S3Error> {
    const ROOT: &str = "ServerSideEncryptionConfiguration";
    let malformed = |cause: &str| S3Error::new(Code::MalformedXML).cause(cause);
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut rules = 0;
    let mut encryption = BucketEncryption::default();
    while let Some(event) = feed.next_event()? {
        let (path, text) = match event {
            XmlEvent::Open { path } if path == ROOT || path.starts_with(&format!("{ROOT}/")) => continue,
            XmlEvent::Open { path } => return Err(malformed(path)),
            XmlEvent::Close { path, text } => (path, text.trim()),
        };
        match path.strip_prefix(ROOT).unwrap_or(path) {
            "/Rule" => rules += 1,
            "/Rule/ApplyServerSideEncryptionByDefault/SSEAlgorithm" => encryption.algorithm = Some(algorithm(text)?),
            "/Rule/ApplyServerSideEncryptionByDefault/KMSMasterKeyID" if !text.is_empty() => {
                encryption.kms_key = Some(check_key_id("KMSMasterKeyID", text.to_owned())?);
            }
            "/Rule/BucketKeyEnabled" => {
                encryption.bucket_key = text.parse().map_err(|_| malformed("BucketKeyEnabled"))?;
            }
            "/Rule/BlockedEncryptionTypes/EncryptionType" => {
                encryption.blocks_customer_keys = match text {
                    "SSE-C" => true,
                    "NONE" => false,
                    _ => return Err(malformed("EncryptionType")),
                };
                encryption.blocked = Some(text.to_owned());
            }
            "" | "/Rule/ApplyServerSideEncryptionByDefault" | "/Rule/BlockedEncryptionTypes" => {}
            "/Rule/ApplyServerSideEncryptionByDefault/KMSMasterKeyID" => {}
            _ => return Err(malformed("an element that S3 does not know")),
        }
    }
    feed.finish()?;
    if rules != 1 || (encryption.algorithm.is_none() && encryption.blocked.is_none()) {
        return Err(malformed("one rule with an algorithm"));
    }
    if encryption.kms_key.is_some() && encryption.algorithm != Some(Algorithm::Kms) {
        let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
        return Err(S3Error::new(Code::InvalidArgument).message(message));
    }
    Ok(encryption)
}

fn algorithm(text: &str) -> Result<Algorithm, S3Error> {
    match text {
        "AES256" => Ok(Algorithm::Aes256),
        "aws:kms" => Ok(Algorithm::Kms),
        "aws:kms:dsse" => Err(S3Error::not_implemented("Dual-layer encryption (aws:kms:dsse)")),
        _ => Err(S3Error::new(Code::MalformedXML).cause("SSEAlgorithm")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, BucketEncryption, read, write};
    use crate::s3::Code;

    fn rule(inner: &str) -> String {
        format!("<ServerSideEncryptionConfiguration><Rule>{inner}</Rule></ServerSideEncryptionConfiguration>")
    }

    fn default(inner: &str) -> String {
        rule(&format!("<ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault>"))
    }

    #[test]
    fn a_configuration_reads_back_as_it_was_written() {
        let kms = BucketEncryption {
            algorithm: Some(Algorithm::Kms),
            kms_key: Some("arn:aws:kms:x:1:key/k".into()),
            bucket_key: true,
            blocks_customer_keys: true,
            blocked: Some("SSE-C".into()),
        };
        let plain = BucketEncryption { algorithm: Some(Algorithm::Aes256), ..BucketEncryption::default() };
        let only_blocks = BucketEncryption { blocked: Some("NONE".into()), ..BucketEncryption::default() };
        for encryption in [kms, plain, only_blocks] {
            assert_eq!(read(write(&encryption).as_bytes()).unwrap(), encryption);
            let stored = serde_json::to_vec(&encryption).unwrap();
            assert_eq!(serde_json::from_slice::<BucketEncryption>(&stored).unwrap(), encryption);
        }
        let minimal = default("<SSEAlgorithm>AES256</SSEAlgorithm>");
        assert_eq!(read(minimal.as_bytes()).unwrap().algorithm, Some(Algorithm::Aes256));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let table = [
            (String::new(), Code::MalformedXML),
            ("<Other/>".into(), Code::MalformedXML),
            ("<ServerSideEncryptionConfiguration/>".into(), Code::MalformedXML),
            (rule(""), Code::MalformedXML),
            (default("<SSEAlgorithm>AES512</SSEAlgorithm>"), Code::MalformedXML),
            (default("<KMSMasterKeyID>k</KMSMasterKeyID>"), Code::MalformedXML),
            (default("<SSEAlgorithm>AES256</SSEAlgorithm><Unknown>1</Unknown>"), Code::MalformedXML),
            (
                default("<SSEAlgorithm>AES256</SSEAlgorithm>").replace("</Rule>", "</Rule><Rule></Rule>"),
                Code::MalformedXML,
            ),
            (default("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"), Code::InvalidArgument),
            (default("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>"), Code::NotImplemented),
            (
                rule("<BlockedEncryptionTypes><EncryptionType>SSE-S3</EncryptionType></BlockedEncryptionTypes>"),
                Code::MalformedXML,
            ),
        ];
        for (document, code) in table {
            assert_eq!(read(document.as_bytes()).unwrap_err().code, code, "{document}");
        }
    }
}
