//! The key ring of the encryption at rest while a server runs: a new active key, and a ring that its owner changed.
//!
//! Nothing is sealed with a key before that key is on disk, and no key that something is sealed with goes out of the
//! ring. One change at a time: from the look at what is kept to the exchange of what is used.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cipher::{KeyLoss, KeyRing, SharedKeyRing};
use crate::identity::master_key::{self, KeyRingSettings, KeyRingSource, LoadKeyRingError, LoadedKeyRing};

/// The encryption keys of a running server.
pub struct EncryptionKeys {
    settings: KeyRingSettings,
    data_dir: PathBuf,
    ring: Arc<SharedKeyRing>,
    /// Where the active key came from. Held for no longer than it takes to read it.
    source: Mutex<KeyRingSource>,
    /// Held for the time of a change.
    turn: Mutex<()>,
}

/// What may be told of a key ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRingFacts {
    /// The id of the active key.
    pub active: String,
    /// The ids of all keys.
    pub ids: Vec<String>,
    /// Where the active key came from.
    pub source: KeyRingSource,
}

/// Why the key ring is as it was.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingFault {
    /// The active key is in a file of its owner's.
    #[error(
        "the active key stands in {}: add the new one there, make it active by a line `active = ID`, leave the old ones \
         in, and have the file read again",
        .0.display()
    )]
    InFile(PathBuf),
    /// The active key was given by the environment or the configuration file, which a running server cannot ask again.
    #[error(
        "the active key {id} comes from SLUICEGATE_MASTER_KEY or from master-key in the configuration file: write it under \
         its id into a file, a new one with it that a line `active = ID` names, and start the server with \
         --encryption-keys FILE"
    )]
    InEnvironment {
        /// The id under which it has to be kept.
        id: String,
    },
    /// A key would be lost that something may be encrypted with.
    #[error("the new keys are not taken, the old ones stay: {0}, and what it encrypted could not be read any more")]
    Loss(#[from] KeyLoss),
    /// The ring cannot be read or written.
    #[error("the keys stay as they are: {0}")]
    Load(#[from] LoadKeyRingError),
}

impl EncryptionKeys {
    /// The keys that were loaded at the start, from `settings` and the data directory.
    pub fn new(loaded: LoadedKeyRing, settings: KeyRingSettings, data_dir: &Path) -> Self {
        let LoadedKeyRing { ring, source } = loaded;
        let ring = Arc::new(SharedKeyRing::new(ring));
        Self { settings, data_dir: data_dir.to_owned(), ring, source: Mutex::new(source), turn: Mutex::default() }
    }

    /// The ring as those use it who seal and open.
    pub fn shared(&self) -> Arc<SharedKeyRing> {
        Arc::clone(&self.ring)
    }

    /// What may be told of the ring.
    pub fn facts(&self) -> KeyRingFacts {
        facts(&self.ring.current(), &self.source())
    }

    fn source(&self) -> MutexGuard<'_, KeyRingSource> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a new key active: random, kept in `DIR/master.key`, and used from the moment in which it is durable there.
    /// Blocks on file I/O.
    ///
    /// # Errors
    /// `InFile`, `InEnvironment` if the active key is kept elsewhere; `Loss`, `Load`.
    pub fn rotate(&self) -> Result<KeyRingFacts, KeyRingFault> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, source) = (self.ring.current(), self.source().clone());
        match &source {
            KeyRingSource::File(path) => return Err(KeyRingFault::InFile(path.clone())),
            KeyRingSource::Environment => {
                return Err(KeyRingFault::InEnvironment { id: used.active_id().unwrap_or_default().to_owned() });
            }
            KeyRingSource::DataDirectory(_) | KeyRingSource::Created(_) => {}
        }
        let next = master_key::with_new_key(&self.data_dir, &used)?;
        let facts = facts(&next, &source);
        self.ring.replace(next);
        tracing::info!(active = facts.active, keys = facts.ids.len(), "another encryption key is active");
        Ok(facts)
    }

    /// Reads the keys again from wherever they are kept, and uses them from the moment in which they are durable there.
    /// Returns the ids that are new with what is now. Blocks on file I/O.
    ///
    /// # Errors
    /// `Loss` if a key is missing that is in use, `Load`.
    pub fn reload(&self) -> Result<(KeyRingFacts, Vec<String>), KeyRingFault> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.ring.current();
        let loaded = master_key::load_settled(&self.settings, &self.data_dir)?;
        if let Some(loss) = loaded.ring.loss_from(&used) {
            return Err(loss.into());
        }
        let facts = facts(&loaded.ring, &loaded.source);
        let added: Vec<String> = facts.ids.iter().filter(|id| used.ids().all(|known| known != *id)).cloned().collect();
        *self.source() = loaded.source;
        self.ring.replace(loaded.ring);
        tracing::info!(
            active = facts.active,
            keys = facts.ids.len(),
            added = added.len(),
            "encryption keys read again"
        );
        Ok((facts, added))
    }
}

