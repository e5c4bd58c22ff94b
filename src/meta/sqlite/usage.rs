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
use super::sql;
use super::transaction::Transaction;
use crate::meta::{MetaError, OwnerAccount};
use crate::rules::quota::QuotaOf;
use crate::rules::{Growth, Quota, Undelete, Usage};
use crate::types::{BucketId, OwnerId};

/// Who is charged: a bucket, and an identity.
pub(super) type Charged<'a> = (BucketId, Option<&'a OwnerId>);

/// The row of a bucket, as it was when the group began.
pub(super) fn read_bucket(connection: &Connection, bucket: BucketId) -> Result<Option<BucketPage>, Failure> {
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
pub(super) fn judge(bucket: (&OwnerAccount, Growth), identity: (&OwnerAccount, Growth)) -> Result<(), MetaError> {
    bucket.0.quota.judge(QuotaOf::Bucket, bucket.0.usage, bucket.1).map_err(MetaError::QuotaExceeded)?;
    identity.0.quota.judge(QuotaOf::Identity, identity.0.usage, identity.1).map_err(MetaError::QuotaExceeded)
}

/// Whether quotas admit `growth` in the name of `owner`, of which `owner_growth` is charged to the identity.
pub(super) fn judge_in(
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

/// Judges a part of `size` bytes that replaces one of `replaced` bytes, before anything is changed.
pub(super) fn admit_part(tx: &Transaction<'_>, charged: Charged<'_>, size: u64, replaced: u64) -> Result<(), Failure> {
    let growth = Growth::of_bytes(size).and(Growth::of_bytes(replaced).reversed());
    judge_in(tx, charged, growth, |_| Ok(growth))
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
