//! `check`: every chunk against every row, both ways.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::Session;
use crate::app::process::runtime;
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::engine::check::{CheckObserver, CheckProgress, CheckStage, CheckSummary, Fault};
use crate::engine::small::SmallName;
use crate::identity::master_key;
use crate::meta::{ChunkUse, ChunkUser};
use crate::types::{BucketName, ObjectKey};

/// Arguments of `check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// File of keys for encryption at rest, to verify what is encrypted with them [default: as the server's]
    #[arg(long, env = "SLUICEGATE_ENCRYPTION_KEYS", value_name = "FILE")]
    encryption_keys: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks; exit code 1 if anything is wrong.
///
/// # Errors
/// If the check itself could not be done.
pub fn run(arguments: CheckArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let keys = master_key::load(&arguments.store.key_ring(arguments.encryption_keys)?, &directory)?;
    let keys = keys.map(|loaded| loaded.ring).unwrap_or_default();
    let runtime = runtime()?;
    let mut watcher = Watcher::new(arguments.json);
    let (summary, server_runs) = runtime.block_on(async {
        let session = Session::open(&directory).await?;
        let engine = session.engine.with_keys(Arc::new(keys));
        let summary = engine.check(&session.open, &mut watcher).await;
        // Closed in any case, or else the next start would sweep an epoch that wrote nothing.
        let closed = engine.shutdown(session.epoch).await;
        let summary = summary?;
        closed?;
        Ok::<_, Failure>((summary, session.server_runs))
    })?;
    watcher.finish(&summary, server_runs);
    Ok(if summary.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows progress on a terminal, prints faults as they are found.
struct Watcher {
    bar: ProgressBar,
    json: Option<output::JsonLists>,
}

/// Names of its lists in JSON.
const LISTS: &[&str] = &["faults"];

impl Watcher {
    fn new(json: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if json || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let form = "{bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} {msg}";
        bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, json: json.then(|| output::JsonLists::new(LISTS)) }
    }

    fn finish(self, summary: &CheckSummary, server_runs: bool) {
        self.bar.finish_and_clear();
        let CheckSummary { chunks, bytes, inline, inline_bytes, shut, files, unclaimed, faults } = *summary;
        if let Some(json) = self.json {
            json.finish(&serde_json::json!({
                "chunks": chunks,
                "bytes": bytes,
                "inline": inline,
                "inline_bytes": inline_bytes,
                "inline_without_key": shut,
                "files": files,
                "unclaimed_files": unclaimed,
                "server_runs": server_runs,
            }));
            return;
        }
        let verdict = if faults == 0 { "no faults".to_owned() } else { format!("{faults} faults") };
        output::line(&format!(
            "{verdict}: {chunks} chunks, {bytes} bytes, {files} files; {inline} small bodies, {inline_bytes} bytes"
        ));
        if shut > 0 {
            output::line(&format!("{shut} small bodies were not read: their keys, as those of SSE-C, are not here"));
        }
        if unclaimed > 0 {
            let whose = if server_runs { "uploads of the running server" } else { "the next start sweeps them" };
            output::line(&format!("{unclaimed} files belong to no object yet: {whose}"));
        }
    }
}

impl CheckObserver for Watcher {
    fn fault(&mut self, fault: Fault) {
        match &mut self.json {
            Some(json) => json.entry(LISTS[0], &fault_json(&fault)),
            None => self.bar.suspend(|| output::line(&fault.to_string())),
        }
    }

    fn progress(&mut self, progress: CheckProgress) {
        self.bar.set_length(progress.bytes_total);
        self.bar.set_position(progress.bytes_done);
        if self.bar.is_hidden() {
            return;
        }
        let CheckProgress { rows_done, rows_total, files_done, chunks_done, chunks_total, .. } = progress;
        self.bar.set_message(match progress.stage {
            CheckStage::Metadata => "the database against itself".to_owned(),
            CheckStage::SmallBodies => format!("{rows_done}/{} rows, for small bodies", rows_total.max(rows_done)),
            CheckStage::Chunks => format!("{chunks_done}/{chunks_total} chunks"),
            CheckStage::Files => format!("{files_done} files"),
        });
    }
}

fn fault_json(fault: &Fault) -> serde_json::Value {
    let (kind, chunk, objects) = match fault {
        Fault::Metadata(_) => ("metadata", None, Vec::new()),
        Fault::Chunk { chunk, uses, .. } => ("chunk", Some(chunk), uses.iter().map(use_json).collect()),
        Fault::Inline { name: SmallName { used, part }, .. } => {
            let mut object = bearer_json(&used.bucket, &used.key, used.of);
            object["part"] = (*part).into();
            ("inline", None, vec![object])
        }
        Fault::Orphan { chunk } => ("orphan", Some(chunk), Vec::new()),
    };
    let chunk = chunk.map(ToString::to_string);
    serde_json::json!({ "kind": kind, "chunk": chunk, "detail": fault.to_string(), "objects": objects })
}

/// Whose bytes are in a chunk, as JSON.
pub fn use_json(found: &ChunkUse) -> serde_json::Value {
    bearer_json(&found.bucket, &found.key, found.of)
}

fn bearer_json(bucket: &BucketName, key: &ObjectKey, of: ChunkUser) -> serde_json::Value {
    let (version, upload, restorable) = match of {
        ChunkUser::Version(version) => (Some(version.to_string()), None, None),
        ChunkUser::Upload(upload) => (None, Some(upload.to_string()), None),
        ChunkUser::Retained(id) => (None, None, Some(id)),
    };
    serde_json::json!({
        "bucket": bucket.as_str(),
        "key": key.as_str(),
        "version": version,
        "upload": upload,
        "restorable": restorable,
    })
}
