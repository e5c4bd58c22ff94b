//! PutBucketLifecycleConfiguration, GetBucketLifecycleConfiguration, DeleteBucketLifecycle, in the current form
//! (`Filter`) and in the old one (`Prefix`).
//!
//! Source: Amazon S3 API Reference, PutBucketLifecycleConfiguration; Amazon S3 User Guide, "Lifecycle
//! configuration elements".

use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::limits::{
    KEY_BYTES_MAX, LIFECYCLE_NEWER_VERSIONS_MAX, LIFECYCLE_RULE_ID_CHARS_MAX, LIFECYCLE_RULES_MAX,
    LIFECYCLE_XML_BYTES_MAX,
};
use crate::net::{RequestBody, Response};
use crate::rules::Lifecycle;
use crate::rules::lifecycle::{DAY_SECONDS, Expiration, Filter, NoncurrentExpiration, Rule, Scope, TransitionMinimum};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::metadata::header_text;
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::XmlWriter;
use crate::s3::xml_tree::{Element, malformed};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{DocumentKind, Timestamp};

const TRANSITION_MINIMUM: HeaderName = HeaderName::from_static("x-amz-transition-default-minimum-object-size");

/// Replaces the rules of a bucket.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let transition_minimum = transition_minimum(&call.headers)?;
    let document = read_document(call, body, LIFECYCLE_XML_BYTES_MAX).await?;
    let lifecycle = Lifecycle { rules: read_rules(&document)?, transition_minimum };
    let stored = Some(Arc::from(lifecycle.to_document()));
    gateway.engine.set_document(call.bucket(), DocumentKind::Lifecycle, stored).await?;
    Ok(naming_minimum(respond_empty(StatusCode::OK), transition_minimum))
}

/// Shows the rules of a bucket.
pub(crate) async fn get(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let documents = gateway.engine.documents(call.bucket()).await?;
    let document = documents.get(DocumentKind::Lifecycle);
    let document = document.ok_or_else(|| absent(call, Code::NoSuchLifecycleConfiguration))?;
    let unreadable = || S3Error::new(Code::InternalError).cause("the lifecycle document does not read");
    let lifecycle = Lifecycle::from_document(document).ok_or_else(unreadable)?;
    Ok(naming_minimum(respond_document(write_rules(&lifecycle.rules)), lifecycle.transition_minimum))
}

/// Removes the rules of a bucket.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    gateway.engine.set_document(call.bucket(), DocumentKind::Lifecycle, None).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

fn transition_minimum(headers: &HeaderMap) -> Result<TransitionMinimum, S3Error> {
    let Some(text) = header_text(headers, TRANSITION_MINIMUM.as_str()) else { return Ok(TransitionMinimum::default()) };
    let message = "The transition default minimum object size is not one of S3's.";
    TransitionMinimum::parse(&text)
        .ok_or_else(|| S3Error::invalid_argument(TRANSITION_MINIMUM.as_str(), text.as_str(), message))
}

fn naming_minimum(mut response: Response, minimum: TransitionMinimum) -> Response {
    response.headers_mut().insert(TRANSITION_MINIMUM, HeaderValue::from_static(minimum.name()));
    response
}

pub(super) fn read_rules(document: &[u8]) -> Result<Vec<Rule>, S3Error> {
    let root = Element::read(document, "LifecycleConfiguration")?;
    root.allow(&["Rule"])?;
    if !(1..=LIFECYCLE_RULES_MAX).contains(&root.children.len()) {
        return Err(malformed(format!("{} rules", root.children.len())));
    }
    let rules = root.children.iter().map(read_rule).collect::<Result<Vec<_>, _>>()?;
    let mut ids = HashSet::new();
    if let Some(rule) = rules.iter().find(|rule| !ids.insert(rule.id.as_str())) {
        let message = "Rule ID must be unique. Found same ID for more than one rule";
        return Err(S3Error::invalid_argument("ID", rule.id.as_str(), message));
    }
    let is_old = |rule: &Rule| matches!(rule.scope, Scope::Prefix(_));
    if rules.iter().any(is_old) && !rules.iter().all(is_old) {
        return Err(S3Error::invalid_request(
            "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
        ));
    }
    Ok(rules)
}

