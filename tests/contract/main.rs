//! The store contract: what every store must do, as the same cases on each of them.
//!
//! * `memory`: the reference in memory
//! * `dynoxide`: DynamoDB's adapter on an in-process DynamoDB
//! * `external`: the same on another one: the local AWS stack that `PORTAL_STACK_FILE` describes, or whatever answers
//!   at `PORTAL_CONTRACT_ENDPOINT` (DynamoDB Local, or AWS itself with the credentials of the environment)
//!
//! Every case has a store, or a table, of its own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the failure")]

mod backend;
mod bill;
mod cases;
mod counts;
mod dynamo;
mod growth;
mod large;
mod scale;
mod story;
#[path = "../common/table.rs"]
mod table;

/// Makes a test of each case for the store that `$start` starts; `None` from it skips them.
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
                profiles_read_back invitations_read_back deliveries_read_back words_of_ses_read_back endings_read_back accounts_read_back choices_read_back
                links_read_back requests_read_back;
            versions:
                a_stale_version_writes_nothing a_stale_fence_writes_nothing a_patient_is_begun_once
                a_repeated_commit_recognises_itself a_rival_is_not_taken_for_a_repetition history_is_never_rewritten;
            emails:
                an_address_has_one_owner another_practice_is_never_named a_profile_keeps_its_address_from_others
                ones_own_profile_does_not_matter more_than_fifty_profiles_are_everybodys a_full_list_can_be_left
                revoking_frees_the_address another_address_swaps_the_claim a_swap_that_is_refused_changes_nothing
                the_account_keeps_and_swaps_its_address a_new_address_that_is_taken_leaves_the_account_its_own
                of_many_accounts_that_want_one_address_one_gets_it a_reinvite_looks_at_the_address_again;
            claims:
                a_queued_mail_is_claimed_once a_lease_and_its_grace_must_be_over what_is_done_is_not_claimed
                tries_run_out an_opted_out_mail_is_abandoned a_repeated_claim_recognises_itself a_claim_is_given_back
                only_the_holder_gives_a_claim_back of_many_senders_one_claims;
            calendar:
                what_is_due_comes_in_order_and_in_portions a_row_says_what_the_record_does of_many_nudges_one_wins
                an_outlived_row_is_not_nudged;
            notices:
                notices_read_back notices_are_due_at_once_and_until_they_are_gone of_many_senders_one_claims_the_notices
                a_stale_notice_writes_nothing_twice;
            links: a_link_leads_to_its_record_and_no_further a_dead_link_leads_nowhere
                a_used_link_of_a_keyed_registration_still_leads_there;
            logins:
                only_the_latest_login_is_kept a_repeated_event_is_known_whatever_its_time
                who_has_no_account_logs_in_nowhere a_stale_change_takes_no_login_back;
            directory:
                the_first_letters_of_each_word_find_a_patient only_ones_own_patients_are_found
                a_date_of_birth_finds_who_was_born_on_it a_new_name_takes_the_place_of_the_old_one
                pages_follow_one_another several_words_are_looked_for_in_portions;
            timeline: a_history_comes_newest_first_in_pages a_history_is_its_patients_alone;
            sweeps:
                of_two_sweeps_at_once_each_row_is_ones a_killed_sweep_loses_nothing_and_doubles_nothing
                a_sweep_that_is_hours_late_keeps_to_the_daytime a_sweep_that_is_stopped_goes_on_in_the_next_run
                a_struck_row_is_gone_and_an_outlived_one_is_not_struck pages_go_on_after_a_row_that_is_gone;
            bulk:
                a_job_is_begun_once a_job_is_saved_by_version_and_with_its_slice slices_come_in_order_and_in_pages
                who_has_a_date_of_birth_is_found_once many_are_read_at_once
                of_many_runners_at_once_each_patient_is_ones;
            practices: a_practice_is_saved_by_version practices_are_apart;
        }
    };
}

/// The races, for stores that have real ones.
macro_rules! races {
    ($start:path) => {
        tests_of! { $start: race: of_many_invitations_to_one_address_one_wins of_many_guesses_at_once_five_are_compared; }
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
