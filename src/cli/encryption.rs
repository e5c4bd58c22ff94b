//! `encryption`: the keys of the encryption at rest.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use http::Method;

use crate::app::process::runtime;
use crate::app::{DataLock, Session, StartError};
use crate::cli::settings::SettingsArgs;
use crate::cli::{Failure, control, output};
use crate::config::Config;
use crate::identity::{KeyRingFault, KeyRingSettings, master_key};

/// Arguments of `encryption`.
#[derive(clap::Args)]
pub struct EncryptionArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a new active key to DIR/master.key, through the server if one runs: it uses the key at once. Old keys stay
    Rotate(ActionArgs),
    /// Wrap the data keys of all SSE-S3 objects under the active key. Moves no object. Needs the server stopped; a running
    /// one is told by `control rewrap`
    Rewrap(ActionArgs),
    /// List the ids of the keys; the active one is marked
    List(ActionArgs),
}

#[derive(clap::Args)]
struct ActionArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
///
/// # Errors
/// Why it could not be done.
pub fn run(arguments: EncryptionArgs) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Rotate(ActionArgs { settings, json }) => rotate(&settings.decide()?, json),
        Action::Rewrap(ActionArgs { settings, json }) => rewrap(&settings.decide()?, json),
        Action::List(ActionArgs { settings, json }) => list(&settings.decide()?, json),
    }
}

fn rotate(config: &Config, json: bool) -> Result<ExitCode, Failure> {
    if let Some(file) = &config.encryption_keys {
        return Err(KeyRingFault::InFile(file.clone()).into());
    }
    if config.master_key.is_some() {
        let ring = master_key::load(&settings(config), &config.data_dir)?.map(|loaded| loaded.ring);
        let id = ring.and_then(|ring| ring.active_id().map(str::to_owned)).unwrap_or_default();
        return Err(KeyRingFault::InEnvironment { id }.into());
    }
    // Held until the file is written: no server may start in between and miss it, and a running one changes it itself.
    let told = match DataLock::take(&config.data_dir) {
        Ok(_lock) => {
            let id = master_key::rotate(&config.data_dir)?;
            let told =
                format!("{id} is active from the next start on; then `control rewrap` moves SSE-S3 objects to it");
            (serde_json::json!({ "active": id }), told)
        }
        Err(StartError::InUse { .. }) => {
            let answer = control::tell(&config.data_dir, Method::POST, "/v1/encryption/rotate", None)?;
            let told = control::rotated(&answer);
            (answer, told)
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        output::json(&told.0);
    } else {
        output::line(&told.1);
    }
    Ok(ExitCode::SUCCESS)
}

fn rewrap(config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let session = Session::open(&config.data_dir).await?;
        let done = if session.server_runs {
            Err("a server runs on this data: tell it with `sluicegate control rewrap`, or stop it first".into())
        } else {
            match master_key::load_or_create(&settings(config), &config.data_dir) {
                Ok(loaded) => {
                    let engine = session.engine.with_keys(Arc::new(loaded.ring));
                    let done = engine.rewrap().await;
                    engine.shutdown(session.epoch).await?;
                    return done.map_err(Failure::from);
                }
                Err(error) => Err(Failure::from(error)),
            }
        };
        session.engine.shutdown(session.epoch).await?;
        done
    })?;
    if json {
        let needed: serde_json::Map<_, _> =
            done.needed.iter().map(|(id, count)| (id.clone(), (*count).into())).collect();
        output::json(&serde_json::json!({
            "rewrapped": done.rewrapped,
            "versions": done.versions,
            "needed": needed,
            "damaged": done.damaged,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{} of {} versions wrapped anew", done.rewrapped, done.versions));
    for (id, count) in &done.needed {
        output::line(&format!("{count} versions and uploads still need the key {id}: keep it"));
    }
    if done.damaged > 0 {
        output::line(&format!("no key opens the envelopes of {} versions and uploads", done.damaged));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let ring = master_key::load_or_create(&settings(config), &config.data_dir)?.ring;
    if json {
        let keys = ring.ids().map(|id| serde_json::json!({ "id": id, "active": ring.active_id() == Some(id) }));
        output::json(&keys.collect());
        return Ok(ExitCode::SUCCESS);
    }
    for id in ring.ids() {
        let mark = if ring.active_id() == Some(id) { " (active)" } else { "" };
        output::line(&format!("{id}{mark}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(config: &Config) -> KeyRingSettings {
    let master_key = config.master_key.as_ref().map(|key| key.0.clone());
    KeyRingSettings { file: config.encryption_keys.clone(), master_key }
}
