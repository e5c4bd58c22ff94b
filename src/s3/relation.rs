//! How a principal stands to an owner.

use crate::identity::Principal;
use crate::policy::Relation;
use crate::types::OwnerId;

/// How a principal stands to the owner of something; nobody owns what is not there yet.
pub(crate) fn relation(principal: &Principal, owner: Option<&OwnerId>) -> Relation {
    match principal {
        Principal::Anonymous => Relation::Anonymous,
        Principal::Identity { is_root: true, .. } => Relation::OwnerRoot,
        Principal::Identity { owner: is, .. } if owner.is_none_or(|owner| owner == is) => Relation::Owner,
        Principal::Identity { .. } => Relation::Other,
    }
}
