//! Settings of buckets, taken over as the documents that they are. A server that does not know one answers anything;
//! only what is the document in question counts.

use bytes::Bytes;
use http::Method;
use md5::{Digest as _, Md5};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::transfer::TransferError;
use crate::transfer::client::{Call, S3Client};
use crate::transfer::report::Tally;
use crate::transfer::xml::Element;

/// When a setting is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before objects are written, because it says how they are stored.
    Before,
    /// After them, because it would refuse, lock or remove them.
    After,
}

/// A setting: its name, which is its parameter of the query, and the root of its document; a policy is JSON.
struct Setting {
    name: &'static str,
    root: Option<&'static str>,
    when: When,
}

const SETTINGS: [Setting; 7] = [
    Setting { name: "encryption", root: Some("ServerSideEncryptionConfiguration"), when: When::Before },
    Setting { name: "tagging", root: Some("Tagging"), when: When::After },
    Setting { name: "cors", root: Some("CORSConfiguration"), when: When::After },
    Setting { name: "website", root: Some("WebsiteConfiguration"), when: When::After },
    Setting { name: "object-lock", root: Some("ObjectLockConfiguration"), when: When::After },
    Setting { name: "policy", root: None, when: When::After },
    Setting { name: "lifecycle", root: Some("LifecycleConfiguration"), when: When::After },
];

/// What a bucket is beside its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Whether it has versions: never, or with the status that it has now.
    pub(crate) versioning: Option<Versioning>,
    /// Whether it was made with object lock.
    pub(crate) is_locked: bool,
}

/// The status of a bucket that has versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versioning {
    Enabled,
    Suspended,
}

/// Looks at a bucket of the source.
///
/// # Errors
/// What the source refuses.
pub(crate) async fn kind(source: &S3Client, bucket: &str) -> Result<Kind, TransferError> {
    // Its root has other names on some servers; a listing, which is what one without versions may answer, has no
    // status.
    let versioning = match source.read(&Call::bucket(Method::GET, bucket).query("versioning", "")).await {
        Ok(answer) => answer.xml().ok(),
        Err(error) if is_unset(&error) => None,
        Err(error) => return Err(error),
    };
    let versioning = match versioning.as_ref().and_then(|document| document.text_of("Status")) {
        Some("Enabled") => Some(Versioning::Enabled),
        Some("Suspended") => Some(Versioning::Suspended),
        _ => None,
    };
    let is_locked = read(source, bucket, "object-lock", Some("ObjectLockConfiguration")).await?.is_some();
    Ok(Kind { versioning, is_locked })
}

/// Makes the bucket at the target, unless it is there.
///
/// # Errors
/// What the target refuses.
pub(crate) async fn make(target: &S3Client, bucket: &str, kind: Kind) -> Result<(), TransferError> {
    if !exists(target, bucket).await? {
        let mut call = Call::bucket(Method::PUT, bucket);
        if kind.is_locked {
            call = call.header("x-amz-bucket-object-lock-enabled", "true")?;
        }
        target.read(&call).await?;
    }
    match kind.versioning {
        Some(_) => version(target, bucket, Versioning::Enabled).await,
        None => Ok(()),
    }
}

/// Whether the bucket is there.
///
/// # Errors
/// What the server refuses.
pub(crate) async fn exists(client: &S3Client, bucket: &str) -> Result<bool, TransferError> {
    match client.read(&Call::bucket(Method::HEAD, bucket)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_absent() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets the status of versioning.
///
/// # Errors
/// What the target refuses.
pub(crate) async fn version(target: &S3Client, bucket: &str, status: Versioning) -> Result<(), TransferError> {
    let document = format!("<VersioningConfiguration><Status>{status:?}</Status></VersioningConfiguration>");
    write(target, bucket, "versioning", document).await
}

/// Takes the settings over whose time has come. What cannot be taken over is noted, one by one.
pub(crate) async fn take_over(source: &S3Client, target: &S3Client, bucket: &str, when: When, tally: &Tally) {
    for setting in SETTINGS.iter().filter(|setting| setting.when == when) {
        let taken = async {
            let Some(document) = read(source, bucket, setting.name, setting.root).await? else { return Ok(()) };
            write(target, bucket, setting.name, document).await
        };
        if let Err(error) = taken.await {
            tally.fault(bucket, format!("setting {}", setting.name), error.reason());
        }
    }
}

/// A setting's document, if there is one.
async fn read(
    source: &S3Client,
    bucket: &str,
    name: &str,
    root: Option<&str>,
) -> Result<Option<String>, TransferError> {
    let answer = match source.read(&Call::bucket(Method::GET, bucket).query(name, "")).await {
        Ok(answer) => answer,
        Err(error) if is_unset(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Ok(text) = std::str::from_utf8(&answer.body) else { return Ok(None) };
    let is_it = match root {
        Some(root) => Element::parse(text).is_ok_and(|document| document.name == root),
        None => text.trim_start().starts_with('{'),
    };
    // An object lock that is not enabled is shown by some servers as an empty document.
    let says_something = name != "object-lock" || text.contains("Enabled");
    Ok((is_it && says_something).then(|| text.to_owned()))
}

/// Whether the source has no such setting, or does not know it at all.
fn is_unset(error: &TransferError) -> bool {
    match error {
        TransferError::Refused { status: 405 | 501, .. } => true,
        TransferError::Refused { status: 404, code, .. } => code != "NoSuchBucket",
        _ => error.is_code("NotImplemented") || error.is_code("InvalidBucketState"),
    }
}

async fn write(target: &S3Client, bucket: &str, name: &str, document: String) -> Result<(), TransferError> {
    let md5 = STANDARD.encode(Md5::digest(document.as_bytes()));
    let call = Call::bucket(Method::PUT, bucket).query(name, "").header("content-md5", &md5)?;
    target.ask(&call, &Bytes::from(document)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::is_unset;
    use crate::transfer::TransferError;

    #[test]
    fn a_setting_that_is_not_there_is_no_failure_and_a_missing_bucket_is_one() {
        let refused =
            |status, code: &str| TransferError::Refused { status, code: code.to_owned(), message: String::new() };
        assert!(is_unset(&refused(404, "NoSuchLifecycleConfiguration")));
        assert!(is_unset(&refused(501, "NotImplemented")));
        assert!(!is_unset(&refused(404, "NoSuchBucket")));
        assert!(!is_unset(&refused(403, "AccessDenied")));
    }
}
