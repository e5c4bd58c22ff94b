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
    Rotate(SettingsArgs),
    /// Wrap the data keys of all SSE-S3 objects under the active key. Moves no object. Needs the server stopped
    Rewrap(SettingsArgs),
    /// List the ids of the keys; the active one is marked
    List(SettingsArgs),
}

/// Does what was asked.
///
/// # Errors
/// Why it could not be done.
pub fn run(arguments: EncryptionArgs) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Rotate(settings) => rotate(&settings.decide()?),
        Action::Rewrap(settings) => rewrap(&settings.decide()?),
        Action::List(settings) => list(&settings.decide()?),
    }
}

fn rotate(config: &Config) -> Result<ExitCode, Failure> {
    if config.encryption_keys.is_some() || config.master_key.is_some() {
        return Err("the active key is configured: add a new one there, and keep the old one".into());
    }
    let id = master_key::rotate(&config.data_dir)?;
    output::line(&format!(
        "{id} is active from the next start on; then `encryption rewrap` moves SSE-S3 objects to it"
    ));
    Ok(ExitCode::SUCCESS)
}

fn rewrap(config: &Config) -> Result<ExitCode, Failure> {
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
    output::line(&format!("{} of {} versions wrapped anew", done.rewrapped, done.versions));
    for (id, count) in &done.needed {
        output::line(&format!("{count} versions and uploads still need the key {id}: keep it"));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(config: &Config) -> Result<ExitCode, Failure> {
    let ring = master_key::load_or_create(&settings(config), &config.data_dir)?.ring;
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
