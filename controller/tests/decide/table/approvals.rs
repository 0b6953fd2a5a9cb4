//! The question, its answers, and what is no answer.

use autopilot_controller::decide::{STALE, UNKNOWN_STATE};
use autopilot_shared::api::Outcome;

use super::{Row, Then, play_all};
use crate::event::Digest::{Current, Missing, Old};
use crate::event::Event::*;
use crate::external_edits::{MET, NOT_MET};
use crate::state_names::{ACTIVE_PENDING, AWAITING, DECLINED, IN_PROGRESS, NORMAL, TAKEN, TRIGGERED};

const ANSWERS: &[Row] = &[
    Row {
        says: "§6: the controller creates the approval pending with the digest; a quiet pair is not written",
        approval: true,
        given: &[MET, After(30), After(2), After(10), After(10)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Quiet, Then::Proposed(1)],
    },
    Row {
        says: "§3: ActionAwaitingApproval => ActiveActionsPending, read as approved (kubectl patch)",
        approval: true,
        given: &[MET, After(30), Patch("approved")],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[
            Then::Grown(1, "20Gi"),
            Then::Latched(Outcome::Approved),
            Then::SignedBy("", "kubectl", ""),
            Then::Executed("done"),
        ],
    },
    Row {
        says: "§6: the console writes user and reason in the same patch, which the latch copies",
        approval: true,
        given: &[MET, After(30), Console("declined", "jane", "too big")],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[
            Then::SignedBy("jane", "console", "too big"),
            Then::Because("declined by jane: too big; delete the approval to resume"),
        ],
    },
    Row {
        says: "§6: a file with the current digest, applied by a GitOps tool, is a decision",
        approval: true,
        given: &[MET, After(30), Apply("approved", Current)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::SignedBy("", "flux", "")],
    },
    Row {
        says: "§6: … and so it is by kubectl apply",
        approval: true,
        given: &[MET, After(30), ClientApply("declined", Current)],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::Latched(Outcome::Declined)],
    },
    Row {
        says: "§3: ActionAwaitingApproval => ActionsDeclined; then no event and no write",
        approval: true,
        given: &[
            NOT_MET,
            MET,
            After(30),
            Patch("declined"),
            After(2),
            After(10),
            After(3600),
            Restart,
            After(10),
        ],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[
            Then::Told("Transition", "ActionAwaitingApproval => ActiveActionsDeclined"),
            Then::Latched(Outcome::Declined),
            Then::NothingProposed,
            Then::Grown(0, "10Gi"),
            Then::Quiet,
        ],
    },
    Row {
        says: "§6: status is the truth: a flip after the latch changes nothing",
        approval: true,
        given: &[MET, After(30), Patch("declined"), After(2), Patch("approved"), After(10)],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::Latched(Outcome::Declined), Then::Grown(0, "10Gi"), Then::Quiet],
    },
    Row {
        says: "§6: … nor does a file",
        approval: true,
        given: &[MET, After(30), Patch("declined"), After(2), Apply("approved", Current), After(10)],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::Latched(Outcome::Declined), Then::Grown(0, "10Gi"), Then::Quiet],
    },
    Row {
        says: "§6: declined by a person stays for as long as the object is there, whatever the rule does",
        approval: true,
        given: &[
            MET,
            After(30),
            Patch("declined"),
            Percent("50"),
            Suspend(true),
            Select(false),
            NOT_MET,
            After(60),
        ],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::Latched(Outcome::Declined)],
    },
    Row {
        says: "§3: ActionsDeclined => Triggered, the declined approval is deleted: a new question",
        approval: true,
        given: &[MET, After(30), Patch("declined"), DeleteApproval, After(30)],
        path: &[TRIGGERED, AWAITING, DECLINED, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(2), Then::NoCondition],
    },
    Row {
        says: "… and the conditions do not hold any more",
        approval: true,
        given: &[MET, After(30), Patch("declined"), NOT_MET, DeleteApproval],
        path: &[TRIGGERED, AWAITING, DECLINED, NORMAL],
        then: &[Then::NoApproval],
    },
    Row {
        says: "… and the rule is suspended",
        approval: true,
        given: &[MET, After(30), Patch("declined"), Suspend(true), DeleteApproval],
        path: &[TRIGGERED, AWAITING, DECLINED, NORMAL],
        then: &[Then::NoApproval, Then::Because("suspended")],
    },
    Row {
        says: "§3: ActionAwaitingApproval => Triggered, deleted while pending: its digest never counts again",
        approval: true,
        given: &[MET, After(30), DeleteApproval, After(30)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(2)],
    },
    Row {
        says: "deleted while pending, and the conditions do not hold any more",
        approval: true,
        given: &[MET, After(30), NOT_MET, DeleteApproval],
        path: &[TRIGGERED, AWAITING, NORMAL],
        then: &[Then::NoApproval, Then::NothingProposed],
    },
    Row {
        says: "§6: an approved file on an object that is absent was proposed by nobody: inert, and reset",
        approval: true,
        given: &[MET, After(30), DeleteApproval, Apply("approved", Current), After(30), After(2), After(2)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Grown(0, "10Gi"), Then::EverLatched(Outcome::Approved, 0)],
    },
    Row {
        says: "§6: approved lives until its object is Normal again, then the controller deletes it",
        approval: true,
        given: &[MET, After(30), Patch("approved"), NOT_MET, After(299)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Executed("done")],
    },
    Row {
        says: "§6: … deletes it",
        approval: true,
        given: &[MET, After(30), Patch("approved"), NOT_MET, After(300)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::NoApproval],
    },
];

