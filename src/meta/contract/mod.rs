//! What every metadata store must do, stated as facts and run against each of them.
//!
//! A fact gets an empty store; when it is through, the store must verify without a fault.

mod boot;
mod bucket;
mod damage;
mod event;
mod expiry;
mod fixture;
mod garbage;
mod key;
mod listing;
mod lock;
mod model;
mod object;
mod rename;
mod small;
mod undelete;
mod upload;
mod usage;
mod version_listing;

use std::sync::Arc;

use crate::meta::{MemoryMeta, MetaError, MetaStore, SqliteMeta, SqliteSettings};

/// A store under test.
type Store = Arc<dyn MetaStore>;

async fn faults(store: &dyn MetaStore) -> Vec<String> {
    let mut faults = Vec::new();
    store.verify(&mut |fault| faults.push(fault)).await.unwrap();
    faults
}

async fn hold(store: Store, fact: impl AsyncFnOnce(Store)) {
    fact(Arc::clone(&store)).await;
    assert_eq!(faults(store.as_ref()).await, Vec::<String>::new());
    store.close().await.unwrap();
    assert!(matches!(store.access_keys().await, Err(MetaError::Closed)), "a closed store does not read");
    assert!(matches!(store.begin_epoch().await, Err(MetaError::Closed)), "a closed store does not write");
}

async fn on_memory(fact: impl AsyncFnOnce(Store)) {
    hold(Arc::new(MemoryMeta::new()), fact).await;
}

async fn on_sqlite(fact: impl AsyncFnOnce(Store)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.sqlite");
    hold(Arc::new(SqliteMeta::open(&path, SqliteSettings::default()).unwrap()), fact).await;
}

/// One test per fact and store, so that a failure names both.
macro_rules! contract {
    ($($topic:ident: $($fact:ident),+;)+) => {
        mod memory {
            $($(#[tokio::test]
            async fn $fact() {
                super::on_memory(super::$topic::$fact).await;
            })+)+
        }
        mod sqlite {
            $($(#[tokio::test]
            async fn $fact() {
                super::on_sqlite(super::$topic::$fact).await;
            })+)+
        }
    };
}

