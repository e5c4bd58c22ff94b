//! AccessControlPolicy documents, read and written.
//!
//! Source: Amazon S3 API Reference, AccessControlPolicy.

use crate::limits::ACL_GRANTS_MAX;
use crate::s3::acl_headers::{group, group_uri, known_id, no_such_address, too_many_grants};
use crate::s3::respond::ShownOwner;
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Acl, AclPermission, Grant, Grantee, OwnerId};

const ROOT: &str = "AccessControlPolicy";
const SCHEMA: (&str, &str) = ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");

/// Writes the list of a thing of `owner`.
pub(crate) fn write_acl(gateway: &Gateway, owner: &OwnerId, acl: &Acl) -> String {
    let name = |id: &OwnerId| ShownOwner::of(gateway, id);
    document(&name(owner), acl, &name)
}

fn document(owner: &ShownOwner, acl: &Acl, name: &dyn Fn(&OwnerId) -> ShownOwner) -> String {
    let mut xml = XmlWriter::document(ROOT);
    owner.write(&mut xml);
    xml.open("AccessControlList");
    // The order means nothing. Groups come first because conformance tests sort by the names that identities have and
    // groups have not.
    let mut grants: Vec<&Grant> = acl.grants.iter().collect();
    grants.sort_by_key(|grant| matches!(grant.grantee, Grantee::Owner(_)));
    for grant in grants {
        xml.open("Grant");
        match (&grant.grantee, group_uri(&grant.grantee)) {
            (Grantee::Owner(id), _) => {
                xml.open_with("Grantee", &[SCHEMA, ("xsi:type", "CanonicalUser")]);
                name(id).write_fields(&mut xml);
            }
            (_, uri) => {
                xml.open_with("Grantee", &[SCHEMA, ("xsi:type", "Group")]).text("URI", uri.unwrap_or_default());
            }
        }
        xml.close().text("Permission", grant.permission.name()).close();
    }
    xml.finish()
}

/// A list as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    owner: Option<String>,
    has_list: bool,
    pub(super) grants: Vec<SentGrant>,
    current: SentGrant,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SentGrant {
    id: Option<String>,
    uri: Option<String>,
    address: Option<String>,
    permission: Option<String>,
}

fn malformed(cause: impl std::fmt::Display) -> S3Error {
    S3Error::new(Code::MalformedACLError).cause(cause)
}

/// Reads the list of a thing of `owner`, whom the document must name: nothing changes hands by a list.
///
/// # Errors
/// `MalformedACLError`, `InvalidArgument`, `UnresolvableGrantByEmailAddress`, `AccessDenied` for another owner.
pub(crate) fn read_acl(gateway: &Gateway, document: &[u8], owner: &OwnerId) -> Result<Acl, S3Error> {
    let sent = parse(document)?;
    match sent.owner {
        Some(sent) if sent == owner.0 => {}
        Some(_) => return Err(S3Error::new(Code::AccessDenied).cause("the list names another owner")),
        None => return Err(malformed("the list names no owner")),
    }
    if !sent.has_list {
        return Err(malformed("there is no AccessControlList"));
    }
    let grants = sent.grants.into_iter().map(|grant| {
        let permission = grant.permission.as_deref().and_then(AclPermission::parse);
        let permission = permission.ok_or_else(|| malformed("a grant has no permission that exists"))?;
        let grantee = match (grant.id, grant.uri, grant.address) {
            (Some(id), None, None) => known_id(gateway, &id)?,
            (None, Some(uri), None) => {
                group(&uri).ok_or_else(|| S3Error::invalid_argument("Group/URI", uri, "Invalid group uri"))?
            }
            (None, None, Some(address)) => return Err(no_such_address(&address)),
            _ => return Err(malformed("a grant has not exactly one grantee")),
        };
        Ok(Grant { grantee, permission })
    });
    Ok(Acl { grants: grants.collect::<Result<_, S3Error>>()? })
}

