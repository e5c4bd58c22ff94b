//! `bucket quota` and `key quota`: what is stored and how much may be. A running server judges by it from the
//! next commit on.

use std::sync::Arc;

use clap::Subcommand;

use crate::cli::named::{find, owner_of};
use crate::cli::{Failure, output};
use crate::config::format_size;
use crate::config::value::parse_size;
use crate::meta::MetaStore;
use crate::rules::{Quota, Usage};
use crate::types::DocumentKind;

/// What `quota` does.
#[derive(Subcommand)]
pub enum QuotaAction {
    /// Show what is stored and the limits
    Show {
        /// Its name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set limits; one that is not named stays as it is
    #[command(group = clap::ArgGroup::new("limits").required(true).multiple(true))]
    Set {
        /// Its name
        name: String,
        /// Most bytes, e.g. 10GiB, or none
        #[arg(long, value_name = "SIZE", group = "limits", value_parser = parse_bytes)]
        bytes: Option<Limit>,
        /// Most objects, counting every version, or none
        #[arg(long, value_name = "N", group = "limits", value_parser = parse_objects)]
        objects: Option<Limit>,
    },
}

/// A limit that is set or, with `None`, removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(Option<u64>);

fn parse_bytes(text: &str) -> Result<Limit, String> {
    parse_limit(text, parse_size).ok_or_else(|| "a size such as 500MiB or 10GiB, or none".to_owned())
}

fn parse_objects(text: &str) -> Result<Limit, String> {
    parse_limit(text, |text| text.parse().ok()).ok_or_else(|| "a number, or none".to_owned())
}

/// The database counts in 63 bits.
fn parse_limit(text: &str, parse: impl Fn(&str) -> Option<u64>) -> Option<Limit> {
    if text == "none" {
        return Some(Limit(None));
    }
    parse(text).filter(|limit| i64::try_from(*limit).is_ok()).map(|limit| Limit(Some(limit)))
}

/// Shows or sets the quota of a bucket.
///
/// # Errors
/// Why it could not be done.
pub async fn of_bucket(action: QuotaAction, meta: &dyn MetaStore) -> Result<(), Failure> {
    let (QuotaAction::Show { name, .. } | QuotaAction::Set { name, .. }) = &action;
    let bucket = find(meta, name).await?;
    let documents = meta.documents(bucket.id).await?;
    let unreadable = || format!("the quota of bucket {name:?} does not read");
    let quota = match documents.get(DocumentKind::Quota) {
        None => Quota::default(),
        Some(document) => Quota::from_document(document).ok_or_else(unreadable)?,
    };
    match action {
        QuotaAction::Show { json, .. } => show(meta.bucket_usage(bucket.id).await?, quota, json),
        QuotaAction::Set { bytes, objects, .. } => {
            let quota = changed(quota, bytes, objects);
            let document = (!quota.is_none()).then(|| Arc::from(quota.to_document()));
            meta.set_document(bucket.id, DocumentKind::Quota, document).await?;
        }
    }
    Ok(())
}

/// Shows or sets the quota of the identity behind a key.
///
/// # Errors
/// Why it could not be done.
pub async fn of_key(action: QuotaAction, meta: &dyn MetaStore) -> Result<(), Failure> {
    let (QuotaAction::Show { name, .. } | QuotaAction::Set { name, .. }) = &action;
    let owner = owner_of(meta, name).await?;
    let account = meta.owner_account(&owner).await?;
    match action {
        QuotaAction::Show { json, .. } => show(account.usage, account.quota, json),
        QuotaAction::Set { bytes, objects, .. } => {
            meta.set_owner_quota(&owner, changed(account.quota, bytes, objects)).await?;
        }
    }
    Ok(())
}

fn changed(quota: Quota, bytes: Option<Limit>, objects: Option<Limit>) -> Quota {
    let pick = |set: Option<Limit>, was| set.map_or(was, |Limit(limit)| limit);
    Quota { bytes: pick(bytes, quota.bytes), objects: pick(objects, quota.objects) }
}

fn show(usage: Usage, quota: Quota, json: bool) {
    if json {
        output::json(&serde_json::json!({
            "bytes": usage.bytes,
            "bytes_max": quota.bytes,
            "objects": usage.objects,
            "objects_max": quota.objects,
        }));
        return;
    }
    let none = || "none".to_owned();
    let rows = [
        vec!["bytes".to_owned(), usage.bytes.to_string(), quota.bytes.map_or_else(none, format_size)],
        vec!["objects".to_owned(), usage.objects.to_string(), quota.objects.map_or_else(none, |max| max.to_string())],
    ];
    output::table(&["WHAT", "USED", "LIMIT"], &rows);
}

#[cfg(test)]
mod tests {
    use super::{Limit, changed, parse_bytes, parse_objects};
    use crate::rules::Quota;

    #[test]
    fn a_limit_is_a_number_or_none() {
        assert_eq!(parse_bytes("1GiB"), Ok(Limit(Some(1 << 30))));
        assert_eq!(parse_bytes("none"), Ok(Limit(None)));
        assert_eq!(parse_objects("0"), Ok(Limit(Some(0))));
        for bad in ["", "-1", "1 dozen", "18446744073709551615", "unlimited"] {
            assert!(parse_bytes(bad).is_err() && parse_objects(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_limit_that_is_not_named_stays() {
        let quota = Quota { bytes: Some(1), objects: Some(2) };
        assert_eq!(changed(quota, None, Some(Limit(None))), Quota { bytes: Some(1), objects: None });
        assert_eq!(changed(quota, Some(Limit(Some(5))), None), Quota { bytes: Some(5), objects: Some(2) });
    }
}