fn read_rule(rule: &Element) -> Result<Rule, S3Error> {
    rule.allow(&[
        "ID",
        "Status",
        "Prefix",
        "Filter",
        "Expiration",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
        "Transition",
        "NoncurrentVersionTransition",
    ])?;
    let id = read_id(rule.text_of("ID")?)?;
    let enabled = match rule.required_text("Status")?.trim() {
        "Enabled" => true,
        "Disabled" => false,
        other => return Err(malformed(format!("Status {other}"))),
    };
    let scope = read_scope(rule)?;
    refuse_transitions(rule)?;
    let expiration = rule.child("Expiration")?.map(read_expiration).transpose()?;
    let noncurrent = rule.child("NoncurrentVersionExpiration")?.map(read_noncurrent).transpose()?;
    let abort_days = rule.child("AbortIncompleteMultipartUpload")?.map(read_abort).transpose()?;
    let rule = Rule { id, enabled, scope, expiration, noncurrent, abort_days };
    check_rule(&rule)?;
    Ok(rule)
}

fn read_id(given: Option<&str>) -> Result<String, S3Error> {
    match given.filter(|id| !id.is_empty()) {
        None => Ok(hex::encode(rand::random::<[u8; 16]>())),
        Some(id) if id.chars().count() > LIFECYCLE_RULE_ID_CHARS_MAX => {
            Err(S3Error::invalid_argument("ID", id, "ID length should not exceed allowed limit of 255"))
        }
        Some(id) => Ok(id.to_owned()),
    }
}

/// What actions and filters do not suit each other: what a filter asks is no fact of delete markers and uploads.
fn check_rule(rule: &Rule) -> Result<(), S3Error> {
    let refuse = |message: &'static str| Err(S3Error::invalid_request(message));
    if rule.expiration.is_none() && rule.noncurrent.is_none() && rule.abort_days.is_none() {
        return refuse("At least one action needs to be specified in a rule.");
    }
    if rule.scope.has_tags() && rule.abort_days.is_some() {
        return refuse("AbortIncompleteMultipartUpload cannot be specified with Tags.");
    }
    if rule.scope.needs_object() && rule.abort_days.is_some() {
        return refuse(
            "AbortIncompleteMultipartUpload cannot be specified with ObjectSizeGreaterThan or ObjectSizeLessThan.",
        );
    }
    if rule.scope.needs_object() && matches!(rule.expiration, Some(Expiration::DeleteMarker(_))) {
        return refuse("ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.");
    }
    let keeps_newer = rule.noncurrent.is_some_and(|noncurrent| noncurrent.newer_versions.is_some());
    if keeps_newer && matches!(rule.scope, Scope::Prefix(_)) {
        return refuse("NewerNoncurrentVersions can only be specified in a rule with a Filter.");
    }
    Ok(())
}

fn read_scope(rule: &Element) -> Result<Scope, S3Error> {
    match (rule.text_of("Prefix")?, rule.child("Filter")?) {
        (Some(prefix), None) => Ok(Scope::Prefix(check_prefix(prefix)?)),
        (None, Some(filter)) => match (filter.children.len(), filter.child("And")?) {
            (1, Some(and)) => {
                let inner = read_filter(and)?;
                if and.children.len() < 2 {
                    return Err(malformed("an And of fewer than two"));
                }
                Ok(Scope::And(inner))
            }
            (0 | 1, None) => Ok(Scope::Filter(read_filter(filter)?)),
            _ => Err(malformed("a Filter of several predicates without And")),
        },
        (Some(_), Some(_)) => Err(malformed("Prefix and Filter")),
        (None, None) => Err(malformed("neither Prefix nor Filter")),
    }
}

fn read_filter(filter: &Element) -> Result<Filter, S3Error> {
    filter.allow(&["Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"])?;
    let tags = filter.all("Tag").map(read_tag).collect::<Result<Vec<_>, _>>()?;
    let mut keys = HashSet::new();
    if tags.iter().any(|(key, _)| !keys.insert(key.as_str())) {
        return Err(S3Error::invalid_request("Duplicate Tag Keys are not allowed."));
    }
    let larger_than = size(filter, "ObjectSizeGreaterThan")?;
    let smaller_than = size(filter, "ObjectSizeLessThan")?;
    if larger_than.zip(smaller_than).is_some_and(|(larger, smaller)| smaller <= larger) {
        return Err(S3Error::invalid_request(
            "ObjectSizeLessThan has to be a value greater than ObjectSizeGreaterThan.",
        ));
    }
    let prefix = filter.text_of("Prefix")?.map(check_prefix).transpose()?;
    Ok(Filter { prefix, tags, larger_than, smaller_than })
}

fn check_prefix(prefix: &str) -> Result<String, S3Error> {
    if prefix.len() > KEY_BYTES_MAX {
        return Err(S3Error::invalid_request("The maximum size of a prefix is 1024."));
    }
    Ok(prefix.to_owned())
}

