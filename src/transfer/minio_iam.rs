//! Users, groups and service accounts of MinIO become keys. Decides what each may do; writes nothing.
//!
//! MinIO's buckets belong to the deployment, so that imported ones belong to root: every key works for root, with the
//! policies that MinIO gave it. Whoever would get more rights than in MinIO is passed over and told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::limits::KEY_POLICIES_MAX;
use crate::transfer::archive::{Account, Archive};
use crate::transfer::minio_policy::{Translated, policy_name, translate};
use crate::transfer::{Tally, TransferError};
use crate::types::Timestamp;

/// What to import.
#[derive(Clone, Debug)]
pub struct IamImport {
    /// The archive.
    pub archive: PathBuf,
    /// The name of MinIO's root user. Its service accounts may do everything, so it is not guessed.
    pub root_user: Option<String>,
    /// Whether a service account gets its session policy alone, where MinIO also bounds it by what its parent may.
    pub session_policies_alone: bool,
}

/// A key that is to be made.
pub struct PlannedKey {
    /// Its id, which is also its name.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
    /// What limits it; `None` if nothing does, as with a service account of root.
    pub policies: Option<Vec<PlannedPolicy>>,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    /// What it was: `user`, or `service account of …`.
    pub origin: String,
}

/// A policy of a key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPolicy {
    /// Its name.
    pub name: String,
    /// Its document.
    pub document: String,
}

/// What somebody may do.
#[derive(Clone)]
struct Rights {
    policies: Option<Vec<PlannedPolicy>>,
    allows_all: bool,
}

struct Planner<'a> {
    archive: Archive,
    import: &'a IamImport,
    policies: BTreeMap<String, Result<Translated, String>>,
    tally: &'a Tally,
    now: Timestamp,
}

/// Reads an archive and decides about everything in it. What is left out is noted.
///
/// # Errors
/// If the archive cannot be read.
pub fn plan_minio_iam(import: &IamImport, now: Timestamp, tally: &Tally) -> Result<Vec<PlannedKey>, TransferError> {
    let archive = Archive::read(&import.archive)?;
    let planner = Planner::new(archive, import, now, tally);
    let mut keys = planner.users();
    keys.extend(planner.accounts());
    for name in planner.archive.of_foreigners.keys() {
        tally.pass_over(format!("user {name}"), "it is of an identity provider and has no key");
    }
    Ok(keys)
}

impl<'a> Planner<'a> {
    fn new(archive: Archive, import: &'a IamImport, now: Timestamp, tally: &'a Tally) -> Self {
        let mut policies = BTreeMap::new();
        for (name, policy) in &archive.policies {
            let translated = translate(policy);
            match &translated {
                Ok(Translated { left_out, .. }) => {
                    for what in left_out {
                        tally.pass_over(format!("policy {name}"), format!("{what} is not known here and left out"));
                    }
                }
                Err(reason) => tally.fault("", format!("policy {name}"), reason.clone()),
            }
            policies.insert(name.clone(), translated);
        }
        Self { archive, import, policies, tally, now }
    }

    fn users(&self) -> Vec<PlannedKey> {
        let mut keys = Vec::new();
        for (id, user) in &self.archive.users {
            let what = format!("user {id}");
            if is_off(&user.status) {
                self.tally.pass_over(what, "it is disabled");
                continue;
            }
            match self.rights(id) {
                Ok(rights) => keys.push(PlannedKey {
                    access_key_id: id.clone(),
                    secret: Zeroizing::new(user.secret_key.clone()),
                    policies: rights.policies,
                    expires: None,
                    origin: "user".to_owned(),
                }),
                Err(reason) => self.tally.fault("", what, reason),
            }
        }
        keys
    }

