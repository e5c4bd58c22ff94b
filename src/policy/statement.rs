//! One statement: whom it speaks of, what it allows or denies, and when.

use std::collections::HashSet;

use crate::policy::action::{ACTIONS, ActionPattern, On};
use crate::policy::condition::Condition;
use crate::policy::effect::Effect;
use crate::policy::principal::{Naming, Principals};
use crate::policy::request::Facts;
use crate::policy::text::{Pattern, Template};

/// An element that has an opposite, as `Action` has `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Set<T> {
    These(T),
    AllBut(T),
}

impl<T> Set<T> {
    pub(super) fn named(&self) -> &T {
        match self {
            Self::These(named) | Self::AllBut(named) => named,
        }
    }
}

/// One statement of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    /// `None` in kinds of documents that are attached to a principal.
    pub(super) principals: Option<Set<Principals>>,
    pub(super) actions: Set<Vec<ActionPattern>>,
    /// `None` in trust policies: the resource is the role itself.
    pub(super) resources: Option<Set<Vec<Template>>>,
    pub(super) conditions: Vec<Condition>,
}

impl Statement {
    /// Whether this speaks of the request, and how directly it names the principal.
    pub(super) fn applies(&self, facts: &Facts<'_>) -> Option<Naming> {
        let naming = self.names(facts)?;
        let applies = self.covers_action(&facts.action)
            && self.covers_resource(facts)
            && self.conditions.iter().all(|condition| condition.holds(facts, self.effect));
        applies.then_some(naming)
    }

    fn names(&self, facts: &Facts<'_>) -> Option<Naming> {
        match &self.principals {
            None => Some(Naming::Identity),
            Some(Set::These(principals)) => principals.name(&facts.request.principal),
            // Who is spared must be named himself; that his account is named does not spare him.
            Some(Set::AllBut(principals)) => {
                let spared = principals.name(&facts.request.principal).is_some_and(|naming| naming > Naming::Account);
                (!spared).then_some(Naming::Everyone)
            }
        }
    }

    /// Whether this speaks of an action, given in lower case.
    pub(super) fn covers_action(&self, action: &str) -> bool {
        let any = |patterns: &[ActionPattern]| patterns.iter().any(|pattern| pattern.matches(action));
        match &self.actions {
            Set::These(patterns) => any(patterns),
            Set::AllBut(patterns) => !any(patterns),
        }
    }

    /// A resource whose variables have no value is none. In `NotResource` that must not widen an `Allow`.
    fn covers_resource(&self, facts: &Facts<'_>) -> bool {
        let matches = |template: &Template| template.pattern(facts).map(|pattern| pattern.matches(&facts.arn));
        match &self.resources {
            None => true,
            Some(Set::These(templates)) => templates.iter().any(|template| matches(template) == Some(true)),
            Some(Set::AllBut(templates)) => {
                !templates.iter().any(|template| matches(template).unwrap_or(self.effect == Effect::Allow))
            }
        }
    }

    /// Whether each action can act on one of the resources, as far as the table of actions says. Elements with `Not`
    /// are about everything else, and are not judged.
    pub(super) fn actions_fit_resources(&self) -> bool {
        let (Set::These(actions), Some(Set::These(resources))) = (&self.actions, &self.resources) else { return true };
        let bucket = resources.iter().any(|resource| resource.split_at_slash().1.is_none());
        let object = resources.iter().any(|resource| {
            let (before, after) = resource.split_at_slash();
            after.is_some() || before.may_hold_slash()
        });
        let fits = |on: On| match on {
            On::Bucket => bucket,
            On::Object => object,
            On::Other => true,
        };
        actions.iter().all(|action| {
            let mut known = action.known().peekable();
            known.peek().is_none() || known.any(|(_, on)| fits(*on))
        })
    }

    /// Whether each condition's key is carried by one of the actions.
    pub(super) fn actions_carry_conditions(&self) -> bool {
        if self.conditions.iter().all(|condition| condition.carriers.is_empty()) {
            return true;
        }
        // Once for all conditions: a long document must not cost the product of its parts.
        let names = ACTIONS.iter().filter(|(name, _)| self.covers_action(name));
        let covered: HashSet<&str> = names.filter_map(|(name, _)| name.strip_prefix("s3:")).collect();
        let carried = |carriers: &[&str]| carriers.is_empty() || carriers.iter().any(|name| covered.contains(name));
        self.conditions.iter().all(|condition| carried(condition.carriers))
    }

    /// Single-character wildcards in all that is matched against what a client sends.
    pub(super) fn single_wildcards(&self) -> usize {
        let resources = self.resources.iter().flat_map(|resources| resources.named());
        let values = self.conditions.iter().flat_map(|condition| &condition.values);
        resources.chain(values).map(Template::single_wildcards).sum()
    }

    /// Whether each resource may lie in the bucket.
    pub(super) fn stays_in(&self, bucket: &str) -> bool {
        let arn = format!("arn:aws:s3:::{bucket}");
        let Some(resources) = &self.resources else { return true };
        resources.named().iter().all(|resource| {
            let (before, _): (Pattern, _) = resource.split_at_slash();
            before.matches(&arn) || (before.may_hold_slash() && before.matches(&format!("{arn}/")))
        })
    }

    /// Whether this, asked about an action in lower case, asks for a key that begins so.
    pub(super) fn mentions(&self, action: &str, prefix: &str) -> bool {
        let in_resources = || {
            let templates = self.resources.iter().flat_map(|resources| resources.named());
            templates.flat_map(Template::variables).any(|key| key.starts_with(prefix))
        };
        self.covers_action(action)
            && (self.conditions.iter().any(|condition| condition.mentions(prefix)) || in_resources())
    }
}
