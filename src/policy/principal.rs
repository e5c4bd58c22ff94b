//! `Principal` and `NotPrincipal`: whom a statement of a bucket or trust policy speaks of.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal"; Amazon S3 User Guide, "Principals for bucket
//! policies". Services and federated identities are legal words that nobody here can be.

use crate::policy::PolicyError;
use crate::policy::json::Node;
use crate::policy::request::{Caller, Principal};

/// How directly a statement names a principal; the later, the more directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// By its account, which leaves it to the account whom of its users it trusts.
    Account,
    /// As one of everybody.
    Everyone,
    /// By the ARN of its user, its role, or its root.
    Identity,
    /// By the ARN of its session.
    Session,
}

/// The principals of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Principals(Vec<Named>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Everyone,
    /// An account by id, ARN or canonical id.
    Account(String),
    /// Of any account if it is empty.
    User {
        account: String,
        name: String,
    },
    Role {
        account: String,
        name: String,
    },
    Session {
        account: String,
        role: String,
        session: String,
    },
    Federated {
        account: String,
        name: String,
    },
    /// Nobody who can ask here.
    Nobody,
}

impl Principals {
    /// Reads the element's value.
    pub(super) fn parse(node: &Node) -> Result<Self, PolicyError> {
        if node.text() == Some("*") {
            return Ok(Self(vec![Named::Everyone]));
        }
        let Node::Object(kinds) = node else { return Err(PolicyError::Principal) };
        let mut named = Vec::new();
        for (kind, values) in kinds {
            for value in values.one_or_many() {
                let text = value.text().filter(|text| !text.is_empty()).ok_or(PolicyError::Principal)?;
                named.push(match kind.as_str() {
                    "AWS" => parse_aws(text)?,
                    "CanonicalUser" if is_canonical_id(text) => Named::Account(text.to_owned()),
                    "Service" | "Federated" => Named::Nobody,
                    _ => return Err(PolicyError::Principal),
                });
            }
        }
        if named.is_empty() { Err(PolicyError::Principal) } else { Ok(Self(named)) }
    }

    /// The most direct way in which this names `principal`.
    pub(super) fn name(&self, principal: &Principal<'_>) -> Option<Naming> {
        self.0.iter().filter_map(|named| named.name(principal)).max()
    }

    /// Whether this speaks of everybody.
    pub(super) fn is_everyone(&self) -> bool {
        self.0.contains(&Named::Everyone)
    }
}

impl Named {
    fn name(&self, principal: &Principal<'_>) -> Option<Naming> {
        if *self == Self::Everyone {
            return Some(Naming::Everyone);
        }
        let Principal::Known { account, canonical_id, caller } = principal else { return None };
        let same = |of: &str| of == *account || of == *canonical_id;
        let any_or_same = |of: &str| of.is_empty() || same(of);
        match (self, caller) {
            (Self::Account(of), Caller::Root) if same(of) => Some(Naming::Identity),
            (Self::Account(of), _) if same(of) => Some(Naming::Account),
            (Self::User { account, name }, Caller::User { name: is, .. }) if any_or_same(account) && name == is => {
                Some(Naming::Identity)
            }
            (Self::Role { account, name }, Caller::Session { role, .. })
                if any_or_same(account) && last_segment(name) == last_segment(role) =>
            {
                Some(Naming::Identity)
            }
            (Self::Session { account, role, session }, Caller::Session { role: of, session: is, .. })
                if any_or_same(account) && role == last_segment(of) && session == is =>
            {
                Some(Naming::Session)
            }
            (Self::Federated { account, name }, Caller::Federated { name: is })
                if any_or_same(account) && name == is =>
            {
                Some(Naming::Session)
            }
            _ => None,
        }
    }
}

