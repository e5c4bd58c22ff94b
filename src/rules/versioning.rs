//! What a write or a delete does to the versions of a key.
//!
//! Source: Amazon S3 User Guide, "How S3 Versioning works".

/// The versioning state of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Versioning {
    /// Never enabled: every key has one null version.
    #[default]
    Unversioned,
    /// Every write makes a new version.
    Enabled,
    /// Writes replace the null version; others stay.
    Suspended,
}

/// How a new version (or delete marker) is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePlan {
    /// It becomes the null version; a null version that exists is removed in the same transaction.
    ReplaceNull,
    /// It gets an id of its own; nothing is removed.
    Append,
}

impl Versioning {
    /// Where a PUT, copy or completed upload goes.
    pub fn plan_write(self) -> WritePlan {
        match self {
            Self::Unversioned | Self::Suspended => WritePlan::ReplaceNull,
            Self::Enabled => WritePlan::Append,
        }
    }

    /// Whether the answer to a write names the version that it made. S3 does so only while versioning is on; the id
    /// of a null version is shown by reads and deletes (API Reference, PutObject, "Versioning suspended").
    pub fn names_writes(self) -> bool {
        self.plan_write() == WritePlan::Append
    }

    /// Where the delete marker of a DELETE without a version goes; `None` if the null version is removed
    /// without leaving a marker.
    pub fn plan_delete(self) -> Option<WritePlan> {
        match self {
            Self::Unversioned => None,
            Self::Enabled => Some(WritePlan::Append),
            Self::Suspended => Some(WritePlan::ReplaceNull),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::Versioning::{Enabled, Suspended, Unversioned};
    use super::{Versioning, WritePlan};

    /// A version as the user guide draws it: `None` is the null version; true is a delete marker.
    type Drawn = (Option<u32>, bool);

    /// The stack of a key, newest first, and the next id.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Stack {
        versions: Vec<Drawn>,
        next: u32,
    }

    impl Stack {
        fn of(versions: &[Drawn]) -> Self {
            Self { versions: versions.to_vec(), next: 9 }
        }

        fn place(&mut self, plan: WritePlan, is_marker: bool) {
            let id = match plan {
                WritePlan::Append => Some(self.next),
                WritePlan::ReplaceNull => None,
            };
            self.next += 1;
            if id.is_none() {
                self.remove_null();
            }
            self.versions.insert(0, (id, is_marker));
        }

        fn remove_null(&mut self) {
            self.versions.retain(|(id, _)| id.is_some());
        }

        fn put(&mut self, state: Versioning) {
            self.place(state.plan_write(), false);
        }

        fn delete(&mut self, state: Versioning) {
            match state.plan_delete() {
                Some(plan) => self.place(plan, true),
                None => self.remove_null(),
            }
        }
    }

    const NULL: Drawn = (None, false);
    const NULL_MARKER: Drawn = (None, true);
    const ONE: Drawn = (Some(1), false);
    const NEW: Drawn = (Some(9), false);
    const NEW_MARKER: Drawn = (Some(9), true);

    /// Amazon S3 User Guide, "Adding objects to versioning-enabled buckets" and "Adding objects to
    /// versioning-suspended buckets".
    #[test]
    fn writes_overwrite_only_the_null_version_and_only_when_it_is_theirs() {
        let table: [(Versioning, &[Drawn], &[Drawn]); 10] = [
            (Unversioned, &[], &[NULL]),
            (Unversioned, &[NULL], &[NULL]),
            (Enabled, &[], &[NEW]),
            (Enabled, &[NULL], &[NEW, NULL]),
            (Enabled, &[ONE, NULL], &[NEW, ONE, NULL]),
            (Enabled, &[NULL_MARKER, ONE], &[NEW, NULL_MARKER, ONE]),
            (Suspended, &[ONE], &[NULL, ONE]),
            (Suspended, &[NULL, ONE], &[NULL, ONE]),
            (Suspended, &[ONE, NULL], &[NULL, ONE]),
            (Suspended, &[NULL_MARKER, ONE], &[NULL, ONE]),
        ];
        for (state, before, after) in table {
            let mut stack = Stack::of(before);
            stack.put(state);
            assert_eq!(stack.versions, after, "PUT, {state:?}, over {before:?}");
        }
    }

    /// Amazon S3 User Guide, "Deleting object versions from a versioning-enabled bucket" and "Deleting objects from
    /// versioning-suspended buckets".
    #[test]
    fn deletes_without_a_version_remove_only_the_null_version() {
        let table: [(Versioning, &[Drawn], &[Drawn]); 9] = [
            (Unversioned, &[], &[]),
            (Unversioned, &[NULL], &[]),
            (Enabled, &[], &[NEW_MARKER]),
            (Enabled, &[ONE, NULL], &[NEW_MARKER, ONE, NULL]),
            (Enabled, &[(Some(2), true), ONE], &[NEW_MARKER, (Some(2), true), ONE]),
            (Suspended, &[], &[NULL_MARKER]),
            (Suspended, &[NULL, ONE], &[NULL_MARKER, ONE]),
            (Suspended, &[ONE, NULL], &[NULL_MARKER, ONE]),
            (Suspended, &[NULL_MARKER, ONE], &[NULL_MARKER, ONE]),
        ];
        for (state, before, after) in table {
            let mut stack = Stack::of(before);
            stack.delete(state);
            assert_eq!(stack.versions, after, "DELETE, {state:?}, of {before:?}");
        }
    }

    proptest! {
        #[test]
        fn a_version_with_an_id_goes_only_by_its_id(steps in prop::collection::vec((0..3_u8, 0..2_u8), 0..40)) {
            let mut stack = Stack::default();
            let mut made = Vec::new();
            for (state, kind) in steps {
                let state = [Unversioned, Enabled, Suspended][usize::from(state)];
                if kind == 0 { stack.put(state) } else { stack.delete(state) }
                made.extend(stack.versions.first().filter(|(id, _)| id.is_some_and(|id| id + 1 == stack.next)).copied());
                assert!(made.iter().all(|version| stack.versions.contains(version)));
                assert!(stack.versions.iter().filter(|(id, _)| id.is_none()).count() <= 1);
            }
        }
    }
}
