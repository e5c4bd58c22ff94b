//! Cross-origin rules of a bucket: which are legal, and which rule lets a page of some origin read an answer.
//!
//! Source: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)"; the Fetch standard.

use serde::{Deserialize, Serialize};

use crate::limits::{CORS_RULE_ID_CHARS_MAX, CORS_RULES_MAX};

/// The rules of a bucket, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRules(pub Vec<CorsRule>);

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// Its name.
    pub id: Option<String>,
    /// Origins that it is about, each with at most one `*`.
    pub origins: Vec<String>,
    /// Methods that it allows.
    pub methods: Vec<CorsMethod>,
    /// Request headers that it allows, each with at most one `*`.
    pub headers: Vec<String>,
    /// Response headers that pages may read.
    pub exposed: Vec<String>,
    /// How long a browser may remember it.
    pub max_age_seconds: Option<u32>,
}

/// A method that a rule may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CorsMethod {
    /// `GET`.
    Get,
    /// `PUT`.
    Put,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
    /// `HEAD`.
    Head,
}

impl CorsMethod {
    /// All methods.
    pub const ALL: [Self; 5] = [Self::Get, Self::Put, Self::Post, Self::Delete, Self::Head];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }

    /// The method of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Why rules are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsRefusal {
    /// There is none.
    NoRules,
    /// More than `CORS_RULES_MAX`.
    TooManyRules,
    /// The id of a rule is too long.
    LongId,
    /// A rule allows no origin.
    NoOrigin,
    /// A rule allows no method.
    NoMethod,
    /// An origin has more than one `*`.
    Origin(String),
    /// A request header has more than one `*`.
    HeaderWildcards(String),
    /// A request header holds what no header's name may.
    HeaderCharacter(String),
    /// A response header has a `*`.
    ExposedWildcard(String),
    /// A response header holds what no header's name may.
    ExposedCharacter(String),
}

/// Judges the rules of a bucket.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge_rules(rules: &CorsRules) -> Result<(), CorsRefusal> {
    match rules.0.len() {
        0 => return Err(CorsRefusal::NoRules),
        count if count > CORS_RULES_MAX => return Err(CorsRefusal::TooManyRules),
        _ => {}
    }
    rules.0.iter().try_for_each(judge_rule)
}

fn judge_rule(rule: &CorsRule) -> Result<(), CorsRefusal> {
    let stars = |text: &str| text.bytes().filter(|byte| *byte == b'*').count();
    if rule.id.as_ref().is_some_and(|id| id.chars().count() > CORS_RULE_ID_CHARS_MAX) {
        return Err(CorsRefusal::LongId);
    }
    if rule.methods.is_empty() {
        return Err(CorsRefusal::NoMethod);
    }
    if rule.origins.is_empty() {
        return Err(CorsRefusal::NoOrigin);
    }
    if let Some(origin) = rule.origins.iter().find(|origin| stars(origin) > 1) {
        return Err(CorsRefusal::Origin(origin.clone()));
    }
    for header in &rule.headers {
        if stars(header) > 1 {
            return Err(CorsRefusal::HeaderWildcards(header.clone()));
        }
        if !is_token(header) {
            return Err(CorsRefusal::HeaderCharacter(header.clone()));
        }
    }
    for header in &rule.exposed {
        if stars(header) > 0 {
            return Err(CorsRefusal::ExposedWildcard(header.clone()));
        }
        if !is_token(header) {
            return Err(CorsRefusal::ExposedCharacter(header.clone()));
        }
    }
    Ok(())
}

/// Whether a text may be the name of a header (RFC 9110, section 5.6.2). `*` may, too.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// What a browser asks.
#[derive(Clone, Copy, Debug)]
pub struct CorsAsk<'a> {
    /// The origin of the page.
    pub origin: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// Its headers, if it is a preflight.
    pub headers: &'a [&'a str],
}

/// The rule that lets a page read an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorsGrant<'a> {
    /// The rule.
    pub rule: &'a CorsRule,
    /// Whether it is about every origin there is.
    pub any_origin: bool,
}

impl CorsRules {
    /// The first rule that allows all that is asked.
    pub fn find(&self, ask: &CorsAsk<'_>) -> Option<CorsGrant<'_>> {
        self.0.iter().find_map(|rule| {
            let pattern = rule.origins.iter().find(|pattern| fits(pattern, ask.origin))?;
            let method = rule.methods.iter().any(|method| method.name() == ask.method);
            let allowed = |header: &&str| {
                let header = header.to_ascii_lowercase();
                rule.headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &header))
            };
            let granted = method && ask.headers.iter().all(allowed);
            granted.then_some(CorsGrant { rule, any_origin: pattern == "*" })
        })
    }
}

