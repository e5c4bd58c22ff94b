//! The pages of buckets and identities that the transactions of a group share: see `usage`, which fills and counts
//! them. Data only.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::meta::OwnerAccount;
use crate::rules::Undelete;
use crate::types::{BucketId, OwnerId};

/// The pages that the transactions of a group have opened.
#[derive(Clone, Default)]
pub(super) struct Book {
    /// `None` for a bucket that does not exist.
    pub(super) buckets: BTreeMap<BucketId, Option<BucketPage>>,
    /// What is counted of identities.
    pub(super) owners: BTreeMap<OwnerId, OwnerPage>,
}

/// What transactions need of a bucket.
#[derive(Clone)]
pub(super) struct BucketPage {
    /// Its name.
    pub(super) name: String,
    /// Its owner.
    pub(super) owner: OwnerId,
    /// Its undelete window.
    pub(super) undelete: Undelete,
    /// What it stores and may store.
    pub(super) account: OwnerAccount,
    /// Whether the account has to be written before the group commits.
    pub(super) is_changed: bool,
}

/// What transactions need of an identity.
#[derive(Clone)]
pub(super) struct OwnerPage {
    /// What it stores and may store.
    pub(super) account: OwnerAccount,
    /// Whether the account has to be written before the group commits.
    pub(super) is_changed: bool,
}

/// A book behind the connection of an open transaction.
pub(super) type SharedBook = RefCell<Book>;
