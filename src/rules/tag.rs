//! Tags of objects and buckets: which are legal.
//!
//! Source: Amazon S3 User Guide, "Categorizing your objects using tags"; "Using cost allocation S3 bucket tags".

use crate::limits::{BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX};
use crate::types::Tags;

/// Keys that begin so belong to the provider.
const RESERVED_PREFIX: &str = "aws:";
/// What keys and values may hold beside letters, digits and spaces of any script.
const PUNCTUATION: &str = "_.:/=+-@";

/// What is tagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// A version of an object.
    Object,
    /// A bucket.
    Bucket,
}

impl Tagged {
    /// Most tags that it may have.
    pub fn tags_max(self) -> usize {
        match self {
            Self::Object => OBJECT_TAGS_MAX,
            Self::Bucket => BUCKET_TAGS_MAX,
        }
    }
}

/// Why tags are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagRefusal {
    /// More than `Tagged::tags_max`.
    TooMany(Tagged),
    /// A key is empty, too long, or of characters that keys may not have.
    Key(String),
    /// A value is too long, or of characters that values may not have.
    Value {
        /// Its key.
        key: String,
        /// The value.
        value: String,
    },
    /// A key begins with `aws:`.
    Reserved(String),
    /// Two tags have the same key.
    Duplicate(String),
}

/// Judges tags, and sorts them by key: an order that does not depend on how they were sent.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge_tags(mut pairs: Vec<(String, String)>, tagged: Tagged) -> Result<Tags, TagRefusal> {
    if pairs.len() > tagged.tags_max() {
        return Err(TagRefusal::TooMany(tagged));
    }
    for (key, value) in &pairs {
        if key.is_empty() || !is_legal(key, TAG_KEY_CHARS_MAX) {
            return Err(TagRefusal::Key(key.clone()));
        }
        if key.get(..RESERVED_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX)) {
            return Err(TagRefusal::Reserved(key.clone()));
        }
        if !is_legal(value, TAG_VALUE_CHARS_MAX) {
            return Err(TagRefusal::Value { key: key.clone(), value: value.clone() });
        }
    }
    pairs.sort();
    match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(TagRefusal::Duplicate(pair[0].0.clone())),
        None => Ok(Tags(pairs)),
    }
}

fn is_legal(text: &str, chars_max: usize) -> bool {
    let is_space = |c: char| c.is_whitespace() && !c.is_control();
    let legal = |c: char| c.is_alphanumeric() || is_space(c) || PUNCTUATION.contains(c);
    text.chars().count() <= chars_max && text.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    use super::{TagRefusal, Tagged, judge_tags};
    use crate::types::Tags;

    fn judge(pairs: &[(&str, &str)]) -> Result<Tags, TagRefusal> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        judge_tags(pairs, Tagged::Object)
    }

    #[test]
    fn legal_tags_come_back_sorted() {
        let tags = judge(&[("b", "2"), ("a", ""), ("Größe é", "1 + 1 = 2.0_:/@-")]).unwrap();
        let keys: Vec<&str> = tags.0.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["Größe é", "a", "b"]);
        let long = ("ü".repeat(128), "日".repeat(256));
        assert!(judge(&[(&long.0, &long.1)]).is_ok());
    }

    #[test]
    fn each_rule_refuses_by_its_own_name() {
        let key = |text: &str| TagRefusal::Key(text.to_owned());
        let long = "k".repeat(129);
        for bad in ["", "a!", "a\tb", "a\nb", "a&b", &long] {
            assert_eq!(judge(&[(bad, "v")]), Err(key(bad)), "{bad:?}");
        }
        let long = "v".repeat(257);
        for bad in ["a?", "a\r\n", &long] {
            let refusal = TagRefusal::Value { key: "k".to_owned(), value: bad.to_owned() };
            assert_eq!(judge(&[("k", bad)]), Err(refusal), "{bad:?}");
        }
        for bad in ["aws:", "AWS:x", "aws:cloudformation:stack"] {
            assert_eq!(judge(&[(bad, "v")]), Err(TagRefusal::Reserved(bad.to_owned())));
        }
        assert!(judge(&[("awsome", "v")]).is_ok());
        let twice = judge(&[("k", "1"), ("x", "1"), ("k", "2")]);
        assert_eq!(twice, Err(TagRefusal::Duplicate("k".to_owned())));
        assert!(judge(&[("k", "1"), ("K", "1")]).is_ok(), "keys have case");
    }

    #[test]
    fn an_object_has_ten_tags_and_a_bucket_fifty() {
        let many = |count: usize| (0..count).map(|number| (number.to_string(), String::new())).collect::<Vec<_>>();
        assert!(judge_tags(many(10), Tagged::Object).is_ok());
        assert_eq!(judge_tags(many(11), Tagged::Object), Err(TagRefusal::TooMany(Tagged::Object)));
        assert!(judge_tags(many(50), Tagged::Bucket).is_ok());
        assert_eq!(judge_tags(many(51), Tagged::Bucket), Err(TagRefusal::TooMany(Tagged::Bucket)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_is_accepted_is_the_same_set_in_any_order(
            pairs in proptest::collection::vec((any::<String>(), any::<String>()), 0..12)
        ) {
            let mut reversed = pairs.clone();
            reversed.reverse();
            let (there, back) = (judge_tags(pairs.clone(), Tagged::Bucket), judge_tags(reversed, Tagged::Bucket));
            prop_assert_eq!(there.is_ok(), back.is_ok());
            if let (Ok(there), Ok(back)) = (there, back) {
                prop_assert_eq!(there.0.len(), pairs.len());
                prop_assert!(pairs.iter().all(|pair| there.0.contains(pair)));
                prop_assert_eq!(there, back);
            }
        }
    }
}
