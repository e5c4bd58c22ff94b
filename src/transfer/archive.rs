//! The archive that `mc admin cluster iam export` writes: a ZIP with JSON files in `iam-assets`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zip::ZipArchive;

use crate::limits::transfer::IAM_ARCHIVE_BYTES_MAX;
use crate::transfer::TransferError;
use crate::transfer::error::file;

/// What is in the archive, by name.
#[derive(Default)]
pub(crate) struct Archive {
    /// Policies.
    pub(crate) policies: BTreeMap<String, Value>,
    /// Users by access key.
    pub(crate) users: BTreeMap<String, User>,
    /// Groups.
    pub(crate) groups: BTreeMap<String, Members>,
    /// Service accounts by access key.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Policies of users.
    pub(crate) of_users: BTreeMap<String, Mapping>,
    /// Policies of groups.
    pub(crate) of_groups: BTreeMap<String, Mapping>,
    /// Policies of users of an identity provider, who have no keys.
    pub(crate) of_foreigners: BTreeMap<String, Mapping>,
}

/// A user.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) secret_key: String,
    #[serde(default)]
    pub(crate) status: String,
}

/// A group.
#[derive(Deserialize)]
pub(crate) struct Members {
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) members: Option<Vec<String>>,
}

/// A service account.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    #[serde(default)]
    pub(crate) parent: String,
    #[serde(default)]
    pub(crate) secret_key: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) session_policy: Option<Value>,
    #[serde(default)]
    pub(crate) claims: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(crate) expiration: Option<String>,
}

/// The policies of a user or group, between commas.
#[derive(Deserialize)]
pub(crate) struct Mapping {
    #[serde(default)]
    pub(crate) policy: String,
}

impl Archive {
    /// Reads an archive.
    ///
    /// # Errors
    /// If it cannot be read, or is none of these archives.
    pub(crate) fn read(path: &Path) -> Result<Self, TransferError> {
        let opened = File::open(path).map_err(file("open the archive"))?;
        let length = opened.metadata().map_err(file("look at the archive"))?.len();
        if length > IAM_ARCHIVE_BYTES_MAX {
            return Err(wrong(format!("it has more than {IAM_ARCHIVE_BYTES_MAX} bytes")));
        }
        let mut zip = ZipArchive::new(BufReader::new(opened)).map_err(|error| wrong(error.to_string()))?;
        let archive = Self {
            policies: entry(&mut zip, "policies.json")?.unwrap_or_default(),
            users: entry(&mut zip, "users.json")?.unwrap_or_default(),
            groups: entry(&mut zip, "groups.json")?.unwrap_or_default(),
            accounts: entry(&mut zip, "svcaccts.json")?.unwrap_or_default(),
            of_users: entry(&mut zip, "user_mappings.json")?.unwrap_or_default(),
            of_groups: entry(&mut zip, "group_mappings.json")?.unwrap_or_default(),
            of_foreigners: entry(&mut zip, "stsuser_mappings.json")?.unwrap_or_default(),
        };
        let is_known = zip.file_names().flatten().any(|name| name.contains("iam-assets/"));
        if is_known { Ok(archive) } else { Err(wrong("it has no directory iam-assets".to_owned())) }
    }
}

/// A file of the archive; `None` if it is not there, or holds `null`.
fn entry<T: DeserializeOwned>(zip: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Option<T>, TransferError> {
    let place = format!("iam-assets/{name}");
    let is_it = |known: &str| known == place || known.ends_with(&format!("/{place}"));
    let found = zip.file_names().flatten().find(|known| is_it(known)).map(std::borrow::Cow::into_owned);
    let Some(found) = found else { return Ok(None) };
    let unpacked = zip.by_name(&found).map_err(|error| wrong(format!("{name}: {error}")))?;
    let mut text = Vec::new();
    let read = unpacked.take(IAM_ARCHIVE_BYTES_MAX + 1).read_to_end(&mut text);
    read.map_err(|error| wrong(format!("{name}: {error}")))?;
    if text.len() as u64 > IAM_ARCHIVE_BYTES_MAX {
        return Err(wrong(format!("{name} has more than {IAM_ARCHIVE_BYTES_MAX} bytes")));
    }
    // The text of the error stays out: it could quote a secret.
    serde_json::from_slice(&text).map_err(|error| {
        wrong(format!("{name} is not what it should be, line {} column {}", error.line(), error.column()))
    })
}

fn wrong(why: String) -> TransferError {
    TransferError::Answer(format!("no archive of `mc admin cluster iam export`: {why}"))
}
