//! Conditional requests: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, and the
//! `x-amz-if-match-…` conditions of DELETE.
//!
//! Source: RFC 9110 section 13; Amazon S3 User Guide, "Conditional requests".

use crate::types::{ETag, Timestamp};

/// What a condition is judged against: the newest version of the key, when it is no delete marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentFacts {
    /// ETag of the body.
    pub etag: ETag,
    /// Body length in bytes.
    pub size: u64,
    /// When it was committed.
    pub modified: Timestamp,
}

/// The value of an `If-Match` or `If-None-Match` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagCondition {
    /// `*`
    Any,
    /// A list of tags without quotes; weak ones without `W/`.
    List(Vec<String>),
}

impl EtagCondition {
    /// Reads a header value; quotes are optional, as clients leave them out.
    pub fn parse(header: &str) -> Self {
        let tag = |text: &str| {
            let text = text.trim();
            let text = text.strip_prefix("W/").unwrap_or(text);
            text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text).to_owned()
        };
        match header.trim() {
            "*" => Self::Any,
            list => Self::List(list.split(',').map(tag).collect()),
        }
    }

    fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => {
                let etag = etag.to_string();
                tags.iter().any(|tag| *tag == etag || tag == "*")
            }
        }
    }
}

/// Conditions of a PUT, copy target or CompleteMultipartUpload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WritePrecondition {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagCondition>,
}

/// Conditions of a DELETE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletePrecondition {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `x-amz-if-match-size`, in bytes.
    pub if_match_size: Option<u64>,
    /// `x-amz-if-match-last-modified-time`, compared at whole seconds.
    pub if_match_modified: Option<Timestamp>,
}

/// Why a conditional write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRefusal {
    /// The key has no current version to match: `404 NoSuchKey`.
    NoSuchKey,
    /// The condition does not hold: `412 PreconditionFailed`.
    Failed,
}

impl WritePrecondition {
    /// Whether there is nothing to judge.
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Judges the conditions against the current version.
    ///
    /// # Errors
    /// The refusal, if one does not hold.
    pub fn judge(&self, current: Option<&CurrentFacts>) -> Result<(), WriteRefusal> {
        if let Some(condition) = &self.if_match {
            let current = current.ok_or(WriteRefusal::NoSuchKey)?;
            if !condition.matches(&current.etag) {
                return Err(WriteRefusal::Failed);
            }
        }
        match (&self.if_none_match, current) {
            (Some(condition), Some(current)) if condition.matches(&current.etag) => Err(WriteRefusal::Failed),
            _ => Ok(()),
        }
    }
}

impl DeletePrecondition {
    /// Whether there is nothing to judge.
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_match_size.is_none() && self.if_match_modified.is_none()
    }

    /// Judges the conditions against the version that would go.
    ///
    /// # Errors
    /// The refusal, if one does not hold.
    pub fn judge(&self, current: Option<&CurrentFacts>) -> Result<(), WriteRefusal> {
        if self.is_empty() {
            return Ok(());
        }
        let current = current.ok_or(WriteRefusal::NoSuchKey)?;
        let etag = self.if_match.as_ref().is_none_or(|condition| condition.matches(&current.etag));
        let size = self.if_match_size.is_none_or(|size| size == current.size);
        let modified = self.if_match_modified.is_none_or(|at| at.seconds() == current.modified.seconds());
        if etag && size && modified { Ok(()) } else { Err(WriteRefusal::Failed) }
    }
}

/// Conditions of a GET, HEAD or copy source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadPrecondition {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagCondition>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadPrecondition {
    /// Judges the conditions for a write (a rename) that they guard: `NotModified` fails, too. A condition that
    /// wants something to be there fails if nothing is.
    ///
    /// # Errors
    /// The refusal, if one does not hold.
    pub fn judge_write(&self, current: Option<&CurrentFacts>) -> Result<(), WriteRefusal> {
        match current {
            Some(current) => match self.judge(current) {
                ReadVerdict::Proceed => Ok(()),
                ReadVerdict::NotModified | ReadVerdict::Failed => Err(WriteRefusal::Failed),
            },
            None if self.if_match.is_some() || self.if_modified_since.is_some() => Err(WriteRefusal::Failed),
            None => Ok(()),
        }
    }
}

