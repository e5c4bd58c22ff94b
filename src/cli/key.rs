//! `key`: access keys, straight in the metadata store. A running server sees a change within a second.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use crate::app::process::small_runtime;
use crate::app::store::{Absent, open_metadata};
use crate::cli::named::{self, owner_of};
use crate::cli::quota::{self, QuotaAction};
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::config::{format_size, rate};
use crate::identity::{
    account_id, limits_of, new_access_key, own_policy, owner_names, ready_made_names, ready_made_policy,
};
use crate::limits::{IDENTITY_POLICY_BYTES_MAX, KEY_POLICIES_BYTES_MAX, KEY_POLICIES_MAX};
use crate::meta::{AccessKey, KeyPolicy, MetaError, MetaStore};
use crate::types::{Clock as _, Rate, SourceRates, SystemClock};

/// Arguments of `key`.
#[derive(clap::Args)]
pub struct KeyArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a key and print it; random unless it is given
    Add {
        /// Unique name
        name: String,
        /// Another key, or root, whose buckets it works on; without, it owns what it creates
        #[arg(long = "for", value_name = "KEYNAME")]
        of: Option<String>,
        /// What it may do: a ready-made policy or a file with one; without, all that its owner may
        #[arg(long = "policy", value_name = "NAME|FILE")]
        policies: Vec<String>,
        /// Buckets that it is confined to
        #[arg(long = "bucket", value_name = "BUCKET")]
        buckets: Vec<String>,
        /// Access key id
        #[arg(long, value_name = "ID", requires = "secret_key")]
        access_key: Option<String>,
        /// Secret; other users of this machine can see command lines
        #[arg(long, value_name = "SECRET", requires = "access_key")]
        secret_key: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List keys, without secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a key and its policies, without its secret
    Show {
        /// Name or access key id
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Attach policies: from then on the key may do what its policies allow, and nothing else
    Attach {
        /// Name or access key id
        name: String,
        /// Ready-made policies or files with one; a file replaces the policy of its name
        #[arg(required = true, value_name = "NAME|FILE")]
        policies: Vec<String>,
    },
    /// Detach policies; a key without any left may do nothing
    Detach {
        /// Name or access key id
        name: String,
        /// Names of its policies
        #[arg(required = true, value_name = "POLICY")]
        policies: Vec<String>,
    },
    /// Limits of rates of one key, instead of those of all keys; one that is not named stays as it is
    #[command(group = clap::ArgGroup::new("rates").required(true).multiple(true))]
    Limit {
        /// Name or access key id
        name: String,
        /// Requests in a second, as 50, or with what may come at once, as 50:200
        #[arg(long, value_name = "RATE", group = "rates", value_parser = parse_requests)]
        requests: Option<Rate>,
        /// Bytes of bodies in a second, as 10MiB, or with what may come at once, as 10MiB:100MiB
        #[arg(long, value_name = "RATE", group = "rates", value_parser = parse_bytes)]
        bandwidth: Option<Rate>,
        /// Take its limits away
        #[arg(long, group = "rates", conflicts_with_all = ["requests", "bandwidth"])]
        clear: bool,
    },
    /// Remove a key
    Remove {
        /// Name or access key id
        name: String,
    },
    /// What an identity stores in all buckets, and may store at most
    Quota {
        #[command(subcommand)]
        action: QuotaAction,
    },
}

/// Does what was asked.
///
/// # Errors
/// Why it could not be done.
pub fn run(arguments: KeyArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let absent = match &arguments.action {
        Action::Add { .. } => Absent::Create,
        _ => Absent::Refuse,
    };
    let runtime = small_runtime()?;
    runtime.block_on(async {
        let meta = open_metadata(&directory, absent)?;
        act(arguments.action, &*meta).await?;
        meta.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn act(action: Action, meta: &dyn MetaStore) -> Result<(), Failure> {
    match action {
        Action::Add { name, of, policies, buckets, access_key, secret_key, json } => {
            let mut key = new_access_key(&name, access_key.zip(secret_key), SystemClock.now())?;
            if let Some(of) = of {
                key.owner = owner_of(meta, &of).await?;
            }
            key.policies = limits(&policies, &buckets)?;
            add(meta, key, json).await
        }
        Action::List { json } => list(meta, json).await,
        Action::Quota { action } => quota::of_key(action, meta).await,
        Action::Show { name, json } => show(meta, &name, json).await,
        Action::Attach { name, policies } => {
            let policies = policies.iter().map(|policy| policy_of(policy)).collect::<Result<_, _>>()?;
            meta.attach_policies(&name, policies).await.map_err(|error| explain(error, &name))
        }
        Action::Detach { name, policies } => {
            meta.detach_policies(&name, policies).await.map_err(|error| explain(error, &name))
        }
        Action::Limit { name, requests, bandwidth, clear } => {
            let rates = (!clear).then_some(SourceRates { requests, bytes: bandwidth });
            meta.limit_key(&name, rates).await.map_err(|error| explain(error, &name))
        }
        Action::Remove { name } => meta.remove_access_key(&name).await.map_err(|error| explain(error, &name)),
    }
}

fn parse_requests(text: &str) -> Result<Rate, String> {
    storable(rate::parse_requests(text)).ok_or_else(|| rate::REQUESTS.to_owned())
}

fn parse_bytes(text: &str) -> Result<Rate, String> {
    storable(rate::parse_bytes(text)).ok_or_else(|| rate::BYTES.to_owned())
}

/// The database counts in 63 bits.
fn storable(rate: Option<Rate>) -> Option<Rate> {
    rate.filter(|rate| i64::try_from(rate.per_second.max(rate.burst)).is_ok())
}

fn explain(error: MetaError, name: &str) -> Failure {
    match error {
        MetaError::NoSuchAccessKey => format!("there is no access key {name:?}").into(),
        MetaError::AccessKeyExists => format!("an access key of the name {name:?} or with that id exists").into(),
        MetaError::NoSuchKeyPolicy => format!("{name:?} lacks one of these policies; nothing was detached").into(),
        MetaError::TooManyKeyPolicies => format!(
            "a key has at most {KEY_POLICIES_MAX} policies, and those of all keys have at most \
             {KEY_POLICIES_BYTES_MAX} bytes"
        )
        .into(),
        error => error.into(),
    }
}

/// What limits a new key; `None` if nothing does.
fn limits(policies: &[String], buckets: &[String]) -> Result<Option<Vec<KeyPolicy>>, Failure> {
    let policies = policies.iter().map(|policy| policy_of(policy)).collect::<Result<Vec<_>, _>>()?;
    let buckets = buckets.iter().map(|bucket| named::parse(bucket)).collect::<Result<Vec<_>, _>>()?;
    Ok(limits_of(policies, &buckets)?)
}

/// A ready-made policy by its name, or else a file with one, which is named like the file.
fn policy_of(given: &str) -> Result<KeyPolicy, Failure> {
    if let Some(policy) = ready_made_policy(given) {
        return Ok(policy);
    }
    let path = Path::new(given);
    if !path.is_file() {
        let known = ready_made_names().join(", ");
        return Err(format!("{given:?} is neither a file nor a ready-made policy: {known}").into());
    }
    let text = read_at_most(path, IDENTITY_POLICY_BYTES_MAX)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(own_policy(&name, &text)?)
}

/// A file's text. One that is longer than `bytes_max` is cut behind that, for the parser to refuse.
fn read_at_most(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(bytes_max as u64 + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error: std::io::Error| format!("read {}: {error}", path.display()).into())
}

async fn add(meta: &dyn MetaStore, key: AccessKey, json: bool) -> Result<(), Failure> {
    let (id, secret) = (key.access_key_id.clone(), key.secret.clone());
    let mut shown = described(&key);
    let name = key.name.clone();
    meta.add_access_key(key).await.map_err(|error| explain(error, &name))?;
    // Only now: a key that is printed is stored.
    if json {
        shown["secret_access_key"] = secret.into();
        output::json(&shown);
    } else {
        output::line(&format!("access key id      {id}"));
        output::line(&format!("secret access key  {secret}"));
    }
    Ok(())
}

async fn list(meta: &dyn MetaStore, json: bool) -> Result<(), Failure> {
    let keys = meta.access_keys().await?;
    if json {
        output::json(&keys.iter().map(described).collect());
        return Ok(());
    }
    let row = |key: AccessKey| {
        let (account, policies) = (account_id(&key.owner), policy_names(&key));
        vec![key.name, key.access_key_id, account, policies, key.created.iso_millis()]
    };
    let rows: Vec<_> = keys.into_iter().map(row).collect();
    output::table(&["NAME", "ACCESS KEY ID", "ACCOUNT", "POLICIES", "CREATED"], &rows);
    Ok(())
}

/// A key without its secret and without the documents of its policies.
fn described(key: &AccessKey) -> serde_json::Value {
    let names = |policies: &Vec<KeyPolicy>| policies.iter().map(|policy| policy.name.clone()).collect::<Vec<_>>();
    serde_json::json!({
        "name": key.name,
        "access_key_id": key.access_key_id,
        "owner": key.owner.to_string(),
        "account": account_id(&key.owner),
        "policies": key.policies.as_ref().map(names),
        "requests": key.rates.requests.map(rate_json),
        "bandwidth": key.rates.bytes.map(rate_json),
        "created": key.created.iso_millis(),
        "expires": key.expires.map(|at| at.iso_millis()),
        "last_used": key.last_used.map(|at| at.iso_millis()),
    })
}

fn rate_json(Rate { per_second, burst }: Rate) -> serde_json::Value {
    serde_json::json!({ "per_second": per_second, "burst": burst })
}

/// A rate as it is given; `-` if those of all keys count.
fn rate_text(rate: Option<Rate>, number: impl Fn(u64) -> String) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{}:{}", number(rate.per_second), number(rate.burst)))
}

/// The names of what limits a key: `-` if nothing does, `none` if nothing is allowed.
fn policy_names(key: &AccessKey) -> String {
    match key.policies.as_deref() {
        None => "-".to_owned(),
        Some([]) => "none".to_owned(),
        Some(policies) => policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(","),
    }
}

async fn show(meta: &dyn MetaStore, name: &str, json: bool) -> Result<(), Failure> {
    let keys = meta.access_keys().await?;
    let by_id = || keys.iter().find(|key| key.access_key_id == name);
    let key = keys.iter().find(|key| key.name == name).or_else(by_id);
    let key = key.ok_or_else(|| explain(MetaError::NoSuchAccessKey, name))?;
    let owner = owner_names(&keys).remove(&key.owner).unwrap_or_default();
    if json {
        let document = |policy: &KeyPolicy| (policy.name.clone(), policy.document.as_deref().into());
        let documents = key.policies.as_ref().map(|policies| policies.iter().map(document).collect());
        let mut shown = described(key);
        shown["owner_name"] = owner.into();
        shown["policies"] = documents.map_or(serde_json::Value::Null, serde_json::Value::Object);
        output::json(&shown);
        return Ok(());
    }
    for (title, value) in [
        ("name", key.name.as_str()),
        ("access key id", &key.access_key_id),
        ("works for", &owner),
        ("account", &account_id(&key.owner)),
        ("owner id", &key.owner.0),
        ("created", &key.created.iso_millis()),
        ("expires", &key.expires.map_or_else(|| "never".to_owned(), |at| at.iso_millis())),
        ("last used", &key.last_used.map_or_else(|| "-".to_owned(), |at| at.iso_millis())),
        ("policies", &policy_names(key)),
        ("requests", &rate_text(key.rates.requests, |number| number.to_string())),
        ("bandwidth", &rate_text(key.rates.bytes, format_size)),
    ] {
        output::line(&format!("{title:<15}{value}"));
    }
    for policy in key.policies.iter().flatten() {
        if let Some(document) = &policy.document {
            output::line(&format!("\n{}:\n{}", policy.name, document.trim_end()));
        }
    }
    Ok(())
}
