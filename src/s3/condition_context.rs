//! What a request says of itself, for the conditions of policies.
//!
//! Source: Service Authorization Reference, "Condition keys for Amazon S3"; IAM User Guide, "AWS global condition
//! context keys".

use std::borrow::Cow;

use crate::identity::account_id;
use crate::policy::{Context, Values};
use crate::s3::authorize::call::Authorized;
use crate::s3::metadata::header_text;
use crate::s3::query::Query;
use crate::s3::source_name::{SourceName, source_name};
use crate::s3::tagging::TAGGING;
use crate::s3::{Gateway, Operation};
use crate::types::{OwnerId, Tags, Timestamp};

/// Condition keys that are the values of headers of their names.
const HEADERS: [&str; 17] = [
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-bucket-namespace",
    "x-amz-content-sha256",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

const MICROS_PER_DAY: i64 = 24 * 3600 * 1_000_000;

/// The context of one question about a request.
pub(crate) struct RequestContext<'a> {
    /// Whose request.
    pub(crate) gateway: &'a Gateway,
    /// The request.
    pub(crate) call: &'a Authorized,
    /// Owner of the bucket that is asked about.
    pub(crate) bucket_owner: Option<&'a OwnerId>,
    /// The version that is asked about, as it was named.
    pub(crate) version: Option<&'a str>,
    /// A prefix that stands for the request's own, where one is asked on behalf of a key.
    pub(crate) prefix: Option<&'a str>,
    /// Tags of the version that is asked about.
    pub(crate) tags: Option<&'a Tags>,
    /// Tags that the request brings in its body.
    pub(crate) new_tags: Option<&'a Tags>,
    /// When it is asked.
    pub(crate) now: Timestamp,
}

impl Context for RequestContext<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        if let Some(name) = key.strip_prefix("s3:existingobjecttag/") {
            return one(self.tags.and_then(|tags| tags.value(name)).map(str::to_owned));
        }
        if let Some(name) = key.strip_prefix("s3:requestobjecttag/") {
            let found = self.request_tags().into_iter().find(|(key, _)| key == name);
            return one(found.map(|(_, value)| value));
        }
        if key == "s3:requestobjecttagkeys" {
            return self.request_tags().into_iter().map(|(key, _)| Cow::Owned(key)).collect();
        }
        one(self.value(key))
    }
}

fn one<'a>(value: Option<String>) -> Values<'a> {
    value.map(Cow::Owned).into_iter().collect()
}

impl RequestContext<'_> {
    fn value(&self, key: &str) -> Option<String> {
        let call = self.call;
        match key {
            // The peer of the connection: no proxy is trusted to name another.
            "aws:sourceip" => call.peer.map(|peer| peer.address.ip().to_canonical().to_string()),
            "aws:securetransport" => call.peer.map(|peer| peer.tls.to_string()),
            "aws:referer" => self.header("referer"),
            "aws:useragent" => self.header("user-agent"),
            "aws:requestedregion" => Some(self.gateway.settings.auth.region.clone()),
            // The gateway has no services that act on their own, and none through which others act.
            "aws:principalisawsservice" | "aws:viaawsservice" => Some(false.to_string()),
            "aws:tokenissuetime" => call.principal.session().map(|session| session.issued.iso_millis()),
            // Sessions are made without a second factor; keys of their own have no such property.
            "aws:multifactorauthpresent" => call.principal.session().map(|_| false.to_string()),
            "aws:resourceaccount" | "s3:resourceaccount" => self.bucket_owner.map(account_id),
            "s3:prefix" => match self.prefix {
                Some(prefix) => Some(prefix.to_owned()),
                None => call.query.value("prefix").map(str::to_owned),
            },
            "s3:delimiter" => call.query.value("delimiter").map(str::to_owned),
            "s3:max-keys" => call.query.value("max-keys").map(str::to_owned),
            "s3:versionid" => self.version.map(str::to_owned),
            "s3:signatureversion" => call.signature.map(|signature| signature.version.to_owned()),
            "s3:authtype" => call.signature.map(|signature| signature.place.to_owned()),
            "s3:signatureage" => self.signature_age(),
            "s3:objectcreationoperation" => Some(self.creates_object().to_string()),
            "s3:x-amz-copy-source" => self.copy_source(),
            "s3:object-lock-legal-hold" => self.header("x-amz-object-lock-legal-hold"),
            "s3:object-lock-mode" => self.header("x-amz-object-lock-mode"),
            "s3:object-lock-retain-until-date" => self.header("x-amz-object-lock-retain-until-date"),
            "s3:object-lock-remaining-retention-days" => self.retention_days(),
            _ => {
                let name = key.strip_prefix("s3:")?;
                HEADERS.contains(&name).then(|| self.header(name)).flatten()
            }
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        header_text(&self.call.headers, name)
    }

    /// The source of a copy without its encoding and without a slash in front, so that no spelling of it gets around
    /// a pattern. What cannot be read is shown as it is; such a copy is refused later.
    fn copy_source(&self) -> Option<String> {
        let sent = self.header("x-amz-copy-source")?;
        Some(match source_name(&self.call.headers) {
            Ok(SourceName { bucket, key, .. }) => format!("{bucket}/{}", key.as_str()),
            Err(_) => sent,
        })
    }

    /// Milliseconds since a request was signed.
    fn signature_age(&self) -> Option<String> {
        let sent = self.call.query.value("X-Amz-Date").map(str::to_owned).or_else(|| self.header("x-amz-date"))?;
        let signed = Timestamp::parse_amz_basic(&sent).filter(|_| self.call.signature.is_some())?;
        Some(((self.now.0 - signed.0) / 1000).to_string())
    }

    /// Whether a write makes an object, as opposed to a part of one.
    fn creates_object(&self) -> bool {
        !matches!(
            self.call.operation,
            Operation::CreateMultipartUpload | Operation::UploadPart | Operation::UploadPartCopy
        )
    }

    fn retention_days(&self) -> Option<String> {
        let until = Timestamp::parse_iso(&self.header("x-amz-object-lock-retain-until-date")?)?;
        let left = (until.0 - self.now.0).max(0);
        Some(((left + MICROS_PER_DAY - 1) / MICROS_PER_DAY).to_string())
    }

    /// The tags that a request brings: in its header, or in its body as far as that was read.
    fn request_tags(&self) -> Vec<(String, String)> {
        if let Some(tags) = self.new_tags {
            return tags.0.clone();
        }
        // What cannot be read is refused later, whatever is decided here.
        let Some(query) = self.header(TAGGING).and_then(|text| Query::parse(&text)) else { return Vec::new() };
        query.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}
