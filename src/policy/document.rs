//! A policy document: its grammar, and what it says of a request.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language"; Amazon S3 User Guide, "Policies and permissions
//! in Amazon S3".

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::limits::{
    BUCKET_POLICY_BYTES_MAX, IDENTITY_POLICY_BYTES_MAX, POLICY_SID_SHOWN_MAX, POLICY_WILDCARDS_MAX,
    SESSION_POLICY_BYTES_MAX, TRUST_POLICY_BYTES_MAX,
};
use crate::policy::PolicyError;
use crate::policy::action::ActionPattern;
use crate::policy::condition::{self, Grammar};
use crate::policy::effect::Effect;
use crate::policy::json::Node;
use crate::policy::principal::{Naming, Principals};
use crate::policy::request::{Facts, Request};
use crate::policy::statement::{Set, Statement};
use crate::policy::text::{Template, normal_key};

/// What a document is attached to, which decides its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bucket: names principals and resources of that bucket; actions of S3 only.
    Bucket,
    /// A user, key or role: names no principals.
    Identity,
    /// A session: as `Identity`, and never allows what its owner may not.
    Session,
    /// A role, for who may assume it: names principals, no resources.
    Trust,
}

impl Kind {
    /// Longest document in bytes.
    pub fn bytes_max(self) -> usize {
        match self {
            Self::Bucket => BUCKET_POLICY_BYTES_MAX,
            Self::Identity => IDENTITY_POLICY_BYTES_MAX,
            Self::Session => SESSION_POLICY_BYTES_MAX,
            Self::Trust => TRUST_POLICY_BYTES_MAX,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Bucket => "bucket policy",
            Self::Identity => "identity policy",
            Self::Session => "session policy",
            Self::Trust => "trust policy",
        }
    }

    fn has_principals(self) -> bool {
        matches!(self, Self::Bucket | Self::Trust)
    }

    fn has_resources(self) -> bool {
        self != Self::Trust
    }

    /// Whether actions and condition keys of other services are legal. They never match a request of S3.
    fn is_foreign(self) -> bool {
        self != Self::Bucket
    }
}

/// Which statement of which document decided. Cheap to copy, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementName(Arc<str>);

impl StatementName {
    fn new(label: &str, sid: Option<&str>, index: usize) -> Self {
        Self(match sid {
            // The client chose it: escaped, and not longer than a log line bears.
            Some(sid) => {
                let shown: String = sid.chars().take(POLICY_SID_SHOWN_MAX).collect();
                format!("{label}, statement {shown:?}").into()
            }
            None => format!("{label}, statement {}", index + 1).into(),
        })
    }
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A document that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    kind: Kind,
    statements: Vec<(StatementName, Statement)>,
}

/// What documents say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows and none denies.
    Allow(StatementName),
    /// A statement denies.
    Deny(StatementName),
    /// No statement speaks of it, which denies unless something else allows.
    NoMatch,
}