fn read_tag(tag: &Element) -> Result<(String, String), S3Error> {
    tag.allow(&["Key", "Value"])?;
    let (key, value) = (tag.required_text("Key")?, tag.required_text("Value")?);
    if key.is_empty() {
        return Err(S3Error::new(Code::InvalidTag));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn size(filter: &Element, name: &str) -> Result<Option<u64>, S3Error> {
    let parse = |text: &str| text.trim().parse().map_err(|_| malformed(format!("{name} {text}")));
    filter.text_of(name)?.map(parse).transpose()
}

fn read_expiration(expiration: &Element) -> Result<Expiration, S3Error> {
    expiration.allow(&["Days", "Date", "ExpiredObjectDeleteMarker"])?;
    let days = expiration.text_of("Days")?;
    let date = expiration.text_of("Date")?;
    match (days, date, expiration.text_of("ExpiredObjectDeleteMarker")?) {
        (Some(days), None, None) => Ok(Expiration::Days(positive("Days", "Expiration", days)?)),
        (None, Some(date), None) => read_date(date).map(Expiration::Date),
        (None, None, Some(flag)) if flag.trim().eq_ignore_ascii_case("true") => Ok(Expiration::DeleteMarker(true)),
        (None, None, Some(flag)) if flag.trim().eq_ignore_ascii_case("false") => Ok(Expiration::DeleteMarker(false)),
        _ => Err(malformed("an Expiration has one of Days, Date and ExpiredObjectDeleteMarker")),
    }
}

fn read_date(text: &str) -> Result<i64, S3Error> {
    let text = text.trim();
    let date = Timestamp::parse_iso(text).or_else(|| Timestamp::parse_iso(&format!("{text}T00:00:00Z")));
    let date = date.ok_or_else(|| malformed(format!("Date {text}")))?;
    if date.0.rem_euclid(i64::from(DAY_SECONDS) * 1_000_000) != 0 {
        return Err(S3Error::invalid_argument("Date", text, "'Date' must be at midnight GMT"));
    }
    Ok(date.seconds())
}

fn read_noncurrent(noncurrent: &Element) -> Result<NoncurrentExpiration, S3Error> {
    const ACTION: &str = "NoncurrentVersionExpiration";
    noncurrent.allow(&["NoncurrentDays", "NewerNoncurrentVersions"])?;
    let days = positive("NoncurrentDays", ACTION, noncurrent.required_text("NoncurrentDays")?)?;
    let newer_versions = match noncurrent.text_of("NewerNoncurrentVersions")? {
        None => None,
        Some(text) => Some(positive("NewerNoncurrentVersions", ACTION, text)?),
    };
    if newer_versions.is_some_and(|newer| newer > LIFECYCLE_NEWER_VERSIONS_MAX) {
        let message = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100";
        return Err(S3Error::new(Code::InvalidArgument).message(message));
    }
    Ok(NoncurrentExpiration { days, newer_versions })
}

fn read_abort(abort: &Element) -> Result<u32, S3Error> {
    abort.allow(&["DaysAfterInitiation"])?;
    positive("DaysAfterInitiation", "AbortIncompleteMultipartUpload", abort.required_text("DaysAfterInitiation")?)
}

/// A count of an action. What is no 32-bit number at all breaks the schema.
fn positive(name: &'static str, action: &str, text: &str) -> Result<u32, S3Error> {
    let number: i32 = text.trim().parse().map_err(|_| malformed(format!("{name} {text}")))?;
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => {
            let message = format!("'{name}' for {action} action must be a positive integer");
            Err(S3Error::invalid_argument(name, text, message))
        }
    }
}

/// Every class is served by the same disk, so a transition would move nothing: kept and ignored, it would be a
/// lie. Its own mistakes are told first.
fn refuse_transitions(rule: &Element) -> Result<(), S3Error> {
    const CLASSES: [&str; 6] =
        ["GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR"];
    let Some(transition) = rule.all("Transition").chain(rule.all("NoncurrentVersionTransition")).next() else {
        return Ok(());
    };
    transition.allow(&["Date", "Days", "NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"])?;
    if let Some(date) = transition.text_of("Date")? {
        read_date(date)?;
    }
    let class = transition.required_text("StorageClass")?.trim();
    if !CLASSES.contains(&class) {
        return Err(malformed(format!("StorageClass {class}")));
    }
    let what = format!("A transition to the storage class {class} (all classes are served by the same disk)");
    Err(S3Error::not_implemented(&what).detail("StorageClass", class))
}

pub(super) fn write_rules(rules: &[Rule]) -> String {
    let mut xml = XmlWriter::document("LifecycleConfiguration");
    for rule in rules {
        xml.open("Rule").text("ID", &rule.id);
        match &rule.scope {
            Scope::Prefix(prefix) => {
                xml.text("Prefix", prefix);
            }
            Scope::Filter(filter) => {
                xml.open("Filter");
                write_filter(&mut xml, filter);
                xml.close();
            }
            Scope::And(filter) => {
                xml.open("Filter").open("And");
                write_filter(&mut xml, filter);
                xml.close().close();
            }
        }
        xml.text("Status", if rule.enabled { "Enabled" } else { "Disabled" });
        write_actions(&mut xml, rule);
        xml.close();
    }
    xml.finish()
}

fn write_filter(xml: &mut XmlWriter, filter: &Filter) {
    xml.optional("Prefix", filter.prefix.as_ref());
    for (key, value) in &filter.tags {
        xml.open("Tag").text("Key", key).text("Value", value).close();
    }
    xml.optional("ObjectSizeGreaterThan", filter.larger_than).optional("ObjectSizeLessThan", filter.smaller_than);
}

fn write_actions(xml: &mut XmlWriter, rule: &Rule) {
    if let Some(expiration) = rule.expiration {
        xml.open("Expiration");
        match expiration {
            Expiration::Days(days) => xml.text("Days", days),
            Expiration::Date(seconds) => xml.text("Date", Timestamp::from_seconds(seconds).iso_millis()),
            Expiration::DeleteMarker(flag) => xml.text("ExpiredObjectDeleteMarker", flag),
        };
        xml.close();
    }
    if let Some(NoncurrentExpiration { days, newer_versions }) = rule.noncurrent {
        xml.open("NoncurrentVersionExpiration").text("NoncurrentDays", days);
        xml.optional("NewerNoncurrentVersions", newer_versions).close();
    }
    if let Some(days) = rule.abort_days {
        xml.open("AbortIncompleteMultipartUpload").text("DaysAfterInitiation", days).close();
    }
}

#[cfg(test)]
mod tests {
    use super::{read_rules, write_rules};
    use crate::rules::lifecycle::{Expiration, Filter, NoncurrentExpiration, Scope};
    use crate::s3::Code;

    fn rules(inner: &str) -> String {
        format!(
            "<LifecycleConfiguration xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{inner}</LifecycleConfiguration>"
        )
    }

    /// A rule with a prefix filter, and these further elements.
    fn rule(inner: &str) -> String {
        format!("<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter>{inner}</Rule>")
    }

    const DAYS: &str = "<Expiration><Days>3</Days></Expiration>";

    fn code(document: &str) -> Code {
        read_rules(document.as_bytes()).expect_err(document).code
    }

    #[test]
    fn both_forms_are_read_and_shown_as_they_came() {
        let old = "<Rule><ID>old</ID><Prefix>p/</Prefix><Status>Disabled</Status>\
                   <Expiration><Date>2017-09-27T00:00:00.000Z</Date></Expiration></Rule>";
        let read = read_rules(rules(old).as_bytes()).unwrap();
        assert_eq!(read[0].scope, Scope::Prefix("p/".to_owned()));
        assert!(!read[0].enabled);
        assert!(write_rules(&read).contains(old), "{}", write_rules(&read));

        let and = "<Rule><ID>and</ID><Filter><And><Prefix>p/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag>\
                   <ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And>\
                   </Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>\
                   <NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>\
                   <NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>";
        let marker = "<Rule><ID>m</ID><Filter></Filter><Status>Enabled</Status><Expiration>\
                      <ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>\
                      <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                      </AbortIncompleteMultipartUpload></Rule>";
        let read = read_rules(rules(&format!("{and}{marker}")).as_bytes()).unwrap();
        let filter = Filter {
            prefix: Some("p/".to_owned()),
            tags: vec![("k".to_owned(), "v".to_owned())],
            larger_than: Some(5),
            smaller_than: Some(9),
        };
        assert_eq!(read[0].scope, Scope::And(filter));
        assert_eq!(read[0].noncurrent, Some(NoncurrentExpiration { days: 2, newer_versions: Some(3) }));
        assert_eq!(read[1].expiration, Some(Expiration::DeleteMarker(true)));
        assert_eq!(read[1].abort_days, Some(7));
        let shown = write_rules(&read);
        assert!(shown.contains(and) && shown.contains(marker), "{shown}");
        assert_eq!(read_rules(shown.as_bytes()).unwrap(), read);
    }

    #[test]
    fn a_rule_without_an_id_gets_one_of_its_own() {
        let bare = format!("<Rule><Status>Enabled</Status><Filter/>{DAYS}</Rule>");
        let read = read_rules(rules(&format!("{bare}{bare}")).as_bytes()).unwrap();
        assert!(!read[0].id.is_empty() && read[0].id != read[1].id);
    }

    #[test]
    fn what_breaks_the_schema_is_malformed() {
        let status = |status: &str| rules(&format!("<Rule><Status>{status}</Status><Filter/>{DAYS}</Rule>"));
        let table = [
            "<Other/>".to_owned(),
            rules(""),
            rules("<Unknown/>"),
            rules(&rule("<Expiration/>")),
            rules(&rule("<Expiration><Days>x</Days></Expiration>")),
            rules(&rule("<Expiration><Days>1</Days><Date>2020-01-01</Date></Expiration>")),
            rules(&rule("<Expiration><Date>20200101</Date></Expiration>")),
            rules(&rule("<NoncurrentVersionExpiration/>")),
            rules(&rule("<Surprise/>")),
            rules(&rule("<Transition><Days>1</Days><StorageClass>CLOUD</StorageClass></Transition>")),
            rules(&format!("<Rule><Status>Enabled</Status>{DAYS}</Rule>")),
            rules(&format!("<Rule><Status>Enabled</Status><Prefix/><Filter/>{DAYS}</Rule>")),
            rules(&format!("<Rule><Filter/>{DAYS}</Rule>")),
            rules(&format!(
                "<Rule><Status>Enabled</Status><Filter><Prefix>a</Prefix><ObjectSizeLessThan>1</ObjectSizeLessThan>\
                 </Filter>{DAYS}</Rule>"
            )),
            rules(&format!(
                "<Rule><Status>Enabled</Status><Filter><And><Prefix>a</Prefix></And></Filter>{DAYS}</Rule>"
            )),
            rules(&rule(DAYS).repeat(1001)),
            status("enabled"),
            status(""),
        ];
        for document in table {
            assert_eq!(code(&document), Code::MalformedXML, "{document}");
        }
        assert_eq!(code(""), Code::MissingRequestBodyError);
    }

    #[test]
    fn values_out_of_bounds_are_named() {
        let invalid_argument = [
            rules(&rule("<Expiration><Days>0</Days></Expiration>")),
            rules(&rule("<Expiration><Days>-1</Days></Expiration>")),
            rules(&rule("<Expiration><Date>2020-01-01T00:00:01Z</Date></Expiration>")),
            rules(&rule(
                "<NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></NoncurrentVersionExpiration>",
            )),
            rules(&rule(
                "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101\
                 </NewerNoncurrentVersions></NoncurrentVersionExpiration>",
            )),
            rules(&rule(
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>0</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>",
            )),
            rules(&rule(DAYS).repeat(2)),
            rules(&rule(DAYS).replace("<ID>r<", &format!("<ID>{}<", "i".repeat(256)))),
        ];
        for document in invalid_argument {
            assert_eq!(code(&document), Code::InvalidArgument, "{document}");
        }
        assert!(
            read_rules(rules(&rule(DAYS).replace("<ID>r<", &format!("<ID>{}<", "i".repeat(255)))).as_bytes()).is_ok()
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        let with = |filter: &str, action: &str| {
            rules(&format!("<Rule><Status>Enabled</Status><Filter>{filter}</Filter>{action}</Rule>"))
        };
        let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
        let marker = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
        let newer = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1\
                     </NewerNoncurrentVersions></NoncurrentVersionExpiration>";
        let old = |action: &str| format!("<Rule><Status>Enabled</Status><Prefix>a</Prefix>{action}</Rule>");
        let table = [
            rules(&rule("")),
            with(tag, abort),
            with("<ObjectSizeLessThan>5</ObjectSizeLessThan>", abort),
            with(tag, marker),
            with(&format!("<And>{tag}{tag}</And>"), DAYS),
            with(
                "<And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And>",
                DAYS,
            ),
            rules(&old(newer)),
            rules(&format!("{}{}", old(DAYS), rule(DAYS))),
            with(&format!("<Prefix>{}</Prefix>", "p".repeat(1025)), DAYS),
        ];
        for document in table {
            assert_eq!(code(&document), Code::InvalidRequest, "{document}");
        }
        let transition = "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>";
        let error = read_rules(rules(&rule(transition)).as_bytes()).unwrap_err();
        assert_eq!(error.code, Code::NotImplemented);
        assert!(error.message.contains("GLACIER"), "{}", error.message);
    }
}
