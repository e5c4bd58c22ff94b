//! `scrub`: how far the server's scrub has come, which chunks are damaged, and which objects are in them. Reads the
//! database only.

use std::process::ExitCode;

use crate::app::process::runtime;
use crate::app::store::{Absent, open_metadata};
use crate::cli::check::use_json;
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::engine::scrub_state;
use crate::limits::{CHUNK_USES_MAX, SCRUB_STEP};
use crate::meta::{ChunkUse, DamagedChunk, MetaStore};
use crate::rules::scrub::{Pass, Scrub, SmallMark};
use crate::types::Timestamp;

/// Arguments of `scrub`.
#[derive(clap::Args)]
pub struct ScrubArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows what scrub knows; exit code 1 if anything is damaged.
///
/// # Errors
/// If the database cannot be read.
pub fn run(arguments: ScrubArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let meta = open_metadata(&directory, Absent::Refuse)?;
    let is_damaged = runtime()?.block_on(async {
        let scrub = scrub_state(meta.as_ref()).await?;
        let damaged =
            if arguments.json { show_json(&scrub, meta.as_ref()).await } else { show(&scrub, meta.as_ref()).await };
        meta.close().await?;
        damaged
    })?;
    Ok(if is_damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn show(scrub: &Scrub, meta: &dyn MetaStore) -> Result<bool, Failure> {
    match &scrub.last {
        Some(last) => output::line(&format!("last pass: {}", last_text(last))),
        None => output::line("last pass: none yet"),
    }
    if let Some(pass) = &scrub.pass {
        output::line(&format!("this pass: {}", pass_text(pass)));
    }
    let mut chunks = 0;
    let mut after = None;
    loop {
        let (page, uses) = damage_page(meta, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.chunk);
        for DamagedChunk { chunk, damage } in &page {
            chunks += 1;
            output::line(&format!("chunk {chunk}: since {}: {}", damage.found.iso_millis(), damage.detail));
            for ChunkUse { bucket, key, of, .. } in uses.iter().filter(|found| found.chunk == *chunk) {
                output::line(&format!("  {bucket}/{}\t{of}", output::key(key.as_str())));
            }
        }
    }
    for mark in &scrub.small_marks {
        let SmallMark { bucket, key, found, detail, .. } = mark;
        let (of, found) = (bearer_text(mark), Timestamp(*found).iso_millis());
        output::line(&format!("{bucket}/{}\t{of}: since {found}: {detail}", output::key(key)));
    }
    let verdict = match (chunks, scrub.small_marks.len()) {
        (0, 0) => "no damage".to_owned(),
        (chunks, small) => format!(
            "{chunks} damaged chunks, {small} damaged small bodies: restore their objects from elsewhere, or delete them"
        ),
    };
    output::line(&verdict);
    Ok(chunks > 0 || !scrub.small_marks.is_empty())
}

fn bearer_text(mark: &SmallMark) -> String {
    let SmallMark { version, upload, restorable, part, .. } = mark;
    let bearer = match (upload, restorable) {
        (Some(upload), _) => format!("upload {upload}"),
        (None, Some(id)) => format!("restorable version {id}"),
        (None, None) => format!("version {version}"),
    };
    part.map_or_else(|| bearer.clone(), |part| format!("{bearer}, part {part}"))
}

fn last_text(pass: &Pass) -> String {
    let ended = pass.ended().map(|ended| ended.iso_millis()).unwrap_or_default();
    let Pass { chunks, bytes, damaged, .. } = pass;
    let started = pass.started().iso_millis();
    format!("{started} to {ended}, {chunks} chunks, {bytes} bytes, {damaged} damaged; {}", small_text(pass))
}

fn pass_text(pass: &Pass) -> String {
    let Pass { chunks, bytes, chunks_total, bytes_total, damaged, .. } = pass;
    let started = pass.started().iso_millis();
    format!(
        "since {started}, {chunks} of {chunks_total} chunks, {bytes} of {bytes_total} bytes, {damaged} damaged; {}",
        small_text(pass)
    )
}

fn small_text(pass: &Pass) -> String {
    let Pass { small_bodies, small_bytes, small_damaged, .. } = pass;
    format!("{small_bodies} small bodies, {small_bytes} bytes, {small_damaged} damaged")
}

async fn show_json(scrub: &Scrub, meta: &dyn MetaStore) -> Result<bool, Failure> {
    let mut lists = output::JsonLists::new(&["damaged_chunks", "damaged_small_bodies"]);
    let mut is_damaged = !scrub.small_marks.is_empty();
    let mut after = None;
    loop {
        let (page, uses) = damage_page(meta, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.chunk);
        is_damaged = true;
        for DamagedChunk { chunk, damage } in &page {
            let objects: Vec<_> = uses.iter().filter(|found| found.chunk == *chunk).map(use_json).collect();
            let damaged = serde_json::json!({
                "chunk": chunk.to_string(),
                "found": damage.found.iso_millis(),
                "detail": damage.detail,
                "objects": objects,
            });
            lists.entry("damaged_chunks", &damaged);
        }
    }
    for mark in &scrub.small_marks {
        let SmallMark { bucket, key, version, upload, restorable, part, found, detail, .. } = mark;
        let damaged = serde_json::json!({
            "bucket": bucket,
            "key": key,
            "version": Some(version).filter(|version| !version.is_empty()),
            "upload": upload,
            "restorable": restorable,
            "part": part,
            "found": Timestamp(*found).iso_millis(),
            "detail": detail,
        });
        lists.entry("damaged_small_bodies", &damaged);
    }
    let (last, pass) = (scrub.last.as_ref().map(pass_json), scrub.pass.as_ref().map(pass_json));
    lists.finish(&serde_json::json!({ "last_pass": last, "this_pass": pass }));
    Ok(is_damaged)
}

fn pass_json(pass: &Pass) -> serde_json::Value {
    serde_json::json!({
        "started": pass.started().iso_millis(),
        "ended": pass.ended().map(|ended| ended.iso_millis()),
        "chunks": pass.chunks,
        "bytes": pass.bytes,
        "chunks_total": pass.chunks_total,
        "bytes_total": pass.bytes_total,
        "damaged": pass.damaged,
        "small_bodies": pass.small_bodies,
        "small_bytes": pass.small_bytes,
        "small_damaged": pass.small_damaged,
    })
}

async fn damage_page(
    meta: &dyn MetaStore,
    after: Option<crate::types::ChunkId>,
) -> Result<(Vec<DamagedChunk>, Vec<ChunkUse>), Failure> {
    let page = meta.damaged_chunks(after, SCRUB_STEP).await?;
    if page.is_empty() {
        return Ok((page, Vec::new()));
    }
    let chunks = page.iter().map(|damaged| damaged.chunk).collect();
    let uses = meta.chunk_uses(chunks, CHUNK_USES_MAX).await?;
    Ok((page, uses))
}