/// Whether a text is a pattern's, whose `*` stands for anything or nothing.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{CorsAsk, CorsMethod, CorsRefusal, CorsRule, CorsRules, fits, judge_rules};

    fn rule(origins: &[&str], methods: &[CorsMethod], headers: &[&str]) -> CorsRule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CorsRule { origins: owned(origins), methods: methods.to_vec(), headers: owned(headers), ..CorsRule::default() }
    }

    #[test]
    fn one_star_stands_for_anything() {
        let table = [
            ("*", "", true),
            ("*", "https://a", true),
            ("https://*.a", "https://b.a", true),
            ("https://*.a", "https://.a", true),
            ("https://*.a", "http://b.a", false),
            ("start*end", "startend", true),
            ("start*end", "start1end", true),
            ("start*end", "0start1end", false),
            ("aba*ba", "aba", false),
            ("aba*aba", "abaaba", true),
            ("https://a", "https://a", true),
            ("https://a", "https://A", false),
            ("https://a", "https://a.evil", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_allows_everything_wins() {
        let rules = CorsRules(vec![
            rule(&["https://a"], &[CorsMethod::Get], &[]),
            rule(&["https://a", "https://b"], &[CorsMethod::Get, CorsMethod::Put], &["x-amz-*", "Content-Type"]),
            rule(&["*"], &[CorsMethod::Head], &["*"]),
        ]);
        let find = |origin, method, headers: &[&str]| {
            let found = rules.find(&CorsAsk { origin, method, headers })?;
            let place = rules.0.iter().position(|rule| rule == found.rule)?;
            Some((place, found.any_origin))
        };
        assert_eq!(find("https://a", "GET", &[]), Some((0, false)));
        assert_eq!(find("https://a", "GET", &["content-TYPE", "X-Amz-Date"]), Some((1, false)));
        assert_eq!(find("https://a", "GET", &["content-type", "range"]), None);
        assert_eq!(find("https://c", "GET", &[]), None);
        assert_eq!(find("https://c", "HEAD", &["anything"]), Some((2, true)));
        assert_eq!(find("https://b", "PUT", &[]), Some((1, false)));
        for method in ["DELETE", "put", "PATCH", ""] {
            assert_eq!(find("https://b", method, &[]), None, "{method}");
        }
    }

    #[test]
    fn rules_are_refused_by_their_first_fault() {
        let good = rule(&["https://*.a"], &[CorsMethod::Get], &["x-*", "*"]);
        let judge = |rule: CorsRule| judge_rules(&CorsRules(vec![rule]));
        assert_eq!(judge(good.clone()), Ok(()));
        assert_eq!(judge_rules(&CorsRules::default()), Err(CorsRefusal::NoRules));
        assert_eq!(judge_rules(&CorsRules(vec![good.clone(); 100])), Ok(()));
        assert_eq!(judge_rules(&CorsRules(vec![good.clone(); 101])), Err(CorsRefusal::TooManyRules));
        assert_eq!(judge(CorsRule { origins: vec![], ..good.clone() }), Err(CorsRefusal::NoOrigin));
        assert_eq!(judge(CorsRule { methods: vec![], ..good.clone() }), Err(CorsRefusal::NoMethod));
        assert_eq!(judge(CorsRule { id: Some("x".repeat(256)), ..good.clone() }), Err(CorsRefusal::LongId));
        let one = |text: &str| vec![text.to_owned()];
        let origin = CorsRule { origins: one("*.a.*"), ..good.clone() };
        assert_eq!(judge(origin), Err(CorsRefusal::Origin("*.a.*".to_owned())));
        let header = CorsRule { headers: one("*-*"), ..good.clone() };
        assert_eq!(judge(header), Err(CorsRefusal::HeaderWildcards("*-*".to_owned())));
        for bad in ["", "a b", "a\r\nb", "ü", "a:b"] {
            let header = CorsRule { headers: one(bad), ..good.clone() };
            assert_eq!(judge(header), Err(CorsRefusal::HeaderCharacter(bad.to_owned())));
            let exposed = CorsRule { exposed: one(bad), ..good.clone() };
            assert_eq!(judge(exposed), Err(CorsRefusal::ExposedCharacter(bad.to_owned())));
        }
        let exposed = CorsRule { exposed: one("x-*"), ..good };
        assert_eq!(judge(exposed), Err(CorsRefusal::ExposedWildcard("x-*".to_owned())));
    }

    proptest! {
        #[test]
        fn a_pattern_fits_whatever_its_star_is_replaced_by(start in ".{0,5}", middle in ".{0,5}", end in ".{0,5}") {
            if !start.contains('*') {
                let (pattern, text) = (format!("{start}*{end}"), format!("{start}{middle}{end}"));
                prop_assert!(fits(&pattern, &text));
            }
        }
    }
}
