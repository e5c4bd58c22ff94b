//! The headers of server-side encryption: what a request asks for, with which customer's key, and what answers tell.
//!
//! SSE-C over plain HTTP is accepted, unlike on Amazon S3: TLS usually ends at a proxy before this server, which
//! therefore cannot know how the key came.
//!
//! Source: Amazon S3 User Guide, "Protecting data with server-side encryption"; Amazon S3 API Reference, PutObject.

use http::{HeaderMap, HeaderName, HeaderValue};
use subtle::ConstantTimeEq as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::cipher::{CustomerKey, Envelope, Holder, Protection};
use crate::limits::{ENCRYPTION_CONTEXT_BYTES_MAX, ENCRYPTION_KEY_ID_BYTES_MAX};
use crate::rules::encryption::{Algorithm, BucketEncryption};
use crate::s3::authorize::call::Authorized;
use crate::s3::metadata::{header_text, insert_text};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{DocumentKind, VersionAttributes};

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const KMS_CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// The three headers of a customer's key.
struct CustomerHeaders {
    algorithm: &'static str,
    key: &'static str,
    md5: &'static str,
}

const CUSTOMER: CustomerHeaders = CustomerHeaders {
    algorithm: "x-amz-server-side-encryption-customer-algorithm",
    key: "x-amz-server-side-encryption-customer-key",
    md5: "x-amz-server-side-encryption-customer-key-md5",
};

const SOURCE: CustomerHeaders = CustomerHeaders {
    algorithm: "x-amz-copy-source-server-side-encryption-customer-algorithm",
    key: "x-amz-copy-source-server-side-encryption-customer-key",
    md5: "x-amz-copy-source-server-side-encryption-customer-key-md5",
};

/// The customer's key of a request, for the object that it reads or writes.
///
/// # Errors
/// `InvalidArgument` if the three headers do not make a key.
pub(crate) fn customer_key(headers: &HeaderMap) -> Result<Option<CustomerKey>, S3Error> {
    CUSTOMER.read(headers)
}

/// The customer's key of a copy's source.
///
/// # Errors
/// As `customer_key`.
pub(crate) fn source_key(headers: &HeaderMap) -> Result<Option<CustomerKey>, S3Error> {
    SOURCE.read(headers)
}

impl CustomerHeaders {
    fn read(&self, headers: &HeaderMap) -> Result<Option<CustomerKey>, S3Error> {
        // The key itself is never repeated in an error.
        let refuse = |name: &'static str, value: &str, message: &'static str| {
            Err(S3Error::invalid_argument(name, value, message))
        };
        let [algorithm, key, md5] = [self.algorithm, self.key, self.md5].map(|name| header_text(headers, name));
        let (algorithm, key, md5) = match (algorithm, key, md5) {
            (None, None, None) => return Ok(None),
            (None, _, _) => {
                let message = "Requests specifying Server Side Encryption with Customer provided keys must provide a \
                               valid encryption algorithm.";
                return refuse(self.algorithm, "null", message);
            }
            (Some(_), None, _) => {
                let message = "Requests specifying Server Side Encryption with Customer provided keys must provide an \
                               appropriate secret key.";
                return refuse(self.key, "null", message);
            }
            (Some(_), Some(_), None) => {
                let message = "Requests specifying Server Side Encryption with Customer provided keys must provide the \
                               client calculated MD5 of the secret key.";
                return refuse(self.md5, "null", message);
            }
            (Some(algorithm), Some(key), Some(md5)) => (algorithm, zeroize::Zeroizing::new(key), md5),
        };
        if algorithm != "AES256" {
            let message = "The Encryption request you specified is not valid. Supported value: AES256.";
            return Err(S3Error::new(Code::InvalidEncryptionAlgorithmError)
                .message(message)
                .detail("ArgumentName", self.algorithm)
                .detail("ArgumentValue", algorithm));
        }
        let Some(key) = CustomerKey::parse(&key) else {
            return refuse(self.key, "null", "The secret key was invalid for the specified algorithm.");
        };
        let claimed = BASE64.decode(&md5).unwrap_or_default();
        if !bool::from(claimed.ct_eq(key.md5())) {
            let message = "The calculated MD5 hash of the key did not match the hash that was provided.";
            return refuse(self.md5, &md5, message);
        }
        Ok(Some(key))
    }
}

