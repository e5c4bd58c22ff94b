//! The metadata writer.

pub(crate) use sluicegate::meta::MetaError;

mod sqlite;
