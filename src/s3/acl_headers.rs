//! `x-amz-acl` and `x-amz-grant-…`: the ACL that a request asks for, and what of it the bucket's rules let stand.
//!
//! Source: Amazon S3 API Reference, PutObject, PutObjectAcl and CreateBucket.

use http::HeaderMap;

use crate::limits::ACL_GRANTS_MAX;
use crate::rules::{AclSubject, CannedAcl, PublicAccessBlock, acl};
use crate::s3::bucket_facts::BucketFacts;
use crate::s3::metadata::header_text;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Acl, AclPermission, Grant, Grantee, ObjectOwnership, OwnerId};

/// The header of canned ACLs.
pub(crate) const ACL: &str = "x-amz-acl";
/// The headers of grants, in the order in which their grants are listed.
const GRANTS: [(&str, AclPermission); 5] = [
    ("x-amz-grant-read", AclPermission::Read),
    ("x-amz-grant-write", AclPermission::Write),
    ("x-amz-grant-read-acp", AclPermission::ReadAcp),
    ("x-amz-grant-write-acp", AclPermission::WriteAcp),
    ("x-amz-grant-full-control", AclPermission::FullControl),
];
/// The group URIs of S3.
const GROUPS: [(&str, Grantee); 3] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Grantee::AllUsers),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Grantee::AuthenticatedUsers),
    ("http://acs.amazonaws.com/groups/s3/LogDelivery", Grantee::LogDelivery),
];

/// The ACL that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AskedAcl {
    /// One of the canned ones.
    Canned(CannedAcl),
    /// Grants.
    Grants(Acl),
}

impl AskedAcl {
    /// What it comes to for a thing of `owner` in a bucket of `bucket_owner`, as it is stored: `None` for one that
    /// says what is so without any.
    ///
    /// # Errors
    /// As of `judge_acl`.
    pub(crate) fn judge(
        self,
        subject: AclSubject,
        owner: &OwnerId,
        bucket_owner: &OwnerId,
        facts: &BucketFacts,
    ) -> Result<Option<Acl>, S3Error> {
        if self == Self::Canned(CannedAcl::Private) && !facts.tolerates_private() {
            return Err(S3Error::new(Code::AccessControlListNotSupported));
        }
        judge_acl(self.resolve(subject, owner, bucket_owner), owner, facts.ownership(), facts.block())
    }

    /// What it comes to for a thing of `owner` in a bucket of `bucket_owner`.
    pub(crate) fn resolve(self, subject: AclSubject, owner: &OwnerId, bucket_owner: &OwnerId) -> Acl {
        match self {
            Self::Canned(canned) => canned.expand(subject, owner, bucket_owner),
            Self::Grants(acl) => acl,
        }
    }
}

/// The group of a URI.
pub(crate) fn group(uri: &str) -> Option<Grantee> {
    GROUPS.iter().find(|(known, _)| *known == uri).map(|(_, group)| group.clone())
}

/// The URI of a group; `None` for an identity.
pub(crate) fn group_uri(grantee: &Grantee) -> Option<&'static str> {
    GROUPS.iter().find(|(_, group)| group == grantee).map(|(uri, _)| *uri)
}

/// The identity of a canonical id, which must exist: a grant to nobody is a typing error.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn known_id(gateway: &Gateway, id: &str) -> Result<Grantee, S3Error> {
    let owner = OwnerId(id.to_owned());
    if gateway.keyring.display_name(&owner).is_some() || acl::is_service_id(&owner) {
        Ok(Grantee::Owner(owner))
    } else {
        Err(S3Error::invalid_argument("CanonicalUser/ID", id, "Invalid id"))
    }
}

/// The refusal of grants to mail addresses: no identity here has one.
pub(crate) fn no_such_address(address: &str) -> S3Error {
    S3Error::new(Code::UnresolvableGrantByEmailAddress)
        .message("The e-mail address you provided does not match any account on record.")
        .detail("EmailAddress", address)
}

/// The refusal of lists that are too long.
pub(crate) fn too_many_grants() -> S3Error {
    S3Error::new(Code::MalformedACLError).cause(format!("more than {ACL_GRANTS_MAX} grants"))
}

/// Whether `x-amz-grant-…` headers grant anything to anybody but the bucket's owner. What cannot be read counts.
pub(crate) fn grants_to_others(headers: &HeaderMap, bucket_owner: &OwnerId) -> bool {
    let texts = GRANTS.iter().filter_map(|(name, _)| header_text(headers, name));
    let is_owner = |grantee: &str| split_grantee(grantee) == Some(("id", bucket_owner.0.as_str()));
    texts.into_iter().any(|text| grantees(&text).any(|grantee| !is_owner(grantee)))
}

