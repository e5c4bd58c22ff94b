//! Whether quotas admit a write: judged before anything is changed, and once before its body is received.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::row::signed;
use super::transaction::Transaction;
use super::upload::{UploadName, charged_part};
use super::usage::{Charged, bucket_page, judge, judge_in, owner_account, read_bucket};
use super::version::{Before, VersionRow, newest, null_given_newest};
use super::{bucket, sql};
use crate::meta::{Admission, MetaError};
use crate::rules::{Growth, Undelete, WritePlan};
use crate::types::{BucketId, ObjectKey, OwnerId};

/// Judges a new version of `size` bytes before anything is changed; what it replaces makes room for it. `freed`
/// are bytes that are counted already and become the version: the parts of an upload.
pub(super) fn admit_version(
    tx: &Transaction<'_>,
    charged: Charged<'_>,
    (before, key): (Before<'_>, &ObjectKey),
    size: u64,
    freed: u64,
) -> Result<(), Failure> {
    let (bucket, _) = charged;
    let undelete = bucket_page(tx, bucket)?.ok_or(MetaError::NoSuchBucket)?.undelete;
    let replaced = replaced(tx.connection(), bucket, (before, key), undelete)?;
    let new = Growth::of_version(size).and(Growth::of_bytes(freed).reversed());
    let growth = replaced.as_ref().map_or(new, |(_, growth)| new.and(*growth));
    judge_in(tx, charged, growth, |owner| {
        // Somebody else's version that goes makes no room for this identity.
        match replaced {
            Some((row, growth)) if is_charged_to(tx.connection(), bucket, key, row.order, owner)? => {
                Ok(new.and(growth))
            }
            Some(_) | None => Ok(new),
        }
    })
}

/// The version that a write replaces, and what that changes.
fn replaced(
    connection: &Connection,
    bucket: BucketId,
    (before, key): (Before<'_>, &ObjectKey),
    undelete: Undelete,
) -> Result<Option<(VersionRow, Growth)>, Failure> {
    let row = match before.state.plan_write() {
        WritePlan::Append => None,
        WritePlan::ReplaceNull => null_given_newest(connection, bucket, key, before.newest)?,
    };
    Ok(row.filter(|row| !row.is_delete_marker).map(|row| {
        let stays = if undelete.days > 0 { Growth::of_bytes(row.size) } else { Growth::default() };
        (row, Growth::of_version(row.size).reversed().and(stays))
    }))
}

fn is_charged_to(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    order: u64,
    owner: &OwnerId,
) -> Result<bool, Failure> {
    const OWNER: &str = "SELECT IFNULL(v.owner, b.owner) FROM version v JOIN bucket b ON b.id = v.bucket_id
        WHERE v.bucket_id = ?1 AND v.key = ?2 AND v.rank = ?3";
    let name = params![bucket.0, key.as_str().as_bytes(), -signed(order)];
    let found = sql::first(connection, OWNER, name, |row| Ok(row.get::<_, String>(0)?))?;
    Ok(found.as_ref() == Some(&owner.0))
}

/// Judges a write outside of a transaction, as a cheap refusal before its body is received: never refuses what
/// its commit would admit at the same moment.
pub(super) fn admit(connection: &Connection, admission: &Admission) -> Result<(), Failure> {
    let Admission { bucket, key, owner, size, part } = admission;
    let page = read_bucket(connection, *bucket)?.ok_or(MetaError::NoSuchBucket)?;
    let (owner, new, replaced) = match part {
        Some((id, number)) => {
            let name = UploadName { bucket: *bucket, key, id: *id };
            let (charged, old) = charged_part(connection, name, *number)?;
            (charged, Growth::of_bytes(*size), Some(Growth::of_bytes(old).reversed()))
        }
        None => {
            let state = bucket::versioning(connection, *bucket)?;
            let newest = newest(connection, *bucket, key)?;
            let before = Before { state, newest: newest.as_ref() };
            let replaced = replaced(connection, *bucket, (before, key), page.undelete)?;
            (owner.clone(), Growth::of_version(*size), replaced.map(|(_, growth)| growth))
        }
    };
    let account = owner_account(connection, owner.as_ref().unwrap_or(&page.owner))?;
    // Whoever's version goes: taken for the identity's own here, because this judgement is only a first one.
    let growth = new.and(replaced.unwrap_or_default());
    Ok(judge((&page.account, growth), (&account, growth))?)
}