/// What a conditional read leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadVerdict {
    /// Serve it.
    Proceed,
    /// `304 Not Modified` (for a copy source: 412).
    NotModified,
    /// `412 PreconditionFailed`.
    Failed,
}

impl ReadPrecondition {
    /// Judges the conditions in the order of RFC 9110 section 13.2.2: a match condition makes its date
    /// condition irrelevant.
    pub fn judge(&self, current: &CurrentFacts) -> ReadVerdict {
        let modified = current.modified.seconds();
        match (&self.if_match, self.if_unmodified_since) {
            (Some(condition), _) if !condition.matches(&current.etag) => return ReadVerdict::Failed,
            (None, Some(since)) if modified > since.seconds() => return ReadVerdict::Failed,
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(condition), _) if condition.matches(&current.etag) => ReadVerdict::NotModified,
            (None, Some(since)) if modified <= since.seconds() => ReadVerdict::NotModified,
            _ => ReadVerdict::Proceed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        CurrentFacts, DeletePrecondition, EtagCondition, ReadPrecondition, ReadVerdict, WritePrecondition, WriteRefusal,
    };
    use crate::types::{ETag, Timestamp};

    fn facts() -> CurrentFacts {
        CurrentFacts { etag: ETag::single([1; 16]), size: 5, modified: Timestamp(100_500_000) }
    }

    fn same() -> Option<EtagCondition> {
        Some(EtagCondition::parse(&ETag::single([1; 16]).quoted()))
    }

    fn other() -> Option<EtagCondition> {
        Some(EtagCondition::parse("\"0\", W/\"1\""))
    }

    #[test]
    fn write_conditions_follow_the_current_version() {
        let judge = |if_match, if_none_match, current: Option<CurrentFacts>| {
            WritePrecondition { if_match, if_none_match }.judge(current.as_ref())
        };
        let any = || Some(EtagCondition::Any);
        assert_eq!(judge(None, any(), None), Ok(()));
        assert_eq!(judge(None, any(), Some(facts())), Err(WriteRefusal::Failed));
        assert_eq!(judge(None, other(), Some(facts())), Ok(()));
        assert_eq!(judge(same(), None, Some(facts())), Ok(()));
        assert_eq!(judge(other(), None, Some(facts())), Err(WriteRefusal::Failed));
        assert_eq!(judge(same(), None, None), Err(WriteRefusal::NoSuchKey));
    }

    #[test]
    fn delete_conditions_all_have_to_hold() {
        let condition = |if_match, if_match_size, seconds: Option<i64>| DeletePrecondition {
            if_match,
            if_match_size,
            if_match_modified: seconds.map(Timestamp::from_seconds),
        };
        assert_eq!(condition(same(), Some(5), Some(100)).judge(Some(&facts())), Ok(()));
        assert_eq!(condition(same(), Some(6), None).judge(Some(&facts())), Err(WriteRefusal::Failed));
        assert_eq!(condition(None, None, Some(101)).judge(Some(&facts())), Err(WriteRefusal::Failed));
        assert_eq!(condition(same(), None, None).judge(None), Err(WriteRefusal::NoSuchKey));
        assert_eq!(condition(None, None, None).judge(None), Ok(()));
    }

    #[test]
    fn read_conditions_follow_the_order_of_rfc_9110() {
        let judge = |if_match, if_none_match, modified: Option<i64>, unmodified: Option<i64>| {
            let condition = ReadPrecondition {
                if_match,
                if_none_match,
                if_modified_since: modified.map(Timestamp::from_seconds),
                if_unmodified_since: unmodified.map(Timestamp::from_seconds),
            };
            condition.judge(&facts())
        };
        assert_eq!(judge(None, None, None, None), ReadVerdict::Proceed);
        assert_eq!(judge(other(), None, None, None), ReadVerdict::Failed);
        assert_eq!(judge(None, same(), None, None), ReadVerdict::NotModified);
        assert_eq!(judge(None, None, Some(100), None), ReadVerdict::NotModified);
        assert_eq!(judge(None, None, Some(99), None), ReadVerdict::Proceed);
        assert_eq!(judge(None, None, None, Some(99)), ReadVerdict::Failed);
        assert_eq!(judge(same(), None, None, Some(99)), ReadVerdict::Proceed, "If-Match wins over the date");
        assert_eq!(judge(None, other(), Some(100), None), ReadVerdict::Proceed, "If-None-Match wins over the date");
    }
}