    fn accounts(&self) -> Vec<PlannedKey> {
        let mut keys = Vec::new();
        for (id, account) in &self.archive.accounts {
            let what = format!("service account {id}");
            if is_off(&account.status) {
                self.tally.pass_over(what, "it is disabled");
                continue;
            }
            let expires = match end_of(account) {
                Ok(Some(end)) if end <= self.now => {
                    self.tally.pass_over(what, format!("it expired at {}", end.iso_millis()));
                    continue;
                }
                Ok(end) => end,
                Err(reason) => {
                    self.tally.fault("", what, reason);
                    continue;
                }
            };
            match self.rights_of_account(account) {
                Ok(rights) => keys.push(PlannedKey {
                    access_key_id: id.clone(),
                    secret: Zeroizing::new(account.secret_key.clone()),
                    policies: rights.policies,
                    expires,
                    origin: format!("service account of {}", account.parent),
                }),
                Err(reason) => self.tally.fault("", what, reason),
            }
        }
        keys
    }

    /// What a user may do: its own policies and those of its groups.
    fn rights(&self, user: &str) -> Result<Rights, String> {
        let mut names: Vec<&str> = self.archive.of_users.get(user).map(|own| listed(&own.policy)).unwrap_or_default();
        for (group, members) in &self.archive.groups {
            let is_member = members.members.iter().flatten().any(|member| member == user);
            if is_member && !is_off(&members.status) {
                names.extend(self.archive.of_groups.get(group).map(|of| listed(&of.policy)).unwrap_or_default());
            }
        }
        names.sort_unstable();
        names.dedup();
        let mut policies: Vec<PlannedPolicy> = Vec::new();
        let (mut allows_all, mut denies) = (false, false);
        for name in names {
            let Some(translated) = self.policies.get(name) else {
                self.tally.pass_over(format!("user {user}"), format!("its policy {name} is not in the archive"));
                continue;
            };
            let translated = translated.as_ref().map_err(|reason| format!("its policy {name}: {reason}"))?;
            if let Some(document) = &translated.document {
                let named = unused(policy_name(name), &policies);
                policies.push(PlannedPolicy { name: named, document: document.clone() });
                allows_all |= translated.allows_all;
                denies |= document.contains("\"Deny\"");
            }
        }
        match policies.len() {
            0..=KEY_POLICIES_MAX => Ok(Rights { policies: Some(policies), allows_all: allows_all && !denies }),
            many => Err(format!("it has {many} policies; a key has at most {KEY_POLICIES_MAX}")),
        }
    }

    fn rights_of_account(&self, account: &Account) -> Result<Rights, String> {
        let Account { parent, session_policy, claims, .. } = account;
        let rights = of_account(self.rights_of_parent(parent)?, parent)?;
        let own = session_policy.as_ref().filter(|policy| has_statements(policy));
        let claim = claims.as_ref().and_then(|claims| claims.get("sa-policy")).and_then(Value::as_str);
        let Some(own) = own else {
            return match claim {
                Some("embedded-policy") => Err("its policy is not in the archive".to_owned()),
                _ => Ok(rights),
            };
        };
        if !rights.allows_all && !self.import.session_policies_alone {
            let bound = "MinIO bounds it by its own policy and by those of its parent, a key here only has policies \
                that add up; `--session-policies-alone` gives it its own";
            return Err(bound.to_owned());
        }
        let translated = translate(own).map_err(|reason| format!("its own policy: {reason}"))?;
        for what in &translated.left_out {
            self.tally
                .pass_over(format!("service account of {parent}"), format!("{what} is not known here and left out"));
        }
        let document = translated.document.into_iter();
        let policies = document.map(|document| PlannedPolicy { name: "session".to_owned(), document }).collect();
        of_account(Rights { policies: Some(policies), allows_all: translated.allows_all }, parent)
    }

