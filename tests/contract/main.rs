//! The store contract: the same cases on every store.
//!
//! * `memory`: the in-memory store, which is the reference
//! * `dynoxide`: the DynamoDB store on an in-process DynamoDB
//! * `external`: the DynamoDB store on another DynamoDB: that of the local AWS stack that `PORTAL_STACK_FILE` describes, or
//!   that at `PORTAL_CONTRACT_ENDPOINT` (DynamoDB Local, or AWS itself with the credentials of the environment)
//!
//! Every case has its own store or table.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the failure")]

mod backend;
mod cases;
mod cost_counts;
mod counts;
mod dynamo;
mod growth;
mod large;
mod scale;
#[path = "../common/table.rs"]
mod table;
mod test_patient;

/// Makes a test of each case for the store that `$start` starts. If `$start` returns `None`, the cases are skipped.
macro_rules! tests_of {
    ($start:path: $($module:ident: $($case:ident)*;)*) => {
        $($(
            #[tokio::test]
            async fn $case() {
                if let Some(backend) = $start(stringify!($case)).await {
                    crate::cases::$module::$case(&backend).await;
                    backend.end().await;
                }
            }
        )*)*
    };
}

/// All cases.
macro_rules! contract {
    ($start:path) => {
        tests_of! { $start:
            states:
                profiles_read_back invitations_read_back deliveries_read_back late_mail_events_read_back ended_invitations_read_back accounts_read_back choices_read_back
                links_read_back requests_read_back;
            versions:
                a_stale_version_writes_nothing a_stale_fence_writes_nothing a_patient_is_created_once
                a_repeated_commit_is_recognised a_concurrent_change_is_not_mistaken_for_a_repetition an_event_is_never_overwritten;
            emails:
                an_address_has_one_owner a_holder_in_another_practice_is_never_named an_address_in_a_profile_is_in_use_in_the_same_practice_only
                the_patients_own_profile_does_not_block_the_address more_profiles_than_are_listed_are_counted profiles_can_be_removed_from_a_full_list
                revoking_frees_the_address a_reinvite_to_another_address_moves_the_claim a_refused_move_of_the_claim_changes_nothing
                an_account_keeps_its_address_until_it_is_changed an_account_keeps_its_address_if_the_new_one_is_in_use
                only_one_of_many_accounts_gets_an_address no_profile_stops_the_holder_of_an_address
                a_claim_lapses_although_its_practice_invites_again revoking_does_not_renew_a_practices_term
                a_lapsed_claim_holds_while_no_other_patient_is_invited one_mailbox_gets_ten_mails_a_day
                a_practice_that_was_told_not_me_does_not_invite_a_new_patient_there a_practice_learns_of_few_addresses_a_day;
            claims:
                a_queued_mail_is_claimed_once a_mail_is_claimed_again_only_after_lease_and_grace a_finished_mail_is_not_claimed
                a_mail_without_tries_left_is_not_claimed a_mail_of_an_opted_out_patient_is_not_claimed a_repeated_claim_is_recognised a_deferred_mail_is_claimed_again
                only_the_current_claim_can_be_deferred only_one_of_many_senders_claims_a_mail;
            calendar:
                due_entries_are_in_order_and_limited a_calendar_row_agrees_with_its_record only_one_of_many_reschedules_succeeds
                a_stale_entry_is_not_rescheduled;
            notices:
                notices_read_back notices_are_due_until_all_are_sent_or_failed only_one_of_many_senders_claims_the_notices
                a_stale_or_repeated_notice_writes_nothing;
            links: a_link_finds_only_its_record a_revoked_link_finds_no_record
                a_used_link_of_a_keyed_registration_finds_its_record;
            logins:
                only_the_latest_login_is_kept a_repeated_login_event_changes_nothing_at_any_time
                a_login_without_an_account_is_not_recorded a_stale_change_does_not_overwrite_a_login;
            directory:
                the_first_letters_of_each_word_find_a_patient only_patients_of_the_practice_are_found
                a_date_of_birth_finds_its_patients a_new_name_replaces_the_old_one
                the_pages_of_a_search_have_each_patient_once a_search_of_several_words_reads_a_limited_number_of_rows;
            timeline: a_timeline_is_paged_with_the_newest_event_first a_timeline_contains_only_events_of_its_patient;
            sweeps:
                only_one_of_two_sweeps_acts_on_an_entry a_killed_sweep_loses_and_repeats_nothing
                a_late_sweep_sends_reminders_in_the_daytime_only a_stopped_sweep_continues_in_the_next_run
                an_entry_is_unscheduled_unless_it_is_stale the_next_page_starts_after_a_row_that_was_rescheduled;
            bulk:
                a_job_is_begun_once a_job_is_saved_by_version_and_with_its_slice slices_are_paged_in_order
                each_patient_with_a_date_of_birth_is_listed_once many_records_and_addresses_are_read_in_one_call
                only_one_of_many_runs_invites_a_patient;
            practices: a_practice_is_saved_by_version practices_are_separate;
            history:
                a_practices_history_is_paged_with_the_newest_event_first a_jobs_events_are_written_with_it_or_not_at_all
                accesses_are_kept_by_patient_and_paged only_the_claim_of_an_address_leads_to_its_owner;
        }
    };
}

/// The cases with races, for stores in which calls run concurrently.
macro_rules! races {
    ($start:path) => {
        tests_of! { $start: race: only_one_of_many_invitations_gets_an_address only_five_of_many_dates_of_birth_are_compared; }
    };
}

mod memory {
    contract!(crate::backend::Memory::start);
}

mod dynoxide {
    contract!(crate::dynamo::in_process);
    races!(crate::dynamo::in_process);
}

mod external {
    contract!(crate::dynamo::external);
    races!(crate::dynamo::external);
}
