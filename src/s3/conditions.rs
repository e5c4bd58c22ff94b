//! The condition headers of reads, writes, deletes and copy sources, read into `rules`. What a condition
//! means is decided there; this file only knows what the headers look like.

use http::HeaderMap;

use crate::limits::CONDITION_ETAGS_MAX;
use crate::rules::{DeletePrecondition, EtagCondition, ReadPrecondition, WritePrecondition};
use crate::s3::metadata::header_text;
use crate::s3::{Code, S3Error};
use crate::types::Timestamp;

const IF_MATCH_TIME: &str = "x-amz-if-match-last-modified-time";
const IF_MATCH_SIZE: &str = "x-amz-if-match-size";

/// The conditions of a GET or HEAD. Dates that cannot be read are ignored, as RFC 9110 section 13.1 says.
///
/// # Errors
/// `InvalidArgument` if a header lists more tags than `CONDITION_ETAGS_MAX`.
pub(crate) fn read_precondition(headers: &HeaderMap) -> Result<ReadPrecondition, S3Error> {
    let date = |name| header_text(headers, name).and_then(|text| Timestamp::parse_http_date(&text));
    Ok(ReadPrecondition {
        if_match: etags(headers, "if-match")?,
        if_none_match: etags(headers, "if-none-match")?,
        if_modified_since: date("if-modified-since"),
        if_unmodified_since: date("if-unmodified-since"),
    })
}

/// The conditions on the source of a copy. A date that cannot be read is refused here: a copy is a write, and
/// a write whose condition is dropped does what its sender wanted to prevent.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn copy_source_precondition(headers: &HeaderMap) -> Result<ReadPrecondition, S3Error> {
    Ok(ReadPrecondition {
        if_match: etags(headers, "x-amz-copy-source-if-match")?,
        if_none_match: etags(headers, "x-amz-copy-source-if-none-match")?,
        if_modified_since: date(headers, "x-amz-copy-source-if-modified-since")?,
        if_unmodified_since: date(headers, "x-amz-copy-source-if-unmodified-since")?,
    })
}

/// The conditions on the source of a rename.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn rename_source_precondition(headers: &HeaderMap) -> Result<ReadPrecondition, S3Error> {
    Ok(ReadPrecondition {
        if_match: etags(headers, "x-amz-rename-source-if-match")?,
        if_none_match: etags(headers, "x-amz-rename-source-if-none-match")?,
        if_modified_since: date(headers, "x-amz-rename-source-if-modified-since")?,
        if_unmodified_since: date(headers, "x-amz-rename-source-if-unmodified-since")?,
    })
}

/// The conditions on what a rename replaces. As with every write, a date that cannot be read is refused.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn rename_precondition(headers: &HeaderMap) -> Result<ReadPrecondition, S3Error> {
    Ok(ReadPrecondition {
        if_match: etags(headers, "if-match")?,
        if_none_match: etags(headers, "if-none-match")?,
        if_modified_since: date(headers, "if-modified-since")?,
        if_unmodified_since: date(headers, "if-unmodified-since")?,
    })
}

/// The conditions of a PUT, of a copy's target or of a completion. S3 knows `If-None-Match: *` and `If-Match`
/// there, one at a time; it answers 501 to everything else rather than ignore a condition.
///
/// # Errors
/// `NotImplemented` for other conditions, `InvalidArgument` for too many tags.
pub(crate) fn write_precondition(headers: &HeaderMap) -> Result<WritePrecondition, S3Error> {
    for (name, shown) in [("if-modified-since", "If-Modified-Since"), ("if-unmodified-since", "If-Unmodified-Since")] {
        if headers.contains_key(name) {
            return Err(not_implemented(shown));
        }
    }
    let precondition =
        WritePrecondition { if_match: etags(headers, "if-match")?, if_none_match: etags(headers, "if-none-match")? };
    match (&precondition.if_match, &precondition.if_none_match) {
        (Some(_), Some(_)) => Err(not_implemented("If-None-Match")),
        // S3 knows `*` alone. A tag means what RFC 9110 says: whoever sends one must not overwrite that version.
        (_, Some(EtagCondition::List(tags))) if tags.iter().all(String::is_empty) => {
            Err(not_implemented("If-None-Match"))
        }
        _ => Ok(precondition),
    }
}

