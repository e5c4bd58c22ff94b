//! ListBuckets. Source: Amazon S3 API Reference, ListBuckets.

use crate::engine::ListedBuckets;
use crate::identity::Principal;
use crate::limits::BUCKETS_PAGE_MAX;
use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::listing::{make_token, read_token};
use crate::s3::query::Query;
use crate::s3::respond::{ShownOwner, respond_document};
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameters {
    prefix: Option<String>,
    after: String,
    max: u32,
    region: Option<String>,
}

/// Lists the caller's buckets; root's are everybody's.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let Principal::Identity { owner, is_root, .. } = &call.principal else {
        return Err(S3Error::new(Code::AccessDenied));
    };
    let parameters = Parameters::read(&call.query)?;
    let region = gateway.settings.auth.region.as_str();
    let page = match &parameters.region {
        // All buckets are in one region; there are none in any other.
        Some(other) if other != region => ListedBuckets::default(),
        Some(_) | None => {
            let filter = (!is_root).then_some(owner);
            let prefix = parameters.prefix.as_deref().unwrap_or_default();
            gateway.engine.list_buckets(filter, prefix, &parameters.after, parameters.max).await?
        }
    };
    Ok(respond_document(document(&parameters, &page, &ShownOwner::of(gateway, owner), region)))
}

impl Parameters {
    fn read(query: &Query) -> Result<Self, S3Error> {
        let max = match query.value("max-buckets").filter(|text| !text.is_empty()) {
            None => BUCKETS_PAGE_MAX,
            Some(text) => {
                let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
                number.filter(|max| (1..=BUCKETS_PAGE_MAX).contains(max)).ok_or_else(|| {
                    let message = format!("Argument max-buckets must be an integer between 1 and {BUCKETS_PAGE_MAX}");
                    S3Error::invalid_argument("max-buckets", text, message)
                })?
            }
        };
        let after = match query.value("continuation-token").filter(|token| !token.is_empty()) {
            None => String::new(),
            Some(token) => read_token(token).ok_or_else(|| {
                S3Error::invalid_argument("continuation-token", token, "The continuation token provided is incorrect")
            })?,
        };
        let text = |name| query.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self { prefix: text("prefix"), after, max, region: text("bucket-region") })
    }
}

fn document(parameters: &Parameters, page: &ListedBuckets, owner: &ShownOwner, region: &str) -> String {
    let mut xml = XmlWriter::document("ListAllMyBucketsResult");
    owner.write(&mut xml);
    xml.open("Buckets");
    for bucket in &page.buckets {
        xml.open("Bucket")
            .text("Name", &bucket.name)
            .text("CreationDate", bucket.created.iso_millis())
            .text("BucketRegion", region)
            .close();
    }
    xml.close();
    xml.optional("ContinuationToken", page.next_after.as_deref().map(make_token));
    xml.optional("Prefix", parameters.prefix.as_deref());
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::{Parameters, document};
    use crate::engine::ListedBuckets;
    use crate::s3::Code;
    use crate::s3::listing::make_token;
    use crate::s3::query::Query;
    use crate::s3::respond::ShownOwner;
    use crate::types::{Bucket, BucketId, BucketName, OwnerId, Timestamp};

    #[test]
    fn a_page_shows_buckets_owner_and_token() {
        let owner = OwnerId("o".to_owned());
        let bucket = Bucket {
            id: BucketId(1),
            name: BucketName::parse("abc").unwrap(),
            owner: owner.clone(),
            created: Timestamp(0),
            generation: 0,
            is_versioned: false,
            location: String::new(),
        };
        let page = ListedBuckets { buckets: vec![bucket], next_after: Some("abc".to_owned()) };
        let parameters = Parameters::read(&Query::parse("prefix=a&max-buckets=1").unwrap()).unwrap();
        let text = document(&parameters, &page, &ShownOwner { id: owner, name: None }, "us-east-1");
        let token = make_token("abc");
        assert!(text.ends_with(&format!(
            "<Owner><ID>o</ID></Owner><Buckets><Bucket><Name>abc</Name>\
             <CreationDate>1970-01-01T00:00:00.000Z</CreationDate><BucketRegion>us-east-1</BucketRegion></Bucket>\
             </Buckets><ContinuationToken>{token}</ContinuationToken><Prefix>a</Prefix></ListAllMyBucketsResult>"
        )));
    }

    #[test]
    fn parameters_are_checked() {
        let read = |raw: &str| Parameters::read(&Query::parse(raw).unwrap()).map_err(|error| error.code);
        assert_eq!(read("").unwrap().max, 10_000);
        assert_eq!(read(&format!("continuation-token={}", make_token("b").replace('=', "%3D"))).unwrap().after, "b");
        for bad in ["max-buckets=0", "max-buckets=10001", "max-buckets=x", "max-buckets=-1", "continuation-token=x"] {
            assert_eq!(read(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }
}
