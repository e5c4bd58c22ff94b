//! Whether a bucket policy lets the public in.
//!
//! A policy is public if a statement allows everybody, and no condition narrows that to a fixed value of a key that
//! says where a request comes from or who sends it. Wildcards and variables are not fixed; a range of addresses is, if
//! it is not too wide. Statements that deny do not help: nobody can prove that they take back everything.
//!
//! `s3:x-amz-server-side-encryption-aws-kms-key-id` narrows on AWS, where a key has an owner. Here it would be a text
//! that anybody may send, so it does not.
//!
//! Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".

use crate::policy::condition::Condition;
use crate::policy::document::{Document, Kind};
use crate::policy::effect::Effect;
use crate::policy::operator::{Comparison, Network, Quantifier};
use crate::policy::statement::{Set, Statement};
use crate::policy::text::Template;

/// Keys whose fixed value narrows a statement to somebody, in their normal form.
const NARROWING: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

impl Document {
    /// Whether this bucket policy lets the public in.
    pub fn is_public(&self) -> bool {
        self.kind() == Kind::Bucket && self.statements().any(is_public)
    }
}

fn is_public(statement: &Statement) -> bool {
    let everyone = match &statement.principals {
        Some(Set::These(principals)) => principals.is_everyone(),
        Some(Set::AllBut(_)) => true,
        None => false,
    };
    statement.effect == Effect::Allow && everyone && !statement.conditions.iter().any(narrows)
}

fn narrows(condition: &Condition) -> bool {
    let operator = condition.operator;
    // `IfExists` and `ForAllValues:` hold for a request without the key, which anybody can send.
    if operator.negated || operator.if_exists || operator.quantifier == Quantifier::All {
        return false;
    }
    match operator.comparison {
        Comparison::IpAddress => condition.key == "aws:sourceip" && condition.values.iter().all(is_narrow_network),
        Comparison::String | Comparison::StringIgnoreCase => is_narrowing(condition, |_| false),
        Comparison::StringLike | Comparison::Arn => is_narrowing(condition, |value| {
            // The name of an access point may vary, the account that it belongs to may not.
            condition.key == "s3:dataaccesspointarn" && names_account(value)
        }),
        Comparison::Numeric(_) | Comparison::Date(_) | Comparison::Bool | Comparison::Binary | Comparison::Null => {
            false
        }
    }
}

fn is_narrowing(condition: &Condition, or: impl Fn(&Template) -> bool) -> bool {
    NARROWING.contains(&condition.key.as_str()) && condition.values.iter().all(|value| value.is_constant() || or(value))
}

/// Whether an ARN has its first five parts without wildcards and variables, with an account among them.
fn names_account(value: &Template) -> bool {
    let mut parts = value.constant_head().splitn(6, ':');
    let account = parts.nth(4).unwrap_or_default().to_owned();
    !account.is_empty() && parts.next().is_some()
}

fn is_narrow_network(value: &Template) -> bool {
    value.is_constant() && Network::parse(value.constant_head()).is_some_and(|network| !network.is_broad())
}
