//! Questions that are taken back.

use autopilot_controller::evaluate::verdict::Verdict;
use autopilot_shared::RuleState as S;
use autopilot_shared::api::Outcome;

use super::{Row, Then, play_all};
use crate::event::Event::*;
use crate::external_edits::{MET, NO_DATA, NOT_MET};
use crate::state_names::{ACTIVE_PENDING, AWAITING, IN_PROGRESS, NORMAL, TAKEN, TRIGGERED};

const ROWS: &[Row] = &[
    Row {
        says: "§6: canceled: rule edited; the condition holds, so it is asked anew",
        approval: true,
        given: &[MET, After(30), Percent("50"), After(30)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, AWAITING],
        then: &[
            Then::EverLatched(Outcome::Canceled, 1),
            Then::Proposed(2),
            Then::Asks("pending"),
            Then::Told("Transition", "ActionAwaitingApproval => Triggered"),
        ],
    },
    Row {
        says: "§6: canceled: suspended by the rule",
        approval: true,
        given: &[MET, After(30), Suspend(true)],
        path: &[TRIGGERED, AWAITING, NORMAL],
        then: &[
            Then::NoApproval,
            Then::Because("the rule is suspended"),
            Then::EverLatched(Outcome::Canceled, 1),
        ],
    },
    Row {
        says: "§6: canceled: suspended by the configuration",
        approval: true,
        given: &[MET, After(30), SuspendAll(true)],
        path: &[TRIGGERED, AWAITING, NORMAL],
        then: &[Then::NoApproval, Then::Because("all rules are suspended")],
    },
    Row {
        says: "a configuration that nobody understands takes nothing back, and no answer counts",
        approval: true,
        given: &[MET, After(30), After(5), Unknown(true), Patch("approved"), NOT_MET, After(900)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("approved"), Then::NoCondition, Then::Grown(0, "10Gi"), Then::Quiet],
    },
    Row {
        says: "… when it is understood again, the answer counts",
        approval: true,
        given: &[MET, After(30), Unknown(true), Patch("approved"), After(900), Unknown(false)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Latched(Outcome::Approved), Then::Grown(1, "20Gi")],
    },
    Row {
        says: "… nothing is started meanwhile",
        approval: false,
        given: &[MET, Unknown(true), After(900)],
        path: &[TRIGGERED],
        then: &[Then::NothingProposed, Then::Grown(0, "10Gi")],
    },
    Row {
        says: "… and what is latched is finished",
        approval: true,
        given: &[
            MET,
            After(30),
            Quick(false),
            Patch("approved"),
            Unknown(true),
            Capacity,
            NOT_MET,
            After(300),
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "… and after what is finished nothing new begins, although the conditions hold",
        approval: false,
        given: &[Hold(0), MET, Unknown(true), Pass(Verdict::Met, 90.0), After(300), After(10)],
        path: &[TRIGGERED, ACTIVE_PENDING, IN_PROGRESS, TAKEN, NORMAL],
        then: &[Then::Grown(1, "20Gi"), Then::NothingProposed],
    },
    Row {
        says: "§6, AUT-207: canceled: no longer approvalRequired; it is done without one, after `for`",
        approval: true,
        given: &[MET, After(30), Enforce(false), After(30)],
        path: &[TRIGGERED, AWAITING, TRIGGERED, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::NoApproval, Then::EverLatched(Outcome::Canceled, 1), Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§6: canceled: the rule does not select the PVC any more",
        approval: true,
        given: &[MET, After(30), Select(false)],
        path: &[TRIGGERED, AWAITING, NORMAL],
        then: &[Then::NoApproval, Then::Because("does not select")],
    },
    Row {
        says: "§6: canceled: the rule is not understood any more",
        approval: true,
        given: &[MET, After(30), Break],
        path: &[TRIGGERED, AWAITING, NORMAL],
        then: &[Then::NoApproval, Then::Because("not understood")],
    },
    Row {
        says: "§6: canceled: PVC replaced",
        approval: true,
        given: &[MET, After(30), Recreate],
        path: &[TRIGGERED, AWAITING, TRIGGERED],
        then: &[Then::NoApproval, Then::Because("replaced"), Then::EverLatched(Outcome::Canceled, 1)],
    },
    Row {
        says: "§6: canceled: PVC resized",
        approval: true,
        given: &[MET, After(30), HandResize("12Gi")],
        path: &[TRIGGERED, AWAITING, TRIGGERED],
        then: &[Then::NoApproval, Then::Because("resized to 12Gi"), Then::Grown(0, "12Gi")],
    },
    Row {
        says: "§6: PVC gone: its approvals go with it, and its journal",
        approval: true,
        given: &[MET, After(30), DeleteClaim],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::NoApproval, Then::NoJournal],
    },
    Row {
        says: "§6: … declined ones, too",
        approval: true,
        given: &[MET, After(30), Patch("declined"), DeleteClaim],
        path: &[TRIGGERED, AWAITING, S::ActionsDeclined],
        then: &[Then::NoApproval, Then::NoJournal],
    },
    Row {
        says: "§6: NotMet for `for` alone does not cancel: usage that hovers must not open and close all day",
        approval: true,
        given: &[MET, After(30), After(2), NOT_MET, After(599)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Quiet],
    },
    Row {
        says: "§6: NotMet for `for` and for cancelAfter",
        approval: true,
        given: &[MET, After(30), NOT_MET, After(600)],
        path: &[TRIGGERED, AWAITING, NORMAL],
        then: &[
            Then::NoApproval,
            Then::EverLatched(Outcome::Canceled, 1),
            Then::Because("do not hold any more"),
        ],
    },
    Row {
        says: "§6: … counted from the last Met",
        approval: true,
        given: &[MET, After(30), NOT_MET, After(400), MET, NOT_MET, After(400)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "§4: NoData is not NotMet: cancelAfter passes without data",
        approval: true,
        given: &[MET, After(30), After(2), NOT_MET, NO_DATA, After(600), After(600)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Quiet],
    },
    Row {
        says: "… nor with nobody asking Prometheus",
        approval: true,
        given: &[MET, After(30), After(2), NOT_MET, Silence(6000)],
        path: &[TRIGGERED, AWAITING],
        then: &[Then::Asks("pending"), Then::Quiet],
    },
    Row {
        says: "§6: an answer that is there goes before a condition that is not",
        approval: true,
        given: &[MET, After(30), NOT_MET, Silence(599), Patch("approved"), After(1)],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§6: never after the latch: suspended, what is latched is finished",
        approval: true,
        given: &[Quick(false), MET, After(30), Patch("approved"), Suspend(true), NOT_MET, Capacity],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi"), Then::Executed("done"), Then::EverLatched(Outcome::Canceled, 0)],
    },
    Row {
        says: "§6: never after the latch: not when the rule is edited between refused attempts, either",
        approval: true,
        given: &[
            Refuses(true),
            MET,
            After(30),
            Patch("approved"),
            Percent("50"),
            Select(false),
            Refuses(false),
            Silence(5),
        ],
        path: &[TRIGGERED, AWAITING, ACTIVE_PENDING, IN_PROGRESS, ACTIVE_PENDING, IN_PROGRESS, TAKEN],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§4: without an approval nothing is latched: suspended between attempts, it ends",
        approval: false,
        given: &[Refuses(true), MET, After(30), Suspend(true), Refuses(false), Silence(5)],
        path: &[TRIGGERED, ACTIVE_PENDING, IN_PROGRESS, ACTIVE_PENDING, NORMAL],
        then: &[Then::Grown(0, "10Gi"), Then::Because("suspended")],
    },
    Row {
        says: "§3: ActiveActionsPending => Normal, conditions no longer met before the action started",
        approval: false,
        given: &[Refuses(true), MET, After(30), NOT_MET],
        path: &[TRIGGERED, ACTIVE_PENDING, IN_PROGRESS, ACTIVE_PENDING, NORMAL],
        then: &[Then::Grown(0, "10Gi")],
    },
    Row {
        says: "rule edited between attempts without an approval: computed anew, after `for`",
        approval: false,
        given: &[Refuses(true), MET, After(30), Percent("50"), Refuses(false), After(30)],
        path: &[
            TRIGGERED,
            ACTIVE_PENDING,
            IN_PROGRESS,
            ACTIVE_PENDING,
            TRIGGERED,
            ACTIVE_PENDING,
            IN_PROGRESS,
            TAKEN,
        ],
        then: &[Then::Grown(1, "15Gi"), Then::Proposed(2)],
    },
    Row {
        says: "enlarged by hand between attempts without an approval: computed anew, after `for`",
        approval: false,
        given: &[Refuses(true), MET, After(30), HandResize("11Gi"), Refuses(false), After(300), After(30)],
        path: &[
            TRIGGERED,
            ACTIVE_PENDING,
            IN_PROGRESS,
            ACTIVE_PENDING,
            TRIGGERED,
            ACTIVE_PENDING,
            IN_PROGRESS,
            TAKEN,
        ],
        then: &[Then::Grown(1, "22Gi"), Then::Proposed(2)],
    },
    Row {
        says: "§4: suspend lifted: it triggers again",
        approval: true,
        given: &[MET, After(30), Suspend(true), Suspend(false), MET],
        path: &[TRIGGERED, AWAITING, NORMAL, TRIGGERED],
        then: &[],
    },
];

#[test]
fn questions_are_taken_back_for_a_reason_and_never_after_the_latch() {
    play_all(ROWS);
}
