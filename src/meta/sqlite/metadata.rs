//! The metadata blob: everything about a version that no query looks at, as tagged, length-prefixed fields. The
//! tags are part of the database format and never change their meaning. The storage class has a column.

use super::failure::Failure;
use crate::types::{
    Acl, AclPermission, ContentHeaders, Grant, Grantee, ObjectMetadata, OwnerId, Retention, RetentionMode,
    StorageClass, Tags, Timestamp, UserMetadata, VersionAttributes,
};

/// First byte of a metadata blob.
const METADATA_FORMAT: u8 = 1;
const FIELD_USER: u8 = 0;
const FIELD_CONTENT_TYPE: u8 = 1;
const FIELD_CACHE_CONTROL: u8 = 2;
const FIELD_CONTENT_DISPOSITION: u8 = 3;
const FIELD_CONTENT_ENCODING: u8 = 4;
const FIELD_CONTENT_LANGUAGE: u8 = 5;
const FIELD_EXPIRES: u8 = 6;
const FIELD_WEBSITE_REDIRECT: u8 = 7;
const FIELD_OWNER: u8 = 8;
const FIELD_TAG: u8 = 9;
/// That there is an ACL, even if it grants nothing.
const FIELD_ACL: u8 = 10;
const FIELD_GRANT: u8 = 11;
const FIELD_GOVERNANCE: u8 = 12;
const FIELD_COMPLIANCE: u8 = 13;
const FIELD_LEGAL_HOLD: u8 = 14;
const FIELD_ENCRYPTION: u8 = 15;

/// Grantees as they are stored; an owner's id follows the first.
const GRANTEE_OWNER: &str = "id:";
const GRANTEE_ALL: &str = "all";
const GRANTEE_AUTHENTICATED: &str = "authenticated";
const GRANTEE_LOG_DELIVERY: &str = "log-delivery";

/// Metadata in the form in which the database keeps them, for who keeps them elsewhere, too. The storage class is not
/// among them.
pub fn write_metadata(metadata: &ObjectMetadata) -> Vec<u8> {
    metadata_blob(metadata)
}

/// Reads what `write_metadata` made; `None` if it is something else.
pub fn read_metadata(blob: &[u8], storage_class: StorageClass) -> Option<ObjectMetadata> {
    metadata(blob, storage_class).ok()
}

/// Metadata as a blob: nothing if there is none, else a format byte and the fields.
pub(super) fn metadata_blob(metadata: &ObjectMetadata) -> Vec<u8> {
    // Destructured, so that a new field cannot be forgotten here.
    let ObjectMetadata { content, user, storage_class: _, attributes } = metadata;
    let mut blob = Vec::new();
    push_content(&mut blob, content);
    for (name, value) in &user.0 {
        push_pair(&mut blob, FIELD_USER, name, value);
    }
    push_attributes(&mut blob, attributes);
    blob
}

fn push_content(blob: &mut Vec<u8>, content: &ContentHeaders) {
    let ContentHeaders {
        content_type,
        cache_control,
        content_disposition,
        content_encoding,
        content_language,
        expires,
        website_redirect,
    } = content;
    let headers = [
        (FIELD_CONTENT_TYPE, content_type),
        (FIELD_CACHE_CONTROL, cache_control),
        (FIELD_CONTENT_DISPOSITION, content_disposition),
        (FIELD_CONTENT_ENCODING, content_encoding),
        (FIELD_CONTENT_LANGUAGE, content_language),
        (FIELD_EXPIRES, expires),
        (FIELD_WEBSITE_REDIRECT, website_redirect),
    ];
    for (tag, value) in headers {
        if let Some(value) = value {
            push_field(blob, tag, value.as_bytes());
        }
    }
}

fn push_attributes(blob: &mut Vec<u8>, attributes: &VersionAttributes) {
    let VersionAttributes { owner, tags, acl, retention, legal_hold, encryption } = attributes;
    if let Some(owner) = owner {
        push_field(blob, FIELD_OWNER, owner.0.as_bytes());
    }
    for (key, value) in &tags.0 {
        push_pair(blob, FIELD_TAG, key, value);
    }
    if let Some(acl) = acl {
        push_field(blob, FIELD_ACL, &[]);
        for grant in &acl.grants {
            push_pair(blob, FIELD_GRANT, grant.permission.name(), &grantee_text(&grant.grantee));
        }
    }
    if let Some(Retention { mode, until }) = retention {
        let tag = match mode {
            RetentionMode::Governance => FIELD_GOVERNANCE,
            RetentionMode::Compliance => FIELD_COMPLIANCE,
        };
        push_field(blob, tag, &until.0.to_le_bytes());
    }
    if let Some(on) = legal_hold {
        push_field(blob, FIELD_LEGAL_HOLD, &[u8::from(*on)]);
    }
    if let Some(envelope) = encryption {
        push_field(blob, FIELD_ENCRYPTION, envelope);
    }
}

