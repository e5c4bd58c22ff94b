//! Counters of what buckets and identities store, and their quotas.
//!
//! The transactions of a group share one book: a bucket's or identity's page is read once per group, changed in
//! memory, and written once before the group commits. So exactness costs one small row per bucket and identity
//! and group, not per object.

use std::collections::btree_map::Entry;

use rusqlite::{Connection, Row, params};

use super::book::{Book, BucketPage, OwnerPage};
use super::failure::Failure;
use super::row::{blob_or_null, count, signed, unsigned};
use super::transaction::Transaction;
use super::version::{self, Before};
use super::{sql, upload};
use crate::meta::{Admission, MetaError, OwnerAccount};
use crate::rules::quota::QuotaOf;
use crate::rules::{Growth, Quota, Undelete, Usage, WritePlan};
use crate::types::{BucketId, ObjectKey, OwnerId};

/// Who is charged: a bucket, and an identity.
pub(super) type Charged<'a> = (BucketId, Option<&'a OwnerId>);

fn read_bucket(connection: &Connection, bucket: BucketId) -> Result<Option<BucketPage>, Failure> {
    const PAGE: &str = "SELECT b.name, b.owner, u.bytes, u.objects,
            (SELECT body FROM bucket_document d WHERE d.bucket_id = b.id AND d.kind = 'quota'),
            (SELECT body FROM bucket_document d WHERE d.bucket_id = b.id AND d.kind = 'undelete')
        FROM bucket b JOIN bucket_usage u ON u.bucket_id = b.id WHERE b.id = ?1";
    sql::first(connection, PAGE, [bucket.0], |row| {
        let quota = blob_or_null(row, 4)?.map(|body| Quota::from_document(body).ok_or(Failure::Corrupt("quota")));
        let undelete =
            blob_or_null(row, 5)?.map(|body| Undelete::from_document(body).ok_or(Failure::Corrupt("undelete")));
        Ok(BucketPage {
            name: row.get(0)?,
            owner: OwnerId(row.get(1)?),
            undelete: undelete.transpose()?.unwrap_or_default(),
            account: OwnerAccount { usage: read_usage(row, 2)?, quota: quota.transpose()?.unwrap_or_default() },
            is_changed: false,
        })
    })
}

fn read_usage(row: &Row<'_>, index: usize) -> Result<Usage, Failure> {
    Ok(Usage { bytes: count(row, index)?, objects: count(row, index + 1)? })
}

/// What an identity stores and may store.
pub(super) fn owner_account(connection: &Connection, owner: &OwnerId) -> Result<OwnerAccount, Failure> {
    const USAGE: &str = "SELECT bytes, objects FROM owner_usage WHERE owner = ?1";
    const QUOTA: &str = "SELECT bytes, objects FROM owner_quota WHERE owner = ?1";
    let usage = sql::first(connection, USAGE, [&owner.0], |row| read_usage(row, 0))?.unwrap_or_default();
    let quota = sql::first(connection, QUOTA, [&owner.0], |row| {
        let limit = |index| row.get::<_, Option<i64>>(index);
        Ok(Quota { bytes: limit(0)?.map(unsigned).transpose()?, objects: limit(1)?.map(unsigned).transpose()? })
    })?;
    Ok(OwnerAccount { usage, quota: quota.unwrap_or_default() })
}

/// What a bucket stores; `NoSuchBucket`.
pub(super) fn bucket_usage(connection: &Connection, bucket: BucketId) -> Result<Usage, Failure> {
    const USAGE: &str = "SELECT bytes, objects FROM bucket_usage WHERE bucket_id = ?1";
    let usage = sql::first(connection, USAGE, [bucket.0], |row| read_usage(row, 0))?;
    usage.ok_or(MetaError::NoSuchBucket.into())
}

/// Sets the limits of an identity.
pub(super) fn set_owner_quota(tx: &Transaction<'_>, owner: &OwnerId, quota: Quota) -> Result<(), Failure> {
    const SET: &str = "INSERT OR REPLACE INTO owner_quota (owner, bytes, objects) VALUES (?1, ?2, ?3)";
    let limit = |limit: Option<u64>| limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    if quota.is_none() {
        sql::execute(tx.connection(), "DELETE FROM owner_quota WHERE owner = ?1", [&owner.0])?;
    } else {
        sql::execute(tx.connection(), SET, params![owner.0, limit(quota.bytes), limit(quota.objects)])?;
    }
    if let Some(page) = tx.book().borrow_mut().owners.get_mut(owner) {
        page.account.quota = quota;
    }
    Ok(())
}

/// The page of a bucket, read if it is not open yet.
pub(super) fn bucket_page(tx: &Transaction<'_>, bucket: BucketId) -> Result<Option<BucketPage>, Failure> {
    with_bucket(tx, bucket, |page| page.cloned())
}

fn with_bucket<T>(
    tx: &Transaction<'_>,
    bucket: BucketId,
    work: impl FnOnce(Option<&mut BucketPage>) -> T,
) -> Result<T, Failure> {
    let mut book = tx.book().borrow_mut();
    let page = match book.buckets.entry(bucket) {
        Entry::Occupied(page) => page.into_mut(),
        Entry::Vacant(place) => place.insert(read_bucket(tx.connection(), bucket)?),
    };
    Ok(work(page.as_mut()))
}

fn with_owner<T>(tx: &Transaction<'_>, owner: &OwnerId, work: impl FnOnce(&mut OwnerPage) -> T) -> Result<T, Failure> {
    let mut book = tx.book().borrow_mut();
    if !book.owners.contains_key(owner) {
        let account = owner_account(tx.connection(), owner)?;
        book.owners.insert(owner.clone(), OwnerPage { account, is_changed: false });
    }
    Ok(work(book.owners.get_mut(owner).expect("it was opened above")))
}

