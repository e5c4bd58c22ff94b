//! PutBucketWebsite, GetBucketWebsite, DeleteBucketWebsite. Source: Amazon S3 API Reference, the operations of these
//! names. Serving is in `s3/website`.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::website::{
    KeyReplacement, Protocol, Redirect, RedirectAll, RoutingRule, Website, WebsiteRefusal, judge_website,
};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::bucket_document::{load, remove, store};
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::xml_tree::{Element, malformed};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

/// Replaces the website.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    store(gateway, call.bucket(), DocumentKind::Website, &read(&document)?).await?;
    Ok(respond_empty(StatusCode::OK))
}

/// Shows the website.
pub(crate) async fn get(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    match load(gateway, call.bucket(), DocumentKind::Website).await? {
        Some(website) => Ok(respond_document(write(&website))),
        None => Err(absent(call, Code::NoSuchWebsiteConfiguration)),
    }
}

/// Removes the website.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    remove(gateway, call.bucket(), DocumentKind::Website).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

pub(super) fn read(document: &[u8]) -> Result<Website, S3Error> {
    let root = Element::read(document, "WebsiteConfiguration")?;
    root.allow(&["IndexDocument", "ErrorDocument", "RedirectAllRequestsTo", "RoutingRules"])?;
    let text_in = |child: &str, name: &str| match root.child(child)? {
        Some(element) => {
            element.allow(&[name])?;
            element.required_text(name).map(|text| Some(text.to_owned()))
        }
        None => Ok(None),
    };
    let redirect_all = match root.child("RedirectAllRequestsTo")? {
        Some(element) => {
            element.allow(&["HostName", "Protocol"])?;
            let host = element.required_text("HostName")?.to_owned();
            Some(RedirectAll { host, protocol: read_protocol(element)? })
        }
        None => None,
    };
    let rules = match root.child("RoutingRules")? {
        Some(rules) => {
            rules.allow(&["RoutingRule"])?;
            rules.children.iter().map(read_rule).collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    let website = Website {
        index_suffix: text_in("IndexDocument", "Suffix")?,
        error_key: text_in("ErrorDocument", "Key")?,
        redirect_all,
        rules,
    };
    judge_website(&website).map_err(refused)?;
    Ok(website)
}

fn read_rule(element: &Element) -> Result<RoutingRule, S3Error> {
    element.allow(&["Condition", "Redirect"])?;
    let (mut key_prefix, mut error_status) = (None, None);
    if let Some(condition) = element.child("Condition")? {
        condition.allow(&["KeyPrefixEquals", "HttpErrorCodeReturnedEquals"])?;
        key_prefix = condition.text_of("KeyPrefixEquals")?.map(str::to_owned);
        error_status = read_status(condition, "HttpErrorCodeReturnedEquals", "error", "4XX or 5XX")?;
        if key_prefix.is_none() && error_status.is_none() {
            return Err(S3Error::invalid_request(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element \
                 shouldn't be present.",
            ));
        }
    }
    let redirect = element.child("Redirect")?.ok_or_else(|| malformed("a rule without Redirect"))?;
    Ok(RoutingRule { key_prefix, error_status, redirect: read_redirect(redirect)? })
}

fn read_redirect(element: &Element) -> Result<Redirect, S3Error> {
    element.allow(&["Protocol", "HostName", "ReplaceKeyPrefixWith", "ReplaceKeyWith", "HttpRedirectCode"])?;
    let key = match (element.text_of("ReplaceKeyPrefixWith")?, element.text_of("ReplaceKeyWith")?) {
        (Some(_), Some(_)) => {
            return Err(S3Error::invalid_request("You can only define ReplaceKeyPrefix or ReplaceKey but not both."));
        }
        (Some(prefix), None) => Some(KeyReplacement::Prefix(prefix.to_owned())),
        (None, Some(key)) => Some(KeyReplacement::Whole(key.to_owned())),
        (None, None) => None,
    };
    Ok(Redirect {
        protocol: read_protocol(element)?,
        host: element.text_of("HostName")?.map(str::to_owned),
        key,
        status: read_status(element, "HttpRedirectCode", "redirect", "3XX except 300")?,
    })
}

fn read_protocol(element: &Element) -> Result<Option<Protocol>, S3Error> {
    let Some(name) = element.text_of("Protocol")? else { return Ok(None) };
    Protocol::parse(name).map(Some).ok_or_else(|| {
        S3Error::invalid_request(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected \
             automatically.",
        )
    })
}

fn read_status(element: &Element, name: &str, kind: &str, valid: &str) -> Result<Option<u16>, S3Error> {
    let Some(text) = element.text_of(name)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| bad_status(kind, text, valid))
}

fn bad_status(kind: &str, text: &str, valid: &str) -> S3Error {
    S3Error::invalid_request(format!("The provided HTTP {kind} code ({text}) is not valid. Valid codes are {valid}."))
}

fn refused(refusal: WebsiteRefusal) -> S3Error {
    match refusal {
        WebsiteRefusal::NoIndex => S3Error::invalid_argument(
            "IndexDocument",
            "null",
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
        ),
        WebsiteRefusal::IndexSuffix(suffix) => {
            S3Error::invalid_argument("IndexDocument", suffix, "The IndexDocument Suffix is not well formed")
        }
        WebsiteRefusal::ErrorKey => {
            S3Error::invalid_argument("ErrorDocument", "", "The ErrorDocument Key is not well formed")
        }
        WebsiteRefusal::RedirectAllWithOthers => S3Error::invalid_request(
            "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
        ),
        WebsiteRefusal::TooManyRules(count) => S3Error::invalid_request(format!(
            "{count} routing rules provided, the number of routing rules in a website configuration is limited to 50."
        )),
        WebsiteRefusal::EmptyRedirect => malformed("a rule with an empty Redirect"),
        WebsiteRefusal::ErrorStatus(status) => bad_status("error", &status.to_string(), "4XX or 5XX"),
        WebsiteRefusal::RedirectStatus(status) => bad_status("redirect", &status.to_string(), "3XX except 300"),
        WebsiteRefusal::Host(host) => S3Error::invalid_argument("HostName", host, "The HostName is not well formed"),
    }
}

pub(super) fn write(website: &Website) -> String {
    let mut xml = XmlWriter::document("WebsiteConfiguration");
    if let Some(suffix) = &website.index_suffix {
        xml.open("IndexDocument").text("Suffix", suffix).close();
    }
    if let Some(key) = &website.error_key {
        xml.open("ErrorDocument").text("Key", key).close();
    }
    if let Some(RedirectAll { host, protocol }) = &website.redirect_all {
        xml.open("RedirectAllRequestsTo").text("HostName", host);
        xml.optional("Protocol", protocol.map(Protocol::name)).close();
    }
    if !website.rules.is_empty() {
        xml.open("RoutingRules");
        for rule in &website.rules {
            write_rule(&mut xml, rule);
        }
        xml.close();
    }
    xml.finish()
}

fn write_rule(xml: &mut XmlWriter, rule: &RoutingRule) {
    xml.open("RoutingRule");
    if rule.key_prefix.is_some() || rule.error_status.is_some() {
        xml.open("Condition").optional("KeyPrefixEquals", rule.key_prefix.as_ref());
        xml.optional("HttpErrorCodeReturnedEquals", rule.error_status).close();
    }
    let redirect = &rule.redirect;
    xml.open("Redirect").optional("Protocol", redirect.protocol.map(Protocol::name));
    xml.optional("HostName", redirect.host.as_ref());
    match &redirect.key {
        Some(KeyReplacement::Prefix(prefix)) => xml.text("ReplaceKeyPrefixWith", prefix),
        Some(KeyReplacement::Whole(key)) => xml.text("ReplaceKeyWith", key),
        None => xml,
    };
    xml.optional("HttpRedirectCode", redirect.status).close().close();
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::s3::Code;

    const SITE: &str = "<IndexDocument><Suffix>i.html</Suffix></IndexDocument><ErrorDocument><Key>e</Key>\
        </ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a/</KeyPrefixEquals>\
        <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><Protocol>https</Protocol>\
        <HostName>h</HostName><ReplaceKeyPrefixWith>b/</ReplaceKeyPrefixWith><HttpRedirectCode>302</HttpRedirectCode>\
        </Redirect></RoutingRule><RoutingRule><Redirect><ReplaceKeyWith></ReplaceKeyWith></Redirect></RoutingRule>\
        </RoutingRules>";

    fn document(inner: &str) -> String {
        format!("<WebsiteConfiguration>{inner}</WebsiteConfiguration>")
    }

    #[test]
    fn a_website_is_shown_as_it_was_put() {
        let elsewhere =
            "<RedirectAllRequestsTo><HostName>h</HostName><Protocol>http</Protocol></RedirectAllRequestsTo>";
        for inner in [SITE, elsewhere] {
            let website = read(document(inner).as_bytes()).unwrap();
            assert!(write(&website).ends_with(&format!("\">{inner}</WebsiteConfiguration>")), "{}", write(&website));
            let stored = serde_json::to_vec(&website).unwrap();
            assert_eq!(serde_json::from_slice::<crate::rules::website::Website>(&stored).unwrap(), website);
        }
    }

    #[test]
    fn each_mistake_has_its_code_and_its_words() {
        let index = "<IndexDocument><Suffix>i</Suffix></IndexDocument>";
        let rule = |inner: &str| format!("{index}<RoutingRules><RoutingRule>{inner}</RoutingRule></RoutingRules>");
        let redirect = |inner: &str| rule(&format!("<Redirect>{inner}</Redirect>"));
        let table = [
            (String::new(), Code::InvalidArgument, "A value for IndexDocument Suffix must be provided"),
            ("<IndexDocument/>".to_owned(), Code::MalformedXML, ""),
            (
                "<IndexDocument><Suffix>a/b</Suffix></IndexDocument>".to_owned(),
                Code::InvalidArgument,
                "The IndexDocument",
            ),
            (format!("{index}<ErrorDocument><Key/></ErrorDocument>"), Code::InvalidArgument, "The ErrorDocument"),
            (format!("{index}<Unknown/>"), Code::MalformedXML, ""),
            (
                format!("{index}<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>"),
                Code::InvalidRequest,
                "RedirectAllRequestsTo cannot be",
            ),
            (rule(""), Code::MalformedXML, ""),
            (redirect(""), Code::MalformedXML, ""),
            (rule("<Condition/><Redirect/>"), Code::InvalidRequest, "Condition cannot be empty."),
            (redirect("<Protocol>ftp</Protocol>"), Code::InvalidRequest, "Invalid protocol"),
            (redirect("<HostName>a&#10;b</HostName>"), Code::InvalidArgument, "The HostName"),
            (
                redirect("<HttpRedirectCode>x</HttpRedirectCode>"),
                Code::InvalidRequest,
                "The provided HTTP redirect code (x)",
            ),
            (
                redirect("<HttpRedirectCode>300</HttpRedirectCode>"),
                Code::InvalidRequest,
                "The provided HTTP redirect code",
            ),
            (
                redirect("<ReplaceKeyPrefixWith/><ReplaceKeyWith/>"),
                Code::InvalidRequest,
                "You can only define ReplaceKeyPrefix or ReplaceKey",
            ),
        ];
        for (inner, code, message) in table {
            let error = read(document(&inner).as_bytes()).unwrap_err();
            assert_eq!(error.code, code, "{inner}");
            assert!(message.is_empty() || error.message.starts_with(message), "{inner}: {}", error.message);
        }
    }
}
