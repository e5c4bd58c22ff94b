//! GetBucketNotificationConfiguration and PutBucketNotificationConfiguration. Source: Amazon S3 API Reference.
//!
//! Topics, queues and functions are all webhooks here, which the operator configures by name; the kind that a
//! client chose is kept and shown, and decides nothing.

use http::StatusCode;

use crate::limits::{CONFIGURATION_ID_BYTES_MAX, KEY_BYTES_MAX, NOTIFICATION_RULES_MAX, XML_BYTES_MAX};
use crate::net::{RequestBody, Response};
use crate::rules::notification::webhook_name;
use crate::rules::{DestinationKind, EventPattern, Notification, NotificationRefusal, NotificationRule};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

const ROOT: &str = "NotificationConfiguration";

/// Shows the configuration; an empty one if there is none.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let documents = gateway.engine.documents(call.bucket()).await?;
    let found = documents.get(DocumentKind::Notification).map(|body| {
        let unreadable = || S3Error::new(Code::InternalError).cause("the notification configuration cannot be read");
        Notification::from_bytes(body).ok_or_else(unreadable)
    });
    Ok(respond_document(write(&found.transpose()?.unwrap_or_default())))
}

/// Replaces the configuration; an empty one removes it.
///
/// # Errors
/// `MalformedXML`; `InvalidArgument` for what cannot be told or heard; `NotImplemented` for EventBridge.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let notification = read(&document, &gateway.settings.webhooks)?;
    let body = (!notification.rules.is_empty()).then(|| notification.to_bytes().into());
    gateway.engine.set_document(call.bucket(), DocumentKind::Notification, body).await?;
    Ok(respond_empty(StatusCode::OK))
}

fn elements(kind: DestinationKind) -> (&'static str, &'static str) {
    match kind {
        DestinationKind::Topic => ("TopicConfiguration", "Topic"),
        DestinationKind::Queue => ("QueueConfiguration", "Queue"),
        DestinationKind::Function => ("CloudFunctionConfiguration", "CloudFunction"),
    }
}

fn kind_of(element: &str) -> Option<DestinationKind> {
    [DestinationKind::Topic, DestinationKind::Queue, DestinationKind::Function]
        .into_iter()
        .find(|kind| elements(*kind).0 == element)
}

pub(super) fn write(notification: &Notification) -> String {
    let mut xml = XmlWriter::document(ROOT);
    for rule in &notification.rules {
        let (element, destination) = elements(rule.kind);
        xml.open(element).text("Id", &rule.id).text(destination, &rule.arn);
        for event in &rule.events {
            xml.text("Event", event.as_str());
        }
        let filters = [("Prefix", &rule.prefix), ("Suffix", &rule.suffix)];
        if filters.iter().any(|(_, value)| !value.is_empty()) {
            xml.open("Filter").open("S3Key");
            for (name, value) in filters.into_iter().filter(|(_, value)| !value.is_empty()) {
                xml.open("FilterRule").text("Name", name).text("Value", value);
                xml.close();
            }
            xml.close();
            xml.close();
        }
        xml.close();
    }
    xml.finish()
}

/// A rule while it is read.
#[derive(Default)]
struct Draft {
    id: Option<String>,
    arn: Option<String>,
    events: Vec<EventPattern>,
    prefix: Option<String>,
    suffix: Option<String>,
    filter_name: Option<String>,
    filter_value: Option<String>,
}

pub(super) fn read(document: &[u8], webhooks: &[String]) -> Result<Notification, S3Error> {
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut notification = Notification::default();
    let mut draft = Draft::default();
    while let Some(event) = feed.next_event()? {
        match event {
            XmlEvent::Open { path } => {
                let mut steps = path.split('/');
                let (root, element) = (steps.next(), steps.next());
                if root != Some(ROOT) {
                    return Err(malformed(path));
                }
                match element.map(|element| (kind_of(element), element)) {
                    None | Some((Some(_), _)) => {}
                    Some((None, "EventBridgeConfiguration")) => {
                        return Err(S3Error::not_implemented("The EventBridgeConfiguration of a notification"));
                    }
                    Some((None, _)) => return Err(malformed(path)),
                }
            }
            XmlEvent::Close { path, text } => {
                let mut steps = path.splitn(3, '/').skip(1);
                let Some(kind) = steps.next().and_then(kind_of) else { continue };
                match steps.next() {
                    Some(inside) => {
                        draft.take(kind, inside, text).map_err(|refusal| refusal.unwrap_or(malformed(path)))?;
                    }
                    None => notification.rules.push(std::mem::take(&mut draft).finish(kind, webhooks)?),
                }
            }
        }
    }
    feed.finish()?;
    judge(&notification)?;
    Ok(notification)
}