fn grantee_text(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Owner(owner) => format!("{GRANTEE_OWNER}{}", owner.0),
        Grantee::AllUsers => GRANTEE_ALL.to_owned(),
        Grantee::AuthenticatedUsers => GRANTEE_AUTHENTICATED.to_owned(),
        Grantee::LogDelivery => GRANTEE_LOG_DELIVERY.to_owned(),
    }
}

fn grantee(text: &str) -> Result<Grantee, Failure> {
    match text {
        GRANTEE_ALL => Ok(Grantee::AllUsers),
        GRANTEE_AUTHENTICATED => Ok(Grantee::AuthenticatedUsers),
        GRANTEE_LOG_DELIVERY => Ok(Grantee::LogDelivery),
        text => {
            let owner = text.strip_prefix(GRANTEE_OWNER).ok_or(Failure::Corrupt("grantee"))?;
            Ok(Grantee::Owner(OwnerId(owner.to_owned())))
        }
    }
}

fn push_pair(blob: &mut Vec<u8>, tag: u8, name: &str, value: &str) {
    push_field(blob, tag, name.as_bytes());
    push_bytes(blob, value.as_bytes());
}

fn push_field(blob: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    if blob.is_empty() {
        blob.push(METADATA_FORMAT);
    }
    blob.push(tag);
    push_bytes(blob, bytes);
}