/// The ACL that the headers ask for, if they do.
///
/// # Errors
/// `InvalidArgument`, `InvalidRequest`, `UnresolvableGrantByEmailAddress`, `MalformedACLError`.
pub(crate) fn asked_acl(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<AskedAcl>, S3Error> {
    let canned = header_text(headers, ACL).filter(|text| !text.is_empty());
    let mut list = Acl::default();
    let mut has_grants = false;
    for (name, permission) in GRANTS {
        let Some(text) = header_text(headers, name).filter(|text| !text.is_empty()) else { continue };
        has_grants = true;
        for grantee in grantees(&text) {
            let grantee = read_grantee(gateway, name, grantee)?;
            if list.grants.len() == ACL_GRANTS_MAX {
                return Err(too_many_grants());
            }
            list.grants.push(Grant { grantee, permission });
        }
    }
    match (canned, has_grants) {
        (Some(_), true) => {
            Err(S3Error::invalid_request("Specifying both Canned ACLs and Header Grants is not allowed"))
        }
        (Some(name), false) => match CannedAcl::parse(&name) {
            Some(canned) => Ok(Some(AskedAcl::Canned(canned))),
            None => Err(S3Error::invalid_argument(ACL, name, "The canned ACL is not one of S3's.")),
        },
        (None, true) => Ok(Some(AskedAcl::Grants(list))),
        (None, false) => Ok(None),
    }
}

/// The grantees of a header: `id="…", uri="…"`, with or without quotes.
fn grantees(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|grantee| !grantee.is_empty())
}

fn split_grantee(text: &str) -> Option<(&str, &str)> {
    let (kind, value) = text.split_once('=')?;
    Some((kind.trim(), value.trim().trim_matches('"')))
}

fn read_grantee(gateway: &Gateway, header: &'static str, text: &str) -> Result<Grantee, S3Error> {
    match split_grantee(text) {
        Some(("id", id)) => known_id(gateway, id),
        Some(("uri", uri)) => group(uri).ok_or_else(|| S3Error::invalid_argument("uri", uri, "Invalid group uri")),
        Some(("emailAddress", address)) => Err(no_such_address(address)),
        Some(_) | None => Err(S3Error::invalid_argument(header, text, "Argument format not recognized")),
    }
}

/// Says whether an ACL may be set under the rules of a bucket, and returns it as it is stored: `None` for one that says
/// what is so without any.
///
/// # Errors
/// `AccessControlListNotSupported` where ACLs are off and this one says more than that the owner has everything,
/// `AccessDenied` where public ones are blocked.
pub(crate) fn judge_acl(
    acl: Acl,
    owner: &OwnerId,
    ownership: ObjectOwnership,
    block: PublicAccessBlock,
) -> Result<Option<Acl>, S3Error> {
    let says_nothing = acl::is_owner_only(&acl, owner);
    if ownership == ObjectOwnership::BucketOwnerEnforced && !says_nothing {
        return Err(S3Error::new(Code::AccessControlListNotSupported));
    }
    if block.block_public_acls && acl::is_public(&acl) {
        return Err(S3Error::new(Code::AccessDenied).cause("BlockPublicAcls refuses a public ACL"));
    }
    Ok((!says_nothing).then_some(acl))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{GROUPS, grants_to_others, group, group_uri, judge_acl};
    use crate::rules::{AclSubject, CannedAcl, PublicAccessBlock};
    use crate::s3::Code;
    use crate::types::{ObjectOwnership, OwnerId};

    #[test]
    fn groups_have_one_uri_each() {
        for (uri, grantee) in GROUPS {
            assert_eq!(group(uri), Some(grantee.clone()));
            assert_eq!(group_uri(&grantee), Some(uri));
        }
        assert_eq!(group("http://acs.amazonaws.com/groups/global/Nobody"), None);
    }

    #[test]
    fn a_grant_to_the_buckets_owner_gives_nothing_away() {
        let owner = OwnerId("abc".to_owned());
        let table =
            [("id=abc", false), ("id=\"abc\"", false), ("id=abc, id=d", true), ("uri=abc", true), ("abc", true)];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-grant-full-control", HeaderValue::from_static(value));
            assert_eq!(grants_to_others(&headers, &owner), expected, "{value}");
        }
    }

    #[test]
    fn rules_of_the_bucket_refuse_lists() {
        let owner = OwnerId("abc".to_owned());
        let judge = |canned: CannedAcl, ownership, block_public_acls| {
            let block = PublicAccessBlock { block_public_acls, ..PublicAccessBlock::default() };
            let acl = canned.expand(AclSubject::Object, &owner, &owner);
            judge_acl(acl, &owner, ownership, block).map(|acl| acl.is_some()).map_err(|error| error.code)
        };
        let (enforced, writer) = (ObjectOwnership::BucketOwnerEnforced, ObjectOwnership::ObjectWriter);
        assert_eq!(judge(CannedAcl::Private, enforced, true), Ok(false));
        assert_eq!(judge(CannedAcl::BucketOwnerFullControl, enforced, true), Ok(false));
        assert_eq!(judge(CannedAcl::PublicRead, enforced, false), Err(Code::AccessControlListNotSupported));
        assert_eq!(judge(CannedAcl::PublicRead, writer, false), Ok(true));
        assert_eq!(judge(CannedAcl::PublicRead, writer, true), Err(Code::AccessDenied));
        assert_eq!(judge(CannedAcl::AuthenticatedRead, writer, true), Err(Code::AccessDenied));
        assert_eq!(judge(CannedAcl::AwsExecRead, writer, true), Ok(true));
        assert_eq!(judge(CannedAcl::Private, writer, false), Ok(false));
    }
}