pub(super) fn parse(document: &[u8]) -> Result<Sent, S3Error> {
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut sent = Sent::default();
    while let Some(event) = feed.next_event().map_err(malformed)? {
        match event {
            XmlEvent::Open { path } => {
                if path != ROOT && !path.starts_with("AccessControlPolicy/") {
                    return Err(malformed("the root is not AccessControlPolicy"));
                }
                sent.has_list |= path == "AccessControlPolicy/AccessControlList";
            }
            XmlEvent::Close { path, text } => sent.close(path, text.trim())?,
        }
    }
    feed.finish().map_err(malformed)?;
    Ok(sent)
}

impl Sent {
    fn close(&mut self, path: &str, text: &str) -> Result<(), S3Error> {
        let Some(path) = path.strip_prefix("AccessControlPolicy/") else { return Ok(()) };
        let slot = match path {
            "Owner/ID" => &mut self.owner,
            "AccessControlList/Grant/Grantee/ID" => &mut self.current.id,
            "AccessControlList/Grant/Grantee/URI" => &mut self.current.uri,
            "AccessControlList/Grant/Grantee/EmailAddress" => &mut self.current.address,
            "AccessControlList/Grant/Permission" => &mut self.current.permission,
            "AccessControlList/Grant" => {
                if self.grants.len() == ACL_GRANTS_MAX {
                    return Err(too_many_grants());
                }
                self.grants.push(std::mem::take(&mut self.current));
                return Ok(());
            }
            _ => return Ok(()),
        };
        match slot.replace(text.to_owned()) {
            Some(_) => Err(malformed(format!("{path} stands there twice"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{document, parse};
    use crate::rules::{AclSubject, CannedAcl};
    use crate::s3::Code;
    use crate::s3::respond::ShownOwner;
    use crate::types::OwnerId;

    fn grant(inner: &str) -> String {
        let grant = format!("<Grant><Grantee>{inner}</Grantee><Permission>READ</Permission></Grant>");
        format!("<AccessControlPolicy><AccessControlList>{grant}</AccessControlList></AccessControlPolicy>")
    }

    #[test]
    fn a_list_that_was_written_reads_back() {
        let owner = OwnerId("ab".to_owned());
        let name = |id: &OwnerId| ShownOwner { id: id.clone(), name: Some("root".to_owned()) };
        let acl = CannedAcl::PublicRead.expand(AclSubject::Object, &owner, &owner);
        let text = document(&name(&owner), &acl, &name);
        assert!(text.contains("<Owner><ID>ab</ID><DisplayName>root</DisplayName></Owner>"), "{text}");
        let public = "xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>\
                      <Permission>READ</Permission></Grant>";
        assert!(text.contains(public), "{text}");
        let sent = parse(text.as_bytes()).unwrap();
        assert_eq!(sent.owner.as_deref(), Some("ab"));
        assert_eq!(sent.grants.len(), 2);
        assert_eq!(sent.grants[1].id.as_deref(), Some("ab"));
        assert_eq!(sent.grants[1].permission.as_deref(), Some("FULL_CONTROL"));
        assert_eq!(sent.grants[0].uri.as_deref(), Some("http://acs.amazonaws.com/groups/global/AllUsers"));
    }

    #[test]
    fn a_list_is_bounded_and_well_formed() {
        let code = |text: &str| parse(text.as_bytes()).map(|sent| sent.grants.len()).map_err(|error| error.code);
        assert_eq!(code(&grant("<ID>a</ID>")), Ok(1));
        assert_eq!(code(&grant("<ID>a</ID><ID>b</ID>")), Err(Code::MalformedACLError));
        assert_eq!(code("<Other/>"), Err(Code::MalformedACLError));
        assert_eq!(code("<AccessControlPolicy>"), Err(Code::MalformedACLError));
        assert_eq!(code(""), Err(Code::MalformedACLError));
        let many = |count: usize| {
            let grants = "<Grant/>".repeat(count);
            format!("<AccessControlPolicy><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>")
        };
        assert_eq!(code(&many(100)), Ok(100));
        assert_eq!(code(&many(101)), Err(Code::MalformedACLError));
    }
}