fn facts(ring: &KeyRing, source: &KeyRingSource) -> KeyRingFacts {
    KeyRingFacts {
        active: ring.active_id().unwrap_or_default().to_owned(),
        ids: ring.ids().map(str::to_owned).collect(),
        source: source.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{EncryptionKeys, KeyRingFault};
    use crate::cipher::{Holder, KeyLoss, Protection};
    use crate::identity::{KeyRingSettings, LoadKeyRingError, master_key};

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const B: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";

    fn keys(settings: KeyRingSettings, data_dir: &Path) -> EncryptionKeys {
        let loaded = master_key::load_or_create(&settings, data_dir).unwrap();
        EncryptionKeys::new(loaded, settings, data_dir)
    }

    fn in_file(path: &Path) -> KeyRingSettings {
        KeyRingSettings { file: Some(path.to_owned()), master_key: None }
    }

    #[test]
    fn rotations_at_the_same_time_lose_no_key_and_the_file_has_all_that_is_used() {
        let directory = tempfile::tempdir().unwrap();
        let keys = keys(KeyRingSettings::default(), directory.path());
        let first = keys.facts().active;
        let made: BTreeSet<String> = std::thread::scope(|scope| {
            let turns: Vec<_> = (0..8).map(|_| scope.spawn(|| keys.rotate().unwrap().active)).collect();
            turns.into_iter().map(|turn| turn.join().unwrap()).collect()
        });
        assert_eq!(made.len(), 8);
        let facts = keys.facts();
        assert!(facts.ids.len() == 9 && facts.ids.contains(&first) && made.contains(&facts.active), "{facts:?}");
        let kept = master_key::load(&KeyRingSettings::default(), directory.path()).unwrap().unwrap().ring;
        assert_eq!(kept.loss_from(&keys.shared().current()), None);
        assert_eq!(kept.active_id(), Some(facts.active.as_str()));
    }

    #[test]
    fn a_rotation_that_cannot_be_written_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let keys = keys(KeyRingSettings::default(), directory.path());
        let before = keys.facts();
        // Where the new file is to be made there is something that cannot be removed as a file.
        std::fs::create_dir(directory.path().join("master.key.new")).unwrap();
        assert!(matches!(keys.rotate(), Err(KeyRingFault::Load(LoadKeyRingError::Io(_)))));
        assert_eq!(keys.facts(), before);
    }

    #[test]
    fn a_rotation_puts_keys_back_that_somebody_took_out_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let keys = keys(KeyRingSettings::default(), directory.path());
        let sealed = keys.shared().current().seal(&Holder::Gateway).unwrap().1;
        std::fs::remove_file(directory.path().join("master.key")).unwrap();
        keys.rotate().unwrap();
        let kept = master_key::load(&KeyRingSettings::default(), directory.path()).unwrap().unwrap().ring;
        assert!(kept.open(&sealed, None).is_ok());
    }

    #[test]
    fn keys_that_are_kept_elsewhere_are_rotated_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys.txt");
        std::fs::write(&file, format!("mine = {A}\n")).unwrap();
        let told = keys(in_file(&file), directory.path()).rotate().unwrap_err().to_string();
        assert!(told.contains("keys.txt") && told.contains("active = ID"), "{told}");
        let settings = KeyRingSettings { file: None, master_key: Some(format!("env:{A}").into()) };
        let told = keys(settings, directory.path()).rotate().unwrap_err().to_string();
        assert!(told.contains("the active key env ") && told.contains("--encryption-keys"), "{told}");
        assert!(!directory.path().join("master.key").exists());
    }

    #[test]
    fn a_file_that_its_owner_changed_is_taken_unless_a_key_would_be_lost() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys.txt");
        std::fs::write(&file, format!("old = {A}\n")).unwrap();
        let keys = keys(in_file(&file), directory.path());
        let sealed = keys.shared().current().seal(&Holder::Gateway).unwrap().1;
        std::fs::write(&file, format!("active = new\nold = {A}\nnew = {B}\n")).unwrap();
        let (facts, added) = keys.reload().unwrap();
        assert_eq!((facts.active.as_str(), added), ("new", vec!["new".to_owned()]));
        let ring = keys.shared().current();
        assert!(ring.open(&sealed, None).is_ok());
        assert_eq!(ring.protection(&Holder::Gateway), Ok(Protection::Gateway { key: "new".to_owned() }));
        for (text, loss) in [
            (format!("new = {B}\n"), KeyLoss::Gone("old".to_owned())),
            (format!("old = {B}\nnew = {B}\n"), KeyLoss::Changed("old".to_owned())),
        ] {
            std::fs::write(&file, text).unwrap();
            let Err(KeyRingFault::Loss(told)) = keys.reload() else { panic!("{loss}") };
            assert_eq!(told, loss);
        }
        std::fs::write(&file, "new = hunter2").unwrap();
        let told = keys.reload().unwrap_err().to_string();
        assert!(told.contains("keys.txt: line 1: ") && !told.contains("hunter2"), "{told}");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(keys.reload(), Err(KeyRingFault::Load(LoadKeyRingError::Missing(_)))));
        std::fs::create_dir(&file).unwrap();
        assert!(matches!(keys.reload(), Err(KeyRingFault::Load(LoadKeyRingError::Io(_)))));
        assert_eq!(keys.facts(), facts, "whatever was wrong, the keys stay");
    }
}
