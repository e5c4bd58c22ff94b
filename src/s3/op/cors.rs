//! PutBucketCors, GetBucketCors, DeleteBucketCors. Source: Amazon S3 API Reference, the operations of these names.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::cors::{CorsMethod, CorsRefusal, CorsRule, CorsRules, judge_rules};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::bucket_document::{load, remove, store};
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::xml_tree::{Element, malformed};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

/// Replaces the rules.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    store(gateway, call.bucket(), DocumentKind::Cors, &read(&document)?).await?;
    Ok(respond_empty(StatusCode::OK))
}

/// Shows the rules.
pub(crate) async fn get(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    match load(gateway, call.bucket(), DocumentKind::Cors).await? {
        Some(rules) => Ok(respond_document(write(&rules))),
        None => Err(absent(call, Code::NoSuchCORSConfiguration)),
    }
}

/// Removes the rules.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    remove(gateway, call.bucket(), DocumentKind::Cors).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

pub(super) fn read(document: &[u8]) -> Result<CorsRules, S3Error> {
    let root = Element::read(document, "CORSConfiguration")?;
    root.allow(&["CORSRule"])?;
    let rules = CorsRules(root.children.iter().map(read_rule).collect::<Result<_, _>>()?);
    judge_rules(&rules).map_err(refused)?;
    Ok(rules)
}

fn read_rule(element: &Element) -> Result<CorsRule, S3Error> {
    element.allow(&["ID", "AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader", "MaxAgeSeconds"])?;
    let texts = |name| element.all(name).map(|child| child.text.trim().to_owned()).collect::<Vec<_>>();
    let methods = element.all("AllowedMethod").map(|child| {
        let name = child.text.trim();
        CorsMethod::parse(name).ok_or_else(|| {
            let message = format!("Found unsupported HTTP method in CORS config. Unsupported method is {name}");
            S3Error::invalid_request(message)
        })
    });
    let seconds = element.text_of("MaxAgeSeconds")?.map(|text| text.trim().parse::<u32>().map_err(malformed));
    Ok(CorsRule {
        id: element.text_of("ID")?.map(str::to_owned),
        origins: texts("AllowedOrigin"),
        methods: methods.collect::<Result<_, _>>()?,
        headers: texts("AllowedHeader"),
        exposed: texts("ExposeHeader"),
        max_age_seconds: seconds.transpose()?,
    })
}

fn refused(refusal: CorsRefusal) -> S3Error {
    let invalid = |message: String| S3Error::invalid_request(message);
    match refusal {
        CorsRefusal::NoRules | CorsRefusal::NoOrigin | CorsRefusal::NoMethod => malformed(format!("{refusal:?}")),
        CorsRefusal::TooManyRules => {
            S3Error::invalid_request("The number of CORS rules should not exceed allowed limit of 100 rules.")
        }
        CorsRefusal::LongId => S3Error::invalid_request("The ID of a CORS rule should not exceed 255 characters."),
        CorsRefusal::Origin(text) => invalid(format!("AllowedOrigin \"{text}\" can not have more than one wildcard.")),
        CorsRefusal::HeaderWildcards(text) => {
            invalid(format!("AllowedHeader \"{text}\" can not have more than one wildcard."))
        }
        CorsRefusal::HeaderCharacter(text) => invalid(format!("AllowedHeader \"{text}\" contains invalid character.")),
        CorsRefusal::ExposedWildcard(text) => invalid(format!(
            "ExposeHeader \"{text}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
        )),
        CorsRefusal::ExposedCharacter(text) => invalid(format!("ExposeHeader \"{text}\" contains invalid character.")),
    }
}

pub(super) fn write(rules: &CorsRules) -> String {
    let mut xml = XmlWriter::document("CORSConfiguration");
    for rule in &rules.0 {
        xml.open("CORSRule").optional("ID", rule.id.as_ref());
        let lists =
            [("AllowedHeader", &rule.headers), ("AllowedOrigin", &rule.origins), ("ExposeHeader", &rule.exposed)];
        for (name, texts) in lists {
            for text in texts {
                xml.text(name, text);
            }
        }
        for method in &rule.methods {
            xml.text("AllowedMethod", method.name());
        }
        xml.optional("MaxAgeSeconds", rule.max_age_seconds).close();
    }
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::s3::Code;

    const RULE: &str = "<ID>one</ID><AllowedHeader>x-*</AllowedHeader><AllowedOrigin>https://*.a</AllowedOrigin>\
        <AllowedOrigin>https://b</AllowedOrigin><ExposeHeader>ETag</ExposeHeader><AllowedMethod>GET</AllowedMethod>\
        <MaxAgeSeconds>3</MaxAgeSeconds>";

    fn document(inner: &str) -> String {
        format!("<CORSConfiguration><CORSRule>{inner}</CORSRule></CORSConfiguration>")
    }

    #[test]
    fn rules_are_shown_as_they_were_put() {
        let rules = read(document(RULE).as_bytes()).unwrap();
        assert!(write(&rules).ends_with(&format!("<CORSRule>{RULE}</CORSRule></CORSConfiguration>")));
        let stored = serde_json::to_vec(&rules).unwrap();
        assert_eq!(serde_json::from_slice::<crate::rules::cors::CorsRules>(&stored).unwrap(), rules);
    }

    #[test]
    fn each_mistake_has_its_code_and_its_words() {
        let origin = "<AllowedOrigin>*</AllowedOrigin>";
        let get = "<AllowedMethod>GET</AllowedMethod>";
        let table = [
            ("<CORSConfiguration/>".to_owned(), Code::MalformedXML, ""),
            (document(""), Code::MalformedXML, ""),
            (document(origin), Code::MalformedXML, ""),
            (document(get), Code::MalformedXML, ""),
            (document(&format!("{origin}{get}<Unknown/>")), Code::MalformedXML, ""),
            (document(&format!("{origin}{get}<MaxAgeSeconds>-1</MaxAgeSeconds>")), Code::MalformedXML, ""),
            (
                document(&format!("{origin}<AllowedMethod>PATCH</AllowedMethod>")),
                Code::InvalidRequest,
                "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
            ),
            (
                document(&format!("<AllowedOrigin>*.a.*</AllowedOrigin>{get}")),
                Code::InvalidRequest,
                "AllowedOrigin \"*.a.*\" can not have more than one wildcard.",
            ),
            (
                document(&format!("{origin}{get}<ExposeHeader>x-*</ExposeHeader>")),
                Code::InvalidRequest,
                "ExposeHeader \"x-*\" contains wildcard. We currently do not support wildcard for ExposeHeader.",
            ),
            (
                document(&format!("{origin}{get}<ExposeHeader>a&#13;&#10;b</ExposeHeader>")),
                Code::InvalidRequest,
                "ExposeHeader \"a\r\nb\" contains invalid character.",
            ),
        ];
        for (text, code, message) in table {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(error.code, code, "{text}");
            assert!(message.is_empty() || error.message == message, "{}", error.message);
        }
    }
}
