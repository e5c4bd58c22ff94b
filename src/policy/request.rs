//! What is asked: an action on a resource by a principal, and what else the request says of itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::policy::text::{Lookup, normal_key};
use crate::types::Timestamp;

/// Condition key of ours, `true` or `false`: whether the request replaces an object that exists. Only `s3:PutObject`
/// carries it. Nobody knows the answer before the commit, so a decision that depends on it says
/// `Decision::requires_absent`.
pub(super) const OVERWRITES_OBJECT: &str = "sluicegate:overwritesobject";
/// Condition key of ours: the key behind its last `/`. Unlike a pattern of a resource it can tell `locks/x` from
/// `locks/a/x`.
pub(super) const KEY_NAME: &str = "sluicegate:keyname";
/// Condition key of ours: what is between the last two `/` of the key; the beginning of the key counts as one.
/// Absent if the key has no `/`.
pub(super) const KEY_FOLDER: &str = "sluicegate:keyfolder";

/// Values of one condition key; empty if the request does not have it.
pub type Values<'a> = Vec<Cow<'a, str>>;

/// What a request says of itself beyond its action, resource and principal.
///
/// The keys that are derived are not asked for: `aws:CurrentTime`, `aws:EpochTime`, `aws:username`, `aws:userid`,
/// `aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalType`, and `sluicegate:…`.
pub trait Context {
    /// The values of `key`: its name in lower case, a tag's key behind the `/` as it is, as
    /// `s3:existingobjecttag/Project`. Values that the client did not prove (a `Referer`) are as the client sent them.
    fn values(&self, key: &str) -> Values<'_>;
}

/// A context in memory.
#[derive(Clone, Debug, Default)]
pub struct MapContext(BTreeMap<String, Vec<String>>);

impl MapContext {
    /// Adds a value of a key, whose case does not matter.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.add(key, value);
        self
    }

    /// Adds a value of a key, whose case does not matter.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(normal_key(key)).or_default().push(value.into());
    }
}

impl Context for MapContext {
    fn values(&self, key: &str) -> Values<'_> {
        self.0.get(key).into_iter().flatten().map(|value| Cow::Borrowed(value.as_str())).collect()
    }
}

