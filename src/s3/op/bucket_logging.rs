//! GetBucketLogging and PutBucketLogging. Source: Amazon S3 API Reference; Amazon S3 User Guide, "Logging requests
//! with server access logging".

use http::StatusCode;

use crate::engine::EngineError;
use crate::limits::{KEY_BYTES_MAX, LOGGED_BUCKETS_MAX, XML_BYTES_MAX};
use crate::net::{RequestBody, Response};
use crate::rules::{LogKeyFormat, Logging, PartitionDate, Payer};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::bucket_facts::bucket_facts;
use crate::s3::permission::Need;
use crate::s3::requester_pays::payer;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::verdict::{self, Question};
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Bucket, BucketName, DocumentKind};

const ROOT: &str = "BucketLoggingStatus";
/// Bytes that the longest name of a log object adds to its prefix: owner, region, bucket, day, time, unique text.
const OBJECT_NAME_BYTES_MAX: usize = 256;

/// Shows where requests are logged; an empty status if they are not.
pub(crate) async fn show(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let documents = gateway.engine.documents(call.bucket()).await?;
    let found = documents.get(DocumentKind::Logging).map(|body| {
        let unreadable = || S3Error::new(Code::InternalError).cause("the logging configuration cannot be read");
        Logging::from_bytes(body).ok_or_else(unreadable)
    });
    Ok(respond_document(write(found.transpose()?.as_ref())))
}

/// Begins or ends logging.
///
/// # Errors
/// `MalformedXML`, `InvalidTargetBucketForLogging`, `InvalidArgument`, `AccessDenied` for a target that the sender may
/// not write into; `NotImplemented` for grants.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let logging = read(&document)?;
    if let Some(logging) = &logging {
        check_target(gateway, call, logging).await?;
        check_room(gateway, call.bucket())?;
    }
    let body = logging.map(|logging| logging.to_bytes().into());
    gateway.engine.set_document(call.bucket(), DocumentKind::Logging, body).await?;
    // At once in this process; others see it a moment later.
    gateway.engine.refresh_logged_buckets().await?;
    Ok(respond_empty(StatusCode::OK))
}

/// There is room for another bucket that is logged. Requests that race for the last place may all get it.
fn check_room(gateway: &Gateway, bucket: &Bucket) -> Result<(), S3Error> {
    let is_logged = gateway.engine.logged_bucket(bucket.name.as_str()).is_some();
    if is_logged || gateway.engine.logged_buckets() < LOGGED_BUCKETS_MAX as usize {
        return Ok(());
    }
    Err(S3Error::invalid_request("Requests of too many buckets are logged."))
}

/// A target exists, belongs to whom the source belongs to, and lets its owner pay. It may be the source itself.
/// Whoever sends lines there must be allowed to write there: who may only configure one bucket must not reach
/// another through its log.
async fn check_target(gateway: &Gateway, call: &Authorized, logging: &Logging) -> Result<(), S3Error> {
    let refuse = |cause: &'static str| {
        let error = S3Error::new(Code::InvalidTargetBucketForLogging).cause(cause);
        Err(error.detail("TargetBucket", logging.target_bucket.as_str()))
    };
    let Ok(name) = BucketName::parse(&logging.target_bucket) else {
        return refuse("no bucket has such a name");
    };
    let target = match gateway.engine.bucket(&name).await {
        Ok(target) => target,
        Err(EngineError::NoSuchBucket) => return refuse("there is no such bucket"),
        Err(error) => return Err(error.into()),
    };
    if target.owner != call.bucket().owner {
        return refuse("the target belongs to somebody else");
    }
    if payer(gateway, &target).await? == Payer::Requester {
        return refuse("the requester pays for the target");
    }
    let facts = bucket_facts(gateway, &target).await?;
    let question = Question { key: Some(&logging.target_prefix), ..Question::about(Need::PUT, &target, &facts) };
    if verdict::answer(gateway, call, &question).allowed {
        Ok(())
    } else {
        Err(S3Error::new(Code::AccessDenied).cause("the sender may not write into the target"))
    }
}

pub(super) fn write(logging: Option<&Logging>) -> String {
    let mut xml = XmlWriter::document(ROOT);
    let Some(logging) = logging else { return xml.finish() };
    xml.open("LoggingEnabled")
        .text("TargetBucket", &logging.target_bucket)
        .text("TargetPrefix", &logging.target_prefix);
    if logging.names_format {
        xml.open("TargetObjectKeyFormat");
        match logging.key_format {
            LogKeyFormat::Simple => xml.open("SimplePrefix").close(),
            LogKeyFormat::Partitioned(date) => {
                let source = match date {
                    PartitionDate::Event => "EventTime",
                    PartitionDate::Delivery => "DeliveryTime",
                };
                xml.open("PartitionedPrefix").text("PartitionDateSource", source).close()
            }
        };
    }
    xml.finish()
}

/// What a LoggingEnabled says while it is read.
#[derive(Default)]
struct Draft {
    is_enabled: bool,
    target_bucket: Option<String>,
    target_prefix: Option<String>,
    key_format: Option<LogKeyFormat>,
}

