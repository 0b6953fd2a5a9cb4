//! Approvals by pull request, on kube-apiserver, Prometheus, Flux and GitHub's API. Each test plays its scenarios side by
//! side, each in a scene of its own; `AUTOPILOT_ONLY` plays those whose name contains its value.

mod broken;
mod crash;
mod decided;
mod external_edits;
mod guide;
mod play;
mod prune;
mod replay;
mod scenario;
mod unsynced;
mod walkthrough;
mod workload;

use anyhow::Result;

use play::{play, scenarios};

#[test]
fn a_controller_that_dies() -> Result<()> {
    play(scenarios![
        crash::killed_before_each_write,
        crash::killed_after_each_write,
        crash::the_answer_to_each_write_is_lost,
        crash::two_controllers_at_once_are_wasteful_and_never_wrong
    ])
}

#[test]
fn a_github_that_is_broken() -> Result<()> {
    play(scenarios![
        broken::no_refusal_of_a_look_decides_anything,
        broken::a_no_to_a_write_passes,
        broken::a_secondary_limit_is_obeyed,
        broken::a_revoked_token_is_replaced_at_run_time,
        broken::without_github_kubectl_decides_and_deletions_end,
        broken::no_pull_request_at_first
    ])
}

#[test]
fn external_edits_on_github() -> Result<()> {
    play(scenarios![
        external_edits::an_edited_file_approves_nothing_and_says_why,
        external_edits::an_edit_that_is_undone_counts_again,
        external_edits::deleting_the_branch_declines,
        external_edits::opened_again_after_a_close_it_stays_declined_and_is_told,
        external_edits::a_force_push_of_something_else_approves_nothing,
        external_edits::look_alikes_and_foreign_branches_stay_and_count_for_nothing,
        external_edits::a_moving_and_then_protected_base_is_no_obstacle
    ])
}

#[test]
fn old_files() -> Result<()> {
    play(scenarios![
        replay::a_merged_file_that_is_put_back_before_the_next_question_answers_nothing,
        replay::a_merged_file_that_is_put_back_onto_the_next_question_answers_nothing,
        replay::the_originals_own_file_on_a_pending_approval_is_inert
    ])
}

#[test]
fn decided_elsewhere() -> Result<()> {
    play(scenarios![
        decided::approved_with_kubectl_it_is_done_once_and_the_pull_request_is_told,
        decided::declined_with_kubectl_it_stays_and_the_pull_request_is_told,
        decided::a_merge_that_flux_sees_first_is_the_merge_of_who_merged
    ])
}

#[test]
fn the_guide() -> Result<()> {
    play(scenarios![
        guide::merging_approves_and_nothing_is_left_of_it,
        guide::closing_declines_and_deleting_asks_anew
    ])
}

#[test]
fn pruning() -> Result<()> {
    play(scenarios![
        prune::with_pruning,
        prune::without_pruning,
        prune::what_a_reviewer_adds_to_our_file_is_not_pruned_with_it
    ])
}

#[test]
fn merged_and_not_synced() -> Result<()> {
    play(scenarios![
        unsynced::a_merge_that_does_not_arrive_is_told_with_its_reason,
        unsynced::another_namespace_is_told,
        unsynced::a_folder_with_its_own_list_is_told_at_once,
        unsynced::flux_is_asked_to_fetch_where_that_is_wanted
    ])
}

#[test]
fn the_workload() -> Result<()> {
    play(scenarios![workload::body_and_file_name_the_workload])
}
