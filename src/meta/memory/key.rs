//! Access keys and their policies.

use super::state::State;
use crate::limits::{ACCESS_KEYS_MAX, KEY_POLICIES_BYTES_MAX, KEY_POLICIES_MAX};
use crate::meta::{AccessKey, KeyChange, KeyPolicy, MetaError};
use crate::types::{SourceRates, Timestamp};

impl State {
    pub(super) fn add_access_key(&mut self, mut key: AccessKey) -> Result<(), MetaError> {
        let is_taken = |other: &AccessKey| other.access_key_id == key.access_key_id || other.name == key.name;
        if self.keys.values().any(is_taken) {
            return Err(MetaError::AccessKeyExists);
        }
        let (name, policies) = (key.name.clone(), key.policies.take());
        self.keys.insert(name.clone(), key);
        let attached = policies.map_or(Ok(()), |policies| self.attach_policies(&name, policies));
        if attached.is_err() {
            self.keys.remove(&name);
        }
        attached
    }

    pub(super) fn remove_access_key(&mut self, name_or_id: &str) -> Result<(), MetaError> {
        let name = self.key_name(name_or_id)?;
        self.keys.remove(&name);
        Ok(())
    }

    pub(super) fn access_keys(&self) -> Vec<AccessKey> {
        self.keys.values().take(ACCESS_KEYS_MAX as usize).cloned().collect()
    }

    pub(super) fn attach_policies(&mut self, name_or_id: &str, policies: Vec<KeyPolicy>) -> Result<(), MetaError> {
        let name = self.key_name(name_or_id)?;
        let mut all = self.keys[&name].policies.clone().unwrap_or_default();
        for policy in policies {
            all.retain(|other| other.name != policy.name);
            all.push(policy);
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let others = self.keys.values().filter(|key| key.name != name).flat_map(|key| &key.policies).flatten();
        let bodies = others.chain(&all).filter_map(|policy| policy.document.as_ref());
        if all.len() > KEY_POLICIES_MAX || bodies.map(|body| body.len() as u64).sum::<u64>() > KEY_POLICIES_BYTES_MAX {
            return Err(MetaError::TooManyKeyPolicies);
        }
        self.keys.get_mut(&name).ok_or(MetaError::NoSuchAccessKey)?.policies = Some(all);
        Ok(())
    }

    pub(super) fn detach_policies(&mut self, name_or_id: &str, names: &[String]) -> Result<(), MetaError> {
        let name = self.key_name(name_or_id)?;
        let key = self.keys.get_mut(&name).ok_or(MetaError::NoSuchAccessKey)?;
        let mut left = key.policies.clone().unwrap_or_default();
        for name in names {
            let count = left.len();
            left.retain(|policy| policy.name != *name);
            if left.len() == count {
                return Err(MetaError::NoSuchKeyPolicy);
            }
        }
        key.policies = key.policies.is_some().then_some(left);
        Ok(())
    }

    pub(super) fn limit_key(&mut self, name_or_id: &str, rates: Option<SourceRates>) -> Result<(), MetaError> {
        let name = self.key_name(name_or_id)?;
        let key = self.keys.get_mut(&name).ok_or(MetaError::NoSuchAccessKey)?;
        key.rates = rates.map(|rates| rates.over(key.rates)).unwrap_or_default();
        Ok(())
    }

    pub(super) fn change_access_key(&mut self, name_or_id: &str, change: KeyChange) -> Result<(), MetaError> {
        let name = self.key_name(name_or_id)?;
        let before = self.keys[&name].clone();
        let changed = self.change_key_of_name(&name, change);
        if changed.is_err() {
            self.keys.insert(name, before);
        }
        changed
    }

    fn change_key_of_name(&mut self, name: &str, change: KeyChange) -> Result<(), MetaError> {
        let KeyChange { detach, attach, requests, bytes, expires, secret } = change;
        self.detach_policies(name, &detach)?;
        if !attach.is_empty() {
            self.attach_policies(name, attach)?;
        }
        let key = self.keys.get_mut(name).ok_or(MetaError::NoSuchAccessKey)?;
        key.rates.requests = requests.unwrap_or(key.rates.requests);
        key.rates.bytes = bytes.unwrap_or(key.rates.bytes);
        key.expires = expires.unwrap_or(key.expires);
        if let Some(secret) = secret {
            key.secret = secret;
        }
        Ok(())
    }

    pub(super) fn note_keys_used(&mut self, used: &[(String, Timestamp)]) {
        for (id, at) in used {
            let key = self.keys.values_mut().find(|key| key.access_key_id == *id);
            if let Some(key) = key {
                key.last_used = key.last_used.max(Some(*at));
            }
        }
    }

    /// The name of the key of that name, or else of that id.
    fn key_name(&self, name_or_id: &str) -> Result<String, MetaError> {
        let by_id = || self.keys.values().find(|key| key.access_key_id == name_or_id).map(|key| key.name.clone());
        let name = if self.keys.contains_key(name_or_id) { Some(name_or_id.to_owned()) } else { by_id() };
        name.ok_or(MetaError::NoSuchAccessKey)
    }
}
