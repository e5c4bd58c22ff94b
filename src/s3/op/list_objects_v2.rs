//! ListObjectsV2. Source: Amazon S3 API Reference, ListObjectsV2.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::listing::{ListParameters, make_token, read_token};
use crate::s3::op::list_objects::find_page;
use crate::s3::query::Query;
use crate::s3::respond::{ShownOwners, respond_document};
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::KeyListing;

/// Where the listing begins, as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Beginning {
    token: Option<String>,
    start_after: Option<String>,
    /// What both come to: a token outranks the other.
    after: String,
}

/// Lists a page of keys after a token or a key.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let parameters = ListParameters::read(&call.query, &call.headers)?;
    let beginning = Beginning::read(&call.query)?;
    let page = find_page(gateway, call.bucket(), &parameters, beginning.after.clone()).await?;
    let fetch_owner = call.query.value("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let writers = page.objects.iter().map(|object| object.owner.as_ref());
    let owners = fetch_owner.then(|| ShownOwners::of(gateway, call, writers));
    Ok(respond_document(document(call.bucket().name.as_str(), &parameters, &beginning, &page, owners.as_ref())))
}

impl Beginning {
    fn read(query: &Query) -> Result<Self, S3Error> {
        let token = query.value("continuation-token").map(str::to_owned);
        let start_after = query.value("start-after").map(str::to_owned);
        let after = match token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => read_token(token).ok_or_else(|| {
                S3Error::invalid_argument("continuation-token", token, "The continuation token provided is incorrect")
            })?,
            None => start_after.clone().unwrap_or_default(),
        };
        Ok(Self { token, start_after, after })
    }
}

fn document(
    bucket: &str,
    parameters: &ListParameters,
    beginning: &Beginning,
    page: &KeyListing,
    owners: Option<&ShownOwners>,
) -> String {
    let mut xml = XmlWriter::document("ListBucketResult");
    xml.text("Name", bucket).text("Prefix", parameters.encode(&parameters.prefix));
    xml.optional("StartAfter", beginning.start_after.as_deref().map(|text| parameters.encode(text)));
    xml.optional("ContinuationToken", beginning.token.as_deref());
    xml.optional("NextContinuationToken", page.next_after.as_deref().map(make_token));
    xml.text("KeyCount", page.objects.len() + page.prefixes.len());
    parameters.write(&mut xml);
    xml.text("IsTruncated", page.next_after.is_some());
    parameters.write_entries(&mut xml, page, owners);
    xml.finish()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Beginning, document};
    use crate::s3::Code;
    use crate::s3::listing::tests::page;
    use crate::s3::listing::{ListParameters, make_token};
    use crate::s3::query::Query;
    use crate::s3::respond::{ShownOwner, ShownOwners};
    use crate::types::OwnerId;

    fn list(raw: &str, keys: &[&str], prefixes: &[&str], next: Option<&str>) -> String {
        let query = Query::parse(raw).unwrap();
        let parameters = ListParameters::read(&query, &HeaderMap::new()).unwrap();
        document("abc", &parameters, &Beginning::read(&query).unwrap(), &page(keys, prefixes, next), None)
    }

    #[test]
    fn a_page_counts_prefixes_and_hands_out_a_token() {
        let text = list("delimiter=/&start-after=0+1&encoding-type=url", &["a"], &["b/"], Some("b/"));
        let token = make_token("b/");
        assert!(text.contains(&format!(
            "<Name>abc</Name><Prefix></Prefix><StartAfter>0%201</StartAfter>\
             <NextContinuationToken>{token}</NextContinuationToken><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>\
             <Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        )));
        assert!(!text.contains("Owner") && !text.contains("Marker"));
    }

    #[test]
    fn the_owner_is_shown_when_asked_for() {
        let parameters = ListParameters::read(&Query::default(), &HeaderMap::new()).unwrap();
        let owners = ShownOwners::only(ShownOwner { id: OwnerId("o".to_owned()), name: Some("n".to_owned()) });
        let text = document("abc", &parameters, &Beginning::default(), &page(&["a"], &[], None), Some(&owners));
        assert!(text.contains("<Owner><ID>o</ID><DisplayName>n</DisplayName></Owner>"));
    }

    #[test]
    fn a_token_outranks_start_after_and_an_empty_one_says_nothing() {
        let read = |raw: &str| Beginning::read(&Query::parse(raw).unwrap()).map_err(|error| error.code);
        let token = make_token("m").replace('=', "%3D");
        assert_eq!(read(&format!("start-after=a&continuation-token={token}")).unwrap().after, "m");
        let empty = read("start-after=a&continuation-token=").unwrap();
        assert_eq!((empty.after.as_str(), empty.token.as_deref()), ("a", Some("")));
        assert_eq!(read("continuation-token=nonsense"), Err(Code::InvalidArgument));
    }
}