/// What a request asks for, by itself; `None` if nothing.
///
/// # Errors
/// `InvalidArgument` if its headers contradict each other or name what there is not; `NotImplemented` for
/// `aws:kms:dsse`, whose second layer is not built.
fn requested(headers: &HeaderMap) -> Result<Option<Holder>, S3Error> {
    let customer = customer_key(headers)?;
    let algorithm = header_text(headers, ALGORITHM);
    let kms_key = header_text(headers, KMS_KEY);
    let context = header_text(headers, KMS_CONTEXT);
    let bucket_key = bucket_key(headers)?;
    if let (Some(_), Some(algorithm)) = (&customer, &algorithm) {
        let message =
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
        return Err(S3Error::invalid_argument(ALGORITHM, algorithm, message));
    }
    let is_kms = algorithm.as_deref() == Some("aws:kms");
    if !is_kms && (kms_key.is_some() || context.is_some()) {
        let message = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms";
        return Err(S3Error::invalid_argument(ALGORITHM, algorithm.unwrap_or_default(), message));
    }
    match algorithm.as_deref() {
        None => Ok(customer.map(Holder::Customer)),
        Some("AES256") => Ok(Some(Holder::Gateway)),
        Some("aws:kms") => {
            let key = kms_key.map(|key| check_key_id(KMS_KEY, key)).transpose()?;
            let context = context.map(check_context).transpose()?;
            Ok(Some(Holder::Kms { key, bucket_key: bucket_key.unwrap_or_default(), context }))
        }
        Some("aws:kms:dsse") => Err(S3Error::new(Code::NotImplemented)
            .message("Dual-layer encryption (aws:kms:dsse) is not implemented; use aws:kms.")
            .detail("Header", ALGORITHM)),
        Some(other) => {
            Err(S3Error::invalid_argument(ALGORITHM, other, "The encryption method specified is not supported"))
        }
    }
}

/// What `x-amz-server-side-encryption-bucket-key-enabled` says.
fn bucket_key(headers: &HeaderMap) -> Result<Option<bool>, S3Error> {
    match header_text(headers, BUCKET_KEY) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(text) => Err(S3Error::invalid_argument(BUCKET_KEY, text, "The value must be true or false.")),
    }
}

