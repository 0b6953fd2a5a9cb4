//! What the engine makes of a pull request: it reads `status.pullRequest`, and never asks a forge.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::Outcome;

use super::{Row, Then, play_all};
use crate::event::Digest::{Current, Old};
use crate::event::Event::*;
use crate::external_edits::{MET, NOT_MET};
use crate::state_names::{ACTIVE_PENDING, AWAITING, DECLINED, IN_PROGRESS, NORMAL, TAKEN, TRIGGERED};

const PULLS: &[Row] = &[
    Row {
        says: "§7: an open pull request decides nothing, and neither does a merge that is not synced",
        approval: true,
        given: &[
            Forge(true),
            MET,
            After(30),
            Pull("open", Current),
            After(10),
            Pull("merged", Current),
            After(10),
        ],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Quiet],
    },
    Row {
        says: "§7: closed by anybody but us: declined, signed by who closed it",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("closed", Current)],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[
            Then::Latched(Outcome::Declined),
            Then::SignedBy("alice", "pull request", "pull request #7 was closed"),
            Then::Because("declined by alice"),
        ],
    },
    Row {
        says: "§7: a pull request counts only for the digest in its head file",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("closed", Old), After(10), After(10)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Quiet],
    },
    Row {
        says: "§6: merged and synced: approved, signed by who merged it",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("merged", Current), Apply("approved", Current)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::SignedBy("alice", "pull request", "")],
    },
    Row {
        says: "§6: synced before the forge has seen the merge: it counts, and the tool signs",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("open", Current), Apply("approved", Current)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::SignedBy("", "flux", "")],
    },
    Row {
        says: "… and the approval stays until the forge has seen it: the tool waits for what it applied",
        approval: true,
        given: &[
            Forge(true),
            MET,
            After(30),
            Finalizer,
            Pull("open", Current),
            Apply("approved", Current),
            NOT_MET,
            After(400),
            NOT_MET,
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Kept, Then::Quiet],
    },
    Row {
        says: "… but not for ever",
        approval: true,
        given: &[
            Forge(true),
            MET,
            After(30),
            Finalizer,
            Pull("open", Current),
            Apply("approved", Current),
            NOT_MET,
            After(700),
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Leaves],
    },
    Row {
        says: "… and goes when the file has gone",
        approval: true,
        given: &[
            Forge(true),
            MET,
            After(30),
            Finalizer,
            Pull("open", Current),
            Apply("approved", Current),
            NOT_MET,
            After(400),
            NOT_MET,
            Pull("reverted", Current),
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Leaves],
    },
    Row {
        says: "approved with kubectl it does not wait for the forge",
        approval: true,
        given: &[
            Forge(true),
            MET,
            After(30),
            Finalizer,
            Pull("open", Current),
            Patch("approved"),
            NOT_MET,
            After(3600),
            NOT_MET,
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Leaves],
    },
    Row {
        says: "§7: decided in the cluster while it is open: the hand signs, not the pull request",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("open", Current), Console("approved", "jane", "now")],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::SignedBy("jane", "console", "now")],
    },
    Row {
        says: "§6: … also when it was merged meanwhile",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("merged", Current), Patch("declined")],
        path: &[TRIGGERED, AWAITING, DECLINED],
        then: &[Then::Grown(0, "10Gi"), Then::SignedBy("", "kubectl", "")],
    },
    Row {
        says: "§6: once latched, a close changes nothing",
        approval: true,
        given: &[Forge(true), MET, After(30), Patch("approved"), Pull("closed", Current), After(10)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::Latched(Outcome::Approved)],
    },
    Row {
        says: "§6: a merged pull request postpones the NotMet case",
        approval: true,
        given: &[Forge(true), MET, After(30), NOT_MET, After(500), Pull("merged", Current), After(200)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "§6: … until the sync limit",
        approval: true,
        given: &[Forge(true), MET, After(30), NOT_MET, Pull("merged", Current), After(800), After(200)],
        path: &[TRIGGERED, AWAITING, S::Normal],
        then: &[Then::EverLatched(Outcome::Canceled, 1)],
    },
    Row {
        says: "§6: … or until the file has left the base branch",
        approval: true,
        given: &[
            Forge(true),
            MET,
            After(30),
            NOT_MET,
            Pull("merged", Current),
            After(700),
            Pull("reverted", Current),
            After(10),
        ],
        path: &[TRIGGERED, AWAITING, S::Normal],
        then: &[Then::EverLatched(Outcome::Canceled, 1)],
    },
    Row {
        says: "§6: … and only that case",
        approval: true,
        given: &[Forge(true), MET, After(30), Pull("merged", Current), HandResize("15Gi")],
        path: &[TRIGGERED, AWAITING, TRIGGERED],
        then: &[Then::EverLatched(Outcome::Canceled, 1)],
    },
    Row {
        says: "§6: the finalizer is the forge's where there is one: the engine waits",
        approval: true,
        given: &[Forge(true), MET, After(30), Finalizer, DeleteApproval, After(10), After(10)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Quiet],
    },
    Row {
        says: "§6: … and nobody's where there is none",
        approval: true,
        given: &[Forge(true), MET, After(30), Finalizer, DeleteApproval, Forge(false), After(10), After(30)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Proposed(2)],
    },
];

#[test]
fn a_pull_request_decides_only_by_what_somebody_did_with_it() {
    play_all(PULLS);
}
