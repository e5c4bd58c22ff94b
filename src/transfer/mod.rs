//! Bringing data and keys from other servers and directories, and back into directories.
//!
//! Works as a client of S3 on both sides and knows nothing of the engine: whatever is imported goes through the same
//! door as everybody's uploads. Bodies pass in bounded pieces, and what a process holds beside them is bounded by
//! `limits::transfer`.

mod archive;
mod client;
mod copy;
mod error;
mod export_dir;
mod headers;
mod import_dir;
mod import_s3;
mod listing;
mod minio_iam;
mod minio_policy;
mod mtime;
mod payload;
mod pieces;
mod place;
mod report;
mod settings;
mod stream;
mod tree;
mod upload;
mod xml;

pub use client::{EndpointSettings, S3Client};
pub use error::TransferError;
pub use export_dir::{DirExport, export_dir};
pub use import_dir::{DirImport, import_dir};
pub use import_s3::{S3Import, import_s3};
pub use minio_iam::{IamImport, PlannedKey, PlannedPolicy, plan_minio_iam};
pub use report::{Fault, Report, Tally};