/// What a request acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// No bucket: ListBuckets.
    Service,
    /// A bucket, which need not exist.
    Bucket(&'a str),
    /// A key in a bucket.
    Object {
        /// The bucket.
        bucket: &'a str,
        /// The key.
        key: &'a str,
    },
    /// A thing of another service by its ARN, as the role of `sts:AssumeRole`.
    Arn(&'a str),
}

impl Target<'_> {
    /// The ARN that patterns of resources are compared with.
    pub(super) fn arn(&self) -> String {
        match self {
            Self::Service => "arn:aws:s3:::".to_owned(),
            Self::Bucket(bucket) => format!("arn:aws:s3:::{bucket}"),
            Self::Object { bucket, key } => format!("arn:aws:s3:::{bucket}/{key}"),
            Self::Arn(arn) => (*arn).to_owned(),
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// Nobody known.
    Anonymous,
    /// Somebody in an account.
    Known {
        /// Id of the account, as `arn:aws:iam::ID:root` names it.
        account: &'a str,
        /// Canonical id of the account.
        canonical_id: &'a str,
        /// Who in the account.
        caller: Caller<'a>,
    },
}

/// Who in an account asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// The account itself.
    Root,
    /// A user by name, with its path if it has one.
    User {
        /// The name, as `aws:username` shows it.
        name: &'a str,
        /// The unique id, as `aws:userid` shows it.
        id: &'a str,
    },
    /// A session of a role.
    Session {
        /// The role's name.
        role: &'a str,
        /// The role's unique id.
        role_id: &'a str,
        /// The session's name.
        session: &'a str,
    },
    /// A session of a user, by GetFederationToken.
    Federated {
        /// The name that the user gave it.
        name: &'a str,
    },
}

impl Principal<'_> {
    /// The ARN of a known principal.
    pub fn arn(&self) -> Option<String> {
        let Self::Known { account, caller, .. } = self else { return None };
        Some(match caller {
            Caller::Root => format!("arn:aws:iam::{account}:root"),
            Caller::User { name, .. } => format!("arn:aws:iam::{account}:user/{name}"),
            Caller::Session { role, session, .. } => format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            Caller::Federated { name } => format!("arn:aws:sts::{account}:federated-user/{name}"),
        })
    }

    fn value(&self, key: &str) -> Option<String> {
        let Self::Known { account, caller, .. } = self else {
            return match key {
                "aws:principaltype" => Some("Anonymous".to_owned()),
                "aws:userid" => Some("anonymous".to_owned()),
                _ => None,
            };
        };
        match (key, caller) {
            ("aws:principalaccount", _) => Some((*account).to_owned()),
            ("aws:principaltype", Caller::Root) => Some("Account".to_owned()),
            ("aws:principaltype", Caller::User { .. }) => Some("User".to_owned()),
            ("aws:principaltype", Caller::Session { .. }) => Some("AssumedRole".to_owned()),
            ("aws:principaltype", Caller::Federated { .. }) => Some("FederatedUser".to_owned()),
            // A session's ARN in conditions is its role's.
            ("aws:principalarn", Caller::Session { role, .. }) => Some(format!("arn:aws:iam::{account}:role/{role}")),
            ("aws:principalarn", _) => self.arn(),
            ("aws:userid", Caller::Root) => Some((*account).to_owned()),
            ("aws:userid", Caller::User { id, .. }) => Some((*id).to_owned()),
            ("aws:userid", Caller::Session { role_id, session, .. }) => Some(format!("{role_id}:{session}")),
            ("aws:userid", Caller::Federated { name }) => Some(format!("{account}:{name}")),
            ("aws:username", Caller::User { name, .. }) => {
                Some(name.rsplit_once('/').map_or(*name, |(_, name)| name).to_owned())
            }
            _ => None,
        }
    }
}

/// One question to the policies.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The action, as `s3:GetObject`.
    pub action: &'a str,
    /// What it acts on.
    pub target: Target<'a>,
    /// Who asks.
    pub principal: Principal<'a>,
    /// When.
    pub now: Timestamp,
    /// What else the request says of itself.
    pub context: &'a dyn Context,
}

/// A request made ready to be compared, under one assumption about what it overwrites.
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request<'a>,
    /// The action in lower case.
    pub(super) action: String,
    /// The resource's ARN.
    pub(super) arn: String,
    overwrites: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn new(request: &'a Request<'a>, overwrites: bool) -> Self {
        Self { request, action: request.action.to_ascii_lowercase(), arn: request.target.arn(), overwrites }
    }

    /// The values of a condition key in its normal form.
    pub(super) fn values(&self, key: &str) -> Values<'a> {
        let derived = match key {
            "aws:currenttime" => Some(self.request.now.iso_millis()),
            "aws:epochtime" => Some(self.request.now.seconds().to_string()),
            "aws:username" | "aws:userid" | "aws:principalarn" | "aws:principalaccount" | "aws:principaltype" => {
                self.request.principal.value(key)
            }
            OVERWRITES_OBJECT => (self.action == "s3:putobject").then(|| self.overwrites.to_string()),
            KEY_NAME | KEY_FOLDER => self.key_part(key),
            _ => return self.request.context.values(key),
        };
        derived.into_iter().map(Cow::Owned).collect()
    }

    fn key_part(&self, part: &str) -> Option<String> {
        let Target::Object { key, .. } = self.request.target else { return None };
        let (folders, name) = key.rsplit_once('/').map_or((None, key), |(folders, name)| (Some(folders), name));
        if part == KEY_NAME {
            return Some(name.to_owned());
        }
        folders.map(|folders| folders.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

impl Lookup for Facts<'_> {
    fn variable(&self, key: &str) -> Option<String> {
        let mut values = self.values(key);
        if values.len() == 1 { values.pop().map(Cow::into_owned) } else { None }
    }
}