pub(super) fn read(document: &[u8]) -> Result<Option<Logging>, S3Error> {
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut draft = Draft::default();
    while let Some(event) = feed.next_event()? {
        match event {
            XmlEvent::Open { path } => draft.open(path)?,
            XmlEvent::Close { path, text } => draft.close(path, text)?,
        }
    }
    feed.finish()?;
    draft.finish()
}

impl Draft {
    fn open(&mut self, path: &str) -> Result<(), S3Error> {
        let malformed = || Err(S3Error::new(Code::MalformedXML).cause(format!("{path} is out of place")));
        let Some(inside) = path.strip_prefix(ROOT) else { return malformed() };
        match inside {
            "" | "/LoggingEnabled/TargetBucket" | "/LoggingEnabled/TargetPrefix" => {}
            "/LoggingEnabled" => self.is_enabled = true,
            "/LoggingEnabled/TargetGrants" | "/LoggingEnabled/TargetObjectKeyFormat" => {}
            "/LoggingEnabled/TargetGrants/Grant" => {
                return Err(S3Error::not_implemented("A TargetGrants of a logging configuration"));
            }
            "/LoggingEnabled/TargetObjectKeyFormat/SimplePrefix" if self.key_format.is_none() => {
                self.key_format = Some(LogKeyFormat::Simple);
            }
            "/LoggingEnabled/TargetObjectKeyFormat/PartitionedPrefix" if self.key_format.is_none() => {
                self.key_format = Some(LogKeyFormat::Partitioned(PartitionDate::Event));
            }
            "/LoggingEnabled/TargetObjectKeyFormat/PartitionedPrefix/PartitionDateSource" => {}
            _ => return malformed(),
        }
        Ok(())
    }

    fn close(&mut self, path: &str, text: &str) -> Result<(), S3Error> {
        match path.rsplit('/').next() {
            Some("TargetBucket") => self.target_bucket = Some(text.trim().to_owned()),
            Some("TargetPrefix") => self.target_prefix = Some(text.to_owned()),
            Some("PartitionDateSource") => {
                let date = match text.trim() {
                    "EventTime" => PartitionDate::Event,
                    "DeliveryTime" => PartitionDate::Delivery,
                    _ => return Err(S3Error::new(Code::MalformedXML).cause("the date source is not one of S3's")),
                };
                self.key_format = Some(LogKeyFormat::Partitioned(date));
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<Logging>, S3Error> {
        if !self.is_enabled {
            return Ok(None);
        }
        let missing = || S3Error::new(Code::MalformedXML).cause("TargetBucket and TargetPrefix are required");
        let target_bucket = self.target_bucket.ok_or_else(missing)?;
        let target_prefix = self.target_prefix.ok_or_else(missing)?;
        if target_prefix.len() > KEY_BYTES_MAX - OBJECT_NAME_BYTES_MAX {
            let message = "The target prefix is too long: the keys of log objects would be longer than keys may be.";
            return Err(S3Error::invalid_argument("TargetPrefix", target_prefix, message));
        }
        let names_format = self.key_format.is_some();
        let key_format = self.key_format.unwrap_or_default();
        Ok(Some(Logging { target_bucket, target_prefix, key_format, names_format }))
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::s3::Code;

    fn enabled(inner: &str) -> String {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
        format!(
            "{head}<LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix>{inner}\
             </LoggingEnabled></BucketLoggingStatus>"
        )
    }

    fn format(inner: &str) -> String {
        enabled(&format!("<TargetObjectKeyFormat>{inner}</TargetObjectKeyFormat>"))
    }

    #[test]
    fn what_was_put_is_shown() {
        let partitioned = |date: &str| {
            format(&format!("<PartitionedPrefix><PartitionDateSource>{date}</PartitionDateSource></PartitionedPrefix>"))
        };
        let documents = [
            enabled(""),
            format("<SimplePrefix></SimplePrefix>"),
            partitioned("EventTime"),
            partitioned("DeliveryTime"),
        ];
        for document in documents {
            assert_eq!(write(read(document.as_bytes()).unwrap().as_ref()), document);
        }
        assert_eq!(read(b"<BucketLoggingStatus/>").unwrap(), None);
        assert_eq!(read(enabled("<TargetGrants/>").as_bytes()).unwrap(), read(enabled("").as_bytes()).unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let table = [
            (enabled("").replace("<TargetBucket>logs</TargetBucket>", ""), Code::MalformedXML),
            (enabled("").replace("<TargetPrefix>p/</TargetPrefix>", ""), Code::MalformedXML),
            (enabled("").replace("p/", &"p".repeat(1000)), Code::InvalidArgument),
            (enabled("<Unknown/>"), Code::MalformedXML),
            (format("<SimplePrefix/><PartitionedPrefix/>"), Code::MalformedXML),
            (
                format("<PartitionedPrefix><PartitionDateSource>x</PartitionDateSource></PartitionedPrefix>"),
                Code::MalformedXML,
            ),
            (enabled("<TargetGrants><Grant/></TargetGrants>"), Code::NotImplemented),
            ("<Other/>".to_owned(), Code::MalformedXML),
        ];
        for (document, code) in table {
            assert_eq!(read(document.as_bytes()).unwrap_err().code, code, "{document}");
        }
    }
}