/// A name without its path.
fn last_segment(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, last)| last)
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_canonical_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parse_aws(text: &str) -> Result<Named, PolicyError> {
    if text == "*" {
        return Ok(Named::Everyone);
    }
    if is_account_id(text) || is_canonical_id(text) {
        return Ok(Named::Account(text.to_owned()));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", _, service @ ("iam" | "sts"), "", account, resource] = parts[..] else {
        return Err(PolicyError::Principal);
    };
    // A pattern would name people whom its author has never heard of; AWS refuses it too.
    if text.contains(['*', '?', '$', ' ']) {
        return Err(PolicyError::Principal);
    }
    let account = account.to_owned();
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let name = name.to_owned();
    match (service, kind) {
        ("iam", "root") if name.is_empty() && !account.is_empty() => Ok(Named::Account(account)),
        ("iam", "user") if !name.is_empty() => Ok(Named::User { account, name }),
        ("iam", "role") if !name.is_empty() => Ok(Named::Role { account, name }),
        ("sts", "federated-user") if !name.is_empty() => Ok(Named::Federated { account, name }),
        ("sts", "assumed-role") => match name.split_once('/') {
            Some((role, session)) if !role.is_empty() && !session.is_empty() => {
                Ok(Named::Session { account, role: role.to_owned(), session: session.to_owned() })
            }
            Some(_) | None => Err(PolicyError::Principal),
        },
        _ => Err(PolicyError::Principal),
    }
}

#[cfg(test)]
mod tests {
    use super::{Naming, Principals};
    use crate::policy::json::Node;
    use crate::policy::request::{Caller, Principal};

    const CANONICAL: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn parse(json: &str) -> Option<Principals> {
        Principals::parse(&Node::parse(json.as_bytes()).unwrap()).ok()
    }

    #[test]
    fn principals_are_named_as_directly_as_the_document_says() {
        let known = |caller| Principal::Known { account: "111122223333", canonical_id: CANONICAL, caller };
        let root = known(Caller::Root);
        let ann = known(Caller::User { name: "ann", id: "AIDA1" });
        let session = known(Caller::Session { role: "ops", role_id: "AROA1", session: "s1" });
        let canonical = format!(r#"{{"CanonicalUser":"{CANONICAL}"}}"#);
        let (account, everyone, identity) = (Some(Naming::Account), Some(Naming::Everyone), Some(Naming::Identity));
        let table = [
            // What the document says; how it names nobody, root, the user and the session.
            (r#""*""#, [everyone; 4]),
            (r#"{"AWS":["*"]}"#, [everyone; 4]),
            (r#"{"AWS":"111122223333"}"#, [None, identity, account, account]),
            (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, [None, identity, account, account]),
            (canonical.as_str(), [None, identity, account, account]),
            (r#"{"AWS":"arn:aws:iam::s3tenant1:root"}"#, [None; 4]),
            (r#"{"AWS":"arn:aws:iam::111122223333:user/ann"}"#, [None, None, identity, None]),
            (r#"{"AWS":"arn:aws:iam:::user/ann"}"#, [None, None, identity, None]),
            (r#"{"AWS":"arn:aws:iam::999922223333:user/ann"}"#, [None; 4]),
            (r#"{"AWS":"arn:aws:iam::111122223333:role/ops"}"#, [None, None, None, identity]),
            (r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/ops/s1"}"#, [None, None, None, Some(Naming::Session)]),
            (r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/ops/s2"}"#, [None; 4]),
            (r#"{"AWS":["111122223333","arn:aws:iam:::user/ann"]}"#, [None, identity, identity, account]),
            (r#"{"Service":"logging.s3.amazonaws.com","Federated":"x"}"#, [None; 4]),
        ];
        for (json, expected) in table {
            let principals = parse(json).unwrap_or_else(|| panic!("{json}"));
            let named = [Principal::Anonymous, root, ann, session].map(|principal| principals.name(&principal));
            assert_eq!(named, expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        for json in [
            r#""ann""#,
            r#"{"AWS":"ann"}"#,
            r#"{"AWS":""}"#,
            r#"{"AWS":[]}"#,
            "{}",
            "null",
            r#"["*"]"#,
            r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
            r#"{"AWS":"arn:aws:iam::111122223333:user/"}"#,
            r#"{"AWS":"arn:aws:iam:::root"}"#,
            r#"{"AWS":"arn:aws:s3:::bucket"}"#,
            r#"{"AWS":{"a":"b"}}"#,
            r#"{"CanonicalUser":"ann"}"#,
            r#"{"User":"*"}"#,
        ] {
            assert!(parse(json).is_none(), "{json}");
        }
    }
}