/// A key id of a request, which has to fit where it is stored and shown.
pub(crate) fn check_key_id(name: &'static str, key: String) -> Result<String, S3Error> {
    let legal = (1..=ENCRYPTION_KEY_ID_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if legal { Ok(key) } else { Err(S3Error::invalid_argument(name, "", "The KMS key id is not valid.")) }
}

/// An encryption context: base64 of a JSON object whose values are strings.
fn check_context(context: String) -> Result<String, S3Error> {
    let strings = || -> Option<std::collections::BTreeMap<String, String>> {
        serde_json::from_slice(&BASE64.decode(&context).ok()?).ok()
    };
    if context.len() <= ENCRYPTION_CONTEXT_BYTES_MAX && strings().is_some() {
        return Ok(context);
    }
    let message = "The encryption context must be base64-encoded JSON whose values are strings.";
    Err(S3Error::invalid_argument(KMS_CONTEXT, context, message))
}

/// The configuration of the bucket that a request is about.
///
/// # Errors
/// Those of the store.
pub(crate) async fn configured(gateway: &Gateway, call: &Authorized) -> Result<Option<BucketEncryption>, S3Error> {
    let documents = gateway.engine.documents(call.bucket()).await?;
    let Some(stored) = documents.get(DocumentKind::Encryption) else { return Ok(None) };
    let unreadable = || S3Error::new(Code::InternalError).cause("the default encryption of a bucket cannot be read");
    BucketEncryption::from_document(stored).map(Some).ok_or_else(unreadable)
}

/// Who is to hold the key of a new version or upload: what the request says, else what the bucket says, else what
/// the server says.
async fn holder(gateway: &Gateway, call: &Authorized) -> Result<Option<Holder>, S3Error> {
    let default = configured(gateway, call).await?;
    let requested = requested(&call.headers)?;
    if let Some(holder) = requested {
        if matches!(holder, Holder::Customer(_)) && default.as_ref().is_some_and(|default| default.blocks_customer_keys)
        {
            return Err(S3Error::new(Code::AccessDenied).cause("the bucket blocks SSE-C"));
        }
        return Ok(Some(holder));
    }
    let Some(default) = default else {
        return Ok(gateway.settings.encrypt_by_default.then_some(Holder::Gateway));
    };
    Ok(match default.algorithm {
        Some(Algorithm::Aes256) => Some(Holder::Gateway),
        Some(Algorithm::Kms) => {
            let bucket_key = bucket_key(&call.headers)?.unwrap_or(default.bucket_key);
            Some(Holder::Kms { key: default.kms_key, bucket_key, context: None })
        }
        None => gateway.settings.encrypt_by_default.then_some(Holder::Gateway),
    })
}

/// The envelope of a new version or upload; `None` if its body is stored as it is.
///
/// # Errors
/// `InvalidArgument`, `NotImplemented`, `AccessDenied`, `KMS.NotFoundException`.
pub(crate) async fn new_envelope(gateway: &Gateway, call: &Authorized) -> Result<Option<Vec<u8>>, S3Error> {
    match holder(gateway, call).await? {
        Some(holder) => Ok(Some(gateway.engine.new_envelope(&holder)?)),
        None => Ok(None),
    }
}

/// Refuses the headers that ask for an encryption, where nothing is written: S3 does not ignore them either.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn refuse_request_headers(headers: &HeaderMap) -> Result<(), S3Error> {
    let Some(name) = [ALGORITHM, KMS_KEY, KMS_CONTEXT, BUCKET_KEY].into_iter().find(|name| headers.contains_key(*name))
    else {
        return Ok(());
    };
    let value = header_text(headers, name).unwrap_or_default();
    Err(S3Error::invalid_argument(name, value, format!("{name} header is not supported for this operation.")))
}

/// Refuses a part that asks for encryption when its upload has none. An upload that has one decides for its parts.
///
/// # Errors
/// `InvalidRequest`.
pub(crate) fn refuse_part_headers(headers: &HeaderMap, attributes: &VersionAttributes) -> Result<(), S3Error> {
    if attributes.encryption.is_none() && refuse_request_headers(headers).is_err() {
        return Err(S3Error::invalid_request("The multipart upload initiate requested no encryption."));
    }
    Ok(())
}

/// Whether the headers of a copy change the encryption: then a copy onto itself is none that does nothing.
pub(crate) fn changes_encryption(headers: &HeaderMap) -> bool {
    [ALGORITHM, CUSTOMER.algorithm].iter().any(|name| headers.contains_key(*name))
}

/// Tells how a body is encrypted.
pub(crate) fn insert_encryption(headers: &mut HeaderMap, attributes: &VersionAttributes, key: Option<&CustomerKey>) {
    // An envelope that cannot be read is told when the body is opened.
    let Ok(Some(envelope)) = Envelope::of(attributes.encryption.as_deref()) else { return };
    let fixed = |name: &'static str| HeaderName::from_static(name);
    match envelope.protection() {
        Protection::Gateway { .. } => {
            headers.insert(fixed(ALGORITHM), HeaderValue::from_static("AES256"));
        }
        Protection::Kms { key, bucket_key, .. } => {
            headers.insert(fixed(ALGORITHM), HeaderValue::from_static("aws:kms"));
            insert_text(headers, fixed(KMS_KEY), key);
            if *bucket_key {
                headers.insert(fixed(BUCKET_KEY), HeaderValue::from_static("true"));
            }
        }
        Protection::Customer => {
            headers.insert(fixed(CUSTOMER.algorithm), HeaderValue::from_static("AES256"));
            if let Some(key) = key {
                insert_text(headers, fixed(CUSTOMER.md5), &key.md5_base64());
            }
        }
    }
}