/// Lets the page of a bucket be read again: its row or documents have changed. What was counted is kept.
pub(super) fn reopen(tx: &Transaction<'_>, bucket: BucketId) -> Result<(), Failure> {
    let page = tx.book().borrow_mut().buckets.remove(&bucket).flatten();
    match page {
        Some(page) if page.is_changed => write_bucket(tx.connection(), bucket, page.account.usage),
        Some(_) | None => Ok(()),
    }
}

/// Forgets a bucket that is being removed.
pub(super) fn forget_bucket(tx: &Transaction<'_>, bucket: BucketId) -> Result<(), Failure> {
    tx.book().borrow_mut().buckets.insert(bucket, None);
    sql::execute(tx.connection(), "DELETE FROM bucket_usage WHERE bucket_id = ?1", [bucket.0])?;
    Ok(())
}

/// Counts a change that is being made.
pub(super) fn count_growth(tx: &Transaction<'_>, (bucket, owner): Charged<'_>, growth: Growth) -> Result<(), Failure> {
    if growth == Growth::default() {
        return Ok(());
    }
    let grow = |account: &mut OwnerAccount, is_changed: &mut bool| {
        account.usage = account.usage.after(growth).ok_or(Failure::Corrupt("usage"))?;
        *is_changed = true;
        Ok::<_, Failure>(())
    };
    let bucket_owner = with_bucket(tx, bucket, |page| match page {
        None => Ok(None),
        Some(page) => grow(&mut page.account, &mut page.is_changed).map(|()| Some(page.owner.clone())),
    })??;
    // What stays restorable outlives its bucket, and names its owner itself.
    let owner = owner.or(bucket_owner.as_ref()).ok_or(Failure::Corrupt("usage"))?;
    with_owner(tx, owner, |page| grow(&mut page.account, &mut page.is_changed))?
}

/// Whether quotas admit a change.
fn judge(bucket: (&OwnerAccount, Growth), identity: (&OwnerAccount, Growth)) -> Result<(), MetaError> {
    bucket.0.quota.judge(QuotaOf::Bucket, bucket.0.usage, bucket.1).map_err(MetaError::QuotaExceeded)?;
    identity.0.quota.judge(QuotaOf::Identity, identity.0.usage, identity.1).map_err(MetaError::QuotaExceeded)
}

/// Whether quotas admit `growth` in the name of `owner`, of which `owner_growth` is charged to the identity.
fn judge_in(
    tx: &Transaction<'_>,
    (bucket, owner): Charged<'_>,
    growth: Growth,
    owner_growth: impl FnOnce(&OwnerId) -> Result<Growth, Failure>,
) -> Result<(), Failure> {
    let page = bucket_page(tx, bucket)?.ok_or(MetaError::NoSuchBucket)?;
    let owner = owner.unwrap_or(&page.owner);
    let account = with_owner(tx, owner, |page| page.account)?;
    if page.account.quota.is_none() && account.quota.is_none() {
        return Ok(());
    }
    Ok(judge((&page.account, growth), (&account, owner_growth(owner)?))?)
}

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
) -> Result<Option<(version::VersionRow, Growth)>, Failure> {
    let row = match before.state.plan_write() {
        WritePlan::Append => None,
        WritePlan::ReplaceNull => version::null_given_newest(connection, bucket, key, before.newest)?,
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

/// Judges a part of `size` bytes that replaces one of `replaced` bytes, before anything is changed.
pub(super) fn admit_part(tx: &Transaction<'_>, charged: Charged<'_>, size: u64, replaced: u64) -> Result<(), Failure> {
    let growth = Growth::of_bytes(size).and(Growth::of_bytes(replaced).reversed());
    judge_in(tx, charged, growth, |_| Ok(growth))
}

/// Judges a write outside of a transaction, as a cheap refusal before its body is received: never refuses what
/// its commit would admit at the same moment.
pub(super) fn admit(connection: &Connection, admission: &Admission) -> Result<(), Failure> {
    let Admission { bucket, key, owner, size, part } = admission;
    let page = read_bucket(connection, *bucket)?.ok_or(MetaError::NoSuchBucket)?;
    let (owner, new, replaced) = match part {
        Some((id, number)) => {
            let name = upload::UploadName { bucket: *bucket, key, id: *id };
            let (charged, old) = upload::charged_part(connection, name, *number)?;
            (charged, Growth::of_bytes(*size), Some(Growth::of_bytes(old).reversed()))
        }
        None => {
            let state = super::bucket::versioning(connection, *bucket)?;
            let newest = version::newest(connection, *bucket, key)?;
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

/// Writes what the transactions of a group have counted.
pub(super) fn write(connection: &Connection, book: &Book) -> Result<(), Failure> {
    const OWNER: &str = "INSERT OR REPLACE INTO owner_usage (owner, bytes, objects) VALUES (?1, ?2, ?3)";
    for (bucket, page) in &book.buckets {
        if let Some(page) = page.as_ref().filter(|page| page.is_changed) {
            write_bucket(connection, *bucket, page.account.usage)?;
        }
    }
    for (owner, page) in book.owners.iter().filter(|(_, page)| page.is_changed) {
        let Usage { bytes, objects } = page.account.usage;
        sql::execute(connection, OWNER, params![owner.0, signed(bytes), signed(objects)])?;
    }
    Ok(())
}

fn write_bucket(connection: &Connection, bucket: BucketId, usage: Usage) -> Result<(), Failure> {
    const BUCKET: &str = "UPDATE bucket_usage SET bytes = ?2, objects = ?3 WHERE bucket_id = ?1";
    sql::execute(connection, BUCKET, [bucket.0, signed(usage.bytes), signed(usage.objects)])?;
    Ok(())
}