fn malformed(path: &str) -> S3Error {
    S3Error::new(Code::MalformedXML).cause(format!("{path} is out of place"))
}

fn judge(notification: &Notification) -> Result<(), S3Error> {
    let refuse = |message: &'static str| Err(S3Error::new(Code::InvalidArgument).message(message));
    if notification.rules.len() > NOTIFICATION_RULES_MAX {
        return refuse("The notification configuration has more than 100 configurations.");
    }
    match notification.judge() {
        Ok(()) => Ok(()),
        Err(NotificationRefusal::SameId) => refuse("Same ID used for multiple configurations. IDs must be unique"),
        Err(NotificationRefusal::Overlap) => {
            refuse("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
        }
    }
}

impl Draft {
    /// Takes an element that ended. `Err(None)` if it is out of place.
    fn take(&mut self, kind: DestinationKind, inside: &str, text: &str) -> Result<(), Option<S3Error>> {
        match inside {
            "Id" => {
                if text.len() > CONFIGURATION_ID_BYTES_MAX {
                    let message = "The ID of a configuration is longer than 255 characters.";
                    return Err(Some(S3Error::invalid_argument("Id", text, message)));
                }
                self.id = Some(text.to_owned()).filter(|id| !id.is_empty());
            }
            "Event" => {
                let message = "The event is not supported for notifications";
                let unknown = || Some(S3Error::invalid_argument("Event", text, message));
                self.events.push(EventPattern::parse(text.trim()).ok_or_else(unknown)?);
            }
            "Filter" | "Filter/S3Key" => {}
            "Filter/S3Key/FilterRule/Name" => self.filter_name = Some(text.to_owned()),
            "Filter/S3Key/FilterRule/Value" => self.filter_value = Some(text.to_owned()),
            "Filter/S3Key/FilterRule" => self.take_filter()?,
            _ if inside == elements(kind).1 && self.arn.is_none() => self.arn = Some(text.trim().to_owned()),
            _ => return Err(None),
        }
        Ok(())
    }

    fn take_filter(&mut self) -> Result<(), Option<S3Error>> {
        let (Some(name), Some(value)) = (self.filter_name.take(), self.filter_value.take()) else {
            return Err(None);
        };
        let refuse =
            |value: &str, message: &'static str| Err(Some(S3Error::invalid_argument("FilterRule", value, message)));
        let place = match name.to_ascii_lowercase().as_str() {
            "prefix" => &mut self.prefix,
            "suffix" => &mut self.suffix,
            _ => return refuse(&name, "filter rule name must be either prefix or suffix"),
        };
        if value.len() > KEY_BYTES_MAX {
            return refuse(&value, "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation");
        }
        match place.replace(value) {
            None => Ok(()),
            Some(_) => refuse(&name, "Cannot specify more than one rule of a name in a filter."),
        }
    }

    fn finish(self, kind: DestinationKind, webhooks: &[String]) -> Result<NotificationRule, S3Error> {
        let arn = self.arn.ok_or_else(|| malformed(elements(kind).1))?;
        if self.events.is_empty() {
            return Err(malformed(elements(kind).0));
        }
        let known = webhook_name(&arn, kind).filter(|name| webhooks.iter().any(|webhook| webhook == name));
        let Some(target) = known.map(str::to_owned) else {
            let message = "Unable to validate the following destination configurations";
            let cause = "the ARN names no webhook that is configured";
            return Err(S3Error::invalid_argument(&arn, "The destination does not exist", message).cause(cause));
        };
        Ok(NotificationRule {
            id: self.id.unwrap_or_else(|| hex::encode(rand::random::<[u8; 16]>())),
            kind,
            arn,
            target,
            events: self.events,
            prefix: self.prefix.unwrap_or_default(),
            suffix: self.suffix.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::s3::Code;

    const QUEUE: &str = "<Queue>arn:aws:sqs:us-east-1:1:hook</Queue><Event>s3:ObjectCreated:*</Event>";

    fn refused(inner: &str) -> (Code, String) {
        let document = format!("<NotificationConfiguration>{inner}</NotificationConfiguration>");
        let error = read(document.as_bytes(), &["hook".to_owned()]).unwrap_err();
        (error.code, error.message.into_owned())
    }

    fn queue(inner: &str) -> String {
        format!("<QueueConfiguration>{QUEUE}{inner}</QueueConfiguration>")
    }

    fn filter(name: &str, value: &str) -> String {
        format!("<Filter><S3Key><FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule></S3Key></Filter>")
    }

    #[test]
    fn what_was_put_is_shown() {
        let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <TopicConfiguration><Id>t</Id><Topic>arn:aws:sns:us-east-1:1:hook</Topic>\
            <Event>s3:ObjectRemoved:*</Event></TopicConfiguration>\
            <QueueConfiguration><Id>q</Id><Queue>arn:minio:sqs::hook:webhook</Queue>\
            <Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectCreated:Copy</Event><Filter><S3Key>\
            <FilterRule><Name>Prefix</Name><Value>a &amp; b/</Value></FilterRule>\
            <FilterRule><Name>Suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter></QueueConfiguration>\
            <CloudFunctionConfiguration><Id>f</Id><CloudFunction>arn:aws:lambda:us-east-1:1:function:hook</CloudFunction>\
            <Event>s3:ObjectTagging:*</Event></CloudFunctionConfiguration></NotificationConfiguration>";
        assert_eq!(write(&read(document.as_bytes(), &["hook".to_owned()]).unwrap()), document);
    }

    #[test]
    fn a_rule_without_an_id_gets_one() {
        let document = format!("<NotificationConfiguration>{}</NotificationConfiguration>", queue(""));
        let read = || read(document.as_bytes(), &["hook".to_owned()]).unwrap().rules.remove(0).id;
        assert!(!read().is_empty() && read() != read());
    }

    #[test]
    fn what_cannot_be_told_or_heard_is_refused() {
        let table = [
            (queue("<Event>s3:Nothing</Event>"), Code::InvalidArgument, "not supported"),
            (queue(&filter("middle", "x")), Code::InvalidArgument, "prefix or suffix"),
            (queue(&filter("prefix", &"x".repeat(1025))), Code::InvalidArgument, "1024"),
            (queue(&filter("prefix", "x")) + &queue(&filter("Prefix", "xy")), Code::InvalidArgument, "overlap"),
            (queue("<Unknown/>"), Code::MalformedXML, ""),
            (queue("<Topic>arn:aws:sns:::hook</Topic>"), Code::MalformedXML, ""),
            (
                "<QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration>".into(),
                Code::MalformedXML,
                "",
            ),
            ("<Unknown/>".into(), Code::MalformedXML, ""),
            ("<EventBridgeConfiguration/>".into(), Code::NotImplemented, "EventBridge"),
            (queue("").replace("hook", "other"), Code::InvalidArgument, "Unable to validate the following destination"),
            (
                queue("").replace(":sqs:", ":sns:"),
                Code::InvalidArgument,
                "Unable to validate the following destination",
            ),
        ];
        for (document, code, part) in table {
            let (found, message) = refused(&document);
            assert_eq!(found, code, "{document}: {message}");
            assert!(message.contains(part), "{document}: {message}");
        }
        let two = filter("prefix", "x")
            .replace("</S3Key>", "<FilterRule><Name>prefix</Name><Value>y</Value></FilterRule></S3Key>");
        assert_eq!(refused(&queue(&two)).0, Code::InvalidArgument);
        let same = queue("<Id>i</Id>") + &queue("<Id>i</Id>").replace("Created", "Removed");
        assert!(refused(&same).1.contains("IDs must be unique"));
    }
}