/// Tells how a new body is encrypted, with the context that is told once only.
pub(crate) fn insert_new_encryption(
    headers: &mut HeaderMap,
    attributes: &VersionAttributes,
    key: Option<&CustomerKey>,
) {
    insert_encryption(headers, attributes, key);
    if let Ok(Some(envelope)) = Envelope::of(attributes.encryption.as_deref())
        && let Protection::Kms { context: Some(context), .. } = envelope.protection()
    {
        insert_text(headers, HeaderName::from_static(KMS_CONTEXT), context);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{customer_key, requested, source_key};
    use crate::cipher::Holder;
    use crate::s3::Code;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
    const SECRET: &str = "x-amz-server-side-encryption-customer-key";
    const DIGEST: &str = "x-amz-server-side-encryption-customer-key-md5";

    #[test]
    fn a_customers_key_needs_all_three_headers_and_a_true_md5() {
        assert!(customer_key(&HeaderMap::new()).unwrap().is_none());
        let whole = [(ALGORITHM, "AES256"), (SECRET, KEY), (DIGEST, MD5)];
        assert_eq!(customer_key(&headers(&whole)).unwrap().unwrap().md5_base64(), MD5);
        assert!(source_key(&headers(&whole)).unwrap().is_none());
        let table: [&[(&'static str, &'static str)]; 8] = [
            &whole[1..],
            &whole[..2],
            &whole[2..],
            &whole[..1],
            &[(ALGORITHM, "AES256"), (SECRET, "c2hvcnQ="), (DIGEST, MD5)],
            &[(ALGORITHM, "AES256"), (SECRET, "no base64"), (DIGEST, MD5)],
            &[(ALGORITHM, "AES256"), (SECRET, KEY), (DIGEST, "AAAAAAAAAAAAAAAAAAAAAA==")],
            &[(ALGORITHM, "AES256"), (SECRET, KEY), (DIGEST, "no base64")],
        ];
        for wrong in table {
            let error = customer_key(&headers(wrong)).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{wrong:?}");
            assert!(!format!("{error:?}").contains(KEY), "a key is never repeated");
        }
        let other = [(ALGORITHM, "AES128"), (SECRET, KEY), (DIGEST, MD5)];
        assert_eq!(customer_key(&headers(&other)).unwrap_err().code, Code::InvalidEncryptionAlgorithmError);
    }

    #[test]
    fn what_a_request_asks_for_has_one_holder_or_is_refused() {
        let sse = "x-amz-server-side-encryption";
        let (id, context) = ("x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-context");
        let bucket_key = "x-amz-server-side-encryption-bucket-key-enabled";
        assert!(requested(&HeaderMap::new()).unwrap().is_none());
        assert!(matches!(requested(&headers(&[(sse, "AES256")])), Ok(Some(Holder::Gateway))));
        let kms = headers(&[(sse, "aws:kms"), (id, "k"), (context, "eyJhIjoiYiJ9"), (bucket_key, "true")]);
        let Ok(Some(Holder::Kms { key, bucket_key: on, context: told })) = requested(&kms) else { panic!("KMS") };
        assert_eq!((key.as_deref(), on, told.as_deref()), (Some("k"), true, Some("eyJhIjoiYiJ9")));
        let customer = [(ALGORITHM, "AES256"), (SECRET, KEY), (DIGEST, MD5)];
        assert!(matches!(requested(&headers(&customer)), Ok(Some(Holder::Customer(_)))));
        let wrong: [&[(&'static str, &'static str)]; 8] = [
            &[(sse, "aes:kms")],
            &[(sse, "")],
            &[(id, "k")],
            &[(sse, "AES256"), (id, "k")],
            &[(sse, "aws:kms"), (id, "a b")],
            &[(sse, "aws:kms"), (context, "e30x")],
            &[(sse, "aws:kms"), (bucket_key, "maybe")],
            &[(sse, "aws:kms"), customer[0], customer[1], customer[2]],
        ];
        for pairs in wrong {
            assert_eq!(requested(&headers(pairs)).unwrap_err().code, Code::InvalidArgument, "{pairs:?}");
        }
        let dual = requested(&headers(&[(sse, "aws:kms:dsse")])).unwrap_err();
        assert_eq!(dual.code, Code::NotImplemented);
    }
}
