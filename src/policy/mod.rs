//! The policy language of IAM: documents in, a verdict with its reason out. Pure: no storage, no HTTP, no clock.
//!
//! - [`Document::parse`] reads a bucket, identity, session or trust policy and refuses what AWS refuses: a typing error
//!   in a policy must not become a hole.
//! - [`decide()`] combines everything that speaks of a request; its header has the table. [`evaluate`] asks documents
//!   alone, as trust policies need it.
//! - [`Document::is_public`] is what GetBucketPolicyStatus and Block Public Access mean by public.
//! - [`builtin()`] has the ready-made policies for keys of backup programs.
//!
//! Names of condition keys have one normal form: the name in lower case, what is behind its `/` as it is.

mod action;
mod builtin;
mod condition;
mod decide;
mod document;
mod effect;
mod error;
mod json;
mod key;
mod operator;
mod principal;
mod public;
mod request;
mod statement;
#[cfg(test)]
mod tests;
mod text;

pub use builtin::{ADMIN, ADMINISTER, BUILTIN_NAMES, builtin};
pub use decide::{AclGrant, BucketPolicy, Decision, Identity, Reason, Relation, Sources, decide};
pub use document::{Document, Kind, StatementName, Verdict, evaluate};
pub use effect::Effect;
pub use error::PolicyError;
pub use request::{Caller, Context, MapContext, Principal, Request, Target, Values};