impl Document {
    /// Reads a document of a kind.
    ///
    /// # Errors
    /// What AWS refuses, and in AWS's words where they are known.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > kind.bytes_max() {
            return Err(PolicyError::TooLong(kind.bytes_max()));
        }
        // AWS says "the first byte"; it forgives white space, and so do we.
        let Node::Object(elements) = Node::parse(bytes)? else { return Err(PolicyError::NotJson) };
        let (mut version, mut list) = (None, None);
        for (name, value) in &elements {
            match name.as_str() {
                "Version" => version = Some(value.text().ok_or(PolicyError::Version)?),
                "Id" if value.text().is_some() => {}
                "Statement" => list = Some(value.one_or_many()),
                _ => return Err(PolicyError::Unknown(name.clone())),
            }
        }
        let variables = match version {
            Some("2012-10-17") => true,
            Some("2008-10-17") | None => false,
            Some(_) => return Err(PolicyError::Version),
        };
        let list = list.filter(|list| !list.is_empty()).ok_or(PolicyError::Missing("Statement"))?;
        let grammar = Grammar { variables, foreign: kind.is_foreign() };
        let mut sids = HashSet::new();
        let mut statements = Vec::with_capacity(list.len());
        for (index, node) in list.iter().enumerate() {
            let statement = parse_statement(kind, grammar, node)?;
            if statement.sid.as_ref().is_some_and(|sid| !sid.is_empty() && !sids.insert(sid.clone())) {
                return Err(PolicyError::Sid);
            }
            statements.push((StatementName::new(kind.label(), statement.sid.as_deref(), index), statement));
        }
        if statements.iter().map(|(_, statement)| statement.single_wildcards()).sum::<usize>() > POLICY_WILDCARDS_MAX {
            return Err(PolicyError::TooManyWildcards(POLICY_WILDCARDS_MAX));
        }
        Ok(Self { kind, statements })
    }

    /// The same document under a name of its own in reasons, as `policy "backup"`.
    #[must_use]
    pub fn named(mut self, label: &str) -> Self {
        for (index, (name, statement)) in self.statements.iter_mut().enumerate() {
            *name = StatementName::new(label, statement.sid.as_deref(), index);
        }
        self
    }

    /// What it is attached to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Checks that a bucket policy speaks of its own bucket only.
    ///
    /// # Errors
    /// `PolicyError::Resource`.
    pub fn check_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        let inside = self.statements.iter().all(|(_, statement)| statement.stays_in(bucket));
        if inside { Ok(()) } else { Err(PolicyError::Resource) }
    }

    /// Whether a statement about `action` asks for a condition key that begins with `prefix`, as
    /// `s3:ExistingObjectTag/`: only then need such values be fetched. Case does not matter in the key's name.
    pub fn mentions(&self, action: &str, prefix: &str) -> bool {
        let (action, prefix) = (action.to_ascii_lowercase(), normal_key(prefix));
        self.statements.iter().any(|(_, statement)| statement.mentions(&action, &prefix))
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().map(|(_, statement)| statement)
    }
}

/// What documents say together, and how directly the statement that allows names the principal.
pub(super) fn judge<'d>(documents: impl IntoIterator<Item = &'d Document>, facts: &Facts<'_>) -> (Verdict, Naming) {
    let mut allow: Option<(&StatementName, Naming)> = None;
    for (name, statement) in documents.into_iter().flat_map(|document| &document.statements) {
        let Some(naming) = statement.applies(facts) else { continue };
        match statement.effect {
            Effect::Deny => return (Verdict::Deny(name.clone()), naming),
            Effect::Allow if allow.is_none_or(|(_, best)| naming > best) => allow = Some((name, naming)),
            Effect::Allow => {}
        }
    }
    match allow {
        Some((name, naming)) => (Verdict::Allow(name.clone()), naming),
        None => (Verdict::NoMatch, Naming::Account),
    }
}

/// What documents say of a request: an explicit deny wins, then an allow. Asks as if the request overwrites an object
/// if `overwrites` says so; `decide` asks both ways.
pub fn evaluate<'d>(
    documents: impl IntoIterator<Item = &'d Document>,
    request: &Request<'_>,
    overwrites: bool,
) -> Verdict {
    judge(documents, &Facts::new(request, overwrites)).0
}