const NO_ANSWERS: &[Row] = &[
    Row {
        says: "§6: an unknown value means pending plus a condition",
        approval: true,
        given: &[MET, After(30), Patch("Approved!"), After(2), After(10)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(UNKNOWN_STATE, "Approved!"), Then::Grown(0, "10Gi"), Then::Quiet],
    },
    Row {
        says: "… and the condition goes when the word does",
        approval: true,
        given: &[MET, After(30), Patch("Approved!"), Patch("pending")],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::NoCondition],
    },
    Row {
        says: "… or when it is decided",
        approval: true,
        given: &[MET, After(30), Patch("yes"), Patch("declined")],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::NoCondition],
    },
    Row {
        says: "§6: an approved with another digest never acts and says so, naming the manager",
        approval: true,
        given: &[MET, After(30), Apply("approved", Old)],
        path: &[TRIGGERED, AWAITING],
        then: &[
            Then::Condition(STALE, "00000000deadbeef"),
            Then::Condition(STALE, "kustomize-controller"),
            Then::Told(STALE, "00000000deadbeef"),
            Then::Because("does not count"),
            Then::Asks("approved"),
            Then::WakesIn(2),
        ],
    },
    Row {
        says: "§6: … and the controller sets the object back to pending with its proposal",
        approval: true,
        given: &[MET, After(30), Apply("approved", Old), After(2), After(10)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::NoCondition, Then::Quiet, Then::Proposed(1)],
    },
    Row {
        says: "§6: … with backoff: the second time it waits for twice as long",
        approval: true,
        given: &[MET, After(30), Apply("approved", Old), After(2), Apply("approved", Old)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("approved"), Then::WakesIn(4)],
    },
    Row {
        says: "§6: a declined with another digest is inert, too",
        approval: true,
        given: &[MET, After(30), Apply("declined", Old)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "00000000deadbeef")],
    },
    Row {
        says: "§6: the original's file, without a digest, is inert",
        approval: true,
        given: &[MET, After(30), Apply("approved", Missing)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "names no proposal"), Then::Grown(0, "10Gi")],
    },
    Row {
        says: "§6: … also by client-side apply, although the annotation survives it",
        approval: true,
        given: &[MET, After(30), ClientApply("approved", Missing)],
        path: &[TRIGGERED, AWAITING],
        then: &[
            Then::Condition(STALE, "names no proposal"),
            Then::Condition(STALE, "kubectl-client-side-apply"),
        ],
    },
    Row {
        says: "§6: a reviewer who edits maxsize has not approved what was proposed",
        approval: true,
        given: &[MET, After(30), EditParams, Patch("approved")],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "not the ones that were proposed"), Then::Grown(0, "10Gi")],
    },
    Row {
        says: "§6: … nor who adds an action",
        approval: true,
        given: &[MET, After(30), AddAction, Patch("approved")],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "2 actions"), Then::Grown(0, "10Gi")],
    },
    Row {
        says: "§6: an answer to an old question, given again after the reset, counts",
        approval: true,
        given: &[MET, After(30), Apply("approved", Old), After(2), Patch("approved")],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§6: a typed client that drops the digest in a read-modify-write is tolerated",
        approval: true,
        given: &[MET, After(30), Put("approved")],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::SignedBy("", "torpedo", "")],
    },
    Row {
        says: "§6: … when the current digest still stands in the annotation",
        approval: true,
        given: &[MET, After(30), PutWithoutAnnotation("approved")],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "names no proposal")],
    },
    Row {
        says: "§6: … and the UID is the journalled one: not before the approval is adopted",
        approval: true,
        given: &[MET, After(30), DeleteApproval, Apply("approved", Missing), After(30)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[
            Then::Told(STALE, "names no proposal"),
            Then::Asks("pending"),
            Then::EverLatched(Outcome::Approved, 0),
        ],
    },
    Row {
        says: "§6: … and managedFields show no Apply for approvalState",
        approval: true,
        given: &[MET, After(30), Apply("pending", Current), Apply("approved", Missing)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "names no proposal")],
    },
    Row {
        says: "§6: … and there is no last-applied annotation",
        approval: true,
        given: &[MET, After(30), ClientApply("pending", Current), Put("approved")],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "names no proposal")],
    },
    Row {
        says: "§6: … and the actions are otherwise equal",
        approval: true,
        given: &[MET, After(30), EditParams, Put("approved")],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Condition(STALE, "not the ones")],
    },
];

#[test]
fn answers_count_once_and_for_what_was_asked() {
    play_all(ANSWERS);
}

#[test]
fn what_is_no_answer_is_inert_and_says_so() {
    play_all(NO_ANSWERS);
}