    fn rights_of_parent(&self, parent: &str) -> Result<Rights, String> {
        if self.import.root_user.as_deref() == Some(parent) {
            return Ok(Rights { policies: None, allows_all: true });
        }
        match self.archive.users.get(parent) {
            Some(user) if is_off(&user.status) => Err(format!("its parent {parent} is disabled")),
            Some(_) => self.rights(parent).map_err(|reason| format!("its parent {parent}: {reason}")),
            None => Err(format!(
                "its parent {parent} is no user of the archive; if it is MinIO's root user, say `--root-user {parent}`"
            )),
        }
    }
}

/// When an account ends. What never does has an end in the archive too: the start of 1970, or of year 1.
fn end_of(account: &Account) -> Result<Option<Timestamp>, String> {
    let Some(text) = account.expiration.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let end = Timestamp::parse_iso(text).ok_or_else(|| format!("its end is no time: {text:?}"))?;
    Ok(Some(end).filter(|end| end.seconds() > 0))
}

/// In MinIO a service account has the user name of its parent; a key here has its own. So the parent's is written down.
fn of_account(mut rights: Rights, parent: &str) -> Result<Rights, String> {
    for policy in rights.policies.iter_mut().flatten() {
        policy.document = policy.document.replace("${aws:username}", parent);
        if policy.document.contains("aws:username") || policy.document.contains("aws:userid") {
            return Err(format!("the policy {} asks for the name of its parent {parent}", policy.name));
        }
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "-._+@=,".contains(character);
        if !parent.chars().all(is_plain) {
            return Err(format!("its parent {parent} has a name that could mean something else in a policy"));
        }
    }
    Ok(rights)
}

fn is_off(status: &str) -> bool {
    matches!(status, "disabled" | "off")
}

fn listed(names: &str) -> Vec<&str> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn has_statements(policy: &Value) -> bool {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => !statements.is_empty(),
        Some(Value::Object(_)) => true,
        _ => false,
    }
}

/// A name that no other policy of the key has.
fn unused(name: String, policies: &[PlannedPolicy]) -> String {
    let mut unused = name.clone();
    let mut number = 2;
    while policies.iter().any(|policy| policy.name == unused) {
        let cut: String = name.chars().take(name.len().saturating_sub(3)).collect();
        unused = format!("{cut}-{number}");
        number += 1;
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::{PlannedPolicy, Rights, end_of, of_account, unused};
    use crate::transfer::archive::Account;

    fn rights(document: &str) -> Rights {
        let policies = vec![PlannedPolicy { name: "p".to_owned(), document: document.to_owned() }];
        Rights { policies: Some(policies), allows_all: false }
    }

    #[test]
    fn an_account_keeps_the_user_name_of_its_parent() {
        let kept = of_account(rights("arn:aws:s3:::home/${aws:username}/*"), "ann").ok().unwrap();
        assert_eq!(kept.policies.unwrap()[0].document, "arn:aws:s3:::home/ann/*");
        assert!(of_account(rights("{\"StringNotEquals\":{\"aws:username\":\"ann\"}}"), "ann").is_err());
        assert!(of_account(rights("arn:aws:s3:::home/${aws:username}/*"), "*").is_err());
    }

    #[test]
    fn policies_of_a_key_have_different_names() {
        let taken = rights("{}").policies.unwrap();
        assert_eq!(unused("q".to_owned(), &taken), "q");
        assert_ne!(unused("p".to_owned(), &taken), "p");
    }
    #[test]
    fn the_end_of_what_never_ends_is_the_start_of_time() {
        let end = |text: &str| {
            let account: Account = serde_json::from_value(serde_json::json!({"expiration": text})).unwrap();
            end_of(&account).map(|end| end.map(|end| end.iso_millis()))
        };
        for never in ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00", ""] {
            assert_eq!(end(never), Ok(None), "{never}");
        }
        let told = Ok(Some("2040-02-03T04:05:06.789Z".to_owned()));
        for text in ["2040-02-03T04:05:06.789123456Z", "2040-02-03T06:05:06.789+02:00"] {
            assert_eq!(end(text), told, "{text}");
        }
        assert!(end("tomorrow").is_err());
    }
}