/// The elements of one statement, as the document has them.
#[derive(Default)]
struct Elements<'a> {
    sid: Option<String>,
    effect: Option<Effect>,
    principal: [Option<&'a Node>; 2],
    action: [Option<&'a Node>; 2],
    resource: [Option<&'a Node>; 2],
    condition: Option<&'a Node>,
}

fn collect<'a>(kind: Kind, node: &'a Node) -> Result<Elements<'a>, PolicyError> {
    let Node::Object(entries) = node else { return Err(PolicyError::Unknown("Statement".to_owned())) };
    let mut elements = Elements::default();
    for (name, value) in entries {
        match name.as_str() {
            "Sid" => elements.sid = Some(value.text().ok_or(PolicyError::Sid)?.to_owned()),
            "Effect" => {
                elements.effect = Some(match value.text() {
                    Some("Allow") => Effect::Allow,
                    Some("Deny") => Effect::Deny,
                    other => return Err(PolicyError::Effect(other.unwrap_or_default().to_owned())),
                });
            }
            "Principal" if kind.has_principals() => elements.principal[0] = Some(value),
            "NotPrincipal" if kind.has_principals() => elements.principal[1] = Some(value),
            "Action" => elements.action[0] = Some(value),
            "NotAction" => elements.action[1] = Some(value),
            "Resource" if kind.has_resources() => elements.resource[0] = Some(value),
            "NotResource" if kind.has_resources() => elements.resource[1] = Some(value),
            "Condition" => elements.condition = Some(value),
            _ => return Err(PolicyError::Unknown(name.clone())),
        }
    }
    Ok(elements)
}

/// Reads an element that has an opposite. Exactly one of the two must be there.
fn parse_set<T>(
    pair: [Option<&Node>; 2],
    name: &'static str,
    read: impl Fn(&Node) -> Result<T, PolicyError>,
) -> Result<Set<T>, PolicyError> {
    match pair {
        [Some(node), None] => read(node).map(Set::These),
        [None, Some(node)] => read(node).map(Set::AllBut),
        [None, None] => Err(PolicyError::Missing(name)),
        [Some(_), Some(_)] => Err(PolicyError::Both(name)),
    }
}

fn parse_statement(kind: Kind, grammar: Grammar, node: &Node) -> Result<Statement, PolicyError> {
    let elements = collect(kind, node)?;
    let effect = elements.effect.ok_or(PolicyError::Missing("Effect"))?;
    let principals = match kind.has_principals() {
        true => Some(parse_set(elements.principal, "Principal", Principals::parse)?),
        false => None,
    };
    // It would allow everybody who is not named, strangers too; AWS refuses it as well.
    if effect == Effect::Allow && matches!(principals, Some(Set::AllBut(_))) {
        return Err(PolicyError::Principal);
    }
    let actions = parse_set(elements.action, "Action", |node| {
        let read = |node: &Node| ActionPattern::parse(node.text().ok_or(PolicyError::Action)?, kind.is_foreign());
        some(node.one_or_many().iter().map(read).collect::<Result<Vec<_>, _>>()?, PolicyError::Action)
    })?;
    let resources = match kind.has_resources() {
        true => Some(parse_set(elements.resource, "Resource", |node| {
            let read = |node: &Node| parse_resource(kind, grammar, node);
            some(node.one_or_many().iter().map(read).collect::<Result<Vec<_>, _>>()?, PolicyError::Resource)
        })?),
        false => None,
    };
    let conditions = elements.condition.map_or(Ok(Vec::new()), |node| condition::parse(node, grammar))?;
    let statement = Statement { sid: elements.sid, effect, principals, actions, resources, conditions };
    if kind == Kind::Bucket && !statement.actions_fit_resources() {
        return Err(PolicyError::ActionResource);
    }
    if kind == Kind::Bucket && !statement.actions_carry_conditions() {
        return Err(PolicyError::ConditionAction);
    }
    Ok(statement)
}

/// A list that is not empty: an empty one after `Not` would mean everything.
fn some<T>(list: Vec<T>, refusal: PolicyError) -> Result<Vec<T>, PolicyError> {
    if list.is_empty() { Err(refusal) } else { Ok(list) }
}

fn parse_resource(kind: Kind, grammar: Grammar, node: &Node) -> Result<Template, PolicyError> {
    let text = node.text().ok_or(PolicyError::Resource)?;
    let legal = text == "*"
        || match kind {
            Kind::Bucket => text.strip_prefix("arn:aws:s3:::").is_some_and(|rest| !rest.is_empty()),
            Kind::Identity | Kind::Session | Kind::Trust => {
                text.starts_with("arn:") && text.splitn(6, ':').count() == 6
            }
        };
    if legal { Template::parse(text, grammar.variables) } else { Err(PolicyError::Resource) }
}
