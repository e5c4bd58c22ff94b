//! GetBucketAcl, GetObjectAcl, PutBucketAcl, PutObjectAcl: the owner of a bucket owns everything in it, and
//! nobody else is granted anything by a list. Source: Amazon S3 User Guide, "Controlling ownership of objects".

use http::StatusCode;

use crate::net::{RequestBody, Response};
use crate::s3::authorize::Authorized;
use crate::s3::op::probes::find_object;
use crate::s3::respond::{ShownOwner, respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};

/// Shows the list of a bucket.
pub(crate) fn show_bucket(gateway: &Gateway, call: &Authorized) -> Response {
    respond_document(document(&ShownOwner::of(gateway, &call.bucket().owner)))
}

/// Shows the list of an object, which must exist.
pub(crate) async fn show_object(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    find_object(gateway, call).await?;
    Ok(show_bucket(gateway, call))
}

/// Accepts a list that says what is so anyway: the canned ACLs that do are let through before this, all others
/// are refused there. A list in the body is refused as S3 refuses it where lists are off.
pub(crate) fn accept(call: &Authorized, body: &RequestBody) -> Result<Response, S3Error> {
    let is_canned = call.headers.contains_key("x-amz-acl");
    if is_canned && body.content_length() == Some(0) {
        Ok(respond_empty(StatusCode::OK))
    } else {
        Err(S3Error::new(Code::AccessControlListNotSupported))
    }
}

/// As `accept`, for an object that must exist.
pub(crate) async fn accept_for_object(
    gateway: &Gateway,
    call: &Authorized,
    body: &RequestBody,
) -> Result<Response, S3Error> {
    find_object(gateway, call).await?;
    accept(call, body)
}

fn document(owner: &ShownOwner) -> String {
    let mut xml = XmlWriter::document("AccessControlPolicy");
    owner.write(&mut xml);
    xml.open("AccessControlList").open("Grant");
    let attributes = [("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"), ("xsi:type", "CanonicalUser")];
    xml.open_with("Grantee", &attributes);
    owner.write_fields(&mut xml);
    xml.close().text("Permission", "FULL_CONTROL");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{accept, document};
    use crate::auth::PayloadKind;
    use crate::net::RequestBody;
    use crate::s3::authorize::Authorized;
    use crate::s3::respond::ShownOwner;
    use crate::s3::{Code, Operation};
    use crate::types::OwnerId;

    #[test]
    fn the_owner_has_full_control_and_nobody_else_is_listed() {
        let text = document(&ShownOwner { id: OwnerId("ab".to_owned()), name: Some("root".to_owned()) });
        assert!(text.contains("<Owner><ID>ab</ID><DisplayName>root</DisplayName></Owner>"));
        assert!(text.ends_with(
            "xsi:type=\"CanonicalUser\"><ID>ab</ID><DisplayName>root</DisplayName></Grantee>\
             <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
        ));
        assert_eq!(text.matches("<Grant>").count(), 1);
    }

    #[test]
    fn only_a_list_that_changes_nothing_is_accepted() {
        let mut headers = HeaderMap::new();
        let call = |headers: &HeaderMap| {
            Authorized::for_test(Operation::PutObjectAcl, "/abc/k?acl", headers.clone(), PayloadKind::Unsigned)
        };
        let nothing = || RequestBody::from_pieces(Vec::<&'static [u8]>::new());
        assert_eq!(accept(&call(&headers), &nothing()).unwrap_err().code, Code::AccessControlListNotSupported);
        headers.insert("x-amz-acl", HeaderValue::from_static("private"));
        assert_eq!(accept(&call(&headers), &nothing()).unwrap().status(), 200);
        let list = RequestBody::from_pieces([&b"<AccessControlPolicy/>"[..]]);
        assert_eq!(accept(&call(&headers), &list).unwrap_err().code, Code::AccessControlListNotSupported);
    }
}
