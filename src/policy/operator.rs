//! The condition operators: how one value of a request compares with one of a document.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Condition operators".

use std::net::IpAddr;

use crate::policy::PolicyError;
use crate::policy::text::{Lookup, Pattern, Template};
use crate::types::Timestamp;

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    String,
    StringIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    IpAddress,
    Arn,
    /// Whether the key is absent. Never asked for a pair of values.
    Null,
}

/// How numbers and dates stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// How the values of a key that has many are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// The key should have one value.
    One,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

/// One operator with its prefix and suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) comparison: Comparison,
    /// Whether it holds where the comparison does not, as `StringNotEquals`.
    pub(super) negated: bool,
    pub(super) if_exists: bool,
    pub(super) quantifier: Quantifier,
}

/// Every operator without prefix and suffix: its name in lower case, its comparison, whether it is negated.
const OPERATORS: &[(&str, Comparison, bool)] = &[
    ("stringequals", Comparison::String, false),
    ("stringnotequals", Comparison::String, true),
    ("stringequalsignorecase", Comparison::StringIgnoreCase, false),
    ("stringnotequalsignorecase", Comparison::StringIgnoreCase, true),
    ("stringlike", Comparison::StringLike, false),
    ("stringnotlike", Comparison::StringLike, true),
    ("numericequals", Comparison::Numeric(Order::Equal), false),
    ("numericnotequals", Comparison::Numeric(Order::Equal), true),
    ("numericlessthan", Comparison::Numeric(Order::Less), false),
    ("numericlessthanequals", Comparison::Numeric(Order::LessOrEqual), false),
    ("numericgreaterthan", Comparison::Numeric(Order::Greater), false),
    ("numericgreaterthanequals", Comparison::Numeric(Order::GreaterOrEqual), false),
    ("dateequals", Comparison::Date(Order::Equal), false),
    ("datenotequals", Comparison::Date(Order::Equal), true),
    ("datelessthan", Comparison::Date(Order::Less), false),
    ("datelessthanequals", Comparison::Date(Order::LessOrEqual), false),
    ("dategreaterthan", Comparison::Date(Order::Greater), false),
    ("dategreaterthanequals", Comparison::Date(Order::GreaterOrEqual), false),
    ("bool", Comparison::Bool, false),
    ("binaryequals", Comparison::Binary, false),
    ("ipaddress", Comparison::IpAddress, false),
    ("notipaddress", Comparison::IpAddress, true),
    ("arnequals", Comparison::Arn, false),
    ("arnlike", Comparison::Arn, false),
    ("arnnotequals", Comparison::Arn, true),
    ("arnnotlike", Comparison::Arn, true),
    ("null", Comparison::Null, false),
];

impl Operator {
    /// Reads an operator's name, without case as AWS does.
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        let refusal = || PolicyError::Operator(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (quantifier, name) = match lower.split_once(':') {
            Some(("forallvalues", name)) => (Quantifier::All, name),
            Some(("foranyvalue", name)) => (Quantifier::Any, name),
            Some(_) => return Err(refusal()),
            None => (Quantifier::One, lower.as_str()),
        };
        let (name, if_exists) = name.strip_suffix("ifexists").map_or((name, false), |name| (name, true));
        let (_, comparison, negated) = OPERATORS.iter().find(|row| row.0 == name).copied().ok_or_else(refusal)?;
        // `Null` itself asks whether the key exists.
        if comparison == Comparison::Null && (if_exists || quantifier != Quantifier::One) {
            return Err(refusal());
        }
        Ok(Self { comparison, negated, if_exists, quantifier })
    }

    /// Checks that a value of a document can be compared at all.
    pub(super) fn check(&self, value: &str) -> Result<(), PolicyError> {
        let legal = match self.comparison {
            Comparison::String | Comparison::StringIgnoreCase | Comparison::StringLike => true,
            Comparison::Numeric(_) => value.contains("${") || number(value).is_some(),
            Comparison::Date(_) => value.contains("${") || date(value).is_some(),
            Comparison::Bool | Comparison::Null => value.contains("${") || truth(value).is_some(),
            Comparison::Binary => {
                value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
            }
            Comparison::IpAddress => value.contains("${") || Network::parse(value).is_some(),
            Comparison::Arn => value == "*" || value.starts_with("arn:") || value.starts_with(['$', '*']),
        };
        if legal { Ok(()) } else { Err(PolicyError::ConditionValue(value.to_owned())) }
    }
}

/// The values of a document under one operator and key, with their variables filled in.
#[derive(Debug)]
pub(super) enum Wanted {
    Text(String),
    Like(Pattern),
    Arn(Vec<Pattern>),
}

impl Comparison {
    /// Fills in a value's variables; `None` if one has no value.
    pub(super) fn want(self, value: &Template, lookup: &dyn Lookup) -> Option<Wanted> {
        match self {
            Self::StringLike => value.pattern(lookup).map(|pattern| Wanted::Like(pattern.into_owned())),
            Self::Arn => value.arn_pattern(lookup).map(Wanted::Arn),
            Self::String
            | Self::StringIgnoreCase
            | Self::Numeric(_)
            | Self::Date(_)
            | Self::Bool
            | Self::Binary
            | Self::IpAddress
            | Self::Null => value.literal(lookup).map(Wanted::Text),
        }
    }