/// The conditions of a DELETE.
///
/// # Errors
/// `InvalidArgument` for a time or size that cannot be read.
pub(crate) fn delete_precondition(headers: &HeaderMap) -> Result<DeletePrecondition, S3Error> {
    Ok(DeletePrecondition {
        if_match: etags(headers, "if-match")?,
        if_match_size: match header_text(headers, IF_MATCH_SIZE) {
            Some(text) => Some(text.parse().map_err(|_| {
                S3Error::invalid_argument(
                    IF_MATCH_SIZE,
                    text,
                    "The size in the condition is not a valid number of bytes.",
                )
            })?),
            None => None,
        },
        if_match_modified: date(headers, IF_MATCH_TIME)?,
    })
}

/// Reads a date of HTTP or of XML.
pub(crate) fn any_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_http_date(text).or_else(|| Timestamp::parse_iso(text))
}

/// A 501 for a header that S3 does not implement on this operation.
pub(crate) fn not_implemented(header: &str) -> S3Error {
    S3Error::new(Code::NotImplemented)
        .message("A header you provided implies functionality that is not implemented")
        .detail("Header", header)
}

/// `412 PreconditionFailed`, naming the header that failed.
pub(crate) fn precondition_failed(condition: &'static str) -> S3Error {
    S3Error::new(Code::PreconditionFailed).detail("Condition", condition)
}

/// The header behind a 412 of a GET or HEAD: a match condition makes its date condition irrelevant.
pub(crate) fn failed_read_condition(precondition: &ReadPrecondition) -> &'static str {
    if precondition.if_match.is_some() { "If-Match" } else { "If-Unmodified-Since" }
}

/// The header behind a 412 of a write; `None` if there are no conditions.
pub(crate) fn failed_write_condition(precondition: &WritePrecondition) -> Option<&'static str> {
    let if_match = precondition.if_match.as_ref().map(|_| "If-Match");
    if_match.or(precondition.if_none_match.as_ref().map(|_| "If-None-Match"))
}

/// The header behind a 412 of a DELETE; the first one given if there are several.
pub(crate) fn failed_delete_condition(precondition: &DeletePrecondition) -> Option<&'static str> {
    let if_match = precondition.if_match.as_ref().map(|_| "If-Match");
    let modified = precondition.if_match_modified.map(|_| IF_MATCH_TIME);
    if_match.or(modified).or(precondition.if_match_size.map(|_| IF_MATCH_SIZE))
}

/// The header behind a 412 of a copy source; the first one given if there are several.
pub(crate) fn failed_source_condition(precondition: &ReadPrecondition) -> Option<&'static str> {
    let if_match = precondition.if_match.as_ref().map(|_| "x-amz-copy-source-If-Match");
    let if_none_match = precondition.if_none_match.as_ref().map(|_| "x-amz-copy-source-If-None-Match");
    let unmodified = precondition.if_unmodified_since.map(|_| "x-amz-copy-source-If-Unmodified-Since");
    let modified = precondition.if_modified_since.map(|_| "x-amz-copy-source-If-Modified-Since");
    if_match.or(if_none_match).or(unmodified).or(modified)
}

fn etags(headers: &HeaderMap, name: &'static str) -> Result<Option<EtagCondition>, S3Error> {
    let Some(text) = header_text(headers, name) else {
        return Ok(None);
    };
    if text.split(',').count() > CONDITION_ETAGS_MAX {
        return Err(S3Error::invalid_argument(name, text, "The condition lists too many entity tags."));
    }
    Ok(Some(EtagCondition::parse(&text)))
}