/// Bytes: their number in 7-bit groups, lowest first (LEB128), then themselves.
fn push_bytes(blob: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    while length >= 0x80 {
        blob.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    blob.push(length as u8);
    blob.extend_from_slice(bytes);
}

/// The metadata behind a blob.
pub(super) fn metadata(blob: &[u8], storage_class: StorageClass) -> Result<ObjectMetadata, Failure> {
    let mut metadata = ObjectMetadata { storage_class, ..ObjectMetadata::default() };
    let mut rest = blob;
    if let Some((format, fields)) = blob.split_first() {
        if *format != METADATA_FORMAT {
            return Err(Failure::Corrupt("metadata format"));
        }
        rest = fields;
    }
    while let Some((tag, fields)) = rest.split_first() {
        rest = fields;
        take_field(*tag, &mut rest, &mut metadata)?;
    }
    Ok(metadata)
}

fn take_field(tag: u8, rest: &mut &[u8], metadata: &mut ObjectMetadata) -> Result<(), Failure> {
    let ObjectMetadata { content, user: UserMetadata(user), attributes, .. } = metadata;
    let header = match tag {
        FIELD_USER => {
            user.push((take_text(rest)?, take_text(rest)?));
            return Ok(());
        }
        FIELD_CONTENT_TYPE => &mut content.content_type,
        FIELD_CACHE_CONTROL => &mut content.cache_control,
        FIELD_CONTENT_DISPOSITION => &mut content.content_disposition,
        FIELD_CONTENT_ENCODING => &mut content.content_encoding,
        FIELD_CONTENT_LANGUAGE => &mut content.content_language,
        FIELD_EXPIRES => &mut content.expires,
        FIELD_WEBSITE_REDIRECT => &mut content.website_redirect,
        _ => return take_attribute(tag, rest, attributes),
    };
    *header = Some(take_text(rest)?);
    Ok(())
}

fn take_attribute(tag: u8, rest: &mut &[u8], attributes: &mut VersionAttributes) -> Result<(), Failure> {
    let retention = |mode, bytes: &[u8]| {
        let until = bytes.try_into().map_err(|_| Failure::Corrupt("retention"))?;
        Ok::<_, Failure>(Some(Retention { mode, until: Timestamp(i64::from_le_bytes(until)) }))
    };
    match tag {
        FIELD_OWNER => attributes.owner = Some(OwnerId(take_text(rest)?)),
        FIELD_TAG => {
            let Tags(tags) = &mut attributes.tags;
            tags.push((take_text(rest)?, take_text(rest)?));
        }
        FIELD_ACL => {
            take_bytes(rest)?;
            attributes.acl = Some(Acl::default());
        }
        FIELD_GRANT => {
            let permission = AclPermission::parse(&take_text(rest)?).ok_or(Failure::Corrupt("ACL permission"))?;
            let grant = Grant { permission, grantee: grantee(&take_text(rest)?)? };
            attributes.acl.as_mut().ok_or(Failure::Corrupt("grant without ACL"))?.grants.push(grant);
        }
        FIELD_GOVERNANCE => attributes.retention = retention(RetentionMode::Governance, take_bytes(rest)?)?,
        FIELD_COMPLIANCE => attributes.retention = retention(RetentionMode::Compliance, take_bytes(rest)?)?,
        FIELD_LEGAL_HOLD => {
            attributes.legal_hold = Some(take_bytes(rest)? == [1]);
        }
        FIELD_ENCRYPTION => attributes.encryption = Some(take_bytes(rest)?.to_vec()),
        _ => return Err(Failure::Corrupt("metadata field")),
    }
    Ok(())
}

fn take_text(rest: &mut &[u8]) -> Result<String, Failure> {
    std::str::from_utf8(take_bytes(rest)?).map(str::to_owned).map_err(|_| Failure::Corrupt("metadata text"))
}

fn take_bytes<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Failure> {
    const CUT: Failure = Failure::Corrupt("metadata text");
    let mut length = 0_usize;
    let mut shift = 0;
    loop {
        let (byte, tail) = rest.split_first().ok_or(CUT)?;
        *rest = tail;
        if shift > 28 {
            return Err(CUT);
        }
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (bytes, tail) = rest.split_at_checked(length).ok_or(CUT)?;
    *rest = tail;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::{metadata, metadata_blob};
    use crate::types::{
        Acl, AclPermission, ContentHeaders, Grant, Grantee, ObjectMetadata, OwnerId, Retention, RetentionMode,
        StorageClass, Tags, Timestamp, UserMetadata, VersionAttributes,
    };

    fn any_attributes() -> impl Strategy<Value = VersionAttributes> {
        let grantee = prop_oneof![
            "[0-9a-f]{0,64}".prop_map(|id| Grantee::Owner(OwnerId(id))),
            Just(Grantee::AllUsers),
            Just(Grantee::AuthenticatedUsers),
            Just(Grantee::LogDelivery),
        ];
        let grant = (grantee, prop::sample::select(&AclPermission::ALL[..]))
            .prop_map(|(grantee, permission)| Grant { grantee, permission });
        let acl = prop::option::of(prop::collection::vec(grant, 0..4).prop_map(|grants| Acl { grants }));
        let mode = prop_oneof![Just(RetentionMode::Governance), Just(RetentionMode::Compliance)];
        let retention =
            prop::option::of((mode, any::<i64>()).prop_map(|(mode, at)| Retention { mode, until: Timestamp(at) }));
        let owner = prop::option::of("[0-9a-f]{64}".prop_map(OwnerId));
        let tags = prop::collection::vec((".{0,128}", ".{0,256}"), 0..10).prop_map(Tags);
        let encryption = prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
        (owner, tags, acl, retention, any::<Option<bool>>(), encryption).prop_map(
            |(owner, tags, acl, retention, legal_hold, encryption)| VersionAttributes {
                owner,
                tags,
                acl,
                retention,
                legal_hold,
                encryption,
            },
        )
    }

    fn any_metadata() -> impl Strategy<Value = ObjectMetadata> {
        let text = || prop::option::of(".{0,300}");
        let content = (text(), text(), text(), text(), text(), text(), text()).prop_map(|fields| ContentHeaders {
            content_type: fields.0,
            cache_control: fields.1,
            content_disposition: fields.2,
            content_encoding: fields.3,
            content_language: fields.4,
            expires: fields.5,
            website_redirect: fields.6,
        });
        let user = prop::collection::vec((".{0,20}", ".{0,200}"), 0..5);
        (content, user, any_attributes()).prop_map(|(content, user, attributes)| ObjectMetadata {
            content,
            user: UserMetadata(user),
            storage_class: StorageClass::GlacierIr,
            attributes,
        })
    }

    proptest! {
        #[test]
        fn metadata_reads_back_as_it_was_written(written in any_metadata()) {
            let blob = metadata_blob(&written);
            assert_eq!(metadata(&blob, StorageClass::GlacierIr).unwrap(), written);
        }

        #[test]
        fn damaged_metadata_never_panics(blob in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = metadata(&blob, StorageClass::Standard);
        }
    }

    #[test]
    fn no_metadata_costs_no_bytes() {
        assert!(metadata_blob(&ObjectMetadata::default()).is_empty());
    }
}