    /// Whether a value of the request compares; `None` if one of the two is not what the operator compares.
    pub(super) fn holds(self, value: &str, wanted: &Wanted) -> Option<bool> {
        let wanted = match wanted {
            Wanted::Like(pattern) => return Some(pattern.matches(value)),
            Wanted::Arn(parts) => return Some(arn_matches(parts, value)),
            Wanted::Text(text) => text.as_str(),
        };
        match self {
            Self::String => Some(value == wanted),
            Self::StringIgnoreCase => Some(value.to_lowercase() == wanted.to_lowercase()),
            Self::Numeric(order) => Some(order.holds(number(value)?, number(wanted)?)),
            Self::Date(order) => Some(order.holds(date(value)?, date(wanted)?)),
            Self::Bool => Some(truth(value)? == truth(wanted)?),
            Self::Binary => Some(value.trim_end_matches('=') == wanted.trim_end_matches('=')),
            Self::IpAddress => Some(Network::parse(wanted)?.contains(value.parse().ok()?)),
            Self::StringLike | Self::Arn | Self::Null => None,
        }
    }
}

fn arn_matches(parts: &[Pattern], value: &str) -> bool {
    if let [all] = parts {
        return all.matches(value);
    }
    let values: Vec<&str> = value.splitn(6, ':').collect();
    values.len() == parts.len() && parts.iter().zip(values).all(|(part, value)| part.matches(value))
}

fn number(text: &str) -> Option<f64> {
    let legal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    text.bytes().all(legal).then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// Reads the forms of the W3C's note on dates, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() != 4 {
        return text.parse().ok().map(Timestamp::from_seconds);
    }
    let whole = match (text.len(), text.is_ascii()) {
        (4, true) => format!("{text}-01-01T00:00:00Z"),
        (7, true) => format!("{text}-01T00:00:00Z"),
        (10, true) => format!("{text}T00:00:00Z"),
        // `2030-01-31T23:59Z` and `2030-01-31T23:59+01:00`: no seconds.
        (17 | 22, true) if text.as_bytes()[16] != b':' => format!("{}:00{}", &text[..16], &text[16..]),
        _ => text.to_owned(),
    };
    Timestamp::parse_iso(&whole)
}

/// A range of addresses. Version 4 addresses in version 6 clothes are version 4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    address: IpAddr,
    /// Leading bits that count.
    prefix: u32,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => bits_max,
        };
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), canonical @ IpAddr::V4(_)) if (96..=128).contains(&prefix) => {
                Some(Self { address: canonical, prefix: prefix - 96 })
            }
            _ => (prefix <= bits_max).then_some(Self { address, prefix }),
        }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether this is so wide that it narrows nothing (Amazon S3 User Guide, "The meaning of public": more than a
    /// /8 of version 4 or a /32 of version 6).
    pub(super) fn is_broad(self) -> bool {
        self.prefix < if self.address.is_ipv4() { 8 } else { 32 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, Operator, date, number};
    use crate::types::Timestamp;

    #[test]
    fn operators_are_read_with_prefix_and_suffix() {
        for text in ["StringEquals", "stringequals", "ForAllValues:StringLike", "ForAnyValue:ArnLikeIfExists", "Null"] {
            assert!(Operator::parse(text).is_ok(), "{text}");
        }
        for text in ["", "Equals", "BoolNot", "NullIfExists", "ForAnyValue:Null", "ForSomeValue:Bool", "IfExists"] {
            assert!(Operator::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_have_the_forms_of_the_note_or_are_seconds() {
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        assert_eq!(date("1970"), at(0));
        assert_eq!(date("1970-02"), at(31 * 86_400));
        assert_eq!(date("1970-01-02"), at(86_400));
        assert_eq!(date("1970-01-01T00:01Z"), at(60));
        assert_eq!(date("1970-01-01T01:01+01:00"), at(60));
        assert_eq!(date("1970-01-01T00:00:01Z"), at(1));
        assert_eq!(date("1445412480"), at(1_445_412_480));
        for text in ["", "yesterday", "2020-13-01", "1970-01-0ü", "inf"] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!((number("1e3"), number("NaN"), number("inf"), number("")), (Some(1000.0), None, None, None));
    }

    #[test]
    fn networks_hold_their_addresses_in_both_clothes() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("192.0.2.0/24", "192.0.2.255") && !holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("192.0.2.1", "::ffff:192.0.2.1") && holds("::ffff:192.0.2.0/120", "192.0.2.9"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db8::1"));
        for text in ["", "192.0.2.0/33", "192.0.2/24", "::/129", "192.0.2.0/", "192.0.2.0/+8", "x"] {
            assert!(Network::parse(text).is_none(), "{text}");
        }
    }
}
