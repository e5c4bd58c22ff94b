//! The keys of the encryption at rest: which there are, another active one, and those that their owner changed. Never
//! what they are.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::answer::{Fault, Outcome, ok};
use crate::admin::shared::Shared;
use crate::identity::{KeyRingFacts, KeyRingFault, KeyRingSource, LoadKeyRingError};

/// Which keys there are.
pub(crate) fn show(admin: &Shared) -> Outcome {
    ok(&described(&admin.parts.encryption.facts()))
}

/// Makes a new key active. A client that goes away does not stop it.
pub(crate) async fn rotate(admin: Arc<Shared>) -> Outcome {
    let keys = Arc::clone(&admin.parts.encryption);
    let rotated = tokio::task::spawn_blocking(move || keys.rotate()).await.map_err(|error| Fault::internal(&error))?;
    ok(&described(&rotated?))
}

/// Reads the keys again from where they are kept.
pub(crate) async fn reload(admin: Arc<Shared>) -> Outcome {
    let keys = Arc::clone(&admin.parts.encryption);
    let read = tokio::task::spawn_blocking(move || keys.reload()).await.map_err(|error| Fault::internal(&error))?;
    let (facts, added) = read?;
    let mut answer = described(&facts);
    answer["added"] = added.into();
    ok(&answer)
}

fn described(facts: &KeyRingFacts) -> Value {
    let (source, file) = match &facts.source {
        KeyRingSource::File(path) => ("file", Some(path)),
        KeyRingSource::Environment => ("environment", None),
        KeyRingSource::DataDirectory(path) | KeyRingSource::Created(path) => ("data-directory", Some(path)),
    };
    json!({
        "active": facts.active,
        "keys": facts.ids,
        "source": source,
        "file": file.map(|path| path.display().to_string()),
    })
}

impl From<KeyRingFault> for Fault {
    fn from(fault: KeyRingFault) -> Self {
        let text = format!("{fault}.");
        let word = match fault {
            KeyRingFault::InFile(_) | KeyRingFault::InEnvironment { .. } => "kept-elsewhere",
            KeyRingFault::Loss(_) => "key-lost",
            KeyRingFault::Load(LoadKeyRingError::Full(_)) => "too-many-keys",
            KeyRingFault::Load(_) => "bad-keys",
        };
        Self::conflict(word, sentence(&text))
    }
}

/// The text with a capital letter.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
