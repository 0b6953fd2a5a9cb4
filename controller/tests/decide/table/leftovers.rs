//! Approvals that are not the question: foreign, spent, left by others or by another time.

use autopilot_controller::decide::STALE;
use autopilot_shared::api::Outcome;

use super::{Row, Then, play_all};
use crate::event::Digest::{Current, Missing, Old};
use crate::event::Event::*;
use crate::external_edits::{MET, NOT_MET};
use crate::state_names::{ACTIVE_PENDING, AWAITING, DECLINED, IN_PROGRESS, NORMAL, TAKEN, TRIGGERED};

const ROWS: &[Row] = &[
    Row {
        says: "§6: an object of that name with other labels is not ours: a hashed name instead",
        approval: true,
        given: &[Foreign, MET, After(30)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Hashed, Then::NoCondition],
    },
    Row {
        says: "§6: inert: on an object nobody proposed",
        approval: true,
        given: &[NOT_MET, Apply("approved", Missing), After(2), After(10)],
        path: &[],
        then: &[Then::Condition(STALE, "nothing is proposed"), Then::Asks("approved"), Then::Quiet],
    },
    Row {
        says: "§6: an object that the original, or a file, left becomes the question: reset, then adopted",
        approval: true,
        given: &[Original, MET, After(30), After(2)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(1), Then::NoCondition],
    },
    Row {
        says: "§6: … and a stale approved one never acts on the way",
        approval: true,
        given: &[Apply("approved", Old), MET, After(30), After(2), After(2)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Grown(0, "10Gi"), Then::NoCondition],
    },
    Row {
        says: "§6: … nor one with an unknown word, although that means pending: it is reset, then adopted",
        approval: true,
        given: &[MET, After(30), DeleteApproval, Apply("canceled", Current), After(30), After(2)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::NoCondition],
    },
    Row {
        says: "§6: the original's finalizer on objects left by it is released",
        approval: true,
        given: &[Original, DeleteApproval],
        path: &[],
        then: &[Then::NoApproval],
    },
    Row {
        says: "§6: … when its PVC is gone, too",
        approval: true,
        given: &[NOT_MET, Original, MET, DeleteClaim, DeleteApproval],
        path: &[TRIGGERED],
        then: &[Then::NoApproval, Then::NoJournal],
    },
    Row {
        says: "§6: kubectl delete must not hang where there is no forge: on a pending approval",
        approval: true,
        given: &[MET, After(30), Finalizer, DeleteApproval],
        path: &[TRIGGERED, AWAITING, TRIGGERED],
        then: &[Then::NoApproval],
    },
    Row {
        says: "§6: … on a declined one",
        approval: true,
        given: &[MET, After(30), Patch("declined"), Finalizer, DeleteApproval],
        path: &[TRIGGERED, AWAITING, DECLINED, TRIGGERED],
        then: &[Then::NoApproval],
    },
    Row {
        says: "§6: … on one in progress",
        approval: true,
        given: &[Quick(false), MET, After(30), Patch("approved"), Finalizer, DeleteApproval],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS],
        then: &[Then::NoApproval],
    },
    Row {
        says: "§6: … in the cool-down",
        approval: true,
        given: &[MET, After(30), Patch("approved"), Finalizer, DeleteApproval],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::NoApproval],
    },
    Row {
        says: "§6: … where there is a forge, that is who lets go",
        approval: true,
        given: &[Forge(true), MET, After(30), Finalizer, DeleteApproval, After(600)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "§6: … and when it does not, well after its bound, the engine",
        approval: true,
        given: &[Forge(true), MET, After(30), Finalizer, DeleteApproval, After(600), After(601)],
        path: &[TRIGGERED, AWAITING, TRIGGERED],
        then: &[Then::NoApproval],
    },
    Row {
        says: "§5: the journal was deleted by hand: an open question is taken back and asked anew",
        approval: true,
        given: &[MET, After(30), DeleteJournal, After(30)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(2), Then::EverLatched(Outcome::Canceled, 1)],
    },
    Row {
        says: "§6: … but declined by a person stays, for as long as the object is there",
        approval: true,
        given: &[MET, After(30), Patch("declined"), DeleteJournal, After(30), After(30), After(2), After(10)],
        path: &[TRIGGERED, AWAITING, DECLINED, TRIGGERED, DECLINED],
        then: &[Then::Latched(Outcome::Declined), Then::Proposed(1), Then::Quiet],
    },
    Row {
        says: "§6: … also while the conditions do not hold",
        approval: true,
        given: &[MET, After(30), Patch("declined"), NOT_MET, DeleteJournal, After(10), After(10)],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::Latched(Outcome::Declined), Then::Quiet],
    },
    Row {
        says: "§6: … and its deletion resumes",
        approval: true,
        given: &[MET, After(30), Patch("declined"), DeleteJournal, After(30), DeleteApproval, After(30)],
        path: &[TRIGGERED, AWAITING, DECLINED, TRIGGERED, DECLINED, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(2)],
    },
    Row {
        says: "both names are taken by others: it waits, says why, and proposes nothing",
        approval: true,
        given: &[Foreign, ForeignHashed, MET, After(30), After(2), After(10)],
        path: &[TRIGGERED],
        then: &[Then::Because("are taken"), Then::Proposed(0), Then::Quiet],
    },
    Row {
        says: "… until one is free",
        approval: true,
        given: &[Foreign, ForeignHashed, MET, After(30), DeleteApproval, After(10)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(1)],
    },
    Row {
        says: "§6: labels that a person took off do not make it another's question",
        approval: true,
        given: &[MET, After(30), Unlabel, Patch("approved")],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§6: a spent approval that a tool puts back after the object is Normal is inert",
        approval: true,
        given: &[
            MET,
            After(30),
            Patch("approved"),
            NOT_MET,
            After(300),
            Apply("approved", Current),
            After(2),
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Condition(STALE, "nothing is proposed"), Then::Grown(1, "20Gi")],
    },
];

#[test]
fn what_is_not_the_question_is_removed_or_says_so() {
    play_all(ROWS);
}