fn date(headers: &HeaderMap, name: &'static str) -> Result<Option<Timestamp>, S3Error> {
    let Some(text) = header_text(headers, name) else {
        return Ok(None);
    };
    match any_date(&text) {
        Some(date) => Ok(Some(date)),
        None => Err(S3Error::invalid_argument(name, text, "The date in the condition is not valid.")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::{any, proptest};

    use super::{
        copy_source_precondition, delete_precondition, failed_delete_condition, failed_source_condition,
        read_precondition, write_precondition,
    };
    use crate::rules::EtagCondition;
    use crate::s3::Code;
    use crate::types::Timestamp;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn unreadable_dates_of_reads_are_ignored_and_lines_are_joined() {
        let condition = read_precondition(&headers(&[
            ("if-match", "\"a\""),
            ("if-match", "W/\"b\""),
            ("if-modified-since", "yesterday"),
            ("if-unmodified-since", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ]))
        .unwrap();
        assert_eq!(condition.if_match, Some(EtagCondition::List(vec!["a".into(), "b".into()])));
        assert_eq!(condition.if_modified_since, None);
        assert_eq!(condition.if_unmodified_since, Some(Timestamp::from_seconds(1_445_412_480)));
    }

    #[test]
    fn a_read_with_too_many_tags_is_refused() {
        let tags = vec!["\"a\""; 65].join(",");
        assert_eq!(read_precondition(&headers(&[("if-match", &tags)])).unwrap_err().code, Code::InvalidArgument);
    }

    #[test]
    fn writes_know_the_conditions_of_s3_and_no_others() {
        let judge = |pairs: &[(&'static str, &str)]| write_precondition(&headers(pairs)).map_err(|error| error.code);
        assert!(judge(&[]).unwrap().is_empty());
        assert_eq!(judge(&[("if-none-match", "*")]).unwrap().if_none_match, Some(EtagCondition::Any));
        let tags = EtagCondition::List(vec!["abc".to_owned()]);
        assert_eq!(judge(&[("if-none-match", "\"abc\"")]).unwrap().if_none_match, Some(tags));
        assert!(judge(&[("if-match", "\"abc\"")]).unwrap().if_match.is_some());
        for refused in [
            &[("if-none-match", "")][..],
            &[("if-none-match", "*"), ("if-match", "\"abc\"")],
            &[("if-modified-since", "Wed, 21 Oct 2015 07:28:00 GMT")],
            &[("if-unmodified-since", "x")],
        ] {
            assert_eq!(judge(refused).unwrap_err(), Code::NotImplemented, "{refused:?}");
        }
    }

    #[test]
    fn delete_conditions_read_both_date_forms_and_refuse_nonsense() {
        for date in ["Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00.000Z", "2015-10-21T09:28:00+02:00"] {
            let condition = delete_precondition(&headers(&[
                ("x-amz-if-match-last-modified-time", date),
                ("x-amz-if-match-size", "7"),
            ]))
            .unwrap();
            assert_eq!(condition.if_match_modified, Some(Timestamp::from_seconds(1_445_412_480)), "{date}");
            assert_eq!(condition.if_match_size, Some(7));
            assert_eq!(failed_delete_condition(&condition), Some("x-amz-if-match-last-modified-time"));
        }
        for bad in
            [("x-amz-if-match-size", "-1"), ("x-amz-if-match-size", ""), ("x-amz-if-match-last-modified-time", "x")]
        {
            assert_eq!(delete_precondition(&headers(&[bad])).unwrap_err().code, Code::InvalidArgument, "{bad:?}");
        }
    }

    #[test]
    fn a_copy_with_an_unreadable_date_is_refused() {
        let good = copy_source_precondition(&headers(&[("x-amz-copy-source-if-none-match", "\"a\"")])).unwrap();
        assert_eq!(failed_source_condition(&good), Some("x-amz-copy-source-If-None-Match"));
        let bad = copy_source_precondition(&headers(&[("x-amz-copy-source-if-modified-since", "soon")]));
        assert_eq!(bad.unwrap_err().code, Code::InvalidArgument);
    }

    proptest! {
        #[test]
        fn arbitrary_condition_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let names = [
                    "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "x-amz-if-match-size",
                    "x-amz-if-match-last-modified-time", "x-amz-copy-source-if-match",
                    "x-amz-copy-source-if-unmodified-since",
                ];
                for name in names {
                    let mut headers = HeaderMap::new();
                    headers.insert(name, value.clone());
                    let _ = read_precondition(&headers);
                    let _ = write_precondition(&headers);
                    let _ = delete_precondition(&headers);
                    let _ = copy_source_precondition(&headers);
                }
            }
        }
    }
}