contract! {
    boot: epochs_are_numbered_once_and_crashed_ones_are_named,
        a_lease_has_one_holder_until_it_ends,
        an_epoch_that_ends_frees_its_leases,
        epochs_of_another_state_are_never_handed_out,
        the_clock_of_locks_never_goes_back,
        access_keys_are_unique_by_id_and_by_name;
    key: policies_limit_a_key_until_it_goes,
        what_is_not_there_is_not_detached,
        policies_are_bounded,
        rates_of_a_key_stay_until_they_are_taken_away,
        a_key_changes_as_a_whole_or_not_at_all,
        the_last_use_of_a_key_never_goes_back,
        the_first_secret_of_a_name_is_kept;
    bucket: a_bucket_is_found_until_it_is_deleted,
        a_bucket_with_anything_in_it_is_not_deleted,
        open_uploads_go_with_their_bucket,
        an_owner_has_a_bounded_number_of_buckets,
        buckets_are_listed_by_name_in_pages,
        versioning_is_a_property_of_one_bucket,
        an_object_lock_needs_versioning_and_stays,
        documents_are_kept_until_they_are_replaced_or_removed;
    object: a_put_is_read_back_whole,
        an_empty_body_needs_no_place,
        a_missing_bucket_refuses_every_write,
        extents_are_found_from_any_byte,
        conditions_of_a_put_are_judged_in_its_transaction,
        conditions_of_a_delete_are_judged_in_its_transaction,
        of_racing_creations_exactly_one_wins,
        a_refused_put_harms_no_neighbour,
        versions_follow_the_state_of_the_bucket,
        a_suspended_bucket_replaces_an_old_null_version,
        exactly_the_named_version_is_removed,
        shared_chunks_must_be_alive_and_long_enough,
        a_copy_shares_its_source,
        a_copy_of_a_key_onto_itself_keeps_the_body,
        a_copy_of_a_version_that_went_is_refused,
        attributes_change_while_the_version_stays,
        a_locked_version_is_hidden_but_not_removed;
    lock: a_new_version_gets_the_default_of_its_bucket,
        a_clock_that_went_back_makes_no_retention_that_has_ended,
        every_lock_is_judged_in_the_transaction;
    rename: a_rename_moves_the_row_and_nothing_else,
        a_rename_replaces_what_has_the_key,
        a_rename_judges_its_conditions,
        a_rename_needs_a_bucket_without_versions;
    listing: every_page_is_what_the_naive_model_says,
        pages_joined_are_the_whole_listing,
        only_newest_versions_that_are_no_markers_are_listed,
        a_page_of_nothing_is_empty,
        listings_say_whose_things_are,
        every_page_of_uploads_is_what_the_naive_model_says,
        pages_of_uploads_joined_are_the_whole_listing;
    upload: an_upload_is_found_until_it_ends,
        parts_are_listed_and_replaced_by_number,
        a_completed_upload_becomes_an_object_that_keeps_its_parts,
        extents_of_parts_are_found_from_any_byte,
        a_single_empty_part_is_an_object,
        the_record_of_an_object_goes_with_its_parts,
        a_completion_of_changed_parts_is_refused,
        a_completion_judges_conditions_in_its_transaction,
        a_copy_of_a_multipart_object_shares_its_parts,
        old_uploads_expire_and_old_completions_are_forgotten;
    version_listing: versions_are_listed_newest_first_in_pages_of_any_size,
        versions_fold_into_common_prefixes,
        a_null_version_that_went_hides_nothing_behind_its_marker,
        a_marker_that_was_never_made_is_no_fault,
        the_newest_that_is_left_is_the_latest;
    usage: usage_follows_every_change,
        usage_follows_uploads,
        of_racing_writes_exactly_those_within_the_quota_win,
        a_full_bucket_still_shrinks,
        somebody_elses_version_makes_no_room,
        an_admission_refuses_nothing_that_its_commit_admits;
    undelete: what_goes_stays_restorable_and_hidden,
        envelopes_of_restorable_versions_are_listed,
        restorable_versions_are_listed_in_pages,
        windows_end_and_can_be_shortened,
        restoring_loses_nothing,
        a_rename_keeps_what_it_replaces,
        a_restored_version_is_locked_like_a_new_one,
        versions_with_ids_are_removed_for_good,
        what_is_restorable_outlives_its_bucket;
    expiry: a_version_expires_only_as_it_was_judged,
        expiry_follows_versioning,
        a_locked_version_never_expires,
        a_cursor_is_kept_until_it_is_replaced;
    event: every_change_is_told_in_its_transaction,
        a_rename_is_told_as_what_came_and_what_went,
        what_lifecycle_removes_and_what_is_restored_is_told,
        versions_and_markers_are_told_with_their_ids,
        what_nobody_asked_for_and_what_was_refused_is_not_told,
        a_configuration_that_is_put_tests_each_target_once,
        a_key_waits_behind_its_first_event_and_others_do_not,
        targets_have_queues_of_their_own,
        too_many_events_are_dropped_and_counted,
        buckets_are_found_by_their_documents;
    garbage: nothing_is_left_when_everything_was_deleted,
        a_manifest_in_use_is_never_released,
        garbage_is_released_in_bounded_steps,
        chunks_are_listed_and_known;
    damage: a_chunk_is_marked_while_it_lives,
        damaged_chunks_are_listed_in_pages,
        whose_bytes_are_in_a_chunk_is_found_through_parts_and_copies,
        what_lost_its_bytes_is_dropped_unless_it_is_locked,
        no_copy_shares_a_marked_chunk,
        a_mark_stays_when_its_object_is_renamed;
    small: small_bodies_of_restorable_versions_are_read_with_their_facts,
        small_parts_are_found_in_pages_whoever_has_them,
        a_small_body_is_found_under_every_name_that_it_gets;
}
