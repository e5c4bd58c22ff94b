//! `encryption`: the keys of the encryption at rest.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use crate::app::Session;
use crate::app::process::runtime;
use crate::cli::settings::SettingsArgs;
use crate::cli::{Failure, output};
use crate::config::Config;
use crate::identity::{KeyRingSettings, master_key};

/// Arguments of `encryption`.
#[derive(clap::Args)]
pub struct EncryptionArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a new active key to DIR/master.key; a server uses it from its next start. Old keys stay
    Rotate(ActionArgs),
    /// Wrap the data keys of all SSE-S3 objects under the active key. Moves no object. Needs the server stopped
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
    if config.encryption_keys.is_some() || config.master_key.is_some() {
        return Err("the active key is configured: add a new one there, and keep the old one".into());
    }
    let id = master_key::rotate(&config.data_dir)?;
    if json {
        output::json(&serde_json::json!({ "active": id }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!(
        "{id} is active from the next start on; then `encryption rewrap` moves SSE-S3 objects to it"
    ));
    Ok(ExitCode::SUCCESS)
}

fn rewrap(config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let session = Session::open(&config.data_dir).await?;
        let done = if session.server_runs {
            Err("a server runs on this data, and may not have the new key yet: stop it first".into())
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
        output::json(&serde_json::json!({ "rewrapped": done.rewrapped, "versions": done.versions, "needed": needed }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{} of {} versions wrapped anew", done.rewrapped, done.versions));
    for (id, count) in &done.needed {
        output::line(&format!("{count} versions and uploads still need the key {id}: keep it"));
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
