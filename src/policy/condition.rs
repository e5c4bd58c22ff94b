//! `Condition`: every key under every operator must hold; of several values one is enough, and a negated operator
//! wants none of them.
//!
//! | operator | key absent | key with one value | key with several values |
//! |---|---|---|---|
//! | plain | false | a wanted value compares | for one of them |
//! | negated (`…Not…`) | **true** | no wanted value compares | for each of them |
//! | `…IfExists` | **true** | as without | as without |
//! | `ForAllValues:…` | **true** | as without | for each of them |
//! | `ForAnyValue:…` | false | as without | for one of them |
//! | `Null` | value `true` holds | value `false` holds | value `false` holds |
//!
//! What cannot be compared (a number that is none, a variable without a value) never makes an `Allow` hold: a
//! negated comparison with it is false there and true in a `Deny`.
//!
//! Source: IAM User Guide, "Conditions with multiple context keys or values", "Set operators for multi-valued
//! context keys".

use crate::policy::PolicyError;
use crate::policy::effect::Effect;
use crate::policy::json::Node;
use crate::policy::key;
use crate::policy::operator::{Comparison, Operator, Quantifier, Wanted};
use crate::policy::request::Facts;
use crate::policy::text::{Template, normal_key};

/// One operator, one key, and the values wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    /// The key in its normal form.
    pub(super) key: String,
    pub(super) values: Vec<Template>,
    /// The actions that carry the key; none named means all.
    pub(super) carriers: &'static [&'static str],
}

/// How a document's conditions are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grammar {
    /// Whether `${…}` is a variable.
    pub(super) variables: bool,
    /// Whether keys of other services are legal.
    pub(super) foreign: bool,
}

/// Reads the element's value.
pub(super) fn parse(node: &Node, grammar: Grammar) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    let object = |node: &Node| match node {
        Node::Object(entries) => Ok(entries.clone()),
        _ => Err(PolicyError::Unknown("Condition".to_owned())),
    };
    for (name, keys) in object(node)? {
        let operator = Operator::parse(&name)?;
        for (name, values) in object(&keys)? {
            let key = normal_key(&name);
            let carriers = key::carriers(&key, grammar.foreign)?;
            let read = |value: &Node| {
                let text = value.scalar().ok_or_else(|| PolicyError::ConditionValue(name.clone()))?;
                operator.check(&text)?;
                Template::parse(&text, grammar.variables)
            };
            let values = values.one_or_many().iter().map(read).collect::<Result<Vec<_>, _>>()?;
            // No value at all would make a negated operator hold for everybody.
            if values.is_empty() {
                return Err(PolicyError::ConditionValue(name));
            }
            conditions.push(Condition { operator, key, values, carriers });
        }
    }
    Ok(conditions)
}

impl Condition {
    /// Whether the request meets this, in a statement of that effect.
    pub(super) fn holds(&self, facts: &Facts<'_>, effect: Effect) -> bool {
        let values = facts.values(&self.key);
        let Operator { comparison, negated, if_exists, quantifier } = self.operator;
        if comparison == Comparison::Null {
            let absent = if values.is_empty() { "true" } else { "false" };
            let wanted = self.values.iter().filter_map(|value| value.literal(facts));
            return wanted.into_iter().any(|value| value.eq_ignore_ascii_case(absent));
        }
        if values.is_empty() {
            return if_exists
                || match quantifier {
                    Quantifier::All => true,
                    Quantifier::Any => false,
                    Quantifier::One => negated,
                };
        }
        let wanted: Vec<Option<Wanted>> = self.values.iter().map(|value| comparison.want(value, facts)).collect();
        let compare = |value: &str| {
            let mut results = wanted.iter().map(|wanted| comparison.holds(value, wanted.as_ref()?));
            if negated {
                results.all(|result| !result.unwrap_or(effect == Effect::Allow))
            } else {
                results.any(|result| result == Some(true))
            }
        };
        let each = match quantifier {
            Quantifier::All => true,
            Quantifier::Any => false,
            Quantifier::One => negated,
        };
        if each { values.iter().all(|value| compare(value)) } else { values.iter().any(|value| compare(value)) }
    }

    /// Whether this asks for a key that begins so.
    pub(super) fn mentions(&self, prefix: &str) -> bool {
        self.key.starts_with(prefix)
            || self.values.iter().flat_map(Template::variables).any(|key| key.starts_with(prefix))
    }
}
